package pdb

import (
	"encoding/binary"
	"iter"
	"strings"
	"sync"

	"dap-windbg/symbols"
)

// typeSpace makes symbols.Types of records, each once.
type typeSpace struct {
	f     *File
	table *typeTable

	mu   sync.Mutex
	made map[uint32]*symbols.Type
}

// simpleType is one below firstIndex; bits 8 to 10 of its number say that it is a pointer.
type simpleType struct {
	name string
	size int64
	enc  symbols.Encoding
}

// simple are the types without records (TYPE_ENUM_e of cvinfo.h), as Microsoft's
// compiler spells them.
var simple = map[uint32]simpleType{
	0x08: {"HRESULT", 4, symbols.Signed},
	0x10: {"signed char", 1, symbols.SignedChar}, 0x20: {"unsigned char", 1, symbols.UnsignedChar},
	0x70: {"char", 1, symbols.SignedChar}, 0x71: {"wchar_t", 2, symbols.UTF}, 0x7a: {"char16_t", 2, symbols.UTF}, 0x7b: {"char32_t", 4, symbols.UTF}, 0x7c: {"char8_t", 1, symbols.UTF},
	0x68: {"int8_t", 1, symbols.Signed}, 0x69: {"uint8_t", 1, symbols.Unsigned},
	0x11: {"short", 2, symbols.Signed}, 0x21: {"unsigned short", 2, symbols.Unsigned}, 0x72: {"short", 2, symbols.Signed}, 0x73: {"unsigned short", 2, symbols.Unsigned},
	0x12: {"long", 4, symbols.Signed}, 0x22: {"unsigned long", 4, symbols.Unsigned}, 0x74: {"int", 4, symbols.Signed}, 0x75: {"unsigned int", 4, symbols.Unsigned},
	0x13: {"__int64", 8, symbols.Signed}, 0x23: {"unsigned __int64", 8, symbols.Unsigned}, 0x76: {"__int64", 8, symbols.Signed}, 0x77: {"unsigned __int64", 8, symbols.Unsigned},
	0x14: {"__int128", 16, symbols.Signed}, 0x24: {"unsigned __int128", 16, symbols.Unsigned}, 0x78: {"__int128", 16, symbols.Signed}, 0x79: {"unsigned __int128", 16, symbols.Unsigned},
	0x30: {"bool", 1, symbols.Bool}, 0x31: {"__bool16", 2, symbols.Bool}, 0x32: {"__bool32", 4, symbols.Bool}, 0x33: {"__bool64", 8, symbols.Bool},
	0x46: {"_Float16", 2, symbols.FloatEnc}, 0x40: {"float", 4, symbols.FloatEnc}, 0x41: {"double", 8, symbols.FloatEnc}, 0x42: {"long double", 10, symbols.FloatEnc},
	0x43: {"__float128", 16, symbols.FloatEnc},
	0x50: {"_Complex float", 8, symbols.ComplexFloat}, 0x51: {"_Complex double", 16, symbols.ComplexFloat}, 0x52: {"_Complex long double", 20, symbols.ComplexFloat},
}

// Numbers of simple types that are asked for by name.
const (
	typeVoid = 0x03
	typeNull = 0x0103 // std::nullptr_t
)

// pointerSizes are the sizes of simple pointers, by their mode.
var pointerSizes = map[uint32]int64{1: 2, 2: 4, 3: 4, 4: 4, 5: 6, 6: 8, 7: 16}

// at returns a type by number; nil is void, or a type whose record cannot be read.
func (s *typeSpace) at(index uint32) *symbols.Type {
	if index == typeVoid || index == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.get(index, 0)
}

// maxTypeDepth bounds how deep types lead to each other before their members.
const maxTypeDepth = 200

// get makes a type; s.mu is held.
func (s *typeSpace) get(index uint32, depth int) *symbols.Type {
	if index == typeVoid || index == 0 {
		return nil
	}
	if t, ok := s.made[index]; ok {
		return t
	}
	if depth > maxTypeDepth {
		return &symbols.Type{Kind: symbols.Unspecified, Size: -1, Image: s.f.opt.Image}
	}
	if index < firstIndex {
		return s.keep(index, s.simple(index, depth))
	}
	r, ok := s.table.record(index)
	if !ok {
		return s.keep(index, s.broken())
	}
	return s.build(index, r, depth)
}

