//go:build linux

package remote

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOverSSH: a gdbserver --multi that ssh runs is a process server, spoken to on its
// standard input and output. The ssh is one of ours that runs its command here, by a
// shell, as sshd does.
func TestOverSSH(t *testing.T) {
	dir := t.TempDir()
	ssh := "#!/bin/sh\necho \"$@\" >> " + dir + "/asked\nshift\nexec sh -c \"$*\"\n"
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte(ssh), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	const server = "gdb:cmd=@{ssh box gdbserver --once --multi -}"
	r := debugger(t, "cdb", "-premote", server, "-c", "bp pacing!pace; g; dv; .restart; g; k; q", pacing())
	if r.status != 0 || strings.Count(r.out, "Breakpoint 0 hit") != 2 || !strings.Contains(r.out, "n = 0n0") || !strings.Contains(r.out, "pacing!main") {
		t.Errorf("started: %d %s%s", r.status, r.out, r.errs)
	}
	p := pace(t)
	r = debugger(t, "cdb", "-premote", server, "-p", fmt.Sprint(p.Process.Pid), "-c", "bp pacing!pace; g; k; .detach; q")
	if r.status != 0 || !strings.Contains(r.out, "Breakpoint 0 hit") {
		t.Errorf("attached: %d %s%s", r.status, r.out, r.errs)
	}
	walking(t, p.Process.Pid)
	r = debugger(t, "ps", "--server", server)
	if r.status != 0 || !strings.Contains(r.out, pacing()) {
		t.Errorf("listed: %d %s%s", r.status, r.out, r.errs)
	}
	asked, err := os.ReadFile(filepath.Join(dir, "asked"))
	if want := strings.Repeat("box gdbserver --once --multi -\n", 3); err != nil || string(asked) != want {
		t.Errorf("ssh was asked for %q, %v", asked, err)
	}
	eventually(t, "no gdbserver is left", func() bool { return len(children(os.Getpid())) == 1 }) // the program
	r = debugger(t, "cdb", "-premote", "gdb:cmd=@{ssh box no-such-program}", "-c", "q", pacing())
	if r.status != 3 {
		t.Errorf("a program that is not there: %d %s%s", r.status, r.out, r.errs)
	}
}
