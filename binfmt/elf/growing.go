package elf

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// growing is a section in zlib's compression, which is decompressed from its beginning
// as far as somebody has asked: the debug information of a large library takes longer
// than what is wanted of it.
type growing struct {
	file *File
	name string
	size int
	raw  []byte    // with zlib's header
	kept Beginning // by an earlier run, nil: nothing is

	mu   sync.Mutex
	z    *inflater // nil: nothing was decompressed by this one
	err  error
	told int // bytes that the keeper was told of
}

// Keeper keeps decompressed sections from one run to the next.
type Keeper interface {
	// Section is what was kept of a section of that size, decompressed, or nil.
	Section(name string, size uint64) Beginning
	// Keep keeps the beginning of a section that is size bytes long.
	Keep(name string, size uint64, beginning []byte)
	// Later calls f after a while, or never: when enough will have been decompressed
	// for it to be worth keeping, or whoever owns the keeper has closed it.
	Later(f func())
}

// Beginning is a section that was kept as far as it was needed. Its bytes are there as
// long as it is reachable.
type Beginning interface {
	Data() []byte    // as long as the whole section
	UpTo(n int) bool // whether the first n bytes are there and sound
}

const (
	growStep = 64 << 10 // the least that is decompressed at a time, bytes
	worth    = 32 << 10 // the least that is worth keeping
)

// upTo returns the section with its first n bytes, at least, in place.
func (g *growing) upTo(n int) ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n = min(n, g.size)
	if g.z == nil && g.kept != nil && g.kept.UpTo(n) {
		return g.kept.Data(), nil
	}
	if g.z == nil && g.err == nil {
		g.z, g.err = newInflater(g.raw, uint64(g.size))
	}
	if g.err == nil && g.z.have < n {
		g.file.keepSoon()
		g.err = g.z.upTo(min(max(n, g.z.have+growStep), g.size))
		if g.err != nil || g.z.have == g.size {
			g.z.done()
		}
	}
	if g.z == nil || g.z.have < n {
		return nil, g.err
	}
	return g.z.out, nil
}

// Prefix is Data as far as its first n bytes: the result is as long as the whole
// section, and what lies behind them may be missing yet. Where that saves nothing all of
// it is there.
func (f *File) Prefix(s *Section, n uint64) ([]byte, error) {
	raw, ok := f.Raw(s)
	old := s.compressedOld()
	if !ok || s.Flags&FlagCompressed == 0 && !old || f.Type == Rel {
		return f.Joined(s)
	}
	kind, size, raw := f.compression(raw, old)
	if kind != zlibKind || f.tooLarge(size, raw) != nil {
		return f.Data(s)
	}
	b, err := f.growingOf(s, raw, size).upTo(int(min(n, size)))
	if err != nil {
		return nil, fmt.Errorf("decompressing section %s: %w", s.Name, err)
	}
	return b, nil
}

// growingOf is the one decompression of s. The keeper, which opens files, is asked
// without the file's lock.
func (f *File) growingOf(s *Section, raw []byte, size uint64) *growing {
	if g := f.growingAt(s.Index, nil); g != nil {
		return g
	}
	g := &growing{file: f, name: s.Name, size: int(size), raw: raw}
	if f.Keeper != nil && size >= worth {
		g.kept = f.Keeper.Section(s.Name, size)
	}
	return f.growingAt(s.Index, g)
}

// growingAt is the decompression of section i: the first one that is made.
func (f *File) growingAt(i int, made *growing) *growing {
	f.mu.Lock()
	defer f.mu.Unlock()
	if g := f.growing[i]; g != nil || made == nil {
		return g
	}
	if f.growing == nil {
		f.growing = map[int]*growing{}
	}
	f.growing[i] = made
	return made
}

// keepSoon has the keeper told of what is decompressed, when more of it will be.
func (f *File) keepSoon() {
	if f.Keeper == nil {
		return
	}
	f.mu.Lock()
	asked := f.keeping
	f.keeping = true
	f.mu.Unlock()
	if !asked {
		f.Keeper.Later(f.keep)
	}
}

func (f *File) keep() {
	f.mu.Lock()
	f.keeping = false
	list := slices.Collect(maps.Values(f.growing))
	f.mu.Unlock()
	for _, g := range list {
		if b := g.news(); b != nil {
			f.Keeper.Keep(g.name, uint64(g.size), b)
		}
	}
}

// news is the section as far as it is there, when the keeper was not told of that; its
// bytes do not change any more.
func (g *growing) news() []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.z == nil || g.z.have < worth || g.z.have <= g.told {
		return nil
	}
	g.told = g.z.have
	return g.z.out[:g.told]
}
