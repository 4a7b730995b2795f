package cfi

import (
	"encoding/binary"
	"fmt"

	"github.com/go-delve/delve/pkg/dwarf/frame"
)

// delveRower runs a program through Delve's frame package. That package reads
// only part of what compilers write, so the program is written anew in that
// part: one .debug_frame of version 3, 64-bit little-endian addresses, alignment
// factors 1, no locations, for it is cut at the pc. The common entry's rules go to
// the head of the body, and each restore becomes the rule it restores, for Delve
// keeps no initial rules.
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
	entries, err := frame.Parse(synthesise(p, pc), binary.LittleEndian, 0, 8, 0)
	if err != nil {
		return nil, err
	}
	if len(entries) != 1 {
		return nil, fmt.Errorf("%d entries where one was written", len(entries))
	}
	c, err := entries[0].EstablishFrame(pc)
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

// kinds maps Delve's rules of registers to ours.
var kinds = map[frame.Rule]RuleKind{
	frame.RuleUndefined: Undefined, frame.RuleSameVal: SameValue, frame.RuleOffset: AtCFA, frame.RuleValOffset: CFAPlus,
	frame.RuleRegister: InRegister, frame.RuleExpression: AtExpression, frame.RuleValExpression: FromExpression,
}

func fromDelve(r frame.DWRule) Rule {
	return Rule{Kind: kinds[r.Rule], Register: r.Reg, Offset: r.Offset, Expression: r.Expression}
}

// synthesise writes p, as far as it counts at pc, as a .debug_frame of two entries.
func synthesise(p *listing, pc uint64) []byte {
	le := binary.LittleEndian
	common := []byte{0xff, 0xff, 0xff, 0xff, 3, 0, 1, 1, 0} // id, version, "", alignments, column
	out := le.AppendUint32(nil, uint32(len(common)))
	out = append(out, common...)

	body := le.AppendUint32(nil, 0) // the common entry's offset
	body = le.AppendUint64(body, p.start)
	body = le.AppendUint64(body, 1<<62) // length, which EstablishFrame ignores
	initial := map[uint64]Rule{}
	for _, s := range p.initial {
		if s.verb == set {
			initial[s.reg] = s.rule
		}
		body = appendStep(body, s, nil)
	}
	for _, s := range p.until(pc) {
		body = appendStep(body, s, initial)
	}
	out = le.AppendUint32(out, uint32(len(body)))
	return append(out, body...)
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

func appendRule(b []byte, reg uint64, r Rule) []byte {
	op := map[RuleKind]byte{Unspecified: cfaRegister, Undefined: cfaUndefined, SameValue: cfaSameValue, AtCFA: cfaOffsetExtSF,
		CFAPlus: cfaValOffsetSF, InRegister: cfaRegister, AtExpression: cfaExpr, FromExpression: cfaValExpr}[r.Kind]
	b = appendULEB(append(b, op), reg)
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
