// Package pdb checks what is read of program databases against LLVM's own readers:
// llvm-pdbutil's dump, llvm-symbolizer and llvm-readobj.
package pdb

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"dap-windbg/symbols/pe"
)

// program is an image of the corpus with its database.
type program struct {
	name, machine string // machine as compilers spell it
	exe, pdb      string
	image         *pe.Image
}

// machines are those of the corpus: the compiler's, the linker's name, and what goes with them.
var machines = []struct {
	cc, link string
	flags    []string
}{
	{"x86_64", "x64", []string{"-fasynchronous-unwind-tables"}},
	{"i686", "x86", nil},
	{"aarch64", "arm64", []string{"-fasynchronous-unwind-tables"}},
}

var stackProbes = map[string]string{
	"x86_64":  ".globl __chkstk\n__chkstk: ret\n",
	"i686":    ".globl __chkstk\n__chkstk: pushl %ecx\nleal 8(%esp), %ecx\nsubl %eax, %ecx\nmovl %esp, %eax\nmovl %ecx, %esp\nmovl (%eax), %ecx\npushl 4(%eax)\nret\n",
	"aarch64": ".globl __chkstk\n__chkstk: ret\n",
}

// corpus builds the programs once.
var corpus = sync.OnceValues(func() ([]program, error) {
	dir, err := os.MkdirTemp("", "pdbcorpus")
	if err != nil {
		return nil, err
	}
	var all []program
	for _, m := range machines {
		for _, source := range []string{"shapes.c", "zoo.cpp"} {
			for _, level := range []string{"-O0", "-O2"} {
				p, err := build(dir, source, level, m.cc, m.link, m.flags)
				if err != nil {
					return nil, err
				}
				all = append(all, p)
			}
		}
	}
	return all, nil
})

func build(dir, source, level, cc, link string, flags []string) (program, error) {
	base := filepath.Join(dir, strings.TrimSuffix(source, filepath.Ext(source))+level+"-"+link)
	p := program{name: source + " " + level + " " + link, machine: cc, exe: base + ".exe", pdb: base + ".pdb"}
	src, err := filepath.Abs(filepath.Join("testdata", source))
	if err != nil {
		return p, err
	}
	target := "--target=" + cc + "-pc-windows-msvc"
	probe := base + ".s"
	if err := os.WriteFile(probe, []byte(stackProbes[cc]), 0o600); err != nil {
		return p, err
	}
	for _, args := range [][]string{
		append([]string{"clang-19", target, "-g", "-gcodeview", level, "-nostdlib", "-fno-rtti", "-fno-exceptions", "-c", src, "-o", base + ".obj"}, flags...),
		{"clang-19", target, "-c", probe, "-o", base + "-probe.obj"},
		{"lld-link-19", "/nologo", "/nodefaultlib", "/safeseh:no", "/entry:start", "/subsystem:console", "/debug", "/machine:" + link,
			"/pdb:" + p.pdb, "/pdbaltpath:" + filepath.Base(p.pdb), "/out:" + p.exe, base + ".obj", base + "-probe.obj"},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			return p, fmt.Errorf("%v (packages clang-19, lld-19, llvm-19): %w\n%s", args, err, out)
		}
	}
	p.image, err = pe.Open(p.exe, pe.Options{PDB: p.pdb})
	return p, err
}

// each runs f for every program of the corpus.
func each(t *testing.T, f func(t *testing.T, p program)) {
	t.Helper()
	all, err := corpus()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		t.Run(p.name, func(t *testing.T) { f(t, p) })
	}
}

// output runs a tool and returns its lines.
func output(t *testing.T, stdin, name string, args ...string) []string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v (package llvm-19): %v", name, args, err)
	}
	return strings.Split(string(out), "\n")
}

func TestMain(m *testing.M) {
	code := m.Run()
	if all, err := corpus(); err == nil && len(all) > 0 {
		os.RemoveAll(filepath.Dir(all[0].exe))
	}
	os.Exit(code)
}
