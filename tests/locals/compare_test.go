package locals

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"dap-windbg/symbols"
)

// tally is what a comparison counted.
type tally struct {
	lists locations

	Stops, Frames, Variables, Scalars int
	Unavailable                       struct{ Ours, Theirs, Both int }
	// Known counts scalars that the oracle tells; Withheld are those of them in
	// callers' frames that we do not: they lie in registers that the callee may
	// have changed.
	Known     int
	Withheld  []string
	Unstable  int
	Unbuilt   int // scalars of virtual bases of objects that are not built yet
	Explained map[string]int
	Different []string
}

func (n *tally) differ(format string, args ...any) {
	n.Different = append(n.Different, fmt.Sprintf(format, args...))
}

func (n *tally) explain(by string) {
	if n.Explained == nil {
		n.Explained = map[string]int{}
	}
	n.Explained[by]++
}

func (n *tally) add(o tally) {
	n.Stops += o.Stops
	n.Frames += o.Frames
	n.Variables += o.Variables
	n.Scalars += o.Scalars
	n.Unavailable.Ours += o.Unavailable.Ours
	n.Unavailable.Theirs += o.Unavailable.Theirs
	n.Unavailable.Both += o.Unavailable.Both
	n.Known += o.Known
	n.Unstable += o.Unstable
	n.Unbuilt += o.Unbuilt
	n.Withheld = append(n.Withheld, o.Withheld...)
	n.Different = append(n.Different, o.Different...)
	for k, v := range o.Explained {
		for range v {
			n.explain(k)
		}
	}
}

func (n *tally) String() string {
	s := fmt.Sprintf("%d stops, %d frames, %d variables, %d scalars compared, %d unstable, %d unbuilt; unavailable on both sides %d, here only %d, there only %d; %d differences",
		n.Stops, n.Frames, n.Variables, n.Scalars, n.Unstable, n.Unbuilt, n.Unavailable.Both, n.Unavailable.Ours, n.Unavailable.Theirs, len(n.Different))
	var by []string
	for k, v := range n.Explained {
		by = append(by, fmt.Sprintf("%s %d", k, v))
	}
	sort.Strings(by)
	if len(by) > 0 {
		s += "; explained: " + strings.Join(by, ", ")
	}
	return s
}

// The oracle's own defects: docs/fidelity.md tells of each, and TestDefects shows
// that ours is what the program finds.
const (
	beyondPieces  = "beyond-pieces"
	entryRecord   = "entry-record"
	tailCallPC    = "tail-call-pc"
	tailInlined   = "tail-call-inlined"
	inlinedEntry  = "inlined-entry-value"
	wideOperand   = "wide-operand"
	mixedOperands = "mixed-operands"
)

// compare holds our stops against the oracle's.
func compare(program string, lists locations, mine, theirs []stop) tally {
	n := tally{lists: lists}
	for i := range min(len(mine), len(theirs)) {
		a, b := mine[i], theirs[i]
		if a.Kind != b.Kind || a.PC != b.PC {
			n.differ("%s: stop %d is %s at %#x, the oracle's %s at %#x", program, i, a.Kind, a.PC, b.Kind, b.PC)
			return n
		}
		if a.Kind == "end" {
			break
		}
		n.Stops++
		n.frames(fmt.Sprintf("%s at %#x", program, a.PC), a.PC, a.Frames, b.Frames)
	}
	if len(mine) != len(theirs) {
		n.differ("%s: %d stops, the oracle has %d", program, len(mine), len(theirs))
	}
	return n
}

