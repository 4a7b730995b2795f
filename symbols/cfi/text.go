package cfi

import (
	"fmt"
	"maps"
	"slices"

	"dap-windbg/symbols"
)

// Rules implements symbols.UnwindRules: the CFA first, then the return address and the
// registers in the order of their numbers.
func (u *Unwinder) Rules(off symbols.Offset) (symbols.Range, []string, error) {
	row, err := u.Row(off)
	if err != nil {
		return symbols.Range{}, nil, err
	}
	over, _ := u.Range(off)
	lines := []string{"CFA = " + u.ruleText(row.CFA, true)}
	for _, n := range slices.Sorted(maps.Keys(row.Regs)) {
		name := u.registerText(n)
		if n == row.RA {
			name = "RA"
		}
		if r := row.Regs[n]; r.Kind != Unspecified {
			lines = append(lines, name+" = "+u.ruleText(r, false))
		}
	}
	if row.Signal {
		lines = append(lines, "the kernel made this frame for a signal")
	}
	return over, lines, nil
}

// ruleText spells a rule; [x] is what memory holds at x.
func (u *Unwinder) ruleText(r Rule, cfa bool) string {
	switch r.Kind {
	case Undefined:
		return "undefined"
	case SameValue:
		return "same value"
	case AtCFA:
		return fmt.Sprintf("[CFA%+d]", r.Offset)
	case CFAPlus:
		if cfa {
			return fmt.Sprintf("%s%+d", u.registerText(r.Register), r.Offset)
		}
		return fmt.Sprintf("CFA%+d", r.Offset)
	case InRegister:
		return u.registerText(r.Register)
	case AtExpression:
		return fmt.Sprintf("[expression % x]", r.Expression)
	case FromExpression:
		return fmt.Sprintf("expression % x", r.Expression)
	}
	return "unspecified"
}

// registerText is a register's name, or its DWARF number.
func (u *Unwinder) registerText(n uint64) string {
	if u.s.Arch != nil && n < 1<<16 {
		set := u.s.Arch.DefaultSet()
		if i, ok := set.DWARF(int(n)); ok {
			return set.Regs[i].Name
		}
	}
	return fmt.Sprintf("r%d", n)
}
