package arch

import (
	"errors"
	"fmt"
)

var (
	// ErrShort: the bytes end within the instruction.
	ErrShort = errors.New("the code ends within the instruction")
	// ErrUnknown: no instruction we know starts with these bytes.
	ErrUnknown = errors.New("unknown instruction")
)

// Text writes an address of ptrSize bytes as WinDbg does: 00007fff`f7c00000,
// or 8 digits for a 4-byte one.
func (a Addr) Text(ptrSize int) string {
	if ptrSize == 4 {
		return fmt.Sprintf("%08x", uint32(a))
	}
	return fmt.Sprintf("%08x`%08x", uint64(a)>>32, uint32(a))
}

// Format returns the operands with the address among them named by sym, as in
// `main!f+0x4 (00005555`55555004)`. Sym returns "" for an address without a
// name; a nil sym names nothing. The result equals Args when nothing is named.
func (i Inst) Format(sym func(Addr) string) string {
	if !i.hasAddr {
		return i.head + i.tail
	}
	text := i.addr.Text(i.ptr)
	if sym != nil {
		if s := sym(i.addr); s != "" {
			text = s + " (" + text + ")"
		}
	}
	return i.head + text + i.tail
}

// Segment names the segment an x86 memory operand lies in: the explicit one, ss
// for stack-based addresses, ds otherwise.
func (o *Operand) Segment() string {
	switch {
	case o.Seg != "":
		return o.Seg
	case o.Base == "rsp" || o.Base == "rbp" || o.Base == "esp" || o.Base == "ebp" || o.Base == "sp" || o.Base == "bp":
		return "ss"
	}
	return "ds"
}
