package pdb

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math/bits"
	"sort"
)

const magic = "Microsoft C/C++ MSF 7.00\r\n\x1aDS\x00\x00\x00"

// noStream is the number of a stream that is not there, and its size when it was deleted.
const (
	noStream  = 0xffff
	noContent = 0xffffffff
)

// FormatError: the file is no program database that can be read.
type FormatError struct {
	Part   string // what could not be read
	Reason string
	hint   string
}

func (e *FormatError) Error() string { return e.Part + ": " + e.Reason }

// Hint says what the user can do.
func (e *FormatError) Hint() string { return e.hint }

// container is an MSF file: numbered streams, each a list of blocks.
type container struct {
	data      []byte
	blockSize uint32
	blocks    uint32
	directory *stream
	sizes     []uint32
	lists     []uint32 // where each stream's block list begins in the directory, bytes
}

// stream is the contents of one stream, in pieces that lie together in the file.
type stream struct {
	size uint32
	runs []run
}

// run is a piece of a stream from offset at.
type run struct {
	at   uint32
	data []byte
}

// IsPDB reports whether a file with these first bytes is a program database.
func IsPDB(head []byte) bool { return len(head) >= len(magic) && string(head[:len(magic)]) == magic }

// openContainer reads the superblock and the directory.
func openContainer(data []byte) (*container, error) {
	bad := func(format string, args ...any) error {
		return &FormatError{Part: "program database", Reason: fmt.Sprintf(format, args...), hint: "get the file again: it is damaged or was cut short"}
	}
	if !IsPDB(data) || len(data) < 56 {
		return nil, bad("no MSF 7.00 magic")
	}
	u := func(o int) uint32 { return binary.LittleEndian.Uint32(data[o:]) }
	c := &container{data: data, blockSize: u(32), blocks: u(40)}
	size := u(44)
	if bits.OnesCount32(c.blockSize) != 1 || c.blockSize < 512 || c.blockSize > 1<<16 {
		return nil, bad("block size %d", c.blockSize)
	}
	if have := (uint64(len(data)) + uint64(c.blockSize) - 1) / uint64(c.blockSize); uint64(c.blocks) > have {
		return nil, bad("it has %d bytes of %d blocks of %d", len(data), c.blocks, c.blockSize)
	}
	// The superblock lists the blocks of the list of the directory's blocks.
	count := c.count(size)
	roots := (uint64(count)*4 + uint64(c.blockSize) - 1) / uint64(c.blockSize)
	if uint64(count) > uint64(c.blocks) || 52+4*roots > uint64(len(data)) || 52+4*roots > uint64(c.blockSize) {
		return nil, bad("a directory of %d bytes", size)
	}
	list, err := c.open(count*4, data[52:52+4*roots])
	if err != nil {
		return nil, err
	}
	numbers, _ := list.view(0, count*4)
	if c.directory, err = c.open(size, numbers); err != nil {
		return nil, err
	}
	return c, c.readDirectory()
}

// count is how many blocks hold size bytes.
func (c *container) count(size uint32) uint32 {
	return uint32((uint64(size) + uint64(c.blockSize) - 1) / uint64(c.blockSize))
}

func (c *container) readDirectory() error {
	bad := &FormatError{Part: "directory of streams", Reason: "cut short"}
	head, ok := c.directory.view(0, 4)
	if !ok {
		return bad
	}
	n := binary.LittleEndian.Uint32(head)
	sizes, ok := c.directory.view(4, 4*min(n, 1<<20))
	if !ok || n > 1<<16 {
		return bad
	}
	at := uint64(4) + 4*uint64(n)
	for ; len(sizes) > 0; sizes = sizes[4:] {
		size := binary.LittleEndian.Uint32(sizes)
		if size == noContent {
			size = 0
		}
		c.sizes, c.lists = append(c.sizes, size), append(c.lists, uint32(at))
		at += 4 * uint64(c.count(size))
	}
	if at > uint64(c.directory.size) {
		return bad
	}
	return nil
}

