package cfi

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

func TestEvaluate(t *testing.T) {
	mem := &window{pieces: map[uint64][]byte{0x2000: {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88}}}
	for _, c := range []struct {
		name    string
		code    []byte
		initial []uint64
		want    uint64
		bad     string
		cpu     *arch.Arch
	}{
		{name: "literal", code: []byte{0x30 + 17}, want: 17},
		{name: "CFA plus", code: []byte{0x23, 0x80, 0x01}, initial: []uint64{0x1000}, want: 0x1080},
		{name: "address", code: []byte{0x03, 1, 2, 3, 4, 5, 6, 7, 8}, want: 0x0807060504030201},
		{name: "address of 4 bytes", code: []byte{0x03, 1, 2, 3, 4}, want: 0x04030201, cpu: arch.I386},
		{name: "constants", code: []byte{0x08, 0xff, 0x09, 0xff, 0x22, 0x0a, 0, 1, 0x0b, 0xff, 0xff, 0x22, 0x22, 0x10, 0x81, 0x01, 0x11, 0x7f, 0x22, 0x22}, want: 254 + 255 + 128},
		{name: "wide constants", code: []byte{0x0c, 1, 0, 0, 0, 0x0d, 0xff, 0xff, 0xff, 0xff, 0x0e, 2, 0, 0, 0, 0, 0, 0, 0, 0x0f, 1, 0, 0, 0, 0, 0, 0, 0, 0x22, 0x22, 0x22}, want: 3},
		{name: "register", code: []byte{0x77, 0x78}, want: 0x3000 - 8},
		{name: "register by number", code: []byte{0x92, 6, 0x10}, want: 0x3110},
		{name: "no such register", code: []byte{0x92, 0xff, 0x7f, 0}, bad: "no register with DWARF number 16383"},
		{name: "unknown register", code: []byte{0x73, 0}, bad: "rbx is not known"},
		{name: "deref", code: []byte{0x0a, 0, 0x20, 0x06}, want: 0x8877665544332211},
		{name: "deref_size", code: []byte{0x0a, 0, 0x20, 0x94, 2}, want: 0x2211},
		{name: "deref of 3", code: []byte{0x0a, 0, 0x20, 0x94, 3}, bad: "load of 3"},
		{name: "deref of nothing there", code: []byte{0x30, 0x06}, bad: "no memory"},
		{name: "stack", code: []byte{0x31, 0x32, 0x33, 0x17, 0x16, 0x14, 0x12, 0x13, 0x15, 1, 0x1c}, want: 1}, // 3 2 1 | 2 - 1
		{name: "arithmetic", code: []byte{0x39, 0x32, 0x1b, 0x37, 0x34, 0x1d, 0x1e, 0x31, 0x21, 0x3f, 0x1a, 0x32, 0x27}, want: 4*3 | 1 ^ 2},
		{name: "signs", code: []byte{0x35, 0x1f, 0x32, 0x1b, 0x1f, 0x33, 0x1f, 0x19, 0x22, 0x20}, want: ^uint64(5)},
		{name: "shifts", code: []byte{0x31, 0x34, 0x24, 0x32, 0x25, 0x38, 0x1f, 0x31, 0x26, 0x22}, want: 0},
		{name: "far shifts", code: []byte{0x31, 0x08, 200, 0x24, 0x09, 0x80, 0x08, 200, 0x26, 0x22}, want: ^uint64(0)},
		{name: "comparisons", code: []byte{0x31, 0x1f, 0x30, 0x2d, 0x31, 0x31, 0x2c, 0x22, 0x30, 0x31, 0x2b, 0x22, 0x31, 0x31, 0x2a, 0x22, 0x31, 0x32, 0x2e, 0x22, 0x31, 0x32, 0x29, 0x22}, want: 4},
		{name: "a branch", code: []byte{0x31, 0x28, 1, 0, 0x30, 0x35, 0x2f, 1, 0, 0x36}, want: 5},
		{name: "32 bits wrap", code: []byte{0x0c, 0xff, 0xff, 0xff, 0xff, 0x31, 0x22}, want: 0, cpu: arch.I386},
		{name: "32-bit signs", code: []byte{0x0c, 0xfe, 0xff, 0xff, 0xff, 0x19}, want: 2, cpu: arch.I386},
		{name: "stack_value", code: []byte{0x31, 0x96, 0x9f}, want: 1},
		{name: "nothing", bad: "empty stack"},
		{name: "takes too much", code: []byte{0x22}, bad: "empty stack"},
		{name: "picks too deep", code: []byte{0x31, 0x15, 9}, bad: "value 9 of 1"},
		{name: "divides by zero", code: []byte{0x31, 0x30, 0x1b}, bad: "divides by zero"},
		{name: "mod zero", code: []byte{0x31, 0x30, 0x1d}, bad: "divides by zero"},
		{name: "jumps out", code: []byte{0x2f, 9, 0}, bad: "jumps out"},
		{name: "jumps before", code: []byte{0x2f, 0xf0, 0xff}, bad: "jumps out"},
		{name: "never ends", code: []byte{0x2f, 0xfd, 0xff}, bad: "does not end"},
		{name: "pushes for ever", code: []byte{0x31, 0x2f, 0xfc, 0xff}, bad: "more than 256"},
		{name: "cut", code: []byte{0x0c, 1}, bad: "ends within"},
		{name: "a frame's own rule", code: []byte{0x9c}, bad: "0x9c has no place"},
	} {
		cpu := c.cpu
		if cpu == nil {
			cpu = arch.AMD64
		}
		regs := arch.NewRegisters(cpu.DefaultSet())
		regs.PutName("rsp", 0x3000)
		regs.PutName("rbp", 0x3100)
		s := source{ctx: t.Context(), regs: regs, mem: mem, order: binary.LittleEndian, ptrSize: cpu.PtrSize}
		got, err := s.evaluate(c.code, c.initial...)
		switch {
		case c.bad != "" && (err == nil || !strings.Contains(err.Error(), c.bad)):
			t.Errorf("%s: %d, %v; want %q", c.name, got, err, c.bad)
		case c.bad == "" && (err != nil || got != c.want):
			t.Errorf("%s: %d (%x), %v; want %d", c.name, got, got, err, c.want)
		}
	}
}

