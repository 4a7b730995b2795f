package orc

import (
	"debug/elf"
	"os"
	"path/filepath"
	"sort"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/symbols/cfi"
)

// kernel opens Debian's kernel with debug information, which only heavy runs read.
func kernel(t *testing.T) (*elf.File, func(string) ([]byte, uint64)) {
	t.Helper()
	if os.Getenv("HEAVY") == "" {
		t.Skip("HEAVY=1 runs it")
	}
	all, _ := filepath.Glob("/usr/lib/debug/boot/vmlinux-*")
	if len(all) == 0 {
		t.Fatal("no /usr/lib/debug/boot/vmlinux-*: install linux-image-amd64-dbg")
	}
	f, err := elf.Open(all[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, func(name string) ([]byte, uint64) {
		s := f.Section(name)
		if s == nil {
			return nil, 0
		}
		data, err := s.Data()
		if err != nil {
			t.Fatal(err)
		}
		return data, s.Addr
	}
}

// TestKernel compares the CFA, the return address and RBP of each entry that
// has call frame information with it.
func TestKernel(t *testing.T) {
	f, section := kernel(t)
	part := func(name string) Section { data, addr := section(name); return Section{data, addr} }
	u := New(Sections{IP: part(".orc_unwind_ip"), Unwind: part(".orc_unwind"), Header: part(".orc_header"), ReadOnly: part(".rodata")})
	frames, at := section(".debug_frame")
	other := cfi.New(cfi.Sections{DebugFrame: cfi.Section{Data: frames, Addr: at}, Arch: arch.AMD64})
	names, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	sort.Slice(names, func(i, j int) bool { return names[i].Value < names[j].Value })
	name := func(pc uint64) string {
		i := sort.Search(len(names), func(i int) bool { return names[i].Value > pc })
		if i == 0 {
			return "?"
		}
		return names[i-1].Name
	}
	u.once.Do(u.open)
	compared, equal, none, differ := 0, 0, 0, map[string]int{}
	example := map[string]uint64{}
	for i := range u.count {
		pc := u.start(i)
		if i+1 < u.count && u.start(i+1) == pc {
			continue // one section's end and the next one's start
		}
		compared++
		e, ok := u.find(pc)
		if !ok || e != u.entry(i) {
			t.Fatalf("pc %x: %+v, %v; want %+v", pc, e, ok, u.entry(i))
		}
		row, err := other.Row(symbols.Offset(pc))
		if err != nil {
			none++
			continue
		}
		why := compare(e, row)
		if why == "" {
			equal++
			continue
		}
		if differ[why]++; example[why] == 0 {
			example[why] = pc
		}
	}
	t.Logf("%d entries, %d of them with code: %d equal, %d without call frame information", u.count, compared, equal, none)
	for why, n := range differ {
		t.Logf("%d %s, first at %x %s", n, why, example[why], name(example[why]))
		if explained[why] == 0 || n > compared/explained[why] {
			t.Errorf("%d %s", n, why)
		}
	}
	if equal < 300_000 {
		t.Errorf("only %d are equal", equal)
	}
}

// explained are the differences that are expected, at most one in so many
// entries. In the first two the kernel's own table is right.
var explained = map[string]int{
	"words pushed by inline assembly": 500,  // pushf, push of a fake interrupt frame: compilers do not know
	"stack switch":                    5000, // inline assembly too
	"no rule":                         200,  // code that objtool takes for unreachable
}

// compare says how a rule and a row differ, "" when they do not.
func compare(e entry, row *cfi.Row) string {
	switch e.kind {
	case unknown:
		return "no rule"
	case end:
		return "end"
	case regs, partial:
		return "saved registers"
	}
	numbers := map[register]uint64{bp: 6, sp: 7, r10: 10, r13: 13, dx: 1, di: 5, ax: 0}
	c := row.CFA
	switch e.sp {
	case sp, bp:
		if pushed := e.spOff - c.Offset; c.Kind == cfi.CFAPlus && c.Register == 7 && e.sp == sp && pushed > 0 && pushed <= 40 && pushed%8 == 0 {
			return "words pushed by inline assembly"
		}
		if c.Kind != cfi.CFAPlus || c.Register != numbers[e.sp] || c.Offset != e.spOff {
			return "CFA"
		}
	case bpIndirect:
		if c.Kind != cfi.FromExpression || len(c.Expression) != 3 || c.Expression[0] != 0x76 || c.Expression[2] != 6 || int64(int8(c.Expression[1]<<1))>>1 != e.spOff {
			return "CFA by memory"
		}
	case spIndirect:
		return "stack switch"
	default:
		if c.Kind != cfi.CFAPlus || c.Register != numbers[e.sp] || c.Offset != 0 {
			return "CFA by register"
		}
	}
	if ra := row.Regs[16]; ra.Kind != cfi.AtCFA || ra.Offset != -8 {
		return "return address"
	}
	r := row.Regs[6]
	switch e.bp {
	case undefined:
		if r.Kind != cfi.Unspecified && r.Kind != cfi.SameValue {
			return "RBP unchanged"
		}
	case prevSP:
		if r.Kind != cfi.AtCFA || r.Offset != e.bpOff {
			return "RBP saved"
		}
	case bp: // at DW_OP_breg6 0
		if r.Kind != cfi.AtExpression || string(r.Expression) != "\x76\x00" || e.bpOff != 0 {
			return "RBP saved by RBP"
		}
	}
	return ""
}
