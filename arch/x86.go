package arch

import (
	"strings"
	"sync"

	"golang.org/x/arch/x86/x86asm"
)

// decodeX86 decodes one instruction in the given mode (32 or 64 bits). The
// table of x86_extra.go is asked first, because x86asm does not know those
// opcodes or reports a wrong length for them.
func decodeX86(code []byte, pc Addr, mode int) (Inst, error) {
	if len(code) > 15 {
		code = code[:15]
	}
	if len(code) == 0 {
		return Inst{}, ErrShort
	}
	x, op, found, err := extraX86(code, mode)
	if err == nil && !found {
		x, err = x86asm.Decode(code, mode)
		if err == nil && (x.Len <= 0 || x.Len > len(code) || x.Op == 0) {
			err = x86asm.ErrUnrecognized
		}
		if err == nil && mode == 64 {
			relativeVEX(&x, code)
		}
		if err != nil && err != x86asm.ErrTruncated { // it has several errors for what it does not know
			x, op, err = opaqueX86(code, mode)
		}
	}
	switch {
	case err == nil:
		return x86Inst(&x, op, pc, mode), nil
	case err == x86asm.ErrTruncated || err == ErrShort:
		return Inst{}, ErrShort
	}
	if n := len(code); n < 15 { // x86asm does not tell a short instruction from an unknown one
		if in, err := decodeX86(append(code[:n:n], make([]byte, 15-n)...), pc, mode); err == nil && in.Len > n {
			return Inst{}, ErrShort
		}
	}
	return Inst{}, ErrUnknown
}

// relativeVEX gives RIP-relative operands of VEX and EVEX instructions their
// base, which x86asm leaves out.
func relativeVEX(x *x86asm.Inst, code []byte) {
	at := scanPrefix(code, 64).n
	if at >= len(code) {
		return
	}
	length, vex := map[byte]int{0xc5: 2, 0xc4: 3, 0x62: 4}[code[at]]
	if at += length + 1; !vex || at >= len(code) || code[at]&0xc7 != 5 {
		return
	}
	for i, a := range x.Args {
		if m, ok := a.(x86asm.Mem); ok && m.Base == 0 && m.Index == 0 {
			m.Base = x86asm.RIP
			x.Args[i] = m
		}
	}
}

// x86Inst turns a decoded instruction into an Inst. A name given overrides x86asm's.
func x86Inst(x *x86asm.Inst, name string, pc Addr, mode int) Inst {
	f := x86Format{x: x, mode: mode, next: pc + Addr(x.Len)}
	if name == "" {
		name = f.mnemonic()
	}
	f.operands()
	in := Inst{Len: x.Len, Op: name, Mem: f.mem, ptr: mode / 8,
		head: f.head, tail: f.tail, hasAddr: f.hasAddr, addr: f.target}
	if f.hasAddr {
		in.Target, in.HasTarget = f.target, true
	}
	in.Args = in.Format(nil)
	in.Kind, in.Cond = x86Kind(x, name[strings.LastIndexByte(name, ' ')+1:])
	return in
}

// x86Kinds lists what changes control flow besides the conditional jumps.
var x86Kinds = map[x86asm.Op]Kind{
	x86asm.CALL: Call, x86asm.LCALL: Call,
	x86asm.RET: Return, x86asm.LRET: Return, x86asm.IRET: Return, x86asm.IRETD: Return, x86asm.IRETQ: Return,
	x86asm.SYSRET: Return, x86asm.SYSEXIT: Return, x86asm.RSM: Return,
	x86asm.JMP: Jump, x86asm.LJMP: Jump,
	x86asm.SYSCALL: Syscall, x86asm.SYSENTER: Syscall,
	x86asm.ICEBP: Trap, x86asm.INTO: Trap, x86asm.UD1: Trap, x86asm.UD2: Trap,
}

func x86Kind(x *x86asm.Inst, name string) (Kind, string) {
	switch {
	case x.Op == x86asm.INT:
		if v, ok := x.Args[0].(x86asm.Imm); ok && (v == 0x80 || v == 0x2e) {
			return Syscall, "" // Linux i386, Windows
		}
		return Trap, ""
	case strings.HasPrefix(name, "loop"):
		return CondJump, name
	case name[0] == 'j' && name != "jmp":
		return CondJump, name[1:]
	case name == "ud0" || name == "ud1":
		return Trap, ""
	case name == "uiret":
		return Return, ""
	}
	if k, ok := x86Kinds[x.Op]; ok {
		return k, ""
	}
	return Other, ""
}

// x86Names are mnemonics where the manual's or WinDbg's name is not x86asm's.
var x86Names = map[x86asm.Op]string{
	x86asm.LCALL: "call", x86asm.LJMP: "jmp", x86asm.LRET: "retf", x86asm.ICEBP: "int1", x86asm.XLATB: "xlat",
	x86asm.MOVSD_XMM: "movsd", x86asm.CMPSD_XMM: "cmpsd", x86asm.FWAIT: "wait",
}

// x86Strings are the string instructions. The size is shown with the operands.
var x86Strings = sync.OnceValue(func() map[x86asm.Op]int {
	m := make(map[x86asm.Op]int)
	for i, ops := range [][]x86asm.Op{
		{x86asm.MOVSB, x86asm.CMPSB, x86asm.STOSB, x86asm.SCASB, x86asm.LODSB, x86asm.INSB, x86asm.OUTSB},
		{x86asm.MOVSW, x86asm.CMPSW, x86asm.STOSW, x86asm.SCASW, x86asm.LODSW, x86asm.INSW, x86asm.OUTSW},
		{x86asm.MOVSD, x86asm.CMPSD, x86asm.STOSD, x86asm.SCASD, x86asm.LODSD, x86asm.INSD, x86asm.OUTSD},
		{x86asm.MOVSQ, x86asm.CMPSQ, x86asm.STOSQ, x86asm.SCASQ, x86asm.LODSQ},
	} {
		for _, op := range ops {
			m[op] = 1 << i
		}
	}
	return m
})

func (f *x86Format) mnemonic() string {
	name, ok := x86Names[f.x.Op]
	if !ok {
		name = strings.ToLower(f.x.Op.String())
	}
	if f.str = x86Strings()[f.x.Op]; f.str != 0 {
		name = name[:len(name)-1]
	}
	if f.x.Op == x86asm.NOP && f.x.Opcode>>24 == 0x90 && f.x.DataSize == 16 {
		name = "xchg"
	}
	branch := f.x.Op == x86asm.JMP || f.x.Op == x86asm.CALL
	for _, p := range f.x.Prefix {
		if p == 0 || p.IsVEX() || p.IsEVEX() { // what follows VEX is its payload
			break
		}
		switch {
		case p&0xff == x86asm.PrefixREP && f.x.Op == x86asm.RET:
			name = "rep " + name
		case p&0xff == x86asm.PrefixDS && branch && f.x.Opcode>>24 == 0xff:
			name = "notrack " + name
		}
		if p&(x86asm.PrefixImplicit|x86asm.PrefixIgnored) != 0 {
			continue
		}
		if s := x86Prefixes[p]; s != "" {
			name = s + " " + name
		}
	}
	return strings.Replace(name, "rep cmps", "repe cmps", 1)
}

var x86Prefixes = map[x86asm.Prefix]string{
	x86asm.PrefixLOCK: "lock", x86asm.PrefixREP: "rep", x86asm.PrefixREPN: "repne", x86asm.PrefixBND: "bnd",
	x86asm.PrefixXACQUIRE: "xacquire", x86asm.PrefixXRELEASE: "xrelease",
}
