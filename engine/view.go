package engine

import (
	"context"
	"fmt"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// Live gives the View's snapshots.
func (v *View) Live() *Live { return &Live{l: v.l} }

// Target gives access to optional interfaces (Console, Files, Queryer).
func (v *View) Target() targets.Target { return v.l.t }

// Changed drops the caches an Effect made stale. Resumed is told by the
// target's own events.
func (v *View) Changed(e targets.Effect) {
	l := v.l
	if e.MemoryChanged || e.ThreadChanged {
		l.forget()
		l.threads.known = false
		l.o.Emit(Invalidated{Memory: true, Registers: true, Stacks: true, Threads: e.ThreadChanged})
	}
	if e.TrapsChanged {
		for k := range l.traps.in {
			l.traps.remove(k)
		}
	}
	if e.ModulesChanged {
		l.modules.stale = true
		l.freshModules(l.life)
	}
	if e.Resumed && l.state == StateStopped {
		l.nowRunning(false)
	}
}

// Threads lists threads with their ordinals.
func (v *View) Threads(ctx context.Context) ([]Thread, error) { return v.l.threadList(ctx) }

// Thread returns the selected thread.
func (v *View) Thread(ctx context.Context) (Thread, error) {
	ts, err := v.l.threadList(ctx)
	if err != nil {
		return Thread{}, err
	}
	for _, t := range ts {
		if t.Current {
			return t, nil
		}
	}
	if v.l.lifeless() {
		return Thread{}, targets.ErrNoThreads
	}
	return Thread{}, fmt.Errorf("thread %v is gone", v.l.selected)
}

// SelectThread selects a thread, and its innermost frame.
func (v *View) SelectThread(ctx context.Context, id targets.ThreadID) error {
	if _, err := v.l.threadList(ctx); err != nil {
		return err
	}
	if v.l.threads.find(id) == nil {
		return fmt.Errorf("there is no thread %v", id)
	}
	v.l.leaveContext()
	v.l.selected, v.l.frame = id, 0
	return nil
}

// Freeze holds a thread in every resume, or lets it go again.
func (v *View) Freeze(ctx context.Context, id targets.ThreadID, on bool) error {
	if _, err := v.l.threadList(ctx); err != nil {
		return err
	}
	t := v.l.threads.find(id)
	if t == nil {
		return fmt.Errorf("there is no thread %v", id)
	}
	t.Frozen = on
	return nil
}

// Frame returns the selected frame.
func (v *View) Frame(ctx context.Context) (*Frame, error) { return v.l.frameAt(ctx, v.l.frame) }

// SelectFrame selects frame n of the selected thread.
func (v *View) SelectFrame(ctx context.Context, n int) (*Frame, error) {
	f, err := v.l.frameAt(ctx, n)
	if err == nil {
		v.l.frame = n
	}
	return f, err
}

func (l *loop) frameAt(ctx context.Context, n int) (*Frame, error) {
	if n < 0 {
		return nil, fmt.Errorf("there is no frame %d", n)
	}
	fs, err := l.stack(ctx, l.selected, n+1)
	if err != nil {
		return nil, err
	}
	if n >= len(fs) {
		return nil, fmt.Errorf("there is no frame %d", n)
	}
	return fs[n], nil
}

// top is the innermost frame of a thread.
func (l *loop) top(ctx context.Context, id targets.ThreadID) (*Frame, error) {
	fs, err := l.stack(ctx, id, 1)
	if err != nil {
		return nil, err
	}
	return fs[0], nil
}

// Stack unwinds at most limit frames (0: all, up to 10,000).
func (v *View) Stack(ctx context.Context, id targets.ThreadID, limit int) (*Stack, error) {
	if err := v.l.readAhead(ctx, id); err != nil {
		return nil, err
	}
	if _, err := v.l.stack(ctx, id, limit); err != nil {
		return nil, err
	}
	return v.l.walks[id].stack(limit), nil
}

func (w *walk) stack(limit int) *Stack {
	n := len(w.frames)
	if limit > 0 {
		n = min(n, limit)
	}
	s := &Stack{Frames: make([]Frame, n)}
	for i := range s.Frames {
		s.Frames[i] = *w.frames[i]
	}
	if w.over && n == len(w.frames) {
		s.Complete, s.End = w.whole, w.end
	}
	return s
}

// aheadThreads bounds how many threads are read ahead.
const aheadThreads = 64

// readAhead reads registers and tops of stacks of the threads behind id, when id
// is the second that is asked for beside the stopped one: somebody goes through
// them one by one.
func (l *loop) readAhead(ctx context.Context, id targets.ThreadID) error {
	if l.regs[id] != nil || id == l.last.Thread {
		return nil
	}
	if l.others++; l.others != 2 {
		return nil
	}
	rows := l.threads.rows
	i := max(slices.IndexFunc(rows, func(t *Thread) bool { return t.ID == id }), 0)
	var ids []targets.ThreadID
	for _, t := range rows[i:min(len(rows), i+aheadThreads)] {
		ids = append(ids, t.ID)
	}
	if err := l.readRegisters(ctx, ids); err != nil {
		return err
	}
	var ops []targets.Op
	for _, id := range ids {
		if r := l.regs[id]; r != nil && r.SP() != 0 {
			ops = append(ops, l.stackRead(r))
		}
	}
	for some := range slices.Chunk(ops, registersAtOnce) {
		if err := l.do(ctx, some...); err != nil {
			return err
		}
		for _, op := range some {
			l.keepGood(op.(*targets.MemoryRead))
		}
	}
	return nil
}

// readRegisters reads those of the threads that are not known yet.
func (l *loop) readRegisters(ctx context.Context, ids []targets.ThreadID) error {
	var ops []targets.Op
	for _, id := range ids {
		if l.regs[id] == nil {
			ops = append(ops, &targets.RegistersRead{Thread: id})
		}
	}
	for some := range slices.Chunk(ops, registersAtOnce) {
		if err := l.do(ctx, some...); err != nil {
			return err
		}
		for _, op := range some {
			r := op.(*targets.RegistersRead)
			l.tookRegisters(r.Thread, r)
		}
	}
	return nil
}

// registersAtOnce is how many threads' registers travel in one flight; a far end
// takes that many in one piece.
const registersAtOnce = 32

// Stacks unwinds several threads with shared flights. A thread whose registers
// cannot be read is left out.
func (v *View) Stacks(ctx context.Context, ids []targets.ThreadID, limit int) (map[targets.ThreadID]*Stack, error) {
	l := v.l
	if err := l.readRegisters(ctx, ids); err != nil {
		return nil, err
	}
	var ws []*walk
	for _, id := range ids {
		if l.regs[id] == nil {
			continue
		}
		w, err := l.walkOf(ctx, id)
		if err != nil {
			return nil, err
		}
		ws = append(ws, w)
	}
	if err := l.advance(ctx, limit, ws...); err != nil {
		return nil, err
	}
	out := make(map[targets.ThreadID]*Stack, len(ws))
	for _, w := range ws {
		out[w.thread] = w.stack(limit)
	}
	return out, nil
}

// Registers of a thread, a copy.
func (v *View) Registers(ctx context.Context, id targets.ThreadID) (*arch.Registers, error) {
	r, err := v.l.registers(ctx, id)
	if err != nil {
		return nil, err
	}
	return r.Clone(), nil
}

// SetRegisters writes a thread's registers and tells Invalidated.
func (v *View) SetRegisters(ctx context.Context, id targets.ThreadID, r *arch.Registers) error {
	return v.l.changeRegisters(ctx, id, r)
}

// ReadMemory reads through the cache, with planted traps masked out.
func (v *View) ReadMemory(ctx context.Context, s targets.Space, addr arch.Addr, p []byte) (int, error) {
	return v.l.read(ctx, v.l.orHere(s), addr, p)
}

// WriteMemory writes, under planted traps too, and tells Invalidated.
func (v *View) WriteMemory(ctx context.Context, s targets.Space, addr arch.Addr, p []byte) (int, error) {
	n, err := v.l.write(ctx, v.l.orHere(s), addr, p)
	if n > 0 {
		v.l.forgetWalks()
		v.l.o.Emit(Invalidated{Memory: true, Stacks: true})
	}
	return n, err
}

// Gather runs r over the stop's cache until it misses nothing more (at most 16
// rounds, then reads fetch at once).
func (v *View) Gather(ctx context.Context, r Reader) error { return v.l.gather(ctx, v.l.here(), 0, r) }

// Env is the environment of expressions in frame f (nil: the selected frame).
// Its reads fetch at once; inside Gather use EnvOver with the Memory given.
func (v *View) Env(f *Frame) eval.Env { return v.EnvOver(f, &nowMemory{v.l, v.l.here()}) }

// EnvOver is Env over the Memory that Gather gives.
func (v *View) EnvOver(f *Frame, mem symbols.Memory) eval.Env { return v.l.env(v.l.orSelected(f), mem) }

// orSelected is f, or the selected frame, or nil when there is none.
func (l *loop) orSelected(f *Frame) *Frame {
	if f == nil {
		f, _ = l.frameAt(l.life, l.frame)
	}
	return f
}

// Eval parses and evaluates in frame f (nil: selected), with as few round trips as it can.
func (v *View) Eval(ctx context.Context, f *Frame, src string, o eval.Options) (eval.Value, error) {
	o.Calls = o.Calls || v.calls
	e, err := eval.Parse(src, o)
	if err != nil {
		return eval.Value{}, err
	}
	var out eval.Value
	err = v.l.evaluate(ctx, v.l.orSelected(f), e, func(_ context.Context, _ eval.Env, x eval.Value) error {
		out = x
		return nil
	})
	return out, err
}

// Object evaluates src (with format specifiers) and makes its data-model node.
// name is what the node is called; "" uses src.
func (v *View) Object(ctx context.Context, f *Frame, name, src string) (*eval.Object, error) {
	return v.l.object(ctx, v.l.orSelected(f), name, src, eval.Options{Calls: v.calls})
}

func (l *loop) object(ctx context.Context, f *Frame, name, src string, o eval.Options) (*eval.Object, error) {
	expr, format, err := eval.ParseFormat(src)
	if err != nil {
		return nil, err
	}
	e, err := eval.Parse(expr, o)
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = src
	}
	var out *eval.Object
	err = l.evaluate(ctx, f, e, func(ctx context.Context, env eval.Env, x eval.Value) error {
		var err error
		out, err = l.o.Model.Object(ctx, env, name, expr, x, format)
		return err
	})
	return out, err
}

