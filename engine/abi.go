package engine

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

// portion is a part of a value that lies in a register.
type portion struct {
	reg      string
	from     int // byte of the register
	at, size int // bytes of the value
	x87      bool
}

// handback is how a function hands back a value of some type.
type handback struct {
	parts []portion
	at    string // register that holds the value's address
	lost  string // why nobody can find it
}

// scalar is a part of a type that a calling convention looks at.
type scalar struct {
	at, size int
	kind     scalarKind
	packed   bool // not aligned as its kind is
}

type scalarKind uint8

const (
	integer scalarKind = iota
	floating
	extended // x87
	vector
)

// maxHanded is the largest value that fits registers under any convention, in bytes.
const maxHanded = 64

// conventions are the platforms' C ABIs: System V psABI for AMD64 (3.2.3) and i386
// (2.2.3), AAPCS64 (6.9), RISC-V calling convention (LP64D). Each gets a type with
// its scalars; byRef: a C++ class that is not trivial.
var conventions = map[*arch.Arch]func(t *symbols.Type, ss []scalar, byRef bool) handback{
	arch.AMD64: handAMD64, arch.I386: handI386, arch.ARM64: handARM64, arch.RISCV64: handRISCV64,
}

// returned finds the value of type t that a function has just handed back, by the
// registers at the place it returned to. Value.Err says why it is not known.
func returned(t *symbols.Type, r *arch.Registers) eval.Value {
	out := eval.Value{Type: t}
	h := handedBack(t, r.Set.Arch)
	switch {
	case h.lost != "":
		out.Err = &symbols.UnavailableError{Reason: h.lost}
	case h.at != "":
		a, ok := r.Get(h.at)
		if !ok {
			out.Err = &symbols.UnavailableError{Reason: "register " + h.at + " is not known"}
			break
		}
		out.Place, out.Addr = eval.InMemory, arch.Addr(a)
	default:
		out.Bytes, out.Err = h.gather(int(complete(t).ByteSize()), r)
	}
	return out
}

// handedBack tells how a value of type t is handed back on a CPU.
func handedBack(t *symbols.Type, a *arch.Arch) handback {
	convention := conventions[a]
	t = complete(t)
	size := t.ByteSize()
	switch {
	case convention == nil:
		return handback{lost: "the calling convention of " + a.Name + " is not known"}
	case size < 0:
		return handback{lost: "the size of its type is not known"}
	case t.Language == symbols.Go, t.Language == symbols.Rust && t.IsComposite():
		return handback{lost: "its language does not say how functions hand such values back"}
	}
	var ss []scalar
	if size <= maxHanded {
		ss = flatten(nil, t, 0, 0)
	}
	return convention(t, ss, nontrivial(t, 0))
}

func (h handback) gather(size int, r *arch.Registers) ([]byte, error) {
	out := make([]byte, size)
	for _, p := range h.parts {
		i, ok := r.Set.Index(p.reg)
		if !ok && strings.HasPrefix(p.reg, "v") {
			i, ok = r.Set.Index("z" + p.reg[1:]) // SVE's registers begin with them
		}
		b, known := r.Bytes(i)
		if !ok || !known || len(b) <= p.from {
			return nil, &symbols.UnavailableError{Reason: "register " + p.reg + " is not known"}
		}
		if b = b[p.from:]; p.x87 {
			b = fromX87(b, p.size)
		}
		copy(out[p.at:p.at+p.size], b)
	}
	return out, nil
}

// fromX87 is an 80-bit float as a float of size bytes.
func fromX87(b []byte, size int) []byte {
	if size >= 10 || len(b) < 10 {
		return b
	}
	m, e := binary.LittleEndian.Uint64(b), int(binary.LittleEndian.Uint16(b[8:]))
	f := math.Ldexp(float64(m), e&0x7fff-16383-63)
	switch {
	case e&0x7fff == 0x7fff && m<<1 == 0:
		f = math.Inf(1)
	case e&0x7fff == 0x7fff:
		f = math.NaN()
	}
	if e&0x8000 != 0 {
		f = math.Copysign(f, -1)
	}
	if size == 4 {
		return binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(f)))
	}
	return binary.LittleEndian.AppendUint64(nil, math.Float64bits(f))
}

// complete strips names and qualifiers from t and finds what is only declared.
func complete(t *symbols.Type) *symbols.Type {
	t = t.Strip()
	if t != nil && t.Declaration {
		if ty, ok := t.Image.(symbols.Typer); ok {
			if d, ok := ty.Type(t.Name); ok && !d.Declaration {
				return d
			}
		}
	}
	return t
}

