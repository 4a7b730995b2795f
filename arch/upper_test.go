package arch

import "testing"

// TestUpper: addresses made in two steps, as compilers of both CPUs make them.
func TestUpper(t *testing.T) {
	const pc = 0x10000
	for _, c := range []struct {
		arch *Arch
		code []string
		want []Addr // 0 none
	}{
		// adrp x8,1f000; ldr w10,[x8,#0x608]; str w9,[x8,#0x608]; add x0,x8,#0xc; ldr x1,[x0,#8]
		{ARM64, []string{"e8000090", "0a0946b9", "090906b9", "00310091", "010440f9"}, []Addr{0, 0x2c608, 0x2c608, 0x2c00c, 0x2c014}},
		// adrp x8; ldr x8,[x8,#0x5d8]; ldr x0,[x8]: the second load's base was loaded
		{ARM64, []string{"e8000090", "08ed42f9", "000140f9"}, []Addr{0, 0x2c5d8, 0}},
		// adrp x0; bl; add x0,x0,#0x10: a call lies between
		{ARM64, []string{"e0000090", "01000094", "00400091"}, []Addr{0, 0, 0}},
		// auipc a1,0x2; addi a1,a1,468; lw a2,0(a1); sw a2,0(a1)
		{RISCV64, []string{"97250000", "9385451d", "9041", "90c1"}, []Addr{0, pc + 0x2000 + 468, pc + 0x2000 + 468, pc + 0x2000 + 468}},
		// auipc ra,0x0; jalr ra,80(ra); lw a2,0(a1)
		{RISCV64, []string{"97000000", "e7800005", "9041"}, []Addr{0, pc + 80, 0}},
	} {
		var u Upper
		at := Addr(pc)
		for i, h := range c.code {
			in, err := c.arch.Decode(unhex(t, h), at)
			if err != nil {
				t.Fatal(err)
			}
			want := c.want[i]
			if c.arch == ARM64 && want != 0 {
				want = want - 0x2c000 + (pc + 7<<14) // the page that adrp names
			}
			if got, ok := u.Next(in, at); got != want || ok != (want != 0) {
				t.Errorf("%s %s %s: %x, want %x", c.arch.Name, in.Op, in.Args, got, want)
			}
			at += Addr(in.Len)
		}
	}
}
