package eval

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Text formats v's value as one line.
func (m *Model) Text(ctx context.Context, env Env, v Value, f Format) (string, error) {
	f.TextOnly = true
	o, err := m.Object(ctx, env, "", "", v, f)
	if err != nil {
		return "", err
	}
	return o.Text, o.Err
}

func (m *Model) limit() int {
	if m.MaxString > 0 {
		return m.MaxString
	}
	return defaultString
}

// plainText formats v without visualisers. Composites have none in DX, where
// only children tell them.
func (m *Model) plainText(ctx context.Context, env Env, v Value, f Format) (string, error) {
	t := strip(v.Type)
	switch t.Kind {
	case symbols.Void:
		return "", nil
	case symbols.Pointer:
		return m.pointerText(ctx, env, v, t, f)
	case symbols.NullPtr:
		return addressText(0, env.Arch(), f), nil
	case symbols.Array:
		return m.arrayText(ctx, env, v, t, f)
	case symbols.Struct, symbols.Class, symbols.Union:
		return m.structText(ctx, env, v, t, f)
	case symbols.Func:
		if t.Language == symbols.Go {
			return goFuncText(ctx, env, v, f)
		}
		return codeText(ctx, env, v.Addr, f), nil
	case symbols.MemberPointer:
		return memberPointerText(ctx, env, v, t, f)
	}
	b, err := Fetch(ctx, env, v)
	if err != nil {
		return "", err
	}
	return scalarText(b, v, t, env.Arch(), f)
}

// scalarText formats the bytes of a number, character, bool or enumeration.
func scalarText(b []byte, v Value, t *symbols.Type, a *arch.Arch, f Format) (string, error) {
	if t.Kind == symbols.Base && t.Encoding == symbols.ComplexFloat {
		re, err := floatText(t, order(b[:len(b)/2], a.BigEndian), a, f)
		if err != nil {
			return "", err
		}
		im, err := floatText(t, order(b[len(b)/2:], a.BigEndian), a, f)
		return re + " + " + im + "i", err
	}
	if t.Kind == symbols.Base && t.Encoding == symbols.ComplexInt {
		part := &symbols.Type{Kind: symbols.Base, Size: t.Size / 2}
		re, err := decode(part, b[:len(b)/2], 0, a)
		if err != nil {
			return "", err
		}
		im, err := decode(part, b[len(b)/2:], 0, a)
		return integerText(re, 4*len(b), f) + " + " + integerText(im, 4*len(b), f) + "i", err
	}
	if t.Kind == symbols.Base && t.Encoding == symbols.DecimalFloat {
		text, ok := decimalText(order(b, a.BigEndian))
		if !ok {
			return "", fmt.Errorf("a decimal value of %d bytes has no known format", len(b))
		}
		return text, nil
	}
	if isFloat(t) {
		return floatText(t, order(b, a.BigEndian), a, f)
	}
	n, err := decode(t, b, v.BitSize, a)
	if err != nil {
		return "", err
	}
	width := len(b) * 8
	if v.BitSize > 0 {
		width = v.BitSize
	}
	switch {
	case t.Kind == symbols.Enum:
		return enumText(n, t, width, f), nil
	case t.Kind == symbols.Base && t.Encoding == symbols.Bool && n.hi == 0 && n.lo < 2 && f.Radix == 0:
		return strconv.FormatBool(n.lo == 1), nil
	case v.BitSize > 0 && f.Style == DT && f.Radix == 0:
		return "0y" + fmt.Sprintf("%0*b", v.BitSize, n.mask(width).lo), nil
	}
	unit := charUnit(v.Type)
	if f.Spec == "c" && unit == 0 {
		unit = 1
	}
	if unit > 0 && v.BitSize == 0 {
		if (t.Size > 1 || t.Name == "char8_t") && !signed(t) && f.Style != DT && f.Radix == 0 {
			f.Radix = 10 // wide characters are decimal: 104 'h'
		}
		return integerText(n, width, f) + " " + charText(n, unit), nil
	}
	return integerText(n, width, f), nil
}

