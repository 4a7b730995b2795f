package windbg

import (
	"fmt"
	"strings"

	"dap-windbg/binfmt/elf"
)

// elfHeaders are the headers of an ELF image, in the manner of !dh.
func elfHeaders(f *elf.File, file, sections bool) string {
	var b strings.Builder
	if file {
		elfFileHeader(&b, f)
		elfSegments(&b, f)
		elfDynamic(&b, f)
		elfNotes(&b, f)
	}
	if sections && len(f.Sections) > 0 {
		elfSections(&b, f)
	}
	return b.String()
}

// word is how many digits an address has.
func word(f *elf.File) int {
	if f.Is64 {
		return 16
	}
	return 8
}

func elfFileHeader(b *strings.Builder, f *elf.File) {
	kind := named(elfTypes, uint64(f.Type))
	if _, interpreted := segment(f, segInterp); interpreted && f.Type == elf.Dyn {
		kind = "POSITION INDEPENDENT EXECUTABLE"
	}
	class, order := "32", "little"
	if f.Is64 {
		class = "64"
	}
	if f.Order.Uint16([]byte{0, 1}) == 1 {
		order = "big"
	}
	fmt.Fprintf(b, "\nFile Type: %s\nFILE HEADER VALUES\n", kind)
	fmt.Fprintf(b, "   ELF%s %s endian, ABI %d\n", class, order, f.OSABI)
	headerRow(b, uint64(f.Machine), "machine ("+orUnknown(named(elfMachines, uint64(f.Machine)))+")")
	headerRow(b, uint64(f.Type), "type")
	headerRow(b, uint64(len(f.Segments)), "number of segments")
	headerRow(b, uint64(len(f.Sections)), "number of sections")
	headerRow(b, uint64(f.Flags), "flags")
	fmt.Fprintf(b, "%0*x address of entry point\n", word(f), f.Entry)
	low, high := f.Loaded()
	fmt.Fprintf(b, "%0*x image base\n%8X size of image\n", word(f), low, high-low)
}

func orUnknown(name string) string {
	if name == "" {
		return "unknown"
	}
	return name
}

func segment(f *elf.File, kind uint32) (*elf.Segment, bool) {
	for i := range f.Segments {
		if f.Segments[i].Type == kind {
			return &f.Segments[i], true
		}
	}
	return nil, false
}

// access spells flags as "Execute Read Write".
func access(read, write, execute bool) string {
	var s []string
	for _, x := range []struct {
		on   bool
		name string
	}{{execute, "Execute"}, {read, "Read"}, {write, "Write"}} {
		if x.on {
			s = append(s, x.name)
		}
	}
	return strings.Join(s, " ")
}

func elfSegments(b *strings.Builder, f *elf.File) {
	w := word(f)
	fmt.Fprintf(b, "\nSEGMENTS\n   # type          %-*s  memory   pointer  file size  align  access\n", w, "address")
	for i, s := range f.Segments {
		name := named(elfSegmentTypes, uint64(s.Type))
		if name == "" {
			name = fmt.Sprintf("0x%x", s.Type)
		}
		fmt.Fprintf(b, "  %2d %-13s %0*x %7x  %8x   %8x %6x  %s\n", i, name, w, s.Vaddr, s.Memsz, s.Offset, s.Filesz, s.Align,
			access(s.Flags&elf.SegR != 0, s.Flags&elf.SegW != 0, s.Flags&elf.SegX != 0))
	}
	if s, ok := segment(f, segInterp); ok {
		if p, _, ok := f.At(s.Vaddr); ok {
			fmt.Fprintf(b, "     loader: %s\n", noteText(p, 4096))
		}
	}
}

// noteText is what stands before the first zero byte, as it can be shown.
func noteText(p []byte, most int) string {
	s, _, _ := strings.Cut(string(p[:min(len(p), most)]), "\x00")
	return shown(s)
}

