package kdsrv

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"go.uber.org/goleak"

	"dap-windbg/remote/transport"
	"dap-windbg/targets/targettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit bounds every wait of a test.
const limit = 20 * time.Second

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start runs a server on loopback and returns how to reach it. A password costs
// either end a second.
func start(t *testing.T, o Options, password string) transport.Spec {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	s := transport.Spec{Protocol: "tcp", Port: 0, Password: password}
	ln, err := transport.Listen(ctx, s, transport.Options{Service: Service})
	must(t, err)
	done := make(chan error, 1)
	server := New(o)
	server.gap = limit // a busy machine may let single bytes wait
	go func() { done <- server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		ln.Close()
		<-done
	})
	s = ln.Spec()
	s.Server = "127.0.0.1"
	return s
}

func open(t *testing.T, s transport.Spec, r Request, notify func(Event)) (*Line, error) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), limit)
	defer stop()
	conn, err := transport.Dial(ctx, s, transport.Options{Service: Service})
	must(t, err)
	l, err := Open(ctx, conn, r, notify)
	if err == nil {
		t.Cleanup(func() { l.Close() })
	}
	return l, err
}

// socket is a line that is a unix socket; far gives its other end each time it is opened.
func socket(t *testing.T) (path string, far chan net.Conn) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "kd")
	far = make(chan net.Conn, 16)
	targettest.Listen(t, "unix", path, func(c net.Conn) { far <- c })
	return path, far
}

// packets are KD data packets as they stand on a line, with many CR and LF in them.
func packets(seed uint64, n int) [][]byte {
	r := rand.New(rand.NewPCG(seed, 1))
	var out [][]byte
	for i := range n {
		data := make([]byte, 1+r.IntN(400))
		sum := uint32(0)
		for j := range data {
			data[j] = "\r\n\nA0b\xaa"[r.IntN(7)]
			sum += uint32(data[j])
		}
		p := []byte("0000\x07\x00")
		p = binary.LittleEndian.AppendUint16(p, uint16(len(data)))
		p = binary.LittleEndian.AppendUint32(p, 0x80800000|uint32(i&1))
		p = binary.LittleEndian.AppendUint32(p, sum)
		out = append(out, append(append(p, data...), 0xaa))
	}
	return out
}

// frames reads what comes in data frames until there are want bytes.
func frames(t *testing.T, l *Line, want int) (out [][]byte) {
	t.Helper()
	buf := make([]byte, 1<<16)
	for n := 0; n < want; {
		k, err := l.Read(buf)
		must(t, err)
		out = append(out, bytes.Clone(buf[:k]))
		n += k
	}
	return out
}

