package cfi

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Section is one section's contents, uncompressed and relocated, and the
// link-time address of its first byte. Data is nil when the image has none.
type Section struct {
	Data []byte
	Addr uint64
}

// Sections is what an Unwinder reads. It keeps and never writes the slices.
type Sections struct {
	EHFrame    Section
	EHFrameHdr Section
	DebugFrame Section
	Text       uint64 // link-time address of .text, base of text-relative pointers
	GOT        uint64 // link-time address of .got, base of data-relative pointers
	// Read reads the image's own bytes at a link-time address, for indirect
	// pointers; nil: there are none.
	Read func(addr uint64, p []byte) bool

	// FrameAddress knows the CFA at off better than the rules, or says that it does
	// not; nil: the rules are right. Errors are those of symbols.Memory.
	FrameAddress func(ctx context.Context, off symbols.Offset, callee *arch.Registers, mem symbols.Memory) (cfa uint64, ok bool, err error)

	Order    binary.ByteOrder // nil takes the Arch's
	PtrSize  int              // bytes; 0 takes the Arch's
	Arch     *arch.Arch
	LinkBase uint64 // link-time address of the image's base
}

// Unwinder computes callers from call frame information. It is safe for many
// goroutines; parsed entries and rows are kept.
type Unwinder struct {
	s    Sections
	mask uint64 // of an address

	hdrOnce, sortedOnce sync.Once
	hdr                 header
	ehOnce, debugOnce   sync.Once
	ehIndex, debugIndex []entryRef

	kept atomic.Pointer[kept]

	mu   sync.Mutex
	rows map[uint64]*keptRow
	cies map[cieKey]*cie
}

var _ symbols.Unwinder = (*Unwinder)(nil)

// rowLimit bounds the row cache; a row is about 300 bytes.
const rowLimit = 4096

// New returns an Unwinder over s. Nothing is read before the first question.
func New(s Sections) *Unwinder {
	if s.PtrSize == 0 && s.Arch != nil {
		s.PtrSize = s.Arch.PtrSize
	}
	if s.PtrSize != 4 {
		s.PtrSize = 8
	}
	if s.Order == nil {
		s.Order = binary.LittleEndian
		if s.Arch != nil && s.Arch.BigEndian {
			s.Order = binary.BigEndian
		}
	}
	u := &Unwinder{s: s, mask: ^uint64(0), rows: map[uint64]*keptRow{}, cies: map[cieKey]*cie{}}
	if s.PtrSize == 4 {
		u.mask = 0xffffffff
	}
	return u
}

// FormatError: call frame information that cannot be understood. It counts as
// symbols.ErrNoUnwind, for rules that cannot be read are as good as none.
type FormatError struct {
	Section string
	Offset  uint64 // of the entry in the section
	Reason  string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%s entry at 0x%x: %s", e.Section, e.Offset, e.Reason)
}

// Is reports that errors.Is(e, symbols.ErrNoUnwind).
func (e *FormatError) Is(target error) bool { return target == symbols.ErrNoUnwind }

// Range returns the range of code that has the same entry as off: most often
// the function, or its hot or cold part. False when there is no entry.
func (u *Unwinder) Range(off symbols.Offset) (symbols.Range, bool) {
	f, err := u.find(uint64(off) + u.s.LinkBase)
	if err != nil {
		return symbols.Range{}, false
	}
	return symbols.Range{Low: symbols.Offset(f.start - u.s.LinkBase), High: symbols.Offset(f.end - u.s.LinkBase)}, true
}

// Row returns the rules at off. The Row is shared and must not be changed.
func (u *Unwinder) Row(off symbols.Offset) (*Row, error) {
	row, err := u.rowAt(off)
	if err != nil {
		return nil, err
	}
	return &row.Row, nil
}

func (u *Unwinder) rowAt(off symbols.Offset) (*keptRow, error) {
	pc := (uint64(off) + u.s.LinkBase) & u.mask
	u.mu.Lock()
	row := u.rows[pc]
	u.mu.Unlock()
	if row != nil {
		return row, nil
	}
	f, err := u.find(pc)
	if err != nil {
		return nil, err
	}
	rules, err := u.execute(f, pc)
	if err != nil {
		return nil, err
	}
	row = &keptRow{Row: *rules}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.rows) >= rowLimit {
		clear(u.rows)
	}
	u.rows[pc] = row
	return row, nil
}

// execute runs f's program up to pc.
func (u *Unwinder) execute(f *fde, pc uint64) (*Row, error) {
	p, err := f.listing()
	if err != nil {
		return nil, err
	}
	var r rower = delveRower{}
	if !expressible(p) {
		r = ownRower{}
	}
	row, err := r.row(p, pc)
	if err != nil {
		return nil, &FormatError{f.cie.section, f.offset, err.Error()}
	}
	row.RA, row.Signal = f.cie.ra, f.cie.signal
	return row, nil
}

// listing decodes f's whole program.
func (f *fde) listing() (*listing, error) {
	initial, err := f.cie.decode(f.cie.program, 0)
	if err != nil {
		return nil, err
	}
	body, err := f.cie.decode(f.program, f.start)
	if err != nil {
		return nil, err
	}
	return &listing{start: f.start, initial: initial, body: body}, nil
}
