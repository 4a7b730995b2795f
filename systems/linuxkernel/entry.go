package linuxkernel

import (
	"context"
	"encoding/binary"
	"errors"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Of struct pt_regs, which a system call leaves at the top of its task's stack: the
// registers in order (arch/x86/include/asm/ptrace.h), and the alignment of such a stack
// (THREAD_SIZE, arch/x86/include/asm/page_64_types.h).
var savedRegisters = []string{"r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi", "", "rip", "cs", "eflags", "rsp", "ss"}

const threadSize = 16 << 10

var errNotEntry = errors.New("no entry from a program")

// SignalFrame unwinds from the kernel's entry code to the program that called, in a kernel
// that has no call frames of that code: those registers are then all that the stack holds.
func (s *System) SignalFrame(ctx context.Context, callee *arch.Registers, mem symbols.Memory) (*arch.Registers, error) {
	size := 8 * len(savedRegisters)
	if callee.Set.Arch != arch.AMD64 || uint64(callee.SP())%threadSize != uint64(threadSize-size) || int64(callee.PC()) >= 0 {
		return nil, errNotEntry
	}
	saved := make([]byte, size)
	if _, err := mem.ReadMemory(ctx, callee.SP(), saved); err != nil {
		return nil, err
	}
	out := callee.Clone()
	for i, name := range savedRegisters {
		v := binary.LittleEndian.Uint64(saved[8*i:])
		if name == "cs" && v&3 != 3 {
			return nil, errNotEntry
		}
		if name != "" {
			out.PutName(name, v)
		}
	}
	return out, nil
}
