package e2e

import (
	"dap-windbg/tests/built"
	"io"
	"os/exec"
	"regexp"
	"sync"
	"testing"
	"time"
)

// talk is a running command window.
type talk struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	ended chan struct{}

	mu   sync.Mutex
	out  []byte
	seen int           // bytes of out that expect has passed
	more chan struct{} // closed and renewed as out grows
}

func start(t *testing.T, args ...string) *talk {
	t.Helper()
	k := &talk{t: t, cmd: exec.Command(built.Binary(t), args...), ended: make(chan struct{}), more: make(chan struct{})}
	k.cmd.Env = environment(t)
	var err error
	if k.in, err = k.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	k.cmd.Stdout, k.cmd.Stderr = k, k
	if err := k.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		k.cmd.Wait()
		close(k.ended)
		k.grow(nil)
	}()
	t.Cleanup(func() { k.cmd.Process.Kill(); <-k.ended })
	return k
}

func (k *talk) grow(p []byte) {
	k.mu.Lock()
	k.out = append(k.out, p...)
	close(k.more)
	k.more = make(chan struct{})
	k.mu.Unlock()
}

func (k *talk) Write(p []byte) (int, error) { k.grow(p); return len(p), nil }

func (k *talk) say(line string) {
	k.t.Helper()
	if _, err := io.WriteString(k.in, line+"\n"); err != nil {
		k.t.Fatalf("saying %q: %v\n%s", line, err, k.text())
	}
}

func (k *talk) text() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return string(k.out)
}

// expect waits for a pattern in the output after what was expected before, and
// returns the match and its groups.
func (k *talk) expect(pattern string) []string {
	k.t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	limit := time.After(patience)
	for {
		k.mu.Lock()
		rest, more := k.out[k.seen:], k.more
		if m := re.FindSubmatchIndex(rest); m != nil {
			k.seen += m[1]
			var groups []string
			for i := 0; i < len(m); i += 2 {
				groups = append(groups, string(rest[max(m[i], 0):max(m[i+1], 0)]))
			}
			k.mu.Unlock()
			return groups
		}
		k.mu.Unlock()
		select {
		case <-more:
			continue
		case <-k.ended:
			if k.mu.Lock(); len(k.out[k.seen:]) == len(rest) {
				k.mu.Unlock()
				k.t.Fatalf("it ended without %q\n%s", pattern, k.text())
			}
			k.mu.Unlock()
		case <-limit:
			k.t.Fatalf("no %q\n%s", pattern, k.text())
		}
	}
}

// end waits for the end of the debugger and returns its exit status.
func (k *talk) end() int {
	k.t.Helper()
	select {
	case <-k.ended:
		return k.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		k.t.Fatalf("it did not end within %v\n%s", patience, k.text())
		return 0
	}
}
