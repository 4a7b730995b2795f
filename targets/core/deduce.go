package core

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"

	"dap-windbg/binfmt/elf"
)

// QEMU's user mode, old kernels and other debuggers write cores without NT_FILE.
// What was mapped then follows from the images: the program that the auxiliary
// vector names, the loader that the program names, and the loader's list of
// libraries (struct r_debug and link_map, glibc elf/link.h, which musl shares).

const (
	segPhdr, segInterp, segDynamic = 6, 3, 2
	tagDebug                       = 21
	maxLinks                       = 4096
	maxDynamic                     = 1024 // entries
)

// deduce fills the table of mappings where no note has.
func (t *Target) deduce(ctx context.Context) {
	if t.deduced || t.info.Path == "" {
		return
	}
	t.deduced = true
	program := t.place(ctx, t.info.Path, t.base(t.info.Path))
	if program != nil && ctx.Err() == nil {
		bias := t.base(t.info.Path) - lowest(program)
		if at := t.auxiliary(auxBase); at != 0 {
			t.place(ctx, interpreter(program), at)
		}
		for _, l := range t.links(program, bias) {
			if l.name != "" && l.bias != bias && l.bias != t.auxiliary(auxBase) && ctx.Err() == nil {
				t.place(ctx, l.name, l.bias)
			}
		}
	}
	if ctx.Err() != nil {
		t.deduced = false
	}
	slices.SortStableFunc(t.mappings, func(a, b mapping) int { return cmp.Compare(a.start, b.start) })
}

func lowest(f *elf.File) uint64 {
	low, _ := f.Loaded()
	return low
}

// place adds the mappings of the image at path, which lies at base.
func (t *Target) place(ctx context.Context, path string, base uint64) *elf.File {
	if path == "" || base == 0 || slices.ContainsFunc(t.mappings, func(m mapping) bool { return m.path == path }) {
		return nil
	}
	b, err := t.backing(ctx, path, base)
	if err != nil || b.file == nil {
		return nil
	}
	bias := base - lowest(b.elf)
	for _, s := range b.elf.Segments {
		start, end := (bias+s.Vaddr)&^(pageSize-1), (bias+s.Vaddr+s.Filesz+pageSize-1)&^(pageSize-1)
		if s.Type == elf.SegLoad && end > start {
			t.mappings = append(t.mappings, mapping{start, end, s.Offset &^ (pageSize - 1), path})
		}
	}
	return b.elf
}

// interpreter is the loader that a program names.
func interpreter(f *elf.File) string {
	for _, s := range f.Segments {
		if s.Type == segInterp {
			text := make([]byte, min(s.Filesz, 4096))
			if f.ReadLoaded(s.Vaddr, text) == nil {
				return cString(text)
			}
		}
	}
	return ""
}

// link is a row of the loader's list.
type link struct {
	bias uint64
	name string
}

// words reads n pointers from the core.
func (t *Target) words(at uint64, n int) []uint64 {
	w := t.m.arch.PtrSize
	d := make([]byte, n*w)
	if k, _ := (coreReader{t, at}).ReadAt(d, 0); k < len(d) {
		return nil
	}
	out := make([]uint64, n)
	for i := range out {
		if w == 8 {
			out[i] = t.elf.Order.Uint64(d[8*i:])
		} else {
			out[i] = uint64(t.elf.Order.Uint32(d[4*i:]))
		}
	}
	return out
}

// links walks the loader's list.
func (t *Target) links(program *elf.File, bias uint64) []link {
	var debug uint64
	for _, s := range program.Segments {
		if s.Type != segDynamic {
			continue
		}
		for i := range uint64(maxDynamic) {
			e := t.words(bias+s.Vaddr+i*2*uint64(t.m.arch.PtrSize), 2)
			if e == nil || e[0] == 0 {
				break
			}
			if e[0] == tagDebug {
				debug = e[1]
			}
		}
	}
	head := t.words(debug, 2) // r_version, r_map
	if debug == 0 || head == nil {
		return nil
	}
	var out []link
	for at := head[1]; at != 0 && len(out) < maxLinks; {
		l := t.words(at, 4) // l_addr, l_name, l_ld, l_next
		if l == nil {
			break
		}
		name := make([]byte, 4096)
		n, _ := coreReader{t, l[1]}.ReadAt(name, 0)
		out = append(out, link{l[0], cString(name[:n])})
		at = l[3]
	}
	return out
}

// near makes a relative path of a program absolute: beside the core file, else
// where we are.
func (t *Target) near(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	beside := filepath.Join(filepath.Dir(t.file.Path), path)
	if _, err := os.Stat(beside); err == nil {
		return beside
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
