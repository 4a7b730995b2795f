package pdb

import (
	"sync"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Options of Open. The zero value reads.
type Options struct {
	Arch  *arch.Arch    // nil: that of the file's machine
	Image symbols.Image // what types say they come from
	// Guard runs what reads the file's bytes; false when they could not be read.
	// Nil: they always can.
	Guard func(read func()) bool
	// Prologue is how long the prologue of the function at an address is, where the
	// image's unwind information tells; nil: it does not.
	Prologue func(addr uint32) (uint32, bool)
}

// File is an opened program database. Everything is read on first use and then
// never changes; it is safe for many goroutines.
type File struct {
	opt     Options
	c       *container
	info    *info
	dbi     *dbi
	texts   texts
	types   typeSpace
	ids     *typeTable
	records *stream // symbol records of globals and publics

	globals, publics func() *gsi

	mu      sync.Mutex
	modules map[int]*module
	misses  map[string]bool // names that a walk over all did not find

	dataOnce sync.Once
	data     []dataPlace

	scopedOnce sync.Once
	scoped     map[string]uint32

	sourcesOnce sync.Once
	sources     []sourceFile

	framesOnce sync.Once
	frames     []frameRow

	inlinedOnce sync.Mutex
	inlined     map[string][]inlinedAt // by the name of the function; nil: not looked for
}

var machines = map[uint16]*arch.Arch{machineI386: arch.I386, machineAMD64: arch.AMD64, machineARM64: arch.ARM64}

// Open reads the headers of a program database. Errors are *FormatErrors.
func Open(data []byte, o Options) (*File, error) {
	c, err := openContainer(data)
	if err != nil {
		return nil, err
	}
	f := &File{opt: o, c: c, modules: map[int]*module{}, misses: map[string]bool{}}
	if f.info, err = readInfo(c); err != nil {
		return nil, err
	}
	if f.info.minimal {
		return nil, &FormatError{Part: "program database", Reason: "it was linked with /DEBUG:FASTLINK and has no symbols of its own: they are in the object files",
			hint: "make a full one with `mspdbcmf.exe FILE.pdb`, or link with /DEBUG:FULL"}
	}
	if f.dbi, err = readDBI(c); err != nil {
		return nil, err
	}
	f.texts = readTexts(c, f.info)
	f.types.f = f
	if f.types.table, err = readTypes(c, streamTPI); err != nil {
		return nil, err
	}
	if f.ids, err = readTypes(c, streamIPI); err != nil {
		return nil, err
	}
	if f.records, err = c.stream(f.dbi.records); err != nil {
		return nil, err
	}
	table := func(number uint16, publics bool) func() *gsi {
		return sync.OnceValue(func() *gsi {
			g, err := readGSI(c, number, publics)
			if err != nil {
				return &gsi{}
			}
			return g
		})
	}
	f.globals, f.publics = table(f.dbi.globals, false), table(f.dbi.publics, true)
	if o.Arch == nil {
		f.opt.Arch = machines[f.dbi.machine]
	}
	return f, nil
}

// Identity is what an image must name.
func (f *File) Identity() Identity {
	id := Identity{GUID: f.info.guid, Age: f.dbi.age}
	if id.Age == 0 {
		id.Age = f.info.age
	}
	return id
}

// Signature is what images of the old form name.
func (f *File) Signature() uint32 { return f.info.signature }

// Arch is that of the machine the image was linked for, nil when it is not known.
func (f *File) Arch() *arch.Arch { return f.opt.Arch }

// guarded runs what reads the file's bytes.
func (f *File) guarded(read func()) bool {
	if f.opt.Guard == nil {
		read()
		return true
	}
	return f.opt.Guard(read)
}

// offset is where a place lies in the image.
func (f *File) offset(p place) (symbols.Offset, bool) {
	a, ok := f.dbi.addr(p)
	return symbols.Offset(a), ok
}
