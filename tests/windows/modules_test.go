package windows

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dap-windbg/tests/kdsim/sim"
	"dap-windbg/tests/kernel/window"
)

// listed attaches to a machine with so many modules and lists them: the list, and the
// bytes that all of it took.
func listed(t *testing.T, modules int) (list string, bytes int) {
	t.Helper()
	_, line, name := machine(t, sim.Options{Seed: 5, AckWait: time.Second, Alone: true, Modules: modules}, sim.Line{})
	w := window.Open(t, "-k", "com:port="+name+",baud=115200", "-y", guest(t).Dir)
	w.Do("")
	list = w.Do("lm")
	in, out, reads := line.traffic()
	t.Logf("attach and lm: %d bytes, %d reads", in+out, reads)
	w.Do("lm")
	if in2, out2, _ := line.traffic(); in2 != in || out2 != out {
		t.Errorf("the second lm took %d bytes", in2-in+out2-out)
	}
	return list, in + out
}

// TestManyModules: a list of 200 modules takes at most 60 kB on the wire, and those once.
func TestManyModules(t *testing.T) {
	const modules = 200
	_, few := listed(t, 0)
	list, many := listed(t, modules)
	t.Logf("200 modules: %d bytes", many-few)
	if many-few > 60_000 {
		t.Errorf("a list of %d modules took %d bytes", modules, many-few)
	}
	if n := strings.Count(list, "(deferred)") + strings.Count(list, "(private pdb symbols)"); n != modules {
		t.Errorf("%d modules of %d are listed:\n%s", n, modules, list)
	}
	has(t, "lm", list, "hal", "nt", "crowd000", "crowd197")
}

// TestHeadersInMemory: where no image is found, its headers in the machine's memory
// tell which PDB it has; where that is not found either, what lm says is true.
func TestHeadersInMemory(t *testing.T) {
	pdbs := t.TempDir()
	for _, name := range []string{"ntkrnlmp.pdb", "sample.pdb"} {
		b, err := os.ReadFile(filepath.Join(guest(t).Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(pdbs, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, line, name := machine(t, sim.Options{Script: stage}, sim.Line{})
	w := window.Open(t, "-k", "com:port="+name+",baud=115200", "-y", pdbs)
	w.Do("")
	do(t, w, line, []step{
		{"g", []string{"nt!DbgBreakPoint"}, 0, 0},
		{"k", []string{"nt!DbgBreakPoint", "nt!KiDemoThread"}, 0, 0},
		{"bp sample!SampleGreet", nil, 0, 0},
		{"g", []string{"Breakpoint 0 hit", "sample!SampleGreet"}, 0, 0},
		{"k", []string{"sample!SampleGreet", "sample!SampleControl", "nt!DemoRound", "nt!KiDemoThread"}, 0, 0},
		{"p", []string{"sample.c @ 17"}, 0, 0},
		{"dv", []string{"extension = 0xffffe000`", "round = "}, 0, 0},
		{".reload /f hal", nil, 0, 0},
		{"x hal!*", nil, 0, 0},
		{"lm", []string{"hal        (export symbols)", "nt         (private pdb symbols)", "sample     (private pdb symbols)"}, 0, 0},
		{"!running -i", []string{"  0  ffffd00021000180"}, 0, 0},
	})
	if list := w.Do("lm"); strings.Contains(list, "ELF") {
		t.Errorf("lm of a Windows kernel:\n%s", list)
	}
}
