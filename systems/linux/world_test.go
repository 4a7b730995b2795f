package linux

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// memory is a debuggee's memory, read by io.ReaderAt at its addresses, through a
// cache of pages that is filled only between rounds, as the engine's is.
type memory struct {
	from   io.ReaderAt
	pages  map[uint64][]byte // empty: unreadable
	wanted map[uint64]bool
}

const page = 4096

func newMemory(from io.ReaderAt) *memory {
	return &memory{from: from, pages: map[uint64][]byte{}, wanted: map[uint64]bool{}}
}

func (m *memory) ReadMemory(_ context.Context, addr arch.Addr, p []byte) (int, error) {
	first, last := uint64(addr)/page, (uint64(addr)+uint64(len(p))-1)/page
	missing := false
	for n := first; n <= last && n-first < 1<<10; n++ {
		if _, ok := m.pages[n]; !ok {
			m.wanted[n], missing = true, true
		}
	}
	if missing {
		return 0, fmt.Errorf("cache: %w", &symbols.NeedError{Addr: addr, Size: len(p)})
	}
	for n := 0; n < len(p); {
		a := uint64(addr) + uint64(n)
		data := m.pages[a/page]
		if len(data) == 0 {
			return n, &targets.FaultError{Addr: arch.Addr(a)}
		}
		n += copy(p[n:], data[a%page:])
	}
	return len(p), nil
}

// fetch brings what was wanted in one flight.
func (m *memory) fetch() {
	for n := range m.wanted {
		data := make([]byte, page)
		if _, err := m.from.ReadAt(data, int64(n*page)); err != nil {
			data = nil
		}
		m.pages[n] = data
	}
	clear(m.wanted)
}

// rounds runs f until it needs nothing more and returns how many flights it took.
func (m *memory) rounds(t testing.TB, f func() error) (int, error) {
	t.Helper()
	for n := 0; ; n++ {
		err := f()
		var need *symbols.NeedError
		if !errors.As(err, &need) {
			return n, err
		}
		if len(m.wanted) == 0 || n > 200 {
			t.Fatalf("round %d needs %v and asked for %d pages", n, need, len(m.wanted))
		}
		m.fetch()
	}
}

// world is a systems.World and its Target over a memory.
type world struct {
	*memory
	*debuggee
	symbols map[string]arch.Addr
}

func (w *world) Target() targets.Target {
	if w.listed {
		return lister{w.debuggee}
	}
	return w.debuggee
}

// ReadMemory is the cache's; the debuggee's is never asked.
func (w *world) ReadMemory(ctx context.Context, a arch.Addr, p []byte) (int, error) {
	return w.memory.ReadMemory(ctx, a, p)
}

func (w *world) Address(name string) (arch.Addr, error) {
	if a, ok := w.symbols[name]; ok {
		return a, nil
	}
	return 0, fmt.Errorf("no symbol %s", name)
}
func (*world) Type(name string) (*symbols.Type, error) { return nil, fmt.Errorf("no type %s", name) }

// debuggee is the little of a Target that a System asks.
type debuggee struct {
	set    *arch.Set
	auxv   []byte
	path   string
	list   []targets.Module
	listed bool
	asked  int
}

func (d *debuggee) Info() targets.Info { return targets.Info{Set: d.set, OS: "linux", Process: 1} }
func (d *debuggee) Threads(context.Context) ([]targets.Thread, error) {
	return []targets.Thread{{ID: targets.ThreadID{Process: 1, Thread: 2}, Name: "worker", CPU: -1, Base: 7}}, nil
}
func (d *debuggee) Registers(_ context.Context, id targets.ThreadID) (*arch.Registers, error) {
	r := arch.NewRegisters(d.set)
	r.SetPC(arch.Addr(id.Process*100 + id.Thread))
	return r, nil
}
func (d *debuggee) ReadMemory(context.Context, targets.Space, arch.Addr, []byte) (int, error) {
	return 0, errors.ErrUnsupported
}
func (d *debuggee) Close(context.Context, targets.Parting) error { return nil }
func (d *debuggee) Query(_ context.Context, k targets.Kind, _ string) ([]byte, error) {
	d.asked++
	switch {
	case k == targets.Auxv && d.auxv != nil:
		return d.auxv, nil
	case k == targets.ExecFile && d.path != "":
		return []byte(d.path), nil
	}
	return nil, errors.ErrUnsupported
}
func (d *debuggee) Set(context.Context, targets.Kind, string, []byte) error {
	return errors.ErrUnsupported
}

