package dap

import (
	"strings"
	"testing"

	"github.com/google/go-dap"
)

// TestImage: an editor opens an image as it opens a core file, and looks at what
// does not need a program that runs.
func TestImage(t *testing.T) {
	c, p := started(t)
	set := c.Start("attach", map[string]any{"coreFile": program(t)}, source(), line(t, "ticking"))
	if len(set) != 1 || !set[0].Verified {
		t.Errorf("breakpoints %+v", set)
	}
	c.Stopped("")
	var threads dap.ThreadsResponseBody
	c.Do("threads", nil, &threads)
	if len(threads.Threads) != 0 {
		t.Errorf("threads %+v", threads)
	}
	if v := c.Evaluate("watch", "sizeof(ticks)", 0); v.Result != "0x8" {
		t.Errorf("a size is %+v", v)
	}
	if v := c.Evaluate("hover", "ticks", 0); v.Result == "" {
		t.Errorf("a variable is %+v", v)
	}
	if text := c.Command("u main L1"); !strings.Contains(text, "!main") {
		t.Errorf("u main shows %q", text)
	}
	var modules dap.ModulesResponseBody
	c.Do("modules", map[string]any{}, &modules)
	if len(modules.Modules) != 1 {
		t.Errorf("modules %+v", modules)
	}
	if m := c.Response(c.Send("continue", map[string]any{"threadId": 1})); m.Success || m.Message == "" {
		t.Errorf("an image runs: %+v", m)
	}
	if text := c.Command("k"); !strings.Contains(text, "No runnable debuggees") {
		t.Errorf("k shows %q", text)
	}
	c.Do("disconnect", map[string]any{}, nil)
	ends(t, p)
}
