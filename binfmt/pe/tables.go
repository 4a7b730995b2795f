package pe

import (
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
)

// Symbol is an entry of the COFF symbol table.
type Symbol struct {
	Name    string
	Value   uint32
	Section int16 // from 1; 0 undefined, -1 absolute, -2 debugging
	Type    uint16
	Class   uint8
}

// Storage classes and types that readers ask for.
const (
	ClassExternal, ClassStatic, ClassLabel, ClassFile = 2, 3, 6, 103

	TypeFunction = 0x20
)

const symbolSize = 18

func (f *File) parseSymbols() {
	n := uint64(f.SymbolCount) * symbolSize
	if f.SymbolsOffset == 0 {
		return
	}
	table, ok := slice(f.data, uint64(f.SymbolsOffset), n)
	if !ok {
		return
	}
	f.symbols = table
	rest := f.data[uint64(f.SymbolsOffset)+n:]
	if len(rest) >= 4 {
		f.strings = rest[:min(uint64(len(rest)), uint64(binary.LittleEndian.Uint32(rest)))]
	}
}

// Symbols yields the COFF symbols without their auxiliary records. Names may share
// the end of another.
func (f *File) Symbols() iter.Seq[Symbol] {
	return func(yield func(Symbol) bool) {
		left := 4 * f.budget()
		for d := f.symbols; len(d) >= symbolSize; {
			s := Symbol{Value: binary.LittleEndian.Uint32(d[8:]), Section: int16(binary.LittleEndian.Uint16(d[12:])),
				Type: binary.LittleEndian.Uint16(d[14:]), Class: d[16]}
			if binary.LittleEndian.Uint32(d) == 0 {
				s.Name = f.stringAt(uint64(binary.LittleEndian.Uint32(d[4:])))
			} else {
				s.Name = cstring(append(slices.Clone(d[:8]), 0))
			}
			if !left.take(len(s.Name)) || !yield(s) {
				return
			}
			d = d[min(uint64(len(d)), (1+uint64(d[17]))*symbolSize):]
		}
	}
}

// Export is an exported symbol. Forward names another module's instead of an
// address; Name is "" when only the ordinal is exported.
type Export struct {
	Name    string
	Ordinal uint32
	Addr    uint32
	Forward string
}

// Exports returns what the image exports, by ordinal, and the name it gives itself.
func (f *File) Exports() (module string, list []Export) {
	d, dir := f.directory(DirExport)
	if len(d) < 40 {
		return "", nil
	}
	u := func(o int) uint32 { return binary.LittleEndian.Uint32(d[o:]) }
	module = f.text(u(12))
	base, functions, names := u(16), u(20), u(24)
	addrs, _, _ := f.At(u(28))
	nameAddrs, _, _ := f.At(u(32))
	ordinals, _, _ := f.At(u(36))
	functions = uint32(min(uint64(functions), uint64(len(addrs)/4)))
	names = uint32(min(uint64(names), uint64(len(nameAddrs)/4), uint64(len(ordinals)/2)))
	named := make(map[uint32]string, names)
	left := f.budget()
	for i := range names {
		name := f.text(binary.LittleEndian.Uint32(nameAddrs[4*i:]))
		if !left.take(len(name)) {
			break
		}
		named[uint32(binary.LittleEndian.Uint16(ordinals[2*i:]))] = name
	}
	for i := range functions {
		e := Export{Name: named[i], Ordinal: base + i, Addr: binary.LittleEndian.Uint32(addrs[4*i:])}
		if e.Addr == 0 {
			continue
		}
		if e.Addr >= dir.Addr && e.Addr-dir.Addr < dir.Size {
			e.Forward = f.text(e.Addr)
		}
		if !left.take(len(e.Forward)) {
			break
		}
		list = append(list, e)
	}
	return module, list
}

// Import is an imported symbol. Slot is where its address will stand.
type Import struct {
	Module  string
	Name    string // "" when it is imported by Ordinal
	Ordinal uint16
	Slot    uint32
}

// Imports yields what the image imports.
func (f *File) Imports() iter.Seq[Import] {
	return func(yield func(Import) bool) {
		d, _ := f.directory(DirImport)
		left := 2 * f.budget() // one name may be imported twice
		for ; len(d) >= 20; d = d[20:] {
			u := func(o int) uint32 { return binary.LittleEndian.Uint32(d[o:]) }
			lookup, name, slots := u(0), u(12), u(16)
			if name == 0 || slots == 0 {
				return
			}
			if lookup == 0 {
				lookup = slots
			}
			module := f.text(name)
			if !left.take(20+len(module)) || !f.importsOf(module, lookup, slots, &left, yield) {
				return
			}
		}
	}
}

func (f *File) importsOf(module string, lookup, slot uint32, left *budget, yield func(Import) bool) bool {
	width := uint32(4)
	if f.Is64 {
		width = 8
	}
	b, _, _ := f.At(lookup)
	for ; uint64(len(b)) >= uint64(width); b, slot = b[width:], slot+width {
		v, high := uint64(binary.LittleEndian.Uint32(b)), uint64(1)<<31
		if f.Is64 {
			v, high = binary.LittleEndian.Uint64(b), 1<<63
		}
		if v == 0 {
			return true
		}
		i := Import{Module: module, Slot: slot}
		if v&high != 0 {
			i.Ordinal = uint16(v)
		} else {
			i.Name = f.text(uint32(v) + 2) // behind a hint
		}
		if !left.take(int(width)+len(i.Name)) || !yield(i) {
			return false
		}
	}
	return true
}