// Children expands o in frame f.
func (v *View) Children(ctx context.Context, f *Frame, o *eval.Object, start, count int) ([]*eval.Object, error) {
	f = v.l.orSelected(f)
	if v.calls && o.Value.Item != nil { // an element may be what a call yields: it is made once
		return o.Children(ctx, v.Env(f), start, count)
	}
	var out []*eval.Object
	err := v.l.gather(ctx, v.l.here(), 0, func(ctx context.Context, mem symbols.Memory) error {
		var err error
		out, err = o.Children(ctx, v.l.env(f, mem), start, count)
		return err
	})
	return out, err
}

// Locals returns variables of f: parameters first, then locals, innermost block first.
func (v *View) Locals(ctx context.Context, f *Frame) ([]Local, error) {
	f = v.l.orSelected(f)
	if f == nil || f.Scope == nil {
		return nil, nil
	}
	vars := slices.Clone(f.Scope.Variables)
	slices.SortStableFunc(vars, func(a, b symbols.Variable) int {
		switch {
		case a.Param == b.Param:
			return 0
		case a.Param:
			return -1
		}
		return 1
	})
	out := make([]Local, len(vars))
	err := v.l.gather(ctx, v.l.here(), 0, func(ctx context.Context, mem symbols.Memory) error {
		env := v.l.env(f, mem)
		var miss error
		for i, x := range vars {
			val, err := env.variable(ctx, x)
			if isNeed(err) {
				miss = err
				continue
			}
			if err != nil {
				val.Type, val.Err = x.Type, err
			}
			out[i] = Local{Variable: x, Value: val}
		}
		return miss
	})
	return out, err
}

