package windbg

import (
	"context"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/symbols"
)

// This file shows the debug information itself: !diesym, !die and their kin, !dwunwind.

var debugInfoCommands = []command{
	{"!diesym", "!diesym [-r[N]] Expr", "DWARF entry of the function or variable at an address", stopped, entryOfSymbol},
	{"!die", "!die [-r[N]] [-t] -m Module Offset", "DWARF entry at an offset of .debug_info; -r with N levels below it, -t names only", stopped, showEntry},
	{"!dietree", "!dietree [-r[N]] [-t] -m Module Offset", "DWARF entry and all below it", stopped, showEntry},
	{"!dieancestry", "!dieancestry [-t] -m Module Offset", "DWARF entry and those around it, the outermost last", stopped, showEntry},
	{"!dielocal", "!dielocal [-r[N]] [-t] Name", "DWARF entry of a local variable of the selected frame", stopped, entryOfLocal},
	{"!dwunwind", "!dwunwind Addr", "how the frame is unwound at an address", stopped, unwindRules},
	{".fnent", ".fnent Addr", "as !dwunwind", stopped, unwindRules},
}

// entryLimit bounds what one command shows.
const entryLimit = 5000

// entryQuery is what the !die family asks for.
type entryQuery struct {
	levels int
	terse  bool
	module string
	names  symbols.Entries
	base   *engine.Module
	left   int
}

func (c *call) entryQuery(ctx context.Context) (*entryQuery, error) {
	q := &entryQuery{left: entryLimit}
	for {
		at := c.base
		o, ok := c.option("-")
		if !ok {
			return q, nil
		}
		switch {
		case o == "t":
			q.terse = true
		case o == "m":
			q.module = c.word()
		case o == "r":
			q.levels = 1
		case strings.HasPrefix(o, "r"):
			n, err := c.value(ctx, "0n"+o[1:])
			if err != nil || n > 100 {
				return q, &Error{Kind: "Syntax", Command: c.text, Pos: at}
			}
			q.levels = int(n)
		default:
			return q, &Error{Kind: "Syntax", Command: c.text, Pos: at}
		}
	}
}

// of finds the debug information of a module.
func (q *entryQuery) of(m *engine.Module) error {
	names, ok := m.Image.(symbols.Entries)
	if m.Image == nil || !ok || m.Image.Debug() != symbols.DWARF {
		return &Error{Text: "No DWARF information is loaded for " + m.Name, Fix: "!lmi shows what is; .reload /f looks for it"}
	}
	q.names, q.base = names, m
	return nil
}

// show writes an entry and levels below it.
func (c *call) showEntry(q *entryQuery, off uint64, indent, levels int) {
	e, ok := q.names.DebugEntry(off)
	if !ok || q.left <= 0 {
		return
	}
	q.left--
	blank := strings.Repeat(" ", 4*indent)
	up := " [^^^]"
	if len(q.names.EntryParents(off)) == 0 {
		up = ""
	}
	c.printf("%s0x%x: %s%s\n", blank, e.Offset, e.Tag, up)
	for _, a := range e.Attrs {
		if !q.terse || a.Name == "DW_AT_name" {
			c.printf("%s    %-23s %s\n", blank, a.Name, a.Text)
		}
	}
	if levels == 0 {
		return
	}
	for _, child := range q.names.EntryChildren(off, q.left) {
		c.showEntry(q, child, indent+1, levels-1)
	}
}

// entryOfSymbol is !diesym.
func entryOfSymbol(ctx context.Context, c *call) error {
	q, err := c.entryQuery(ctx)
	if err != nil {
		return err
	}
	addr, err := c.address(ctx)
	if err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	m, ok := c.v.ModuleAt(addr)
	if !ok {
		return fail("No module holds %s", addr.Text(pointerSize(c.v)))
	}
	if err := q.of(m); err != nil {
		return err
	}
	off, ok := q.names.EntryAt(symbols.Offset(addr - m.Base))
	if !ok {
		return fail("No entry describes %s", addr.Text(pointerSize(c.v)))
	}
	c.showEntry(q, off, 0, q.levels)
	return nil
}

