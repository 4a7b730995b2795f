package sim

import (
	"io"
	"math/rand/v2"
	"time"
)

// Faults are what one direction of a line does to bytes. Probabilities are per byte,
// in millionths. Newlines lasts for ever; the others stop after Limit faults.
type Faults struct {
	Newlines  int // LF arrives as so many CRs and an LF
	Drop      int
	Flip      int // a bit
	Duplicate int
	Insert    int // a run of leader bytes, or a break-in
	Cut       int // the rest of what was written is lost
	Limit     int // 0: no limit
	Seed      uint64

	rand *rand.Rand
	done int
}

// Apply is what arrives of p.
func (f *Faults) Apply(p []byte) []byte {
	if f.rand == nil {
		f.rand = rand.New(rand.NewPCG(f.Seed, 0x6c696e65))
	}
	out := make([]byte, 0, len(p)+8)
	hit := func(chance int) bool {
		if chance == 0 || f.Limit > 0 && f.done >= f.Limit || f.rand.IntN(1_000_000) >= chance {
			return false
		}
		f.done++
		return true
	}
	for _, b := range p {
		switch {
		case hit(f.Cut):
			return out
		case hit(f.Drop):
			continue
		case hit(f.Flip):
			b ^= 1 << f.rand.IntN(8)
		case hit(f.Duplicate):
			out = append(out, b)
		case hit(f.Insert):
			out = append(out, [][]byte{{0x30, 0x30, 0x30}, {0x69, 0x69}, {0x62}, {0x30, 0x30, 0x30, 0x30, 0x30}}[f.rand.IntN(4)]...)
		}
		if b == '\n' {
			for range f.Newlines {
				out = append(out, '\r')
			}
		}
		out = append(out, b)
	}
	return out
}

// Line is a connection with faults in both directions and the speed of a serial line.
// Reads and writes are a target's: In is what the debugger's bytes suffer.
type Line struct {
	io.ReadWriter
	In, Out *Faults // nil: none
	Baud    int     // 0: as fast as it goes
	Split   int     // longest piece written at once, bytes; 0: no limit

	Received, Sent int // bytes so far
}

// bits that a byte takes on a serial line: start, eight, stop.
const bitsPerByte = 10

func (l *Line) wait(n int) {
	if l.Baud > 0 {
		// The speed of the line is what is simulated.
		time.Sleep(time.Duration(n) * bitsPerByte * time.Second / time.Duration(l.Baud))
	}
}

func (l *Line) Read(p []byte) (int, error) {
	buf := make([]byte, max(1, min(len(p)/4, 64)))
	for {
		n, err := l.ReadWriter.Read(buf)
		l.Received += n
		l.wait(n)
		got := buf[:n]
		if l.In != nil {
			got = l.In.Apply(got)
		}
		if len(got) > 0 || err != nil {
			return copy(p, got), err
		}
	}
}

func (l *Line) Write(p []byte) (int, error) {
	all := p
	if l.Out != nil {
		all = l.Out.Apply(p)
	}
	for len(all) > 0 {
		n := len(all)
		if l.Split > 0 {
			n = min(n, l.Split)
		}
		if l.Baud > 0 {
			n = min(n, 64)
		}
		l.wait(n)
		if _, err := l.ReadWriter.Write(all[:n]); err != nil {
			return 0, err
		}
		l.Sent += n
		all = all[n:]
	}
	return len(p), nil
}
