package dwarf

import "testing"

// TestEntriesWithoutBytes: a table whose entries take no bytes must not be believed
// how many there are.
func TestEntriesWithoutBytes(t *testing.T) {
	b := buf{d: []byte{1, lnctPath, byte(formFlagPresent), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0}}
	n := 0
	h, d := lineHeader{}, New(Options{Section: func(string) []byte { return nil }})
	h.entries(&b, &unit{data: d, space: d.main.spaces[0]}, func([]byte, uint64) {
		if n++; n > len(b.d) {
			t.Fatalf("%d entries in %d bytes", n, len(b.d))
		}
	})
}
