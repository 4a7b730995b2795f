package dap

import (
	"strings"
	"testing"

	"github.com/google/go-dap"
)

// TestTerminateThreads: a worker ends where it is, before it does its work; who waits
// for it goes on.
func TestTerminateThreads(t *testing.T) {
	c, worker := stoppedAt(t, "in work")
	main := 0
	var threads dap.ThreadsResponseBody
	c.Do("threads", nil, &threads)
	for _, x := range threads.Threads {
		if x.Id != worker {
			main = x.Id
		}
	}
	total := ""
	for _, f := range c.Stack(main, 0) {
		if f.Name == "main" {
			total = c.Evaluate("watch", "total", f.Id).Result
		}
	}
	for _, x := range []struct {
		ids  []int
		want string
	}{{[]int{worker, main}, "the first one"}, {[]int{1}, "no thread 1"}, {nil, "must name"}} {
		if text := c.Fail("terminateThreads", map[string]any{"threadIds": x.ids}); !strings.Contains(text, x.want) {
			t.Errorf("%v: %s", x.ids, text)
		}
	}
	if top := c.Stack(worker, 1)[0]; top.Name != "work" {
		t.Errorf("the refusal left the worker in %s", top.Name)
	}
	c.Break(source(), line(t, "end"))
	c.Do("terminateThreads", map[string]any{"threadIds": []int{worker}}, nil)
	c.Do("continue", map[string]any{"threadId": main}, nil)
	stop := c.Stopped("breakpoint")
	if got := local(c, stop.ThreadId, "total"); got != total || total == "" {
		t.Errorf("the worker has changed total from %s to %s", total, got)
	}
	c.Do("threads", nil, &threads)
	if len(threads.Threads) != 1 || threads.Threads[0].Id != main {
		t.Errorf("threads %+v", threads.Threads)
	}
	exited := false
	for _, m := range c.Seen("thread") {
		b := decode[dap.ThreadEventBody](t, m)
		exited = exited || b.Reason == "exited" && b.ThreadId == worker
	}
	if !exited {
		t.Error("the worker's end was not told")
	}
	c.Do("continue", map[string]any{"threadId": main}, nil)
	c.Event("exited", nil)
	c.Disconnect(nil)
}
