package pdb

import (
	"context"
	"encoding/binary"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// maxMembers bounds the members of one type, whose lists may lead to each other.
const maxMembers = 1 << 17

// members reads a list of members and those it goes on in.
func (s *typeSpace) members(owner *symbols.Type, list uint32) *symbols.Members {
	m := &symbols.Members{}
	var bases []symbols.Field
	seen := map[uint32]bool{}
	for list != 0 && !seen[list] {
		seen[list] = true
		r, ok := s.table.record(list)
		if !ok || r.kind != leafFieldList {
			break
		}
		list = 0
		for f := r.fields(); len(f.b) >= 2 && len(m.Fields)+len(m.Enumerators)+len(m.Methods) < maxMembers; f.align() {
			next, known := s.member(owner, m, &bases, f)
			if !known || f.short {
				break
			}
			if next != 0 {
				list = next
			}
		}
	}
	m.Fields = append(bases, m.Fields...)
	return m
}

// member reads one; next is where the list goes on.
func (s *typeSpace) member(owner *symbols.Type, m *symbols.Members, bases *[]symbols.Field, f *fields) (next uint32, known bool) {
	switch kind := f.u16(); kind {
	case leafBaseClass:
		f.u16()
		t := s.at(f.u32())
		*bases = append(*bases, symbols.Field{Type: t, Base: true, Offset: f.numeric()})
	case leafVBase, leafIVBase:
		f.u16()
		t := s.at(f.u32())
		f.u32()
		pointer, index := f.numeric(), f.numeric()
		if kind == leafVBase { // indirect ones are bases of bases
			*bases = append(*bases, symbols.Field{Type: t, Base: true, Virtual: true, VOffset: virtualBase{pointer, index, int(s.f.pointerSize())}})
		}
	case leafIndex:
		f.u16()
		return f.u32(), true
	case leafVFuncTab:
		f.u16()
		m.Fields = append(m.Fields, symbols.Field{Name: "__vfptr", Type: s.at(f.u32()), Artificial: true})
	case leafEnumerate:
		f.u16()
		v := f.numeric()
		m.Enumerators = append(m.Enumerators, symbols.Enumerator{Value: v, Name: f.name()})
	case leafMember:
		f.u16()
		index := f.u32()
		x := symbols.Field{Offset: f.numeric(), Name: f.name()}
		s.fieldType(&x, index)
		m.Fields = append(m.Fields, x)
	case leafStatic:
		f.u16()
		t := s.at(f.u32())
		name := f.name()
		m.Fields = append(m.Fields, symbols.Field{Name: name, Type: t, Static: true, Location: staticMember{s.f, owner.Name + "::" + name}})
	case leafMethod:
		n := f.u16()
		list := f.u32()
		s.overloads(m, list, int(n), f.name())
	case leafOneMethod:
		attr := f.u16()
		t := s.at(f.u32())
		if introducing(attr) {
			f.u32()
		}
		m.Methods = append(m.Methods, method(f.name(), t, attr))
	case leafNested:
		f.u16()
		f.u32()
		f.name()
	default:
		return 0, false
	}
	return 0, true
}

// fieldType sets a field's type, and its bits where the record is of a bit field.
func (s *typeSpace) fieldType(x *symbols.Field, index uint32) {
	if r, ok := s.table.record(index); ok && r.kind == leafBitField {
		f := r.fields()
		x.Type = s.at(f.u32())
		x.BitSize, x.BitOffset = int(f.u8()), int(f.u8())
		return
	}
	x.Type = s.at(index)
}

// overloads reads the list of methods of one name.
func (s *typeSpace) overloads(m *symbols.Members, list uint32, n int, name string) {
	r, ok := s.table.record(list)
	if !ok || r.kind != leafMethodList {
		return
	}
	for f := r.fields(); len(f.b) >= 8 && n > 0; n-- {
		attr := f.u16()
		f.u16()
		t := s.at(f.u32())
		if introducing(attr) {
			f.u32()
		}
		m.Methods = append(m.Methods, method(name, t, attr))
	}
}

// Kinds of methods, bits 2 to 4 of their attributes.
const (
	methodVirtual      = 1
	methodStatic       = 2
	methodIntroVirtual = 4
	methodPureVirtual  = 5
	methodPureIntro    = 6
)

// introducing reports whether a method's record has a place in the vtable.
func introducing(attr uint16) bool {
	k := attr >> 2 & 7
	return k == methodIntroVirtual || k == methodPureIntro
}

// methodImplicit marks what the compiler made (CV_fldattr_t.compgenx, pseudo).
const methodImplicit = 1<<8 | 1<<5

func method(name string, t *symbols.Type, attr uint16) symbols.Method {
	k := attr >> 2 & 7
	return symbols.Method{Name: name, Type: t, Static: k == methodStatic, Implicit: attr&methodImplicit != 0,
		Virtual: k == methodVirtual || k == methodIntroVirtual || k == methodPureVirtual || k == methodPureIntro}
}

// virtualBase finds a virtual base: at pointer in the object lies the address of a
// table of distances from that place, whose index-th is the base's.
type virtualBase struct {
	pointer, index int64
	size           int
}

// Pieces implements symbols.Location; the frame gives the object's address as its CFA.
func (v virtualBase) Pieces(ctx context.Context, f symbols.Frame, _ symbols.Offset) ([]symbols.Piece, error) {
	object, err := f.CFA(ctx)
	if err != nil {
		return nil, err
	}
	at := object + arch.Addr(v.pointer)
	p := make([]byte, 8)
	if _, err := f.Memory().ReadMemory(ctx, at, p[:v.size]); err != nil {
		return nil, err
	}
	table := arch.Addr(binary.LittleEndian.Uint64(p))
	if _, err := f.Memory().ReadMemory(ctx, table+arch.Addr(4*v.index), p[:4]); err != nil {
		return nil, err
	}
	distance := int32(binary.LittleEndian.Uint32(p))
	return []symbols.Piece{{Kind: symbols.InMemory, Addr: at + arch.Addr(int64(distance))}}, nil
}

// staticMember is looked for when it is asked for.
type staticMember struct {
	f    *File
	name string
}

// Pieces implements symbols.Location.
func (s staticMember) Pieces(ctx context.Context, f symbols.Frame, pc symbols.Offset) ([]symbols.Piece, error) {
	var v symbols.Variable
	var ok bool
	s.f.guarded(func() { v, ok = s.f.Global(s.name) })
	if !ok {
		return nil, &symbols.UnavailableError{Reason: "static member " + s.name + " is not defined in this image"}
	}
	return v.Location.Pieces(ctx, f, pc)
}
