package elf

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/symbols"
)

// breakpointAt matches gdb's answer to "break": the place, and how many there are.
var breakpointAt = regexp.MustCompile(`Breakpoint \d+ at 0x([0-9a-f]+)(.*locations)?`)

// TestBodyAsGDB sets a breakpoint by name on every function of the samples, in
// gdb and here: they must land at the same address.
func TestBodyAsGDB(t *testing.T) {
	for _, options := range []string{"g++ -O0 -gdwarf-5", "g++ -O0 -gdwarf-4", "g++ -O2 -gdwarf-5", "g++ -O1 -gdwarf-5", "g++ -O2 -gdwarf-5 -flto", "clang++ -O0 -gdwarf-5"} {
		t.Run(options, func(t *testing.T) {
			img := open(t, options, "shapes.cc")
			var funcs []symbols.Symbol
			script := []string{"-batch", "-nx", "-ex", "set breakpoint pending off"}
			for s := range img.Lookup("*") {
				if s.Kind != symbols.Function || s.Public || strings.Contains(s.Name, "thunk") || strings.HasSuffix(s.Name, ".cold") {
					continue // these have no debug information of their own
				}
				link := s.Linkage
				if link == "" {
					link = s.Name
				}
				funcs = append(funcs, s)
				script = append(script, "-ex", "break "+link)
			}
			if len(funcs) < 5 {
				t.Fatalf("%d functions", len(funcs))
			}
			out := breakpointAt.FindAllStringSubmatch(tool(t, "gdb", append(script, img.Path())...), -1)
			if len(out) != len(funcs) {
				t.Fatalf("gdb set %d breakpoints of %d", len(out), len(funcs))
			}
			for k, s := range funcs {
				if out[k][2] != "" { // gdb takes a destructor's name for all its variants
					continue
				}
				want, _ := strconv.ParseUint(out[k][1], 16, 64)
				p, ok := img.Body(s.Offset)
				if got := uint64(p.Offset) + img.LinkBase(); !ok || got != want {
					t.Errorf("%s at 0x%x: 0x%x, gdb says 0x%x", s.Name, uint64(s.Offset)+img.LinkBase(), got, want)
				}
			}
		})
	}
}

// TestPlacesAsGDB compares the places of every line of the unoptimised sample.
// Optimised ones differ on purpose: gdb forgets lines whose code another file's
// line begins with.
func TestPlacesAsGDB(t *testing.T) {
	for _, options := range []string{"g++ -O0 -gdwarf-5", "g++ -O0 -gdwarf-4", "clang++ -O0 -gdwarf-5"} {
		t.Run(options, func(t *testing.T) { comparePlaces(t, open(t, options, "shapes.cc")) })
	}
}

func comparePlaces(t *testing.T, img *Image) {
	const last = 115
	script := []string{"-batch", "-nx"}
	for line := 1; line <= last; line++ {
		script = append(script, "-ex", fmt.Sprintf("echo @@%d\\n", line), "-ex", fmt.Sprintf("break shapes.cc:%d", line), "-ex", "info breakpoints", "-ex", "delete")
	}
	addr := regexp.MustCompile(`0x[0-9a-f]{16}`)
	for k, text := range strings.Split(tool(t, "gdb", append(script, img.Path())...), "@@")[1:] {
		line := k + 1
		want := map[uint64]bool{}
		for _, a := range addr.FindAllString(text, -1) {
			n, _ := strconv.ParseUint(a[2:], 16, 64)
			if s, ok := img.At(symbols.Offset(n - img.LinkBase())); ok && strings.Contains(s.Name, "thunk") {
				continue // it goes on to the function, which is another place
			}
			want[n] = true
		}
		got := map[uint64]bool{}
		for _, p := range img.Places("shapes.cc", line) {
			got[uint64(p.Offset)+img.LinkBase()] = true
		}
		if !maps.Equal(got, want) {
			t.Errorf("line %d: %x, gdb says %x", line, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
	}
}
