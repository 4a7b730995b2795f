package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"dap-windbg/symbols"
	"dap-windbg/targets"
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
	file := m.Path
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
			l.o.Log.Debug().Err(err).Str("image", file).Msg("index")
			return
		}
		select {
		case l.indexed <- m:
		case <-l.life.Done():
		}
	}()
}

// indexedNow is called in the loop when m's index is complete or has told of a
// function's copies: breakpoints gain the places that only it tells. A running
// debuggee is halted for them, not told.
func (l *loop) indexedNow(ctx context.Context, m *Module) {
	if !slices.Contains(l.modules.rows, m) || !slices.ContainsFunc(l.bps, func(b *breakpoint) bool { return l.gains(b, m) }) {
		return
	}
	if l.state == StateRunning {
		l.modules.grown = append(l.modules.grown, m)
		if err := l.halt(ctx); err != nil { // the next stop will do
			l.o.Log.Debug().Err(err).Msg("halting for places of breakpoints")
		}
		return
	}
	l.grow(ctx, m)
	_ = l.adjust(ctx)
	l.tellRefused()
}

// grow lets breakpoints have what m's index tells.
func (l *loop) grow(ctx context.Context, m *Module) {
	for _, b := range l.bps {
		if l.gains(b, m) && l.resolve(ctx, b, []*Module{m}) {
			l.compile(ctx, b)
			l.o.Emit(BreakpointEvent{Status: l.status(b)})
		}
	}
}

// indexWait is how long a resume waits for the names of a breakpoint that has no
// place yet: a short program would be over before they come.
const indexWait = 5 * time.Second

// quickImage is the most memory that an image takes whose index is made while
// nobody notices.
const quickImage = 4 << 20

// settleNames waits, before the debuggee runs, for the indexes that may tell the place
// of a function that has none, and in small images more places.
func (l *loop) settleNames(ctx context.Context) {
	if !slices.ContainsFunc(l.bps, func(b *breakpoint) bool { return !b.Disabled && b.function() != "" }) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, indexWait)
	defer cancel()
	for _, b := range l.bps {
		mod, rest := split(b.function())
		if rest == "" || b.Disabled {
			continue
		}
		for _, m := range l.matching(mod) {
			x, ok := m.Image.(symbols.Indexer)
			if !ok || x.Indexed() || len(b.addrs) > 0 && (m.span() > quickImage || !b.placedIn(m)) {
				continue
			}
			if x.Index(ctx) != nil {
				return
			}
			l.grow(ctx, m)
		}
	}
}

func (b *breakpoint) placedIn(m *Module) bool {
	return slices.ContainsFunc(b.places, func(p placed) bool { return p.m == m })
}

// gains reports whether m's index tells places that b lacks. A name without its
// module means the first that has it.
func (l *loop) gains(b *breakpoint, m *Module) bool {
	mod, rest := split(b.function())
	if rest == "" || len(b.addrs) == maxPlaces || !slices.Contains(l.matching(mod), m) {
		return false
	}
	elsewhere := func(p placed) bool { return p.m != m }
	if mod == "" && slices.ContainsFunc(b.places, elsewhere) {
		return false
	}
	return slices.ContainsFunc(l.copies(m, rest), func(p placed) bool { return !slices.Contains(b.addrs, p.addr()) })
}

// function is the name of the functions whose copies b wants too, "" none: hardware
// has too few places for them.
func (b *breakpoint) function() string {
	switch {
	case b.Function != "":
		return strings.TrimSuffix(b.Function, "()")
	case plainName(b.Expr) && b.code() && !b.Hardware && b.Access != targets.Hardware:
		return b.Expr
	}
	return ""
}

// copyWait is how long the places of a function's copies are waited for: in the
// largest images they take seconds, and then come as those of a new index do.
const copyWait = 300 * time.Millisecond

// copySearch looks for the copies of a function in a goroutine.
type copySearch struct {
	done   chan struct{}
	places []symbols.Place
	slow   bool // it was waited for in vain
}

func (c *copySearch) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// searching reports whether a search in m goes on that was waited for in vain:
// others then are not waited for.
func (m *Module) searching() bool {
	for _, c := range m.known.copies {
		if c.slow && !c.ended() {
			return true
		}
	}
	return false
}

// copies are the places where a function begins that was inlined into others, as
// far as they are known.
func (l *loop) copies(m *Module, name string) []placed {
	x, ok := m.Image.(symbols.Indexer)
	if !ok || !x.Indexed() {
		return nil
	}
	m.remember()
	c := m.known.copies[name]
	if c == nil {
		c = l.searchCopies(m, x, name)
		m.known.copies[name] = c
	}
	if !c.ended() && !c.slow && !m.searching() {
		select {
		case <-c.done:
		case <-time.After(copyWait):
		}
	}
	if c.slow = !c.ended(); c.slow {
		return nil
	}
	out := make([]placed, 0, len(c.places))
	for _, p := range c.places {
		out = append(out, placed{m, p})
	}
	return out
}

func (l *loop) searchCopies(m *Module, x symbols.Indexer, name string) *copySearch {
	c := &copySearch{done: make(chan struct{})}
	l.opens.Add(1)
	go func() {
		defer l.opens.Done()
		c.places = x.Inlined(name)
		close(c.done)
		select {
		case l.indexed <- m:
		case <-l.life.Done():
		}
	}()
	return c
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
