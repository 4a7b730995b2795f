package rsp

import (
	"context"
	"fmt"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

const (
	gdbSIGINT  = 2
	gdbSIGTRAP = 5
)

// ran takes in what came while the debuggee runs: its stop, or a request of the
// debuggee's for a file, which is refused; c.mu is held.
func (c *Conn) ran(head *request, p []byte) {
	if len(p) > 1 && p[0] == 'F' {
		c.emit(0, frame(nil, "F-1,58")) // ENOSYS of the file-I/O extension
		return
	}
	c.pop()
	rn := c.run
	if rn == nil {
		return
	}
	rn.stopped = true
	if rn.timer != nil {
		rn.timer.Stop()
	}
	s, err := c.parseStop(p, nil)
	if err != nil {
		c.unresumed(rn, p)
		return
	}
	t := c.ownerOf(s, rn)
	if c.isEcho(s, rn) {
		c.again(rn)
		return
	}
	switch {
	case s.gone:
		c.ended(t, rn, s)
	case s.reason == targets.Forked && !c.o.Forks, s.reason == targets.Exec:
		c.done.Add(1)
		go c.settle(t, rn, s)
	default:
		c.tell(t, rn, s)
	}
}

// unresumed: the far end answered a resume with a refusal, or rubbish.
func (c *Conn) unresumed(rn *run, p []byte) {
	text := ""
	switch {
	case len(p) == 0:
		text = "the far end cannot resume like that"
	case isError(p):
		text = refusal("resuming", p).Error()
	default:
		c.done.Add(1)
		go func() {
			defer c.done.Done()
			c.fail(&targets.ProtocolError{Op: "waiting for a stop", Sent: rn.again[len(rn.again)-1], Got: string(p)})
		}()
		return
	}
	c.endRun(func() {
		rn.t.events.Put(targets.Stop{Thread: rn.t.id(rn.t.thread), Reason: targets.Unknown, Text: text})
	})
}

// ownerOf finds whose stop it is; what nobody holds belongs to who resumed.
func (c *Conn) ownerOf(s *stopReply, rn *run) *Target {
	pid := s.process
	if !s.gone {
		pid = s.thread.process
	}
	if t, ok := c.targets[pid]; ok {
		return t
	}
	if s.gone && pid != 0 && len(c.targets) > 0 && rn.t.info.Load().pid != 0 {
		return nil
	}
	return rn.t
}

// isEcho tells a stop that answers an interrupt of an earlier run: the debuggee
// had stopped by itself, and the far end kept the interrupt for later.
func (c *Conn) isEcho(s *stopReply, rn *run) bool {
	asked := !s.named && !s.gone && s.signal == gdbSIGINT
	switch {
	case asked && rn.interrupts == 0 && c.echo > 0:
		c.echo--
		return true
	case rn.interrupts == 0:
		c.echo = max(0, c.echo-1)
	case !asked || rn.interrupts > 1 || c.echo > 0:
		c.echo = echoLife
	default:
		c.echo = 0
	}
	return false
}

// again lets run on what nobody had to know stopped; c.mu is held.
func (c *Conn) again(rn *run) {
	rn.stopped = false
	reqs := make([]*request, len(rn.again))
	for i, s := range rn.again {
		reqs[i] = ask("%s", s)
	}
	reqs[len(reqs)-1].resume = true
	c.enqueue(reqs)
}

// ended: a process is no more. One that nobody held does not matter.
func (c *Conn) ended(t *Target, rn *run, s *stopReply) {
	if t != nil {
		t.gone = true
		delete(c.targets, t.info.Load().pid)
		gone := targets.Gone{Exited: !s.killed, Code: s.status}
		if s.killed {
			gone.Code = 0
			gone.Signal, _ = c.signalIn(s.status)
		}
		t.events.Put(gone)
	}
	if t != rn.t {
		c.again(rn)
		return
	}
	c.endRun(nil)
}

// tell ends the run and makes the stop an event; c.mu is held.
func (c *Conn) tell(t *Target, rn *run, s *stopReply) {
	for _, other := range c.targets {
		other.halted(nil)
	}
	t.halted(s)
	stop := t.stop(s, rn)
	if stop.Reason == targets.Exception {
		t.signals[stop.Thread] = s.signal
	}
	c.endRun(func() { t.events.Put(stop) })
}

// halted drops what was known of the last stop.
func (t *Target) halted(s *stopReply) {
	t.signals, t.caught = map[targets.ThreadID]int{}, map[targets.ThreadID][]byte{}
	if s != nil && s.thread.thread > 0 && s.reason != targets.ThreadExited {
		t.thread = s.thread
	}
}

// stop makes the event of a stop reply. rn is nil for a first stop; c.mu is held.
func (t *Target) stop(s *stopReply, rn *run) targets.Stop {
	in := t.info.Load()
	e := targets.Stop{Thread: t.id(t.thread), Reason: s.reason, Memory: s.windows, Registers: s.registers(in.layout)}
	if e.Registers != nil {
		e.Addr = e.Registers.PC()
	}
	e.Replay = rn != nil && rn.reverse
	switch {
	case s.nothing:
		e.Text = "no thread is left that runs"
	case !s.named:
		e.Reason = t.guess(s, rn, e.Addr)
	}
	switch e.Reason {
	case targets.Watch:
		e.Addr, e.Kind = s.addr, t.trapKindAt(s)
	case targets.Breakpoint:
		e.Kind = s.kind
	case targets.Exception:
		linux, name := t.c.signalIn(s.signal)
		e.Exception = &targets.ExceptionRecord{Code: uint32(linux), Name: name, Addr: e.Addr}
	case targets.Forked:
		e.Child = &targets.Child{ID: t.id(s.child), VFork: s.vfork}
	case targets.Exec:
		e.Detail = &targets.Detail{Path: s.path}
	case targets.SyscallEntry, targets.SyscallReturn:
		e.Detail = &targets.Detail{Syscall: s.syscall}
	case targets.ThreadCreated:
		e.Detail = &targets.Detail{Thread: t.id(s.thread)}
	case targets.ThreadExited:
		e.Detail = &targets.Detail{Thread: t.id(s.thread), Status: s.status}
	}
	return e
}

// trapKindAt tells the kind of the data trap that sprang: far ends say "watch" of
// an access trap too, so what is planted there decides.
func (t *Target) trapKindAt(s *stopReply) targets.TrapKind {
	for k := range t.traps {
		if k.kind >= targets.OnWrite && k.addr <= uint64(s.addr) && uint64(s.addr)-k.addr < uint64(max(1, k.size)) {
			return k.kind
		}
	}
	return s.kind
}

// guess finds the reason of a stop whose far end does not name it.
func (t *Target) guess(s *stopReply, rn *run, pc arch.Addr) targets.Reason {
	asked := rn != nil && rn.interrupts > 0
	switch {
	case asked && (s.signal == 0 || s.signal == gdbSIGINT || s.signal == 17 || s.signal == 19):
		return targets.Interrupted
	case s.signal == 0, s.signal == gdbSIGINT && t.info.Load().Machine:
		return targets.Interrupted
	case s.signal != gdbSIGTRAP:
		return targets.Exception
	case rn != nil && rn.stepping:
		return targets.Stepped
	}
	code := false
	for k := range t.traps {
		if k.kind <= targets.Hardware {
			code = code || pc == 0 || k.addr == uint64(pc)
		}
	}
	switch {
	case code:
		return targets.Breakpoint
	case asked:
		return targets.Interrupted
	}
	return targets.Exception
}

// settle deals with a stop that takes questions before anyone may hear of it,
// or that nobody needs to hear of.
func (c *Conn) settle(t *Target, rn *run, s *stopReply) {
	defer c.done.Done()
	ctx, cancel := context.WithTimeout(context.Background(), c.o.Timeout)
	defer cancel()
	var err error
	switch {
	case s.reason == targets.Exec:
		err = c.execed(ctx, t, rn, s)
	case s.resumed:
		err = c.afterVFork(ctx, t, rn)
	default:
		err = c.letChildGo(ctx, t, rn, s)
	}
	if err != nil {
		c.fail(fmt.Errorf("after a stop: %w", err))
	}
}

// execed reads what a process has become.
func (c *Conn) execed(ctx context.Context, t *Target, rn *run, s *stopReply) error {
	was := t.info.Load()
	d := c.description(was.pid)
	reqs := append([]*request{ask("Hg%s", s.thread)}, d.requests()...)
	if err := c.exchangeAs(ctx, true, reqs); err != nil {
		return err
	}
	in, err := c.finish(ctx, d, true)
	if err != nil {
		return err
	}
	in.Attached = was.Attached
	if in.Path == "" {
		in.Path = s.path
	}
	t.set(in)
	c.mu.Lock()
	defer c.mu.Unlock()
	t.traps, t.main = map[trapKey]targets.Trap{}, nil
	c.general = s.thread
	c.tell(t, rn, s)
	return nil
}

// letChildGo lets a fork's child run free of our traps, and the parent go on. A
// vfork's child shares its parent's memory, so the traps come back when it is done.
func (c *Conn) letChildGo(ctx context.Context, t *Target, rn *run, s *stopReply) error {
	c.mu.Lock()
	reqs := []*request{ask("Hg%s", s.child)}
	for _, trap := range t.allTraps() {
		if trap.Kind == targets.Software {
			reqs = append(reqs, t.trapPacket('z', trap))
		}
	}
	c.mu.Unlock()
	reqs = append(reqs, ask("D;%x", s.child.process))
	return c.goOn(ctx, rn, reqs)
}

func (c *Conn) afterVFork(ctx context.Context, t *Target, rn *run) error {
	c.mu.Lock()
	reqs := []*request{ask("Hg%s", t.thread)}
	for _, trap := range t.allTraps() {
		if trap.Kind == targets.Software {
			reqs = append(reqs, t.trapPacket('Z', trap))
		}
	}
	c.mu.Unlock()
	return c.goOn(ctx, rn, reqs)
}

func (c *Conn) goOn(ctx context.Context, rn *run, reqs []*request) error {
	if err := c.exchangeAs(ctx, true, reqs); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.again(rn)
	}
	return nil
}
