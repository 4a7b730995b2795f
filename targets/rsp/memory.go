package rsp

import (
	"context"
	"encoding/hex"
	"errors"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// page is the grain in which memory is mapped: a failed read is repeated in
// pieces of it to find the first bad address.
const page = 4096

// readChunk is how much one m may ask: two digits a byte, in round figures.
func (c *Conn) readChunk() int {
	n := (c.packetSize - 4) / 2
	switch {
	case c.kind.name == qemuStub.name: // what is left of a kernel's stack often takes nearly all
		n &^= 7
	case n > 512:
		n &^= 255
	case n > 256:
		n &^= 63
	}
	return max(n, 16)
}

// enter makes the following memory requests speak of s; leave undoes it.
func (p *plan) enter(s targets.Space) (leave func(), err error) {
	c := p.t.c
	nothing := func() {}
	switch {
	case s.Root != 0:
		return nil, errors.ErrUnsupported
	case s.Physical && !c.physical:
		return nil, errors.ErrUnsupported
	case s.Physical:
		p.ask("Qqemu.PhyMemMode:1")
		return func() { p.ask("Qqemu.PhyMemMode:0").undoes = true }, nil
	}
	id := p.t.someThread()
	in := p.t.info.Load()
	switch {
	case s.CPU != 0 && !in.Machine:
		return nil, errors.ErrUnsupported
	case s.CPU != 0:
		id = threadID{in.pid, s.CPU}
	case s.Process != 0 && s.Process != in.pid:
		id = threadID{s.Process, 0}
	}
	if p.general == (threadID{}) && id == p.t.current() && p.t.alone() {
		return nothing, nil // after a stop all far ends speak of the thread that stopped
	}
	if p.general != (threadID{}) && p.general.process == id.process && !in.Machine {
		return nothing, nil // any thread of a process sees its memory
	}
	p.speakOf(id)
	return nothing, nil
}

// someThread is a thread of t that is there: the one that stopped, or any.
func (t *Target) someThread() threadID {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	if t.motion != nil {
		return threadID{t.info.Load().pid, 0}
	}
	return t.thread
}

// alone reports whether the far end holds no other process.
func (t *Target) alone() bool {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	return !t.c.several()
}

// reading is how memory is read: in digits (m), or in bytes (x). The answer to x
// begins with a mark where GDB's manual is followed ("binary-upload"), LLDB's is
// the memory alone.
type reading uint8

const (
	digitReads reading = iota
	markedReads
	rawReads
)

// piece is a part of a transfer: n bytes from offset off. A fine one does not
// cross a page, so its first byte is where it fails.
type piece struct {
	off, n int
	fine   bool
	binary reading
	req    *request
}

// errorLength is that of E01, which is not told from as many bytes of memory.
const errorLength = 3

// split cuts n bytes into pieces of at most chunk.
func split(n, chunk int) []*piece {
	var out []*piece
	for off := 0; off < n; off += chunk {
		out = append(out, &piece{off: off, n: min(chunk, n-off)})
	}
	return out
}

// pages cuts a piece of a transfer at addr at page boundaries.
func (pc *piece) pages(addr arch.Addr) []*piece {
	var out []*piece
	for off, end := pc.off, pc.off+pc.n; off < end; {
		k := min(page-int((uint64(addr)+uint64(off))%page), end-off)
		out = append(out, &piece{off: off, n: k, fine: true})
		off += k
	}
	return out
}

func (p *plan) readMemory(o *targets.MemoryRead) {
	p.readPieces(o, split(len(o.Data), p.t.c.readChunk()))
}

// readPieces asks for the pieces that have not been asked for. The first that
// fails is asked for again page by page, what lies behind it is dropped.
func (p *plan) readPieces(o *targets.MemoryRead, pieces []*piece) {
	leave, err := p.enter(o.Space)
	if err != nil {
		o.Err = err
		return
	}
	for _, pc := range pieces {
		if pc.req == nil {
			verb := 'm'
			if pc.binary = p.t.c.reads; pc.n == errorLength {
				pc.binary = digitReads
			}
			if pc.binary != digitReads {
				verb = 'x'
			}
			pc.req = p.ask("%c%x,%x", verb, uint64(o.Addr)+uint64(pc.off), pc.n)
		}
	}
	leave()
	p.then(func(next *plan) {
		for i, pc := range pieces {
			got := pc.take(o.Data)
			o.N = pc.off + got
			if got == pc.n {
				continue
			}
			if parts := pc.pages(o.Addr); !pc.fine && got == 0 && len(parts) > 1 && next != nil {
				next.readPieces(o, append(parts, pieces[i+1:]...))
				return
			}
			o.Err = &targets.FaultError{Addr: o.Addr + arch.Addr(o.N)}
			return
		}
	})
}

// take puts the reply where it belongs and returns how many bytes it brought.
func (pc *piece) take(data []byte) int {
	p := pc.req.reply
	switch marked := len(p) > 0 && p[0] == 'b'; {
	case pc.binary == rawReads && !isError(p) && len(p) <= pc.n:
		return copy(data[pc.off:pc.off+pc.n], p)
	case pc.binary == markedReads && marked && len(p) <= pc.n+1:
		return copy(data[pc.off:pc.off+pc.n], p[1:])
	case pc.binary != digitReads:
		return 0
	}
	if isError(p) || len(p)%2 != 0 || len(p) > 2*pc.n {
		return 0
	}
	n, err := hex.Decode(data[pc.off:pc.off+pc.n], p)
	if err != nil {
		return 0
	}
	return n
}

// writeChunk leaves room for the head and for every byte being escaped.
func (c *Conn) writeChunk() int { return max((c.packetSize-40)/2, 16) }

func (t *Target) write(ctx context.Context, s targets.Space, addr arch.Addr, data []byte) (n int, err error) {
	finish, err := t.c.turnWhile(ctx, t, t.c.nonstop)
	if err != nil {
		return 0, err
	}
	defer finish()
	p := t.plan()
	p.writeMemory(s, addr, data, func(k int, e error) { n, err = k, e })
	if lost := t.fly(ctx, p); lost != nil {
		return 0, lost
	}
	return n, err
}

func (p *plan) writeMemory(s targets.Space, addr arch.Addr, data []byte, done func(int, error)) {
	p.writePieces(&writing{s, addr, data, done}, split(len(data), p.t.c.writeChunk()))
}

type writing struct {
	space targets.Space
	addr  arch.Addr
	data  []byte
	done  func(int, error)
}

func (p *plan) writePieces(w *writing, pieces []*piece) {
	c := p.t.c
	leave, err := p.enter(w.space)
	if err != nil {
		w.done(0, err)
		return
	}
	c.mu.Lock()
	digits := c.noX
	c.mu.Unlock()
	for _, pc := range pieces {
		switch data := w.data[pc.off : pc.off+pc.n]; {
		case pc.req != nil:
		case digits:
			pc.req = p.ask("M%x,%x:%x", uint64(w.addr)+uint64(pc.off), pc.n, data)
		default:
			pc.req = p.ask("X%x,%x:%s", uint64(w.addr)+uint64(pc.off), pc.n, escaped(data))
		}
	}
	leave()
	p.then(func(next *plan) {
		for i, pc := range pieces {
			if string(pc.req.reply) == "OK" {
				continue
			}
			if len(pc.req.reply) == 0 && !digits && next != nil {
				c.mu.Lock()
				c.noX = true
				c.mu.Unlock()
				next.writePieces(w, fresh(pieces[i:]))
				return
			}
			if parts := pc.pages(w.addr); !pc.fine && len(parts) > 1 && next != nil {
				next.writePieces(w, append(parts, pieces[i+1:]...))
				return
			}
			w.done(pc.off, w.failure(pc))
			return
		}
		w.done(len(w.data), nil)
	})
}

// fresh returns the pieces as if they had not been asked for.
func fresh(pieces []*piece) []*piece {
	for _, pc := range pieces {
		pc.req = nil
	}
	return pieces
}

func (w *writing) failure(pc *piece) error {
	if err := wrote("writing memory", pc.req); !isError(pc.req.reply) {
		return err
	}
	return &targets.FaultError{Addr: w.addr + arch.Addr(pc.off), Write: true}
}
