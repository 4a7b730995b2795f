package run

import (
	"dap-windbg/tests/built"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestNoTrips: a program that does not crash is not asked anything between its start
// and its end, whatever it does: threads, handled signals, libraries that come and go,
// output.
func TestNoTrips(t *testing.T) {
	wire := filepath.Join(t.TempDir(), "wire")
	config := built.Write(t, "l.json", fmt.Sprintf(`{"request": "launch", "program": %q, "args": ["200"], "trace": %q}`, built.Program(t, "testdata/busy.c", "-ldl"), wire))
	bare.run(t, "--launch", config).Must(t, 0, "^busy 200 signals, 50 threads, 20 loads$")
	var after []string
	running := false
	for line := range strings.Lines(built.Read(t, wire)) {
		sent := strings.HasPrefix(line, ">")
		switch {
		case sent && running:
			after = append(after, line)
		case sent && strings.Contains(line, `"$vCont;c`):
			running = true
		case running && strings.Contains(line, `"$W`):
			if len(after) > 0 {
				t.Errorf("%d packets while it ran:\n%s", len(after), strings.Join(after[:min(len(after), 10)], ""))
			}
			return
		}
	}
	t.Error("the trace has no resume and end")
}

// TestForkTrips: a child that comes and goes costs the same few packets each time: 26, and
// some more where stops of both sides come apart.
func TestForkTrips(t *testing.T) {
	count := func(n int) int {
		wire := filepath.Join(t.TempDir(), "wire")
		config := built.Write(t, "l.json", fmt.Sprintf(`{"request": "launch", "program": %q, "args": ["%d"], "trace": %q}`, built.Program(t, "testdata/forker.c"), n, wire))
		bare.run(t, "--launch", config).Must(t, 0)
		return strings.Count(built.Read(t, wire), "\n>")
	}
	one, many := count(1), count(41)
	if each := float64(many-one) / 40; each > 30 {
		t.Errorf("%.1f packets for each child", each)
	} else {
		t.Logf("%.1f packets for each child", each)
	}
}

// TestBeside measures a program that computes and writes, under the debugger and bare.
// Nothing depends on the times: they are for people.
func TestBeside(t *testing.T) {
	if !heavy() {
		t.Skip("HEAVY is not set: times are of use on an idle machine alone")
	}
	for _, row := range []struct {
		source string
		args   []string
	}{{"testdata/busy.c", []string{"2000"}}, {"testdata/chatter.c", []string{"2000000"}}, {"testdata/compute.c", nil}, {"testdata/forker.c", []string{"300"}}} {
		prog := built.Program(t, row.source, "-ldl")
		began := time.Now()
		if err := exec.Command(prog, row.args...).Run(); err != nil {
			t.Fatal(err)
		}
		alone := time.Since(began)
		began = time.Now()
		bare.run(t, append([]string{"--", prog}, row.args...)...).Must(t, 0)
		t.Logf("%-20s bare %v, run %v", filepath.Base(prog), alone.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	}
}
