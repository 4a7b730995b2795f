package natvis_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/launch"
	"dap-windbg/targets"
	"dap-windbg/targets/wire"
)

// live is a program stopped under a real gdbserver.
type live struct {
	t     *testing.T
	ctx   context.Context
	s     *engine.Session
	trace string
}

// stopAt runs bin to a line of file.
func stopAt(t *testing.T, bin, file string, line int) *live {
	t.Helper()
	t.Setenv("DEBUGINFOD_URLS", "")
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	p := launch.NewPlan()
	p.Program = targets.Program{Path: bin}
	p.Trace = filepath.Join(t.TempDir(), "trace")
	d, err := launch.Start(ctx, p, launch.Hooks{Emit: func(engine.Event) {}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close(context.Background(), targets.Kill) })
	l := &live{t, ctx, d.Session(), p.Trace}
	if _, err := l.s.SetBreakpoints(ctx, "test", []engine.Breakpoint{{ID: -1, File: file, Line: line}}); err != nil {
		t.Fatal(err)
	}
	if err := l.s.Resume(ctx, engine.How{}); err != nil {
		t.Fatal(err)
	}
	stop, err := l.s.Wait(ctx)
	if err != nil || len(stop.Breakpoints) == 0 {
		t.Fatal(stop, err)
	}
	return l
}

// lookHere is the line of a source file that says so.
func lookHere(t *testing.T, file string) int {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range strings.Split(string(data), "\n") {
		if strings.Contains(l, "look here") {
			return i + 1
		}
	}
	t.Fatal("no line to look at in", file)
	return 0
}

// object evaluates src and expands it whole.
func (l *live) object(src string) (o *eval.Object, kids []*eval.Object) {
	l.t.Helper()
	err := l.s.Do(l.ctx, func(ctx context.Context, v *engine.View) error {
		f, err := v.Frame(ctx)
		if err != nil {
			return err
		}
		if o, err = v.Object(ctx, f, src, src); err != nil {
			return err
		}
		kids, err = v.Children(ctx, f, o, 0, -1)
		return err
	})
	if err != nil {
		l.t.Fatalf("%s: %v", src, err)
	}
	return o, kids
}

// trips counts the round trips so far.
func (l *live) trips() int {
	l.t.Helper()
	f, err := os.Open(l.trace)
	if err != nil {
		l.t.Fatal(err)
	}
	defer f.Close()
	list, err := wire.Parse(f)
	if err != nil {
		l.t.Fatal(err)
	}
	return wire.RoundTrips(list)
}

// page expands part of src, and returns it with the round trips that it took.
func (l *live) page(src string, from, count int) ([]*eval.Object, int) {
	l.t.Helper()
	before := l.trips()
	var kids []*eval.Object
	err := l.s.Do(l.ctx, func(ctx context.Context, v *engine.View) error {
		f, err := v.Frame(ctx)
		if err != nil {
			return err
		}
		o, err := v.Object(ctx, f, src, src)
		if err != nil {
			return err
		}
		kids, err = v.Children(ctx, f, o, o.Named+from, count)
		return err
	})
	if err != nil {
		l.t.Fatalf("%s: %v", src, err)
	}
	return kids, l.trips() - before
}

// TestTrips: a page of a large container costs what that page needs.
func TestTrips(t *testing.T) {
	source := filepath.Join("testdata", "truth.cpp")
	bin := filepath.Join(t.TempDir(), "truth")
	build(t, ".", "g++", "-std=c++20", "-g", "-O0", "-o", bin, source)
	l := stopAt(t, bin, "truth.cpp", lookHere(t, source))
	l.object("all") // the frame itself is known from here on
	pages := []struct {
		src        string
		from       int
		name, text string
		most       int // round trips
	}{
		{"vecmany", 500_000, "[500000]", "1500000", 2},
		{"vecint[3]", 0, "[0]", "-3", 2},
		{"vectext[3]", 500, "[500]", `"w500"`, 3},
		{"deqint[3]", 600, "[600]", "4197", 4},
		{"mapmany", 0, "[0]", "-9", 40},
		{"lstmany", 0, "[0]", "-1", 20},
		{"mapmany", 500_000, "[1000000]", "499991", 1_500}, // walked to, in large blocks
		{"mapmany", 500_100, "[1000200]", "500091", 1_500},
	}
	if os.Getenv("HEAVY") == "" {
		pages = pages[:len(pages)-2]
	}
	for _, tt := range pages {
		kids, trips := l.page(tt.src, tt.from, 100)
		t.Logf("%s from %d: %d round trips", tt.src, tt.from, trips)
		if len(kids) != 100 || kids[0].Name != tt.name || kids[0].Text != tt.text {
			t.Errorf("%s from %d: %d elements, %v", tt.src, tt.from, len(kids), kids[0])
		}
		if trips > tt.most {
			t.Errorf("%s from %d takes %d round trips, more than %d", tt.src, tt.from, trips, tt.most)
		}
	}
}

