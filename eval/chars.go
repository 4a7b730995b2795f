package eval

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

const (
	defaultString = 200  // longest string shown, in code units
	stringChunk   = 256  // bytes read at a time
	pageSize      = 4096 // a chunk never crosses a page
)

// charUnit returns the size of a character type's code unit, 0 when t is none.
// wchar_t is a typedef of int in C, so names count as well as encodings.
func charUnit(t *symbols.Type) int {
	for i := 0; t != nil && i < 64; i++ {
		switch t.Kind {
		case symbols.Base:
			switch t.Encoding {
			case symbols.SignedChar, symbols.UnsignedChar, symbols.UTF:
				return int(t.Size)
			}
			if t.Name == "wchar_t" || t.Name == "char8_t" { // GCC says that they are numbers
				return int(t.Size)
			}
			return 0
		case symbols.Typedef, symbols.Const, symbols.Volatile, symbols.Restrict, symbols.Atomic:
			if t.Name == "wchar_t" || t.Name == "char16_t" || t.Name == "char32_t" {
				return int(t.ByteSize())
			}
			t = t.Elem
		default:
			return 0
		}
	}
	return 0
}

// specUnit is the code unit a string specifier asks for, 0 when it asks for none.
func specUnit(spec string) int {
	switch spec {
	case "s", "sb", "s8", "s8b":
		return 1
	case "su", "sub":
		return 2
	case "s32", "s32b":
		return 4
	}
	return 0
}

// readString reads up to limit code units, to the terminator. more tells that
// the string goes on; an error after the first chunk only ends it.
func readString(ctx context.Context, env Env, addr arch.Addr, unit, limit int) (b []byte, more bool, err error) {
	for len(b) < limit*unit {
		n := min(stringChunk, limit*unit-len(b), int(pageSize-uint64(addr)%pageSize))
		if n < unit {
			n = unit
		}
		chunk := make([]byte, n-n%unit)
		if err := readMemory(ctx, env, addr, chunk); err != nil {
			if retry(err) || len(b) == 0 {
				return nil, false, err
			}
			return b, true, nil
		}
		if end := terminator(chunk, unit); end >= 0 {
			return append(b, chunk[:end]...), false, nil
		}
		b = append(b, chunk...)
		addr += arch.Addr(len(chunk))
	}
	return b, true, nil
}

// terminator returns the offset of the first zero code unit, -1 when there is none.
func terminator(b []byte, unit int) int {
	for i := 0; i+unit <= len(b); i += unit {
		zero := true
		for _, c := range b[i : i+unit] {
			zero = zero && c == 0
		}
		if zero {
			return i
		}
	}
	return -1
}

// quote writes code units as a string literal; bare leaves the quotes off.
func quote(b []byte, unit int, big, more, bare bool) string {
	var s strings.Builder
	if !bare {
		s.WriteByte('"')
	}
	for len(b) >= unit && unit > 0 {
		r, n, valid := nextRune(b, unit, big)
		if bare && valid {
			s.WriteRune(r)
		} else {
			writeRune(&s, r, valid, '"')
		}
		b = b[n:]
	}
	if more {
		s.WriteString("...")
	}
	if !bare {
		s.WriteByte('"')
	}
	return s.String()
}

// nextRune decodes UTF-8, UTF-16 or UTF-32; invalid units come back as they are.
func nextRune(b []byte, unit int, big bool) (r rune, n int, valid bool) {
	var bo binary.ByteOrder = binary.LittleEndian
	if big {
		bo = binary.BigEndian
	}
	switch unit {
	case 2:
		r := rune(bo.Uint16(b))
		if r>>10 == 0xd800>>10 && len(b) >= 4 {
			if lo := rune(bo.Uint16(b[2:])); lo>>10 == 0xdc00>>10 {
				return 0x10000 + (r&0x3ff)<<10 + lo&0x3ff, 4, true
			}
		}
		return r, 2, utf8.ValidRune(r)
	case 4:
		r := bo.Uint32(b)
		return rune(r), 4, r <= unicode.MaxRune && utf8.ValidRune(rune(r))
	}
	r, n = utf8.DecodeRune(b)
	if r == utf8.RuneError && n <= 1 {
		return rune(b[0]), 1, b[0] < utf8.RuneSelf
	}
	return r, n, true
}

func writeRune(s *strings.Builder, r rune, valid bool, q rune) {
	const named = "\a\b\f\n\r\t\v\\"
	switch i := strings.IndexRune(named, r); {
	case valid && i >= 0:
		s.WriteByte('\\')
		s.WriteByte(`abfnrtv\`[i])
	case r == q:
		s.WriteByte('\\')
		s.WriteRune(r)
	case r == 0:
		s.WriteString(`\0`)
	case valid && unicode.IsPrint(r):
		s.WriteRune(r)
	case r < 0x100 && r >= 0:
		fmt.Fprintf(s, `\x%02x`, r)
	case r >= 0 && r < 0x10000:
		fmt.Fprintf(s, `\u%04x`, r)
	default:
		fmt.Fprintf(s, `\U%08x`, uint32(r))
	}
}

// charText writes a character constant.
func charText(n number, unit int) string {
	var s strings.Builder
	s.WriteByte('\'')
	r := rune(uint32(n.lo))
	valid := true
	if unit == 1 {
		r = rune(uint8(n.lo))
		valid = r < utf8.RuneSelf
	} else if unit == 2 {
		r = rune(uint16(n.lo))
	}
	valid = valid && utf8.ValidRune(r)
	writeRune(&s, r, valid, '\'')
	s.WriteByte('\'')
	return s.String()
}
