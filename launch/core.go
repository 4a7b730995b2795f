package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/symbols"
	"dap-windbg/targets"
	"dap-windbg/targets/core"
)

// openCore opens a core file. Memory that it has not is read from the images,
// which are found as symbols are.
func (d *Debugger) openCore(p *Plan) (*debuggee, error) {
	t, err := core.Open(p.CoreFile, core.Options{
		Program: p.Program.Path,
		Find: func(ctx context.Context, path string, buildID []byte) (string, error) {
			return d.files.store.Image(ctx, symbols.Key{Path: path, BuildID: buildID})
		},
		Notice: func(text string) { d.tell(engine.Important, "%s", text) },
	})
	if err != nil {
		return nil, &ConfigError{Field: "coreFile", Value: p.CoreFile, Want: "cannot be opened: " + reason(err)}
	}
	d.tell(engine.FromDebugger, "Loading Dump File [%s]", p.CoreFile)
	return &debuggee{target: t}, nil
}

// isMinidump reports whether the file is of the format of Windows and LLDB (MINIDUMP_HEADER).
func isMinidump(file string) bool {
	if st, err := os.Stat(file); err != nil || !st.Mode().IsRegular() {
		return false // a pipe would have us wait
	}
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	var head [4]byte
	n, _ := io.ReadFull(f, head[:])
	return n == 4 && string(head[:]) == "MDMP"
}

// OpenCore replaces what is looked at by a core file or an image. A debuggee that
// lives is not left for it.
func (d *Debugger) OpenCore(ctx context.Context, file string) error {
	if g := d.current(); g != nil {
		if _, lives := g.target.(targets.Runner); lives {
			return &UnavailableError{What: "the session has a debuggee", Fix: "`.detach` or `.kill` it first, or open the file in another session"}
		}
	}
	if _, err := os.Stat(file); err != nil {
		return &ConfigError{Field: "coreFile", Value: file, Want: "cannot be opened: " + reason(err)}
	}
	return d.replace(ctx, func(p *Plan) {
		p.Request, p.CoreFile = Attach, file
		p.Program, p.ProcessID, p.ProcessName, p.Connection, p.Breakpoints = targets.Program{}, 0, "", nil, nil
	})
}

// contentsOf are the kinds of core files by the names that WriteCore takes.
var contentsOf = map[string]core.Contents{"full": core.Full, "mini": core.Mini, "all": core.Everything}

// WriteCore writes the stopped debuggee as an ELF core: contents is "full" (all
// memory that no file has), "mini" (stacks and what they refer to) or "all" (code
// too). A file that exists is replaced only when asked to, and only by a whole one.
// The result says in words what was written.
func (d *Debugger) WriteCore(ctx context.Context, file, contents string, replace bool) (string, error) {
	kind, ok := contentsOf[contents]
	s := d.Session()
	switch {
	case !ok:
		return "", fmt.Errorf("there is no core file of kind %q", contents)
	case s == nil:
		return "", errNoDebuggee
	}
	if _, err := os.Lstat(file); err == nil && !replace {
		return "", &FileExistsError{file}
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".core-*")
	if err != nil {
		return "", fmt.Errorf("creating %s: %s", file, reason(err))
	}
	defer os.Remove(f.Name()) // without effect once it has its name
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	d.lengthy.Store(&stop)
	defer d.lengthy.CompareAndSwap(&stop, nil)
	title := "Writing " + filepath.Base(file)
	defer d.progress(title, 1)
	var out core.Written
	var lacks string
	err = s.Do(ctx, func(ctx context.Context, v *engine.View) error {
		p, why, err := snapshot(ctx, v)
		if lacks = why; err != nil {
			return err
		}
		if err := p.Choose(ctx, kind, readerOf(v)); err != nil {
			return err
		}
		d.untouched(ctx, v, p)
		out, err = core.Write(ctx, f, p, v.ReadThrough, func(done, total uint64) {
			if total > 0 {
				d.progress(title, float64(done)/float64(total))
			}
		})
		return err
	})
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return "", fmt.Errorf("writing %s: %w", file, err)
	}
	text := fmt.Sprintf("%d KB of memory, file size %d KB", out.Memory>>10, out.Size>>10)
	if out.Lost > 0 {
		text += fmt.Sprintf(", %d KB could not be read", (out.Lost+1023)>>10)
	}
	return text + lacks, nil
}

