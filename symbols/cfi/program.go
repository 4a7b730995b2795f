package cfi

import "fmt"

// RuleKind says how a register of the caller is found.
type RuleKind uint8

const (
	Unspecified    RuleKind = iota // the ABI decides
	Undefined                      // lost; of the return address: nobody called
	SameValue                      // as in the callee
	AtCFA                          // in memory at CFA + Offset
	CFAPlus                        // CFA + Offset itself; of the CFA: Register + Offset
	InRegister                     // in the callee's Register
	AtExpression                   // in memory where Expression says
	FromExpression                 // what Expression yields
)

// Rule finds one register of the caller, or the CFA.
type Rule struct {
	Kind       RuleKind
	Register   uint64 // DWARF number
	Offset     int64  // bytes
	Expression []byte // DWARF expression
}

// Row is the rules at one pc. Registers without a rule are Unspecified.
type Row struct {
	CFA    Rule // CFAPlus or FromExpression
	Regs   map[uint64]Rule
	RA     uint64 // column of the return address
	Signal bool   // the kernel made this frame: the caller was interrupted
	Signed bool   // arm64: the return address carries an authentication code
}

// listing is an entry's whole decoded program.
type listing struct {
	start         uint64 // address where the body's rules begin
	initial, body []step
}

// until returns the steps of the body that count at pc.
func (p *listing) until(pc uint64) []step {
	for i, s := range p.body {
		if s.verb == advance && s.n > pc {
			return p.body[:i]
		}
	}
	return p.body
}

// rower computes the rules at pc.
type rower interface {
	row(p *listing, pc uint64) (*Row, error)
}

// verb is what a step does, once operands and alignment factors are resolved.
type verb uint8

const (
	advance      verb = iota // to address n
	define                   // CFA = rule
	defineReg                // CFA register = reg
	defineOffset             // CFA offset = rule.Offset
	set                      // reg = rule
	restore                  // reg = the common entry's rule
	remember
	recall
	negate // arm64: the return address becomes signed, or not
)

// step is one decoded instruction.
type step struct {
	verb verb
	n    uint64
	reg  uint64
	rule Rule
}

// DW_CFA_* opcodes (DWARF 5, 7.24, and the vendors').
const (
	cfaNop            = 0x00
	cfaSetLoc         = 0x01
	cfaAdvance1       = 0x02
	cfaAdvance2       = 0x03
	cfaAdvance4       = 0x04
	cfaOffsetExt      = 0x05
	cfaRestoreExt     = 0x06
	cfaUndefined      = 0x07
	cfaSameValue      = 0x08
	cfaRegister       = 0x09
	cfaRemember       = 0x0a
	cfaRestoreState   = 0x0b
	cfaDefCFA         = 0x0c
	cfaDefCFAReg      = 0x0d
	cfaDefCFAOffset   = 0x0e
	cfaDefCFAExpr     = 0x0f
	cfaExpr           = 0x10
	cfaOffsetExtSF    = 0x11
	cfaDefCFASF       = 0x12
	cfaDefCFAOffsetSF = 0x13
	cfaValOffset      = 0x14
	cfaValOffsetSF    = 0x15
	cfaValExpr        = 0x16
	cfaAdvance8       = 0x1d // MIPS
	cfaNegateRAPC     = 0x2c // arm64: signed with the pc as well
	cfaNegateRA       = 0x2d // arm64; window_save on SPARC, which is not ours
	cfaArgsSize       = 0x2e // GNU
	cfaNegOffsetExt   = 0x2f // GNU
)

// maxProgram bounds a program, bytes; those of the longest functions known take
// some tens of thousands.
const maxProgram = 1 << 20

