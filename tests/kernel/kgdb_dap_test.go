package kernel

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-dap"
)

// lineWith is the number of the line of a file that has text in it.
func lineWith(t *testing.T, file, text string) int {
	t.Helper()
	all, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, _, ok := strings.Cut(string(all), text)
	if !ok {
		t.Fatalf("%s has no %q", file, text)
	}
	return strings.Count(before, "\n") + 1
}

// TestKernelEditor: an editor's session with a kernel over its own debugger: a breakpoint
// in the source of a module that is yet to come, steps, variables, tasks, the console.
func TestKernelEditor(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) { kernelEditor(t, protocol) })
	}
}

func kernelEditor(t *testing.T, protocol string) {
	d := start(t, 2, "nokaslr")
	d.Ready()
	source := filepath.Join(filepath.Dir(d.module), "dwtest.c")
	line := lineWith(t, source, "return dw_inner(local)")
	c := editor(t)
	set := c.Start("attach", map[string]any{"connection": d.line.Connection(protocol, d.kernel), "symbolPath": filepath.Dir(d.module), "stopOnConnect": true}, source, line)
	if len(set) != 1 || set[0].Verified {
		t.Errorf("a breakpoint in a module that is not there: %+v", set)
	}
	stop := c.Stopped("")
	var threads dap.ThreadsResponseBody
	c.Do("threads", nil, &threads)
	if len(threads.Threads) != 2 || !strings.Contains(threads.Threads[0].Name, "CPU 0") || !strings.Contains(threads.Threads[1].Name, "CPU 1") {
		t.Errorf("threads %+v", threads.Threads)
	}
	if frames := c.Stack(stop.ThreadId, 20); !strings.Contains(names(frames), "sysrq_handle_dbg") || frames[0].Source == nil || filepath.Base(frames[0].Source.Path) != "debug_core.c" {
		t.Errorf("the stack is %+v", frames)
	}
	sleeper := tasks(c)["kthreadd"]
	if sleeper.ID != 2 || sleeper.State != "S" {
		t.Errorf("kthreadd is %+v", sleeper)
	}
	c.Do("lookFrom", map[string]any{"address": sleeper.Address}, nil)
	if text := names(c.Stack(stop.ThreadId, 20)); !strings.Contains(text, "kthreadd") || !strings.Contains(text, "schedule") {
		t.Errorf("the stack of kthreadd is\n%s", text)
	}
	c.Do("lookFrom", map[string]any{}, nil)

	c.Do("continue", map[string]any{"threadId": stop.ThreadId}, nil)
	call := d.Begin("insmod /lib/modules/dwtest.ko; echo call 5 >/proc/dwtest")
	stop = c.Stopped("breakpoint")
	frames := c.Stack(stop.ThreadId, 20)
	if f := frames[0]; f.Line != line || f.Source == nil || f.Source.Path != source || !strings.Contains(f.Name, "dw_middle") || !strings.Contains(names(frames), "vfs_write") {
		t.Fatalf("stopped at %+v", frames)
	}
	scopes := c.Scopes(frames[0].Id)
	if v := c.Variables(scopes["Locals"].VariablesReference)["local"]; v.Value != "10" || v.Type != "int" {
		t.Errorf("local is %+v", v)
	}
	if v := c.Variables(c.Scopes(frames[2].Id)["Locals"].VariablesReference); !strings.Contains(names(frames[2:3]), "dw_write") || v["n"].Value != "5" {
		t.Errorf("n of %s is %+v", frames[2].Name, v)
	}
	for _, step := range []struct{ request, there string }{{"stepIn", "dw_inner"}, {"next", "dw_inner"}, {"stepOut", "dw_middle"}, {"next", "dw_outer"}} {
		c.Do(step.request, map[string]any{"threadId": stop.ThreadId}, nil)
		at := c.Stopped("step")
		if f := c.Stack(at.ThreadId, 1)[0]; at.ThreadId != stop.ThreadId || !strings.Contains(f.Name, step.there) {
			t.Errorf("%s ends on thread %d in %+v", step.request, at.ThreadId, f)
		}
	}
	if v := c.Evaluate("watch", "dw_watched", c.Stack(stop.ThreadId, 1)[0].Id); v.Result != "0x1e" {
		t.Errorf("dw_watched is %+v", v)
	}
	for line, want := range map[string]string{"!kdb summary": "sysname    Linux", "!lsmod": "dwtest", "~": "CPU 1", "r rip": "rip=ffffffffc0"} {
		if got := c.Command(line); !strings.Contains(got, want) {
			t.Errorf("%s says %q", line, got)
		}
	}
	c.Break(source)
	c.Do("continue", map[string]any{"threadId": stop.ThreadId}, nil)
	call.Wait()
	c.Do("pause", map[string]any{"threadId": stop.ThreadId}, nil)
	c.Stopped("pause")
	c.Disconnect(nil)
	if got := d.Run("echo alive"); got != "alive\n" {
		t.Errorf("after disconnecting the guest says %q", got)
	}
}
