package pdb

import (
	"context"
	"iter"

	"dap-windbg/symbols"
)

// Answers is what an image embeds to be a symbols.Liner, Scoper, Typer, Macros,
// Indexer and TailCaller by its program database: each question is asked under the
// file's Guard. Program databases tell nothing of macros and tail calls.
type Answers struct{ f *File }

// Answers returns f as an image embeds it.
func (f *File) Answers() Answers { return Answers{f} }

var (
	_ symbols.Liner      = Answers{}
	_ symbols.Scoper     = Answers{}
	_ symbols.Typer      = Answers{}
	_ symbols.Macros     = Answers{}
	_ symbols.Indexer    = Answers{}
	_ symbols.TailCaller = Answers{}
)

// Index implements symbols.Indexer.
func (a Answers) Index(ctx context.Context) (err error) {
	a.f.guarded(func() { err = a.f.Index(ctx) })
	return err
}

// Indexed implements symbols.Indexer.
func (a Answers) Indexed() bool { return a.f.Indexed() }

// Inlined implements symbols.Indexer.
func (a Answers) Inlined(name string) (p []symbols.Place) {
	a.f.guarded(func() { p = a.f.Inlined(name) })
	return p
}

// Line implements symbols.Liner.
func (a Answers) Line(off symbols.Offset) (l symbols.Line, ok bool) {
	a.f.guarded(func() { l, ok = a.f.Line(off) })
	return l, ok
}

// Places implements symbols.Liner.
func (a Answers) Places(file string, line int) (p []symbols.Place) {
	a.f.guarded(func() { p = a.f.Places(file, line) })
	return p
}

// Lines implements symbols.Liner.
func (a Answers) Lines(lo, hi symbols.Offset) (l []symbols.Line) {
	a.f.guarded(func() { l = a.f.Lines(lo, hi) })
	return l
}

// Body implements symbols.Liner.
func (a Answers) Body(off symbols.Offset) (p symbols.Place, ok bool) {
	a.f.guarded(func() { p, ok = a.f.Body(off) })
	return p, ok
}

// Files implements symbols.Liner.
func (a Answers) Files() iter.Seq[string] {
	return func(yield func(string) bool) { a.f.guarded(func() { a.f.Files()(yield) }) }
}

// Scopes implements symbols.Scoper.
func (a Answers) Scopes(off symbols.Offset) (s []symbols.Scope, err error) {
	a.f.guarded(func() { s, err = a.f.Scopes(off) })
	return s, err
}

// Type implements symbols.Typer.
func (a Answers) Type(name string) (t *symbols.Type, ok bool) {
	a.f.guarded(func() { t, ok = a.f.Type(name) })
	return t, ok
}

// Types implements symbols.Typer.
func (a Answers) Types(pattern string) iter.Seq[string] {
	return func(yield func(string) bool) { a.f.guarded(func() { a.f.Types(pattern)(yield) }) }
}

// Global implements symbols.Typer.
func (a Answers) Global(name string) (v symbols.Variable, ok bool) {
	a.f.guarded(func() { v, ok = a.f.Global(name) })
	return v, ok
}

// GlobalAt implements symbols.Typer.
func (a Answers) GlobalAt(off symbols.Offset) (v symbols.Variable, ok bool) {
	a.f.guarded(func() { v, ok = a.f.GlobalAt(off) })
	return v, ok
}

// Function implements symbols.Typer.
func (a Answers) Function(off symbols.Offset) (t *symbols.Type, ok bool) {
	a.f.guarded(func() { t, ok = a.f.Function(off) })
	return t, ok
}

// Macro implements symbols.Macros.
func (Answers) Macro(symbols.Offset, string) (symbols.Macro, bool) { return symbols.Macro{}, false }

// MacrosAt implements symbols.Macros.
func (Answers) MacrosAt(symbols.Offset) iter.Seq[symbols.Macro] {
	return func(func(symbols.Macro) bool) {}
}

// CallAt implements symbols.TailCaller.
func (Answers) CallAt(symbols.Offset) (symbols.Call, bool) { return symbols.Call{}, false }

// TailCalls implements symbols.TailCaller.
func (Answers) TailCalls(symbols.Offset) ([]symbols.Call, bool) { return nil, false }
