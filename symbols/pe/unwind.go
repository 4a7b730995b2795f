package pe

import (
	"context"
	"encoding/binary"

	"dap-windbg/arch"
	"dap-windbg/binfmt/pe"
	"dap-windbg/symbols"
)

// Unwinding of AMD64 by .pdata and .xdata. Source: Microsoft, "x64 exception
// handling", whose words for things are used.

// Flags of UNWIND_INFO.
const unwindChained = 4

// Unwind codes (UNWIND_OP_CODES).
const (
	pushNonvolatile = iota
	allocLarge
	allocSmall
	setFramePointer
	saveNonvolatile
	saveNonvolatileFar
	epilogCode // of version 2; saved an XMM register in version 1
	spareCode
	saveXMM
	saveXMMFar
	pushMachineFrame
)

// maxChain bounds a chain of UNWIND_INFOs.
const maxChain = 32

// numbered are the registers as unwind codes and instructions number them.
var numbered = [16]string{"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"}

// preserved are the registers that Microsoft's calling convention preserves.
var preserved = []string{"rbx", "rbp", "rsi", "rdi", "r12", "r13", "r14", "r15", "fs_base", "gs_base", "cs", "ss", "ds", "es", "fs", "gs",
	"xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"}

// Unwind implements symbols.Unwinder: by the function table, where there is one,
// else by Options.Unwinder.
func (i *Image) Unwind(ctx context.Context, base arch.Addr, callee *arch.Registers, mem symbols.Memory) (caller *arch.Registers, cfa arch.Addr, err error) {
	i.unwindOnce.Do(func() {
		if i.opt.Unwinder != nil {
			i.guard.Do(func() { i.unwinder = i.opt.Unwinder(i) })
		}
	})
	err = symbols.ErrNoUnwind
	whole := i.guard.Do(func() {
		if functions := i.file.Functions(); functions.Len() > 0 {
			w := walk{ctx: ctx, image: i, base: base, functions: functions, regs: callee.Clone(), mem: mem, interrupted: callee.Interrupted}
			caller, cfa, err = w.up()
			return
		}
		if i.unwinder != nil {
			caller, cfa, err = i.unwinder.Unwind(ctx, base, callee, mem)
		}
	})
	if !whole {
		return nil, 0, symbols.ErrNoUnwind
	}
	return caller, cfa, err
}

// walk is one frame being unwound: regs become the caller's.
type walk struct {
	ctx         context.Context
	image       *Image
	base        arch.Addr
	functions   pe.Functions
	regs        *arch.Registers
	mem         symbols.Memory
	interrupted bool
	framed      bool // a machine frame gave PC and SP
	need        error
}

func (w *walk) up() (*arch.Registers, arch.Addr, error) {
	pc := w.regs.LookupPC()
	if pc < w.base || uint64(pc-w.base) >= w.image.Size() || w.image.kindAt(uint32(pc-w.base)) != symbols.Function {
		return nil, 0, symbols.ErrNoUnwind
	}
	rva := uint32(pc - w.base)
	w.forgetVolatile()
	f, ok := w.functions.Find(rva)
	if ok && !(w.interrupted && w.epilogue(f)) {
		if err := w.function(f, rva); err != nil {
			return nil, 0, err
		}
	}
	// What is left is what a leaf function has: the return address on the stack.
	if !w.framed {
		ret, ok := w.load(w.regs.SP())
		if !ok {
			return nil, w.regs.SP() + 8, w.missing()
		}
		w.regs.SetPC(arch.Addr(ret))
		w.regs.SetSP(w.regs.SP() + 8)
	}
	if w.need != nil {
		return nil, w.regs.SP(), w.need
	}
	w.regs.Interrupted = w.framed
	return w.regs, w.regs.SP(), nil
}

// missing is why a needed value is not there.
func (w *walk) missing() error {
	if w.need != nil {
		return w.need
	}
	return symbols.ErrNoUnwind
}

// forgetVolatile makes registers unknown that a call does not preserve.
func (w *walk) forgetVolatile() {
	keep := map[string]bool{"rsp": true, "rip": true}
	for _, n := range preserved {
		keep[n] = true
	}
	for k, r := range w.regs.Set.Regs {
		if !keep[r.Name] {
			w.regs.Forget(k)
		}
	}
}

// load reads 8 bytes of the stack.
func (w *walk) load(at arch.Addr) (uint64, bool) {
	var b [8]byte
	if _, err := w.mem.ReadMemory(w.ctx, at, b[:]); err != nil {
		if _, ok := err.(*symbols.NeedError); ok && w.need == nil {
			w.need = err
		}
		return 0, false
	}
	return binary.LittleEndian.Uint64(b[:]), true
}

// restore sets a register from the stack; unreadable ones become unknown.
func (w *walk) restore(name string, at arch.Addr, size int) {
	i, ok := w.regs.Set.Index(name)
	if !ok {
		return
	}
	p := make([]byte, size)
	if _, err := w.mem.ReadMemory(w.ctx, at, p); err != nil {
		if _, need := err.(*symbols.NeedError); need && w.need == nil {
			w.need = err
		}
		w.regs.Forget(i)
		return
	}
	w.regs.SetBytes(i, p)
}

