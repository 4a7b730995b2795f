package share

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"dap-windbg/engine"
	"dap-windbg/remote/transport"
	"dap-windbg/targets"
	"dap-windbg/targets/fake"
	"dap-windbg/windbg"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host is a debug session over a debuggee in memory.
type host struct {
	windbg.Host
	es *engine.Session
}

func (h *host) Session() *engine.Session                      { return h.es }
func (h *host) Wait(ctx context.Context) (engine.Stop, error) { return h.es.Wait(ctx) }
func (h *host) Parting() targets.Parting                      { return targets.Kill }
func (h *host) Filter(code, arg string) engine.FilterSetting  { return engine.FilterSetting{Code: code} }
func (h *host) Filters() []engine.FilterSetting               { return nil }
func (h *host) SetFilter(engine.FilterSetting)                {}
func (h *host) ErrorText(uint64) string                       { return "" }
func (h *host) Path(string) string                            { return "" }
func (h *host) Connection() string                            { return "" }

// heard is what a seat was told.
type heard struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
}

func newHeard() *heard { return &heard{more: make(chan struct{})} }

func (h *heard) emit(e engine.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch e := e.(type) {
	case engine.Output:
		h.text.WriteString(e.Text)
	case engine.Stopped:
		h.text.WriteString("<stopped>\n")
	case engine.Resumed:
		h.text.WriteString("<resumed>\n")
	}
	close(h.more)
	h.more = make(chan struct{})
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

func (h *heard) await(t *testing.T, text string) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		h.mu.Lock()
		all, more := h.text.String(), h.more
		h.mu.Unlock()
		if strings.Contains(all, text) {
			return
		}
		select {
		case <-more:
		case <-limit:
			t.Fatalf("no %q in %q", text, all)
		}
	}
}

// anyPort is a transport of this machine alone.
const anyPort = "tcp:port=22000:22999"

func parse(text string) (transport.Spec, error) {
	s := transport.Spec{Protocol: "tcp"}
	_, err := fmt.Sscanf(text, "tcp:port=%d:%d", &s.Port, &s.PortEnd)
	return s, err
}

// session is one over a debuggee in memory, with its owner's ear.
func session(t *testing.T, o Options) (*Session, *heard) {
	t.Helper()
	ear := newHeard()
	o.Parse = parse
	s := New(o, ear.emit)
	es := engine.New(fake.New(fake.Demo("main", 2)), engine.Options{Emit: s.Emit})
	done := make(chan struct{})
	go func() { defer close(done); es.Run(context.Background()) }()
	if _, err := es.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := &host{es: es}
	s.Begin(h, windbg.New(windbg.Options{Host: h, Sharing: s}))
	t.Cleanup(func() {
		es.Close(context.Background(), targets.Kill)
		<-done
		s.Close()
	})
	return s, ear
}

// guest takes a seat without a connection.
func guest(t *testing.T, s *Session, who string) (*Seat, *heard) {
	t.Helper()
	ear := newHeard()
	seat := &Seat{s: s, who: who, name: nameOf(who), via: "test", emit: ear.emit, guest: &windbg.Guest{Leave: func() {}}}
	if err := s.enter(seat); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.exit(seat) })
	return seat, ear
}

// listen lets others in.
func listen(t *testing.T, s *Session) transport.Spec {
	t.Helper()
	if _, _, err := s.Serve(t.Context(), anyPort); err != nil {
		t.Fatal(err)
	}
	spec := s.servers[0].listener.Spec()
	spec.Server = "127.0.0.1"
	return spec
}

