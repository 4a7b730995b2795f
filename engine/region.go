package engine

import (
	"context"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// ways is how control may leave the code that a step goes through.
type ways struct {
	out      []exit      // jumps and falls through
	returns  bool        // also by a jump to another function, which returns in its stead
	calls    []arch.Addr // targets of direct calls
	indirect bool        // there are calls whose target is not known
	loops    bool        // jumps backwards within: any number of instructions
	unknown  bool        // jumps whose target is not known, or code we cannot decode
	parts    []statement // what the code was followed through
	length   int         // instructions
	fork     exit        // the first instruction that may go on at several places
	straight int         // instructions before that
}

// exit is where control leaves, and which statement it leaves there.
type exit struct {
	addr arch.Addr
	from statement
}

// Bounds of the code that is followed from one statement to the next.
const (
	maxParts  = 40
	maxLength = 2000
	maxFar    = 1
)

// region follows code from where control is to where a step ends.
type region struct {
	ways
	p    *plan
	l    *loop
	ctx  context.Context
	seen map[arch.Addr]bool
	left map[arch.Addr]bool
	todo []exit          // places to follow the code from, in that statement
	most int             // statements
	regs *arch.Registers // which tell which way the first branches go, while they do
	far  int             // requests for code that lies apart
}

// exits follows the code of p's statement from where r is. On a machine, where each stop costs
// many packets, it goes on through other statements that the step would not end in.
//
// Of one statement, of code in a file, that is found out once.
func (l *loop) exits(ctx context.Context, p *plan, r *arch.Registers) ways {
	m, ok := l.moduleAt(p.from.lo)
	if l.t.Info().Machine || !ok || m.Image == nil {
		return l.waysOut(ctx, p, r)
	}
	m.remember()
	at := wayPoint{p.from.lo, p.from.hi, r.PC()}
	if w, known := m.known.ways[at]; known {
		return w.of(p.from)
	}
	w := l.waysOut(ctx, p, r)
	if !w.unknown && m.Image.ReadStatic(m.offset(at.lo), make([]byte, at.hi-at.lo)) {
		m.known.ways[at] = w
	}
	return w
}

// wayPoint is a place in a statement's code.
type wayPoint struct{ lo, hi, pc arch.Addr }

// of is w of a statement with the same code as the one that w was found for.
func (w ways) of(s statement) ways {
	w.parts, w.fork.from, w.out = []statement{s}, s, slices.Clone(w.out)
	for i := range w.out {
		w.out[i].from = s
	}
	return w
}

// waysOut is exits of what is not known yet.
func (l *loop) waysOut(ctx context.Context, p *plan, r *arch.Registers) ways {
	g := region{p: p, regs: r, l: l, ctx: ctx, seen: map[arch.Addr]bool{}, left: map[arch.Addr]bool{}, most: 1}
	if l.t.Info().Machine {
		g.most = maxParts
	}
	g.parts = []statement{p.from}
	g.todo = []exit{{r.PC(), p.from}}
	for first := true; len(g.todo) > 0 && !g.unknown; first = false {
		e := g.todo[len(g.todo)-1]
		g.todo = g.todo[:len(g.todo)-1]
		g.follow(e, first)
	}
	return g.ways
}

// follow goes along one path until it ends, forks are put off.
func (g *region) follow(e exit, first bool) {
	var code []byte
	var base arch.Addr
	for at := e.addr; ; {
		if g.seen[at] {
			g.loops = g.loops || at != e.addr
			return
		}
		if at < e.from.lo || at >= e.from.hi {
			var ok bool
			if e.from, ok = g.passes(e.from, at); !ok {
				return
			}
			code = nil
		}
		if code == nil {
			if base, code = e.from.lo, g.code(e.from, at); code == nil {
				g.unknown = true
				return
			}
		}
		in, err := g.l.arch.Decode(code[at-base:], at)
		if err != nil || in.Len == 0 {
			g.unknown = true
			return
		}
		g.seen[at] = true
		g.length++
		next, forks, ends := g.judge(in, at)
		if forks && first {
			next, forks = g.knows(in, next)
		}
		if first && g.fork.addr == 0 {
			if forks || g.unknown {
				g.fork = exit{at, e.from}
			} else {
				g.straight++
			}
		}
		if forks {
			g.loops = g.loops || g.seen[in.Target]
			g.todo = append(g.todo, exit{in.Target, e.from})
		}
		if ends || g.unknown {
			return
		}
		if first && in.Kind != arch.Jump && in.Kind != arch.CondJump && !keepsFlags(in) {
			g.regs = nil
		}
		at = next
	}
}

// judge sorts an instruction: what follows it, whether its target does too, and whether
// the path ends here.
func (g *region) judge(in arch.Inst, at arch.Addr) (next arch.Addr, forks, ends bool) {
	next = at + arch.Addr(in.Len)
	g.loops = g.loops || repeats(in)
	switch in.Kind {
	case arch.Call:
		if in.HasTarget && in.Mem == nil {
			g.calls = append(g.calls, in.Target)
		} else {
			g.indirect = true
		}
	case arch.Return:
		g.returns, ends = true, true
	case arch.Jump, arch.CondJump:
		switch {
		case !in.HasTarget || in.Mem != nil:
			g.unknown = true
		case g.most > 1 && g.p.how.Kind != StepInto && g.enters(in.Target):
			g.returns, ends = true, in.Kind == arch.Jump
		case in.Kind == arch.Jump:
			next = in.Target
		default:
			forks = true
		}
	}
	return next, forks, ends
}

// knows follows a branch whose way the registers tell, as nothing has changed them yet.
func (g *region) knows(in arch.Inst, next arch.Addr) (arch.Addr, bool) {
	if g.regs == nil || g.most == 1 {
		return next, true
	}
	taken, ok := arch.Taken(in, g.regs)
	if taken {
		next = in.Target
	}
	return next, !ok
}

// keepsFlags reports whether an x86 instruction leaves the flags and the counter that
// branches go by as they are.
func keepsFlags(in arch.Inst) bool {
	return (in.Op == "mov" || in.Op == "lea" || in.Op == "nop") && !strings.Contains(in.Args, "cx")
}

// enters reports whether another function begins at a.
func (g *region) enters(a arch.Addr) bool {
	m, ok := g.l.moduleAt(a)
	if !ok || m.Image == nil || g.own(a) {
		return false
	}
	scopes := m.scopes(m.offset(a))
	return len(scopes) > 0 && m.addr(scopes[len(scopes)-1].Low) == a
}

// own reports whether a is in the step's function.
func (g *region) own(a arch.Addr) bool {
	fn := g.p.mark.fn
	if fn == 0 {
		fn = g.l.functionAt(g.p.from.start)
	}
	return g.l.functionAt(a) == fn
}

// passes returns the statement at a where a step goes on through it; else a is an exit,
// unless nobody comes there.
func (g *region) passes(from statement, a arch.Addr) (next statement, ok bool) {
	if len(g.parts) < g.most && g.length < maxLength && g.own(a) && g.near(a) {
		if at, ok := g.l.statementAt(g.ctx, a); ok {
			next, _, ends := g.p.settle(g.l, from, at, a, false)
			if next.lo == next.hi { // behind the function, whose last call does not return
				return from, false
			}
			if !ends {
				g.parts = append(g.parts, next)
				return next, true
			}
		}
	}
	if !g.left[a] {
		g.left[a] = true
		g.out = append(g.out, exit{a, from})
	}
	return from, false
}

// near reports whether code at a is known or worth to be asked for.
func (g *region) near(a arch.Addr) bool {
	if g.most == 1 || g.l.hasCode(a, g.p) {
		return true
	}
	g.far++
	return g.far <= maxFar
}

// code is that of a statement, nil when it cannot be read.
func (g *region) code(s statement, at arch.Addr) []byte {
	if s.hi <= s.lo || s.hi-s.lo > 1<<16 {
		return nil
	}
	g.l.nearCode(g.ctx, at, g.p)
	code := make([]byte, s.hi-s.lo)
	if !g.l.code(g.ctx, s.lo, code) {
		return nil
	}
	return code
}

// slowWindow is what is read of a function at once over a slow line, bytes.
const slowWindow = 256

// hasCode reports whether code at a is known, if only from a stop before in the same step.
func (l *loop) hasCode(a arch.Addr, p *plan) bool {
	if n, _ := l.mem.get(spaceHere, a, make([]byte, 1)); n > 0 {
		return true
	}
	for _, c := range p.codeRead() {
		if a >= c.Addr && a < c.Addr+arch.Addr(len(c.Data)) {
			l.keepGood(c)
			return true
		}
	}
	return false
}

// codeRead is what the plan has read of the code.
func (p *plan) codeRead() []*targets.MemoryRead {
	if p == nil {
		return nil
	}
	return p.code
}

// nearCode reads of a machine's code at a what one request brings: as far as the function
// reaches, since a step goes on there. Plan p, if any, keeps it.
func (l *loop) nearCode(ctx context.Context, a arch.Addr, p *plan) {
	info := l.t.Info()
	m, ok := l.moduleAt(a)
	if !info.Machine || !ok || m.Image == nil || l.hasCode(a, p) || m.Image.ReadStatic(m.offset(a), make([]byte, 1)) {
		return
	}
	low, high := l.functionRange(m, m.offset(a))
	window := symbols.Offset(max(info.Limits.MemoryBytes, slowWindow))
	if info.Limits.BytesPerSec > 0 {
		window = slowWindow
	}
	if high-low > window {
		low = max(low, m.offset(a)-min(window/4, m.offset(a)))
		high = min(high, low+window)
	}
	if high <= low {
		return
	}
	r := &targets.MemoryRead{Addr: m.addr(low), Data: make([]byte, high-low)}
	if l.do(ctx, r) != nil || r.N == 0 {
		return
	}
	if l.keepGood(r); p != nil {
		p.code = append(p.code, r)
	}
}
