package rsp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/wire"
)

// far makes a trace of a scripted far end. Lines starting with > are packets to
// be sent by us, < packets we receive; a leading + is the acknowledgement that
// travels with it, and a text in quotes goes as it is.
func far(script string) []wire.Message {
	var out []wire.Message
	for _, line := range strings.Split(strings.TrimSpace(script), "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		m := wire.Message{Out: line[0] == '>', Flight: 1}
		text := line[2:]
		switch {
		case text[0] == '"':
			m.Data = []byte(strings.Trim(text, `"`))
		case text[0] == '+' && len(text) > 1:
			m.Data = frame([]byte{'+'}, text[1:])
		case text == "+", text == "-", text == "\x03":
			m.Data = []byte(text)
		case text == "(empty)":
			m.Data = frame(nil, "")
		default:
			m.Data = frame(nil, text)
		}
		out = append(out, m)
	}
	return out
}

// play connects to a scripted far end.
func play(t *testing.T, o Options, script string) *Conn {
	t.Helper()
	r := wire.NewReplay(far(script), false)
	c, err := Connect(soon(t), r, o)
	if err != nil {
		t.Fatalf("%v (%v)", err, r.Done())
	}
	t.Cleanup(func() {
		if err := r.Done(); err != nil {
			t.Error(err)
		}
		c.Close()
	})
	return c
}

// hello is the start of a session with a stub that knows nothing, as kgdb's:
// every packet is acknowledged, ours together with the next request, and the
// first packet has no acknowledgement before it.
const hello = `
	> ` + offered + `
	< +
	< (empty)
	> +?
	< +
	< S05
	> +qAttached
	< +
	< (empty)
	> +qOffsets
	< +
	< (empty)
	> +vCont?
	< +
	< (empty)
	> +qqemu.Supported
	< +
	< (empty)
	> +qC
	< +
	< QC01
	> +qfThreadInfo
	< +
	< mfffffffe,01
	`

func TestKgdb(t *testing.T) {
	g := strings.Repeat("11", 16*8) + "0010000000000000" + "46020000" + strings.Repeat("33000000", 4) // 152 bytes, fs and gs are missing
	c := play(t, Options{OS: "linuxkernel"}, hello+`
	> +Hg1
	< +
	< OK
	> +g
	< +
	< `+g+`
	> +Z0,1000,1
	< +
	< OK
	> +Hc0
	< +
	< OK
	> +c
	< +
	< T05thread:01;
	> +qRcmd,6c736d6f64
	< +
	< O61
	> +
	< O62
	> +
	< OK
	> +Hg1
	< +
	< OK
	> +m1000,10
	< +
	< E22
	`)
	tg := c.Target()
	if first := expect[targets.Stop](t, tg); first.Thread != (targets.ThreadID{Thread: 1}) {
		t.Errorf("first %+v", first)
	}
	if in := tg.Info(); !in.Machine || in.OS != "linux" || in.Set.Arch != arch.AMD64 || in.Process != 0 {
		t.Errorf("info %+v", in)
	}
	r, err := tg.Registers(soon(t), targets.ThreadID{Thread: 1})
	if err != nil || r.PC() != 0x1000 {
		t.Fatalf("%v", err)
	}
	if _, known := r.Get("gs"); known {
		t.Error("a register that did not come is known")
	}
	if err := tg.Resume(soon(t), goOn(targets.Trap{Addr: 0x1000})); err != nil {
		t.Fatal(err)
	}
	if stop := expect[targets.Stop](t, tg); stop.Reason != targets.Breakpoint {
		t.Errorf("stop %+v", stop)
	}
	if out, _, err := tg.Command(soon(t), "lsmod"); out != "ab" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	var f *targets.FaultError
	if n, err := tg.ReadMemory(soon(t), targets.Space{}, 0x1000, make([]byte, 16)); n != 0 || !errors.As(err, &f) {
		t.Errorf("%d, %v", n, err)
	}
}