// flatten appends the scalars of a type that lies at byte at.
func flatten(ss []scalar, t *symbols.Type, at, depth int) []scalar {
	t = complete(t)
	if t == nil || depth > 16 || len(ss) > 2*maxHanded {
		return ss
	}
	size := int(t.ByteSize())
	add := func(at, size int, kind scalarKind) {
		align := max(min(size, 16), 1)
		ss = append(ss, scalar{at, size, kind, at%align != 0 && kind != vector})
	}
	switch t.Kind {
	case symbols.Struct, symbols.Class, symbols.Union:
		for _, f := range t.Members().Fields {
			switch {
			case f.Static:
			case f.BitSize > 0:
				low := int(f.Offset) + f.BitOffset/8
				ss = append(ss, scalar{at: at + low, size: (f.BitOffset%8 + f.BitSize + 7) / 8})
			default:
				ss = flatten(ss, f.Type, at+int(f.Offset), depth+1)
			}
		}
	case symbols.Array:
		if t.Vector {
			add(at, size, vector)
			break
		}
		stride := max(t.Elem.ByteSize(), t.Stride)
		for i := int64(0); i < min(t.Count, maxHanded) && stride > 0; i++ {
			ss = flatten(ss, t.Elem, at+int(i*stride), depth+1)
		}
	case symbols.Base:
		kind := integer
		switch t.Encoding {
		case symbols.FloatEnc, symbols.DecimalFloat:
			kind = floating
			if long(t) {
				kind = extended
			}
			add(at, size, kind)
		case symbols.ComplexFloat:
			if kind = floating; long(t) {
				kind = extended
			}
			fallthrough
		case symbols.ComplexInt:
			add(at, size/2, kind)
			add(at+size/2, size/2, kind)
		default:
			add(at, size, kind)
		}
	case symbols.MemberPointer:
		for i := 0; i < size; i += 8 {
			add(at+i, min(8, size), integer)
		}
	default:
		if size > 0 {
			add(at, size, integer)
		}
	}
	return ss
}

// long reports whether a type is long double, complex or not: as large as the
// 128-bit types on some CPUs, and told from them by its name.
func long(t *symbols.Type) bool { return strings.Contains(t.Name, "long double") }

// nontrivial reports whether a class is handed over by reference because copying
// or destroying it means something (Itanium C++ ABI, 1.1).
func nontrivial(t *symbols.Type, depth int) bool {
	t = complete(t)
	for t != nil && t.Kind == symbols.Array {
		t = complete(t.Elem)
	}
	if t == nil || !t.IsComposite() || depth > 16 {
		return false
	}
	m := t.Members()
	if m.Passed != symbols.PassingUnknown {
		return m.Passed == symbols.ByReference
	}
	for _, x := range m.AllMethods() {
		if x.Virtual || !x.Implicit && !x.Deleted && special(t, x) {
			return true
		}
	}
	for _, f := range m.Fields {
		if f.Virtual || !f.Static && nontrivial(f.Type, depth+1) {
			return true
		}
	}
	return false
}

// special reports whether a method copies, moves or destroys objects of t.
func special(t *symbols.Type, m symbols.Method) bool {
	own := t.Name[strings.LastIndex(stem(t.Name), "::")+1:]
	own = strings.TrimPrefix(stem(own), ":")
	if m.Name == "~"+own {
		return true
	}
	if stem(m.Name) != own || m.Type == nil {
		return false
	}
	n := 0
	var first *symbols.Type
	for _, p := range m.Type.Members().Params {
		if !p.Artificial {
			if n++; n == 1 {
				first = p.Type
			}
		}
	}
	if first = first.Strip(); n != 1 || first == nil || first.Kind != symbols.Reference && first.Kind != symbols.RvalueReference {
		return false
	}
	of := first.Elem.Strip()
	return of == t || of != nil && of.Name == t.Name
}

// stem is a name without template arguments.
func stem(name string) string {
	name, _, _ = strings.Cut(name, "<")
	return name
}

// inRegisters puts size bytes into words of registers, in order.
func inRegisters(size, word int, names ...string) (parts []portion) {
	for at := 0; at < size && len(parts) < len(names); at += word {
		parts = append(parts, portion{reg: names[len(parts)], at: at, size: min(word, size-at)})
	}
	return parts
}

// Classes of an eightbyte (AMD64 psABI, 3.2.3).
type class uint8

const (
	noClass class = iota
	classInteger
	classSSE
	classSSEUp
	classX87
	classX87Up
	classMemory
)

// merge combines the classes of two fields of one eightbyte.
func (a class) merge(b class) class {
	switch {
	case a == b || b == noClass:
		return a
	case a == noClass:
		return b
	case a == classMemory || b == classMemory:
		return classMemory
	case a == classInteger || b == classInteger:
		return classInteger
	case a >= classX87 || b >= classX87:
		return classMemory
	}
	return classSSE
}

func handAMD64(t *symbols.Type, ss []scalar, byRef bool) handback {
	inMemory := handback{at: "rax"}
	size := int(t.ByteSize())
	if t.Kind == symbols.Base && t.Encoding == symbols.ComplexFloat && size == 32 && long(t) {
		return handback{parts: []portion{{reg: "st0", size: 10, x87: true}, {reg: "st1", at: 16, size: 10, x87: true}}}
	}
	if byRef || size > maxHanded {
		return inMemory
	}
	eight := make([]class, (size+7)/8)
	put := func(i int, c class) {
		if i < len(eight) {
			eight[i] = eight[i].merge(c)
		}
	}
	for _, s := range ss {
		if s.packed || s.at+s.size > size {
			return inMemory
		}
		first, rest := classInteger, classInteger
		switch s.kind {
		case floating, vector:
			first, rest = classSSE, classSSEUp
		case extended:
			first, rest = classX87, classX87Up
		}
		put(s.at/8, first)
		for i := s.at/8 + 1; i <= (s.at+s.size-1)/8; i++ {
			put(i, rest)
		}
	}
	parts, ok := eightbytes(eight, size)
	if !ok {
		return inMemory
	}
	return handback{parts: parts}
}

