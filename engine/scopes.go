package engine

import (
	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// scopeMemo keeps an image's answers about places: a step asks for the same few
// many times. Whoever gets scopes must not change them.
type scopeMemo struct {
	image symbols.Image
	at    map[symbols.Offset][]symbols.Scope
	calls map[symbols.Offset]callMemo
	tails map[symbols.Offset]tailMemo
	named map[string]nameMemo // functions that calls in the image name
	near  map[symbols.Offset]nearMemo
	ways  map[wayPoint]ways

	copies map[string]*copySearch // of functions that were inlined
}

// callMemo is the call that returns to a place, tailMemo the tail calls of a
// function, nameMemo where a function is, when that is known, nearMemo what a place
// is called.
type (
	nearMemo struct {
		symbol symbols.Symbol
		disp   uint64
		line   symbols.Line
	}
	callMemo struct {
		call symbols.Call
		ok   bool
	}
	tailMemo struct {
		calls []symbols.Call
		ok    bool
	}
	nameMemo struct {
		addr  arch.Addr
		ok    bool
		among arch.Addr // the images that were searched
	}
)

// Bounds of what is kept for one image: places, and functions with all their copies.
const (
	maxScopes = 1024
	maxNames  = 64
)

// scopes are the functions at off, innermost inlined call first; none when the
// image does not know.
func (m *Module) scopes(off symbols.Offset) []symbols.Scope {
	sc, ok := m.Image.(symbols.Scoper)
	if !ok {
		return nil
	}
	m.remember()
	if s, ok := m.known.at[off]; ok {
		return s
	}
	s, err := sc.Scopes(off)
	if err != nil {
		return nil
	}
	m.known.at[off] = s
	return s
}

// remember makes the memo fit for one more answer.
func (m *Module) remember() {
	if k := &m.known; k.image != m.Image || len(k.at) >= maxScopes || len(k.calls) >= maxScopes || len(k.tails) >= maxScopes || len(k.named) >= maxScopes || len(k.near) >= maxScopes || len(k.ways) >= maxScopes || len(k.copies) >= maxNames {
		*k = scopeMemo{m.Image, map[symbols.Offset][]symbols.Scope{}, map[symbols.Offset]callMemo{}, map[symbols.Offset]tailMemo{}, map[string]nameMemo{}, map[symbols.Offset]nearMemo{}, map[wayPoint]ways{}, map[string]*copySearch{}}
	}
}

// nameAt is what off is called, by its symbol and line.
func (m *Module) nameAt(off symbols.Offset) nearMemo {
	m.remember()
	n, known := m.known.near[off]
	if known {
		return n
	}
	if sym, ok := m.Image.At(off); ok {
		n.symbol, n.disp = sym, uint64(off-sym.Offset)
	}
	if liner, ok := m.Image.(symbols.Liner); ok {
		n.line, _ = liner.Line(off)
	}
	m.known.near[off] = n
	return n
}

// callAt is the call that returns to off.
func (m *Module) callAt(tc symbols.TailCaller, off symbols.Offset) (symbols.Call, bool) {
	m.remember()
	c, known := m.known.calls[off]
	if !known {
		c.call, c.ok = tc.CallAt(off)
		m.known.calls[off] = c
	}
	return c.call, c.ok
}

// tailCalls are those of the function entered at entry.
func (m *Module) tailCalls(tc symbols.TailCaller, entry symbols.Offset) ([]symbols.Call, bool) {
	m.remember()
	t, known := m.known.tails[entry]
	if !known {
		t.calls, t.ok = tc.TailCalls(entry)
		m.known.tails[entry] = t
	}
	return t.calls, t.ok
}
