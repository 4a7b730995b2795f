package built

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Binary is the path of the debugger for a test that cannot do without.
func Binary(tb testing.TB) string {
	tb.Helper()
	path, err := Debugger()
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

// Run is a run of a program, in a session of its own as init(1) or a CI job begins it.
type Run struct {
	Argv  []string
	Dir   string        // "": the test's
	Env   []string      // all of it; nil: nothing
	Input string        // on its standard input, in a pipe; "": none
	Limit time.Duration // what takes longer hangs
}

// Do runs it to its end.
func (r Run) Do(tb testing.TB) Result {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), r.Limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.Argv[0], r.Argv[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Dir, cmd.Env = r.Dir, append([]string{}, r.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.WaitDelay = time.Second
	if r.Input != "" {
		cmd.Stdin = strings.NewReader(r.Input)
	}
	err := cmd.Run()
	if ctx.Err() != nil {
		tb.Fatalf("%v: no end within %v\nstdout:\n%s\nstderr:\n%s", r.Argv, r.Limit, &out, &errs)
	}
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		tb.Fatalf("%v: %v", r.Argv, err)
	}
	return Result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// Result is what a program wrote and its exit status.
type Result struct {
	Status   int
	Out, Err string
}

// Must checks the status and that standard output, then the error stream, have every
// pattern, in order. ^ and $ are the ends of a line.
func (r Result) Must(tb testing.TB, status int, patterns ...string) {
	tb.Helper()
	if r.Status != status {
		tb.Errorf("exit status %d, want %d", r.Status, status)
	}
	rest := r.Out + "\n" + r.Err
	for _, p := range patterns {
		loc := regexp.MustCompile("(?m)" + p).FindStringIndex(rest)
		if loc == nil {
			tb.Errorf("the output lacks %q (in this order)", p)
			continue
		}
		rest = rest[loc[1]:]
	}
	if tb.Failed() {
		tb.Fatalf("stdout:\n%s\nstderr:\n%s", r.Out, r.Err)
	}
}

// Write makes a file of the test's own.
func Write(tb testing.TB, name, text string) (path string) {
	tb.Helper()
	path = filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// Read is what a file has.
func Read(tb testing.TB, path string) string {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}
