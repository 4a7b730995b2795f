package dwarf

// passed names what a caller passed: in a register, whether its value or what it
// points to, or a parameter of the function that was called.
type passed struct {
	reg   uint64
	deref bool
	param ref // 0: by reg
}

// entryPlace reads the expression of DW_OP_entry_value: a register, or what a
// register pointed to (DWARF 5, 2.5.1.7).
func (m *machine) entryPlace(expr []byte) (passed, bool) {
	b := buf{d: expr, be: m.u.data.opt.BigEndian}
	var p passed
	switch op := b.u8(); {
	case op >= opReg0 && op < opReg0+32:
		p.reg = uint64(op - opReg0)
	case op == opRegx:
		p.reg = b.uleb()
	case op == opRegvalType || op == opGNURegvalType:
		p.reg = b.uleb()
		b.uleb()
	case op >= opBreg0 && op < opBreg0+32 || op == opBregx:
		if p.reg = uint64(op - opBreg0); op == opBregx {
			p.reg = b.uleb()
		}
		if b.sleb() != 0 {
			return p, false
		}
		switch p.deref = true; b.u8() {
		case opDeref:
		case opDerefSize:
			b.u8()
		default:
			return p, false
		}
	default:
		return p, false
	}
	return p, !b.bad && b.left() == 0
}

// entryValue pushes what expr was when the function was entered: by what the
// caller's call site says it passed.
func (m *machine) entryValue(expr []byte) error {
	p, ok := m.entryPlace(expr)
	if !ok {
		return unavailable("the value at entry is not one of a register")
	}
	return m.atEntry(p)
}

func (m *machine) atEntry(p passed) error {
	caller, err := m.f.Caller(m.ctx)
	if err != nil {
		return err
	}
	if caller == nil || caller.Base() != m.f.Base() || caller.Registers() == nil {
		return unavailable("the value at entry is known to a caller we cannot ask")
	}
	s, err := m.sub()
	if err != nil {
		return err
	}
	s.f = caller
	v, err := s.callSite(p, m.fn)
	m.steps = s.steps
	if err != nil {
		return err
	}
	m.pushOperand(v)
	return nil
}

// callSite finds the call that the frame is in and evaluates what it passed to
// callee.
func (m *machine) callSite(p passed, callee *die) (operand, error) {
	none := unavailable("the caller does not record what it passed")
	ret := uint64(m.f.Registers().PC()) - m.bias()
	at := uint64(m.f.Registers().LookupPC()) - m.bias()
	fn, ok := m.u.data.functionDIE(at)
	if !ok || callee == nil {
		return operand{}, none
	}
	m.u, m.fn, m.pc = fn.u, &fn, at
	m.u.load()
	site, ok := fn.callSite(ret, 0)
	if !ok {
		return operand{}, none
	}
	if ok, err := m.calls(&site, callee); err != nil {
		return operand{}, err
	} else if !ok || callee.mayReenter() {
		return operand{}, unavailable("the caller called another function, which went on to this one")
	}
	var v value
	found := false
	site.children(func(c *die) bool {
		if c.ab.tag == tagCallParam || c.ab.tag == tagGNUCallParam {
			v, found = m.parameter(c, p)
		}
		return !found
	})
	if !found || !v.block() {
		return operand{}, none
	}
	return m.value(v.b)
}

// parameter is the expression of what was passed, when c tells of it.
func (m *machine) parameter(c *die, p passed) (value, bool) {
	if p.param != 0 {
		if c.target(atCallParameter) != p.param && c.target(atAbstractOrigin) != p.param {
			return value{}, false
		}
	} else {
		l, ok := c.attr(atLocation)
		if !ok {
			return value{}, false
		}
		at, ok := m.entryPlace(l.b)
		if !ok || at.deref || at.reg != p.reg {
			return value{}, false
		}
	}
	names := []attrName{atCallValue, atGNUCallValue}
	if p.deref {
		names = []attrName{atCallDataValue, atGNUCallDataValue}
	}
	for _, n := range names {
		if v, ok := c.attr(n); ok {
			return v, true
		}
	}
	return value{}, false
}

