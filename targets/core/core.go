package core

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"dap-windbg/arch"
	"dap-windbg/binfmt/elf"
	"dap-windbg/binfmt/mmap"
	"dap-windbg/targets"
)

// Options of Open.
type Options struct {
	// Find returns a file of this machine that is the image of that path and
	// build-id (nil: not known); nil looks at the path itself. It may take as long
	// as ctx lets it.
	Find func(ctx context.Context, path string, buildID []byte) (string, error)
	// Program is the file of the main image, "" as the core says.
	Program string
	// Notice is told once what people should know of each file: that it is another
	// build, or cannot be checked. Nil: nobody.
	Notice func(text string)
}

// Target is an opened core file. It implements targets.Target,
// targets.ModuleLister, targets.Queryer, targets.Files and targets.Postmortem.
type Target struct {
	o     Options
	file  *mmap.File
	guard mmap.Guard
	elf   *elf.File
	m     *machine
	info  targets.Info

	threads []thread
	auxv    []byte
	name    string // of the process, as PRPSINFO has it
	xlayout []byte

	segments []segment // by address
	mappings []mapping // by address
	deduced  bool      // mappings were looked for where no note has them
	missing  uint64    // bytes that a file cut short has not

	mu     sync.Mutex
	images map[string]*backing // by path in the core
	closed bool
}

// thread is what the notes behind an NT_PRSTATUS tell.
type thread struct {
	id      int64
	signal  int
	regs    []byte
	sets    []elf.Note
	siginfo []byte
}

// segment is memory of the process; data is what the core has of it.
type segment struct {
	addr, size uint64
	data       []byte
	writable   bool
}

// FormatError: the file is no core that can be used.
type FormatError struct{ Path, Reason string }

func (e *FormatError) Error() string { return e.Path + ": " + e.Reason }

var errCut = errors.New("the file was cut short while it was read")

// Is reports whether the file at path is an ELF core.
func Is(path string) bool {
	st, err := os.Stat(path)
	if err != nil || !st.Mode().IsRegular() {
		return false // a pipe would have us wait
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var head [18]byte
	if n, _ := f.ReadAt(head[:], 0); n < len(head) || string(head[:4]) != "\x7fELF" {
		return false
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if head[5] == 2 {
		order = binary.BigEndian
	}
	return order.Uint16(head[16:]) == elf.Core
}

// Open opens the core file at path. Errors are *FormatError and those of opening
// and parsing the file.
func Open(path string, o Options) (*Target, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	f, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	t := &Target{o: o, file: f, images: map[string]*backing{}}
	if t.o.Notice == nil {
		t.o.Notice = func(string) {}
	}
	if !t.guard.Do(func() { err = t.parse() }) {
		err = errCut
	}
	if err != nil {
		return nil, fmt.Errorf("opening a core file: %w", err)
	}
	if t.missing > 0 {
		t.o.Notice(fmt.Sprintf("The core file is cut short: %d bytes of the memory it should have are not there", t.missing))
	}
	t.chooseProgram()
	return t, nil
}

func (t *Target) parse() error {
	var err error
	path := t.file.Path
	if t.elf, err = elf.Parse(t.file.Data); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if t.elf.Type != elf.Core {
		return &FormatError{path, "is no core file"}
	}
	t.m = machineOf(t.elf.Machine, t.elf.Is64)
	if t.m == nil || t.elf.Order != binary.LittleEndian {
		return &FormatError{path, fmt.Sprintf("is of a machine that is not known (ELF machine %d)", t.elf.Machine)}
	}
	t.parseSegments()
	xcr0 := t.parseNotes()
	if len(t.threads) == 0 {
		return &FormatError{path, "has no threads: its notes are missing or cut off"}
	}
	if t.info.Process == 0 {
		t.info.Process = t.threads[0].id
	}
	t.info.Set, t.info.OS, t.info.Stub, t.info.Attached = t.m.set(xcr0), "linux", "a core file", true
	return nil
}

func (t *Target) parseSegments() {
	size := uint64(len(t.file.Data))
	for i := range t.elf.Segments {
		p := &t.elf.Segments[i]
		if p.Type != elf.SegLoad || p.Memsz == 0 || p.Vaddr+p.Memsz-1 < p.Vaddr {
			continue
		}
		s := segment{addr: p.Vaddr, size: p.Memsz, writable: p.Flags&elf.SegW != 0}
		want := min(p.Filesz, p.Memsz)
		have := uint64(0)
		if p.Offset < size {
			have = min(want, size-p.Offset)
			s.data = t.file.Data[p.Offset : p.Offset+have : p.Offset+have]
		}
		t.missing += want - have
		t.segments = append(t.segments, s)
	}
	slices.SortStableFunc(t.segments, func(a, b segment) int { return cmp.Compare(a.addr, b.addr) })
}

// maxAuxv and maxSiginfo bound what is kept of these notes, bytes; Linux writes some
// 400 and 128.
const (
	maxAuxv    = 1 << 14
	maxSiginfo = 1 << 10
)

// maxThreads bounds what a damaged file can ask for; Linux has 4 million ids.
const maxThreads = 1 << 22

// parseNotes reads the notes; the result is XCR0 of an x86.
func (t *Target) parseNotes() (xcr0 uint64) {
	for n := range t.elf.Notes() {
		if n.Type == notePrstatus && n.Name == "CORE" {
			if len(t.threads) < maxThreads {
				t.parseStatus(n.Desc)
			}
			continue
		}
		var last *thread
		if k := len(t.threads); k > 0 {
			last = &t.threads[k-1]
		}
		switch {
		case n.Name == "CORE" && n.Type == notePrpsinfo:
			t.parseInfo(n.Desc)
		case n.Name == "CORE" && n.Type == noteAuxv && t.auxv == nil:
			t.auxv = slices.Clone(n.Desc[:min(len(n.Desc), maxAuxv)])
		case n.Name == "CORE" && n.Type == noteFile && t.mappings == nil:
			t.parseFiles(n.Desc)
		case n.Name == "LINUX" && n.Type == noteXLayout:
			t.xlayout = n.Desc
		case last == nil:
		case n.Name == "CORE" && n.Type == noteSiginfo:
			last.siginfo = slices.Clone(n.Desc[:min(len(n.Desc), maxSiginfo)])
		case n.Name == "CORE" || n.Name == "LINUX":
			last.sets = append(last.sets, n)
			if n.Name == "LINUX" && n.Type == noteXState && xcr0 == 0 && t.m.vectors() > 0 {
				xcr0 = features(n.Desc)
			}
		}
	}
	return xcr0
}

func (t *Target) parseStatus(d []byte) {
	s := &t.m.status
	if len(d) < s.regs {
		return
	}
	th := thread{id: int64(int32(t.elf.Order.Uint32(d[s.pid:]))), signal: int(int16(t.elf.Order.Uint16(d[s.signal:]))), regs: d[s.regs:]}
	if slices.ContainsFunc(t.threads[:min(1, len(t.threads))], func(o thread) bool { return o.id == th.id }) {
		return
	}
	t.threads = append(t.threads, th)
}

func (t *Target) parseInfo(d []byte) {
	i := &t.m.info
	if len(d) < i.args {
		return
	}
	t.info.Process = int64(int32(t.elf.Order.Uint32(d[i.pid:])))
	t.name = cString(d[i.name : i.name+16])
}

// cString is the text before the first zero byte.
func cString(d []byte) string {
	s, _, _ := strings.Cut(string(d), "\x00")
	return s
}

// Info implements targets.Target.
func (t *Target) Info() targets.Info { return t.info }

// Missing is how many bytes of memory a file that was cut short has not.
func (t *Target) Missing() uint64 { return t.missing }

// Close implements targets.Target. The mapping goes when nobody holds t.
func (t *Target) Close(context.Context, targets.Parting) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	return nil
}

func (t *Target) isClosed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}

