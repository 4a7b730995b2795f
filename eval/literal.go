package eval

import (
	"encoding/binary"
	"math"
	"math/big"
	"strconv"
	"strings"

	"dap-windbg/symbols"
)

// separators are what may stand between digits: C++'s and WinDbg's.
var separators = strings.NewReplacer("'", "", "`", "")

// parseNumber makes a node of an integer or floating literal.
func parseNumber(src string, t token) (node, error) {
	bad := func(msg string) (node, error) { return nil, &SyntaxError{Pos: t.pos, Text: src, Msg: msg} }
	s := strings.ToLower(separators.Replace(t.text))
	hex := strings.HasPrefix(s, "0x")
	if strings.Contains(s, ".") || !hex && strings.ContainsAny(s, "e") || hex && strings.Contains(s, "p") {
		return parseFloatLiteral(s, bad)
	}
	digits, suffix := s, ""
	for _, suf := range []string{"ui64", "i64", "ull", "llu", "uz", "zu", "ul", "lu", "ll", "u", "l", "z"} {
		if strings.HasSuffix(digits, suf) {
			digits, suffix = strings.TrimSuffix(digits, suf), suf
			break
		}
	}
	base := 10
	switch {
	case hex:
		digits, base = digits[2:], 16
	case strings.HasPrefix(digits, "0b"):
		digits, base = digits[2:], 2
	case len(digits) > 1 && digits[0] == '0':
		digits, base = digits[1:], 8
	}
	v, err := strconv.ParseUint(digits, base, 64)
	if err != nil {
		if ne, ok := err.(*strconv.NumError); ok && ne.Err == strconv.ErrRange {
			return bad("Overflow")
		}
		return bad("Syntax")
	}
	return &intNode{literalType(v, suffix, base == 10), v}, nil
}

// literalType picks the type of an integer literal (C++ [lex.icon], LP64).
func literalType(v uint64, suffix string, decimal bool) string {
	u := strings.Contains(suffix, "u")
	long := strings.ContainsAny(suffix, "lz6")
	switch {
	case !u && !long && v <= math.MaxInt32:
		return "int"
	case !long && (u || !decimal) && v <= math.MaxUint32:
		return "unsigned int"
	case suffix == "ll" || suffix == "i64":
		return "long long"
	case u && (strings.Contains(suffix, "ll") || suffix == "ui64"):
		return "unsigned long long"
	case !u && v <= math.MaxInt64:
		return "long"
	}
	return "unsigned long"
}

func parseFloatLiteral(s string, bad func(string) (node, error)) (node, error) {
	name := "double"
	switch {
	case strings.HasSuffix(s, "f") && !strings.HasPrefix(s, "0x"), strings.HasSuffix(s, "f") && strings.Contains(s, "p"):
		s, name = s[:len(s)-1], "float"
	case strings.HasSuffix(s, "l"):
		s, name = s[:len(s)-1], "long double"
	}
	if strings.HasPrefix(s, "0x") && !strings.Contains(s, "p") {
		s += "p0"
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) || strings.Contains(s, "_") {
		return bad("Syntax")
	}
	n := &floatNode{typ: name, f: f}
	if name == "long double" && !math.IsInf(f, 0) {
		if n.x, _, err = big.ParseFloat(s, 0, 113, big.ToNearestEven); err != nil {
			return bad("Syntax")
		}
	}
	return n, nil
}

// charType is the type of a literal with a prefix, and its code unit's size.
func charType(prefix string) (string, int) {
	switch prefix {
	case "L":
		return "wchar_t", 4
	case "u":
		return "char16_t", 2
	case "U":
		return "char32_t", 4
	case "u8":
		return "char8_t", 1
	}
	return "char", 1
}

