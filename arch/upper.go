package arch

import (
	"strconv"
	"strings"
)

// Upper follows instructions that make an address in two steps, as adrp and add
// or auipc and addi do, through code in the order of addresses. The zero value is
// at the beginning of some.
type Upper struct{ known map[string]Addr }

// Next returns the address that in, which lies at pc, completes. It knows nothing
// over calls and jumps, for other code may come there.
func (u *Upper) Next(in Inst, pc Addr) (to Addr, ok bool) {
	if u.known == nil {
		u.known = map[string]Addr{}
	}
	dst, rest, _ := strings.Cut(in.Args, ",")
	made := Addr(0)
	switch {
	case in.Op == "adrp" && in.HasTarget:
		made = in.Target
	case in.Op == "auipc":
		if n, good := number(rest); good {
			made = pc + Addr(n<<12)
		}
	case in.Op == "add" || in.Op == "addi":
		src, last, _ := strings.Cut(rest, ",")
		n, good := number(last)
		if base, have := u.known[src]; have && good {
			to, ok, made = base+Addr(n), true, base+Addr(n)
		}
	case in.Op == "jalr" || in.Op == "jr":
		if off, base, found := strings.Cut(in.Args[strings.IndexByte(in.Args, ',')+1:], "("); found {
			n, good := number(off)
			if at, have := u.known[strings.TrimSuffix(base, ")")]; have && good {
				to, ok = at+Addr(n), true
			}
		}
	case in.Mem != nil && in.Mem.Index == "":
		if base, have := u.known[spelled(in.Mem.Base)]; have {
			to, ok = base+Addr(in.Mem.Disp), true
		}
	}
	switch {
	case in.Kind == Call || in.Kind == Jump || in.Kind == Return:
		clear(u.known)
	case made != 0:
		u.known[dst] = made
	case in.Mem != nil && stores(in.Op):
	default:
		delete(u.known, dst)
		second, _, _ := strings.Cut(rest, ",")
		if strings.HasPrefix(in.Op, "ldp") {
			delete(u.known, second)
		}
	}
	return to, ok
}

// spelled is a register as operands of A64 spell it.
func spelled(base string) string {
	switch base {
	case "x29":
		return "fp"
	case "x30":
		return "lr"
	}
	return base
}

// stores reports whether an instruction with a memory operand leaves its first
// register as it is.
func stores(op string) bool {
	op = strings.TrimPrefix(op, "f")
	return strings.HasPrefix(op, "st") && !strings.HasPrefix(op, "stx") && !strings.HasPrefix(op, "stlx") || op == "sd" || op == "sw" || op == "sh" || op == "sb"
}

// number reads an immediate as listings write it.
func number(s string) (int64, bool) {
	n, err := strconv.ParseInt(strings.ToLower(strings.TrimPrefix(s, "#")), 0, 64)
	return n, err == nil
}
