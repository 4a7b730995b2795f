package windbg

import (
	"context"
	"fmt"
	"strings"
	"time"

	"dap-windbg/arch"
	"dap-windbg/binfmt/elf"
	"dap-windbg/binfmt/pe"
	"dap-windbg/engine"
)

// This file shows an image's headers: !dh.

// imageHeaders is !dh: the headers of the image's file, else those in memory.
func imageHeaders(ctx context.Context, c *call) error {
	set, err := c.flags("-", "a f s e i")
	if err != nil {
		return err
	}
	m, _, err := c.tried(ctx)
	if err != nil {
		return err
	}
	file, sections := set["f"], set["s"]
	if !file && !sections || set["a"] {
		file, sections = true, true
	}
	var text string
	if i, ok := m.Image.(guarded); ok {
		whole := i.Guard(func() {
			switch i := m.Image.(type) {
			case interface{ File() *elf.File }:
				text = elfHeaders(i.File(), file, sections)
			case interface{ File() *pe.File }:
				text = peHeaders(i.File(), file, sections)
				if file {
					text += peDebug(i.File())
				}
			}
		})
		if !whole {
			return &Error{Text: m.Image.Path() + " was cut short since it was opened"}
		}
	}
	if text == "" {
		text, err = c.headersInMemory(ctx, m, file, sections)
	}
	c.printf("%s", text)
	return err
}

// guarded images read files that may be cut short: false of Guard says so.
type guarded interface{ Guard(read func()) bool }

// headersInMemory reads the headers of a module whose file is not here. Sections
// of ELF files are not in memory.
func (c *call) headersInMemory(ctx context.Context, m *engine.Module, file, sections bool) (string, error) {
	head, n, err := c.read(ctx, m.Base, 4096)
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(string(head[:n]), "MZ") {
		f, err := pe.Parse(head[:n])
		if err != nil {
			return "", &Error{Text: err.Error(), Err: err}
		}
		return peHeaders(f, file, sections), nil
	}
	f, err := elf.Mapped(memoryReader{ctx, c, m.Base})
	if err != nil {
		return "", &Error{Text: fmt.Sprintf("%s is not a valid image, %v", m.Base.Text(pointerSize(c.v)), err), Err: err}
	}
	return elfHeaders(f, file, sections), nil
}

// memoryReader reads a module's memory from its base.
type memoryReader struct {
	ctx  context.Context
	c    *call
	base arch.Addr
}

func (r memoryReader) ReadAt(p []byte, off int64) (int, error) {
	data, n, err := r.c.read(r.ctx, r.base+arch.Addr(off), uint64(len(p)))
	copy(p, data[:n])
	if err == nil && n < len(p) {
		err = fmt.Errorf("memory cannot be read at 0x%x", uint64(r.base)+uint64(off)+uint64(n))
	}
	return n, err
}

// bits lists the names of the bits that are set in v, each on a line of its own.
func bits(v uint64, names []numbered) string {
	var b strings.Builder
	for _, n := range names {
		if v&n.number == n.number {
			fmt.Fprintf(&b, "            %s\n", n.name)
		}
	}
	return b.String()
}

// numbered is a row of a table of names.
type numbered struct {
	number uint64
	name   string
}

// named is the name of a number, "" without one.
func named(table []numbered, v uint64) string {
	for _, n := range table {
		if n.number == v {
			return n.name
		}
	}
	return ""
}

// peHeaders are the headers of a PE image in WinDbg's form, which are the same in
// its file and in memory.
func peHeaders(f *pe.File, file, sections bool) string {
	var b strings.Builder
	if file {
		peFileHeader(&b, f)
		peOptionalHeader(&b, f)
	}
	if sections {
		for i := range f.Sections {
			peSection(&b, i+1, &f.Sections[i])
		}
	}
	return b.String()
}

// headerRow is "  value title", the value in a column of eight.
func headerRow(b *strings.Builder, value uint64, title string) {
	fmt.Fprintf(b, "%8X %s\n", value, title)
}

