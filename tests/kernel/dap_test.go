package kernel

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-dap"

	"dap-windbg/tests/built"
	"dap-windbg/tests/dapclient"
	"dap-windbg/tests/kernel/guest"
)

// editor starts the debugger as an editor does.
func editor(t *testing.T) *dapclient.Client {
	t.Helper()
	c, _ := built.Editor(t, built.Alone(t))
	return c
}

type taskRow struct {
	Address, Name, State string
	ID                   int
	Processor            *int
}

func tasks(c *dapclient.Client) map[string]taskRow {
	var body struct{ Tasks []taskRow }
	c.Do("tasks", nil, &body)
	rows := map[string]taskRow{}
	for _, r := range body.Tasks {
		rows[r.Name] = r
	}
	return rows
}

func names(frames []dap.StackFrame) string {
	var out []string
	for _, f := range frames {
		out = append(out, f.Name)
	}
	return strings.Join(out, "\n")
}

// TestEditor: an editor's session with a kernel that nobody has symbols of.
func TestEditor(t *testing.T) {
	vm := guest.Start(t, guest.Config{Kernel: guest.Debian(t, false), CPUs: 2}).Ready()
	c := editor(t)
	c.Initialize()
	seq := c.Send("attach", map[string]any{"connection": vm.Stub(), "stopOnConnect": true})
	c.Event("initialized", nil)
	var set dap.SetFunctionBreakpointsResponseBody
	c.Do("setFunctionBreakpoints", map[string]any{"breakpoints": []any{map[string]any{"name": "proc_pid_status"}}}, &set)
	c.Do("configurationDone", nil, nil)
	c.Good(seq, nil)
	stop := c.Stopped("")
	var threads dap.ThreadsResponseBody
	c.Do("threads", nil, &threads)
	if len(threads.Threads) != 2 || !strings.Contains(threads.Threads[1].Name, "CPU#1") {
		t.Errorf("threads %+v", threads.Threads)
	}
	c.Do("continue", map[string]any{"threadId": stop.ThreadId}, nil)
	cat := vm.Begin("cat /proc/1/status >/dev/null")
	stop = c.Stopped("function breakpoint")
	if text := names(c.Stack(stop.ThreadId, 20)); !strings.Contains(text, "proc_pid_status") || !strings.Contains(text, "do_syscall_64") {
		t.Errorf("the stack is\n%s", text)
	}
	rows := tasks(c)
	sleeper, running := rows["kthreadd"], rows["cat"]
	if sleeper.ID != 2 || sleeper.State != "S" || running.Processor == nil {
		t.Errorf("kthreadd %+v, cat %+v", sleeper, running)
	}
	c.Do("lookFrom", map[string]any{"address": sleeper.Address}, nil)
	if text := names(c.Stack(stop.ThreadId, 20)); !strings.Contains(text, "kthreadd") || !strings.Contains(text, "schedule") {
		t.Errorf("the stack of kthreadd is\n%s", text)
	}
	c.Do("lookFrom", map[string]any{}, nil)
	if text := names(c.Stack(stop.ThreadId, 20)); !strings.Contains(text, "proc_pid_status") {
		t.Errorf("back at the processor the stack is\n%s", text)
	}
	c.Do("setFunctionBreakpoints", map[string]any{"breakpoints": []any{}}, nil)
	c.Do("continue", map[string]any{"threadId": stop.ThreadId}, nil)
	cat.Wait()
	c.Disconnect(nil)
	if got := vm.Run("echo alive"); got != "alive\n" {
		t.Errorf("after disconnecting the guest says %q", got)
	}
}

// TestEditorLines: breakpoints and steps by lines of the kernel's sources, which lie here.
func TestEditorLines(t *testing.T) {
	k := heavy(t)
	sources := t.TempDir()
	file := filepath.Join(sources, "fs", "proc", "array.c")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Repeat("// a line\n", 800)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, cpus := range []int{1, 2} {
		vm := guest.Start(t, guest.Config{Kernel: k, CPUs: cpus}).Ready()
		c := editor(t)
		set := c.Start("attach", map[string]any{"connection": vm.Stub(), "symbolPath": symbolPath(k),
			"sourceMap": map[string]string{"debian/build/build_amd64_none_cloud-amd64": sources}}, file, 434)
		if len(set) != 1 || !set[0].Verified {
			t.Fatalf("breakpoints %+v", set)
		}
		cat := vm.Begin("cat /proc/1/status >/dev/null")
		stop := c.Stopped("breakpoint")
		frames := c.Stack(stop.ThreadId, 10)
		if frames[0].Line != 434 || frames[0].Source == nil || frames[0].Source.Path != file {
			t.Errorf("%d CPUs: stopped at %+v", cpus, frames[0])
		}
		locals := c.Variables(c.Scopes(frames[0].Id)["Arguments"].VariablesReference)
		if v := locals["task"]; !strings.HasPrefix(v.Value, "0x") {
			t.Errorf("%d CPUs: task is %+v of %v", cpus, v, locals)
		}
		for i, step := range []string{"stepIn", "next", "stepOut", "next", "next"} {
			c.Do(step, map[string]any{"threadId": stop.ThreadId, "singleThread": i%2 == 0}, nil)
			if s := c.Stopped("step"); s.ThreadId != stop.ThreadId {
				t.Errorf("%d CPUs: %s ends on another CPU", cpus, step)
			}
		}
		if f := c.Stack(stop.ThreadId, 10)[0]; !strings.Contains(f.Name, "proc_pid_status") || f.Line <= 434 {
			t.Errorf("%d CPUs: after the steps at %+v", cpus, f)
		}
		c.Break(file)
		c.Do("continue", map[string]any{"threadId": stop.ThreadId}, nil)
		cat.Wait()
		c.Disconnect(nil)
	}
}
