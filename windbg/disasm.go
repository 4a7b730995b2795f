package windbg

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// This file disassembles: u, ub, uf.

// unassemble is u.
func unassemble(ctx context.Context, c *call) error {
	at, n, end, err := c.instructions(ctx, 8)
	if err != nil {
		return err
	}
	last := ""
	var pair arch.Upper
	for n > 0 || end > at {
		if err := ctx.Err(); err != nil {
			return err
		}
		k := min(n, 64)
		if end > 0 {
			k = 64
		}
		insts, err := c.v.Disassemble(ctx, at, k)
		if err != nil {
			return expressionError(c.text, err)
		}
		if len(insts) == 0 {
			return nil
		}
		for _, inst := range insts {
			if end > 0 && inst.Addr > end {
				return nil
			}
			last = c.codeHeader(inst.Addr, last)
			c.printf("%s%s%s\n", c.codeNumber(inst, c.i.asm.lines), c.i.codeRow(c.v, inst, pointerSize(c.v)), completed(c.v, &pair, inst))
			at = inst.Addr + arch.Addr(max(1, len(inst.Bytes)))
			c.i.cursor.code, c.i.cursor.codeSet = at, true
		}
		n -= len(insts)
		if end > 0 {
			n = 0
		}
	}
	return nil
}

// instructions reads "[Addr [Ln | End]]"; end is 0 unless an end was given.
func (c *call) instructions(ctx context.Context, def int) (at arch.Addr, n int, end arch.Addr, err error) {
	at, n = c.i.cursor.code, def
	if !c.i.cursor.codeSet {
		if at, err = c.here(ctx); err != nil {
			return 0, 0, 0, err
		}
	}
	if c.more() && !isLength(c.line) {
		if at, err = c.address(ctx); err != nil {
			return
		}
	}
	if !c.more() {
		return
	}
	pos := c.base
	if !isLength(c.line) {
		if end, err = c.address(ctx); err == nil && end < at {
			err = &Error{Kind: "Range", Command: c.text, Pos: pos}
		}
		if err == nil {
			err = c.end()
		}
		return
	}
	c.drop(1)
	c.drop(len(c.line) - len(strings.TrimLeft(c.line, "?-")))
	count, err := c.number(ctx, 0)
	if err == nil && count > 1<<20 {
		err = &Error{Kind: "Range", Command: c.text, Pos: pos}
	}
	if err == nil {
		err = c.end()
	}
	return at, int(count), 0, err
}

// here is where the selected frame is; of an image that nobody runs, where it begins.
func (c *call) here(ctx context.Context) (arch.Addr, error) {
	f, err := c.v.Frame(ctx)
	if err == nil {
		return f.PC, nil
	}
	list := c.v.Live().Modules()
	if !errors.Is(err, targets.ErrNoThreads) || len(list) == 0 {
		return 0, err
	}
	m, bad := c.v.LoadSymbols(ctx, list[0].Base, false, false)
	if bad != nil || m.Image == nil {
		return 0, err
	}
	return m.Base + arch.Addr(m.Image.Entry()), nil
}

// anyFrame is the selected frame, nil in an image that nobody runs and in a debuggee
// that is looked at as it runs: expressions find what is static without one.
func anyFrame(ctx context.Context, v *engine.View) (*engine.Frame, error) {
	f, err := v.Frame(ctx)
	if errors.Is(err, targets.ErrNoThreads) || errors.Is(err, targets.ErrRunning) {
		return nil, nil
	}
	return f, err
}

// codeHeader writes the symbol line when the symbol at a is another than last.
func (c *call) codeHeader(a arch.Addr, last string) string {
	l := c.v.Locate(a)
	name := symbolText(l.Module, l.Symbol)
	if name == "" || name == last {
		return name
	}
	c.printf("%s:\n", located(l, !c.i.source.noLines))
	return name
}

func unassembleBefore(ctx context.Context, c *call) error {
	at, n, _, err := c.instructions(ctx, 8)
	if err != nil {
		return err
	}
	insts, err := c.v.DisassembleBefore(ctx, at, n)
	if err != nil {
		return expressionError(c.text, err)
	}
	last := ""
	for _, inst := range insts {
		last = c.codeHeader(inst.Addr, last)
		c.printf("%s\n", c.i.codeRow(c.v, inst, pointerSize(c.v)))
	}
	if len(insts) > 0 {
		c.i.cursor.code, c.i.cursor.codeSet = insts[0].Addr, true
	}
	return nil
}