// LocalObjects is Locals as data-model nodes.
func (v *View) LocalObjects(ctx context.Context, f *Frame) ([]*eval.Object, error) {
	f = v.l.orSelected(f)
	locals, err := v.Locals(ctx, f)
	if err != nil {
		return nil, err
	}
	out := make([]*eval.Object, len(locals))
	err = v.l.gather(ctx, v.l.here(), 0, func(ctx context.Context, mem symbols.Memory) error {
		var miss error
		for i, x := range locals {
			o, err := v.l.o.Model.Object(ctx, v.l.env(f, mem), x.Name, x.Name, x.Value, eval.Format{})
			if isNeed(err) {
				miss = err
				continue
			}
			if err != nil {
				o = &eval.Object{Name: x.Name, Expr: x.Name, Type: eval.TypeName(x.Type), Err: err}
			}
			out[i] = o
		}
		return miss
	})
	return out, err
}

// Model is the session's data model.
func (v *View) Model() *eval.Model { return v.l.o.Model }

// JumpTo sets the PC of a thread (goto, set next statement).
func (v *View) JumpTo(ctx context.Context, id targets.ThreadID, addr arch.Addr) error {
	r, err := v.l.registers(ctx, id)
	if err != nil {
		return err
	}
	c := r.Clone()
	c.SetPC(addr)
	if err := v.l.changeRegisters(ctx, id, c); err != nil {
		return err
	}
	if id == v.l.selected {
		v.l.frame = 0
	}
	return nil
}

// Var returns a debugger variable ($t0 .. and user ones), kept over stops.
func (v *View) Var(name string) (eval.Value, bool) { x, ok := v.l.vars[name]; return x, ok }

// SetVar sets a debugger variable.
func (v *View) SetVar(name string, val eval.Value) { v.l.vars[name] = val }
