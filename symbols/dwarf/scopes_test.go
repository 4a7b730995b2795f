package dwarf

import (
	"encoding/binary"
	"testing"
	"time"
)

// TestSiblingsWithin: a block's sibling that is its own child does not double what
// is read at each of many levels, and deep parameter packs do not fill the stack.
func TestSiblingsWithin(t *testing.T) {
	abbrevs := []byte{
		1, 0x11, 1, 0x11, 0x01, 0x12, 0x07, 0, 0, // DW_TAG_compile_unit: low_pc, high_pc
		2, 0x2e, 1, 0x11, 0x01, 0x12, 0x07, 0, 0, // DW_TAG_subprogram
		3, 0x0b, 1, 0x01, 0x13, 0, 0, // DW_TAG_lexical_block: sibling
		4, 0x87, 0x82, 0x01, 1, 0, 0, // DW_TAG_GNU_formal_parameter_pack
		0,
	}
	le := binary.LittleEndian
	for name, level := range map[string]func(b []byte) []byte{
		"siblings": func(b []byte) []byte { return le.AppendUint32(append(b, 3), uint32(len(b)+5)) },
		"packs":    func(b []byte) []byte { return append(b, 4) },
	} {
		b := []byte{0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 8}
		for _, code := range []byte{1, 2} {
			b = le.AppendUint64(le.AppendUint64(append(b, code), 0x1000), 0x100)
		}
		for range 3000 {
			b = level(b)
		}
		b = append(b, make([]byte, 3004)...)
		le.PutUint32(b, uint32(len(b)-4))
		d := New(Options{Section: func(n string) []byte {
			return map[string][]byte{".debug_info": b, ".debug_abbrev": abbrevs}[n]
		}})
		done := make(chan int)
		go func() {
			s, _ := d.Scopes(0x1010)
			done <- len(s)
		}()
		select {
		case n := <-done:
			if n != 1 {
				t.Errorf("%s: %d scopes, not the function's alone", name, n)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s: no end", name)
		}
	}
}
