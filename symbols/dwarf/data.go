package dwarf

import (
	"sync"
	"sync/atomic"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/symbols/index"
)

// Options say where the sections are and what they describe.
type Options struct {
	// Section returns the bytes of a section by its ELF name (".debug_info"),
	// decompressed, nil when there is none. It is called once a section.
	Section func(name string) []byte
	// Prefix is Section as far as the first n bytes: the result is as long as the whole
	// section, and what lies behind them need not be there yet. May be nil.
	Prefix func(name string, n uint64) []byte
	// Open opens a file that the debug information refers to, of the kind, name,
	// folder and id that c has, and returns its sections as Section does. accept
	// says whether a candidate is the one. Nil: there are no other files.
	Open      func(c symbols.Companion, accept func(section func(name string) []byte) error) (section func(name string) []byte, err error)
	BigEndian bool
	Arch      *arch.Arch    // sizes of addresses outside units; nil means 8 bytes
	Base      uint64        // link-time address of Offset 0
	CodeLow   uint64        // link-time range that can hold code: anything outside
	CodeHigh  uint64        // was dropped by the linker; 0, 0 when unknown
	TLSLow    uint64        // link-time range of the template of thread-local storage;
	TLSHigh   uint64        // 0, 0 when there is none
	Image     symbols.Image // set as Type.Image; may be nil
	// Release says that the bytes of a section will not be read soon. May be nil.
	Release func(b []byte)
	// Kept returns where the index of names is kept between runs, nil when it is
	// not. It is called once, when the index is made. May be nil.
	Kept func() *index.Kept
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
	units     []*unit // of the image's own spaces, by ref
	infoUnits int     // how many are from the image's .debug_info

	langOnce sync.Once
	lang     symbols.Language // of partial units

	sup     supplement
	pkg     dwp
	split   splitUnits
	missing missingFiles

	abbrevMu sync.Mutex
	abbrevs  map[abbrevKey]*abbrevTable
	loaded   loadedUnits

	pcOnce sync.Once
	pcMap  []unitRange // from .debug_aranges
	gapMu  sync.Once
	gapMap []unitRange // from the units that .debug_aranges leaves out

	function atomic.Pointer[die] // that was asked for last

	asked  naming
	lines  lineCache
	index  names
	linked linkedIndex
	types  typeCache
}

// ref is the place of a DIE on the line of all spaces; it fits 47 bits. No DIE is
// at 0. A DIE's ref is the same whenever and in whatever order files are opened:
//
//	0        the image's .debug_info, behind it its .debug_types
//	baseSup  the supplementary file's .debug_info
//	basePack the package's .debug_info.dwo; its .debug_types.dwo at basePackTypes
//	baseDwo  a slot for the .dwo file of each of the image's units, in their order:
//	         .debug_info.dwo, and .debug_types.dwo from the slot's middle on
type ref uint64

const (
	baseSup       ref = 1 << 44
	basePack      ref = 1 << 45
	basePackTypes ref = basePack + 1<<44
	baseDwo       ref = 1 << 46
	dwoSlot       ref = 1 << 30
	lastSlot          = baseDwo/dwoSlot - 1 // kept free, for lostRef
)

// space is one section of DIEs. All spaces lie on one line, each from its base
// on; the image's .debug_info begins it.
type space struct {
	file *file
	id   sectionID // secInfo or secTypes
	base ref

	once sync.Once
	all  atomic.Bool // list is made
	list []*unit

	mu    sync.Mutex
	early []*unit // made before the list
}

// file is the debug sections of one file, or one unit's part of the sections of
// a package.
type file struct {
	data     *Data
	read     func(id sectionID) []byte
	begin    func(id sectionID, n uint64) []byte // Options.Prefix; nil: read
	sections [secCount]section
	spaces   []*space
	skeleton *unit // of the split unit in the file, else nil

	sigOnce sync.Once
	sigs    map[uint64]ref // type units by signature
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
	secMacro
	secMacinfo
	secCuIndex
	secTuIndex
	secNames
	secGDBIndex
	secCount
)

var sectionNames = [secCount]string{
	".debug_info", ".debug_types", ".debug_abbrev", ".debug_str", ".debug_line_str",
	".debug_str_offsets", ".debug_addr", ".debug_line", ".debug_ranges", ".debug_rnglists",
	".debug_loc", ".debug_loclists", ".debug_aranges", ".debug_macro", ".debug_macinfo",
	".debug_cu_index", ".debug_tu_index", ".debug_names", ".gdb_index",
}

// section is loaded, and maybe decompressed, on first use.
type section struct {
	once sync.Once
	read atomic.Bool
	data []byte
}

// New returns a reader. It reads nothing yet.
func New(o Options) *Data {
	if o.Guard == nil {
		o.Guard = func(f func()) bool { f(); return true }
	}
	d := &Data{opt: o, abbrevs: map[abbrevKey]*abbrevTable{}}
	d.main = d.newFile(func(id sectionID) []byte { return o.Section(sectionNames[id]) }, 0, 0)
	if o.Prefix != nil {
		d.main.begin = func(id sectionID, n uint64) []byte { return o.Prefix(sectionNames[id], n) }
	}
	return d
}

// newFile returns a file whose spaces begin at info and types; with types 0 its
// .debug_types, if any, follow its .debug_info.
func (d *Data) newFile(read func(sectionID) []byte, info, types ref) *file {
	f := &file{data: d, read: read}
	f.spaces = []*space{{file: f, id: secInfo, base: info}, {file: f, id: secTypes, base: types}}
	return f
}

// section returns a section of the image's own.
func (d *Data) section(id sectionID) []byte { return d.main.section(id) }

func (f *file) section(id sectionID) []byte {
	s := &f.sections[id]
	s.once.Do(func() { s.data = f.read(id); s.read.Store(true) })
	return s.data
}

// upTo returns a section that may be read as far as its first n bytes; it is as long as
// the whole.
func (f *file) upTo(id sectionID, n uint64) []byte {
	if f.begin == nil || f.sections[id].read.Load() {
		return f.section(id)
	}
	return f.begin(id, n)
}

// contribution returns a cursor behind the initial length of what begins at off, which
// ends where that says.
func (f *file) contribution(id sectionID, off uint64) (b buf, is64, ok bool) {
	if off >= f.size(id) {
		return b, false, false
	}
	b = buf{d: f.upTo(id, off+12), be: f.data.opt.BigEndian, off: int(off)}
	n, is64, ok := b.initialLength()
	if !ok {
		return b, is64, false
	}
	end := uint64(b.off) + n
	b.d = f.upTo(id, end)
	if end > uint64(len(b.d)) {
		return b, is64, false
	}
	b.d = b.d[:end]
	return b, is64, true
}

// size is how long a section is.
func (f *file) size(id sectionID) uint64 { return uint64(len(f.upTo(id, 0))) }

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

// threadOffset is the place in thread-local storage that an expression means by v.
// GCC before 13 writes the address in the template into .debug_addr of split
// units, where the place belongs.
func (d *Data) threadOffset(v uint64) uint64 {
	if low, high := d.opt.TLSLow, d.opt.TLSHigh; v >= low && v < high && v >= high-low {
		return v - low
	}
	return v
}