// showEntry is !die, !dietree and !dieancestry.
func showEntry(ctx context.Context, c *call) error {
	q, err := c.entryQuery(ctx)
	if err != nil {
		return err
	}
	n, err := c.lastNumber(ctx, 0)
	if err != nil {
		return err
	}
	if q.module == "" {
		return c.syntax(0)
	}
	m, err := c.module(ctx, q.module)
	if err != nil {
		return err
	}
	if m.Image == nil {
		if m, err = c.v.LoadSymbols(ctx, m.Base, false, false); err != nil {
			return err
		}
	}
	if err := q.of(m); err != nil {
		return err
	}
	if _, ok := q.names.DebugEntry(n); !ok {
		return fail("No entry begins at 0x%x of .debug_info", n)
	}
	switch c.cmd.Name {
	case "!dieancestry":
		for k, off := range append([]uint64{n}, q.names.EntryParents(n)...) {
			c.showEntry(q, off, k, 0)
		}
		return nil
	case "!dietree":
		if q.levels == 0 {
			q.levels = 100
		}
	}
	c.showEntry(q, n, 0, q.levels)
	if q.left <= 0 {
		c.printf("... %d entries are enough\n", entryLimit)
	}
	return nil
}

// entryOfLocal is !dielocal: the innermost variable of that name around the frame's place.
func entryOfLocal(ctx context.Context, c *call) error {
	q, err := c.entryQuery(ctx)
	if err != nil {
		return err
	}
	name := c.word()
	if name == "" {
		return c.syntax(0)
	}
	if err := c.end(); err != nil {
		return err
	}
	f, err := c.v.Frame(ctx)
	if err != nil {
		return err
	}
	if f.Module == nil {
		return noLocals()
	}
	if err := q.of(f.Module); err != nil {
		return err
	}
	fn, ok := q.names.EntryAt(symbols.Offset(f.PC - f.Module.Base))
	if !ok {
		return noLocals()
	}
	off, ok := q.local(fn, "'"+name+"'", 0)
	if !ok {
		return fail("%s has no local variable '%s'", symbolOrAddress(f, pointerSize(c.v)), name)
	}
	c.showEntry(q, off, 0, q.levels)
	return nil
}

// local looks for a variable below an entry.
func (q *entryQuery) local(at uint64, name string, depth int) (uint64, bool) {
	if depth > 64 {
		return 0, false
	}
	for _, off := range q.names.EntryChildren(at, entryLimit) {
		e, ok := q.names.DebugEntry(off)
		if !ok {
			continue
		}
		if e.Tag == "DW_TAG_variable" || e.Tag == "DW_TAG_formal_parameter" {
			for _, a := range e.Attrs {
				if a.Name == "DW_AT_name" && a.Text == name {
					return off, true
				}
			}
		}
		if e.Tag == "DW_TAG_lexical_block" {
			if found, ok := q.local(off, name, depth+1); ok {
				return found, true
			}
		}
	}
	return 0, false
}

// unwindRules is !dwunwind.
func unwindRules(ctx context.Context, c *call) error {
	addr, err := c.address(ctx)
	if err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	m, ok := c.v.ModuleAt(addr)
	if !ok {
		return fail("No function entry for %s", addr.Text(pointerSize(c.v)))
	}
	if m.Image == nil {
		if m, err = c.v.LoadSymbols(ctx, m.Base, false, false); err != nil {
			return err
		}
	}
	u, ok := m.Image.(symbols.UnwindRules)
	if !ok {
		return fail("No function entry for %s", addr.Text(pointerSize(c.v)))
	}
	over, rules, err := u.Rules(symbols.Offset(addr - m.Base))
	if err != nil {
		return &Error{Text: fmt.Sprintf("No function entry for %s", addr.Text(pointerSize(c.v))), Err: err}
	}
	ptr := pointerSize(c.v)
	c.printf("Unwind data of %s: %s - %s\n", located(c.v.Locate(addr), false), (m.Base + arch.Addr(over.Low)).Text(ptr), (m.Base + arch.Addr(over.High)).Text(ptr))
	for _, r := range rules {
		c.printf("    %s\n", r)
	}
	return nil
}
