package linuxkernel

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	image "dap-windbg/symbols/elf"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// paper is a desk over a linked image that nobody runs, as if it were a kernel's memory.
type paper struct {
	carried int // bytes read
	bytes.Buffer
	img *image.Image
	at  arch.Addr
	mem []byte
}

func open(t *testing.T) *paper {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vmlinux")
	if text, err := exec.Command("gcc", "-g", "-O0", "-nostdlib", "-static", "-o", path, "testdata/kernel.c").CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, text)
	}
	img, err := image.Open(path, image.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := &paper{img: img, at: arch.Addr(img.LinkBase()), mem: make([]byte, img.Size())}
	for _, s := range f.Progs {
		if s.Type == elf.PT_LOAD {
			if _, err := s.ReadAt(p.mem[arch.Addr(s.Vaddr)-p.at:][:s.Filesz], 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	return p
}

func (p *paper) ReadMemory(_ context.Context, a arch.Addr, q []byte) (int, error) {
	p.carried += len(q)
	if a < p.at || a-p.at >= arch.Addr(len(p.mem)) {
		return 0, &targets.FaultError{Addr: a}
	}
	n := copy(q, p.mem[a-p.at:])
	if n < len(q) {
		return n, &targets.FaultError{Addr: a + arch.Addr(n)}
	}
	return n, nil
}

func (p *paper) Address(name string) (arch.Addr, error) {
	for s := range p.img.Lookup(bare(name)) {
		return p.at + arch.Addr(s.Offset), nil
	}
	return 0, errors.New("no " + name)
}

func (p *paper) Type(name string) (*symbols.Type, error) {
	if t, ok := symbols.Image(p.img).(symbols.Typer).Type(name); ok {
		return t, nil
	}
	return nil, errors.New("no " + name)
}

func (p *paper) Target() targets.Target { return nil }
func (p *paper) Width() int             { return 80 }
func (p *paper) Evaluate(_ context.Context, s string) (uint64, error) {
	return strconv.ParseUint(s, 16, 64)
}
func (p *paper) Locate(arch.Addr) string { return "" }
func (p *paper) Processors(context.Context) ([]targets.Thread, error) {
	return nil, errors.ErrUnsupported
}
func (p *paper) Processor() targets.ThreadID         { return targets.ThreadID{} }
func (p *paper) Memory(targets.Space) symbols.Memory { return p }
func (p *paper) Frames(context.Context, systems.Context, int) ([]*arch.Registers, error) {
	return nil, errors.ErrUnsupported
}
func (p *paper) WriteStack(context.Context, systems.Context, int, string) error {
	return errors.ErrUnsupported
}
func (p *paper) WriteRegisters(context.Context, *arch.Registers) error { return nil }
func (p *paper) Context() systems.Context                              { return systems.Context{} }
func (p *paper) SetContext(context.Context, systems.Context) error     { return errors.ErrUnsupported }
func (p *paper) Changed(targets.Effect)                                {}

// run runs a command and returns what it wrote.
func (p *paper) run(t *testing.T, name, args string) (string, error) {
	t.Helper()
	for _, e := range New(Options{}).Extensions() {
		if e.Name == name {
			p.Reset()
			err := e.Run(context.Background(), p, args)
			return p.String(), err
		}
	}
	t.Fatal("no " + name)
	return "", nil
}

// TestLog: records in order, one whose text did not fit before the ring's end, one of
// several lines, one without text; what may be used again is none.
func TestLog(t *testing.T) {
	p := open(t)
	for args, want := range map[string]string{
		"":     "[    1.234567] two\n[    1.234567] lines\n[    2.000000] here\n[ 3000.000123] \n",
		"2":    "[    2.000000] here\n[ 3000.000123] \n",
		"-1":   "[    1.234567] two\n",
		"-r 1": "<4>[ 3000.000123] \n",
	} {
		if got, err := p.run(t, "!dmesg", args); err != nil || got != want {
			t.Errorf("!dmesg %s: %q, %v; want %q", args, got, err, want)
		}
	}
	carried := map[string]int{}
	for _, args := range []string{"", "1"} {
		p.carried = 0
		p.run(t, "!dmesg", args)
		carried[args] = p.carried
	}
	if carried["1"] >= carried[""] {
		t.Errorf("the last line took %d bytes of %d", carried["1"], carried[""])
	}
	if _, err := p.run(t, "!dmesg", "1 2"); err == nil || !errors.As(err, new(*systems.UsageError)) {
		t.Errorf("too many arguments: %v", err)
	}
}

// TestModules: sizes of both parts, who uses whom, and who cannot be taken out.
func TestModules(t *testing.T) {
	want := "Module                  Size  Used by\nuser                     100  0\nused                     250  1 user,[permanent]\n"
	if got, err := open(t).run(t, "!lsmod", ""); err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

// TestTrees: what lies in an xarray and in a maple tree, by index.
func TestTrees(t *testing.T) {
	p := open(t)
	at := func(name string) arch.Addr {
		a, err := p.Address(name)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	names := map[arch.Addr]string{at("one"): "one", at("two"): "two", at("far"): "far"}
	r := New(Options{}).reader(context.Background(), p)
	for name, want := range map[string][]string{"tree": {"1 one", "63 two", "66 far"}, "single": {"0 one"}, "empty": nil} {
		var got []string
		for i, e := range r.xarray(at(name)) {
			got = append(got, fmt.Sprintf("%d %s", i, names[e]))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	var got []string
	for i, e := range r.mapleTree(at("ranges")) {
		got = append(got, fmt.Sprintf("%d %s", i, names[e]))
	}
	if want := []string{"0 one", "5 two", "20 far"}; !slices.Equal(got, want) {
		t.Errorf("the tree of ranges: %q, want %q", got, want)
	}
	if err := r.end(); err != nil {
		t.Error(err)
	}
}

// TestWithout: a command that needs what nobody knows says what that is.
func TestWithout(t *testing.T) {
	for name, want := range map[string]string{"!ps": "init_task", "!irq": "__per_cpu_offset", "!mount": "init_task", "!slab": "slab_caches", "!idt": "idt_table", "!pci": "pci_root_buses", "!pcitree": "pci_root_buses", "!mtrr": "mtrr_state", "!apic": "symbol apic", "!ioapic": "struct ioapic"} {
		if _, err := open(t).run(t, name, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAbsent: what Linux has nothing of says why.
func TestAbsent(t *testing.T) {
	for _, name := range []string{"!sysptes", "!whea", ".kdfiles"} {
		var absent *systems.AbsentError
		if _, err := open(t).run(t, name, "1"); !errors.As(err, &absent) || absent.Why == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEntries: the letters of a page table's entry.
func TestEntries(t *testing.T) {
	for e, want := range map[uint64]string{0x63: "---DA--KWEV", 0x8000000000000025: "----A--UR-V", 0x1e1: "-GLDA--KREV", 0: "-------KRE-"} {
		if got := entryFlags(e); got != want {
			t.Errorf("%x: %s, want %s", e, got, want)
		}
	}
}

// TestTroubles: the first panic counts, of an oops its first line.
func TestTroubles(t *testing.T) {
	line := func(s string, n int) complaint {
		tr, ok := troubleOf(s)
		if !ok {
			t.Fatalf("%q is no trouble", s)
		}
		return complaint{tr, n, s}
	}
	warn, null, oops := line("WARNING: CPU: 0 PID: 1 at x", 1), line("BUG: kernel NULL pointer dereference, address: 0", 10), line("Oops: 0010 [#1] PREEMPT", 12)
	end := line("Kernel panic - not syncing: Fatal exception", 60)
	for want, all := range map[int][]complaint{0: {warn}, 1: {warn, null, oops}, 3: {warn, null, oops, end, line("Kernel panic - not syncing: again", 70)}} {
		if got := gravest(all); got != want {
			t.Errorf("of %d complaints number %d counts, want %d", len(all), got, want)
		}
	}
	if _, ok := troubleOf("---[ end Kernel panic - not syncing: x ]---"); ok {
		t.Error("the end of a panic is taken for one")
	}
}
