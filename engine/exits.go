package engine

import (
	"context"
	"path"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// statement is the code run around a PC that belongs to one source line, with
// the inlined calls that lie in it.
type statement struct {
	lo, hi arch.Addr
	start  arch.Addr // of the row the PC is in
	line   symbols.Line
	chain  []inlined // from the function that has the code inwards
}

// inlined identifies an inlined call.
type inlined struct {
	name string
	low  symbols.Offset
}

// within reports whether s lies in the same inlined calls as o, or deeper.
func (s statement) within(o statement) bool {
	if len(s.chain) < len(o.chain) {
		return false
	}
	for i, c := range o.chain {
		if s.chain[i] != c {
			return false
		}
	}
	return true
}

func sameLine(a, b symbols.Line) bool { return a.Line == b.Line && a.File == b.File }

// rowLimit bounds how far a statement reaches in each direction.
const rowLimit = 256

// statementAt finds the statement at pc; false without line information.
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
	s := statement{lo: m.addr(row.Start), hi: m.addr(row.End), start: m.addr(row.Start), line: row, chain: chainAt(m, m.offset(pc))}
	low, high := l.functionRange(m, m.offset(pc))
	belongs := func(r symbols.Line) bool {
		if r.Line == 0 || sameLine(r, row) {
			return true
		}
		in := statement{chain: chainAt(m, r.Start)}
		return len(in.chain) > len(s.chain) && in.within(s)
	}
	for i, at := 0, row.End; at < high && i < rowLimit; i++ {
		r, ok := liner.Line(at)
		if !ok || r.End <= at || !belongs(r) {
			break
		}
		at = min(r.End, high)
		s.hi = m.addr(at)
	}
	for i, at := 0, row.Start; at > low && i < rowLimit; i++ {
		r, ok := liner.Line(at - 1)
		if !ok || r.Start >= at || !belongs(r) {
			break
		}
		at = max(r.Start, low)
		s.lo = m.addr(at)
		if sameLine(r, row) && m.addr(row.Start) == s.start {
			continue
		}
	}
	return s, true
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

// chainAt lists the inlined calls at off, outermost first.
func chainAt(m *Module, off symbols.Offset) []inlined {
	scopes := m.scopes(off)
	var out []inlined
	for i := len(scopes) - 1; i >= 0; i-- {
		if s := scopes[i]; s.Inlined {
			out = append(out, inlined{s.Name, s.Low})
		}
	}
	return out
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

// ways is how control may leave a statement.
type ways struct {
	out      []arch.Addr // jumps and the fall through
	returns  bool
	calls    []arch.Addr // targets of direct calls
	indirect bool        // there are calls whose target is not known
	loops    bool        // jumps backwards within: any number of instructions
	unknown  bool        // jumps whose target is not known, or code we cannot decode
}

// exits decodes a statement. pc is where control is now.
func (l *loop) exits(ctx context.Context, s statement, pc arch.Addr) ways {
	var w ways
	seen := map[arch.Addr]bool{}
	leave := func(a arch.Addr) {
		if (a < s.lo || a >= s.hi) && !seen[a] {
			seen[a] = true
			w.out = append(w.out, a)
		}
	}
	code := make([]byte, s.hi-s.lo)
	if len(code) > 1<<16 || !l.code(ctx, s.lo, code) {
		return ways{unknown: true}
	}
	falls := true
	for at := s.lo; at < s.hi; {
		in, err := l.arch.Decode(code[at-s.lo:], at)
		if err != nil || in.Len == 0 {
			w.unknown = true
			return w
		}
		next := at + arch.Addr(in.Len)
		falls = true
		switch in.Kind {
		case arch.Call:
			if in.HasTarget && in.Mem == nil {
				w.calls = append(w.calls, in.Target)
			} else {
				w.indirect = true
			}
		case arch.Return:
			w.returns, falls = true, false
		case arch.Jump, arch.CondJump:
			falls = in.Kind == arch.CondJump
			if !in.HasTarget || in.Mem != nil {
				w.unknown = true
				break
			}
			w.loops = w.loops || in.Target >= s.lo && in.Target <= at
			leave(in.Target)
		}
		w.loops = w.loops || repeats(in)
		at = next
	}
	if falls {
		leave(s.hi)
	}
	return w
}

// code reads instructions, from the image's file when it has them.
func (l *loop) code(ctx context.Context, a arch.Addr, p []byte) bool {
	if m, ok := l.moduleAt(a); ok && m.Image != nil && m.Image.ReadStatic(m.offset(a), p) {
		return true
	}
	n, _ := l.read(ctx, spaceHere, a, p)
	return n == len(p)
}

// leaveInline makes the leg that runs to the end of inlined frame f.
func (p *plan) leaveInline(ctx context.Context, l *loop, f *Frame) error {
	from, ok := l.statementAt(ctx, f.PC)
	if !ok || f.Index != 0 {
		return p.stepOut(ctx, l, f.Index+1)
	}
	low, high := f.Scope.Low, f.Scope.High
	for _, r := range f.Scope.Ranges {
		if off := f.Module.offset(f.PC); off >= r.Low && off < r.High {
			low, high = r.Low, r.High
		}
	}
	from.lo, from.hi = f.Module.addr(low), f.Module.addr(high)
	if n := len(from.chain); n > 0 {
		from.chain = from.chain[:n-1]
	}
	p.from = from
	p.how.Kind, p.how.Unit = StepOver, ByLine
	p.from.line = f.Scope.Call
	r, err := l.registers(ctx, p.thread)
	if err != nil {
		return err
	}
	return p.leave(ctx, l, r)
}

// throughStub follows a jump through a pointer, as a PLT entry makes it.
func (l *loop) throughStub(ctx context.Context, a arch.Addr) arch.Addr {
	if m, ok := l.moduleAt(a); !ok || m.Image == nil {
		return a
	}
	at := a
	for range 3 {
		in, err := l.decode(ctx, at)
		if err != nil {
			return a
		}
		if in.Kind != arch.Jump {
			if strings.HasPrefix(in.Op, "endbr") {
				at += arch.Addr(in.Len)
				continue
			}
			return a
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
	name, isStub := strings.CutSuffix(sym.Name, "@plt")
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
