package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dap-windbg/targets"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMailboxNeverBlocksAndKeepsOrder(t *testing.T) {
	m := NewMailbox()
	const n = 1000
	for i := range n { // nobody listens
		if !m.Put(targets.Gone{Code: i}) && i == 0 {
			t.Fatal("the first event was refused")
		}
	}
	if g := (<-m.C()).(targets.Gone); g.Code != 0 {
		t.Errorf("got %+v", g)
	}
	if _, open := <-m.C(); open {
		t.Error("open after Gone")
	}
	m = NewMailbox()
	for i := range n {
		m.Put(targets.Stop{Thread: targets.ThreadID{Thread: int64(i)}})
	}
	m.Put(targets.Gone{})
	for i := range n {
		if s := (<-m.C()).(targets.Stop); s.Thread.Thread != int64(i) {
			t.Fatalf("event %d is %v", i, s.Thread)
		}
	}
	<-m.C()
	if _, open := <-m.C(); open {
		t.Error("open after Gone")
	}
}

func TestMailboxDrop(t *testing.T) {
	for _, n := range []int{0, 1, 16, 17, 100} {
		m := NewMailbox()
		for range n {
			m.Put(targets.Running{})
		}
		m.Drop()
		m.Drop()
		if m.Put(targets.Running{}) {
			t.Error("an ended mailbox takes events")
		}
		for range m.C() { // ends
		}
	}
}

func TestTraceIsAFixture(t *testing.T) {
	var text bytes.Buffer
	now := time.Unix(0, 0)
	tr := NewTrace(&text, func() time.Time { now = now.Add(time.Millisecond); return now })
	binary := []byte{0, 0xff, '"', '\n', '\\', 0xc3, 0xa9, 'x'}
	tr.Message(true, 1, []byte("$?#3f"))
	tr.Message(false, 1, binary)
	text.WriteString("# a comment\n\n")
	got, err := Parse(&text)
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	if !got[0].Out || got[0].At != time.Millisecond || got[0].Flight != 1 || string(got[0].Data) != "$?#3f" || got[1].Out || !bytes.Equal(got[1].Data, binary) {
		t.Errorf("got %+v", got)
	}
	if err := tr.Err(); err != nil {
		t.Error(err)
	}
}

func TestTraceOff(t *testing.T) {
	var tr *Trace
	tr.Message(true, 1, nil)
	if rw := (io.ReadWriteCloser)(NewReplay(nil, false)); tr.Wrap(rw) != rw || tr.Err() != nil {
		t.Error("a trace that is off does something")
	}
}

type broken struct{ n int }

func (b *broken) Write(p []byte) (int, error) { b.n++; return 0, io.ErrShortWrite }

func TestTraceEndsWithItsWriter(t *testing.T) {
	b := &broken{}
	tr := NewTrace(b, nil)
	tr.Message(true, 1, nil)
	tr.Message(true, 2, nil)
	if b.n != 1 || !errors.Is(tr.Err(), io.ErrShortWrite) {
		t.Errorf("%d writes, %v", b.n, tr.Err())
	}
}

func TestWrapNumbersFlights(t *testing.T) {
	far := NewReplay([]Message{out(0, "ab"), in(0, "c"), out(0, "d"), in(0, "e")}, true)
	var text bytes.Buffer
	rw := NewTrace(&text, nil).Wrap(far)
	p := make([]byte, 8)
	io.WriteString(rw, "a")
	io.WriteString(rw, "b")
	rw.Read(p)
	io.WriteString(rw, "d")
	rw.Read(p)
	got, err := Parse(&text)
	if err != nil || len(got) != 5 || got[0].Flight != 1 || got[1].Flight != 1 || got[2].Flight != 1 || got[3].Flight != 2 || got[4].Flight != 2 {
		t.Errorf("%v, %v", got, err)
	}
	if n := RoundTrips(got); n != 2 {
		t.Errorf("%d round trips", n)
	}
}

