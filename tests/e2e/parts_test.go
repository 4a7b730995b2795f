package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// TestMacros: expressions may use the macros of the place, however the debug
// information has them.
func TestMacros(t *testing.T) {
	for _, flags := range [][]string{{"-g3", "-gdwarf-5"}, {"-g3", "-gdwarf-4"}} {
		prog := program(t, "macros.c", flags...)
		debugger(t, "bp macros!fill\ng\n?? BUFSIZE\n?? MAX(3, numbers[3])\n?? LATE + LAST(numbers)\np\np\n?? FIELD(s, word)\ndx MAX(3,4)\n.frame 1\n?? BUFSIZE\n?? NOWHERE\nq\n", "cdb", prog).Must(t, 4, // one of them fails
			`BUFSIZE\nint 0n96`, `\nint 0n40`, `^int 0n41`, `^int 0n7`, `MAX\(3,4\) *: 4`, `^int 0n5`, `Couldn't resolve error at 'NOWHERE'`)
	}
}

// TestMissingSplitUnit: without the file of a split unit, names come from the
// symbol table, lines from the image, and lm tells which file is missing.
func TestMissingSplitUnit(t *testing.T) {
	dir := t.TempDir()
	src, err := filepath.Abs(filepath.Join("..", "programs", "macros.c"))
	if err != nil {
		t.Fatal(err)
	}
	dwo := filepath.Join(dir, "macros.dwo")
	must(t, "gcc", "-g", "-gsplit-dwarf", "-c", src, "-o", filepath.Join(dir, "macros.o"))
	must(t, "gcc", filepath.Join(dir, "macros.o"), "-o", filepath.Join(dir, "macros"))
	prog := filepath.Join(dir, "macros")
	commands := "bp macros!fill\ng\nln @rip\ndv\nlmv m macros\nq\n"
	debugger(t, commands, "cdb", prog).Must(t, 0, `macros!fill`, `s = `, `Image name`)
	if err := os.Rename(dwo, dwo+".away"); err != nil {
		t.Fatal(err)
	}
	debugger(t, commands, "cdb", prog).Must(t, 4, `macros!fill`, `Missing: .*split unit .*macros\.dwo`)
	must(t, "gcc", "-g", "-gsplit-dwarf", "-DOTHER", "-O1", "-c", src, "-o", filepath.Join(dir, "macros.o"))
	debugger(t, commands, "cdb", prog).Must(t, 4, `macros!fill`, `Missing: .*split unit .*macros\.dwo`)
}
