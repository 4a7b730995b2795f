package launch

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"dap-windbg/arch"
	petable "dap-windbg/binfmt/pe"
	"dap-windbg/eval"
	"dap-windbg/eval/natvis"
	"dap-windbg/symbols"
	"dap-windbg/symbols/cfi"
	"dap-windbg/symbols/elf"
	"dap-windbg/symbols/orc"
	"dap-windbg/symbols/pe"
	"dap-windbg/symbols/store"
	"dap-windbg/targets"
	"dap-windbg/targets/image"
)

// openImage opens an image with its debug files and unwind rules. The store has
// compared their builds, or the user has forced them.
func (f *files) openImage(image, debug string) (symbols.Image, error) {
	if isPE(image) {
		return imageStore{Store: f.store}.openPE(image, pe.Options{})
	}
	return elf.Open(image, elf.Options{Debug: debug, AnyBuild: true, Unwinder: unwinder, Companions: f.store.Companion, Index: f.index})
}

// imageStore finds images, and what goes with them, by the store; a PE image may be
// its own file, where the debuggee's files are this machine's, or be known only as
// it lies in memory.
type imageStore struct {
	*store.Store
	foreign bool
}

// Find implements symbols.Store.
func (s imageStore) Find(ctx context.Context, key symbols.Key) (symbols.Image, error) {
	if s.isLocalPE(key.Path) {
		return s.openPE(key.Path, pe.Options{Key: key})
	}
	i, err := s.Store.Find(ctx, key)
	if i == nil && len(key.Loaded) > 0 && ctx.Err() == nil {
		return s.openLoaded(key)
	}
	return i, err
}

// FindAny is Find without regard to the build.
func (s imageStore) FindAny(ctx context.Context, key symbols.Key) (symbols.Image, error) {
	if s.isLocalPE(key.Path) {
		return s.openPE(key.Path, pe.Options{Key: key, AnyBuild: true})
	}
	return s.Store.FindAny(ctx, key)
}

func (s imageStore) openPE(path string, o pe.Options) (symbols.Image, error) {
	o.Unwinder, o.Companions = unwinderPE, s.Companion
	i, err := pe.Open(path, o)
	if err != nil {
		return nil, err
	}
	return i, nil
}

// openLoaded opens an image that no file has, for the names of its PDB.
func (s imageStore) openLoaded(key symbols.Key) (symbols.Image, error) {
	var parts []petable.Part
	for _, p := range key.Loaded {
		parts = append(parts, petable.Part{Addr: uint32(p.Off), Data: p.Data})
	}
	i, err := pe.OpenLoaded(parts, pe.Options{Key: key, Companions: s.Companion})
	if err != nil {
		return nil, err
	}
	return i, nil
}

// readLoaded reads what openLoaded takes.
func readLoaded(read func(off symbols.Offset, p []byte) error) (out []symbols.Part, err error) {
	parts, err := petable.ReadParts(func(addr uint32, p []byte) error { return read(symbols.Offset(addr), p) })
	for _, p := range parts {
		out = append(out, symbols.Part{Off: symbols.Offset(p.Addr), Data: p.Data})
	}
	return out, err
}

// isLocalPE reports whether a debuggee's path is that of a PE file of this machine.
func (s imageStore) isLocalPE(path string) bool { return !s.foreign && isPE(path) }

// isPE looks at a file's first bytes. What is no file is not opened: a pipe would
// have us wait.
func isPE(path string) bool {
	if st, err := os.Stat(path); err != nil || !filepath.IsAbs(path) || !st.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var head [4]byte
	n, _ := io.ReadFull(f, head[:])
	return image.KindOf(head[:n]) == image.PE
}

// unwinderPE reads the call frame information that MinGW's compilers write for
// code without a function table.
func unwinderPE(i *pe.Image) symbols.Unwinder {
	section := func(name string) cfi.Section {
		data, addr, ok := i.Section(name)
		if !ok { // lld cuts the names of sections that are loaded
			data, addr, _ = i.Section(name[:min(len(name), 8)])
		}
		return cfi.Section{Data: data, Addr: addr}
	}
	return cfi.New(cfi.Sections{EHFrame: section(".eh_frame"), DebugFrame: section(".debug_frame"), Text: section(".text").Addr,
		Arch: i.Arch(), LinkBase: i.LinkBase(),
		Read: func(addr uint64, p []byte) bool { return i.ReadStatic(symbols.Offset(addr-i.LinkBase()), p) }})
}

// openMemory opens an image that exists only in memory, such as the vDSO.
func openMemory(key symbols.Key, data []byte) (symbols.Image, error) {
	return elf.OpenBytes(key.Name, data, elf.Options{Key: key, Unwinder: unwinder})
}

