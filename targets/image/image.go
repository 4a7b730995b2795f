package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"sync"

	"dap-windbg/arch"
	"dap-windbg/binfmt/mmap"
	"dap-windbg/targets"
)

// Target is an opened image. It implements targets.Target and targets.ModuleLister.
type Target struct {
	file  *mmap.File
	guard mmap.Guard
	info  targets.Info
	main  targets.Module

	regions   []region // by address
	relocate  func(t *Target)
	relocated sync.Once
	fixups    []fixup // by address, once relocated
}

// region is a piece of the image in place: data, then lost bytes that belong there
// and that a file which was cut short has not, then zeros.
type region struct {
	addr, size uint64
	data       []byte
	lost       uint64
}

// region makes the region of which the file has n bytes at offset.
func (t *Target) region(addr, size, offset, n uint64) region {
	r := region{addr: addr, size: size}
	n = min(n, size)
	if file := t.file.Data; offset < uint64(len(file)) {
		r.data = file[offset:]
		r.data = r.data[:min(n, uint64(len(r.data)))]
	}
	r.lost = n - uint64(len(r.data))
	return r
}

// fixup is a pointer that a loader would store.
type fixup struct{ addr, value uint64 }

// Kind is what a file is, by its first bytes.
type Kind uint8

const (
	Unknown Kind = iota
	ELF
	PE
)

// KindOf tells what begins with head.
func KindOf(head []byte) Kind {
	if len(head) >= 4 && string(head[:4]) == "\x7fELF" {
		return ELF
	}
	if len(head) >= 2 && string(head[:2]) == "MZ" {
		return PE
	}
	return Unknown
}

// NoImageError: the file cannot be laid out.
type NoImageError struct{ Path, Reason string }

func (e *NoImageError) Error() string { return e.Path + ": " + e.Reason }

// ErrCore: the file is a core file, which is no image.
var ErrCore = errors.New("a core file, not an image")

// Open opens the image at path. Errors are *NoImageError, ErrCore (wrapped), and
// those of opening and parsing the file.
func Open(path string) (*Target, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	m, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	t := &Target{file: m}
	if !t.guard.Do(func() {
		switch KindOf(m.Data) {
		case ELF:
			err = t.openELF()
		case PE:
			err = t.openPE()
		default:
			err = &NoImageError{path, "is neither an ELF nor a PE image"}
		}
	}) {
		err = errCut
	}
	if err != nil {
		return nil, fmt.Errorf("opening an image: %w", err)
	}
	slices.SortStableFunc(t.regions, func(a, b region) int { return cmp.Compare(a.addr, b.addr) })
	return t, nil
}

var errCut = errors.New("the file was cut short while it was read")

// Info implements targets.Target.
func (t *Target) Info() targets.Info { return t.info }

// Modules implements targets.ModuleLister.
func (t *Target) Modules(context.Context) ([]targets.Module, error) {
	return []targets.Module{t.main}, nil
}

// Threads lists none.
func (t *Target) Threads(context.Context) ([]targets.Thread, error) { return nil, nil }

// Registers fails: targets.ErrNoThreads.
func (t *Target) Registers(context.Context, targets.ThreadID) (*arch.Registers, error) {
	return nil, targets.ErrNoThreads
}

// Close implements targets.Target. The mapping goes when nobody holds t.
func (t *Target) Close(context.Context, targets.Parting) error { return nil }

// ReadMemory implements targets.Target.
func (t *Target) ReadMemory(ctx context.Context, s targets.Space, addr arch.Addr, p []byte) (int, error) {
	if s.Physical || s.Root != 0 {
		return 0, errors.ErrUnsupported
	}
	n := 0
	ok := t.guard.Do(func() {
		t.relocated.Do(func() {
			if t.relocate != nil {
				t.relocate(t)
			}
			slices.SortStableFunc(t.fixups, func(a, b fixup) int { return cmp.Compare(a.addr, b.addr) })
		})
		n = t.copy(uint64(addr), p)
		t.overlay(uint64(addr), p[:n])
	})
	if !ok || n < len(p) {
		return n, &targets.FaultError{Addr: addr + arch.Addr(n)}
	}
	return n, nil
}

// copy fills p from the file as far as regions reach.
func (t *Target) copy(addr uint64, p []byte) (n int) {
	for n < len(p) {
		at := addr + uint64(n)
		i := sort.Search(len(t.regions), func(i int) bool { return t.regions[i].addr > at }) - 1
		if at < addr {
			return n
		}
		if i < 0 || at-t.regions[i].addr >= t.regions[i].size {
			gap := min(t.gap(i, at), uint64(len(p)-n))
			if gap == 0 {
				return n
			}
			clear(p[n : n+int(gap)])
			n += int(gap)
			continue
		}
		r := &t.regions[i]
		off := at - r.addr
		rest := p[n:min(uint64(len(p)), uint64(n)+min(r.size-off, uint64(len(p))))]
		k := 0
		if off < uint64(len(r.data)) {
			k = copy(rest, r.data[off:])
		}
		if off+uint64(k) < uint64(len(r.data))+r.lost && k < len(rest) {
			return n + k
		}
		clear(rest[k:])
		n += len(rest)
	}
	return n
}

// pageSize is what memory is given in: a page that has a byte of the image is there
// as a whole.
const pageSize = 0x1000

// gap is how many bytes from at on lie behind region i on a page of the image, but
// in no region.
func (t *Target) gap(i int, at uint64) uint64 {
	page := at &^ (pageSize - 1)
	end := page + (pageSize - 1)
	here := i >= 0 && t.regions[i].addr+t.regions[i].size > page
	if i+1 < len(t.regions) && t.regions[i+1].addr <= end {
		here, end = true, t.regions[i+1].addr-1
	}
	if !here {
		return 0
	}
	return end - at + 1
}

// overlay stores the pointers that lie in p, wholly or in part.
func (t *Target) overlay(addr uint64, p []byte) {
	ptr := uint64(t.info.Set.Arch.PtrSize)
	i := sort.Search(len(t.fixups), func(i int) bool { return t.fixups[i].addr+ptr > addr })
	for ; i < len(t.fixups) && t.fixups[i].addr < addr+uint64(len(p)); i++ {
		f := t.fixups[i]
		for k := range ptr {
			if at := f.addr + k - addr; at < uint64(len(p)) {
				p[at] = byte(f.value >> (8 * k))
			}
		}
	}
}
