package engine

import (
	"bytes"

	"dap-windbg/arch"
)

// decoded remembers instructions by their addresses: what is shown of a function at one
// stop is shown at the next one, too, and decoding takes longer than all the rest. An
// instruction is what its bytes and its address make of it, so that whoever asks with
// the same bytes has the same answer.
type decoded map[arch.Addr]decodedInst

type decodedInst struct {
	inst  arch.Inst
	bytes [longestKept]byte
}

const (
	longestKept = 15   // bytes, as on x86
	maxDecoded  = 2048 // of which there may be half a megabyte
)

// decode decodes the instruction that code begins with.
func (d *decoded) decode(cpu *arch.Arch, code []byte, a arch.Addr) (arch.Inst, error) {
	if k, ok := (*d)[a]; ok && k.inst.Len <= len(code) && bytes.Equal(k.bytes[:k.inst.Len], code[:k.inst.Len]) {
		return k.inst, nil
	}
	in, err := cpu.Decode(code, a)
	if err != nil || in.Len == 0 || in.Len > longestKept {
		return in, err
	}
	if *d == nil || len(*d) >= maxDecoded {
		*d = make(decoded)
	}
	k := decodedInst{inst: in}
	copy(k.bytes[:], code[:in.Len])
	(*d)[a] = k
	return in, nil
}
