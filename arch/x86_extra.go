package arch

import (
	"golang.org/x/arch/x86/x86asm"
	"sync"
)

// extraForm says what follows the opcode bytes of an extraOp.
type extraForm uint8

const (
	bare    extraForm = iota // nothing: the opcode bytes are all
	rm                       // ModRM with one operand, r/m
	regRM                    // ModRM: reg, r/m
	rmReg                    // ModRM: r/m, reg
	onlyReg                  // ModRM with one operand, r/m, which must be a register
	onlyMem                  // ModRM with one operand, r/m, which must be memory
)

// any0 matches an opcode whatever its mandatory prefix.
const any0 = 0xff

// extraOp is an opcode that x86asm does not know or gives a wrong length.
type extraOp struct {
	prefix byte   // mandatory 0x66, 0xf2, 0xf3; 0 none of them; any0
	code   string // opcode bytes after the prefixes, REX included
	ext    int    // value of ModRM.reg, -1 any
	form   extraForm
	sized  bool // the name ends in d or q by REX.W
	name   string
}

// Sources: Intel SDM volume 2 (2024), AMD APM volume 3 (rev. 3.36).
var extraOps = []extraOp{
	{0xf3, "\x0f\x1e", 1, onlyReg, true, "rdssp"},
	{0xf3, "\x0f\x01", 5, onlyMem, false, "rstorssp"},
	{0xf3, "\x0f\xae", 5, onlyReg, true, "incssp"},
	{0xf3, "\x0f\xae", 6, onlyMem, false, "clrssbsy"},
	{0xf3, "\x0f\xae", 6, onlyReg, false, "umonitor"},
	{0x66, "\x0f\xae", 6, onlyReg, false, "tpause"},
	{0xf2, "\x0f\xae", 6, onlyReg, false, "umwait"},
	{0x66, "\x0f\xae", 6, onlyMem, false, "clwb"},
	{0x66, "\x0f\xae", 7, onlyMem, false, "clflushopt"},
	{0xf3, "\x0f\xae", 4, rm, false, "ptwrite"},
	{0, "\x0f\xc7", 3, onlyMem, false, "xrstors"},
	{0, "\x0f\xc7", 4, onlyMem, false, "xsavec"},
	{0, "\x0f\xc7", 5, onlyMem, false, "xsaves"},
	{0x66, "\x0f\xc7", 6, onlyMem, false, "vmclear"},
	{0xf3, "\x0f\xc7", 6, onlyMem, false, "vmxon"},
	{0, "\x0f\xc7", 6, onlyMem, false, "vmptrld"},
	{0, "\x0f\xc7", 7, onlyMem, false, "vmptrst"},
	{0xf3, "\x0f\xc7", 6, onlyReg, false, "senduipi"},
	{0xf3, "\x0f\xc7", 7, onlyReg, false, "rdpid"},
	{any0, "\x0f\xc7", 7, onlyReg, false, "rdseed"},
	{any0, "\x0f\xc7", 6, onlyReg, false, "rdrand"},
	{0, "\x0f\x78", -1, rmReg, false, "vmread"},
	{0, "\x0f\x79", -1, regRM, false, "vmwrite"},
	{0x66, "\x0f\x38\x80", -1, regRM, false, "invept"},
	{0x66, "\x0f\x38\x81", -1, regRM, false, "invvpid"},
	{0x66, "\x0f\x38\x82", -1, regRM, false, "invpcid"},
	{0, "\x0f\x38\xf6", -1, rmReg, true, "wrss"},
	{0x66, "\x0f\x38\xf5", -1, rmReg, true, "wruss"},
	{0x66, "\x0f\x38\xf6", -1, regRM, false, "adcx"},
	{0xf3, "\x0f\x38\xf6", -1, regRM, false, "adox"},
	{0, "\x0f\x38\xf9", -1, rmReg, false, "movdiri"},
	{0x66, "\x0f\x38\xf8", -1, regRM, false, "movdir64b"},
	{0xf2, "\x0f\x38\xf8", -1, regRM, false, "enqcmd"},
	{0xf3, "\x0f\x38\xf8", -1, regRM, false, "enqcmds"},
	{any0, "\x0f\x1c", -1, rm, false, "nop"},
	{any0, "\x0f\x1d", -1, rm, false, "nop"},
	{any0, "\x0f\x1e", -1, rm, false, "nop"},
	{any0, "\x0f\xb9", -1, regRM, false, "ud1"},
	{any0, "\x0f\xff", -1, regRM, false, "ud0"},
}

