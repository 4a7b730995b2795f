package linuxkernel

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

const coreText = `OSRELEASE=6.1.0-56-cloud-amd64
BUILD-ID=a3c9d8f6c1b2a3948576f0e1d2c3b4a5968778a9
PAGESIZE=4096
SYMBOL(_stext)=ffffffff9c600000
NUMBER(phys_base)=-134217728
KERNELOFFSET=1b600000
`

// board is a machine of which physical memory alone can be read.
type board struct {
	targets.Target
	memory []byte
}

func (b *board) Threads(context.Context) ([]targets.Thread, error) { return nil, nil }

func (b *board) ReadMemory(_ context.Context, s targets.Space, a arch.Addr, p []byte) (int, error) {
	if !s.Physical || uint64(a) >= uint64(len(b.memory)) {
		return 0, &targets.FaultError{Addr: a}
	}
	n := copy(p, b.memory[a:])
	if n < len(p) {
		return n, &targets.FaultError{Addr: a + arch.Addr(n)}
	}
	return n, nil
}

// put writes a note of vmcoreinfo.
func (b *board) put(at int, text string) {
	head := []byte(strings.Replace(string(coreNote), "????", string(binary.LittleEndian.AppendUint32(nil, uint32(len(text)))), 1))
	copy(b.memory[at:], append(append(head, 0), text...))
}

// TestCoreInfo finds a kernel by its note alone.
func TestCoreInfo(t *testing.T) {
	b := &board{memory: make([]byte, 32<<20)}
	find := func() *Kernel {
		return (&finder{ctx: context.Background(), t: b, s: New(Options{})}).byCoreInfo()
	}
	if k := find(); k != nil {
		t.Errorf("found %+v in memory that has nothing", k)
	}
	b.put(17<<20+16, coreText) // at no page's begin: a copy
	b.put(18<<20, "OSRELEASE=5.10\n")
	if k := find(); k != nil {
		t.Errorf("found %+v where nothing tells of a kernel", k)
	}
	b.put(31<<20, coreText)
	k := find()
	if k == nil || k.Base != 0xffffffff9c600000 || k.Release != "6.1.0-56-cloud-amd64" || hex.EncodeToString(k.BuildID) != "a3c9d8f6c1b2a3948576f0e1d2c3b4a5968778a9" {
		t.Fatalf("found %+v", k)
	}
	info, ok := parseCoreInfo([]byte(coreText))
	if !ok || info.slide != 0x1b600000 || info.disagrees(k) != "" {
		t.Errorf("%+v disagrees in %q", info, info.disagrees(k))
	}
	for want, other := range map[string]Kernel{
		"build-id a3c9d8f6c1b2a3948576f0e1d2c3b4a5968778a9": {Base: k.Base, BuildID: []byte{1, 2}},
		"_stext at ffffffff9c600000":                        {Base: k.Base + 2<<20},
		"a slide of 0x1b600000":                             {Base: k.Base, Path: "vmlinux", Slide: 2 << 20},
	} {
		if got := info.disagrees(&other); got != want {
			t.Errorf("disagrees in %q, want %q", got, want)
		}
	}
}

// FuzzCoreInfo: what a note says comes from a machine that may be broken.
func FuzzCoreInfo(f *testing.F) {
	f.Add([]byte(coreText))
	f.Add([]byte("KERNELOFFSET=\nSYMBOL(_stext)=zz\n=\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, ok := parseCoreInfo(text); ok && (c.text < uint64(lowest) || c.release == "") {
			t.Errorf("%+v", c)
		}
	})
}

// TestIsolatedRoot: two roots are a pair, or nothing is concluded.
func TestIsolatedRoot(t *testing.T) {
	s, le := New(Options{}), binary.LittleEndian
	for _, c := range []struct {
		name         string
		cr3          uint64
		theirs, mine uint64 // entry 3 of the two
		want         uint64
	}{
		{"a program", 0x5801, 0x1067, 1<<63 | 0x1067, 0x4000},
		{"accessed by one", 0x5801, 0x1067, 1<<63 | 0x1047, 0x4000},
		{"the kernel", 0x4000, 0x1067, 1<<63 | 0x1067, 0},
		{"no pair", 0x5000, 0x1067, 0x2067, 0},
		{"nothing mapped", 0x5000, 0, 0, 0},
	} {
		b := &board{memory: make([]byte, 0x6000)}
		le.PutUint64(b.memory[0x5018:], c.theirs)
		le.PutUint64(b.memory[0x4018:], c.mine)
		regs := arch.NewRegisters(arch.NewSet(arch.AMD64, []arch.Register{{Name: "cr3", Size: 8, DWARF: -1}}))
		regs.SetUint(0, c.cr3)
		root, err := s.Root(regs, (&finder{ctx: context.Background(), t: b, s: s}).physical)
		if root != c.want || err != nil {
			t.Errorf("%s: root %#x, %v", c.name, root, err)
		}
	}
}
