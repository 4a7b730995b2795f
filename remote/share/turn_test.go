package share

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"dap-windbg/engine"
	"dap-windbg/remote/transport"
	"dap-windbg/windbg"
)

// begun runs a line that does not end by itself, and returns when it is at work.
func begun(t *testing.T, seat *Seat, line string) (ended chan error) {
	t.Helper()
	ended = make(chan error, 1)
	go func() { ended <- seat.Exec(t.Context(), line, io.Discard) }()
	atWork(t, seat.s, seat)
	return ended
}

// atWork waits until a seat, or nil the commands of a stop, has the turn.
func atWork(t *testing.T, s *Session, by *Seat) {
	t.Helper()
	until(t, "the turn to be taken", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.lining() && s.work.by == by
	})
}

func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for limit := time.Now().Add(30 * time.Second); !f(); runtime.Gosched() {
		if time.Now().After(limit) {
			t.Fatal("waiting for " + what)
		}
	}
}

const endless = ".while (1) { .echo again }"

// TestBreak: who ends whose line, and what the others hear of it.
func TestBreak(t *testing.T) {
	s, _ := session(t, Options{})
	listen(t, s)
	bob, _ := guest(t, s, "bob@there")
	eve, e := guest(t, s, "eve@there")
	work := begun(t, bob, endless)

	next := make(chan error, 1)
	go func() { next <- eve.Exec(t.Context(), ".echo mine", io.Discard) }()
	e.await(t, `Waiting for [there\bob (test)] `+endless+"\nA break (Ctrl+C, pause) takes your line back.\n")
	if eve.Break() {
		t.Error("a guest has ended another one's line")
	}
	e.await(t, `At work: [there\bob (test)] `+endless+"\n")
	select {
	case err := <-work:
		t.Fatalf("the line has ended: %v", err)
	default:
	}
	if got := eve.Prompt(t.Context()); got != busyPrompt {
		t.Errorf("meanwhile the prompt is %q", got)
	}
	if bob.Break() {
		t.Error("one's own line is another's")
	}
	<-work
	if err := <-next; err != nil {
		t.Errorf("the line that waited: %v", err)
	}
	if got := eve.Prompt(t.Context()); got != "0:000> " {
		t.Errorf("afterwards the prompt is %q", got)
	}

	work = begun(t, bob, ".sleep 0n3000000") // the owner ends anybody's
	go func() { next <- s.Owner().Exec(t.Context(), ".echo mine", io.Discard) }()
	if !s.Owner().Break() {
		t.Error("the owner cannot end a guest's line")
	}
	<-work
	if err := <-next; err != nil {
		t.Errorf("the owner's own line: %v", err)
	}
}

// TestBreakStop: commands of a stop that do not end are anybody's to end, and the stop is
// shown then.
func TestBreakStop(t *testing.T) {
	s, _ := session(t, Options{})
	listen(t, s)
	bob, _ := guest(t, s, "bob@there")
	eve, e := guest(t, s, "eve@there")
	eve.Window()
	bob.Exec(t.Context(), `bp 401004 "`+endless+`"`, io.Discard)
	gone := make(chan error, 1)
	go func() { gone <- bob.Exec(t.Context(), "g", io.Discard) }()
	e.await(t, "\nagain\n")
	atWork(t, s, nil)
	eve.Break()
	if err := <-gone; err != nil {
		t.Error(err)
	}
	e.await(t, "00401004")
}

