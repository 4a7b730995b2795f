package kd

import (
	"io"
	"sync"
)

// writer writes in order without holding up whoever hands in bytes.
type writer struct {
	w    io.Writer
	mu   sync.Mutex
	cond *sync.Cond
	buf  [][]byte
	end  bool
	done chan struct{}
}

func newWriter(w io.Writer) *writer {
	o := &writer{w: w, done: make(chan struct{})}
	o.cond = sync.NewCond(&o.mu)
	return o
}

func (o *writer) write(p []byte) {
	o.mu.Lock()
	o.buf = append(o.buf, p)
	o.mu.Unlock()
	o.cond.Signal()
}

func (o *writer) finish() {
	o.mu.Lock()
	o.end = true
	o.mu.Unlock()
	o.cond.Signal()
}

// run writes each packet in one piece, for a target gives up on one whose bytes
// do not follow each other. A failing line is found out by the reader.
func (o *writer) run() {
	defer close(o.done)
	for {
		o.mu.Lock()
		for len(o.buf) == 0 && !o.end {
			o.cond.Wait()
		}
		if len(o.buf) == 0 {
			o.mu.Unlock()
			return
		}
		p := o.buf[0]
		o.buf = o.buf[1:]
		o.mu.Unlock()
		if _, err := o.w.Write(p); err != nil {
			return
		}
	}
}