// progress tells how far the work called title is.
func (d *Debugger) progress(title string, done float64) {
	if d.hooks.Progress != nil {
		d.hooks.Progress(title, done)
	}
}

// FileExistsError: a file is in the way.
type FileExistsError struct{ Path string }

func (e *FileExistsError) Error() string { return e.Path + " exists" }

// Hint says what the user can do.
func (e *FileExistsError) Hint() string { return "/o replaces it" }

func readerOf(v *engine.View) core.Reader {
	return func(ctx context.Context, addr arch.Addr, p []byte) (int, error) {
		r := &targets.MemoryRead{Addr: addr, Data: p}
		if err := v.ReadThrough(ctx, []*targets.MemoryRead{r}); err != nil {
			return 0, err
		}
		if r.Err == nil {
			return len(p), nil
		}
		return min(max(r.N, 0), len(p)), r.Err
	}
}

// snapshot gathers what a core file tells; lacks says in words what the far end
// does not.
func snapshot(ctx context.Context, v *engine.View) (p *core.Process, lacks string, err error) {
	info := v.Live().Info()
	switch {
	case info.Machine || info.OS != "linux":
		return nil, "", &UnavailableError{What: "core files are of Linux processes; the debuggee is none"}
	case info.Set == nil:
		return nil, "", &UnavailableError{What: "the far end does not tell what the registers are"}
	}
	p = &core.Process{ID: info.Process, Name: filepath.Base(info.Path), Args: info.Path}
	if p.Threads, err = coreThreads(ctx, v); err != nil {
		return nil, "", err
	}
	if len(p.Threads) == 0 {
		return nil, "", targets.ErrNoThreads
	}
	if q, ok := v.Target().(targets.Queryer); ok {
		p.Auxv, _ = q.Query(ctx, targets.Auxv, "")
	}
	if files, ok := v.Target().(targets.Files); ok && info.Process > 0 {
		if p.Regions, err = regions(ctx, files, info.Process); err == nil && len(p.Regions) > 0 {
			describe(ctx, files, p)
			return p, "", ctx.Err()
		}
	}
	if ctx.Err() != nil {
		return nil, "", ctx.Err()
	}
	p.Regions, err = guessed(ctx, v, p)
	return p, "; the far end does not serve the memory map, so only images and stacks are in it", err
}

// coreThreads reads the registers of all threads, the one that stopped first.
func coreThreads(ctx context.Context, v *engine.View) ([]core.Thread, error) {
	threads, err := v.Threads(ctx)
	if err != nil {
		return nil, err
	}
	stop, _ := v.Live().LastStop()
	slices.SortStableFunc(threads, func(a, b engine.Thread) int {
		return cmp.Compare(first(b.ID == stop.Thread), first(a.ID == stop.Thread))
	})
	ids := make([]targets.ThreadID, len(threads))
	for i, t := range threads {
		ids[i] = t.ID
	}
	if _, err := v.Stacks(ctx, ids, 1); err != nil { // all registers in shared flights
		return nil, err
	}
	var out []core.Thread
	for _, id := range ids {
		r, err := v.Registers(ctx, id)
		if ctx.Err() != nil || errors.Is(err, targets.ErrGone) {
			return nil, err
		}
		if err != nil {
			continue // it ends
		}
		t := core.Thread{ID: id.Thread, Registers: r}
		if e := stop.Exception; e != nil && id == stop.Thread {
			t.Signal, t.Siginfo = int(e.Code), e.Siginfo
			if q, ok := v.Target().(targets.Queryer); ok && len(t.Siginfo) == 0 {
				t.Siginfo, _ = q.Query(ctx, targets.Siginfo, "")
			}
		}
		out = append(out, t)
	}
	return out, nil
}

