package run

import (
	"dap-windbg/tests/built"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestNothingIsLeft: many runs in a row, of every kind of end, leave no process (and so
// no port), and no file but the report.
func TestNothingIsLeft(t *testing.T) {
	rounds := 20
	if heavy() {
		rounds = 200
	}
	mark := fmt.Sprintf("DAP_WINDBG_RUN_TEST=%d.%d", os.Getpid(), time.Now().UnixNano())
	tmp, dir := t.TempDir(), t.TempDir()
	s := surroundings{dir: dir, env: []string{mark, "TMPDIR=" + tmp}}
	good, bad, hangs, workers := built.Program(t, status), built.Program(t, crash), built.Program(t, "testdata/family.c"), built.Program(t, "testdata/workers.c")
	ends := []struct {
		status int
		args   []string
	}{
		{0, []string{"--", good}},
		{1, []string{"--report", "crash", "--", bad}},
		{1, []string{"--", workers, "6"}},
		{2, []string{"--", "/nonexistent/program"}},
		{3, []string{"--launch", built.Write(t, "l.json", `{"request": "attach", "connection": "gdb:server=127.0.0.1,port=1"}`)}},
		{4, []string{"-c", "bp main; g; .assert 0", "--", good}},
		{5, []string{"--timeout", "500ms", "--", hangs}},
		{0, []string{"-c", "bp main; g", "--", hangs}},
	}
	for k := range rounds {
		end := ends[k%len(ends)]
		s.run(t, end.args...).Must(t, end.status)
		if left := marked(t, mark, patience); len(left) > 0 {
			t.Fatalf("round %d (%v): processes are left: %v", k, end.args, left)
		}
	}
	if left := names(t, tmp); len(left) > 0 {
		t.Errorf("files are left in TMPDIR: %v", left)
	}
	if left := names(t, dir); !slices.Equal(left, []string{"crash"}) {
		t.Errorf("files are left in the working directory: %v", left)
	}
	if left := names(t, filepath.Join(dir, "crash")); !slices.Equal(left, []string{"annotations.txt", "core.0", "junit.xml", "report.json", "report.txt"}) {
		t.Errorf("the report has %v", left)
	}
}

// TestMarked: a process that is left would be seen.
func TestMarked(t *testing.T) {
	mark := fmt.Sprintf("DAP_WINDBG_RUN_TEST=other.%d", os.Getpid())
	s := surroundings{env: []string{mark}}
	r := s.start(t, []string{"/bin/sh", "-c", "sleep 300 >/dev/null 2>&1 & echo $!"})
	left := marked(t, mark, 0)
	if len(left) != 1 || !strings.HasPrefix(left[0], strings.TrimSpace(r.Out)+" ") {
		t.Errorf("%v is left, not %s", left, r.Out)
	}
	s.start(t, []string{"/bin/kill", strings.TrimSpace(r.Out)})
}

// marked lists processes that have the mark in their environment, which whatever a run
// starts inherits. Those that are ending have a while.
func marked(t *testing.T, mark string, limit time.Duration) []string {
	t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) { // nothing tells of others' ends
		var left []string
		all, err := filepath.Glob("/proc/[0-9]*")
		if err != nil || len(all) == 0 {
			t.Fatal(all, err)
		}
		for _, p := range all {
			env, err := os.ReadFile(filepath.Join(p, "environ"))
			if err != nil || !slices.Contains(strings.Split(string(env), "\x00"), mark) {
				continue
			}
			cmd, _ := os.ReadFile(filepath.Join(p, "cmdline"))
			left = append(left, filepath.Base(p)+" "+strings.ReplaceAll(string(cmd), "\x00", " "))
		}
		if len(left) == 0 || time.Now().After(end) {
			return left
		}
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range all {
		out = append(out, e.Name())
	}
	return out
}
