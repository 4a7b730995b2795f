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

// TestLocals: name, type, value and availability of every variable of the
// innermost frames are the oracle's.
func TestLocals(t *testing.T) {
	var all tally
	seeds, places := 3, 60
	if os.Getenv("HEAVY") != "" {
		seeds, places = 36, 160
	}
	for seed := 1; seed <= seeds; seed++ {
		b := builds[seed%len(builds)]
		t.Run(fmt.Sprintf("random%d %s", seed, strings.ReplaceAll(b.String(), " ", "")), func(t *testing.T) {
			program := compile(t, b, random(t, seed))
			if !ends(program) {
				t.Skip("this random program does not end")
			}
			one(t, &all, program, fmt.Sprintf("random%d %s", seed, b), seed, places)
		})
	}
	t.Log(&all)
	if 100*len(all.Withheld) > all.Known {
		t.Errorf("%d of %d scalars that the oracle knows are not told", len(all.Withheld), all.Known)
	}
}

func one(t *testing.T, all *tally, program, name string, seed, places int) {
	p := choose(t, program, seed, places)
	p.Follow = !strings.Contains(name, "clang")
	theirs := oracle(t, p)
	mine := ours(t, p)
	n := compare(name, mine, theirs)
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
