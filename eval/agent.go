package eval

import (
	"context"
	"encoding/binary"
	"errors"
	"math"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Opcodes of GDB's agent expressions (GDB manual, appendix "The GDB Agent
// Expression Mechanism"). Operands in the code are big-endian.
const (
	agAdd         = 0x02
	agSub         = 0x03
	agMul         = 0x04
	agDivSigned   = 0x05
	agDivUnsigned = 0x06
	agRemSigned   = 0x07
	agRemUnsigned = 0x08
	agLsh         = 0x09
	agRshSigned   = 0x0a
	agRshUnsigned = 0x0b
	agLogNot      = 0x0e
	agAnd         = 0x0f
	agOr          = 0x10
	agXor         = 0x11
	agNot         = 0x12
	agEqual       = 0x13
	agLessSigned  = 0x14
	agLess        = 0x15
	agExt         = 0x16 // bits
	agRef8        = 0x17
	agRef16       = 0x18
	agRef32       = 0x19
	agRef64       = 0x1a
	agIfGoto      = 0x20 // 16-bit offset from the start
	agGoto        = 0x21
	agConst8      = 0x22
	agConst16     = 0x23
	agConst32     = 0x24
	agConst64     = 0x25
	agReg         = 0x26 // 16-bit number
	agEnd         = 0x27
	agPop         = 0x29
	agZeroExt     = 0x2a // bits
	agSwap        = 0x2b
)

// maxAgent bounds the code; jumps have 16 bits.
const maxAgent = 1 << 12

// AgentLocals is what an Env may offer so that conditions on locals can be
// compiled: code that pushes the variable's address wherever the frame is when
// the far end evaluates it. The code has no jumps. ErrNoAgent: this one cannot be.
type AgentLocals interface {
	AgentLocal(ctx context.Context, name string) (bytecode []byte, t *symbols.Type, err error)
}

// AgentRegisters gives the number by which the far end knows a register. Without
// it, the order of the architecture's core registers counts.
type AgentRegisters interface {
	AgentRegister(name string) (int, bool)
}

// Agent compiles a condition to GDB agent bytecode that leaves non-zero when it holds.
// ErrNoAgent when it cannot be.
func Agent(ctx context.Context, e Expr, env Env) ([]byte, error) {
	x, ok := e.(*cppExpr)
	if !ok || e.Effects() {
		return nil, ErrNoAgent
	}
	root, err := x.tree(ctx, env)
	if err != nil {
		return nil, err
	}
	c := &agent{evaluator: newEvaluator(ctx, env)}
	t, err := c.value(root)
	if err != nil {
		return nil, err
	}
	if !isInteger(t) && t.Kind != symbols.Pointer {
		return nil, ErrNoAgent
	}
	c.op(agEnd)
	if len(c.code) > maxAgent {
		return nil, ErrNoAgent
	}
	return c.code, nil
}

// agent compiles nodes. A value on the far end's stack has 64 bits and is kept
// extended from its type.
type agent struct {
	*evaluator
	code  []byte
	depth int
}

func (c *agent) op(b ...byte) { c.code = append(c.code, b...) }

func (c *agent) constant(v uint64) {
	switch {
	case v <= math.MaxUint8:
		c.op(agConst8, byte(v))
	case v <= math.MaxUint16:
		c.code = binary.BigEndian.AppendUint16(append(c.code, agConst16), uint16(v))
	case v <= math.MaxUint32:
		c.code = binary.BigEndian.AppendUint32(append(c.code, agConst32), uint32(v))
	default:
		c.code = binary.BigEndian.AppendUint64(append(c.code, agConst64), v)
	}
}

// jump emits a jump to be aimed later and returns where its operand is.
func (c *agent) jump(op byte) int {
	c.op(op, 0, 0)
	return len(c.code) - 2
}

func (c *agent) land(at int) {
	binary.BigEndian.PutUint16(c.code[at:], uint16(len(c.code)))
}

// extend brings the top of the stack to stripped type t's width.
func (c *agent) extend(t *symbols.Type) {
	bits := byte(t.Size * 8)
	switch {
	case t.Size >= 8 || t.Size <= 0:
	case signed(t):
		c.op(agExt, bits)
	default:
		c.op(agZeroExt, bits)
	}
}

// value compiles n to its value and returns the stripped type.
func (c *agent) value(n node) (*symbols.Type, error) {
	if c.depth++; c.depth > maxDepth {
		return nil, ErrNoAgent
	}
	defer func() { c.depth-- }()
	switch n := n.(type) {
	case *parenNode:
		return c.value(n.x)
	case *intNode, *sizeofNode:
		v, err := n.eval(c.evaluator)
		if err != nil {
			return nil, err
		}
		return c.literal(v)
	case *regNode:
		return c.register(n.name)
	case *castNode:
		return c.cast(n)
	case *unaryNode:
		if n.op != "*" && n.op != "&" {
			return c.unary(n)
		}
	case *binaryNode:
		if n.op != "->*" && n.op != ".*" {
			return c.binary(n)
		}
	case *condNode:
		return c.choose(n)
	}
	return c.load(n)
}

// load compiles an lvalue and what reads it.
func (c *agent) load(n node) (*symbols.Type, error) {
	if u, ok := n.(*unaryNode); ok && u.op == "&" {
		p, err := c.place(u.x)
		if err != nil || p.BitSize > 0 {
			return nil, noAgent(err)
		}
		return c.l.pointer(p.Type), nil
	}
	if name, ok := n.(*nameNode); ok {
		if v, ok := enumConstant(c.ctx, c.env, name.name); ok {
			return c.literal(v)
		}
	}
	p, err := c.place(n)
	if err != nil {
		return nil, err
	}
	return c.read(p)
}

// literal compiles a value that never changes.
func (c *agent) literal(v Value) (*symbols.Type, error) {
	x, err := load(c.ctx, c.env, v)
	if err != nil || x.float || strip(x.t).ByteSize() > 8 {
		return nil, noAgent(err)
	}
	c.constant(x.lo)
	if t := strip(x.t); t.Kind != symbols.NullPtr {
		return t, nil
	}
	return c.l.pointer(nil), nil
}

// read replaces the address on the stack by what lies there.
func (c *agent) read(p Value) (*symbols.Type, error) {
	t := strip(p.Type)
	switch t.Kind {
	case symbols.Array:
		return c.l.pointer(elem(t)), nil
	case symbols.Func:
		return c.l.pointer(t), nil
	}
	if !isInteger(t) && t.Kind != symbols.Pointer {
		return nil, ErrNoAgent
	}
	ref := map[int64]byte{1: agRef8, 2: agRef16, 4: agRef32, 8: agRef64}[unitSize(p)]
	if ref == 0 || p.BitSize > 0 && c.env.Arch().BigEndian {
		return nil, ErrNoAgent
	}
	c.op(ref)
	if p.BitSize == 0 {
		c.extend(t)
		return t, nil
	}
	c.constant(uint64(64 - p.BitOffset - p.BitSize))
	c.op(agLsh)
	c.constant(uint64(64 - p.BitSize))
	if signed(t) {
		c.op(agRshSigned)
	} else {
		c.op(agRshUnsigned)
	}
	return t, nil
}

func (c *agent) register(name string) (*symbols.Type, error) {
	a := c.env.Arch()
	for i, r := range a.Core {
		if r.Name != name {
			continue
		}
		if r.Size > 8 || r.Group != arch.General {
			return nil, ErrNoAgent
		}
		if numbers, ok := c.env.(AgentRegisters); ok {
			if i, ok = numbers.AgentRegister(name); !ok {
				return nil, ErrNoAgent
			}
		}
		c.op(agReg, byte(i>>8), byte(i))
		t := registerType(c.l, a, name, r.Size)
		c.extend(t)
		return t, nil
	}
	return nil, ErrNoAgent
}

// noAgent is ErrNoAgent unless err must reach the engine.
func noAgent(err error) error {
	if err != nil && retry(err) {
		return err
	}
	return ErrNoAgent
}

// place compiles the address of an lvalue. In the Value returned only type and
// bit field count.
func (c *agent) place(n node) (Value, error) {
	switch n := n.(type) {
	case *parenNode:
		return c.place(n.x)
	case *nameNode:
		return c.name(n)
	case *unaryNode:
		if n.op == "*" {
			return c.target(n.x)
		}
	case *indexNode:
		t, err := c.binary(&binaryNode{op: "+", x: n.x, y: n.y})
		if err != nil {
			return Value{}, err
		}
		return c.pointee(t)
	case *memberNode:
		return c.member(n)
	}
	return Value{}, ErrNoAgent
}

// target compiles *x as a place.
func (c *agent) target(x node) (Value, error) {
	t, err := c.value(x)
	if err != nil {
		return Value{}, err
	}
	return c.pointee(t)
}

// pointee takes the pointer on the stack as a place.
func (c *agent) pointee(t *symbols.Type) (Value, error) {
	if t.Kind != symbols.Pointer || strip(elem(t)).Kind == symbols.Void {
		return Value{}, ErrNoAgent
	}
	return c.referent(Value{Type: elem(t)})
}

// referent follows a reference at the address on the stack.
func (c *agent) referent(v Value) (Value, error) {
	t := strip(v.Type)
	if t.Kind != symbols.Reference && t.Kind != symbols.RvalueReference {
		return v, nil
	}
	c.op(map[int64]byte{4: agRef32, 8: agRef64}[c.l.ptr])
	return Value{Type: elem(t)}, nil
}

// name compiles a variable's address: a local's by the Env's code, a member of
// this through this, a global's as a constant.
func (c *agent) name(n *nameNode) (Value, error) {
	local := n.name
	if len(local) > 2 && local[:2] == "$!" {
		local = local[2:]
	}
	if _, err := c.env.Local(c.ctx, local); err == nil {
		return c.local(local)
	} else if retry(err) {
		return Value{}, err
	}
	if this, err := c.env.Local(c.ctx, "this"); err == nil && strip(this.Type).Kind == symbols.Pointer {
		if _, ok := findMember(completed(elem(strip(this.Type))), n.name, maxBases); ok {
			return c.member(&memberNode{x: &nameNode{name: "this"}, name: n.name, arrow: true})
		}
	}
	v, err := c.env.Lookup(c.ctx, n.name)
	var ne *NameError
	switch {
	case errors.As(err, &ne):
		return Value{}, named(err, n.name, n.rest)
	case err != nil:
		return Value{}, noAgent(err)
	case v.Err != nil || v.Place != InMemory:
		return Value{}, ErrNoAgent
	}
	c.constant(uint64(v.Addr))
	return c.referent(Value{Type: v.Type})
}

func (c *agent) local(name string) (Value, error) {
	l, ok := c.env.(AgentLocals)
	if !ok {
		return Value{}, ErrNoAgent
	}
	code, t, err := l.AgentLocal(c.ctx, name)
	if err != nil {
		return Value{}, noAgent(err)
	}
	c.op(code...)
	return c.referent(Value{Type: t})
}
