package rsp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"dap-windbg/targets"
)

// In non-stop mode the far end listens while threads run: memory is read and traps
// are planted without a stop. It reports the stop of one thread and lets the others
// run on (GDB manual, "Remote Non-Stop"). Those above know stops of the whole
// process only, so the others are stopped too before a stop is told; what stopped
// them by itself meanwhile is told after the next resume.

// goNonStop asks for non-stop mode. Where it is not to be had the loss is kept for
// the target to tell.
func (c *Conn) goNonStop(ctx context.Context) error {
	if !c.o.NonStop {
		return nil
	}
	if !c.feature("QNonStop") || !c.has("threads") {
		c.losses = append(c.losses, "it has no non-stop mode: to look at memory or set breakpoints while the program runs, it is stopped for a moment")
		return nil
	}
	r := ask("QNonStop:1")
	if err := c.exchange(ctx, r); err != nil {
		return err
	}
	c.nonstop = string(r.reply) == "OK"
	return nil
}

// leaveNonStop goes back: there is no process yet to be in that mode with.
func (c *Conn) leaveNonStop(ctx context.Context) error {
	if !c.nonstop {
		return nil
	}
	c.nonstop = false
	return c.exchange(ctx, ask("QNonStop:0"))
}

// startCollecting takes the rest of the first stops and the later ones.
func (c *Conn) startCollecting(ctx context.Context) error {
	if !c.nonstop {
		return nil
	}
	c.noted = make(chan string, 16)
	if _, err := c.drainStops(ctx); err != nil { // of threads that wait as well
		return err
	}
	c.done.Add(1)
	go c.collect()
	return nil
}

// mayRun reports whether ops can be carried out while the debuggee runs.
func (c *Conn) mayRun(ops []targets.Op) bool {
	if !c.nonstop {
		return false
	}
	for _, op := range ops {
		switch op.(type) {
		case *targets.MemoryRead, *targets.MemoryWrite, *targets.TrapSet, *targets.TrapClear, *targets.ThreadsRead:
		default:
			return false
		}
	}
	return true
}

// notified takes in a notification; c.mu is held.
func (c *Conn) notified(p []byte) {
	if text, ok := strings.CutPrefix(string(p), "Stop:"); ok && c.noted != nil {
		select {
		case c.noted <- text:
		default: // more than the protocol allows before we answer
		}
	}
}

func (c *Conn) collect() {
	defer c.done.Done()
	for {
		select {
		case <-c.lost:
			return
		case first := <-c.noted:
			ctx, cancel := context.WithTimeout(context.Background(), c.o.Timeout)
			err := c.gather(ctx, first)
			cancel()
			if err != nil {
				c.fail(fmt.Errorf("after a stop: %w", err))
				return
			}
		}
	}
}

// drainStops asks for the stops that wait to be told, each acknowledging the last.
func (c *Conn) drainStops(ctx context.Context) ([]string, error) {
	var out []string
	for len(out) < maxThreads {
		r := ask("vStopped")
		if err := c.exchange(ctx, r); err != nil {
			return out, err
		}
		if !looksLikeEvent(r.reply) {
			break
		}
		out = append(out, string(r.reply))
	}
	return out, nil
}

func looksLikeEvent(p []byte) bool {
	return len(p) > 1 && strings.ContainsRune("TSWXwN", rune(p[0]))
}

// stragglers is how long threads are waited for that were told to stop before it is
// looked whether they are still there.
const stragglers = 100 * time.Millisecond

