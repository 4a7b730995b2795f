package wire

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Message is one line of a trace.
type Message struct {
	Out    bool          // towards the far end
	At     time.Duration // since the trace began
	Flight int           // 0: belongs to none
	Data   []byte
}

// Trace writes a wire's messages to w as they pass. A nil *Trace is off. A
// failing w ends the trace, never the session: see Err.
type Trace struct {
	now   func() time.Time
	start time.Time

	mu  sync.Mutex
	w   io.Writer
	err error
}

// NewTrace returns a trace to w. Time comes from now; nil is the real clock.
func NewTrace(w io.Writer, now func() time.Time) *Trace {
	if now == nil {
		now = time.Now
	}
	return &Trace{now: now, start: now(), w: w}
}

// Message adds one message of a flight (0: of none).
func (t *Trace) Message(out bool, flight int, data []byte) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return
	}
	m := Message{Out: out, At: t.now().Sub(t.start), Flight: flight, Data: data}
	_, t.err = io.WriteString(t.w, m.String()+"\n")
}

// Err tells why the trace ended early, nil while it has not.
func (t *Trace) Err() error {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// String is the message's line.
func (m Message) String() string {
	dir := "<"
	if m.Out {
		dir = ">"
	}
	return fmt.Sprintf("%s %.6f %d %s", dir, m.At.Seconds(), m.Flight, strconv.QuoteToASCII(string(m.Data)))
}

// Wrap traces rw for a protocol that knows no flights: each Write is a message,
// so is each Read, and each Write after a Read begins a new flight.
func (t *Trace) Wrap(rw io.ReadWriteCloser) io.ReadWriteCloser {
	if t == nil {
		return rw
	}
	return &traced{ReadWriteCloser: rw, trace: t}
}

type traced struct {
	io.ReadWriteCloser
	trace *Trace

	mu     sync.Mutex
	flight int
	heard  bool
}

func (t *traced) number(out bool) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if out && (t.heard || t.flight == 0) {
		t.flight++
	}
	t.heard = !out
	return t.flight
}

func (t *traced) Read(p []byte) (int, error) {
	n, err := t.ReadWriteCloser.Read(p)
	if n > 0 {
		t.trace.Message(false, t.number(false), p[:n])
	}
	return n, err
}

func (t *traced) Write(p []byte) (int, error) {
	t.trace.Message(true, t.number(true), p)
	return t.ReadWriteCloser.Write(p)
}

// SyntaxError: a line of a trace file is none.
type SyntaxError struct {
	Line int // from 1
	Text string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("trace line %d: not a message: %.60q", e.Line, e.Text)
}

// maxLine bounds a trace line: a packet of 1 MiB with every byte quoted.
const maxLine = 4<<20 + 64

// Parse reads a trace.
func Parse(r io.Reader) ([]Message, error) {
	var out []Message
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	for n := 1; s.Scan(); n++ {
		line := strings.TrimSpace(s.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		m, ok := parseLine(line)
		if !ok {
			return out, &SyntaxError{Line: n, Text: line}
		}
		out = append(out, m)
	}
	if err := s.Err(); err != nil {
		return out, fmt.Errorf("reading the trace: %w", err)
	}
	return out, nil
}

func parseLine(line string) (Message, bool) {
	f := strings.SplitN(line, " ", 4)
	if len(f) != 4 || f[0] != ">" && f[0] != "<" {
		return Message{}, false
	}
	at, err1 := strconv.ParseFloat(f[1], 64)
	flight, err2 := strconv.Atoi(f[2])
	text, err3 := strconv.Unquote(f[3])
	if err1 != nil || err2 != nil || err3 != nil || flight < 0 || !(at >= 0 && at < 1e9) {
		return Message{}, false
	}
	return Message{Out: f[0] == ">", At: time.Duration(at * float64(time.Second)), Flight: flight, Data: []byte(text)}, true
}

// RoundTrips counts the links of the longest chain request, reply, next request
// in a trace (or a part of one). Requests that travel together share one, and a
// resume and its stop are one, however long the debuggee runs. A request sent
// while earlier ones are still unanswered follows only what had been heard.
func RoundTrips(trace []Message) int {
	depth := map[int]int{} // of each flight
	heard, last, longest := 0, 0, 0
	for _, m := range trace {
		switch {
		case m.Out && m.Flight != 0:
			if _, sent := depth[m.Flight]; !sent {
				depth[m.Flight] = heard + 1
			}
			last = max(last, depth[m.Flight])
			longest = max(longest, last)
		case !m.Out:
			d, known := depth[m.Flight]
			if !known {
				d = last // began before this part, or was not asked for
			}
			heard = max(heard, d)
		}
	}
	return longest
}
