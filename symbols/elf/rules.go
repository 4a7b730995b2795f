package elf

import "dap-windbg/symbols"

var _ symbols.UnwindRules = (*Image)(nil)

// Rules implements symbols.UnwindRules by what Options.Unwinder made.
func (i *Image) Rules(off symbols.Offset) (over symbols.Range, rules []string, err error) {
	u, ok := i.frames().(symbols.UnwindRules)
	if !ok {
		return over, nil, symbols.ErrNoUnwind
	}
	if !i.guard.Do(func() { over, rules, err = u.Rules(off) }) {
		err = symbols.ErrNoUnwind
	}
	return over, rules, err
}
