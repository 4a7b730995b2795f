package cfi

import "github.com/go-delve/delve/pkg/dwarf/frame"

// delveRower runs a program through Delve's frame package. That package reads
// only part of what compilers write, so the program is written anew in that part:
// alignment factors of 1 and no locations, for it is cut at the pc. The common
// entry's rules go to the head of the body, and each restore becomes the rule it
// restores, for Delve keeps no initial rules.
type delveRower struct{}

// unspecifiedMark is the source of a DW_CFA_register that stands for "no rule".
const unspecifiedMark = 1 << 40

// expressible reports whether Delve can run p: no signed return addresses, no
// state restored that was never remembered, no CFA half register, half expression,
// and a common entry that only sets rules.
func expressible(p *listing) bool {
	for _, s := range p.initial {
		if s.verb == remember || s.verb == recall || s.verb == restore {
			return false
		}
	}
	depth := 0
	defined, expression, partial := false, false, false
	for _, steps := range [][]step{p.initial, p.body} {
		for _, s := range steps {
			switch s.verb {
			case negate:
				return false
			case remember:
				if depth++; depth > stateLimit {
					return false
				}
			case recall:
				if depth--; depth < 0 {
					return false
				}
			case define:
				defined = true
				expression = expression || s.rule.Kind == FromExpression
			case defineReg, defineOffset:
				if partial = true; !defined {
					return false
				}
			}
		}
	}
	return !(expression && partial)
}

func (delveRower) row(p *listing, pc uint64) (*Row, error) {
	entry := frame.FrameDescriptionEntry{CIE: &plainFactors, Instructions: rewrite(p, pc)}
	c, err := entry.EstablishFrame(0) // there are no locations to stop at
	if err != nil {
		return nil, err
	}
	row := &Row{Regs: make(map[uint64]Rule, len(c.Regs))}
	switch c.CFA.Rule { // the other fields are left from an earlier rule
	case frame.RuleCFA:
		row.CFA = Rule{Kind: CFAPlus, Register: c.CFA.Reg, Offset: c.CFA.Offset}
	case frame.RuleExpression:
		row.CFA = Rule{Kind: FromExpression, Expression: c.CFA.Expression}
	default:
		return nil, errNoCFA
	}
	for reg, rule := range c.Regs {
		if rule.Rule == frame.RuleRegister && rule.Reg == unspecifiedMark {
			continue
		}
		row.Regs[reg] = fromDelve(rule)
	}
	return row, nil
}

var plainFactors = frame.CommonInformationEntry{Version: 3, CodeAlignmentFactor: 1, DataAlignmentFactor: 1}

// kinds maps Delve's rules of registers to ours.
var kinds = [...]RuleKind{
	frame.RuleUndefined: Undefined, frame.RuleSameVal: SameValue, frame.RuleOffset: AtCFA, frame.RuleValOffset: CFAPlus,
	frame.RuleRegister: InRegister, frame.RuleExpression: AtExpression, frame.RuleValExpression: FromExpression,
}

func fromDelve(r frame.DWRule) Rule {
	if int(r.Rule) >= len(kinds) {
		return Rule{} // no instruction that was written makes it
	}
	return Rule{Kind: kinds[r.Rule], Register: r.Reg, Offset: r.Offset, Expression: r.Expression}
}

// rewrite writes p, as far as it counts at pc.
func rewrite(p *listing, pc uint64) []byte {
	body := p.until(pc)
	out := make([]byte, 0, 4*(len(p.initial)+len(body)))
	initial := map[uint64]Rule{}
	for _, s := range p.initial {
		if s.verb == set {
			initial[s.reg] = s.rule
		}
		out = appendStep(out, s, nil)
	}
	for _, s := range body {
		out = appendStep(out, s, initial)
	}
	return out
}

// appendStep writes one step in opcodes whose operands need no alignment factor.
func appendStep(b []byte, s step, initial map[uint64]Rule) []byte {
	switch s.verb {
	case define:
		if s.rule.Kind == FromExpression {
			return appendBlock(append(b, cfaDefCFAExpr), s.rule.Expression)
		}
		b = appendULEB(append(b, cfaDefCFASF), s.rule.Register)
		return appendSLEB(b, s.rule.Offset)
	case defineReg:
		return appendULEB(append(b, cfaDefCFAReg), s.reg)
	case defineOffset:
		return appendSLEB(append(b, cfaDefCFAOffsetSF), s.rule.Offset)
	case set:
		return appendRule(b, s.reg, s.rule)
	case restore:
		return appendRule(b, s.reg, initial[s.reg])
	case remember:
		return append(b, cfaRemember)
	case recall:
		return append(b, cfaRestoreState)
	}
	return b
}

// opcodes maps our rules of registers to instructions.
var opcodes = [...]byte{Unspecified: cfaRegister, Undefined: cfaUndefined, SameValue: cfaSameValue, AtCFA: cfaOffsetExtSF,
	CFAPlus: cfaValOffsetSF, InRegister: cfaRegister, AtExpression: cfaExpr, FromExpression: cfaValExpr}

func appendRule(b []byte, reg uint64, r Rule) []byte {
	b = appendULEB(append(b, opcodes[r.Kind]), reg)
	switch r.Kind {
	case Unspecified:
		return appendULEB(b, unspecifiedMark)
	case InRegister:
		return appendULEB(b, r.Register)
	case AtCFA, CFAPlus:
		return appendSLEB(b, r.Offset)
	case AtExpression, FromExpression:
		return appendBlock(b, r.Expression)
	}
	return b
}

func appendBlock(b, block []byte) []byte { return append(appendULEB(b, uint64(len(block))), block...) }

func appendULEB(b []byte, v uint64) []byte {
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

func appendSLEB(b []byte, v int64) []byte {
	for v < -0x40 || v >= 0x40 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v&0x7f))
}
