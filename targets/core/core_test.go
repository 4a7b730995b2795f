package core

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	stdelf "debug/elf"

	"dap-windbg/arch"
	"dap-windbg/binfmt/elf"
	"dap-windbg/targets"
	"dap-windbg/targets/targettest"
)

// memory is what a made-up process has at its addresses, by page.
type memory map[arch.Addr][]byte

// add fills n bytes at addr with what depends on the address.
func (m memory) add(addr arch.Addr, n int) {
	for at := addr; at < addr+arch.Addr(n); at += pageSize {
		p := make([]byte, pageSize)
		for i := range p {
			p[i] = byte(uint64(at)>>12)*7 + byte(i)
		}
		m[at] = p
	}
}

// read is a Source.
func (m memory) read(_ context.Context, reads []*targets.MemoryRead) error {
	for _, r := range reads {
		for r.N = 0; r.N < len(r.Data); {
			at := r.Addr + arch.Addr(r.N)
			page := m[at&^(pageSize-1)]
			if page == nil {
				r.Err = &targets.FaultError{Addr: at}
				break
			}
			r.N += copy(r.Data[r.N:], page[at&(pageSize-1):])
		}
	}
	return nil
}

// filled are registers of a CPU, all known.
func filled(m *machine, seed uint64) *arch.Registers {
	r := arch.NewRegisters(m.set(knownStates))
	rnd := rand.New(rand.NewPCG(seed, 1))
	for i, reg := range r.Set.Regs {
		p := make([]byte, reg.Size)
		for k := range p {
			p[k] = byte(rnd.Uint32())
		}
		r.SetBytes(i, p)
	}
	for _, short := range []struct {
		name string
		bits int
	}{{"fctrl", 16}, {"fstat", 16}, {"fiseg", 16}, {"foseg", 16}, {"fop", 16}} { // what the images have room for
		if v, ok := r.Get(short.name); ok {
			r.PutName(short.name, v&(1<<short.bits-1))
		}
	}
	r.PutName("ftag", 0xffff)
	r.PutName("zero", 0)
	return r
}

// processOf is a made-up process of two threads and three regions.
func processOf(m *machine) (*Process, memory) {
	mem := memory{}
	mem.add(0x10000, 4*pageSize)
	mem.add(0x20000, 2*pageSize)
	mem.add(0x30000, pageSize)
	p := &Process{ID: 700, Parent: 1, UID: 5, GID: 6, State: 'T', Name: "a name of more than 15 bytes", Args: "prog one two",
		Threads: []Thread{
			{ID: 702, Registers: filled(m, 1), Signal: 11, Siginfo: bytes.Repeat([]byte{11, 0, 0, 0}, 32)},
			{ID: 700, Registers: filled(m, 2)}},
		Regions: []Region{
			{Start: 0x10000, End: 0x14000, Read: true, Write: true},
			{Start: 0x20000, End: 0x24000, Read: true, Write: true, Path: "[stack]"}, // half of it cannot be read
			{Start: 0x30000, End: 0x31000, Read: true, Exec: true, Path: "/usr/lib/nowhere.so", Detailed: true},
		}}
	w := m.arch.PtrSize
	p.Auxv = make([]byte, 4*w)
	p.Auxv[0], p.Auxv[w] = 6, 1
	return p, mem
}

// writeFile writes p to a file.
func writeFile(t testing.TB, p *Process, mem memory, c Contents) (string, Written) {
	t.Helper()
	read := func(ctx context.Context, addr arch.Addr, b []byte) (int, error) {
		r := &targets.MemoryRead{Addr: addr, Data: b}
		mem.read(ctx, []*targets.MemoryRead{r})
		return r.N, r.Err
	}
	if err := p.Choose(context.Background(), c, read); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "core")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out, err := Write(context.Background(), f, p, mem.read, nil)
	if err != nil {
		t.Fatal(err)
	}
	return name, out
}

