package natvis

import (
	"context"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

// native are intrinsics that every rule can call, for types that only the running
// program tells: what a Go interface holds by the run-time type beside it, what a
// std::any holds by the function that manages it.
var native = map[string]func(context.Context, *scope, []eval.Value) (eval.Value, error){
	"go_value":  goValue,
	"go_type":   goTypeName,
	"held_by":   heldBy,
	"held_type": heldType,
	"go_self":   func(_ context.Context, s *scope, _ []eval.Value) (eval.Value, error) { return s.self, nil },
}

// Flags and kinds of internal/abi.Type.
const (
	goUncommon  = 1 << 0 // TFlag
	goExtraStar = 1 << 1
	goNamed     = 1 << 2
	goDirect    = 1 << 5 // of TFlag since Go 1.26, of Kind_ before: data is the value itself
	goKindMask  = 1<<5 - 1
	goSlice     = 23
	goPointer   = 22
)

// goBasic are the types of the kinds that need no description, as reflect.Kind numbers them.
var goBasic = [...]string{"", "bool", "int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64", "uintptr",
	"float32", "float64", "complex64", "complex128", 24: "string"}

// goName is the name that rules know a type of Go by: a slice's or string's form
// when the type has a name of its own.
func goName(t *symbols.Type) string {
	if t.Language != symbols.Go || t.Kind != symbols.Struct {
		return t.Name
	}
	switch fields := t.Members().Fields; {
	case len(fields) == 3 && fields[0].Name == "array" && fields[1].Name == "len" && fields[2].Name == "cap":
		return "[]" + eval.TypeName(fields[0].Type.Strip().Elem)
	case len(fields) == 2 && fields[0].Name == "str" && fields[1].Name == "len":
		return "string"
	}
	return t.Name
}

// goType is a run-time type.
type goType struct {
	s     *scope
	v     eval.Value // internal/abi.Type, or runtime._type
	flags uint64
	kind  uint64
}

func newGoType(ctx context.Context, s *scope, p eval.Value) (*goType, error) {
	t := &goType{s: s}
	var err error
	if t.v, err = s.pointed(ctx, p); err != nil {
		return nil, err
	}
	if t.flags, err = t.number(ctx, "TFlag", "tflag"); err != nil {
		return nil, err
	}
	t.kind, err = t.number(ctx, "Kind_", "kind")
	return t, err
}

// number reads the member that one of names is.
func (t *goType) number(ctx context.Context, names ...string) (uint64, error) {
	var last error
	for _, name := range names {
		m, err := eval.Member(ctx, t.s.Env, t.v, name)
		if err == nil {
			return eval.Int(ctx, t.s.Env, m)
		}
		if last = err; retry(err) {
			break
		}
	}
	return 0, last
}

// name is the type's, as the debug information has it: with the package's path.
func (t *goType) name(ctx context.Context, depth int) (string, error) {
	off, err := t.number(ctx, "Str", "str")
	if err != nil {
		return "", err
	}
	text, err := t.string(ctx, int64(int32(off)))
	if err != nil {
		return "", err
	}
	if t.flags&goExtraStar != 0 {
		text = strings.TrimPrefix(text, "*")
	}
	if elem := t.kind & goKindMask; (elem == goPointer || elem == goSlice) && t.flags&goNamed == 0 && depth < 8 {
		mark := map[uint64]string{goPointer: "*", goSlice: "[]"}[elem]
		if e, err := t.elem(ctx); err == nil {
			inner, err := e.name(ctx, depth+1)
			return mark + inner, err
		} else if retry(err) {
			return "", err
		}
	}
	if t.flags&goNamed == 0 || t.flags&goUncommon == 0 || !strings.Contains(text, ".") {
		return text, nil
	}
	path, err := t.packagePath(ctx)
	if err != nil || path == "" {
		return text, err
	}
	short := text
	if i := strings.IndexByte(text, '['); i >= 0 {
		short = text[:i]
	}
	return path + text[strings.LastIndexByte(short, '.'):], nil
}

// elem is what a pointer points to or a slice holds; its type follows the common part.
func (t *goType) elem(ctx context.Context) (*goType, error) {
	word := t.s.word(t.v.Addr + arch.Addr(t.v.Type.ByteSize()))
	word.Type = eval.PointerTo(t.s.Env, t.v.Type)
	return newGoType(ctx, t.s, word)
}

// packagePath is in the uncommon part, behind what the kind has.
func (t *goType) packagePath(ctx context.Context) (string, error) {
	name := map[uint64]string{17: "Array", 18: "Chan", 19: "Func", 20: "Interface", 21: "Map", goPointer: "Ptr", goSlice: "Slice", 25: "Struct"}[t.kind&goKindMask]
	size := t.v.Type.ByteSize()
	if name != "" {
		whole, ok := t.s.native("internal/abi." + name + "Type")
		if !ok {
			whole, ok = t.s.native("runtime." + strings.ToLower(name) + "type")
		}
		if !ok {
			return "", nil
		}
		size = whole.ByteSize()
	}
	word, _ := eval.Builtin(t.s.Env, "int")
	off, err := eval.Int(ctx, t.s.Env, eval.Value{Type: word, Place: eval.InMemory, Addr: t.v.Addr + arch.Addr(size)})
	if err != nil || off == 0 {
		return "", err
	}
	return t.string(ctx, int64(int32(off)))
}

// maxGoName bounds the name of a type.
const maxGoName = 1 << 12

// string reads a name: flags, the length as a varint, the text. Its place is told
// from the types section of the module.
func (t *goType) string(ctx context.Context, off int64) (string, error) {
	base, err := t.types(ctx)
	if err != nil {
		return "", err
	}
	at := base + arch.Addr(off) + 1
	n := uint64(0)
	for i := range 3 {
		b, err := t.bytes(ctx, at, 1)
		if err != nil {
			return "", err
		}
		at++
		n |= uint64(b[0]&0x7f) << (7 * i)
		if b[0] < 0x80 {
			break
		}
	}
	b, err := t.bytes(ctx, at, int(min(n, maxGoName)))
	return string(b), err
}

func (t *goType) bytes(ctx context.Context, a arch.Addr, n int) ([]byte, error) {
	b := make([]byte, n)
	got, err := t.s.Env.ReadMemory(ctx, a, b)
	if err == nil && got < n {
		err = &eval.MemoryError{Addr: a + arch.Addr(got)}
	}
	return b, err
}

// types is the types section of the module that holds t.
func (t *goType) types(ctx context.Context) (arch.Addr, error) {
	data, err := t.s.Env.Lookup(ctx, "runtime.firstmoduledata")
	if err != nil {
		return 0, err
	}
	for range 64 {
		var at [3]uint64
		for i, name := range []string{"types", "etypes", "next"} {
			m, err := eval.Member(ctx, t.s.Env, data, name)
			if err == nil {
				at[i], err = eval.Int(ctx, t.s.Env, m)
			}
			if err != nil {
				return 0, err
			}
		}
		if a := uint64(t.v.Addr); a >= at[0] && a < at[1] {
			return arch.Addr(at[0]), nil
		}
		if at[2] == 0 {
			break
		}
		data.Addr, data.Bytes = arch.Addr(at[2]), nil
	}
	return 0, &symbols.UnavailableError{Reason: "the run-time type belongs to no module"}
}

// word is the pointer at a.
func (s *scope) word(a arch.Addr) eval.Value {
	return eval.Value{Type: wordType(s), Place: eval.InMemory, Addr: a}
}

// goArgument is the run-time type, with its name, that is the first of the n arguments
// of the intrinsic fn.
func (s *scope) goArgument(ctx context.Context, fn string, args []eval.Value, n int) (*goType, string, error) {
	if len(args) != n {
		return nil, "", fmt.Errorf("%s takes %d argument(s)", fn, n)
	}
	t, err := newGoType(ctx, s, args[0])
	if err != nil {
		return nil, "", err
	}
	name, err := t.name(ctx, 0)
	return t, name, err
}

// goValue is go_value(type, data).
func goValue(ctx context.Context, s *scope, args []eval.Value) (eval.Value, error) {
	t, name, err := s.goArgument(ctx, "go_value", args, 2)
	if err != nil {
		return eval.Value{}, err
	}
	as, ok := s.goNamed(name)
	if k := t.kind & goKindMask; !ok && k < uint64(len(goBasic)) {
		as, ok = s.native(goBasic[k])
	}
	if !ok {
		return eval.Value{}, &symbols.UnavailableError{Reason: "the program does not describe its type " + name}
	}
	if t.kind&goDirect != 0 || t.flags&goDirect != 0 {
		v := args[1]
		v.Type = as
		return v, nil
	}
	p, err := eval.Int(ctx, s.Env, args[1])
	return eval.Value{Type: as, Place: eval.InMemory, Addr: arch.Addr(p)}, err
}

// goNamed finds a type by its name; pointers to named types need not be described.
func (s *scope) goNamed(name string) (*symbols.Type, bool) {
	if t, ok := s.native(name); ok {
		return t, true
	}
	rest, ok := strings.CutPrefix(name, "*")
	if !ok {
		return nil, false
	}
	t, ok := s.goNamed(rest)
	if !ok {
		return nil, false
	}
	return eval.PointerTo(s.Env, t), true
}

// goTypeName is go_type(type), as an array of characters.
func goTypeName(ctx context.Context, s *scope, args []eval.Value) (eval.Value, error) {
	_, name, err := s.goArgument(ctx, "go_type", args, 1)
	if err != nil {
		return eval.Value{}, err
	}
	return characters(s, name), nil
}
