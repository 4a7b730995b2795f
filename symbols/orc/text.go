package orc

import (
	"fmt"

	"dap-windbg/symbols"
)

var _ symbols.UnwindRules = (*Unwinder)(nil)

// contents says what lies at the address that a rule yields.
var contents = map[kind]string{
	unknown: "ORC: no rule", end: "ORC: nobody called", regs: "ORC: the registers that an interrupt or system call saved, at ", partial: "ORC: what the CPU saved, at ",
}

// Rules implements symbols.UnwindRules; off counts from the image's base.
func (u *Unwinder) Rules(off symbols.Offset) (over symbols.Range, rules []string, err error) {
	pc := uint64(off) + u.s.LinkBase
	e, ok := u.find(pc)
	if !ok {
		return over, nil, symbols.ErrNoUnwind
	}
	over.Low, over.High = u.around(pc)
	if e.kind == unknown || e.kind == end {
		return over, []string{contents[e.kind]}, nil
	}
	if e.kind != call {
		return over, []string{contents[e.kind] + e.sp.text(e.spOff)}, nil
	}
	rules = []string{"ORC: CFA = " + e.sp.text(e.spOff), "ORC: RA = [CFA-8]"}
	switch e.bp {
	case prevSP:
		rules = append(rules, fmt.Sprintf("ORC: rbp = [CFA%+d]", e.bpOff))
	case bp:
		rules = append(rules, fmt.Sprintf("ORC: rbp = [rbp%+d]", e.bpOff))
	}
	return over, rules, nil
}

// text spells an address that counts from a register.
func (r register) text(off int64) string {
	switch r {
	case sp, bp:
		return fmt.Sprintf("%s%+d", names[r], off)
	case spIndirect:
		return fmt.Sprintf("[rsp]%+d", off)
	case bpIndirect:
		return fmt.Sprintf("[rbp%+d]", off)
	case undefined, prevSP:
		return "undefined"
	}
	return names[r]
}

// around is the code that one rule covers, as offsets from the image's base.
func (u *Unwinder) around(pc uint64) (low, high symbols.Offset) {
	i := u.above(pc)
	low, high = symbols.Offset(u.start(u.nth(i-1))-u.s.LinkBase), symbols.Offset(pc-u.s.LinkBase)+1
	if i < u.count {
		high = symbols.Offset(u.start(u.nth(i)) - u.s.LinkBase)
	}
	return low, high
}
