package core

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/binfmt/elf"
	"dap-windbg/targets"
)

// Entries of the auxiliary vector (Linux include/uapi/linux/auxvec.h).
const (
	auxPhdr, auxPhnum, auxPageSize, auxBase, auxEntry, auxExecFn = 3, 5, 6, 7, 9, 31
)

// auxiliary is a value of the auxiliary vector, 0 when it has none.
func (t *Target) auxiliary(key uint64) uint64 { return auxiliary(t.auxv, t.m.arch.PtrSize, key) }

// Modules lists the images that NT_FILE names, in the loader's order: files of which code was mapped, as
// one finds an ELF header at the start of their first mapping. Without NT_FILE it
// the images themselves tell; errors.ErrUnsupported when they cannot be found.
func (t *Target) Modules(ctx context.Context) ([]targets.Module, error) {
	if len(t.mappings) == 0 {
		t.deduce(ctx)
	}
	if len(t.mappings) == 0 {
		return nil, errors.ErrUnsupported
	}
	var out []targets.Module
	main := t.mainMapping()
	w := t.walker()
	links := w.links(w.debug(t.auxiliary(auxPhdr), t.auxiliary(auxPhnum)))
	for i := range t.mappings {
		m := &t.mappings[i]
		listed := linkOf(links, m.start) < len(links) // gdb leaves out code, and with it how it was mapped
		if m.offset != 0 || !listed && !t.hasCode(m.path, i) || !t.looksLikeImage(ctx, m.start) {
			continue
		}
		x := targets.Module{Path: m.path, Base: arch.Addr(m.start)}
		if main != nil && m.path == main.path {
			x.Main, x.Path = true, t.info.Path
		} else if l := linkOf(links, m.start); l < len(links) && filepath.IsAbs(links[l].name) {
			x.Path = links[l].name // as it is called while it runs; the kernel follows symbolic links
		}
		out = append(out, x)
	}
	slices.SortStableFunc(out, func(a, b targets.Module) int {
		if a.Main != b.Main {
			return map[bool]int{true: -1, false: 1}[a.Main]
		}
		return cmp.Compare(linkOf(links, uint64(a.Base)), linkOf(links, uint64(b.Base)))
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return out, nil
}

// linkOf is which row of the loader's list lies at base, their number when none does.
func linkOf(links []link, base uint64) int {
	if i := slices.IndexFunc(links, func(l link) bool { return l.bias == base }); i >= 0 {
		return i
	}
	return len(links)
}

// looksLikeImage reports whether an ELF header lies at base, or whether nobody can tell.
func (t *Target) looksLikeImage(ctx context.Context, base uint64) bool {
	var head [4]byte
	n, err := t.ReadMemory(ctx, targets.Space{}, arch.Addr(base), head[:])
	return err != nil || n < len(head) || string(head[:]) == "\x7fELF"
}

// hasCode reports whether code of the file was mapped: in the segment flags of the
// mappings from row i on, up to the file's next beginning.
func (t *Target) hasCode(path string, i int) bool {
	for k := i; k < len(t.mappings); k++ {
		m := &t.mappings[k]
		if k > i && (m.path != path || m.offset == 0) {
			return false
		}
		for j := range t.elf.Segments {
			s := &t.elf.Segments[j]
			if s.Type == elf.SegLoad && s.Vaddr < m.end && s.Vaddr+s.Memsz > m.start && s.Flags&elf.SegX != 0 {
				return true
			}
		}
	}
	return false
}

// mainMapping is that of the program itself.
func (t *Target) mainMapping() *mapping {
	for _, key := range []uint64{auxPhdr, auxEntry} {
		if at := t.auxiliary(key); at != 0 {
			if m := t.mapped(at); m != nil {
				return m
			}
		}
	}
	return nil
}

// chooseProgram finds out what the main image is called, and whether the file that
// was named for it is the one.
func (t *Target) chooseProgram() {
	t.guard.Do(func() {
		if m := t.mainMapping(); m != nil {
			t.info.Path = m.path
		} else if at := t.auxiliary(auxExecFn); at != 0 {
			text := make([]byte, 4096)
			n, _ := coreReader{t, at}.ReadAt(text, 0)
			t.info.Path = t.near(cString(text[:n]))
		}
	})
	if t.o.Program == "" {
		return
	}
	abs, err := filepath.Abs(t.o.Program)
	if err != nil {
		abs = t.o.Program
	}
	recorded := t.info.Path
	t.o.Program, t.info.Path = abs, abs
	if recorded == "" {
		return
	}
	for i := range t.mappings {
		if t.mappings[i].path == recorded {
			t.mappings[i].path = abs
		}
	}
	b, notice := t.open(context.Background(), abs, t.base(abs))
	if notice != "" {
		t.o.Notice(notice)
	}
	if b.file != nil {
		t.images[abs] = b
		return
	}
	t.o.Program, t.info.Path = "", recorded
	for i := range t.mappings {
		if t.mappings[i].path == abs {
			t.mappings[i].path = recorded
		}
	}
	if !strings.Contains(notice, "not used") {
		t.o.Notice(fmt.Sprintf("%s is not used: it is no ELF image", abs))
	}
}
