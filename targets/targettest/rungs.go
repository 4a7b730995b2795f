package targettest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

func (c *climb) connect() {
	in := c.tg.Info()
	switch {
	case in.Set == nil || in.Set.Arch == nil || len(in.Set.Regs) == 0:
		c.Fatal("no registers are described")
	case in.Machine && in.Process != 0:
		c.Error("a machine has no process id")
	}
	if _, ok := c.tg.(targets.Runner); ok {
		c.runner()
	}
}

func (c *climb) registers() {
	list, err := c.tg.Threads(c.ctx)
	c.must("listing threads", err)
	if len(list) == 0 {
		c.Fatal("no threads")
	}
	r, err := c.tg.Registers(c.ctx, list[0].ID)
	c.must("reading registers", err)
	if r.Set != c.tg.Info().Set {
		c.Error("the registers are of another set than Info tells")
	}
	if r.PC() == 0 {
		c.Error("PC is 0 or unknown")
	}
	was := r.PC()
	r.SetPC(was + 1)
	if now := c.pc(list[0].ID); now != was {
		c.Errorf("PC is 0x%x, was 0x%x: the registers handed out are not a copy", uint64(now), uint64(was))
	}
	if _, err := c.tg.Registers(c.ctx, targets.ThreadID{Process: list[0].ID.Process, Thread: 0x7ffffff0}); err == nil {
		c.Error("registers of a thread that does not exist")
	}
}

func (c *climb) memory() {
	p := make([]byte, len(c.s.Content))
	n, err := c.tg.ReadMemory(c.ctx, targets.Space{}, c.s.Known, p)
	if err != nil || n != len(p) || !bytes.Equal(p, c.s.Content) {
		c.Fatalf("read %d of %d bytes (%v), or they differ", n, len(p), err)
	}
	if n, err := c.tg.ReadMemory(c.ctx, targets.Space{}, c.s.Known, nil); n != 0 || err != nil {
		c.Errorf("reading nothing: %d, %v", n, err)
	}
	if c.s.Nowhere != 0 {
		n, err := c.tg.ReadMemory(c.ctx, targets.Space{}, c.s.Nowhere, make([]byte, 16))
		c.fault(n, 0, err, c.s.Nowhere, false)
	}
	if c.s.Edge != 0 {
		p := make([]byte, 9000)
		n, err := c.tg.ReadMemory(c.ctx, targets.Space{}, c.s.Edge-100, p)
		c.fault(n, 100, err, c.s.Edge, false)
	}
}

func (c *climb) fault(n, want int, err error, at arch.Addr, write bool) {
	c.Helper()
	var f *targets.FaultError
	if !errors.As(err, &f) || f.Addr != at || f.Write != write || n != want {
		c.Errorf("got %d bytes and %v, want %d and a fault at 0x%x", n, err, want, uint64(at))
	}
}

func (c *climb) threads() {
	list, err := c.tg.Threads(c.ctx)
	c.must("listing threads", err)
	if len(list) < c.s.Threads {
		c.Errorf("%d threads, want %d", len(list), c.s.Threads)
	}
	seen := map[targets.ThreadID]bool{}
	for _, th := range list {
		if seen[th.ID] {
			c.Errorf("thread %v is listed twice", th.ID)
		}
		seen[th.ID] = true
		c.pc(th.ID)
	}
	if _, ok := c.tg.(targets.Runner); ok {
		if _, stop := c.runner(); !seen[stop.Thread] {
			c.Errorf("the stopped thread %v is not listed", stop.Thread)
		}
	}
}

func (c *climb) stop() {
	r, _ := c.runner()
	p := c.plant()
	c.must("resuming", r.Resume(c.ctx, targets.Resume{Default: everything}))
	stop := c.nextStop(r)
	p.hit(stop)
	p.lift()
	if stop.Registers != nil && stop.Registers.PC() != 0 && stop.Registers.PC() != c.pc(stop.Thread) && p.old == nil {
		c.Error("the registers that came with the stop are not the thread's")
	}
}

func (c *climb) step() {
	r, _ := c.runner()
	at := c.toLoop(r)
	for range 3 {
		was := c.pc(at.Thread)
		c.must("stepping", r.Resume(c.ctx, targets.Resume{Threads: map[targets.ThreadID]targets.Action{at.Thread: {Kind: targets.Step}}}))
		stop := c.nextStop(r)
		if stop.Reason != targets.Stepped || stop.Thread != at.Thread {
			c.Fatalf("stopped for %v in %v, want a step of %v", stop.Reason, stop.Thread, at.Thread)
		}
		if now := c.pc(at.Thread); now == was {
			c.Errorf("still at 0x%x after a step", uint64(was))
		}
	}
}

