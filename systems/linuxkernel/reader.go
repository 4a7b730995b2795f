package linuxkernel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/systems"
)

// reader reads the kernel's memory by the names of its symbols and fields. It goes
// on after a *symbols.NeedError and after any other trouble, giving zeros, and keeps
// the first of each for the end; a need counts for more.
type reader struct {
	ctx  context.Context
	w    systems.World
	s    *System
	need error
	err  error
}

func (s *System) reader(ctx context.Context, w systems.World) *reader {
	return &reader{ctx: ctx, w: w, s: s}
}

// end is what a reading function returns besides its result.
func (r *reader) end() error {
	switch {
	case r.ctx.Err() != nil:
		return r.ctx.Err()
	case r.need != nil:
		return r.need
	}
	return r.err
}

// stuck reports whether what was read last cannot be built upon.
func (r *reader) stuck() bool { return r.need != nil || r.err != nil || r.ctx.Err() != nil }

func (r *reader) note(err error) {
	var need *symbols.NeedError
	switch {
	case err == nil:
	case errors.As(err, &need):
		if r.need == nil {
			r.need = err
		}
	case r.err == nil:
		r.err = err
	}
}

// read fills p and reports whether all of it could be read.
func (r *reader) read(a arch.Addr, p []byte) bool {
	n, err := r.w.ReadMemory(r.ctx, a, p)
	r.note(err)
	return err == nil && n == len(p)
}

// touch asks for memory that will be read, so that one flight brings it.
func (r *reader) touch(a arch.Addr, n int) { r.read(a, make([]byte, n)) }

// uint reads an integer of 1, 2, 4 or 8 bytes.
func (r *reader) uint(a arch.Addr, size int) uint64 {
	var p [8]byte
	if size < 1 || size > len(p) || !r.read(a, p[:size]) {
		return 0
	}
	return binary.LittleEndian.Uint64(p[:])
}

// pointer reads an address.
func (r *reader) pointer(a arch.Addr) arch.Addr { return arch.Addr(r.uint(a, 8)) }

// text reads a string of at most limit bytes that ends with a NUL.
func (r *reader) text(a arch.Addr, limit int) string {
	const piece = 64
	var out []byte
	for len(out) < limit {
		at := a + arch.Addr(len(out))
		p := make([]byte, min(piece-int(at%piece), limit-len(out)))
		if !r.read(at, p) {
			return ""
		}
		if end := bytes.IndexByte(p, 0); end >= 0 {
			return string(append(out, p[:end]...))
		}
		out = append(out, p...)
	}
	return string(out)
}

// SymbolError: the kernel, or what is known of it, has no such symbol.
type SymbolError struct {
	Name   string
	Unread bool // the kernel's names were not read yet
}

func (e *SymbolError) Error() string {
	if e.Unread {
		return "no names of this kernel are known yet, " + e.Name + " among them"
	}
	return "the kernel has no symbol " + e.Name
}

// Hint says what the user can do.
func (e *SymbolError) Hint() string {
	if e.Unread {
		return ".reload /f reads them over this line"
	}
	return ""
}

// symbol is where a symbol of the kernel itself lies; 0 and trouble when nobody knows.
func (r *reader) symbol(name string) arch.Addr {
	a, ok := r.lookup(name)
	if !ok {
		k := r.s.kernel
		r.note(&SymbolError{Name: name, Unread: k != nil && k.slow && k.table == nil && k.Path == ""})
	}
	return a
}

// lookup is symbol without trouble.
func (r *reader) lookup(name string) (arch.Addr, bool) {
	if a, ok := r.s.symbols[name]; ok {
		return a, true
	}
	a, err := r.w.Address(KernelName + "!" + name)
	if err != nil || a == 0 {
		return 0, false
	}
	if r.s.symbols == nil {
		r.s.symbols = map[string]arch.Addr{}
	}
	r.s.symbols[name] = a
	return a, true
}

