package dwarf

import (
	"strings"
	"sync"

	"dap-windbg/symbols"
)

// typeCache holds the types made so far, by DIE. A type is entered before its
// element is made, so that chains may be circular; it is published by mu.
type typeCache struct {
	mu    sync.Mutex
	byDIE map[ref]*symbols.Type
}

// maxTypeDepth bounds a chain of pointers, typedefs and qualifiers.
const maxTypeDepth = 200

// typeOf returns the type of a DIE, nil (void) for 0.
func (d *Data) typeOf(r ref) *symbols.Type {
	if r == 0 {
		return nil
	}
	d.types.mu.Lock()
	defer d.types.mu.Unlock()
	return d.makeType(r, 0)
}

// typeKinds says what a tag becomes.
var typeKinds = map[tag]symbols.TypeKind{
	tagBaseType: symbols.Base, tagPointer: symbols.Pointer, tagReference: symbols.Reference, tagRvalueRef: symbols.RvalueReference,
	tagStruct: symbols.Struct, tagClass: symbols.Class, tagInterface: symbols.Class, tagUnion: symbols.Union, tagEnumeration: symbols.Enum,
	tagArray: symbols.Array, tagSubroutineType: symbols.Func, tagSubprogram: symbols.Func, tagTypedef: symbols.Typedef,
	tagTemplateAlias: symbols.Typedef, tagConstType: symbols.Const, tagImmutable: symbols.Const, tagVolatile: symbols.Volatile,
	tagRestrict: symbols.Restrict, tagAtomic: symbols.Atomic, tagPtrToMember: symbols.MemberPointer,
	tagUnspecified: symbols.Unspecified, tagString: symbols.Array,
}

// makeType makes the type of r; mu is held.
func (d *Data) makeType(r ref, depth int) *symbols.Type {
	if t, ok := d.types.byDIE[r]; ok {
		return t
	}
	e, ok := d.die(r)
	kind, known := typeKinds[e.tag()]
	if !ok || !known || depth > maxTypeDepth {
		return &symbols.Type{Kind: symbols.Unspecified, Size: -1, Image: d.opt.Image}
	}
	if d.types.byDIE == nil {
		d.types.byDIE = map[ref]*symbols.Type{}
	}
	if sig := e.target(atSignature); sig != 0 && sig != r && sig != lostRef { // declared here, defined in a type unit
		t := d.makeType(sig, depth+1)
		d.types.byDIE[r] = t
		return t
	}
	t := &symbols.Type{Kind: kind, Size: -1, Image: d.opt.Image, Language: e.u.root.lang}
	d.types.byDIE[r] = t
	if n, ok := e.uint(atByteSize); ok && n < 1<<62 {
		t.Size = int64(n)
	}
	if name := e.mergedString(atName); name != "" {
		full, _ := d.qualify(r, name)
		t.Name = symbols.Spell(full)
	}
	t.Declaration = e.flag(atDeclaration)
	if e.u.root.lang == symbols.Go {
		t.Go = d.goType(&e, depth)
	}
	d.fillType(t, &e, depth)
	return t
}

// goType reads what the Go linker adds to a type.
func (d *Data) goType(e *die, depth int) *symbols.GoType {
	kind, ok := e.uint(atGoKind)
	if !ok {
		return nil
	}
	g := &symbols.GoType{Kind: uint8(min(kind, 255)), Package: e.string(atGoPackage)}
	if r := e.target(atGoKey); r != 0 {
		g.Key = d.makeType(r, depth+1)
	}
	if r := e.target(atGoElem); r != 0 {
		g.Elem = d.makeType(r, depth+1)
	}
	return g
}

func (d *die) tag() tag {
	if d.ab == nil {
		return 0
	}
	return d.ab.tag
}

