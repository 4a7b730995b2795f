package pdbtest

import "fmt"

// Large makes a database of the size of an operating system's kernel: modules with
// functions, and for each function a type, lines and variables. Names are
// NtRoutineM_F, types _RECORD_M_F, sources moduleM.c.
func Large(modules, functions int) *Database {
	d := &Database{GUID: [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, Age: 1, Machine: 0x8664}
	const codeSize = 64
	perModule := uint32(functions * codeSize)
	d.Sections = []Section{{0x1000, uint32(modules) * perModule}}
	for m := range modules {
		d.Strings = append(d.Strings, fmt.Sprintf(`d:\os\src\minkernel\component%d\module%d.c`, m%40, m))
	}
	name := uint32(1)
	for m := range modules {
		mod := Module{Name: fmt.Sprintf(`d:\os\obj\amd64\module%d.obj`, m), Section: 1, Offset: uint32(m) * perModule, Size: perModule, Files: []string{d.Strings[m]}}
		mod.C13 = section(0xf4, Bytes(name, uint8(0), uint8(0), uint16(0)))
		for k := range functions {
			d.function(&mod, m, k, codeSize)
		}
		name += uint32(len(d.Strings[m])) + 1
		d.Modules = append(d.Modules, mod)
	}
	return d
}

// section is a subsection of C13.
func section(kind uint32, data []byte) []byte {
	for len(data)%4 != 0 {
		data = append(data, 0)
	}
	return Bytes(kind, uint32(len(data)), data)
}

// function adds one function of a large database.
func (d *Database) function(mod *Module, m, k int, size uint32) {
	first := uint32(0x1000 + len(d.Types))
	var members []byte
	for i := range 10 {
		members = append(members, Record(0x150d, uint16(3), uint32(0x74), uint16(4*i), fmt.Sprintf("Field%dOfRecord", i))[2:]...)
	}
	d.Types = append(d.Types,
		Record(0x1203, members),
		Record(0x1505, uint16(10), uint16(0), first, uint32(0), uint32(0), uint16(40), fmt.Sprintf("_RECORD_%d_%d", m, k)),
		Record(0x1002, first+1, uint32(0x1000c)),
		Record(0x1201, uint32(2), first+2, uint32(0x74)),
		Record(0x1008, uint32(0x74), uint8(0), uint8(0), uint16(2), first+3))
	name := fmt.Sprintf("NtRoutine%d_%d", m, k)
	off := mod.Offset + uint32(k)*size
	at := uint32(len(mod.Symbols)) + 4
	body := Record(0x1012, uint32(40), uint32(0), uint32(0), uint32(0), uint32(0), uint16(0), uint32(1<<14|1<<16))
	for i, v := range []string{"Context", "Length", "Status", "Index", "Irql"} {
		flags := uint16(0)
		if i < 2 {
			flags = 1
		}
		body = append(body, Record(0x113e, uint32(0x74), flags, v)...)
		body = append(body, Record(0x1142, uint32(8*i), off, uint16(1), uint16(size))...)
	}
	header := len(Record(0x1110, uint32(0), uint32(0), uint32(0), size, uint32(0), uint32(0), first+4, off, uint16(1), uint8(0), name))
	end := at + uint32(header+len(body))
	mod.Symbols = append(mod.Symbols, Record(0x1110, uint32(0), end, uint32(0), size, uint32(4), uint32(60), first+4, off, uint16(1), uint8(0), name)...)
	mod.Symbols = append(append(mod.Symbols, body...), Record(0x0006)...)
	rows := []byte{}
	for i := range uint32(12) {
		rows = append(rows, Bytes(4*i, uint32(k*20)+i+1|1<<31)...)
	}
	mod.C13 = append(mod.C13, section(0xf2, Bytes(off, uint16(1), uint16(0), size, uint32(0), uint32(12), uint32(12+len(rows)), rows))...)
	d.Globals = append(d.Globals, Record(0x1125, uint32(0), at, uint16(m+1), name))
	d.Publics = append(d.Publics, Public{name, 2, 1, off})
}
