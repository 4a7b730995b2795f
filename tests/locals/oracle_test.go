package locals

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"dap-windbg/tests/sidebyside"
)

// place is where both debuggers stop, as a link-time address, and how many
// instructions they go on from there, each time looking again.
type place struct {
	At    uint64 `json:"at"`
	Steps []int  `json:"steps"`
}

// plan is what the oracle is told.
type plan struct {
	Program string `json:"program"`
	Remote  string `json:"remote"`
	Answers string `json:"answers"`
	Start   uint64 `json:"start"` // link-time address of _start
	Frames  int    `json:"frames"`
	Tail    bool   `json:"tail"`
	// Follow has pointers to what has no address followed. gdb 13 dies of it where
	// it takes bytes that no piece describes for such a pointer (clang writes such
	// pieces, and no such pointers), and in classes.
	Follow bool     `json:"follow"`
	Places []place  `json:"places"`
	Setup  []string `json:"setup"`
}

// variable is a variable of a frame as either side tells it. Value maps the path
// of each scalar in it, in the order of memory, to its text: a decimal number, 0x
// and the bytes of what is larger, or why it is not known.
type variable struct {
	Name  string      `json:"name"`
	Nth   int         `json:"nth"` // of those with its name, innermost block first
	Param bool        `json:"param"`
	Type  string      `json:"type"`
	Value [][2]string `json:"value"`
	shaky bool        // two runs do not agree about part of it
}

type frame struct {
	Function  string     `json:"function"`
	Linkage   string     `json:"linkage"`
	PC        uint64     `json:"pc"`
	Inlined   bool       `json:"inlined"`
	Entry     bool       `json:"entry"` // at the first instruction of its function
	Tail      bool       `json:"-"`     // ours only: found by the call sites of tail calls
	Variables []variable `json:"variables"`
}

// stop is what is seen at one stop: frames of the program itself only.
type stop struct {
	Kind   string  `json:"kind"` // hit, step, other, end
	PC     uint64  `json:"pc"`
	Frames []frame `json:"frames"`
}

// patience bounds the run of one program under one debugger.
const patience = sidebyside.Patience

// gdbserver runs a program and returns where it listens.
func gdbserver(t *testing.T, program string, args ...string) string {
	t.Helper()
	return sidebyside.Server(t, program, args...)
}

// oracle runs the plan under gdb.
func oracle(t *testing.T, p plan) []stop {
	t.Helper()
	dir := t.TempDir()
	script, err := filepath.Abs("testdata/frames.py")
	if err != nil {
		t.Fatal(err)
	}
	p.Answers, p.Remote = filepath.Join(dir, "answers"), gdbserver(t, p.Program)
	file := filepath.Join(dir, "plan")
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "gdb", "-nx", "-nh", "-batch", "-ex", "set args "+file, "-ex", "source "+script)
	out, err := cmd.CombinedOutput()
	answers, openErr := os.Open(p.Answers)
	if err != nil || openErr != nil {
		t.Fatalf("gdb: %v %v\n%s", err, openErr, out)
	}
	defer answers.Close()
	var stops []stop
	d := json.NewDecoder(answers)
	for d.More() {
		var s stop
		if err := d.Decode(&s); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		stops = append(stops, s)
	}
	if len(stops) == 0 || stops[len(stops)-1].Kind != "end" {
		t.Fatalf("gdb did not come to an end\n%s", out)
	}
	return stops
}
