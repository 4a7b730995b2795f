package store

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// This file reads the cabinets of compressed symbol stores (name.pd_ for name.pdb):
// one file in one folder, stored or MSZIP ([MS-CAB] sections 2.1 to 2.4, [MS-MCI]).
// Checksums of blocks are compared where there are any.

// CabinetError: a compressed file that cannot be expanded.
type CabinetError struct {
	Offset int64 // in the cabinet
	Reason string
}

func (e *CabinetError) Error() string {
	return fmt.Sprintf("cabinet, offset %d: %s", e.Offset, e.Reason)
}

// Sizes and flags of [MS-CAB].
const (
	cabHeader      = 36
	cabFolder      = 8
	cabFile        = 16
	cabBlock       = 8
	cabBlockMax    = 32 << 10 // of expanded data
	cabPackedMax   = cabBlockMax + 6144
	cabHasPrevious = 1
	cabHasNext     = 2
	cabHasReserve  = 4
)

// cabMethods are the ways to compress, by the low bits of CFFOLDER.typeCompress.
var cabMethods = []string{"none", "MSZIP", "Quantum", "LZX"}

// cabinet is what the headers say of the first file.
type cabinet struct {
	method int
	blocks int
	data   int64 // where the blocks begin
	skip   int64 // of the folder's data before the file
	size   int64 // of the file
	extra  int   // reserved bytes of each block
}

type cabReader struct {
	r  io.ReaderAt
	at int64
}

// take reads n bytes.
func (c *cabReader) take(n int) ([]byte, error) {
	b := make([]byte, n)
	if got, err := c.r.ReadAt(b, c.at); got < n {
		if err == nil || err == io.EOF {
			err = &CabinetError{c.at, "ends too early"}
		}
		return nil, err
	}
	c.at += int64(n)
	return b, nil
}

// isCabinet reports whether a file begins as one.
func isCabinet(r io.ReaderAt) bool {
	b, err := (&cabReader{r: r}).take(4)
	return err == nil && string(b) == "MSCF"
}

func parseCabinet(r io.ReaderAt) (*cabinet, error) {
	c := &cabReader{r: r}
	h, err := c.take(cabHeader)
	if err != nil {
		return nil, err
	}
	u16 := func(b []byte, at int) int { return int(binary.LittleEndian.Uint16(b[at:])) }
	u32 := func(b []byte, at int) int64 { return int64(binary.LittleEndian.Uint32(b[at:])) }
	flags := u16(h, 30)
	switch {
	case string(h[:4]) != "MSCF":
		return nil, &CabinetError{0, "does not begin as a cabinet"}
	case h[25] != 1:
		return nil, &CabinetError{24, fmt.Sprintf("version %d.%d is not known", h[25], h[24])}
	case flags&(cabHasPrevious|cabHasNext) != 0:
		return nil, &CabinetError{30, "is one of several; a store's are whole"}
	case u16(h, 26) < 1 || u16(h, 28) < 1:
		return nil, &CabinetError{26, "is empty"}
	}
	out, folderExtra := &cabinet{}, 0
	if flags&cabHasReserve != 0 {
		b, err := c.take(4)
		if err != nil {
			return nil, err
		}
		c.at += int64(u16(b, 0))
		folderExtra, out.extra = int(b[2]), int(b[3])
	}
	folder, err := c.take(cabFolder + folderExtra)
	if err != nil {
		return nil, err
	}
	c.at = u32(h, 16)
	file, err := c.take(cabFile)
	if err != nil {
		return nil, err
	}
	if u16(file, 8) != 0 {
		return nil, &CabinetError{c.at, "the first file is not in the first folder"}
	}
	out.data, out.blocks, out.method = u32(folder, 0), u16(folder, 4), u16(folder, 6)&15
	out.size, out.skip = u32(file, 0), u32(file, 4)
	return out, nil
}

// expand writes the first file of a cabinet, whose size is bounded by limit.
func expand(r io.ReaderAt, w io.Writer, limit int64) error {
	cab, err := parseCabinet(r)
	if err != nil {
		return err
	}
	if cab.method > 1 {
		name := "an unknown method"
		if cab.method < len(cabMethods) {
			name = cabMethods[cab.method]
		}
		return &CabinetError{cab.data, "is compressed with " + name + ", which is not supported; expand it in the store"}
	}
	if cab.size > limit {
		return &tooLargeError{cab.size, limit}
	}
	c := &cabReader{r, cab.data}
	var window []byte // the block before, which MSZIP refers to
	skip, left := cab.skip, cab.size
	for n := 0; left > 0; n++ {
		if n == cab.blocks {
			return &CabinetError{c.at, fmt.Sprintf("lacks %d bytes of the file", left)}
		}
		if window, err = cab.block(c, window); err != nil {
			return err
		}
		b := window
		drop := min(skip, int64(len(b)))
		skip -= drop
		b = b[drop:]
		b = b[:min(left, int64(len(b)))]
		if _, err := w.Write(b); err != nil {
			return err
		}
		left -= int64(len(b))
	}
	return nil
}

// block reads and expands one block.
func (cab *cabinet) block(c *cabReader, window []byte) ([]byte, error) {
	at := c.at
	h, err := c.take(cabBlock)
	if err != nil {
		return nil, err
	}
	packed, size := int(binary.LittleEndian.Uint16(h[4:])), int(binary.LittleEndian.Uint16(h[6:]))
	if packed > cabPackedMax || size > cabBlockMax {
		return nil, &CabinetError{at, "a block is larger than blocks may be"}
	}
	c.at += int64(cab.extra)
	b, err := c.take(packed)
	if err != nil {
		return nil, err
	}
	if sum := binary.LittleEndian.Uint32(h); sum != 0 && cab.extra == 0 && sum != cabSum(h[4:], cabSum(b, 0)) {
		return nil, &CabinetError{at, "the checksum of a block is wrong"}
	}
	if cab.method == 0 {
		if packed != size {
			return nil, &CabinetError{at, "a stored block has two sizes"}
		}
		return b, nil
	}
	if !bytes.HasPrefix(b, []byte("CK")) {
		return nil, &CabinetError{at, "a block does not begin as MSZIP"}
	}
	out := make([]byte, size)
	z := flate.NewReaderDict(bytes.NewReader(b[2:]), window)
	if _, err := io.ReadFull(z, out); err != nil {
		return nil, &CabinetError{at, "a block does not expand: " + err.Error()}
	}
	if n, err := z.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		return nil, &CabinetError{at, "a block is longer than it says"}
	}
	return out, nil
}

// cabSum is the checksum of [MS-CAB] section 3.1: words exclusive-ored, the last
// bytes of no whole word in reverse.
func cabSum(b []byte, sum uint32) uint32 {
	for ; len(b) >= 4; b = b[4:] {
		sum ^= binary.LittleEndian.Uint32(b)
	}
	var last uint32
	for _, x := range b {
		last = last<<8 | uint32(x)
	}
	return sum ^ last
}
