package elf

import (
	"context"
	"iter"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/symbols/dwarf"
)

// The methods of symbols.Liner, Scoper and Typer go to the DWARF reader.

var (
	_ symbols.Image    = (*Image)(nil)
	_ symbols.Liner    = (*Image)(nil)
	_ symbols.Scoper   = (*Image)(nil)
	_ symbols.Typer    = (*Image)(nil)
	_ symbols.Unwinder = (*Image)(nil)
	_ symbols.Macros   = (*Image)(nil)
	_ symbols.Parted   = (*Image)(nil)
	_ symbols.Indexer  = (*Image)(nil)
)

// ask runs f with the DWARF reader, if there is one and its file is whole.
func (i *Image) ask(f func(d *dwarf.Data)) {
	if i.dwarf != nil {
		defer i.dwarf.Asking()()
		i.guard.Do(func() { f(i.dwarf) })
	}
}

// Index implements symbols.Indexer.
func (i *Image) Index(ctx context.Context) (err error) {
	if i.dwarf != nil {
		i.guard.Do(func() { err = i.dwarf.Index(ctx) })
	}
	return err
}

// Indexed implements symbols.Indexer; an image without debug information is.
func (i *Image) Indexed() bool { return i.dwarf == nil || i.dwarf.Indexed() }

// Inlined implements symbols.Indexer.
func (i *Image) Inlined(name string) (p []symbols.Place) {
	i.ask(func(d *dwarf.Data) { p = d.Inlined(name) })
	return p
}

// Line implements symbols.Liner.
func (i *Image) Line(off symbols.Offset) (l symbols.Line, ok bool) {
	i.ask(func(d *dwarf.Data) { l, ok = d.Line(off) })
	return l, ok
}

// Places implements symbols.Liner.
func (i *Image) Places(file string, line int) (p []symbols.Place) {
	i.ask(func(d *dwarf.Data) { p = d.Places(file, line) })
	return p
}

// Lines implements symbols.Liner.
func (i *Image) Lines(lo, hi symbols.Offset) (l []symbols.Line) {
	i.ask(func(d *dwarf.Data) { l = d.Lines(lo, hi) })
	return l
}

// Body implements symbols.Liner.
func (i *Image) Body(off symbols.Offset) (p symbols.Place, ok bool) {
	i.ask(func(d *dwarf.Data) { p, ok = d.Body(off) })
	p.Provisional = !i.Indexed()
	return p, ok
}

// Files implements symbols.Liner.
func (i *Image) Files() iter.Seq[string] {
	return func(yield func(string) bool) {
		i.ask(func(d *dwarf.Data) { d.Files()(yield) })
	}
}

// Scopes implements symbols.Scoper.
func (i *Image) Scopes(off symbols.Offset) (s []symbols.Scope, err error) {
	i.ask(func(d *dwarf.Data) { s, err = d.Scopes(off) })
	return s, err
}

// Type implements symbols.Typer.
func (i *Image) Type(name string) (t *symbols.Type, ok bool) {
	i.ask(func(d *dwarf.Data) { t, ok = d.Type(name) })
	return t, ok
}

// Types implements symbols.Typer.
func (i *Image) Types(pattern string) iter.Seq[string] {
	return func(yield func(string) bool) {
		i.ask(func(d *dwarf.Data) { d.Types(pattern)(yield) })
	}
}

// Global implements symbols.Typer.
func (i *Image) Global(name string) (v symbols.Variable, ok bool) {
	i.ask(func(d *dwarf.Data) {
		if v, ok = d.Global(name); !ok {
			v, ok = i.declaredGlobal(d, name)
		}
	})
	return v, ok
}

// declaredGlobal is a variable that code only declares, where the symbol table has it.
func (i *Image) declaredGlobal(d *dwarf.Data, name string) (symbols.Variable, bool) {
	for s := range i.Lookup(name) {
		if s.Kind == symbols.Function || s.Name != name {
			continue
		}
		v, ok := d.DeclaredGlobal(name)
		v.Location = symbolPlace(s.Offset)
		return v, ok
	}
	return symbols.Variable{}, false
}

// symbolPlace is the Location of what the symbol table places.
type symbolPlace symbols.Offset

// Pieces implements symbols.Location.
func (p symbolPlace) Pieces(_ context.Context, f symbols.Frame, _ symbols.Offset) ([]symbols.Piece, error) {
	return []symbols.Piece{{Kind: symbols.InMemory, Addr: f.Base() + arch.Addr(p)}}, nil
}

// GlobalAt implements symbols.Typer.
func (i *Image) GlobalAt(off symbols.Offset) (v symbols.Variable, ok bool) {
	i.ask(func(d *dwarf.Data) { v, ok = d.GlobalAt(off) })
	return v, ok
}

// Function implements symbols.Typer.
func (i *Image) Function(off symbols.Offset) (t *symbols.Type, ok bool) {
	i.ask(func(d *dwarf.Data) { t, ok = d.Function(off) })
	return t, ok
}

// Macro implements symbols.Macros.
func (i *Image) Macro(off symbols.Offset, name string) (m symbols.Macro, ok bool) {
	i.ask(func(d *dwarf.Data) { m, ok = d.Macro(off, name) })
	return m, ok
}

// MacrosAt implements symbols.Macros.
func (i *Image) MacrosAt(off symbols.Offset) iter.Seq[symbols.Macro] {
	return func(yield func(symbols.Macro) bool) {
		i.ask(func(d *dwarf.Data) { d.MacrosAt(off)(yield) })
	}
}
