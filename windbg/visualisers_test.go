package windbg_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const shapes = `<AutoVisualizer xmlns="http://schemas.microsoft.com/vstudio/debugger/natvis/2010">
  <Type Name="Wrong">
    <DisplayString>{1 +}</DisplayString>
  </Type>
  <Type Name="Shape">
    <DisplayString>circle of {radius}</DisplayString>
    <StringView>note,s</StringView>
    <Expand HideRawView="true"><Item Name="Radius">radius</Item></Expand>
  </Type>
</AutoVisualizer>
`

// TestVisualisers loads a user's file, whose rules are used at once, and unloads it.
func TestVisualisers(t *testing.T) {
	w := open(t, "shapes.cpp")
	file := filepath.Join(t.TempDir(), "shapes.natvis")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(shapes, "1 +", "1 + 1")), 0o600); err != nil {
		t.Fatal(err)
	}
	w.expect("bp `shapes.cpp:10`; g", "...")
	w.expect("dx -r0 shape", "shape                 [Type: Shape]")
	w.expect(".nvload "+file, `Successfully loaded visualizers in "`+file+`"`)
	w.expect("dx shape", "shape                 : circle of 2.5 [Type: Shape]", "    Radius           : 2.5 [Type: double]")
	w.expect("dx -v -r0 shape", "shape                 : circle of 2.5 [Type: Shape]", "a note that is long enough to be cut where a line of text ends")
	if got := w.run("dx -v -r0 text"); !strings.Contains(got, strings.Repeat("x", 300)) {
		t.Error(got)
	}
	w.expect(".nvlist", "Loaded NatVis Files:", "...", "    libstdcxx.natvis (embedded)", "...", "    "+file)
	w.expect(".nvunload shapes.natvis", `Successfully unloaded visualizers in "`+file+`"`)
	w.expect("dx -r0 shape", "shape                 [Type: Shape]")

	if err := os.WriteFile(file, []byte(shapes), 0o600); err != nil {
		t.Fatal(err)
	}
	err := w.i.Exec(w.ctx, ".nvload "+file, w)
	if err == nil || err.Error() != file+"(3): DisplayString: Numeric expression missing from '<EOL>'" {
		t.Error(err)
	}
	w.expect("dx -r0 shape", "shape                 : circle of 2.5 [Type: Shape]")
	w.expect(".nvunloadall", `Successfully unloaded visualizers in "`+file+`"`)
	w.expect("dx -r0 numbers", "numbers                 : { size=3 } [Type: std::vector<int, std::allocator<int> >]")
	for line, want := range map[string]string{
		".nvunload nothing":   `No visualizers are loaded from "nothing"`,
		".nvload /dev/zero":   `Unable to load visualizers in "/dev/zero", it is not a file`,
		".nvload /no/such.nv": `Unable to load visualizers in "/no/such.nv", open /no/such.nv: no such file or directory`,
		".nvload":             "^ Syntax error in '.nvload'",
	} {
		if err := w.i.Exec(w.ctx, line, w); err == nil || err.Error() != want {
			t.Errorf("%s: %v", line, err)
		}
	}
}
