package linux

import "encoding/binary"

// Types of auxiliary vector entries (Linux, include/uapi/linux/auxvec.h).
const (
	AtPhdr        = 3  // address of the main image's program headers
	AtPhent       = 4  // size of one
	AtPhnum       = 5  // how many
	AtPagesz      = 6  // page size, bytes
	AtBase        = 7  // where the loader lies, 0 none
	AtEntry       = 9  // the main image's entry point
	AtExecFn      = 31 // address of the path it was started with
	AtSysinfoEhdr = 33 // where the vDSO lies
)

// Auxv is the auxiliary vector the kernel gave to a process.
type Auxv map[uint64]uint64

// ParseAuxv decodes raw entries. What follows AT_NULL, or is not whole, is ignored.
func ParseAuxv(raw []byte, order binary.ByteOrder, ptrSize int) Auxv {
	a := Auxv{}
	for len(raw) >= 2*ptrSize {
		key, value := word(raw, order, ptrSize), word(raw[ptrSize:], order, ptrSize)
		if key == 0 {
			break
		}
		if _, dup := a[key]; !dup {
			a[key] = value
		}
		raw = raw[2*ptrSize:]
	}
	return a
}

// word decodes a pointer-sized integer at the head of p, which is long enough.
func word(p []byte, order binary.ByteOrder, ptrSize int) uint64 {
	if ptrSize == 4 {
		return uint64(order.Uint32(p))
	}
	return order.Uint64(p)
}
