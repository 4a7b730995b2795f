package core

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/binfmt/elf"
	"dap-windbg/binfmt/mmap"
	"dap-windbg/targets"
)

// mapping is a row of NT_FILE: memory that was mapped from a file.
type mapping struct {
	start, end uint64
	offset     uint64 // in the file, bytes
	path       string
}

// pageSize is what memory is unavailable in. Machines with larger pages map in
// multiples of it.
const pageSize = 0x1000

// parseFiles reads NT_FILE: count, page size, then start, end and offset (in pages)
// of each, then their names.
func (t *Target) parseFiles(d []byte) {
	w := t.m.arch.PtrSize
	word := func(i int) uint64 {
		if w == 8 {
			return t.elf.Order.Uint64(d[i*w:])
		}
		return uint64(t.elf.Order.Uint32(d[i*w:]))
	}
	if len(d) < 2*w {
		return
	}
	count, page := word(0), word(1)
	if count > uint64(len(d))/uint64(3*w) || page == 0 || page > 1<<30 {
		return
	}
	table := 2 + 3*int(count)
	if table*w > len(d) {
		return
	}
	names := d[table*w:]
	for i := range int(count) {
		n := bytes.IndexByte(names, 0)
		if n < 0 {
			break
		}
		m := mapping{start: word(2 + 3*i), end: word(3 + 3*i), offset: word(4+3*i) * page, path: strings.TrimSuffix(string(names[:n]), " (deleted)")}
		names = names[n+1:]
		if m.end > m.start {
			t.mappings = append(t.mappings, m)
		}
	}
	slices.SortStableFunc(t.mappings, func(a, b mapping) int { return cmp.Compare(a.start, b.start) })
}

// mapped is the mapping that holds addr, nil when none does.
func (t *Target) mapped(addr uint64) *mapping {
	i := sort.Search(len(t.mappings), func(i int) bool { return t.mappings[i].start > addr }) - 1
	if i < 0 || addr >= t.mappings[i].end {
		return nil
	}
	return &t.mappings[i]
}

// segment is the segment that holds addr, nil when none does.
func (t *Target) segment(addr uint64) *segment {
	i := sort.Search(len(t.segments), func(i int) bool { return t.segments[i].addr > addr }) - 1
	if i < 0 || addr-t.segments[i].addr >= t.segments[i].size {
		return nil
	}
	return &t.segments[i]
}

// ReadMemory implements targets.Target.
func (t *Target) ReadMemory(ctx context.Context, s targets.Space, addr arch.Addr, p []byte) (int, error) {
	if s.Physical || s.Root != 0 {
		return 0, errors.ErrUnsupported
	}
	if t.isClosed() {
		return 0, targets.ErrGone
	}
	n := 0
	for n < len(p) {
		at := uint64(addr) + uint64(n)
		if at < uint64(addr) {
			break
		}
		k := t.fromCore(at, p[n:])
		if k == 0 {
			var err error
			if k, err = t.fromFile(ctx, at, p[n:]); err != nil {
				return n, err
			}
		}
		if k == 0 {
			break
		}
		n += k
	}
	if n < len(p) {
		return n, &targets.FaultError{Addr: addr + arch.Addr(n)}
	}
	return n, nil
}

// fromCore copies what the core itself has from at on.
func (t *Target) fromCore(at uint64, p []byte) (n int) {
	t.guard.Do(func() {
		if s := t.segment(at); s != nil && at-s.addr < uint64(len(s.data)) {
			n = copy(p, s.data[at-s.addr:])
		}
	})
	return n
}

// coreReader reads memory from an address on, from the core alone.
type coreReader struct {
	t    *Target
	base uint64
}

func (r coreReader) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		k := r.t.fromCore(r.base+uint64(off)+uint64(n), p[n:])
		if k == 0 {
			return n, io.ErrUnexpectedEOF
		}
		n += k
	}
	return n, nil
}

// fromFile copies what the file mapped at at has, up to the end of a page or more.
// An error means that ctx ended.
func (t *Target) fromFile(ctx context.Context, at uint64, p []byte) (int, error) {
	if len(t.mappings) == 0 {
		t.deduce(ctx)
	}
	m := t.mapped(at)
	if s := t.segment(at); m == nil || s != nil && s.writable {
		return 0, nil
	}
	b, err := t.backing(ctx, m.path, t.base(m.path))
	if err != nil || b.file == nil {
		return 0, err
	}
	room := m.end - at
	if s := t.segment(at); s != nil {
		room = min(room, s.addr+s.size-at)
	}
	for _, w := range b.written { // by address
		switch {
		case at >= w.lo && at < w.hi:
			return 0, nil
		case at < w.lo:
			room = min(room, w.lo-at)
		}
	}
	n := 0
	b.guard.Do(func() {
		if off := m.offset + (at - m.start); off < uint64(len(b.file.Data)) {
			n = copy(p[:min(uint64(len(p)), room)], b.file.Data[off:])
		}
	})
	return n, nil
}