// TestRelay tells how long after the last byte of a packet on the line the client has the
// packet, of which a target's timeouts leave a second.
func TestRelay(t *testing.T) {
	s := start(t, Options{Allow: []string{"/*/*/*/*"}}, "")
	path, far := socket(t)
	l, err := open(t, s, Request{Port: path, Pipe: true}, nil)
	must(t, err)
	end := <-far
	var took []time.Duration
	for _, p := range packets(3, 200) {
		_, err := end.Write(p[:len(p)-1])
		must(t, err)
		began := time.Now()
		_, err = end.Write(p[len(p)-1:])
		must(t, err)
		if got := frames(t, l, len(p)); len(got) != 1 || !bytes.Equal(got[0], p) {
			t.Fatalf("a packet of %d bytes came in %d pieces, or another one", len(p), len(got))
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("a packet is at the client after its last byte: median %v, 95%% within %v", took[len(took)/2], took[len(took)*95/100])
}

// TestTwoLines: two clients on two lines at once, one of which writes CR LF for LF.
// What arrives is byte for byte what was sent, whole packets at a time, although the
// lines give single bytes.
func TestTwoLines(t *testing.T) {
	s := start(t, Options{Allow: []string{"/*/*/*/*"}}, "secret")
	var all sync.WaitGroup
	for i, mangled := range []bool{false, true} {
		path, far := socket(t)
		var notes []string
		l, err := open(t, s, Request{Port: path, Pipe: true}, func(e Event) { notes = append(notes, e.Text) })
		must(t, err)
		end := <-far
		sent := packets(uint64(i), 60)
		all.Go(func() {
			for _, p := range sent {
				if mangled {
					p = bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n"))
				}
				for j := range p {
					end.Write(p[j : j+1])
				}
			}
		})
		all.Go(func() {
			got := frames(t, l, len(bytes.Join(sent, nil)))
			if len(got) != len(sent) {
				t.Errorf("mangled %v: %d frames of %d packets", mangled, len(got), len(sent))
			}
			if !bytes.Equal(bytes.Join(got, nil), bytes.Join(sent, nil)) {
				t.Errorf("mangled %v: the bytes differ", mangled)
			}
			if told := strings.Join(notes, ""); mangled != strings.Contains(told, "CR LF") {
				t.Errorf("mangled %v: told %q", mangled, told)
			}
		})
		back := bytes.Join(packets(9, 10), []byte("b"))
		_, err = l.Write(back)
		must(t, err)
		p := make([]byte, len(back))
		_, err = io.ReadFull(end, p)
		must(t, err)
		if !bytes.Equal(p, back) {
			t.Errorf("mangled %v: towards the line the bytes differ", mangled)
		}
	}
	all.Wait()
}

// TestBytes: a line that is not KD's passes each byte at once, also what would begin a
// packet; so does a pseudo terminal.
func TestBytes(t *testing.T) {
	s := start(t, Options{}, "")
	master, slave, err := pty.Open()
	must(t, err)
	defer master.Close()
	defer slave.Close()
	l, err := open(t, s, Request{Port: slave.Name(), Bytes: true}, nil)
	must(t, err)
	for _, text := range []string{"0000", "$OK#9a", "iiii\x00\x7f\xff\r\n"} {
		_, err := master.Write([]byte(text))
		must(t, err)
		if got := string(bytes.Join(frames(t, l, len(text)), nil)); got != text {
			t.Errorf("%q became %q", text, got)
		}
		_, err = l.Write([]byte(text))
		must(t, err)
		p := make([]byte, len(text))
		_, err = io.ReadFull(master, p)
		must(t, err)
		if string(p) != text {
			t.Errorf("%q became %q on the line", text, p)
		}
	}
	must(t, l.SendBreak())
}

// TestOneClient: a line has one client, the second hears who that is; a line that was
// given back is free.
func TestOneClient(t *testing.T) {
	s := start(t, Options{Allow: []string{"/*/*/*/*"}}, "")
	path, far := socket(t)
	l, err := open(t, s, Request{Port: path, Pipe: true}, nil)
	must(t, err)
	end := <-far
	var refused *transport.Error
	if _, err := open(t, s, Request{Port: path, Pipe: true}, nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), "in use by") || refused.Hint() == "" {
		t.Errorf("a second client: %v", err)
	}
	must(t, l.Close())
	if n, err := end.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the line is still open: %d %v", n, err)
	}
	for over := time.Now().Add(limit); ; {
		_, err := open(t, s, Request{Port: path, Pipe: true}, nil)
		if err == nil {
			return
		}
		if time.Now().After(over) {
			t.Fatal(err)
		}
	}
}

// TestAllow: a server gives the lines that it was told to give.
func TestAllow(t *testing.T) {
	path, _ := socket(t)
	for _, tt := range []struct {
		allow []string
		r     Request
		ok    bool
	}{
		{nil, Request{Port: path, Pipe: true}, false},
		{nil, Request{Port: path}, false},
		{nil, Request{Port: "/dev/null"}, false},
		{nil, Request{Port: "/dev/ttyS0/../null"}, false},
		{nil, Request{Port: "/dev/ttyNone"}, true},
		{[]string{path}, Request{Port: path, Pipe: true}, true},
		{nil, Request{Port: "127.0.0.1", TCP: 1}, false},
		{[]string{filepath.Join(filepath.Dir(path), "*")}, Request{Port: path, Pipe: true}, true},
		{[]string{"/dev/ttyUSB*"}, Request{Port: path, Pipe: true}, false},
		{[]string{"com2"}, Request{Port: "com1"}, false},
	} {
		l, err := open(t, start(t, Options{Allow: tt.allow}, ""), tt.r, nil)
		if denied := err != nil && strings.Contains(err.Error(), "does not give"); denied == tt.ok {
			t.Errorf("%v, %+v: %v", tt.allow, tt.r, err)
		}
		if err == nil {
			l.Close()
		}
	}
	if _, err := open(t, start(t, Options{}, ""), Request{Port: "/dev/ttyNone"}, nil); err == nil || !strings.Contains(err.Error(), "Unable to open /dev/ttyNone") {
		t.Errorf("a line that is not there: %v", err)
	}
}

