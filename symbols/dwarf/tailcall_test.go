package dwarf_test

import (
	godwarf "debug/dwarf"
	goelf "debug/elf"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/symbols/dwarf"
)

// callSite is a call as the standard library's reader tells it.
type callSite struct {
	pc       uint64
	tail     bool
	indirect bool
	callee   godwarf.Offset
	caller   uint64 // the function's entry
	all      bool   // the function says that it lists all its calls
}

const (
	callReturnPC = 0x7d
	callOrigin   = 0x7f
	callTail     = 0x82
	callTarget   = 0x83
	gnuTarget    = 0x2113
	gnuTail      = 0x2115
	gnuAllCalls  = 0x2117
	allCalls     = 0x7a
	tagSite      = 0x48
	tagGNUSite   = 0x4109
)

func callSites(t *testing.T, d *godwarf.Data) (out []callSite) {
	t.Helper()
	type fn struct {
		depth int
		low   uint64
		all   bool
	}
	var in []fn
	depth := 0
	for r := d.Reader(); ; {
		e, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e == nil {
			return out
		}
		if e.Tag == 0 {
			if depth--; len(in) > 0 && in[len(in)-1].depth == depth {
				in = in[:len(in)-1]
			}
			continue
		}
		flag := func(a godwarf.Attr) bool { v, _ := e.Val(a).(bool); return v }
		if rs, _ := d.Ranges(e); e.Tag == godwarf.TagSubprogram && e.Children && len(rs) > 0 {
			in = append(in, fn{depth, rs[0][0], flag(allCalls) || flag(gnuAllCalls)})
		}
		if e.Tag == tagSite || e.Tag == tagGNUSite {
			pc, _ := e.Val(callReturnPC).(uint64)
			if e.Tag == tagGNUSite {
				pc, _ = e.Val(godwarf.AttrLowpc).(uint64)
			}
			s := callSite{pc: pc, tail: flag(callTail) || flag(gnuTail), caller: in[len(in)-1].low, all: in[len(in)-1].all}
			s.indirect = e.Val(callTarget) != nil || e.Val(gnuTarget) != nil
			if s.callee, _ = e.Val(callOrigin).(godwarf.Offset); s.callee == 0 {
				s.callee, _ = e.Val(godwarf.AttrAbstractOrigin).(godwarf.Offset)
			}
			out = append(out, s)
		}
		if e.Children {
			depth++
		}
	}
}

// TestCalls compares the calls that functions record with the standard
// library's reader.
func TestCalls(t *testing.T) {
	for _, flags := range []string{"-O2 -gdwarf-5", "-O2 -gdwarf-4", "-O3 -gdwarf-5 -fno-pie -no-pie"} {
		t.Run(flags, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "calls")
			if out, err := exec.Command("g++", append(strings.Fields(flags), "-o", path, "testdata/calls.cpp")...).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			f, err := goelf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			std, err := f.DWARF()
			if err != nil {
				t.Fatal(err)
			}
			d := dwarf.New(dwarf.Options{Arch: arch.AMD64, Section: func(name string) []byte {
				s := f.Section(name)
				if s == nil {
					return nil
				}
				data, err := s.Data()
				if err != nil {
					t.Fatal(err)
				}
				return data
			}})
			tails := map[uint64]int{}
			sites, direct, named := callSites(t, std), 0, 0
			for _, want := range sites {
				got, ok := d.CallAt(symbols.Offset(want.pc))
				if !ok || uint64(got.PC) != want.pc || got.Tail != want.tail || got.Exact {
					t.Errorf("the call before %x: %+v, %v; want %+v", want.pc, got, ok, want)
					continue
				}
				if want.tail && want.all {
					tails[want.caller]++
				}
				if want.callee == 0 || want.indirect {
					if got.Direct || got.Name != "" {
						t.Errorf("the call before %x goes anywhere: %+v", want.pc, got)
					}
					continue
				}
				r := std.Reader()
				r.Seek(want.callee)
				e, err := r.Next()
				if err != nil {
					t.Fatal(err)
				}
				if low, ok := e.Val(godwarf.AttrLowpc).(uint64); ok {
					if direct++; !got.Direct || uint64(got.Target) != low {
						t.Errorf("the call before %x enters %x: %+v", want.pc, low, got)
					}
				} else if named++; got.Direct || got.Name == "" {
					t.Errorf("the call before %x has no name: %+v", want.pc, got)
				}
			}
			for entry, n := range tails {
				if got, ok := d.TailCalls(symbols.Offset(entry)); !ok || len(got) != n {
					t.Errorf("the function at %x makes %d tail calls: %+v, %v", entry, n, got, ok)
				}
				if got, ok := d.TailCalls(symbols.Offset(entry + 1)); ok {
					t.Errorf("no function begins at %x: %+v", entry+1, got)
				}
			}
			t.Logf("%d calls, %d of functions here, %d by name, tail calls of %d functions", len(sites), direct, named, len(tails))
			if len(sites) < 10 || direct < 2 || named < 2 || len(tails) < 4 {
				t.Error("too few calls to compare")
			}
		})
	}
}
