package pe

import (
	"errors"
	"path/filepath"
	"slices"
	"sync"

	"dap-windbg/arch"
	"dap-windbg/binfmt/mmap"
	"dap-windbg/binfmt/pe"
	"dap-windbg/symbols"
	"dap-windbg/symbols/dwarf"
)

// Options of Open. The zero value is useful.
type Options struct {
	// Key is what the debuggee knows the image by; Path and Name default to the
	// file's, Stamp and Size always come from the file.
	Key symbols.Key
	// PDB is the file with the image's program database, "": Companions finds it.
	PDB string
	// Companions finds the program database that the image names; nil: none does.
	Companions symbols.Companions
	// AnyBuild takes a PDB of another build too.
	AnyBuild bool
	// Unwinder makes the image's second unwinder on first use, for code that the
	// function table does not cover; nil: there is none.
	Unwinder func(*Image) symbols.Unwinder
}

// Image is an opened PE file.
type Image struct {
	opt   Options
	key   symbols.Key
	arch  *arch.Arch
	path  string
	bytes *mmap.File // keeps what file reads
	file  *pe.File
	guard mmap.Guard
	answers
	dwarf *dwarf.Data // nil without
	pdb   *database   // nil without

	missing []error // the PDB that was not found

	tableOnce sync.Once
	table     *table

	movedOnce sync.Once
	moved     []uint32 // where base relocations lie, in order

	unwindOnce sync.Once
	unwinder   symbols.Unwinder
}

// machines maps COFF machine numbers to architectures.
var machines = map[uint16]*arch.Arch{pe.MachineI386: arch.I386, pe.MachineAMD64: arch.AMD64, pe.MachineARM64: arch.ARM64}

// FileError says which file could not be used.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string { return e.Path + ": " + e.Err.Error() }
func (e *FileError) Unwrap() error { return e.Err }

// Open opens the image at path. Errors: *FileError with a *pe.FormatError, those
// of opening files.
func Open(path string, o Options) (*Image, error) {
	m, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	i := &Image{opt: o, key: o.Key, path: path, bytes: m, answers: dwarf.Answers{}}
	if !i.guard.Do(func() { i.file, err = pe.Parse(m.Data) }) {
		err = errors.New("the file was cut short while it was read")
	}
	if err != nil {
		return nil, &FileError{path, err}
	}
	i.arch = machines[i.file.Machine]
	if i.key.Path == "" {
		i.key.Path = path
	}
	if i.key.Name == "" {
		i.key.Name = filepath.Base(i.key.Path)
	}
	i.key.Stamp, i.key.Size = i.file.Stamp, uint64(i.file.ImageSize)
	if err := i.openDebug(); err != nil {
		return nil, err
	}
	return i, nil
}

// OpenLoaded opens an image of which no more is known than parts of it in memory,
// the headers first; what else it takes is read through the Memory given. Names come
// from its PDB.
func OpenLoaded(parts []pe.Part, o Options) (*Image, error) {
	file, err := pe.ParseLoaded(parts)
	if err != nil {
		return nil, &FileError{o.Key.Path, err}
	}
	i := &Image{opt: o, key: o.Key, path: o.Key.Path, bytes: &mmap.File{}, file: file, answers: dwarf.Answers{}, arch: machines[file.Machine]}
	i.key.Stamp, i.key.Size = file.Stamp, uint64(file.ImageSize)
	if err := i.openDebug(); err != nil {
		return nil, err
	}
	return i, nil
}

// openDebug makes the reader of the debug information: of the PDB named by the
// caller or by the image, else of DWARF.
func (i *Image) openDebug() error {
	if i.opt.PDB != "" {
		return i.openPDB(i.opt.PDB)
	}
	if err := i.findPDB(); err != nil {
		i.missing = append(i.missing, err)
	}
	if i.pdb == nil {
		if i.openDWARF(); i.dwarf != nil { // the linker named a file that nobody needs
			i.missing = nil
		}
	}
	return nil
}