func (n *tally) frames(where string, pc uint64, a, b []frame) {
	caller, beyond := false, 0
	for len(a) > 0 && len(b) > 0 {
		at := fmt.Sprintf("%s frame %d %s", where, len(b), a[0].Function)
		if k := tailBehind(a); k > 0 && b[0].PC == a[0].PC && !b[0].Inlined {
			n.explain(tailInlined)
			a, b, caller = a[k+1:], b[1:], true
			beyond += k // both are cut at the same number of frames
			continue
		}
		if !same(a[0], b[0]) {
			if a[0].Tail && len(a) > 1 {
				n.explain(tailCallPC)
				beyond++
				a = a[1:]
				continue
			}
			n.differ("%s %s: pc %#x inlined %v; the oracle has %s %s pc %#x inlined %v", at, a[0].Linkage, a[0].PC, a[0].Inlined, b[0].Function, b[0].Linkage, b[0].PC, b[0].Inlined)
			return
		}
		n.Frames++
		n.variables(at, view{caller || a[0].PC != pc, b[0].Entry, a[0].Inlined, a[0].PC, "", false}, a[0].Variables, b[0].Variables)
		caller = caller || !a[0].Inlined
		a, b = a[1:], b[1:]
	}
	if len(b) > beyond {
		n.differ("%s: %d frames of the oracle are missing", where, len(b))
	}
}

// tailBehind is how many inlined calls come before the frame of the tail call
// that they are in; 0 when a begins with no such calls.
func tailBehind(a []frame) int {
	for i, f := range a {
		switch {
		case f.PC != a[0].PC:
			return 0
		case !f.Inlined && f.Tail:
			return i
		case !f.Inlined:
			return 0
		}
	}
	return 0
}

// same reports whether both are the frame of one call.
func same(a, b frame) bool {
	if a.PC != b.PC || a.Inlined != b.Inlined {
		return false
	}
	if strings.HasPrefix(a.Linkage, "_Z") && strings.HasPrefix(b.Linkage, "_Z") {
		return a.Linkage == b.Linkage
	}
	return typeName(a.Function) == typeName(b.Function) || bare(a.Function) == bare(b.Function)
}

// bare is a function's own name, without scopes and parameters.
func bare(name string) string {
	name, _, _ = strings.Cut(name, "(")
	if i := strings.LastIndex(name, "::"); i >= 0 {
		name = name[i+2:]
	}
	return typeName(name)
}

func (n *tally) variables(where string, at view, a, b []variable) {
	theirs := map[string][]variable{}
	for _, v := range b {
		theirs[v.Name] = append(theirs[v.Name], v)
	}
	for _, v := range a {
		left := theirs[v.Name]
		i := nearest(v, left)
		if i < 0 {
			n.differ("%s: %s %d is not the oracle's", where, v.Name, v.Nth)
			continue
		}
		o := left[i]
		theirs[v.Name] = slices.Delete(slices.Clone(left), i, i+1)
		n.Variables++
		if v.Param != o.Param {
			n.differ("%s: %s is a parameter: %v, the oracle says %v", where, v.Name, v.Param, o.Param)
		}
		if typeName(v.Type) != typeName(o.Type) {
			n.differ("%s: %s has type %q, the oracle says %q", where, v.Name, v.Type, o.Type)
		}
		at.name, at.shaky = v.Name, o.shaky
		n.values(where+": "+v.Name, at, v.Value, o.Value)
	}
	for _, left := range theirs {
		for _, v := range left {
			n.differ("%s: %s %d of the oracle is missing", where, v.Name, v.Nth)
		}
	}
}

// nearest picks the oracle's variable for v among those of its name: the same
// one, for in one block their order is nobody's promise; else the first.
func nearest(v variable, of []variable) int {
	for i, o := range of {
		if typeName(v.Type) == typeName(o.Type) && slices.Equal(v.Value, o.Value) {
			return i
		}
	}
	return min(len(of), 1) - 1
}

var elaborated = strings.NewReplacer("struct ", "", "union ", "", "enum ", "", "class ", "", "class{...}", "", "struct{...}", "", "{...}", "",
	"(void)", "()", "<unnamed-tag>", "", " ", "")

// typeName spells a type as neither side's taste wants it.
func typeName(name string) string { return elaborated.Replace(symbols.Canonical(name)) }

func unknown(text string) bool { return text == "<out>" || text == "<memory>" }