// TestAway: a line that goes away is told and opened again, and goes on.
func TestAway(t *testing.T) {
	s := start(t, Options{Allow: []string{"/*/*/*/*"}}, "")
	path, far := socket(t)
	events := make(chan Event, 8)
	l, err := open(t, s, Request{Port: path, Pipe: true}, func(e Event) { events <- e })
	must(t, err)
	(<-far).Close()
	sent := packets(3, 1)[0]
	go func() { (<-far).Write(sent) }()
	if got := frames(t, l, len(sent)); !bytes.Equal(bytes.Join(got, nil), sent) {
		t.Errorf("after it came back: % x", got)
	}
	if e := <-events; !e.Away || e.Text == "" {
		t.Errorf("first %+v", e)
	}
	if e := <-events; !e.Back {
		t.Errorf("then %+v", e)
	}
}

// TestDeaf: a line whose far end takes nothing holds up a client's bytes, and nothing
// else: when the client has gone, the line is the next one's.
func TestDeaf(t *testing.T) {
	s := start(t, Options{}, "")
	master, slave, err := pty.Open()
	must(t, err)
	defer master.Close()
	defer slave.Close()
	r := Request{Port: slave.Name(), Bytes: true}
	l, err := open(t, s, r, nil)
	must(t, err)
	l.stream.SetWriteDeadline(time.Now().Add(time.Second)) // until nothing more can be under way
	for err == nil {
		_, err = l.Write(make([]byte, maxFrame))
	}
	must(t, l.Close())
	for end := time.Now().Add(limit); ; {
		_, err := open(t, s, r, nil)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			io.CopyN(io.Discard, master, 1) // what holds the line goes on
			t.Fatal(err)
		}
	}
}

// TestReverse: a server that connects to its client ends with it.
func TestReverse(t *testing.T) {
	ctx, stop := context.WithTimeout(context.Background(), limit)
	defer stop()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	port := probe.Addr().(*net.TCPAddr).Port
	probe.Close()
	spec := transport.Spec{Protocol: "tcp", Clicon: "127.0.0.1", Port: port}
	served := make(chan error, 1)
	go func() {
		for { // the client comes first; when it listens is not told
			ln, err := transport.Listen(ctx, spec, transport.Options{Service: Service})
			if err == nil {
				err = New(Options{}).Serve(ctx, ln)
				ln.Close()
			}
			if err == nil || ctx.Err() != nil {
				served <- errors.Join(err, ctx.Err())
				return
			}
		}
	}()
	conn, err := transport.Dial(ctx, spec, transport.Options{Service: Service})
	must(t, err)
	must(t, conn.Close())
	must(t, <-served)
}

// TestStrange: what is no request is refused, and the server serves on.
func TestStrange(t *testing.T) {
	s := start(t, Options{Allow: []string{"/*/*/*/*"}}, "")
	ctx, stop := context.WithTimeout(context.Background(), limit)
	defer stop()
	conn, err := transport.Dial(ctx, s, transport.Options{Service: Service})
	must(t, err)
	defer conn.Close()
	for _, kind := range []string{"processes", kindLine} {
		if _, err := conn.Open(ctx, kind, []int{1}, nil); err == nil {
			t.Errorf("%s: nothing is wrong with it", kind)
		}
	}
	path, far := socket(t)
	st, err := conn.Open(ctx, kindLine, Request{Port: path, Pipe: true}, nil)
	must(t, err)
	end := <-far
	st.Write([]byte{77, 0, 0})
	if _, err := end.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a frame of no kind: %v", err)
	}
}

// FuzzFrames: nothing that comes breaks the reader of frames.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{0, 0, 3, 1, 2, 3, 2, 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		for {
			kind, p, err := receive(r)
			if err != nil {
				return
			}
			if kind > frameNote || len(p) > maxFrame {
				t.Fatal(kind, len(p))
			}
		}
	})
}