// broken is a type whose record cannot be read.
func (s *typeSpace) broken() *symbols.Type { return &symbols.Type{Kind: symbols.Unspecified, Size: -1} }

func (s *typeSpace) keep(index uint32, t *symbols.Type) *symbols.Type {
	t.Image, t.Language = s.f.opt.Image, symbols.CPlusPlus
	if s.made == nil {
		s.made = map[uint32]*symbols.Type{}
	}
	s.made[index] = t
	return t
}

func (s *typeSpace) simple(index uint32, depth int) *symbols.Type {
	if index == typeNull {
		return &symbols.Type{Kind: symbols.NullPtr, Name: "std::nullptr_t", Size: s.f.pointerSize()}
	}
	if mode := index >> 8 & 7; mode != 0 {
		return &symbols.Type{Kind: symbols.Pointer, Size: pointerSizes[mode], Elem: s.get(index&0xff, depth+1)}
	}
	if b, ok := simple[index&0xff]; ok {
		return &symbols.Type{Kind: symbols.Base, Name: b.name, Size: b.size, Encoding: b.enc}
	}
	return s.broken()
}

// build makes the type of a record.
func (s *typeSpace) build(index uint32, r record, depth int) *symbols.Type {
	f := r.fields()
	switch r.kind {
	case leafModifier:
		return s.modified(index, f, depth)
	case leafPointer:
		return s.pointer(index, f, depth)
	case leafArray:
		t := s.keep(index, &symbols.Type{Kind: symbols.Array, Count: -1})
		t.Elem = s.get(f.u32(), depth+1)
		f.u32()
		t.Size = f.numeric()
		if n := t.Elem.ByteSize(); n > 0 {
			t.Count = t.Size / n
		}
		return t
	case leafProcedure:
		result := f.u32()
		f.take(4)
		args := f.u32()
		return s.function(index, result, 0, args, depth)
	case leafMFunction:
		result := f.u32()
		f.u32()
		this := f.u32()
		f.take(4)
		args := f.u32()
		return s.function(index, result, this, args, depth)
	case leafVTShape:
		return s.keep(index, &symbols.Type{Kind: symbols.Array, Count: int64(f.u16()), Size: -1, Elem: s.get(s.pointerMode()|typeVoid, depth+1)})
	case leafAlias:
		elem := f.u32()
		return s.keep(index, &symbols.Type{Kind: symbols.Typedef, Elem: s.get(elem, depth+1), Size: -1, Name: f.name()})
	case leafBitField:
		return s.get(f.u32(), depth+1)
	}
	if g, ok := tagOf(r); ok {
		return s.tag(index, &g, depth)
	}
	return s.keep(index, s.broken())
}

// pointerMode is the mode of simple pointers of this machine, in its place.
func (s *typeSpace) pointerMode() uint32 {
	if s.f.pointerSize() == 8 {
		return 0x600
	}
	return 0x400
}

func (s *typeSpace) modified(index uint32, f *fields, depth int) *symbols.Type {
	elem, flags := f.u32(), f.u16()
	t := s.get(elem, depth+1)
	return s.keep(index, s.qualified(t, flags&1 != 0, flags&2 != 0))
}

// qualified puts const and volatile around a type. The outermost is always new.
func (s *typeSpace) qualified(t *symbols.Type, isConst, isVolatile bool) *symbols.Type {
	size := int64(0)
	if t != nil {
		size = t.Size
	}
	wrap := func(k symbols.TypeKind) {
		t = &symbols.Type{Kind: k, Elem: t, Size: size, Image: s.f.opt.Image, Language: symbols.CPlusPlus}
	}
	if isVolatile {
		wrap(symbols.Volatile)
	}
	if isConst {
		wrap(symbols.Const)
	}
	if !isConst && !isVolatile {
		wrap(symbols.Typedef) // unaligned: the same type by another number
		t.Name = "__unaligned " + typeText(t.Elem)
	}
	return t
}

// Modes of pointers.
const (
	pointerLvalue = 1
	pointerData   = 2
	pointerMethod = 3
	pointerRvalue = 4
)

