package kd

import "bytes"

// Framer cuts what comes from a serial line into whole packets, for a relay that
// stands near the line: bytes that crawl over a network one by one run into the
// timeouts between them. What a terminal in the line added is taken out again.
type Framer struct {
	r    receiver
	seen bool // the user was told of a terminal
	told func(string)
}

// NewFramer returns a Framer for a line of this cleanness. told is called once when
// the line is found to write CR LF for LF; it may be nil.
func NewFramer(mode Newlines, told func(string)) *Framer {
	if told == nil {
		told = func(string) {}
	}
	return &Framer{r: receiver{lines: newlines{mode: mode}}, told: told}
}

// Push takes bytes of the line and returns what can be passed on: packets as they were
// sent, one to a piece, and what is between them as it came.
func (f *Framer) Push(b []byte) [][]byte {
	f.r.push(b)
	return f.cut(false)
}

// Busy reports whether a packet has begun. When nothing more comes for a while, Flush.
func (f *Framer) Busy() bool { return len(f.r.buf) > 0 }

// Flush returns the rest: nothing more comes. A packet that is not whole is the
// receiver's to refuse.
func (f *Framer) Flush() [][]byte { return f.cut(true) }

func (f *Framer) cut(over bool) (out [][]byte) {
	for {
		was := bytes.Clone(f.r.buf)
		p, raw, v := f.r.next(over)
		noise := was[:len(was)-len(raw)-len(f.r.buf)]
		if v == unfinished && over {
			noise = was
		}
		if len(noise) > 0 {
			out = append(out, noise)
		}
		switch v {
		case whole:
			out = append(out, p.encode())
		case damaged:
			out = append(out, raw)
		default:
			return out
		}
		if f.r.lines.mangled() && !f.seen {
			f.seen = true
			f.told("The line writes CR LF for LF; the CRs are taken out here.")
		}
	}
}