// TestSerialRefusal: where requests go one by one, a refused trap keeps the
// resume from being sent at all.
func TestSerialRefusal(t *testing.T) {
	c := play(t, Options{}, hello+`
	> +Z0,1000,1
	< +
	< E22
	> +Hc0
	< +
	< OK
	> +m2000,1
	< +
	< 7f
	`)
	tg := c.Target()
	expect[targets.Stop](t, tg)
	var e *targets.RefusedError
	if err := tg.Resume(soon(t), goOn(targets.Trap{Addr: 0x1000})); !errors.As(err, &e) {
		t.Errorf("got %v", err)
	}
	p := []byte{0}
	if _, err := tg.ReadMemory(soon(t), targets.Space{}, 0x2000, p); err != nil || p[0] != 0x7f {
		t.Errorf("%v", err)
	}
}

// TestDamage: a packet with a wrong checksum is asked for again; one the far end
// found damaged is sent again.
func TestDamage(t *testing.T) {
	c := play(t, Options{}, hello+`
	> +m2000,1
	< "-"
	> m2000,1
	< +
	< "$7f#00"
	> -
	< 7f
	> +m3000,1
	< +
	< "$7"
	< 80
	`)
	tg := c.Target()
	p := []byte{0}
	if _, err := tg.ReadMemory(soon(t), targets.Space{}, 0x2000, p); err != nil || p[0] != 0x7f {
		t.Errorf("%v", err)
	}
	if _, err := tg.ReadMemory(soon(t), targets.Space{}, 0x3000, p); err != nil || p[0] != 0x80 {
		t.Errorf("%v", err)
	}
}

// TestUnaskedStop: QEMU reports its stop before the first question is heard.
func TestUnaskedStop(t *testing.T) {
	script := strings.Replace(hello, "< +\n\t< (empty)\n\t> +?", "< T02thread:01;\n\t< +\n\t< (empty)\n\t> +?", 1)
	if script == hello {
		t.Fatal("the script did not change")
	}
	c := play(t, Options{}, script)
	if c.Target() == nil {
		t.Error("no target")
	}
}

func TestNotAStub(t *testing.T) {
	for _, c := range []struct {
		name, greeting string
		closes         bool
		want           string
	}{
		{"http", "HTTP/1.1 400 Bad Request\r\n\r\n", true, "host:80 answered but does not speak the GDB remote protocol"},
		{"ssh", "SSH-2.0-OpenSSH_9.2\r\n", false, "host:80 answered but does not speak the GDB remote protocol"},
		{"silence", "", false, "silence"},
		{"closed", "", true, "a closed connection"},
	} {
		t.Run(c.name, func(t *testing.T) {
			here, there := net.Pipe()
			done := make(chan struct{})
			go func() {
				defer close(done)
				there.Read(make([]byte, 4096))
				io.WriteString(there, c.greeting)
				if c.closes {
					there.Close()
				}
				io.Copy(io.Discard, there)
			}()
			_, err := Connect(soon(t), here, Options{Peer: "host:80", Hello: 50 * time.Millisecond})
			var e *targets.ProtocolError
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) || e.Hint() == "" {
				t.Errorf("got %v", err)
			}
			there.Close()
			<-done
		})
	}
}

func TestConnectGivenUp(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Connect(ctx, here, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := there.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still open")
	}
}

