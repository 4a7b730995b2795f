package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// Calling functions of the debuggee. A call borrows the selected thread: its
// registers are kept, it runs alone from the function's entry to a trap at the
// return address, and gets its registers back whatever happened. What the function
// wrote stays written.

const (
	callPatience = 10 * time.Second // how long a called function may run
	haltPatience = 5 * time.Second  // how long it may take to stop when it is given up
	belowSP      = 256              // below SP belongs to the interrupted function (AMD64: 128 bytes)
	maxCallStack = 1 << 20          // bytes of arguments and results of one call
)

var _ eval.Caller = (*env)(nil)

// CallStopped: a called function did not return; the call was undone.
type CallStopped struct {
	Function string
	Why      string
	Fix      string
}

func (e *CallStopped) Error() string {
	return fmt.Sprintf("the call of %s was undone: %s", e.Function, e.Why)
}

// Hint says what the user can do.
func (e *CallStopped) Hint() string { return e.Fix }

// caller is one call being made.
type caller struct {
	l      *loop
	thread targets.ThreadID
	name   string
	saved  *arch.Registers
	ret    arch.Addr // where the function returns to
	sp     arch.Addr // stack pointer it returns with, at least
	low    arch.Addr // lowest address of the stack that is in use
	result arch.Addr // where a result in memory goes, 0: it comes in registers
	abort  arch.Addr // where a C++ exception that nobody catches ends, 0 unknown
	floats bool      // arguments lie in vector registers
}

// Call runs a function of the debuggee in the selected thread, alone, and returns
// what it hands back. Everything but the memory it wrote is as before, and but vector
// registers where the far end does not write them (see takesVectors).
func (e *env) Call(ctx context.Context, c eval.Call) (eval.Value, error) {
	x, err := e.caller(ctx, c.Name)
	if err != nil {
		return eval.Value{}, err
	}
	regs := x.saved.Clone()
	if err := x.prepare(ctx, e, c, regs); err != nil {
		return eval.Value{}, err
	}
	return x.run(ctx, c, regs)
}

// Room is a place on the selected thread's stack; it is taken until the debuggee
// runs on.
func (e *env) Room(ctx context.Context, t *symbols.Type) (eval.Value, error) {
	x, err := e.caller(ctx, eval.TypeName(t))
	if err != nil {
		return eval.Value{}, err
	}
	size := complete(t).ByteSize()
	if size < 0 || size > maxCallStack {
		return eval.Value{}, fmt.Errorf("there is no room for a %s of %d bytes", eval.TypeName(t), size)
	}
	at := x.take(int(size))
	e.l.room = room{e.l.number, x.low}
	return eval.Value{Type: t, Place: eval.InMemory, Addr: at}, nil
}

// ByReference reports whether a class is passed by the address of a copy.
func (e *env) ByReference(t *symbols.Type) bool { return nontrivial(t, 0) }

// caller makes ready for a call of the function called name in the selected thread.
func (e *env) caller(ctx context.Context, name string) (*caller, error) {
	l := e.l
	switch {
	case l.r == nil:
		return nil, fmt.Errorf("calling %s: %w", name, errors.ErrUnsupported)
	case l.lifeless():
		return nil, targets.ErrNoThreads
	case conventions[l.arch] == nil:
		return nil, fmt.Errorf("calling %s: the calling convention of %s is not known", name, l.arch.Name)
	}
	if _, ok := e.mem.(*nowMemory); !ok {
		return nil, errors.New("functions of the debuggee are called only where the expression itself calls them")
	}
	full, err := l.allRegisters(ctx, l.selected)
	if err != nil {
		return nil, err
	}
	x := &caller{l: l, thread: l.selected, name: name, saved: full.Clone()}
	x.low = (full.SP() - belowSP) &^ 63
	if r := l.room; r.number == l.number && r.low != 0 && r.low < x.low && x.low-r.low < maxCallStack {
		x.low = r.low // results of earlier calls lie above
	}
	return x, nil
}

