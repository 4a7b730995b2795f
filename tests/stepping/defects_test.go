package stepping

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dap-windbg/tests/sidebyside"
)

// The oracle's defects: docs/fidelity.md tells of each.
const (
	thrownPast    = "thrown-past"
	jumpedPast    = "jumped-past"
	tailEntered   = "tail-call-entered"
	inlinedEntry  = "inlined-entry"
	inlinedHead   = "inlined-head"
	handlerStop   = "handler-entered"
	movedLine     = "moved-statement"
	lostLine      = "lost-line"
	foreignLine   = "foreign-line"
	rowMiddle     = "row-middle"
	strangeBlocks = "strange-blocks"
	calleeShown   = "callee-shown"
)

// change is a command that was given at a place (as we saw it, and the oracle) to run
// to another, and where it ended.
type change struct {
	asked                      string
	before, from, mine, theirs sight
}

// elsewhere reports whether the oracle is not where we are.
func (c change) elsewhere() bool {
	return c.theirs.Kind != c.mine.Kind || c.theirs.PC != c.mine.PC || len(c.theirs.Frames) != len(c.mine.Frames)
}

// defects say which differences each explains: where, which the source has to say
// at the line, and how the oracle differs there.
var defects = []struct {
	name      string
	optimised bool // only such programs show it
	is        func(c change, at string) bool
}{
	{thrownPast, false, func(c change, at string) bool { return c.mine.marked(at) && c.elsewhere() }},
	{jumpedPast, false, func(c change, at string) bool { return c.mine.marked(at) && c.elsewhere() }},
	{tailEntered, true, func(c change, at string) bool { return c.from.marked(at) && c.elsewhere() }},
	{inlinedEntry, true, func(c change, at string) bool { return c.mine.marked(at) && c.elsewhere() }},
	{inlinedHead, true, func(c change, at string) bool {
		return c.from.marked(at) && c.elsewhere() && c.theirs.line() == c.from.line()
	}},
	{handlerStop, true, func(c change, at string) bool { return c.theirs.marked(at) && !c.mine.marked(at) }},
	{movedLine, true, func(c change, at string) bool { return c.mine.marked(at) && c.theirs.line() != c.mine.line() }},
	{lostLine, true, func(c change, at string) bool {
		return c.mine.marked(at) && c.mine.line() == c.asked && c.theirs.line() != c.asked
	}},
	{foreignLine, true, func(c change, _ string) bool {
		return c.elsewhere() && len(c.before.Frames)*len(c.from.Frames) > 0 && c.before.Frames[0].foreign(c.from.Frames[0])
	}},
	{calleeShown, true, func(c change, _ string) bool {
		return c.mine.line() == c.asked && c.mine.PC == c.theirs.PC && c.theirs.within(c.mine)
	}},
	{rowMiddle, true, func(c change, at string) bool {
		return c.mine.marked(at) && c.theirs.line() == c.mine.line() && c.theirs.PC != c.mine.PC
	}},
	{strangeBlocks, true, func(c change, at string) bool {
		return c.from.marked(at) && c.elsewhere() && len(c.theirs.Frames) < len(c.mine.Frames)
	}},
}

// explanation is the defect that explains a change, "" when none does.
func explanation(c change, optimised bool) string {
	for _, d := range defects {
		if (optimised || !d.optimised) && d.is(c, d.name) {
			return d.name
		}
	}
	return ""
}

// within reports whether s shows the frames of outer and more inlined calls.
func (s sight) within(outer sight) bool {
	n := len(s.Frames) - len(outer.Frames)
	if n <= 0 {
		return false
	}
	for i, f := range s.Frames {
		if i < n && !f.Inlined || i >= n && (f.Line != outer.Frames[i-n].Line || !sameName(f, outer.Frames[i-n])) {
			return false
		}
	}
	return true
}

// line is the innermost frame's.
func (s sight) line() string {
	if len(s.Frames) == 0 {
		return s.Kind
	}
	return fmt.Sprintf("%s:%d", s.Frames[0].File, s.Frames[0].Line)
}

// marked reports whether the source says of the innermost frame's line that the
// oracle has a defect there.
func (s sight) marked(defect string) bool {
	if len(s.Frames) == 0 {
		return false
	}
	f := s.Frames[0]
	text, err := os.ReadFile(filepath.Join("testdata", f.File))
	lines := strings.Split(string(text), "\n")
	if err != nil || f.Line < 1 || f.Line > len(lines) {
		return false
	}
	_, marks, _ := strings.Cut(lines[f.Line-1], "// gdb: ")
	return slices.Contains(strings.Split(marks, ", "), defect)
}

