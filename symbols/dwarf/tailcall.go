package dwarf

import "dap-windbg/symbols"

// Attributes of call sites and of the functions they are in (DWARF 5, 3.4 and
// 3.3.1.1), and GNU's for DWARF 4.
const (
	atCallAllCalls     attrName = 0x7a
	atCallAllTailCalls attrName = 0x7c
	atCallTailCall     attrName = 0x82
	atCallTarget       attrName = 0x83
	atGNUCallTarget    attrName = 0x2113
	atGNUTailCall      attrName = 0x2115
	atGNUAllTailCalls  attrName = 0x2116
	atGNUAllCalls      attrName = 0x2117
)

// CallAt implements symbols.TailCaller.
func (d *Data) CallAt(off symbols.Offset) (symbols.Call, bool) {
	addr := d.addr(off)
	fn, ok := d.functionDIE(addr - 1)
	if !ok {
		return symbols.Call{}, false
	}
	site, ok := fn.callSite(addr, 0)
	if !ok {
		return symbols.Call{}, false
	}
	return site.asCall()
}

// TailCalls implements symbols.TailCaller.
func (d *Data) TailCalls(entry symbols.Offset) ([]symbols.Call, bool) {
	fn, ok := d.functionDIE(d.addr(entry))
	if !ok {
		return nil, false
	}
	if r, ok := entryRange(&fn, fn.ranges()); !ok || r.low != d.addr(entry) {
		return nil, false
	}
	all := false
	for _, n := range []attrName{atCallAllCalls, atCallAllTailCalls, atGNUAllCalls, atGNUAllTailCalls} {
		all = all || fn.flag(n)
	}
	if !all {
		return nil, true
	}
	var out []symbols.Call
	fn.callSites(0, func(site *die) {
		if c, ok := site.asCall(); ok && c.Tail {
			out = append(out, c)
		}
	})
	return out, true
}

// callSites calls f for the calls in the function d and its blocks.
func (d *die) callSites(depth int, f func(site *die)) {
	d.children(func(c *die) bool {
		switch c.ab.tag {
		case tagCallSite, tagGNUCallSite:
			f(c)
		case tagLexicalBlock, tagInlined:
			if depth < maxDepth {
				c.callSites(depth+1, f)
			}
		}
		return true
	})
}

// asCall describes a call site; false when it does not say where it is.
func (d *die) asCall() (symbols.Call, bool) {
	data := d.u.data
	c := symbols.Call{Tail: d.flag(atCallTailCall) || d.flag(atGNUTailCall)}
	at, ok := d.address(atCallReturnPC)
	if !ok && d.ab.tag == tagGNUCallSite {
		at, ok = d.address(atLowPC)
	}
	if !ok {
		at, c.Exact = d.address(atCallPC)
	}
	if !ok && !c.Exact {
		return c, false
	}
	c.PC = data.offset(at)
	if d.has(atCallTarget) || d.has(atGNUCallTarget) {
		return c, true
	}
	r := d.target(atCallOrigin)
	if r == 0 {
		r = d.target(atAbstractOrigin)
	}
	callee, ok := data.die(r)
	if r == 0 || !ok {
		return c, true
	}
	if e, ok := entryRange(&callee, callee.ranges()); ok && !callee.flag(atDeclaration) {
		c.Target, c.Direct = data.offset(e.low), true
	} else if c.Name = callee.linkage(); c.Name == "" {
		c.Name = callee.mergedString(atName)
	}
	return c, true
}
