package pe

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

var _ symbols.UnwindRules = (*Image)(nil)

// Rules implements symbols.UnwindRules: the unwind codes of the function at off, as
// they are undone, in the words of Microsoft's documents.
func (i *Image) Rules(off symbols.Offset) (over symbols.Range, rules []string, err error) {
	err = symbols.ErrNoUnwind
	i.guard.Do(func() {
		w := &walk{ctx: context.Background(), image: i, table: i.functionTable(), regs: arch.NewRegisters(i.arch.DefaultSet()), mem: noMemory{}}
		switch {
		case i.arch == arch.AMD64:
			over, rules, err = w.rulesAMD64(uint32(off))
		case i.arch == arch.ARM64:
			over, rules, err = w.rulesARM64(uint32(off))
		}
	})
	if i.arch == arch.I386 && i.pdb != nil {
		i.pdb.guard.Do(func() { over, rules, err = i.pdb.Rules(off) })
	}
	return over, rules, err
}

// noMemory has nothing.
type noMemory struct{}

func (noMemory) ReadMemory(context.Context, arch.Addr, []byte) (int, error) {
	return 0, symbols.ErrNoUnwind
}

func (w *walk) rulesAMD64(rva uint32) (over symbols.Range, rules []string, err error) {
	f, ok := w.functionAt(rva)
	if !ok {
		return over, nil, symbols.ErrNoUnwind
	}
	over = symbols.Range{Low: symbols.Offset(f.Begin), High: symbols.Offset(f.End)}
	for range maxChain {
		u, err := w.info(f)
		if err != nil {
			return over, rules, err
		}
		rules = append(rules, u.text()...)
		if u.flags&unwindChained == 0 {
			break
		}
		f = u.next
		rules = append(rules, fmt.Sprintf("chained to %x", f.Begin))
	}
	return over, rules, nil
}

// text writes the codes, each with where in the prologue its instruction ends.
func (u *unwindInfo) text() (out []string) {
	at := func(k int) uint32 {
		if 2*k+2 > len(u.codes) {
			return 0
		}
		return uint32(binary.LittleEndian.Uint16(u.codes[2*k:]))
	}
	for k := 0; 2*k+1 < len(u.codes); k += slots(u.codes[2*k+1], u.version) {
		info := u.codes[2*k+1] >> 4
		far := at(k+1) | at(k+2)<<16
		reg, xmm := strings.ToUpper(numbered[info]), "XMM"+numbers[info]
		s := ""
		switch u.codes[2*k+1] & 15 {
		case pushNonvolatile:
			s = "PUSH_NONVOL reg=" + reg
		case allocLarge:
			size := at(k+1) * 8
			if info != 0 {
				size = far
			}
			s = fmt.Sprintf("ALLOC_LARGE size=%d", size)
		case allocSmall:
			s = fmt.Sprintf("ALLOC_SMALL size=%d", uint32(info)*8+8)
		case setFramePointer:
			s = fmt.Sprintf("SET_FPREG reg=%s, offset=0x%X", strings.ToUpper(numbered[u.frame&15]), uint32(u.frame>>4)*16)
		case saveNonvolatile:
			s = fmt.Sprintf("SAVE_NONVOL reg=%s, offset=0x%X", reg, at(k+1)*8)
		case saveNonvolatileFar:
			s = fmt.Sprintf("SAVE_NONVOL_FAR reg=%s, offset=0x%X", reg, far)
		case saveXMM:
			s = fmt.Sprintf("SAVE_XMM128 reg=%s, offset=0x%X", xmm, at(k+1)*16)
		case saveXMMFar:
			s = fmt.Sprintf("SAVE_XMM128_FAR reg=%s, offset=0x%X", xmm, far)
		case pushMachineFrame:
			s = "PUSH_MACHFRAME errcode=" + map[bool]string{true: "yes", false: "no"}[info&1 != 0]
		case epilogCode:
			s = fmt.Sprintf("EPILOG 0x%X", at(k))
		default:
			s = fmt.Sprintf("code %d", u.codes[2*k+1]&15)
		}
		out = append(out, fmt.Sprintf("0x%02X: %s", u.codes[2*k], s))
	}
	return out
}

func (w *walk) rulesARM64(rva uint32) (over symbols.Range, rules []string, err error) {
	entry, ok := w.find(rva, 8)
	if !ok {
		return over, nil, symbols.ErrNoUnwind
	}
	begin := binary.LittleEndian.Uint32(entry)
	u, err := w.xdata(binary.LittleEndian.Uint32(entry[4:]))
	if err != nil || rva-begin >= u.length {
		return over, nil, symbols.ErrNoUnwind
	}
	over = symbols.Range{Low: symbols.Offset(begin), High: symbols.Offset(begin + u.length)}
	for _, o := range u.prologue {
		rules = append(rules, o.String())
	}
	for _, e := range u.epilogues {
		rules = append(rules, fmt.Sprintf("epilogue at +0x%x", e.start))
		for _, o := range e.ops {
			rules = append(rules, o.String())
		}
	}
	return over, rules, nil
}

// String is the instruction of the prologue that a code stands for.
func (o op) String() string {
	regs, store := o.reg, "str"
	if o.count == 2 {
		var n int
		fmt.Sscanf(o.reg[1:], "%d", &n)
		regs, store = fmt.Sprintf("%s, %c%d", o.reg, o.reg[0], n+1), "stp"
		if o.lr {
			regs = o.reg + ", x30"
		}
	}
	regs = strings.ReplaceAll(regs, "v", "d") // their lower halves
	switch o.kind {
	case opAlloc:
		return fmt.Sprintf("sub sp, #%d", o.n)
	case opSave:
		if o.n == 0 {
			return fmt.Sprintf("%s %s, [sp]", store, regs)
		}
		return fmt.Sprintf("%s %s, [sp, #%d]", store, regs, o.n)
	case opSavePre:
		return fmt.Sprintf("%s %s, [sp, #-%d]!", store, regs, o.n)
	case opSetFP:
		return "mov x29, sp"
	case opAddFP:
		return fmt.Sprintf("add x29, sp, #%d", o.n)
	case opSaveNext:
		return "save next"
	case opMachine:
		return "machine frame"
	case opTrap:
		return "trap frame"
	case opEnd:
		return "end"
	case opEndC:
		return "end_c"
	case opPAC:
		return "pacibsp"
	}
	return "nop"
}
