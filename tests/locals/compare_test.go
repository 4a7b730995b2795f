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
	Stops, Frames, Variables, Scalars int
	Unavailable                       struct{ Ours, Theirs, Both int }
	// Known counts scalars that the oracle tells; Withheld are those of them in
	// callers' frames that we do not: they lie in registers that the callee may
	// have changed.
	Known    int
	Withheld []string
	Explained  map[string]int
	Different  []string
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
	n.Withheld = append(n.Withheld, o.Withheld...)
	n.Different = append(n.Different, o.Different...)
	for k, v := range o.Explained {
		for range v {
			n.explain(k)
		}
	}
}

func (n *tally) String() string {
	s := fmt.Sprintf("%d stops, %d frames, %d variables, %d scalars compared; unavailable on both sides %d, here only %d, there only %d; %d differences",
		n.Stops, n.Frames, n.Variables, n.Scalars, n.Unavailable.Both, n.Unavailable.Ours, n.Unavailable.Theirs, len(n.Different))
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
	beyondPieces = "beyond-pieces"
	entryRecord  = "entry-record"
)

// compare holds our stops against the oracle's.
func compare(program string, mine, theirs []stop) tally {
	var n tally
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
	for i := range min(len(a), len(b)) {
		at := fmt.Sprintf("%s frame %d %s", where, i, a[i].Function)
		if a[i].PC != b[i].PC || a[i].Inlined != b[i].Inlined || bare(a[i].Function) != bare(b[i].Function) {
			n.differ("%s: pc %#x inlined %v; the oracle has %s pc %#x inlined %v", at, a[i].PC, a[i].Inlined, b[i].Function, b[i].PC, b[i].Inlined)
			return
		}
		n.Frames++
		n.variables(at, a[i].PC != pc, a[i].Variables, b[i].Variables)
	}
	if len(a) != len(b) {
		n.differ("%s: %d frames, the oracle has %d", where, len(a), len(b))
	}
}

// bare is a function's name without its parameters.
func bare(name string) string {
	if i := strings.IndexByte(name, '('); i > 0 && !strings.HasPrefix(name, "(anonymous") {
		return name[:i]
	}
	return name
}

func (n *tally) variables(where string, caller bool, a, b []variable) {
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
		n.values(where+": "+v.Name, caller, v.Value, o.Value)
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

var elaborated = strings.NewReplacer("struct ", "", "union ", "", "enum ", "", "class ", "", "{...}", "", " ", "")

// typeName spells a type as neither side's taste wants it.
func typeName(name string) string { return elaborated.Replace(symbols.Canonical(name)) }

func unknown(text string) bool { return text == "<out>" || text == "<memory>" }

// values holds the scalars of a variable against each other. caller tells that
// the frame has called another.
func (n *tally) values(where string, caller bool, a, b [][2]string) {
	theirs := map[string]string{}
	for _, v := range b {
		theirs[v[0]] = v[1]
	}
	tail := tail(a)
	for i, v := range a {
		p, x := v[0], v[1]
		y, there := theirs[p]
		delete(theirs, p)
		n.Scalars++
		if there && !unknown(y) {
			n.Known++
		}
		switch {
		case !there:
			n.differ("%s%s: %s, the oracle has none", where, p, x)
		case unknown(x) && x == y:
			n.Unavailable.Both++
		case x == y:
		case x == "<out>" && tail > 0 && i >= tail && (y == "0" || y == "0x" || y == "<synthetic>"):
			n.explain(beyondPieces)
		case x == "<out>" && caller:
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
		n.differ("%s%s: none, the oracle has %s", where, p, y)
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