// TestTurns: lines of several seats run one after the other, and all hear all of them in
// one order.
func TestTurns(t *testing.T) {
	s, owner := session(t, Options{})
	listen(t, s)
	bob, b := guest(t, s, "bob@there")
	eve, e := guest(t, s, "eve@there")
	const lines = 50
	var all sync.WaitGroup
	for _, seat := range []*Seat{s.Owner(), bob, eve} {
		all.Go(func() {
			for i := range lines {
				seat.Start(t.Context(), fmt.Sprintf(".echo %s-%d; .echo again", seat.who, i), io.Discard)
			}
		})
	}
	all.Wait()
	order := func(h *heard) (out []string) {
		for _, line := range strings.Split(h.String(), "\n") {
			if strings.Contains(line, "@there-") && !strings.Contains(line, ".echo") {
				out = append(out, line)
			}
		}
		return out
	}
	if got := order(owner); len(got) != 2*lines {
		t.Fatalf("the owner has heard %d lines of others", len(got))
	}
	but := func(list []string, who string) (out string) {
		for _, x := range list {
			if !strings.HasPrefix(x, who) {
				out += x + "\n"
			}
		}
		return out
	}
	if a, b := but(order(owner), "bob"), order(b); a != strings.Join(b, "\n")+"\n" {
		t.Error("bob has heard eve otherwise than the owner has")
	}
	if a, e := but(order(owner), "eve"), order(e); a != strings.Join(e, "\n")+"\n" {
		t.Error("eve has heard bob otherwise than the owner has")
	}
	text := owner.String()
	for i := range lines { // nobody's line is within another's
		want := fmt.Sprintf("bob@there-%d\nagain\n", i)
		if !strings.Contains(text, want) {
			t.Fatalf("no %q", want)
		}
	}
	if !strings.Contains(text, `[there\bob (test)] 0:000> .echo bob@there-0; .echo again`) {
		t.Errorf("who has typed is not told: %.300q", text)
	}
}

var hits = regexp.MustCompile(`(?m)^hits \d$`)

// TestStops: a stop is come to once, whoever asks; the commands of its breakpoint run once.
func TestStops(t *testing.T) {
	s, owner := session(t, Options{})
	listen(t, s)
	bob, b := guest(t, s, "bob@there")
	w, _ := guest(t, s, "win@there")
	w.Window()
	var set bytes.Buffer
	bob.Exec(t.Context(), `bp 401004 "r $t1 = @$t1 + 1; .printf \"hits %d\\n\", @$t1; .if (@$t1 < 3) { gc }"; bl`, &set)
	if !strings.Contains(set.String(), "0 e ") {
		t.Fatal(set.String())
	}
	var out bytes.Buffer
	if err := bob.Exec(t.Context(), "g", &out); err != nil {
		t.Fatal(err)
	}
	for _, ear := range []*heard{owner, b} {
		ear.await(t, "hits 3\n")
		if n := len(hits.FindAllString(ear.String(), -1)); n != 3 {
			t.Errorf("commands have run %d times: %s", n, ear)
		}
	}
	stop, err := s.dbg.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, seat := range []*Seat{s.Owner(), bob} {
		if resumed, err := seat.Arrive(t.Context(), stop, io.Discard); resumed || err != nil {
			t.Errorf("at the last stop: resumed %v, %v", resumed, err)
		}
		if text := seat.FormatEvent(engine.Stopped{Stop: stop}); text != "" {
			t.Errorf("the stop is shown twice: %q", text)
		}
	}
	if n := len(hits.FindAllString(owner.String(), -1)); n != 3 {
		t.Errorf("commands have run %d times", n)
	}
}

// TestGuests: what guests may not do, and cannot have others do.
func TestGuests(t *testing.T) {
	s, _ := session(t, Options{})
	listen(t, s)
	bob, _ := guest(t, s, "bob@there")
	file := t.TempDir() + "/x"
	for _, c := range []struct {
		seat       *Seat
		line, text string
	}{
		{bob, "q", "qq"},
		{bob, "qd", "not for a client"},
		{bob, ".server tcp:port=1", "Only whose session it is"},
		{bob, ".endsrv 0", "Only whose session it is"},
		{bob, ".logopen " + file, "touches this machine's files"},
		{bob, "$$<" + file, "touches this machine's files"},
		{bob, ".kdfiles /etc", "touches this machine's files"},
		{bob, ".create /bin/true", "reaches beyond the debuggee"},
		{bob, ".attach 1", "reaches beyond the debuggee"},
		{bob, "lsf /etc/passwd", "reaches beyond the debuggee"},
		{bob, ".srcpath /etc", "reaches beyond the debuggee"},
		{bob, ".symfix", "reaches beyond the debuggee"},
		{bob, ".srcpath", "Source search path"},
		{bob, "as k lsf /etc/passwd", ""},
		{s.Owner(), "k", "reaches beyond the debuggee"},
		{s.Owner(), "ad *", ""},
		{bob, ".shell ls", "touches this machine's files"},
		{s.Owner(), ".shell ls", "not allowed in a shared session"},
		{bob, "as k .writemem " + file + " @rip L1", ""},
		{s.Owner(), "k", "touches this machine's files"},
		{s.Owner(), "ad *", ""},
		{bob, `bp 401004 ".logopen ` + file + `"`, ""},
		{s.Owner(), "g", ""},
		{s.Owner(), ".remote_exit", "no client"},
		{s.Owner(), ".servers", "0 - Debugger Server - tcp:Port=22"},
		{s.Owner(), ".clients", `there\bob, last active `},
		{s.Owner(), ".endsrv 7", "no server 7"},
		{s.Owner(), ".endsrv 0", "Server told to exit."},
		{s.Owner(), ".servers", "No servers."},
	} {
		var out bytes.Buffer
		c.seat.Exec(t.Context(), c.line, &out)
		if !strings.Contains(out.String(), c.text) {
			t.Errorf("%s %s: %q, not %q", c.seat.who, c.line, out.String(), c.text)
		}
	}
	if log := s.in; log != nil {
		var out bytes.Buffer
		s.Owner().Exec(t.Context(), ".logfile", &out)
		if strings.Contains(out.String(), file) {
			t.Errorf("a guest's breakpoint has opened a file: %s", out.String())
		}
	}
}