// one makes an Unwinder of one entry at 0x1000 with the given rules.
func one(cpu *arch.Arch, ra byte, rules ...byte) *Unwinder {
	w := &table{order: binary.LittleEndian}
	w.fde(w.cie(append([]byte{3, 0, 1, 0x78, ra}, rules...)), w.span(0x1000, 0x100))
	if cpu.PtrSize == 4 {
		w.out = nil
		w.fde(w.cie(append([]byte{3, 0, 1, 0x7c, ra}, rules...)), []byte{0, 0x10, 0, 0, 0, 1, 0, 0})
	}
	return New(Sections{Arch: cpu, DebugFrame: Section{Data: w.out}})
}

// words lays 8-byte words out at addr.
func words(addr uint64, v ...uint64) *window {
	var data []byte
	for _, w := range v {
		data = binary.LittleEndian.AppendUint64(data, w)
	}
	return &window{pieces: map[uint64][]byte{addr: data}}
}

func TestOutermost(t *testing.T) {
	regs := arch.NewRegisters(arch.AMD64.DefaultSet())
	regs.SetPC(0x1010)
	regs.SetSP(0x8000)
	for name, u := range map[string]*Unwinder{
		"undefined": one(arch.AMD64, 16, cfaDefCFA, 7, 8, cfaUndefined, 16),
		"zero":      one(arch.AMD64, 16, cfaDefCFA, 7, 16, 0x80|16, 2),
	} {
		if _, cfa, err := u.Unwind(t.Context(), 0, regs, words(0x8000, 0, 0)); err != symbols.ErrOutermost || cfa == 0 {
			t.Errorf("%s: %v, CFA %x", name, err, cfa)
		}
	}
	// A return address in an unknown or unchanged register leads nowhere.
	for _, rules := range [][]byte{{cfaDefCFA, 7, 8, cfaRegister, 16, 3}, {cfaDefCFA, 7, 0}} {
		r, _, err := one(arch.AMD64, 16, rules...).Unwind(t.Context(), 0, regs, words(0x8000, 0))
		if err == nil || errors.Is(err, symbols.ErrOutermost) {
			t.Errorf("%v: %v, %v", rules, r, err)
		}
	}
	// A return address that cannot be read is told as such.
	u := one(arch.AMD64, 16, cfaDefCFA, 7, 8, 0x80|16, 1)
	if _, _, err := u.Unwind(t.Context(), 0, regs, words(0x1)); err == nil || !strings.Contains(err.Error(), "return address") {
		t.Errorf("%v", err)
	}
	if _, _, err := u.Unwind(t.Context(), 0x100000, regs, words(0x8000)); !errors.Is(err, symbols.ErrNoUnwind) {
		t.Errorf("outside: %v", err)
	}
}