// lister is a debuggee whose far end keeps a list of modules.
type lister struct{ *debuggee }

func (l lister) Modules(context.Context) ([]targets.Module, error) {
	l.asked++
	return l.list, nil
}

func modules(t *testing.T, s *System, w *world) []targets.Module {
	t.Helper()
	var list []targets.Module
	n, err := w.rounds(t, func() (err error) {
		list, err = s.Modules(t.Context(), w)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d flights", n)
	return list
}

// TestModules compares the list with what the dynamic loader told the program
// about itself, and build-ids with readelf.
func TestModules(t *testing.T) {
	for _, link := range []struct {
		name    string
		library bool
		flags   []string
	}{
		{"pie", true, []string{"-pie", "-fPIE"}},
		{"fixed", true, []string{"-no-pie"}},
		{"static", false, []string{"-static"}},
		{"static-pie", false, []string{"-static-pie"}},
	} {
		t.Run(link.name, func(t *testing.T) {
			path := build(t, link.library, link.flags...)
			p := start(t, path)
			s := New()
			list := modules(t, s, p.world)
			if len(list) == 0 || !list[0].Main || list[0].Path != path {
				t.Fatalf("main image: %+v", list)
			}
			got := map[string]uint64{}
			for _, m := range list {
				name := m.Path
				if m.Main {
					name = ""
				}
				if m.Size == 0 {
					t.Errorf("%s has no size", m.Path)
				}
				got[name] = m.Bias
				checkBuildID(t, m)
			}
			if _, told := p.maps[VDSO]; !told { // a static program's loader does not list it
				delete(got, VDSO)
			}
			if !maps.Equal(got, p.maps) {
				t.Errorf("list %x\nthe loader says %x", got, p.maps)
			}
			if p.world.asked > 2 {
				t.Errorf("the far end was asked %d times", p.world.asked)
			}
		})
	}
}

func checkBuildID(t *testing.T, m targets.Module) {
	t.Helper()
	if m.Path == VDSO {
		return
	}
	out, err := exec.Command("readelf", "-nW", m.Path).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	for _, f := range strings.Split(string(out), "\n") {
		if _, id, ok := strings.Cut(f, "Build ID: "); ok {
			want = strings.TrimSpace(id)
		}
	}
	if got := fmt.Sprintf("%x", m.BuildID); got != want {
		t.Errorf("%s: build-id %s, readelf says %s", m.Path, got, want)
	}
}

// TestListed: a far end that keeps a list is believed, and completed.
func TestListed(t *testing.T) {
	path := build(t, true)
	p := start(t, path)
	want := modules(t, New(), p.world)
	w := open(t, p.cmd.Process.Pid)
	w.listed = true
	for _, m := range want {
		if !m.Main && m.Path != VDSO && !strings.Contains(m.Path, "ld-linux") {
			w.list = append(w.list, targets.Module{Path: m.Path, Base: m.Base, Dynamic: m.Dynamic})
		}
	}
	w.path = "/far/away"
	s := New()
	var got []targets.Module
	n, err := w.rounds(t, func() (err error) {
		got, err = s.Modules(t.Context(), w)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if n > 2 {
		t.Errorf("%d flights for a list that is known", n)
	}
	if w.asked != 3 {
		t.Errorf("the far end was asked %d times: list, auxv and path are enough", w.asked)
	}
	if len(got) != len(want) || got[0].Path != "/far/away" {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// TestWorkingFolder: a library is found where the process works, however it was
// asked for.
func TestWorkingFolder(t *testing.T) {
	p := start(t, build(t, true))
	for name, want := range map[string]string{
		"./x.so": "/proc/1/cwd/x.so", "d/../y.so": "/proc/1/cwd/y.so", "/usr/lib/z.so": "/usr/lib/z.so", "w.so": "w.so",
	} {
		w := open(t, p.cmd.Process.Pid)
		w.listed = true
		w.list = []targets.Module{{Path: name, Base: 0x10000}}
		if got := modules(t, New(), w); !slices.ContainsFunc(got, func(m targets.Module) bool { return m.Path == want }) {
			t.Errorf("%s: no %s in %+v", name, want, got)
		}
	}
}

// TestFirstInstruction looks at a process that has not run yet: the loader has no
// list, but main image, loader and vDSO are there and so is the place to watch.
func TestFirstInstruction(t *testing.T) {
	path := build(t, true)
	after := start(t, path)
	p := stopped(t, path)
	s := New()
	list := modules(t, s, p)
	var names []string
	for _, m := range list {
		names = append(names, filepath.Base(m.Path))
	}
	if got := strings.Join(names, " "); got != "subject ld-linux-x86-64.so.2 "+VDSO {
		t.Errorf("modules %s", got)
	}
	offset := func(w *world) uint64 {
		var at arch.Addr
		n, err := w.rounds(t, func() (err error) {
			at, err = s.WatchAddress(t.Context(), w)
			return err
		})
		if err != nil || at == 0 {
			t.Fatalf("no place to watch: %v", err)
		}
		t.Logf("%d flights", n)
		return uint64(at) - ParseAuxv(w.auxv, binary.LittleEndian, 8)[AtBase]
	}
	if a, b := offset(p), offset(after.world); a != b {
		t.Errorf("place to watch: loader+%x before, loader+%x after", a, b)
	}
	if got := offset(after.world) + ParseAuxv(after.world.auxv, binary.LittleEndian, 8)[AtBase]; got != after.facts["brk"] {
		t.Errorf("place to watch %x, the loader says %x", got, after.facts["brk"])
	}
}

// TestTLS compares addresses of thread-local variables with the program's own.
func TestTLS(t *testing.T) {
	p := start(t, build(t, true))
	list := modules(t, New(), p.world)
	find := func(part string) targets.Module {
		for _, m := range list {
			if strings.Contains(m.Path, part) {
				return m
			}
		}
		t.Fatalf("no module %s", part)
		return targets.Module{}
	}
	address := func(tp uint64, m targets.Module, off uint64) uint64 {
		var at arch.Addr
		if _, err := p.world.rounds(t, func() (err error) {
			at, err = TLSAddress(t.Context(), p.world, arch.Addr(tp), m, off)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return uint64(at)
	}
	for _, who := range []string{"main", "worker"} {
		tp := p.facts[who+".tp"]
		for _, v := range []struct {
			name, module string
			off          uint64
		}{{"shared", "libshared", 0}, {"plug", "plug.so", 0}} {
			if got, want := address(tp, find(v.module), v.off), p.facts[who+"."+v.name]; got != want {
				t.Errorf("%s: %s lies at %x, found %x", who, v.name, want, got)
			}
		}
		main := find("subject")
		for name, off := range tlsOffsets(t, main.Path, "alone", "odd") {
			if got, want := address(tp, main, off), p.facts[who+"."+name]; got != want {
				t.Errorf("%s: %s lies at %x, found %x by the ABI", who, name, want, got)
			}
			other := main
			other.Main = false // take the way through the tables
			if got, want := address(tp, other, off), p.facts[who+"."+name]; got != want {
				t.Errorf("%s: %s lies at %x, found %x by the DTV", who, name, want, got)
			}
		}
	}
	if _, err := p.world.rounds(t, func() error {
		_, err := TLSAddress(t.Context(), p.world, arch.Addr(p.facts["main.tp"]), find(VDSO), 0)
		return err
	}); !errors.As(err, new(*symbols.UnavailableError)) {
		t.Errorf("the vDSO has no thread-local storage: %v", err)
	}
}

// tlsOffsets asks nm for offsets of thread-local symbols.
func tlsOffsets(t *testing.T, path string, names ...string) map[string]uint64 {
	t.Helper()
	out, err := exec.Command("nm", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]uint64{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		for _, name := range names {
			if len(f) == 3 && f[2] == name {
				found[name], _ = strconv.ParseUint(f[0], 16, 64)
			}
		}
	}
	if len(found) != len(names) {
		t.Fatalf("nm lists %v of %v", found, names)
	}
	return found
}

func TestTasks(t *testing.T) {
	w := &world{debuggee: &debuggee{set: arch.AMD64.DefaultSet()}}
	s := New()
	tasks, err := s.Tasks(t.Context(), w)
	if err != nil || len(tasks) != 1 || tasks[0].ID != 2 || tasks[0].Name != "worker" || tasks[0].CPU != -1 {
		t.Fatalf("%+v, %v", tasks, err)
	}
	r, err := s.Registers(t.Context(), w, tasks[0])
	if err != nil || r.PC() != 102 {
		t.Errorf("%v, %v", r, err)
	}
}
