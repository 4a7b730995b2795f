package targettest

import (
	"context"
	"testing"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// Patience bounds every wait of the suite; reaching it is a failure.
const Patience = 30 * time.Second

// Subject is a debuggee that waits, and what is known of it.
type Subject struct {
	Target targets.Target `json:"-"`

	Known    arch.Addr // memory of known contents
	Content  []byte    // what lies there
	Edge     arch.Addr // first unreadable byte behind readable ones, 0 unknown
	Nowhere  arch.Addr // an unmapped page's address, 0 unknown
	Writable arch.Addr // eight bytes that may be changed while stopped, 0 unknown
	Loop     arch.Addr // an instruction that is executed again and again
	Watched  arch.Addr // eight bytes the loop writes to, 0 when data traps are not to be tried
	Threads  int       // at least so many
	Ends     bool      // Close with Kill may be tried

	Kind  targets.TrapKind // of code traps, Software or Hardware
	Deaf  bool             // the far end cannot stop what runs
	Blind bool             // the far end takes writes and traps where no memory is
}

// Rung is a step of the ladder.
type Rung string

// The rungs, in the order of the ladder.
const (
	Connect   Rung = "connect"
	Registers Rung = "registers"
	Memory    Rung = "memory"
	Threads   Rung = "threads"
	Stop      Rung = "stop" // run to a trap, planted or patched
	Step      Rung = "step"
	Interrupt Rung = "interrupt"
	Crossing  Rung = "crossing" // an interrupt that crosses a stop
	Write     Rung = "write"
	Trap      Rung = "trap"
	Watch     Rung = "watch"
	Flight    Rung = "flight" // Do
	Cancel    Rung = "cancel"
	Detach    Rung = "detach"
	Kill      Rung = "kill"
)

var rungs = []struct {
	name Rung
	test func(*climb)
}{
	{Connect, (*climb).connect}, {Registers, (*climb).registers}, {Memory, (*climb).memory}, {Threads, (*climb).threads},
	{Stop, (*climb).stop}, {Step, (*climb).step}, {Interrupt, (*climb).interrupt}, {Crossing, (*climb).crossing},
	{Write, (*climb).write}, {Trap, (*climb).trap}, {Watch, (*climb).watch}, {Flight, (*climb).flight},
	{Cancel, (*climb).cancel}, {Detach, (*climb).detach}, {Kill, (*climb).kill},
}

// All is every rung.
func All() []Rung {
	var out []Rung
	for _, r := range rungs {
		out = append(out, r.name)
	}
	return out
}

// Run climbs the given rungs, or all of them, as subtests named like the rungs.
// open makes a debuggee that waits; it is called for each rung, with that rung's
// t. What open starts it must end by t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Subject, only ...Rung) {
	t.Helper()
	if len(only) == 0 {
		only = All()
	}
	for _, name := range only {
		for _, r := range rungs {
			if r.name != name {
				continue
			}
			t.Run(string(name), func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), Patience)
				defer cancel()
				c := &climb{T: t, ctx: ctx, s: open(t)}
				c.tg = c.s.Target
				r.test(c)
			})
		}
	}
}

// climb is one rung being tried.
type climb struct {
	*testing.T
	ctx context.Context
	s   Subject
	tg  targets.Target
}

// runner is the target as one that runs, its first stop taken.
func (c *climb) runner() (targets.Runner, targets.Stop) {
	c.Helper()
	r, ok := c.tg.(targets.Runner)
	if !ok {
		c.Fatalf("%T is no Runner", c.tg)
	}
	stop := c.nextStop(r)
	if stop.Reason != targets.Initial {
		c.Fatalf("the first stop is %v, want initial", stop.Reason)
	}
	return r, stop
}

// next is the next event that is not output.
func (c *climb) next(r targets.Runner) targets.Event {
	c.Helper()
	for {
		select {
		case e, ok := <-r.Events():
			if !ok {
				c.Fatal("the events have ended")
			}
			if _, output := e.(targets.Output); output {
				continue
			}
			return e
		case <-c.ctx.Done():
			c.Fatal("no event came")
		}
	}
}