// TestBreakRuns: a line that lets the debuggee run again and again: the first break stops
// the debuggee, the second one the line.
func TestBreakRuns(t *testing.T) {
	s, ear := session(t, Options{})
	listen(t, s)
	bob, _ := guest(t, s, "bob@there")
	work := begun(t, bob, ".while (1) { g; .echo round }")
	ear.await(t, "<resumed>\n")
	bob.BreakIn()
	ear.await(t, "round\n")
	until(t, "the next round", func() bool { return strings.Count(ear.String(), "<resumed>\n") == 2 })
	bob.BreakIn()
	<-work
	if _, err := s.dbg.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestLeaveWhile: a guest leaves while another one's line is at work.
func TestLeaveWhile(t *testing.T) {
	s, _ := session(t, Options{})
	listen(t, s)
	bob, _ := guest(t, s, "bob@there")
	eve, _ := guest(t, s, "eve@there")
	left := make(chan struct{})
	eve.guest = &windbg.Guest{Leave: func() { close(left) }}
	work := begun(t, bob, endless)
	if err := eve.Exec(t.Context(), " .remote_exit ", io.Discard); err != nil {
		t.Error(err)
	}
	<-left
	bob.Break()
	<-work
}

// TestFlood: Ctrl+C without end at a debuggee that is slow to stop makes neither
// goroutines without end nor announcements.
func TestFlood(t *testing.T) {
	s, ear := session(t, Options{})
	listen(t, s)
	bob, _ := guest(t, s, "bob@there")
	es := s.dbg.Session()
	held, release := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- es.Do(t.Context(), func(context.Context, *engine.View) error { close(held); <-release; return nil })
	}()
	<-held
	s.Emit(engine.Resumed{All: true})
	w := &window{s: s, t: bob, most: 1 << 20, wake: make(chan struct{}, 1)}
	before := runtime.NumGoroutine()
	for range 5000 {
		w.breakIn()
	}
	if n := runtime.NumGoroutine() - before; n > 10 {
		t.Errorf("%d goroutines more", n)
	}
	if n := strings.Count(ear.String(), "] break\n"); n != 1 {
		t.Errorf("the others are told %d times", n)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestQueue: what a window is not served in time is bounded, and it is told what it lost.
func TestQueue(t *testing.T) {
	s, _ := session(t, Options{})
	w := &window{s: s, t: s.Owner(), most: 1 << 20, wake: make(chan struct{}, 1)}
	sent, kinds := 0, []engine.OutputCategory{engine.FromFarEnd, engine.FromDebuggee}
	for i := range 5000 {
		text := strings.Repeat("x", 1000) + "\n"
		sent += len(text)
		w.emit(engine.Output{Text: text, Category: kinds[i/100%2]})
	}
	w.emit(engine.Resumed{All: true})
	held := 0
	for _, e := range w.queue {
		held += len(e.(engine.Output).Text)
	}
	if held > w.most {
		t.Errorf("%d bytes wait", held)
	}
	fresh := true
	text := ""
	for more := w.take(&fresh); more != ""; more = w.take(&fresh) {
		text += more
	}
	var bytes, events int
	at := strings.LastIndex(text, "Lost here")
	if at < 0 {
		t.Fatal("the window is not told")
	}
	if _, err := fmt.Sscanf(text[at:], "Lost here, for it came faster than this window was served: %d bytes of output, %d events.", &bytes, &events); err != nil || bytes+at != sent || events != 1 {
		t.Errorf("%q, and %d of %d bytes are there: %v", text[at:], at, sent, err)
	}
	w.emit(engine.Output{Text: "and on\n"})
	if got := w.take(&fresh); got != "and on\n" {
		t.Errorf("afterwards it is shown %q", got)
	}
}

// TestReverse: a server that connects to its client ends with it.
func TestReverse(t *testing.T) {
	s, ear := session(t, Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	spec := transport.Spec{Protocol: "tcp", Clicon: "127.0.0.1", Port: port, Password: "Together1"}
	s.o.Parse = func(string) (transport.Spec, error) { return spec, nil }
	joined := make(chan *Window, 1)
	go func() {
		w, err := JoinWindow(t.Context(), spec, func([]byte) {}, func() {})
		if err != nil {
			t.Error(err)
		}
		joined <- w
	}()
	for tries := 1; ; tries++ { // until the client waits
		if _, _, err := s.Serve(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		until(t, "the server to end or its client to come", func() bool {
			return strings.Contains(ear.String(), ") connected at") || strings.Count(ear.String(), " has ended: ") == tries
		})
		if strings.Contains(ear.String(), ") connected at") {
			break
		}
	}
	if n := len(s.Servers()); n != 1 {
		t.Errorf("there are %d servers", n)
	}
	w := <-joined
	w.Close()
	ear.await(t, " has ended: its client has left\n")
	if n := len(s.Servers()); n != 0 {
		t.Errorf("there are %d servers", n)
	}
}

// TestLate: nobody comes in, and no server opens, once the session ends.
func TestLate(t *testing.T) {
	s, _ := session(t, Options{})
	listen(t, s)
	s.Close()
	if _, _, err := s.Serve(t.Context(), anyPort); err == nil {
		t.Error("a server has opened")
	}
	if s.guests.enter() || s.wires.open.enter() {
		t.Error("somebody has come in")
	}
	if n := len(s.Servers()); n != 0 {
		t.Errorf("there are %d servers", n)
	}
}

// TestDoor: who is inside is waited for, and nobody comes in meanwhile.
func TestDoor(t *testing.T) {
	var d door
	d.enter()
	d.shut(time.Millisecond) // not for ever
	inside := make(chan bool)
	go d.run(func() { inside <- true })
	if d.enter() {
		t.Error("a shut door opens")
	}
	d.leave()
	d.shut(time.Hour)
	select {
	case <-inside:
		t.Error("a shut door opens")
	default:
	}
}

// TestNames: what clients call themselves cannot be taken for words of ours.
func TestNames(t *testing.T) {
	for _, c := range []struct{ client, shown string }{
		{"ann@build7", `build7\ann`},
		{"John Smith@büro", `büro\John Smith`},
		{"build7", "build7"},
		{"", "somebody"},
		{"  ", "somebody"},
		{"@build7", "@build7"},
		{"a|source@b", `b\a?source`},
		{"a@b] 0:000> .shell", "b? 0?000? .shell\\a"},
		{"a\x1b[2J\r\n@b", `b\a??2J??`},
		{"a\u202e\u2028@b\u200b", `b?\a??`},
		{"a@b@c", `c\a@b`},
		{"a#1@b", `b\a?1`},
	} {
		if got := nameOf(plain(c.client)); got != c.shown {
			t.Errorf("%q is shown as %q, not %q", c.client, got, c.shown)
		}
	}
}

// TestBusyWindow: a window's prompt tells that somebody else is at work, for as long.
func TestBusyWindow(t *testing.T) {
	s, _ := session(t, Options{})
	spec := listen(t, s)
	bob, _ := guest(t, s, "bob@there")
	prompts := make(chan string, 100)
	var w *Window
	ready := make(chan struct{})
	w, err := JoinWindow(t.Context(), spec, func([]byte) {}, func() { <-ready; prompts <- w.Prompt() })
	if err != nil {
		t.Fatal(err)
	}
	close(ready)
	defer w.Close()
	shows := func(want string) {
		t.Helper()
		for {
			select {
			case got := <-prompts:
				if got == want {
					return
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("the prompt does not become %q", want)
			}
		}
	}
	shows("0:000> ")
	work := begun(t, bob, ".sleep 0n3000000")
	shows(busyPrompt)
	bob.Break()
	<-work
	shows("0:000> ")
	var out bytes.Buffer
	s.Owner().Exec(t.Context(), ".clients", &out)
	if strings.Count(out.String(), "last active") != 3 {
		t.Error(out.String())
	}
}
