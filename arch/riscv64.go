package arch

import (
	_ "embed"
	"encoding/binary"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/arch/riscv64/riscv64asm"
)

// riscvDecoder guards riscv64asm, whose Decode writes to a package variable.
var riscvDecoder sync.Mutex

// riscvOps are the privileged instructions riscv64asm does not know.
// Source: RISC-V privileged architecture, "Machine-Level ISA", "Supervisor-Level ISA".
var riscvOps = map[uint32]struct {
	name string
	kind Kind
}{
	0x10200073: {"sret", Return}, 0x30200073: {"mret", Return}, 0x00200073: {"uret", Return}, 0x10500073: {"wfi", Other},
	0x7b200073: {"dret", Return}, 0x70200073: {"mnret", Return}, 0x18000073: {"sfence.w.inval", Other}, 0x18100073: {"sfence.inval.ir", Other},
	0x00d00073: {"wrs.nto", Other}, 0x01d00073: {"wrs.sto", Other},
}

// riscvFences take an address and an address space, by their bits 25 to 31.
var riscvFences = map[uint32]string{0x09: "sfence.vma", 0x0b: "sinval.vma", 0x11: "hfence.vvma", 0x31: "hfence.gvma", 0x13: "hinval.vvma", 0x33: "hinval.gvma"}

//go:embed riscv64_csr.txt
var riscvCSRText string

// riscvCSRs names control and status registers by number.
var riscvCSRs = sync.OnceValue(func() map[uint32]string {
	out := make(map[uint32]string, 512)
	for l := range strings.Lines(riscvCSRText) {
		key, name, ok := strings.Cut(strings.TrimSpace(l), " ")
		if n, err := strconv.ParseUint(key, 16, 12); ok && err == nil {
			out[uint32(n)] = name
		}
	}
	return out
})

// riscvCSR decodes the accesses of control and status registers ("Zicsr").
func riscvCSR(w uint32) (Inst, bool) {
	funct, rd, rs, csr := w>>12&7, w>>7&31, w>>15&31, w>>20
	if w&0x7f != 0x73 || funct&3 == 0 || csr >= 1 && csr <= 3 { // those of floating point have instructions of their own
		return Inst{}, false
	}
	name := riscvCSRs()[csr]
	if name == "" {
		name = "0x" + strconv.FormatUint(uint64(csr), 16)
	}
	op, value := [4]string{1: "w", 2: "s", 3: "c"}[funct&3], riscvReg(rs)
	if funct >= 5 {
		op, value = op+"i", strconv.Itoa(int(rs))
	}
	switch {
	case funct == 2 && rs == 0:
		if csr >= 0xc00 && csr <= 0xc02 {
			return plain([3]string{"rdcycle", "rdtime", "rdinstret"}[csr-0xc00], riscvReg(rd)), true
		}
		return plain("csrr", riscvReg(rd)+","+name), true
	case rd == 0:
		return plain("csr"+op, name+","+value), true
	}
	return plain("csrr"+op, riscvReg(rd)+","+name+","+value), true
}

// decodeRISCV64 decodes one RV64GC instruction. Its length is told by its low
// bits, so what no table knows is ".2byte" or ".4byte" and the listing keeps step.
func decodeRISCV64(code []byte, pc Addr) (Inst, error) {
	if len(code) < 2 || code[0]&3 == 3 && len(code) < 4 {
		return Inst{}, ErrShort
	}
	n := 2
	word := uint32(binary.LittleEndian.Uint16(code))
	if code[0]&3 == 3 {
		n, word = 4, binary.LittleEndian.Uint32(code)
		if o, ok := riscvOps[word]; ok {
			in := plain(o.name, "")
			in.Kind = o.kind
			return in, nil
		}
		if name := riscvFences[word>>25]; name != "" && word&0x7fff == 0x73 {
			return plain(name, riscvReg(word>>15)+","+riscvReg(word>>20)), nil
		}
		if in, ok := riscvCSR(word); ok {
			return in, nil
		}
	}
	riscvDecoder.Lock()
	x, err := riscv64asm.Decode(code[:n])
	riscvDecoder.Unlock()
	if err != nil {
		in := plain(".4byte", "0x"+hex8(word))
		if n == 2 {
			in = plain(".2byte", "0x"+hex8(word)[4:])
		}
		in.Len = n
		return in, nil
	}
	return riscvInst(x, n, pc), nil
}