// session is what a cut may fall into.
func session(t *testing.T, s wireSession, conn io.ReadWriteCloser) error {
	c, err := Connect(soon(t), conn, Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	tg := c.Target()
	if tg == nil {
		return errors.New("no target")
	}
	stop, ok := (<-tg.Events()).(targets.Stop)
	if !ok {
		return targets.ErrGone
	}
	before, after := make([]byte, 8), make([]byte, 8)
	if _, err := tg.ReadMemory(soon(t), targets.Space{}, s.loop, before); err != nil {
		return err
	}
	if err := tg.SetTrap(soon(t), targets.Trap{Addr: s.loop}); err != nil {
		return err
	}
	if _, err := tg.ReadMemory(soon(t), targets.Space{}, s.loop, after); err != nil {
		return err
	}
	if err := tg.Resume(soon(t), goOn()); err != nil {
		return err
	}
	select {
	case e := <-tg.Events():
		if g, gone := e.(targets.Gone); gone {
			if g.Err == nil {
				t.Error("a cut wire looks like a clean end")
			}
			return g.Err
		}
	case <-time.After(patience):
		t.Fatal("no event")
	}
	_, err = tg.Registers(soon(t), stop.Thread)
	return err
}

type wireSession struct{ loop arch.Addr }

// TestCutAtEveryByte hangs up at every byte a recorded far end sent (inside of
// the long target description at every 257th): nothing hangs, nothing panics, and
// the loss is told.
func TestCutAtEveryByte(t *testing.T) {
	s, trace := recorded(t, filepath.Join(wires, "trap.wire"))
	cuts := 0
	for i, m := range trace {
		if m.Out {
			continue
		}
		stride := 1
		if len(m.Data) > 1000 {
			stride = 257
		}
		for n := 0; n < len(m.Data); n += stride {
			cut := append([]wire.Message(nil), trace[:i]...)
			if n > 0 {
				cut = append(cut, wire.Message{Data: m.Data[:n]})
			}
			err := session(t, wireSession{s.Loop}, wire.NewReplay(cut, true))
			if err == nil {
				if cuts < 500 {
					t.Fatalf("only %d cuts before the session was over", cuts)
				}
				return
			}
			var p *targets.ProtocolError
			if !errors.Is(err, targets.ErrGone) && !errors.As(err, &p) {
				t.Fatalf("message %d, byte %d: %v", i, n, err)
			}
			cuts++
		}
	}
}

func TestServerDies(t *testing.T) {
	addr, cmd := server(t, "--once", "127.0.0.1:0", probe(t), "loop")
	c, _ := connect(t, addr, Options{})
	tg := c.Target()
	expect[targets.Stop](t, tg)
	if err := tg.Resume(soon(t), goOn()); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	g := expect[targets.Gone](t, tg)
	if !errors.Is(g.Err, targets.ErrGone) {
		t.Errorf("gone %+v", g)
	}
	if err := tg.Close(soon(t), targets.Detach); err != nil {
		t.Errorf("closing after the loss: %v", err)
	}
}

func TestNoAnswer(t *testing.T) {
	here, there := net.Pipe()
	done := make(chan struct{})
	go func() { // answers the beginning, then only takes
		defer close(done)
		r := wire.NewReplay(far(hello), false)
		defer r.Close()
		go io.Copy(there, r)
		io.Copy(r, there)
		io.Copy(io.Discard, there)
	}()
	c, err := Connect(soon(t), here, Options{Timeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	expect[targets.Stop](t, c.Target())
	if _, err := c.Target().ReadMemory(soon(t), targets.Space{}, 0, make([]byte, 4)); !errors.Is(err, targets.ErrGone) {
		t.Errorf("got %v", err)
	}
	if g := expect[targets.Gone](t, c.Target()); g.Err == nil {
		t.Error("a far end that stopped answering looks like a clean end")
	}
	c.Close()
	there.Close()
	<-done
}

// TestThreadEventsCrash: with QThreadEvents some gdbservers die when the process
// exits; that is a lost connection or the exit, never a hang.
func TestThreadEventsCrash(t *testing.T) {
	addr, _ := server(t, "--once", "127.0.0.1:0", probe(t), "brief")
	c, _ := connect(t, addr, Options{ThreadEvents: true})
	tg := c.Target()
	expect[targets.Stop](t, tg)
	if err := tg.Resume(soon(t), goOn()); err != nil {
		t.Fatal(err)
	}
	if g := expect[targets.Gone](t, tg); g.Err == nil && (!g.Exited || g.Code != 3) {
		t.Errorf("gone %+v", g)
	}
}

// TestSilentWhileRunning: nothing but 0x03 leaves while the debuggee runs, in
// any of the recorded sessions.
func TestSilentWhileRunning(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(wires, "*.wire"))
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		_, m := recorded(t, f)
		if bad := spokenWhileRunning(m); bad != "" {
			t.Errorf("%s: %s", filepath.Base(f), bad)
		}
	}
}

// spokenWhileRunning returns what was sent between a resume and its stop.
func spokenWhileRunning(trace []wire.Message) string {
	flight := 0 // of the resume under way
	for _, m := range trace {
		body := bytes.TrimPrefix(m.Data, []byte("$"))
		switch {
		case m.Out && flight != 0 && !bytes.Equal(m.Data, []byte{interrupt}):
			return m.String()
		case m.Out && (bytes.HasPrefix(body, []byte("vCont;")) || len(body) == 4 && (body[0] == 'c' || body[0] == 's')):
			flight = m.Flight
		case !m.Out && m.Flight == flight && len(body) > 0 && strings.ContainsRune("TSWX", rune(body[0])):
			flight = 0
		}
	}
	return ""
}