func TestParseErrors(t *testing.T) {
	for _, line := range []string{"x", "> 1 2", `> a 1 "x"`, `> 1 -1 "x"`, `> 1 1 x`, `= 1 1 "x"`, `> NaN 1 "x"`, `> -1 1 "x"`} {
		var e *SyntaxError
		if _, err := Parse(strings.NewReader("\n" + line)); !errors.As(err, &e) || e.Line != 2 {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func out(flight int, s string) Message { return Message{Out: true, Flight: flight, Data: []byte(s)} }
func in(flight int, s string) Message  { return Message{Flight: flight, Data: []byte(s)} }

func TestRoundTrips(t *testing.T) {
	for _, c := range []struct {
		name  string
		trace []Message
		want  int
	}{
		{"nothing", nil, 0},
		{"one after the other", []Message{out(1, "a"), in(1, "A"), out(2, "b"), in(2, "B")}, 2},
		{"together", []Message{out(1, "a"), out(1, "b"), in(1, "A"), in(1, "B")}, 1},
		{"together, in two flights", []Message{out(1, "a"), out(2, "b"), in(1, "A"), in(2, "B")}, 1},
		{"acknowledgements do not count", []Message{out(1, "a"), in(0, "+"), in(1, "A"), out(0, "+"), out(2, "b")}, 2},
		{"a resume and its stop", []Message{out(1, "c"), in(1, "O"), in(1, "O"), in(1, "T05"), out(2, "g"), in(2, "G")}, 2},
		{"a pause", []Message{out(1, "\x03"), in(9, "T02"), out(2, "g"), in(2, "G")}, 2},
		{"a sliding window", []Message{out(1, "a"), out(2, "b"), in(1, "A"), out(3, "c"), in(2, "B"), out(4, "d"), in(3, "C"), in(4, "D")}, 2},
	} {
		if got := RoundTrips(c.trace); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestReplay(t *testing.T) {
	trace := []Message{out(1, "ab"), out(1, "c"), in(1, "XYZ"), out(2, "d"), in(2, "W")}
	r := NewReplay(trace, true)
	io.WriteString(r, "a")
	io.WriteString(r, "bc")
	p := make([]byte, 2)
	var got string
	for {
		n, err := r.Read(p)
		got += string(p[:n])
		if err != nil {
			if err != io.EOF {
				t.Error(err)
			}
			break
		}
		if got == "XYZ" {
			io.WriteString(r, "d")
		}
	}
	if got != "XYZW" || r.Done() != nil {
		t.Errorf("read %q, %v", got, r.Done())
	}
}

func TestReplayMismatch(t *testing.T) {
	for _, c := range []struct {
		write string
		at    int
	}{{"ax", 0}, {"abq", 1}, {"abcd", 2}} {
		r := NewReplay([]Message{out(1, "ab"), out(1, "c")}, false)
		_, err := io.WriteString(r, c.write)
		var e *MismatchError
		if !errors.As(err, &e) || e.Message != c.at {
			t.Errorf("%q: %v", c.write, err)
		}
		if _, again := r.Read(make([]byte, 1)); again == nil || r.Done() == nil {
			t.Errorf("%q: the replay goes on after a mismatch", c.write)
		}
	}
	r := NewReplay([]Message{in(0, "x")}, false)
	if r.Done() == nil {
		t.Error("done without having been played")
	}
	r.Close()
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Error(err)
	}
	if _, err := r.Write([]byte("x")); err != io.ErrClosedPipe {
		t.Error(err)
	}
}

// lines is a dialect for tests: requests are lines, answers end with a full stop,
// lines that begin with + are acknowledgements.
var lines = Dialect{
	Split:   func(p []byte) int { return bytes.IndexByte(p, '\n') + 1 },
	Request: func(m []byte) bool { return len(m) > 0 && m[0] != '+' },
	Last:    func(_, in []byte) bool { return bytes.HasSuffix(in, []byte(".")) },
	Unknown: func(req []byte) []byte { return []byte("what.") },
}

func TestResponder(t *testing.T) {
	r := NewResponder([]Message{
		in(0, "hello."), out(1, "a\n"), out(1, "b\n"), in(1, "A1"), in(1, ".."), out(0, "+\n"), in(1, "B."), out(2, "a\n"), in(2, "A2."),
	}, lines)
	read := func() string {
		p := make([]byte, 99)
		n, _ := r.Read(p)
		return string(p[:n])
	}
	if s := read(); s != "hello." {
		t.Errorf("greeting %q", s)
	}
	for _, c := range [][2]string{{"b\n", "B."}, {"a\n", "A1.."}, {"a\n", "A2."}, {"+\na\n", "A2."}, {"z\n", "what."}} {
		io.WriteString(r, c[0][:1])
		io.WriteString(r, c[0][1:])
		if s := read(); s != c[1] {
			t.Errorf("%q was answered %q, want %q", c[0], s, c[1])
		}
	}
	r.Close()
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("> 0.1 1 \"$?#3f\"\n# x\n< 0.2 1 \"\\xff\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Parse(strings.NewReader(text))
		RoundTrips(m)
		if err != nil {
			return
		}
		var again bytes.Buffer
		for _, x := range m {
			again.WriteString(x.String() + "\n")
		}
		back, err := Parse(&again)
		if err != nil || len(back) != len(m) {
			t.Fatalf("%v: what was parsed does not parse when written", err)
		}
		for i := range m {
			if m[i].Out != back[i].Out || m[i].Flight != back[i].Flight || !bytes.Equal(m[i].Data, back[i].Data) {
				t.Fatalf("%v became %v", m[i], back[i])
			}
		}
	})
}
