package corpus

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/symbols"
	ours "dap-windbg/symbols/elf"
)

// bodies are the builds whose breakpoints on functions are compared.
var bodies = map[string]bool{ // true: only when all is compared
	"gcc -g -O0" + plain: false, "gcc -g -O2 -gdwarf-4" + plain: false, "clang -g -O2" + plain: false, "g++ -g -O0" + zoo: false,
	"clang -g -O0 -gdwarf-4" + plain: true, "gcc -g -O2 -gdwarf-2 -gstrict-dwarf" + plain: true, "gcc -g -Og -flto" + plain: true,
	"g++ -g -O2" + zoo: true, "clang++ -g -O0 -gdwarf-4" + zoo: true, "clang++ -g -O2" + zoo: true, "rustc -g shapes.rs -o $OUT": true,
	"go build -o $OUT values.go": true, "gfortran -g -O0 -J$TMP arrays.f90 -o $OUT": true, "gfortran -g -O2 -J$TMP arrays.f90 -o $OUT": true,
}

// TestBodies compares where a breakpoint on a function lands with gdb. We differ
// on purpose where the compiler marked the end of the prologue, which gdb trusts
// of clang's unoptimised code only.
func TestBodies(t *testing.T) {
	for command, all := range bodies {
		if all && !heavy {
			continue
		}
		t.Run(command, func(t *testing.T) {
			path := compile(t, command)
			img := open(t, path, ours.Options{})
			funcs := functionsByName(img)
			script := []string{"-batch", "-nx", "-ex", "set breakpoint pending off"}
			for _, s := range funcs {
				script = append(script, "-ex", "echo @@\\n", "-ex", "break "+linkage(s))
			}
			out, err := exec.Command("gdb", append(script, path)...).Output()
			if err != nil {
				t.Fatal(err)
			}
			compareBodies(t, img, funcs, strings.Split(string(out), "@@")[1:])
		})
	}
}

func linkage(s symbols.Symbol) string {
	if s.Linkage != "" {
		return s.Linkage
	}
	return s.Name
}

// maxBodies bounds the functions of one program.
const maxBodies = 400

// functionsByName returns functions that are written somewhere and that one name
// means.
func functionsByName(img *ours.Image) []symbols.Symbol {
	var all, out []symbols.Symbol
	count := map[string]int{}
	for s := range img.Lookup("*") {
		all = append(all, s)
		count[linkage(s)]++
	}
	for _, s := range all {
		if s.Kind != symbols.Function || s.Public || count[linkage(s)] > 1 || strings.ContainsAny(linkage(s), " ()*") || strings.Contains(s.Name, "_MOD___") {
			continue
		}
		scopes, err := img.Scopes(s.Offset)
		if err != nil || len(scopes) == 0 || scopes[len(scopes)-1].Decl.Line == 0 || scopes[len(scopes)-1].Low != s.Offset {
			continue // made by the compiler
		}
		if l, ok := img.Line(s.Offset); !ok || filepath.Ext(l.File) == ".s" {
			continue // Go's assembler functions have no rows of their own language
		}
		if out = append(out, s); len(out) == maxBodies {
			break
		}
	}
	return out
}

var breakpointAt = regexp.MustCompile(`Breakpoint \d+ at (0x[0-9a-f]+)(.*locations)?`)

func compareBodies(t *testing.T, img *ours.Image, funcs []symbols.Symbol, answers []string) {
	same, marked := 0, 0
	for i, s := range funcs {
		m := breakpointAt.FindStringSubmatch(answers[i])
		if m == nil || m[2] != "" {
			continue // gdb takes the name for several
		}
		want, _ := strconv.ParseUint(m[1], 0, 64)
		p, ok := img.Body(s.Offset)
		got := uint64(p.Offset) + img.LinkBase()
		switch {
		case ok && got == want:
			same++
		case ok && p.Line.PrologueEnd:
			marked++
		default:
			t.Errorf("%s at 0x%x: 0x%x, gdb says 0x%x", s.Name, uint64(s.Offset)+img.LinkBase(), got, want)
		}
	}
	compared.Add(int64(same + marked))
	t.Logf("%d as gdb, %d at the end of the prologue that the compiler marked", same, marked)
	if same == 0 {
		t.Error("nothing was compared")
	}
}
