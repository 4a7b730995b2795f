package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// thrownKind is what is done with a C++ exception, or a panic of Rust's, which travels
// as they do.
type thrownKind uint8

const (
	threw thrownKind = iota
	caughtIt
	rethrew
	panicked
)

// cppException is the code that Windows has for C++ exceptions; debuggers of other
// systems' programs show the same.
const cppException = 0xe06d7363

// thrownRow is a kind: its filter's code, what it is called, and the functions that
// do it, with the way from the first argument to the exception (Itanium C++ ABI,
// 2.4; the Level I ABI of libgcc and libunwind).
type thrownRow struct {
	code, title string
	entries     []throwEntry
}

type throwEntry struct {
	name string
	// read finds the exception by the function's arguments; nil: its form is nobody's to know.
	read func(ctx context.Context, l *loop, mem symbols.Memory, args []arch.Addr) (object, info arch.Addr, err error)
}

var thrownKinds = map[thrownKind]thrownRow{
	threw: {"eh", "C++ exception thrown", []throwEntry{{"__cxa_throw", func(_ context.Context, _ *loop, _ symbols.Memory, args []arch.Addr) (arch.Addr, arch.Addr, error) {
		return args[0], args[1], nil
	}}}},
	caughtIt: {"ehc", "C++ exception caught", []throwEntry{{beginCatch, byHeader}}},
	rethrew:  {"ehr", "C++ exception rethrown", []throwEntry{{"_Unwind_Resume_or_Rethrow", byHeader}, {"std::rethrow_exception", byPointer}}},
	panicked: {"rust", "Rust panic", []throwEntry{{rustPanic, nil}, {"__rustc::" + rustPanic, nil}}},
}

// rustPanic is what Rust's library calls for debuggers' sake when a panic has been told and
// begins to unwind (library/std/src/panicking.rs); newer compilers put it into a crate of its own.
const rustPanic = "rust_panic"

// Thrown is a C++ exception that was thrown, caught or thrown again.
type Thrown struct {
	Type   string    // dynamic type of the object, "" unknown
	Object arch.Addr // the object, 0 unknown
	Info   arch.Addr // its std::type_info
	What   string    // what() says so, or the value of a fundamental type; "" cannot be read
}

func (t *Thrown) String() string {
	text := t.Type
	if text == "" {
		text = "of a type that cannot be read"
	}
	if t.What != "" {
		text += ": " + t.What
	}
	return text
}

// Sizes of what lies around an exception object: _Unwind_Exception is aligned to 16
// bytes on every CPU here; in front of it lies __cxa_exception, whose type_info is
// ten words before.
const unwindHeader = 32

// typeBefore is how far exceptionType lies before the _Unwind_Exception: five
// pointers, two ints, four pointers.
func typeBefore(ptr int) arch.Addr { return arch.Addr(9*ptr + 8) }

// dependent marks, in the lowest byte of an exception's class, one that stands for
// another (std::exception_ptr).
const dependent = 1

// byHeader reads an exception from its _Unwind_Exception.
func byHeader(ctx context.Context, l *loop, mem symbols.Memory, args []arch.Addr) (object, info arch.Addr, err error) {
	var class [8]byte
	if _, err := mem.ReadMemory(ctx, args[0], class[:]); err != nil {
		return 0, 0, err
	}
	first, err := l.pointer(ctx, mem, args[0]-typeBefore(l.arch.PtrSize))
	if err != nil {
		return 0, 0, err
	}
	if text := string(class[:]); !strings.Contains(text, "++C") {
		return 0, 0, fmt.Errorf("an exception of another language")
	}
	if class[0] != dependent {
		return args[0] + unwindHeader, first, nil
	}
	info, err = l.pointer(ctx, mem, first-unwindHeader-typeBefore(l.arch.PtrSize)) // first is the object it stands for
	return first, info, err
}

