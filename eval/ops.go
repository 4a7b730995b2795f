package eval

import (
	"math"
	"math/big"
	"math/bits"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// OperandError: an operand is out of its operation's range; division by zero is.
type OperandError struct{ Op string }

func (e *OperandError) Error() string { return "Operand error" }

// Hint says what the user can do.
func (e *OperandError) Hint() string { return "the right operand of " + e.Op + " is zero" }

func (n *unaryNode) eval(ev *evaluator) (Value, error) {
	switch n.op {
	case "&":
		return ev.addressOf(n.x)
	case "*":
		return ev.indirect(n.x)
	case "++", "--":
		v, err := ev.eval(n.x)
		if err != nil {
			return Value{}, err
		}
		_, err = ev.increment(v, n.op[:1])
		v.Bytes = nil
		return v, err
	}
	v, err := ev.eval(n.x)
	if err != nil {
		return Value{}, err
	}
	if isComplex(v) {
		return ev.complexUnary(n.op, v)
	}
	x, err := load(ev.ctx, ev.env, v)
	if err != nil {
		return Value{}, err
	}
	if n.op == "!" {
		return ev.truth(!x.truth())
	}
	if !isArith(x.t) {
		if n.op == "+" {
			return ev.rvalue(x)
		}
		return Value{}, &TypeError{x.t, "has no operator " + n.op}
	}
	x = ev.promote(x)
	switch {
	case n.op == "-" && x.float:
		x = x.negated()
	case n.op == "-":
		x = x.neg()
	case n.op == "~" && x.float:
		return Value{}, &TypeError{x.t, "has no operator ~"}
	case n.op == "~":
		x.lo, x.hi = ^x.lo, ^x.hi
	}
	return ev.rvalue(x.fit())
}

// fit wraps n to the size of its type.
func (n number) fit() number {
	if n.float {
		if n.t.Size == 4 {
			n.f = float64(float32(n.f))
		}
		return n
	}
	return n.wrap(int(n.t.Size)*8, signed(n.t))
}

func (ev *evaluator) truth(b bool) (Value, error) {
	n := number{t: ev.l.named("bool")}
	if b {
		n.lo = 1
	}
	return ev.rvalue(n)
}

func (ev *evaluator) addressOf(x node) (Value, error) {
	v, err := ev.eval(x)
	if err != nil {
		if p, ok := ev.pointerToMember(x, err); ok {
			return p, nil
		}
		return Value{}, err
	}
	switch {
	case v.Err != nil:
		return Value{}, v.Err
	case v.Place == InRegister:
		return Value{}, &TypeError{v.Type, "lies in register " + v.Register + " and has no address"}
	case v.Place != InMemory:
		return Value{}, &TypeError{v.Type, "has no address"}
	case v.BitSize > 0:
		return Value{}, &TypeError{v.Type, "is a bit field and has no address"}
	}
	return ev.rvalue(number{t: ev.l.pointer(v.Type), lo: uint64(v.Addr)})
}

func (ev *evaluator) indirect(x node) (Value, error) {
	v, err := ev.eval(x)
	if err != nil {
		return Value{}, err
	}
	t := strip(v.Type)
	if t.Kind == symbols.Func {
		return v, nil
	}
	if p, ok, err := ev.plainPointer(v); ok || err != nil {
		if err != nil {
			return Value{}, err
		}
		return ev.object(p, 0)
	}
	if to, ok, err := follow(ev.ctx, ev.env, v, 0); ok {
		return to, err
	}
	n, err := load(ev.ctx, ev.env, v)
	if err != nil {
		return Value{}, err
	}
	if t := strip(n.t); t.Kind != symbols.Pointer {
		return Value{}, &TypeError{v.Type, "is not a pointer"}
	}
	return ev.object(n, 0)
}

// object is the lvalue at pointer n plus i elements.
func (ev *evaluator) object(n number, i uint64) (Value, error) {
	p := strip(n.t)
	to := elem(p)
	if strip(to).Kind == symbols.Void {
		return Value{}, &TypeError{n.t, "cannot be dereferenced"}
	}
	size := stride(p)
	if size < 0 {
		return Value{}, &TypeError{to, "has no known size"}
	}
	return Value{Type: to, Place: InMemory, Addr: ev.address(n.lo + i*uint64(size))}, nil
}

func (ev *evaluator) address(a uint64) arch.Addr {
	if ev.l.ptr == 4 {
		a = uint64(uint32(a))
	}
	return arch.Addr(a)
}

func (n *indexNode) eval(ev *evaluator) (Value, error) {
	x, err := ev.eval(n.x)
	if err != nil {
		return Value{}, err
	}
	y, err := ev.eval(n.y)
	if err != nil {
		return Value{}, err
	}
	if x.Item != nil {
		return ev.itemIndex(x, y)
	}
	if v, ok, err := ev.elementOf(x, y); ok || err != nil {
		return v, err
	}
	i, err := load(ev.ctx, ev.env, y)
	if err != nil {
		return Value{}, err
	}
	if i.float {
		return Value{}, &TypeError{i.t, "is not an index"}
	}
	if t := strip(x.Type); t.Kind == symbols.Array {
		return element(ev.ctx, ev.env, x, int64(i.lo)-t.Lower)
	}
	if to, ok, err := follow(ev.ctx, ev.env, x, int64(i.lo)); ok {
		return to, err
	}
	p, err := load(ev.ctx, ev.env, x)
	if err != nil {
		return Value{}, err
	}
	if strip(p.t).Kind != symbols.Pointer {
		p, i = i, p // 3[array]
	}
	if strip(p.t).Kind != symbols.Pointer {
		return Value{}, &TypeError{x.Type, "is not an array or pointer"}
	}
	return ev.object(p, i.lo)
}

// promote applies the integer promotions; enumerations become their integer.
func (ev *evaluator) promote(n number) number {
	switch {
	case n.float || n.t.Kind != symbols.Base && n.t.Kind != symbols.Enum:
		return n
	case n.t.Size < 4:
		n.t = ev.l.named("int")
	case n.t.Kind == symbols.Enum || n.t.Encoding != symbols.Signed && n.t.Encoding != symbols.Unsigned:
		n.t = ev.integer(n.t.Size, signed(n.t))
	}
	return n
}

func (ev *evaluator) integer(size int64, sign bool) *symbols.Type {
	name := "int"
	switch {
	case size > 8:
		name = "__int128"
	case size > 4 && size == ev.l.ptr:
		name = "long"
	case size > 4:
		name = "long long"
	}
	if !sign {
		name = "unsigned " + name
	}
	return ev.l.named(name)
}

// usual applies the usual arithmetic conversions.
func (ev *evaluator) usual(x, y number) (number, number) {
	if x.float || y.float {
		t := ev.l.named("float")
		for _, n := range []number{x, y} {
			if n.float && n.t.Size > t.Size {
				t = n.t
			}
		}
		return x.to(t), y.to(t)
	}
	x, y = ev.promote(x), ev.promote(y)
	t, u := x.t, y.t // t gets the higher rank
	if rank(u) > rank(t) || rank(u) == rank(t) && signed(t) {
		t, u = u, t
	}
	if signed(t) && !signed(u) && u.Size == t.Size {
		t = ev.l.named("unsigned long long") // long long outranks the unsigned long of its size
	}
	return x.to(t), y.to(t)
}

// rank orders promoted integer types (C++ [conv.rank]).
func rank(t *symbols.Type) int64 {
	if strings.HasPrefix(strings.TrimPrefix(t.Name, "unsigned "), "long long") {
		return 2*t.Size + 1
	}
	return 2 * t.Size
}

func (n *binaryNode) eval(ev *evaluator) (Value, error) {
	switch n.op {
	case ",":
		if _, err := ev.eval(n.x); err != nil {
			return Value{}, err
		}
		return ev.eval(n.y)
	case "&&", "||":
		x, err := ev.number(n.x)
		if err != nil || x.truth() == (n.op == "||") {
			if err != nil {
				return Value{}, err
			}
			return ev.truth(x.truth())
		}
		y, err := ev.number(n.y)
		if err != nil {
			return Value{}, err
		}
		return ev.truth(y.truth())
	case ".*", "->*":
		return ev.memberPointer(n)
	}
	v, err := ev.eval(n.x)
	if err != nil {
		return Value{}, err
	}
	w, err := ev.eval(n.y)
	if err != nil {
		return Value{}, err
	}
	if v.Item != nil || w.Item != nil {
		return ev.itemBinary(n.op, v, w)
	}
	if isComplex(v) || isComplex(w) {
		return ev.complexOp(n.op, v, w)
	}
	if isCompare(n.op) {
		if r, ok, err := ev.compareClasses(n.op, v, w); ok || err != nil {
			return r, err
		}
	}
	x, err := load(ev.ctx, ev.env, v)
	if err != nil {
		return Value{}, err
	}
	y, err := load(ev.ctx, ev.env, w)
	if err != nil {
		return Value{}, err
	}
	out, err := ev.binary(n.op, x, y)
	out.Plain = v.Plain || w.Plain
	return out, err
}

// binary applies an arithmetic, shift or comparison operator.
func (ev *evaluator) binary(op string, x, y number) (Value, error) {
	xp, yp := x.t.Strip().IsPointer(), y.t.Strip().IsPointer()
	if isCompare(op) {
		if !xp && !yp && isArith(strip(x.t)) && isArith(strip(y.t)) {
			x, y = ev.usual(x, y)
		}
		return ev.truth(compare(op, x, y))
	}
	if xp || yp {
		return ev.pointerOp(op, x, y, xp, yp)
	}
	if !isArith(strip(x.t)) || !isArith(strip(y.t)) {
		return Value{}, &TypeError{x.t, "has no operator " + op}
	}
	if op == "<<" || op == ">>" {
		if x.float || y.float {
			return Value{}, &TypeError{x.t, "has no operator " + op}
		}
		return ev.rvalue(shift(op, ev.promote(x), y))
	}
	x, y = ev.usual(x, y)
	if x.float {
		return ev.floatOp(op, x, y)
	}
	r, err := integerOp(op, x, y)
	if err != nil {
		return Value{}, err
	}
	return ev.rvalue(r.fit())
}

func isCompare(op string) bool {
	switch op {
	case "==", "!=", "<", ">", "<=", ">=":
		return true
	}
	return false
}

func compare(op string, x, y number) bool {
	var c int
	switch {
	case x.float && y.float && (x.x != nil || y.x != nil) && x.wide() != nil && y.wide() != nil:
		c = x.wide().Cmp(y.wide())
	case x.float || y.float:
		a, b := x.asFloat(), y.asFloat()
		if math.IsNaN(a) || math.IsNaN(b) {
			return op == "!="
		}
		c = map[bool]int{true: 1}[a > b] - map[bool]int{true: 1}[a < b]
	case signed(x.t) && int64(x.hi) != int64(y.hi):
		c = 1
		if int64(x.hi) < int64(y.hi) {
			c = -1
		}
	case x.hi != y.hi:
		c = 1
		if x.hi < y.hi {
			c = -1
		}
	case x.lo != y.lo:
		c = 1
		if x.lo < y.lo {
			c = -1
		}
	}
	return holds(op, c)
}

func (ev *evaluator) pointerOp(op string, x, y number, xp, yp bool) (Value, error) {
	switch {
	case op == "-" && xp && yp:
		size := stride(strip(x.t))
		if size <= 0 {
			return Value{}, &TypeError{x.t, "points to a type of unknown size"}
		}
		d := int64(x.lo-y.lo) / size
		return ev.rvalue(number{t: ev.l.named("long"), lo: uint64(d), hi: uint64(d >> 63)}.fit())
	case op == "+" && yp && !xp:
		x, y = y, x
		fallthrough
	case (op == "+" || op == "-") && !(xp && yp) && !y.float:
		size := stride(strip(x.t))
		if size < 0 {
			return Value{}, &TypeError{x.t, "points to a type of unknown size"}
		}
		d := y.lo * uint64(size)
		if op == "-" {
			d = -d
		}
		return ev.rvalue(number{t: x.t, lo: uint64(ev.address(x.lo + d))})
	}
	return Value{}, &TypeError{x.t, "has no operator " + op}
}

func (ev *evaluator) floatOp(op string, x, y number) (Value, error) {
	r, ok := computeFloat(op, x, y)
	if !ok {
		return Value{}, &TypeError{x.t, "has no operator " + op}
	}
	return ev.rvalue(r.fit())
}

func integerOp(op string, x, y number) (number, error) {
	switch op {
	case "+":
		var c uint64
		x.lo, c = bits.Add64(x.lo, y.lo, 0)
		x.hi, _ = bits.Add64(x.hi, y.hi, c)
	case "-":
		var c uint64
		x.lo, c = bits.Sub64(x.lo, y.lo, 0)
		x.hi, _ = bits.Sub64(x.hi, y.hi, c)
	case "*":
		hi, lo := bits.Mul64(x.lo, y.lo)
		x.lo, x.hi = lo, hi+x.lo*y.hi+x.hi*y.lo
	case "&":
		x.lo, x.hi = x.lo&y.lo, x.hi&y.hi
	case "|":
		x.lo, x.hi = x.lo|y.lo, x.hi|y.hi
	case "^":
		x.lo, x.hi = x.lo^y.lo, x.hi^y.hi
	case "/", "%":
		if !y.truth() {
			return x, &OperandError{op}
		}
		q, r := new(big.Int).QuoRem(x.big(), y.big(), new(big.Int))
		if op == "%" {
			q = r
		}
		x.lo, x.hi = fromBig(q)
	default:
		return x, &TypeError{x.t, "has no operator " + op}
	}
	return x, nil
}

// shift takes counts beyond the width as shifting everything out.
func shift(op string, x, y number) number {
	n := uint(min(y.lo, 128))
	if y.negative() {
		n = 128
	}
	v := x.big()
	if op == "<<" {
		v.Lsh(v, n)
	} else {
		v.Rsh(v, n)
	}
	x.lo, x.hi = fromBig(v)
	return x.fit()
}

// memberPointer applies .* and ->* with a pointer to a data member.
func (ev *evaluator) memberPointer(n *binaryNode) (Value, error) {
	x, err := ev.eval(n.x)
	if err != nil {
		return Value{}, err
	}
	if x, err = composite(ev.ctx, ev.env, x); err != nil {
		return Value{}, err
	}
	y, err := ev.eval(n.y)
	if err != nil {
		return Value{}, err
	}
	t := strip(y.Type)
	if t.Kind != symbols.MemberPointer || strip(elem(t)).Kind == symbols.Func {
		return Value{}, &TypeError{y.Type, "is not a pointer to a data member"}
	}
	off, err := load(ev.ctx, ev.env, y)
	if err != nil {
		return Value{}, err
	}
	return field(ev.ctx, ev.env, x, symbols.Field{Type: elem(t), Offset: int64(off.lo)})
}
