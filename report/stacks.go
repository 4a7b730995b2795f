package report

import (
	"context"
	"slices"
	"strings"

	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// stacks reads every thread's stack, the one that stopped first.
func (p *Process) stacks(ctx context.Context, s *scene) error {
	threads, err := s.v.Threads(ctx)
	if err != nil {
		return err
	}
	slices.SortStableFunc(threads, func(a, b engine.Thread) int { return order(b.ID == s.stop.Thread) - order(a.ID == s.stop.Thread) })
	if len(threads) > maxThreads {
		p.omit("the stacks of %s of %d", counted(len(threads)-maxThreads, "thread"), len(threads))
		threads = threads[:maxThreads]
	}
	ids := make([]targets.ThreadID, len(threads))
	for k, t := range threads {
		ids[k] = t.ID
	}
	all, err := s.v.Stacks(ctx, ids, maxFrames+maxTail)
	for _, t := range threads {
		row := Thread{Number: t.Ordinal, ID: t.ID.Thread, Name: oneLine(t.Name, maxValue), Crashed: t.ID == s.stop.Thread, Frames: []Frame{}}
		st, scopes := all[t.ID], maxOthers
		if row.Crashed {
			st, scopes = s.stack, maxScopes
		}
		if st == nil {
			row.End = "it cannot be read"
		} else {
			p.rows(ctx, s, &row, st, scopes)
		}
		p.Threads = append(p.Threads, row)
	}
	if p.budget <= 0 {
		p.omit("variables beyond %d", maxVariables)
	}
	return err
}

func order(first bool) int {
	if first {
		return 1
	}
	return 0
}

// rows fills in the frames of a stack: of a deep one its top and its bottom.
func (p *Process) rows(ctx context.Context, s *scene, row *Thread, st *engine.Stack, scopes int) {
	row.End = st.End
	n := len(st.Frames)
	for k := range st.Frames {
		f := &st.Frames[k]
		if skip := n - maxFrames - maxTail; skip > 0 && k >= maxFrames && k < n-maxTail {
			if k == maxFrames {
				row.Frames = append(row.Frames, Frame{Number: f.Index, Skipped: skip})
			}
			continue
		}
		out := frameOf(f)
		if f.Scope != nil && !foreign(f) && scopes > 0 {
			scopes--
			out.Variables = p.variables(ctx, s, f)
		}
		row.Frames = append(row.Frames, out)
	}
	if !st.Complete && st.End == "" && n >= maxFrames+maxTail {
		row.End = "more frames are not shown"
	}
}

// variables reads the arguments and locals of a frame, a level or two deep.
func (p *Process) variables(ctx context.Context, s *scene, f *engine.Frame) []Variable {
	if p.budget <= 0 {
		return nil
	}
	locals, err := s.v.Locals(ctx, f)
	if err != nil {
		return nil
	}
	argument := map[string]bool{}
	for _, l := range locals {
		argument[l.Name] = argument[l.Name] || l.Param
	}
	objects, err := s.v.LocalObjects(ctx, f)
	if err != nil {
		return nil
	}
	var out []Variable
	for _, o := range objects {
		if p.budget <= 0 {
			break
		}
		if strings.HasPrefix(o.Name, "__for_") { // the compiler's own of a loop over a range
			continue
		}
		v := p.variable(ctx, s, f, o, maxDepth)
		v.Argument = argument[o.Name]
		out = append(out, v)
	}
	return out
}

// variable is a node of the data model with its members.
func (p *Process) variable(ctx context.Context, s *scene, f *engine.Frame, o *eval.Object, depth int) Variable {
	p.budget--
	v := Variable{Name: oneLine(o.Name, maxValue), Type: oneLine(o.Type, maxValue), Value: oneLine(o.Text, maxValue)}
	if o.Err != nil {
		v.Error = oneLine(o.Err.Error(), maxValue)
	}
	if depth == 0 || o.Expand == nil || p.budget <= 0 || o.Err != nil || spelled(o) {
		return v
	}
	members, err := s.v.Children(ctx, f, o, 0, maxMembers+1)
	if err != nil {
		return v // a pointer to nowhere has none
	}
	for k, m := range members {
		if p.budget <= 0 {
			break
		}
		if k == maxMembers {
			v.Members = append(v.Members, Variable{Name: "...", Value: "more members are not shown"})
			break
		}
		if m.Name == "[<Raw View>]" || m.Name == "[Raw View]" {
			continue
		}
		v.Members = append(v.Members, p.variable(ctx, s, f, m, depth-1))
	}
	return v
}

// spelled reports whether a value's text is all that there is to tell: its characters
// are not told again one by one. An array of unsigned char may as well be bytes, of
// which the text has those before the first zero.
func spelled(o *eval.Object) bool {
	if !strings.HasPrefix(strings.TrimLeft(o.Text, "LuU8"), `"`) {
		return false
	}
	t := o.Value.Type.Strip()
	if t == nil || t.Kind != symbols.Array {
		return o.Whole != nil
	}
	e := t.Elem.Strip()
	return e != nil && (e.Encoding != symbols.UnsignedChar || e.Name == "char")
}