// prepare lays out arguments, results and the return in memory and registers.
func (x *caller) prepare(ctx context.Context, e *env, c eval.Call, regs *arch.Registers) error {
	p := newPlacing(regs)
	if err := x.returnPlace(ctx, e); err != nil {
		return err
	}
	if t := complete(c.Type.Elem); t != nil && t.Kind != symbols.Void {
		h := handedBack(t, x.l.arch)
		if h.lost != "" && h.lost != elsewhere.lost {
			return fmt.Errorf("calling %s: %s", c.Name, h.lost)
		}
		if h.at != "" || h.lost != "" {
			x.result = x.take(int(t.ByteSize()))
			if x.l.arch == arch.ARM64 {
				regs.PutName("x8", uint64(x.result))
			} else if err := p.word(uint64(x.result)); err != nil {
				return err
			}
		}
	}
	for i, a := range c.Args {
		arg, err := x.argument(ctx, e, a)
		if err != nil {
			return fmt.Errorf("argument %d of %s: %w", i+1, c.Name, err)
		}
		if err := p.add(arg, i >= c.Fixed); err != nil {
			return fmt.Errorf("argument %d of %s: %w", i+1, c.Name, err)
		}
	}
	if len(p.stack) > maxCallStack {
		return fmt.Errorf("calling %s: its arguments are too large", c.Name)
	}
	x.floats = p.vectors > 0
	return x.enter(ctx, c, p)
}

// take reserves stack below what is in use.
func (x *caller) take(size int) arch.Addr {
	x.low = (x.low - arch.Addr(size)) &^ 15
	return x.low
}

// returnPlace finds an address that nobody executes any more: the program's entry.
func (x *caller) returnPlace(ctx context.Context, e *env) error {
	if n, ok := entry(ctx, e); ok {
		x.ret = arch.Addr(n)
	} else {
		x.ret = x.saved.PC()
	}
	if m, ok := x.l.moduleNamed("libstdc___so"); ok && x.l.need(ctx, m) == nil && m.Image != nil {
		x.l.lookup(m, "std::terminate", func(at Location) bool { x.abort = at.Addr; return false })
	}
	return nil
}

// argument gives what is passed the bytes, and the place where it is passed by its
// address.
func (x *caller) argument(ctx context.Context, e *env, a eval.Argument) (argument, error) {
	b, err := eval.Fetch(ctx, e, a.Value)
	if err != nil {
		if !a.ByPlace || a.Value.Place != eval.InMemory {
			return argument{}, err
		}
		b = nil
	}
	if len(b) > maxCallStack {
		return argument{}, errors.New("it is too large")
	}
	out := argument{t: a.Type, bytes: b}
	if a.ByPlace {
		at := a.Value.Addr
		if a.Value.Place != eval.InMemory || a.Value.BitSize > 0 {
			at = x.take(len(b))
			if err := x.write(ctx, at, b); err != nil {
				return argument{}, err
			}
		}
		out.bytes = x.l.bytes(uint64(at), x.l.arch.PtrSize)
		return out, nil
	}
	t := complete(a.Type)
	switch h := handedBack(t, x.l.arch); {
	case nontrivial(t, 0):
		return argument{}, errors.New("only the class itself could copy it; pass a reference")
	case h.lost == elsewhere.lost:
		out.place = x.take(len(b))
		return out, x.write(ctx, out.place, b)
	}
	return out, nil
}

func (x *caller) write(ctx context.Context, at arch.Addr, b []byte) error {
	_, err := x.l.write(ctx, spaceHere, at, b)
	return err
}

// enter makes the registers those at the function's first instruction.
func (x *caller) enter(ctx context.Context, c eval.Call, p *placing) error {
	l, r := x.l, p.regs
	sp := (x.low - arch.Addr(len(p.stack))) &^ 15
	x.sp = sp
	if l.arch.Link == "" { // the return address lies above the arguments
		back := l.bytes(uint64(x.ret), l.arch.PtrSize)
		sp -= arch.Addr(len(back))
		p.stack = append(back, p.stack...)
	} else {
		r.PutName(l.arch.Link, uint64(x.ret))
	}
	if len(p.stack) > 0 {
		if err := x.write(ctx, sp, p.stack); err != nil {
			return err
		}
	}
	r.PutName(l.arch.SP, uint64(sp))
	r.SetPC(c.Addr)
	switch l.arch {
	case arch.AMD64:
		r.PutName("rax", uint64(p.vectors))
		fallthrough
	case arch.I386:
		if f, ok := r.Get("eflags"); ok {
			r.PutName("eflags", f&^0x400) // DF is clear at entry
		}
		// A system call that was interrupted must not be restarted by the kernel.
		for _, name := range []string{"orig_rax", "orig_eax"} {
			if i, ok := r.Set.Index(name); ok {
				r.SetBytes(i, l.bytes(^uint64(0), r.Set.Regs[i].Size))
			}
		}
	}
	return nil
}

