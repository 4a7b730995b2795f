package engine

import (
	"context"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// beginCatch is what a handler of a C++ exception calls first (Itanium C++ ABI,
// 2.4.4). A step over code that throws would never reach its own traps; this
// one tells where the exception was caught.
const beginCatch = "__cxa_begin_catch"

// catchAt finds beginCatch, 0 when the program has none.
func (l *loop) catchAt(ctx context.Context) arch.Addr {
	if l.modules.catchKnown {
		return l.modules.catch
	}
	l.modules.catch, l.modules.catchKnown = 0, true
	for i, m := range l.modules.rows {
		runtime := strings.HasPrefix(m.Name, "libstdc") || strings.HasPrefix(m.Name, "libc__")
		if !runtime && i != 0 || l.need(ctx, m) != nil || m.Image == nil {
			continue
		}
		for s := range m.Image.Lookup(beginCatch) {
			if s.Kind == symbols.Function {
				l.modules.catch = m.addr(s.Offset)
			}
		}
	}
	return l.modules.catch
}

// addCatch adds the trap that tells of an exception to a leg that runs freely.
func (p *plan) addCatch(ctx context.Context, l *loop) {
	if p.how.Kind == Go || p.leg.kind == targets.Step {
		return
	}
	a := l.catchAt(ctx)
	for _, t := range p.leg.temps {
		if t.addr == a {
			return
		}
	}
	if a != 0 {
		p.leg.temps = append(p.leg.temps, temp{addr: a, catch: true})
	}
}

// caught decides about an exception that is being caught: when that is in the
// plan's frame or further out, the plan goes on from the handler.
func (p *plan) caught(ctx context.Context, l *loop) {
	fs, err := l.stack(ctx, p.thread, 3)
	if err != nil || len(fs) < 2 || fs[0].Return == 0 {
		return
	}
	if handler := fs[0].code.Index + 1; handler < len(fs) && fs[handler].CFA != 0 && p.mark.cfa != 0 && fs[handler].CFA < p.mark.cfa {
		return
	}
	t := returnTemp(fs[0], l.arch)
	t.ret = false
	p.leg.temps, p.home = []temp{t}, leaving{}
}
