package pe

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"

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

// Unwind implements symbols.Unwinder: by the function table, where there is one, on
// i386 by the frame data of the PDB, else by Options.Unwinder. Tables that no file
// has are read from the image in memory.
func (i *Image) Unwind(ctx context.Context, base arch.Addr, callee *arch.Registers, mem symbols.Memory) (caller *arch.Registers, cfa arch.Addr, err error) {
	i.unwindOnce.Do(func() {
		if i.opt.Unwinder != nil {
			i.guard.Do(func() { i.unwinder = i.opt.Unwinder(i) })
		}
	})
	err = symbols.ErrNoUnwind
	whole := i.guard.Do(func() {
		table := i.functionTable()
		switch {
		case table.Size > 0 && (i.arch == arch.AMD64 || i.arch == arch.ARM64):
			w := walk{ctx: ctx, image: i, base: base, table: table, regs: callee.Clone(), mem: mem, interrupted: callee.Interrupted}
			if i.arch == arch.AMD64 {
				caller, cfa, err = w.up()
			} else {
				caller, cfa, err = w.upARM64()
			}
			return
		case i.arch == arch.I386 && i.pdb != nil:
			if caller, cfa, err = i.frameData(ctx, base, callee, mem); !errors.Is(err, symbols.ErrNoUnwind) {
				return
			}
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

// functionTable is where .pdata lies.
func (i *Image) functionTable() pe.Directory {
	if pe.DirException >= len(i.file.Directories) {
		return pe.Directory{}
	}
	return i.file.Directories[pe.DirException]
}

// frameData unwinds by the PDB.
func (i *Image) frameData(ctx context.Context, base arch.Addr, callee *arch.Registers, mem symbols.Memory) (caller *arch.Registers, cfa arch.Addr, err error) {
	err = symbols.ErrNoUnwind
	i.pdb.guard.Do(func() {
		if pc := callee.LookupPC(); pc >= base && uint64(pc-base) < i.Size() {
			caller, cfa, err = i.pdb.Unwind(ctx, uint32(pc-base), callee, mem)
		}
	})
	return caller, cfa, err
}

// walk is one frame being unwound: regs become the caller's.
type walk struct {
	ctx         context.Context
	image       *Image
	base        arch.Addr
	table       pe.Directory // of functions
	regs        *arch.Registers
	mem         symbols.Memory
	interrupted bool
	framed      bool // a machine frame gave PC and SP
	need        error
}

// bytes are the image's own from rva on, n of them: the file's, or those in memory.
func (w *walk) bytes(rva, n uint32) ([]byte, bool) {
	if b, _, ok := w.image.file.At(rva); ok && uint64(len(b)) >= uint64(n) {
		return b[:n], true
	}
	p := make([]byte, n)
	if _, err := w.mem.ReadMemory(w.ctx, w.base+arch.Addr(rva), p); err != nil {
		w.wanted(err)
		return nil, false
	}
	return p, true
}

// wanted keeps the first read that has to be made.
func (w *walk) wanted(err error) {
	if _, need := err.(*symbols.NeedError); need && w.need == nil {
		w.need = err
	}
}

// find returns the entry of the function table before or at rva, as its bytes.
func (w *walk) find(rva, size uint32) ([]byte, bool) {
	lo, hi := uint32(0), w.table.Size/size
	for lo < hi {
		mid := lo + (hi-lo)/2
		b, ok := w.bytes(w.table.Addr+mid*size, 4)
		if !ok {
			return nil, false
		}
		if binary.LittleEndian.Uint32(b) <= rva {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		return nil, false
	}
	return w.bytes(w.table.Addr+(lo-1)*size, size)
}

// functionAt finds the entry that covers rva.
func (w *walk) functionAt(rva uint32) (f pe.Function, ok bool) {
	b, ok := w.find(rva, 12)
	if !ok {
		return f, false
	}
	f = pe.Function{Begin: binary.LittleEndian.Uint32(b), End: binary.LittleEndian.Uint32(b[4:]), Unwind: binary.LittleEndian.Uint32(b[8:])}
	return f, rva < f.End
}

// rva is where the frame's code lies; false outside the image's code.
func (w *walk) rva() (uint32, bool) {
	pc := w.regs.LookupPC()
	if pc < w.base || uint64(pc-w.base) >= w.image.Size() || w.image.kindAt(uint32(pc-w.base)) != symbols.Function {
		return 0, false
	}
	return uint32(pc - w.base), true
}

func (w *walk) up() (*arch.Registers, arch.Addr, error) {
	rva, ok := w.rva()
	if !ok {
		return nil, 0, symbols.ErrNoUnwind
	}
	w.forgetVolatile(preserved)
	f, ok := w.functionAt(rva)
	if w.need != nil {
		return nil, 0, w.need
	}
	if ok && !(w.interrupted && w.mayEnd(f) && w.epilogue(f)) {
		if err := w.function(f); err != nil {
			return nil, 0, cmp.Or(w.need, err)
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
func (w *walk) forgetVolatile(preserved []string) {
	keep := map[string]bool{w.image.arch.SP: true, w.image.arch.PC: true, w.image.arch.Link: true}
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
		w.wanted(err)
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
		w.wanted(err)
		w.regs.Forget(i)
		return
	}
	w.regs.SetBytes(i, p)
}

// unwindInfo is an UNWIND_INFO.
type unwindInfo struct {
	version, flags uint8
	prologue       uint32
	frame          uint8
	codes          []byte
	next           pe.Function // where flags have unwindChained
}

// info reads an UNWIND_INFO, or that of the entry which stands for it.
func (w *walk) info(f pe.Function) (u unwindInfo, err error) {
	for range maxChain {
		if f.Unwind&1 == 0 {
			break
		}
		b, ok := w.bytes(f.Unwind&^1, 12) // another entry that describes the same
		if !ok {
			return u, symbols.ErrNoUnwind
		}
		f.Unwind = binary.LittleEndian.Uint32(b[8:])
	}
	h, ok := w.bytes(f.Unwind, 4)
	if !ok || h[0]&7 != 1 && h[0]&7 != 2 {
		return u, symbols.ErrNoUnwind
	}
	u = unwindInfo{version: h[0] & 7, flags: h[0] >> 3, prologue: uint32(h[1]), frame: h[3]}
	count, slots := 2*int(h[2]), 2*((int(h[2])+1)&^1)
	n := slots
	if u.flags&unwindChained != 0 {
		n += 12
	}
	if n == 0 {
		return u, nil
	}
	b, ok := w.bytes(f.Unwind+4, uint32(n))
	if !ok {
		return u, symbols.ErrNoUnwind
	}
	u.codes = b[:count]
	if next := b[slots:]; len(next) >= 12 {
		u.next = pe.Function{Begin: binary.LittleEndian.Uint32(next), End: binary.LittleEndian.Uint32(next[4:]), Unwind: binary.LittleEndian.Uint32(next[8:])}
	}
	return u, nil
}

// mayEnd reports whether PC may stand in an epilogue: version 2 tells where they are.
func (w *walk) mayEnd(f pe.Function) bool {
	u, err := w.info(f)
	if err != nil || u.version != 2 || len(u.codes) < 2 || u.codes[1]&15 != epilogCode {
		return true
	}
	at := uint32(w.regs.PC() - w.base)
	size := uint32(u.codes[0])
	within := func(distance uint32) bool { return at >= f.End-distance && at < f.End-distance+size }
	if u.codes[1]>>4&1 != 0 && within(size) {
		return true
	}
	for c := u.codes[2:]; len(c) >= 2 && c[1]&15 == epilogCode; c = c[2:] {
		if distance := uint32(c[0]) | uint32(c[1]>>4)<<8; distance != 0 && within(distance) {
			return true
		}
	}
	return false
}

// function undoes what f's prologue has done where PC stands.
func (w *walk) function(f pe.Function) error {
	at := uint32(w.regs.PC() - w.base)
	for range maxChain {
		u, err := w.info(f)
		if err != nil {
			return err
		}
		done := uint32(wholePrologue)
		if at >= f.Begin && at-f.Begin < u.prologue {
			done = at - f.Begin
		}
		w.codes(u.codes, u.version, done, u.frame)
		if u.flags&unwindChained == 0 {
			return nil
		}
		f, at = u.next, u.next.End // all of the parent's prologue is behind
	}
	return symbols.ErrNoUnwind
}

// wholePrologue is an offset behind every prologue.
const wholePrologue = 256

// codes undoes those of one UNWIND_INFO whose instruction lies before offset done
// of the prologue. frame names the frame register and its scaled offset.
func (w *walk) codes(c []byte, version uint8, done uint32, frame uint8) {
	base := w.regs.SP() // what saves count from
	if frame&15 != 0 && w.frameSet(c, version, done) {
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
	for k := 0; 2*k+1 < len(c); k += slots(c[2*k+1], version) {
		op, info := c[2*k+1]&15, c[2*k+1]>>4
		if uint32(c[2*k]) > done || version == 2 && op == epilogCode {
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
func (w *walk) frameSet(c []byte, version uint8, done uint32) bool {
	for k := 0; 2*k+1 < len(c); k += slots(c[2*k+1], version) {
		if c[2*k+1]&15 == setFramePointer {
			return uint32(c[2*k]) <= done
		}
	}
	return true // a chained one's parent sets it
}

// slots is how many a code takes. In version 2 each slot of an epilogue is told by
// the same code.
func slots(code, version uint8) int {
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
		if version == 2 {
			return 1
		}
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
