// Package window is a command window of the built debugger, for tests that type.
package window

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dap-windbg/tests/built"
)

// Patience bounds what one command may take.
const Patience = 5 * time.Minute

// Window is a debugger that runs, with its input and output in our hands.
type Window struct {
	tb    testing.TB
	cmd   *exec.Cmd
	in    io.WriteCloser
	ended chan struct{}
	n     int // lines said

	mu   sync.Mutex
	out  []byte
	more chan struct{} // closed and renewed as out grows
}

// Binary is the path of the debugger.
func Binary() (string, error) { return built.Debugger() }

// Open starts `dap-windbg cdb` with args, without the caches and settings of whoever
// runs the test.
func Open(tb testing.TB, args ...string) *Window {
	tb.Helper()
	return OpenIn(tb, tb.TempDir(), args...)
}

// OpenIn is Open with a folder for the caches, which several windows may share.
func OpenIn(tb testing.TB, cache string, args ...string) *Window {
	tb.Helper()
	binary, err := Binary()
	if err != nil {
		tb.Fatal(err)
	}
	w := &Window{tb: tb, cmd: exec.Command(binary, append([]string{"cdb"}, args...)...), ended: make(chan struct{}), more: make(chan struct{})}
	w.cmd.Env = append(append(os.Environ(), built.Alone(tb)...), "XDG_CACHE_HOME="+cache)
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		tb.Fatal(err)
	}
	w.cmd.Stdout, w.cmd.Stderr = w, w
	if err := w.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() {
		w.cmd.Wait()
		close(w.ended)
		w.Write(nil)
	}()
	tb.Cleanup(func() {
		w.cmd.Process.Kill()
		<-w.ended
		if tb.Failed() {
			text := w.Text()
			tb.Logf("command window:\n%s", text[max(0, len(text)-8000):])
		}
	})
	return w
}

// Write takes what the debugger writes.
func (w *Window) Write(p []byte) (int, error) {
	w.mu.Lock()
	w.out = append(w.out, p...)
	close(w.more)
	w.more = make(chan struct{})
	w.mu.Unlock()
	return len(p), nil
}

// Text is all that was written.
func (w *Window) Text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.out)
}

// Said is a line whose answer is awaited.
type Said struct {
	w    *Window
	from int
	end  string
}

// Say types a line and does not wait for its answer.
func (w *Window) Say(line string) *Said {
	w.tb.Helper()
	w.n++
	s := &Said{w, len(w.Text()), fmt.Sprintf("@said %d@", w.n)}
	if _, err := fmt.Fprintf(w.in, "%s\n.echo %s\n", line, s.end); err != nil {
		w.tb.Fatalf("saying %q: %v\n%s", line, err, w.Text())
	}
	return s
}

var prompt = regexp.MustCompile(`(?m)^(\d+(:\d+)*: ?(kd)?> |kd> )+`)

// Wait returns the answer, without prompts.
func (s *Said) Wait() string {
	s.w.tb.Helper()
	text := s.w.await(s.from, func(text string) bool { return strings.Contains(text, s.end+"\n") }, s.end)
	text, _, _ = strings.Cut(text, s.end+"\n")
	return strings.TrimRight(prompt.ReplaceAllString(text, ""), "\n")
}

// Done reports whether the answer is there.
func (s *Said) Done() bool { return strings.Contains(s.w.Text()[s.from:], s.end+"\n") }

// await waits until what was written from a place on is as wanted.
func (w *Window) await(from int, wanted func(string) bool, what string) string {
	w.tb.Helper()
	limit := time.After(Patience)
	for {
		w.mu.Lock()
		text, more := string(w.out[min(from, len(w.out)):]), w.more
		w.mu.Unlock()
		if wanted(text) {
			return text
		}
		select {
		case <-more:
		case <-w.ended:
			if rest := w.Text(); wanted(rest[min(from, len(rest)):]) {
				continue
			}
			w.tb.Fatalf("the debugger ended without %q", what)
		case <-limit:
			w.tb.Fatalf("the debugger has not written %q", what)
		}
	}
}

// Do types a line and returns its answer: of one that lets the debuggee run, with the
// stop.
func (w *Window) Do(line string) string {
	w.tb.Helper()
	return w.Say(line).Wait()
}

// Interrupt is Ctrl+C.
func (w *Window) Interrupt() {
	w.tb.Helper()
	w.Signal(os.Interrupt)
}

// Signal sends the debugger itself a signal.
func (w *Window) Signal(s os.Signal) {
	w.tb.Helper()
	if err := w.cmd.Process.Signal(s); err != nil {
		w.tb.Fatal(err)
	}
}

// AwaitAny waits until one of texts was written, and returns all that was.
func (w *Window) AwaitAny(texts ...string) string {
	w.tb.Helper()
	return w.await(0, func(all string) bool {
		return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(all, text) })
	}, strings.Join(texts, " or "))
}

// Await waits until text was written.
func (w *Window) Await(text string) {
	w.tb.Helper()
	w.AwaitFrom(0, text)
}

// AwaitFrom waits until text was written behind the first from bytes.
func (w *Window) AwaitFrom(from int, text string) {
	w.tb.Helper()
	w.await(from, func(all string) bool { return strings.Contains(all, text) }, text)
}

// End types q or what else ends the debugger, and waits for that.
func (w *Window) End(line string) int {
	w.tb.Helper()
	fmt.Fprintln(w.in, line)
	select {
	case <-w.ended:
	case <-time.After(Patience):
		w.tb.Fatalf("%s did not end the debugger", line)
	}
	return w.cmd.ProcessState.ExitCode()
}
