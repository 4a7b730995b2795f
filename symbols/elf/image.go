package elf

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"sync"

	"dap-windbg/arch"
	"dap-windbg/binfmt/elf"
	"dap-windbg/binfmt/mmap"
	"dap-windbg/symbols"
	"dap-windbg/symbols/dwarf"
	"dap-windbg/symbols/index"
)

// Options of Open. The zero value is useful.
type Options struct {
	// Key is what the debuggee knows the image by; Path and Name default to the
	// file's, BuildID always comes from the file.
	Key symbols.Key
	// Debug is the path of a separate debug file, "" for none.
	Debug string
	// AnyBuild takes a debug file of another build.
	AnyBuild bool
	// Companions finds the other files that the debug information refers to: split
	// units, packages, common files. Nil looks beside the file that refers to them.
	Companions symbols.Companions
	// Sections say where sections of a relocatable file are loaded, by name; the
	// others get addresses behind them. Linked files have their own.
	Sections map[string]uint64
	// Patched: the code in memory is not the file's, as that of a kernel, which rewrites
	// itself for its CPU. ReadStatic has nothing then.
	Patched bool
	// Index keeps indexes of names between runs; nil keeps none.
	Index *index.Cache
	// Unwinder makes the image's unwinder on first use; nil: the image has none.
	Unwinder func(*Image) symbols.Unwinder
}

// Image is an opened ELF file.
type Image struct {
	opt       Options
	key       symbols.Key
	arch      *arch.Arch
	main      *part
	debug     *part // the separate debug file, else nil
	common    *part // the supplementary file of debug information, once it was opened
	low, high uint64
	answers
	dwarf *dwarf.Data // nil without debug information
	guard mmap.Guard  // around everything that reads the files

	tableOnce sync.Once
	table     *table

	unwindOnce sync.Once
	unwinder   symbols.Unwinder
}

// part is one of the files; it keeps the mapping.
type part struct {
	*elf.File
	path string
	file *mmap.File
}

// machines maps ELF machine numbers to architectures.
var machines = map[uint16]*arch.Arch{
	elf.MachineX8664: arch.AMD64, elf.Machine386: arch.I386, elf.MachineAArch64: arch.ARM64, elf.MachineRISCV: arch.RISCV64,
}

// Open opens the image at path, which may itself be a debug file. Errors:
// *elf.FormatError, *symbols.MismatchError when o.Debug is of another build,
// those of opening files.
func Open(path string, o Options) (*Image, error) {
	m, err := openPart(path)
	if err != nil {
		return nil, err
	}
	return newImage(m, o)
}

// OpenBytes opens an image held in memory, such as a vDSO.
func OpenBytes(name string, data []byte, o Options) (*Image, error) {
	f, err := elf.Parse(data)
	if err != nil {
		return nil, err
	}
	return newImage(&part{File: f, path: name}, o)
}

func openPart(path string) (*part, error) {
	m, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	var f *elf.File
	var guard mmap.Guard
	if !guard.Do(func() { f, err = elf.Parse(m.Data) }) {
		err = errors.New("the file was cut short while it was read")
	}
	if err != nil {
		return nil, &FileError{path, err}
	}
	return &part{f, path, m}, nil
}

// FileError says which file could not be used.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string { return e.Path + ": " + e.Err.Error() }
func (e *FileError) Unwrap() error { return e.Err }

func newImage(m *part, o Options) (*Image, error) {
	i := &Image{opt: o, key: o.Key, main: m, arch: machines[m.Machine]}
	if i.key.Path == "" {
		i.key.Path = m.path
	}
	if i.key.Name == "" {
		i.key.Name = filepath.Base(i.key.Path)
	}
	i.key.BuildID = m.BuildID()
	m.Place(o.Sections)
	m.keep(o.Index)
	i.low, i.high = m.Loaded()
	if o.Debug != "" {
		d, err := openPart(o.Debug)
		if err != nil {
			return nil, err
		}
		if id := d.BuildID(); !o.AnyBuild && len(id) > 0 && len(i.key.BuildID) > 0 && !bytes.Equal(id, i.key.BuildID) {
			return nil, &symbols.MismatchError{Path: o.Debug, Want: i.key.BuildID, Got: id}
		}
		d.Place(m.addresses())
		d.keep(o.Index)
		i.debug = d
	}
	i.openDWARF()
	return i, nil
}

// openDWARF makes the DWARF reader over the file that has .debug_info.
func (i *Image) openDWARF() {
	p := i.named()
	if p == nil {
		return
	}
	o := dwarf.Options{Arch: i.arch, Base: i.low, Image: i, Guard: i.guard.Do, BigEndian: p.Order.Uint16([]byte{0, 1}) == 1}
	o.Section, o.Prefix = p.bytes, p.prefix
	if p.file != nil {
		o.Release = p.file.Release
	}
	if i.opt.Index != nil {
		o.Kept = func() *index.Kept { return i.opt.Index.For(p.identity(i.common)) }
	}
	o.Open = func(c symbols.Companion, accept func(func(string) []byte) error) (func(string) []byte, error) {
		return i.companion(p, c, accept)
	}
	for _, s := range p.Segments {
		if s.Type == elf.SegTLS {
			o.TLSLow, o.TLSHigh = s.Vaddr, s.Vaddr+s.Memsz
		}
		if s.Type == elf.SegLoad && s.Flags&elf.SegX != 0 && s.Memsz > 0 {
			if o.CodeHigh == 0 || s.Vaddr < o.CodeLow {
				o.CodeLow = s.Vaddr
			}
			o.CodeHigh = max(o.CodeHigh, s.Vaddr+s.Memsz)
		}
	}
	i.dwarf = dwarf.New(o)
	i.answers = i.dwarf.Answers()
}