// field is a member of a structure, however deep.
type field struct {
	offset arch.Addr
	size   int
	typ    *symbols.Type
	bit    int // where a bit field begins
	bits   int // 0: no bit field
}

// FieldError: a structure of this kernel has no such member, or nobody knows its
// structures.
type FieldError struct{ Type, Path string }

func (e *FieldError) Error() string {
	if e.Path == "" {
		return "nothing is known of the kernel's struct " + e.Type
	}
	return fmt.Sprintf("the kernel's struct %s has no member %s", e.Type, e.Path)
}

// Hint says what the user can do.
func (e *FieldError) Hint() string {
	if e.Path != "" {
		return ""
	}
	return "give the kernel's vmlinux with debug information by .sympath; without it types come from the kernel's own BTF where it has that"
}

// field finds "member.member" of a structure; its zero value and trouble when there is none.
func (r *reader) field(typ, path string) field {
	f, ok := r.member(typ, path)
	if !ok {
		e := &FieldError{typ, path}
		if _, err := r.w.Type(typ); err != nil {
			e.Path = ""
		}
		r.note(e)
	}
	return f
}

// member is field without trouble.
func (r *reader) member(typ, path string) (field, bool) {
	key := typ + "." + path
	if f, ok := r.s.fields[key]; ok {
		return f, f.typ != nil
	}
	t, err := r.w.Type(typ)
	if err != nil {
		return field{}, false // types may come yet
	}
	f, ok := fieldOf(t, path)
	if r.s.fields == nil {
		r.s.fields = map[string]field{}
	}
	r.s.fields[key] = f
	return f, ok
}

// fieldOf walks a path of members, through structures without a name too.
func fieldOf(t *symbols.Type, path string) (field, bool) {
	var f field
	for path != "" {
		name, rest, _ := strings.Cut(path, ".")
		g, ok := named(t, name, 0)
		if !ok {
			return field{}, false
		}
		f.offset, f.bit, f.bits = f.offset+g.offset, g.bit, g.bits
		t, path = g.typ, rest
	}
	f.typ, f.size = t, int(t.ByteSize())
	return f, true
}

// maxNesting bounds structures without a name within each other.
const maxNesting = 8

func named(t *symbols.Type, name string, depth int) (field, bool) {
	t = t.Strip()
	if t == nil || depth > maxNesting {
		return field{}, false
	}
	for _, m := range t.Members().Fields {
		switch {
		case m.Name == name:
			return field{offset: arch.Addr(m.Offset), typ: m.Type, bit: m.BitOffset, bits: m.BitSize}, true
		case m.Name == "":
			if f, ok := named(m.Type, name, depth+1); ok {
				f.offset += arch.Addr(m.Offset)
				return f, true
			}
		}
	}
	return field{}, false
}

// get reads an integer or pointer member of the structure at base.
func (r *reader) get(base arch.Addr, typ, path string) uint64 {
	f := r.field(typ, path)
	if f.typ == nil {
		return 0
	}
	v := r.uint(base+f.offset, min(f.size, 8))
	if f.bits > 0 {
		v = v >> f.bit & (1<<f.bits - 1)
	}
	return v
}

// at is where a member of the structure at base lies.
func (r *reader) at(base arch.Addr, typ, path string) arch.Addr {
	return base + r.field(typ, path).offset
}

// maxList bounds a walk over a list of the kernel's, which may be torn.
const maxList = 1 << 18

// list walks a list_head from head; what it yields are the structures that hold the
// list's links at the member. It ends early at trouble.
func (r *reader) list(head arch.Addr, typ, member string) iter.Seq[arch.Addr] {
	return func(yield func(arch.Addr) bool) {
		f := r.field(typ, member)
		if f.typ == nil {
			return
		}
		at := head
		for range maxList {
			at = r.pointer(at)
			if r.stuck() || at == head || at == 0 || !yield(at-f.offset) {
				return
			}
		}
		r.note(fmt.Errorf("the list at 0x%x does not end", uint64(head)))
	}
}
