package cfi

import (
	"context"
	"encoding/binary"
	"fmt"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// layout is where a frame pointer's record lies, in words from the pointer.
type layout struct{ savedFP, returnAddr, callerSP int64 }

var layouts = map[string]layout{
	"amd64":   {0, 1, 2},
	"i386":    {0, 1, 2},
	"arm64":   {0, 1, 2},
	"riscv64": {-2, -1, 0},
}

// frameLimit is the largest frame believed, in bytes.
const frameLimit = 16 << 20

// FramePointer is the step of last resort: it follows the frame pointer chain.
// Only PC, SP and FP of the caller are known then. On x86 the first instructions
// of a function, before the frame is made, are told from the code at an
// interrupted pc; a jump to unreadable code is taken for a call that has just
// happened. Errors are those of symbols.Unwinder.
func FramePointer(ctx context.Context, regs *arch.Registers, mem symbols.Memory) (*arch.Registers, arch.Addr, error) {
	cpu := regs.Set.Arch
	l, ok := layouts[cpu.Name]
	if !ok {
		return nil, 0, symbols.ErrNoUnwind
	}
	s := &source{ctx: ctx, regs: regs, mem: mem, order: binary.LittleEndian, ptrSize: cpu.PtrSize}
	if cpu.BigEndian {
		s.order = binary.BigEndian
	}
	f := chain{source: s, word: int64(cpu.PtrSize), fp: uint64(regs.FP()), sp: uint64(regs.SP())}
	if regs.Interrupted {
		place, err := f.place()
		if err != nil {
			return nil, 0, err
		}
		switch {
		case place == atEntry && cpu.Link != "":
			i, _ := regs.Set.Index(cpu.Link)
			lr, _ := regs.Uint(i)
			return f.caller(lr, f.sp, f.fp)
		case place == atEntry:
			return f.bare(0, f.sp)
		case place == pushed:
			return f.bare(1, f.sp)
		}
	}
	return f.follow(l)
}

// chain is one step along the frame pointers.
type chain struct {
	*source
	word   int64
	fp, sp uint64
}

// follow reads the record at the frame pointer.
func (f *chain) follow(l layout) (*arch.Registers, arch.Addr, error) {
	if f.fp == 0 {
		return nil, 0, symbols.ErrOutermost
	}
	lowest := f.fp + uint64(min(l.savedFP, 0)*f.word)
	if f.fp%uint64(f.word) != 0 || lowest < f.sp || f.fp-f.sp > frameLimit {
		return nil, 0, fmt.Errorf("%w: 0x%x is no frame pointer", symbols.ErrNoUnwind, f.fp)
	}
	fp, err := f.load(f.fp+uint64(l.savedFP*f.word), int(f.word))
	pc, err2 := f.load(f.fp+uint64(l.returnAddr*f.word), int(f.word))
	if err == nil {
		err = err2
	}
	if err != nil {
		return nil, 0, fmt.Errorf("frame at 0x%x: %w", f.fp, err)
	}
	if fp != 0 && fp <= f.fp {
		fp = 0 // the chain would turn back: the next step ends it
	}
	return f.caller(pc, f.fp+uint64(l.callerSP*f.word), fp)
}

// bare is an x86 frame that has not been made: depth words lie above the return address.
func (f *chain) bare(depth int64, at uint64) (*arch.Registers, arch.Addr, error) {
	at += uint64(depth * f.word)
	pc, err := f.load(at, int(f.word))
	if err != nil {
		return nil, 0, fmt.Errorf("return address: %w", err)
	}
	return f.caller(pc, at+uint64(f.word), f.fp)
}

func (f *chain) caller(pc, sp, fp uint64) (*arch.Registers, arch.Addr, error) {
	if f.regs.Set.Arch.Name == "arm64" && pc>>55&1 == 0 {
		pc &= 1<<48 - 1 // it may carry an authentication code
	}
	if pc == 0 {
		return nil, arch.Addr(sp), symbols.ErrOutermost
	}
	r := arch.NewRegisters(f.regs.Set)
	r.SetPC(arch.Addr(pc))
	r.SetSP(arch.Addr(sp))
	if i, ok := r.Set.Index(r.Set.Arch.FP); ok {
		r.SetUint(i, fp)
	}
	return r, arch.Addr(sp), nil
}

// place says how far a function has come with making its frame.
type place uint8

const (
	inBody  place = iota
	atEntry       // nothing pushed, or everything popped
	pushed        // the old frame pointer is on the stack, the new one not set
)

// place looks at the code at pc. Code that cannot be read is taken for the entry.
func (f *chain) place() (place, error) {
	var code [8]byte
	n, err := f.mem.ReadMemory(f.ctx, f.regs.PC(), code[:])
	a := applying{}
	if a.note(err) || f.ctx.Err() != nil {
		return 0, err
	}
	if n == 0 {
		return atEntry, nil
	}
	if name := f.regs.Set.Arch.Name; name != "amd64" && name != "i386" {
		return inBody, nil
	}
	return x86Place(code[:n]), nil
}

// x86Place knows the prologue "endbr; push %rbp; mov %rsp,%rbp" and "ret".
func x86Place(code []byte) place {
	has := func(p ...byte) bool { return len(code) >= len(p) && string(code[:len(p)]) == string(p) }
	if has(0xf3, 0x0f, 0x1e, 0xfa) || has(0xf3, 0x0f, 0x1e, 0xfb) {
		code = code[4:]
		if !has(0x55) {
			return inBody // landing pads also follow calls that return twice
		}
	}
	switch {
	case has(0x55), has(0xc3), has(0xf3, 0xc3), has(0xc2):
		return atEntry
	case has(0x48, 0x89, 0xe5), has(0x48, 0x8b, 0xec), has(0x89, 0xe5), has(0x8b, 0xec):
		return pushed
	}
	return inBody
}