// named returns the part that has debug information, nil when neither has.
func (i *Image) named() *part {
	for _, p := range []*part{i.debug, i.main} {
		if p == nil {
			continue
		}
		for k := range p.Sections {
			if n := p.Sections[k].Name; (n == ".debug_info" || n == ".zdebug_info") && p.Sections[k].Type != elf.SecNobits {
				return p
			}
		}
	}
	return nil
}

// section returns a section's bytes, decompressed; old compressed sections go
// by the name ".zdebug_…".
func (p *part) section(name string) ([]byte, uint64, bool) {
	s, ok := p.named(name)
	if !ok {
		return nil, 0, false
	}
	b, err := p.Joined(s)
	return b, s.Addr, err == nil && b != nil
}

// named is the section of a name, under its older name too when it is compressed.
func (p *part) named(name string) (*elf.Section, bool) {
	s, ok := p.Section(name)
	if !ok && len(name) > 7 && name[:7] == ".debug_" {
		return p.Section(".z" + name[1:])
	}
	return s, ok
}

// prefix is bytes of which only the first n need be there.
func (p *part) prefix(name string, n uint64) []byte {
	s, ok := p.named(name)
	if !ok {
		return nil
	}
	b, err := p.Prefix(s, n)
	if err != nil {
		return nil
	}
	return b
}

// bytes is section without its address.
func (p *part) bytes(name string) []byte {
	b, _, _ := p.section(name)
	return b
}

// addresses are where the sections of a relocatable file lie, by name.
func (p *part) addresses() map[string]uint64 {
	m := map[string]uint64{}
	for k := range p.Sections {
		if s := &p.Sections[k]; s.Addr != 0 {
			m[s.Name] = s.Addr
		}
	}
	return m
}

// Section returns the bytes and link-time address of a section: from the image
// itself, else from its debug file. The bytes must not be written to, and are
// valid as long as the Image is reachable.
func (i *Image) Section(name string) (data []byte, addr uint64, ok bool) {
	i.guard.Do(func() {
		for _, p := range []*part{i.main, i.debug} {
			if p != nil && !ok {
				data, addr, ok = p.section(name)
			}
		}
	})
	return data, addr, ok
}

// File returns the headers of the image itself.
func (i *Image) File() *elf.File { return i.main.File }

// Guard runs what reads the File; false when the file was cut short meanwhile.
func (i *Image) Guard(read func()) bool { return i.guard.Do(read) }

// Key implements symbols.Image.
func (i *Image) Key() symbols.Key { return i.key }

// Arch is nil for a machine we do not know.
func (i *Image) Arch() *arch.Arch { return i.arch }

// Path is the file that the best names come from.
func (i *Image) Path() string {
	if p := i.named(); p != nil {
		return p.path
	}
	return i.main.path
}

// Debug says where names come from.
func (i *Image) Debug() symbols.DebugKind {
	if i.dwarf != nil {
		return symbols.DWARF
	}
	for _, p := range []*part{i.main, i.debug} {
		if p == nil {
			continue
		}
		for _, k := range []uint32{elf.SecSymtab, elf.SecDynsym} {
			if _, ok := p.SymbolTable(k); ok {
				return symbols.Exports
			}
		}
	}
	return symbols.NoSymbols
}

// Size is the loaded size in bytes.
func (i *Image) Size() uint64 { return i.high - i.low }

// LinkBase is the link-time address of Offset 0: the lowest loaded address, cut to a page.
func (i *Image) LinkBase() uint64 { return i.low }

// Entry is where the program starts, 0 for a library without one.
func (i *Image) Entry() symbols.Offset {
	if i.main.Entry < i.low || i.main.Entry >= i.high {
		return 0
	}
	return symbols.Offset(i.main.Entry - i.low)
}

// ReadStatic implements symbols.Image.
func (i *Image) ReadStatic(off symbols.Offset, p []byte) (ok bool) {
	if i.opt.Patched {
		return false
	}
	i.guard.Do(func() { ok = i.readStatic(off, p) })
	return ok
}

func (i *Image) readStatic(off symbols.Offset, p []byte) bool {
	if s, ok := i.main.Section(".text"); !ok && len(i.main.Sections) > 0 || ok && s.Type == elf.SecNobits {
		return false // a debug file: its segments have no bytes
	}
	b, s, ok := i.main.At(i.low + uint64(off))
	if !ok || s.Flags&elf.SegW != 0 || len(b) < len(p) {
		return false
	}
	copy(p, b)
	return true
}

// Close lets go of nothing at once: the mapping goes when nobody holds the Image.
func (i *Image) Close() error { return nil }

// Unwind implements symbols.Unwinder by what Options.Unwinder made.
func (i *Image) Unwind(ctx context.Context, base arch.Addr, callee *arch.Registers, mem symbols.Memory) (caller *arch.Registers, cfa arch.Addr, err error) {
	u := i.frames()
	if u == nil {
		return nil, 0, symbols.ErrNoUnwind
	}
	if !i.guard.Do(func() { caller, cfa, err = u.Unwind(ctx, base, callee, mem) }) {
		return nil, 0, symbols.ErrNoUnwind
	}
	return caller, cfa, err
}

// frames is what knows the unwind rules; nil: nobody does.
func (i *Image) frames() symbols.Unwinder {
	i.unwindOnce.Do(func() {
		if i.opt.Unwinder != nil {
			i.guard.Do(func() { i.unwinder = i.opt.Unwinder(i) })
		}
	})
	return i.unwinder
}