// Threads lists them with the one that got the signal first.
func (t *Target) Threads(context.Context) ([]targets.Thread, error) {
	if t.isClosed() {
		return nil, targets.ErrGone
	}
	out := make([]targets.Thread, len(t.threads))
	for i := range t.threads {
		th := &t.threads[i]
		out[i] = targets.Thread{ID: t.id(th), CPU: -1}
		if th.id == t.info.Process {
			out[i].Name = t.name
		}
	}
	return out, nil
}

func (t *Target) id(th *thread) targets.ThreadID {
	return targets.ThreadID{Process: t.info.Process, Thread: th.id}
}

func (t *Target) thread(id targets.ThreadID) *thread {
	for i := range t.threads {
		if t.threads[i].id == id.Thread {
			return &t.threads[i]
		}
	}
	return nil
}

// Registers implements targets.Target.
func (t *Target) Registers(_ context.Context, id targets.ThreadID) (*arch.Registers, error) {
	if t.isClosed() {
		return nil, targets.ErrGone
	}
	th := t.thread(id)
	if th == nil {
		return nil, fmt.Errorf("the core file has no thread %v", id)
	}
	r := arch.NewRegisters(t.info.Set)
	if !t.guard.Do(func() { t.decode(th, r) }) {
		return nil, errCut
	}
	return r, nil
}

// Stop implements targets.Postmortem.
func (t *Target) Stop() targets.Stop {
	th := &t.threads[0]
	s := targets.Stop{Thread: t.id(th), Reason: targets.Initial}
	t.guard.Do(func() {
		code := th.signal
		if code == 0 && len(th.siginfo) >= 4 {
			code = int(int32(t.elf.Order.Uint32(th.siginfo)))
		}
		if code > 0 {
			s.Reason = targets.Exception
			s.Exception = &targets.ExceptionRecord{Code: uint32(code), Second: true, Siginfo: slices.Clone(th.siginfo)}
		}
	})
	if s.Exception == nil {
		s.Text = "The core file has no exception: nothing had happened to the process when it was written"
	}
	return s
}

// Query implements targets.Queryer: Auxv, ExecFile, Siginfo.
func (t *Target) Query(_ context.Context, k targets.Kind, annex string) ([]byte, error) {
	if t.isClosed() {
		return nil, targets.ErrGone
	}
	var out []byte
	switch k {
	case targets.Auxv:
		out = t.auxv
	case targets.ExecFile:
		return []byte(t.info.Path), nil
	case targets.Siginfo:
		th := &t.threads[0]
		if annex != "" {
			_, text, _ := strings.Cut(annex, ".")
			id, err := strconv.ParseInt(text, 16, 64)
			if err != nil {
				return nil, fmt.Errorf("want a thread, got %q", annex)
			}
			if th = t.thread(targets.ThreadID{Thread: id}); th == nil {
				return nil, fmt.Errorf("the core file has no thread %x", id)
			}
		}
		out = th.siginfo
	}
	if out == nil {
		return nil, errors.ErrUnsupported
	}
	return slices.Clone(out), nil
}

// Set implements targets.Queryer: nothing can be changed.
func (t *Target) Set(context.Context, targets.Kind, string, []byte) error {
	return errors.ErrUnsupported
}