func open(t testing.TB, name string, o Options) *Target {
	t.Helper()
	c, err := Open(name, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestRoundTrip: what is written is read back, for every machine, and another
// reader of ELF files understands it.
func TestRoundTrip(t *testing.T) {
	for i := range machines() {
		m := &machines()[i]
		t.Run(m.arch.Name, func(t *testing.T) {
			p, mem := processOf(m)
			name, out := writeFile(t, p, mem, Full)
			if out.Memory != 7*pageSize || out.Lost != 2*pageSize {
				t.Errorf("%+v", out)
			}
			c := open(t, name, Options{})
			info := c.Info()
			if info.Process != 700 || info.Set.Arch != m.arch || info.OS != "linux" || c.Missing() != 0 {
				t.Errorf("%+v", info)
			}
			threads, _ := c.Threads(t.Context())
			if len(threads) != 2 || threads[0].ID != (targets.ThreadID{Process: 700, Thread: 702}) || threads[1].Name != "a name of more " {
				t.Errorf("%+v", threads)
			}
			for k, th := range p.Threads {
				r, err := c.Registers(t.Context(), threads[k].ID)
				if err != nil {
					t.Fatal(err)
				}
				same(t, th.Registers, r)
			}
			stop := c.Stop()
			if stop.Exception == nil || stop.Exception.Code != 11 || len(stop.Exception.Siginfo) != 128 || stop.Thread.Thread != 702 {
				t.Errorf("%+v", stop)
			}
			if v, err := c.Query(t.Context(), targets.Auxv, ""); err != nil || !bytes.Equal(v, p.Auxv) {
				t.Errorf("auxv % x, %v", v, err)
			}
			got := make([]byte, 3*pageSize)
			n, err := c.ReadMemory(t.Context(), targets.Space{}, 0x11000, got)
			if want := slices.Concat(mem[0x11000], mem[0x12000], mem[0x13000]); err != nil || n != len(got) || !bytes.Equal(got, want) {
				t.Errorf("read %d bytes: %v", n, err)
			}
			std, err := stdelf.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer std.Close()
			if std.Type != stdelf.ET_CORE || uint16(std.Machine) != m.number {
				t.Errorf("%v %v", std.Type, std.Machine)
			}
		})
	}
}

// same compares registers that a core has room for.
func same(t *testing.T, want, got *arch.Registers) {
	t.Helper()
	for i, reg := range got.Set.Regs {
		k, ok := want.Set.Index(reg.Name)
		if !ok {
			continue
		}
		a, _ := want.Bytes(k)
		b, known := got.Bytes(i)
		if !known || !bytes.Equal(a, b) {
			t.Errorf("%s: wrote % x, read % x (known: %v)", reg.Name, a, b, known)
		}
	}
}

// TestConformance: a core climbs as far as a debuggee can that does not run.
func TestConformance(t *testing.T) {
	targettest.Run(t, func(t *testing.T) targettest.Subject {
		p, mem := processOf(machineFor(arch.AMD64))
		name, _ := writeFile(t, p, mem, Full)
		return targettest.Subject{Target: open(t, name, Options{}), Known: 0x10010, Content: mem[0x10000][0x10:0x200], Edge: 0x22000, Nowhere: 0x99000,
			Threads: 2, Ends: true}
	}, targettest.Connect, targettest.Registers, targettest.Memory, targettest.Threads, targettest.Cancel, targettest.Detach, targettest.Kill)
}

// TestTruncated: a core that is cut anywhere opens as far as it goes, or is
// refused; what is missing cannot be read.
func TestTruncated(t *testing.T) {
	p, mem := processOf(machineFor(arch.AMD64))
	name, _ := writeFile(t, p, mem, Full)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	opened := 0
	for cut := 0; cut < len(whole); cut += 509 {
		short := filepath.Join(t.TempDir(), "core")
		if err := os.WriteFile(short, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		var said []string
		c, err := Open(short, Options{Notice: func(s string) { said = append(said, s) }})
		if err != nil {
			continue
		}
		opened++
		if c.Missing() == 0 || len(said) != 1 || !strings.Contains(said[0], "cut short") {
			t.Errorf("cut at %d: %d bytes missing, said %q", cut, c.Missing(), said)
		}
		for at, page := range mem {
			got := make([]byte, pageSize)
			n, err := c.ReadMemory(t.Context(), targets.Space{}, at, got)
			var fault *targets.FaultError
			if !bytes.Equal(got[:n], page[:n]) || (n < pageSize) != errors.As(err, &fault) {
				t.Fatalf("cut at %d: %d bytes at %x, %v", cut, n, uint64(at), err)
			}
		}
	}
	if opened < 20 {
		t.Errorf("%d cut cores opened", opened)
	}
}

// TestSparse: a large core is not read to be opened.
func TestSparse(t *testing.T) {
	p, mem := processOf(machineFor(arch.AMD64))
	const most = 2 << 30
	p.Regions = append(p.Regions, Region{Start: 0x7f0000000000, End: 0x7f0000000000 + most, Read: true, Write: true, Detailed: true, Empty: true})
	name, out := writeFile(t, p, mem, Full)
	if out.Size < most {
		t.Fatalf("%+v", out)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c := open(t, name, Options{})
	got := make([]byte, 16)
	_, err := c.ReadMemory(t.Context(), targets.Space{}, 0x7f0000000000+most-16, got)
	runtime.ReadMemStats(&after)
	if err != nil || !bytes.Equal(got, make([]byte, 16)) {
		t.Errorf("% x, %v", got, err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("opening took %d bytes", grown)
	}
}

// TestZeros: what nobody has touched is not read, and is zeros all the same.
func TestZeros(t *testing.T) {
	p, mem := processOf(machineFor(arch.AMD64))
	const start, pages = arch.Addr(0x70000000), 200
	mem.add(start+50*pageSize, pageSize) // the only ones that can be read
	mem.add(start+60*pageSize, 20*pageSize)
	for at := start + 51*pageSize; at < start+60*pageSize; at += pageSize { // too few to tell apart
		mem[at] = make([]byte, pageSize)
	}
	p.Regions = append(p.Regions, Region{Start: start, End: start + pages*pageSize, Read: true, Write: true, Detailed: true})
	if err := p.Choose(t.Context(), Full, nil); err != nil {
		t.Fatal(err)
	}
	table := make([]byte, (uint64(start)/pageSize+pages)*pagemapRow)
	there := func(page arch.Addr) { table[uint64(start/pageSize+page)*pagemapRow+7] = 0x80 }
	there(50)
	for i := arch.Addr(60); i < 80; i++ {
		there(i)
	}
	if err := p.FindZeros(bytes.NewReader(table)); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "core")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out, err := Write(t.Context(), f, p, mem.read, nil)
	if err != nil || out.Lost != 2*pageSize { // of the stack of processOf
		t.Fatalf("%+v, %v", out, err)
	}
	got := make([]byte, pages*pageSize)
	if n, err := open(t, name, Options{}).ReadMemory(t.Context(), targets.Space{}, start, got); err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	for i := range arch.Addr(pages) {
		want := mem[start+i*pageSize]
		if want == nil {
			want = zeros[:]
		}
		if !bytes.Equal(got[i*pageSize:(i+1)*pageSize], want) {
			t.Errorf("page %d", i)
		}
	}
}

// TestMini: a mini core has the stacks and what they point to, and no more.
func TestMini(t *testing.T) {
	m := machineFor(arch.AMD64)
	p, mem := processOf(m)
	heap, stack := arch.Addr(0x50000000), arch.Addr(0x60000000)
	mem.add(heap, 2<<20)
	mem.add(stack, 1<<20)
	p.Regions = append(p.Regions, Region{Start: heap, End: heap + 2<<20, Read: true, Write: true}, Region{Start: stack, End: stack + 1<<20, Read: true, Write: true})
	for i := range p.Threads {
		r := arch.NewRegisters(p.Threads[i].Registers.Set)
		r.SetSP(stack + 0xf0008)
		p.Threads[i].Registers = r
	}
	p.Threads[1].Registers.PutName("rbx", uint64(heap+0x100123))
	page := mem[stack+0xf0000]
	copy(page[8:], []byte{0x10, 0x30, 0x00, 0x50, 0, 0, 0, 0}) // heap + 0x3010
	name, out := writeFile(t, p, mem, Mini)
	c := open(t, name, Options{})
	for at, want := range map[arch.Addr]bool{stack + 0xf0000: true, stack + 0xffff0: true, stack + 0x80000: false, heap + 0x3010: true, heap + 0x4000: false,
		heap + 0x100000: true, heap + 0x101000: false, 0x10000: true} {
		_, err := c.ReadMemory(t.Context(), targets.Space{}, at, make([]byte, 8))
		if got := err == nil; got != want {
			t.Errorf("%x is there: %v, want %v", uint64(at), got, want)
		}
	}
	if out.Memory > 512<<10 {
		t.Errorf("%d bytes", out.Memory)
	}
}

// TestWriteEnds: a source that fails and a context that ends end the writing.
func TestWriteEnds(t *testing.T) {
	p, mem := processOf(machineFor(arch.AMD64))
	writeFile(t, p, mem, Full)
	f, err := os.Create(filepath.Join(t.TempDir(), "core"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lost := func(context.Context, []*targets.MemoryRead) error { return targets.ErrGone }
	if _, err := Write(t.Context(), f, p, lost, nil); !errors.Is(err, targets.ErrGone) {
		t.Errorf("a lost wire: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	source := func(ctx context.Context, r []*targets.MemoryRead) error { cancel(); return mem.read(ctx, r) }
	if _, err := Write(ctx, f, p, source, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	var done, total uint64
	if _, err := Write(t.Context(), f, p, mem.read, func(d, all uint64) { done, total = d, all }); err != nil || done != total || total != 9*pageSize {
		t.Errorf("progress %d of %d, %v", done, total, err)
	}
	if _, err := Write(t.Context(), f, &Process{}, mem.read, nil); err == nil {
		t.Error("a process without threads")
	}
}

// TestMany: more pieces than an ELF header can count.
func TestMany(t *testing.T) {
	p, mem := processOf(machineFor(arch.AMD64))
	for i := range arch.Addr(70000) {
		at := 0x100000000 + 2*pageSize*i
		p.Regions = append(p.Regions, Region{Start: at, End: at + pageSize, Read: true, Detailed: true, Empty: true})
	}
	name, _ := writeFile(t, p, mem, Full)
	c := open(t, name, Options{})
	if n, err := c.ReadMemory(t.Context(), targets.Space{}, 0x100000000+2*pageSize*69999, make([]byte, pageSize)); n != pageSize || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestCutWhileRead: a core that is cut short under its reader ends in errors.
func TestCutWhileRead(t *testing.T) {
	p, mem := processOf(machineFor(arch.AMD64))
	name, _ := writeFile(t, p, mem, Full)
	c := open(t, name, Options{})
	if runtime.GOOS == "windows" { // a mapped file cannot be cut there
		return
	}
	if err := os.Truncate(name, 0); err != nil {
		t.Fatal(err)
	}
	var fault *targets.FaultError
	if n, err := c.ReadMemory(t.Context(), targets.Space{}, 0x11000, make([]byte, 8)); n != 0 || !errors.As(err, &fault) {
		t.Errorf("%d bytes, %v", n, err)
	}
	if _, err := c.Registers(t.Context(), targets.ThreadID{Thread: 702}); err == nil {
		t.Error("registers of what is gone")
	}
	c.Stop()
	c.Modules(t.Context())
}

// TestHostile: fields that lie.
func TestHostile(t *testing.T) {
	p, mem := processOf(machineFor(arch.AMD64))
	name, _ := writeFile(t, p, mem, Full)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for n := range 400 {
		bad := slices.Clone(whole[:min(len(whole), 0x10000)])
		for range 1 + n%16 {
			bad[rnd.IntN(min(len(bad), 64+56*8+int(p.Regions[0].Size())))] = byte(rnd.Uint32())
		}
		use(t, bad)
	}
}

// use opens a core of these bytes and asks it everything.
func use(t testing.TB, data []byte) {
	name := filepath.Join(t.TempDir(), "core")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Open(name, Options{Find: func(context.Context, string, []byte) (string, error) { return "", errors.New("none") }})
	if err != nil {
		return
	}
	ctx := context.Background()
	threads, _ := c.Threads(ctx)
	for _, th := range threads[:min(len(threads), 10)] {
		c.Registers(ctx, th.ID)
		c.Query(ctx, targets.Siginfo, fmt.Sprintf("%x.%x", th.ID.Process, th.ID.Thread))
	}
	c.Stop()
	c.Modules(ctx)
	c.Query(ctx, targets.Auxv, "")
	buf := make([]byte, 5000)
	for _, s := range c.segments[:min(len(c.segments), 20)] {
		for _, at := range []uint64{s.addr, s.addr + s.size - 1, s.addr + s.size/2, s.addr - 1} {
			n, err := c.ReadMemory(ctx, targets.Space{}, arch.Addr(at), buf)
			if (n < len(buf)) != (err != nil) {
				t.Fatalf("%d bytes at %x and %v", n, at, err)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	for i := range machines() {
		p, mem := processOf(&machines()[i])
		p.Threads = p.Threads[:1] // small, for the fuzzer shrinks what it finds
		name, _ := writeFile(f, p, mem, Full)
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data[:min(len(data), 0x4000)])
	}
	f.Fuzz(func(t *testing.T, data []byte) { use(t, data) })
}

func FuzzMaps(f *testing.F) {
	f.Add("00400000-00401000 r-xp 00000000 08:01 12 /bin/a b (deleted)\nRss: 4 kB\nSwap: 0 kB\nVmFlags: rd ex io\nx-y rwxp 0 0 0\n")
	f.Fuzz(func(t *testing.T, text string) {
		rows, _ := ParseMaps(strings.NewReader(text))
		for _, r := range rows {
			if r.End <= r.Start {
				t.Errorf("%+v", r)
			}
		}
	})
}

func TestParseMaps(t *testing.T) {
	rows, err := ParseMaps(strings.NewReader(`00400000-00452000 r-xp 00001000 08:02 173521                             /usr/bin/my program
Size:                328 kB
Rss:                   4 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
7f0000000000-7f0000010000 rw-p 00000000 00:00 0
Rss:                   0 kB
Swap:                  0 kB
VmFlags: rd wr
7f0000020000-7f0000021000 r--p 00003000 08:02 5 /lib/x.so (deleted)
Rss:                   4 kB
Anonymous:             4 kB
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
7f0000030000-7f0000031000 rw-s 00000000 00:05 9                          /dev/zero (deleted)
Rss: 0 kB
VmFlags: rd wr sh io dd
nonsense
`))
	want := []Region{
		{Start: 0x400000, End: 0x452000, Read: true, Exec: true, Offset: 0x1000, Path: "/usr/bin/my program", Detailed: true},
		{Start: 0x7f0000000000, End: 0x7f0000010000, Read: true, Write: true, Detailed: true, Empty: true},
		{Start: 0x7f0000020000, End: 0x7f0000021000, Read: true, Offset: 0x3000, Path: "/lib/x.so", Deleted: true, Detailed: true, Changed: true},
		{Start: 0xffffffffff600000, End: 0xffffffffff601000, Exec: true, Path: "[vsyscall]"},
		{Start: 0x7f0000030000, End: 0x7f0000031000, Read: true, Write: true, Shared: true, Path: "/dev/zero", Deleted: true, Detailed: true, Empty: true, Hidden: true},
	}
	if err != nil || len(rows) != len(want) {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i := range want {
		if fmt.Sprintf("%+v", rows[i]) != fmt.Sprintf("%+v", want[i]) {
			t.Errorf("row %d: %+v\nwant   %+v", i, rows[i], want[i])
		}
	}
}

// TestNoCore: what is no core is told from one.
func TestNoCore(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var format *FormatError
	if _, err := Open(exe, Options{}); !errors.As(err, &format) || Is(exe) || Is(t.TempDir()) {
		t.Errorf("an image: %v", err)
	}
	var notELF *elf.FormatError
	text := filepath.Join(t.TempDir(), "text")
	os.WriteFile(text, []byte("no core"), 0o600)
	if _, err := Open(text, Options{}); !errors.As(err, &notELF) || Is(text) {
		t.Errorf("a text: %v", err)
	}
}