// open makes a stream of the blocks numbered in list.
func (c *container) open(size uint32, list []byte) (*stream, error) {
	s := &stream{size: size}
	last := uint32(0)
	for at := uint32(0); at < size; list = list[4:] {
		if len(list) < 4 {
			return nil, &FormatError{Part: "list of blocks", Reason: "cut short"}
		}
		b := binary.LittleEndian.Uint32(list)
		begin := uint64(b) * uint64(c.blockSize)
		n := min(c.blockSize, size-at)
		if b >= c.blocks || begin+uint64(n) > uint64(len(c.data)) {
			return nil, &FormatError{Part: "list of blocks", Reason: fmt.Sprintf("block %d of %d", b, c.blocks)}
		}
		if k := len(s.runs) - 1; k >= 0 && b == last+1 {
			r := &s.runs[k]
			r.data = r.data[:len(r.data)+int(n)]
		} else {
			s.runs = append(s.runs, run{at, c.data[begin : begin+uint64(n)]})
		}
		at, last = at+n, b
	}
	return s, nil
}

// stream opens a stream by number; one that is not there is empty.
func (c *container) stream(number uint16) (*stream, error) {
	if number == noStream || int(number) >= len(c.sizes) {
		return &stream{}, nil
	}
	size := c.sizes[number]
	list, ok := c.directory.view(c.lists[number], 4*c.count(size))
	if !ok {
		return nil, &FormatError{Part: fmt.Sprintf("stream %d", number), Reason: "its list of blocks is cut short"}
	}
	return c.open(size, list)
}

// part returns what lies together from off on.
func (s *stream) part(off uint32) []byte {
	if off >= s.size {
		return nil
	}
	k := sort.Search(len(s.runs), func(i int) bool { return s.runs[i].at > off }) - 1
	return s.runs[k].data[off-s.runs[k].at:]
}

// view returns n bytes at off; they must not be written to.
func (s *stream) view(off, n uint32) ([]byte, bool) {
	if uint64(off)+uint64(n) > uint64(s.size) {
		return nil, false
	}
	if n == 0 {
		return nil, true
	}
	b := s.part(off)
	if uint64(len(b)) >= uint64(n) {
		return b[:n:n], true
	}
	out := make([]byte, 0, n)
	for uint32(len(out)) < n {
		b := s.part(off + uint32(len(out)))
		out = append(out, b[:min(len(b), int(n)-len(out))]...)
	}
	return out, true
}

// extent is a piece of a stream that is read where it lies: it may be large, and a
// copy of it would cost more than all that is asked of it.
type extent struct {
	s        *stream
	at, size uint32
}

func (s *stream) extent(at, size uint32) (extent, bool) {
	return extent{s, at, size}, uint64(at)+uint64(size) <= uint64(s.size)
}

// words is how many words of 4 bytes it has.
func (e extent) words() uint32 { return e.size / 4 }

// word is the i-th of them.
func (e extent) word(i uint32) uint32 {
	b, ok := e.s.view(e.at+4*i, 4)
	if !ok {
		return 0
	}
	return binary.LittleEndian.Uint32(b)
}

// each yields all words by their numbers.
func (e extent) each() iter.Seq2[uint32, uint32] {
	return func(yield func(uint32, uint32) bool) {
		for i, n := uint32(0), e.words(); i < n; {
			b := e.s.part(e.at + 4*i)
			if len(b) < 4 { // it continues elsewhere
				b, _ = e.s.view(e.at+4*i, 4)
			}
			for ; len(b) >= 4 && i < n; b = b[4:] {
				if !yield(i, binary.LittleEndian.Uint32(b)) {
					return
				}
				i++
			}
		}
	}
}

// all returns the whole stream.
func (s *stream) all() []byte {
	b, _ := s.view(0, s.size)
	return b
}
