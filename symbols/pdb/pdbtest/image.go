package pdbtest

// Image makes the PE32+ image that a database belongs to: headers, and a debug
// directory that names the database. The sections have no bytes in the file.
func (d *Database) Image(pdbName string, base uint64) []byte {
	const headers = 0x400
	record := Bytes([]byte("RSDS"), d.GUID[:], d.Age, pdbName)
	debug := Bytes(uint32(0), uint32(0x5f000000), uint16(0), uint16(0), uint32(2), uint32(len(record)), uint32(0x300), uint32(0x300))
	size := uint32(0x1000)
	var sections []byte
	for i, s := range d.Sections {
		name := make([]byte, 8)
		copy(name, ".text")
		name[5] = byte('0' + i)
		sections = append(sections, Bytes(name, s.Size, s.Addr, uint32(0), uint32(0), uint32(0), uint32(0), uint32(0), uint32(0x60000020))...)
		size = max(size, (s.Addr+s.Size+0xfff)&^0xfff)
	}
	directories := make([]byte, 16*8)
	copy(directories[6*8:], Bytes(uint32(0x2c0), uint32(len(debug))))
	optional := Bytes(uint16(0x20b), uint8(14), uint8(0), uint32(0), uint32(0), uint32(0), uint32(0), uint32(0x1000), base, uint32(0x1000), uint32(0x200),
		uint16(6), uint16(0), uint16(0), uint16(0), uint16(6), uint16(0), uint32(0), size, uint32(headers), uint32(0), uint16(3), uint16(0),
		uint64(1<<20), uint64(4096), uint64(1<<20), uint64(4096), uint32(0), uint32(16), directories)
	out := make([]byte, headers)
	copy(out, "MZ")
	copy(out[0x3c:], Bytes(uint32(0x80)))
	copy(out[0x80:], Bytes([]byte("PE\x00\x00"), d.Machine, uint16(len(d.Sections)), uint32(0x5f000000), uint32(0), uint32(0), uint16(len(optional)), uint16(0x22), optional, sections))
	copy(out[0x2c0:], debug)
	copy(out[0x300:], record)
	return out
}