// byPointer reads an exception from a std::exception_ptr, which is passed by its address.
func byPointer(ctx context.Context, l *loop, mem symbols.Memory, args []arch.Addr) (object, info arch.Addr, err error) {
	if object, err = l.pointer(ctx, mem, args[0]); err != nil {
		return 0, 0, err
	}
	info, err = l.pointer(ctx, mem, object-unwindHeader-typeBefore(l.arch.PtrSize))
	return object, info, err
}

// armThrows finds where exceptions are thrown and caught, in the images that may
// have the runtime, when that is wanted and the images have changed.
func (l *loop) armThrows(ctx context.Context) {
	want := map[thrownKind]bool{threw: l.armed.want.Throw, caughtIt: l.armed.want.Catch, rethrew: l.armed.want.Rethrow, panicked: l.armed.want.Panic}
	if !want[threw] && !want[caughtIt] && !want[rethrew] && !want[panicked] {
		l.armed.throws, l.armed.between = nil, nil
		return
	}
	rows := slices.DeleteFunc(slices.Clone(l.modules.rows), func(m *Module) bool { return !l.hasRuntime(m) })
	_ = l.need(ctx, rows...)
	l.armed.between = rows
	l.armed.throws = map[arch.Addr]thrownKind{}
	for kind, row := range thrownKinds {
		if !want[kind] {
			continue
		}
		for _, entry := range row.entries {
			for _, a := range l.functionsNamed(entry.name, rows) {
				l.armed.throws[a] = kind
			}
		}
	}
}

// hasRuntime reports whether m may hold a runtime of C++ or Rust, or the unwinder: a program
// may have them linked in.
func (l *loop) hasRuntime(m *Module) bool {
	for _, prefix := range []string{"libstdc", "libc__", "libgcc_s", "libunwind", "libstd_"} {
		if strings.HasPrefix(m.Name, prefix) {
			return true
		}
	}
	return len(l.modules.rows) > 0 && m == l.modules.rows[0]
}

func (l *loop) functionsNamed(name string, in []*Module) []arch.Addr {
	var out []arch.Addr
	for _, m := range in {
		if m.Image == nil {
			continue
		}
		for s := range m.Image.Lookup(name) {
			if s.Kind == symbols.Function && s.Size > 0 {
				out = append(out, m.addr(s.Offset))
			}
		}
	}
	return out
}

// judgeThrown decides about an exception at one of the traps for it.
func (l *loop) judgeThrown(ctx context.Context, st *Stop, kind thrownKind) (quiet bool) {
	row := thrownKinds[kind]
	t := l.thrownAt(ctx, st.Thread, st.Addr, row)
	ts := st.Stop
	ts.Reason = targets.Exception
	ts.Exception = &targets.ExceptionRecord{Code: cppException, Name: row.title, Addr: st.Addr, Params: []uint64{uint64(t.Object), uint64(t.Info)}}
	d := l.filter(FilterEvent{Code: row.code, Arg: t.Type, Stop: ts})
	if !d.Break && !d.Print {
		return true
	}
	what := row.title
	if kind != panicked {
		what += ", " + t.String()
	}
	text := fmt.Sprintf("(%s): %s - code %x (first chance)", l.pidTid(st.Thread), what, cppException)
	if !d.Break {
		l.say(FromDebugger, text+"\n")
		return true
	}
	st.Stop, st.Text = ts, text
	if kind != panicked {
		st.Thrown = t
	}
	return false
}

// thrownAt reads the exception that the function at a was given.
func (l *loop) thrownAt(ctx context.Context, id targets.ThreadID, a arch.Addr, row thrownRow) *Thrown {
	t := &Thrown{}
	if row.entries[0].read == nil {
		return t
	}
	r, err := l.registers(ctx, id)
	if err != nil {
		return t
	}
	err = l.gather(ctx, spaceHere, 0, func(ctx context.Context, mem symbols.Memory) error {
		args, err := l.arguments(ctx, mem, r, 2)
		if err != nil {
			return err
		}
		loc := l.locate(a)
		for _, entry := range row.entries {
			if entry.name != loc.Symbol.Name && entry.name != loc.Symbol.Linkage && len(row.entries) > 1 {
				continue
			}
			if t.Object, t.Info, err = entry.read(ctx, l, mem, args); err != nil {
				return err
			}
			return l.describeThrown(ctx, mem, t)
		}
		return nil
	})
	if err != nil {
		l.o.Log.Debug().Err(err).Msg("reading a C++ exception")
	}
	return t
}

