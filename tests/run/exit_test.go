package run

import (
	"dap-windbg/tests/built"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const status, spin, crash = "../programs/status.c", "../programs/spin.c", "../programs/crash.c"

// TestExitStatuses: each of them, and what is said with it. For each there is what
// makes it and what does not.
func TestExitStatuses(t *testing.T) {
	good, hangs, bad := built.Program(t, status), built.Program(t, spin), built.Program(t, crash)
	for _, row := range []struct {
		name   string
		args   []string
		status int
		says   string
	}{
		{"done", []string{"--", good}, 0, ""},
		{"crashed", []string{"--", bad}, 1, "^Result: crashed: null dereference"},
		{"non-zero status", []string{"--", good, "3"}, 1, `^Result: failed: exited with status 3 \(exit status 1\)`},
		{"the program's own status", []string{"--return-child-result", "--", good, "3"}, 3, "^Result: failed: exited with status 3"},
		{"the program's own signal", []string{"--return-child-result", "--", bad}, 128 + 11, "^Result: crashed: null dereference"},
		{"no time limit", []string{"--timeout", "-1s", "--", good}, 2, "is no time limit"},
		{"bad option", []string{"--nonsense"}, 2, "unknown flag: --nonsense"},
		{"no program", nil, 2, "nothing to run"},
		{"missing program", []string{"--", "/nonexistent/program"}, 2, "no such file or directory"},
		{"bad launch file", []string{"--launch", built.Write(t, "l.json", `{"request": "launch", "programm": "x"}`)}, 2, "did you mean 'program'"},
		{"no gdbserver", []string{"--launch", built.Write(t, "l.json", `{"request": "launch", "program": "`+good+`", "gdbserver": "gdbserver-of-nowhere"}`)}, 3, "is not installed here"},
		{"dead far end", []string{"--launch", built.Write(t, "l.json", `{"request": "attach", "connection": "gdb:server=127.0.0.1,port=1"}`)}, 3, "connection refused"},
		{"unknown command", []string{"-c", ".nosuch", "--", good}, 4, "^FAILED .*Syntax error in '.nosuch'"},
		{"assertion", []string{"-c", ".assert 1 == 2", "--", good}, 4, `^FAILED assertion failed: .assert 1 == 2\n    expected: == 0x2 \(2\)\n    actual:   1 is 0x1 \(1\)`},
		{"assertion that holds", []string{"-c", ".assert 1 == 1", "--", good}, 0, ""},
		{"expected text", []string{"-c", `.echo one; .expect "two"`, "--", good}, 4, `^FAILED assertion failed: .expect "two"\n    expected: "two"\n    actual:   one`},
		{"expected text that is there", []string{"-c", `.echo one; .expect "one"`, "--", good}, 0, ""},
		{"nothing behind a failure", []string{"-c", ".assert 0; .echo BEYOND", "-c", ".echo BEYOND", "--", good}, 4, "^Result: failed"},
		{"a script and a crash", []string{"-c", "g", "--", bad}, 1, "^CRASH: null dereference"},
		{"a script, a crash and q", []string{"-c", "g; q", "--", bad}, 1, "^CRASH: null dereference"},
		{"a script that ends the crashed program", []string{"-c", "g; .expect \"SIGSEGV\"; .kill", "--", bad}, 0, ""},
		{"a script and a living program", []string{"-c", "bp main; g", "--", hangs}, 0, ""},
		{"time limit", []string{"--timeout", "1s", "--", hangs}, 5, `^The time limit of 1s has passed(?s:.*)^HUNG: still running after 1s(?s:.*)spin!main`},
		{"time limit of a script", []string{"--timeout", "1s", "-c", "g", "--", hangs}, 5, "^HUNG: still running"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := bare.run(t, row.args...)
			r.Must(t, row.status, row.says)
			if strings.Contains(strings.ReplaceAll(r.Out, ".echo BEYOND", ""), "BEYOND") {
				t.Errorf("commands ran behind a failure:\n%s", r.Out)
			}
		})
	}
}

// TestScriptLine: a failure names the file and the line.
func TestScriptLine(t *testing.T) {
	script := built.Write(t, "check.dbg", "bp `crash.c:24`\ng\n.expect \"Breakpoint 0 hit\"\n.assert @@(argc) == 7\n.echo BEYOND\n")
	r := bare.run(t, "-cf", script, "--", built.Program(t, crash))
	r.Must(t, 4, `^FAILED .*check\.dbg:4: assertion failed: .assert @@\(argc\) == 7`, `expected: == 0x7 \(7\)`, `actual:   @@\(argc\) is 0x1 \(1\)`)
	if strings.Contains(r.Out, "BEYOND") {
		t.Error("the script went on")
	}
}

// TestEndedFromOutside: a job that is cancelled ends the program and all of its
// processes, and says so.
func TestEndedFromOutside(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		cmd := exec.Command(built.Binary(t), "run", "--", built.Program(t, "testdata/family.c"))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Env = []string{}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		buf := make([]byte, 64)
		n, err := out.Read(buf) // all of its processes are there
		if err != nil || !strings.HasPrefix(string(buf[:n]), "there ") {
			t.Fatalf("%q %v", buf[:n], err)
		}
		cmd.Process.Signal(sig)
		cmd.Wait()
		if !timer.Stop() {
			t.Fatal("it did not end")
		}
		if got := cmd.ProcessState.ExitCode(); got != 143 {
			t.Errorf("%v: exit status %d", sig, got)
		}
		for pid := range strings.FieldsSeq(strings.TrimPrefix(string(buf[:n]), "there ")) {
			gone(t, pid)
		}
	}
}

// gone waits until a process that was killed is no more.
func gone(t *testing.T, pid string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) { // nothing tells of another's child
		stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("process %s lives on: %s", pid, stat)
		}
	}
}
