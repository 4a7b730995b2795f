package btf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"sync"

	"dap-windbg/symbols"
)

// FormatError: the data are no BTF, or not one of a form that is known.
type FormatError struct {
	Offset int // in the data, bytes
	What   string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("BTF at offset 0x%x: %s", e.Offset, e.What)
}

const (
	magic      = 0xeb9f
	headerSize = 24 // of version 1; hdr_len may say more
	maxTypes   = 1 << 22
)

// kind is BTF_KIND_*.
type kind uint8

const (
	kindVoid kind = iota
	kindInt
	kindPtr
	kindArray
	kindStruct
	kindUnion
	kindEnum
	kindFwd
	kindTypedef
	kindVolatile
	kindConst
	kindRestrict
	kindFunc
	kindFuncProto
	kindVar
	kindDatasec
	kindFloat
	kindDeclTag
	kindTypeTag
	kindEnum64
)

// sizes are the bytes behind the 12 that every type has: so many, and so many for
// each of its vlen parts.
var sizes = [...]struct{ fixed, each int }{
	kindInt: {4, 0}, kindPtr: {}, kindArray: {12, 0}, kindStruct: {0, 12}, kindUnion: {0, 12}, kindEnum: {0, 8}, kindFwd: {},
	kindTypedef: {}, kindVolatile: {}, kindConst: {}, kindRestrict: {}, kindFunc: {}, kindFuncProto: {0, 8}, kindVar: {4, 0},
	kindDatasec: {0, 12}, kindFloat: {}, kindDeclTag: {4, 0}, kindTypeTag: {}, kindEnum64: {0, 12},
}

// Info is one BTF text. It is safe for many goroutines.
type Info struct {
	base    *Info // what the first types and strings are those of, nil: none
	first   int   // number of the first type of its own
	types   []byte
	strings []byte
	shift   int     // string offsets below are the base's
	at      []int32 // where each type begins
	names   map[string][]uint32
	image   symbols.Image

	mu    sync.Mutex
	made  map[uint32]*symbols.Type
	depth int // of make
}

// Parse reads a whole text; base is the kernel's for that of a module. data is kept.
func Parse(data []byte, base *Info) (*Info, error) {
	if len(data) < headerSize {
		return nil, &FormatError{len(data), "it ends within its header"}
	}
	le := binary.LittleEndian
	if le.Uint16(data) != magic {
		return nil, &FormatError{0, fmt.Sprintf("the mark is 0x%x, not 0x%x", le.Uint16(data), magic)}
	}
	if data[2] != 1 {
		return nil, &FormatError{2, fmt.Sprintf("version %d is not known", data[2])}
	}
	head := uint64(le.Uint32(data[4:]))
	part := func(field int) ([]byte, error) {
		off, n := head+uint64(le.Uint32(data[field:])), uint64(le.Uint32(data[field+4:]))
		if off > uint64(len(data)) || n > uint64(len(data))-off {
			return nil, &FormatError{field, "a section reaches beyond the end"}
		}
		return data[off : off+n], nil
	}
	i := &Info{base: base, first: 1, names: map[string][]uint32{}, made: map[uint32]*symbols.Type{}}
	var err error
	if i.types, err = part(8); err != nil {
		return nil, err
	}
	if i.strings, err = part(16); err != nil {
		return nil, err
	}
	if base != nil {
		i.first, i.shift = base.first+len(base.at), base.shift+len(base.strings)
	}
	return i, i.index()
}

// index finds where each type begins, and the names.
func (i *Info) index() error {
	for off := 0; off < len(i.types); {
		if len(i.types)-off < 12 || len(i.at) >= maxTypes {
			return &FormatError{off, "the types do not end with a whole one"}
		}
		r := record{i.types[off:]}
		k := r.kind()
		if k == kindVoid || int(k) >= len(sizes) {
			return &FormatError{off, fmt.Sprintf("kind %d is not known", k)}
		}
		n := 12 + sizes[k].fixed + r.vlen()*sizes[k].each
		if n > len(i.types)-off {
			return &FormatError{off, "a type reaches beyond the end"}
		}
		if name := i.text(r.name()); name != "" && k != kindDatasec && k != kindDeclTag && k != kindTypeTag {
			if k == kindInt {
				name = symbols.Spell(name)
			}
			i.names[name] = append(i.names[name], uint32(i.first+len(i.at)))
		}
		i.at = append(i.at, int32(off))
		off += n
	}
	return nil
}

