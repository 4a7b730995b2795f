package winkernel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode/utf16"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/systems"
)

// reader reads structures by names of types and members. It goes on after trouble,
// giving zeros, and keeps the first trouble and the first *symbols.NeedError.
type reader struct {
	ctx  context.Context
	s    *System
	w    systems.World
	need error
	err  error
}

func (s *System) reader(ctx context.Context, w systems.World) *reader {
	return &reader{ctx: ctx, s: s, w: w}
}

// end is what a reading function returns besides its result.
func (r *reader) end() error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if r.need != nil {
		return r.need
	}
	return r.err
}

func (r *reader) stuck() bool { return r.need != nil || r.err != nil || r.ctx.Err() != nil }

// settle forgets trouble that was told, so that what follows is read all the same.
func (r *reader) settle() error {
	err := r.err
	r.err = nil
	return err
}

func (r *reader) note(err error) {
	need := (*symbols.NeedError)(nil)
	switch {
	case errors.As(err, &need):
		if r.need == nil {
			r.need = err
		}
	case r.err == nil:
		r.err = err
	}
}

// read fills p; false, and trouble, when not all of it could be read.
func (r *reader) read(a arch.Addr, p []byte) bool {
	n, err := r.w.ReadMemory(r.ctx, a, p)
	if err != nil {
		r.note(err)
	}
	return err == nil && n == len(p)
}

func (r *reader) uint(a arch.Addr, size int) uint64 {
	var p [8]byte
	if size < 1 || size > len(p) || !r.read(a, p[:size]) {
		return 0
	}
	return binary.LittleEndian.Uint64(p[:])
}

// pointer reads an address.
func (r *reader) pointer(a arch.Addr) arch.Addr { return arch.Addr(r.uint(a, r.s.width())) }

// text reads a string of bytes that ends with a NUL or fills limit.
func (r *reader) text(a arch.Addr, limit int) string {
	p := make([]byte, limit)
	if !r.read(a, p) {
		return ""
	}
	p, _, _ = bytes.Cut(p, []byte{0})
	return string(p)
}

// maxString bounds a UNICODE_STRING, bytes.
const maxString = 1024

// unicode reads the UNICODE_STRING at a.
func (r *reader) unicode(a arch.Addr) string {
	var p [16]byte
	w := r.s.width()
	if !r.read(a, p[:2*w]) {
		return ""
	}
	return r.wide(arch.Addr(binary.LittleEndian.Uint64(append(p[w:2*w:2*w], make([]byte, 8)...))), int(binary.LittleEndian.Uint16(p[:])))
}

// wide reads n bytes of UTF-16.
func (r *reader) wide(a arch.Addr, n int) string {
	if n == 0 || a == 0 || n > maxString {
		return ""
	}
	p := make([]byte, n&^1)
	if !r.read(a, p) {
		return ""
	}
	u := make([]uint16, len(p)/2)
	for i := range u {
		u[i] = binary.LittleEndian.Uint16(p[2*i:])
	}
	return strings.TrimRight(string(utf16.Decode(u)), "\x00")
}

// FieldError: nobody knows where a member lies.
type FieldError struct{ Type, Path string }

func (e *FieldError) Error() string {
	return fmt.Sprintf("where %s of %s lies is not known", e.Path, e.Type)
}

// MissingError: the kernel's types are there, and lack what a command needs.
type MissingError struct{ Type, Path string }

func (e *MissingError) Error() string {
	return fmt.Sprintf("the kernel's %s has no member %s", e.Type, e.Path)
}

// Hint says what the user can do.
func (e *MissingError) Hint() string {
	return "this kernel is another than the command was made for; dt " + KernelName + "!" + e.Type + " shows what it has"
}

// Hint says what the user can do.
func (e *FieldError) Hint() string {
	return "give the kernel's PDB, or its image with DWARF, by .sympath: structures are read by its types"
}

// member is a place in a structure.
type member struct {
	off  arch.Addr
	size int // of all of it, bytes
	unit int // of an element where it is an array, else 0
}

// scalar is how much of it is one number, bytes.
func (m member) scalar() int {
	if m.unit > 0 {
		return min(m.unit, 8)
	}
	return min(m.size, 8)
}

// find looks a member up: by the kernel's types, under the names that it may have, else
// by what is known without them.
func (r *reader) find(typ, path string) (member, bool) {
	key := typ + "." + path
	if m, ok := r.s.members[key]; ok {
		return m, true
	}
	typed := false
	for _, n := range r.s.named(typ, path) {
		t, ok := r.typeOf(n.typ)
		if !ok {
			continue
		}
		typed = true
		if m, ok := walkType(t, n.path); ok {
			r.s.members[key] = m
			return m, true
		}
	}
	if typed {
		return member{}, false
	}
	return r.s.fallback(typ, path)
}

