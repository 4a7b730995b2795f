package eval

import (
	"dap-windbg/symbols"
)

// member compiles x.name and x->name.
func (c *agent) member(n *memberNode) (Value, error) {
	v, err := c.class(n.x, n.arrow)
	if err != nil {
		return Value{}, err
	}
	path, ok := findMember(completed(v.Type), n.name, maxBases)
	if !ok {
		return Value{}, ErrNoAgent
	}
	off := int64(0)
	for _, f := range path {
		if f.Static || f.Virtual {
			return Value{}, ErrNoAgent
		}
		off += f.Offset
		v = Value{Type: f.Type, BitOffset: f.BitOffset, BitSize: f.BitSize}
	}
	if v.BitSize > 0 && int64(v.BitOffset+v.BitSize) > sizeOf(v.Type)*8 {
		off += int64(v.BitOffset / 8)
		v.BitOffset %= 8
	}
	if off != 0 {
		c.constant(uint64(off))
		c.op(agAdd)
	}
	return c.referent(v)
}

// class compiles the address of a class object, through one pointer. The arrow
// of an object may be a smart pointer's, which only the data model knows.
func (c *agent) class(x node, arrow bool) (Value, error) {
	mark := len(c.code)
	v, err := c.place(x)
	if err == nil && v.Type.IsComposite() {
		if arrow {
			return Value{}, ErrNoAgent
		}
		return v, nil
	}
	c.code = c.code[:mark]
	t, err := c.value(x)
	if err != nil {
		return Value{}, err
	}
	if t.Kind != symbols.Pointer || !elem(t).IsComposite() {
		return Value{}, ErrNoAgent
	}
	return Value{Type: elem(t)}, nil
}

func (c *agent) cast(n *castNode) (*symbols.Type, error) {
	t, err := c.resolve(n.spec)
	if err != nil {
		return nil, err
	}
	from, err := c.value(n.x)
	if err != nil {
		return nil, err
	}
	to := strip(t)
	switch {
	case to.Kind == symbols.Base && to.Encoding == symbols.Bool:
		c.op(agLogNot, agLogNot)
		return to, nil
	case to.Kind == symbols.Pointer:
		if from.Kind == symbols.Pointer && elem(from).IsComposite() && elem(to).IsComposite() &&
			strip(elem(from)).Name != strip(elem(to)).Name {
			return nil, ErrNoAgent // may move the address, but not a null one
		}
	case !isInteger(to) || to.Size > 8:
		return nil, ErrNoAgent
	}
	c.extend(to)
	return to, nil
}

func (c *agent) unary(n *unaryNode) (*symbols.Type, error) {
	if n.op == "-" {
		c.constant(0)
	}
	t, err := c.value(n.x)
	if err != nil {
		return nil, err
	}
	if n.op == "!" {
		c.op(agLogNot)
		return c.l.named("bool"), nil
	}
	if !isInteger(t) {
		return nil, ErrNoAgent
	}
	t = c.promote(number{t: t}).t
	switch n.op {
	case "-":
		c.op(agSub)
	case "~":
		c.op(agNot)
	case "+":
	default:
		return nil, ErrNoAgent
	}
	c.extend(t)
	return t, nil
}

// choose compiles x ? yes : no, whose branches must agree in type.
func (c *agent) choose(n *condNode) (*symbols.Type, error) {
	if _, err := c.value(n.x); err != nil {
		return nil, err
	}
	yes := c.jump(agIfGoto)
	b, err := c.value(n.no)
	if err != nil {
		return nil, err
	}
	end := c.jump(agGoto)
	c.land(yes)
	a, err := c.value(n.yes)
	if err != nil {
		return nil, err
	}
	c.land(end)
	if TypeName(a) != TypeName(b) {
		return nil, ErrNoAgent
	}
	return a, nil
}