func peFileHeader(b *strings.Builder, f *pe.File) {
	kind := "EXECUTABLE IMAGE"
	if f.Characteristics&pe.CharacteristicDLL != 0 {
		kind = "DLL"
	}
	fmt.Fprintf(b, "\nFile Type: %s\nFILE HEADER VALUES\n", kind)
	name := named(peMachineNames, uint64(f.Machine))
	if name == "" {
		name = "unknown"
	}
	headerRow(b, uint64(f.Machine), "machine ("+name+")")
	headerRow(b, uint64(len(f.Sections)), "number of sections")
	headerRow(b, uint64(f.Stamp), "time date stamp "+stampText(f.Stamp))
	b.WriteString("\n")
	headerRow(b, uint64(f.SymbolsOffset), "file pointer to symbol table")
	headerRow(b, uint64(f.SymbolCount), "number of symbols")
	headerRow(b, uint64(f.OptionalSize), "size of optional header")
	headerRow(b, uint64(f.Characteristics), "characteristics")
	b.WriteString(bits(uint64(f.Characteristics), peCharacteristics))
}

// stampText is a time stamp as a date, which it need not be: reproducible builds
// have a hash there.
func stampText(stamp uint32) string {
	return time.Unix(int64(stamp), 0).UTC().Format("Mon Jan _2 15:04:05 2006")
}

// checksum is that of a PE image's header, 0 where it is not known.
func checksum(m *engine.Module) uint32 {
	if i, ok := m.Image.(interface{ File() *pe.File }); ok {
		return i.File().Checksum
	}
	return 0
}

func peOptionalHeader(b *strings.Builder, f *pe.File) {
	b.WriteString("\nOPTIONAL HEADER VALUES\n")
	magic, word := uint64(0x10b), 8
	if f.Is64 {
		magic, word = 0x20b, 16
	}
	version := func(major, minor uint16, title string) {
		fmt.Fprintf(b, "%8s %s\n", fmt.Sprintf("%d.%02d", major, minor), title)
	}
	large := func(v uint64, title string) { fmt.Fprintf(b, "%0*x %s\n", word, v, title) }
	headerRow(b, magic, "magic #")
	version(uint16(f.Linker[0]), uint16(f.Linker[1]), "linker version")
	headerRow(b, uint64(f.SizeOfCode), "size of code")
	headerRow(b, uint64(f.SizeOfInitialized), "size of initialized data")
	headerRow(b, uint64(f.SizeOfUninitialized), "size of uninitialized data")
	headerRow(b, uint64(f.Entry), "address of entry point")
	headerRow(b, uint64(f.BaseOfCode), "base of code")
	b.WriteString("         ----- new -----\n")
	large(f.ImageBase, "image base")
	headerRow(b, uint64(f.SectionAlignment), "section alignment")
	headerRow(b, uint64(f.FileAlignment), "file alignment")
	headerRow(b, uint64(f.Subsystem), "subsystem ("+named(peSubsystems, uint64(f.Subsystem))+")")
	version(f.OSVersion[0], f.OSVersion[1], "operating system version")
	version(f.ImageVersion[0], f.ImageVersion[1], "image version")
	version(f.SubsystemVersion[0], f.SubsystemVersion[1], "subsystem version")
	headerRow(b, uint64(f.ImageSize), "size of image")
	headerRow(b, uint64(f.HeadersSize), "size of headers")
	headerRow(b, uint64(f.Checksum), "checksum")
	large(f.StackReserve, "size of stack reserve")
	large(f.StackCommit, "size of stack commit")
	large(f.HeapReserve, "size of heap reserve")
	large(f.HeapCommit, "size of heap commit")
	headerRow(b, uint64(f.DLLCharacteristics), " DLL characteristics")
	b.WriteString(bits(uint64(f.DLLCharacteristics), peDLLCharacteristics))
	for i, d := range f.Directories {
		if i < len(peDirectories) {
			fmt.Fprintf(b, "%8X [%8X] address [size] of %s Directory\n", d.Addr, d.Size, peDirectories[i])
		}
	}
	b.WriteString("\n")
}

func peSection(b *strings.Builder, n int, s *pe.Section) {
	fmt.Fprintf(b, "\nSECTION HEADER #%X\n%8s name\n", n, shown(s.Name))
	for _, x := range []struct {
		value uint32
		title string
	}{
		{s.VirtualSize, "virtual size"}, {s.Addr, "virtual address"}, {s.RawSize, "size of raw data"}, {s.RawOffset, "file pointer to raw data"},
		{s.RelocationsOffset, "file pointer to relocation table"}, {s.LinesOffset, "file pointer to line numbers"},
		{uint32(s.RelocationCount), "number of relocations"}, {uint32(s.LineCount), "number of line numbers"}, {s.Characteristics, "flags"},
	} {
		headerRow(b, uint64(x.value), x.title)
	}
	line := func(text string) { fmt.Fprintf(b, "         %s\n", text) }
	for _, k := range peContents {
		if uint64(s.Characteristics)&k.number != 0 {
			line(k.name)
		}
	}
	if align := s.Characteristics >> 20 & 15; align == 0 {
		line("(no align specified)")
	} else {
		line(fmt.Sprintf("Align %d bytes", 1<<(align-1)))
	}
	var access []string
	for _, k := range peAccess {
		if uint64(s.Characteristics)&k.number != 0 {
			access = append(access, k.name)
		}
	}
	line(strings.Join(access, " "))
}

