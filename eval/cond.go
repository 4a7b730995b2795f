package eval

// This file is the conditional operator.

func (n *condNode) eval(ev *evaluator) (Value, error) {
	c, err := ev.number(n.x)
	if err != nil {
		return Value{}, err
	}
	taken, other := n.no, n.yes
	if c.truth() {
		taken, other = n.yes, n.no
	}
	v, err := ev.eval(taken)
	if err != nil {
		return v, err
	}
	return ev.balanced(v, other)
}

// balanced is v as the type that it has in common with other, the branch that is not
// taken, where that is a number as it stands: what it takes to know the type of
// another may not be there, or change something.
func (ev *evaluator) balanced(v Value, other node) (Value, error) {
	switch other.(type) {
	case *intNode, *floatNode:
	default:
		return v, nil
	}
	o, err := ev.number(other)
	if err != nil || v.Err != nil || v.Item != nil || !isArith(strip(v.Type)) || isComplex(v) {
		return v, nil
	}
	n, err := load(ev.ctx, ev.env, v)
	if err != nil {
		return Value{}, err
	}
	if n, _ = ev.usual(n, o); TypeName(n.t) == TypeName(strip(v.Type)) {
		return v, nil
	}
	return ev.rvalue(n)
}