func (c *climb) interrupt() {
	r, _ := c.runner()
	c.must("resuming", r.Resume(c.ctx, targets.Resume{Default: everything}))
	if c.tg.Info().Limits.Bits&targets.LiveMemory == 0 {
		if _, err := c.tg.ReadMemory(c.ctx, targets.Space{}, c.s.Known, make([]byte, 1)); !errors.Is(err, targets.ErrRunning) {
			c.Errorf("reading memory while running: %v, want ErrRunning", err)
		}
	}
	if err := r.Resume(c.ctx, targets.Resume{Default: everything}); !errors.Is(err, targets.ErrRunning) {
		c.Errorf("resuming while running: %v, want ErrRunning", err)
	}
	c.must("interrupting", r.Interrupt(c.ctx))
	if c.s.Deaf {
		c.told(r)
		return
	}
	if stop := c.nextStop(r); stop.Reason != targets.Interrupted {
		c.Errorf("stopped for %v, want interrupted", stop.Reason)
	}
	if c.s.Loop != 0 { // the wire is in step, and no second stop was in it
		c.toLoop(r)
	}
}

// told: a far end that cannot stop what runs has the user told so.
func (c *climb) told(r targets.Runner) {
	for {
		select {
		case e := <-r.Events():
			if o, ok := e.(targets.Output); ok && o.Console {
				return
			} else if !ok {
				c.Fatalf("%#v, want to be told that it cannot be stopped", e)
			}
		case <-c.ctx.Done():
			c.Fatal("nobody says that it cannot be stopped")
		}
	}
}

// crossing: an interrupt sent while a stop is on its way makes one stop of the
// two, and does not disturb the next run.
func (c *climb) crossing() {
	r, _ := c.runner()
	for range 4 {
		p := c.plant()
		c.must("resuming", r.Resume(c.ctx, targets.Resume{Default: everything}))
		c.must("interrupting", r.Interrupt(c.ctx))
		stop := c.nextStop(r)
		if stop.Reason != targets.Interrupted {
			p.hit(stop)
		}
		p.lift()
		at := stop.Thread
		c.must("stepping", r.Resume(c.ctx, targets.Resume{Threads: map[targets.ThreadID]targets.Action{at: {Kind: targets.Step}}}))
		if stop := c.nextStop(r); stop.Reason != targets.Stepped {
			c.Fatalf("the run after a crossing stopped for %v, want a step", stop.Reason)
		}
	}
}

func (c *climb) write() {
	w, ok := c.tg.(targets.Writer)
	if !ok {
		c.Fatalf("%T is no Writer", c.tg)
	}
	old, fresh, got := make([]byte, 8), []byte{1, '$', '#', '}', '*', 0xff, 0, 8}, make([]byte, 8)
	_, err := c.tg.ReadMemory(c.ctx, targets.Space{}, c.s.Writable, old)
	c.must("reading", err)
	n, err := w.WriteMemory(c.ctx, targets.Space{}, c.s.Writable, fresh)
	if err != nil || n != len(fresh) {
		c.Fatalf("wrote %d bytes: %v", n, err)
	}
	_, err = c.tg.ReadMemory(c.ctx, targets.Space{}, c.s.Writable, got)
	if err != nil || !bytes.Equal(got, fresh) {
		c.Errorf("read % x (%v), wrote % x", got, err, fresh)
	}
	_, err = w.WriteMemory(c.ctx, targets.Space{}, c.s.Writable, old)
	c.must("restoring", err)
	if c.s.Nowhere != 0 && !c.s.Blind {
		n, err := w.WriteMemory(c.ctx, targets.Space{}, c.s.Nowhere, fresh)
		c.fault(n, 0, err, c.s.Nowhere, true)
	}
	c.writeRegister(w)
}

