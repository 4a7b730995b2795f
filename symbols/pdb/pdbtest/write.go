// Package pdbtest writes program databases from nested values, for tests and
// measurements: what a case needs of a database is what it says.
//
// It is written from the published layout and shares nothing with the reader.
package pdbtest

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Database is what is written. The zero value of a field leaves a part out.
type Database struct {
	BlockSize int // 0: 4096
	GUID      [16]byte
	Age       uint32
	Machine   uint16
	Minimal   bool // as /DEBUG:FASTLINK leaves it
	Sections  []Section
	Types     [][]byte // records of TPI, from 1000h on, made by Record
	IDs       [][]byte // records of IPI
	Modules   []Module
	Globals   [][]byte // symbol records
	Publics   []Public
	Strings   []string // of /names; their offsets are told by StringAt
	NewFPO    []byte
	OldFPO    []byte

	// OMAP: sections of before, and the tables from old to new addresses and back.
	Original     []Section
	ToNew, ToOld []byte
	Scattered    bool // no two blocks of a stream lie together
}

// Section of the image: its address and size.
type Section struct{ Addr, Size uint32 }

// Module is an object file. Symbols and C13 are the bytes of its stream without the
// signature.
type Module struct {
	Name         string
	Symbols, C13 []byte
	Section      uint16
	Offset, Size uint32
	Files        []string
}

// Public is an S_PUB32.
type Public struct {
	Name    string
	Flags   uint32
	Section uint16
	Offset  uint32
}

// Record makes a record of a kind: its length, the kind, data, and padding to 4 bytes.
func Record(kind uint16, parts ...any) []byte {
	b := Bytes(parts...)
	for len(b)%4 != 0 {
		b = append(b, 0xf0|byte(4-len(b)%4))
	}
	return append(Bytes(uint16(len(b)+2), kind), b...)
}

// Bytes puts values one after another: numbers little-endian, strings with a zero
// byte behind, bytes as they are.
func Bytes(parts ...any) []byte {
	var out []byte
	for _, p := range parts {
		switch v := p.(type) {
		case string:
			out = append(append(out, v...), 0)
		case []byte:
			out = append(out, v...)
		case uint8:
			out = append(out, v)
		case uint16:
			out = binary.LittleEndian.AppendUint16(out, v)
		case uint32:
			out = binary.LittleEndian.AppendUint32(out, v)
		case int:
			out = binary.LittleEndian.AppendUint32(out, uint32(v))
		default:
			var err error
			if out, err = binary.Append(out, binary.LittleEndian, v); err != nil {
				panic(err)
			}
		}
	}
	return out
}

// StringAt is where the i-th of the database's strings lies in /names.
func (d *Database) StringAt(i int) uint32 {
	at := uint32(1)
	for _, s := range d.Strings[:i] {
		at += uint32(len(s)) + 1
	}
	return at
}

// container is an MSF file being put together.
type container struct {
	size    int
	streams [][]byte
}

func (c *container) add(b []byte) uint16 {
	c.streams = append(c.streams, b)
	return uint16(len(c.streams) - 1)
}

// Write returns the file.
func (d *Database) Write() []byte {
	c := &container{size: d.BlockSize}
	if c.size == 0 {
		c.size = 4096
	}
	c.streams = make([][]byte, 5)
	names := c.add(d.names())
	c.streams[1] = d.info(names)
	c.streams[2] = d.types(c, d.Types, true)
	c.streams[4] = d.types(c, d.IDs, false)
	c.streams[3] = d.dbi(c)
	return c.write(d.Scattered)
}

func (d *Database) names() []byte {
	text := []byte{0}
	for _, s := range d.Strings {
		text = append(append(text, s...), 0)
	}
	return Bytes(uint32(0xeffeeffe), uint32(1), uint32(len(text)), text, uint32(0), uint32(len(d.Strings)))
}

func (d *Database) info(names uint16) []byte {
	b := Bytes(uint32(20000404), uint32(0x12345678), d.Age, d.GUID[:], uint32(7), "/names",
		uint32(1), uint32(1), uint32(1), uint32(1), uint32(0), uint32(0), uint32(names), uint32(0), uint32(20140508))
	if d.Minimal {
		b = append(b, Bytes(uint32(0x494e494d))...)
	}
	return b
}

