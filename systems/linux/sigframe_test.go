package linux

import (
	"encoding/binary"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// TestSignalFrame compares with what the kernel tells the handler.
func TestSignalFrame(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "signal")
	if msg, err := exec.Command("gcc", "-o", bin, "testdata/signal.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	p := start(t, bin)
	for _, ahead := range []uint64{0, 7} { // at the head, and stopped at the system call
		regs := arch.NewRegisters(arch.AMD64.DefaultSet())
		regs.SetPC(arch.Addr(p.facts["trampoline"] + ahead))
		regs.SetSP(arch.Addr(p.facts["frame"]))
		regs.PutName("fs_base", 0x77)
		var got *arch.Registers
		n, err := p.world.rounds(t, func() (err error) {
			got, err = New().SignalFrame(t.Context(), regs, p.world)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if n > 2 {
			t.Errorf("%d flights", n)
		}
		if fs, _ := got.Get("fs_base"); !got.Interrupted || fs != 0x77 {
			t.Errorf("interrupted %v, fs_base %x", got.Interrupted, fs)
		}
		for name, want := range p.facts {
			if name == "trampoline" || name == "frame" {
				continue
			}
			if v, ok := got.Get(name); !ok || v != want {
				t.Errorf("%s is %x, the kernel says %x", name, v, want)
			}
		}
	}
	regs := arch.NewRegisters(arch.AMD64.DefaultSet())
	regs.SetPC(arch.Addr(p.facts["rip"]))
	regs.SetSP(arch.Addr(p.facts["rsp"]))
	if _, err := p.world.rounds(t, func() error {
		_, err := New().SignalFrame(t.Context(), regs, p.world)
		return err
	}); !errors.Is(err, symbols.ErrNoUnwind) {
		t.Errorf("code that is no trampoline: %v", err)
	}
}

// TestSignalFrameLayouts puts numbers where the kernel's structures have the
// registers of the CPUs a test run need not have.
func TestSignalFrameLayouts(t *testing.T) {
	const sp, code = at, at + 0x400
	for _, c := range []struct {
		name string
		cpu  *arch.Arch
		code []byte
		mem  map[int]uint64 // bytes from SP to a word
		want map[string]uint64
	}{
		{"arm64", arch.ARM64, []byte{0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4},
			map[int]uint64{312: 100, 312 + 8*30: 130, 560: 0x7000, 568: 0x401000, 576: 0x60000000},
			map[string]uint64{"x0": 100, "x30": 130, "sp": 0x7000, "pc": 0x401000, "cpsr": 0x60000000}},
		{"riscv64", arch.RISCV64, []byte{0x93, 0x08, 0xb0, 0x08, 0x73, 0x00, 0x00, 0x00},
			map[int]uint64{304: 0x401000, 312: 1, 320: 0x7000, 304 + 8*10: 10, 304 + 8*18: 18, 304 + 8*31: 31},
			map[string]uint64{"pc": 0x401000, "ra": 1, "sp": 0x7000, "a0": 10, "s2": 18, "t6": 31}},
		{"i386, rt", arch.I386, []byte{0xb8, 0xad, 0, 0, 0, 0xcd, 0x80},
			map[int]uint64{8: sp + 0x80, 0x80 + 20 + 16: 7, 0x80 + 20 + 28: 0x7000, 0x80 + 20 + 56: 0x401000},
			map[string]uint64{"edi": 7, "esp": 0x7000, "eip": 0x401000}},
		{"i386", arch.I386, []byte{0x58, 0xb8, 0x77, 0, 0, 0, 0xcd, 0x80},
			map[int]uint64{4 + 16: 7, 4 + 28: 0x7000, 4 + 56: 0x401000, 4 + 64: 0x246},
			map[string]uint64{"edi": 7, "esp": 0x7000, "eip": 0x401000, "eflags": 0x246}},
	} {
		mem := make(plain, 0x500)
		for off, v := range c.mem {
			if c.cpu.PtrSize == 4 {
				binary.LittleEndian.PutUint32(mem[off:], uint32(v))
			} else {
				binary.LittleEndian.PutUint64(mem[off:], v)
			}
		}
		copy(mem[code-at:], c.code)
		regs := arch.NewRegisters(c.cpu.DefaultSet())
		regs.SetPC(code)
		regs.SetSP(sp)
		got, err := New().SignalFrame(t.Context(), regs, mem)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for name, want := range c.want {
			if v, ok := got.Get(name); !ok || v != want {
				t.Errorf("%s: %s is %x, want %x", c.name, name, v, want)
			}
		}
		regs.SetSP(at + 0x4f0)
		if got, err := New().SignalFrame(t.Context(), regs, mem); err == nil {
			t.Errorf("%s: a frame out of nowhere: %v", c.name, got)
		}
	}
}