func (d *Data) fillType(t *symbols.Type, e *die, depth int) {
	elem := func() *symbols.Type {
		if r := e.mergedTarget(atType); r != 0 {
			return d.makeType(r, depth+1)
		}
		return nil
	}
	switch t.Kind {
	case symbols.Base:
		d.fillBase(t, e)
	case symbols.Pointer, symbols.Reference, symbols.RvalueReference:
		t.Elem = elem()
		if t.Size < 0 {
			t.Size = int64(e.u.addrSize)
		}
	case symbols.Typedef, symbols.Const, symbols.Volatile, symbols.Restrict, symbols.Atomic:
		t.Elem = acyclic(t, elem())
		t.Size = sizeOf(t.Elem)
		if t.Elem != nil && t.Elem.Dynamic != nil {
			t.Dynamic = dynamicWrapper{t}
		}
	case symbols.MemberPointer:
		t.Elem = elem()
		if r := e.target(atContaining); r != 0 {
			t.Owner = d.makeType(r, depth+1)
		}
		if t.Size < 0 { // Itanium C++ ABI: a function's has the adjustment besides
			t.Size = int64(e.u.addrSize)
			if el := t.Elem.Strip(); el != nil && el.Kind == symbols.Func {
				t.Size *= 2
			}
		}
	case symbols.Array:
		d.fillArray(t, e, acyclic(t, elem()))
	case symbols.Func:
		t.Name = ""
		t.Elem = elem()
		t.Load = d.loader(e.ref(), (*die).functionMembers)
	case symbols.Enum:
		t.Elem = elem()
		if t.Size < 0 {
			t.Size = sizeOf(t.Elem)
		}
		t.Load = d.loader(e.ref(), (*die).enumMembers)
	case symbols.Struct, symbols.Class, symbols.Union:
		t.Load = d.loader(e.ref(), (*die).structMembers)
	case symbols.Unspecified:
		if t.Name == "decltype(nullptr)" || t.Name == "nullptr_t" {
			t.Kind, t.Size = symbols.NullPtr, int64(e.u.addrSize)
		}
	}
}

// acyclic returns elem, or nil when t would come to contain itself.
func acyclic(t, elem *symbols.Type) *symbols.Type {
	e := elem
	for range maxTypeDepth {
		if e == t {
			return nil
		}
		if e == nil || e.Kind != symbols.Array && (e.Kind < symbols.Typedef || e.Kind > symbols.Atomic) {
			return elem
		}
		e = e.Elem
	}
	return nil
}

func sizeOf(t *symbols.Type) int64 {
	if t == nil {
		return -1
	}
	return t.ByteSize()
}

// encodings reduces DW_ATE codes (DWARF 5 table 7.11).
var encodings = map[uint64]symbols.Encoding{
	0x01: symbols.Unsigned, 0x02: symbols.Bool, 0x03: symbols.ComplexFloat, 0x04: symbols.FloatEnc, 0x05: symbols.Signed,
	0x06: symbols.SignedChar, 0x07: symbols.Unsigned, 0x08: symbols.UnsignedChar, 0x09: symbols.ComplexFloat,
	0x0f: symbols.DecimalFloat, 0x10: symbols.UTF,
}

// userEncoding is DW_ATE_lo_user: GCC's for what its version of DWARF has no code for.
const userEncoding = 0x80

func (d *Data) fillBase(t *symbols.Type, e *die) {
	code, _ := e.uint(atEncoding)
	enc, ok := encodings[code]
	if !ok {
		enc = symbols.Unsigned
	}
	if code == userEncoding {
		switch {
		case strings.HasPrefix(t.Name, "complex"):
			enc = symbols.ComplexInt
		case strings.HasPrefix(t.Name, "_Decimal"):
			enc = symbols.DecimalFloat
		}
	}
	t.Encoding = enc
	if n, ok := e.uint(atBitSize); ok && t.Size < 0 {
		t.Size = int64(n+7) / 8
	}
}

// loader makes a Type.Load that reads the DIE's children when asked.
func (d *Data) loader(r ref, f func(*die, *symbols.Members)) func() *symbols.Members {
	return func() *symbols.Members {
		m := &symbols.Members{}
		if !d.opt.Guard(func() {
			if e, ok := d.die(r); ok {
				f(&e, m)
			}
		}) {
			return &symbols.Members{}
		}
		return m
	}
}
