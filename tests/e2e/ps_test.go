package e2e

import (
	"encoding/json"
	"fmt"
	"os/user"
	"strings"
	"testing"

	"dap-windbg/targets"
)

// TestProcesses: what an editor's picker reads names each process with its user and
// command line, here and on a process server; nothing else is printed, and a far end
// that is not there is a reason, not an empty list.
func TestProcesses(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	cmd := spinning(t)
	server := "gdb:server=127.0.0.1,port=" + gdbserver(t, "", "--multi", "127.0.0.1:0").port
	for _, args := range [][]string{{"ps", "--json"}, {"ps", "--json", "--server", server}} {
		r := debugger(t, "", args...)
		var list []targets.Process
		if err := json.Unmarshal([]byte(r.Out), &list); err != nil || r.Err != "" || r.Status != 0 {
			t.Fatalf("%v: %v, status %d, %q", args, err, r.Status, r.Err)
		}
		found := false
		for i, p := range list {
			if i > 0 && p.PID <= list[i-1].PID {
				t.Errorf("%v: %d follows %d", args, p.PID, list[i-1].PID)
			}
			found = found || p.PID == int64(cmd.Process.Pid) && p.User == me.Username && strings.HasSuffix(p.Command, fmt.Sprint(cmd.Args[0]))
		}
		if !found {
			t.Errorf("%v: %d is not among %d processes", args, cmd.Process.Pid, len(list))
		}
	}
	if r := debugger(t, "", "ps", "--json", "--server", "gdb:server=127.0.0.1,port=1"); r.Status != 3 || r.Out != "" || !strings.Contains(r.Err, "127.0.0.1:1") {
		t.Errorf("a far end that is not there: %+v", r)
	}
}