// extraShapes lists the extra opcodes whose operands differ from those of mov:
// the bytes of memory (0: only its address counts), and whether the register is
// always as wide as a pointer.
var extraShapes = map[string]struct {
	memory int
	wide   bool
}{
	"invpcid": {16, true}, "invept": {16, true}, "invvpid": {16, true}, "vmread": {8, true}, "vmwrite": {8, true},
	"movdir64b": {64, true}, "enqcmd": {64, true}, "enqcmds": {64, true}, "senduipi": {8, true}, "umonitor": {0, true},
	"clwb": {0, false}, "clflushopt": {0, false}, "rstorssp": {8, false}, "clrssbsy": {8, false},
	"vmclear": {8, false}, "vmxon": {8, false}, "vmptrld": {8, false}, "vmptrst": {8, false},
	"xrstors": {0, false}, "xsavec": {0, false}, "xsaves": {0, false},
}

// extraBare makes the rows of opcodes without operands.
func extraBare() []extraOp {
	out := []extraOp{
		{0xf3, "\x0f\x1e\xfa", -1, bare, false, "endbr64"},
		{0xf3, "\x0f\x1e\xfb", -1, bare, false, "endbr32"},
		{0xf3, "\x0f\x09", -1, bare, false, "wbnoinvd"},
		{any0, "\x0f\x37", -1, bare, false, "getsec"},
		{any0, "\xc5\xf8\x77", -1, bare, false, "vzeroupper"},
		{any0, "\xc5\xfc\x77", -1, bare, false, "vzeroall"},
		{any0, "\xc4\xe1\x78\x77", -1, bare, false, "vzeroupper"},
		{any0, "\xc4\xe1\x7c\x77", -1, bare, false, "vzeroall"},
		{any0, "\xc4\xe2\x78\x49\xc0", -1, bare, false, "tilerelease"},
	}
	for prefix, ops := range map[byte]map[byte]string{ // the 0f 01 group, by third byte
		0: {0xc0: "enclv", 0xc1: "vmcall", 0xc2: "vmlaunch", 0xc3: "vmresume", 0xc4: "vmxoff", 0xc5: "pconfig", 0xc6: "wrmsrns",
			0xca: "clac", 0xcb: "stac", 0xcf: "encls", 0xd4: "vmfunc", 0xd7: "enclu", 0xd8: "vmrun", 0xd9: "vmmcall",
			0xda: "vmload", 0xdb: "vmsave", 0xdc: "stgi", 0xdd: "clgi", 0xde: "skinit", 0xdf: "invlpga", 0xe8: "serialize",
			0xee: "rdpkru", 0xef: "wrpkru", 0xfa: "monitorx", 0xfb: "mwaitx", 0xfc: "clzero", 0xfd: "rdpru", 0xfe: "invlpgb", 0xff: "tlbsync"},
		0xf2: {0xe8: "xsusldtrk", 0xe9: "xresldtrk", 0xfe: "rmpupdate", 0xff: "pvalidate"},
		0xf3: {0xd9: "vmgexit", 0xe8: "setssbsy", 0xea: "saveprevssp", 0xec: "uiret", 0xed: "testui", 0xee: "clui", 0xef: "stui",
			0xfe: "rmpadjust", 0xff: "psmash"},
	} {
		for b, name := range ops {
			out = append(out, extraOp{prefix, "\x0f\x01" + string([]byte{b}), -1, bare, false, name})
		}
	}
	return out
}

// extraIndex finds the rows by their first two opcode bytes.
var extraIndex = sync.OnceValue(func() map[[2]byte][]*extraOp {
	m, extraOps := make(map[[2]byte][]*extraOp), append(extraBare(), extraOps...)
	for i := range extraOps {
		k := [2]byte{extraOps[i].code[0], extraOps[i].code[1]}
		m[k] = append(m[k], &extraOps[i])
	}
	return m
})

// x86Prefix is what stands before an opcode.
type x86Prefix struct {
	mandatory byte // last of 66, f2, f3
	keep      []byte
	rex       byte
	n         int
}

func scanPrefix(code []byte, mode int) x86Prefix {
	var p x86Prefix
	for p.n < len(code) {
		switch b := code[p.n]; b {
		case 0x66:
			if p.mandatory == 0 {
				p.mandatory = b
			}
		case 0xf2, 0xf3:
			p.mandatory = b
		case 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x67:
			p.keep = append(p.keep, b)
		case 0xf0:
		default:
			if mode == 64 && b&0xf0 == 0x40 {
				p.rex = b
				p.n++
			}
			return p
		}
		p.n++
	}
	return p
}

