package arch

import "strconv"

// armOp is an A64 instruction arm64asm does not know: bits under Mask equal
// Value. Args uses letters: d n m t u s for the 64-bit register in the field
// Rd, Rn, Rm, Rt2 (10..14), Rs+1 ...; i for the 16-bit immediate.
type armOp struct {
	mask, value uint32
	name        string
	args        string
	kind        Kind
}

// Source: Arm Architecture Reference Manual for A-profile (DDI 0487), chapter C4.
var armOps = []armOp{
	{0xffffffff, 0xd65f0bff, "retaa", "", Return}, {0xffffffff, 0xd65f0fff, "retab", "", Return},
	{0xffffffff, 0xd69f0bff, "eretaa", "", Return}, {0xffffffff, 0xd69f0fff, "eretab", "", Return},
	{0xfffffc1f, 0xd61f081f, "braaz", "n", Jump}, {0xfffffc1f, 0xd61f0c1f, "brabz", "n", Jump},
	{0xfffffc1f, 0xd63f081f, "blraaz", "n", Call}, {0xfffffc1f, 0xd63f0c1f, "blrabz", "n", Call},
	{0xfffffc00, 0xd71f0800, "braa", "n,d", Jump}, {0xfffffc00, 0xd71f0c00, "brab", "n,d", Jump},
	{0xfffffc00, 0xd73f0800, "blraa", "n,d", Call}, {0xfffffc00, 0xd73f0c00, "blrab", "n,d", Call},
	{0xfffffc00, 0xdac10000, "pacia", "d,n", Other}, {0xfffffc00, 0xdac10400, "pacib", "d,n", Other},
	{0xfffffc00, 0xdac10800, "pacda", "d,n", Other}, {0xfffffc00, 0xdac10c00, "pacdb", "d,n", Other},
	{0xfffffc00, 0xdac11000, "autia", "d,n", Other}, {0xfffffc00, 0xdac11400, "autib", "d,n", Other},
	{0xfffffc00, 0xdac11800, "autda", "d,n", Other}, {0xfffffc00, 0xdac11c00, "autdb", "d,n", Other},
	{0xffffffe0, 0xdac123e0, "paciza", "d", Other}, {0xffffffe0, 0xdac127e0, "pacizb", "d", Other},
	{0xffffffe0, 0xdac12be0, "pacdza", "d", Other}, {0xffffffe0, 0xdac12fe0, "pacdzb", "d", Other},
	{0xffffffe0, 0xdac133e0, "autiza", "d", Other}, {0xffffffe0, 0xdac137e0, "autizb", "d", Other},
	{0xffffffe0, 0xdac13be0, "autdza", "d", Other}, {0xffffffe0, 0xdac13fe0, "autdzb", "d", Other},
	{0xffffffe0, 0xdac143e0, "xpaci", "d", Other}, {0xffffffe0, 0xdac147e0, "xpacd", "d", Other},
	{0xffe0fc00, 0x9ac03000, "pacga", "d,n,m", Other},
	{0xffe0001f, 0xd4000002, "hvc", "i", Syscall}, {0xffe0001f, 0xd4000003, "smc", "i", Syscall},
	{0xffff0000, 0x00000000, "udf", "u", Trap}, {0xffffffff, 0xd50330ff, "sb", "", Other},
}

// armAtomics names the LSE memory operations by o3:opc.
var armAtomics = [16]string{"ldadd", "ldclr", "ldeor", "ldset", "ldsmax", "ldsmin", "ldumax", "ldumin", "swp"}

// armHints names HINT #n.
var armHints = [256]string{7: "xpaclri", 8: "pacia1716", 10: "pacib1716", 12: "autia1716", 14: "autib1716", 16: "esb", 17: "psb csync", 18: "tsb csync", 20: "csdb",
	24: "paciaz", 25: "paciasp", 26: "pacibz", 27: "pacibsp", 28: "autiaz", 29: "autiasp", 30: "autibz", 31: "autibsp",
	32: "bti", 34: "bti c", 36: "bti j", 38: "bti jc"}