// unwinder reads an image's call frame information, and a kernel's own tables for
// what that does not cover or gets wrong.
func unwinder(i *elf.Image) symbols.Unwinder {
	section := func(name string) cfi.Section {
		data, addr, _ := i.Section(name)
		return cfi.Section{Data: data, Addr: addr}
	}
	frames := cfi.Sections{
		EHFrame: section(".eh_frame"), EHFrameHdr: section(".eh_frame_hdr"), DebugFrame: section(".debug_frame"),
		Text: section(".text").Addr, GOT: section(".got").Addr, Arch: i.Arch(), LinkBase: i.LinkBase(),
		Read: func(addr uint64, p []byte) bool { return i.ReadStatic(symbols.Offset(addr-i.LinkBase()), p) },
	}
	if i.Arch() != arch.AMD64 {
		return cfi.New(frames)
	}
	kernel := orc.New(orc.Sections{
		IP: orc.Section(section(".orc_unwind_ip")), Unwind: orc.Section(section(".orc_unwind")), Header: orc.Section(section(".orc_header")),
		ReadOnly: orc.Section(section(".rodata")), ModInfo: orc.Section(section(".modinfo")), LinkBase: i.LinkBase(),
	})
	if kernel == nil {
		return cfi.New(frames)
	}
	frames.FrameAddress = kernel.FrameAddress
	return firstOf{cfi.New(frames), kernel}
}

// firstOf asks unwinders in turn.
type firstOf []symbols.Unwinder

// Unwind implements symbols.Unwinder.
func (u firstOf) Unwind(ctx context.Context, base arch.Addr, callee *arch.Registers, mem symbols.Memory) (caller *arch.Registers, cfa arch.Addr, err error) {
	for _, each := range u {
		if caller, cfa, err = each.Unwind(ctx, base, callee, mem); !errors.Is(err, symbols.ErrNoUnwind) {
			break
		}
	}
	return caller, cfa, err
}

// Rules implements symbols.UnwindRules: those of each, over the code of the first that has any.
func (u firstOf) Rules(off symbols.Offset) (over symbols.Range, rules []string, err error) {
	for _, each := range u {
		r, ok := each.(symbols.UnwindRules)
		if !ok {
			continue
		}
		if code, more, err := r.Rules(off); err == nil {
			if rules == nil {
				over = code
			}
			rules = append(rules, more...)
		}
	}
	if rules == nil {
		return over, nil, symbols.ErrNoUnwind
	}
	return over, rules, nil
}

// remoteFile opens a file of the debuggee's file system. A running debuggee
// cannot be asked: the wait ends at its next stop, or with ctx.
func (d *Debugger) remoteFile(ctx context.Context, path string) (io.ReadCloser, error) {
	for {
		g := d.current()
		if g == nil || g.session == nil {
			return nil, errNoDebuggee
		}
		f, ok := g.target.(targets.Files)
		if !ok || g.server != nil && g.server.images == nil {
			return nil, errors.ErrUnsupported // no such transfer, or the files are this machine's
		}
		if g.server != nil {
			if r, err := g.server.images(ctx, path); err == nil {
				return r, nil
			} // what is no image comes as any file does
		}
		r, err := f.Open(ctx, path)
		if !errors.Is(err, targets.ErrRunning) {
			return r, err
		}
		if _, err := g.session.Wait(ctx); err != nil {
			return nil, err
		}
	}
}

// newModel makes the data model with the embedded visualisers and the user's. A file
// that is only in part as it should be is used for the rest: left is what is not.
func newModel(files []string) (m *eval.Model, left []*natvis.LoadError, err error) {
	set, err := natvis.Default()
	if err != nil {
		return nil, nil, err
	}
	for _, name := range files {
		src, err := readNatvis(name)
		if err == nil {
			err = set.Load(name, src)
		}
		var part *natvis.LoadError
		if errors.As(err, &part) {
			left = append(left, part)
		} else if err != nil {
			return nil, nil, &ConfigError{Field: "natvis", Value: name, Want: reason(err)}
		}
	}
	return &eval.Model{Visualizer: set}, left, nil
}

// maxNatvis bounds a visualiser file, bytes.
const maxNatvis = 16 << 20

// readNatvis reads a visualiser file. What is no file is refused: a pipe or a
// device, which an untrusted configuration may name, would never end.
func readNatvis(name string) ([]byte, error) {
	st, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular():
		return nil, errors.New("is not a file")
	case st.Size() > maxNatvis:
		return nil, errors.New("is too large")
	}
	return os.ReadFile(name)
}
