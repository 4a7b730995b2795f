package elf

import (
	"dap-windbg/symbols"
	"dap-windbg/symbols/dwarf"
)

var _ symbols.TailCaller = (*Image)(nil)

// CallAt implements symbols.TailCaller.
func (i *Image) CallAt(off symbols.Offset) (c symbols.Call, ok bool) {
	i.ask(func(d *dwarf.Data) { c, ok = d.CallAt(off) })
	return c, ok
}

// TailCalls implements symbols.TailCaller.
func (i *Image) TailCalls(entry symbols.Offset) (c []symbols.Call, ok bool) {
	i.ask(func(d *dwarf.Data) { c, ok = d.TailCalls(entry) })
	return c, ok
}
