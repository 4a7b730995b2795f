package symbols

import "sync"

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
	Declaration bool  // only declared here; Typer.Type may find the definition
	Language    Language
	Image       Image // where it comes from, nil for types made by hand

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
	Methods     []Method
	Variadic    bool
}

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
	Const      []byte // compile-time value of a static member
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
}

// Method is a member function, for completion and `dt`.
type Method struct {
	Name    string
	Linkage string
	Type    *Type
	Virtual bool
	Static  bool
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
