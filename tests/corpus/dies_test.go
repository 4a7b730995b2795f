package corpus

import (
	"bufio"
	"bytes"
	"cmp"
	"os/exec"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// node is a debugging information entry as llvm-dwarfdump prints it.
type node struct {
	key    place
	tag    string
	attrs  []attribute
	parent *node
	kids   []*node
	unit   *unit
}

// place is a section ("" is .debug_info) and an offset in it.
type place struct {
	section string
	off     uint64
}

type attribute struct{ name, text string }

// unit is a compile, partial or type unit.
type unit struct {
	root    *node
	version int
	sig     uint64 // of a type unit, else 0
	typeOff uint64 // of its type
}

// tree is all entries of a file.
type tree struct {
	units  []*unit
	byKey  map[place]*node
	bySig  map[uint64]*node
	byName map[string][]*node // types by qualified name
	code   [][2]uint64        // of all units, by address
	names  map[uint64][]*node // functions that begin at an address: more than one in assembler
}

// hasCode reports whether some unit has the address.
func (t *tree) hasCode(addr uint64) bool {
	i := sort.Search(len(t.code), func(i int) bool { return t.code[i][0] > addr })
	for n := 0; i > 0 && n < 8; n++ {
		if i--; addr < t.code[i][1] {
			return true
		}
	}
	return false
}

// dwarfdump is the version that reads all of the corpus: 14 ends at the constants of
// a class type.
const dwarfdump = "llvm-dwarfdump-19"

// dump runs llvm-dwarfdump on a file and reads what it prints.
func dump(tb testing.TB, path string) *tree {
	tb.Helper()
	out, err := exec.Command(dwarfdump, "--debug-info", "--debug-types", path).Output()
	if err != nil {
		tb.Fatalf("llvm-dwarfdump %s: %v", path, err)
	}
	return parseTree(out)
}

// dumpUnits reads one unit in n of a file, as it is printed; of the others only the
// root.
func dumpUnits(tb testing.TB, path string, n int) *tree {
	tb.Helper()
	cmd := exec.Command(dwarfdump, "--debug-info", path)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	p := treeParser{t: newTree()}
	in := bufio.NewScanner(pipe)
	in.Buffer(nil, 1<<24)
	for skip := false; in.Scan(); {
		line := in.Bytes()
		if bytes.Contains(line, []byte(" Unit: length")) {
			skip = false
		}
		if !skip {
			p.line(string(line))
		}
		if p.node != nil && len(p.open) == 2 && len(p.t.units)%n != 0 {
			p.drop()
			skip = true
		}
	}
	if err := cmd.Wait(); err != nil || in.Err() != nil {
		tb.Fatal(err, in.Err())
	}
	return p.end()
}

// drop forgets the entry just begun.
func (p *treeParser) drop() {
	parent := p.node.parent
	parent.kids = nil
	delete(p.t.byKey, p.node.key)
	p.open, p.node = p.open[:1], nil
}

func newTree() *tree {
	return &tree{byKey: map[place]*node{}, bySig: map[uint64]*node{}, byName: map[string][]*node{}, names: map[uint64][]*node{}}
}

func parseTree(out []byte) *tree {
	p := treeParser{t: newTree()}
	for len(out) > 0 {
		line, rest, _ := bytes.Cut(out, []byte("\n"))
		out = rest
		p.line(string(line))
	}
	return p.end()
}

// end resolves what needs all entries.
func (p *treeParser) end() *tree {
	p.flush()
	t := p.t
	for _, u := range t.units {
		if u.root != nil && u.sig != 0 {
			if n := t.byKey[place{u.root.key.section, u.typeOff}]; n != nil {
				t.bySig[u.sig] = n
			}
		}
	}
	for _, u := range t.units {
		if u.root != nil {
			t.code = append(t.code, u.root.addresses()...)
		}
	}
	slices.SortFunc(t.code, func(a, b [2]uint64) int { return cmp.Compare(a[0], b[0]) })
	for _, n := range t.byKey {
		if n.tag == "subprogram" {
			if low, ok := n.number("DW_AT_low_pc"); ok {
				t.names[uint64(low)] = append(t.names[uint64(low)], n)
			}
		}
		if n.isType() && n.text("DW_AT_declaration") == "" && n.text("DW_AT_name") != "" && n.text("DW_AT_signature") == "" {
			q := t.qualified(n)
			t.byName[q] = append(t.byName[q], n)
		}
	}
	return t
}

type treeParser struct {
	t       *tree
	section string
	unit    *unit
	open    []*node
	node    *node
	name    string
	text    strings.Builder
}

func (p *treeParser) line(s string) {
	switch {
	case strings.HasPrefix(s, ".debug_"):
		p.flush()
		p.section = ""
		if strings.HasPrefix(s, ".debug_types") {
			p.section = "types"
		}
	case strings.HasPrefix(s, "0x"):
		p.flush()
		p.entry(s)
	case p.node != nil:
		trimmed := strings.TrimLeft(s, " ")
		if strings.HasPrefix(trimmed, "DW_AT_") {
			p.flush()
			name, text, _ := strings.Cut(trimmed, "\t")
			p.name = name
			p.text.WriteString(text)
		} else if p.name != "" && trimmed != "" {
			p.text.WriteByte('\n')
			p.text.WriteString(trimmed)
		}
	}
}

// flush ends the attribute being read.
func (p *treeParser) flush() {
	if p.node != nil && p.name != "" {
		text := strings.TrimSuffix(strings.TrimPrefix(p.text.String(), "("), ")")
		p.node.attrs = append(p.node.attrs, attribute{p.name, text})
	}
	p.name = ""
	p.text.Reset()
}

func (p *treeParser) entry(s string) {
	head, rest, ok := strings.Cut(s, ":")
	off, err := strconv.ParseUint(strings.TrimPrefix(head, "0x"), 16, 64)
	if !ok || err != nil {
		return
	}
	if strings.Contains(rest, " Unit: length") {
		p.unit = &unit{version: int(field(rest, "version = ")), sig: field(rest, "type_signature = "), typeOff: off + field(rest, "type_offset = ")}
		p.t.units = append(p.t.units, p.unit)
		p.open, p.node = nil, nil
		return
	}
	trimmed := strings.TrimLeft(rest, " ")
	depth := (len(rest) - len(trimmed) - 1) / 2
	if !strings.HasPrefix(trimmed, "DW_TAG_") || depth > len(p.open) || p.unit == nil {
		p.node = nil
		return
	}
	n := &node{key: place{p.section, off}, tag: strings.TrimPrefix(trimmed, "DW_TAG_"), unit: p.unit}
	if p.open = p.open[:depth]; depth > 0 {
		n.parent = p.open[depth-1]
		n.parent.kids = append(n.parent.kids, n)
	} else {
		p.unit.root = n
	}
	p.open = append(p.open, n)
	p.t.byKey[n.key] = n
	p.node = n
}

// field reads the number after a label in a unit's head.
func field(s, label string) uint64 {
	_, s, ok := strings.Cut(s, label)
	if !ok {
		return 0
	}
	s, _, _ = strings.Cut(s, ",")
	s, _, _ = strings.Cut(s, " ")
	n, _ := strconv.ParseUint(s, 0, 64)
	return n
}

// text returns an attribute as printed, "" when there is none.
func (n *node) text(name string) string {
	for _, a := range n.attrs {
		if a.name == name {
			return a.text
		}
	}
	return ""
}

// number returns an attribute that is a number.
func (n *node) number(name string) (int64, bool) {
	s := n.text(name)
	if v, err := strconv.ParseInt(s, 0, 64); err == nil {
		return v, true
	}
	v, err := strconv.ParseUint(s, 0, 64)
	return int64(v), err == nil
}

// str returns an attribute that is a string or file.
func (n *node) str(name string) string {
	s := n.text(name)
	if len(s) < 2 || s[0] != '"' {
		return ""
	}
	if q, err := strconv.Unquote(s); err == nil {
		return q
	}
	return s[1 : len(s)-1]
}

// target returns the entry an attribute refers to.
func (t *tree) target(n *node, name string) *node {
	s := n.text(name)
	if s == "" {
		return nil
	}
	s, _, _ = strings.Cut(s, " ")
	off, err := strconv.ParseUint(s, 0, 64)
	if err != nil {
		return nil
	}
	if len(s) == 18 { // 0x and 16 digits: a signature
		if to, ok := t.bySig[off]; ok {
			return to
		}
	}
	return t.byKey[place{n.key.section, off}]
}

// origin returns the entry that n completes.
func (t *tree) origin(n *node) *node {
	if o := t.target(n, "DW_AT_abstract_origin"); o != nil {
		return o
	}
	return t.target(n, "DW_AT_specification")
}

// from returns the entry, n or one it completes, that has the attribute.
func (t *tree) from(n *node, name string) *node {
	for i := 0; n != nil && i < 8; i++ {
		if n.text(name) != "" {
			return n
		}
		n = t.origin(n)
	}
	return nil
}

func (t *tree) name(n *node) string {
	if f := t.from(n, "DW_AT_name"); f != nil {
		return f.str("DW_AT_name")
	}
	if to := t.target(n, "DW_AT_signature"); to != nil && to != n { // declared here, named in its type unit
		return t.name(to)
	}
	return ""
}

// definition follows a declaration to its type unit.
func (t *tree) definition(n *node) *node {
	if n == nil {
		return nil
	}
	if to := t.target(n, "DW_AT_signature"); to != nil && to != n {
		return to
	}
	return n
}

func (n *node) isType() bool {
	switch n.tag {
	case "structure_type", "class_type", "union_type", "enumeration_type", "typedef", "base_type", "interface_type", "unspecified_type":
		return true
	}
	return false
}

// qualified puts the scopes of an entry before its name.
func (t *tree) qualified(n *node) string {
	name := t.name(n)
	for i := 0; i < 8; i++ {
		o := t.origin(n)
		if o == nil {
			break
		}
		n = o
	}
	for p := n.parent; p != nil; p = p.parent {
		scope := t.name(p)
		switch p.tag {
		case "subprogram", "inlined_subroutine", "lexical_block":
			return name
		case "namespace":
			if scope == "" {
				scope = "(anonymous namespace)"
			}
		case "structure_type", "class_type", "union_type", "interface_type", "module":
		case "enumeration_type":
			if p.text("DW_AT_enum_class") == "" {
				scope = ""
			}
		default:
			scope = ""
		}
		if scope != "" {
			name = scope + "::" + name
		}
		if o := t.target(p, "DW_AT_specification"); o != nil {
			p = o // a type unit defines a type apart from its namespace
		}
	}
	return name
}

// addresses returns the code of an entry: its range list, or low_pc and high_pc.
func (n *node) addresses() [][2]uint64 {
	var out [][2]uint64
	if s := n.text("DW_AT_ranges"); s != "" {
		for _, line := range strings.Split(s, "\n")[1:] {
			line = strings.Trim(line, "[)")
			low, high, ok := strings.Cut(line, ", ")
			high, _, _ = strings.Cut(high, ")")
			a, err1 := strconv.ParseUint(low, 0, 64)
			b, err2 := strconv.ParseUint(high, 0, 64)
			if ok && err1 == nil && err2 == nil && a < b {
				out = append(out, [2]uint64{a, b})
			}
		}
		return out
	}
	a, ok1 := n.number("DW_AT_low_pc")
	b, ok2 := n.number("DW_AT_high_pc")
	if ok1 && ok2 && uint64(a) < uint64(b) {
		out = append(out, [2]uint64{uint64(a), uint64(b)})
	}
	return out
}
