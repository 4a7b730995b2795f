package stepping

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dap-windbg/tests/sidebyside"
)

// way is a place to start from and the commands given there.
type way struct{ at, commands string }

// written are the programs and how they are walked through. The first of a
// program's builds is walked always, the others when there is time.
var written = []struct {
	source  string
	builds  []sidebyside.Build
	library string
	ways    []way
}{
	{source: "recursion.c", builds: levels("gcc", "-O0"), ways: []way{
		{"main", "step*150"}, {"main", "next*12"}, {"fibonacci", "next finish*3 step*20"}, {"ackermann", "step*30 finish*6"}, {"factorial", "next*12"}, {"odd", "mix1*60"}, {"main", "advance:recursion.c:57 next*4"}}},
	{source: "flow.c", builds: levels("gcc", "-O0"), ways: []way{
		{"main", "step*400"}, {"main", "next*60"}, {"threaded", "next*14"}, {"lines", "next*30"}, {"kind", "next*9 step*5"}, {"flow.c:32", "mix2*40"}, {"main", "next advance:flow.c:91 step*20 advance:flow.c:99 next"}, {"flow.c:93", "next*20"}, {"flow.c:97", "step*6"}}},
	{source: "inline.c", builds: levels("gcc", "-O2"), ways: []way{
		{"work", "step*60"}, {"work", "next*40"}, {"main", "step*60"}, {"real", "finish step*6 finish step*10"}, {"work", "mix3*40"}}},
	{source: "templates.cpp", builds: levels("g++", "-O0"), ways: []way{
		{"main", "step*150"}, {"main", "next*40"}, {"main", "mix4*60"}, {"Both::twice", "step*3 finish step*10"}, {"main", "advance:templates.cpp:79 step*20"}}},
	{source: "lambdas.cpp", builds: levels("g++", "-O0"), ways: []way{
		{"main", "step*120"}, {"main", "next*40"}, {"main", "mix5*60"}, {"main", "advance:lambdas.cpp:31 step*20"}}},
	{source: "exceptions.cpp", builds: levels("g++", "-O0"), ways: []way{
		{"main", "step*140"}, {"main", "next*30"}, {"middle", "next*14"}, {"risky", "next*6 finish"}, {"handle", "next*20"}, {"loops", "next*40"}, {"main", "mix6*60"},
		{"exceptions.cpp:45", "step*20"}, {"exceptions.cpp:47", "next*6 step*10"}, {"exceptions.cpp:56", "next*4"}, {"exceptions.cpp:70", "next*8"}, {"exceptions.cpp:82", "next*20"}, {"main", "advance:exceptions.cpp:97 step*20"}}},
	{source: "jumps.c", builds: levels("gcc", "-O0"), ways: []way{
		{"main", "step*90"}, {"main", "next*14"}, {"deep", "next*4 finish"}, {"nested", "next*6"}, {"loop", "next*20"}, {"many", "mix7*30"}, {"jumps.c:25", "next*8"}, {"jumps.c:34", "step*12"}, {"jumps.c:67", "next*3"}, {"main", "advance:jumps.c:60 step*6"}}},
	{source: "signals.c", builds: levels("gcc", "-O0"), ways: []way{
		{"raises", "next*8"}, {"raises", "step*8"}, {"main", "next*40"}, {"signals.c:47", "next*12"}, {"spin", "finish next*4"}, {"main", "advance:signals.c:74 next*3"}}},
	{source: "linked.c", library: "library.c", builds: levels("gcc", "-O0"), ways: []way{
		{"main", "step*70"}, {"main", "next*30"}, {"lib_visit", "step*10 finish*2"}, {"order", "finish*2 next*3"}, {"main", "mix8*50"}, {"main", "advance:linked.c:35 step*9"}}},
	{source: "tail.c", builds: levels("gcc", "-O2"), ways: []way{
		{"main", "step*50"}, {"main", "next*15"}, {"last", "finish*4"}, {"second", "next*6"}, {"loops", "mix9*30"}, {"main", "advance:tail.c:41 step*9"}}},
	{source: "threads.c", builds: levels("gcc", "-O0", "-pthread", "-DCOUNT=64"), ways: []way{
		{"main", "next*8"}, {"square", "step*14"}, {"threads.c:33", "next*9"}, {"threads.c:35", "step*2 finish step*4"}, {"threads.c:46", "step*6"}, {"main", "advance:threads.c:45 next*3"}}},
	{source: "coroutines.cpp", builds: levels("g++", "-O0", "-std=c++20"), ways: []way{
		{"main", "step*160"}, {"main", "next*40"}, {"main", "mix10*60"}, {"main", "advance:coroutines.cpp:58 step*40"}}},
	{source: "contexts.c", builds: levels("gcc", "-O0"), ways: []way{
		{"main", "step*60"}, {"main", "next*24"}, {"body", "next*20"}, {"scaled", "finish*3 step*5"}, {"main", "advance:contexts.c:34 step*9"}}},
}

// levels are the builds of a program, first the one that shows most of what it is
// there for.
func levels(compiler, first string, flags ...string) []sidebyside.Build {
	out := []sidebyside.Build{{Compiler: compiler, Flags: append(slices.Clone(flags), first)}}
	for _, o := range []string{"-O0", "-O1", "-O2"} {
		if o != first {
			out = append(out, sidebyside.Build{Compiler: compiler, Flags: append(slices.Clone(flags), o)})
		}
	}
	return out
}

// TestStepping: after each command the place, the stack, the scalars of the
// innermost frame and what was handed back are the oracle's.
func TestStepping(t *testing.T) {
	var all tally
	for _, w := range written {
		for i, b := range w.builds {
			if i > 0 && os.Getenv("HEAVY") == "" {
				continue
			}
			name := w.source + " " + strings.Join(b.Flags, " ")
			t.Run(strings.ReplaceAll(name, " ", ""), func(t *testing.T) {
				p := plan{}
				sources := []string{"testdata/" + w.source}
				if w.library != "" {
					p.Library = filepath.Join(t.TempDir(), "library.so")
					if out, err := exec.Command(b.Compiler, append([]string{"-w", "-g", "-shared", "-fPIC", "-o", p.Library, "testdata/" + w.library}, b.Flags...)...).CombinedOutput(); err != nil {
						t.Fatalf("%v\n%s", err, out)
					}
					sources = append(sources, p.Library)
				}
				p.Program = sidebyside.Compile(t, b, sources...)
				for _, x := range w.ways {
					p.Walks = append(p.Walks, walk{At: x.at, Commands: commands(x.commands)})
				}
				all.add(one(t, name, p))
			})
		}
	}
	t.Log(&all)
	if 100*all.Withheld > all.Scalars {
		t.Errorf("%d of %d scalars are not told", all.Withheld, all.Scalars)
	}
}

func one(t *testing.T, name string, p plan) *tally {
	t.Helper()
	theirs := oracle(t, p)
	mine := ours(t, p, sidebyside.Store(t))
	n := compare(name, p, mine, theirs)
	if len(n.Different) > 0 { // what is not initialised may be another each time
		settle(theirs, oracle(t, p))
		n = compare(name, p, mine, theirs)
	}
	t.Log(n)
	for i, d := range n.Different {
		if i == 25 {
			t.Errorf("and %d more", len(n.Different)-i)
			break
		}
		t.Error(d)
	}
	return n
}