// types makes a stream of types, and its hash stream unless it has none.
func (d *Database) types(c *container, records [][]byte, hashed bool) []byte {
	const buckets = 0x3ffff
	body := bytes.Join(records, nil)
	hash, values, offsets := uint16(0xffff), []byte{}, []byte{}
	if hashed {
		at := uint32(0)
		next := uint32(0)
		for i, r := range records {
			values = append(values, Bytes(typeHash(r)%buckets)...)
			if at >= next {
				offsets = append(offsets, Bytes(uint32(0x1000+i), at)...)
				next = at + 8192
			}
			at += uint32(len(r))
		}
		hash = c.add(slices.Concat(values, offsets))
	}
	return Bytes(uint32(20040203), uint32(56), uint32(0x1000), uint32(0x1000+len(records)), uint32(len(body)), hash, uint16(0xffff), uint32(4), uint32(buckets),
		uint32(0), uint32(len(values)), uint32(len(values)), uint32(len(offsets)), uint32(len(values)+len(offsets)), uint32(0), body)
}

// typeHash is that of a definition's name; other records get one of their bytes.
func typeHash(r []byte) uint32 {
	kind := binary.LittleEndian.Uint16(r[2:])
	skip := map[uint16]int{0x1504: 20, 0x1505: 20, 0x1506: 12, 0x1507: 16}[kind]
	if skip == 0 || binary.LittleEndian.Uint16(r[6:])&0x80 != 0 {
		return Hash(string(r[4:]))
	}
	if kind != 0x1507 {
		if n := binary.LittleEndian.Uint16(r[skip:]); n < 0x8000 {
			skip += 2
		} else {
			skip += 6
		}
	}
	name, _, _ := bytes.Cut(r[skip:], []byte{0})
	return Hash(string(name))
}

// Hash is that of names in all tables.
func Hash(name string) uint32 {
	h, b := uint32(0), []byte(name)
	for ; len(b) >= 4; b = b[4:] {
		h ^= binary.LittleEndian.Uint32(b)
	}
	if len(b) >= 2 {
		h ^= uint32(b[0]) | uint32(b[1])<<8
		b = b[2:]
	}
	if len(b) > 0 {
		h ^= uint32(b[0])
	}
	h |= 0x20202020
	h ^= h >> 11
	return h ^ h>>16
}

func (d *Database) dbi(c *container) []byte {
	var modules, contributions, rowsOfFiles, counts, indexes, fileNames []byte
	contributions = Bytes(uint32(0xf12eba2d))
	for i, m := range d.Modules {
		stream := uint16(0xffff)
		symbols := slices.Concat(Bytes(uint32(4)), m.Symbols)
		if len(m.Symbols) > 0 || len(m.C13) > 0 {
			stream = c.add(slices.Concat(symbols, m.C13, Bytes(uint32(0))))
		}
		con := Bytes(m.Section, uint16(0), m.Offset, m.Size, uint32(0x60000020), uint16(i), uint16(0), uint32(0), uint32(0))
		row := Bytes(uint32(0), con, uint16(0), stream, uint32(len(symbols)), uint32(0), uint32(len(m.C13)), uint16(len(m.Files)), uint16(0), uint32(0), uint32(0), uint32(0), m.Name, m.Name)
		for len(row)%4 != 0 {
			row = append(row, 0)
		}
		modules, contributions = append(modules, row...), append(contributions, con...)
		counts, indexes = append(counts, Bytes(uint16(len(m.Files)))...), append(indexes, Bytes(uint16(i))...)
		for _, f := range m.Files {
			rowsOfFiles = append(rowsOfFiles, Bytes(uint32(len(fileNames)))...)
			fileNames = append(append(fileNames, f...), 0)
		}
	}
	files := slices.Concat(Bytes(uint16(len(d.Modules)), uint16(0)), indexes, counts, rowsOfFiles, fileNames)
	for len(files)%4 != 0 {
		files = append(files, 0)
	}
	records, globals, publics := d.symbols()
	headers := []uint16{0xffff, 0xffff, 0xffff, 0xffff, 0xffff, c.add(sectionHeaders(d.Sections)), 0xffff, 0xffff, 0xffff, 0xffff, 0xffff}
	if d.OldFPO != nil {
		headers[0] = c.add(d.OldFPO)
	}
	if d.NewFPO != nil {
		headers[9] = c.add(d.NewFPO)
	}
	if d.Original != nil {
		headers[10], headers[3], headers[4] = c.add(sectionHeaders(d.Original)), c.add(d.ToOld), c.add(d.ToNew)
	}
	debug := Bytes(headers)
	return Bytes(int32(-1), uint32(19990903), d.Age, c.add(globals), uint16(0), c.add(publics), uint16(0), c.add(records), uint16(0),
		uint32(len(modules)), uint32(len(contributions)), uint32(0), uint32(len(files)), uint32(0), uint32(0), uint32(len(debug)), uint32(0), uint16(0), d.Machine, uint32(0),
		modules, contributions, files, debug)
}

