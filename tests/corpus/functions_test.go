package corpus

import (
	stdelf "debug/elf"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dap-windbg/symbols"
)

// code is the address ranges of a file's executable sections: what lies outside
// was dropped by the linker.
func code(tb testing.TB, path string) func(addr uint64) bool {
	tb.Helper()
	f, err := stdelf.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var ranges [][2]uint64
	for _, s := range f.Sections {
		if s.Flags&stdelf.SHF_EXECINSTR != 0 && s.Addr != 0 {
			ranges = append(ranges, [2]uint64{s.Addr, s.Addr + s.Size})
		}
	}
	return func(addr uint64) bool {
		return slices.ContainsFunc(ranges, func(r [2]uint64) bool { return addr >= r[0] && addr < r[1] })
	}
}

func (c *comparer) off(addr uint64) symbols.Offset { return symbols.Offset(addr - c.img.LinkBase()) }

// functions compares every function that has code, and what is visible at every
// edge of every block and inlined call in it.
func (c *comparer) functions(live func(uint64) bool) {
	for _, u := range c.tree.units {
		if u.root != nil {
			c.functionsIn(u.root, live)
		}
	}
	c.run()
}

func (c *comparer) functionsIn(n *node, live func(uint64) bool) {
	for _, k := range n.kids {
		if k.tag == "subprogram" {
			if rs := k.addresses(); len(rs) > 0 && live(rs[0][0]) {
				c.function(k, rs)
			}
		}
		switch k.tag {
		case "namespace", "module", "structure_type", "class_type", "union_type", "subprogram", "lexical_block", "interface_type":
			c.functionsIn(k, live)
		}
	}
}

func (c *comparer) function(n *node, rs [][2]uint64) {
	name := fmt.Sprintf("%s at 0x%x", c.tree.name(n), rs[0][0])
	scopes, err := c.img.Scopes(c.off(rs[0][0]))
	if err != nil || len(scopes) == 0 {
		c.errorf("%s: no scopes (%v)", name, err)
		return
	}
	s := scopes[len(scopes)-1]
	if fact(c, "ranges", name, len(s.Ranges), len(rs)) {
		for i, r := range rs {
			fact(c, "range", name, s.Ranges[i], symbols.Range{Low: c.off(r[0]), High: c.off(r[1])})
		}
	}
	if e := c.tree.from(n, "DW_AT_type"); e != nil {
		c.later(name+" returns", s.Return, c.tree.target(e, "DW_AT_type"))
	} else if s.Return != nil {
		c.errorf("%s returns %v, want nothing", name, s.Return)
	}
	if t, ok := c.img.Function(c.off(entry(n, rs))); !ok {
		c.errorf("%s: no type", name)
	} else {
		c.later(name, t, n)
	}
	for _, at := range c.edges(n) {
		c.scopes(n, at)
	}
}

// entry is where a function is entered.
func entry(n *node, rs [][2]uint64) uint64 {
	for _, a := range []string{"DW_AT_entry_pc", "DW_AT_low_pc"} {
		if v, ok := n.number(a); ok && v != 0 {
			return uint64(v)
		}
	}
	return rs[0][0]
}

// edges are the first and last addresses of all parts of a function.
func (c *comparer) edges(n *node) []uint64 {
	var out []uint64
	var walk func(n *node)
	walk = func(n *node) {
		for _, r := range n.addresses() {
			out = append(out, r[0], r[1]-1)
		}
		for _, k := range n.kids {
			if k.tag == "lexical_block" || k.tag == "inlined_subroutine" {
				walk(k)
			}
		}
	}
	walk(n)
	slices.Sort(out)
	return slices.Compact(out)
}

// level is a function or inlined call with the variables that are visible.
type level struct {
	n      *node
	blocks [][]*node // variables by depth
}

func covers(n *node, at uint64) bool {
	return slices.ContainsFunc(n.addresses(), func(r [2]uint64) bool { return at >= r[0] && at < r[1] })
}

// visible goes down to the innermost block at an address.
func (t *tree) visible(n *node, at uint64) []level {
	out := []level{{n: n}}
	for n != nil {
		l := &out[len(out)-1]
		vars, inner := t.block(n, at)
		l.blocks = append(l.blocks, vars)
		if inner != nil && inner.tag == "inlined_subroutine" {
			out = append(out, level{n: inner})
		}
		n = inner
	}
	slices.Reverse(out)
	return out
}

