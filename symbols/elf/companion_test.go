package elf

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"dap-windbg/symbols"
	"dap-windbg/symbols/dwarf"
)

// byName finds a way of TestWays.
func byName(t *testing.T, name string) way {
	for _, w := range ways {
		if w.name == name {
			return w
		}
	}
	t.Fatalf("no way %q", name)
	return way{}
}

// missing returns what an image misses after it was asked for everything.
func missing(img *Image) []error {
	for s := range img.Lookup("*") {
		_, _ = img.Scopes(s.Offset)
	}
	return img.Missing()
}

// TestWithoutSplitUnits: what the skeleton and the symbol table know is told
// without the .dwo files, and lines need none of them.
func TestWithoutSplitUnits(t *testing.T) {
	for _, name := range []string{"gcc split 5", "gcc split 4", "clang split 5", "clang split 4"} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			full := byName(t, name).make(t)
			want := map[symbols.Offset]string{}
			for s := range full.Lookup("stock::*") {
				if l, ok := full.Line(s.Offset); ok {
					want[s.Offset] = s.Name + " " + line(l)
				}
			}
			img, err := Open(full.Path(), Options{Companions: func(c symbols.Companion) (string, error) {
				asked++
				return "", &symbols.NotFoundError{What: c.String()}
			}})
			if err != nil {
				t.Fatal(err)
			}
			for off := range want {
				if _, ok := img.Line(off); !ok || asked != 0 {
					t.Errorf("a line at 0x%x: %v, with %d other files", off, ok, asked)
				}
			}
			n := 0
			for s := range img.Lookup("stock::*") {
				if l, ok := img.Line(s.Offset); ok {
					n++
					if got := s.Name + " " + line(l); got != want[s.Offset] {
						t.Errorf("%q, want %q", got, want[s.Offset])
					}
				}
			}
			if n < 5 || n != len(want) {
				t.Errorf("%d functions, want %d", n, len(want))
			}
			lost := missing(img)
			if len(lost) != 2 || !errors.As(lost[0], new(*symbols.NotFoundError)) {
				t.Errorf("missing: %v", lost)
			}
			before := asked
			if missing(img); asked != before {
				t.Error("what is missing is asked for again")
			}
		})
	}
}

// TestWrongCompanions: files of other builds are refused.
func TestWrongCompanions(t *testing.T) {
	for _, name := range []string{"gcc split 5", "gcc split 4", "gcc split type units 5", "clang split 4"} {
		a := byName(t, name).make(t)
		dir := filepath.Dir(a.Path())
		one, two := filepath.Join(dir, "one.dwo"), filepath.Join(dir, "two.dwo")
		if err := os.Rename(one, two); err != nil {
			t.Fatal(err)
		}
		img, err := Open(a.Path(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		lost := missing(img)
		wrong := 0
		for _, err := range lost {
			if e := new(dwarf.WrongUnitError); errors.As(err, &e) && len(e.Have) == 1 && e.Want != e.Have[0] {
				wrong++
			}
		}
		if len(lost) != 2 || wrong != 1 {
			t.Errorf("%s: missing: %v", name, lost)
		}
	}
	for _, name := range []string{"gcc dwz -m", "gcc dwz -5 -m"} {
		a, b := byName(t, name).make(t), way{steps: then(link("g++", "-O2 -gdwarf-4 -DOTHER=1"), "cp prog other", "dwz -m common.debug prog other")}.make(t)
		common := filepath.Join(filepath.Dir(b.Path()), "common.debug")
		for _, anyBuild := range []bool{false, true} {
			img, err := Open(a.Path(), Options{AnyBuild: anyBuild, Companions: func(symbols.Companion) (string, error) { return common, nil }})
			if err != nil {
				t.Fatal(err)
			}
			lost := missing(img)
			if !anyBuild && (len(lost) != 1 || !errors.As(lost[0], new(*symbols.MismatchError))) || anyBuild && len(lost) != 0 {
				t.Errorf("%s: any build %v: %v", name, anyBuild, lost)
			}
		}
	}
}