func (s *typeSpace) pointer(index uint32, f *fields, depth int) *symbols.Type {
	elem, attr := f.u32(), f.u32()
	t := &symbols.Type{Kind: symbols.Pointer, Size: int64(attr >> 13 & 63)}
	if t.Size == 0 {
		t.Size = s.f.pointerSize()
	}
	switch attr >> 5 & 7 {
	case pointerLvalue:
		t.Kind = symbols.Reference
	case pointerRvalue:
		t.Kind = symbols.RvalueReference
	case pointerData, pointerMethod:
		t.Kind = symbols.MemberPointer
	}
	outer := t
	if isConst, isVolatile := attr>>10&1 != 0, attr>>9&1 != 0; isConst || isVolatile {
		t.Image, t.Language = s.f.opt.Image, symbols.CPlusPlus
		outer = s.qualified(t, isConst, isVolatile)
	}
	s.keep(index, outer)
	t.Elem = s.get(elem, depth+1)
	if t.Kind == symbols.MemberPointer {
		t.Owner = s.get(f.u32(), depth+1)
	}
	return outer
}

func (s *typeSpace) function(index, result, this, args uint32, depth int) *symbols.Type {
	t := s.keep(index, &symbols.Type{Kind: symbols.Func})
	t.Elem = s.get(result, depth+1)
	t.Load = func() (m *symbols.Members) {
		s.f.guarded(func() { m = s.parameters(this, args) })
		return m
	}
	return t
}

func (s *typeSpace) parameters(this, args uint32) *symbols.Members {
	m := &symbols.Members{}
	if this != 0 && this != typeVoid {
		m.Params = append(m.Params, symbols.Param{Name: "this", Type: s.at(this), Artificial: true})
	}
	r, ok := s.table.record(args)
	if !ok || r.kind != leafArgList {
		return m
	}
	f := r.fields()
	n := min(int(f.u32()), len(f.b)/4)
	for i := range n {
		index := f.u32()
		if index == 0 && i == n-1 { // T_NOTYPE stands for "..."
			m.Variadic = true
			break
		}
		m.Params = append(m.Params, symbols.Param{Type: s.at(index)})
	}
	return m
}

// tag makes a class, structure, union or enumeration. A forward reference becomes
// its definition where there is one.
func (s *typeSpace) tag(index uint32, g *tag, depth int) *symbols.Type {
	if g.forward() {
		if def := s.definition(g); def != 0 && def != index {
			t := s.get(def, depth+1)
			s.made[index] = t
			return t
		}
	}
	t := &symbols.Type{Name: g.name, Size: g.size, Declaration: g.forward()}
	if anonymous(g.name) {
		t.Name = ""
	}
	switch g.kind {
	case leafClass:
		t.Kind = symbols.Class
	case leafUnion:
		t.Kind = symbols.Union
	case leafEnum:
		t.Kind = symbols.Enum
	default:
		t.Kind = symbols.Struct
	}
	s.keep(index, t)
	if t.Kind == symbols.Enum {
		t.Elem = s.get(g.under, depth+1)
		if t.Elem != nil {
			t.Size, t.Encoding = t.Elem.ByteSize(), t.Elem.Strip().Encoding
		}
	}
	if t.Declaration {
		t.Size = -1
		return t
	}
	list := g.fields
	t.Load = func() (m *symbols.Members) {
		s.f.guarded(func() { m = s.members(t, list) })
		return m
	}
	return t
}

// definition finds what a forward reference means.
func (s *typeSpace) definition(g *tag) uint32 {
	return s.table.define(g.name, g.unique, func(d *tag) bool {
		if g.unique != "" && d.unique != "" {
			return g.unique == d.unique
		}
		return g.name == d.name && sameShape(g.kind, d.kind)
	})
}

// sameShape reports whether one kind of record may define what another declares:
// "class" and "struct" are one.
func sameShape(a, b uint16) bool {
	class := func(k uint16) bool { return k == leafClass || k == leafStructure || k == leafInterface }
	return a == b || class(a) && class(b)
}

func (f *File) pointerSize() int64 {
	if f.dbi.machine == machineI386 {
		return 4
	}
	return 8
}

// Type finds a type by its qualified name: a tag, else a typedef, else one without a record.
func (f *File) Type(name string) (*symbols.Type, bool) {
	name = strings.TrimPrefix(strings.TrimSpace(name), "::")
	if name == "" {
		return nil, false
	}
	for _, fold := range []bool{false, true} {
		same := func(n string) bool { return n == name || fold && strings.EqualFold(n, name) }
		if i := f.types.table.define(name, "", func(g *tag) bool { return same(g.name) }); i != 0 {
			return f.types.at(i), true
		}
		if t := f.typedef(same, name); t != nil {
			return t, true
		}
	}
	if t := f.simpleNamed(name); t != nil {
		return t, true
	}
	if i, ok := f.scopedTags()[symbols.Canonical(name)]; ok {
		return f.types.at(i), true
	}
	return nil, false
}

