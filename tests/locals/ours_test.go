package locals

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/tests/sidebyside"
)

// debuggee is an engine session over a gdbserver.
type debuggee struct {
	*sidebyside.Debuggee
	t    *testing.T
	bias uint64
}

// connect starts a session with the program behind addr, which is stopped at its
// first instruction.
func connect(t *testing.T, addr string) *debuggee {
	t.Helper()
	return &debuggee{Debuggee: sidebyside.Connect(t, addr, sidebyside.Store(t)), t: t}
}

// run resumes and waits for the stop; false when the program ended.
func (d *debuggee) run(how engine.How) bool {
	d.t.Helper()
	_, ok := d.Go(how)
	return ok
}

func (d *debuggee) do(f func(ctx context.Context, v *engine.View) error) {
	d.t.Helper()
	d.Look(f)
}

// ours runs the plan in the engine.
func ours(t *testing.T, p plan) []stop {
	t.Helper()
	d := connect(t, gdbserver(t, p.Program))
	d.do(func(ctx context.Context, v *engine.View) error {
		a, err := v.Address(ctx, "_start")
		d.bias = uint64(a) - p.Start
		return err
	})
	wanted := map[uint64]place{}
	for _, x := range p.Places {
		wanted[x.At] = x
	}
	var out []stop
	for len(wanted) > 0 {
		d.set(wanted)
		if !d.run(engine.How{}) {
			break
		}
		s := d.look(p, "hit")
		x, ok := wanted[s.PC]
		if !ok {
			s.Kind = "other"
			out = append(out, s)
			break
		}
		out = append(out, s)
		delete(wanted, s.PC)
		d.set(wanted)
		if !d.steps(p, x, &out) {
			break
		}
	}
	return append(out, stop{Kind: "end"})
}

// steps goes on by single instructions; false when the program ended.
func (d *debuggee) steps(p plan, x place, out *[]stop) bool {
	for _, n := range x.Steps {
		for range n {
			if !d.run(engine.How{Kind: engine.StepInto, Unit: engine.ByInstruction}) {
				return false
			}
		}
		*out = append(*out, d.look(p, "step"))
	}
	return true
}

func (d *debuggee) set(wanted map[uint64]place) {
	d.t.Helper()
	var bs []engine.Breakpoint
	for at := range wanted {
		bs = append(bs, engine.Breakpoint{ID: -1, Addr: arch.Addr(at + d.bias)})
	}
	if _, err := d.SetBreakpoints(d.Ctx, "locals", bs); err != nil {
		d.t.Fatal(err)
	}
}

// look tells the frames of the stop.
func (d *debuggee) look(p plan, kind string) stop {
	d.t.Helper()
	out := stop{Kind: kind}
	d.do(func(ctx context.Context, v *engine.View) error {
		th, err := v.Thread(ctx)
		if err != nil {
			return err
		}
		st, err := v.Stack(ctx, th.ID, 64)
		if err != nil {
			return err
		}
		out.PC = uint64(st.Frames[0].PC) - d.bias
		for i := range st.Frames {
			f := &st.Frames[i]
			if len(out.Frames) >= p.Frames {
				break
			}
			if f.Scope == nil || f.Module == nil || f.Module.Path != p.Program {
				continue
			}
			fr := frame{Function: f.Scope.Name, Linkage: f.Scope.Linkage, PC: uint64(f.PC) - d.bias,
				Inlined: f.Inlined, Tail: f.Kind == engine.ByTailCall}
			if fr.Variables, err = d.variables(ctx, v, f, p.Follow); err != nil {
				return err
			}
			out.Frames = append(out.Frames, fr)
		}
		return nil
	})
	return out
}

