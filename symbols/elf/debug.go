package elf

import (
	"iter"

	"dap-windbg/symbols"
)

// The methods of symbols.Liner, Scoper and Typer go to the DWARF reader.

var (
	_ symbols.Image    = (*Image)(nil)
	_ symbols.Liner    = (*Image)(nil)
	_ symbols.Scoper   = (*Image)(nil)
	_ symbols.Typer    = (*Image)(nil)
	_ symbols.Unwinder = (*Image)(nil)
)

// Index reads all names of the debug information, so that later answers are
// quick. It may take a fraction of a second and is done once.
func (i *Image) Index() {
	if i.dwarf != nil {
		i.dwarf.Index()
	}
}

// Line implements symbols.Liner.
func (i *Image) Line(off symbols.Offset) (symbols.Line, bool) {
	if i.dwarf == nil {
		return symbols.Line{}, false
	}
	return i.dwarf.Line(off)
}

// Places implements symbols.Liner.
func (i *Image) Places(file string, line int) []symbols.Place {
	if i.dwarf == nil {
		return nil
	}
	return i.dwarf.Places(file, line)
}

// Lines implements symbols.Liner.
func (i *Image) Lines(lo, hi symbols.Offset) []symbols.Line {
	if i.dwarf == nil {
		return nil
	}
	return i.dwarf.Lines(lo, hi)
}

// Body implements symbols.Liner.
func (i *Image) Body(off symbols.Offset) (symbols.Place, bool) {
	if i.dwarf == nil {
		return symbols.Place{}, false
	}
	return i.dwarf.Body(off)
}

// Files implements symbols.Liner.
func (i *Image) Files() iter.Seq[string] {
	if i.dwarf == nil {
		return func(func(string) bool) {}
	}
	return i.dwarf.Files()
}

// Scopes implements symbols.Scoper.
func (i *Image) Scopes(off symbols.Offset) ([]symbols.Scope, error) {
	if i.dwarf == nil {
		return nil, nil
	}
	return i.dwarf.Scopes(off)
}

// Type implements symbols.Typer.
func (i *Image) Type(name string) (*symbols.Type, bool) {
	if i.dwarf == nil {
		return nil, false
	}
	return i.dwarf.Type(name)
}

// Types implements symbols.Typer.
func (i *Image) Types(pattern string) iter.Seq[string] {
	if i.dwarf == nil {
		return func(func(string) bool) {}
	}
	return i.dwarf.Types(pattern)
}

// Global implements symbols.Typer.
func (i *Image) Global(name string) (symbols.Variable, bool) {
	if i.dwarf == nil {
		return symbols.Variable{}, false
	}
	return i.dwarf.Global(name)
}

// GlobalAt implements symbols.Typer.
func (i *Image) GlobalAt(off symbols.Offset) (symbols.Variable, bool) {
	if i.dwarf == nil {
		return symbols.Variable{}, false
	}
	return i.dwarf.GlobalAt(off)
}

// Function implements symbols.Typer.
func (i *Image) Function(off symbols.Offset) (*symbols.Type, bool) {
	if i.dwarf == nil {
		return nil, false
	}
	return i.dwarf.Function(off)
}
