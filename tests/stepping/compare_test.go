package stepping

import (
	"fmt"
	"slices"
	"strings"

	"dap-windbg/symbols"
)

// tally is what a comparison counted.
type tally struct {
	Stops, Frames, Scalars, Unstable, Returned int
	// Withheld are scalars that the oracle tells and we do not: they come from
	// registers that a callee may have changed.
	Withheld  int
	Explained map[string]int
	Different []string
}

func (n *tally) add(o *tally) {
	n.Stops += o.Stops
	n.Frames += o.Frames
	n.Scalars += o.Scalars
	n.Unstable += o.Unstable
	n.Returned += o.Returned
	n.Withheld += o.Withheld
	n.Different = append(n.Different, o.Different...)
	for k, v := range o.Explained {
		n.explain(k, v)
	}
}

func (n *tally) explain(by string, times int) {
	if n.Explained == nil {
		n.Explained = map[string]int{}
	}
	n.Explained[by] += times
}

func (n *tally) String() string {
	return fmt.Sprintf("%d stops, %d frames, %d scalars, %d of them unstable, %d withheld, %d returned values; %d differences, explained %v",
		n.Stops, n.Frames, n.Scalars, n.Unstable, n.Withheld, n.Returned, len(n.Different), n.Explained)
}

// unstable stands for a scalar that two runs of the oracle do not agree about.
const unstable = "<unstable>"

// settle marks what two runs of the oracle do not agree about.
func settle(a, b []sight) {
	for i := range min(len(a), len(b)) {
		for j := range min(len(a[i].Variables), len(b[i].Variables)) {
			if x, y := &a[i].Variables[j], b[i].Variables[j]; x[0] == y[0] && x[1] != y[1] {
				x[1] = unstable
			}
		}
	}
}

// compare holds our walks against the oracle's. A walk ends where the two part, and
// where both are in code without lines: there the oracle does not step by line.
func compare(name string, p plan, mine, theirs []sight) *tally {
	n := &tally{}
	optimised := !strings.Contains(name, "-O0")
	for i, w := range p.Walks {
		of := func(s sight) bool { return s.Walk != i }
		a, b := slices.DeleteFunc(slices.Clone(mine), of), slices.DeleteFunc(slices.Clone(theirs), of)
		for j := range max(len(a), len(b)) {
			where := fmt.Sprintf("%s from %s, command %d", name, w.At, j)
			if j >= len(a) || j >= len(b) {
				n.Different = append(n.Different, fmt.Sprintf("%s: we have %d sights, the oracle %d", where, len(a), len(b)))
				break
			}
			where += " " + a[j].Command
			if j > 0 {
				where += " from " + b[j-1].where()
			}
			if j > 0 && b[j].Kind == "refused" && a[j].Command == "finish" && len(b[j-1].Frames) == 1 {
				break // the oracle does not leave main
			}
			if d := n.sight(a[j], b[j]); d != "" {
				if by := explanation(change{w.asked(j), a[max(j-1, 0)], b[max(j-1, 0)], a[j], b[j]}, optimised); by != "" {
					n.explain(by, 1)
					break
				}
				n.Different = append(n.Different, where+": "+d)
				break
			}
			if a[j].Foreign && b[j].Foreign {
				break
			}
		}
	}
	return n
}

// values are variables in optimised programs that the oracle gets wrong, by its
// defect, which is one of those that tests/locals shows.
var values = map[string]string{
	"inline.c n#0":  "inlined-entry-value",
	"flow.c code#0": "entry-record",
}

func (s sight) where() string {
	if s.Kind != "stop" {
		return s.Kind
	}
	var parts []string
	for i, f := range s.Frames {
		if i == 4 {
			parts = append(parts, fmt.Sprintf("... %d frames", len(s.Frames)))
			break
		}
		mark := ""
		if f.Inlined {
			mark = " inlined"
		}
		parts = append(parts, fmt.Sprintf("%s %s:%d%s", bare(f.Function), f.File, f.Line, mark))
	}
	return fmt.Sprintf("%s at %#x (%s)", s.Reason, s.PC, strings.Join(parts, " < "))
}

// sight compares what is seen at one stop; "" when nothing differs.
func (n *tally) sight(a, b sight) string {
	if a.Kind != b.Kind || a.Reason != b.Reason || len(a.Frames) != len(b.Frames) {
		return fmt.Sprintf("%s; the oracle %s", a.where(), b.where())
	}
	if a.PC != b.PC {
		return fmt.Sprintf("%s; the oracle %s", a.where(), b.where())
	}
	n.Stops++
	for i, f := range a.Frames {
		g := b.Frames[i]
		if f.foreign(g) {
			n.explain(foreignLine, 1)
		} else if f.Inlined != g.Inlined || f.File != g.File || f.Line != g.Line || !sameName(f, g) {
			return fmt.Sprintf("frame %d: %s; the oracle %s", i, a.where(), b.where())
		}
		n.Frames++
	}
	if a.Command != "finish" {
		a.Returned = "" // the oracle tells it of finish alone
	}
	if a.Returned != b.Returned {
		return fmt.Sprintf("returned %q at %s; the oracle %q", a.Returned, a.where(), b.Returned)
	}
	if a.Returned != "" {
		n.Returned++
	}
	return n.variables(a, b)
}

func sameName(f, g frame) bool {
	if strings.HasPrefix(f.Linkage, "_Z") && strings.HasPrefix(g.Linkage, "_Z") {
		return f.Linkage == g.Linkage
	}
	return bare(f.Function) == bare(g.Function)
}

// bare is a function's own name, without scopes, parameters and template arguments.
func bare(name string) string {
	if strings.Contains(name, "operator()") {
		return "operator()"
	}
	name = symbols.Canonical(name)
	depth, out := 0, strings.Builder{}
	for _, r := range name {
		if r == '(' && depth == 0 && out.Len() > 0 && !strings.HasSuffix(out.String(), "::") {
			break // parameters, and what comes behind them
		}
		switch r {
		case '<', '(':
			depth++
		case '>', ')':
			depth--
		default:
			if depth == 0 {
				out.WriteRune(r)
			}
		}
	}
	name = out.String()
	return strings.TrimSpace(name[strings.LastIndex(name, "::")+1:])
}

func (n *tally) variables(a, b sight) string {
	theirs := map[string]string{}
	for _, v := range b.Variables {
		theirs[v[0]] = v[1]
	}
	for _, v := range a.Variables {
		y, there := theirs[v[0]]
		delete(theirs, v[0])
		n.Scalars++
		switch {
		case y == unstable:
			n.Unstable++
		case v[1] == "<out>" && there && y != v[1]:
			n.Withheld++
		case v[1] != y && there && values[a.Frames[0].File+" "+v[0]] != "":
			n.explain(values[a.Frames[0].File+" "+v[0]], 1)
		case !there:
			return fmt.Sprintf("%s is %s, the oracle has none; at %s", v[0], v[1], a.where())
		case v[1] != y:
			return fmt.Sprintf("%s is %s, the oracle has %s; at %s", v[0], v[1], y, a.where())
		}
	}
	for k, y := range theirs {
		return fmt.Sprintf("%s is missing, the oracle has %s; at %s", k, y, a.where())
	}
	return ""
}