func (d *debuggee) variables(ctx context.Context, v *engine.View, f *engine.Frame, follow bool) ([]variable, error) {
	ls, err := v.Locals(ctx, f)
	if err != nil {
		return nil, err
	}
	seen := map[string]int{}
	var out []variable
	for _, l := range ls {
		x := variable{Name: l.Name, Nth: seen[l.Name], Param: l.Param, Type: spell(l.Type, "")}
		seen[l.Name]++
		err := v.Gather(ctx, func(ctx context.Context, mem symbols.Memory) error {
			x.Value = nil
			w := walker{ctx: ctx, env: v.EnvOver(f, mem), model: &eval.Model{}, out: &x.Value, follow: follow}
			return w.value(l.Value, "", 0)
		})
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

// spell writes a type with the typedefs it is declared with, which our front ends
// leave out where a template's member names what it is less well.
func spell(t *symbols.Type, inner string) string {
	if t == nil {
		return "void " + inner
	}
	var has [symbols.Unspecified + 1]bool
	for e := t; ; e = e.Elem {
		if e != nil && (e.Kind == symbols.Const || e.Kind == symbols.Volatile || e.Kind == symbols.Restrict || e.Kind == symbols.Atomic) {
			has[e.Kind] = true
			continue
		}
		words := ""
		for i, w := range []string{"const ", "volatile ", "restrict ", "_Atomic "} {
			if has[int(symbols.Const)+i] {
				words += w
			}
		}
		if words == "" {
			break
		}
		if e != nil && e.Kind == symbols.Array { // C has qualified elements only
			elem := e.Elem
			for kind := symbols.Const; kind <= symbols.Atomic; kind++ {
				if has[kind] {
					elem = &symbols.Type{Kind: kind, Elem: elem}
				}
			}
			return spell(&symbols.Type{Kind: symbols.Array, Count: e.Count, Elem: elem}, inner)
		}
		return spell(e, words+inner)
	}
	mark := map[symbols.TypeKind]string{symbols.Pointer: "*", symbols.Reference: "&", symbols.RvalueReference: "&&"}[t.Kind]
	switch {
	case mark != "" && t.Elem != nil && (t.Elem.Kind == symbols.Array || t.Elem.Kind == symbols.Func):
		return spell(t.Elem, "("+mark+inner+")")
	case mark != "":
		return spell(t.Elem, mark+" "+inner)
	case t.Kind == symbols.MemberPointer:
		return spell(t.Elem, "("+t.Owner.Name+"::*"+inner+")")
	case t.Kind == symbols.Array && t.Count >= 0:
		return spell(t.Elem, fmt.Sprintf("%s[%d]", inner, t.Count))
	case t.Kind == symbols.Array:
		return spell(t.Elem, inner+"[]")
	case t.Kind == symbols.Func:
		var ps []string
		for _, p := range t.Members().Params {
			ps = append(ps, spell(p.Type, ""))
		}
		if t.Members().Variadic {
			ps = append(ps, "...")
		}
		return spell(t.Elem, inner+"("+strings.Join(ps, ", ")+")")
	}
	return t.Name + " " + inner
}

// Bounds on what is compared of one variable; the oracle has the same.
const (
	maxDepth, maxElements, maxLeaves = 8, 12, 400
)

// walker flattens a value.
type walker struct {
	ctx    context.Context
	env    eval.Env
	model  *eval.Model
	out    *[][2]string
	follow bool // pointers to what has no address
}

func (w *walker) tell(path, text string) { *w.out = append(*w.out, [2]string{path, text}) }

func (w *walker) value(v eval.Value, path string, depth int) error {
	if len(*w.out) >= maxLeaves || depth > maxDepth {
		return nil
	}
	t := v.Type.Strip()
	composite := t != nil && (t.IsComposite() || t.Kind == symbols.Array)
	if !composite {
		return w.leaf(v, t, path, depth)
	}
	o, err := w.model.Raw(w.ctx, w.env, "", "", v, eval.Format{})
	if err != nil {
		return err
	}
	if v.Err != nil {
		return w.nothing(v, t, path, depth)
	}
	n := -1
	if t.Kind == symbols.Array {
		n = maxElements
	}
	cs, err := o.Children(w.ctx, w.env, 0, n)
	if err != nil {
		if isNeed(err) {
			return err
		}
		w.tell(path, sidebyside.Why(err))
		return nil
	}
	for _, c := range cs {
		if composite && slices.ContainsFunc(t.Members().Fields, func(f symbols.Field) bool { return f.Static && f.Name == c.Name }) {
			continue // the oracle leaves out what is not in the object
		}
		if err := w.value(c.Value, path+step(t, c), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// nothing tells of each scalar of a value that nothing is known of it.
func (w *walker) nothing(v eval.Value, t *symbols.Type, path string, depth int) error {
	if t.Kind == symbols.Array {
		for i := int64(0); i < min(t.Count, maxElements); i++ {
			if err := w.value(eval.Value{Type: t.Elem, Err: v.Err}, fmt.Sprintf("%s[%d]", path, i), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	for _, f := range t.Members().Fields {
		at := path
		switch {
		case f.Static, f.Name == "" && f.BitSize > 0:
			continue
		case f.Base:
			at += ".<" + eval.TypeName(f.Type) + ">"
		case f.Name != "":
			at += "." + f.Name
		}
		if err := w.value(eval.Value{Type: f.Type, Err: v.Err}, at, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func step(t *symbols.Type, c *eval.Object) string {
	if t.Kind == symbols.Array {
		return c.Name
	}
	for _, f := range t.Members().Fields {
		if f.Base && eval.TypeName(f.Type) == c.Name {
			return ".<" + c.Name + ">"
		}
	}
	return "." + c.Name
}

func (w *walker) leaf(v eval.Value, t *symbols.Type, path string, depth int) error {
	if v.Err != nil {
		if isNeed(v.Err) {
			return v.Err
		}
		w.tell(path, sidebyside.Why(v.Err))
		return nil
	}
	if v.Synthetic() {
		w.tell(path, "<synthetic>")
		if !w.follow {
			return nil
		}
		to, err := eval.Indirect(w.ctx, w.env, v)
		if err != nil {
			return err
		}
		return w.value(to, "*"+path, depth+1)
	}
	b, err := eval.Fetch(w.ctx, w.env, v)
	if err != nil {
		if isNeed(err) {
			return err
		}
		w.tell(path, sidebyside.Why(err))
		return nil
	}
	w.tell(path, sidebyside.Scalar(t, v, b))
	return nil
}

func isNeed(err error) bool {
	var need *symbols.NeedError
	return errors.As(err, &need)
}
