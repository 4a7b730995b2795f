package elf

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"dap-windbg/symbols"
)

// macroBuilds are the forms that a preprocessor's log takes.
var macroBuilds = []way{
	{name: "gcc 5", steps: link("g++", "-O0 -gdwarf-5 -g3")},
	{name: "gcc 4", steps: link("g++", "-O0 -gdwarf-4 -g3")},
	{name: "gcc 2, macinfo", steps: link("g++", "-O0 -gdwarf-2 -gstrict-dwarf -g3")},
	{name: "gcc 5, 64 bits", steps: link("g++", "-O0 -gdwarf-5 -gdwarf64 -g3")},
	{name: "gcc split 5", steps: link("g++", "-O0 -gdwarf-5 -g3 -gsplit-dwarf")},
	{name: "gcc object", file: "two.o", steps: link("g++", "-O0 -gdwarf-5 -g3")},
	{name: "gcc dwz -m", steps: then(link("g++", "-O0 -gdwarf-5 -g3"), "cp prog other", "dwz -m common.debug prog other")},
	{name: "gcc dwz -5 -m", steps: then(link("g++", "-O0 -gdwarf-5 -g3"), "cp prog other", "dwz -5 -m common.debug prog other")},
	{name: "clang 5", steps: link("clang++", "-O0 -gdwarf-5 -fdebug-macro")},
	{name: "clang 4, macinfo", steps: link("clang++", "-O0 -gdwarf-4 -fdebug-macro")},
	{name: "clang split 5", steps: link("clang++", "-O0 -gdwarf-5 -fdebug-macro -gsplit-dwarf")},
}

func TestMacros(t *testing.T) {
	cases := []struct {
		function, name string
		want           string // text, "-" for none
		params         string
		line           string
	}{
		{"stock::appraise", "LIMIT", "30", "", "two.cc:4"},
		{"stock::appraise", "LARGER", "((a) > (b) ? (a) : (b))", "a,b", "ways.h:4"},
		{"stock::appraise", "OFFSET", "-", "", ""},
		{"stock::Part::value", "LIMIT", "24", "", "ways.h:3"},
		{"stock::Part::value", "OFFSET", "7", "", "one.cc:2"},
		{"stock::Part::value", "JOIN", "a ##b", "a,b", "one.cc:3"},
		{"stock::Part::value", "OFF", "-", "", ""},
		{"stock::Part::value", "__cplusplus", "201703L", "", ""},
		// Inlined from the header: it does not see what comes after it.
		{"stock::Shelf<stock::Part, 24>::total", "LIMIT", "24", "", "ways.h:3"},
		{"stock::Shelf<stock::Part, 24>::total", "OFFSET", "-", "", ""},
	}
	for _, w := range macroBuilds {
		t.Run(w.name, func(t *testing.T) {
			img := w.make(t)
			n := 0
			for _, c := range cases {
				var at symbols.Offset
				for s := range img.Lookup(c.function) {
					at = s.Offset
				}
				if at == 0 && w.file != "" {
					continue // in the other object
				}
				if w.name == "gcc split 5" && (strings.Contains(c.line, ".h") || c.name == "__cplusplus") {
					continue // GCC does not relocate imports in .dwo files
				}
				if strings.HasPrefix(w.name, "clang") && c.name == "__cplusplus" {
					continue // LLVM does not write predefined ones
				}
				n++
				m, ok := img.Macro(at, c.name)
				if !ok {
					m.Text = "-"
				}
				if c.name == "__cplusplus" && ok {
					m.Decl, m.Text = symbols.Line{}, c.want // as the compiler likes
				}
				if strings.ReplaceAll(m.Text, "##", " ##") == c.want {
					m.Text = c.want
				}
				if m.Text != c.want || strings.Join(m.Params, ",") != c.params || c.line != "" && line(m.Decl) != c.line {
					t.Errorf("in %s: %s is %q (%v) of %s", c.function, c.name, m.Text, m.Params, line(m.Decl))
				}
			}
			if n < 3 {
				t.Errorf("only %d macros", n)
			}
			for _, m := range img.Missing() {
				t.Error(m)
			}
		})
	}
}

// gdbMacro matches a line of gdb's "info macros".
var gdbMacro = regexp.MustCompile(`(?m)^(?:#define |-D)(.*)$`)

// TestMacrosAsGDB compares all macros of a place with those gdb lists.
func TestMacrosAsGDB(t *testing.T) {
	for _, w := range macroBuilds {
		if strings.Contains(w.name, "dwz -5") || strings.Contains(w.name, "object") || strings.Contains(w.name, "split") {
			continue // gdb does not follow these
		}
		t.Run(w.name, func(t *testing.T) {
			img := w.make(t)
			for _, fn := range []string{"stock::appraise", "stock::Part::value"} {
				var at symbols.Offset
				for s := range img.Lookup(fn) {
					at = s.Offset
				}
				var want, got []string
				for _, m := range gdbMacro.FindAllStringSubmatch(tool(t, "gdb", "-batch", "-nx", "-ex", "info macros "+fn, img.Path()), -1) {
					s := m[1]
					if m[0][0] == '-' {
						s = strings.Replace(s, "=", " ", 1)
					}
					if !strings.HasPrefix(s, "__FILE__") && !strings.HasPrefix(s, "__LINE__") {
						want = append(want, strings.Join(strings.Fields(s), " "))
					}
				}
				for m := range img.MacrosAt(at) {
					s := m.Name
					if m.Function {
						s += "(" + strings.Join(m.Params, ", ") + ")"
					}
					got = append(got, strings.Join(strings.Fields(s+" "+m.Text), " "))
				}
				slices.Sort(want)
				slices.Sort(got)
				want, got = slices.Compact(want), slices.Compact(got)
				if len(want) < 2 || !slices.Equal(want, got) {
					t.Errorf("%s: %d macros, gdb has %d: only gdb %q, only we %q", fn, len(got), len(want), without(want, got), without(got, want))
				}
			}
		})
	}
}

// without returns what of a is not in b.
func without(a, b []string) (out []string) {
	for _, s := range a {
		if !slices.Contains(b, s) {
			out = append(out, s)
		}
	}
	return out[:min(len(out), 10)]
}