// literal parses a character constant or adjacent string literals.
func (p *parser) literal() (node, error) {
	t := p.peek()
	name, unit := charType(t.prefix)
	if t.kind == tChar {
		p.i++
		r, ok := unescape(t.text, unit > 1)
		if !ok || len(r) == 0 || len(r) > 4 || unit > 1 && len(r) > 1 {
			return nil, &SyntaxError{Pos: t.pos, Text: p.src, Msg: "Syntax"}
		}
		if len(r) == 1 {
			v := uint64(r[0])
			if name == "char" {
				v = uint64(int64(int8(r[0])))
			}
			return &intNode{name, v}, nil
		}
		var v uint32 // 'ab' packs, first character most significant
		for _, c := range r {
			v = v<<8 | uint32(byte(c))
		}
		return &intNode{"int", uint64(int64(int32(v)))}, nil
	}
	var units []rune
	for p.peek().kind == tString {
		t := p.next()
		if t.prefix != "" {
			name, unit = charType(t.prefix)
		}
		r, ok := unescape(t.text, unit > 1)
		if !ok {
			return nil, &SyntaxError{Pos: t.pos, Text: p.src, Msg: "Syntax"}
		}
		units = append(units, r...)
	}
	return &stringNode{char: name, size: unit, units: append(units, 0)}, nil
}

// bytes lays the string out for a machine.
func (n *stringNode) bytes(big bool) []byte {
	var bo binary.AppendByteOrder = binary.LittleEndian
	if big {
		bo = binary.BigEndian
	}
	var b []byte
	for _, r := range n.units {
		switch {
		case n.size == 1:
			b = append(b, byte(r))
		case n.size == 2 && r > 0xffff:
			r -= 0x10000
			b = bo.AppendUint16(b, uint16(0xd800|r>>10))
			b = bo.AppendUint16(b, uint16(0xdc00|r&0x3ff))
		case n.size == 2:
			b = bo.AppendUint16(b, uint16(r))
		default:
			b = bo.AppendUint32(b, uint32(r))
		}
	}
	return b
}

func (n *stringNode) value(l *language, big bool) Value {
	b := n.bytes(big)
	c := &symbols.Type{Kind: symbols.Const, Elem: l.named(n.char)}
	return Value{Type: arrayOf(c, int64(len(b)/n.size)), Bytes: b}
}

// macro parses WinDbg's "#" macros over a type and members of it.
func (p *parser) macro(t token) (node, error) {
	bad := &SyntaxError{Pos: t.pos, Text: p.src, Msg: "Syntax"}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	m := &macroNode{name: t.text}
	var err error
	switch t.text {
	case "#RTL_CONTAINS_FIELD":
		return m, p.containsField(m)
	case "#CONTAINING_RECORD":
		if m.x, err = p.expr(commaPower); err != nil {
			return nil, err
		}
		if err := p.expect(","); err != nil {
			return nil, err
		}
	}
	switch t.text {
	case "#RTL_NUMBER_OF":
		if m.x, err = p.expr(commaPower); err != nil {
			return nil, err
		}
		return m, p.expect(")")
	case "#CONTAINING_RECORD", "#FIELD_OFFSET", "#RTL_FIELD_SIZE", "#RTL_SIZEOF_THROUGH_FIELD":
	default:
		return nil, bad
	}
	var ok bool
	if m.spec, ok = p.typeID(false); !ok {
		return nil, bad
	}
	return m, p.memberPath(m)
}

// memberPath parses ", member.member )".
func (p *parser) memberPath(m *macroNode) error {
	if err := p.expect(","); err != nil {
		return err
	}
	for more := true; more; more = p.accept(".") || p.accept(",") {
		name, err := p.memberName()
		if err != nil {
			return err
		}
		m.path = append(m.path, name)
	}
	return p.expect(")")
}

// containsField parses "object pointer, size, member )".
func (p *parser) containsField(m *macroNode) (err error) {
	if m.x, err = p.expr(commaPower); err != nil {
		return err
	}
	if err = p.expect(","); err != nil {
		return err
	}
	if m.size, err = p.expr(commaPower); err != nil {
		return err
	}
	return p.memberPath(m)
}