// run makes the call and puts everything back.
func (x *caller) run(ctx context.Context, c eval.Call, regs *arch.Registers) (out eval.Value, err error) {
	l := x.l
	before := l.setAside(x.thread)
	defer func() {
		if back := x.restore(ctx, before); back != nil && err == nil {
			err = back
		}
	}()
	if err := x.takesVectors(ctx); err != nil {
		return eval.Value{}, err
	}
	if err := l.setRegisters(ctx, x.thread, regs); err != nil {
		return eval.Value{}, fmt.Errorf("calling %s: %w", c.Name, err)
	}
	if err := x.toReturn(ctx); err != nil {
		return eval.Value{}, err
	}
	t := c.Type.Elem
	switch k := complete(t); {
	case k == nil || k.Kind == symbols.Void:
		return eval.Value{Type: eval.Void(), Bytes: []byte{}}, nil
	case x.result != 0:
		before.room = room{before.number, x.low}
		return eval.Value{Type: t, Place: eval.InMemory, Addr: x.result}, nil
	}
	r, err := l.allRegisters(ctx, x.thread)
	if err != nil {
		return eval.Value{}, err
	}
	return returned(t, r), nil
}

// allRegisters are a thread's with those that the far end tells only one by one.
func (l *loop) allRegisters(ctx context.Context, id targets.ThreadID) (*arch.Registers, error) {
	r, err := l.registers(ctx, id)
	if err != nil {
		return r, err
	}
	names := floatRegisters[l.arch]
	if !slices.ContainsFunc(names, func(name string) bool { i, ok := r.Set.Index(name); return ok && !r.Known(i) }) {
		return r, nil
	}
	op := &targets.RegistersRead{Thread: id, Also: names}
	if err := l.do(ctx, op); err != nil {
		return nil, err
	}
	if op.Err != nil {
		return nil, op.Err
	}
	return op.Regs, nil
}

// floatRegisters are those of the floating-point unit that a call may use, on CPUs
// whose far ends tell them apart from the rest.
var floatRegisters = map[*arch.Arch][]string{
	arch.ARM64:   slices.Concat(sequence("v", 32), sequence("z", 32), []string{"fpsr", "fpcr"}),
	arch.RISCV64: slices.Concat(sequence("fa", 8), sequence("ft", 12), sequence("fs", 12)),
}

// aside is what a call must not change of what is known.
type aside struct {
	number int
	last   Stop
	stops  bool
	ran    bool
	hit    arch.Addr
	hits   bool
	handed map[targets.ThreadID]targets.Deliver
	plan   *plan
	room   room
}

// room is the stack that results of calls occupy until the debuggee runs on.
type room struct {
	number int
	low    arch.Addr
}

// setAside puts away what belongs to the stop; the call starts without it.
func (l *loop) setAside(id targets.ThreadID) *aside {
	a := &aside{number: l.number, last: l.last, stops: l.stops, ran: l.ran, handed: l.handed, plan: l.plan, room: l.room}
	a.hit, a.hits = l.hits[id]
	delete(l.hits, id)
	l.handed = map[targets.ThreadID]targets.Deliver{}
	return a
}

// restore gives the thread its registers back, and the stop what was known of it.
func (x *caller) restore(ctx context.Context, a *aside) error {
	l := x.l
	if l.state == StateGone {
		return targets.ErrGone
	}
	if l.state == StateRunning { // it would not stop: when it does, see undone
		l.undo = func(ctx context.Context) error { return x.restore(ctx, a) }
		return nil
	}
	for id, d := range l.handed { // signals from outside are for the program
		if _, ok := a.handed[id]; !ok && d.Kind != targets.Handled && !ownFault(l.last.Exception) {
			a.handed[id] = d
		}
	}
	l.plan, l.handed, l.last, l.stops, l.number, l.ran, l.room = a.plan, a.handed, a.last, a.stops, a.number, a.ran, a.room
	l.partial = nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), partTime)
	defer cancel()
	err := l.setRegisters(ctx, x.thread, x.saved)
	if a.hits {
		l.hits[x.thread] = a.hit
	} else {
		delete(l.hits, x.thread)
	}
	l.forgetWalks()
	if err != nil {
		return fmt.Errorf("putting back the registers after the call of %s: %w", x.name, err)
	}
	return nil
}

