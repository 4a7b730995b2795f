package arch

import (
	"encoding/binary"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/arch/arm64/arm64asm"
)

// armDecoder guards arm64asm, whose Decode writes to a package variable.
var armDecoder sync.Mutex

// decodeARM64 decodes one A64 instruction. Four bytes that no table knows are
// an Inst named ".inst", so that a listing never loses step.
func decodeARM64(code []byte, pc Addr) (Inst, error) {
	if len(code) < 4 {
		return Inst{}, ErrShort
	}
	word := binary.LittleEndian.Uint32(code)
	if in, ok := extraARM64(word, pc); ok {
		return in, nil
	}
	armDecoder.Lock()
	x, err := arm64asm.Decode(code[:4])
	armDecoder.Unlock()
	if err != nil {
		return plain(".inst", "0x"+hex8(word)), nil
	}
	return armInst(x, pc), nil
}

// plain is a 4-byte instruction without anything but text.
func plain(op, args string) Inst { return Inst{Len: 4, Op: op, Args: args, head: args, ptr: 8} }

func hex8(v uint32) string {
	s := strconv.FormatUint(uint64(v), 16)
	return strings.Repeat("0", 8-len(s)) + s
}

var armKinds = map[arm64asm.Op]Kind{
	arm64asm.BL: Call, arm64asm.BLR: Call, arm64asm.RET: Return, arm64asm.ERET: Return, arm64asm.DRPS: Return, arm64asm.B: Jump, arm64asm.BR: Jump,
	arm64asm.CBZ: CondJump, arm64asm.CBNZ: CondJump, arm64asm.TBZ: CondJump, arm64asm.TBNZ: CondJump,
	arm64asm.SVC: Syscall, arm64asm.HVC: Syscall, arm64asm.SMC: Syscall, arm64asm.BRK: Trap, arm64asm.HLT: Trap,
}

func armInst(x arm64asm.Inst, pc Addr) Inst {
	op, args, _ := strings.Cut(arm64asm.GNUSyntax(x), " ")
	in := Inst{Len: 4, Op: op, Kind: armKinds[x.Op], ptr: 8}
	if c, ok := x.Args[0].(arm64asm.Cond); ok && x.Op == arm64asm.B {
		in.Kind, in.Cond = CondJump, strings.ToLower(c.String())
		args = args[strings.IndexByte(args, '.'):]
	} else if in.Kind == CondJump {
		in.Cond = op
	}
	for _, a := range x.Args {
		if r, ok := a.(arm64asm.PCRel); ok {
			base := pc
			if x.Op == arm64asm.ADRP {
				base &^= 0xfff
			}
			in.Target, in.HasTarget = base+Addr(int64(r)), true
			in.addr, in.hasAddr = in.Target, true
			args, _, _ = strings.Cut(args, ".+")
			args, _, _ = strings.Cut(args, ".-")
			if strings.HasPrefix(op, "ld") {
				in.Mem = &Operand{Disp: int64(in.Target), Size: armSize(op, x.Args[0])}
			}
		}
	}
	if !in.hasAddr {
		in.Mem = armMem(op, x, args)
	}
	in.head = armText(args)
	in.Args = in.Format(nil)
	return in
}

var (
	armNumber = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`#(-?)(0x[0-9a-f]+|[0-9]+)(\.?)`) })
	armFrame  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\bx(29|30)\b`) })
)

// armText puts operands into WinDbg's form: no blanks after commas, fp and lr,
// hexadecimal immediates with upper-case digits.
func armText(s string) string {
	s = strings.ReplaceAll(s, ", ", ",")
	s = armFrame().ReplaceAllStringFunc(s, func(r string) string { return map[string]string{"x29": "fp", "x30": "lr"}[r] })
	return armNumber().ReplaceAllStringFunc(s, func(n string) string {
		m := armNumber().FindStringSubmatch(n)
		v, err := strconv.ParseUint(m[2], 0, 64)
		if err != nil || m[3] != "" { // a floating-point constant
			return n
		}
		return "#" + m[1] + armImm(v)
	})
}

func armImm(v uint64) string {
	if v < 10 {
		return strconv.FormatUint(v, 10)
	}
	return "0x" + strings.ToUpper(strconv.FormatUint(v, 16))
}

// parseArmImm reads what armImm wrote, with its #.
func parseArmImm(s string) (uint64, bool) {
	v, err := strconv.ParseUint(strings.ToLower(strings.TrimPrefix(s, "#")), 0, 64)
	return v, err == nil
}

// armSize is how many bytes a load or store moves per register.
func armSize(op string, first arm64asm.Arg) int {
	switch {
	case strings.HasSuffix(op, "sw"):
		return 4
	case strings.HasSuffix(op, "h"):
		return 2
	case strings.HasSuffix(op, "b"):
		return 1
	}
	r, ok := first.(arm64asm.Reg)
	if !ok {
		return 0
	}
	switch {
	case r <= arm64asm.WZR:
		return 4
	case r <= arm64asm.XZR:
		return 8
	case r <= arm64asm.B31:
		return 1
	case r <= arm64asm.H31:
		return 2
	case r <= arm64asm.S31:
		return 4
	case r <= arm64asm.D31:
		return 8
	}
	return 16
}

var armImmediate = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\[[a-z0-9]+,#(-?(?:0x[0-9a-f]+|[0-9]+))\]`) })

// armMem describes the memory operand of loads and stores. A post-indexed one
// has no displacement; an extended 32-bit index has no description.
func armMem(op string, x arm64asm.Inst, text string) *Operand {
	if !strings.HasPrefix(op, "ld") && !strings.HasPrefix(op, "st") && !strings.HasPrefix(op, "prf") {
		return nil
	}
	name := func(r arm64asm.Reg) string {
		s := armText(strings.ToLower(r.String()))
		return map[string]string{"fp": "x29", "lr": "x30"}[s] + strings.TrimPrefix(strings.TrimPrefix(s, "fp"), "lr")
	}
	first := x.Args[0]
	if strings.HasPrefix(op, "stx") || strings.HasPrefix(op, "stlx") { // first register is the status
		first = x.Args[1]
	}
	for _, a := range x.Args {
		switch m := a.(type) {
		case arm64asm.MemImmediate:
			o := &Operand{Base: strings.ToLower(m.Base.String()), Size: armSize(op, first)}
			if d := armImmediate().FindStringSubmatch(text); d != nil {
				o.Disp, _ = strconv.ParseInt(d[1], 0, 64)
			}
			return o
		case arm64asm.MemExtend:
			if m.Extend.String() != "LSL" {
				return nil
			}
			o := &Operand{Base: strings.ToLower(m.Base.String()), Index: name(m.Index), Scale: 1, Size: armSize(op, first)}
			if !m.ShiftMustBeZero {
				o.Scale = 1 << m.Amount
			}
			return o
		}
	}
	return nil
}
