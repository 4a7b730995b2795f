package natvis_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/eval"
)

// truth is what a program said of one variable.
type truth struct {
	name     string
	text     string // its own line, "" not said
	count    string // of its elements
	elements [][2]string
}

// truths groups the lines "variable, element, text" that a program wrote.
func truths(t *testing.T, lines []string) []*truth {
	t.Helper()
	var out []*truth
	byName := map[string]*truth{}
	for _, l := range lines {
		f := strings.SplitN(l, "\t", 3)
		if len(f) != 3 {
			t.Fatal(l)
		}
		x := byName[f[0]]
		if x == nil {
			x = &truth{name: f[0]}
			byName[f[0]], out = x, append(out, x)
		}
		switch f[1] {
		case "=":
			x.text = f[2]
		case "#":
			x.count = f[2]
		default:
			x.elements = append(x.elements, [2]string{f[1], f[2]})
		}
	}
	return out
}

// elements are all children of o that are no members, by name; the order is theirs.
func elements(t *testing.T, env eval.Env, o *eval.Object) []*eval.Object {
	t.Helper()
	var out []*eval.Object
	const page = 50_000
	for at := 0; ; at += page {
		kids, err := o.Children(context.Background(), env, at, page)
		if err != nil {
			t.Error(o.Name, err)
		}
		for i, k := range kids {
			if (o.Named < 0 || at+i >= o.Named) && k.Name[0] == '[' && k.Name != "[<Raw View>]" && k.Name != "[size]" && k.Name != "[capacity]" {
				out = append(out, k)
			}
		}
		if len(kids) < page {
			return out
		}
	}
}

// testTruth compares each variable with what the program said of it; it returns
// how many elements were compared.
func testTruth(t *testing.T, p *process, m *eval.Model) int {
	env := modelled{p, m}
	n := 0
	for _, x := range truths(t, p.said) {
		o := object(t, m, env, x.name)
		if o.Err != nil {
			t.Errorf("%s: %v", x.name, o.Err)
			continue
		}
		if x.text != "" && o.Text != x.text {
			t.Errorf("%s is %s, not %s", x.name, o.Text, x.text)
		}
		if strings.HasSuffix(x.name, "many") && len(x.elements) < 1_000_000 {
			n += testPages(t, env, o, x)
			continue
		}
		n += compare(t, x, elements(t, env, o))
	}
	return n
}

// compare holds elements against the truth; the first difference of a variable is told.
func compare(t *testing.T, x *truth, got []*eval.Object) int {
	if len(got) != len(x.elements) {
		t.Errorf("%s has %d elements, not %d", x.name, len(got), len(x.elements))
		return 0
	}
	for i, e := range x.elements {
		if o := got[i]; o.Name != e[0] || o.Text != e[1] || o.Err != nil {
			t.Errorf("%s: element %d is %s = %s (%v), not %s = %s", x.name, i, o.Name, o.Text, o.Err, e[0], e[1])
			return i
		}
	}
	return len(got)
}

// testPages looks at the first, a middle and the last page of a million elements.
func testPages(t *testing.T, env eval.Env, o *eval.Object, x *truth) int {
	if o.Indexed != 1_000_000 {
		t.Errorf("%s has %d elements", x.name, o.Indexed)
		return 0
	}
	var got []*eval.Object
	for _, at := range []int{0, 500_000, 999_900} {
		kids, err := o.Children(context.Background(), env, o.Named+at, 100)
		if err != nil || len(kids) != 100 {
			t.Errorf("%s from %d: %d elements, %v", x.name, at, len(kids), err)
			return 0
		}
		got = append(got, kids...)
	}
	return compare(t, x, got)
}

// TestTruth: what is shown of each container is what the program finds in it.
func TestTruth(t *testing.T) {
	for _, l := range libraries(t) {
		t.Run(l.name, func(t *testing.T) {
			var args []string
			if os.Getenv("HEAVY") != "" {
				args = []string{"all"}
			}
			p := start(t, l.compiler, filepath.Join("testdata", "truth.cpp"), args...)
			n := testTruth(t, p, visualizers(t))
			t.Logf("%d elements compared", n)
			if n < 30_000 {
				t.Error("too few elements were compared:", n)
			}
		})
	}
}

// library is a compiler with its standard library.
type library struct {
	name     string
	compiler []string
}

// libraries are those installed, and in the long run the libc++ of another ABI
// layout, which cannot be installed beside the first one.
func libraries(t *testing.T) []library {
	list := []library{
		{"libstdc++", []string{"g++", "-std=c++20", "-g", "-O0"}},
		{"libc++ 14", []string{"clang++", "-std=c++20", "-stdlib=libc++", "-g", "-O0"}},
	}
	if os.Getenv("HEAVY") != "" {
		list = append(list, library{"libc++ 19", []string{"sh", "testdata/libcxx19.sh", "-std=c++20", "-g", "-O0"}})
	}
	return list
}

// TestValues: what is shown of the library's small types is what the program says.
func TestValues(t *testing.T) {
	for _, l := range libraries(t) {
		t.Run(l.name, func(t *testing.T) {
			compiler := append([]string{}, l.compiler...)
			for i, a := range compiler {
				if a == "-std=c++20" && l.name != "libc++ 14" {
					compiler[i] = "-std=c++23"
				}
			}
			p := start(t, compiler, filepath.Join("testdata", "values.cpp"))
			env, m := modelled{p, visualizers(t)}, visualizers(t)
			list := truths(t, p.said)
			for _, x := range list {
				o := object(t, m, env, x.name)
				if o.Err != nil || o.Text != x.text && !strings.HasPrefix(o.Text, x.text+" ") {
					t.Errorf("%s is %s (%v), not %s", x.name, o.Text, o.Err, x.text)
				}
			}
			if len(list) < 65 {
				t.Error("too few values:", len(list))
			}
		})
	}
}
