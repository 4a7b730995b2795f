package symbols

import (
	"context"
	"sync"

	"dap-windbg/arch"
)

// TypeKind sorts types.
type TypeKind uint8

const (
	Void TypeKind = iota
	Base
	Pointer
	Reference
	RvalueReference
	Struct
	Class
	Union
	Enum
	Array
	Func
	Typedef
	Const
	Volatile
	Restrict
	Atomic
	MemberPointer
	NullPtr
	Unspecified
)

// Encoding of a Base type (DWARF 5, table 7.11, reduced).
type Encoding uint8

const (
	Signed Encoding = iota
	Unsigned
	SignedChar
	UnsignedChar
	UTF // char8_t, char16_t, char32_t
	Bool
	FloatEnc
	ComplexFloat
	ComplexInt
	DecimalFloat // IEEE 754-2008 decimal, binary integer significand
)

// Type is a type of the debuggee's program. Fields that may be large are loaded
// on first use; a Type is safe for many goroutines. Types are compared by
// pointer within an image only; use Name and Size across images.
type Type struct {
	Kind        TypeKind
	Name        string // qualified, as the language spells it; "" when anonymous
	Size        int64  // bytes, -1 unknown
	Encoding    Encoding
	Elem        *Type // pointee, element, underlying or aliased type, return type (Func); nil is void
	Count       int64 // Array: elements of this dimension, -1 unknown
	Stride      int64 // Array: bytes between elements, 0 = Elem.Size
	Owner       *Type // MemberPointer: the class
	Lower       int64 // Array: index of the first element (Fortran)
	Vector      bool  // Array: a vector register's type (GCC's vector_size)
	Declaration bool  // only declared here; Typer.Type may find the definition
	Language    Language
	Go          *GoType // what the Go linker says besides, nil elsewhere
	Image       Image   // where it comes from, nil for types made by hand

	// Dynamic makes a type whose size or place only the running program knows
	// (a C array of variable length, a Fortran descriptor) concrete; nil for all
	// others. Count, Size and Stride are -1 where they depend on it.
	Dynamic Dynamic

	// Load fills Members on first use; nil when there is nothing to load. The
	// reader that makes the Type sets it before publishing.
	Load func() *Members

	once    sync.Once
	members *Members
}

// Members is the part of a Type that is loaded lazily.
type Members struct {
	Fields      []Field // bases first, in declaration order
	Enumerators []Enumerator
	Params      []Param       // Func
	Template    []TemplateArg // class templates
	Methods     []Method      // read them by AllMethods
	Variadic    bool
	Parts       []VariantPart
	Passed      Passing

	// LoadMethods makes Methods on first use: a class has many, which those who look
	// at its data never ask for. Nil when they are there.
	LoadMethods func() []Method
	loaded      sync.Once
}

// AllMethods returns the methods of a class, those of its bases not among them.
func (m *Members) AllMethods() []Method {
	m.loaded.Do(func() {
		if m.LoadMethods != nil {
			m.Methods = m.LoadMethods()
		}
	})
	return m.Methods
}

// Passing is how objects of a class are handed to functions and back, where the
// compiler says it (DW_AT_calling_convention, DWARF 5, 5.7.1).
type Passing uint8

const (
	PassingUnknown Passing = iota
	ByValue
	ByReference
)

// Field is a member or base of a Struct, Class or Union.
type Field struct {
	Name       string // "" for an anonymous struct or union, whose members are the parent's
	Type       *Type
	Offset     int64 // bytes
	BitOffset  int   // from Offset, counted from the least significant bit (little endian)
	BitSize    int   // 0: not a bit field
	Base       bool
	Virtual    bool // virtual base: Offset is found through the vtable, see VOffset
	VOffset    Location
	Static     bool // Location says where
	Location   Location
	Artificial bool
	Const      []byte   // compile-time value of a static member
	Variant    *Variant // the variant it belongs to, nil: it is always there
}

// VariantPart is a part of a Struct of which one variant at a time is live, such
// as what a Rust enum carries (DWARF 5, 5.7.10). The fields of all variants, and
// the discriminant when it is one of its own, are among Members.Fields too.
type VariantPart struct {
	Discr    *Field // holds what tells the variants apart; nil: there is one variant only
	Variants []*Variant
}

// Variant is one of the shapes of a VariantPart. In Rust it has one field, of the
// variant's name, whose type is a Struct of what the variant carries.
type Variant struct {
	Values []Discriminant // none: it is live when no other one is
	Fields []Field
}