// view is what matters of a frame for its values.
type view struct {
	caller  bool // it has called another
	entry   bool // at the first instruction of its function
	inlined bool
	pc      uint64
	name    string // of the variable
	shaky   bool   // parts of the variable are unstable: others may be so by chance
}

// values holds the scalars of a variable against each other.
func (n *tally) values(where string, at view, a, b [][2]string) {
	theirs := map[string]string{}
	for _, v := range b {
		theirs[symbols.Canonical(v[0])] = v[1]
	}
	failed := map[string]bool{} // bases that the oracle cannot find its way to
	tail := tail(a)
	for i, v := range a {
		p, x := symbols.Canonical(v[0]), v[1]
		y, there := theirs[p]
		delete(theirs, p)
		n.Scalars++
		if there && !unknown(y) {
			n.Known++
		}
		base := lostBase(p, theirs)
		switch {
		case !there && base != "":
			n.Unbuilt++
			failed[base] = true
		case !there:
			n.differ("%s%s: %s, the oracle has none", where, p, x)
		case unknown(x) && x == y:
			n.Unavailable.Both++
		case x == y:
		case y == unstable || y == unasked, at.shaky && !unknown(x) && !unknown(y):
			n.Unstable++
		case !unknown(x) && y == "<error: That operation is not available on integers of more than 8 bytes.>":
			n.explain(wideOperand)
		case !unknown(x) && y == "<error: Incompatible types on DWARF stack>":
			n.explain(mixedOperands)
		case at.entry && n.lists.has(at.name, at.pc, true, ""):
			n.explain(entryRecord)
		case at.inlined && (n.lists.has(at.name, at.pc, false, "entry_value") || n.lists.has(at.name, at.pc-1, false, "entry_value")):
			n.explain(inlinedEntry)
		case x == "<out>" && tail > 0 && i >= tail && (y == "0" || y == "0x" || y == "<synthetic>"):
			n.explain(beyondPieces)
		case x == "<out>" && at.caller:
			n.Unavailable.Ours++
			n.Withheld = append(n.Withheld, fmt.Sprintf("%s%s: the oracle has %s", where, p, y))
		default:
			if unknown(x) {
				n.Unavailable.Ours++
			}
			if unknown(y) {
				n.Unavailable.Theirs++
			}
			n.differ("%s%s: %s, the oracle has %s", where, p, x, y)
		}
	}
	for p, y := range theirs {
		if failed[p] {
			continue
		}
		n.differ("%s%s: none, the oracle has %s", where, p, y)
	}
}

// lostBase is the virtual base class around path p that the oracle has an error
// for: the object is not built yet, and what its table of virtual functions should
// be is not memory.
func lostBase(p string, theirs map[string]string) string {
	for i := len(p) - 1; i > 0; i-- {
		if p[i] == '>' && (theirs[p[:i+1]] == "<memory>" || strings.HasPrefix(theirs[p[:i+1]], "<error: virtual base")) {
			return p[:i+1]
		}
	}
	return ""
}

// unstable stands for a scalar that the oracle tells differently each time: what
// was on the stack before.
const unstable = "<unstable>"

// unasked stands for a scalar that the oracle would die of.
const unasked = "<unasked>"

// settle marks what two runs of the oracle do not agree about.
func settle(a, b []stop) {
	for i := range min(len(a), len(b)) {
		for j := range min(len(a[i].Frames), len(b[i].Frames)) {
			f, g := a[i].Frames[j], b[i].Frames[j]
			for k := range min(len(f.Variables), len(g.Variables)) {
				v, w := f.Variables[k], g.Variables[k]
				for l := range min(len(v.Value), len(w.Value)) {
					if v.Name == w.Name && v.Value[l] != w.Value[l] && v.Value[l][0] == w.Value[l][0] {
						v.Value[l][1] = unstable
						f.Variables[k].shaky = true
					}
				}
			}
		}
	}
}

// tail is the first of the scalars at the end of a value that are not known.
func tail(v [][2]string) int {
	i := len(v)
	for i > 0 && v[i-1][1] == "<out>" {
		i--
	}
	return i
}
