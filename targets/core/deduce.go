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

// walker follows the loader's list in the core itself.
func (t *Target) walker() *walker {
	return &walker{width: t.m.arch.PtrSize, read: func(at uint64, p []byte) int {
		n, _ := coreReader{t, at}.ReadAt(p, 0)
		return n
	}}
}

// links walks the loader's list of images.
func (t *Target) links(program *elf.File, bias uint64) []link {
	w := t.walker()
	for _, s := range program.Segments {
		if s.Type == segDynamic {
			return w.links(w.debugIn(bias + s.Vaddr))
		}
	}
	return nil
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