func sectionHeaders(sections []Section) (out []byte) {
	for _, s := range sections {
		out = append(out, Bytes([]byte(".section"), s.Size, s.Addr, s.Size, uint32(0), uint32(0), uint32(0), uint32(0), uint32(0x60000020))...)
	}
	return out
}

// symbols makes the symbol records and the tables over them.
func (d *Database) symbols() (records, globals, publics []byte) {
	var g, p []hashed
	for _, r := range d.Globals {
		g = append(g, hashed{uint32(len(records)), Hash(globalName(r)) % 4096})
		records = append(records, r...)
	}
	type placed struct {
		Public
		at uint32
	}
	var all []placed
	for _, x := range d.Publics {
		p = append(p, hashed{uint32(len(records)), Hash(x.Name) % 4096})
		all = append(all, placed{x, uint32(len(records))})
		records = append(records, Record(0x110e, x.Flags, x.Offset, x.Section, x.Name)...)
	}
	slices.SortStableFunc(all, func(a, b placed) int {
		if a.Section != b.Section {
			return int(a.Section) - int(b.Section)
		}
		return int(int64(a.Offset) - int64(b.Offset))
	})
	var order []byte
	for _, x := range all {
		order = binary.LittleEndian.AppendUint32(order, x.at)
	}
	table := hashTable(p)
	publics = Bytes(uint32(len(table)), uint32(len(order)), uint32(0), uint32(0), uint16(0), uint16(0), uint32(0), uint32(0), table, order)
	return records, hashTable(g), publics
}

// globalName is the name in a record of the globals.
func globalName(r []byte) string {
	skip := map[uint16]int{0x1108: 8, 0x1107: 10}[binary.LittleEndian.Uint16(r[2:])]
	if skip == 0 {
		skip = 14
	}
	name, _, _ := bytes.Cut(r[skip:], []byte{0})
	return string(name)
}

// hashed is a record and its bucket.
type hashed struct{ at, bucket uint32 }

func hashTable(rows []hashed) []byte {
	slices.SortStableFunc(rows, func(a, b hashed) int { return int(a.bucket) - int(b.bucket) })
	bits := make([]byte, 516)
	var hashes, starts []byte
	last := uint32(1 << 31)
	for i, r := range rows {
		if r.bucket != last {
			bits[r.bucket/8] |= 1 << (r.bucket % 8)
			starts = binary.LittleEndian.AppendUint32(starts, uint32(12*i))
			last = r.bucket
		}
		hashes = append(hashes, Bytes(r.at+1, uint32(1))...)
	}
	return Bytes(uint32(0xffffffff), uint32(0xf12f091a), uint32(len(hashes)), uint32(len(bits)+len(starts)), hashes, bits, starts)
}

// write lays the streams out in blocks.
func (c *container) write(scattered bool) []byte {
	out := make([]byte, 3*c.size) // the superblock and the two maps of free blocks
	place := func(b []byte) (list []byte) {
		for len(b) > 0 {
			n := min(len(b), c.size)
			if len(out)/c.size%c.size == 1 { // the maps come again after each interval
				out = append(out, make([]byte, 2*c.size)...)
			}
			list = binary.LittleEndian.AppendUint32(list, uint32(len(out)/c.size))
			out = append(append(out, b[:n]...), make([]byte, c.size-n)...)
			if b = b[n:]; scattered {
				out = append(out, make([]byte, c.size)...)
			}
		}
		return list
	}
	directory := Bytes(uint32(len(c.streams)))
	for _, s := range c.streams {
		directory = append(directory, Bytes(uint32(len(s)))...)
	}
	for _, s := range c.streams {
		directory = append(directory, place(s)...)
	}
	roots := place(place(directory))
	head := Bytes([]byte("Microsoft C/C++ MSF 7.00\r\n\x1aDS\x00\x00\x00"), uint32(c.size), uint32(1), uint32(len(out)/c.size), uint32(len(directory)), uint32(0), roots)
	copy(out, head)
	return out
}
