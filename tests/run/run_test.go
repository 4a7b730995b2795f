// Package run is the batch runner as CI jobs have it: the built program, without a
// terminal, a home or a search path.
package run

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds any single run of these tests.
const patience = 90 * time.Second

var scratch, binary string // folder of what is built, and the debugger

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "dap-windbg-run"); err == nil {
		binary = filepath.Join(scratch, "dap-windbg")
		cmd := exec.Command("go", "build", "-o", binary, "../../cmd/dap-windbg")
		cmd.Stderr = os.Stderr
		err = cmd.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "building the debugger:", err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(scratch)
	os.Exit(code)
}

var built sync.Map // source to program

// program compiles a source of this folder's testdata, or of the path, once.
func program(t *testing.T, source string, flags ...string) string {
	t.Helper()
	made, _ := built.LoadOrStore(source+strings.Join(flags, " "), sync.OnceValues(func() (string, error) {
		dir, err := os.MkdirTemp(scratch, "p")
		if err != nil {
			return "", err
		}
		src, err := filepath.Abs(source)
		if err != nil {
			return "", err
		}
		compiler := "gcc"
		if strings.HasSuffix(source, ".cpp") {
			compiler = "g++"
		}
		out := filepath.Join(dir, strings.TrimSuffix(filepath.Base(source), filepath.Ext(source)))
		text, err := exec.Command(compiler, append(append([]string{"-g", "-O0", "-w", "-pthread"}, flags...), src, "-o", out)...).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%v: %s", err, text)
		}
		return out, err
	}))
	path, err := made.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// result of one run.
type result struct {
	status   int
	out, err string
}

// surroundings of a run.
type surroundings struct {
	dir string
	env []string // all there is
}

// bare has nothing: no HOME, no TERM, no PATH.
var bare = surroundings{}

// run starts `dap-windbg run` in a session of its own, with nothing to read.
func (s surroundings) run(t *testing.T, args ...string) result {
	t.Helper()
	return s.start(t, append([]string{binary, "run"}, args...))
}

func (s surroundings) start(t *testing.T, argv []string) result {
	t.Helper()
	r := s.raw(t, argv)
	if strings.Contains(r.out+r.err, "\x1b[") {
		t.Errorf("%v: an escape sequence was written to a pipe", argv)
	}
	return r
}

// runRaw is run for programs that write escape sequences themselves.
func (s surroundings) runRaw(t *testing.T, args ...string) result {
	t.Helper()
	return s.raw(t, append([]string{binary, "run"}, args...))
}

func (s surroundings) raw(t *testing.T, argv []string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Dir, cmd.Env = s.dir, s.env
	if cmd.Env == nil {
		cmd.Env = []string{}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("%v: no end within %v\nstdout:\n%s\nstderr:\n%s", argv, patience, &out, &errs)
	}
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatalf("%v: %v", argv, err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// must checks the status and that standard output, then the error stream, have every
// pattern, in order.
func (r result) must(t *testing.T, status int, patterns ...string) {
	t.Helper()
	if r.status != status {
		t.Errorf("exit status %d, want %d", r.status, status)
	}
	rest := r.out + "\n" + r.err
	for _, p := range patterns {
		loc := regexp.MustCompile("(?m)" + p).FindStringIndex(rest)
		if loc == nil {
			t.Errorf("the output lacks %q (in this order)", p)
			continue
		}
		rest = rest[loc[1]:]
	}
	if t.Failed() {
		t.Fatalf("stdout:\n%s\nstderr:\n%s", r.out, r.err)
	}
}

// write makes a file of the test's own.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