// arguments reads the first n integer arguments at a function's first instruction.
func (l *loop) arguments(ctx context.Context, mem symbols.Memory, r *arch.Registers, n int) ([]arch.Addr, error) {
	out := make([]arch.Addr, n)
	for i := range out {
		if i < len(l.arch.Args) {
			v, _ := r.Get(l.arch.Args[i])
			out[i] = arch.Addr(v)
			continue
		}
		var err error
		if out[i], err = l.pointer(ctx, mem, r.SP()+arch.Addr((i+1-len(l.arch.Args))*l.arch.PtrSize)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// maxText is the longest text that is read of an exception, bytes.
const maxText = 512

// describeThrown finds the type and what is known of the value.
func (l *loop) describeThrown(ctx context.Context, mem symbols.Memory, t *Thrown) error {
	if t.Info == 0 {
		return nil
	}
	name, err := l.typeInfoName(ctx, mem, t.Info)
	if err != nil {
		return err
	}
	t.Type = name
	bases, err := l.typeBases(ctx, mem, t.Info, 0)
	if err != nil {
		return err
	}
	t.What, err = l.whatOf(ctx, mem, t, append([]string{name}, bases...))
	return err
}

// typeInfoName is the type a std::type_info stands for: by its symbol, else by the
// mangled name it points to.
func (l *loop) typeInfoName(ctx context.Context, mem symbols.Memory, info arch.Addr) (string, error) {
	if name, ok := strings.CutPrefix(l.dataAt(info), "typeinfo for "); ok {
		return name, nil
	}
	at, err := l.pointer(ctx, mem, info+arch.Addr(l.arch.PtrSize))
	if err != nil {
		return "", err
	}
	if name, ok := strings.CutPrefix(l.dataAt(at), "typeinfo name for "); ok {
		return name, nil
	}
	text, err := l.cString(ctx, mem, at)
	return plainType(strings.TrimPrefix(text, "*")), err
}

// dataAt names what begins at a, without the version that a program's copy of a
// library's variable has.
func (l *loop) dataAt(a arch.Addr) string {
	loc := l.locate(a)
	if loc.Disp != 0 {
		return ""
	}
	name, _, _ := strings.Cut(loc.Symbol.Name, "@")
	return name
}

// cString reads a zero-terminated text.
func (l *loop) cString(ctx context.Context, mem symbols.Memory, a arch.Addr) (string, error) {
	var out []byte
	for len(out) < maxText {
		p := make([]byte, min(64, faultSize-int((a+arch.Addr(len(out)))%faultSize)))
		n, err := mem.ReadMemory(ctx, a+arch.Addr(len(out)), p)
		if err != nil && n == 0 {
			return "", err
		}
		if i := slices.Index(p[:n], 0); i >= 0 {
			return string(append(out, p[:i]...)), nil
		}
		out = append(out, p[:n]...)
	}
	return string(out) + "...", nil
}

// maxBases bounds a class's bases that are followed.
const maxBases = 16

// typeBases lists the classes at the start of an object of a type, the first base
// of each (abi::__si_class_type_info, and __vmi_class_type_info's first, 2.9.5).
func (l *loop) typeBases(ctx context.Context, mem symbols.Memory, info arch.Addr, depth int) ([]string, error) {
	ptr := arch.Addr(l.arch.PtrSize)
	vtable, err := l.pointer(ctx, mem, info)
	if err != nil || depth == maxBases {
		return nil, err
	}
	kind := l.dataAt(vtable - 2*ptr)
	at := info + 2*ptr
	switch {
	case strings.HasSuffix(kind, "__si_class_type_info"):
	case strings.HasSuffix(kind, "__vmi_class_type_info"):
		at += 8 // flags and count
		off, err := l.pointer(ctx, mem, at+ptr)
		if err != nil || off&1 != 0 || off>>8 != 0 { // a virtual base, or one that is not at the start
			return nil, err
		}
	default:
		return nil, nil
	}
	base, err := l.pointer(ctx, mem, at)
	if err != nil {
		return nil, err
	}
	name, err := l.typeInfoName(ctx, mem, base)
	if err != nil {
		return nil, err
	}
	more, err := l.typeBases(ctx, mem, base, depth+1)
	return append([]string{name}, more...), err
}

// fixedTexts are what exceptions of the library say that have nothing but their type.
var fixedTexts = []string{"std::bad_alloc", "std::bad_array_new_length", "std::bad_cast", "std::bad_typeid", "std::bad_exception", "std::bad_function_call", "std::bad_weak_ptr"}

// whatOf reads an exception's text or value: the classes that hold a text keep a
// pointer to it behind their table of virtual functions, in libstdc++ and libc++.
func (l *loop) whatOf(ctx context.Context, mem symbols.Memory, t *Thrown, classes []string) (string, error) {
	word := func(off int) (arch.Addr, error) { return l.pointer(ctx, mem, t.Object+arch.Addr(off)) }
	for _, c := range classes {
		switch {
		case c == "std::runtime_error" || c == "std::logic_error" || c == "std::bad_variant_access":
			at, err := word(l.arch.PtrSize)
			if err != nil {
				return "", err
			}
			return l.cString(ctx, mem, at)
		case slices.Contains(fixedTexts, c):
			return "", nil // the type says it
		}
	}
	switch t.Type {
	case "char const*", "char*", "char const *", "char *":
		at, err := word(0)
		if err != nil {
			return "", err
		}
		text, err := l.cString(ctx, mem, at)
		return fmt.Sprintf("%q", text), err
	}
	if size, ok := integers[t.Type]; ok {
		if strings.HasSuffix(t.Type, "long") && !strings.HasSuffix(t.Type, "long long") {
			size = size / 8 * l.arch.PtrSize
		}
		p := make([]byte, max(size, -size))
		if _, err := mem.ReadMemory(ctx, t.Object, p); err != nil {
			return "", err
		}
		v := l.uint(p)
		if size > 0 {
			shift := 64 - 8*size
			return fmt.Sprint(int64(v<<shift) >> shift), nil
		}
		return fmt.Sprint(v), nil
	}
	return "", nil
}

// integers are the sizes of types whose value is worth telling, negative when unsigned.
var integers = map[string]int{"int": 4, "unsigned int": -4, "short": 2, "unsigned short": -2, "long": 8, "unsigned long": -8, "long long": 8, "unsigned long long": -8}

// plainType spells a mangled name of a class without template arguments, for
// images that have no symbol for it: "N3app5ErrorE" is app::Error.
func plainType(mangled string) string {
	rest, nested := strings.CutPrefix(mangled, "N")
	if nested {
		rest = strings.TrimSuffix(rest, "E")
	}
	var parts []string
	if r, ok := strings.CutPrefix(rest, "St"); ok {
		parts, rest = append(parts, "std"), r
	}
	for rest != "" {
		n := 0
		for len(rest) > 0 && rest[0] >= '0' && rest[0] <= '9' && n < 1<<16 {
			n, rest = n*10+int(rest[0]-'0'), rest[1:]
		}
		if n == 0 || n > len(rest) {
			return mangled
		}
		parts, rest = append(parts, rest[:n]), rest[n:]
	}
	return strings.Join(parts, "::")
}

// Thrown describes the C++ exception under way whose _Unwind_Exception lies at header.
func (v *View) Thrown(ctx context.Context, header arch.Addr) (*Thrown, error) {
	t := &Thrown{}
	err := v.l.gather(ctx, spaceHere, 0, func(ctx context.Context, mem symbols.Memory) (err error) {
		if t.Object, t.Info, err = byHeader(ctx, v.l, mem, []arch.Addr{header}); err != nil {
			return err
		}
		return v.l.describeThrown(ctx, mem, t)
	})
	return t, err
}
