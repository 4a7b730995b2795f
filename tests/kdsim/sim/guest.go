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

// Kind is what a guest is compiled for. The zero value is x64 with PDBs.
type Kind struct {
	Narrow bool // x86
	DWARF  int  // version of the debug information in the images; 0: PDBs beside them
	GCC    bool // compiled by GCC instead of clang; with DWARF
}

// common are flags of the compilers: no vector registers, and frames that can be unwound.
var common = strings.Fields("-mno-sse -fno-builtin -ffreestanding -fno-stack-protector -fasynchronous-unwind-tables -Wno-multichar")

// target is what a kind is called by compilers and linkers.
func (k Kind) target() string {
	machine := map[bool]string{false: "x86_64", true: "i686"}[k.Narrow]
	if k.DWARF > 0 {
		return machine + "-w64-mingw32"
	}
	return machine + "-pc-windows-msvc"
}

// compiler is the command that compiles C.
func (k Kind) compiler() []string {
	c := []string{clang, "--target=" + k.target(), "-Wno-four-char-constants"}
	if k.GCC {
		c = []string{k.target() + "-gcc"}
	} else {
		c = append(c, "-mno-stack-arg-probe")
	}
	c = append(c, common...)
	if k.DWARF > 0 {
		c = append(c, fmt.Sprintf("-gdwarf-%d", k.DWARF), "-DDWARF")
	} else {
		c = append(c, "-g", "-gcodeview")
	}
	if k.Narrow {
		return append(c, "-mno-mmx", "-fno-omit-frame-pointer")
	}
	return append(c, "-mno-red-zone")
}

// piece is an image: its sources, how they are compiled, where it begins, and what else
// is said to the linkers of PDBs and of DWARF.
type piece struct {
	file, pdb  string
	sources    []string
	opt, entry string
	link, gnu  []string
}

func (k Kind) pieces() []piece {
	machine := map[bool]string{false: "machine.s", true: "machine32.S"}[k.Narrow]
	return []piece{
		{"ntoskrnl.exe", "ntkrnlmp.pdb", []string{"ntoskrnl.c", machine}, "-O1", "KiSystemStartup",
			[]string{"/subsystem:native", "/implib:ntoskrnl.lib"}, []string{"--out-implib", "libntoskrnl.a"}},
		{"hal.dll", "hal.pdb", []string{"hal.c"}, "-O1", "HalInitSystem", []string{"/subsystem:native", "/dll"}, []string{"--shared"}},
		{"sample.sys", "sample.pdb", []string{"sample.c"}, "-O0", "DriverEntry", []string{"/subsystem:native", "/driver", "ntoskrnl.lib"}, []string{"--shared", "libntoskrnl.a"}},
		{"demo.exe", "demo.pdb", []string{"demo.c"}, "-O1", "DemoStart", []string{"/subsystem:console"}, nil},
	}
}

// linker is the command that makes an image of objects.
func (k Kind) linker(p piece, objects []string) []string {
	if k.DWARF == 0 {
		c := []string{lld, "/nologo", "/nodefaultlib", "/debug", "/dynamicbase", "/release", "/safeseh:no", "/out:" + p.file, "/entry:" + p.entry, "/pdb:" + p.pdb, "/pdbaltpath:" + p.pdb}
		return append(append(c, p.link...), objects...)
	}
	entry, emulation := p.entry, "i386pep"
	if k.Narrow {
		entry, emulation = "_"+entry, "i386pe"
	}
	c := []string{ld, "-m", emulation, "--subsystem", "native", "--dynamicbase", "-e", entry, "-o", p.file}
	return append(append(c, objects...), p.gnu...)
}

// Build compiles and links the guest for x64 with clang and lld, once for each state of
// its sources, into a directory below dir.
func Build(dir string) (*Guest, error) { return BuildKind(dir, Kind{}) }

// BuildKind is Build for another kind of machine or of debug information.
func BuildKind(dir string, k Kind) (*Guest, error) {
	sum := sha256.New()
	for _, p := range k.pieces() {
		fmt.Fprintln(sum, k.compiler(), p, k.linker(p, nil))
	}
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
		if err := k.build(dir, out); err != nil {
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
func (k Kind) build(dir, out string) error {
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
	run := func(args []string) error {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = tmp
		if b, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, b)
		}
		return nil
	}
	for _, p := range k.pieces() {
		var objects []string
		for _, s := range p.sources {
			args := k.compiler()
			switch {
			case strings.HasSuffix(s, ".s"):
				args = []string{clang, "--target=" + k.target()}
			case strings.HasSuffix(s, ".S"):
				args = []string{clang, "--target=" + k.target()}
				if k.DWARF > 0 {
					args = append(args, "-DDWARF")
				}
			default: // the name in the line tables is where the file lies when all is done
				args = append(args, p.opt, "-fdebug-prefix-map="+tmp+"="+out)
			}
			object := s + ".obj"
			if err := run(append(args, "-c", filepath.Join(tmp, "guest", s), "-o", object)); err != nil {
				return err
			}
			objects = append(objects, object)
		}
		if err := run(k.linker(p, objects)); err != nil {
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
	ld    = "ld.lld-19"
)