// mask drops the sign extension above width bits.
func (n number) mask(width int) number {
	n = n.wrap(width, false)
	n.t = lp64().named("unsigned __int128")
	return n
}

// digits writes n in a base; numbers of 64 bits take the short way.
func (n number) digits(base int) string {
	switch {
	case n.hi == 0:
		return strconv.FormatUint(n.lo, base)
	case n.hi == math.MaxUint64 && int64(n.lo) < 0 && signed(n.t):
		return strconv.FormatInt(int64(n.lo), base)
	}
	return n.big().Text(base)
}

// integerText writes n in the radix and style asked for.
func integerText(n number, width int, f Format) string {
	sign := signed(n.t)
	switch f.Radix {
	case 10:
		if f.Style == DT {
			return "0n" + n.digits(10)
		}
		return n.digits(10)
	case 8:
		return "0" + n.mask(width).digits(8)
	case 2:
		switch {
		case f.Bare:
			return n.mask(width).digits(2)
		case f.Style == DT:
			return "0y" + n.mask(width).digits(2)
		}
		return "0b" + n.mask(width).digits(2)
	case 16:
		s := n.mask(width).digits(16)
		if f.Upper {
			s = strings.ToUpper(s)
		}
		if f.Bare {
			return s
		}
		return "0x" + s
	}
	switch {
	case f.Style == DT && sign:
		return "0n" + n.digits(10)
	case f.Style == DT && n.hi == 0 && n.lo < 10, f.Style == Plain, sign:
		return n.digits(10)
	}
	return "0x" + n.mask(width).digits(16)
}

// enumText writes "Red (1)", "A | B (3)" for flags, or the number alone.
func enumText(n number, t *symbols.Type, width int, f Format) string {
	num := f
	if f.Radix == 0 && f.Style != DT {
		num.Radix = 10
	}
	n.t = lp64().named("__int128")
	if width < 128 && !signed(t) {
		n = n.mask(width)
		n.t = lp64().named("__int128")
	}
	name := enumName(n, t)
	text := integerText(n, width, num)
	switch {
	case name == "" || f.Spec == "nvo":
		return text
	case f.Spec == "en":
		return name
	}
	return name + " (" + text + ")"
}

func enumName(n number, t *symbols.Type) string {
	list := t.Members().Enumerators
	for _, e := range list {
		if uint64(e.Value) == n.lo {
			return lastName(e.Name)
		}
	}
	var parts []string
	left := n.lo
	for _, e := range list {
		v := uint64(e.Value)
		if v == 0 || v&(v-1) != 0 {
			continue
		}
		if left&v != 0 {
			parts = append(parts, lastName(e.Name))
			left &^= v
		}
	}
	if left != 0 || len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, " | ")
}

func lastName(s string) string { _, last := splitScope(s); return last }

// addressText writes an address in the style's form.
func addressText(a uint64, ar *arch.Arch, f Format) string {
	switch {
	case f.Style != DT:
		if f.Upper {
			return fmt.Sprintf("0x%X", a)
		}
		return fmt.Sprintf("0x%x", a)
	case a == 0:
		return "(null)"
	}
	return "0x" + arch.Addr(a).Text(ar.PtrSize)
}

// join puts what is known about an address behind it.
func join(addr, what string, f Format) string {
	switch {
	case what == "":
		return addr
	case f.NoAddress:
		return what
	case f.Style == DX:
		return addr + " : " + what
	}
	return addr + " " + what
}

// joinString is join of a string, which may be empty and without quotes.
func joinString(addr, s string, f Format) string {
	if f.NoAddress {
		return s
	}
	return join(addr, s, f)
}

func codeText(ctx context.Context, env Env, a arch.Addr, f Format) string {
	return join(addressText(uint64(a), env.Arch(), f), env.Symbol(ctx, a), f)
}

// SyntheticPointer is shown for a pointer to what has no address; following it
// shows what that is.
const SyntheticPointer = "(synthetic pointer)"

