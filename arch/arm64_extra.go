package arch

import (
	"strconv"
	"strings"
	"sync"
)

// armOp is an A64 instruction arm64asm does not know: bits under mask equal
// value. In args a verb of two letters is a register: x (xzr), p (sp) or w
// (32 bits) and the field d (0-4), n (5-9), m (16-20), a (10-14); v and a field
// is a vector. # and a letter is an immediate, ? what stands only when it is not the default: see armFields.
type armOp struct {
	mask, value uint32
	name        string
	args        string
	kind        Kind
}

// Source: Arm Architecture Reference Manual for A-profile (DDI 0487), chapter C4.
var armOps = []armOp{
	// Branches with pointer authentication, exceptions.
	{0xffffffff, 0xd65f0bff, "retaa", "", Return}, {0xffffffff, 0xd65f0fff, "retab", "", Return},
	{0xffffffff, 0xd69f0bff, "eretaa", "", Return}, {0xffffffff, 0xd69f0fff, "eretab", "", Return},
	{0xfffffc1f, 0xd61f081f, "braaz", "xn", Jump}, {0xfffffc1f, 0xd61f0c1f, "brabz", "xn", Jump},
	{0xfffffc1f, 0xd63f081f, "blraaz", "xn", Call}, {0xfffffc1f, 0xd63f0c1f, "blrabz", "xn", Call},
	{0xfffffc00, 0xd71f0800, "braa", "xn,pd", Jump}, {0xfffffc00, 0xd71f0c00, "brab", "xn,pd", Jump},
	{0xfffffc00, 0xd73f0800, "blraa", "xn,pd", Call}, {0xfffffc00, 0xd73f0c00, "blrab", "xn,pd", Call},
	{0xffe0001f, 0xd4000002, "hvc", "#i", Syscall}, {0xffe0001f, 0xd4000003, "smc", "#i", Syscall},
	{0xffff0000, 0x00000000, "udf", "#u", Trap},
	// Pointer authentication.
	{0xfffffc00, 0xdac10000, "pacia", "xd,pn", Other}, {0xfffffc00, 0xdac10400, "pacib", "xd,pn", Other},
	{0xfffffc00, 0xdac10800, "pacda", "xd,pn", Other}, {0xfffffc00, 0xdac10c00, "pacdb", "xd,pn", Other},
	{0xfffffc00, 0xdac11000, "autia", "xd,pn", Other}, {0xfffffc00, 0xdac11400, "autib", "xd,pn", Other},
	{0xfffffc00, 0xdac11800, "autda", "xd,pn", Other}, {0xfffffc00, 0xdac11c00, "autdb", "xd,pn", Other},
	{0xffffffe0, 0xdac123e0, "paciza", "xd", Other}, {0xffffffe0, 0xdac127e0, "pacizb", "xd", Other},
	{0xffffffe0, 0xdac12be0, "pacdza", "xd", Other}, {0xffffffe0, 0xdac12fe0, "pacdzb", "xd", Other},
	{0xffffffe0, 0xdac133e0, "autiza", "xd", Other}, {0xffffffe0, 0xdac137e0, "autizb", "xd", Other},
	{0xffffffe0, 0xdac13be0, "autdza", "xd", Other}, {0xffffffe0, 0xdac13fe0, "autdzb", "xd", Other},
	{0xffffffe0, 0xdac143e0, "xpaci", "xd", Other}, {0xffffffe0, 0xdac147e0, "xpacd", "xd", Other},
	{0xffe0fc00, 0x9ac03000, "pacga", "xd,xn,pm", Other},
	// Memory tagging.
	{0xffe0fc00, 0x9ac01000, "irg", "pd,pn?m", Other}, {0xffe0fc00, 0x9ac01400, "gmi", "xd,pn,xm", Other},
	{0xffe0fc1f, 0xbac0001f, "cmpp", "pn,pm", Other},
	{0xffe0fc00, 0x9ac00000, "subp", "xd,pn,pm", Other}, {0xffe0fc00, 0xbac00000, "subps", "xd,pn,pm", Other},
	{0xffc0c000, 0x91800000, "addg", "pd,pn,#6,#4", Other}, {0xffc0c000, 0xd1800000, "subg", "pd,pn,#6,#4", Other},
	{0xfffffc00, 0xd9200000, "stzgm", "xd,[pn]", Other}, {0xfffffc00, 0xd9a00000, "stgm", "xd,[pn]", Other}, {0xfffffc00, 0xd9e00000, "ldgm", "xd,[pn]", Other},
	{0xffe00c00, 0xd9600000, "ldg", "xd,[pn?g]", Other},
	{0xffe00c00, 0xd9200800, "stg", "pd,[pn?g]", Other}, {0xffe00c00, 0xd9600800, "stzg", "pd,[pn?g]", Other},
	{0xffe00c00, 0xd9a00800, "st2g", "pd,[pn?g]", Other}, {0xffe00c00, 0xd9e00800, "stz2g", "pd,[pn?g]", Other},
	{0xffe00c00, 0xd9200400, "stg", "pd,[pn],#g", Other}, {0xffe00c00, 0xd9600400, "stzg", "pd,[pn],#g", Other},
	{0xffe00c00, 0xd9a00400, "st2g", "pd,[pn],#g", Other}, {0xffe00c00, 0xd9e00400, "stz2g", "pd,[pn],#g", Other},
	{0xffe00c00, 0xd9200c00, "stg", "pd,[pn,#g]!", Other}, {0xffe00c00, 0xd9600c00, "stzg", "pd,[pn,#g]!", Other},
	{0xffe00c00, 0xd9a00c00, "st2g", "pd,[pn,#g]!", Other}, {0xffe00c00, 0xd9e00c00, "stz2g", "pd,[pn,#g]!", Other},
	{0xffc00000, 0x69000000, "stgp", "xd,xa,[pn?p]", Other},
	{0xffc00000, 0x68800000, "stgp", "xd,xa,[pn],#p", Other}, {0xffc00000, 0x69800000, "stgp", "xd,xa,[pn,#p]!", Other},
	// Release-consistent loads and stores with an offset.
	{0xffe00c00, 0x19000000, "stlurb", "wd,[pn?9]", Other}, {0xffe00c00, 0x19400000, "ldapurb", "wd,[pn?9]", Other},
	{0xffe00c00, 0x19800000, "ldapursb", "xd,[pn?9]", Other}, {0xffe00c00, 0x19c00000, "ldapursb", "wd,[pn?9]", Other},
	{0xffe00c00, 0x59000000, "stlurh", "wd,[pn?9]", Other}, {0xffe00c00, 0x59400000, "ldapurh", "wd,[pn?9]", Other},
	{0xffe00c00, 0x59800000, "ldapursh", "xd,[pn?9]", Other}, {0xffe00c00, 0x59c00000, "ldapursh", "wd,[pn?9]", Other},
	{0xffe00c00, 0x99000000, "stlur", "wd,[pn?9]", Other}, {0xffe00c00, 0x99400000, "ldapur", "wd,[pn?9]", Other},
	{0xffe00c00, 0x99800000, "ldapursw", "xd,[pn?9]", Other},
	{0xffe00c00, 0xd9000000, "stlur", "xd,[pn?9]", Other}, {0xffe00c00, 0xd9400000, "ldapur", "xd,[pn?9]", Other},
	// Limited ordering regions.
	{0xfffffc00, 0x08df7c00, "ldlarb", "wd,[pn]", Other}, {0xfffffc00, 0x089f7c00, "stllrb", "wd,[pn]", Other},
	{0xfffffc00, 0x48df7c00, "ldlarh", "wd,[pn]", Other}, {0xfffffc00, 0x489f7c00, "stllrh", "wd,[pn]", Other},
	{0xfffffc00, 0x88df7c00, "ldlar", "wd,[pn]", Other}, {0xfffffc00, 0x889f7c00, "stllr", "wd,[pn]", Other},
	{0xfffffc00, 0xc8df7c00, "ldlar", "xd,[pn]", Other}, {0xfffffc00, 0xc89f7c00, "stllr", "xd,[pn]", Other},
	// Flags, 64-byte accesses, JavaScript conversion.
	{0xffe07c10, 0xba000400, "rmif", "xn,#r,#f", Other},
	{0xfffffc1f, 0x3a00080d, "setf8", "wn", Other}, {0xfffffc1f, 0x3a00480d, "setf16", "wn", Other},
	{0xfffffc00, 0xf83fd000, "ld64b", "xd,[pn]", Other}, {0xfffffc00, 0xf83f9000, "st64b", "xd,[pn]", Other},
	{0xffe0fc00, 0xf820b000, "st64bv", "xm,xd,[pn]", Other}, {0xffe0fc00, 0xf820a000, "st64bv0", "xm,xd,[pn]", Other},
	{0xfffffc00, 0x1e7e0000, "fjcvtzs", "wd,dn", Other},
	// Dot products and matrix products of bytes.
	{0xffe0fc00, 0x0e809400, "sdot", "vd.2s,vn.8b,vm.8b", Other}, {0xffe0fc00, 0x4e809400, "sdot", "vd.4s,vn.16b,vm.16b", Other},
	{0xffe0fc00, 0x2e809400, "udot", "vd.2s,vn.8b,vm.8b", Other}, {0xffe0fc00, 0x6e809400, "udot", "vd.4s,vn.16b,vm.16b", Other},
	{0xffe0fc00, 0x0e809c00, "usdot", "vd.2s,vn.8b,vm.8b", Other}, {0xffe0fc00, 0x4e809c00, "usdot", "vd.4s,vn.16b,vm.16b", Other},
	{0xffc0f400, 0x0f80e000, "sdot", "vd.2s,vn.8b,vm.4b[#x]", Other}, {0xffc0f400, 0x4f80e000, "sdot", "vd.4s,vn.16b,vm.4b[#x]", Other},
	{0xffc0f400, 0x2f80e000, "udot", "vd.2s,vn.8b,vm.4b[#x]", Other}, {0xffc0f400, 0x6f80e000, "udot", "vd.4s,vn.16b,vm.4b[#x]", Other},
	{0xffc0f400, 0x0f80f000, "usdot", "vd.2s,vn.8b,vm.4b[#x]", Other}, {0xffc0f400, 0x4f80f000, "usdot", "vd.4s,vn.16b,vm.4b[#x]", Other},
	{0xffc0f400, 0x0f00f000, "sudot", "vd.2s,vn.8b,vm.4b[#x]", Other}, {0xffc0f400, 0x4f00f000, "sudot", "vd.4s,vn.16b,vm.4b[#x]", Other},
	{0xffe0fc00, 0x4e80a400, "smmla", "vd.4s,vn.16b,vm.16b", Other}, {0xffe0fc00, 0x6e80a400, "ummla", "vd.4s,vn.16b,vm.16b", Other},
	{0xffe0fc00, 0x4e80ac00, "usmmla", "vd.4s,vn.16b,vm.16b", Other},
}

