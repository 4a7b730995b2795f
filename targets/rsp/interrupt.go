package rsp

import (
	"context"
	"slices"
	"time"

	"dap-windbg/targets"
)

// interruptAgain is when an interrupt that had no effect is repeated: a far end
// that reads it in one piece with the resume may not see it.
const interruptAgain = 500 * time.Millisecond

// interruptLimit is when an interrupt counts as failed.
const interruptLimit = 10 * time.Second

// echoLife is how many resumes an interrupt that came too late may spoil.
const echoLife = 3

// Interrupt asks for a stop. It does nothing when the debuggee waits already.
func (t *Target) Interrupt(context.Context) error {
	c := t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if t.gone {
		return targets.ErrGone
	}
	switch {
	case t.motion == nil:
	case t.lends != nil:
		c.pause(t, nil)
	case c.run != nil:
		t.motion.asked = true
		c.interrupt()
	default: // another's stop holds it already
		t.motion.asked = true
		c.done.Add(1)
		go c.pausedAlready(t)
	}
	return nil
}

// interrupt asks for a stop of the wire, and again until one comes or it counts as
// failed; c.mu is held.
func (c *Conn) interrupt() {
	rn := c.run
	if rn == nil || rn.struck(c.victim(rn)) { // which is on its way
		return
	}
	if rn.interrupts++; rn.interrupts == 1 {
		rn.since = time.Now()
	}
	if rn.stopped { // should it run on, pump repeats this
		return
	}
	switch {
	case c.nonstop:
		c.enqueue([]*request{ask("vCont;t%s", rn.t.wholeProcess())})
	case c.strike(rn):
	case c.sent == len(c.queue): // else pump sends it behind the resume
		c.emit(c.flightNumber(), []byte{interrupt})
	}
	if rn.timer != nil {
		rn.timer.Stop()
	}
	rn.timer = time.AfterFunc(interruptAgain, func() { c.repeat(rn) })
}

// strike interrupts the one process that is meant, where that can be done. Else 0x03
// has to, which may reach all of a group, children that nobody has heard of among them;
// c.mu is held.
func (c *Conn) strike(rn *run) bool {
	v := c.victim(rn)
	if rn.struck(v) {
		return true
	}
	if c.o.Break != nil && c.o.Break(v.info.Load().pid) == nil {
		rn.victims = append(rn.victims, v)
		return true
	}
	c.spread = true
	for _, born := range c.children {
		born.interrupted = true
	}
	return false
}

// struck reports whether t alone was interrupted in this run.
func (rn *run) struck(t *Target) bool { return slices.Contains(rn.victims, t) }

// reached reports whether an interrupt of this run may have come to t; c.mu is held.
func (rn *run) reached(t *Target) bool { return rn.interrupts > 0 && (t.c.spread || rn.struck(t)) }

// linger: what the interrupts of rn came to may stop for them later; c.mu is held.
func (c *Conn) linger(rn *run) {
	for _, t := range c.targets {
		if rn.reached(t) {
			t.echo = echoLife
		}
	}
}

// victim is the process an interrupt is meant for; c.mu is held.
func (c *Conn) victim(rn *run) *Target {
	moving := c.moving()
	for _, t := range moving {
		if t.motion.asked {
			return t
		}
	}
	if rn.t.motion == nil && len(moving) > 0 {
		return moving[0]
	}
	return rn.t
}

func (c *Conn) repeat(rn *run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.run != rn || rn.stopped || c.err != nil {
		return
	}
	c.linger(rn)
	rn.victims = nil
	if time.Since(rn.since) < min(interruptLimit, c.o.Timeout) {
		c.interrupt()
		return
	}
	if c.line == nil { // which has told what to do
		rn.t.events.Put(targets.Output{Console: true, Text: deaf.Error() + ". " + deaf.Hint() + "\n"})
	}
	rn.interrupts = 0 // the next Interrupt tries anew
	close(rn.deaf)
	rn.deaf = make(chan struct{})
}

// deaf is what came of an interrupt that had no effect.
var deaf = &targets.RefusedError{
	Op: "interrupting the debuggee", Text: "the far end does not stop it",
	Fix: "gdbserver can only interrupt a process it attached to when that leads its process group (setsid PROGRAM); start the program by gdbserver, or signal it over there.",
}

// wanted reports whether somebody waits for the stop of rn; c.mu is held.
func (c *Conn) wanted(rn *run) bool {
	return rn.hidden || slices.ContainsFunc(c.moving(), func(t *Target) bool { return t.motion.asked || t.motion.orphan })
}

// isEcho tells a stop that answers an interrupt of an earlier run: the debuggee
// had stopped by itself, and the far end kept the interrupt for later. An interrupt
// may go to all processes of a group, of which one stop is reported at once. So is the
// first stop of a process that has become another program when that is SIGSTOP:
// gdbserver 13 forgets at an exec that it was stopping the process, and reports its own
// signal. One that is alone, and that nobody interrupts, it had no reason to stop.
func (c *Conn) isEcho(t *Target, s *stopReply, rn *run) bool {
	asked, was := !s.named && !s.gone && s.signal == gdbSIGINT, t.echo
	fresh := t.execed && (len(c.targets) > 1 || rn.interrupts > 0 || was > 0)
	t.execed = s.reason == targets.Exec
	switch {
	case fresh && !s.named && !s.gone && s.signal == gdbSIGSTOP:
		c.linger(rn)
		return true
	case t.execed: // before any signal that waits
		c.linger(rn)
		return false
	}
	if rn.interrupts == 0 {
		t.echo = max(0, was-1)
		return asked && was > 0
	}
	c.linger(rn)
	if asked && rn.interrupts == 1 && was == 0 {
		t.echo = 0
	}
	return false
}
