package sim

import (
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

//go:embed guest
var sources embed.FS

// Guest is a built guest: its images and, beside them, their PDBs.
type Guest struct {
	Dir               string // where the files lie: ntoskrnl.exe, ntkrnlmp.pdb, sample.sys ...
	kernel, hal, demo *image
	driver            *image
	code              sync.Map // what machines decoded: *decoded by address
}

// flags of the compiler: no vector registers, and frames that can be unwound.
var flags = strings.Fields("--target=x86_64-pc-windows-msvc -g -gcodeview -mno-sse -mno-red-zone -fno-builtin -ffreestanding -fno-stack-protector -mno-stack-arg-probe -fasynchronous-unwind-tables -Wno-multichar -Wno-four-char-constants")

// parts are the images, in the order of their building: file, sources, how each
// is compiled, and how it is linked.
var parts = []struct {
	file    string
	sources []string
	opt     string
	link    []string
}{
	{"ntoskrnl.exe", []string{"ntoskrnl.c", "machine.s"}, "-O1", []string{"/entry:KiSystemStartup", "/subsystem:native", "/pdb:ntkrnlmp.pdb", "/pdbaltpath:ntkrnlmp.pdb", "/implib:ntoskrnl.lib"}},
	{"hal.dll", []string{"hal.c"}, "-O1", []string{"/entry:HalInitSystem", "/subsystem:native", "/dll", "/pdb:hal.pdb", "/pdbaltpath:hal.pdb"}},
	{"sample.sys", []string{"sample.c"}, "-O0", []string{"/entry:DriverEntry", "/subsystem:native", "/driver", "/pdb:sample.pdb", "/pdbaltpath:sample.pdb", "ntoskrnl.lib"}},
	{"demo.exe", []string{"demo.c"}, "-O1", []string{"/entry:DemoStart", "/subsystem:console", "/pdb:demo.pdb", "/pdbaltpath:demo.pdb"}},
}

// Build compiles and links the guest with clang and lld, once for each state of
// its sources, into a directory below dir.
func Build(dir string) (*Guest, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, flags, parts)
	err := fs.WalkDir(sources, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := sources.ReadFile(path)
		sum.Write(b)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := filepath.Join(dir, fmt.Sprintf("guest-%x", sum.Sum(nil)[:8]))
	if _, err := os.Stat(out); err != nil {
		if err := build(dir, out); err != nil {
			return nil, err
		}
	}
	g := &Guest{Dir: out}
	for name, to := range map[string]**image{"ntoskrnl.exe": &g.kernel, "hal.dll": &g.hal, "sample.sys": &g.driver, "demo.exe": &g.demo} {
		b, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			return nil, err
		}
		if *to, err = loadImage(name, b); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// build makes the guest in a fresh directory and gives it its name when done, so
// that several may build at once.
func build(dir, out string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(dir, "build")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := os.CopyFS(tmp, sources); err != nil {
		return err
	}
	run := func(name string, args ...string) error {
		cmd := exec.Command(name, args...)
		cmd.Dir = tmp
		if b, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, b)
		}
		return nil
	}
	for _, p := range parts {
		link := append([]string{"/nologo", "/nodefaultlib", "/debug", "/dynamicbase", "/release", "/out:" + p.file}, p.link...)
		for _, s := range p.sources {
			args := append([]string{p.opt}, flags...)
			if strings.HasSuffix(s, ".s") {
				args = []string{flags[0]}
			}
			obj := s + ".obj"
			// The name in the line tables is where the file lies when all is done.
			args = append(args, "-fdebug-prefix-map="+tmp+"="+out, "-c", filepath.Join(tmp, "guest", s), "-o", obj)
			if strings.HasSuffix(s, ".s") {
				args = append(args[:1], args[2:]...)
			}
			if err := run(clang, args...); err != nil {
				return err
			}
			link = append(link, obj)
		}
		if err := run(lld, link...); err != nil {
			return err
		}
	}
	if err := os.Rename(tmp, out); err != nil {
		if _, there := os.Stat(out); there == nil {
			return nil // somebody was quicker
		}
		return err
	}
	return nil
}

const (
	clang = "clang-19"
	lld   = "lld-link-19"
)