func (m *Model) pointerText(ctx context.Context, env Env, v Value, t *symbols.Type, f Format) (string, error) {
	if _, ok := v.synthetic(); ok {
		return SyntheticPointer, nil
	}
	n, err := load(ctx, env, v)
	if err != nil {
		return "", err
	}
	addr := addressText(n.lo, env.Arch(), f)
	to := elem(t)
	unit := charUnit(to)
	if u := specUnit(f.Spec); u > 0 {
		unit = u
	}
	switch {
	case unit > 0 && f.Length == noElements:
		return joinString(addr, prefixOf(unit, f)+quote(nil, unit, false, false, bare(f)), f), nil
	case n.lo == 0:
		return addr, nil
	case strip(to).Kind == symbols.Func:
		return codeText(ctx, env, arch.Addr(n.lo), f), nil
	case unit > 0:
		s, err := m.stringAt(ctx, env, arch.Addr(n.lo), unit, f)
		return joinString(addr, s, f), err
	case f.Style == DX && isScalar(strip(to)) && strip(to).Kind != symbols.Pointer && f.Length <= 0:
		f.Spec = ""
		s, err := m.plainText(ctx, env, Value{Type: to, Place: InMemory, Addr: arch.Addr(n.lo)}, f)
		if err != nil && retry(err) {
			return "", err
		}
		return join(addr, s, f), nil
	}
	return addr, nil
}

// stringAt reads and quotes the string at an address. Unreadable memory is told
// in the text, in the style's words.
func (m *Model) stringAt(ctx context.Context, env Env, a arch.Addr, unit int, f Format) (string, error) {
	b, more, err := m.characters(ctx, env, a, unit, f)
	switch {
	case err != nil && retry(err):
		return "", err
	case err != nil && f.Style == DT:
		return `"--- memory read error at address 0x` + a.Text(env.Arch().PtrSize) + ` ---"`, nil
	case err != nil && f.Style == Plain:
		return fmt.Sprintf("<cannot read memory at 0x%x>", uint64(a)), nil
	case err != nil:
		return err.Error(), nil
	}
	return prefixOf(unit, f) + quote(b, unit, env.Arch().BigEndian, more, bare(f)), nil
}

// characters reads the string at a: to its end, or the length asked for.
func (m *Model) characters(ctx context.Context, env Env, a arch.Addr, unit int, f Format) ([]byte, bool, error) {
	if f.Length <= 0 {
		return readString(ctx, env, a, unit, m.limit())
	}
	b := make([]byte, min(f.Length, m.limit())*unit)
	return b, f.Length > m.limit(), readMemory(ctx, env, a, b)
}

func bare(f Format) bool { return strings.HasSuffix(f.Spec, "b") && specUnit(f.Spec) > 0 }

// prefixOf is the literal prefix editors show for wide strings.
func prefixOf(unit int, f Format) string {
	if f.Style != Plain || specUnit(f.Spec) > 0 {
		return ""
	}
	return map[int]string{2: "u", 4: "L"}[unit]
}

func (m *Model) arrayText(ctx context.Context, env Env, v Value, t *symbols.Type, f Format) (string, error) {
	unit := charUnit(elem(t))
	if u := specUnit(f.Spec); u > 0 {
		unit = u
	}
	size := t.ByteSize()
	if unit == 0 || size <= 0 || size > maxValue {
		return m.elements(ctx, env, v, t, f)
	}
	if f.Length == noElements {
		return prefixOf(unit, f) + quote(nil, unit, false, false, bare(f)), nil
	}
	shown := int64(m.limit() * unit)
	if f.Length > 0 {
		shown = int64(f.Length * unit)
	}
	part := v
	if size > shown {
		part.Type = arrayOf(elem(t), shown/max(1, stride(t)))
		if v.Bytes != nil {
			part.Bytes = v.Bytes[:sizeOf(part.Type)]
			if v.Missing != nil {
				part.Missing = v.Missing[:sizeOf(part.Type)]
			}
		}
	}
	b, err := Fetch(ctx, env, part)
	if err != nil {
		return "", err
	}
	more := size > shown && f.Length <= 0
	if end := terminator(b, unit); end >= 0 && f.Length <= 0 {
		b, more = b[:end], false
	}
	return prefixOf(unit, f) + quote(b, unit, env.Arch().BigEndian, more, bare(f)), nil
}