// eightbytes gives each eightbyte its register; false: it is all in memory.
func eightbytes(eight []class, size int) (parts []portion, ok bool) {
	ints, sse, up := []string{"rax", "rdx"}, 0, 0
	for i, c := range eight {
		p := portion{at: 8 * i, size: min(8, size-8*i)}
		if len(eight) > 2 && (i == 0 && c != classSSE || i > 0 && c != classSSEUp) {
			return nil, false
		}
		switch c {
		case noClass:
			continue
		case classInteger:
			p.reg, ints = ints[0], ints[1:]
		case classSSE:
			p.reg = fmt.Sprintf("xmm%d", sse)
			sse, up = sse+1, 0
		case classSSEUp:
			if i == 0 || eight[i-1] != classSSE && eight[i-1] != classSSEUp {
				return nil, false
			}
			up += 8
			switch n := sse - 1; {
			case up < 16:
				p.reg, p.from = fmt.Sprintf("xmm%d", n), up
			case up < 32:
				p.reg, p.from = fmt.Sprintf("ymm%dh", n), up-16
			default:
				p.reg, p.from = fmt.Sprintf("zmm%dh", n), up-32
			}
		case classX87:
			p.reg, p.size, p.x87 = "st0", min(10, size-8*i), true
		case classX87Up:
			if i == 0 || eight[i-1] != classX87 {
				return nil, false
			}
			continue
		case classMemory:
			return nil, false
		}
		parts = append(parts, p)
	}
	return parts, true
}

func handI386(t *symbols.Type, ss []scalar, byRef bool) handback {
	size := int(t.ByteSize())
	switch {
	case t.IsComposite(), byRef:
		return handback{at: "eax"}
	case t.Kind == symbols.Array && t.Vector && size <= 8:
		return handback{lost: "it lies in an MMX register"}
	case t.Kind == symbols.Array && t.Vector && size <= 16, t.Kind == symbols.Base && t.Encoding == symbols.FloatEnc && size == 2:
		return handback{parts: []portion{{reg: "xmm0", size: size}}}
	case len(ss) == 1 && (ss[0].kind == extended || ss[0].kind == floating && size <= 8 && t.Encoding == symbols.FloatEnc):
		return handback{parts: []portion{{reg: "st0", size: min(size, 10), x87: true}}}
	case size <= 8:
		return handback{parts: inRegisters(size, 4, "eax", "edx")}
	}
	return handback{at: "eax"}
}

// elsewhere is what becomes of values that the caller made room for, where the
// convention does not have the callee tell the place again.
var elsewhere = handback{lost: "the function wrote it where its caller had told it, which no register tells any more"}

func handARM64(t *symbols.Type, ss []scalar, byRef bool) handback {
	size := int(t.ByteSize())
	if byRef {
		return elsewhere
	}
	if n := homogeneous(ss, size); n > 0 {
		var h handback
		for i := range n {
			h.parts = append(h.parts, portion{reg: fmt.Sprintf("v%d", i), at: i * ss[0].size, size: ss[0].size})
		}
		return h
	}
	if size > 16 {
		return elsewhere
	}
	return handback{parts: inRegisters(size, 8, "x0", "x1")}
}

// homogeneous is how many members of one floating-point or vector type a value
// consists of, 0 when it is none of at most four such (AAPCS64, 5.9.5).
func homogeneous(ss []scalar, size int) int {
	for _, s := range ss {
		if s.kind == integer || s.size != ss[0].size || (s.kind == vector) != (ss[0].kind == vector) {
			return 0
		}
	}
	if len(ss) == 0 || size%ss[0].size != 0 || size/ss[0].size > 4 {
		return 0
	}
	return size / ss[0].size
}

func handRISCV64(t *symbols.Type, ss []scalar, byRef bool) handback {
	size := int(t.ByteSize())
	if byRef || size > 16 {
		return elsewhere
	}
	floats, overlap := 0, false
	for i, s := range ss {
		if s.kind != integer && s.size <= 8 {
			floats++
		}
		overlap = overlap || i > 0 && s.at < ss[i-1].at+ss[i-1].size // a union
	}
	if overlap || floats == 0 || len(ss) > 2 || len(ss) == 2 && floats == 1 && ss[0].size+ss[1].size > 16 {
		return handback{parts: inRegisters(size, 8, "a0", "a1")}
	}
	var h handback
	ints, fps := []string{"a0", "a1"}, []string{"fa0", "fa1"}
	for _, s := range ss {
		p := portion{at: s.at, size: s.size}
		if s.kind != integer {
			p.reg, fps = fps[0], fps[1:]
		} else {
			p.reg, ints = ints[0], ints[1:]
		}
		h.parts = append(h.parts, p)
	}
	return h
}
