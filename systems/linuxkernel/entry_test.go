package linuxkernel

import (
	"context"
	"encoding/binary"
	"testing"

	"dap-windbg/arch"
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
// one has called.
func TestEntryFrame(t *testing.T) {
	const sp = 0xffffc9000000bf58
	saved := make([]byte, 8*len(savedRegisters))
	put := func(i int, v uint64) { binary.LittleEndian.PutUint64(saved[8*i:], v) }
	put(16, 0x47b6fd)
	put(19, 0x7ffc396ca5d8)
	r := arch.NewRegisters(arch.AMD64.DefaultSet())
	unwind := func(at, cs uint64) (*arch.Registers, error) {
		put(17, cs)
		r.SetPC(0xffffffff814000af)
		r.SetSP(arch.Addr(at))
		return new(System).SignalFrame(t.Context(), r, bytesAt{sp, saved})
	}
	out, err := unwind(sp, 0x33)
	if err != nil || out.PC() != 0x47b6fd || out.SP() != 0x7ffc396ca5d8 {
		t.Errorf("the program is at %v, %v", out, err)
	}
	if _, err := unwind(sp, 0x10); err == nil {
		t.Error("a kernel's own entry is taken for a program's")
	}
	if _, err := unwind(sp+8, 0x33); err == nil {
		t.Error("another place of the stack is taken for its top")
	}
}