// Relocation is a place that changes with the base. Kind is its high four bits:
// 3 a 32-bit, 10 a 64-bit address.
type Relocation struct {
	Addr uint32
	Kind uint8
}

// Kinds of base relocations that readers apply.
const RelocationHighLow, RelocationDir64 = 3, 10

// Relocations yields the base relocations.
func (f *File) Relocations() iter.Seq[Relocation] {
	return func(yield func(Relocation) bool) {
		d, _ := f.directory(DirRelocation)
		for len(d) >= 8 {
			page, size := binary.LittleEndian.Uint32(d), binary.LittleEndian.Uint32(d[4:])
			if size < 8 || uint64(size) > uint64(len(d)) {
				return
			}
			for e := d[8:size]; len(e) >= 2; e = e[2:] {
				v := binary.LittleEndian.Uint16(e)
				if k := uint8(v >> 12); k != 0 && !yield(Relocation{page + uint32(v&0xfff), k}) {
					return
				}
			}
			d = d[size:]
		}
	}
}

// DebugEntry is a row of the debug directory.
type DebugEntry struct {
	Characteristics, Stamp uint32
	Major, Minor           uint16
	Type                   uint32
	Size, Addr, RawOffset  uint32
	Data                   []byte // as far as the file has it
}

// Debug returns the debug directory.
func (f *File) Debug() []DebugEntry {
	d, _ := f.directory(DirDebug)
	var out []DebugEntry
	for ; len(d) >= 28; d = d[28:] {
		u := func(o int) uint32 { return binary.LittleEndian.Uint32(d[o:]) }
		e := DebugEntry{Characteristics: u(0), Stamp: u(4), Major: binary.LittleEndian.Uint16(d[8:]), Minor: binary.LittleEndian.Uint16(d[10:]),
			Type: u(12), Size: u(16), Addr: u(20), RawOffset: u(24)}
		if b := f.record(e); b != nil {
			e.Data = b[:min(uint64(e.Size), uint64(len(b)))]
		}
		out = append(out, e)
	}
	return out
}

// record is what lies where a row of the debug directory leads.
func (f *File) record(e DebugEntry) []byte {
	if f.Loaded() {
		b, _, _ := f.At(e.Addr)
		return b
	}
	if uint64(e.RawOffset) < uint64(len(f.data)) {
		return f.data[e.RawOffset:]
	}
	return nil
}

// CodeView names the PDB that belongs to an image.
type CodeView struct {
	GUID [16]byte // as in the file
	Age  uint32
	Path string
	Old  bool // NB10: a signature of 4 bytes instead of the GUID
}

// debugCodeView is IMAGE_DEBUG_TYPE_CODEVIEW.
const debugCodeView = 2

// CodeView returns the image's reference to its PDB (RSDS). The signature of the
// old form (NB10) stands where the GUID begins.
func (f *File) CodeView() (CodeView, bool) {
	for _, e := range f.Debug() {
		if e.Type == debugCodeView && len(e.Data) >= 16 && string(e.Data[:4]) == "NB10" {
			cv := CodeView{Age: binary.LittleEndian.Uint32(e.Data[12:]), Path: cstring(append(slices.Clone(e.Data[16:min(len(e.Data), 16+maxText)]), 0))}
			copy(cv.GUID[:], e.Data[8:12])
			cv.Old = true
			return cv, true
		}
		if e.Type == debugCodeView && len(e.Data) >= 24 && string(e.Data[:4]) == "RSDS" {
			cv := CodeView{Age: binary.LittleEndian.Uint32(e.Data[20:]), Path: cstring(append(slices.Clone(e.Data[24:min(len(e.Data), 24+maxText)]), 0))}
			copy(cv.GUID[:], e.Data[4:20])
			return cv, true
		}
	}
	return CodeView{}, false
}

// Function is an entry of the function table of AMD64 (RUNTIME_FUNCTION).
type Function struct{ Begin, End, Unwind uint32 }

// Functions is the table of .pdata, sorted by Begin as linkers leave it.
type Functions struct{ data []byte }

// Functions returns the function table of an AMD64 image, which is empty elsewhere.
func (f *File) Functions() Functions {
	if f.Machine != MachineAMD64 {
		return Functions{}
	}
	d, _ := f.directory(DirException)
	return Functions{d}
}

// Len is how many entries there are.
func (t Functions) Len() int { return len(t.data) / 12 }

// Entry returns the i-th entry.
func (t Functions) Entry(i int) Function {
	d := t.data[12*i:]
	return Function{binary.LittleEndian.Uint32(d), binary.LittleEndian.Uint32(d[4:]), binary.LittleEndian.Uint32(d[8:])}
}

// Find returns the entry that covers addr.
func (t Functions) Find(addr uint32) (Function, bool) {
	lo, hi := 0, t.Len()
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if t.Entry(mid).Begin <= addr {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		return Function{}, false
	}
	e := t.Entry(lo - 1)
	return e, addr < e.End
}

// String is the GUID in its usual form.
func (c CodeView) String() string {
	g := c.GUID[:]
	return fmt.Sprintf("%08X-%04X-%04X-%X-%X", binary.LittleEndian.Uint32(g), binary.LittleEndian.Uint16(g[4:]), binary.LittleEndian.Uint16(g[6:]), g[8:10], g[10:16])
}