// span is a range of addresses.
type span struct{ lo, hi uint64 }

// backing is a file that stands for memory the core has not.
type backing struct {
	file    *mmap.File // nil: none may be used
	elf     *elf.File
	guard   mmap.Guard
	written []span // what a loader or the program changes, by address
}

// base is where the file at path begins in memory, 0 when it does not.
func (t *Target) base(path string) uint64 {
	for i := range t.mappings {
		if m := &t.mappings[i]; m.path == path && m.offset == 0 {
			return m.start
		}
	}
	if path == t.info.Path {
		return t.auxiliary(auxPhdr) &^ (pageSize - 1)
	}
	return 0
}

// backing finds the file for what was mapped from path, once; base is where it begins
// in memory, 0 unknown.
func (t *Target) backing(ctx context.Context, path string, base uint64) (*backing, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b := t.images[path]; b != nil {
		return b, nil
	}
	b, notice := t.open(ctx, path, base)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t.images[path] = b
	if notice != "" {
		t.o.Notice(notice)
	}
	return b, nil
}

// inMemory reads the headers that an image has in the core itself.
func (t *Target) inMemory(base uint64) *elf.File {
	if base == 0 {
		return nil
	}
	f, err := elf.Mapped(coreReader{t, base})
	if err != nil {
		return nil
	}
	return f
}

// open looks for the file of path and compares it with what the core has of it.
// Only ELF images can be compared; other files are not used.
func (t *Target) open(ctx context.Context, path string, base uint64) (*backing, string) {
	b := &backing{}
	var id []byte
	here := t.inMemory(base)
	if here != nil {
		id = here.BuildID()
	}
	name, err := path, error(nil)
	switch {
	case path == t.info.Path && t.o.Program != "":
		name = t.o.Program
	case t.o.Find != nil:
		name, err = t.o.Find(ctx, path, id)
	}
	if err != nil {
		return b, fmt.Sprintf("%s is not used: %v", path, err)
	}
	f, err := mmap.Open(name)
	if err != nil {
		return b, fmt.Sprintf("%s is not used: %v", path, err)
	}
	notice := ""
	ok := b.guard.Do(func() {
		var image *elf.File
		if image, err = elf.Parse(f.Data); err != nil {
			return // nobody could tell whether it is the one
		}
		if notice = t.differs(name, f.Data, image, base, id); notice == "" || strings.HasSuffix(notice, unchecked) {
			b.file, b.elf, b.written = f, image, written(image, base)
		}
	})
	if !ok {
		return &backing{}, name + ": " + errCut.Error()
	}
	return b, notice
}

// unchecked ends the notice about a file that is used all the same.
const unchecked = "cannot be checked: the core file has nothing of it to compare"

// differs compares a file with what the core has of the image at base; "" when it
// is the same.
func (t *Target) differs(name string, data []byte, image *elf.File, base uint64, id []byte) string {
	got := image.BuildID()
	if len(id) > 0 {
		if !bytes.Equal(id, got) {
			return fmt.Sprintf("%s is not used: it is another build (build-id %s, the core file has %x)", name, orNone(got), id)
		}
		return ""
	}
	head := make([]byte, min(pageSize, len(data)))
	n, _ := coreReader{t, base}.ReadAt(head, 0)
	switch {
	case base == 0 || n == 0:
		return name + " " + unchecked
	case !bytes.Equal(head[:n], data[:n]):
		return fmt.Sprintf("%s is not used: it is another build (its first %d bytes are not those in the core file)", name, n)
	}
	return ""
}

func orNone(id []byte) string {
	if len(id) == 0 {
		return "none"
	}
	return fmt.Sprintf("%x", id)
}

// segRelro is the segment that a loader writes to before it protects it (PT_GNU_RELRO).
const segRelro = 0x6474e552

// written lists what of an image is not as its file has it.
func written(f *elf.File, base uint64) []span {
	low, _ := f.Loaded()
	bias := base - low
	if base == 0 {
		bias = 0
	}
	var out []span
	for _, s := range f.Segments {
		if s.Type == elf.SegLoad && s.Flags&elf.SegW != 0 || s.Type == segRelro {
			lo, hi := (bias+s.Vaddr)&^(pageSize-1), bias+s.Vaddr+s.Memsz
			if hi > lo {
				out = append(out, span{lo, hi})
			}
		}
	}
	slices.SortFunc(out, func(a, b span) int { return cmp.Compare(a.lo, b.lo) })
	return out
}
