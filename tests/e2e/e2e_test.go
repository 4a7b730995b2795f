// Package e2e runs the built program against real servers, as a person does.
package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"dap-windbg/targets/targettest"
)

// patience bounds any single command of these tests.
const patience = 30 * time.Second

var binary string // the built debugger

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "dap-windbg-e2e")
	if err == nil {
		binary = filepath.Join(dir, "dap-windbg")
		cmd := exec.Command("go", "build", "-o", binary, "../../cmd/dap-windbg")
		cmd.Stderr = os.Stderr
		err = cmd.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "building the debugger:", err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

var built sync.Map // source and flags to program

// program compiles a source of tests/programs once and returns its path.
func program(t *testing.T, source string, flags ...string) string {
	t.Helper()
	key := source + strings.Join(flags, " ")
	made, _ := built.LoadOrStore(key, sync.OnceValues(func() (string, error) {
		dir := filepath.Join(filepath.Dir(binary), fmt.Sprintf("p%x", []byte(key)))
		if len(dir) > 200 {
			dir = dir[:200]
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
		src, err := filepath.Abs(filepath.Join("..", "programs", source))
		if err != nil {
			return "", err
		}
		compiler, name := "gcc", strings.TrimSuffix(source, filepath.Ext(source))
		if strings.HasSuffix(source, ".cpp") {
			compiler = "g++"
		}
		out := filepath.Join(dir, name)
		args := append([]string{"-g", "-O0", "-pthread"}, flags...)
		text, err := exec.Command(compiler, append(args, src, "-o", out)...).CombinedOutput()
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

// result of one run of the debugger.
type result struct {
	status int
	out    string
	err    string
}

// debugger runs dap-windbg with input on its standard input.
func debugger(t *testing.T, input string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Stdin = strings.NewReader(input)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = time.Second
	cmd.Env = append(os.Environ(), "DEBUGINFOD_URLS=", "XDG_CACHE_HOME="+t.TempDir())
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("%v: no end within %v\nstdout:\n%s\nstderr:\n%s", args, patience, out.String(), errs.String())
	}
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatalf("%v: %v", args, err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// must checks the status and that the output has every pattern, in order.
func (r result) must(t *testing.T, status int, patterns ...string) {
	t.Helper()
	if r.status != status {
		t.Errorf("exit status %d, want %d", r.status, status)
	}
	rest := r.out + "\x00" + r.err
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

// server is a gdbserver started by hand.
type server struct {
	port   string
	cmd    *exec.Cmd
	output *bytes.Buffer
	ended  <-chan struct{}
}

func gdbserver(t *testing.T, stdin string, args ...string) *server {
	t.Helper()
	cmd, output := exec.Command("gdbserver", args...), &bytes.Buffer{}
	cmd.Stdin, cmd.Stdout = strings.NewReader(stdin), output
	s := targettest.StartServer(t, cmd)
	return &server{s.Port, cmd, output, s.Ended}
}

// spinning starts the program that runs for ever.
func spinning(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(program(t, "spin.c"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

// state is the letter of a process's state in /proc, 0 when it is gone.
func state(pid int) byte {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if i := bytes.LastIndexByte(b, ')'); err == nil && i >= 0 && i+2 < len(b) {
		return b[i+2]
	}
	return 0
}

// tracer is the pid of a process's tracer, 0 for none.
func tracer(pid int) int {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	m := regexp.MustCompile(`TracerPid:\s+(\d+)`).FindSubmatch(b)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n
}

// runsFreely waits until nobody traces pid and it is not stopped.
func runsFreely(t *testing.T, pid int) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Second)
	for tracer(pid) != 0 || state(pid) == 't' || state(pid) == 'T' {
		if time.Now().After(deadline) {
			t.Fatalf("process %d: tracer %d, state %c", pid, tracer(pid), state(pid))
		}
		time.Sleep(10 * time.Millisecond) // nothing tells when a tracer lets go
	}
	if state(pid) == 0 || state(pid) == 'Z' {
		t.Fatalf("process %d is gone", pid)
	}
}
