package run

import (
	"dap-windbg/tests/built"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// heavy: the long forms of these tests are wanted.
func heavy() bool { return os.Getenv("HEAVY") != "" }

// TestWorkers: a runner that has many processes at a time, by fork and by exec. Each
// that crashes is told, once; the others come to their ends, and the runner sees what
// it sees without a debugger.
func TestWorkers(t *testing.T) {
	workers, rounds := 40, 2
	if heavy() {
		workers, rounds = 100, 20
	}
	prog := built.Program(t, "testdata/workers.c")
	for range rounds {
		dir := t.TempDir()
		r := bare.run(t, "--report", dir, "--", prog, fmt.Sprint(workers))
		r.Must(t, 1, fmt.Sprintf("bad %d good %d", workers/5, workers-workers/5), fmt.Sprintf("%d processes crashed; exited with status 1", workers/5))
		if n := strings.Count(r.Err, "CRASH: null dereference of `j` (job *), reading in workers!work\n"); n != workers/5 {
			t.Fatalf("%d crashes were told of %d", n, workers/5)
		}
		var rep struct {
			Processes []struct {
				Child int
				Core  string
			}
		}
		if err := json.Unmarshal([]byte(built.Read(t, filepath.Join(dir, "report.json"))), &rep); err != nil || len(rep.Processes) != workers/5 {
			t.Fatalf("%d processes in the report: %v", len(rep.Processes), err)
		}
		seen := map[int]bool{}
		for _, p := range rep.Processes {
			if st, err := os.Stat(filepath.Join(dir, p.Core)); seen[p.Child] || err != nil || st.Size() < 4096 {
				t.Errorf("child %d: %v", p.Child, err)
			}
			seen[p.Child] = true
		}
	}
}

// TestTraps: children that come to breakpoint instructions of their own at the same
// time all end by them, as without a debugger.
func TestTraps(t *testing.T) {
	bare.run(t, "--", built.Program(t, "testdata/traps.c"), "8").Must(t, 1, "^ended 8$", "^Result: crashed: 8 processes crashed; exited with status 0")
}

// TestCoreIsGood: the core of a crashed child opens, and shows the same crash.
func TestCoreIsGood(t *testing.T) {
	dir := t.TempDir()
	prog := built.Program(t, "testdata/workers.c")
	bare.run(t, "--report", dir, "--", prog, "4").Must(t, 1)
	core := built.Write(t, "core.json", fmt.Sprintf(`{"request": "attach", "coreFile": %q, "program": %q}`, filepath.Join(dir, "core.4"), prog))
	bare.run(t, "--launch", core).Must(t, 1, "^CRASH: null dereference of `j` \\(job \\*\\), reading in workers!work$", `argument j = 0x0 \(job \*\)`)
}

// TestShellOfPrograms: programs that others execute are followed too, by vfork as
// well (the shell's way), and their kinds of end told apart.
func TestShellOfPrograms(t *testing.T) {
	script := built.Write(t, "suite.sh", fmt.Sprintf("%s none && %s throw; %s assert; %s; echo rest $?\n",
		built.Program(t, "testdata/kinds.cpp", "-fstack-protector-all"), built.Program(t, "testdata/kinds.cpp", "-fstack-protector-all"), built.Program(t, "testdata/kinds.cpp", "-fstack-protector-all"), built.Program(t, status)))
	r := bare.run(t, "--", "/bin/sh", script)
	r.Must(t, 1, "^rest 0$", "^CRASH: uncaught C\\+\\+ exception std::out_of_range", "^CRASH: assertion failed: ", "^Result: crashed: 2 processes crashed; exited with status 0")
}

// TestManyThreads: of very many threads some have stacks in the report, and how many
// have not is said.
func TestManyThreads(t *testing.T) {
	threads := "300"
	if heavy() {
		threads = "3000" // gdbserver takes minutes to have 10,000 created
	}
	dir := t.TempDir()
	r := bare.run(t, "--report", dir, "--", built.Program(t, "testdata/crowd.c"), threads)
	r.Must(t, 1, "^CRASH: abort called by crowd!main$", `^Left out: the stacks of \d+ threads of `+fmt.Sprint(threads[:len(threads)-1])+`\d`)
	checkAll(t, dir)
}

// TestLongValues: huge variables are cut short, and that is said.
func TestLongValues(t *testing.T) {
	dir := t.TempDir()
	r := bare.run(t, "--report", dir, "--", built.Program(t, "testdata/large.cpp"))
	r.Must(t, 1, "^CRASH: null dereference of `nowhere` \\(int \\*\\)", "more members are not shown")
	checkAll(t, dir)
	for _, name := range []string{"report.txt", "report.json", "junit.xml"} {
		if n := len(built.Read(t, filepath.Join(dir, name))); n > 1<<20 {
			t.Errorf("%s has %d bytes", name, n)
		}
	}
}

// TestTexts: a text is told in one line, bytes one by one.
func TestTexts(t *testing.T) {
	r := bare.run(t, "--", built.Program(t, "testdata/letters.c"))
	r.Must(t, 1, `^ +name = "bob" \(char \[64\]\)\n +raw = `, `^ +buffer = "hello" \(char \[100\]\)\n +bytes = `, `^ +\[2\] = 0x2 .*\n +\[3\] = 0x3 `)
}

// TestMuchOutput: all that a program writes arrives, to the byte, and the report has
// the end of it.
func TestMuchOutput(t *testing.T) {
	dir := t.TempDir()
	r := bare.run(t, "--report", dir, "--", built.Program(t, "testdata/chatter.c"), "200000")
	if want := 200000 * len("line 0000199999 of what it has to say, and no more\n"); len(r.Out) != want || !strings.HasSuffix(r.Out, "line 0000199999 of what it has to say, and no more\n") {
		t.Errorf("%d bytes of %d", len(r.Out), want)
	}
	text := built.Read(t, filepath.Join(dir, "report.json"))
	if len(text) > 200_000 || !strings.Contains(text, "line 0000199999") || !regexp.MustCompile(`the first \d+ bytes of the program's output`).MatchString(text) {
		t.Errorf("the report has %d bytes:\n%.2000s", len(text), text)
	}
}

// TestNoInput: a program that reads finds the end of its input at once.
func TestNoInput(t *testing.T) {
	bare.run(t, "--timeout", "60s", "--", "/bin/cat").Must(t, 0)
	bare.run(t, "--timeout", "60s", "--launch", built.Write(t, "l.json", fmt.Sprintf(`{"request": "launch", "program": "/bin/cat", "stdin": %q}`, built.Write(t, "in.txt", "from the file\n")))).
		Must(t, 0, "^from the file$")
}

// TestStreams: the program's two streams stay apart.
func TestStreams(t *testing.T) {
	r := bare.run(t, "--", "/bin/sh", "-c", "echo to out; echo to err >&2")
	if r.Out != "to out\n" || r.Err != "to err\n" {
		t.Errorf("out %q, err %q", r.Out, r.Err)
	}
}
