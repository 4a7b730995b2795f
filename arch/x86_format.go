package arch

import (
	"strconv"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// x86Format writes operands in the MASM style that WinDbg prints: sizes before
// memory, hexadecimal with an h suffix, no blank after a comma.
type x86Format struct {
	x    *x86asm.Inst
	mode int
	next Addr // address of the following instruction
	str  int  // bytes an element of a string instruction has, 0 none

	head, tail string // operands before and after the address a symbol can name
	hasAddr    bool
	target     Addr
	mem        *Operand
}

func (f *x86Format) write(s string) {
	if f.hasAddr {
		f.tail += s
	} else {
		f.head += s
	}
}

func (f *x86Format) operands() {
	args := f.shown()
	mask := ""
	if len(args) > 1 { // an AVX-512 write mask decorates the destination
		if r, ok := args[1].(x86asm.Reg); ok && r >= x86asm.K0 && r <= x86asm.K7 && !strings.HasPrefix(f.x.Op.String(), "K") {
			if r != x86asm.K0 {
				mask = "{" + f.reg(r) + "}"
			}
			if f.x.Zeroing {
				mask += "{z}"
			}
			args = append(args[:1:1], args[2:]...)
		}
	}
	for i, a := range args {
		if i > 0 {
			f.write(",")
		}
		if a == x86asm.Arg(x86asm.F0) && len(args) == 2 && i == f.stackTop() {
			f.write("st")
		} else {
			f.operand(a)
		}
		if i == 0 {
			f.write(mask)
		}
	}
	if f.x.Op == x86asm.NOP {
		f.mem = nil // names memory but does not touch it
	}
}

// shown is the list of operands that are printed.
func (f *x86Format) shown() []x86asm.Arg {
	var args []x86asm.Arg
	for _, a := range f.x.Args {
		if a == nil {
			break
		}
		args = append(args, a)
	}
	switch {
	case f.x.Op == x86asm.INT && len(args) == 0:
		return []x86asm.Arg{x86asm.Imm(3)}
	case f.str != 0:
		switch f.x.Op {
		case x86asm.INSB, x86asm.INSW, x86asm.INSD, x86asm.OUTSB, x86asm.OUTSW, x86asm.OUTSD:
			return args
		}
		var mems []x86asm.Arg
		for _, a := range args {
			if _, ok := a.(x86asm.Mem); ok {
				mems = append(mems, a)
			}
		}
		return mems
	case f.x.Op == x86asm.XLATB || f.x.Op == x86asm.MONITOR || f.x.Op == x86asm.MWAIT:
		return nil
	case (f.x.Op == x86asm.LCALL || f.x.Op == x86asm.LJMP) && len(args) == 2:
		return args
	case f.x.Op == x86asm.NOP && f.x.Opcode>>24 == 0x90:
		if f.x.DataSize == 16 {
			return []x86asm.Arg{x86asm.AX, x86asm.AX}
		}
		return nil
	}
	return args
}

func (f *x86Format) operand(a x86asm.Arg) {
	switch a := a.(type) {
	case x86asm.Reg:
		f.write(f.reg(a))
	case x86asm.Imm:
		f.write(masm(f.truncate(uint64(a))))
	case x86asm.Rel:
		f.address(f.next + Addr(int64(a)))
	case x86asm.Mem:
		f.memory(a)
	}
}

// stackTop is which of two x87 operands is the implied top of the stack.
func (f *x86Format) stackTop() int {
	switch f.x.Opcode >> 24 {
	case 0xdc, 0xdd, 0xde:
		return 1
	}
	return 0
}

// address notes the place where a symbol may be spliced in.
func (f *x86Format) address(a Addr) {
	if f.mode == 32 {
		a &= 0xffffffff
	}
	f.target, f.hasAddr = a, true
}

// truncate cuts a sign-extended immediate to the size it acts on.
func (f *x86Format) truncate(v uint64) uint64 {
	size := f.mode / 8
	if f.x.Op == x86asm.PUSH && f.x.DataSize == 16 {
		size = 2
	}
	if r, ok := f.x.Args[0].(x86asm.Reg); ok {
		size = x86RegBytes(r)
	} else if _, ok := f.x.Args[0].(x86asm.Mem); ok {
		size = f.x.MemBytes
	}
	switch size {
	case 1, 2, 4:
		return v & (1<<(8*size) - 1)
	case 8:
		return v
	}
	return v & 0xff // vectors take byte-sized immediates
}

func x86RegBytes(r x86asm.Reg) int {
	switch {
	case r <= x86asm.R15B:
		return 1
	case r <= x86asm.R15W || r >= x86asm.ES && r <= x86asm.GS:
		return 2
	case r <= x86asm.R15L:
		return 4
	case r <= x86asm.R15 || r >= x86asm.CR0:
		return 8
	}
	return 16
}

var x86Regs = map[x86asm.Reg]string{x86asm.SPB: "spl", x86asm.BPB: "bpl", x86asm.SIB: "sil", x86asm.DIB: "dil"}

func (f *x86Format) reg(r x86asm.Reg) string {
	if s := x86Regs[r]; s != "" {
		return s
	}
	numbered := func(prefix string, first x86asm.Reg) string { return prefix + strconv.Itoa(int(r-first)) }
	switch {
	case r >= x86asm.F0 && r <= x86asm.F7:
		return "st(" + strconv.Itoa(int(r-x86asm.F0)) + ")"
	case r >= x86asm.M0 && r <= x86asm.M7:
		return numbered("mm", x86asm.M0)
	case r >= x86asm.X0 && r <= x86asm.X31:
		return numbered("xmm", x86asm.X0)
	case r >= x86asm.Y0 && r <= x86asm.Y31:
		return numbered("ymm", x86asm.Y0)
	case r >= x86asm.Z0 && r <= x86asm.Z31:
		return numbered("zmm", x86asm.Z0)
	}
	s := strings.ToLower(r.String())
	if r >= x86asm.R8L && r <= x86asm.R15L {
		s = strings.TrimSuffix(s, "l") + "d"
	}
	return s
}

var x86Sizes = map[int]string{1: "byte", 2: "word", 4: "dword", 6: "fword", 8: "qword", 10: "tbyte", 16: "xmmword", 32: "ymmword", 64: "zmmword"}

func (f *x86Format) memory(m x86asm.Mem) {
	o := f.operandOf(m)
	if f.mem == nil {
		f.mem = o
	}
	if s := x86Sizes[o.Size]; s != "" {
		f.write(s + " ptr ")
	}
	explicit := o.Seg == "fs" || o.Seg == "gs" || f.mode == 32 && o.Seg != "" && f.str == 0
	relative := o.Base == "rip" || o.Base == "eip"
	if explicit {
		f.write(o.Seg + ":")
	} else if f.str != 0 && f.mode == 32 && o.Seg == "es" {
		f.write("es:")
	}
	if !f.hasAddr && !explicit && (relative || o.Base == "" && o.Index == "") {
		f.write("[")
		a := Addr(o.Disp)
		if relative {
			a += f.next
		}
		f.address(a)
		f.write("]")
		return
	}
	shown := *o
	if relative && explicit { // a distance from the segment's base: per-CPU data of kernels
		shown.Base, shown.Disp = "", int64(f.next)+o.Disp
	}
	f.write("[" + shown.sum(f.mode) + "]")
}

// sum is what stands between the brackets.
func (o *Operand) sum(mode int) string {
	s := o.Base
	if o.Index != "" {
		if s != "" {
			s += "+"
		}
		s += o.Index
		if o.Scale > 1 {
			s += "*" + strconv.Itoa(o.Scale)
		}
	}
	switch d := o.Disp; {
	case s == "" && mode == 32:
		return masm(uint64(uint32(d)))
	case s == "":
		return masm(uint64(d))
	case d < 0:
		s += "-" + masm(uint64(-d))
	case d > 0:
		s += "+" + masm(uint64(d))
	}
	return s
}

func (f *x86Format) operandOf(m x86asm.Mem) *Operand {
	o := &Operand{Disp: m.Disp, Size: max(f.x.MemBytes, f.str)}
	moffs := f.x.Opcode>>26 == 0xa0>>2 // mov of the accumulator: a whole address
	if m.Base != 0 || m.Index != 0 || f.x.AddrSize == 64 && !moffs {
		o.Disp = int64(int32(m.Disp)) // x86asm leaves some unsigned
	}
	if m.Base != 0 {
		o.Base = f.reg(m.Base)
	}
	if m.Scale != 0 && m.Index != 0 {
		o.Index, o.Scale = f.reg(m.Index), int(m.Scale)
	}
	switch {
	case m.Segment == x86asm.FS || m.Segment == x86asm.GS:
		o.Seg = f.reg(m.Segment)
	case m.Segment != 0 && f.mode == 32 && f.overridden(m.Segment):
		o.Seg = f.reg(m.Segment)
	case f.str != 0 && (m.Base == x86asm.EDI || m.Base == x86asm.RDI || m.Base == x86asm.DI):
		o.Seg = "es"
	}
	switch f.x.Op {
	case x86asm.LEA, x86asm.INVLPG, x86asm.PREFETCHNTA, x86asm.PREFETCHT0, x86asm.PREFETCHT1, x86asm.PREFETCHT2, x86asm.PREFETCHW, x86asm.CLFLUSH:
		o.Size = 0
	}
	switch f.x.Opcode >> 16 & 0xff38 {
	case 0xdb28, 0xdb38, 0xdf20, 0xdf30: // fld, fstp, fbld, fbstp of 80 bits
		o.Size = 10
	}
	if f.x.Op == x86asm.NOP && o.Size == 0 {
		o.Size = f.x.DataSize / 8
	}
	if f.x.Broadcast && o.Size > 8 {
		o.Size = 4
	}
	return o
}

// overridden reports whether the instruction carries a prefix for seg.
func (f *x86Format) overridden(seg x86asm.Reg) bool {
	want := map[x86asm.Reg]x86asm.Prefix{x86asm.ES: x86asm.PrefixES, x86asm.CS: x86asm.PrefixCS, x86asm.SS: x86asm.PrefixSS, x86asm.DS: x86asm.PrefixDS}[seg]
	for _, p := range f.x.Prefix {
		if p == 0 {
			break
		}
		if p&0xff == want&0xff && p&x86asm.PrefixIgnored == 0 {
			return true
		}
	}
	return false
}

// masm writes v as MASM does: 9, 0Ah, 10h, 0FFh.
func masm(v uint64) string {
	if v < 10 {
		return strconv.FormatUint(v, 10)
	}
	s := strings.ToUpper(strconv.FormatUint(v, 16)) + "h"
	if s[0] > '9' {
		s = "0" + s
	}
	return s
}
