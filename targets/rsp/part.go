package rsp

import (
	"context"

	"dap-windbg/targets"
)

// Close parts from the debuggee in at most two round trips: it is stopped if it
// runs, then our traps are lifted and it is let go, ended or left in one flight.
// The wire is closed too, unless other targets of a Link share it.
func (t *Target) Close(ctx context.Context, how targets.Parting) error {
	c := t.c
	c.mu.Lock()
	again, nothing := t.parted, t.gone || c.err != nil
	t.parted = true
	c.mu.Unlock()
	if again {
		return nil
	}
	var err error
	if !nothing {
		err = t.part(ctx, how)
	}
	c.mu.Lock()
	t.gone = true
	delete(c.targets, t.info.Load().pid)
	t.events.Put(targets.Gone{})
	c.mu.Unlock()
	if t.owner {
		c.Close()
	}
	return err
}

func (t *Target) part(ctx context.Context, how targets.Parting) error {
	c := t.c
	other, err := t.halt(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	if c.err != nil || t.gone { // it ended by itself meanwhile
		defer c.mu.Unlock()
		return c.err
	}
	p := &plan{t: t, general: c.general}
	planted := t.allTraps()
	c.mu.Unlock()
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
	c.mu.Lock()
	defer c.mu.Unlock()
	if last != nil && !answered {
		c.emit(c.flightNumber(), frame(nil, last.payload))
	}
	c.general = unknownThread
	if other != nil && c.err == nil && c.run == nil {
		c.run = other
		c.again(other)
	}
	if last != nil && answered && string(last.reply) != "OK" {
		return wrote("parting from the debuggee", last)
	}
	return nil
}

// farewell is the request that ends the debuggee or lets it go, nil to leave it.
// k is not answered.
func (t *Target) farewell(how targets.Parting) (r *request, answered bool) {
	pid := t.info.Load().pid
	multi := pid != 0 && t.c.feature("multiprocess")
	switch {
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

// halt stops a running debuggee without telling anyone. When the run was
// another's, a run like it is returned, to be begun again.
func (t *Target) halt(ctx context.Context) (other *run, err error) {
	c := t.c
	c.mu.Lock()
	rn := c.run
	if rn == nil || c.err != nil {
		defer c.mu.Unlock()
		return nil, c.err
	}
	rn.swallow = true
	failed := rn.deaf
	c.interrupt()
	c.mu.Unlock()
	if rn.t != t {
		other = newRun(rn.t, rn.again)
		other.stepping = rn.stepping
	}
	select {
	case <-rn.settled:
		return other, nil
	case <-failed:
		return nil, deaf
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
