package engine

import (
	"context"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

// Locate names an address, with the symbols that are loaded.
func (v *View) Locate(addr arch.Addr) Location { return v.l.locate(addr) }

// HasLine reports whether the code at addr is of a source line. It waits for the symbols
// of the module there, where they were not looked for yet.
func (v *View) HasLine(ctx context.Context, addr arch.Addr) bool {
	if m, ok := v.l.moduleAt(addr); ok && !m.Tried {
		_ = v.l.need(ctx, m)
	}
	return v.l.locate(addr).Line.File != ""
}

// ModuleAt returns the module that holds addr.
func (v *View) ModuleAt(addr arch.Addr) (*Module, bool) { return v.l.moduleAt(addr) }

// ModuleByName accepts the command spelling and the file name.
func (v *View) ModuleByName(name string) (*Module, bool) { return v.l.moduleNamed(name) }

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
	for _, spelling := range eval.TemplateSpellings(rest) {
		found := false
		for _, m := range ms {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if !v.l.lookup(m, spelling, func(at Location) bool { found = true; return f(at) }) {
				return nil
			}
		}
		if found {
			break
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
