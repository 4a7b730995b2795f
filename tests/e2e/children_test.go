package e2e

import (
	"dap-windbg/tests/built"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// forking is a program of processes that come of processes.
func forking(t *testing.T) string {
	t.Helper()
	return built.Program(t, filepath.Join("..", "..", "engine", "testdata", "forks.c"))
}

// TestChildRunsByItself: by default children are let go, free of traps, whoever runs
// the server.
func TestChildRunsByItself(t *testing.T) {
	input := "bp hot\ng\ng\nbc *\ng\n"
	for mode, status := range map[string]int{"fork": 7, "exec": 3, "vfork": 3} {
		r := debugger(t, input, "cdb", forking(t), mode)
		r.Must(t, 1, `Breakpoint 0 hit`, `^0:000> g`, `Breakpoint 0 hit`, fmt.Sprintf("exited with status %d", status))
	}
	s := gdbserver(t, "", "--once", "127.0.0.1:0", forking(t), "many", "100")
	r := debugger(t, "bp hot\ng\ng\n", "cdb", "-remote", "gdb:server=127.0.0.1,port="+s.port)
	r.Must(t, 0, `Breakpoint 0 hit`, `exited with status 0`)
}

// TestChildDebugging: both sides of a fork under one command line.
func TestChildDebugging(t *testing.T) {
	r := debugger(t, `bp hot
.childdbg
.childdbg 1
g
g
|
? @$tpid
~.p
|0s
|1s
g
? @rdi
|
bc *
|* bc *
g
`, "cdb", forking(t), "fork")
	r.Must(t, 1,
		`^Processes created by the current process will not be debugged`,
		`^Processes created by the current process will be debugged`,
		`Breakpoint 0 hit`,
		`Break instruction exception`, // the child's first stop
		`^1:000> \|\n   0\tid: [0-9a-f]+\tcreate\tname: .*/forks\n\.  1\tid: [0-9a-f]+\t\w+\tname: .*/forks$`,
		`^1:000> \|0s\n`, `^0:000> \|1s\n`,
		`^1:000> g\nBreakpoint 0 hit`,
		`Evaluate expression: 2 = `,
		`^Process 1 \([0-9a-f]+\): The debuggee exited with status 7`,
		`^The debuggee exited with status 7`)
}

// TestProcessPrefix: a process before a command; each has its breakpoints.
func TestProcessPrefix(t *testing.T) {
	r := debugger(t, `bp hot
g
g
|0 ? @$tpid
|1 ? @$tpid
|* .echo here
|1~.p
|0~0s
|9s
||
bl
|1 bc 0
|1 bl
|0 bl
q
`, "cdb", "-o", forking(t), "pair")
	r.Must(t, 4,
		// The modules of the process that did not stop first are told when they are found.
		`\|0 \? @\$tpid\n(ModLoad.*\n)*Evaluate expression`, `\|1 \? @\$tpid\n(ModLoad.*\n)*Evaluate expression`,
		`^here\nhere$`, `\|1~\.p\n`, `\|0~0s\n`, `Illegal process error in '\|9s'`,
		`^0:000> bl\n.*forks!hot`, `\|1 bl\n0:000> \|0 bl\n.*forks!hot`)
}

// TestChildInPlace: the child takes its parent's place.
func TestChildInPlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "launch.json")
	text := `{"configurations": [{"name": "x", "type": "dap-windbg", "request": "launch", "program": "` + forking(t) + `", "args": ["fork"], "followForks": "child"}]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := debugger(t, "", "run", "--launch", file, "-c", "bp hot; g; g; ? @rdi; bc *; g")
	r.Must(t, 1, `forked [0-9a-f]+, which is debugged in its place`, `Evaluate expression: 2 = `, `exited with status 7`)
}

// TestFamilyPartsWays: one process of two is let go or ended, and the other stays.
func TestFamilyPartsWays(t *testing.T) {
	r := debugger(t, `bp hot
g
g
.restart
g
g
|
.detach
|
bc *
g
`, "cdb", "-o", forking(t), "fork")
	r.Must(t, 1,
		`^1:000> \.restart\n`, `Break instruction exception`, `^0:000> g`, `Breakpoint 0 hit`,
		`^1:000> \|\n   0\tid: [0-9a-f]+.*\n\.  1\tid: [0-9a-f]+.*$`,
		`^1:000> \.detach\nProcess 1 \([0-9a-f]+\): It was left\.\nDetached`,
		`^0:000> \|\n\.  0\tid: `, `exited with status 7`)
	r = debugger(t, "bp hot\ng\ng\n.kill\n|\nbc *\ng\n", "cdb", "-o", forking(t), "fork")
	r.Must(t, 1, `^1:000> \.kill\n`, `^0:000> \|\n\.  0\tid: `, `exited with status 137`)
}