// unordered are containers whose order differs from run to run.
var unordered = regexp.MustCompile(`^(map|set)\w+`)

// notElements are children in brackets that are no elements.
var notElements = map[string]bool{"[<Raw View>]": true, "[capacity]": true, "[len]": true, "[cap]": true}

// compare holds what is shown against what another run of the program said.
func (l *live) compare(x *truth) int {
	l.t.Helper()
	o, kids := l.object(x.name)
	if o.Err != nil {
		l.t.Errorf("%s: %v", x.name, o.Err)
		return 0
	}
	if x.text != "" && o.Text != x.text {
		l.t.Errorf("%s is %s, not %s", x.name, o.Text, x.text)
	}
	var got [][2]string
	if x.count == "" { // single members are told
		for _, e := range x.elements {
			k := slices.IndexFunc(kids, func(k *eval.Object) bool { return k.Name == e[0] })
			if k < 0 || kids[k].Text != e[1] {
				l.t.Errorf("%s has no %s = %s", x.name, e[0], e[1])
			}
		}
		return len(x.elements)
	}
	for _, k := range kids {
		if k.Name[0] == '[' && !notElements[k.Name] {
			got = append(got, [2]string{k.Name, k.Text})
			if k.Err != nil {
				l.t.Errorf("%s%s: %v", x.name, k.Name, k.Err)
			}
		}
	}
	want := x.elements
	if unordered.MatchString(x.name) {
		got, want = sorted(x.name, got), sorted(x.name, want)
	}
	if len(got) != len(want) {
		l.t.Errorf("%s has %d elements, not %d", x.name, len(got), len(want))
		return 0
	}
	for i := range want {
		if got[i] != want[i] {
			l.t.Errorf("%s: element %d is %s, not %s", x.name, i, got[i], want[i])
			return i
		}
	}
	return len(got)
}

// sorted orders elements; those of a set have no names that mean anything.
func sorted(name string, list [][2]string) [][2]string {
	out := slices.Clone(list)
	for i := range out {
		if strings.HasPrefix(name, "set") {
			out[i][0] = ""
		}
	}
	slices.SortFunc(out, func(a, b [2]string) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return out
}

// said runs the program by itself.
func said(t *testing.T, bin string) []string {
	t.Helper()
	out, _ := exec.Command(bin).Output()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) < 2 || lines[len(lines)-1] != "ready" {
		t.Fatalf("%s: %q", bin, lines[len(lines)-1])
	}
	return lines[:len(lines)-1]
}

// testSource compares all that a program says of its variables.
func testSource(t *testing.T, bin, source string, least int) {
	l := stopAt(t, bin, filepath.Base(source), lookHere(t, source))
	n := 0
	for _, x := range truths(t, said(t, bin)) {
		n += l.compare(x)
	}
	t.Logf("%d elements compared", n)
	if n < least {
		t.Error("too few elements were compared:", n)
	}
}

