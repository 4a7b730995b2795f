package engine

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// world is what a System sees of the debuggee.
type world struct {
	ctx context.Context
	l   *loop
	mem symbols.Memory
}

func (w *world) ReadMemory(ctx context.Context, a arch.Addr, p []byte) (int, error) {
	return w.mem.ReadMemory(ctx, a, p)
}

func (w *world) Target() targets.Target { return w.l.t }

func (w *world) Address(name string) (arch.Addr, error) {
	locs, err := w.l.find(w.ctx, name)
	if err != nil {
		return 0, err
	}
	if len(locs) == 0 {
		return 0, &eval.NameError{Name: name, Rest: name}
	}
	return locs[0].Addr, nil
}

func (w *world) Type(name string) (*symbols.Type, error) {
	if t, ok := w.l.typeNamed(w.ctx, name, nil); ok {
		return t, nil
	}
	return nil, &eval.NameError{Name: name, Rest: name}
}

// watcher is a System that finds the place to watch without symbols.
type watcher interface {
	WatchAddress(ctx context.Context, w systems.World) (arch.Addr, error)
}

// watch plants hidden traps where the module list changes.
func (l *loop) watch(ctx context.Context) {
	l.modules.watch = l.modules.watch[:0]
	if l.o.System == nil || l.r == nil || l.unwatched() {
		return
	}
	if n, ok := l.o.System.(systems.Noticer); ok {
		l.watchNotices(n)
		l.tellActive(ctx)
		return
	}
	l.modules.phased = !l.t.Info().Attached && l.number == 1 && !l.singleNotice()
	if a, ok := l.watchByName(ctx); ok {
		l.modules.watch = append(l.modules.watch, a)
		return
	}
	w, ok := l.o.System.(watcher)
	if !ok {
		return
	}
	var at arch.Addr
	err := l.gather(ctx, spaceHere, 0, func(ctx context.Context, mem symbols.Memory) error {
		var err error
		at, err = w.WatchAddress(ctx, &world{ctx, l, mem})
		return err
	})
	if err == nil && at != 0 {
		l.modules.watch = append(l.modules.watch, at)
	}
}

// unwatched reports whether modules come and go unseen.
func (l *loop) unwatched() bool { return l.o.Unwatched && len(l.bps) == 0 }

// singleNotice reports whether the loader tells of a change once, when it is
// done: musl's does, which never unloads.
func (l *loop) singleNotice() bool {
	return slices.ContainsFunc(l.modules.rows, func(m *Module) bool { return strings.HasPrefix(path.Base(m.Path), "ld-musl") })
}

const (
	watchModules = 4                      // with more, opening them all is slower than reading memory
	watchWait    = 300 * time.Millisecond // for files that are at hand
)

// watchByName finds the place in the images' symbols, which takes no round trip
// when their files are here.
func (l *loop) watchByName(ctx context.Context) (arch.Addr, bool) {
	if len(l.modules.rows) > watchModules {
		return 0, false
	}
	ctx, cancel := context.WithTimeout(ctx, watchWait)
	defer cancel()
	_ = l.need(ctx, l.modules.rows...)
	var at arch.Addr
	for _, name := range l.o.System.Watch() {
		for _, m := range l.modules.rows {
			if m.Image == nil {
				continue
			}
			for s := range m.Image.Lookup(name) {
				if s.Kind == symbols.Function && s.Size > 0 && at == 0 {
					at = m.addr(s.Offset)
				}
			}
		}
		if at != 0 {
			return at, true
		}
	}
	return 0, false
}
