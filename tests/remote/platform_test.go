//go:build linux

package remote

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
)

// platform starts an lldb-server in platform mode and returns how it is reached.
func platform(t *testing.T) string {
	t.Helper()
	at := fmt.Sprintf("127.0.0.1:%d", free(t))
	cmd := exec.Command("lldb-server-19", "platform", "--server", "--listen", at)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	eventually(t, "the platform listens", func() bool {
		conn, err := net.Dial("tcp", at)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return "gdb:server=127.0.0.1,port=" + at[strings.LastIndexByte(at, ':')+1:]
}

// TestPlatform: an lldb-server in platform mode serves debuggees one after the other,
// started, started again and attached to, and nothing of them is left there.
func TestPlatform(t *testing.T) {
	t.Parallel()
	server := platform(t)
	r := debugger(t, "cdb", "-premote", server, "-c", "bp pacing!pace; g; dv; .restart; g; k; .kill", "-c", ".create "+pacing(), "-c", "g; q", pacing())
	if r.status != 0 || strings.Count(r.out, "Breakpoint 0 hit") != 3 || !strings.Contains(r.out, "n = 0n0") || !strings.Contains(r.out, "pacing!main") {
		t.Errorf("started: %d %s%s", r.status, r.out, r.errs)
	}
	one, two := pace(t).Process.Pid, pace(t).Process.Pid
	r = debugger(t, "cdb", "-premote", server, "-c", ".tlist", "-c", fmt.Sprintf(".attach 0n%d", one), "-c", "bp pacing!pace; g", "-c", "|", "-c", ".detach",
		"-c", fmt.Sprintf(".attach 0n%d", two), "-c", "g; k; .detach; q")
	if r.status != 0 || strings.Count(r.out, "Breakpoint 0 hit") != 2 || strings.Count(r.out, pacing()) < 2 || !strings.Contains(r.out, fmt.Sprintf("id: %x", one)) {
		t.Errorf("attached: %d %s%s", r.status, r.out, r.errs)
	}
	walking(t, one)
	walking(t, two)
	r = debugger(t, "cdb", "-premote", server, "-p", "4194305", "-c", "q")
	if r.status != 3 && r.status != 4 || !strings.Contains(r.errs, "no such process") {
		t.Errorf("a process that is not: %d %s%s", r.status, r.out, r.errs)
	}
}

// TestPlatformClientKilled: what was attached to runs on without traps.
func TestPlatformClientKilled(t *testing.T) {
	t.Parallel()
	server := platform(t)
	p := pace(t)
	for _, commands := range []string{"bp pacing!pace; g", "bp pacing!nowhere; bp pacing!pace \"gc\"; g"} { // waiting, and running
		b := debugging(t, server, p.Process.Pid, commands)
		if strings.Contains(commands, "gc") {
			before := switches(p.Process.Pid)
			eventually(t, "it runs from trap to trap", func() bool {
				return status(p.Process.Pid, "TracerPid") != "0" && switches(p.Process.Pid) > before+50
			})
		} else {
			b.said.wait(t, "Breakpoint 0 hit")
		}
		b.cmd.Process.Kill()
		<-b.done
		walking(t, p.Process.Pid)
	}
}
