package linux

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// reader reads target memory and goes on after a *symbols.NeedError, which it
// keeps for the end, so that one flight brings all that was asked for.
type reader struct {
	ctx     context.Context
	mem     symbols.Memory
	order   binary.ByteOrder
	ptrSize int
	need    error
	seen    map[place]*mapped // nil: nothing is kept
}

func newReader(ctx context.Context, mem symbols.Memory, cpu *arch.Arch) *reader {
	r := &reader{ctx: ctx, mem: mem, order: binary.LittleEndian, ptrSize: cpu.PtrSize}
	if cpu.BigEndian {
		r.order = binary.BigEndian
	}
	return r
}

// read fills p as far as memory goes and returns how much that is.
func (r *reader) read(addr uint64, p []byte) int {
	n, err := r.mem.ReadMemory(r.ctx, arch.Addr(addr), p)
	r.note(err)
	return max(0, min(n, len(p)))
}

func (r *reader) note(err error) {
	var need *symbols.NeedError
	if r.need == nil && errors.As(err, &need) {
		r.need = err
	}
}

// words reads n pointer-sized integers; nil when not all can be read.
func (r *reader) words(addr uint64, n int) []uint64 {
	p := make([]byte, n*r.ptrSize)
	if r.read(addr, p) < len(p) {
		return nil
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = word(p[i*r.ptrSize:], r.order, r.ptrSize)
	}
	return out
}

// text reads a NUL-terminated string of at most limit bytes; false when it has no end.
func (r *reader) text(addr uint64, limit int) (string, bool) {
	const piece = 256
	var out []byte
	for len(out) < limit {
		// Pieces end at multiples of their size, so that none crosses into an unmapped page.
		p := make([]byte, piece-int((addr+uint64(len(out)))%piece))
		n := r.read(addr+uint64(len(out)), p)
		if end := bytes.IndexByte(p[:n], 0); end >= 0 {
			return string(append(out, p[:end]...)), true
		}
		out = append(out, p[:n]...)
		if n < len(p) {
			break
		}
	}
	return string(out), false
}

// end returns what a reading function returns besides its result: that bytes are
// needed, that the caller gave up, or nothing.
func (r *reader) end() error {
	if r.need != nil {
		return r.need
	}
	return r.ctx.Err()
}

// image adapts memory from base on to io.ReaderAt.
type image struct {
	*reader
	base uint64
}

func (m image) ReadAt(p []byte, off int64) (int, error) {
	n, err := m.mem.ReadMemory(m.ctx, arch.Addr(m.base+uint64(off)), p)
	m.note(err)
	return max(0, min(n, len(p))), err
}
