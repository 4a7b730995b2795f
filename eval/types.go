package eval

import (
	"sort"
	"strconv"
	"strings"
	"sync"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// language holds the built-in types of C++ for one data model. Linux's two are
// LP64 and ILP32 (System V ABI): long and pointers have the same size.
type language struct {
	ptr    int64
	byName map[string]*symbols.Type
}

// builtinTable lists the built-in types; a size of 0 is that of a pointer.
var builtinTable = []struct {
	names string
	size  int64
	enc   symbols.Encoding
}{
	{"bool", 1, symbols.Bool},
	{"char", 1, symbols.SignedChar},
	{"signed char", 1, symbols.SignedChar},
	{"unsigned char", 1, symbols.UnsignedChar},
	{"char8_t", 1, symbols.UTF},
	{"char16_t", 2, symbols.UTF},
	{"char32_t", 4, symbols.UTF},
	{"wchar_t", 4, symbols.SignedChar},
	{"short|short int", 2, symbols.Signed},
	{"unsigned short|short unsigned int", 2, symbols.Unsigned},
	{"int", 4, symbols.Signed},
	{"unsigned int", 4, symbols.Unsigned},
	{"long|long int", 0, symbols.Signed},
	{"unsigned long|long unsigned int", 0, symbols.Unsigned},
	{"long long|long long int", 8, symbols.Signed},
	{"unsigned long long|long long unsigned int", 8, symbols.Unsigned},
	{"__int128", 16, symbols.Signed},
	{"unsigned __int128|__int128 unsigned", 16, symbols.Unsigned},
	{"float", 4, symbols.FloatEnc},
	{"double", 8, symbols.FloatEnc},
	{"long double", 16, symbols.FloatEnc},
	{"__int8", 1, symbols.Signed}, {"unsigned __int8", 1, symbols.Unsigned},
	{"__int16", 2, symbols.Signed}, {"unsigned __int16", 2, symbols.Unsigned},
	{"__int32", 4, symbols.Signed}, {"unsigned __int32", 4, symbols.Unsigned},
	{"__int64", 8, symbols.Signed}, {"unsigned __int64", 8, symbols.Unsigned},
}

func newLanguage(ptr int64) *language {
	l := &language{ptr: ptr, byName: map[string]*symbols.Type{"void": {Kind: symbols.Void, Name: "void"}}}
	for _, row := range builtinTable {
		size := row.size
		if size == 0 {
			size = ptr
		}
		names := strings.Split(row.names, "|")
		t := &symbols.Type{Kind: symbols.Base, Name: names[0], Size: size, Encoding: row.enc, Language: symbols.CPlusPlus}
		for _, n := range names {
			l.byName[n] = t
		}
	}
	l.byName["nullptr_t"] = &symbols.Type{Kind: symbols.NullPtr, Name: "std::nullptr_t", Size: ptr}
	return l
}

var lp64, ilp32 = sync.OnceValue(func() *language { return newLanguage(8) }), sync.OnceValue(func() *language { return newLanguage(4) })

func languageOf(a *arch.Arch) *language {
	if a != nil && a.PtrSize == 4 {
		return ilp32()
	}
	return lp64()
}

// typeWords are the words a built-in type is spelled with.
var typeWords = map[string]bool{
	"void": true, "bool": true, "char": true, "signed": true, "unsigned": true, "short": true, "int": true,
	"long": true, "float": true, "double": true, "char8_t": true, "char16_t": true, "char32_t": true,
	"wchar_t": true, "__int128": true, "__int8": true, "__int16": true, "__int32": true, "__int64": true,
	"_Bool": true,
}

// builtin finds the type spelled by type words in any order ("long unsigned int").
func (l *language) builtin(words []string) (*symbols.Type, bool) {
	var rest []string
	longs, unsigned, signed := 0, false, false
	for _, w := range words {
		switch w {
		case "long":
			longs++
		case "unsigned":
			unsigned = true
		case "signed":
			signed = true
		case "_Bool":
			rest = append(rest, "bool")
		default:
			rest = append(rest, w)
		}
	}
	if len(rest) == 2 && (longs > 0 || rest[0] == "short" || rest[1] == "short") {
		sort.Strings(rest)
		if rest[0] == "int" {
			rest = rest[1:]
		}
	}
	if longs > 0 && len(rest) == 1 && rest[0] == "int" {
		rest = nil
	}
	for ; longs > 0; longs-- {
		rest = append([]string{"long"}, rest...)
	}
	if len(rest) == 0 {
		rest = []string{"int"}
	}
	name := strings.Join(rest, " ")
	switch {
	case unsigned:
		name = "unsigned " + name
	case signed && name == "char":
		name = "signed char"
	}
	t, ok := l.byName[name]
	return t, ok
}

func (l *language) named(name string) *symbols.Type { return l.byName[name] }

func (l *language) pointer(to *symbols.Type) *symbols.Type {
	return &symbols.Type{Kind: symbols.Pointer, Size: l.ptr, Elem: to, Language: symbols.CPlusPlus}
}

func arrayOf(t *symbols.Type, n int64) *symbols.Type {
	a := &symbols.Type{Kind: symbols.Array, Elem: t, Count: n, Size: -1}
	if s := t.ByteSize(); s >= 0 && n >= 0 {
		a.Size = s * n
	}
	return a
}

// TypeName spells a type as printed in [Type: ...].
func TypeName(t *symbols.Type) string { return declare(t, "", 0) }

// declare spells t around the declarator inner, outside in as C++ does.
func declare(t *symbols.Type, inner string, depth int) string {
	if t == nil {
		return joinDecl("void", inner)
	}
	if depth > 32 {
		return joinDecl("...", inner)
	}
	wrap := func(mark string) string {
		d := mark
		if inner != "" {
			d += " " + inner
		}
		if t.Elem != nil && (t.Elem.Kind == symbols.Array || t.Elem.Kind == symbols.Func) {
			d = "(" + d + ")"
		}
		return declare(t.Elem, d, depth+1)
	}
	switch t.Kind {
	case symbols.Pointer:
		return wrap("*")
	case symbols.Reference:
		return wrap("&")
	case symbols.RvalueReference:
		return wrap("&&")
	case symbols.MemberPointer:
		return wrap(TypeName(t.Owner) + "::*")
	case symbols.Const, symbols.Volatile, symbols.Restrict, symbols.Atomic:
		return qualify(t, inner, depth)
	case symbols.Typedef:
		if strings.IndexByte(t.Name, '<') >= 0 { // a member of a template: what it is says more
			return declare(t.Elem, inner, depth+1)
		}
	case symbols.Array:
		n := ""
		if t.Count >= 0 {
			n = strconv.FormatInt(t.Count, 10)
		}
		if inner == "" || strings.HasSuffix(inner, "]") || strings.HasSuffix(inner, ")") {
			return declare(t.Elem, inner+"["+n+"]", depth+1)
		}
		return declare(t.Elem, inner+" ["+n+"]", depth+1)
	case symbols.Func:
		return declare(t.Elem, inner+"("+paramNames(t, depth)+")", depth+1)
	}
	return joinDecl(plainName(t), inner)
}

func joinDecl(base, inner string) string {
	if inner == "" {
		return base
	}
	return base + " " + inner
}

// qualifiers in the order they are written in.
var qualifiers = []struct {
	kind symbols.TypeKind
	word string
}{{symbols.Const, "const"}, {symbols.Volatile, "volatile"}, {symbols.Restrict, "__restrict"}, {symbols.Atomic, "_Atomic"}}

// qualify spells the qualifiers of t and what they qualify: behind a pointer,
// before anything else.
func qualify(t *symbols.Type, inner string, depth int) string {
	var has uint
	e := t
	for ; e != nil && depth < 32; depth++ {
		if e.Kind != symbols.Const && e.Kind != symbols.Volatile && e.Kind != symbols.Restrict && e.Kind != symbols.Atomic {
			break
		}
		has |= 1 << e.Kind
		e = e.Elem
	}
	words := ""
	for _, q := range qualifiers {
		if has&(1<<q.kind) != 0 {
			words = strings.TrimPrefix(words+" "+q.word, " ")
		}
	}
	if e != nil && (e.Kind == symbols.Pointer || e.Kind == symbols.MemberPointer) {
		return declare(e, joinDecl(words, inner), depth+1)
	}
	if e != nil && e.Kind == symbols.Array { // C has qualified elements only
		a := &symbols.Type{Kind: symbols.Array, Size: e.Size, Count: e.Count, Stride: e.Stride, Elem: e.Elem}
		for _, q := range qualifiers {
			if has&(1<<q.kind) != 0 {
				a.Elem = &symbols.Type{Kind: q.kind, Size: -1, Elem: a.Elem}
			}
		}
		return declare(a, inner, depth+1)
	}
	return words + " " + declare(e, inner, depth+1)
}

func paramNames(t *symbols.Type, depth int) string {
	m := t.Members()
	var list []string
	for _, p := range m.Params {
		if !p.Artificial {
			list = append(list, declare(p.Type, "", depth+1))
		}
	}
	if m.Variadic {
		list = append(list, "...")
	}
	return strings.Join(list, ", ")
}

func plainName(t *symbols.Type) string {
	switch {
	case t.Name != "":
		return t.Name
	case t.Kind == symbols.Void:
		return "void"
	case t.Kind == symbols.NullPtr:
		return "std::nullptr_t"
	}
	return "<unnamed-tag>"
}

// elem returns what t points to, refers to or is an array of, never nil.
func elem(t *symbols.Type) *symbols.Type {
	if t == nil || t.Elem == nil {
		return lp64().byName["void"]
	}
	return t.Elem
}

// strip is Type.Strip with nil as void.
func strip(t *symbols.Type) *symbols.Type {
	if s := t.Strip(); s != nil {
		return s
	}
	return lp64().byName["void"]
}

// stride is the distance between the elements of array or pointer type t.
func stride(t *symbols.Type) int64 {
	if t.Kind == symbols.Array && t.Stride != 0 {
		return t.Stride // below 0 for what lies backwards, which is not shown
	}
	e := strip(elem(t))
	switch {
	case e.Kind == symbols.Void || e.Kind == symbols.Func:
		return 1 // as GNU C does
	case e.Declaration && e.Size <= 0:
		if d, ok := definition(e); ok {
			return d.ByteSize()
		}
	}
	return e.ByteSize()
}

// definition completes a type that is only declared where it was met.
func definition(t *symbols.Type) (*symbols.Type, bool) {
	if !t.Declaration {
		return t, true
	}
	if ty, ok := t.Image.(symbols.Typer); ok && t.Name != "" {
		if d, ok := ty.Type(t.Name); ok {
			d = strip(d)
			return d, !d.Declaration
		}
	}
	return t, false
}