func (c *climb) writeRegister(w targets.Writer) {
	list, err := c.tg.Threads(c.ctx)
	c.must("listing threads", err)
	id := list[0].ID
	r, err := c.tg.Registers(c.ctx, id)
	c.must("reading registers", err)
	name := r.Set.Arch.Return
	was, ok := r.Get(name)
	if !ok {
		c.Fatalf("no register %q", name)
	}
	set := func(v uint64) {
		c.Helper()
		r.PutName(name, v)
		c.must("writing registers", w.SetRegisters(c.ctx, id, r))
		back, err := c.tg.Registers(c.ctx, id)
		c.must("reading registers", err)
		if now, _ := back.Get(name); now != v || back.PC() != r.PC() {
			c.Errorf("%s is 0x%x, wrote 0x%x", name, now, v)
		}
	}
	set(was ^ 0x1234)
	set(was)
}

func (c *climb) trap() {
	tr, ok := c.tg.(targets.Trapper)
	if !ok {
		c.Fatalf("%T is no Trapper", c.tg)
	}
	r, _ := c.runner()
	trap := c.loop()
	before, after := make([]byte, 8), make([]byte, 8)
	_, err := c.tg.ReadMemory(c.ctx, targets.Space{}, c.s.Loop, before)
	c.must("reading", err)
	c.must("clearing what is not there", tr.ClearTrap(c.ctx, trap))
	c.must("setting", tr.SetTrap(c.ctx, trap))
	c.must("setting twice", tr.SetTrap(c.ctx, trap))
	_, err = c.tg.ReadMemory(c.ctx, targets.Space{}, c.s.Loop, after)
	if err != nil || !bytes.Equal(before, after) {
		c.Errorf("a planted trap shows: % x, was % x (%v)", after, before, err)
	}
	c.must("resuming", r.Resume(c.ctx, targets.Resume{Default: everything}))
	stop := c.nextStop(r)
	if stop.Reason != targets.Breakpoint || c.pc(stop.Thread) != c.s.Loop {
		c.Fatalf("stopped for %v at 0x%x", stop.Reason, uint64(c.pc(stop.Thread)))
	}
	// Off the trap and back to it, the traps travelling with the resumes.
	one := targets.Resume{Threads: map[targets.ThreadID]targets.Action{stop.Thread: {Kind: targets.Step}}, Lift: []targets.Trap{trap}}
	c.must("stepping off", r.Resume(c.ctx, one))
	if stop := c.nextStop(r); stop.Reason != targets.Stepped {
		c.Fatalf("stepping off a trap stopped for %v", stop.Reason)
	}
	c.must("resuming", r.Resume(c.ctx, targets.Resume{Default: everything, Plant: []targets.Trap{trap}}))
	if stop := c.nextStop(r); stop.Reason != targets.Breakpoint || c.pc(stop.Thread) != c.s.Loop {
		c.Fatalf("the second time stopped for %v at 0x%x", stop.Reason, uint64(c.pc(stop.Thread)))
	}
	c.must("clearing", tr.ClearTrap(c.ctx, trap))
	if c.s.Deaf { // how would one see that it does not stop?
		return
	}
	c.must("resuming", r.Resume(c.ctx, targets.Resume{Default: everything}))
	c.must("interrupting", r.Interrupt(c.ctx))
	if stop := c.nextStop(r); stop.Reason != targets.Interrupted {
		c.Errorf("a cleared trap: stopped for %v, want interrupted", stop.Reason)
	}
	if c.s.Nowhere != 0 && !c.s.Blind && !c.tg.Info().Machine {
		c.refused(tr, r)
	}
}

// refused: a trap where no memory is, by itself and with a resume, which must
// leave the debuggee waiting.
func (c *climb) refused(tr targets.Trapper, r targets.Runner) {
	trap := targets.Trap{Addr: c.s.Nowhere}
	if err := tr.SetTrap(c.ctx, trap); err == nil {
		c.Error("a trap where no memory is")
	}
	if err := r.Resume(c.ctx, targets.Resume{Default: everything, Plant: []targets.Trap{trap}}); err == nil {
		c.Error("a resume with a trap where no memory is")
	}
	c.toLoop(r)
}

func (c *climb) watch() {
	tr, ok := c.tg.(targets.Trapper)
	if !ok {
		c.Fatalf("%T is no Trapper", c.tg)
	}
	r, _ := c.runner()
	trap := targets.Trap{Kind: targets.OnWrite, Addr: c.s.Watched, Size: 8}
	c.must("resuming", r.Resume(c.ctx, targets.Resume{Default: everything, Plant: []targets.Trap{trap}}))
	stop := c.nextStop(r)
	if stop.Reason != targets.Watch || stop.Addr != c.s.Watched || stop.Kind != targets.OnWrite {
		c.Errorf("stopped for %v at 0x%x, want the data trap at 0x%x", stop.Reason, uint64(stop.Addr), uint64(c.s.Watched))
	}
	c.must("clearing", tr.ClearTrap(c.ctx, trap))
	c.toLoop(r)
}