// maxDebug bounds the rows shown of a damaged debug directory.
const maxDebug = 256

// peDebug is the debug directory, which tells places in the file.
func peDebug(f *pe.File) string {
	list := f.Debug()
	list = list[:min(len(list), maxDebug)]
	if len(list) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n\nDebug Directories(%d)\n\tType       Size     Address  Pointer\n", len(list))
	for _, e := range list {
		kind := named(peDebugTypes, uint64(e.Type))
		if kind == "" {
			kind = fmt.Sprintf("(%5d)", e.Type)
		}
		fmt.Fprintf(&b, "\t%-8s %6x    %8x %8x", kind, e.Size, e.Addr, e.RawOffset)
		if cv, ok := f.CodeView(); ok && kind == "cv" {
			fmt.Fprintf(&b, "\tFormat: RSDS, {%s}, %d, %s", cv, cv.Age, shown(cv.Path))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// Names of the PE format: Microsoft's "PE Format", in the words of WinDbg's !dh.
var (
	peMachineNames = []numbered{{pe.MachineI386, "i386"}, {pe.MachineAMD64, "X64"}, {pe.MachineARM64, "ARM64"}, {0x1c4, "ARM NT"}, {0x200, "IA64"}}

	peCharacteristics = []numbered{{1, "Relocations stripped"}, {2, "Executable"}, {4, "Line numbers stripped"}, {8, "Symbols stripped"},
		{0x10, "Aggressive working set trim"}, {0x20, "App can handle >2gb addresses"}, {0x80, "Bytes reversed lo"}, {0x100, "32 bit word machine"},
		{0x200, "Debug information stripped"}, {0x400, "Run from swap if removable"}, {0x800, "Run from swap if on net"}, {0x1000, "System"},
		{0x2000, "DLL"}, {0x4000, "Uniprocessor only"}, {0x8000, "Bytes reversed hi"}}

	peSubsystems = []numbered{{0, "Unknown"}, {1, "Native"}, {2, "Windows GUI"}, {3, "Windows CUI"}, {5, "OS/2 CUI"}, {7, "Posix CUI"}, {9, "Windows CE GUI"},
		{10, "EFI application"}, {11, "EFI boot service driver"}, {12, "EFI runtime driver"}, {13, "EFI ROM"}, {14, "Xbox"}, {16, "Windows boot application"}}

	peDLLCharacteristics = []numbered{{0x20, "High entropy VA supported"}, {0x40, "Dynamic base"}, {0x80, "Force integrity"}, {0x100, "NX compatible"},
		{0x200, "No isolation"}, {0x400, "No structured exception handler"}, {0x800, "Do not bind"}, {0x1000, "App container"}, {0x2000, "WDM driver"},
		{0x4000, "Guard"}, {0x8000, "Terminal server aware"}}

	peDirectories = []string{"Export", "Import", "Resource", "Exception", "Security", "Base Relocation", "Debug", "Description", "Special", "Thread Storage",
		"Load Configuration", "Bound Import", "Import Address Table", "Delay Import", "COR20 Header", "Reserved"}

	peContents = []numbered{{0x20, "Code"}, {0x40, "Initialized Data"}, {0x80, "Uninitialized Data"}, {0x200, "Info"}, {0x800, "Remove"}, {0x1000, "Communal; sym="},
		{0x2000000, "Discardable"}, {0x4000000, "Not Cached"}, {0x8000000, "Not Paged"}}

	peAccess = []numbered{{0x10000000, "Shared"}, {0x20000000, "Execute"}, {0x40000000, "Read"}, {0x80000000, "Write"}}

	peDebugTypes = []numbered{{1, "coff"}, {2, "cv"}, {3, "fpo"}, {4, "dbg"}, {5, "exception"}, {6, "fixup"}, {7, "omap to"}, {8, "omap from"}, {9, "borland"},
		{12, "feature"}, {13, "pogo"}, {14, "iltcg"}, {16, "repro"}, {20, "dllchar"}}
)
