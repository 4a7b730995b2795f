package cfi

import (
	"bufio"
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// load makes Sections of an ELF file.
func load(t testing.TB, path string) Sections {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cpu := map[elf.Machine]*arch.Arch{elf.EM_X86_64: arch.AMD64, elf.EM_386: arch.I386, elf.EM_AARCH64: arch.ARM64, elf.EM_RISCV: arch.RISCV64}
	s := Sections{Arch: cpu[f.Machine]}
	if s.Arch == nil {
		t.Fatalf("%s: machine %v", path, f.Machine)
	}
	section := func(name string) Section {
		sec := f.Section(name)
		if sec == nil || sec.Type == elf.SHT_NOBITS {
			return Section{}
		}
		data, err := sec.Data()
		if err != nil {
			t.Fatal(err)
		}
		return Section{data, sec.Addr}
	}
	s.EHFrame, s.EHFrameHdr, s.DebugFrame = section(".eh_frame"), section(".eh_frame_hdr"), section(".debug_frame")
	return s
}

// expected is one row as readelf prints it: column name to rule.
type expected struct {
	start, end, loc, until uint64 // the entry's range, and the row's
	cells                  map[string]string
}

var (
	cieLine = regexp.MustCompile(`^(\w+) \w+ \w+ CIE `)
	fdeLine = regexp.MustCompile(`FDE cie=(\w+) pc=(\w+)\.\.(\w+)`)
	named   = regexp.MustCompile(`(r\d+) \(\w+\)`) // "r8 (r8)"
	rowLine = regexp.MustCompile(`^[0-9a-f]{8,16} `)
)

// parseReadelf reads the output of readelf --debug-dump=frames-interp and counts
// the entries. One without rows has the common entry's.
func parseReadelf(t testing.TB, r io.Reader) (out []expected, entries int) {
	t.Helper()
	var columns []string
	common := map[string]map[string]string{}
	cie := ""    // the common entry being read
	var rows int // of the entry being read: a row ends where the next begins
	hex := func(s string) uint64 {
		v, err := strconv.ParseUint(s, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for s := bufio.NewScanner(r); s.Scan(); {
		line := s.Text()
		if m := fdeLine.FindStringSubmatch(line); m != nil {
			start, end := hex(m[2]), hex(m[3])
			out = append(out, expected{start, end, start, end, common[m[1]]})
			entries++
			cie, rows = "", 0
		} else if m := cieLine.FindStringSubmatch(line); m != nil {
			cie = m[1]
		} else if strings.HasPrefix(strings.TrimSpace(line), "LOC") {
			columns = strings.Fields(line)[1:]
		} else if rowLine.MatchString(line) && !strings.Contains(line, "terminator") {
			words := strings.Fields(named.ReplaceAllString(line, "$1"))
			cells := map[string]string{}
			for i, name := range columns {
				cells[name] = words[i+1]
			}
			if cie != "" {
				common[cie] = cells
				continue
			}
			e := &out[len(out)-1]
			if loc := hex(words[0]); rows > 0 {
				e.until = loc
				out = append(out, expected{e.start, e.end, loc, e.end, cells})
			} else {
				e.cells = cells
			}
			rows++
		}
	}
	return out, entries
}

// dwarfNumber finds a register by readelf's name.
func dwarfNumber(set *arch.Set, name string, ra uint64) (uint64, bool) {
	if name == "ra" {
		return ra, true
	}
	if name == "s0" {
		name = "fp"
	}
	i, ok := set.Index(name)
	if !ok {
		return 0, false
	}
	return uint64(set.Regs[i].DWARF), true
}

// cell spells a register's rule as readelf does.
func cell(r Rule) string {
	switch r.Kind {
	case SameValue:
		return "s"
	case AtCFA:
		return fmt.Sprintf("c%+d", r.Offset)
	case CFAPlus:
		return fmt.Sprintf("v%+d", r.Offset)
	case AtExpression:
		return "exp"
	case FromExpression:
		return "vexp"
	case InRegister:
		return fmt.Sprintf("r%d", r.Register)
	}
	return "u"
}

// check compares a row with readelf's.
func check(t testing.TB, set *arch.Set, row *Row, want expected) {
	t.Helper()
	for name, text := range want.cells {
		var got string
		if name == "CFA" {
			got = "exp"
			if row.CFA.Kind == CFAPlus {
				i, _ := set.DWARF(int(row.CFA.Register))
				base := set.Regs[i].Name
				if base == "fp" {
					base = "s0"
				}
				got = fmt.Sprintf("%s%+d", base, row.CFA.Offset)
			}
		} else {
			n, ok := dwarfNumber(set, name, row.RA)
			if !ok {
				t.Fatalf("readelf names a register %q", name)
			}
			got = cell(row.Regs[n])
		}
		if got != text {
			t.Errorf("pc %x: %s is %s, readelf says %s", want.loc, name, got, text)
		}
	}
}

// both runs p through both rowers; they must agree where Delve can be asked.
func both(t testing.TB, u *Unwinder, pc uint64) *Row {
	t.Helper()
	f, err := u.find(pc)
	if err != nil {
		t.Fatalf("pc %x: %v", pc, err)
	}
	p, err := f.listing()
	if err != nil {
		t.Fatalf("pc %x: %v", pc, err)
	}
	own, err := ownRower{}.row(p, pc)
	if err != nil {
		t.Fatalf("pc %x: %v", pc, err)
	}
	if expressible(p) {
		delve, err := delveRower{}.row(p, pc)
		if err != nil {
			t.Fatalf("pc %x: %v", pc, err)
		}
		if !reflect.DeepEqual(own, delve) {
			t.Fatalf("pc %x: own and Delve's row differ:\n%s", pc, cmp.Diff(own, delve))
		}
	}
	own.RA, own.Signal = f.cie.ra, f.cie.signal
	return own
}

// compareAll compares the rows of all entries at their first and last address,
// and returns how many rows and entries those are.
func compareAll(t *testing.T, s Sections, dump io.Reader) (int, int) {
	t.Helper()
	u, set := New(s), s.Arch.DefaultSet()
	rows, entries := parseReadelf(t, dump)
	for _, want := range rows {
		if want.loc >= want.until {
			continue // no address is in it
		}
		row := both(t, u, want.loc)
		check(t, set, row, want)
		for _, pc := range []uint64{want.loc, want.until - 1} {
			if got, err := u.Row(symbols.Offset(pc - s.LinkBase)); err != nil || !reflect.DeepEqual(got, row) {
				t.Errorf("pc %x: Row says %+v, %v; want %+v", pc, got, err, row)
			}
		}
		if r, ok := u.Range(symbols.Offset(want.loc - s.LinkBase)); !ok || uint64(r.Low)+s.LinkBase != want.start || uint64(r.High)+s.LinkBase != want.end {
			t.Errorf("pc %x: range %x, want [%x, %x)", want.loc, r, want.start, want.end)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%d rows of %d entries compared", len(rows), entries)
	return len(rows), entries
}

func readelf(t *testing.T, path string) io.Reader {
	t.Helper()
	out, err := exec.Command("readelf", "--debug-dump=frames-interp,no-follow-links", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReader(string(out))
}

// TestLibc compares every row of the C library, found by search table and by index.
func TestLibc(t *testing.T) {
	path, err := exec.Command("gcc", "-print-file-name=libc.so.6").Output()
	if err != nil {
		t.Fatal(err)
	}
	s := load(t, strings.TrimSpace(string(path)))
	if _, n := compareAll(t, s, readelf(t, strings.TrimSpace(string(path)))); n < 3000 {
		t.Errorf("only %d entries compared", n)
	}
	searched := New(s)
	s.EHFrameHdr = Section{}
	indexed := New(s)
	for _, r := range indexed.index(true) {
		for _, pc := range []uint64{r.start, r.end - 1} {
			a, err := searched.find(pc)
			b, err2 := indexed.find(pc)
			if err != nil || err2 != nil || a.offset != b.offset {
				t.Fatalf("pc %x: %v by table, %v by index", pc, err, err2)
			}
		}
	}
}

// TestCxx compares C++: a program whose functions have cold parts and landing
// pads, and the library it is built upon; heavy runs add the debugger of GNU.
func TestCxx(t *testing.T) {
	out := filepath.Join(t.TempDir(), "match")
	if msg, err := exec.Command("g++", "-O2", "-g", "-o", out, "testdata/match.cpp").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	if symbols, err := exec.Command("nm", out).Output(); err != nil || !bytes.Contains(symbols, []byte(".cold\n")) {
		t.Fatalf("%v, or the program has no cold parts", err)
	}
	path, err := exec.Command("g++", "-print-file-name=libstdc++.so.6").Output()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]int{out: 15, strings.TrimSpace(string(path)): 4000}
	if os.Getenv("HEAVY") != "" {
		gdb, err := exec.LookPath("gdb")
		if err != nil {
			t.Fatal(err)
		}
		files[gdb] = 20000
	}
	for file, least := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			if _, n := compareAll(t, load(t, file), readelf(t, file)); n < least {
				t.Errorf("only %d entries compared", n)
			}
		})
	}
}

// TestKernel compares the kernel's .debug_frame.
func TestKernel(t *testing.T) {
	path := vmlinux(t)
	if _, n := compareAll(t, load(t, path), readelf(t, path)); n < 40000 {
		t.Errorf("only %d entries compared", n)
	}
}

// vmlinux is Debian's kernel with debug information, which only heavy runs read.
func vmlinux(t testing.TB) string {
	t.Helper()
	if os.Getenv("HEAVY") == "" {
		t.Skip("HEAVY=1 runs it")
	}
	all, _ := filepath.Glob("/usr/lib/debug/boot/vmlinux-*")
	if len(all) == 0 {
		t.Fatal("no /usr/lib/debug/boot/vmlinux-*: install linux-image-amd64-dbg")
	}
	return all[0]
}

// TestDebugFrame compares .debug_frame as gcc writes it.
func TestDebugFrame(t *testing.T) {
	out := filepath.Join(t.TempDir(), "calls")
	cmd := exec.Command("gcc", "-O2", "-g", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-nostdlib", "-shared", "-fPIC", "-o", out, "testdata/calls.c")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	s := load(t, out)
	s.EHFrame, s.EHFrameHdr = Section{}, Section{}
	if len(s.DebugFrame.Data) == 0 {
		t.Fatal("no .debug_frame")
	}
	if n, _ := compareAll(t, s, readelf(t, out)); n < 5 {
		t.Errorf("only %d rows compared", n)
	}
}

// TestOtherCPUs compares what clang and lld make for other CPUs.
func TestOtherCPUs(t *testing.T) {
	for _, cpu := range []string{"arm64", "riscv64", "i386"} {
		for _, kind := range []string{"eh", "debug"} {
			t.Run(cpu+"-"+kind, func(t *testing.T) {
				dump, err := os.Open("testdata/" + cpu + "-" + kind + ".frames")
				if err != nil {
					t.Fatal(err)
				}
				defer dump.Close()
				s := load(t, "testdata/"+cpu+"-"+kind+".so")
				s.LinkBase = 0x200
				if n, _ := compareAll(t, s, dump); n < 4 {
					t.Errorf("only %d rows compared", n)
				}
			})
		}
	}
}

// TestSigned: within a function that signs it, the return address is marked.
func TestSigned(t *testing.T) {
	for _, kind := range []string{"eh", "debug"} {
		u := New(load(t, "testdata/arm64-"+kind+".so"))
		signed := 0
		for off := symbols.Offset(0x10000); off < 0x11000; off += 4 {
			if row, err := u.Row(off); err == nil && row.Signed {
				signed++
			}
		}
		if signed < 10 {
			t.Errorf("%s: %d instructions run with a signed return address", kind, signed)
		}
	}
}
