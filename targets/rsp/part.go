package rsp

import (
	"cmp"
	"context"
	"slices"

	"dap-windbg/targets"
)

// Close parts from the debuggee in at most two round trips: it is stopped if it
// runs, then our traps are lifted and it is let go, ended or left in one flight.
// Processes that came of its forks and that nobody adopted are let go with the
// last one. The wire is closed with the last process too, unless the far end
// serves processes.
func (t *Target) Close(ctx context.Context, how targets.Parting) error {
	c := t.c
	c.mu.Lock()
	again := t.parted
	t.parted = true
	c.mu.Unlock()
	if again {
		return nil
	}
	err := t.part(ctx, how)
	c.mu.Lock()
	t.gone, t.motion = true, nil
	delete(c.targets, t.info.Load().pid)
	t.events.Put(targets.Gone{})
	last := c.whole != nil && len(c.targets) == 0
	c.mu.Unlock()
	if last {
		c.Close()
	}
	return err
}

func (t *Target) part(ctx context.Context, how targets.Parting) error {
	c := t.c
	if err := c.claim(ctx); err != nil {
		return err
	}
	defer func() { <-c.token }()
	c.mu.Lock()
	rn, nothing := c.run, c.err != nil || t.gone && (len(c.targets) > 0 || len(c.children) == 0)
	c.mu.Unlock()
	if nothing {
		return nil
	}
	if err := t.halt(ctx); err != nil {
		return err
	}
	if err := t.drain(ctx, how); err != nil {
		return err
	}
	c.mu.Lock()
	if c.err != nil {
		defer c.mu.Unlock()
		return c.err
	}
	p := &plan{t: t, general: c.general}
	planted, ended := t.allTraps(), t.gone
	if how == targets.Leave && c.own.behind && !ended { // for the next debugger: there is nothing that goes on
		p.reqs = append(p.reqs, c.putBack()...)
		p.general = c.general
	}
	orphans := c.orphans(t)
	c.mu.Unlock()
	for _, o := range orphans {
		p.reqs = append(p.reqs, o...)
		p.general = unknownThread
	}
	if ended { // by itself
		return c.exchange(ctx, p.reqs...)
	}
	for _, trap := range planted {
		p.clearTrap(trap, func(error) {})
	}
	last, answered := t.farewell(how)
	if last != nil && answered {
		p.reqs = append(p.reqs, last)
	}
	if err := c.exchange(ctx, p.reqs...); err != nil {
		return err
	}
	return t.parts(rn, last, answered)
}

// drain takes interrupts that were sent too late out of those that are about to be
// let go, for they would end them: each makes one step, before which the kernel
// hands over what is pending.
func (t *Target) drain(ctx context.Context, how targets.Parting) error {
	c := t.c
	c.mu.Lock()
	var full []threadID
	if t.echo > 0 && !t.gone && how == targets.Detach {
		full = append(full, t.thread)
	}
	if len(c.targets) <= 1 {
		for _, born := range c.children {
			if born.interrupted {
				full = append(full, born.thread)
			}
		}
	}
	c.mu.Unlock()
	for _, w := range full {
		if !c.vCont["s"] || t.info.Load().Machine || c.nonstop {
			return nil
		}
		c.mu.Lock()
		if c.err != nil {
			defer c.mu.Unlock()
			return c.err
		}
		rn := newRun(t)
		rn.drains = true
		c.run = rn
		r := ask("vCont;s:%s", w)
		r.resume = true
		c.enqueue([]*request{r})
		c.mu.Unlock()
		select {
		case <-rn.settled:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// parts ends what part began, and lets run on what t's parting held up.
func (t *Target) parts(rn *run, last *request, answered bool) error {
	c := t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if last != nil && !answered {
		c.emit(c.flightNumber(), frame(nil, last.payload))
	}
	c.general = unknownThread
	c.returned(t)
	delete(c.targets, t.info.Load().pid)
	if rn != nil && !rn.told || len(c.moving()) == len(c.targets) {
		c.thaw()
	}
	if last != nil && answered && string(last.reply) != "OK" {
		return wrote("parting from the debuggee", last)
	}
	return nil
}

// orphans are the requests that let go of children nobody adopted, none while t is
// not the last that could have adopted them; c.mu is held.
func (c *Conn) orphans(t *Target) (out [][]*request) {
	if len(c.targets) > 1 {
		return nil
	}
	for pid, born := range c.children {
		out = append(out, t.letGo(born.thread, born.traps))
		delete(c.children, pid)
	}
	slices.SortFunc(out, func(a, b []*request) int { return cmp.Compare(a[0].payload, b[0].payload) })
	return out
}

// farewell is the request that ends the debuggee or lets it go, nil to leave it.
// k is not answered.
func (t *Target) farewell(how targets.Parting) (r *request, answered bool) {
	pid := t.info.Load().pid
	multi := pid != 0 && t.c.feature("multiprocess")
	switch {
	case how == targets.Kill && t.c.line != nil: // k would let the kernel run
		return ask("R0"), true
	case how == targets.Detach && multi:
		return ask("D;%x", pid), true
	case how == targets.Detach:
		return ask("D"), true
	case how == targets.Kill && multi:
		return ask("vKill;%x", pid), true
	case how == targets.Kill:
		return ask("k"), false
	}
	return nil, false
}
