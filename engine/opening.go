package engine

import (
	"context"
	"path"
	"strings"
	"time"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// This file looks for modules' images without holding up the loop.

// opening is an image being looked for in a goroutine.
type opening struct {
	m      *Module
	cancel context.CancelFunc
	done   chan struct{}
	slow   bool // somebody gave up waiting for it
	any    bool // files of other builds will do
	img    symbols.Image
	err    error
}

func (l *loop) setOpening(o *opening) {
	if l.modules.opening == nil {
		l.modules.opening = map[arch.Addr]*opening{}
	}
	l.modules.opening[o.m.Base] = o
}

// key is what the Store knows m by.
func (m *Module) key() symbols.Key {
	return symbols.Key{Path: m.Path, Name: path.Base(strings.ReplaceAll(m.Path, `\`, "/")), BuildID: m.BuildID, Stamp: m.Stamp, Size: m.Size, Loaded: m.loaded}
}

// start looks for m's image in a goroutine, once.
func (l *loop) start(m *Module) *opening {
	if o := l.modules.opening[m.Base]; o != nil && o.m == m {
		return o
	}
	return l.startWith(m, l.o.Store.Find)
}

// startWith is start with a way to find, whatever was found before.
func (l *loop) startWith(m *Module, find func(context.Context, symbols.Key) (symbols.Image, error)) *opening {
	ctx, cancel := context.WithCancel(l.life)
	o := &opening{m: m, cancel: cancel, done: make(chan struct{})}
	l.setOpening(o)
	key := m.key()
	l.opens.Add(1)
	go func() {
		defer l.opens.Done()
		defer cancel()
		o.img, o.err = find(ctx, key)
		close(o.done)
		l.opens.Go(func() { l.prepare(m.Name, o.img) })
		select {
		case l.opened <- o:
		case <-l.life.Done():
		}
	}()
	return o
}

// starter is a System that knows what programs begin with.
type starter interface {
	// Starts are the functions of a module that are asked for first: where programs
	// begin, which have the first breakpoints, and what is at the end of each stack.
	Starts(module string) []string
}

// starts are the functions of a module that are asked for first.
func (l *loop) starts(module string) []string {
	if sys, ok := l.o.System.(starter); ok {
		return sys.Starts(module)
	}
	return nil
}

// prepare has an image read ahead what is asked of it first, while others work.
func (l *loop) prepare(module string, img symbols.Image) {
	if p, ok := img.(symbols.Preparer); ok && l.life.Err() == nil {
		p.Prepare(l.starts(module)...)
	}
}

// giveUpWait is how long a search that is given up may take to hand over what it
// has found by then.
const giveUpWait = time.Second

// giveUp ends searches; what they have by then is taken.
func (l *loop) giveUp(os []*opening) {
	for _, o := range os {
		o.cancel()
	}
	late := time.NewTimer(giveUpWait)
	defer late.Stop()
	for _, o := range os {
		select {
		case <-o.done:
			l.took(o)
		case <-late.C:
			return
		}
	}
}

// GivenUpError: the user did not want to wait for a module's symbols.
type GivenUpError struct{ Module string }

func (e *GivenUpError) Error() string {
	return "the search for symbols of " + e.Module + " was given up"
}

// Hint says what the user can do.
func (e *GivenUpError) Hint() string { return ".reload /f " + e.Module + " looks again" }

// symbolWait is how long an operation waits for symbols that it can do without;
// what comes later is told by SymbolsChanged.
const symbolWait = 5 * time.Second

// need opens the images of ms, all at the same time, and waits for them a while.
func (l *loop) need(ctx context.Context, ms ...*Module) error {
	return l.needFor(ctx, symbolWait, ms...)
}

// needFor is need with its own patience; 0 waits as long as ctx, whose end gives up
// the searches themselves.
func (l *loop) needFor(ctx context.Context, patience time.Duration, ms ...*Module) error {
	if l.o.Store == nil {
		return nil
	}
	defer l.nameless(ctx, ms)
	err := l.openAll(ctx, patience, ms)
	if again := l.identified(ctx, ms); err == nil && len(again) > 0 {
		return l.openAll(ctx, patience, again)
	}
	return err
}

// openAll opens the images of those of ms that were not looked for yet.
func (l *loop) openAll(ctx context.Context, patience time.Duration, ms []*Module) error {
	var wait []*opening
	for _, m := range ms {
		if m != nil && !m.Tried && l.arrange(ctx, m) {
			wait = append(wait, l.start(m))
		}
	}
	if len(wait) == 0 {
		return nil
	}
	var late <-chan time.Time
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		late = timer.C
	}
	for i, o := range wait {
		if o.slow && patience > 0 {
			continue // it has been waited for
		}
		select {
		case <-o.done:
			l.took(o)
		case <-ctx.Done():
			if patience == 0 {
				l.giveUp(wait[i:])
			}
			return ctx.Err()
		case <-late:
			for _, o := range wait[i:] {
				o.slow = true
			}
			return nil
		}
	}
	return nil
}