// decode decodes a program of the function at loc. A switch over opcodes.
func (e *cie) decode(p code, loc uint64) ([]step, error) {
	if len(p.bytes) > maxProgram {
		return nil, e.bad(fmt.Sprintf("a program of %d bytes", len(p.bytes)))
	}
	c, fn := cursor{data: p.bytes, order: e.u.s.Order}, loc
	steps := make([]step, 0, len(p.bytes)/2)
	emit := func(s step) { steps = append(steps, s) }
	move := func(delta uint64) {
		loc = (loc + delta*e.codeAlign) & e.u.mask
		emit(step{verb: advance, n: loc})
	}
	at := func(reg uint64, off int64) { emit(step{verb: set, reg: reg, rule: Rule{Kind: AtCFA, Offset: off}}) }
	plain := func(kind RuleKind) { emit(step{verb: set, reg: c.uleb(), rule: Rule{Kind: kind}}) }
	block := func() []byte { return c.take(c.uleb()) }
	for c.left() > 0 && !c.bad {
		op := c.u8()
		low := uint64(op & 0x3f)
		switch op >> 6 {
		case 1:
			move(low)
			continue
		case 2:
			at(low, int64(c.uleb())*e.dataAlign)
			continue
		case 3:
			emit(step{verb: restore, reg: low})
			continue
		}
		switch op {
		case cfaNop:
		case cfaSetLoc:
			v, ok := e.u.pointer(&c, e, e.encoding, p.addr, fn)
			if !ok {
				return nil, e.bad("DW_CFA_set_loc cannot be read")
			}
			loc = v
			emit(step{verb: advance, n: loc})
		case cfaAdvance1:
			move(c.uint(1))
		case cfaAdvance2:
			move(c.uint(2))
		case cfaAdvance4:
			move(c.uint(4))
		case cfaAdvance8:
			move(c.uint(8))
		case cfaOffsetExt:
			at(c.uleb(), int64(c.uleb())*e.dataAlign)
		case cfaOffsetExtSF:
			at(c.uleb(), c.sleb()*e.dataAlign)
		case cfaNegOffsetExt:
			at(c.uleb(), -int64(c.uleb())*e.dataAlign)
		case cfaRestoreExt:
			emit(step{verb: restore, reg: c.uleb()})
		case cfaUndefined:
			plain(Undefined)
		case cfaSameValue:
			plain(SameValue)
		case cfaRegister:
			emit(step{verb: set, reg: c.uleb(), rule: Rule{Kind: InRegister, Register: c.uleb()}})
		case cfaRemember:
			emit(step{verb: remember})
		case cfaRestoreState:
			emit(step{verb: recall})
		case cfaDefCFA:
			emit(step{verb: define, rule: Rule{Kind: CFAPlus, Register: c.uleb(), Offset: int64(c.uleb())}})
		case cfaDefCFASF:
			emit(step{verb: define, rule: Rule{Kind: CFAPlus, Register: c.uleb(), Offset: c.sleb() * e.dataAlign}})
		case cfaDefCFAReg:
			emit(step{verb: defineReg, reg: c.uleb()})
		case cfaDefCFAOffset:
			emit(step{verb: defineOffset, rule: Rule{Offset: int64(c.uleb())}})
		case cfaDefCFAOffsetSF:
			emit(step{verb: defineOffset, rule: Rule{Offset: c.sleb() * e.dataAlign}})
		case cfaDefCFAExpr:
			emit(step{verb: define, rule: Rule{Kind: FromExpression, Expression: block()}})
		case cfaExpr:
			emit(step{verb: set, reg: c.uleb(), rule: Rule{Kind: AtExpression, Expression: block()}})
		case cfaValExpr:
			emit(step{verb: set, reg: c.uleb(), rule: Rule{Kind: FromExpression, Expression: block()}})
		case cfaValOffset:
			emit(step{verb: set, reg: c.uleb(), rule: Rule{Kind: CFAPlus, Offset: int64(c.uleb()) * e.dataAlign}})
		case cfaValOffsetSF:
			emit(step{verb: set, reg: c.uleb(), rule: Rule{Kind: CFAPlus, Offset: c.sleb() * e.dataAlign}})
		case cfaNegateRA, cfaNegateRAPC:
			emit(step{verb: negate})
		case cfaArgsSize:
			c.uleb()
		default:
			return nil, e.bad(fmt.Sprintf("unknown instruction 0x%02x", op))
		}
	}
	if c.bad {
		return nil, e.bad("a program ends within an instruction")
	}
	return steps, nil
}

func (e *cie) bad(why string) error { return &FormatError{e.section, e.offset, why} }