func (c *climb) flight() {
	r, first := c.runner()
	good := &targets.MemoryRead{Addr: c.s.Known, Data: make([]byte, len(c.s.Content))}
	regs := &targets.RegistersRead{Thread: first.Thread}
	list := &targets.ThreadsRead{}
	ops := []targets.Op{list, regs, good}
	bad := &targets.MemoryRead{Addr: c.s.Nowhere, Data: make([]byte, 4)}
	if c.s.Nowhere != 0 {
		ops = append(ops, bad)
	}
	c.must("a flight", targets.Do(c.ctx, c.tg, ops...))
	if err := errors.Join(good.Err, regs.Err, list.Err); err != nil || !bytes.Equal(good.Data, c.s.Content) || good.N != len(good.Data) {
		c.Errorf("%v, or the memory differs", err)
	}
	if regs.Regs == nil || !slices.ContainsFunc(list.Threads, func(t targets.Thread) bool { return t.ID == first.Thread }) {
		c.Error("registers or threads are missing")
	}
	if c.s.Nowhere != 0 && bad.Err == nil {
		c.Error("one bad read among good ones is no error")
	}
	if _, ok := c.tg.(targets.Trapper); ok {
		trap := c.loop()
		run := &targets.Run{Resume: targets.Resume{Default: everything}}
		set := &targets.TrapSet{Trap: trap}
		c.must("a flight that resumes", targets.Do(c.ctx, c.tg, set, run))
		c.must("resuming in a flight", errors.Join(set.Err, run.Err))
		if stop := c.nextStop(r); stop.Reason != targets.Breakpoint {
			c.Errorf("stopped for %v", stop.Reason)
		}
	}
}

// abandoned is a context that ends when somebody begins to wait for it.
type abandoned struct {
	context.Context
	ended atomic.Bool
}

var over = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (a *abandoned) Done() <-chan struct{} { a.ended.Store(true); return over }
func (a *abandoned) Err() error {
	if a.ended.Load() {
		return context.Canceled
	}
	return nil
}

func (c *climb) cancel() {
	for range 3 {
		ctx := &abandoned{Context: c.ctx}
		if _, err := c.tg.ReadMemory(ctx, targets.Space{}, c.s.Known, make([]byte, len(c.s.Content))); err != nil && !errors.Is(err, context.Canceled) {
			c.Fatalf("a read given up: %v", err)
		}
		p := make([]byte, min(16, len(c.s.Content)))
		if _, err := c.tg.ReadMemory(c.ctx, targets.Space{}, c.s.Known, p); err != nil || !bytes.Equal(p, c.s.Content[:len(p)]) {
			c.Fatalf("the read after one that was given up: % x, %v", p, err)
		}
	}
}

func (c *climb) detach() { c.part(targets.Detach) }

func (c *climb) kill() { c.part(targets.Kill) }

// part leaves a debuggee that runs, the hardest case, where it can run.
func (c *climb) part(how targets.Parting) {
	r, runs := c.tg.(targets.Runner)
	if runs {
		c.runner()
		if c.s.Loop != 0 {
			p := c.plant()
			c.must("resuming", r.Resume(c.ctx, targets.Resume{Default: everything}))
			p.hit(c.nextStop(r))
			if p.old != nil {
				p.lift()
			}
		}
	}
	c.must("closing", c.tg.Close(c.ctx, how))
	c.must("closing twice", c.tg.Close(c.ctx, how))
	if _, err := c.tg.ReadMemory(c.ctx, targets.Space{}, c.s.Known, make([]byte, 1)); !errors.Is(err, targets.ErrGone) {
		c.Errorf("reading after the end: %v, want ErrGone", err)
	}
	if !runs {
		return
	}
	if e, ok := c.next(r).(targets.Gone); !ok || e.Err != nil {
		c.Errorf("the last event is %#v, want a Gone without error", e)
	}
	select {
	case e, open := <-r.Events():
		if open {
			c.Errorf("%#v after Gone", e)
		}
	case <-c.ctx.Done():
		c.Error("the events do not end after Gone")
	}
}
