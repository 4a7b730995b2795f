package index

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync/atomic"

	"dap-windbg/binfmt/mmap"
)

// Kind sorts entries.
type Kind uint8

const (
	Type Kind = iota
	Variable
	Function   // has code of its own
	Enumerator // of an enumeration
	Inline     // is inlined in the unit of the entry
)

// Flags of an entry.
type Flags uint8

const (
	Declared Flags = 1 << iota // declared here, defined elsewhere
	Alias                      // a typedef
	Local                      // inside a function
)

// ScopeFlags of a scope.
type ScopeFlags uint32

const (
	Optional  ScopeFlags = 1 << iota // names in it may be written without it
	Namespace                        // not a class
)

// None stands for no scope, or no unit.
const None = 1<<32 - 1

// Entry is one meaning of a name.
type Entry struct {
	DIE   uint64 // 48 bits
	Name  uint32
	Scope uint32 // innermost scope around it, None at the top
	Unit  uint32
	Kind  Kind
	Flags Flags
}

// Scope is what a name is qualified by.
type Scope struct {
	Parent uint32
	Name   uint32
	Flags  ScopeFlags
}

// Global is a variable with a fixed address.
type Global struct{ Addr, DIE uint64 }

// Code says that a unit has the code [Low, High).
type Code struct {
	Low, High uint64
	Unit      uint32
}

// table numbers the tables in their order in the file.
type table int

const (
	tabSums table = iota
	tabStrings
	tabNames
	tabScopes
	tabUnits
	tabGlobals
	tabCode
	tabPaths
	tabFiles
	tabFileUnits
	tabEntries // last, for how many there are is known last
	tabCount
)

// recordSize is the size of a table's records in bytes.
var recordSize = [tabCount]uint64{
	tabSums: 4, tabStrings: 1, tabNames: 12, tabEntries: 16, tabScopes: 12, tabUnits: 8,
	tabGlobals: 16, tabCode: 24, tabPaths: 1, tabFiles: 8, tabFileUnits: 4,
}

const (
	magic   = "dwi\x1a\r\n\x00\xff"
	version = 1

	blockShift = 16
	blockSize  = 1 << blockShift

	maxID = 64
	// The header: magic, version, length of the file, length and bytes of the
	// image's id, place and count of each table, and the header's own checksum.
	offVersion = 8
	offLength  = 16
	offIDLen   = 24
	offID      = 32
	offTables  = offID + maxID
	offSum     = offTables + int(tabCount)*16
	headerSize = (offSum + 8 + 7) &^ 7
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// FormatError says what is wrong with an index's bytes.
type FormatError struct{ What string }

func (e *FormatError) Error() string { return "symbol index: " + e.What }

type extent struct{ off, count uint64 }

// Index finds names. It is safe for many goroutines.
type Index struct {
	data    []byte
	tables  [tabCount]extent
	checked []atomic.Uint64 // a bit for each block of the body
	bad     atomic.Bool
	body    uint64     // where the blocks begin
	file    *mmap.File // that data is of, nil when it is memory
	guard   mmap.Guard // around the first look at a block
}

// Open makes an Index of the bytes of a file for the image that id names. It
// looks at the header alone.
func Open(data, id []byte) (*Index, error) {
	x := &Index{}
	if err := x.open(data, id); err != nil {
		return nil, err
	}
	return x, nil
}

func (x *Index) open(data, id []byte) error {
	if err := x.header(data, id); err != nil {
		return err
	}
	blocks := (uint64(len(data)) - x.body + blockSize - 1) >> blockShift
	if x.tables[tabSums].count < blocks {
		return &FormatError{"the checksums do not cover it"}
	}
	x.checked = make([]atomic.Uint64, (blocks+63)/64)
	return nil
}

func (x *Index) header(data, id []byte) error {
	le := binary.LittleEndian
	switch {
	case len(data) < headerSize || string(data[:len(magic)]) != magic:
		return &FormatError{"not an index"}
	case le.Uint32(data[offVersion:]) != version:
		return &FormatError{fmt.Sprintf("version %d, not %d", le.Uint32(data[offVersion:]), version)}
	case le.Uint32(data[offSum:]) != crc32.Checksum(data[:offSum], castagnoli):
		return &FormatError{"damaged header"}
	case le.Uint64(data[offLength:]) != uint64(len(data)):
		return &FormatError{"cut short"}
	}
	if n := le.Uint64(data[offIDLen:]); n > maxID || string(data[offID:offID+n]) != string(id) {
		return &FormatError{"of another image"}
	}
	x.data = data
	end := uint64(headerSize)
	for t := range x.tables {
		e := extent{le.Uint64(data[offTables+16*t:]), le.Uint64(data[offTables+16*t+8:])}
		if e.off < end || e.off&7 != 0 || e.off > uint64(len(data)) || e.count > (uint64(len(data))-e.off)/recordSize[t] || e.count >= None {
			return &FormatError{"tables out of bounds"}
		}
		end = e.off + e.count*recordSize[t]
		x.tables[t] = e
	}
	if x.tables[tabNames].count == 0 || x.tables[tabFiles].count == 0 {
		return &FormatError{"tables without an end"}
	}
	x.body = x.tables[tabStrings].off
	return nil
}

// Damaged reports whether a block was met whose checksum is wrong. What was
// answered since is not to be believed; what was answered before is right.
func (x *Index) Damaged() bool { return x.bad.Load() }

// Size is the length of the index in bytes.
func (x *Index) Size() int { return len(x.data) }

// Bytes are the index as it is kept in a file.
func (x *Index) Bytes() []byte { return x.data }

// at returns n bytes of table t from record i on; nil when they are not there or
// damaged.
func (x *Index) at(t table, i, n uint64) []byte {
	e := &x.tables[t]
	if i > e.count || n > (e.count-i)*recordSize[t] {
		x.bad.Store(true)
		return nil
	}
	lo := e.off + i*recordSize[t]
	if n > 0 && x.checked != nil && !x.verify(lo-x.body, lo+n-1-x.body) {
		return nil
	}
	return x.data[lo : lo+n : lo+n]
}

// verify checks the blocks from the one with the byte first to the one with last.
func (x *Index) verify(first, last uint64) bool {
	for b := first >> blockShift; b <= last>>blockShift; b++ {
		word, bit := &x.checked[b/64], uint64(1)<<(b%64)
		if word.Load()&bit != 0 {
			continue
		}
		lo := x.body + b<<blockShift
		hi := min(lo+blockSize, uint64(len(x.data)))
		right := false
		x.guard.Do(func() {
			sum := x.data[x.tables[tabSums].off+4*b:]
			right = crc32.Checksum(x.data[lo:hi], castagnoli) == binary.LittleEndian.Uint32(sum)
		})
		if !right {
			x.bad.Store(true)
			return false
		}
		word.Or(bit)
	}
	return true
}

// u32 reads field k of record i.
func (x *Index) u32(t table, i uint64, k int) uint32 {
	r := x.at(t, i, recordSize[t])
	if r == nil {
		return None
	}
	return binary.LittleEndian.Uint32(r[4*k:])
}
