package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// This file is what the user says about modules and their symbols.

// anyBuild is a Store that can be told to accept another build's files. An image
// that comes with a *symbols.MismatchError is one.
type anyBuild interface {
	FindAny(ctx context.Context, key symbols.Key) (symbols.Image, error)
}

// forgetter is a Store that remembers what was not there.
type forgetter interface{ Forget() }

// Loading says how symbols are opened.
type Loading struct {
	Force      bool // look again, also where nothing was found lately
	Mismatched bool // accept files of another build where the Store can
}

// LoadSymbols opens a module's image now.
func (v *View) LoadSymbols(ctx context.Context, base arch.Addr, force, mismatched bool) (*Module, error) {
	ms, err := v.LoadAll(ctx, []arch.Addr{base}, Loading{force, mismatched})
	switch {
	case len(ms) == 0:
		return nil, errors.New("no module lies at " + base.Text(v.l.arch.PtrSize))
	case err == nil && ms[0].Image == nil:
		err = ms[0].Err
	}
	return ms[0], err
}

// LoadAll opens the images of the modules at bases, several at the same time, and
// returns those modules; Err of each tells what is wrong with it. When ctx ends the
// searches do, and the modules have what was found by then.
func (v *View) LoadAll(ctx context.Context, bases []arch.Addr, how Loading) ([]*Module, error) {
	l := v.l
	var ms []*Module
	for _, m := range l.modules.rows {
		if slices.Contains(bases, m.Base) {
			ms = append(ms, m)
		}
	}
	if f, ok := l.o.Store.(forgetter); ok && (how.Force || how.Mismatched) {
		f.Forget()
	}
	any, canAny := l.o.Store.(anyBuild)
	for _, m := range ms {
		if how.Force || how.Mismatched || m.Err == errUnloaded {
			m.forget()
			delete(l.modules.opening, m.Base)
		}
		if how.Mismatched && canAny {
			l.startWith(m, any.FindAny).any = true
		}
	}
	err := l.needFor(ctx, 0, ms...)
	if how.Force && err == nil {
		err = l.loadNames(ctx, ms)
	}
	l.symbolsCame(context.WithoutCancel(ctx), ms...)
	return ms, err
}

// forget drops m's symbols, so that they are looked for again.
func (m *Module) forget() {
	m.Tried, m.Image, m.Err, m.Forced, m.inMemory = false, nil, nil, false, false
}

// loadNames has the System read the names of those of ms that have no file, where it waits
// to be told to.
func (l *loop) loadNames(ctx context.Context, ms []*Module) error {
	s, ok := l.o.System.(systems.Loader)
	if !ok || l.state != StateStopped {
		return nil
	}
	for _, m := range ms {
		if !m.inMemory {
			continue
		}
		more, err := s.Load(ctx, &world{ctx, l, &nowMemory{l, spaceHere}}, m.Module)
		if more {
			m.Image, m.inMemory = nil, false
			l.namesFromSystem(context.WithoutCancel(ctx), m) // what it has is shown, also when it was broken off
			l.modules.stale = l.modules.stale || m.Main      // and read at the next stop, when that is broken off
			l.freshModules(ctx)
			l.watch(ctx)
		}
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return err
		}
	}
	return nil
}

// symbolsCame lets wishes and stacks see modules' new symbols.
func (l *loop) symbolsCame(ctx context.Context, ms ...*Module) {
	l.forgetWalks()
	ms = slices.DeleteFunc(slices.Clone(ms), func(m *Module) bool { return m.Image == nil })
	if len(ms) > 0 {
		l.resolveAll(ctx, ms)
		_ = l.adjust(ctx)
		l.tellRefused()
	}
}

// Reload drops symbols and reads the module list again.
func (v *View) Reload(ctx context.Context) error {
	l := v.l
	for _, m := range l.modules.rows {
		m.forget()
	}
	l.modules.opening = nil
	l.forgetWalks()
	l.modules.stale = true
	_, _, err := l.readModules(ctx)
	if err != nil {
		return err
	}
	l.prefetch()
	l.watch(ctx)
	_ = l.need(ctx, l.wantedBy(l.modules.rows)...)
	l.resolveAll(ctx, l.modules.rows)
	return l.adjust(ctx)
}

// AddModule puts an image in the list by hand, as of code that the far end does
// not list. It stays until Unload.
func (v *View) AddModule(ctx context.Context, add targets.Module) (*Module, error) {
	l := v.l
	m := &Module{Module: add}
	if i := slices.IndexFunc(l.modules.rows, func(o *Module) bool { return o.Base == add.Base }); i >= 0 {
		m = l.modules.rows[i]
		m.Path, m.Size, m.BuildID = add.Path, max(m.Size, add.Size), add.BuildID
		m.forget()
		delete(l.modules.opening, m.Base)
	} else {
		if l.modules.added == nil {
			l.modules.added = map[arch.Addr]bool{}
		}
		l.modules.added[add.Base] = true
		l.modules.rows = append(l.modules.rows, m)
	}
	m.Name = l.uniqueName(m.Module)
	l.o.Emit(ModuleEvent{Module: *m, Change: Loaded})
	l.prefetch()
	return m, l.need(ctx, l.wantedBy([]*Module{m})...)
}

// Defer drops a module's symbols until they are needed.
func (v *View) Defer(base arch.Addr) {
	for _, m := range v.l.modules.rows {
		if m.Base == base {
			m.forget()
			delete(v.l.modules.opening, base)
			v.l.forgetWalks()
			v.l.o.Emit(ModuleEvent{Module: *m, Change: SymbolsChanged})
		}
	}
}

// errUnloaded is why a module has no symbols after `.reload /u`.
var errUnloaded = errors.New("its symbols were unloaded")

// Unload drops the symbols of a module until they are asked for again. One that was
// added by hand goes from the list.
func (v *View) Unload(ctx context.Context, base arch.Addr) error {
	l := v.l
	i := slices.IndexFunc(l.modules.rows, func(m *Module) bool { return m.Base == base })
	if i < 0 {
		return errors.New("no module lies at " + base.Text(l.arch.PtrSize))
	}
	m := l.modules.rows[i]
	if o := l.modules.opening[base]; o != nil {
		o.cancel()
		delete(l.modules.opening, base)
	}
	l.forgetWalks()
	m.Image, m.Tried, m.Err, m.Forced = nil, true, errUnloaded, false
	if !l.modules.added[base] {
		l.o.Emit(ModuleEvent{Module: *m, Change: SymbolsChanged})
		return nil
	}
	delete(l.modules.added, base)
	l.modules.rows = slices.Delete(l.modules.rows, i, i+1)
	l.unloaded(m)
	l.o.Emit(ModuleEvent{Module: *m, Change: Unloaded})
	l.drop([]*Module{m})
	return l.adjust(ctx)
}