// function undoes what f's prologue has done before rva.
func (w *walk) function(f pe.Function, rva uint32) error {
	for range maxChain {
		if f.Unwind&1 != 0 { // another entry that describes the same
			b, _, ok := w.image.file.At(f.Unwind &^ 1)
			if !ok || len(b) < 12 {
				return symbols.ErrNoUnwind
			}
			f = pe.Function{Begin: f.Begin, End: f.End, Unwind: binary.LittleEndian.Uint32(b[8:])}
			continue
		}
		b, _, ok := w.image.file.At(f.Unwind)
		if !ok || len(b) < 4 {
			return symbols.ErrNoUnwind
		}
		version, flags, prolog, count := b[0]&7, b[0]>>3, b[1], int(b[2])
		slots := (count + 1) &^ 1
		if version != 1 && version != 2 || len(b) < 4+2*slots {
			return symbols.ErrNoUnwind
		}
		done := uint32(255)
		if rva >= f.Begin && rva-f.Begin < uint32(prolog) && w.interrupted {
			done = rva - f.Begin
		}
		w.codes(b[4:4+2*count], done, b[3])
		if flags&unwindChained == 0 {
			return nil
		}
		next := b[4+2*slots:]
		if len(next) < 12 {
			return symbols.ErrNoUnwind
		}
		f = pe.Function{Begin: binary.LittleEndian.Uint32(next), End: binary.LittleEndian.Uint32(next[4:]), Unwind: binary.LittleEndian.Uint32(next[8:])}
		rva, w.interrupted = f.End, false // all of the parent's prologue is behind
	}
	return symbols.ErrNoUnwind
}

// codes undoes those of one UNWIND_INFO whose instruction lies before offset done
// of the prologue. frame names the frame register and its scaled offset.
func (w *walk) codes(c []byte, done uint32, frame uint8) {
	base := w.regs.SP() // what saves count from
	if frame&15 != 0 && w.frameSet(c, done) {
		if fp, ok := w.regs.Get(numbered[frame&15]); ok {
			base = arch.Addr(fp) - arch.Addr(frame>>4)*16
		}
	}
	u16 := func(k int) uint32 {
		if 2*k+2 > len(c) {
			return 0
		}
		return uint32(binary.LittleEndian.Uint16(c[2*k:]))
	}
	u32 := func(k int) uint32 { return u16(k) | u16(k+1)<<16 }
	for k := 0; 2*k+1 < len(c); k += slots(c[2*k+1]) {
		op, info := c[2*k+1]&15, c[2*k+1]>>4
		if uint32(c[2*k]) > done && done != 255 {
			continue
		}
		switch op {
		case pushNonvolatile:
			w.restore(numbered[info], w.regs.SP(), 8)
			w.regs.SetSP(w.regs.SP() + 8)
		case allocLarge:
			size := u16(k+1) * 8
			if info != 0 {
				size = u32(k + 1)
			}
			w.regs.SetSP(w.regs.SP() + arch.Addr(size))
		case allocSmall:
			w.regs.SetSP(w.regs.SP() + arch.Addr(info)*8 + 8)
		case setFramePointer:
			w.regs.SetSP(base)
		case saveNonvolatile:
			w.restore(numbered[info], base+arch.Addr(u16(k+1))*8, 8)
		case saveNonvolatileFar:
			w.restore(numbered[info], base+arch.Addr(u32(k+1)), 8)
		case saveXMM:
			w.restore("xmm"+numbers[info], base+arch.Addr(u16(k+1))*16, 16)
		case saveXMMFar:
			w.restore("xmm"+numbers[info], base+arch.Addr(u32(k+1)), 16)
		case pushMachineFrame:
			w.machineFrame(info)
		}
	}
}

var numbers = [16]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"}

// frameSet reports whether the frame register has been set where the prologue is.
func (w *walk) frameSet(c []byte, done uint32) bool {
	for k := 0; 2*k+1 < len(c); k += slots(c[2*k+1]) {
		if c[2*k+1]&15 == setFramePointer {
			return uint32(c[2*k]) <= done
		}
	}
	return true // a chained one's parent sets it
}

// slots is how many a code takes.
func slots(code uint8) int {
	switch code & 15 {
	case allocLarge:
		if code>>4 != 0 {
			return 3
		}
		return 2
	case saveNonvolatile, saveXMM:
		return 2
	case saveNonvolatileFar, saveXMMFar:
		return 3
	case epilogCode:
		return 2
	case spareCode:
		return 3
	}
	return 1
}

// machineFrame takes PC and SP from what an interrupt pushed, behind an error code.
func (w *walk) machineFrame(errorCode uint8) {
	at := w.regs.SP() + arch.Addr(errorCode&1)*8
	pc, ok := w.load(at)
	sp, ok2 := w.load(at + 24)
	if ok && ok2 {
		w.regs.SetPC(arch.Addr(pc))
		w.regs.SetSP(arch.Addr(sp))
		w.framed = true
	}
}

// prologue is how long the prologue of the function at addr is, where the function
// table tells.
func (i *Image) prologue(addr uint32) (n uint32, known bool) {
	i.guard.Do(func() {
		f, ok := i.file.Functions().Find(addr)
		if !ok || f.Begin != addr || f.Unwind&1 != 0 {
			return
		}
		if b, _, ok := i.file.At(f.Unwind); ok && len(b) >= 4 {
			n, known = uint32(b[1]), true
		}
	})
	return n, known
}
