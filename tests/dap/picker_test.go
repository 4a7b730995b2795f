package dap

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"dap-windbg/targets"
	"dap-windbg/targets/targettest"
)

// listening starts a gdbserver and returns the port it has chosen.
func listening(t *testing.T, server *exec.Cmd) (port string) {
	t.Helper()
	return targettest.StartServer(t, server).Port
}

// TestPicker: processes are listed without a debuggee, here and on a process server;
// one of them is chosen there in the command line and debugged.
func TestPicker(t *testing.T) {
	v := victim(t)
	server := "gdb:server=127.0.0.1,port=" + listening(t, exec.Command("gdbserver", "--multi", "127.0.0.1:0"))
	c := inProcess(t)
	c.Initialize()
	for _, args := range []map[string]any{{}, {"pattern": "to*r"}, {"processServer": server, "pattern": "tour"}} {
		var body struct{ Processes []targets.Process }
		c.Do("processes", args, &body)
		found := false
		for _, p := range body.Processes {
			found = found || p.PID == int64(v.Process.Pid) && strings.Contains(p.Command, "tour")
		}
		if !found {
			t.Errorf("%v: the program is not among %d processes", args, len(body.Processes))
		}
	}
	for want, args := range map[string]map[string]any{
		"pattern":     {"pattern": "["},
		"not trusted": {"processServer": server, "__trusted": false},
	} {
		if text := c.Fail("processes", args); !strings.Contains(text, want) {
			t.Errorf("%v: %s", args, text)
		}
	}

	seq := c.Send("attach", map[string]any{"processServer": server})
	c.Event("initialized", nil)
	c.Break(source(), line(t, "ticking"))
	c.Do("configurationDone", nil, nil)
	c.Good(seq, nil)
	pid := fmt.Sprintf("0n%d", v.Process.Pid)
	if list := c.Command(".tlist tour"); !strings.Contains(list, pid+" ") {
		t.Fatalf(".tlist: %s", list)
	}
	c.Command(".attach " + pid)
	if body := decode[map[string]map[string]any](t, c.Event("capabilities", nil)); body["capabilities"]["exceptionBreakpointFilters"] == nil {
		t.Errorf("the new debuggee's capabilities: %v", body)
	}
	c.Stopped("")
	c.Do("continue", map[string]any{"threadId": 0}, nil)
	stop := c.Stopped("breakpoint")
	if top := c.Stack(stop.ThreadId, 1)[0]; top.Name != "tick" {
		t.Errorf("stopped in %s", top.Name)
	}
	c.Disconnect(nil)
	runsFree(t, v)
}
