package elf

import (
	"fmt"
	"sync"
)

// growing is a section in zlib's compression, which is decompressed from its beginning
// as far as somebody has asked: the debug information of a large library takes longer
// than what is wanted of it.
type growing struct {
	mu  sync.Mutex
	z   *inflater
	err error
}

// growStep is the least that is decompressed at a time, bytes.
const growStep = 64 << 10

func newGrowing(raw []byte, size uint64) (*growing, error) {
	z, err := newInflater(raw, size)
	return &growing{z: z}, err
}

// upTo returns the section with its first n bytes, at least, in place.
func (g *growing) upTo(n int) ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := g.z.out
	n = min(n, len(out))
	if g.z.have < n && g.err == nil {
		g.err = g.z.upTo(min(max(n, g.z.have+growStep), len(out)))
		if g.err != nil || g.z.have == len(out) {
			g.z.done()
		}
	}
	if g.z.have < n {
		return nil, g.err
	}
	return out, nil
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
	g, err := f.growingOf(s, raw, size)
	if err != nil {
		return nil, fmt.Errorf("decompressing section %s: %w", s.Name, err)
	}
	b, err := g.upTo(int(min(n, size)))
	if err != nil {
		return nil, fmt.Errorf("decompressing section %s: %w", s.Name, err)
	}
	return b, nil
}

// growingOf is the one decompression of s.
func (f *File) growingOf(s *Section, raw []byte, size uint64) (*growing, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if g := f.growing[s.Index]; g != nil {
		return g, nil
	}
	g, err := newGrowing(raw, size)
	if err != nil {
		return nil, err
	}
	if f.growing == nil {
		f.growing = map[int]*growing{}
	}
	f.growing[s.Index] = g
	return g, nil
}
