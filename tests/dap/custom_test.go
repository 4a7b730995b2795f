package dap

import (
	"strings"
	"testing"

	"github.com/google/go-dap"
)

// described is the answer to `debuggee`.
type described struct {
	State, Path, OS, Architecture, Server string
	PID                                   int64
	Machine, Postmortem                   bool
	Threads                               []struct {
		ID, Ordinal             int
		TID                     int64
		Selected, Event, Frozen bool
	}
}

// TestDebuggee: what is debugged is described while it is stopped, while it runs and
// after its end, and the threads are those of the threads request.
func TestDebuggee(t *testing.T) {
	c := inProcess(t)
	c.Initialize()
	if text := c.Fail("debuggee", nil); !strings.Contains(text, "no debuggee") {
		t.Errorf("before there is one: %s", text)
	}

	v := victim(t)
	seq := c.Send("attach", map[string]any{"processId": v.Process.Pid, "stopOnConnect": true})
	c.Event("initialized", nil)
	c.Break(source(), line(t, "ticking"))
	c.Do("configurationDone", nil, nil)
	c.Good(seq, nil)
	stop := c.Stopped("")
	var d described
	c.Do("debuggee", nil, &d)
	if d.State != "stopped" || d.PID != int64(v.Process.Pid) || !strings.HasSuffix(d.Path, "/tour") || d.OS != "linux" ||
		!strings.Contains(d.Server, "gdbserver") || d.Architecture == "" || d.Machine || d.Postmortem {
		t.Errorf("%+v", d)
	}
	var threads dap.ThreadsResponseBody
	c.Do("threads", nil, &threads)
	if len(d.Threads) != len(threads.Threads) || len(d.Threads) == 0 {
		t.Fatalf("%d threads, the threads request has %d", len(d.Threads), len(threads.Threads))
	}
	for i, x := range d.Threads {
		if x.ID != threads.Threads[i].Id || x.TID == 0 {
			t.Errorf("thread %d: %+v is not %+v", i, x, threads.Threads[i])
		}
		if x.Event != (x.ID == stop.ThreadId) {
			t.Errorf("thread %d: %+v, the stop is of %d", i, x, stop.ThreadId)
		}
	}

	c.Break(source())
	c.Do("continue", map[string]any{"threadId": stop.ThreadId}, nil)
	c.Do("debuggee", nil, &d)
	if d.State != "running" || len(d.Threads) == 0 {
		t.Errorf("while it runs: %+v", d)
	}
	c.Disconnect(nil)
	runsFree(t, v)
}
