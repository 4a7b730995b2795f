package linuxkernel

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// bytesAt is memory that begins at an address.
type bytesAt struct {
	addr arch.Addr
	data []byte
}

func (m bytesAt) ReadMemory(_ context.Context, a arch.Addr, p []byte) (int, error) {
	return copy(p, m.data[a-m.addr:]), nil
}

// TestEntryFrame: the registers at the top of a task's stack are those of the program, if
// one has called, and the stack begins there else; those that a frame pointer of entry code
// names are of what was interrupted.
func TestEntryFrame(t *testing.T) {
	const top, ip, sp = 0xffffc9000000bf58, 0xffffffff8101c25e, 0x7ffc396ca5d8
	for _, c := range []struct {
		name   string
		sp, fp arch.Addr
		cs, ss uint64
		end    error // errNotEntry, ErrOutermost or nil
	}{
		{"a program's call", top, 0, 0x33, 0x2b, nil},
		{"a kernel thread", top, 0, 0, 0, symbols.ErrOutermost},
		{"the idle task, with what lies there", top, 0, 0x10, 0x18, symbols.ErrOutermost},
		{"another place of the stack", top + 8, 0, 0x33, 0x2b, errNotEntry},
		{"an interrupt of the kernel", 0xffffc9000000be20, 0xffffc9000000be29, 0x10, 0x18, nil},
		{"an interrupt of a program", top - 8, top + 1, 0x33, 0x2b, nil},
		{"a frame pointer that is none", 0xffffc9000000be20, 0xffffc9000000be29, 0x6b736174, 0x18, errNotEntry},
		{"one below the stack", 0xffffc9000000be20, 0xffffc9000000be01, 0x10, 0x18, errNotEntry},
		{"one of another stack", 0xffffc9000000be20, 0xffffc9000000ff01, 0x10, 0x18, errNotEntry},
	} {
		saved := make([]byte, 8*len(savedRegisters))
		for i, v := range map[int]uint64{16: ip, 17: c.cs, 19: sp, 20: c.ss} {
			binary.LittleEndian.PutUint64(saved[8*i:], v)
		}
		r := arch.NewRegisters(arch.AMD64.DefaultSet())
		r.SetPC(0xffffffff814000af)
		r.SetSP(c.sp)
		r.PutName("rbp", uint64(c.fp))
		at := c.sp
		if c.fp&1 != 0 {
			at = c.fp - 1
		}
		out, err := new(System).SignalFrame(t.Context(), r, bytesAt{at, saved})
		if !errors.Is(err, c.end) || err == nil && (out.PC() != ip || out.SP() != sp) {
			t.Errorf("%s: %v, %v", c.name, out, err)
		}
	}
}
