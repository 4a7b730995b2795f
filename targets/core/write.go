package core

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"dap-windbg/arch"
	"dap-windbg/binfmt/elf"
	"dap-windbg/targets"
)

// Process is a stopped process as a core file tells of it.
type Process struct {
	ID, Parent int64
	UID, GID   uint32
	State      byte   // as in /proc/PID/stat, 0 unknown
	Name       string // the first 15 bytes are kept
	Args       string // the first 79 bytes are kept
	Auxv       []byte
	Threads    []Thread // the one that stopped first
	Regions    []Region
}

// Thread is a thread of a Process.
type Thread struct {
	ID        int64
	Registers *arch.Registers
	Signal    int    // of the first thread: what stopped the process, 0 nothing
	Siginfo   []byte // struct siginfo, nil unknown
}

// Source carries out reads in one flight, past any cache and with traps masked out.
type Source func(ctx context.Context, reads []*targets.MemoryRead) error

// Written tells what a core file has come to.
type Written struct {
	Memory uint64 // bytes of memory in it
	Lost   uint64 // bytes that should be in it and could not be read
	Size   int64  // of the file, bytes; its disk usage is less
}

// UnknownMachineError: there is no core format for the CPU.
type UnknownMachineError struct{ CPU string }

func (e *UnknownMachineError) Error() string {
	return "core files of " + e.CPU + " processes are not known"
}

const (
	flight    = 4 << 20 // bytes read at once, which bounds the memory that writing takes
	piece     = 1 << 20 // bytes of one read
	spare     = 64      // program headers kept for regions with holes
	maxFaults = 1024    // pages of a region that cannot be read, then the rest is given up
)

// Write writes the core file of p. progress is told the bytes of memory done and
// in all, nil: nobody. The file grows as memory is read; pages of zeros become
// holes. An error leaves a file that is no use.
func Write(ctx context.Context, f io.WriterAt, p *Process, read Source, progress func(done, total uint64)) (Written, error) {
	if len(p.Threads) == 0 {
		return Written{}, errors.New("a process without threads has no core file")
	}
	a := p.Threads[0].Registers.Set.Arch
	m := machineFor(a)
	if m == nil {
		return Written{}, &UnknownMachineError{a.Name}
	}
	if progress == nil {
		progress = func(uint64, uint64) {}
	}
	w := &writer{f: f, m: m, p: p, read: read, progress: progress}
	err := w.run(ctx)
	return w.out, err
}

// writer writes one core file.
type writer struct {
	f        io.WriterAt
	m        *machine
	p        *Process
	read     Source
	progress func(done, total uint64)

	load        []elf.Segment // memory that is in the file, by address
	room        int           // how many of them there may be
	at          uint64        // where in the file the next memory goes
	faults      int           // pages of faulty that could not be read
	faulty      *Region
	done, total uint64
	out         Written
}

// maxHeaders is how many pieces of memory a core is made of at most.
const maxHeaders = 1 << 18

func (w *writer) run(ctx context.Context) error {
	notes := w.m.notes(w.p)
	parts := 0
	for i := range w.p.Regions {
		for _, k := range w.p.Regions[i].Keep {
			parts++
			w.total += uint64(k.Hi - k.Lo)
		}
	}
	w.room = parts + spare
	slots := 2*w.room + len(w.p.Regions) + 1 // a gap behind each, and one for each region
	if slots > maxHeaders {
		return fmt.Errorf("the process has %d pieces of memory, more than a core file can list", parts)
	}
	head := w.headSize(slots)
	if _, err := w.f.WriteAt(notes, int64(head)); err != nil {
		return err
	}
	w.at = align(head + uint64(len(notes)))
	if err := w.memory(ctx); err != nil {
		return err
	}
	w.out.Size = int64(w.at)
	if t, ok := w.f.(interface{ Truncate(int64) error }); ok { // a hole at the end counts
		if err := t.Truncate(int64(w.at)); err != nil {
			return err
		}
	}
	return w.headers(head, uint64(len(notes)))
}

func align(n uint64) uint64 { return (n + pageSize - 1) &^ (pageSize - 1) }

// item is memory that goes into the file next: what a read brings, or zeros.
type item struct {
	r     *Region
	read  *targets.MemoryRead // nil: zeros
	zeros Range
}

// batch is a flight of reads being collected.
type batch struct {
	items []item
	size  uint64
}

// memory copies what is kept, several reads a flight.
func (w *writer) memory(ctx context.Context) error {
	var b batch
	for i := range w.p.Regions {
		r := &w.p.Regions[i]
		for _, k := range r.Keep {
			for k.Lo < k.Hi {
				lo := k.Lo
				if end := r.zeros(lo); end > lo {
					k.Lo = min(end, k.Hi)
					b.items = append(b.items, item{r: r, zeros: Range{lo, k.Lo}})
					continue
				}
				k.Lo = min(lo+piece, k.Hi, r.nextZeros(lo))
				n := uint64(k.Lo - lo)
				b.items = append(b.items, item{r: r, read: &targets.MemoryRead{Addr: lo, Data: make([]byte, n)}})
				if b.size += n; b.size < flight {
					continue
				}
				if err := w.flush(ctx, &b); err != nil {
					return err
				}
			}
		}
	}
	return w.flush(ctx, &b)
}

