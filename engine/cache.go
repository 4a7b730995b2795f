package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

const (
	lineSize   = 256  // bytes of a cache line; divides a page
	faultSize  = 4096 // what one fault says about its neighbours
	directRead = 1 << 20
	maxWindow  = 8 << 20 // what one miss may have read beyond it: a usual stack
)

// spot is a cache line's address.
type spot struct {
	space targets.Space
	addr  arch.Addr
}

// line holds lineSize bytes; good and bad have a bit for each.
type line struct {
	data      [lineSize]byte
	good, bad [lineSize / 64]uint64
}

func (l *line) mark(set *[lineSize / 64]uint64, from, n int) {
	for i := from; i < from+n; i++ {
		set[i/64] |= 1 << (i % 64)
	}
}

func (l *line) has(set *[lineSize / 64]uint64, i int) bool { return set[i/64]>>(i%64)&1 == 1 }

// cache is what is known of the debuggee's memory during one stop.
type cache struct {
	lines map[spot]*line
	round arch.Addr                   // reads are widened to multiples of it
	shown map[targets.ThreadID]uint64 // see loop.shown
}

func newCache(round int) *cache {
	return &cache{lines: make(map[spot]*line), round: arch.Addr(round), shown: map[targets.ThreadID]uint64{}}
}

func (c *cache) line(s targets.Space, a arch.Addr) *line {
	k := spot{s, a &^ (lineSize - 1)}
	l := c.lines[k]
	if l == nil {
		l = new(line)
		c.lines[k] = l
	}
	return l
}

// put stores bytes that were read.
func (c *cache) put(s targets.Space, a arch.Addr, p []byte) {
	for len(p) > 0 {
		l, o := c.line(s, a), int(a%lineSize)
		n := copy(l.data[o:], p)
		l.mark(&l.good, o, n)
		p, a = p[n:], a+arch.Addr(n)
	}
}

// fault remembers that [a, a+n) cannot be read.
func (c *cache) fault(s targets.Space, a arch.Addr, n int) {
	for n > 0 {
		l, o := c.line(s, a), int(a%lineSize)
		k := min(n, lineSize-o)
		l.mark(&l.bad, o, k)
		n, a = n-k, a+arch.Addr(k)
	}
}

// get copies what is known from a on. n is how many bytes were good; bad tells
// that the next one is known to be unreadable, else it is missing (n < len(p)).
func (c *cache) get(s targets.Space, a arch.Addr, p []byte) (n int, bad bool) {
	for n < len(p) {
		at := a + arch.Addr(n)
		l := c.lines[spot{s, at &^ (lineSize - 1)}]
		if l == nil {
			return n, false
		}
		for o := int(at % lineSize); o < lineSize && n < len(p); o++ {
			if !l.has(&l.good, o) {
				return n, l.has(&l.bad, o)
			}
			p[n] = l.data[o]
			n++
		}
	}
	return n, false
}

// want is a range to fetch.
type want struct {
	space targets.Space
	addr  arch.Addr
	size  int
}

// stopMemory reads the cache of the stop and says *symbols.NeedError on a miss,
// remembering it for the next flight.
type stopMemory struct {
	l      *loop
	space  targets.Space
	wants  []want
	window int // how far beyond a miss to read, 0: only what was asked
}

func (m *stopMemory) ReadMemory(ctx context.Context, addr arch.Addr, p []byte) (int, error) {
	if m.space.Root != 0 {
		return m.l.throughTables(ctx, m.space.Root, addr, p, m.reach(ctx), m.reach(ctx))
	}
	return m.at(ctx, m.space, addr, p)
}

func (m *stopMemory) reach(ctx context.Context) spaceReader {
	return func(s targets.Space, a arch.Addr, p []byte) (int, error) { return m.at(ctx, s, a, p) }
}

// at reads a space that the far end knows.
func (m *stopMemory) at(ctx context.Context, s targets.Space, addr arch.Addr, p []byte) (int, error) {
	n, bad := m.l.mem.get(s, addr, p)
	switch {
	case n == len(p):
		return n, nil
	case bad:
		more, err := m.l.reveal(ctx, s, addr+arch.Addr(n), p[n:], m.reach(ctx), m.reach(ctx))
		return n + more, err
	}
	m.wants = append(m.wants, want{s, addr + arch.Addr(n), max(len(p)-n, m.l.onStack(addr+arch.Addr(n), m.window))})
	return n, &symbols.NeedError{Addr: addr + arch.Addr(n), Size: len(p) - n}
}

// nowMemory fetches what the cache misses at once.
type nowMemory struct {
	l     *loop
	space targets.Space
}

func (m *nowMemory) ReadMemory(ctx context.Context, addr arch.Addr, p []byte) (int, error) {
	return m.l.read(ctx, m.space, addr, p)
}

// noMemory has nothing: for questions that are answered from registers alone, or not.
type noMemory struct{}

func (noMemory) ReadMemory(_ context.Context, a arch.Addr, p []byte) (int, error) {
	return 0, &symbols.NeedError{Addr: a, Size: len(p)}
}

// merge widens wants to the cache's rounding and joins those that touch.
func (c *cache) merge(wants []want) []want {
	for i, w := range wants {
		lo := w.addr &^ (c.round - 1)
		hi := w.addr + arch.Addr(w.size)
		if up := (hi + c.round - 1) &^ (c.round - 1); up > hi {
			hi = up
		}
		if hi < w.addr { // wraps around the top
			lo, hi = w.addr, ^arch.Addr(0)
		}
		wants[i] = want{w.space, lo, int(hi - lo)}
	}
	slices.SortFunc(wants, func(a, b want) int {
		return cmp.Or(cmp.Compare(a.space.Process, b.space.Process), cmp.Compare(a.space.CPU, b.space.CPU),
			cmp.Compare(a.space.Root, b.space.Root), cmp.Compare(a.addr, b.addr))
	})
	var out []want
	for _, w := range wants {
		if n := len(out); n > 0 && out[n-1].space == w.space && w.addr <= out[n-1].addr+arch.Addr(out[n-1].size) {
			last := &out[n-1]
			last.size = max(last.size, int(w.addr-last.addr)+w.size)
			continue
		}
		out = append(out, w)
	}
	return out
}

