package arch

import "testing"

func TestTaken(t *testing.T) {
	x86 := func(code string, eflags, rcx uint64, want bool) {
		t.Helper()
		in, err := AMD64.Decode(unhex(t, code), 0x1000)
		if err != nil {
			t.Fatal(err)
		}
		r := NewRegisters(AMD64.DefaultSet())
		if _, ok := Taken(in, r); ok {
			t.Errorf("%s: decided without flags", in.Op)
		}
		r.PutName("eflags", eflags)
		r.PutName("rcx", rcx)
		if got, ok := Taken(in, r); got != want || !ok {
			t.Errorf("%s with eflags %x, rcx %x: %v %v, want %v", in.Op, eflags, rcx, got, ok, want)
		}
	}
	const cf, pf, zf, sf, of = 1, 4, 0x40, 0x80, 0x800
	for _, tt := range []struct {
		op   string
		yes  uint64
		no   uint64
		yes2 uint64
	}{
		{"70", of, 0, of | zf}, {"71", 0, of, zf}, {"72", cf, 0, cf | zf}, {"73", 0, cf, zf}, {"74", zf, 0, zf | cf}, {"75", 0, zf, cf},
		{"76", cf, 0, zf}, {"77", 0, cf | zf, sf}, {"78", sf, 0, sf | zf}, {"79", 0, sf, zf}, {"7a", pf, 0, pf | zf}, {"7b", 0, pf, zf},
		{"7c", sf, sf | of, of}, {"7d", sf | of, of, 0}, {"7e", zf, 0, sf}, {"7f", 0, zf, sf | of},
	} {
		x86(tt.op+"10", tt.yes, 0, true)
		x86(tt.op+"10", tt.yes2, 0, true)
		x86(tt.op+"10", tt.no, 0, false)
	}
	x86("e310", 0, 0, true)
	x86("e310", 0, 1<<32, false)
	x86("67e310", 0, 1<<32, true)
	x86("e210", 0, 2, true)
	x86("e210", 0, 1, false)
	x86("e110", zf, 2, true)
	x86("e110", 0, 2, false)
	x86("e010", zf, 2, false)
	x86("e010", 0, 2, true)
}

func TestTakenOthers(t *testing.T) {
	for _, tt := range []struct {
		arch *Arch
		code string
		set  map[string]uint64
		want bool
	}{
		{ARM64, "20000054", map[string]uint64{"cpsr": 1 << 30}, true},
		{ARM64, "21000054", map[string]uint64{"cpsr": 1 << 30}, false},
		{ARM64, "200000b4", map[string]uint64{"x0": 0}, true},
		{ARM64, "200000b5", map[string]uint64{"x0": 0}, false},
		{ARM64, "20000034", map[string]uint64{"x0": 1 << 32}, true}, // cbz w0
		{ARM64, "2000f837", map[string]uint64{"x0": 1 << 31}, true}, // tbnz w0,#31
		{ARM64, "2000f836", map[string]uint64{"x0": 1 << 31}, false},
		{RISCV64, "6308b500", map[string]uint64{"a0": 4, "a1": 4}, true},
		{RISCV64, "09c1", map[string]uint64{"a0": 4}, false},
		{RISCV64, "6354b000", map[string]uint64{"a1": 1<<64 - 1}, true}, // blez a1
	} {
		in, err := tt.arch.Decode(unhex(t, tt.code), 0x1000)
		if err != nil {
			t.Fatal(err)
		}
		r := NewRegisters(tt.arch.DefaultSet())
		for name, v := range tt.set {
			r.PutName(name, v)
		}
		if got, ok := Taken(in, r); got != tt.want || !ok {
			t.Errorf("%s %s %s: %v %v, want %v", tt.arch.Name, in.Op, in.Args, got, ok, tt.want)
		}
	}
}