// tool finds a program on the path, or where its own installer puts it.
func tool(t *testing.T, name string, places ...string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, p := range places {
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	t.Fatalf("%s is needed for this test", name)
	return ""
}

func build(t *testing.T, dir string, command ...string) {
	t.Helper()
	c := exec.Command(command[0], command[1:]...)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
}

// TestRust: what is shown of Rust's standard types is what the program finds in them.
func TestRust(t *testing.T) {
	source, err := filepath.Abs(filepath.Join("testdata", "rust.rs"))
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(t.TempDir(), "rust")
	home, _ := os.UserHomeDir()
	build(t, t.TempDir(), tool(t, "rustc", filepath.Join(home, ".cargo/bin/rustc")), "--edition=2021", "-g", "-A", "warnings", "-o", bin, source)
	testSource(t, bin, source, 10_000)
}

// TestGo: the same for Go, whose types have other names and whose interfaces tell
// their type at run time.
func TestGo(t *testing.T) {
	dir, err := filepath.Abs(filepath.Join("testdata", "golang"))
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(t.TempDir(), "golang")
	build(t, dir, "go", "build", "-gcflags=-N -l", "-o", bin, ".")
	source := filepath.Join(dir, "main.go")
	testSource(t, bin, source, 5_000)
	l := stopAt(t, bin, "main.go", lookHere(t, source))
	for src, want := range map[string]string{
		"failure": `^\*errors\.errorString 0x[0-9a-f]+`,
		"anyptr":  `^\*main\.point 0x[0-9a-f]+`,
		"shape":   `^\*main\.point 0x[0-9a-f]+`,
		"twice":   `golang!main\.(init\.func1|glob\.\.func1)`,
	} {
		if o, _ := l.object(src); !regexp.MustCompile(want).MatchString(o.Text) {
			t.Errorf("%s is %s, not %s", src, o.Text, want)
		}
	}
}

// corners are values that debuggers get wrong, and what they are: text and, where
// that says too little, one child.
var corners = map[string]string{
	"bottom.t": "1", "left.t": "1", "bottom.l + bottom.r + bottom.b": "9",
	"bits.s3": "-3", "bits.s5": "-16", "bits.i7": "-64", "bits.u9": "0x1ff", "bits.big": "-549755813888", "bits.flag": "true",
	"anon.kind": "7", "anon.number": "131073", "anon.low": "1", "anon.high": "2", "anon.named.inner": "9", "anon.bytes": `"abc"`,
	"member": "&C::second", "nomember": "0x0", "third": "&D::third", "method": "&C::f", "virt": "&C::v", "virt2": "&D::w", "nomethod": "0x0",
	"&C::second": "&C::second", "c.*member": "2", "d.*third": "3", "c.*(&C::first)": "1",
	"color": "Green (200)", "flags": "A | C4 (5)", "odd": "9", "matrix[1][2]": "6", "wide": "-1267650600228229401496703205376",
	"extended": "1.5", "hidden": "11", "local.a": "12", "outer::nested": "13", "C::shared": "42", "c.shared": "42",
	"holder.good": `"good"`, "holder.last": "2", `holder.good == "good"`: "true",
}

// TestCorners looks at them on a running program, as GCC and clang describe it.
func TestCorners(t *testing.T) {
	source := filepath.Join("testdata", "corners.cpp")
	for _, compiler := range []string{"g++", "clang++"} {
		bin := filepath.Join(t.TempDir(), "corners")
		build(t, ".", compiler, "-std=c++20", "-g", "-O0", "-o", bin, source)
		l := stopAt(t, bin, "corners.cpp", lookHere(t, source))
		for src, want := range corners {
			if o, _ := l.object(src); o.Text != want || o.Err != nil {
				t.Errorf("%s: %s is %s (%v), not %s", compiler, src, o.Text, o.Err, want)
			}
		}
		// one member that cannot be read leaves the others as they are
		_, kids := l.object("holder")
		if len(kids) != 5 || kids[0].Text != "1" || kids[3].Text != `"good"` || kids[4].Text != "2" {
			t.Errorf("%s: %d members, %v", compiler, len(kids), kids)
		}
		_, kids = l.object("broken")
		for _, k := range kids {
			if k.Err == nil || !strings.HasPrefix(k.Err.Error(), "Unable to read memory at Address 0x") {
				t.Errorf("%s: broken.%s: %v", compiler, k.Name, k.Err)
			}
		}
	}
}

// TestFortran: arrays with their own bounds, allocated ones, strings and records.
func TestFortran(t *testing.T) {
	source := filepath.Join("testdata", "fortran.f90")
	bin := filepath.Join(t.TempDir(), "fortran")
	build(t, ".", "gfortran", "-g", "-O0", "-o", bin, source)
	l := stopAt(t, bin, "fortran.f90", lookHere(t, source))
	for src, want := range map[string][]string{
		"a":    {"", "[1]", "1", "[2]", "2", "[3]", "3"},
		"v":    {"", "[1]", "2.5", "[2]", "2.5", "[3]", "2.5", "[4]", "2.5"},
		"s":    {`"hello"`},
		"z":    {"1 + 2i"},
		"flag": {"true"},
		"p":    {"", "x", "7", "y", "1.5"},
	} {
		o, kids := l.object(src)
		if o.Text != want[0] || o.Err != nil {
			t.Errorf("%s is %s (%v), not %s", src, o.Text, o.Err, want[0])
		}
		for i, x := range want[1:] {
			if i/2 >= len(kids) || i%2 == 0 && kids[i/2].Name != x || i%2 == 1 && kids[i/2].Text != x {
				t.Errorf("%s: child %d is not %s", src, i/2, x)
			}
		}
	}
}