// flush carries out a flight and writes what it brought.
func (w *writer) flush(ctx context.Context, b *batch) error {
	var reads []*targets.MemoryRead
	for _, i := range b.items {
		if i.read != nil {
			reads = append(reads, i.read)
		}
	}
	if len(reads) > 0 {
		if err := w.read(ctx, reads); err != nil {
			return err
		}
	}
	for _, i := range b.items {
		if i.read == nil {
			w.append(i.r, i.zeros.Lo, uint64(i.zeros.Hi-i.zeros.Lo))
		} else if err := w.store(ctx, i.r, i.read); err != nil {
			return err
		}
	}
	*b = batch{}
	w.progress(w.done, w.total)
	return ctx.Err()
}

// append adds n bytes of memory at addr to the file and returns where in it they
// go; false when there are no more headers.
func (w *writer) append(r *Region, addr arch.Addr, n uint64) (at uint64, ok bool) {
	w.done += n
	last := len(w.load) - 1
	switch {
	case last >= 0 && addr != r.Start && w.load[last].Vaddr+w.load[last].Memsz == uint64(addr):
		w.load[last].Memsz += n
		w.load[last].Filesz += n
	case len(w.load) == w.room:
		w.out.Lost += n
		return 0, false
	default:
		w.load = append(w.load, elf.Segment{Type: elf.SegLoad, Flags: r.flags(), Offset: w.at, Vaddr: uint64(addr), Filesz: n, Memsz: n, Align: pageSize})
	}
	at = w.at
	w.at += n
	w.out.Memory += n
	return at, true
}

// store writes what a read has brought, and what lies behind pages that cannot be read.
func (w *writer) store(ctx context.Context, r *Region, m *targets.MemoryRead) error {
	for {
		n := min(max(m.N, 0), len(m.Data))
		switch {
		case m.Err == nil:
			n = len(m.Data)
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(m.Err, targets.ErrGone):
			return m.Err
		case n < len(m.Data):
			n &^= pageSize - 1
		}
		if n > 0 {
			if at, ok := w.append(r, m.Addr, uint64(n)); ok {
				if err := w.put(m.Data[:n], at); err != nil {
					return err
				}
			}
		}
		rest := len(m.Data) - n
		if rest == 0 {
			return nil
		}
		skip := w.skip(r, rest)
		if rest == skip {
			return nil
		}
		m = &targets.MemoryRead{Addr: m.Addr + arch.Addr(n+skip), Data: m.Data[n+skip:]}
		if err := w.read(ctx, []*targets.MemoryRead{m}); err != nil {
			return err
		}
	}
}

// skip passes by a page that cannot be read, or by all rest bytes of a region that
// has had many.
func (w *writer) skip(r *Region, rest int) int {
	if w.faulty != r {
		w.faulty, w.faults = r, 0
	}
	n := min(pageSize, rest)
	if w.faults++; w.faults > maxFaults {
		n = rest
	}
	w.out.Lost += uint64(n)
	w.done += uint64(n)
	return n
}

var zeros [pageSize]byte

// put writes data at a place in the file; pages of zeros stay holes.
func (w *writer) put(data []byte, at uint64) error {
	from := 0
	for i := 0; i < len(data); i += pageSize {
		page := data[i:min(i+pageSize, len(data))]
		if !bytes.Equal(page, zeros[:len(page)]) {
			continue
		}
		if err := w.writeAt(data[from:i], at+uint64(from)); err != nil {
			return err
		}
		from = i + len(page)
	}
	return w.writeAt(data[from:], at+uint64(from))
}

func (w *writer) writeAt(data []byte, at uint64) error {
	if len(data) == 0 {
		return nil
	}
	_, err := w.f.WriteAt(data, int64(at))
	return err
}

// flags are those of a program header.
func (r *Region) flags() (f uint32) {
	if r.Read {
		f |= elf.SegR
	}
	if r.Write {
		f |= elf.SegW
	}
	if r.Exec {
		f |= elf.SegX
	}
	return f
}

// segments are all program headers of memory: with gaps, which were mapped too.
func (w *writer) segments() []elf.Segment {
	var out []elf.Segment
	load := w.load
	for i := range w.p.Regions {
		r := &w.p.Regions[i]
		at := uint64(r.Start)
		gap := func(to uint64) {
			if to > at {
				out = append(out, elf.Segment{Type: elf.SegLoad, Flags: r.flags(), Vaddr: at, Memsz: to - at, Align: pageSize})
			}
		}
		for ; len(load) > 0 && load[0].Vaddr < uint64(r.End); load = load[1:] {
			gap(load[0].Vaddr)
			out = append(out, load[0])
			at = load[0].Vaddr + load[0].Memsz
		}
		gap(uint64(r.End))
	}
	return out
}
