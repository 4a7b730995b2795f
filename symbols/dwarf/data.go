package dwarf

import (
	"sync"
	"sync/atomic"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Options say where the sections are and what they describe.
type Options struct {
	// Section returns the bytes of a section by its ELF name (".debug_info"),
	// decompressed, nil when there is none. It is called once a section.
	Section   func(name string) []byte
	BigEndian bool
	Arch      *arch.Arch    // sizes of addresses outside units; nil means 8 bytes
	Base      uint64        // link-time address of Offset 0
	CodeLow   uint64        // link-time range that can hold code: anything outside
	CodeHigh  uint64        // was dropped by the linker; 0, 0 when unknown
	Image     symbols.Image // set as Type.Image; may be nil
	// Guard runs f and reports whether it came to its end; false when the
	// sections cannot be read any more. It is used where the reader is called
	// later or on its own goroutines: types' members, locations, the index. Nil
	// runs f plainly.
	Guard func(f func()) bool
}

// Data is the debugging information of one image. It implements symbols.Liner,
// Scoper and Typer, and is safe for many goroutines.
type Data struct {
	opt  Options
	main *file // the image's own sections

	unitsOnce sync.Once
	units     []*unit // of all spaces, by ref
	infoUnits int     // how many are from the image's .debug_info
	bySig     map[uint64]ref

	abbrevMu sync.Mutex
	abbrevs  map[abbrevKey]*abbrevTable

	pcOnce sync.Once
	pcMap  []unitRange // from .debug_aranges
	gapMu  sync.Once
	gapMap []unitRange // from the units that .debug_aranges leaves out

	lines lineCache
	names nameTable
	index struct {
		once sync.Once
		done atomic.Bool
		*index
	}
	types typeCache
	vars  globalMap
}

// ref is the place of a DIE on the line of all spaces; it fits 47 bits. No DIE is
// at 0.
type ref uint64

// space is one section of DIEs. All spaces lie on one line, each from its base
// on; the image's .debug_info begins it.
type space struct {
	file *file
	id   sectionID // secInfo or secTypes
	base ref
}

// file is the debug sections of one file.
type file struct {
	data     *Data
	read     func(name string) []byte
	sections [secCount]section
}

type sectionID int

const (
	secInfo sectionID = iota
	secTypes
	secAbbrev
	secStr
	secLineStr
	secStrOffsets
	secAddr
	secLine
	secRanges
	secRnglists
	secLoc
	secLoclists
	secAranges
	secCount
)

var sectionNames = [secCount]string{
	".debug_info", ".debug_types", ".debug_abbrev", ".debug_str", ".debug_line_str",
	".debug_str_offsets", ".debug_addr", ".debug_line", ".debug_ranges", ".debug_rnglists",
	".debug_loc", ".debug_loclists", ".debug_aranges",
}

// section is loaded, and maybe decompressed, on first use.
type section struct {
	once sync.Once
	data []byte
}

// New returns a reader. It reads nothing yet.
func New(o Options) *Data {
	if o.Guard == nil {
		o.Guard = func(f func()) bool { f(); return true }
	}
	d := &Data{opt: o, abbrevs: map[abbrevKey]*abbrevTable{}}
	d.main = &file{data: d, read: o.Section}
	return d
}

// section returns a section of the image's own.
func (d *Data) section(id sectionID) []byte { return d.main.section(id) }

func (f *file) section(id sectionID) []byte {
	s := &f.sections[id]
	s.once.Do(func() { s.data = f.read(sectionNames[id]) })
	return s.data
}

// buf returns a cursor at off of a section; bad at once when off is outside.
func (f *file) buf(id sectionID, off uint64) buf {
	s := f.section(id)
	b := buf{d: s, be: f.data.opt.BigEndian}
	if off > uint64(len(s)) {
		b.fail()
		return b
	}
	b.off = int(off)
	return b
}

func (d *Data) offset(addr uint64) symbols.Offset { return symbols.Offset(addr - d.opt.Base) }
func (d *Data) addr(off symbols.Offset) uint64    { return uint64(off) + d.opt.Base }

// live tells code that is in the image from what the linker dropped.
func (d *Data) live(low, high uint64) bool {
	if low >= high || low == 0 && d.opt.Base != 0 {
		return false
	}
	if d.opt.CodeHigh == 0 {
		return true
	}
	return low >= d.opt.CodeLow && low < d.opt.CodeHigh
}
