package rsp

import (
	"bytes"
	"encoding/xml"
)

// unmarshal reads a document of a far end.
func unmarshal(data []byte, v any) error { return xml.Unmarshal(allowed(data), v) }

// allowed is a document of a far end as XML has it. The names in it are as programs
// were given them, of any bytes (Linux cuts a thread's in the midst of a character):
// what XML does not allow (XML 1.0, 2.2) is replaced, so that one name does not cost
// the whole list.
func allowed(data []byte) []byte {
	return bytes.Map(func(r rune) rune {
		switch {
		case r < 0x20 && r != '\t' && r != '\n' && r != '\r', r == 0xfffe, r == 0xffff:
			return '\ufffd'
		}
		return r // a byte that is no UTF-8 is U+FFFD here
	}, data)
}