// typedef finds an S_UDT that gives a type another name.
func (f *File) typedef(same func(string) bool, name string) *symbols.Type {
	for off := range f.globals().find(name) {
		r, _, ok := f.records.recordAt(off)
		if !ok || r.kind != symUDT && r.kind != symCobolUDT {
			continue
		}
		d := r.fields()
		index := d.u32()
		if n := d.name(); same(n) {
			return f.alias(index, n)
		}
	}
	return nil
}

// alias makes a typedef; one that only repeats a tag's name is the tag.
func (f *File) alias(index uint32, name string) *symbols.Type {
	t := f.types.at(index)
	if t != nil && t.Name == name {
		return t
	}
	size := int64(0)
	if t != nil {
		size = t.ByteSize()
	}
	return &symbols.Type{Kind: symbols.Typedef, Name: name, Elem: t, Size: size, Image: f.opt.Image, Language: symbols.CPlusPlus}
}

func (f *File) simpleNamed(name string) *symbols.Type {
	for index, b := range simple {
		if b.name == name && index&0xf0 != 0x60 {
			return f.types.at(index)
		}
	}
	return nil
}

// scopedTags are the definitions that a hash of their name does not find, by
// canonical name: those inside functions and classes, and templates, whose
// arguments may be spelled in several ways. One pass makes them.
func (f *File) scopedTags() map[string]uint32 {
	f.scopedOnce.Do(func() {
		f.scoped = map[string]uint32{}
		f.types.table.tags(func(index uint32, g *tag) bool {
			if (g.hashed() != g.name || strings.Contains(g.name, "<")) && !anonymous(g.name) {
				f.scoped[symbols.Canonical(g.name)] = index
			}
			return true
		})
	})
	return f.scoped
}

// Types yields the names of types that match: tags, then typedefs.
func (f *File) Types(pattern string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, fold := range []bool{false, true} {
			p, word := symbols.CompilePattern(pattern, fold), symbols.LongestWord(pattern)
			seen := map[string]bool{}
			more := true
			match := func(name string) bool {
				if !fold && !strings.Contains(name, word) || seen[name] || anonymous(name) || !p.Match(name) {
					return more
				}
				seen[name] = true
				more = yield(name)
				return more
			}
			f.types.table.tags(func(_ uint32, g *tag) bool { return match(g.name) })
			for _, r := range f.records.records(0, f.records.size) {
				if !more {
					return
				}
				if r.kind == symUDT && len(r.data) > 4 {
					match(textAt(r.data, 4))
				}
			}
			if len(seen) > 0 {
				return
			}
		}
	}
}

// typeText spells a type for people, as in a list of parameters.
func typeText(t *symbols.Type) string {
	if t == nil {
		return "void"
	}
	switch t.Kind {
	case symbols.Pointer:
		if e := t.Elem.Strip(); e != nil && e.Kind == symbols.Func {
			return typeText(e.Elem) + " (*)(...)"
		}
		return typeText(t.Elem) + " *"
	case symbols.Reference:
		return typeText(t.Elem) + " &"
	case symbols.RvalueReference:
		return typeText(t.Elem) + " &&"
	case symbols.Const, symbols.Volatile:
		word := map[symbols.TypeKind]string{symbols.Const: "const", symbols.Volatile: "volatile"}[t.Kind]
		if t.Elem.IsPointer() {
			return typeText(t.Elem) + word
		}
		return word + " " + typeText(t.Elem)
	case symbols.MemberPointer:
		return typeText(t.Elem) + " " + typeText(t.Owner) + "::*"
	case symbols.Array:
		return typeText(t.Elem) + " []"
	case symbols.Func:
		return typeText(t.Elem) + " ()"
	}
	if t.Name == "" {
		return "<unnamed>"
	}
	return t.Name
}

// u32s reads a list of numbers.
func u32s(b []byte) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for ; len(b) >= 4; b = b[4:] {
			if !yield(binary.LittleEndian.Uint32(b)) {
				return
			}
		}
	}
}