// shown is a file's text without what no line can show, such as a terminal's orders.
func shown(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

func elfSections(b *strings.Builder, f *elf.File) {
	w := word(f)
	fmt.Fprintf(b, "\nSECTIONS\n   # %-24s type         %-*s     size   pointer  align  access\n", "name", w, "address")
	for i := range f.Sections {
		s := &f.Sections[i]
		kind := named(elfSectionTypes, uint64(s.Type))
		if kind == "" {
			kind = fmt.Sprintf("0x%x", s.Type)
		}
		fmt.Fprintf(b, "  %2d %-24s %-12s %0*x %8x  %8x %6x  %s\n", i, shown(s.Name), kind, w, s.Addr, s.Size, s.Offset, s.Align,
			access(s.Flags&elf.FlagAlloc != 0, s.Flags&elf.FlagWrite != 0, s.Flags&elf.FlagExec != 0))
	}
}

// maxDynamic bounds the dynamic entries shown of a damaged file.
const maxDynamic = 4096

func elfDynamic(b *strings.Builder, f *elf.File) {
	s, ok := segment(f, elf.SegDynamic)
	if !ok {
		return
	}
	d, _, ok := f.At(s.Vaddr)
	if !ok {
		return
	}
	size := word(f) / 2
	value := func(p []byte) uint64 {
		if f.Is64 {
			return f.Order.Uint64(p)
		}
		return uint64(f.Order.Uint32(p))
	}
	var entries [][2]uint64
	var stringTable uint64
	for d = d[:min(uint64(len(d)), s.Filesz)]; len(d) >= 2*size && len(entries) < maxDynamic; d = d[2*size:] {
		tag, v := value(d), value(d[size:])
		if tag == 0 {
			break
		}
		if tag == tagStrings {
			stringTable = v
		}
		entries = append(entries, [2]uint64{tag, v})
	}
	b.WriteString("\nDYNAMIC ENTRIES\n")
	for _, e := range entries {
		name := named(elfTags, e[0])
		if name == "" {
			name = fmt.Sprintf("0x%x", e[0])
		}
		fmt.Fprintf(b, "  %-16s %0*x", name, word(f), e[1])
		if e[0] == 1 || e[0] == 14 || e[0] == 15 || e[0] == 29 { // names
			if p, _, ok := f.At(stringTable + e[1]); ok {
				fmt.Fprintf(b, "  %s", noteText(p, 4096))
			}
		}
		b.WriteString("\n")
	}
}

// maxNoteShown is how many bytes of a note are shown.
const maxNoteShown = 32

func elfNotes(b *strings.Builder, f *elf.File) {
	first := true
	for n := range f.Notes() {
		if first {
			b.WriteString("\nNOTES\n")
			first = false
		}
		kind := fmt.Sprintf("type 0x%x", n.Type)
		if n.Name == "GNU" && named(elfNoteTypes, uint64(n.Type)) != "" {
			kind = named(elfNoteTypes, uint64(n.Type))
		}
		fmt.Fprintf(b, "  %-10s %-14s %4x  %x", noteText([]byte(n.Name), 64), kind, len(n.Desc), n.Desc[:min(len(n.Desc), maxNoteShown)])
		if len(n.Desc) > maxNoteShown {
			b.WriteString("...")
		}
		b.WriteString("\n")
	}
}

const (
	segInterp  = 3
	tagStrings = 5
)

// Names of the ELF format: System V ABI and its GNU extensions.
var (
	elfTypes = []numbered{{elf.Rel, "RELOCATABLE FILE"}, {elf.Exec, "EXECUTABLE IMAGE"}, {elf.Dyn, "SHARED OBJECT"}, {elf.Core, "CORE FILE"}}

	elfMachines = []numbered{{elf.Machine386, "i386"}, {elf.MachineARM, "ARM"}, {elf.MachineX8664, "X64"}, {elf.MachineAArch64, "ARM64"}, {elf.MachineRISCV, "RISC-V"}}

	elfSegmentTypes = []numbered{{0, "NULL"}, {1, "LOAD"}, {2, "DYNAMIC"}, {3, "INTERP"}, {4, "NOTE"}, {5, "SHLIB"}, {6, "PHDR"}, {7, "TLS"},
		{0x6474e550, "GNU_EH_FRAME"}, {0x6474e551, "GNU_STACK"}, {0x6474e552, "GNU_RELRO"}, {0x6474e553, "GNU_PROPERTY"}}

	elfSectionTypes = []numbered{{0, "NULL"}, {1, "PROGBITS"}, {2, "SYMTAB"}, {3, "STRTAB"}, {4, "RELA"}, {5, "HASH"}, {6, "DYNAMIC"}, {7, "NOTE"}, {8, "NOBITS"}, {9, "REL"},
		{11, "DYNSYM"}, {14, "INIT_ARRAY"}, {15, "FINI_ARRAY"}, {16, "PREINIT_ARRAY"}, {17, "GROUP"}, {18, "SYMTAB_SHNDX"}, {19, "RELR"},
		{0x6ffffff6, "GNU_HASH"}, {0x6ffffffd, "GNU_VERDEF"}, {0x6ffffffe, "GNU_VERNEED"}, {0x6fffffff, "GNU_VERSYM"}}

	elfTags = []numbered{{1, "NEEDED"}, {2, "PLTRELSZ"}, {3, "PLTGOT"}, {4, "HASH"}, {5, "STRTAB"}, {6, "SYMTAB"}, {7, "RELA"}, {8, "RELASZ"}, {9, "RELAENT"},
		{10, "STRSZ"}, {11, "SYMENT"}, {12, "INIT"}, {13, "FINI"}, {14, "SONAME"}, {15, "RPATH"}, {16, "SYMBOLIC"}, {17, "REL"}, {18, "RELSZ"}, {19, "RELENT"},
		{20, "PLTREL"}, {21, "DEBUG"}, {22, "TEXTREL"}, {23, "JMPREL"}, {24, "BIND_NOW"}, {25, "INIT_ARRAY"}, {26, "FINI_ARRAY"}, {27, "INIT_ARRAYSZ"},
		{28, "FINI_ARRAYSZ"}, {29, "RUNPATH"}, {30, "FLAGS"}, {32, "PREINIT_ARRAY"}, {33, "PREINIT_ARRAYSZ"}, {35, "RELRSZ"}, {36, "RELR"}, {37, "RELRENT"},
		{0x6ffffef5, "GNU_HASH"}, {0x6ffffff0, "VERSYM"}, {0x6ffffff9, "RELACOUNT"}, {0x6ffffffa, "RELCOUNT"}, {0x6ffffffb, "FLAGS_1"},
		{0x6ffffffc, "VERDEF"}, {0x6ffffffd, "VERDEFNUM"}, {0x6ffffffe, "VERNEED"}, {0x6fffffff, "VERNEEDNUM"}}

	elfNoteTypes = []numbered{{1, "ABI tag"}, {2, "hwcap"}, {elf.NoteBuildID, "build-id"}, {4, "gold version"}, {5, "properties"}}
)
