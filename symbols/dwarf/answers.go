package dwarf

import (
	"context"
	"iter"

	"dap-windbg/symbols"
)

// Answers is what an image embeds to be a symbols.Liner, Scoper, Typer, Macros,
// Indexer and TailCaller by its DWARF: each question goes to the reader under its Guard, and
// the making of the index gives way to it. The zero value knows nothing.
type Answers struct{ data *Data }

// Answers returns d as an image embeds it.
func (d *Data) Answers() Answers { return Answers{d} }

var (
	_ symbols.Liner      = Answers{}
	_ symbols.Scoper     = Answers{}
	_ symbols.Typer      = Answers{}
	_ symbols.Macros     = Answers{}
	_ symbols.Indexer    = Answers{}
	_ symbols.TailCaller = Answers{}
)

// ask runs f with the DWARF reader, if there is one and its file is whole.
func (a Answers) ask(f func(d *Data)) {
	if a.data != nil {
		defer a.data.Asking()()
		a.data.opt.Guard(func() { f(a.data) })
	}
}

// Index implements symbols.Indexer.
func (a Answers) Index(ctx context.Context) (err error) {
	if a.data != nil {
		a.data.opt.Guard(func() { err = a.data.Index(ctx) })
	}
	return err
}

// Indexed implements symbols.Indexer; an image without debug information is.
func (a Answers) Indexed() bool { return a.data == nil || a.data.Indexed() }

// Inlined implements symbols.Indexer.
func (a Answers) Inlined(name string) (p []symbols.Place) {
	a.ask(func(d *Data) { p = d.Inlined(name) })
	return p
}

// Line implements symbols.Liner.
func (a Answers) Line(off symbols.Offset) (l symbols.Line, ok bool) {
	a.ask(func(d *Data) { l, ok = d.Line(off) })
	return l, ok
}

// Places implements symbols.Liner.
func (a Answers) Places(file string, line int) (p []symbols.Place) {
	a.ask(func(d *Data) { p = d.Places(file, line) })
	return p
}

// Lines implements symbols.Liner.
func (a Answers) Lines(lo, hi symbols.Offset) (l []symbols.Line) {
	a.ask(func(d *Data) { l = d.Lines(lo, hi) })
	return l
}

// Body implements symbols.Liner.
func (a Answers) Body(off symbols.Offset) (p symbols.Place, ok bool) {
	a.ask(func(d *Data) { p, ok = d.Body(off) })
	p.Provisional = !a.Indexed()
	return p, ok
}

// Files implements symbols.Liner.
func (a Answers) Files() iter.Seq[string] {
	return func(yield func(string) bool) {
		a.ask(func(d *Data) { d.Files()(yield) })
	}
}

// Scopes implements symbols.Scoper.
func (a Answers) Scopes(off symbols.Offset) (s []symbols.Scope, err error) {
	a.ask(func(d *Data) { s, err = d.Scopes(off) })
	return s, err
}

// Type implements symbols.Typer.
func (a Answers) Type(name string) (t *symbols.Type, ok bool) {
	a.ask(func(d *Data) { t, ok = d.Type(name) })
	return t, ok
}

// Types implements symbols.Typer.
func (a Answers) Types(pattern string) iter.Seq[string] {
	return func(yield func(string) bool) {
		a.ask(func(d *Data) { d.Types(pattern)(yield) })
	}
}

// Global implements symbols.Typer.
func (a Answers) Global(name string) (v symbols.Variable, ok bool) {
	a.ask(func(d *Data) { v, ok = d.Global(name) })
	return v, ok
}

// GlobalAt implements symbols.Typer.
func (a Answers) GlobalAt(off symbols.Offset) (v symbols.Variable, ok bool) {
	a.ask(func(d *Data) { v, ok = d.GlobalAt(off) })
	return v, ok
}

// Function implements symbols.Typer.
func (a Answers) Function(off symbols.Offset) (t *symbols.Type, ok bool) {
	a.ask(func(d *Data) { t, ok = d.Function(off) })
	return t, ok
}

// Macro implements symbols.Macros.
func (a Answers) Macro(off symbols.Offset, name string) (m symbols.Macro, ok bool) {
	a.ask(func(d *Data) { m, ok = d.Macro(off, name) })
	return m, ok
}

// MacrosAt implements symbols.Macros.
func (a Answers) MacrosAt(off symbols.Offset) iter.Seq[symbols.Macro] {
	return func(yield func(symbols.Macro) bool) {
		a.ask(func(d *Data) { d.MacrosAt(off)(yield) })
	}
}

// CallAt implements symbols.TailCaller.
func (a Answers) CallAt(off symbols.Offset) (c symbols.Call, ok bool) {
	a.ask(func(d *Data) { c, ok = d.CallAt(off) })
	return c, ok
}

// TailCalls implements symbols.TailCaller.
func (a Answers) TailCalls(entry symbols.Offset) (c []symbols.Call, ok bool) {
	a.ask(func(d *Data) { c, ok = d.TailCalls(entry) })
	return c, ok
}
