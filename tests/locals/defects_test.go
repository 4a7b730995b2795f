package locals

import (
	"os/exec"
	"strings"
	"testing"
)

// truth runs a program and returns what it prints, by the first word of a line.
func truth(t *testing.T, program string) map[string]string {
	t.Helper()
	out, err := exec.Command(program).Output()
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		m[name] = value
	}
	return m
}

// atProbe stops both debuggers where probe is entered.
func atProbe(t *testing.T, program, probe string) (mine, theirs []frame) {
	t.Helper()
	p := plan{Program: program, Frames: 6, Tail: true, Start: symbol(t, program, "_start"),
		Places: []place{{At: symbol(t, program, probe)}}}
	a, b := ours(t, p), oracle(t, p)
	if len(a) < 1 || len(b) < 1 || len(a[0].Frames) == 0 || len(b[0].Frames) == 0 {
		t.Fatalf("no frames: %+v\n%+v", a, b)
	}
	return a[0].Frames, b[0].Frames
}

// scalars are the values of the variables of all frames by path.
func scalars(fs []frame) map[string]string {
	m := map[string]string{}
	for _, f := range fs {
		for _, v := range f.Variables {
			for _, s := range v.Value {
				m[v.Name+s[0]] = s[1]
			}
		}
	}
	return m
}

// TestDefects: of each of the oracle's defects that explain a difference, what
// the program finds is ours, or ours is that it is not known; and it is not the
// oracle's.
func TestDefects(t *testing.T) {
	cases := []struct {
		defect  string
		build   build
		sources []string
		probe   string
		path    string
		unknown bool // nobody can know it
	}{
		{beyondPieces, build{"gcc", []string{"-g0", "-O1"}}, []string{"defects.c", "defects.s"}, "probe", "part.b", true},
		{entryRecord, build{"gcc", []string{"-g0", "-O1"}}, []string{"defects.c", "defects.s"}, "probe", "i", false},
		{wideOperand, build{"gcc", []string{"-g0", "-O1"}}, []string{"defects.c", "defects.s"}, "probe", "wide", false},
		{mixedOperands, build{"gcc", []string{"-g0", "-O1"}}, []string{"defects.c", "defects.s"}, "probe", "mixed", false},
		{inlinedEntry, build{"gcc", []string{"-O2"}}, []string{"inlined.c"}, "probe", "passed", false},
	}
	for _, c := range cases {
		t.Run(c.defect, func(t *testing.T) {
			var sources []string
			for _, s := range c.sources {
				sources = append(sources, "testdata/"+s)
			}
			program := compile(t, c.build, sources...)
			real, known := truth(t, program)[c.path]
			mine, theirs := atProbe(t, program, c.probe)
			a, b := scalars(mine)[c.path], scalars(theirs)[c.path]
			t.Logf("%s is %s; ours %s, the oracle's %s", c.path, real, a, b)
			if !known {
				t.Fatalf("the program does not tell %s", c.path)
			}
			if same, ok := scalars(mine)[real]; ok { // it is the value of another variable
				real = same
			}
			if a == "" {
				t.Logf("ours: %v\nthe oracle's: %v", scalars(mine), scalars(theirs))
			}
			if want := map[bool]string{true: "<out>", false: real}[c.unknown]; a != want {
				t.Errorf("%s: ours is %q, want %q", c.path, a, want)
			}
			if b == real {
				t.Errorf("%s: the oracle has it right: the defect explains nothing", c.path)
			}
		})
	}
}

// TestTailCallFrames: frames of tail calls that the oracle leaves out: of call
// sites that say where the jump is, not where it would return to, and of inlined
// calls that a tail call is in.
func TestTailCallFrames(t *testing.T) {
	for _, c := range []struct {
		defect, source string
		build          build
	}{
		{tailCallPC, "tail.c", build{"clang", []string{"-O2"}}},
		{tailInlined, "tailinlined.c", build{"gcc", []string{"-O2"}}},
	} {
		program := compile(t, c.build, "testdata/"+c.source)
		mine, theirs := atProbe(t, program, "probe")
		way := func(fs []frame) string {
			var names []string
			for _, f := range fs {
				names = append(names, f.Function)
			}
			return strings.Join(names, " ")
		}
		out, err := exec.Command(program).CombinedOutput()
		if len(out) == 0 {
			t.Fatal(err)
		}
		real := strings.TrimSpace(string(out))
		if a, b := way(mine), way(theirs); a != real || b == real {
			t.Errorf("%s: the program came by %q; ours %q, the oracle's %q", c.defect, real, a, b)
		}
	}
}
