package elf

import (
	"bytes"
	stdelf "debug/elf"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

const source = `
#include <stdio.h>
__thread int tls = 3;
static int local(int x) { return x + tls; }
int main(int c, char **v) { printf("%d\n", local(c)); return 0; }
`

// compile builds the sample and returns its path.
func compile(tb testing.TB, args ...string) string {
	tb.Helper()
	dir := tb.TempDir()
	src, out := filepath.Join(dir, "a.c"), filepath.Join(dir, "a.out")
	if err := os.WriteFile(src, []byte(source), 0o600); err != nil {
		tb.Fatal(err)
	}
	if b, err := exec.Command("gcc", append(append([]string{"-g", "-Wl,--build-id"}, args...), "-o", out, src)...).CombinedOutput(); err != nil {
		tb.Fatalf("gcc %v: %v\n%s", args, err, b)
	}
	return out
}

func read(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// TestAsStdlib compares headers, sections, segments and symbols.
func TestAsStdlib(t *testing.T) {
	for _, args := range [][]string{{}, {"-no-pie"}, {"-gz=zlib"}, {"-gz=zlib-gnu"}, {"-c"}, {"-static"}} {
		path := compile(t, args...)
		f, err := Parse(read(t, path))
		if err != nil {
			t.Fatal(err)
		}
		want, err := stdelf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer want.Close()
		if f.Entry != want.Entry || uint16(want.Type) != f.Type || uint16(want.Machine) != f.Machine || !f.Is64 {
			t.Errorf("%v: header %+v, stdlib %+v", args, f, want.FileHeader)
		}
		if len(f.Segments) != len(want.Progs) || len(f.Sections) != len(want.Sections) {
			t.Fatalf("%v: %d segments, %d sections; stdlib %d, %d", args, len(f.Segments), len(f.Sections), len(want.Progs), len(want.Sections))
		}
		for i, p := range want.Progs {
			if s := f.Segments[i]; s.Vaddr != p.Vaddr || s.Filesz != p.Filesz || s.Memsz != p.Memsz || s.Offset != p.Off || s.Flags != uint32(p.Flags) || s.Type != uint32(p.Type) {
				t.Errorf("%v: segment %d: %+v, stdlib %+v", args, i, s, p.ProgHeader)
			}
		}
		compareSections(t, f, want)
		compareSymbols(t, f, want)
	}
}

func compareSections(t *testing.T, f *File, want *stdelf.File) {
	t.Helper()
	for i, w := range want.Sections {
		s := &f.Sections[i]
		if s.Name != w.Name || s.Addr != w.Addr || s.Type != uint32(w.Type) {
			t.Errorf("section %d: %+v, stdlib %+v", i, s, w.SectionHeader)
		}
		if w.Type == stdelf.SHT_NOBITS || w.Type == stdelf.SHT_NULL {
			continue
		}
		wd, err1 := w.Data()
		d, err2 := f.Data(s)
		if err1 != nil || err2 != nil || !bytes.Equal(d, wd) {
			t.Errorf("section %s: %d bytes, stdlib %d (%v, %v)", s.Name, len(d), len(wd), err1, err2)
		}
	}
}

func compareSymbols(t *testing.T, f *File, want *stdelf.File) {
	t.Helper()
	std, err := want.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	tab, ok := f.SymbolTable(SecSymtab)
	if !ok {
		t.Fatal("no symbol table")
	}
	i := 0
	for s := range tab.All() {
		w := std[i]
		if string(tab.Name(s.NameOffset)) != w.Name || s.Value != w.Value || s.Size != w.Size || s.Info != w.Info || s.Section != uint16(w.Section) {
			t.Errorf("symbol %d: %+v, stdlib %+v", i, s, w)
		}
		i++
	}
	if i != len(std) {
		t.Errorf("%d symbols, stdlib %d", i, len(std))
	}
}

func TestBuildIDAsReadelf(t *testing.T) {
	path := compile(t)
	out, err := exec.Command("readelf", "-n", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`Build ID: ([0-9a-f]+)`).FindSubmatch(out)
	f, err := Parse(read(t, path))
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(f.BuildID()); want == nil || got != string(want[1]) {
		t.Errorf("build-id %s, readelf says %s", got, want)
	}
}

func TestDebugLink(t *testing.T) {
	path := compile(t)
	debug := filepath.Join(filepath.Dir(path), "a.debug")
	for _, args := range [][]string{{"--only-keep-debug", path, debug}, {"--strip-debug", path}, {"--add-gnu-debuglink=" + debug, path}} {
		if b, err := exec.Command("objcopy", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, b)
		}
	}
	f, err := Parse(read(t, path))
	if err != nil {
		t.Fatal(err)
	}
	name, crc, ok := f.DebugLink()
	if !ok || name != "a.debug" || crc != crc32.ChecksumIEEE(read(t, debug)) {
		t.Errorf("debug link %q %x %v", name, crc, ok)
	}
	d, err := Parse(read(t, debug))
	if err != nil || !bytes.Equal(d.BuildID(), f.BuildID()) {
		t.Errorf("build-ids differ: %x, %x, %v", d.BuildID(), f.BuildID(), err)
	}
}

// TestLoaded: a kernel's per-CPU template does not make the image begin at 0.
func TestLoaded(t *testing.T) {
	load := func(vaddr, size uint64) Segment { return Segment{Type: SegLoad, Vaddr: vaddr, Memsz: size} }
	for _, c := range []struct {
		segments  []Segment
		low, high uint64
	}{
		{nil, 0, 0},
		{[]Segment{{Type: SegNote, Vaddr: 16, Memsz: 16}}, 0, 0},
		{[]Segment{load(0, 0x1234), load(0x2000, 0x10)}, 0, 0x2010},
		{[]Segment{load(0x400123, 0x1000), load(0x402000, 0x10)}, 0x400000, 0x402010},
		{[]Segment{load(0x402000, 0x10), load(0x400000, 0x1000)}, 0x400000, 0x402010},
		{[]Segment{load(0xffffffff81000000, 0x1000), load(0, 0x35000), load(0xffffffff83000000, 0x10)}, 0xffffffff81000000, 0xffffffff83000010},
		{[]Segment{load(0, 0), load(0x1000, 8)}, 0x1000, 0x1008},
	} {
		f := &File{Segments: c.segments}
		if low, high := f.Loaded(); low != c.low || high != c.high {
			t.Errorf("%v: %x-%x, want %x-%x", c.segments, low, high, c.low, c.high)
		}
	}
}

// mapped serves an image as a loader maps it: segments at their addresses.
type mapped struct {
	f   *File
	low uint64
}

func (m mapped) ReadAt(p []byte, off int64) (int, error) {
	b, _, ok := m.f.At(m.low + uint64(off))
	if !ok {
		return 0, errors.New("not mapped")
	}
	if n := copy(p, b); n < len(p) {
		return n, io.EOF
	}
	return len(p), nil
}

func TestMapped(t *testing.T) {
	for _, args := range [][]string{{}, {"-no-pie"}} {
		f, err := Parse(read(t, compile(t, args...)))
		if err != nil {
			t.Fatal(err)
		}
		low, high := f.Loaded()
		m, err := Mapped(mapped{f, low})
		if err != nil {
			t.Fatal(err)
		}
		if l, h := m.Loaded(); l != low || h != high || len(m.Segments) != len(f.Segments) || m.Entry != f.Entry {
			t.Errorf("from memory: %x-%x %+v", l, h, m)
		}
		if !bytes.Equal(m.BuildID(), f.BuildID()) || len(m.BuildID()) == 0 {
			t.Errorf("build-id %x from memory, %x from the file", m.BuildID(), f.BuildID())
		}
		code := make([]byte, 16)
		if err := m.ReadLoaded(f.Entry, code); err != nil {
			t.Error(err)
		}
		if want, _, _ := f.At(f.Entry); !bytes.HasPrefix(want, code) {
			t.Error("code at the entry differs")
		}
	}
	if _, err := Mapped(bytes.NewReader([]byte("\x7fELF"))); err == nil {
		t.Error("four bytes were taken for an image")
	}
}

// TestZstd: gcc of this age cannot write zstd, objcopy cannot either; the header
// is put before what the zstd program makes.
func TestZstd(t *testing.T) {
	text := bytes.Repeat([]byte("section "), 10000)
	cmd := exec.Command("zstd", "-c")
	cmd.Stdin = bytes.NewReader(text)
	z, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(read(t, compile(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		size uint64
		ok   bool
	}{{uint64(len(text)), true}, {uint64(len(text)) + 1, false}, {1 << 40, false}} {
		head := f.Order.(interface {
			AppendUint32([]byte, uint32) []byte
			AppendUint64([]byte, uint64) []byte
		})
		raw := head.AppendUint32(nil, 2)
		raw = head.AppendUint32(raw, 0)
		raw = head.AppendUint64(raw, c.size)
		raw = head.AppendUint64(raw, 1)
		f.data = append(raw, z...)
		s := &Section{Index: int(c.size), Name: ".debug_x", Type: SecProgbits, Flags: FlagCompressed, Size: uint64(len(f.data))}
		got, err := f.Data(s)
		if c.ok != (err == nil) || c.ok && !bytes.Equal(got, text) {
			t.Errorf("size %d: %d bytes, %v", c.size, len(got), err)
		}
	}
}

func TestDamaged(t *testing.T) {
	whole := read(t, compile(t))
	for n := 0; n < len(whole); n += 97 {
		if f, err := Parse(whole[:n]); err == nil {
			visit(f)
		} else if n >= 4096 {
			t.Errorf("cut at %d: %v", n, err) // segments are there, sections are not
		}
	}
	var fe *FormatError
	if _, err := Parse([]byte("not an ELF file at all.")); !errors.As(err, &fe) {
		t.Errorf("got %v", err)
	}
}

// visit asks everything of a file.
func visit(f *File) {
	f.Place(map[string]uint64{".text": 0x7000})
	f.Loaded()
	f.MiniDebug()
	f.BuildID()
	f.DebugLink()
	f.AltLink()
	f.At(f.Entry)
	for _, k := range []uint32{SecSymtab, SecDynsym} {
		if t, ok := f.SymbolTable(k); ok {
			for s := range t.All() {
				t.Name(s.NameOffset)
				t.Version(s.Index)
			}
		}
	}
	for i := range f.Sections {
		f.Data(&f.Sections[i])
		f.Joined(&f.Sections[i])
		for range f.Relocations(&f.Sections[i]) {
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(read(f, compile(f, "-nostdlib", "-Wl,-e,main", "-shared", "-fPIC")))
	f.Add(read(f, compile(f, "-c")))
	for _, target := range targets {
		f.Add(object(f, target))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if file, err := Parse(data); err == nil {
			visit(file)
		}
		if file, err := Mapped(bytes.NewReader(data)); err == nil {
			visit(file)
		}
	})
}
