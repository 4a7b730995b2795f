package arch

import "testing"

// TestOnly: a copy has the registers of the part that were known, wherever they lie,
// and is independent.
func TestOnly(t *testing.T) {
	wide := append([]Register{{Name: "v", Size: 64, DWARF: -1}, {Name: "first", Size: 8, DWARF: -1}}, AMD64.Core...)
	for i := range 300 { // as machines have
		wide = append(wide, Register{Name: "s" + string(rune('A'+i)), Size: 8, DWARF: -1})
	}
	for _, a := range []*Arch{AMD64, ARM64, RISCV64} {
		sets := []*Set{a.DefaultSet()}
		if a == AMD64 {
			sets = append(sets, NewSet(a, wide))
		}
		for _, s := range sets {
			r := NewRegisters(s)
			for i := range s.Regs {
				if i%3 != 0 {
					r.SetUint(i, uint64(i)+1)
				}
			}
			var part []int
			for i := 0; i < len(s.Regs); i += 2 {
				part = append(part, i)
			}
			c := r.Only(s.Part(part))
			for i := range s.Regs {
				v, ok := c.Uint(i)
				if want := i%2 == 0 && i%3 != 0; ok != want || ok && v&0xff != (uint64(i)+1)&0xff {
					t.Fatalf("%s: register %d of %d is %d, known %v", a.Name, i, len(s.Regs), v, ok)
				}
				c.SetUint(i, 0xff)
				if v, ok := r.Uint(i); ok && v&0xff != (uint64(i)+1)&0xff {
					t.Fatalf("%s: register %d of the original is %d", a.Name, i, v)
				}
			}
		}
	}
}