// armIndex finds the rows of armOps by the high byte of the instruction.
var armIndex = sync.OnceValue(func() *[256][]*armOp {
	m := new([256][]*armOp)
	for i := range armOps {
		o := &armOps[i]
		m[o.value>>24] = append(m[o.value>>24], o) // every mask covers the high byte
	}
	return m
})

// armFields are the immediates of armOps.
var armFields = map[byte]func(w uint32) int64{
	'i': func(w uint32) int64 { return int64(w >> 5 & 0xffff) },
	'u': func(w uint32) int64 { return int64(w & 0xffff) },
	'6': func(w uint32) int64 { return int64(w>>16&0x3f) * 16 },
	'4': func(w uint32) int64 { return int64(w >> 10 & 15) },
	'9': func(w uint32) int64 { return signed(w>>12, 9) },
	'g': func(w uint32) int64 { return signed(w>>12, 9) * 16 },
	'p': func(w uint32) int64 { return signed(w>>15, 7) * 16 },
	'r': func(w uint32) int64 { return int64(w >> 15 & 0x3f) },
	'f': func(w uint32) int64 { return int64(w & 15) },
	'x': func(w uint32) int64 { return int64(w>>10&2 | w>>21&1) },
}

// signed extends the low bits of v.
func signed(v uint32, bits int) int64 { return int64(v) << (64 - bits) >> (64 - bits) }

