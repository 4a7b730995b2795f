package dap

import (
	"syscall"
	"testing"
)

// TestPauseOfAChild: a process that does not lead its group, as every program
// that another program started, is broken into and left running.
func TestPauseOfAChild(t *testing.T) {
	v := running(t, nil)
	if group, err := syscall.Getpgid(v.Process.Pid); err != nil || group == v.Process.Pid {
		t.Fatalf("the program leads group %d, %v", group, err)
	}

	c, p := started(t)
	c.Start("attach", map[string]any{"processId": v.Process.Pid, "stopOnConnect": true}, "")
	thread := c.Stopped("").ThreadId
	for range 3 {
		c.Do("continue", map[string]any{"threadId": thread}, nil)
		set := c.Break(source(), line(t, "ticking")) // while it runs
		if !set[0].Verified {
			t.Errorf("%+v", set[0])
		}
		c.Stopped("breakpoint")
		c.Break(source())
		c.Do("continue", map[string]any{"threadId": thread}, nil)
		c.Do("pause", map[string]any{"threadId": thread}, nil)
		c.Stopped("pause")
		if ticks := c.Evaluate("watch", "ticks", c.Stack(thread, 1)[0].Id); ticks.Result == "" {
			t.Errorf("%+v", ticks)
		}
	}
	c.Do("continue", map[string]any{"threadId": thread}, nil)
	c.Do("disconnect", map[string]any{}, nil)
	ends(t, p)
	runsFree(t, v)
}
