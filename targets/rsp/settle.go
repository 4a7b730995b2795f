package rsp

import (
	"context"
	"fmt"
	"maps"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

const (
	gdbSIGINT  = 2
	gdbSIGTRAP = 5
	gdbSIGSTOP = 17
)

// ran takes in what came while the debuggee runs: its stop, or a request of the
// debuggee's for a file, which is refused; c.mu is held.
func (c *Conn) ran(head *request, p []byte) {
	if len(p) > 1 && p[0] == 'F' {
		c.emit(0, frame(nil, "F-1,58")) // ENOSYS of the file-I/O extension
		return
	}
	c.pop()
	if rn := c.run; rn != nil {
		c.stopCame(rn, p)
	}
}

// stopCame takes in the stop that ends rn; c.mu is held.
func (c *Conn) stopCame(rn *run, p []byte) {
	rn.t.stoppedAt = time.Now()
	if rn.legs != nil {
		rn.legs <- string(p) // one at a time is asked for
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
	if rn.drains && !s.gone {
		c.endRun()
		return
	}
	switch {
	case c.nonstop:
	case t == nil:
		c.linger(rn)
	case c.isEcho(t, s, rn):
		c.again(rn)
		return
	}
	switch {
	case s.gone:
		c.ended(t, rn, s)
	case c.line != nil:
		c.done.Add(1)
		go c.settleKGDB(t, rn, s)
	case s.resumed, s.reason == targets.Forked && (t == nil || !t.forks), s.reason == targets.Exec:
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
	case isError(p) && rn.t.motion != nil && rn.t.motion.reverse:
		c.endRun()
		c.told(rn.t, rn, targets.Stop{Thread: rn.t.id(rn.t.thread), Reason: targets.HistoryEnd, Replay: true})
		return
	case isError(p):
		text = refusal("resuming", p).Error()
	default:
		c.done.Add(1)
		go func() {
			defer c.done.Done()
			c.fail(&targets.ProtocolError{Op: "waiting for a stop", Sent: "a resume", Got: string(p)})
		}()
		return
	}
	c.endRun()
	c.told(rn.t, rn, targets.Stop{Thread: rn.t.id(rn.t.thread), Reason: targets.Unknown, Text: text})
}

// told ends t's motion with stop, which is for those above unless it is an orphan;
// c.mu is held.
func (c *Conn) told(t *Target, rn *run, stop targets.Stop) {
	m := t.motion
	t.motion = nil
	if m != nil && !m.orphan {
		rn.told = true
		t.events.Put(stop)
	}
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

// again lets run on what nobody had to know stopped; c.mu is held.
func (c *Conn) again(rn *run) {
	moving := c.moving()
	if len(moving) == 0 {
		c.endRun()
		return
	}
	if rn.t.motion == nil {
		rn.t = moving[0]
	}
	packets, err := rn.t.resumePackets(rn.t.motion.resume, false)
	if err != nil {
		c.endRun()
		c.told(rn.t, rn, targets.Stop{Thread: rn.t.id(rn.t.thread), Reason: targets.Unknown, Text: err.Error()})
		return
	}
	if rn.stopped = false; !c.wanted(rn) {
		rn.interrupts, rn.victims = 0, nil
	}
	reqs := make([]*request, len(packets))
	for i, s := range packets {
		reqs[i] = ask("%s", s)
	}
	c.resumes(rn, reqs[len(reqs)-1])
	c.general = c.afterStop()
	c.enqueue(reqs)
	if rn.interrupts > 0 { // pump has sent it; see that it has an effect
		rn.timer = time.AfterFunc(interruptAgain, func() { c.repeat(rn) })
	}
}

// ended: a process is no more. One that nobody held does not matter.
func (c *Conn) ended(t *Target, rn *run, s *stopReply) {
	if t != nil {
		t.gone, t.motion = true, nil
		c.returned(t)
		delete(c.targets, t.info.Load().pid)
		gone := targets.Gone{Exited: !s.killed, Code: s.status}
		if s.killed {
			gone.Code = 0
			gone.Signal, _ = c.signalIn(s.status)
		}
		t.events.Put(gone)
	}
	if !s.gone || s.process != 0 {
		delete(c.children, s.process)
	}
	if rn.hidden { // whose turn it is lets the others run on
		c.endRun()
		return
	}
	c.again(rn)
}

// tell ends the run and makes the stop an event, unless it only answers an
// interrupt that t was not meant by. Who else asked for a stop has it now, too;
// c.mu is held.
func (c *Conn) tell(t *Target, rn *run, s *stopReply) {
	t.halted(s)
	stop := t.stop(s, rn)
	if stop.Reason == targets.Exception {
		t.signals[stop.Thread] = s.signal
	}
	if stop.Child != nil {
		born := &child{thread: s.child, traps: maps.Clone(t.traps), interrupted: c.spread && (rn.interrupts > 0 || t.echo > 0)}
		if s.vfork {
			born.lender = t
		}
		c.children[s.child.process] = born
	}
	m := t.motion
	if rn.interrupts > 0 && stop.Reason == targets.Interrupted && m != nil && !m.asked && !m.orphan {
		if !c.wanted(rn) {
			c.again(rn)
			return
		}
		c.endRun()
	} else {
		c.endRun()
		c.told(t, rn, stop)
	}
	for _, other := range c.moving() {
		if other.motion.asked {
			rn.told = true
			c.done.Add(1)
			go c.pausedAlready(other)
		}
	}
}

// halted drops what was known of the last stop.
func (t *Target) halted(s *stopReply) {
	t.caught = map[targets.ThreadID][]byte{}
	if s.thread.thread > 0 && s.reason != targets.ThreadExited {
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
	e.Replay = t.motion != nil && t.motion.reverse
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
	asked := rn != nil && rn.interrupts > 0 && (rn.reached(t) || t.echo > 0 || t.c.nonstop)
	switch {
	case asked && (s.signal == 0 || s.signal == gdbSIGINT || s.signal == gdbSIGSTOP || s.signal == 19):
		return targets.Interrupted
	case s.signal == 0, s.signal == gdbSIGINT && t.info.Load().Machine:
		return targets.Interrupted
	case s.signal != gdbSIGTRAP:
		return targets.Exception
	case t.motion != nil && t.motion.stepping:
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
	in.Attached, in.shown = was.Attached, was.shown
	if in.Path == "" {
		in.Path = s.path
	}
	t.set(in)
	c.mu.Lock()
	defer c.mu.Unlock()
	t.traps, t.main = map[trapKey]targets.Trap{}, nil
	clear(t.signals)
	clear(t.owed)
	c.returned(t)
	c.general = s.thread
	c.tell(t, rn, s)
	return nil
}

// letChildGo lets a fork's child run free of our traps, and the parent go on. A
// vfork's child shares its parent's memory, so the traps come back when it is done.
func (c *Conn) letChildGo(ctx context.Context, t *Target, rn *run, s *stopReply) error {
	c.mu.Lock()
	reqs := t.letGo(s.child, t.traps)
	c.mu.Unlock()
	return c.goOn(ctx, rn, reqs)
}

// letGo are the requests that free a child of t from traps and from us; c.mu is held.
func (t *Target) letGo(child threadID, traps map[trapKey]targets.Trap) []*request {
	reqs := []*request{ask("Hg%s", child)}
	for _, trap := range sortedTraps(traps) {
		if trap.Kind == targets.Software {
			reqs = append(reqs, t.trapPacket('z', trap))
		}
	}
	return append(reqs, ask("D;%x", child.process))
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