// typeOf is a type of the kernel, by its tag or without the tag's mark.
func (r *reader) typeOf(name string) (*symbols.Type, bool) {
	for _, n := range []string{name, strings.TrimPrefix(name, "_")} {
		if t, err := r.w.Type(n); err == nil {
			return t, true
		}
	}
	return nil, false
}

// unknown is why a member is not to be had.
func (r *reader) unknown(typ, path string) error {
	if _, ok := r.typeOf(typ); ok {
		return &MissingError{typ, path}
	}
	return &FieldError{typ, path}
}

// maxNesting bounds structures without a name within each other.
const maxNesting = 8

func walkType(t *symbols.Type, path string) (member, bool) {
	var m member
	for path != "" {
		name, rest, _ := strings.Cut(path, ".")
		next, off, ok := memberOf(t, name, 0)
		if !ok {
			return member{}, false
		}
		m.off += arch.Addr(off)
		t, path = next, rest
	}
	m.size = int(t.ByteSize())
	if a := t.Strip(); a.Kind == symbols.Array && a.Elem != nil {
		m.unit = int(a.Elem.ByteSize())
	}
	return m, true
}

func memberOf(t *symbols.Type, name string, depth int) (*symbols.Type, int64, bool) {
	if t = t.Strip(); t == nil || depth > maxNesting {
		return nil, 0, false
	}
	for _, f := range t.Members().Fields {
		if f.Name == name {
			return f.Type, f.Offset, true
		}
		if f.Name == "" {
			if g, off, ok := memberOf(f.Type, name, depth+1); ok {
				return g, f.Offset + off, true
			}
		}
	}
	return nil, 0, false
}

// at is where a member of the structure at base lies; trouble when nobody knows.
func (r *reader) at(base arch.Addr, typ, path string) arch.Addr {
	m, ok := r.find(typ, path)
	if !ok {
		r.note(r.unknown(typ, path))
	}
	return base + m.off
}

// get reads an integer or pointer member.
func (r *reader) get(base arch.Addr, typ, path string) uint64 {
	m, ok := r.find(typ, path)
	if !ok {
		r.note(r.unknown(typ, path))
		return 0
	}
	return r.uint(base+m.off, m.scalar())
}

// try is get where 0 will do when nobody knows the member or it cannot be read.
func (r *reader) try(base arch.Addr, typ, path string) (uint64, bool) {
	m, ok := r.find(typ, path)
	if !ok || r.stuck() {
		return 0, false
	}
	v := r.uint(base+m.off, m.scalar())
	if r.err != nil {
		r.err = nil
		return 0, false
	}
	return v, r.need == nil
}

// touch has members of the structure at base fetched together.
func (r *reader) touch(base arch.Addr, typ string, paths ...string) {
	lo, hi := ^arch.Addr(0), arch.Addr(0)
	for _, p := range paths {
		if m, ok := r.find(typ, p); ok {
			lo, hi = min(lo, m.off), max(hi, m.off+arch.Addr(m.size))
		}
	}
	if lo < hi && hi-lo <= 1024 {
		r.read(base+lo, make([]byte, hi-lo))
	}
}

// size is that of a type, 0 when nobody knows it.
func (r *reader) size(typ string) int {
	if t, ok := r.typeOf(typ); ok {
		return int(t.ByteSize())
	}
	return 0
}

// symbol is where a symbol of the kernel lies, false when nobody knows.
func (r *reader) symbol(name string) (arch.Addr, bool) {
	a, err := r.w.Address(KernelName + "!" + name)
	return a, err == nil && a != 0
}

// maxList bounds a walk over a list, which may be torn.
const maxList = 4096

// list walks a LIST_ENTRY ring; what it yields are the structures around the links.
func (r *reader) list(head arch.Addr, off arch.Addr) iter.Seq[arch.Addr] {
	return func(yield func(arch.Addr) bool) {
		at := head
		for range maxList {
			at = r.pointer(at)
			if r.stuck() || at == head || at == 0 || !yield(at-off) {
				return
			}
		}
		r.note(fmt.Errorf("the list at %s does not end", hex(r.s, head)))
	}
}

// hex writes an address as commands do: 16 digits, 8 where addresses have 32 bits.
func hex[T ~uint64](s *System, a T) string {
	if s.width() == 4 {
		return fmt.Sprintf("%08x", uint32(a))
	}
	return fmt.Sprintf("%016x", uint64(a))
}

// tick writes one with the mark in its middle where it has 64 bits.
func tick[T ~uint64](s *System, a T) string {
	if s.width() == 4 {
		return hex(s, a)
	}
	return fmt.Sprintf("%08x`%08x", uint64(a)>>32, uint64(a)&0xffffffff)
}

func le64(p []byte) uint64 { return binary.LittleEndian.Uint64(p) }
