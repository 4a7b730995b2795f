package windbg

import (
	"context"
	"fmt"

	"dap-windbg/arch"
	"dap-windbg/engine"
)

// maxParameters is EXCEPTION_MAXIMUM_PARAMETERS of winnt.h.
const maxParameters = 15

// accesses are what the first parameter of an access violation says was tried.
var accesses = map[uint64]string{0: "read from", 1: "write to", 8: "execute"}

const accessViolation = 0xc0000005

// windowsRecord writes the EXCEPTION_RECORD at addr (winnt.h): code, flags, the next
// record, the address, the number of parameters, and those.
func (c *call) windowsRecord(ctx context.Context, addr arch.Addr) error {
	ptr := pointerSize(c.v)
	first := (8 + 2*ptr + 4 + ptr - 1) / ptr * ptr
	data, known, err := c.read(ctx, addr, uint64(first+maxParameters*ptr))
	if err != nil {
		return err
	}
	if known < first {
		return fail("Unable to read exception record at %s", addr.Text(ptr))
	}
	word := func(at, n int) uint64 { return littleEndian(data[at : at+n]) }
	code, n := uint32(word(0, 4)), int(word(8+2*ptr, 4))
	if code>>30 == 0 || n > maxParameters || known < first+n*ptr {
		return fail("No exception record at %s", addr.Text(ptr))
	}
	pc := arch.Addr(word(8+ptr, ptr))
	name, title := "", ""
	if l := c.v.Locate(pc); l.Module != nil {
		name = fmt.Sprintf(" (%s+0x%0*x)", symbolText(l.Module, l.Symbol), 2*ptr, l.Disp)
	}
	if t := engine.StatusName(code); t != "" {
		title = " (" + t + ")"
	}
	c.printf("ExceptionAddress: %0*x%s\n   ExceptionCode: %08x%s\n  ExceptionFlags: %08x\nNumberParameters: %d\n", 2*ptr, uint64(pc), name, code, title, uint32(word(4, 4)), n)
	for i := range n {
		c.printf("   Parameter[%d]: %0*x\n", i, 2*ptr, word(first+i*ptr, ptr))
	}
	if how := accesses[word(first, ptr)]; code == accessViolation && n > 1 && how != "" {
		c.printf("Attempt to %s address %0*x\n", how, 2*ptr, word(first+ptr, ptr))
	}
	return nil
}
