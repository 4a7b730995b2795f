package windbg

import (
	"context"

	"dap-windbg/engine"
	"dap-windbg/eval"
)

// This file calls functions of the debuggee: .call, and the g that carries it out.

var callCommands = []command{
	{".call", ".call [/c | Function(args)]", "call a function of the debuggee upon the next g, which then stops again; /c not", stopped, setCall},
}

// preparedCall is what .call has set up: it belongs to one stop.
type preparedCall struct {
	src string
	met meeting
}

// atStop names the present stop.
func (c *call) atStop(l *engine.Live) meeting {
	st, _ := l.LastStop()
	return meeting{c.s, st.Number}
}

func setCall(ctx context.Context, c *call) error {
	if o, ok := c.option("/"); ok {
		if o != "c" {
			return c.syntax(-len(o) - 1)
		}
		c.i.prepared = nil
		return c.end()
	}
	src := c.all()
	if src == "" {
		return c.syntax(0)
	}
	if _, err := eval.Parse(src, eval.Options{Calls: true}); err != nil {
		return expressionError(src, err)
	}
	c.i.prepared = &preparedCall{src, c.atStop(c.v.Live())}
	c.printf("Thread is set up for call, 'g' will execute.\nWARNING: This can have serious side-effects,\nincluding deadlocks and corruption of the debuggee.\n")
	return nil
}

// makeCall carries out what .call has set up; done is false when that is nothing.
func (c *call) makeCall(ctx context.Context) (done bool, err error) {
	p := c.i.prepared
	if p == nil || c.s == nil {
		return false, nil
	}
	err = c.s.Do(ctx, func(ctx context.Context, v *engine.View) error {
		c.i.prepared = nil
		if p.met != c.atStop(v.Live()) {
			return nil
		}
		done = true
		defer func(was *engine.View) { c.v = was }(c.v)
		c.v = v
		return c.callNow(ctx, p.src)
	})
	return done, err
}

// callNow evaluates src with its calls and prints the result as ?? does.
func (c *call) callNow(ctx context.Context, src string) error {
	f, err := anyFrame(ctx, c.v)
	if err != nil {
		return err
	}
	defer c.v.AllowCalls(c.v.AllowCalls(true))
	val, err := c.v.Eval(ctx, f, src, eval.Options{Dialect: eval.CPP})
	if err != nil {
		return expressionError(src, err)
	}
	c.v.Touched()
	c.printf(".call returns:\n")
	return c.printValue(ctx, f, val)
}