// callSite searches the function's blocks for the call that returns to ret.
func (d *die) callSite(ret uint64, depth int) (die, bool) {
	var out die
	found := false
	d.children(func(c *die) bool {
		switch c.ab.tag {
		case tagCallSite:
			a, ok := c.address(atCallReturnPC)
			if !ok { // a tail call may tell where it is only
				a, ok = c.address(atCallPC)
			}
			found = ok && a == ret
		case tagGNUCallSite:
			a, ok := c.address(atLowPC)
			found = ok && a == ret
		case tagLexicalBlock, tagInlined:
			if depth < maxDepth {
				if in, ok := c.callSite(ret, depth+1); ok {
					out, found = in, true
				}
			}
			return !found
		default:
			return true
		}
		if found {
			out = *c
		}
		return !found
	})
	return out, found
}

// maxReentry bounds the functions that mayReenter looks at.
const maxReentry = 256

// mayReenter reports whether the function may have come to run by a tail call of
// its own, or of one it tail-calls: then the caller's call passed something to an
// earlier run. A tail call that only says where the jump is counts when it is
// known to lead back.
func (d *die) mayReenter() bool {
	first, ok := entryRange(d, d.ranges())
	if !ok {
		return true
	}
	seen := map[uint64]bool{first.low: true}
	may := false
	for todo := []die{*d}; len(todo) > 0 && !may; {
		fn := todo[0]
		todo = todo[1:]
		fn.callSites(0, func(site *die) {
			if !site.flag(atCallTailCall) && !site.flag(atGNUTailCall) {
				return
			}
			strict := site.has(atCallReturnPC) || site.ab.tag == tagGNUCallSite
			r := site.target(atCallOrigin)
			if r == 0 {
				r = site.target(atAbstractOrigin)
			}
			to, ok := site.u.data.die(r)
			e, known := addrRange{}, false
			if ok && r != 0 {
				e, known = entryRange(&to, to.ranges())
			}
			switch {
			case !known:
				may = may || strict
			case e.low == first.low || len(seen) >= maxReentry:
				may = true
			case !seen[e.low]:
				seen[e.low] = true
				todo = append(todo, to)
			}
		})
	}
	return may
}

// calls reports whether the call site is a call of fn. One that does not say
// whom it calls may have called another, which jumped on to fn.
func (m *machine) calls(site, fn *die) (bool, error) {
	for _, n := range []attrName{atCallTarget, atGNUCallTarget} {
		v, ok := site.attr(n)
		if !ok || !v.block() {
			continue
		}
		s, err := m.sub()
		if err != nil {
			return false, err
		}
		to, err := s.value(v.b)
		m.steps = s.steps
		if err != nil {
			return false, err
		}
		e, ok := entryRange(fn, fn.ranges())
		return ok && to.bits == e.low+m.bias(), nil
	}
	r := site.target(atCallOrigin)
	if r == 0 {
		r = site.target(atAbstractOrigin)
	}
	to, ok := site.u.data.die(r)
	if r == 0 || !ok {
		return false, nil
	}
	if e, ok := entryRange(&to, to.ranges()); ok {
		at, ok := entryRange(fn, fn.ranges())
		return ok && at.low == e.low, nil
	}
	if !to.flag(atDeclaration) {
		return false, nil
	}
	if a, b := to.linkage(), fn.linkage(); a != "" || b != "" {
		return a == b, nil
	}
	return fn.mergedFlag(atExternal) && to.mergedString(atName) == fn.mergedString(atName), nil
}

// threadLocal pushes the address of the thread-local variable whose offset is
// on the stack.
func (m *machine) threadLocal() error {
	off, err := m.pop()
	if err != nil {
		return err
	}
	a, err := m.f.TLS(m.ctx, m.u.data.threadOffset(off.bits))
	if err != nil {
		return err
	}
	m.push(uint64(a))
	return nil
}