// extraX86 decodes what the table of extra opcodes knows. Found is false when
// x86asm is to decide. The operands are decoded by x86asm from an instruction
// of the same shape (mov or inc), whose ModRM is the same.
func extraX86(code []byte, mode int) (x x86asm.Inst, name string, found bool, err error) {
	p := scanPrefix(code, mode)
	rest := code[p.n:]
	if len(rest) < 2 {
		return x, "", false, nil
	}
	op, short := matchExtra(extraIndex()[[2]byte{rest[0], rest[1]}], p, rest)
	if short {
		return x, "", true, ErrShort
	}
	if op == nil || mode == 32 && rest[0] == 0xc4 && rest[1] < 0xc0 {
		return x, "", false, nil
	}
	name = op.name
	if op.sized {
		name += map[bool]string{false: "d", true: "q"}[p.rex&8 != 0]
	}
	if op.form == bare {
		return x86asm.Inst{Len: p.n + len(op.code), Mode: mode}, name, true, nil
	}
	if x, err = borrow(op, name, p, rest[len(op.code):], mode); err != nil {
		return x, "", true, err
	}
	return x, name, true, nil
}

// borrow decodes the operands of op, which modrm begins, as those of a mov or
// inc of the same shape.
func borrow(op *extraOp, name string, p x86Prefix, modrm []byte, mode int) (x86asm.Inst, error) {
	like := append([]byte(nil), p.keep...)
	if p.mandatory == 0x66 && op.prefix == any0 {
		like = append(like, 0x66)
	}
	shape, special := extraShapes[name]
	if shape.wide && mode == 64 {
		p.rex |= 0x48
	}
	if p.rex != 0 {
		like = append(like, p.rex)
	}
	opcode, first := byte(0xff), modrm[0]&^0x38 // inc r/m
	switch op.form {
	case regRM:
		opcode, first = 0x8b, modrm[0]
	case rmReg:
		opcode, first = 0x89, modrm[0]
	}
	like = append(like, opcode)
	before := len(like)
	like = append(append(like, first), modrm[1:]...)
	x, err := x86asm.Decode(like, mode)
	if err != nil {
		return x, err
	}
	x.Len += p.n + len(op.code) - before
	if x.Len > 15 {
		return x, ErrUnknown
	}
	if special {
		x.MemBytes = shape.memory
	}
	if x.Op == x86asm.INC && name == "nop" {
		x.Op = x86asm.NOP
	}
	return x, nil
}

// matchExtra picks the row that fits; short means that more bytes are needed to tell.
func matchExtra(rows []*extraOp, p x86Prefix, rest []byte) (op *extraOp, short bool) {
	for _, o := range rows {
		if o.prefix != any0 && o.prefix != p.mandatory {
			continue
		}
		n := min(len(o.code), len(rest))
		if string(rest[:n]) != o.code[:n] {
			continue
		}
		if n < len(o.code) || o.form != bare && len(rest) == n {
			return nil, true
		}
		if o.form == bare {
			return o, false
		}
		m := rest[n]
		if o.ext >= 0 && int(m>>3&7) != o.ext || o.form == onlyReg && m < 0xc0 || o.form == onlyMem && m >= 0xc0 {
			continue
		}
		return o, false
	}
	return nil, false
}

// opaqueX86 measures VEX, EVEX and XOP instructions that nothing here can name:
// their length follows from the encoding. They are called "???".
func opaqueX86(code []byte, mode int) (x86asm.Inst, string, error) {
	p := scanPrefix(code, mode)
	rest := code[p.n:]
	if len(rest) < 2 {
		return x86asm.Inst{}, "", x86asm.ErrUnrecognized
	}
	rest = append(rest[:len(rest):len(rest)], make([]byte, 15)...)
	var opcode, immediate int
	switch first, group := rest[0], rest[1]&0x1f; {
	case mode == 32 && first != 0x8f && rest[1] < 0xc0:
		return x86asm.Inst{}, "", x86asm.ErrUnrecognized // lds, les, bound
	case first == 0xc5:
		opcode, immediate = 2, vexImmediate(1, rest[2])
	case first == 0xc4 && group >= 1 && group <= 3:
		opcode, immediate = 3, vexImmediate(group, rest[3])
	case first == 0x62 && group&7 >= 1 && group&7 <= 6:
		opcode, immediate = 4, vexImmediate(group&7, rest[4])
	case first == 0x8f && group >= 8 && group <= 10:
		opcode, immediate = 3, map[byte]int{8: 1, 9: 0, 10: 4}[group]
	default:
		return x86asm.Inst{}, "", x86asm.ErrUnrecognized
	}
	like := append([]byte{0x8b}, rest[opcode+1:]...)
	like[1] &^= 0x38
	x, err := x86asm.Decode(like, mode)
	n := p.n + opcode + x.Len + immediate
	if err != nil || n > len(code) {
		return x86asm.Inst{}, "", ErrShort
	}
	return x86asm.Inst{Len: n, Mode: mode}, "???", nil
}

// vexImmediate is how many immediate bytes follow opcode op of a VEX map.
func vexImmediate(group, op byte) int {
	if group == 3 || group == 1 && (op >= 0x70 && op <= 0x73 || op == 0xc2 || op >= 0xc4 && op <= 0xc6) {
		return 1
	}
	return 0
}