func TestEffectiveAddr(t *testing.T) {
	r := NewRegisters(AMD64.DefaultSet())
	r.PutName("rax", 0x1000)
	r.PutName("rcx", 0x10)
	r.PutName("fs_base", 0x7000)
	for _, tt := range []struct {
		o    Operand
		want Addr
		ok   bool
	}{
		{Operand{Base: "rax", Index: "rcx", Scale: 8, Disp: -4}, 0x107c, true},
		{Operand{Base: "rip", Disp: 0x20}, 0x400020, true},
		{Operand{Seg: "fs", Disp: 0x28}, 0x7028, true},
		{Operand{Seg: "gs", Disp: 0x28}, 0, false},
		{Operand{Base: "rbx"}, 0, false},
		{Operand{Disp: 0x1234}, 0x1234, true},
	} {
		got, ok := EffectiveAddr(&tt.o, r, 0x400000)
		if got != tt.want && tt.ok || ok != tt.ok {
			t.Errorf("%+v: %x %v, want %x %v", tt.o, got, ok, tt.want, tt.ok)
		}
	}
	r32 := NewRegisters(I386.DefaultSet())
	r32.PutName("eax", 0xffffffff)
	if a, ok := EffectiveAddr(&Operand{Base: "eax", Disp: 2}, r32, 0); a != 1 || !ok {
		t.Errorf("a 32-bit address does not wrap: %x", a)
	}
}

// TestTables checks what every architecture promises of its registers.
func TestTables(t *testing.T) {
	for _, a := range All {
		s := a.DefaultSet()
		seen := map[string]bool{}
		numbers := map[int]string{}
		for i, r := range s.Regs {
			if seen[r.Name] || r.Name == "" || r.Size <= 0 {
				t.Errorf("%s: register %d %+v", a.Name, i, r)
			}
			seen[r.Name] = true
			if r.DWARF >= 0 {
				if other := numbers[r.DWARF]; other != "" {
					t.Errorf("%s: %s and %s share DWARF number %d", a.Name, other, r.Name, r.DWARF)
				}
				numbers[r.DWARF] = r.Name
				if got, ok := s.DWARF(r.DWARF); !ok || got != i {
					t.Errorf("%s: DWARF number %d finds %d", a.Name, r.DWARF, got)
				}
			}
		}
		roles := append([]string{a.PC, a.SP, a.FP, a.Return}, append(a.Args, a.CalleeSaved...)...)
		if a.Flags != "" {
			roles = append(roles, a.Flags)
		}
		for _, name := range roles {
			if !seen[name] {
				t.Errorf("%s: no register %q", a.Name, name)
			}
		}
		for _, sub := range a.Sub {
			i, ok := s.Index(sub.Of)
			if !ok || seen[sub.Name] || sub.Bits <= 0 || sub.Shift+sub.Bits > 8*s.Regs[i].Size {
				t.Errorf("%s: %+v", a.Name, sub)
			}
		}
		if in, err := a.Decode(append(append([]byte{}, a.Break...), 0, 0), 0); err != nil || in.Kind != Trap || in.Len != len(a.Break) {
			t.Errorf("%s: Break decodes as %+v, %v", a.Name, in, err)
		}
		if got, ok := ByName(a.GDBName); !ok || got != a {
			t.Errorf("%s is not found by %q", a.Name, a.GDBName)
		}
	}
}

func TestRegisters(t *testing.T) {
	r := NewRegisters(AMD64.DefaultSet())
	if _, ok := r.Get("rax"); ok {
		t.Error("a new register is known")
	}
	if r.PutName("al", 1) {
		t.Error("a part of an unknown register was set")
	}
	r.PutName("rax", 0x1122334455667788)
	r.PutName("ah", 0xee)
	c := r.Clone()
	r.PutName("eax", 5)
	for name, want := range map[string]uint64{"rax": 5, "al": 5, "ah": 0} {
		if v, ok := r.Get(name); v != want || !ok {
			t.Errorf("%s is %x, want %x", name, v, want)
		}
	}
	if v, _ := c.Get("rax"); v != 0x112233445566ee88 {
		t.Errorf("the clone changed: %x", v)
	}
	r.PutName("eflags", 0x246)
	r.PutName("zf", 0)
	if v, _ := r.Get("eflags"); v != 0x206 {
		t.Errorf("eflags %x", v)
	}
	r.SetPC(0x401000)
	if r.PC() != 0x401000 || r.LookupPC() != 0x400fff {
		t.Errorf("pc %x, look-up %x", r.PC(), r.LookupPC())
	}
	i, _ := r.Set.Index("st0")
	r.SetBytes(i, []byte{1, 2})
	if b, _ := r.Bytes(i); len(b) != 10 || b[0] != 1 || b[2] != 0 {
		t.Errorf("st0 % x", b)
	}
	r.Forget(i)
	if r.Known(i) {
		t.Error("forgotten register is known")
	}
}
