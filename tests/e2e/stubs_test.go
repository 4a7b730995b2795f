package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"dap-windbg/targets/targettest"
)

// counting is a session with tests/programs/counting.c behind a debug server: to a
// function, its stack and locals, steps, out of it, to a write of a variable, to
// the program's end.
const counting = "bp shift\ng\nk 2\np\np\ndx *p\ndx sum\ngu\nbc *\nba w4 total\ng\nbc *\ng\nq\n"

var counted = []string{
	`^Breakpoint 0 hit\ncounting!shift \[.*counting\.c @ 10\]`,
	`^00 .*counting!shift \[.*counting\.c @ 10\]`,
	`^01 .*counting!main\+0x[0-9a-f]+ \[.*counting\.c @ 21\]`,
	`counting\.c @ 11\]`, `counting\.c @ 12\]`,
	`^ +\[\+0x000\] x +: 1 \[Type: int\]`, `y +: 2 \[Type: long\]`,
	`^sum +: 1 \[Type: int\]`,
	`counting!main\+0x[0-9a-f]+ \[.*counting\.c @ 2[01]\]`,
	`^Breakpoint 0 hit\ncounting!shift\+0x[0-9a-f]+ \[.*counting\.c @ 14\]`,
	`^The debuggee exited with status 5`,
}

// answer is what a debug server may take for an answer.
const answer = 30 * time.Second

// makes are the makes of debug server, with what each does not do.
var makes = []struct {
	stub  targettest.Stub
	heavy bool   // takes long to start; tried when HEAVY is set
	loss  string // what the user is told of data breakpoints
	deaf  bool   // it does not listen while the program runs
}{
	{stub: targettest.Gdbserver},
	{stub: targettest.LLDBServer},
	{stub: targettest.QEMUARM64, loss: "watched by single steps", deaf: true},
	{stub: targettest.QEMURISCV, loss: "watched by single steps", deaf: true},
	{stub: targettest.Valgrind, heavy: true},
	{stub: targettest.Wine, heavy: true},
}

// source is a program of tests/programs.
func source(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs("../programs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestStubs: the same session with each make of debug server. What a server cannot
// do is told, and done otherwise.
func TestStubs(t *testing.T) {
	for _, c := range makes {
		if c.heavy && os.Getenv("HEAVY") == "" {
			continue
		}
		t.Run(c.stub.Name, func(t *testing.T) {
			program := c.stub.Build(t, source(t, "counting.c"), "-g", "-O0")
			r := debugger(t, counting, "cdb", "-remote", fmt.Sprintf("gdb:server=127.0.0.1,port=%s,timeout=%v", c.stub.Serve(t, program), answer))
			r.Must(t, 1, counted...)
			if c.loss != "" {
				r.Must(t, 1, c.loss)
			}
		})
	}
}

// TestStubsRunning: a program that runs by itself behind each make of debug server: a
// breakpoint, its stack and locals, steps, a pause, and the program is let go and runs on.
func TestStubsRunning(t *testing.T) {
	for _, c := range makes {
		if (c.heavy || c.deaf) && os.Getenv("HEAVY") == "" { // to give up a pause takes ten seconds
			continue
		}
		t.Run(c.stub.Name, func(t *testing.T) {
			program := c.stub.Build(t, source(t, "pacing.c"), "-g", "-O0")
			k := start(t, "cdb", "-remote", fmt.Sprintf("gdb:server=127.0.0.1,port=%s,timeout=%v", c.stub.Serve(t, program), answer))
			for _, line := range []string{"bp pace", "g", "k 2", "p", "p", "dv", "gu", "dx paces", "g", "bc *"} {
				k.say(line)
			}
			for _, want := range []string{`^Breakpoint 0 hit\npacing!pace`, `^00 .*pacing!pace`, `^01 .*pacing!main\+0x`, `pacing\.c @ (19|20)\]`,
				`^ +n = 0n0$`, `^ +next = 0n1$`, `pacing!main\+0x`, `^paces +: 1 `, `^Breakpoint 0 hit`} {
				k.expect(want)
			}
			first := paces(k)
			interrupted := func(answer string) {
				k.say(`bp /1 pace ".echo walking; g"`)
				k.say("g")
				k.expect("^walking")
				walks(t, program) // an interrupt is meant for it, not for the commands
				k.cmd.Process.Signal(os.Interrupt)
				k.expect(answer)
			}
			if c.deaf {
				interrupted("the far end does not stop it")
				return
			}
			interrupted("(?i)break instruction|interrupt")
			if now := paces(k); now <= first {
				t.Errorf("pace %d is behind pace %d", now, first)
			}
			k.say(".detach")
			k.expect("Detached")
			k.say("q")
			k.end()
			runsOn(t, program)
		})
	}
}

// paces is how far the program is.
func paces(k *talk) int {
	k.t.Helper()
	k.say("dx paces")
	n, err := strconv.Atoi(k.expect(`^paces +: (\d+) `)[1])
	if err != nil {
		k.t.Fatal(err)
	}
	return n
}

// servers are the command lines of debug servers.
var servers = regexp.MustCompile("(^|/|\x00)(gdbserver|vgdb|winedbg|lldb-server[^/\x00]*)\x00")

// runner is the process of the program, or of an emulator that runs it.
func runner(t *testing.T, program string) int {
	t.Helper()
	dir := filepath.Base(filepath.Dir(filepath.Dir(program)))
	running, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range running {
		text, _ := os.ReadFile(file)
		if bytes.Contains(text, []byte(dir)) && !servers.Match(text) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			return pid
		}
	}
	t.Fatalf("nothing runs %s", program)
	return 0
}

// runsOn: the program runs, and nobody traces or holds it.
func runsOn(t *testing.T, program string) {
	t.Helper()
	runsFreely(t, runner(t, program))
}

// walks waits until the program, which sleeps at each pace, has made some: more than
// its debug server sleeps when it is asked things.
func walks(t *testing.T, program string) {
	t.Helper()
	pid := runner(t, program)
	first := sleeps(pid)
	for limit := time.Now().Add(patience); sleeps(pid) < first+200; time.Sleep(10 * time.Millisecond) { // the program tells nobody
		if time.Now().After(limit) {
			t.Fatalf("process %d does not walk: it has slept %d times, %d before", pid, sleeps(pid), first)
		}
	}
}

// sleeps is how often a process has let others run.
func sleeps(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	n := 0
	if _, rest, ok := bytes.Cut(text, []byte("\nvoluntary_ctxt_switches:")); ok {
		fmt.Sscan(string(rest), &n)
	}
	return n
}

// TestKilledWhileStopped: a program that somebody kills while it waits at a breakpoint
// is at its end when it is to go on. gdbserver fails an assertion of its own then, and
// closes the connection; the user is told, and is left at a prompt.
func TestKilledWhileStopped(t *testing.T) {
	for _, command := range []string{"g", "p", "t"} {
		s := gdbserver(t, "", "--once", "127.0.0.1:0", program(t, "spin.c"))
		k := start(t, "cdb", "-remote", "gdb:server=127.0.0.1,port="+s.port)
		k.say("bp spin!tick")
		k.say("g")
		k.expect("Breakpoint 0 hit")
		k.say("|")
		pid, err := strconv.ParseInt(k.expect(`id: ([0-9a-f]+)`)[1], 16, 32)
		if err == nil {
			err = syscall.Kill(int(pid), syscall.SIGKILL)
		}
		if err != nil {
			t.Fatal(err)
		}
		k.say(command)
		k.expect("(?i)connection to the debuggee is lost|exited|terminated|killed|SIGKILL")
		k.say("q")
		k.end()
	}
}