// TestKept: what the ABI preserves is kept, what it does not is unknown, what
// cannot be read is unknown.
func TestKept(t *testing.T) {
	regs := arch.NewRegisters(arch.AMD64.DefaultSet())
	for i := range regs.Set.Regs {
		regs.SetUint(i, uint64(i)+100)
	}
	regs.SetPC(0x1010)
	regs.SetSP(0x8000)
	regs.PutName("fs_base", 0x7000)
	// rbx unreadable, r12 (12) in rax (0), r13 (13) the same although unspecified, rbp (6) undefined
	u := one(arch.AMD64, 16, cfaDefCFA, 7, 8, 0x80|16, 1, 0x80|3, 100, cfaRegister, 12, 0, cfaUndefined, 6, cfaSameValue, 10)
	got, cfa, err := u.Unwind(t.Context(), 0, regs, words(0x8000, 0x1234))
	if err != nil {
		t.Fatal(err)
	}
	if cfa != 0x8008 || got.SP() != 0x8008 || got.PC() != 0x1234 || got.Interrupted {
		t.Errorf("CFA %x, SP %x, PC %x", cfa, got.SP(), got.PC())
	}
	same := func(name string) uint64 { v, _ := regs.Get(name); return v }
	for name, want := range map[string]uint64{"r12": same("rax"), "r13": same("r13"), "r10": same("r10"), "fs_base": 0x7000} {
		if v, ok := got.Get(name); !ok || v != want {
			t.Errorf("%s is %x, %v; want %x", name, v, ok, want)
		}
	}
	for _, name := range []string{"rbx", "rbp", "rax", "rcx", "rdi", "r11", "eflags", "xmm0"} {
		if v, ok := got.Get(name); ok {
			t.Errorf("%s is known to be %x", name, v)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := u.Unwind(ctx, 0, regs, gone{}); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
}

// gone is a memory whose reader has given up.
type gone struct{}

func (gone) ReadMemory(ctx context.Context, _ arch.Addr, _ []byte) (int, error) { return 0, ctx.Err() }

// TestOneFlight: all saved registers are asked for at once.
func TestOneFlight(t *testing.T) {
	regs := arch.NewRegisters(arch.AMD64.DefaultSet())
	regs.SetPC(0x1010)
	regs.SetSP(0x8000)
	mem := words(0x8000, 1, 2, 3, 4, 5)
	mem.known = map[uint64]bool{}
	u := one(arch.AMD64, 16, cfaDefCFA, 7, 40, 0x80|16, 1, 0x80|3, 5, 0x80|6, 4, 0x80|12, 3, 0x80|13, 2)
	_, _, err := u.Unwind(t.Context(), 0, regs, mem)
	var need *symbols.NeedError
	if !errors.As(err, &need) || len(mem.asked) != 5 {
		t.Fatalf("%v, asked for %x", err, mem.asked)
	}
	mem.fetch()
	got, _, err := u.Unwind(t.Context(), 0, regs, mem)
	if err != nil || got.PC() != 5 || got.FP() != 2 {
		t.Errorf("%v, %v", got, err)
	}
}

// TestLink: on CPUs that keep the return address in a register it is taken from
// there, and an arm64 authentication code is taken off.
func TestLink(t *testing.T) {
	const user, kernel = 0x5a00_0000_0040_1234, 0xda80_0000_0840_1234 // bit 55 tells them apart
	for _, c := range []struct {
		name  string
		rules []byte
		lr    uint64
		cmask uint64
		want  uint64
	}{
		{"plain", nil, 0x401234, 0, 0x401234},
		{"signed", []byte{cfaNegateRA}, user, 0, 0x401234},
		{"kernel", []byte{cfaNegateRA}, kernel, 0, 0xffff_0000_0840_1234},
		{"mask told", []byte{cfaNegateRA}, 0x0012_3400_0040_1234, 0x00ff_fe00_0000_0000, 0x0000_0000_0040_1234 | 0x0012_3400_0040_1234&^0x00ff_fe00_0000_0000},
	} {
		set := arch.NewSet(arch.ARM64, append(append([]arch.Register{}, arch.ARM64.Core...), arch.Register{Name: "pauth_cmask", Size: 8, DWARF: -1}))
		regs := arch.NewRegisters(set)
		regs.SetPC(0x1010)
		regs.SetSP(0x8000)
		regs.PutName("x30", c.lr)
		if c.cmask != 0 {
			regs.PutName("pauth_cmask", c.cmask)
		}
		got, _, err := one(arch.ARM64, 30, append([]byte{cfaDefCFA, 31, 0}, c.rules...)...).Unwind(t.Context(), 0, regs, words(0))
		if err != nil || uint64(got.PC()) != c.want || got.SP() != 0x8000 {
			t.Errorf("%s: pc %x, want %x, %v", c.name, got.PC(), c.want, err)
		}
	}
	regs := arch.NewRegisters(arch.RISCV64.DefaultSet())
	regs.SetPC(0x1010)
	regs.SetSP(0x8000)
	regs.PutName("ra", 0x2222)
	regs.PutName("s1", 7)
	got, _, err := one(arch.RISCV64, 1, cfaDefCFA, 2, 16).Unwind(t.Context(), 0, regs, words(0))
	if s1, _ := got.Get("s1"); err != nil || got.PC() != 0x2222 || got.SP() != 0x8010 || s1 != 7 {
		t.Errorf("riscv64: pc %x sp %x, %v", got.PC(), got.SP(), err)
	}
	regs = arch.NewRegisters(arch.I386.DefaultSet())
	regs.SetPC(0x1010)
	regs.SetSP(0xfffffffc)
	got, cfa, err := one(arch.I386, 8, cfaDefCFA, 4, 8, 0x80|8, 1).Unwind(t.Context(), 0, regs, words(0, 0x2222))
	if err != nil || cfa != 4 || got.PC() != 0x2222 {
		t.Errorf("i386: pc %x, CFA %x, %v", got.PC(), cfa, err)
	}
}

// TestFrameAddress: who knows the CFA better is asked first, and the rules of the
// registers count from what is answered.
func TestFrameAddress(t *testing.T) {
	regs := arch.NewRegisters(arch.AMD64.DefaultSet())
	regs.SetPC(0x1010)
	regs.SetSP(0x8000)
	regs.Interrupted = true
	for _, c := range []struct {
		known bool
		err   error
		cfa   arch.Addr
	}{{true, nil, 0x8018}, {false, nil, 0x8008}, {true, &symbols.NeedError{Addr: 1, Size: 8}, 0}} {
		u := one(arch.AMD64, 16, cfaDefCFA, 7, 8, 0x80|16, 1)
		u.s.FrameAddress = func(_ context.Context, off symbols.Offset, callee *arch.Registers, _ symbols.Memory) (uint64, bool, error) {
			if off != 0x1010 || callee != regs {
				t.Errorf("asked about %x", off)
			}
			return 0x8018, c.known, c.err
		}
		got, cfa, err := u.Unwind(t.Context(), 0, regs, words(0x8000, 0x1234, 0, 0x5678))
		if cfa != c.cfa || !errors.Is(err, c.err) {
			t.Errorf("%+v: CFA %x, %v", c, cfa, err)
		}
		if want := map[arch.Addr]arch.Addr{0x8008: 0x1234, 0x8018: 0x5678}[cfa]; err == nil && (got.PC() != want || got.SP() != c.cfa) {
			t.Errorf("%+v: pc %x, sp %x", c, got.PC(), got.SP())
		}
	}
}