// armSystem names system registers by their encoding.
var armSystem = map[string]string{
	"s3_0_c0_c0_0": "midr_el1", "s3_0_c0_c0_5": "mpidr_el1", "s3_0_c0_c0_6": "revidr_el1", "s3_0_c0_c4_0": "id_aa64pfr0_el1", "s3_0_c0_c4_1": "id_aa64pfr1_el1",
	"s3_0_c0_c5_0": "id_aa64dfr0_el1", "s3_0_c0_c6_0": "id_aa64isar0_el1", "s3_0_c0_c6_1": "id_aa64isar1_el1", "s3_0_c0_c7_0": "id_aa64mmfr0_el1",
	"s3_0_c0_c7_1": "id_aa64mmfr1_el1", "s3_0_c0_c7_2": "id_aa64mmfr2_el1", "s3_0_c1_c0_0": "sctlr_el1", "s3_0_c1_c0_2": "cpacr_el1",
	"s3_0_c2_c0_0": "ttbr0_el1", "s3_0_c2_c0_1": "ttbr1_el1", "s3_0_c2_c0_2": "tcr_el1", "s3_0_c4_c0_0": "spsr_el1", "s3_0_c4_c0_1": "elr_el1",
	"s3_0_c4_c1_0": "sp_el0", "s3_0_c4_c2_0": "spsel", "s3_0_c4_c2_2": "currentel", "s3_0_c4_c2_3": "pan", "s3_0_c4_c6_0": "icc_pmr_el1",
	"s3_0_c5_c1_0": "afsr0_el1", "s3_0_c5_c2_0": "esr_el1", "s3_0_c6_c0_0": "far_el1", "s3_0_c7_c4_0": "par_el1", "s3_0_c10_c2_0": "mair_el1",
	"s3_0_c12_c0_0": "vbar_el1", "s3_0_c13_c0_1": "contextidr_el1", "s3_0_c13_c0_4": "tpidr_el1", "s3_0_c14_c1_0": "cntkctl_el1",
	"s3_1_c0_c0_0": "ccsidr_el1", "s3_1_c0_c0_1": "clidr_el1", "s3_2_c0_c0_0": "csselr_el1", "s3_3_c0_c0_1": "ctr_el0", "s3_3_c0_c0_7": "dczid_el0",
	"s3_3_c4_c2_0": "nzcv", "s3_3_c4_c2_1": "daif", "s3_3_c4_c4_0": "fpcr", "s3_3_c4_c4_1": "fpsr", "s3_3_c9_c13_0": "pmccntr_el0",
	"s3_3_c13_c0_2": "tpidr_el0", "s3_3_c13_c0_3": "tpidrro_el0", "s3_3_c14_c0_0": "cntfrq_el0", "s3_3_c14_c0_1": "cntpct_el0", "s3_3_c14_c0_2": "cntvct_el0",
	"s3_3_c14_c2_0": "cntp_tval_el0", "s3_3_c14_c2_1": "cntp_ctl_el0", "s3_3_c14_c3_0": "cntv_tval_el0", "s3_3_c14_c3_1": "cntv_ctl_el0",
	"s3_4_c1_c0_0": "sctlr_el2", "s3_4_c1_c1_0": "hcr_el2", "s3_4_c4_c0_0": "spsr_el2", "s3_4_c4_c0_1": "elr_el2", "s3_4_c5_c2_0": "esr_el2",
	"s3_4_c6_c0_0": "far_el2", "s3_4_c12_c0_0": "vbar_el2", "s3_4_c13_c0_2": "tpidr_el2", "s2_0_c0_c2_2": "mdscr_el1", "s2_0_c1_c0_4": "oslar_el1",
}

func armReg(n uint32, wide, sp bool) string {
	n &= 31
	switch {
	case n == 31 && sp:
		return "sp"
	case n == 31 && wide:
		return "xzr"
	case n == 31:
		return "wzr"
	case !wide:
		return "w" + strconv.Itoa(int(n))
	case n == 29:
		return "fp"
	case n == 30:
		return "lr"
	}
	return "x" + strconv.Itoa(int(n))
}

