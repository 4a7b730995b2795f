package linux

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"dap-windbg/arch"
	"dap-windbg/binfmt/elf"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// VDSO is the name of the image the kernel maps into every process.
const VDSO = "linux-vdso.so.1"

// headBytes is read of each image: headers, and the notes behind them.
const headBytes = elf.PageSize

// noteLimit is how many note segments of an image are looked at; linkers make
// two or three, of a hundred bytes.
const noteLimit = 8

// System is a Linux user process. Its methods are safe for many goroutines.
type System struct {
	mu      sync.Mutex
	pending *told
	seen    map[place]*mapped // images whose headers were read
	vector  string            // auxv they were seen under: another one is another program
}

// place tells images apart: what lies at a base changes with dlclose and dlopen.
type place struct {
	base, dynamic uint64
	path          string
}

var _ systems.System = (*System)(nil)

// New returns a System.
func New() *System { return &System{} }

// Name implements systems.System.
func (*System) Name() string { return "linux" }

// Starts tells what C programs begin with: main, and in glibc what calls it since 2.34
// and before (csu/libc-start.c).
func (*System) Starts(module string) []string {
	switch {
	case module == "libc_so", strings.HasPrefix(module, "libc_2_"): // libc.so.6, libc-2.31.so
		return []string{"__libc_start_call_main", "__libc_start_main"}
	case strings.HasSuffix(module, "_so"), strings.Contains(module, "_so_"), strings.HasPrefix(module, "ld_"):
		return nil
	}
	return []string{"main"}
}

// told is what the far end said about a process, kept while memory is fetched.
type told struct {
	ctx    context.Context
	list   []targets.Module
	listed bool // the far end has a list of modules
	auxv   Auxv
	path   string

	process int64 // 0 unknown
}

// Modules implements systems.System: the far end's list (or, when it has none,
// the loader's, walked in memory), completed by what no list has at all times:
// the main image, the loader and the vDSO. Sizes and build-ids are read from the
// images' headers in memory. Called again with the same context after a
// *symbols.NeedError, it does not ask the far end again.
func (s *System) Modules(ctx context.Context, w systems.World) ([]targets.Module, error) {
	var out []targets.Module
	err := s.pass(ctx, w, func(r *reader, t *told) { out = r.modules(t) })
	return out, err
}

// pass runs f once over what the far end told and memory. After a
// *symbols.NeedError what was told is kept for the next pass.
func (s *System) pass(ctx context.Context, w systems.World, f func(*reader, *told)) error {
	t, err := s.ask(ctx, w.Target())
	if err != nil {
		return err
	}
	r := newReader(ctx, w, w.Target().Info().Set.Arch)
	r.seen = s.known(t)
	f(r, t)
	err = r.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending, s.seen = nil, r.seen
	if err != nil {
		s.pending = t
	}
	return err
}

// known returns the images whose headers need not be read again.
func (s *System) known(t *told) map[place]*mapped {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := fmt.Sprint(t.auxv); s.seen == nil || s.vector != v {
		s.seen, s.vector = map[place]*mapped{}, v
	}
	return maps.Clone(s.seen)
}

// ask gathers what the far end tells in its own words.
func (s *System) ask(ctx context.Context, t targets.Target) (*told, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending != nil && s.pending.ctx == ctx {
		return s.pending, nil
	}
	info := t.Info()
	out := &told{ctx: ctx, path: info.Path, process: info.Process}
	if l, ok := t.(targets.ModuleLister); ok {
		list, err := l.Modules(ctx)
		if err := fatal(ctx, err); err != nil {
			return nil, err
		}
		out.list, out.listed = list, err == nil
	}
	if q, ok := t.(targets.Queryer); ok {
		raw, err := q.Query(ctx, targets.Auxv, "")
		if err := fatal(ctx, err); err != nil {
			return nil, err
		}
		out.auxv = ParseAuxv(raw, byteOrder(info.Set.Arch), info.Set.Arch.PtrSize)
		if out.path == "" {
			path, err := q.Query(ctx, targets.ExecFile, "")
			if err := fatal(ctx, err); err != nil {
				return nil, err
			}
			out.path = string(path)
		}
	}
	return out, nil
}

// fatal returns the error that ends the work; nil for one that means "not told".
func fatal(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, targets.ErrGone) || errors.Is(err, targets.ErrRunning) {
		return err
	}
	return nil
}

