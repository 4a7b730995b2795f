package e2e

import (
	"os"
	"path/filepath"
	"testing"

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

// TestStubs: the same session with each make of debug server. What a server cannot
// do is told, and done otherwise.
func TestStubs(t *testing.T) {
	source, err := filepath.Abs("../programs/counting.c")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		stub  targettest.Stub
		heavy bool   // takes long to start; tried when HEAVY is set
		loss  string // what the user is told of what the server does not do
	}{
		{stub: targettest.Gdbserver},
		{stub: targettest.LLDBServer},
		{stub: targettest.QEMUARM64, loss: "watched by single steps"},
		{stub: targettest.QEMURISCV, loss: "watched by single steps"},
		{stub: targettest.Valgrind, heavy: true},
		{stub: targettest.Wine, heavy: true},
	} {
		if c.heavy && os.Getenv("HEAVY") == "" {
			continue
		}
		t.Run(c.stub.Name, func(t *testing.T) {
			program := c.stub.Build(t, source, "-g", "-O0")
			r := debugger(t, counting, "cdb", "-remote", "gdb:server=127.0.0.1,port="+c.stub.Serve(t, program))
			r.must(t, 1, counted...)
			if c.loss != "" {
				r.must(t, 1, c.loss)
			}
		})
	}
}