// extraARM64 decodes what arm64asm does not know.
func extraARM64(w uint32, pc Addr) (Inst, bool) {
	for _, o := range armOps {
		if w&o.mask != o.value {
			continue
		}
		args := ""
		for _, c := range o.args {
			switch c {
			case 'd':
				args += armReg(w, true, o.kind != Other)
			case 'n':
				args += armReg(w>>5, true, o.kind == Other)
			case 'm':
				args += armReg(w>>16, true, true)
			case 'i':
				args += "#" + armImm(uint64(w>>5&0xffff))
			case 'u':
				args += "#" + armImm(uint64(w&0xffff))
			default:
				args += string(c)
			}
		}
		in := plain(o.name, args)
		in.Kind = o.kind
		return in, true
	}
	return armAtomic(w)
}

// armAtomic decodes the large system extension, ldapr and ldraa/ldrab.
func armAtomic(w uint32) (Inst, bool) {
	size, rs, rn, rt := w>>30, w>>16, w>>5, w
	wide := size == 3
	acq, rel := w>>23&1 == 1, w>>22&1 == 1
	suffix := [4]string{"b", "h", "", ""}[size]
	order := func(a, l bool) string {
		s := ""
		if a {
			s = "a"
		}
		if l {
			s += "l"
		}
		return s
	}
	var op, args string
	switch {
	case w&0x3f200c00 == 0x38200000: // atomic memory operations
		op = armAtomics[w>>12&15]
		switch {
		case w&0x00e0fc00 == 0x00a0c000 && rs&31 == 31:
			op, args = "ldapr"+suffix, armReg(rt, wide, false)
		case op == "":
			return Inst{}, false
		case rt&31 == 31 && !acq && op != "swp":
			op, args = "st"+op[2:]+order(false, rel)+suffix, armReg(rs, wide, false)
		default:
			op, args = op+order(acq, rel)+suffix, armReg(rs, wide, false)+","+armReg(rt, wide, false)
		}
	case w&0x3fa07c00 == 0x08a07c00: // compare and swap
		op, args = "cas"+order(rel, w>>15&1 == 1)+suffix, armReg(rs, wide, false)+","+armReg(rt, wide, false)
	case w&0xbfa07c00 == 0x08207c00 && rs&1 == 0 && rt&1 == 0: // ... of a pair
		wide = w>>30&1 == 1
		op = "casp" + order(rel, w>>15&1 == 1)
		args = armReg(rs, wide, false) + "," + armReg(rs+1, wide, false) + "," + armReg(rt, wide, false) + "," + armReg(rt+1, wide, false)
	case w&0xff200400 == 0xf8200400: // load with authentication
		off := int64(w>>12&0x1ff) * 8
		if rel {
			off -= 512 * 8
		}
		return armAuthLoad(w, off), true
	default:
		return Inst{}, false
	}
	in := plain(op, args+",["+armReg(rn, true, true)+"]")
	in.Mem = &Operand{Base: armBase(rn), Size: 1 << size}
	if op[:4] == "casp" {
		in.Mem.Size = map[bool]int{false: 4, true: 8}[wide]
	}
	return in, true
}

// armBase is the register-table name of a base register.
func armBase(n uint32) string {
	if n &= 31; n == 31 {
		return "sp"
	}
	return "x" + strconv.Itoa(int(n&31))
}

func armAuthLoad(w uint32, off int64) Inst {
	op := [2]string{"ldraa", "ldrab"}[w>>23&1]
	sign, v := "", off
	if off < 0 {
		sign, v = "-", -off
	}
	args := armReg(w, true, false) + ",[" + armReg(w>>5, true, true)
	if off != 0 || w>>11&1 == 1 {
		args += ",#" + sign + armImm(uint64(v))
	}
	args += "]"
	if w>>11&1 == 1 {
		args += "!"
	}
	in := plain(op, args)
	in.Mem = &Operand{Base: armBase(w >> 5), Disp: off, Size: 8}
	return in
}
