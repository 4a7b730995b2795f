package arch

import "strings"

// EffectiveAddr is the address of a memory operand; next is the address of the
// following instruction, which RIP-relative operands count from. It is false
// when a register it needs is not known, or for fs and gs without a known base.
func EffectiveAddr(o *Operand, r *Registers, next Addr) (Addr, bool) {
	if o == nil || r == nil {
		return 0, false
	}
	a := uint64(o.Disp)
	add := func(name string, scale int) bool {
		switch name {
		case "":
			return true
		case "rip", "eip":
			a += uint64(next)
			return true
		}
		v, ok := r.Get(name)
		a += v * uint64(max(scale, 1))
		return ok
	}
	if !add(o.Base, 1) || !add(o.Index, o.Scale) {
		return 0, false
	}
	if o.Seg == "fs" || o.Seg == "gs" {
		if !add(o.Seg+"_base", 1) {
			return 0, false
		}
	}
	if r.Set.Arch.PtrSize == 4 {
		a &= 0xffffffff
	}
	return Addr(a), true
}

// Taken tells whether a conditional branch will be taken with registers r; ok
// is false when i is no conditional branch or what it tests is not known.
func Taken(i Inst, r *Registers) (taken, ok bool) {
	if i.Kind != CondJump || r == nil {
		return false, false
	}
	switch r.Set.Arch.Name {
	case "amd64", "i386":
		return takenX86(i, r)
	case "arm64":
		return takenARM64(i, r)
	case "riscv64":
		return takenRISCV(i, r)
	}
	return false, false
}

// x86Conds gives each positive condition as a function of the flags.
var x86Conds = map[string]func(f flags) bool{
	"o": func(f flags) bool { return f.of }, "b": func(f flags) bool { return f.cf }, "e": func(f flags) bool { return f.zf },
	"be": func(f flags) bool { return f.cf || f.zf }, "s": func(f flags) bool { return f.sf }, "p": func(f flags) bool { return f.pf },
	"l": func(f flags) bool { return f.sf != f.of }, "le": func(f flags) bool { return f.zf || f.sf != f.of },
}

// x86Not gives the condition whose negation a condition is.
var x86Not = map[string]string{"no": "o", "ae": "b", "ne": "e", "a": "be", "ns": "s", "np": "p", "ge": "l", "g": "le"}

type flags struct{ of, sf, zf, pf, cf bool }

func takenX86(i Inst, r *Registers) (bool, bool) {
	v, ok := r.Get(r.Set.Arch.Flags)
	f := flags{of: v>>11&1 == 1, sf: v>>7&1 == 1, zf: v>>6&1 == 1, pf: v>>2&1 == 1, cf: v&1 == 1}
	if fn := x86Conds[i.Cond]; fn != nil {
		return fn(f), ok
	}
	if not := x86Not[i.Cond]; not != "" {
		return !x86Conds[not](f), ok
	}
	count := map[string]string{"cxz": "cx", "ecxz": "ecx", "rcxz": "rcx"}[i.Cond]
	if count != "" {
		c, ok := r.Get(count)
		return c == 0, ok
	}
	if !strings.HasPrefix(i.Cond, "loop") {
		return false, false
	}
	c, known := r.Get(map[int]string{4: "ecx", 8: "rcx"}[r.Set.Arch.PtrSize])
	again := c != 1
	switch i.Cond {
	case "loope":
		again = again && f.zf
	case "loopne":
		again = again && !f.zf
	}
	return again, ok && known
}

func takenARM64(i Inst, r *Registers) (bool, bool) {
	if strings.HasPrefix(i.Cond, "cb") || strings.HasPrefix(i.Cond, "tb") {
		args := strings.Split(i.head, ",")
		v, ok := armValue(args[0], r)
		if i.Cond[0] == 't' && len(args) > 1 {
			bit, valid := parseArmImm(args[1])
			v, ok = v>>(bit&63)&1, ok && valid
		}
		return v == 0 != strings.HasSuffix(i.Cond, "nz"), ok
	}
	v, ok := r.Get("cpsr")
	n, z, c, o := v>>31&1 == 1, v>>30&1 == 1, v>>29&1 == 1, v>>28&1 == 1
	taken, known := map[string]bool{"eq": z, "ne": !z, "cs": c, "cc": !c, "mi": n, "pl": !n, "vs": o, "vc": !o,
		"hi": c && !z, "ls": !c || z, "ge": n == o, "lt": n != o, "gt": !z && n == o, "le": z || n != o, "al": true}[i.Cond]
	return taken, ok && known
}

func armValue(name string, r *Registers) (uint64, bool) {
	if name == "xzr" || name == "wzr" {
		return 0, true
	}
	return r.Get(name)
}

func takenRISCV(i Inst, r *Registers) (bool, bool) {
	args := strings.Split(strings.TrimSuffix(i.head, ","), ",")
	value := func(name string) (uint64, bool) {
		if name == "zero" {
			return 0, true
		}
		return r.Get(name)
	}
	a, ok := value(args[0])
	var b uint64
	if len(args) > 1 {
		var known bool
		b, known = value(args[1])
		ok = ok && known
	}
	switch i.Op { // written as a comparison with zero, or with operands exchanged
	case "blez", "bgtz":
		a, b = 0, a
	}
	taken, known := map[string]bool{"eq": a == b, "ne": a != b, "lt": int64(a) < int64(b), "ge": int64(a) >= int64(b), "ltu": a < b, "geu": a >= b}[i.Cond]
	return taken, ok && known
}