// openDWARF makes the DWARF reader when there is .debug_info. Its addresses are
// absolute, with the base that the image prefers.
func (i *Image) openDWARF() {
	if _, ok := i.file.Section(".debug_info"); !ok {
		return
	}
	o := dwarf.Options{Arch: i.arch, Base: i.file.ImageBase, Image: i, Guard: i.guard.Do}
	o.Section = func(name string) []byte {
		if s, ok := i.file.Section(name); ok {
			return i.file.Raw(s)
		}
		return nil
	}
	for k := range i.file.Sections {
		s := &i.file.Sections[k]
		if s.Characteristics&pe.SectionExecute == 0 {
			continue
		}
		low := i.file.ImageBase + uint64(s.Addr)
		if o.CodeHigh == 0 || low < o.CodeLow {
			o.CodeLow = low
		}
		o.CodeHigh = max(o.CodeHigh, low+uint64(s.Size()))
	}
	i.dwarf = dwarf.New(o)
	i.answers = i.dwarf.Answers()
}

// Section returns the bytes and link-time address of a section. The bytes must
// not be written to, and are valid as long as the Image is reachable.
func (i *Image) Section(name string) (data []byte, addr uint64, ok bool) {
	s, ok := i.file.Section(name)
	if !ok {
		return nil, 0, false
	}
	return i.file.Raw(s), i.file.ImageBase + uint64(s.Addr), true
}

// File returns the headers.
func (i *Image) File() *pe.File { return i.file }

// Guard runs what reads the File; false when the file was cut short meanwhile.
func (i *Image) Guard(read func()) bool { return i.guard.Do(read) }

// Key implements symbols.Image.
func (i *Image) Key() symbols.Key { return i.key }

// Arch is nil for a machine we do not know.
func (i *Image) Arch() *arch.Arch { return i.arch }

// Path implements symbols.Image.
func (i *Image) Path() string { return i.path }

// Debug says where names come from.
func (i *Image) Debug() symbols.DebugKind {
	switch {
	case i.pdb != nil:
		return symbols.PDB
	case i.dwarf != nil:
		return symbols.DWARF
	case i.file.SymbolCount > 0 || len(i.file.Directories) > pe.DirExport && i.file.Directories[pe.DirExport].Size > 0:
		return symbols.Exports
	}
	return symbols.NoSymbols
}

// Size is the loaded size in bytes.
func (i *Image) Size() uint64 { return uint64(i.file.ImageSize) }

// LinkBase is the address that the image prefers.
func (i *Image) LinkBase() uint64 { return i.file.ImageBase }

// Entry is where the image begins to run, 0 for a library without code of its own.
func (i *Image) Entry() symbols.Offset { return symbols.Offset(i.file.Entry) }

// ReadStatic implements symbols.Image. What base relocations change is not the
// file's own.
func (i *Image) ReadStatic(off symbols.Offset, p []byte) (ok bool) {
	if off >= 1<<32 || uint64(len(p)) > 1<<32 {
		return false
	}
	i.guard.Do(func() {
		b, s, found := i.file.At(uint32(off))
		if !found || s == nil || s.Characteristics&pe.SectionWrite != 0 || len(b) < len(p) || i.relocated(uint32(off), len(p)) {
			return
		}
		copy(p, b)
		ok = true
	})
	return ok
}

// relocated reports whether a base relocation touches [addr, addr+n).
func (i *Image) relocated(addr uint32, n int) bool {
	i.movedOnce.Do(func() {
		for r := range i.file.Relocations() {
			i.moved = append(i.moved, r.Addr)
		}
		slices.Sort(i.moved)
	})
	first := addr - min(addr, 7) // the widest is 8 bytes
	k, _ := slices.BinarySearch(i.moved, first)
	return k < len(i.moved) && uint64(i.moved[k]) < uint64(addr)+uint64(n)
}

// Close lets go of nothing at once: the mapping goes when nobody holds the Image.
func (i *Image) Close() error { return nil }