func riscvReg(n uint32) string { return riscvNames[n&31] }

var riscvNames = [32]string{"zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "fp", "s1", "a0", "a1", "a2", "a3", "a4", "a5",
	"a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"}

var riscvFloats = [32]string{"ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1", "fa0", "fa1", "fa2", "fa3", "fa4", "fa5",
	"fa6", "fa7", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11"}

var riscvNumbered = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\b[xf]([0-9]+)\b`) })

var riscvBranches = map[riscv64asm.Op]string{
	riscv64asm.BEQ: "eq", riscv64asm.BNE: "ne", riscv64asm.BLT: "lt", riscv64asm.BGE: "ge", riscv64asm.BLTU: "ltu", riscv64asm.BGEU: "geu",
}

func riscvInst(x riscv64asm.Inst, n int, pc Addr) Inst {
	op, args, _ := strings.Cut(riscv64asm.GNUSyntax(x), " ")
	args = riscvNumbered().ReplaceAllStringFunc(strings.ReplaceAll(strings.TrimSpace(args), ", ", ","), func(s string) string {
		i, _ := strconv.Atoi(s[1:])
		if s[0] == 'f' {
			return riscvFloats[i&31]
		}
		return riscvReg(uint32(i))
	})
	in := Inst{Len: n, Op: op, ptr: 8}
	target := func(a riscv64asm.Arg) {
		if s, ok := a.(riscv64asm.Simm); ok {
			in.Target, in.HasTarget = pc+Addr(int64(s.Imm)), true
			in.addr, in.hasAddr = in.Target, true
			args = args[:strings.LastIndexByte(args, ',')+1]
		}
	}
	switch x.Op {
	case riscv64asm.BEQ, riscv64asm.BNE, riscv64asm.BLT, riscv64asm.BGE, riscv64asm.BLTU, riscv64asm.BGEU:
		in.Kind, in.Cond = CondJump, riscvBranches[x.Op]
		target(x.Args[2])
	case riscv64asm.JAL:
		in.Kind = linkKind(x.Args[0])
		if n == 2 { // riscv64asm takes one bit too many
			x.Args[1] = riscv64asm.Simm{Imm: compressedJump(x.Enc)}
		}
		target(x.Args[1])
	case riscv64asm.JALR:
		in.Kind = linkKind(x.Args[0])
		if o, ok := x.Args[1].(riscv64asm.RegOffset); ok && in.Kind == Jump && o.OfsReg == riscv64asm.X1 {
			in.Kind = Return
		}
	case riscv64asm.ECALL:
		in.Kind = Syscall
	case riscv64asm.EBREAK, riscv64asm.C_EBREAK:
		in.Kind = Trap
	}
	if op == "unimp" || op == "c.unimp" {
		in.Kind = Trap
	}
	for _, a := range x.Args {
		if o, ok := a.(riscv64asm.RegOffset); ok && in.Kind == Other {
			in.Mem = &Operand{Base: riscvReg(uint32(o.OfsReg - riscv64asm.X0)), Disp: int64(o.Ofs.Imm), Size: riscvSize(op)}
		}
	}
	in.head = args
	in.Args = in.Format(nil)
	return in
}

// compressedJump is the offset of c.j, whose bits lie as
// 11|4|9:8|10|6|7|3:1|5 in bits 12 to 2.
func compressedJump(w uint32) int32 {
	bit := func(from, to uint32) uint32 { return w >> from & 1 << to }
	v := bit(12, 11) | bit(11, 4) | w>>9&3<<8 | bit(8, 10) | bit(7, 6) | bit(6, 7) | w>>3&7<<1 | bit(2, 5)
	return int32(v<<20) >> 20
}

// linkKind tells a call from a jump by the register that takes the return address.
func linkKind(rd riscv64asm.Arg) Kind {
	if rd == riscv64asm.Arg(riscv64asm.X0) {
		return Jump
	}
	return Call
}

func riscvSize(op string) int {
	for _, s := range []struct {
		width string
		n     int
	}{{"d", 8}, {"w", 4}, {"h", 2}, {"b", 1}} {
		if strings.HasSuffix(strings.TrimSuffix(op, "u"), s.width) {
			return s.n
		}
	}
	return 0
}