// Discriminant is a range of discriminant values, both ends included. They are
// signed or not as the discriminant's type is.
type Discriminant struct{ Low, High int64 }

// Live returns the variant for the value of the discriminant: its bytes as a
// number, however extended. Nil when the value belongs to no variant.
func (p *VariantPart) Live(discr uint64) *Variant {
	var rest *Variant
	for _, v := range p.Variants {
		if len(v.Values) == 0 {
			rest = v
		}
		for _, r := range v.Values {
			if r.holds(discr, p.Discr) {
				return v
			}
		}
	}
	return rest
}

func (r Discriminant) holds(v uint64, discr *Field) bool {
	var t *Type
	if discr != nil {
		t = discr.Type.Strip()
	}
	shift := uint(0)
	if t != nil && t.Size > 0 && t.Size < 8 {
		shift = uint(64 - 8*t.Size)
	}
	if t != nil && t.Kind == Base && (t.Encoding == Signed || t.Encoding == SignedChar) {
		at := func(v uint64) int64 { return int64(v<<shift) >> shift }
		return at(v) >= at(uint64(r.Low)) && at(v) <= at(uint64(r.High))
	}
	at := func(v uint64) uint64 { return v << shift >> shift }
	return at(v) >= at(uint64(r.Low)) && at(v) <= at(uint64(r.High))
}

// Dynamic makes types concrete.
type Dynamic interface {
	// Resolve returns the type that t is for the object at addr, seen from f at
	// offset pc, and where its data lie. An array that is not allocated has Count 0
	// and its data at 0. *UnavailableError where it cannot be known.
	Resolve(ctx context.Context, f Frame, pc Offset, addr arch.Addr) (t *Type, data arch.Addr, err error)
}

// GoType is what the Go linker tells of a type besides (DW_AT_go_kind and the
// others of cmd/internal/dwarf).
type GoType struct {
	Kind    uint8 // as reflect.Kind numbers it
	Key     *Type // of a map
	Elem    *Type // of a map, slice, channel, array or pointer where told
	Package string
}

// Enumerator is a named constant.
type Enumerator struct {
	Name  string
	Value int64
}

// Param is a parameter of a function type.
type Param struct {
	Name       string
	Type       *Type
	Artificial bool
}

// TemplateArg is an argument of a class template: a type, or a constant of it.
type TemplateArg struct {
	Name    string
	Type    *Type
	Value   int64
	IsValue bool
	Bytes   []byte // of a value that is no number of 8 bytes
	// Template is the name of a template that is an argument itself.
	Template string
}

// Method is a member function, for completion and `dt`.
type Method struct {
	Name    string
	Linkage string
	Type    *Type
	Virtual bool
	Static  bool
	// Implicit: made by the compiler, or defaulted within the class; Deleted: "= delete".
	Implicit, Deleted bool
}

// Language of the compilation unit, as far as printing differs.
type Language uint8

const (
	C Language = iota
	CPlusPlus
	Rust
	Go
	Fortran
	Assembler
	OtherLanguage
)

// Members returns the lazily loaded part, never nil.
func (t *Type) Members() *Members {
	t.once.Do(func() {
		if t.Load != nil {
			t.members = t.Load()
		}
		if t.members == nil {
			t.members = &Members{}
		}
	})
	return t.members
}

// Strip removes typedefs and cv-qualifiers.
func (t *Type) Strip() *Type {
	for i := 0; t != nil && i < 64; i++ {
		switch t.Kind {
		case Typedef, Const, Volatile, Restrict, Atomic:
			t = t.Elem
		default:
			return t
		}
	}
	return t
}

// IsComposite reports whether t (stripped) has fields.
func (t *Type) IsComposite() bool {
	t = t.Strip()
	return t != nil && (t.Kind == Struct || t.Kind == Class || t.Kind == Union)
}

// IsPointer reports whether t (stripped) is a pointer or reference.
func (t *Type) IsPointer() bool {
	t = t.Strip()
	return t != nil && (t.Kind == Pointer || t.Kind == Reference || t.Kind == RvalueReference)
}

// ByteSize is the size of a value, looking through typedefs and arrays; -1 unknown.
func (t *Type) ByteSize() int64 {
	t = t.Strip()
	if t == nil {
		return 0
	}
	if t.Kind == Array && t.Size < 0 && t.Elem != nil && t.Count >= 0 {
		return t.Count * t.Elem.ByteSize()
	}
	return t.Size
}
