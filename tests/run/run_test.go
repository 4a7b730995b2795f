// Package run is the batch runner as CI jobs have it: the built program, without a
// terminal, a home or a search path.
package run

import (
	"dap-windbg/tests/built"
	"strings"
	"testing"
	"time"
)

// patience is how long any single run of these tests may take before it is taken to hang:
// gdbserver needs minutes for thousands of threads on a machine that has much else to do.
const patience = 10 * time.Minute

func TestMain(m *testing.M) { built.Main(m) }

// surroundings of a run.
type surroundings struct {
	dir string
	env []string // all there is
}

// bare has nothing: no HOME, no TERM, no PATH.
var bare = surroundings{}

// run starts `dap-windbg run`, with nothing to read.
func (s surroundings) run(t *testing.T, args ...string) built.Result {
	t.Helper()
	return s.start(t, append([]string{built.Binary(t), "run"}, args...))
}

func (s surroundings) start(t *testing.T, argv []string) built.Result {
	t.Helper()
	r := s.raw(t, argv)
	if strings.Contains(r.Out+r.Err, "\x1b[") {
		t.Errorf("%v: an escape sequence was written to a pipe", argv)
	}
	return r
}

// runRaw is run for programs that write escape sequences themselves.
func (s surroundings) runRaw(t *testing.T, args ...string) built.Result {
	t.Helper()
	return s.raw(t, append([]string{built.Binary(t), "run"}, args...))
}

func (s surroundings) raw(t *testing.T, argv []string) built.Result {
	t.Helper()
	return built.Run{Argv: argv, Dir: s.dir, Env: s.env, Limit: patience}.Do(t)
}
