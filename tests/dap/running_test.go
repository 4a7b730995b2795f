package dap

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-dap"

	"dap-windbg/tests/dapclient"
)

// TestRunning: over a far end in non-stop mode memory, values and threads of a running
// program are looked at without stopping it.
func TestRunning(t *testing.T) {
	server := exec.Command("gdbserver", "--once", "127.0.0.1:0", program(t), "spin")
	trace := filepath.Join(t.TempDir(), "trace")
	c := inProcess(t)
	c.Start("attach", map[string]any{"connection": "gdb:server=127.0.0.1,port=" + listening(t, server) + ",nonstop=true", "trace": trace},
		source(), line(t, "ticking"))
	stop := c.Stopped("breakpoint")
	at := c.Evaluate("watch", "&ticks", c.Stack(stop.ThreadId, 1)[0].Id).MemoryReference
	c.Break(source())
	c.Do("continue", map[string]any{"threadId": stop.ThreadId}, nil)
	before, stops := size(t, trace), len(c.Seen("stopped"))
	ticks := func() string {
		var body dap.ReadMemoryResponseBody
		c.Do("readMemory", map[string]any{"memoryReference": at, "count": 8}, &body)
		return body.Data
	}
	limit := time.Now().Add(dapclient.Patience)
	changes := func(what string, look func() string) {
		t.Helper()
		first := look()
		for look() == first {
			if time.Now().After(limit) {
				t.Fatalf("%s: %s, and no change", what, first)
			}
		}
	}
	changes("memory", ticks)
	for _, command := range []string{"dq ticks L1", "dx ticks", "?? ticks"} {
		changes(command, func() string { return c.Command(command) })
	}
	if text := c.Command("~"); !strings.Contains(text, "Id: ") {
		t.Errorf("threads: %s", text)
	}
	var threads dap.ThreadsResponseBody
	if c.Do("threads", nil, &threads); len(threads.Threads) != 1 {
		t.Errorf("threads %+v", threads)
	}
	if text := c.Command("r rip"); !strings.Contains(text, "running") {
		t.Errorf("registers of a running thread: %s", text)
	}
	wire, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(wire[before:]); strings.Contains(text, "vCont") || strings.Contains(text, "%Stop") || !strings.Contains(text, "qXfer:threads") {
		t.Errorf("not without a stop:\n%.3000s", text)
	}
	if n := len(c.Seen("stopped")); n != stops {
		t.Errorf("%d stops were told", n-stops)
	}
	c.Do("pause", map[string]any{"threadId": stop.ThreadId}, nil)
	c.Stopped("pause")
	c.Disconnect(nil)
}

// size is how much there is of a file.
func size(t *testing.T, file string) int64 {
	t.Helper()
	s, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return s.Size()
}