// TestEcho: the others see what somebody has typed, but no password.
func TestEcho(t *testing.T) {
	s, _ := session(t, Options{})
	listen(t, s)
	_, ear := guest(t, s, "bob@there")
	s.Owner().Exec(t.Context(), ".echo a; .server tcp:port=x,Password = Secret12,hidden; .echo b", io.Discard)
	s.Owner().Exec(t.Context(), ".echo over", io.Discard)
	ear.await(t, "\nover\n")
	if got := ear.String(); strings.Contains(got, "Secret12") || !strings.Contains(got, ".server tcp:port=x,Password = *,hidden; .echo b") {
		t.Error(got)
	}
}

// TestWindow: a command window over a connection.
func TestWindow(t *testing.T) {
	s, owner := session(t, Options{})
	spec := listen(t, s)
	shown, change := newHeard(), make(chan struct{}, 100)
	w, err := JoinWindow(t.Context(), spec, func(text []byte) { shown.emit(engine.Output{Text: string(text)}) }, func() {
		select {
		case change <- struct{}{}:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	run := func(line string) string {
		t.Helper()
		if err := w.Send(line); err != nil {
			t.Fatal(err)
		}
		prompt, err := w.Ready(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return prompt
	}
	if p := run("r rip"); p != "0:000> " {
		t.Errorf("the prompt is %q", p)
	}
	shown.await(t, "rip=")
	owner.await(t, "0:000> r rip\nrip=")
	if list := w.Complete(t.Context(), ".serve"); len(list) == 0 || list[0].Text != ".server" {
		t.Errorf("completions of .serve: %v", list)
	}
	if err := w.Send("g"); err != nil { // runs on
		t.Fatal(err)
	}
	owner.await(t, "<resumed>\n")
	if err := w.Break(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Send(".remote_exit .echo last words"); err != nil {
		t.Fatal(err)
	}
	var p *Parted
	if _, err := w.Ready(t.Context()); !errors.As(err, &p) || p.Why != "" || p.Lost {
		t.Errorf("leaving ends with %v", err)
	}
	owner.await(t, "last words\n")
	owner.await(t, "disconnected at")
}

// stuck is a client that takes nothing.
type stuck struct {
	io.ReadWriteCloser
	closed chan struct{}
	once   sync.Once
}

func (x *stuck) Write(p []byte) (int, error) { <-x.closed; return 0, net.ErrClosed }
func (x *stuck) Close() error                { x.once.Do(func() { close(x.closed) }); return nil }

// TestPump: writing to a client that takes nothing never waits, and ends.
func TestPump(t *testing.T) {
	x := &stuck{closed: make(chan struct{})}
	slow := make(chan struct{})
	p := newPump(x, 1<<16, func() { close(slow) })
	var err error
	for n := 0; err == nil; n++ {
		if _, err = p.Write(make([]byte, 1000)); n > 1000 {
			t.Fatal("nobody minds")
		}
	}
	<-slow
	<-x.closed
	p.Close()
}

// FuzzReceive: no message of a client's makes the session wait, panic or take memory that
// was not sent.
func FuzzReceive(f *testing.F) {
	f.Add([]byte("l\x00\x00\x00\x01g"))
	f.Add([]byte("l\xff\xff\xff\xffg"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		for {
			l, text, err := receive(r, 64<<10)
			if err != nil {
				return
			}
			var b bytes.Buffer
			if err := send(&b, l, text); err != nil {
				t.Fatal(err)
			}
			again, same, err := receive(&b, 64<<10)
			if err != nil || again != l || !bytes.Equal(text, same) {
				t.Fatalf("%c %q became %c %q, %v", l, text, again, same, err)
			}
		}
	})
}