// gather stops what still runs of the process that first is of, and tells the stop
// that matters most.
func (c *Conn) gather(ctx context.Context, first string) error {
	c.mu.Lock()
	rn := c.run
	c.mu.Unlock()
	if rn == nil { // of a thread that was stopped with the last stop
		_, err := c.drainStops(ctx)
		return err
	}
	t, events := rn.t, []string{first}
	for unacknowledged := true; ; unacknowledged = false {
		more, list, err := t.stopAll(ctx, unacknowledged)
		if err != nil {
			return err
		}
		if events = append(events, more...); ends(events) || c.allStopped(t, list, events) {
			break
		}
		if more, err = c.stopsWithin(ctx, stragglers); err != nil {
			return err
		}
		events = append(events, more...)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.run != rn || c.err != nil {
		return nil
	}
	events = append(t.pending, events...)
	t.pending = nil
	chosen := t.choose(events)
	c.general = unknownThread
	c.stopCame(rn, []byte(chosen))
	c.general = unknownThread
	return nil
}

// stopAll stops t's threads and lists them, in one flight. The stop that was told
// last, when it is not yet acknowledged, may have others behind it.
func (t *Target) stopAll(ctx context.Context, unacknowledged bool) (events []string, list []targets.Thread, err error) {
	c := t.c
	ack, x := ask("vStopped"), c.xfer("threads", "")
	reqs := append([]*request{ask("vCont;t%s", t.wholeProcess())}, x.begin()...)
	if unacknowledged {
		reqs = append([]*request{ack}, reqs...)
	}
	if err := c.exchange(ctx, reqs...); err != nil {
		return nil, nil, err
	}
	if looksLikeEvent(ack.reply) {
		if events, err = c.drainStops(ctx); err != nil {
			return nil, nil, err
		}
		events = append([]string{string(ack.reply)}, events...)
	}
	if err := c.rest(ctx, false, x); err != nil || ends(events) {
		return events, nil, err
	}
	if list, err = t.parseThreads(x.data); x.err != nil { // it is ending
		return events, nil, nil
	}
	return events, list, err
}

// afterStop is the thread that g and m speak of after a stop: the one that stopped,
// but in non-stop mode.
func (c *Conn) afterStop() threadID {
	if c.nonstop {
		return unknownThread
	}
	return threadID{}
}

// takePending is a stop that waits to be told of a thread that r lets run.
func (t *Target) takePending(r targets.Resume) string {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	for i, e := range t.pending {
		if s, err := t.c.parseStop([]byte(e), nil); err == nil && r.Action(t.id(s.thread)).Kind != targets.Hold {
			t.pending = slices.Delete(t.pending, i, i+1)
			return e
		}
	}
	return ""
}

// stopAgain tells a stop that has come already in place of running. What threads were
// to see of their signals they see when they do run.
func (t *Target) stopAgain(ctx context.Context, p *plan, o *targets.Run, event string) error {
	return t.unasked(ctx, p, o, func(rn *run) {
		owed := t.decided(o.Resume)
		t.moves(o.Resume)
		t.owed = owed
		t.c.stopCame(rn, []byte(event))
	})
}

// decided are the signals that threads are to see by r, and those that they have not
// seen yet; c.mu is held.
func (t *Target) decided(r targets.Resume) map[targets.ThreadID]int {
	out := maps.Clone(t.owed)
	for _, id := range append(sortedThreads(r.Threads), t.id(t.thread)) {
		a := r.Action(id)
		if signal := t.delivered(id, a.Deliver); a.Kind != targets.Hold && signal != 0 {
			out[id] = signal
		}
	}
	return out
}

// stopsWithin are the stops that come in d.
func (c *Conn) stopsWithin(ctx context.Context, d time.Duration) ([]string, error) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case next := <-c.noted:
		more, err := c.drainStops(ctx)
		return append([]string{next}, more...), err
	case <-timer.C:
		return nil, nil
	case <-c.lost:
		return nil, targets.ErrGone
	case <-ctx.Done():
		return nil, errors.New("threads did not stop")
	}
}

// wholeProcess is the part of a vCont action that means all of t's threads.
func (t *Target) wholeProcess() string {
	if pid := t.info.Load().pid; pid != 0 {
		return fmt.Sprintf(":p%x.-1", pid)
	}
	return ""
}

// ends reports whether the process ended.
func ends(events []string) bool {
	for _, e := range events {
		if e[0] == 'W' || e[0] == 'X' {
			return true
		}
	}
	return false
}

// allStopped reports whether each of list stopped: now, or it did not run.
func (c *Conn) allStopped(t *Target, list []targets.Thread, events []string) bool {
	stopped := map[targets.ThreadID]bool{}
	for _, e := range events {
		if s, err := c.parseStop([]byte(e), nil); err == nil {
			stopped[t.id(s.thread)] = true
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.motion == nil {
		return true
	}
	for _, th := range list {
		if !stopped[th.ID] && t.motion.resume.Action(th.ID).Kind != targets.Hold {
			return false
		}
	}
	return true
}

// choose picks the event to tell and keeps those that would be lost: a thread that
// stopped at a trap comes to it again, one that has a signal or was told to stop
// does not; c.mu is held.
func (t *Target) choose(events []string) string {
	best, rank := 0, -1
	weigh := func(e string) int {
		s, err := t.c.parseStop([]byte(e), nil)
		switch {
		case err != nil:
			return 0
		case s.gone:
			return 4
		case s.named && s.reason != targets.Breakpoint:
			return 3
		case s.named, t.motion != nil && t.motion.stepping && s.signal == gdbSIGTRAP:
			return 2
		case s.signal != 0 && s.signal != gdbSIGTRAP:
			return 3
		}
		return 1
	}
	for i, e := range events {
		if w := weigh(e); w > rank {
			best, rank = i, w
		}
	}
	for i, e := range events {
		if i != best && weigh(e) == 3 {
			t.pending = append(t.pending, e)
		}
	}
	return events[best]
}
