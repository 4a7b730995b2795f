package dap

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"dap-windbg/tests/dapclient"

	"github.com/google/go-dap"
)

// told lists the stopped and continued events after message seq.
func told(c *dapclient.Client, seq int) []string {
	var out []string
	for _, name := range []string{"stopped", "continued"} {
		for _, m := range c.Seen(name) {
			if m.Seq > seq {
				out = append(out, fmt.Sprintf("%s %s", name, m.Body))
			}
		}
	}
	return out
}

// spinningAt launches the tour so that it ticks for ever, and stops at its start.
func spinningAt(t *testing.T) (*dapclient.Client, int) {
	t.Helper()
	c := inProcess(t)
	c.Start("launch", config(t, "args", []string{"spin"}), source(), line(t, "start"))
	thread := c.Stopped("breakpoint").ThreadId
	c.Break(source())
	return c, thread
}

// answered is the result that a line's response has: what is printed before the response
// is written, by the first hit's commands too.
func answered(c *dapclient.Client, line string) string {
	var body dap.EvaluateResponseBody
	c.Do("evaluate", map[string]any{"expression": line, "context": "repl"}, &body)
	if body.Result == "" {
		return ""
	}
	return body.Result + "\n"
}

// TestBreakpointCommands: what commands print before they go on is output and no
// stop; at the hit where they do not go on the stop follows the output.
func TestBreakpointCommands(t *testing.T) {
	for name, run := range map[string]func(c *dapclient.Client, thread int) string{
		"continue": func(c *dapclient.Client, thread int) string {
			c.Do("continue", map[string]any{"threadId": thread}, nil)
			return ""
		},
		"g": func(c *dapclient.Client, _ int) string { return answered(c, "g") },
	} {
		t.Run(name, func(t *testing.T) {
			c, thread := spinningAt(t)
			c.Command(`bp tick ".printf \"tick %d\\n\", @@c++(ticks); .if (@@c++(ticks) < 0n100) {gc} .else {.echo enough}"`)
			before := c.Seq()
			said := run(c, thread)
			stop := c.Stopped("breakpoint")
			if got := c.Evaluate("watch", "ticks", c.Stack(stop.ThreadId, 1)[0].Id).Result; got != "0x64" {
				t.Errorf("stopped with ticks = %s", got)
			}
			out := said + c.Output("console")
			at := 0
			for i := range 101 {
				n := strings.Index(out[at:], fmt.Sprintf("tick %d\n", i))
				if n < 0 {
					t.Fatalf("hit %d printed nothing in its turn: %q", i, out)
				}
				at += n
			}
			if n := strings.Count(out[:at], "tick "); n != 100 {
				t.Errorf("the first 100 hits printed %d lines", n)
			}
			if n := strings.Count(out[at:], "enough\n"); n != 1 || !strings.Contains(out[at:], "tour!tick") {
				t.Errorf("at the stop: %q", out[at:])
			}
			want := 1 // stopped
			if name == "g" {
				want++ // and continued
			}
			if got := told(c, before); len(got) != want {
				t.Errorf("the client was told %q", got)
			}
			c.Disconnect(nil)
		})
	}
}

// TestPauseAmongCommands: a program that hits a breakpoint with commands all the
// time can be paused, and goes on afterwards.
func TestPauseAmongCommands(t *testing.T) {
	c, thread := spinningAt(t)
	c.Command(`bp tick ".echo here; gc"`)
	for range 5 {
		c.Do("continue", map[string]any{"threadId": thread}, nil)
		c.WaitOutput("console", "here\nhere\n")
		c.Do("pause", map[string]any{"threadId": thread}, nil)
		thread = c.Stopped("").ThreadId
		if frames := c.Stack(thread, 1); len(frames) != 1 {
			t.Errorf("%+v", frames)
		}
		c.Command("k")
	}
	c.Disconnect(nil)
}

// TestLineThatWaits: a line that goes on after its stop has the stop's commands run once.
func TestLineThatWaits(t *testing.T) {
	c, _ := spinningAt(t)
	c.Command(`bp tick ".echo here; .if (@@c++(ticks) < 3) {gc}"`)
	said := answered(c, "g; .echo after")
	c.WaitOutput("console", "after\n")
	c.Stopped("breakpoint")
	c.Command("k")
	out := said + c.Output("console")
	if n := strings.Count(out, "here\n"); n != 4 {
		t.Errorf("4 hits ran their commands %d times: %q", n, out)
	}
	c.Disconnect(nil)
}

// TestFilterCommands: an exception's commands may go on as a breakpoint's may.
func TestFilterCommands(t *testing.T) {
	c, thread := spinningAt(t)
	c.Command(`sxe -c ".echo usr; gh" SIGUSR1`)
	pid := decode[dap.ProcessEventBody](t, c.Seen("process")[0]).SystemProcessId
	before := c.Seq()
	c.Do("continue", map[string]any{"threadId": thread}, nil)
	c.WaitOutput("stdout", "total 90")
	for i := 1; i <= 3; i++ {
		if err := syscall.Kill(pid, syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		c.Until("as many runs of the commands as signals", func(log []*dapclient.Message) bool {
			n := 0
			for _, m := range log {
				n += strings.Count(string(m.Body), `usr\n`)
			}
			return n >= i
		})
	}
	if got := told(c, before); len(got) != 0 {
		t.Errorf("the client was told %q", got)
	}
	c.Do("pause", map[string]any{"threadId": thread}, nil)
	c.Stopped("pause")
	c.Disconnect(nil)
}