// foreign reports whether the oracle shows a line for the code of a function that
// is of another file than the function, where we show one of the function's file.
func (f frame) foreign(theirs frame) bool {
	return f.Inlined == theirs.Inlined && sameName(f, theirs) && f.File == f.Declared && theirs.File != f.File
}

// witnesses are programs that show a defect each.
var witnesses = []struct {
	defect, source, at, commands string
	build                        sidebyside.Build
	shown                        func(t *testing.T, program, source string, s sight) string
}{
	{thrownPast, "thrown.cpp", "thrown.cpp:10", "next", cxx("-O0"), place},
	{jumpedPast, "jumped.c", "jumped.c:12", "next", cc("-O0"), place},
	{tailEntered, "tailed.c", "tailed.c:13", "next", cc("-O2"), place},
	{inlinedEntry, "entered.c", "entered", "", cc("-O1"), given},
	{inlinedHead, "looped.c", "looped", "step", cc("-O1"), place},
	{handlerStop, "handled.c", "handled.c:24", "next*2", cc("-O1"), place},
	{movedLine, "moved.c", "moved.c:12", "next", cc("-O1"), place},
	{lostLine, "lost.cpp", "lost.cpp:10", "", cxx("-O1"), place},
	{foreignLine, "lost.cpp", "lost.cpp:9", "next", cxx("-O1"), place},
	{calleeShown, "shown.c", "shown.c:14", "", cc("-O1"), place},
	{rowMiddle, "middle.cpp", "main", "next", cxx("-O2"), row},
	{strangeBlocks, "resumed.cpp", "resumed.cpp:20", "", cxx("-std=c++20", "-O2"), outermost},
}

func cc(flags ...string) sidebyside.Build  { return sidebyside.Build{Compiler: "gcc", Flags: flags} }
func cxx(flags ...string) sidebyside.Build { return sidebyside.Build{Compiler: "g++", Flags: flags} }

// TestDefects: what we show is what the program says, what the oracle shows is not.
func TestDefects(t *testing.T) {
	for _, c := range witnesses {
		t.Run(c.defect, func(t *testing.T) {
			p := plan{Program: sidebyside.Compile(t, c.build, "testdata/"+c.source), Walks: []walk{{At: c.at, Commands: commands(c.commands)}}}
			out, err := exec.Command(p.Program).Output()
			if err != nil {
				t.Fatal(err)
			}
			truth := strings.TrimSpace(string(out))
			show := func(ss []sight) string {
				return c.shown(t, p.Program, c.source, ss[len(p.Walks[0].Commands)])
			}
			mine, theirs := show(ours(t, p, sidebyside.Store(t))), show(oracle(t, p))
			t.Logf("the program says %s, we %s, the oracle %s", truth, mine, theirs)
			if mine != truth {
				t.Errorf("we say %s, the program %s", mine, truth)
			}
			if theirs == truth {
				t.Error("the oracle has it right: the defect explains nothing")
			}
		})
	}
}

// place is the line of main that is shown.
func place(_ *testing.T, _, source string, s sight) string {
	if len(s.Frames) == 0 || bare(s.Frames[0].Function) != "main" || s.Frames[0].File != source {
		return s.where()
	}
	return fmt.Sprint(s.Frames[0].Line)
}

// outermost is the line of main, wherever in its callees the program is.
func outermost(_ *testing.T, _, _ string, s sight) string {
	if len(s.Frames) == 0 {
		return s.where()
	}
	return fmt.Sprint(s.Frames[len(s.Frames)-1].Line)
}

// given is the value of the innermost function's parameter.
func given(_ *testing.T, _, _ string, s sight) string {
	for _, v := range s.Variables {
		if v[0] == "n#0" {
			return v[1]
		}
	}
	return "nothing"
}

// row tells where in a row of the line program the program is.
func row(t *testing.T, program, _ string, s sight) string {
	out, err := exec.Command("objdump", "--dwarf=decodedline", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	at := fmt.Sprintf("%03x", s.PC%0x1000) // the image begins at a page
	for word := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(word, "0x") && strings.HasSuffix(word, at) {
			return "begins"
		}
	}
	return "goes on"
}
