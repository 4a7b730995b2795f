package dap

import (
	"testing"

	"github.com/google/go-dap"
)

// TestRestartFrame: a function further out begins again, with the values its
// parameters have now.
func TestRestartFrame(t *testing.T) {
	c, thread := stoppedAt(t, "bottom")
	c.Break(source())
	var body dap.StackTraceResponseBody
	c.Do("stackTrace", map[string]any{"threadId": thread}, &body)
	frames := body.StackFrames
	depth := 0
	for _, f := range frames {
		if f.Name == "deep" {
			depth++
		}
	}
	if depth < 4 || !frames[3].CanRestart {
		t.Fatalf("%d frames of deep, the fourth: %+v", depth, frames[3])
	}
	c.Do("setExpression", map[string]any{"frameId": frames[3].Id, "expression": "n", "value": "7"}, nil)
	c.Do("restartFrame", map[string]any{"frameId": frames[3].Id}, nil)
	if stop := c.Stopped("restart"); stop.ThreadId != thread {
		t.Errorf("thread %d, not %d", stop.ThreadId, thread)
	}
	top := c.Stack(thread, 0)
	if n := local(c, thread, "n"); n != "7" || top[0].Name != "deep" || len(top) != len(frames)-3 {
		t.Errorf("n is %s in %s, %d frames of %d", n, top[0].Name, len(top), len(frames))
	}
	c.Fail("restartFrame", map[string]any{"frameId": frames[3].Id}) // of an earlier stop
	c.Disconnect(nil)
}

// TestRestartFrameRefused: an inlined call cannot begin again, and says so before it
// is asked to.
func TestRestartFrameRefused(t *testing.T) {
	c := inProcess(t)
	c.Start("launch", config(t, "args", []string{"spin"}), source(), line(t, "counting, inside others"))
	thread := c.Stopped("breakpoint").ThreadId
	var body dap.StackTraceResponseBody
	c.Do("stackTrace", map[string]any{"threadId": thread}, &body)
	if f := body.StackFrames; f[0].CanRestart || !f[1].CanRestart {
		t.Errorf("frames %+v", f[:2])
	}
	c.Fail("restartFrame", map[string]any{"frameId": body.StackFrames[0].Id})
	if top := c.Stack(thread, 1)[0]; top.Line != line(t, "counting, inside others") {
		t.Errorf("the refusal has moved it to %+v", top)
	}
	c.Disconnect(nil)
}
