package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExitStatus provokes each exit status.
func TestExitStatus(t *testing.T) {
	status, crash, spin := program(t, "status.c"), program(t, "crash.c"), program(t, "spin.c")
	config := filepath.Join(t.TempDir(), "launch.json")
	write := func(text string) {
		if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("done", func(t *testing.T) { debugger(t, "", "run", "--", status).Must(t, 0) })
	t.Run("crash", func(t *testing.T) {
		r := debugger(t, "", "run", "--", crash)
		if !strings.Contains(r.Out, "sum 7\n") { // its own stream: at any place
			t.Errorf("the program's output is missing:\n%s", r.Out)
		}
		r.Must(t, 1, "SIGSEGV", `crash!fill\+0x[0-9a-f]+ \[.*crash\.c @ 18\]`, "crash!main")
	})
	t.Run("non-zero status", func(t *testing.T) { debugger(t, "", "run", "--", status, "3").Must(t, 1) })
	t.Run("child result", func(t *testing.T) { debugger(t, "", "run", "--return-child-result", "--", status, "3").Must(t, 3) })
	t.Run("unknown field", func(t *testing.T) {
		write(`{"request": "launch", "program": "x", "programm": 1}`)
		debugger(t, "", "run", "--launch", config).Must(t, 2, `programm: unknown attribute \(did you mean 'program'\?\)`)
	})
	t.Run("wrong type", func(t *testing.T) {
		write(`{"request": "launch", "program": "x", "stopAtEntry": "perhaps"}`)
		debugger(t, "", "run", "--launch", config).Must(t, 2, `stopAtEntry is "perhaps": must be true or false`)
	})
	t.Run("input variable", func(t *testing.T) {
		write(`{"request": "launch", "program": "${input:which}"}`)
		debugger(t, "", "run", "--launch", config).Must(t, 2, "can only be resolved by an editor", "hint: ")
	})
	t.Run("missing program", func(t *testing.T) {
		debugger(t, "", "run", "--", "/nonexistent/program").Must(t, 2, "no such file or directory", "hint: build the program first")
	})
	t.Run("bad option", func(t *testing.T) { debugger(t, "", "cdb", "-nonsense").Must(t, 2, "unknown option '-nonsense'") })
	t.Run("bad connection", func(t *testing.T) {
		debugger(t, "", "cdb", "-remote", "gdb:server=a,prot=1").Must(t, 2, `unknown argument 'prot' \(did you mean 'port'\?\), column 14`)
	})
	t.Run("dead port", func(t *testing.T) {
		debugger(t, "", "cdb", "-remote", "gdb:server=127.0.0.1,port=1", "-c", "q").Must(t, 3, "Unable to connect to gdbserver at 127.0.0.1:1: connection refused", "hint: ")
	})
	t.Run("no gdbserver", func(t *testing.T) {
		debugger(t, "", "cdb", "-gdbserver", "gdbserver-of-nowhere", status).Must(t, 3, "gdbserver-of-nowhere is not installed here", "hint: install it")
	})
	t.Run("no such process", func(t *testing.T) {
		debugger(t, "", "cdb", "-p", "999999999", "-c", "q").Must(t, 3, "there is no process 999999999")
	})
	t.Run("no permission", func(t *testing.T) { // the system's own refusal: gdbserver is nobody's
		nobody := filepath.Join(t.TempDir(), "gdbserver")
		if err := os.WriteFile(nobody, []byte("#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups gdbserver \"$@\"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		pid := spinning(t).Process.Pid
		debugger(t, "", "cdb", "-gdbserver", nobody, "-p", fmt.Sprint(pid), "-c", "q").Must(t, 3,
			fmt.Sprintf("Unable to attach to process %d: tracing it is not permitted", pid), fmt.Sprintf("hint: .*sudo gdbserver --once --attach localhost:2345 %d", pid))
	})
	t.Run("failing command", func(t *testing.T) {
		debugger(t, "", "run", "-c", "bp nosuchmodule!x+; q", "--", status).Must(t, 4)
		debugger(t, "", "run", "-c", ".nosuch", "--", status).Must(t, 4, `\^ Syntax error in '.nosuch'`)
	})
	t.Run("time limit", func(t *testing.T) {
		debugger(t, "", "run", "--timeout", "2s", "--", spin).Must(t, 5, "The time limit of 2s has passed", "spin!main")
	})
}
