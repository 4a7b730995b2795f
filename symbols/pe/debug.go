package pe

import (
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
	_ symbols.Indexer    = (*Image)(nil)
	_ symbols.TailCaller = (*Image)(nil)
)
