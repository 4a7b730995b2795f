package core

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"dap-windbg/binfmt/elf"
)

// Open implements targets.Files for the one file of /proc that a core has the
// contents of: the memory map.
func (t *Target) Open(_ context.Context, path string) (io.ReadCloser, error) {
	if path != fmt.Sprintf("/proc/%d/maps", t.info.Process) {
		return nil, errors.ErrUnsupported
	}
	var b bytes.Buffer
	t.guard.Do(func() {
		for i := range t.elf.Segments {
			s := &t.elf.Segments[i]
			if s.Type != elf.SegLoad || s.Memsz == 0 {
				continue
			}
			name, offset := "", uint64(0)
			if m := t.mapped(s.Vaddr); m != nil {
				name, offset = m.path, m.offset+(s.Vaddr-m.start)
			} else if s.Vaddr <= t.stackPointer() && t.stackPointer() < s.Vaddr+s.Memsz {
				name = "[stack]"
			}
			fmt.Fprintf(&b, "%x-%x %sp %08x 00:00 0 %s\n", s.Vaddr, s.Vaddr+s.Memsz, protection(s.Flags), offset, name)
		}
	})
	return io.NopCloser(&b), nil
}

func protection(flags uint32) string {
	p := []byte("---")
	for i, bit := range []uint32{elf.SegR, elf.SegW, elf.SegX} {
		if flags&bit != 0 {
			p[i] = "rwx"[i]
		}
	}
	return string(p)
}

// auxRandom is an address on the main thread's stack (AT_RANDOM).
const auxRandom = 25

// stackPointer is an address on the main stack, 0 unknown.
func (t *Target) stackPointer() uint64 { return t.auxiliary(auxRandom) }