func (c *climb) nextStop(r targets.Runner) targets.Stop {
	c.Helper()
	e := c.next(r)
	stop, ok := e.(targets.Stop)
	if !ok {
		c.Fatalf("got %#v, want a stop", e)
	}
	return stop
}

// pc is where a thread stands.
func (c *climb) pc(id targets.ThreadID) arch.Addr {
	c.Helper()
	r, err := c.tg.Registers(c.ctx, id)
	if err != nil {
		c.Fatalf("reading registers of %v: %v", id, err)
	}
	return r.PC()
}

func (c *climb) must(what string, err error) {
	c.Helper()
	if err != nil {
		c.Fatalf("%s: %v", what, err)
	}
}

var everything = targets.Action{Kind: targets.Go}

// loop is the trap at the loop.
func (c *climb) loop() targets.Trap { return targets.Trap{Kind: c.s.Kind, Addr: c.s.Loop} }

// plant sets a trap at the loop, at the far end or by patching.
type planted struct {
	c    *climb
	trap targets.Trap
	old  []byte
}

func (c *climb) plant() *planted {
	c.Helper()
	p := &planted{c: c, trap: targets.Trap{Addr: c.s.Loop}}
	if t, ok := c.tg.(targets.Trapper); ok {
		if err := t.SetTrap(c.ctx, p.trap); err == nil {
			return p
		}
	}
	w, ok := c.tg.(targets.Writer)
	if !ok {
		c.Fatalf("%T can neither plant nor write", c.tg)
	}
	code := c.tg.Info().Set.Arch.Break
	p.old = make([]byte, len(code))
	_, err := c.tg.ReadMemory(c.ctx, targets.Space{}, c.s.Loop, p.old)
	c.must("reading the code", err)
	_, err = w.WriteMemory(c.ctx, targets.Space{}, c.s.Loop, code)
	c.must("patching the code", err)
	return p
}

func (p *planted) lift() {
	p.c.Helper()
	if p.old == nil {
		p.c.must("clearing the trap", p.c.tg.(targets.Trapper).ClearTrap(p.c.ctx, p.trap))
		return
	}
	_, err := p.c.tg.(targets.Writer).WriteMemory(p.c.ctx, targets.Space{}, p.trap.Addr, p.old)
	p.c.must("restoring the code", err)
}

// hit checks a stop at the planted trap.
func (p *planted) hit(stop targets.Stop) {
	p.c.Helper()
	pc := p.c.pc(stop.Thread)
	past := arch.Addr(p.c.tg.Info().Set.Arch.BreakAdvance)
	if p.old != nil && pc == p.trap.Addr+past && past > 0 { // a patched trap is reported as the CPU has it
		r, err := p.c.tg.Registers(p.c.ctx, stop.Thread)
		p.c.must("reading registers", err)
		r.SetPC(p.trap.Addr)
		p.c.must("setting PC back", p.c.tg.(targets.Writer).SetRegisters(p.c.ctx, stop.Thread, r))
		return
	}
	if p.old == nil && stop.Reason != targets.Breakpoint {
		p.c.Fatalf("stopped for %v at 0x%x, want a breakpoint", stop.Reason, uint64(pc))
	}
	if pc != p.trap.Addr {
		p.c.Fatalf("stopped at 0x%x, the trap is at 0x%x", uint64(pc), uint64(p.trap.Addr))
	}
}

// toLoop runs to the loop and lifts the trap again.
func (c *climb) toLoop(r targets.Runner) targets.Stop {
	c.Helper()
	p := c.plant()
	c.must("resuming", r.Resume(c.ctx, targets.Resume{Default: everything}))
	stop := c.nextStop(r)
	p.hit(stop)
	p.lift()
	return stop
}