func first(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// maxText bounds a file below /proc, bytes; 64 thousand rows of smaps have 50 MB.
const maxText = 128 << 20

// regions reads the memory map, with its details where they can be had.
func regions(ctx context.Context, files targets.Files, pid int64) ([]core.Region, error) {
	var out []core.Region
	var err error
	for _, name := range []string{"smaps", "maps"} {
		var f io.ReadCloser
		if f, err = files.Open(ctx, fmt.Sprintf("/proc/%d/%s", pid, name)); err != nil {
			continue
		}
		out, err = core.ParseMaps(io.LimitReader(f, maxText))
		f.Close()
		if err == nil && len(out) > 0 {
			return out, nil
		}
	}
	return out, err
}

// untouched finds out which memory need not be read: from this machine's own table
// when the debuggee is here, else where the far end tells. GDB's server takes no
// place in a file beyond 2 GB, where the table of a program of 64 bits lies.
func (d *Debugger) untouched(ctx context.Context, v *engine.View, p *core.Process) {
	name := fmt.Sprintf("/proc/%d/pagemap", p.ID)
	var f io.ReadCloser
	err := errors.ErrUnsupported
	if g := d.current(); g != nil && g.server != nil {
		f, err = os.Open(name)
	} else if files, ok := v.Target().(targets.Files); ok {
		f, err = files.Open(ctx, name)
	}
	if err != nil {
		return
	}
	defer f.Close()
	if at, ok := f.(io.ReaderAt); ok {
		p.FindZeros(at) // what it does not tell is read
	}
}

// describe fills in what /proc tells of the process.
func describe(ctx context.Context, files targets.Files, p *core.Process) {
	read := func(name string) string {
		f, err := files.Open(ctx, fmt.Sprintf("/proc/%d/%s", p.ID, name))
		if err != nil {
			return ""
		}
		defer f.Close()
		text, _ := io.ReadAll(io.LimitReader(f, 1<<16))
		return string(text)
	}
	if args := strings.TrimRight(strings.ReplaceAll(read("cmdline"), "\x00", " "), " "); args != "" {
		p.Args = args
	}
	for line := range strings.Lines(read("status")) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		word, _, _ := strings.Cut(strings.TrimSpace(value), "\t")
		number, _ := strconv.ParseInt(word, 10, 64)
		switch key {
		case "Name":
			p.Name = strings.TrimSpace(value)
		case "State":
			p.State = 'T'
		case "PPid":
			p.Parent = number
		case "Uid":
			p.UID = uint32(number)
		case "Gid":
			p.GID = uint32(number)
		}
	}
}

// Where nobody serves a memory map: how far a stack is looked for.
const (
	stackStep = 64 << 10
	stackMost = 8 << 20
)

// guessed makes a memory map of the images and the stacks.
func guessed(ctx context.Context, v *engine.View, p *core.Process) ([]core.Region, error) {
	const page = 4096
	var out []core.Region
	covered := func(at arch.Addr) bool {
		return slices.ContainsFunc(out, func(r core.Region) bool { return at >= r.Start && at < r.End })
	}
	for _, m := range v.Live().Modules() {
		if end := m.Base + arch.Addr(m.Size+page-1)&^(page-1); end > m.Base {
			out = append(out, core.Region{Start: m.Base, End: end, Read: true, Write: true, Exec: true})
		}
	}
	read := readerOf(v)
	for _, t := range p.Threads {
		start := t.Registers.SP() &^ (page - 1)
		end := start
		for buf := make([]byte, stackStep); end-start < stackMost && !covered(end); {
			n, err := read(ctx, end, buf)
			end += arch.Addr(n &^ (page - 1))
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil || n < len(buf) {
				break
			}
		}
		if end > start {
			out = append(out, core.Region{Start: start, End: end, Read: true, Write: true})
		}
	}
	return out, nil
}
