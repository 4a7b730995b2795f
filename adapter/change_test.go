package adapter_test

import (
	"context"
	"testing"

	"dap-windbg/adapter"
	"dap-windbg/engine"
	"dap-windbg/launch"
	"dap-windbg/targets"
	"dap-windbg/tests/dapclient"
)

// slowly is a Debugger that ends and replaces its debuggee only when the gate opens.
type slowly struct {
	*debugger
	gate chan struct{}
}

func (d slowly) wait(ctx context.Context) error {
	d.emit(engine.Output{Text: "waiting\n", Category: engine.Important})
	select {
	case <-d.gate:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d slowly) Kill(ctx context.Context) error {
	if err := d.wait(ctx); err != nil {
		return err
	}
	return d.debugger.Kill(ctx)
}

func (d slowly) Restart(ctx context.Context) error {
	if err := d.debugger.Kill(ctx); err != nil {
		return err
	}
	if err := d.wait(ctx); err != nil {
		return err
	}
	return d.begin(ctx)
}

// gated is over with a debuggee that is slow to change.
func gated(t *testing.T) (c *dapclient.Client, gate chan struct{}, thread int) {
	t.Helper()
	gate = make(chan struct{})
	o := faking("main", 1, nil)
	open := o.Open
	o.Open = func(ctx context.Context, p launch.Plan, h launch.Hooks, quit func(targets.Parting)) (adapter.Debugger, adapter.Console, error) {
		d, console, err := open(ctx, p, h, quit)
		if err != nil {
			return nil, nil, err
		}
		return slowly{d.(*debugger), gate}, console, nil
	}
	c, _ = serve(t, t.Context(), o)
	c.Start("launch", map[string]any{}, "")
	return c, gate, c.Stopped("entry").ThreadId
}

// TestSlowChange: while the debuggee is ended or replaced, what happens is told, what
// is asked for waits, and it can be broken off.
func TestSlowChange(t *testing.T) {
	for _, command := range []string{"restart", "terminate"} {
		t.Run(command, func(t *testing.T) {
			c, gate, thread := gated(t)
			seq := c.Send(command, nil)
			c.WaitOutput("important", "waiting\n") // the dispatcher still tells
			stack := c.Send("stackTrace", map[string]any{"threadId": thread})
			given := c.Send("threads", nil)
			c.Do("cancel", map[string]any{"requestId": given}, nil)
			if m := c.Response(given); m.Success || m.Message != "cancelled" {
				t.Errorf("what waits is given up: %+v", m)
			}
			close(gate)
			done := c.Good(seq, nil)
			if m := c.Response(stack); m.Seq < done.Seq {
				t.Error("stackTrace was answered before there was a debuggee")
			}
			if command == "restart" {
				c.Stopped("entry")
				c.Do("terminate", nil, nil)
			}
			if m := c.Event("terminated", nil); m.Seq < done.Seq {
				t.Error("the end was told before the response")
			}
			c.Disconnect(nil)
		})
	}
	t.Run("cancel", func(t *testing.T) {
		c, _, _ := gated(t)
		seq := c.Send("restart", nil)
		c.WaitOutput("important", "waiting\n")
		c.Do("cancel", map[string]any{"requestId": seq}, nil)
		if m := c.Response(seq); m.Success || m.Message != "cancelled" {
			t.Errorf("a cancelled restart: %+v", m)
		}
		c.Event("terminated", nil) // the old debuggee is gone, no new one has come
		c.Disconnect(nil)
	})
	t.Run("terminate a restart", func(t *testing.T) {
		c, gate, _ := gated(t)
		seq := c.Send("restart", nil)
		c.WaitOutput("important", "waiting\n")
		end := c.Send("terminate", nil)
		if m := c.Response(seq); m.Success || m.Message != "cancelled" {
			t.Errorf("a restart that is given up: %+v", m)
		}
		close(gate)
		c.Response(end)
		c.Event("terminated", nil)
		c.Disconnect(nil)
	})
	for _, command := range []string{"restart", "terminate"} {
		t.Run("disconnect in "+command, func(t *testing.T) {
			c, _, _ := gated(t)
			seq := c.Send(command, nil)
			c.WaitOutput("important", "waiting\n")
			c.Do("disconnect", map[string]any{}, nil)
			if m := c.Response(seq); m.Success {
				t.Errorf("%+v", m)
			}
			c.Ended()
		})
	}
	t.Run("hang up", func(t *testing.T) {
		c, _, _ := gated(t)
		c.Send("terminate", nil)
		c.WaitOutput("important", "waiting\n")
		c.Close()
	})
}
