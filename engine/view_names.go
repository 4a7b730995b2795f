package engine

import (
	"context"
	"errors"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Locate names an address, with the symbols that are loaded.
func (v *View) Locate(addr arch.Addr) Location { return v.l.locate(addr) }

// ModuleAt returns the module that holds addr.
func (v *View) ModuleAt(addr arch.Addr) (*Module, bool) { return v.l.moduleAt(addr) }

// ModuleByName accepts the command spelling and the file name.
func (v *View) ModuleByName(name string) (*Module, bool) { return v.l.moduleNamed(name) }

// anyBuild is a Store that can be told to accept another build's files.
type anyBuild interface {
	FindAny(ctx context.Context, key symbols.Key) (symbols.Image, error)
}

// LoadSymbols opens a module's image now. force looks again, mismatched accepts
// files of another build where the Store can.
func (v *View) LoadSymbols(ctx context.Context, base arch.Addr, force, mismatched bool) (*Module, error) {
	l := v.l
	for _, m := range l.modules.rows {
		if m.Base != base {
			continue
		}
		if mismatched {
			if s, ok := l.o.Store.(anyBuild); ok {
				img, err := s.FindAny(ctx, m.key())
				delete(l.modules.opening, m.Base)
				o := &opening{m: m, img: img, err: err}
				m.Tried, m.Image = false, nil
				l.setOpening(o)
				l.took(o)
				l.symbolsCame(ctx, m)
				return m, m.Err
			}
		}
		if force {
			m.Tried, m.Image, m.Err = false, nil, nil
			delete(l.modules.opening, m.Base)
		}
		if err := l.needFor(ctx, 0, m); err != nil {
			return m, err
		}
		l.symbolsCame(ctx, m)
		return m, m.Err
	}
	return nil, errors.New("no module lies at " + base.Text(l.arch.PtrSize))
}

// symbolsCame lets wishes and stacks see a module's new symbols.
func (l *loop) symbolsCame(ctx context.Context, m *Module) {
	l.forgetWalks()
	if m.Image != nil {
		l.resolveAll(ctx, []*Module{m})
		_ = l.adjust(ctx)
		l.tellRefused()
	}
}

// Reload drops symbols and reads the module list again.
func (v *View) Reload(ctx context.Context) error {
	l := v.l
	for _, m := range l.modules.rows {
		m.Tried, m.Image, m.Err = false, nil, nil
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

// Symbols yields matches of "mod!pattern" or "pattern" with run-time addresses;
// loads deferred symbols of the modules that a module part names. f returns
// false to stop.
func (v *View) Symbols(ctx context.Context, pattern string, f func(Location) bool) error {
	mod, rest := split(pattern)
	ms := v.l.matching(mod)
	if mod != "" {
		if err := v.l.need(ctx, ms...); err != nil {
			return err
		}
	} else if len(ms) > 0 {
		if err := v.l.need(ctx, ms[0]); err != nil {
			return err
		}
	}
	for _, m := range ms {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !v.l.lookup(m, rest, f) {
			return nil
		}
	}
	return nil
}

// Address evaluates a MASM expression to an address, in the selected frame.
func (v *View) Address(ctx context.Context, expr string) (arch.Addr, error) {
	return v.l.masmIn(ctx, v.l.orSelected(nil), expr)
}

// Places resolves file:line over all loaded images.
func (v *View) Places(ctx context.Context, file string, line int) ([]Location, error) {
	if len(v.l.modules.rows) > 0 {
		if err := v.l.need(ctx, v.l.modules.rows[0]); err != nil {
			return nil, err
		}
	}
	var out []Location
	for _, p := range v.l.linePlaces("", file, line, nil) {
		out = append(out, p.location())
	}
	return out, nil
}

// Disassemble decodes n instructions at addr.
func (v *View) Disassemble(ctx context.Context, addr arch.Addr, n int) ([]Inst, error) {
	return v.l.disassemble(ctx, addr, n)
}

// DisassembleBefore decodes the n instructions before addr.
func (v *View) DisassembleBefore(ctx context.Context, addr arch.Addr, n int) ([]Inst, error) {
	return v.l.disassembleBefore(ctx, addr, n)
}

// Source finds the text of a source file recorded in a module's image.
func (v *View) Source(ctx context.Context, m *Module, path string) (string, error) {
	if v.l.o.Store == nil {
		return "", &symbols.NotFoundError{What: path}
	}
	key := symbols.Key{}
	if m != nil {
		key = m.key()
	}
	return v.l.o.Store.Source(ctx, key, path)
}
