package btf

import (
	"encoding/binary"

	"dap-windbg/symbols"
)

// typ is the symbols.Type of a number; nil is void, and what a broken text names.
func (i *Info) typ(id uint32) *symbols.Type {
	if int(id) < i.first && i.base != nil {
		return i.base.typ(id)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.make(id)
}

// make is typ under the lock. Members are made on first use.
func (i *Info) make(id uint32) *symbols.Type {
	if int(id) < i.first && i.base != nil {
		return i.base.typ(id)
	}
	if t, ok := i.made[id]; ok {
		return t
	}
	r, ok := i.record(id)
	if !ok || i.depth > maxChain {
		return nil
	}
	i.made[id] = nil // against a circle, which no compiler writes: structures are made on first use
	i.depth++
	defer func() { i.depth-- }()
	switch r.kind() {
	case kindTypeTag, kindDeclTag: // attributes, of no size
		i.made[id] = i.make(r.size())
	default:
		t := &symbols.Type{Name: i.text(r.name()), Image: i.image}
		i.fill(t, r)
		i.made[id] = t
	}
	return i.made[id]
}

// maxChain bounds types that are each made of the next, as pointers to pointers.
const maxChain = 1000

// qualifiers are the kinds that stand for one other type.
var qualifiers = map[kind]symbols.TypeKind{
	kindPtr: symbols.Pointer, kindTypedef: symbols.Typedef, kindVolatile: symbols.Volatile, kindConst: symbols.Const, kindRestrict: symbols.Restrict,
}

// fill gives t what the record says.
func (i *Info) fill(t *symbols.Type, r record) {
	if k, ok := qualifiers[r.kind()]; ok {
		t.Kind, t.Size, t.Elem = k, -1, i.make(r.size())
		if k == symbols.Pointer {
			t.Size = 8
		}
		return
	}
	t.Size = int64(r.size())
	switch r.kind() {
	case kindInt:
		t.Name = symbols.Spell(t.Name)
		t.Kind, t.Encoding = symbols.Base, intEncoding(r, t.Name)
	case kindFloat:
		t.Kind, t.Encoding = symbols.Base, symbols.FloatEnc
	case kindArray:
		t.Kind, t.Size, t.Elem, t.Count = symbols.Array, -1, i.make(r.word(3)), int64(r.word(5))
	case kindStruct, kindUnion:
		t.Kind = symbols.Struct
		if r.kind() == kindUnion {
			t.Kind = symbols.Union
		}
		t.Load = func() *symbols.Members { return &symbols.Members{Fields: i.fields(r)} }
	case kindEnum, kindEnum64:
		t.Kind, t.Elem, t.Declaration = symbols.Enum, enumBase(r), r.vlen() == 0
		t.Load = func() *symbols.Members { return &symbols.Members{Enumerators: i.enumerators(r)} }
	case kindFwd:
		t.Kind, t.Size, t.Declaration = symbols.Struct, -1, true
		if r.flag() {
			t.Kind = symbols.Union
		}
	case kindFuncProto:
		t.Kind, t.Size, t.Elem = symbols.Func, -1, i.make(r.size())
		t.Load = func() *symbols.Members { return i.params(r) }
	case kindFunc, kindVar:
		t.Kind, t.Size, t.Elem = symbols.Typedef, -1, i.make(r.size())
	default:
		t.Kind, t.Size = symbols.Unspecified, -1
	}
}

// intEncoding reads BTF_INT_ENCODING: 1 signed, 2 char, 4 bool.
func intEncoding(r record, name string) symbols.Encoding {
	char := name == "char" || name == "signed char" || name == "unsigned char"
	switch bits := r.word(3) >> 24 & 0xf; {
	case bits&4 != 0:
		return symbols.Bool
	case bits&1 != 0 && (bits&2 != 0 || char), name == "char":
		return symbols.SignedChar
	case bits&1 != 0:
		return symbols.Signed
	case bits&2 != 0, char:
		return symbols.UnsignedChar
	}
	return symbols.Unsigned
}

// leastNegative: writers of BTF before Linux 6.2 did not tell the sign of an enum's
// values. Those above are taken for small negative numbers, such as error numbers.
const leastNegative = 0xfffff000

// enumBase is the integer type that an enum has the values of. The flag says signed
// where it is used; without it compilers take unsigned unless a value is negative.
func enumBase(r record) *symbols.Type {
	t := &symbols.Type{Kind: symbols.Base, Name: "unsigned int", Size: int64(r.size()), Encoding: symbols.Unsigned}
	signed := r.flag()
	if r.kind() == kindEnum {
		for n := range r.vlen() {
			signed = signed || r.word(3+2*n+1) >= leastNegative
		}
	}
	if signed {
		t.Name, t.Encoding = "int", symbols.Signed
	}
	return t
}

func (i *Info) enumerators(r record) []symbols.Enumerator {
	out := make([]symbols.Enumerator, r.vlen())
	signed := enumBase(r).Encoding == symbols.Signed
	for n := range out {
		if r.kind() == kindEnum64 {
			w := 3 + 3*n
			out[n] = symbols.Enumerator{Name: i.text(r.word(w)), Value: int64(uint64(r.word(w+1)) | uint64(r.word(w+2))<<32)}
			continue
		}
		w := 3 + 2*n
		out[n] = symbols.Enumerator{Name: i.text(r.word(w)), Value: int64(r.word(w + 1))}
		if signed {
			out[n].Value = int64(int32(r.word(w + 1)))
		}
	}
	return out
}

// fields are the members of a structure. With the flag an offset has the width of a
// bit field in its upper 8 bits; without, the member's int says its bits.
func (i *Info) fields(r record) []symbols.Field {
	out := make([]symbols.Field, r.vlen())
	for n := range out {
		w := 3 + 3*n
		f := symbols.Field{Name: i.text(r.word(w)), Type: i.typ(r.word(w + 1))}
		bit := int64(r.word(w + 2))
		if r.flag() {
			f.BitSize, bit = int(bit>>24), bit&0xffffff
		} else if d, ok := i.record(r.word(w + 1)); ok && d.kind() == kindInt && bit%8 != 0 {
			f.BitSize = int(d.word(3) & 0xff)
		}
		f.Offset = bit / 8
		if f.BitSize > 0 { // from where a value of its type may lie
			size := int64(1)
			if s := f.Type.ByteSize(); s > 0 {
				size = s
			}
			f.Offset = bit / (8 * size) * size
			f.BitOffset = int(bit - 8*f.Offset)
		}
		out[n] = f
	}
	return out
}

func (i *Info) params(r record) *symbols.Members {
	m := &symbols.Members{}
	for n := range r.vlen() {
		w := 3 + 2*n
		name, id := r.word(w), r.word(w+1)
		if name == 0 && id == 0 && n == r.vlen()-1 { // "..." is a last one without a type
			m.Variadic = true
			break
		}
		m.Params = append(m.Params, symbols.Param{Name: i.text(name), Type: i.typ(id)})
	}
	return m
}

// Size is how long a text is, by its header; 0 for what is none. head are its first 24 bytes.
func Size(head []byte) int64 {
	if len(head) < headerSize || binary.LittleEndian.Uint16(head) != magic {
		return 0
	}
	word := func(n int) int64 { return int64(binary.LittleEndian.Uint32(head[n:])) }
	return word(4) + max(word(8)+word(12), word(16)+word(20))
}
