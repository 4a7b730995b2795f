// Package e2e runs the built program against real servers, as a person does.
package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"dap-windbg/targets/targettest"
	"dap-windbg/tests/built"
)

// patience is how long any single command of these tests may take before it is taken
// to hang, on a machine that has much else to do.
const patience = 2 * time.Minute

func TestMain(m *testing.M) { built.Main(m) }

// program compiles a source of tests/programs.
func program(t *testing.T, source string, flags ...string) string {
	t.Helper()
	return built.Program(t, filepath.Join("..", "programs", source), flags...)
}

// debugger runs dap-windbg with input on its standard input.
func debugger(t *testing.T, input string, args ...string) built.Result {
	t.Helper()
	return withEnv(t, nil, input, args...)
}

// withEnv is debugger with more variables.
func withEnv(t *testing.T, env []string, input string, args ...string) built.Result {
	t.Helper()
	return built.Run{Argv: append([]string{built.Binary(t)}, args...), Env: append(environment(t), env...), Input: input, Limit: patience}.Do(t)
}

// environment is ours without the caches and symbol servers of a person.
func environment(t *testing.T) []string {
	return append(os.Environ(), built.Alone(t)...)
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
	deadline := time.Now().Add(patience)
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