func byteOrder(cpu *arch.Arch) binary.ByteOrder {
	if cpu.BigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// mapped is an image as its headers in memory describe it.
type mapped struct {
	file       *elf.File
	base, bias uint64
	size       uint64
	dynamic    uint64
	buildID    []byte
	loader     string // that it names
}

// segInterp is the segment that names the loader (System V ABI, PT_INTERP).
const segInterp = 3

// mapped is the image whose ELF header lies at base, nil when there is none.
// Its headers are read once for each module that lies there.
func (r *reader) mapped(base uint64, of targets.Module) *mapped {
	key := place{base, uint64(of.Dynamic), of.Path}
	if m := r.seen[key]; m != nil {
		return m
	}
	m := r.headers(base)
	if m != nil && r.need == nil && r.seen != nil {
		r.seen[key] = m
	}
	return m
}

func (r *reader) headers(base uint64) *mapped {
	f, err := elf.Mapped(image{r, base})
	if err != nil {
		return nil
	}
	low, high := f.Loaded()
	if high <= low {
		return nil
	}
	notes := 0
	f.Segments = slices.DeleteFunc(f.Segments, func(s elf.Segment) bool {
		if s.Type == elf.SegNote {
			notes++
		}
		return s.Type == elf.SegNote && (notes > noteLimit || s.Filesz > headBytes)
	})
	m := &mapped{file: f, base: base, bias: base - low, size: high - low, buildID: f.BuildID()}
	for _, s := range f.Segments {
		switch s.Type {
		case elf.SegDynamic:
			m.dynamic = m.bias + s.Vaddr
		case segInterp:
			m.loader, _ = r.text(m.bias+s.Vaddr, pathLimit)
		}
	}
	return m
}

// modules makes the list from what was told and what memory holds.
func (r *reader) modules(t *told) []targets.Module {
	mainBase := t.auxv[AtPhdr] &^ (elf.PageSize - 1)
	loaderBase, vdsoBase := t.auxv[AtBase], t.auxv[AtSysinfoEhdr]
	list := t.list
	fixed := []targets.Module{{Base: arch.Addr(mainBase)}, {Base: arch.Addr(loaderBase)}, {Base: arch.Addr(vdsoBase)}}
	r.touch(append(fixed, list...))

	var main *mapped
	if mainBase != 0 {
		main = r.mapped(mainBase, fixed[0])
	}
	if !t.listed {
		list = r.walk(main)
		r.touch(list)
	}
	var a assembly
	if mainBase != 0 {
		a.add(targets.Module{Path: r.mainPath(t), Base: arch.Addr(mainBase), Main: true}, main)
	}
	for _, m := range list {
		if m.Main && mainBase != 0 {
			continue
		}
		key := m
		if uint64(m.Base) == vdsoBase && vdsoBase != 0 {
			m.Path = VDSO
		}
		m.Path = t.absolute(m.Path)
		a.add(m, r.mapped(uint64(m.Base), key))
	}
	if loaderBase != 0 {
		a.add(targets.Module{Path: main.interpreter(), Base: arch.Addr(loaderBase)}, r.mapped(loaderBase, fixed[1]))
	}
	if vdsoBase != 0 {
		a.add(targets.Module{Path: VDSO, Base: arch.Addr(vdsoBase)}, r.mapped(vdsoBase, fixed[2]))
	}
	return a.modules
}

// absolute is a library's path as files are opened by: the loader tells "./x.so" as
// it was asked for, in the folder where the process works (proc(5), cwd).
func (t *told) absolute(file string) string {
	if t.process == 0 || path.IsAbs(file) || !strings.Contains(file, "/") {
		return file
	}
	return path.Join("/proc", strconv.FormatInt(t.process, 10), "cwd", file)
}

// touch asks for the head of every image not seen yet, so that one flight brings
// them all.
func (r *reader) touch(list []targets.Module) {
	head := make([]byte, headBytes)
	for _, m := range list {
		if base := uint64(m.Base); base != 0 && r.seen[place{base, uint64(m.Dynamic), m.Path}] == nil {
			r.read(base, head)
		}
	}
}

// walk lists what the loader has loaded.
func (r *reader) walk(main *mapped) []targets.Module {
	debug := r.debugAddress(main)
	if debug == 0 {
		return nil
	}
	var out []targets.Module
	for _, l := range r.links(debug) {
		if l.dynamic == main.dynamic && l.bias == main.bias {
			continue
		}
		out = append(out, targets.Module{Path: l.name, Base: arch.Addr(l.bias), Bias: l.bias, Dynamic: arch.Addr(l.dynamic)})
	}
	return out
}

// mainPath is the main image's path: as told, else as the program was started.
func (r *reader) mainPath(t *told) string {
	if t.path != "" {
		return strings.TrimSuffix(t.path, " (deleted)") // the kernel's word for a replaced file
	}
	for _, m := range t.list {
		if m.Main && m.Path != "" {
			return m.Path
		}
	}
	if at := t.auxv[AtExecFn]; at != 0 {
		path, _ := r.text(at, pathLimit)
		return path
	}
	return ""
}

// interpreter is the path of the loader that the main image names.
func (m *mapped) interpreter() string {
	if m == nil {
		return ""
	}
	return m.loader
}

// assembly collects modules; of two at one base the first wins and the second
// fills its gaps.
type assembly struct{ modules []targets.Module }

func (a *assembly) add(m targets.Module, seen *mapped) {
	if seen != nil {
		m.Size, m.Bias = seen.size, seen.bias
		if m.Dynamic == 0 {
			m.Dynamic = arch.Addr(seen.dynamic)
		}
		if len(m.BuildID) == 0 {
			m.BuildID = bytes.Clone(seen.buildID)
		}
	}
	for i := range a.modules {
		if have := &a.modules[i]; have.Base == m.Base {
			if have.Path == "" {
				have.Path = m.Path
			}
			return
		}
	}
	a.modules = append(a.modules, m)
}

// Tasks implements systems.System: the threads the far end lists.
func (*System) Tasks(ctx context.Context, w systems.World) ([]systems.Task, error) {
	threads, err := w.Target().Threads(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]systems.Task, len(threads))
	for i, t := range threads {
		out[i] = systems.Task{ID: t.ID.Thread, Parent: t.ID.Process, Name: t.Name, CPU: t.CPU, Addr: t.Base}
	}
	return out, nil
}

// Registers implements systems.System: the far end knows them for every thread.
func (*System) Registers(ctx context.Context, w systems.World, t systems.Task) (*arch.Registers, error) {
	return w.Target().Registers(ctx, targets.ThreadID{Process: t.Parent, Thread: t.ID})
}
