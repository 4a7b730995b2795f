package engine

import (
	"testing"

	"dap-windbg/arch"
)

// TestDecoded: an instruction that is remembered is what the bytes at its address are
// now, and no more of them are kept than the bound.
func TestDecoded(t *testing.T) {
	var d decoded
	for _, c := range []struct {
		code string
		op   string
	}{{"\x90\x90", "nop"}, {"\xc3\x90", "ret"}, {"\xe8\x00\x01\x00\x00", "call"}, {"\xe8\x00\x01\x00\x00", "call"}, {"\x90", "nop"}} {
		in, err := d.decode(arch.AMD64, []byte(c.code), 0x1000)
		if err != nil || in.Op != c.op {
			t.Errorf("% x: %q, %v, want %q", c.code, in.Op, err, c.op)
		}
	}
	if _, err := d.decode(arch.AMD64, []byte("\xe8\x00"), 0x1000); err == nil {
		t.Error("half an instruction was decoded")
	}
	a, _ := d.decode(arch.AMD64, []byte("\xe8\x00\x01\x00\x00"), 0x1000)
	b, _ := d.decode(arch.AMD64, []byte("\xe8\x00\x01\x00\x00"), 0x2000)
	if a.Target != 0x1105 || b.Target != 0x2105 {
		t.Errorf("calls of 0x%x and 0x%x", a.Target, b.Target)
	}
	for a := range arch.Addr(3 * maxDecoded) {
		d.decode(arch.AMD64, []byte{0x90}, a)
	}
	if len(d) > maxDecoded {
		t.Errorf("%d are kept, of %d at most", len(d), maxDecoded)
	}
}