// fetch reads all wants in one flight, which may carry other operations too.
func (l *loop) fetch(ctx context.Context, wants []want, with ...targets.Op) error {
	ops := with
	rider := l.rider
	if l.rider = nil; rider != nil {
		ops = append(ops, rider.ops()...)
	}
	var reads []*targets.MemoryRead
	for _, w := range l.mem.merge(wants) {
		r := &targets.MemoryRead{Space: w.space, Addr: w.addr, Data: make([]byte, w.size)}
		reads = append(reads, r)
		ops = append(ops, r)
	}
	if err := l.do(ctx, ops...); err != nil {
		return err
	}
	if rider != nil {
		rider.took()
	}
	for _, r := range reads {
		l.keep(r)
	}
	return nil
}

// keep stores the result of a read, with traps masked out of it.
func (l *loop) keep(r *targets.MemoryRead) {
	n := min(max(r.N, 0), len(r.Data))
	if r.Err == nil {
		n = len(r.Data)
	}
	l.traps.mask(r.Space, r.Addr, r.Data[:n])
	l.mem.put(r.Space, r.Addr, r.Data[:n])
	var fault *targets.FaultError
	if n == len(r.Data) || !errors.As(r.Err, &fault) || fault.Addr < r.Addr {
		return
	}
	rest := len(r.Data) - int(fault.Addr-r.Addr)
	if room := faultSize - int(fault.Addr%faultSize); rest > room {
		rest = room
	}
	l.mem.fault(r.Space, fault.Addr, rest)
}

// read fills p through the cache, fetching what it misses.
func (l *loop) read(ctx context.Context, s targets.Space, addr arch.Addr, p []byte) (int, error) {
	reach := func(s targets.Space, a arch.Addr, p []byte) (int, error) { return l.read(ctx, s, a, p) }
	if s.Root != 0 {
		return l.throughTables(ctx, s.Root, addr, p, reach, reach)
	}
	if len(p) >= directRead {
		return l.readDirect(ctx, s, addr, p)
	}
	done := 0
	for {
		n, bad := l.mem.get(s, addr+arch.Addr(done), p[done:])
		done += n
		if done == len(p) {
			return done, nil
		}
		at := addr + arch.Addr(done)
		if bad {
			n, err := l.reveal(ctx, s, at, p[done:], reach, reach)
			return done + n, err
		}
		exact := &targets.MemoryRead{Space: s, Addr: at, Data: make([]byte, len(p)-done)}
		wide := l.mem.merge([]want{{s, at, len(exact.Data)}})[0]
		exact.Addr, exact.Data = wide.addr, make([]byte, wide.size)
		if err := l.do(ctx, exact); err != nil {
			return done, err
		}
		l.keep(exact)
		if n, bad := l.mem.get(s, at, p[done:]); n == 0 && !bad {
			return l.readExact(ctx, s, at, p, done, exact.Err)
		}
	}
}

// readExact is for a far end that refuses the widened read but may grant the plain one.
func (l *loop) readExact(ctx context.Context, s targets.Space, at arch.Addr, p []byte, done int, why error) (int, error) {
	r := &targets.MemoryRead{Space: s, Addr: at, Data: make([]byte, len(p)-done)}
	if err := l.do(ctx, r); err != nil {
		return done, err
	}
	l.keep(r)
	n, bad := l.mem.get(s, at, p[done:])
	done += n
	if done == len(p) {
		return done, nil
	}
	if bad {
		return done, &targets.FaultError{Addr: at + arch.Addr(n)}
	}
	if r.Err == nil {
		r.Err = why
	}
	if r.Err == nil {
		r.Err = &targets.FaultError{Addr: at + arch.Addr(n)}
	}
	return done, r.Err
}

// readDirect passes large reads by the cache.
func (l *loop) readDirect(ctx context.Context, s targets.Space, addr arch.Addr, p []byte) (int, error) {
	r := &targets.MemoryRead{Space: s, Addr: addr, Data: p}
	if err := l.do(ctx, r); err != nil {
		return 0, err
	}
	n := r.N
	if r.Err == nil {
		n = len(p)
	}
	l.traps.mask(s, addr, p[:n])
	return n, r.Err
}

// gather runs f over the stop's cache, fetches all that it missed in one flight
// and runs it again, until nothing is missing.
func (l *loop) gather(ctx context.Context, space targets.Space, window int, f Reader) error {
	for range 16 {
		m := &stopMemory{l: l, space: space, window: window}
		err := f(ctx, m)
		if len(m.wants) == 0 {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if l.due != nil { // it may bring what is missing
			l.catchUp(ctx)
			continue
		}
		asked := slices.Clone(m.wants)
		l.asked = append(l.asked, asked...)
		if err := l.fetch(ctx, m.wants); err != nil {
			return err
		}
		l.settle(asked)
		window = min(8*window, maxWindow)
	}
	err := f(ctx, &nowMemory{l, space})
	return err
}

// settle makes sure that each byte asked for is known to be good or bad, so
// that a reader never asks for it twice.
func (l *loop) settle(asked []want) {
	var b [1]byte
	for _, w := range asked {
		if n, bad := l.mem.get(w.space, w.addr, b[:]); n == 0 && !bad {
			l.mem.fault(w.space, w.addr, 1)
		}
	}
}