// unassembleFunction is uf.
func unassembleFunction(ctx context.Context, c *call) error {
	set, err := c.flags("/", "c i D m o O")
	if err != nil {
		return err
	}
	var addr arch.Addr
	if c.more() {
		a, err := c.address(ctx)
		if err != nil {
			return err
		}
		addr = a
	} else {
		a, err := c.here(ctx)
		if err != nil {
			return err
		}
		addr = a
	}
	if err := c.end(); err != nil {
		return err
	}
	insts, err := c.function(ctx, addr)
	if err != nil {
		return err
	}
	if set["i"] {
		c.printf("%d instructions scanned\n", len(insts))
	}
	if set["c"] {
		c.calls(insts)
		return nil
	}
	last := ""
	var pair arch.Upper
	for _, inst := range insts {
		last = c.codeHeader(inst.Addr, last)
		c.printf("%s%s%s\n", c.codeNumber(inst, !c.i.source.noLines), c.i.codeRow(c.v, inst, pointerSize(c.v)), completed(c.v, &pair, inst))
	}
	return nil
}

// codeNumber is the line number before a row of code, where it is wanted and known.
func (c *call) codeNumber(inst engine.Inst, wanted bool) string {
	if l := c.v.Locate(inst.Addr); wanted && l.Line.File != "" {
		return fmt.Sprintf("%5d ", l.Line.Line)
	}
	return ""
}

// completed names the address that an instruction completes in a second step, as a
// remark; "" when it completes none that has a name.
func completed(v *engine.View, pair *arch.Upper, inst engine.Inst) string {
	if inst.Err != nil {
		return ""
	}
	to, ok := pair.Next(inst.Inst, inst.Addr)
	if !ok {
		return ""
	}
	name := nameAt(v, to)
	if name == "" {
		return ""
	}
	return "  // " + name + " (" + to.Text(pointerSize(v)) + ")"
}

// function decodes the function that holds addr, in address order. Without a known
// size it follows the code to the last return that nothing jumps over.
func (c *call) function(ctx context.Context, addr arch.Addr) ([]engine.Inst, error) {
	const most = 20000
	l := c.v.Locate(addr)
	if l.Module == nil || l.Symbol.Name == "" {
		return nil, &Error{Text: "No code found, aborting"}
	}
	at := addr - arch.Addr(l.Disp)
	end := at + arch.Addr(l.Symbol.Size)
	if l.Module.Image != nil {
		if s, ok := l.Module.Image.(symbols.Scoper); ok {
			if scopes, err := s.Scopes(symbols.Offset(addr - l.Module.Base)); err == nil && len(scopes) > 0 {
				out := scopes[len(scopes)-1]
				at, end = l.Module.Base+arch.Addr(out.Low), l.Module.Base+arch.Addr(out.High)
			}
		}
	}
	open := end <= at
	var far arch.Addr
	var all []engine.Inst
	for (open || at < end) && len(all) < most {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		insts, err := c.v.Disassemble(ctx, at, 64)
		if err != nil || len(insts) == 0 {
			return all, err
		}
		for _, inst := range insts {
			if !open && inst.Addr >= end {
				return all, nil
			}
			all = append(all, inst)
			at = inst.Addr + arch.Addr(max(1, len(inst.Bytes)))
			if (inst.Kind == arch.CondJump || inst.Kind == arch.Jump) && inst.HasTarget && inst.Mem == nil && inst.Target < at+4096 {
				far = max(far, inst.Target)
			}
			if open && (inst.Err != nil || (inst.Kind == arch.Return || inst.Kind == arch.Jump) && at > far) {
				return all, nil
			}
		}
	}
	return all, nil
}

// calls lists the calls among instructions, as uf /c does.
func (c *call) calls(insts []engine.Inst) {
	if len(insts) == 0 {
		return
	}
	ptr := pointerSize(c.v)
	var pair arch.Upper
	first := c.v.Locate(insts[0].Addr)
	c.printf("%s (%s)\n", symbolText(first.Module, first.Symbol), insts[0].Addr.Text(ptr))
	for _, inst := range insts {
		to, made := pair.Next(inst.Inst, inst.Addr)
		if inst.Kind != arch.Call {
			continue
		}
		if made && inst.Mem == nil && !inst.HasTarget {
			inst.Target, inst.HasTarget = to, true
		}
		l := c.v.Locate(inst.Addr)
		c.printf("  %s (%s):\n", located(l, !c.i.source.noLines), inst.Addr.Text(ptr))
		if inst.HasTarget && inst.Mem == nil {
			c.printf("    call to %s (%s)\n", nameAt(c.v, inst.Target), inst.Target.Text(ptr))
		} else {
			c.printf("    unresolvable call: %s\n", strings.TrimSpace(inst.Op+" "+inst.Args))
		}
	}
}