// SetImage tells the image that types are to say they come from; before the first use.
func (i *Info) SetImage(img symbols.Image) { i.image = img }

// text is a string of the table, "" where it is none.
func (i *Info) text(off uint32) string {
	if int64(off) < int64(i.shift) {
		if i.base == nil {
			return ""
		}
		return i.base.text(off)
	}
	at := int64(off) - int64(i.shift)
	if at >= int64(len(i.strings)) {
		return ""
	}
	s := i.strings[at:]
	if end := bytes.IndexByte(s, 0); end >= 0 {
		s = s[:end]
	}
	return string(s)
}

// record is one type as it is written.
type record struct{ p []byte }

func (r record) word(n int) uint32 { return binary.LittleEndian.Uint32(r.p[4*n:]) }
func (r record) name() uint32      { return r.word(0) }
func (r record) kind() kind        { return kind(r.word(1) >> 24 & 0x1f) }
func (r record) vlen() int         { return int(r.word(1) & 0xffff) }
func (r record) flag() bool        { return r.word(1)>>31 == 1 }
func (r record) size() uint32      { return r.word(2) } // or a type's number

// record finds a type by its number.
func (i *Info) record(id uint32) (record, bool) {
	if int(id) < i.first {
		if i.base == nil || id == 0 {
			return record{}, false
		}
		return i.base.record(id)
	}
	n := int(id) - i.first
	if n >= len(i.at) {
		return record{}, false
	}
	return record{i.types[i.at[n]:]}, true
}

// one finds the type with a name that is one of the kinds, the first kind first.
func (i *Info) one(name string, kinds ...kind) (uint32, bool) {
	name = symbols.Spell(name)
	for _, k := range kinds {
		for _, id := range i.names[name] {
			if r, ok := i.record(id); ok && r.kind() == k {
				return id, true
			}
		}
	}
	if i.base != nil {
		return i.base.one(name, kinds...)
	}
	return 0, false
}

// Type finds a type by its name, without "struct"; see symbols.Typer. Of a typedef
// and a structure of the same name it is the structure, as in DWARF.
func (i *Info) Type(name string) (*symbols.Type, bool) {
	id, ok := i.one(name, kindStruct, kindUnion, kindEnum, kindEnum64, kindTypedef, kindInt, kindFloat, kindFwd)
	if !ok {
		return nil, false
	}
	return i.typ(id), true
}

// Types yields the names of types that match a pattern; see symbols.Typer.
func (i *Info) Types(pattern string) iter.Seq[string] {
	p := symbols.CompilePattern(pattern, false)
	return func(yield func(string) bool) {
		for name, ids := range i.names {
			r, ok := i.record(ids[0])
			if !ok || r.kind() == kindFunc || r.kind() == kindVar || !p.Match(name) {
				continue
			}
			if !yield(name) {
				return
			}
		}
	}
}

// Function is the type of a function by its name.
func (i *Info) Function(name string) (*symbols.Type, bool) {
	id, ok := i.one(name, kindFunc)
	if !ok {
		return nil, false
	}
	r, _ := i.record(id)
	return i.typ(r.size()), true
}

// Variable is the type of a variable by its name. Kernels tell those of their per-CPU
// variables, later ones (6.16) of all that are global.
func (i *Info) Variable(name string) (*symbols.Type, bool) {
	id, ok := i.one(name, kindVar)
	if !ok {
		return nil, false
	}
	r, _ := i.record(id)
	return i.typ(r.size()), true
}
