package linuxkernel

import (
	"context"
	"encoding/binary"
	"errors"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Of struct pt_regs, in which entry code keeps what it has interrupted: the registers in
// order (arch/x86/include/asm/ptrace.h). Where a program enters, it lies at the top of its
// task's stack, which has this alignment (THREAD_SIZE, arch/x86/include/asm/page_64_types.h);
// a task that is no program's leaves its place free, and its stack begins there.
var savedRegisters = []string{"r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi", "", "rip", "cs", "eflags", "rsp", "ss"}

const threadSize = 16 << 10

// maxSegment is the highest selector that Linux loads (GDT_ENTRIES, arch/x86/include/asm/segment.h).
const maxSegment = 16 * 8

var errNotEntry = errors.New("no entry code")

// SignalFrame unwinds from the kernel's entry code to what it has interrupted, in a kernel
// that has no call frames of that code: a kernel with frame pointers keeps the place of the
// saved registers in rbp, plus one (ENCODE_FRAME_POINTER, arch/x86/include/asm/frame.h),
// and a program's lie at the top of the stack. ErrOutermost where a stack begins.
func (s *System) SignalFrame(ctx context.Context, callee *arch.Registers, mem symbols.Memory) (*arch.Registers, error) {
	if callee.Set.Arch != arch.AMD64 || int64(callee.PC()) >= 0 {
		return nil, errNotEntry
	}
	size := arch.Addr(8 * len(savedRegisters))
	at, end := callee.SP(), callee.SP()%threadSize == threadSize-size
	if fp := callee.FP(); fp&1 != 0 && fp > at && fp-at < threadSize {
		at = fp - 1
	} else if !end {
		return nil, errNotEntry
	}
	saved := make([]byte, size)
	if _, err := mem.ReadMemory(ctx, at, saved); err != nil {
		return nil, err
	}
	out := callee.Clone()
	var told [5]uint64 // rip, cs, eflags, rsp, ss
	for i, name := range savedRegisters {
		v := binary.LittleEndian.Uint64(saved[8*i:])
		if k := i - len(savedRegisters) + len(told); k >= 0 {
			told[k] = v
		}
		if name != "" {
			out.PutName(name, v)
		}
	}
	rip, cs, ss := told[0], told[1], told[4]
	switch {
	case cs&3 == 3 && cs < maxSegment: // a program
		return out, nil
	case end && at == callee.SP():
		return nil, symbols.ErrOutermost
	case cs&3 != 0 || cs == 0 || cs >= maxSegment || ss >= maxSegment || int64(rip) >= 0:
		return nil, errNotEntry
	}
	return out, nil
}

var entryRows = []row{
	{".trap", ".trap [Addr]", "look from the registers that an interrupt, exception or system call saved (struct pt_regs); without an address from the processor's", setTrap},
}

// setTrap is .trap.
func setTrap(c *command) error {
	if err := c.most(1); err != nil {
		return err
	}
	if len(c.args) == 0 {
		if _, err := c.back(); err != nil {
			return err
		}
		c.printf("Resetting default scope\n")
		return nil
	}
	n, err := c.value(0, 0)
	if err != nil {
		return err
	}
	saved := make([]byte, 8*len(savedRegisters))
	if !c.read(arch.Addr(n), saved) {
		return nil
	}
	own, err := c.registers(c.d.Processor())
	if err != nil {
		return err
	}
	regs := arch.NewRegisters(own.Set)
	for i, name := range savedRegisters {
		if name != "" {
			regs.PutName(name, binary.LittleEndian.Uint64(saved[8*i:]))
		}
	}
	was := c.d.Context()
	was.Registers = regs
	if err := c.d.SetContext(c.ctx, was); err != nil {
		return err
	}
	return c.d.WriteRegisters(c.ctx, regs)
}
