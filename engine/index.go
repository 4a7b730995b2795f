package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"dap-windbg/symbols"
)

// indexDelay is how long after an image came its index begins to be made: the
// first answers have the machine for themselves.
const indexDelay = 200 * time.Millisecond

// index lets m's image make its index in the background, one image at a time.
func (l *loop) index(m *Module) {
	x, ok := m.Image.(symbols.Indexer)
	if !ok || x.Indexed() {
		return
	}
	l.opens.Add(1)
	go func() {
		defer l.opens.Done()
		delay := time.NewTimer(indexDelay)
		defer delay.Stop()
		select {
		case <-delay.C:
		case <-l.life.Done():
			return
		}
		select {
		case l.indexing <- struct{}{}:
		case <-l.life.Done():
			return
		}
		err := x.Index(l.life)
		<-l.indexing
		if err != nil {
			l.o.Log.Debug().Err(err).Str("image", m.Path).Msg("index")
			return
		}
		select {
		case l.indexed <- m:
		case <-l.life.Done():
		}
	}()
}

// indexedNow is called in the loop when m's index is complete: breakpoints gain the
// places that only it tells. A running debuggee is halted for them, not told.
func (l *loop) indexedNow(ctx context.Context, m *Module) {
	if !slices.Contains(l.modules.rows, m) || !l.gains(m) {
		return
	}
	take := func(ctx context.Context) error {
		l.resolveAll(ctx, []*Module{m})
		return nil
	}
	if l.state == StateRunning && l.r != nil {
		l.park(&request{ctx: l.life, kind: parkable, run: take, answer: make(chan error, 1)})
		return
	}
	_ = take(ctx)
	_ = l.adjust(ctx)
	l.tellRefused()
}

// gains reports whether m's index tells places that a breakpoint lacks.
func (l *loop) gains(m *Module) bool {
	return slices.ContainsFunc(l.bps, func(b *breakpoint) bool {
		name := strings.TrimSuffix(b.Function, "()")
		if name == "" && plainName(b.Expr) {
			name = b.Expr
		}
		mod, rest := split(name)
		return rest != "" && slices.Contains(l.matching(mod), m) && slices.ContainsFunc(l.copies(m, rest), func(p placed) bool {
			return !slices.Contains(b.addrs, p.addr())
		})
	})
}

// copies are the places where a function begins that was inlined into others.
func (l *loop) copies(m *Module, name string) []placed {
	x, ok := m.Image.(symbols.Indexer)
	if !ok {
		return nil
	}
	var out []placed
	for _, p := range x.Inlined(name) {
		out = append(out, placed{m, p})
	}
	return out
}

// namesakes are the places of all functions called name, in the first module that
// has one, copies inlined into others among them.
func (l *loop) namesakes(ctx context.Context, name string) []placed {
	locs, err := l.find(ctx, name)
	if err != nil {
		return nil
	}
	mod, rest := split(name)
	in := l.matching(mod)
	var out []placed
	if len(locs) > 0 {
		in = []*Module{best(locs).Module}
	}
	for _, loc := range locs {
		if loc.Module == in[0] && loc.Symbol.Kind == symbols.Function && !loc.Symbol.Indirect {
			out = append(out, placed{loc.Module, symbols.Place{Offset: loc.Symbol.Offset, Line: loc.Line, Function: loc.Symbol.Name}})
		}
	}
	for _, m := range in {
		if out = append(out, l.copies(m, rest)...); len(out) > 0 {
			break
		}
	}
	return out
}

// plainName reports whether a breakpoint's expression is nothing but a name.
func plainName(text string) bool {
	return text != "" && !strings.ContainsAny(text, " +-*/(){}[]`\"@$&|^%?;,=") && (text[0] < '0' || text[0] > '9')
}
