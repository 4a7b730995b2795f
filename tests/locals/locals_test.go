// Package locals holds what we tell of variables at stops in optimised programs
// against what gdb tells of the same program at the same stops.
package locals

import (
	"debug/dwarf"
	"fmt"
	"os"
	"strings"
	"testing"
)

func collect(lines *dwarf.LineReader, into map[uint64]bool) {
	var e dwarf.LineEntry
	for lines.Next(&e) == nil {
		if e.IsStmt && !e.EndSequence {
			into[e.Address] = true
		}
	}
}

var builds = []build{
	{"gcc", []string{"-O2"}}, {"clang", []string{"-O2"}}, {"gcc", []string{"-O1"}},
	{"gcc", []string{"-O3"}}, {"clang", []string{"-O1"}}, {"clang", []string{"-O3"}},
}

// written are our own programs, for what the random ones do not have.
var written = []struct {
	source string
	builds []build
}{
	{"shapes.cpp", []build{{"g++", []string{"-O2"}}, {"clang++", []string{"-O2"}}, {"g++", []string{"-O1"}}, {"g++", []string{"-O3", "-gdwarf-4", "-no-pie"}}, {"clang++", []string{"-O1"}}}},
	{"flow.c", []build{{"gcc", []string{"-O2"}}, {"clang", []string{"-O2"}}, {"gcc", []string{"-O1", "-gdwarf-4"}}, {"gcc", []string{"-O3"}}, {"clang", []string{"-O1", "-no-pie"}}}},
}

// TestLocals: name, type, value and availability of every variable of the
// innermost frames are the oracle's.
func TestLocals(t *testing.T) {
	var all tally
	last, places, least := 3, 30, 300
	if os.Getenv("HEAVY") != "" {
		last, places, least = 42, 160, 2000
	}
	for seed := 1; seed <= last; seed++ {
		if seed == 20 || seed == 22 || seed == 36 { // these do not end
			continue
		}
		b := builds[seed%len(builds)]
		t.Run(fmt.Sprintf("random%d %s", seed, strings.ReplaceAll(b.String(), " ", "")), func(t *testing.T) {
			var args []string
			if seed%4 == 0 {
				args = []string{"--float"}
			}
			program := compile(t, b, random(t, seed, args...))
			if !ends(program) {
				t.Fatal("this random program does not end: take another seed")
			}
			one(t, &all, program, fmt.Sprintf("random%d %s", seed, b), seed, places)
		})
	}
	for i, w := range written {
		for _, b := range w.builds {
			t.Run(w.source+" "+strings.ReplaceAll(b.String(), " ", ""), func(t *testing.T) {
				one(t, &all, compile(t, b, "testdata/"+w.source), w.source+" "+b.String(), 1000+i, 2*places)
			})
		}
	}
	t.Log(&all)
	if all.Stops < least {
		t.Errorf("%d stops, want %d", all.Stops, least)
	}
	if 100*len(all.Withheld) > all.Known {
		t.Errorf("%d of %d scalars that the oracle knows are not told", len(all.Withheld), all.Known)
	}
}

func one(t *testing.T, all *tally, program, name string, seed, places int) {
	p := choose(t, program, seed, places)
	p.Tail = true
	p.Follow = !strings.Contains(name, "clang") && !strings.Contains(name, ".cpp")
	theirs := oracle(t, p)
	mine := ours(t, p)
	lists := locationLists(t, program)
	n := compare(name, lists, mine, theirs)
	if len(n.Different) > 0 { // what is not initialised may be another each time
		settle(theirs, oracle(t, p))
		n = compare(name, lists, mine, theirs)
	}
	t.Log(&n)
	keep(t, strings.ReplaceAll(name, " ", ""), n.Different)
	keep(t, "withheld", all.Withheld)
	for i, d := range n.Different {
		if i == 25 {
			t.Errorf("and %d more", len(n.Different)-i)
			break
		}
		t.Error(d)
	}
	all.add(n)
}
