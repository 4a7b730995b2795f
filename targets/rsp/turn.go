package rsp

import (
	"context"
	"maps"
	"slices"

	"dap-windbg/targets"
)

// Several processes share one wire, which in all-stop mode runs or waits as a
// whole. So a process has a motion from its Resume until its Stop is told, and the
// wire has a run while anything moves at all. A stop of one process halts the
// others too; they keep their motion and move on with the next run, whoever begins
// it. Requests about a process that waits while another runs stop the wire without
// telling anyone, and let it run on.

// motion is how a process moves, from its Resume until its Stop is told.
type motion struct {
	resume   targets.Resume
	stepping bool
	reverse  bool
	asked    bool // those above asked for a stop
	orphan   bool // its stop is for us, not for those above
}

// child is a process that came of a fork and that nobody has adopted yet. It
// waits, with its parent's traps in it.
type child struct {
	thread      threadID
	traps       map[trapKey]targets.Trap
	interrupted bool    // with its parent's process group, perhaps
	lender      *Target // of a vfork: its parent, whose memory it uses
}

// turn begins requests about t (of the wire as a whole: nil), and done ends them.
// While others run the wire is stopped for the time between.
func (c *Conn) turn(ctx context.Context, t *Target) (done func(), err error) {
	return c.turnWhile(ctx, t, false)
}

// turnWhile is turn for requests that may be made while t runs, or not.
func (c *Conn) turnWhile(ctx context.Context, t *Target, running bool) (done func(), err error) {
	if err := c.claim(ctx); err != nil {
		return nil, err
	}
	c.mu.Lock()
	err = c.err
	if t != nil && err == nil {
		switch {
		case t.gone:
			err = targets.ErrGone
		case t.motion != nil && !running:
			err = targets.ErrRunning
		}
	}
	rn := c.run
	c.mu.Unlock()
	if err == nil && rn != nil && !c.nonstop {
		err = c.hush(ctx, rn)
	}
	if err != nil {
		<-c.token
		return nil, err
	}
	return func() {
		c.mu.Lock()
		if rn != nil && !rn.told {
			c.thaw()
		}
		c.mu.Unlock()
		<-c.token
	}, nil
}

// claim waits until nobody else has the turn.
func (c *Conn) claim(ctx context.Context) error {
	select {
	case c.token <- struct{}{}:
		return nil
	default:
	}
	select {
	case c.token <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hush stops the wire without telling anyone of it.
func (c *Conn) hush(ctx context.Context, rn *run) error {
	c.mu.Lock()
	rn.hidden = true
	failed := rn.deaf
	c.interrupt()
	c.mu.Unlock()
	select {
	case <-rn.settled:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.err
	case <-failed:
		return deaf
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.run == rn { // when it stops all the same, it must run on
			rn.hidden = false
		}
		return ctx.Err()
	}
}

// moving lists the targets that those above believe to run and that can, in a fixed
// order; c.mu is held.
func (c *Conn) moving() []*Target {
	var out []*Target
	for _, pid := range slices.Sorted(maps.Keys(c.targets)) {
		if t := c.targets[pid]; t.motion != nil && t.lends == nil {
			out = append(out, t)
		}
	}
	return out
}

// thaw lets everything that is in motion run on; c.mu is held.
func (c *Conn) thaw() {
	if c.run != nil || c.err != nil {
		return
	}
	if m := c.moving(); len(m) > 0 {
		c.run = newRun(m[0])
		c.again(c.run)
	}
}

// others is what the processes that are in motion besides t do in t's next run,
// as actions of its vCont; c.mu is held.
func (c *Conn) others(t *Target) string {
	text := ""
	for _, o := range c.moving() {
		if o != t {
			text += o.spell(o.motion.resume, false)
		}
	}
	return text
}

// several reports whether the far end holds more than one process; c.mu is held.
func (c *Conn) several() bool { return len(c.targets)+len(c.children) > 1 }

// halt stops t, for us alone. Others that ran keep their motion.
func (t *Target) halt(ctx context.Context) error {
	c := t.c
	c.mu.Lock()
	rn := c.run
	if t.motion != nil {
		t.motion.orphan = true
	}
	if rn == nil || c.err != nil {
		defer c.mu.Unlock()
		t.motion = nil
		return c.err
	}
	c.mu.Unlock()
	if err := c.hush(ctx, rn); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t.motion = nil
	return nil
}

// pausedAlready tells of the stop of a process that waits because another one
// stopped: it is asked which of its threads there are, for the one that stopped
// last may have ended.
func (c *Conn) pausedAlready(t *Target) {
	defer c.done.Done()
	ctx, cancel := context.WithTimeout(context.Background(), c.o.Timeout)
	defer cancel()
	select {
	case c.token <- struct{}{}:
	case <-c.lost:
		return
	}
	defer func() { <-c.token }()
	c.mu.Lock()
	waits := t.motion != nil && c.run == nil && c.err == nil
	if t.motion != nil && c.run != nil { // it was let run on meanwhile
		c.interrupt()
	}
	c.mu.Unlock()
	if !waits {
		return
	}
	held, err := c.heldThreads(ctx)
	if err != nil && c.lostNow() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.motion != nil {
		c.pause(t, slices.DeleteFunc(held, func(w threadID) bool { return !t.mine(w) }))
	}
}

func (c *Conn) lostNow() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err != nil
}

// pause makes t wait and tells of it; c.mu is held.
func (c *Conn) pause(t *Target, alive []threadID) {
	if len(alive) > 0 && !slices.Contains(alive, t.thread) {
		t.thread = alive[0]
	}
	t.motion = nil
	t.caught = map[targets.ThreadID][]byte{}
	t.events.Put(targets.Stop{Thread: t.id(t.thread), Reason: targets.Interrupted})
}
