package cfi

import (
	"errors"
	"maps"
)

// ownRower runs a program itself.
type ownRower struct{}

// stateLimit bounds remember_state; compilers nest two or three deep.
const stateLimit = 64

var (
	errState  = errors.New("a state is restored that was never remembered")
	errDeep   = errors.New("remembers too many states")
	errNoCFA  = errors.New("does not define the CFA")
	errNotReg = errors.New("changes the register or offset of a CFA that has none")
)

// machine is the state a program works on.
type machine struct {
	now     Row
	initial map[uint64]Rule
	saved   []Row
}

func (ownRower) row(p *listing, pc uint64) (*Row, error) {
	m := machine{now: Row{Regs: map[uint64]Rule{}}}
	for _, s := range p.initial {
		if err := m.do(s); err != nil {
			return nil, err
		}
	}
	m.initial = maps.Clone(m.now.Regs)
	for _, s := range p.until(pc) {
		if err := m.do(s); err != nil {
			return nil, err
		}
	}
	if m.now.CFA.Kind == Unspecified {
		return nil, errNoCFA
	}
	return &m.now, nil
}

func (m *machine) do(s step) error {
	r := &m.now
	switch s.verb {
	case define:
		r.CFA = s.rule
	case defineReg, defineOffset:
		if r.CFA.Kind == FromExpression {
			return errNotReg
		}
		if s.verb == defineReg { // the assembler for RISC-V names the register alone
			r.CFA.Kind, r.CFA.Register = CFAPlus, s.reg
		} else {
			r.CFA.Offset = s.rule.Offset
		}
	case set:
		r.Regs[s.reg] = s.rule
	case restore:
		if rule, ok := m.initial[s.reg]; ok {
			r.Regs[s.reg] = rule
		} else {
			delete(r.Regs, s.reg)
		}
	case remember:
		if len(m.saved) == stateLimit {
			return errDeep
		}
		kept := *r
		kept.Regs = maps.Clone(r.Regs)
		m.saved = append(m.saved, kept)
	case recall:
		if len(m.saved) == 0 {
			return errState
		}
		*r = m.saved[len(m.saved)-1]
		m.saved = m.saved[:len(m.saved)-1]
	case negate:
		r.Signed = !r.Signed
	}
	return nil
}
