package engine

import (
	"cmp"
	"context"
	"path"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// statement is the code run around a PC that belongs to one source line of a
// function or inlined call, with the inlined calls that lie in it where they are
// stepped over.
type statement struct {
	lo, hi arch.Addr
	start  arch.Addr    // of the row the PC is in
	stmt   bool         // the row is a place to stop at
	row    symbols.Line // of the row
	line   symbols.Line // what a step is leaving; of another row's line it is not left
	chain  []inlined    // what shows of the inlined calls, from the function inwards
	at     site
}

func sameLine(a, b symbols.Line) bool { return a.Line == b.Line && a.File == b.File }

// rowLimit bounds how many rows a statement takes in each direction.
const rowLimit = 256

// statementAt finds the statement at pc, with all inlined calls there showing, as far
// as its row reaches; false without line information.
func (l *loop) statementAt(ctx context.Context, pc arch.Addr) (statement, bool) {
	m, ok := l.moduleAt(pc)
	if !ok || l.need(ctx, m) != nil || m.Image == nil {
		return statement{}, false
	}
	liner, ok := m.Image.(symbols.Liner)
	if !ok {
		return statement{}, false
	}
	row, ok := liner.Line(m.offset(pc))
	if !ok || row.End <= row.Start {
		return statement{}, false
	}
	s := statement{row: row, line: row, at: l.siteAt(m, m.offset(pc))}
	s.chain = s.at.chain()
	start, stmt := rowAt(liner, row, m.offset(pc))
	s.start, s.stmt = m.addr(start), stmt
	s.lo, s.hi = s.start, m.addr(row.End)
	return s, true
}

// rowAt is where the row of the line program begins that off is in, one of those
// that make up line. Rows within a line that has discriminators are none of their
// own: they tell blocks apart, not statements.
func rowAt(liner symbols.Liner, line symbols.Line, off symbols.Offset) (start symbols.Offset, stmt bool) {
	start, stmt = line.Start, line.Stmt
	discriminated := false
	for i, r := range liner.Lines(line.Start, off+1) {
		if discriminated = discriminated || r.Discriminator != 0; i == 0 || !discriminated || r.Stmt && !stmt {
			start, stmt = r.Start, r.Stmt
		}
	}
	return start, stmt
}

// widen takes into s the rows around pc that a step cannot end at: of the same line
// in the same inlined calls, and with over those of inlined calls made in that line.
func (l *loop) widen(s *statement, pc arch.Addr, over bool) {
	m, _ := l.moduleAt(pc)
	liner := m.Image.(symbols.Liner)
	low, high := l.functionRange(m, m.offset(pc))
	belongs := func(r symbols.Line) bool {
		in := l.siteAt(m, r.Start)
		switch k := in.depth() - len(s.chain); {
		case k < 0 || !in.within(s.chain):
			return false
		case k > 0:
			return over && sameLine(in.call(len(s.chain)), s.line)
		}
		return r.Line != 0 && sameLine(r, s.line)
	}
	from, to := m.offset(pc), m.offset(pc)
	if r, ok := rowOf(liner, from); ok {
		from, to = max(r.Start, low), min(r.End, high)
	}
	for n := 0; to < high && n < rowLimit; n++ {
		r, ok := rowOf(liner, to)
		if !ok || !belongs(r) {
			break
		}
		to = min(r.End, high)
	}
	for n := 0; from > low && n < rowLimit; n++ {
		r, ok := rowOf(liner, from-1)
		if !ok || !belongs(r) {
			break
		}
		from = max(r.Start, low)
	}
	s.lo, s.hi = m.addr(from), m.addr(to)
}

// rowOf is the one row of the line program that off is in.
func rowOf(liner symbols.Liner, off symbols.Offset) (symbols.Line, bool) {
	rows := liner.Lines(off, off+1)
	if len(rows) == 0 || rows[0].Start > off || rows[0].End <= off {
		return symbols.Line{}, false
	}
	return rows[0], true
}

// functionRange is the code range of the function at off.
func (l *loop) functionRange(m *Module, off symbols.Offset) (low, high symbols.Offset) {
	if scopes := m.scopes(off); len(scopes) > 0 {
		outer := scopes[len(scopes)-1]
		for _, r := range outer.Ranges {
			if off >= r.Low && off < r.High {
				return r.Low, r.High
			}
		}
		if off >= outer.Low && off < outer.High {
			return outer.Low, outer.High
		}
	}
	if sym, ok := m.Image.At(off); ok && sym.Size > 0 && off < sym.Offset+symbols.Offset(sym.Size) {
		return sym.Offset, sym.Offset + symbols.Offset(sym.Size)
	}
	return off, off
}

// functionAt is where the function at pc starts, 0 unknown.
func (l *loop) functionAt(pc arch.Addr) arch.Addr {
	m, ok := l.moduleAt(pc)
	if !ok || m.Image == nil {
		return 0
	}
	if scopes := m.scopes(m.offset(pc)); len(scopes) > 0 {
		return m.addr(scopes[len(scopes)-1].Low)
	}
	if sym, ok := m.Image.At(m.offset(pc)); ok {
		return m.addr(sym.Offset)
	}
	return 0
}

// code reads instructions, from the image's file when it has them.
func (l *loop) code(ctx context.Context, a arch.Addr, p []byte) bool {
	if m, ok := l.moduleAt(a); ok && m.Image != nil && m.Image.ReadStatic(m.offset(a), p) {
		return true
	}
	n, _ := l.read(ctx, spaceHere, a, p)
	return n == len(p)
}

// maxStub is the longest stub that is followed, in instructions.
const maxStub = 12

// isThunk reports whether a is in a thunk, which adjusts "this" and goes on to a
// virtual function (Itanium C++ ABI, 5.1.4.4).
func (l *loop) isThunk(a arch.Addr) bool {
	m, ok := l.moduleAt(a)
	if !ok || m.Image == nil {
		return false
	}
	sym, ok := m.Image.At(m.offset(a))
	return ok && (strings.HasPrefix(sym.Linkage, "_ZTh") || strings.HasPrefix(sym.Linkage, "_ZTv"))
}

// throughStub follows a jump through a pointer, as a PLT entry makes it, and thunks.
func (l *loop) throughStub(ctx context.Context, a arch.Addr) arch.Addr {
	if m, ok := l.moduleAt(a); !ok || m.Image == nil {
		return a
	}
	at := a
	for range maxStub {
		in, err := l.decode(ctx, at)
		if err != nil {
			return a
		}
		if in.Kind != arch.Jump {
			if strings.HasPrefix(in.Op, "endbr") || in.Kind == arch.Other && l.isThunk(at) {
				at += arch.Addr(in.Len)
				continue
			}
			return a
		}
		if in.Mem == nil && in.HasTarget && l.isThunk(at) {
			return in.Target
		}
		if in.Mem == nil || !in.HasTarget {
			return a
		}
		p := make([]byte, l.arch.PtrSize)
		if n, _ := l.read(ctx, spaceHere, in.Target, p); n < len(p) {
			return a
		}
		to := arch.Addr(l.uint(p))
		if m, ok := l.moduleAt(a); ok {
			o, _ := l.moduleAt(to)
			if sym, ok := m.Image.At(m.offset(to)); o == m && (!ok || m.addr(sym.Offset) != to || strings.HasSuffix(sym.Name, "@plt")) {
				return l.bound(ctx, a, to)
			}
		}
		return to
	}
	return a
}

// bound finds the function that a PLT entry not bound yet will reach, by its name.
func (l *loop) bound(ctx context.Context, stub, lazy arch.Addr) arch.Addr {
	m, _ := l.moduleAt(stub)
	sym, ok := m.Image.At(m.offset(stub))
	name, isStub := strings.CutSuffix(cmp.Or(sym.Linkage, sym.Name), "@plt")
	if !ok || !isStub {
		return lazy
	}
	locs, err := l.find(ctx, name)
	if err != nil || len(locs) == 0 {
		return lazy
	}
	return locs[0].Addr
}

// matchName matches "mod!pattern" or "pattern" against a function.
func matchName(pattern, mod, name string) bool {
	if m, p, ok := strings.Cut(pattern, "!"); ok {
		if ok, _ := path.Match(strings.ToLower(m), strings.ToLower(mod)); !ok {
			return false
		}
		pattern = p
	}
	ok, _ := path.Match(pattern, name)
	return ok
}
