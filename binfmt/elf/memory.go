package elf

import (
	"fmt"
	"io"
)

// Mapped reads the ELF image that a process has mapped: r reads at offsets from
// the address of its ELF header. Headers are read at once, notes when asked for;
// there are no sections. Errors of r are passed on.
func Mapped(r io.ReaderAt) (*File, error) {
	head := make([]byte, 64)
	if n, err := r.ReadAt(head, 0); n < 52 {
		return nil, fmt.Errorf("reading an ELF header: %w", short(err))
	} else {
		head = head[:n]
	}
	f := &File{}
	h, err := f.parseHeader(head)
	if err != nil {
		return nil, err
	}
	size := h.phnum * h.phentsize
	if h.phnum == 0 || size > PageSize*16 {
		return nil, &FormatError{h.phoff, fmt.Sprintf("%d program headers", h.phnum)}
	}
	ph := make([]byte, size)
	if n, err := r.ReadAt(ph, int64(h.phoff)); n < len(ph) {
		return nil, fmt.Errorf("reading program headers: %w", short(err))
	}
	f.Segments = f.parseSegments(ph, h)
	low, _ := f.Loaded()
	f.readAt = func(vaddr uint64, p []byte) error {
		if n, err := r.ReadAt(p, int64(vaddr-low)); n < len(p) {
			return short(err)
		}
		return nil
	}
	return f, nil
}

func short(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}

// ReadLoaded fills p from link-time address addr of an image read by Mapped.
func (f *File) ReadLoaded(addr uint64, p []byte) error {
	if f.readAt == nil {
		b, _, ok := f.At(addr)
		if !ok || len(b) < len(p) {
			return io.ErrUnexpectedEOF
		}
		copy(p, b)
		return nil
	}
	return f.readAt(addr, p)
}