func armSigned(v int64) string {
	if v < 0 {
		return "#-" + armImm(uint64(-v))
	}
	return "#" + armImm(uint64(v))
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

// text writes o's operands.
func (o *armOp) text(w uint32) string {
	var b strings.Builder
	for i := 0; i < len(o.args); i++ {
		c := o.args[i]
		if i+1 == len(o.args) || strings.IndexByte("xpwvd#?", c) < 0 {
			b.WriteByte(c)
			continue
		}
		i++
		f := o.args[i]
		field := map[byte]uint32{'d': w, 'n': w >> 5, 'm': w >> 16, 'a': w >> 10}[f]
		switch c {
		case 'v', 'd':
			b.WriteString(string(c) + strconv.Itoa(int(field&31)))
		case '#':
			v := armFields[f](w)
			if f == 'x' { // an index has no #
				b.WriteString(strconv.FormatInt(v, 10))
			} else {
				b.WriteString(armSigned(v))
			}
		case '?':
			if f == 'm' && field&31 != 31 {
				b.WriteString("," + armReg(field, true, false))
			} else if g := armFields[f]; g != nil && g(w) != 0 {
				b.WriteString("," + armSigned(g(w)))
			}
		default:
			b.WriteString(armReg(field, c != 'w', c == 'p'))
		}
	}
	return b.String()
}

// extraARM64 decodes what arm64asm does not know.
func extraARM64(w uint32, pc Addr) (Inst, bool) {
	if in, ok := armSystemInst(w); ok {
		return in, true
	}
	for _, o := range armIndex()[w>>24] {
		if w&o.mask != o.value {
			continue
		}
		in := plain(o.name, o.text(w))
		in.Kind, in.Mem = o.kind, o.memory(w)
		return in, true
	}
	return armAtomic(w)
}

// memory is the operand that o's brackets describe, nil without any.
func (o *armOp) memory(w uint32) *Operand {
	_, at, ok := strings.Cut(o.args, "[pn")
	if !ok {
		return nil
	}
	m := &Operand{Base: armBase(w >> 5), Size: 8}
	in, _, _ := strings.Cut(at, "]")
	if f := armFields[strings.TrimLeft(in+" ", ",#?")[0]]; f != nil {
		m.Disp = f(w)
	}
	switch {
	case strings.Contains(o.name, "64b"):
		m.Size = 64
	case strings.HasSuffix(o.name, "g"), strings.HasSuffix(o.name, "gp"), strings.HasSuffix(o.name, "gm"):
		m.Size = 16 // a granule of tags
	case strings.HasSuffix(o.name, "b"):
		m.Size = 1
	case strings.HasSuffix(o.name, "h"):
		m.Size = 2
	case strings.HasSuffix(o.name, "sw"), o.args[0] == 'w':
		m.Size = 4
	}
	return m
}

// armAtomics names the LSE memory operations by o3:opc.
var armAtomics = [16]string{"ldadd", "ldclr", "ldeor", "ldset", "ldsmax", "ldsmin", "ldumax", "ldumin", "swp"}

// armOrder is the suffix of an acquiring or releasing operation.
func armOrder(acquire, release bool) string {
	s := ""
	if acquire {
		s = "a"
	}
	if release {
		s += "l"
	}
	return s
}

// armAtomic decodes the large system extension, ldapr and ldraa/ldrab.
func armAtomic(w uint32) (Inst, bool) {
	size, rs, rn, rt := w>>30, w>>16, w>>5, w
	wide, bytes := size == 3, 1<<size
	acq, rel := w>>23&1 == 1, w>>22&1 == 1
	suffix := [4]string{"b", "h", "", ""}[size]
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
			op, args = "st"+op[2:]+armOrder(false, rel)+suffix, armReg(rs, wide, false)
		default:
			op, args = op+armOrder(acq, rel)+suffix, armReg(rs, wide, false)+","+armReg(rt, wide, false)
		}
	case w&0x3fa07c00 == 0x08a07c00: // compare and swap
		op, args = "cas"+armOrder(rel, w>>15&1 == 1)+suffix, armReg(rs, wide, false)+","+armReg(rt, wide, false)
	case w&0xbfa07c00 == 0x08207c00 && rs&1 == 0 && rt&1 == 0: // ... of a pair
		wide = w>>30&1 == 1
		bytes = map[bool]int{false: 4, true: 8}[wide]
		op = "casp" + armOrder(rel, w>>15&1 == 1)
		args = armReg(rs, wide, false) + "," + armReg(rs+1, wide, false) + "," + armReg(rt, wide, false) + "," + armReg(rt+1, wide, false)
	case w&0xff200400 == 0xf8200400: // load with authentication
		return armAuthLoad(w), true
	default:
		return Inst{}, false
	}
	in := plain(op, args+",["+armReg(rn, true, true)+"]")
	in.Mem = &Operand{Base: armBase(rn), Size: bytes}
	return in, true
}

// armBase is the register-table name of a base register.
func armBase(n uint32) string {
	if n &= 31; n == 31 {
		return "sp"
	}
	return "x" + strconv.Itoa(int(n&31))
}

func armAuthLoad(w uint32) Inst {
	op := [2]string{"ldraa", "ldrab"}[w>>23&1]
	off := signed(w>>13&0x200|w>>12&0x1ff, 10) * 8
	args := armReg(w, true, false) + ",[" + armReg(w>>5, true, true)
	if off != 0 {
		args += "," + armSigned(off)
	}
	args += "]"
	if w>>11&1 == 1 {
		args += "!"
	}
	in := plain(op, args)
	in.Mem = &Operand{Base: armBase(w >> 5), Disp: off, Size: 8}
	return in
}
