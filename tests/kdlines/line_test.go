package kdlines

import (
	"bytes"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

// fault is what a line does to one write, and how long it takes.
type fault func(r *rand.Rand, p []byte) [][]byte

// pause in a list of pieces is a silence on the line.
var pause = []byte(nil)

var faults = map[string]fault{
	"drop a byte": func(r *rand.Rand, p []byte) [][]byte {
		i := r.IntN(len(p))
		return [][]byte{p[:i], p[i+1:]}
	},
	"drop all": func(r *rand.Rand, p []byte) [][]byte { return nil },
	"cut":      func(r *rand.Rand, p []byte) [][]byte { return [][]byte{p[:r.IntN(len(p))]} },
	"flip": func(r *rand.Rand, p []byte) [][]byte {
		q := bytes.Clone(p)
		q[r.IntN(len(q))] ^= 1 << r.IntN(8)
		return [][]byte{q}
	},
	"double": func(r *rand.Rand, p []byte) [][]byte { return [][]byte{p, p} },
	"leaders": func(r *rand.Rand, p []byte) [][]byte {
		return [][]byte{bytes.Repeat([]byte{"0i"[r.IntN(2)]}, 1+r.IntN(6)), p}
	},
	"break-in": func(r *rand.Rand, p []byte) [][]byte { return [][]byte{{'b'}, p} },
	"noise": func(r *rand.Rand, p []byte) [][]byte {
		q := make([]byte, 1+r.IntN(40))
		for i := range q {
			q[i] = byte(r.Uint32())
		}
		return [][]byte{q, p}
	},
	"in the middle": func(r *rand.Rand, p []byte) [][]byte {
		i := r.IntN(len(p))
		return [][]byte{p[:i], {byte(r.Uint32())}, p[i:]}
	},
	"gap": func(r *rand.Rand, p []byte) [][]byte {
		i := r.IntN(len(p))
		return [][]byte{p[:i], pause, p[i:]}
	},
	"CR LF": func(r *rand.Rand, p []byte) [][]byte { return [][]byte{lf(p)} },
}

// lf is what a terminal makes of line ends.
func lf(p []byte) []byte { return bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n")) }

// way is one direction of a line.
type way struct {
	mu     sync.Mutex
	cond   *sync.Cond
	buf    []byte
	closed bool

	rand   *rand.Rand
	names  []string // of faults
	left   int      // faults still to come
	every  int      // writes between faults, about
	always func([]byte) []byte
	delay  time.Duration // of the line, which is slower than its ends
	orders bool          // this way leads to the target
	total  int           // bytes
}

func (w *way) write(p []byte) (int, error) {
	pieces := [][]byte{p}
	if w.remaining() > 0 && len(p) > 0 && w.rand.IntN(w.every) == 0 {
		w.mu.Lock()
		w.left--
		w.mu.Unlock()
		pieces = faults[w.names[w.rand.IntN(len(w.names))]](w.rand, p)
		w.hush(pieces, p)
	}
	time.Sleep(w.delay) // on the clock of the test, which costs nothing
	for _, q := range pieces {
		if q == nil {
			// Shorter and longer than all deadlines within a packet.
			time.Sleep(time.Duration(w.rand.IntN(3000)) * time.Millisecond / 2)
			continue
		}
		if w.always != nil {
			q = w.always(q)
		}
		w.mu.Lock()
		if w.closed {
			w.mu.Unlock()
			return 0, io.ErrClosedPipe
		}
		w.total += len(q)
		w.buf = append(w.buf, q...)
		w.mu.Unlock()
		w.cond.Broadcast()
	}
	return len(p), nil
}

// remaining is how many faults are still to come.
func (w *way) remaining() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.left
}

// hush takes break-ins out of noise towards the target where they are not wanted: a
// break-in is no fault of the line but an order, which the machine follows.
func (w *way) hush(pieces [][]byte, p []byte) {
	if !w.orders {
		return
	}
	for i, q := range pieces {
		if len(q) > 0 && &q[0] != &p[0] && len(q) <= 40 && (len(q) == 1 || !bytes.Contains(p, q)) {
			pieces[i] = bytes.ReplaceAll(q, []byte("b"), []byte("c"))
		}
	}
}

func (w *way) read(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.buf) == 0 && !w.closed {
		w.cond.Wait()
	}
	if len(w.buf) == 0 {
		return 0, io.EOF
	}
	n := copy(p, w.buf)
	w.buf = w.buf[n:]
	return n, nil
}

func (w *way) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.cond.Broadcast()
}

// end is one end of a line.
type end struct{ in, out *way }

func (e end) Read(p []byte) (int, error)  { return e.in.read(p) }
func (e end) Write(p []byte) (int, error) { return e.out.write(p) }

func (e end) Close() error {
	e.in.close()
	e.out.close()
	return nil
}

// newLine is a line whose two directions are faulty: towards the target and from it.
func newLine(to, from *way) (host, target end) {
	for _, w := range []*way{to, from} {
		w.cond = sync.NewCond(&w.mu)
		if w.every == 0 {
			w.every = 1
		}
	}
	return end{in: from, out: to}, end{in: to, out: from}
}
