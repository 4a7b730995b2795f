package launch

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/symbols/elf"
)

// eachWord is memory in which each word holds its address plus one.
type eachWord struct{}

func (eachWord) ReadMemory(_ context.Context, addr arch.Addr, p []byte) (int, error) {
	return copy(p, binary.LittleEndian.AppendUint64(nil, uint64(addr)+1)), nil
}

// module is a kernel module in assembly: one function without call frame
// information, with the kernel's own rules (SP+8 at first, SP+16 behind the push).
const module = `
	.text
	nop
	.globl probe
	.type probe, @function
probe:	push %rbx
1:	nop
	pop %rbx
2:	ret
	.size probe, .-probe
	.section .orc_unwind_ip, "a"
	.long probe - .
	.long 1b - .
	.long 2b - .
	.section .orc_unwind, "a"
	.short 8, 0, 0x05
	.short 16, 0, 0x05
	.short 8, 0, 0x05
	.section .modinfo, "a"
	.asciz "vermagic=6.1.0-1-amd64 SMP"
`

// TestKernelModule unwinds in a module, whose tables are not linked yet.
func TestKernelModule(t *testing.T) {
	src, obj := filepath.Join(t.TempDir(), "probe.s"), filepath.Join(t.TempDir(), "probe.ko")
	if err := os.WriteFile(src, []byte(module), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-c", "-o", obj, src).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	img, err := elf.Open(obj, elf.Options{Unwinder: unwinder})
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	unwindAt(t, img, "probe", 0, 8)
	unwindAt(t, img, "probe", 1, 16)
	unwindAt(t, img, "probe", 3, 8)
}

// unwindAt unwinds at a symbol and checks the CFA, counted from SP.
func unwindAt(t *testing.T, img *elf.Image, name string, plus symbols.Offset, want uint64) {
	t.Helper()
	for s := range img.Lookup(name) {
		regs := arch.NewRegisters(arch.AMD64.DefaultSet())
		regs.SetPC(0x10_0000 + arch.Addr(s.Offset+plus))
		regs.SetSP(0x8000)
		regs.Interrupted = true
		caller, cfa, err := img.Unwind(t.Context(), 0x10_0000, regs, eachWord{})
		if err != nil || uint64(cfa) != 0x8000+want {
			t.Errorf("%s+%d: %v, CFA %x", name, plus, err, cfa)
		} else if caller.PC() == 0 {
			t.Errorf("%s+%d: no return address", name, plus)
		}
		return
	}
	t.Errorf("there is no %s", name)
}

// TestKernel unwinds entry code in assembly, which has no call frame information,
// and a C function, which has.
func TestKernel(t *testing.T) {
	if os.Getenv("HEAVY") == "" {
		t.Skip("HEAVY=1 runs it")
	}
	all, _ := filepath.Glob("/usr/lib/debug/boot/vmlinux-*")
	if len(all) == 0 {
		t.Fatal("no /usr/lib/debug/boot/vmlinux-*: install linux-image-amd64-dbg")
	}
	img, err := elf.Open(all[0], elf.Options{Unwinder: unwinder})
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	unwindAt(t, img, "vfs_read", 0, 8)
	unwindAt(t, img, "__fentry__", 0, 8)
	unwindAt(t, img, "asm_exc_int3", 0, 0)
	for s := range img.Lookup("secondary_startup_64") {
		regs := arch.NewRegisters(arch.AMD64.DefaultSet())
		regs.SetPC(0x10_0000 + arch.Addr(s.Offset))
		regs.SetSP(0x8000)
		regs.Interrupted = true
		if _, _, err := img.Unwind(t.Context(), 0x10_0000, regs, eachWord{}); !errors.Is(err, symbols.ErrOutermost) {
			t.Errorf("where a CPU begins: %v", err)
		}
	}
}
