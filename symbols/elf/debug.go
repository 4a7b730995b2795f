package elf

import (
	"context"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/symbols/dwarf"
)

// answers makes the image what its DWARF makes it.
type answers = dwarf.Answers

var (
	_ symbols.Image      = (*Image)(nil)
	_ symbols.Liner      = (*Image)(nil)
	_ symbols.Scoper     = (*Image)(nil)
	_ symbols.Typer      = (*Image)(nil)
	_ symbols.Unwinder   = (*Image)(nil)
	_ symbols.Macros     = (*Image)(nil)
	_ symbols.Parted     = (*Image)(nil)
	_ symbols.Indexer    = (*Image)(nil)
	_ symbols.TailCaller = (*Image)(nil)
)

// Global implements symbols.Typer: also a variable that code only declares.
func (i *Image) Global(name string) (v symbols.Variable, ok bool) {
	if v, ok = i.answers.Global(name); !ok && i.dwarf != nil {
		i.guard.Do(func() { v, ok = i.declaredGlobal(name) })
	}
	return v, ok
}

// declaredGlobal is a variable that code only declares, where the symbol table has it.
func (i *Image) declaredGlobal(name string) (symbols.Variable, bool) {
	for s := range i.Lookup(name) {
		if s.Kind == symbols.Function || s.Name != name {
			continue
		}
		v, ok := i.dwarf.DeclaredGlobal(name)
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
