package core

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"strings"

	"dap-windbg/arch"
)

// Contents says which memory goes into a core.
type Contents uint8

const (
	// Full is what Linux writes by default and more: all memory that may be written
	// to, and what no file has. The rest is read from the files.
	Full Contents = iota
	// Mini is the threads' stacks, what these and the registers point to, and small
	// writable regions, such as the data of images.
	Mini
	// Everything is all that can be read, code too: no file is needed to look at it.
	Everything
)

// Reader reads memory of the process; it is short where memory cannot be read.
type Reader func(ctx context.Context, addr arch.Addr, p []byte) (int, error)

const (
	smallRegion = 256 << 10
	stackMost   = 1 << 20  // of one stack, from its pointer on
	referMost   = 64 << 20 // of what stacks point to
	redZone     = 128      // below the stack pointer, System V ABI AMD64 3.2.2
)

// Choose sets what is kept of each region.
func (p *Process) Choose(ctx context.Context, c Contents, read Reader) error {
	slices.SortFunc(p.Regions, func(a, b Region) int { return cmp.Compare(a.Start, b.Start) })
	for i := range p.Regions {
		r := &p.Regions[i]
		r.Keep = nil
		switch {
		case !r.usable():
		case c == Everything && r.Read || r.wanted(c):
			r.Keep = []Range{{r.Start, r.End}}
		case r.file() && r.Offset == 0: // its headers say which build it is
			r.Keep = []Range{{r.Start, min(r.End, r.Start+pageSize)}}
		}
	}
	if c != Mini {
		return nil
	}
	return p.chooseReferred(ctx, read)
}

// usable reports whether r can be read without harm.
func (r *Region) usable() bool {
	switch {
	case r.Hidden || r.Path == "[vsyscall]" || r.Path == "[vvar]" || r.Path == "[vvar_vclock]":
		return false
	case !r.Detailed && strings.HasPrefix(r.Path, "/dev/") && !strings.HasPrefix(r.Path, "/dev/shm/") && r.Path != "/dev/zero":
		return false // a device: reading may do something
	}
	return r.Read || r.Write || r.Exec || r.Changed
}

// wanted reports whether all of r is kept.
func (r *Region) wanted(c Contents) bool {
	whole := r.Write || r.Changed || !r.file() || !r.Detailed && !r.Exec && !r.Shared
	if c == Mini {
		return whole && (r.Size() <= smallRegion || r.Path == "[vdso]")
	}
	return whole
}

// chooseReferred adds to a mini core the stacks and what they point to.
func (p *Process) chooseReferred(ctx context.Context, read Reader) error {
	pages := map[arch.Addr]bool{}
	refer := func(at arch.Addr) {
		if r := p.region(at); r != nil && len(pages)*pageSize < referMost && r.usable() && r.wanted(Full) {
			pages[at&^(pageSize-1)] = true
		}
	}
	for _, t := range p.Threads {
		for i := range t.Registers.Set.Regs {
			if v, ok := t.Registers.Uint(i); ok {
				refer(arch.Addr(v))
			}
		}
		sp := t.Registers.SP()
		r := p.region(sp)
		if r == nil {
			continue
		}
		lo := max(r.Start, sp-redZone)
		stack := make([]byte, min(uint64(r.End-lo), stackMost))
		n, err := read(ctx, lo, stack)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && n == 0 {
			continue
		}
		for at := lo &^ (pageSize - 1); at < lo+arch.Addr(n); at += pageSize {
			pages[at] = true
		}
		w := t.Registers.Set.Arch.PtrSize
		for skip := -int(lo) & (w - 1); skip+w <= n; skip += w {
			refer(arch.Addr(word(stack[skip:], w)))
		}
	}
	p.chooseLinks(ctx, read, pages)
	p.keepPages(pages)
	return ctx.Err()
}

// chooseLinks keeps the loader's list of images, by which debuggers find them.
func (p *Process) chooseLinks(ctx context.Context, read Reader, pages map[arch.Addr]bool) {
	if len(p.Threads) == 0 {
		return
	}
	w := walker{width: p.Threads[0].Registers.Set.Arch.PtrSize, read: func(at uint64, d []byte) int {
		n, _ := read(ctx, arch.Addr(at), d)
		return n
	}, touched: func(at uint64) { pages[arch.Addr(at)&^(pageSize-1)] = true }}
	w.links(w.debug(auxiliary(p.Auxv, w.width, auxPhdr), auxiliary(p.Auxv, w.width, auxPhnum)))
}

// keepPages adds single pages to what is kept.
func (p *Process) keepPages(pages map[arch.Addr]bool) {
	for at := range pages {
		r := p.region(at)
		if r == nil || !r.usable() || slices.ContainsFunc(r.Keep, func(k Range) bool { return at >= k.Lo && at < k.Hi }) {
			continue
		}
		r.Keep = append(r.Keep, Range{at, min(at+pageSize, r.End)})
	}
	for i := range p.Regions {
		r := &p.Regions[i]
		slices.SortFunc(r.Keep, func(a, b Range) int { return cmp.Compare(a.Lo, b.Lo) })
		var joined []Range
		for _, k := range r.Keep {
			if n := len(joined); n > 0 && k.Lo <= joined[n-1].Hi {
				joined[n-1].Hi = max(joined[n-1].Hi, k.Hi)
				continue
			}
			joined = append(joined, k)
		}
		r.Keep = joined
	}
}

// region is the one that holds at, nil when none does.
func (p *Process) region(at arch.Addr) *Region {
	i := sort.Search(len(p.Regions), func(i int) bool { return p.Regions[i].Start > at }) - 1
	if i < 0 || at >= p.Regions[i].End {
		return nil
	}
	return &p.Regions[i]
}
