package cfi

import (
	"bufio"
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
	start, end, loc uint64
	cells           map[string]string
}

var (
	fdeLine = regexp.MustCompile(`FDE cie=\w+ pc=(\w+)\.\.(\w+)`)
	named   = regexp.MustCompile(`(r\d+) \(\w+\)`) // "r8 (r8)"
	rowLine = regexp.MustCompile(`^[0-9a-f]{8,16} `)
)

// parseReadelf reads the output of readelf --debug-dump=frames-interp. An entry
// without rows has the common entry's, which is compared as an empty row.
func parseReadelf(t testing.TB, r io.Reader) []expected {
	t.Helper()
	var out []expected
	var columns []string
	var start, end uint64
	in := false
	hex := func(s string) uint64 {
		v, err := strconv.ParseUint(s, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for s := bufio.NewScanner(r); s.Scan(); {
		line := s.Text()
		switch m := fdeLine.FindStringSubmatch(line); {
		case m != nil:
			start, end, in = hex(m[1]), hex(m[2]), true
		case strings.Contains(line, " CIE "), strings.Contains(line, "ZERO terminator"):
			in = false
		case strings.HasPrefix(strings.TrimSpace(line), "LOC"):
			columns = strings.Fields(line)[1:]
		case in && rowLine.MatchString(line):
			cells := strings.Fields(named.ReplaceAllString(line, "$1"))
			e := expected{start: start, end: end, loc: hex(cells[0]), cells: map[string]string{}}
			for i, name := range columns {
				e.cells[name] = cells[i+1]
			}
			out = append(out, e)
		}
	}
	return out
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

func compareAll(t *testing.T, s Sections, dump io.Reader) int {
	t.Helper()
	u, set := New(s), s.Arch.DefaultSet()
	rows := parseReadelf(t, dump)
	for _, want := range rows {
		row := both(t, u, want.loc)
		if check(t, set, row, want); t.Failed() {
			t.FailNow()
		}
		if want.loc != want.start {
			continue
		}
		if got, err := u.Row(symbols.Offset(want.loc - s.LinkBase)); err != nil || !reflect.DeepEqual(got, row) {
			t.Errorf("pc %x: Row says %+v, %v", want.loc, got, err)
		}
		if r, ok := u.Range(symbols.Offset(want.loc - s.LinkBase)); !ok || uint64(r.Low)+s.LinkBase != want.start || uint64(r.High)+s.LinkBase != want.end {
			t.Errorf("pc %x: range %x, want [%x, %x)", want.loc, r, want.start, want.end)
		}
	}
	return len(rows)
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
	if n := compareAll(t, s, readelf(t, strings.TrimSpace(string(path)))); n < 10000 {
		t.Errorf("only %d rows compared", n)
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
	if n := compareAll(t, s, readelf(t, out)); n < 5 {
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
				if n := compareAll(t, s, dump); n < 4 {
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