// logic compiles && and ||, which leave 0 or 1.
func (c *agent) logic(n *binaryNode) (*symbols.Type, error) {
	if _, err := c.value(n.x); err != nil {
		return nil, err
	}
	if n.op == "&&" {
		c.op(agLogNot)
	}
	short := c.jump(agIfGoto)
	if _, err := c.value(n.y); err != nil {
		return nil, err
	}
	c.op(agLogNot, agLogNot)
	end := c.jump(agGoto)
	c.land(short)
	c.constant(map[string]uint64{"&&": 0, "||": 1}[n.op])
	c.land(end)
	return c.l.named("bool"), nil
}

func (c *agent) binary(n *binaryNode) (*symbols.Type, error) {
	switch n.op {
	case "&&", "||":
		return c.logic(n)
	case ",":
		if _, err := c.value(n.x); err != nil {
			return nil, err
		}
		c.op(agPop)
		return c.value(n.y)
	}
	x, err := c.value(n.x)
	if err != nil {
		return nil, err
	}
	y, err := c.value(n.y)
	if err != nil {
		return nil, err
	}
	if x.Kind == symbols.Pointer || y.Kind == symbols.Pointer {
		return c.pointers(n.op, x, y)
	}
	if n.op == "<<" || n.op == ">>" {
		return nil, ErrNoAgent // counts beyond the width differ between machines
	}
	a, _ := c.usual(number{t: x}, number{t: y})
	if a.float || a.t.Size > 8 {
		return nil, ErrNoAgent
	}
	c.convert(x, y, a.t)
	return c.arithmetic(n.op, a.t)
}

// convert brings both operands on the stack to type t.
func (c *agent) convert(x, y, t *symbols.Type) {
	if signed(y) != signed(t) {
		c.extend(t)
	}
	if signed(x) != signed(t) {
		c.op(agSwap)
		c.extend(t)
		c.op(agSwap)
	}
}

// compareOps lists comparisons as: equality or less, operands swapped, result negated.
var compareOps = map[string]struct{ equal, swap, not bool }{
	"==": {equal: true}, "!=": {equal: true, not: true}, "<": {}, ">": {swap: true}, ">=": {not: true}, "<=": {swap: true, not: true},
}

func (c *agent) comparison(op string, sign bool) *symbols.Type {
	how := compareOps[op]
	if how.swap {
		c.op(agSwap)
	}
	switch {
	case how.equal:
		c.op(agEqual)
	case sign:
		c.op(agLessSigned)
	default:
		c.op(agLess)
	}
	if how.not {
		c.op(agLogNot)
	}
	return c.l.named("bool")
}

var agentOps = map[string]struct{ signed, unsigned byte }{
	"+": {agAdd, agAdd}, "-": {agSub, agSub}, "*": {agMul, agMul}, "&": {agAnd, agAnd}, "|": {agOr, agOr}, "^": {agXor, agXor},
	"/": {agDivSigned, agDivUnsigned}, "%": {agRemSigned, agRemUnsigned},
}

func (c *agent) arithmetic(op string, t *symbols.Type) (*symbols.Type, error) {
	if isCompare(op) {
		return c.comparison(op, signed(t)), nil
	}
	o, ok := agentOps[op]
	if !ok {
		return nil, ErrNoAgent
	}
	if signed(t) {
		c.op(o.signed)
	} else {
		c.op(o.unsigned)
	}
	c.extend(t)
	return t, nil
}

// pointers compiles comparisons, p + i, i + p and p - i.
func (c *agent) pointers(op string, x, y *symbols.Type) (*symbols.Type, error) {
	if isCompare(op) {
		return c.comparison(op, false), nil
	}
	p := x
	switch {
	case x.Kind == symbols.Pointer && y.Kind == symbols.Pointer:
		return nil, ErrNoAgent
	case op == "+" && y.Kind == symbols.Pointer:
		c.op(agSwap)
		p = y
	case op != "+" && op != "-" || y.Kind == symbols.Pointer:
		return nil, ErrNoAgent
	}
	size := stride(p)
	if size < 0 {
		return nil, ErrNoAgent
	}
	if size != 1 {
		c.constant(uint64(size))
		c.op(agMul)
	}
	if op == "+" {
		c.op(agAdd)
	} else {
		c.op(agSub)
	}
	if c.l.ptr < 8 {
		c.op(agZeroExt, byte(c.l.ptr*8))
	}
	return p, nil
}
