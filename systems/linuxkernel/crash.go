package linuxkernel

import (
	"encoding/binary"
	"errors"

	"dap-windbg/targets"
)

var crashRows = []row{
	{".crash", ".crash", "have the selected processor call what SysRq c calls, which panics, when the kernel goes on", crash},
}

// crash is .crash: the processor is put where it would be had it called the function. It
// must be in the kernel, whose stack takes the return address.
func crash(c *command) error {
	if err := c.most(0); err != nil {
		return err
	}
	w, ok := c.d.Target().(targets.Writer)
	if !ok {
		return errors.ErrUnsupported
	}
	to := c.symbol("sysrq_handle_crash")
	own, err := c.registers(c.d.Processor())
	if err == nil {
		err = c.end()
	}
	if err != nil {
		return err
	}
	if own.PC() < lowestKernel || own.SP() < lowestKernel {
		return failed("processor %d runs a program, which cannot call the kernel: g and break in again, or select another by ~Ns", c.d.Processor().Thread-1)
	}
	regs := own.Clone()
	regs.SetSP(own.SP() - 8)
	regs.SetPC(to)
	// Nobody returns there. One behind: a stack's callers are looked up before the address.
	back := uint64(own.PC()) + 1
	if _, err := w.WriteMemory(c.ctx, targets.Space{}, regs.SP(), binary.LittleEndian.AppendUint64(nil, back)); err != nil {
		return err
	}
	if err := w.SetRegisters(c.ctx, c.d.Processor(), regs); err != nil {
		return err
	}
	c.d.Changed(targets.Effect{MemoryChanged: true, ThreadChanged: true})
	c.printf("The kernel crashes when it goes on (g)\n")
	return nil
}