// block returns the variables of a block, those that only its abstract origin has
// among them (gdb shows them too), and the block or inlined call in it at an
// address.
func (t *tree) block(n *node, at uint64) (vars []*node, inner *node) {
	own := map[*node]bool{}
	var take func(k *node)
	take = func(k *node) {
		switch k.tag {
		case "formal_parameter", "variable", "constant":
			vars = append(vars, k)
		case "GNU_formal_parameter_pack", "common_block":
			for _, p := range k.kids {
				take(p)
			}
		case "lexical_block", "inlined_subroutine":
			switch hasCode := k.text("DW_AT_ranges") != "" || k.text("DW_AT_low_pc") != ""; {
			case hasCode && inner == nil && covers(k, at):
				inner = k
			case !hasCode && k.tag == "lexical_block": // its code was removed
				for _, p := range k.kids {
					take(p)
				}
			}
		}
	}
	for _, k := range n.kids {
		take(k)
		for o := t.target(k, "DW_AT_abstract_origin"); o != nil && !strings.Contains(k.tag, "call_site"); o = t.target(o, "DW_AT_abstract_origin") {
			own[o] = true
		}
	}
	if o := t.target(n, "DW_AT_abstract_origin"); o != nil {
		for _, k := range o.kids {
			if !own[k] {
				take(k)
			}
		}
	}
	return vars, inner
}

func (c *comparer) scopes(n *node, at uint64) {
	path := fmt.Sprintf("%s at 0x%x", c.tree.name(n), at)
	got, err := c.img.Scopes(c.off(at))
	want := c.tree.visible(n, at)
	if err != nil {
		c.errorf("%s: %v", path, err)
		return
	}
	if !fact(c, "scopes", path, len(got), len(want)) {
		return
	}
	for i, w := range want {
		s := &got[i]
		at := fmt.Sprintf("%s #%d", path, i)
		c.scopeName(at, s, w.n)
		fact(c, "inlined", at, s.Inlined, w.n.tag == "inlined_subroutine")
		if s.Inlined {
			c.line(at+" call", s.Call, w.n, "call")
		}
		c.decl(at+" declared", s.Decl, w.n)
		c.variables(at, s, w)
	}
}

func (c *comparer) scopeName(path string, s *symbols.Scope, n *node) {
	name := symbols.Spell(c.tree.name(n))
	c.count["function name"]++
	if name != "" && !strings.HasSuffix(s.Name, name) {
		low, _ := n.number("DW_AT_low_pc")
		if !slices.ContainsFunc(c.tree.names[uint64(low)], func(n *node) bool { return strings.HasSuffix(s.Name, symbols.Spell(c.tree.name(n))) }) {
			c.errorf("%s: name is %q, want it to end in %q", path, s.Name, name)
		}
		return
	}
	want := ""
	for _, a := range []string{"DW_AT_linkage_name", "DW_AT_MIPS_linkage_name"} {
		if f := c.tree.from(n, a); f != nil && want == "" {
			want = f.str(a)
		}
	}
	fact(c, "linkage name", path, s.Linkage, want)
}

// line compares the place where an inlined call is written.
func (c *comparer) line(path string, got symbols.Line, n *node, prefix string) {
	num, _ := n.number("DW_AT_" + prefix + "_line")
	col, _ := n.number("DW_AT_" + prefix + "_column")
	fact(c, "line", path, int64(got.Line), num)
	fact(c, "column", path, int64(got.Column), col)
	fact(c, "file", path, got.File, clean(n.str("DW_AT_"+prefix+"_file")))
}

func clean(p string) string {
	if p == "" {
		return ""
	}
	return filepath.Clean(p)
}

// decl compares the place of a declaration, each part of which may be with the
// entry or with one that it completes.
func (c *comparer) decl(path string, got symbols.Line, n *node) {
	f := c.tree.from(n, "DW_AT_decl_line")
	if f == nil {
		return
	}
	num, _ := f.number("DW_AT_decl_line")
	fact(c, "line", path, int64(got.Line), num)
	if f := c.tree.from(n, "DW_AT_decl_file"); f != nil {
		fact(c, "file", path, got.File, clean(f.str("DW_AT_decl_file")))
	}
}

func (c *comparer) variables(path string, s *symbols.Scope, w level) {
	var want []*node
	for depth := len(w.blocks) - 1; depth >= 0; depth-- {
		for _, params := range []bool{true, false} {
			for _, v := range w.blocks[depth] {
				if (v.tag == "formal_parameter") == params && v.text("DW_AT_declaration") == "" && c.tree.name(v) != "" {
					want = append(want, v)
				}
			}
		}
	}
	var names, have []string
	for _, v := range want {
		names = append(names, c.tree.name(v))
	}
	for _, v := range s.Variables {
		have = append(have, v.Name)
	}
	c.count["variable"] += len(want)
	if !slices.Equal(have, names) {
		c.errorf("%s: variables are %q, want %q", path, have, names)
		return
	}
	for i, v := range want {
		if e := c.tree.from(v, "DW_AT_type"); e != nil {
			c.later(path+" "+names[i], s.Variables[i].Type, c.tree.target(e, "DW_AT_type"))
		}
		c.decl(path+" "+names[i], s.Variables[i].Decl, v)
	}
}
