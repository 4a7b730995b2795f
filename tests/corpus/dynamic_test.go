package corpus

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// dynamics are values whose types only the running program knows: what dx prints
// of them at a line.
var dynamics = []struct {
	command, place string
	want           map[string][]string
}{
	{"gcc -g -O0 vla.c -o $OUT", "vla.c:17", map[string][]string{
		"v":         {"[Type: int [3]]", "[2]              : 20 "},
		"w":         {"[Type: int [3][4]]", "[2]              [Type: int [4]]"},
		"w[1][2]":   {": 102 [Type: int]"},
		"r":         {"[Type: row]", "[2]              : 3 [Type: short]"},
		"sizeof(w)": {": 0x30 "},
	}},
	{"gcc -g -O0 vla.c -o $OUT", "vla.c:6", map[string][]string{"a": {"[Type: int (*)[4]]"}, "a[1][3]": {": 103 "}}},
	{"clang -g -O0 vla.c -o $OUT", "vla.c:17", map[string][]string{"v": {"[Type: int [3]]", "[1]              : 10 "}, "w[2][3]": {": 203 "}}},
	{"gfortran -g -O0 -J$TMP arrays.f90 -o $OUT", "arrays.f90:26", map[string][]string{
		"a":                {"[Type: real(kind=8) [4][4]]", "[4]              [Type: real(kind=8) [4]]"},
		"local":            {"[Type: integer(kind=4) [4][3]]", "[0]              [Type: integer(kind=4) [3]]"},
		"p":                {"[Type: integer(kind=4) [3]]", "[3]              : 7 "},
		"s":                {`"hello"`},
		"shapes::origin":   {"tags             [Type: integer(kind=4) [3]]"},
		"origin.tags[5]":   {": 9 "},
		"shapes::grid[3]":  {"[Type: real(kind=8) [2]]", "[1]              : 2 "},
		"a[1][1] + t[10]":  {": 8.5 "},
		"shapes::origin.x": {": 0 "},
	}},
}

// TestDynamicTypes stops programs and looks at arrays of variable length and
// Fortran's descriptors.
func TestDynamicTypes(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "dap-windbg")
	if out, err := exec.Command("go", "build", "-o", bin, "dap-windbg/cmd/dap-windbg").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, d := range dynamics {
		t.Run(d.command+" "+d.place, func(t *testing.T) {
			script := []string{"bp `" + d.place + "`", "g"}
			for e := range d.want {
				script = append(script, ".echo @@"+e, "dx "+e)
			}
			cmd := exec.Command(bin, "cdb", "-c", strings.Join(append(script, "q"), ";"), compile(t, d.command))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, answer := range strings.Split(string(out), "\n@@")[1:] {
				e, text, _ := strings.Cut(answer, "\n")
				for _, w := range d.want[e] {
					compared.Add(1)
					if !strings.Contains(text, w) {
						t.Errorf("%s is\n%s\nwant %q", e, text, w)
					}
				}
			}
			for e := range d.want {
				if !strings.Contains(string(out), "\n@@"+e+"\n") {
					t.Errorf("%s was not looked at:\n%s", e, out)
				}
			}
		})
	}
}