// toReturn runs the thread until it comes to the return address; every other stop
// that somebody would be told of ends the call.
func (x *caller) toReturn(ctx context.Context) error {
	l := x.l
	p := &plan{thread: x.thread, how: How{Kind: Go, Only: true, Thread: x.thread}, leg: leg{kind: targets.Go, temps: []temp{{addr: x.ret, minSP: x.sp}}}}
	if x.abort != 0 {
		p.leg.temps = append(p.leg.temps, temp{addr: x.abort, any: true})
	}
	l.plan = p
	end := time.NewTimer(min(callPatience, l.o.Timeout))
	defer end.Stop()
	for {
		ts, err := x.toStop(ctx, end.C)
		if err != nil {
			return err
		}
		r, err := l.quick(ctx, x.thread)
		if err != nil {
			return err
		}
		switch {
		case ts.Thread == x.thread && r.PC() == x.ret && r.SP() >= x.sp:
			return nil
		case ts.Thread == x.thread && x.abort != 0 && r.PC() == x.abort && ts.Reason == targets.Breakpoint:
			return &CallStopped{x.name, "it threw a C++ exception that it did not catch", ""}
		}
		st := &Stop{Stop: ts, Number: l.number, All: true}
		if !l.judge(ctx, st, false) {
			return x.stopped(st)
		}
		if l.state == StateGone {
			return targets.ErrGone
		}
	}
}

// toStop runs the plan's leg until the debuggee stops.
func (x *caller) toStop(ctx context.Context, end <-chan time.Time) (targets.Stop, error) {
	if err := x.l.launch(ctx); err != nil {
		return targets.Stop{}, fmt.Errorf("calling %s: %w", x.name, err)
	}
	x.l.nowRunning(true)
	ts, err := x.await(ctx, end)
	if err == nil {
		x.l.fresh(ts)
		x.l.fixPC(ctx, ts)
	}
	return ts, err
}

// stopped says why a call ended early.
func (x *caller) stopped(st *Stop) error {
	e := &CallStopped{Function: x.name, Why: "it stopped for " + st.Reason.String()}
	switch {
	case len(st.Breakpoints) > 0:
		e.Why = fmt.Sprintf("it hit breakpoint %d at %s", st.Breakpoints[0], x.l.symbolText(st.Addr))
		e.Fix = fmt.Sprintf("disable the breakpoint for the time of the call: bd %d", st.Breakpoints[0])
	case st.Exception != nil && st.Reason == targets.Exception:
		e.Why = fmt.Sprintf("it raised %s at %s", signalName(int(st.Exception.Code)), x.l.symbolText(st.Addr))
	case st.Text != "":
		e.Why = st.Text
	}
	return e
}

// await waits for the next stop. When that takes too long, or nobody wants it any
// more, the debuggee is halted.
func (x *caller) await(ctx context.Context, end <-chan time.Time) (targets.Stop, error) {
	l := x.l
	var why error
	done := ctx.Done()
	for {
		select {
		case e, ok := <-l.coming():
			if !ok {
				e = targets.Gone{Err: targets.ErrGone}
			}
			if ts, is := e.(targets.Stop); is {
				l.state = StateStopped
				if why != nil && ts.Reason != targets.Interrupted {
					l.stray = strayResumes
				}
				if why != nil {
					l.fresh(ts)
				}
				return ts, why
			}
			if l.event(l.life, e); l.state == StateGone {
				return targets.Stop{}, targets.ErrGone
			}
			continue
		case <-done:
			why = &CallStopped{x.name, "it was interrupted", ""}
		case <-end:
			if why != nil {
				return targets.Stop{}, &CallStopped{x.name, "the thread does not stop", "its registers are put back when it does"}
			}
			why = &CallStopped{x.name, fmt.Sprintf("it did not return within %v", min(callPatience, l.o.Timeout)),
				"other threads are held during a call; one of them may have a lock that it waits for"}
		}
		done = nil
		give, cancel := context.WithTimeout(l.life, haltPatience)
		err := l.r.Interrupt(give)
		cancel()
		if err != nil {
			return targets.Stop{}, errors.Join(why, err)
		}
		end = time.After(haltPatience)
	}
}

// undone finishes what a call left behind whose thread would not stop.
func (l *loop) undone(ctx context.Context) {
	if f := l.undo; f != nil {
		l.undo = nil
		if err := f(ctx); err != nil {
			l.say(Important, err.Error()+"\n")
		}
	}
}

// AllowCalls says whether expressions of this View may call functions of the
// debuggee, and returns what was so before.
func (v *View) AllowCalls(yes bool) (was bool) {
	was, v.calls = v.calls, yes
	return was
}

// Touched tells front ends that memory may have changed: a function was called.
func (v *View) Touched() { v.l.o.Emit(Invalidated{Memory: true, Stacks: true}) }
