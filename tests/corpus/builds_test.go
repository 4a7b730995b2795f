package corpus

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/symbols/elf"
)

// heavy says that everything is compared: `make test-heavy`.
var heavy = os.Getenv("HEAVY") != ""

// build is one program built in one way: a command that makes $OUT, run where the
// sources are.
type build struct {
	command string
	heavy   bool // built when all is compared only
	// twin is the command of a build that must say the same: this one's debug
	// information is the other's, written differently.
	twin string
}

const (
	plain  = " plain.c other.c -o $OUT"
	zoo    = " -std=c++20 zoo.cc -o $OUT"
	modern = " -std=c++20 modern.cc -o $OUT"
)

// builds are the corpus. The compiler's warnings are no concern of ours.
var builds = []build{
	{command: "gcc -g -O0" + plain},
	{command: "gcc -g -O2 -gdwarf-4" + plain, heavy: true},
	{command: "gcc -g -O2 -gdwarf-2 -gstrict-dwarf" + plain},
	{command: "gcc -g -O3 -gdwarf-3" + plain, heavy: true},
	{command: "gcc -g -O1 -gdwarf-5 -gdwarf64" + plain},
	{command: "gcc -g -O1 -gdwarf-4 -gdwarf64" + plain, heavy: true},
	{command: "gcc -g -O2 -m32 -I/usr/include/x86_64-linux-gnu" + plain},
	{command: "gcc -g -O0 -m32 -I/usr/include/x86_64-linux-gnu -gdwarf-2" + plain, heavy: true},
	{command: "gcc -g -Og -flto" + plain},
	{command: "clang -g -O2" + plain},
	{command: "clang -g -O0 -gdwarf-4" + plain, heavy: true},
	{command: "clang -g -O0 -gdwarf-2" + plain, heavy: true},
	{command: "clang -g -O2 -gdwarf-5 -gdwarf64" + plain, heavy: true},
	{command: "clang -g -O1 -flto -fuse-ld=lld" + plain, heavy: true},
	{command: "aarch64-linux-gnu-gcc-12 -g -O2" + plain, heavy: true},
	{command: "aarch64-linux-gnu-gcc-12 -g -O0" + plain, heavy: true},
	{command: "riscv64-linux-gnu-gcc-12 -g -O2" + plain, heavy: true},
	{command: "riscv64-linux-gnu-gcc-12 -g -O0 -gdwarf-4" + plain, heavy: true},
	{command: "aarch64-linux-gnu-g++-12 -g -O2" + zoo, heavy: true},
	{command: "riscv64-linux-gnu-g++-12 -g -O2" + zoo, heavy: true},
	{command: "g++ -g -O0" + zoo},
	{command: "g++ -g -O2 -gdwarf-4 -fdebug-types-section" + zoo},
	{command: "g++ -g -O2" + zoo, heavy: true},
	{command: "g++ -g -O3 -flto" + zoo, heavy: true},
	{command: "g++ -g -O1 -gdwarf-5 -fdebug-types-section" + zoo, heavy: true},
	{command: "g++ -g -O1 -gdwarf-3" + zoo, heavy: true},
	{command: "g++ -g -O2 -m32 -I/usr/include/x86_64-linux-gnu" + zoo, heavy: true},
	{command: "clang++ -g -O2" + zoo},
	{command: "clang++ -g -O0 -gdwarf-4" + zoo, heavy: true},
	{command: "clang++ -g -O1 -gdwarf-5 -fdebug-types-section" + zoo, heavy: true},
	{command: "clang++ -g -O0 -stdlib=libc++" + zoo, heavy: true},
	{command: "g++ -g -O0" + modern, heavy: true},
	{command: "g++ -g -O2" + modern},
	{command: "g++ -g -O0 -std=c++23" + modern, heavy: true},
	{command: "clang++ -g -O0" + modern, heavy: true},
	{command: "rustc -g shapes.rs -o $OUT", heavy: true},
	{command: "rustc -g -C opt-level=2 shapes.rs -o $OUT"},
	{command: "go build -o $OUT values.go", heavy: true},
	{command: "go build -gcflags=-N\\ -l -ldflags=-compressdwarf=false -o $OUT values.go", heavy: true},
	{command: "gfortran -g -O0 -J$TMP arrays.f90 -o $OUT"},
	{command: "gfortran -g -O2 -J$TMP arrays.f90 -o $OUT", heavy: true},
	{command: "gcc -g -nostdlib -static start.s -o $OUT"},

	// The same, written in other ways.
	{command: "gcc -g -O2 -gz=zlib" + plain, twin: "gcc -g -O2" + plain},
	{command: "gcc -g -O2" + plain + " && objcopy --compress-debug-sections=zstd $OUT", twin: "gcc -g -O2" + plain},
	{command: "gcc -g -O2 -gdwarf-4 -gz=zlib-gnu" + plain, twin: "gcc -g -O2 -gdwarf-4" + plain, heavy: true},
	{command: "g++ -g -O2" + zoo + " && dwz $OUT", twin: "g++ -g -O2" + zoo},
	{command: "g++ -g -O2" + zoo + " && cp $OUT $OUT.2 && dwz -m $OUT.common $OUT $OUT.2", twin: "g++ -g -O2" + zoo, heavy: true},
	{command: "gcc -g -O2 -gdwarf-4" + plain + " && dwz $OUT", twin: "gcc -g -O2 -gdwarf-4" + plain, heavy: true},
	{command: "gcc -g -O2 -gsplit-dwarf" + plain, twin: "gcc -g -O2 -ggnu-pubnames" + plain},
	{command: "gcc -g -O2 -gsplit-dwarf -gdwarf-4" + plain, twin: "gcc -g -O2 -gdwarf-4 -ggnu-pubnames" + plain, heavy: true},
	{command: "g++ -g -O2 -gsplit-dwarf" + zoo, twin: "g++ -g -O2 -ggnu-pubnames" + zoo, heavy: true},
	{command: "clang++ -g -O2 -gsplit-dwarf" + zoo, twin: "clang++ -g -O2" + zoo, heavy: true},
	{command: "clang++ -g -O2 -gsplit-dwarf" + zoo + " && llvm-dwp -e $OUT -o $OUT.dwp && rm *.dwo", twin: "clang++ -g -O2" + zoo, heavy: true},
	{command: "gcc -g -O2 -gsplit-dwarf -gdwarf-4" + plain + " && dwp -e $OUT -o $OUT.dwp && rm *.dwo", twin: "gcc -g -O2 -gdwarf-4 -ggnu-pubnames" + plain, heavy: true},
}

// sources is where the programs are.
const sources = "testdata"

// make builds, if that was not done before, and returns the program's path.
// base is the program of its twin, which lies beside it: they have one
// compilation directory.
func (b build) make(tb testing.TB) (program, base string) {
	if b.twin == "" {
		program = compile(tb, b.command)
		return program, program
	}
	program = compile(tb, "OUT=base; "+b.twin+"; OUT=program; "+b.command)
	return program, filepath.Join(filepath.Dir(program), "base")
}

func compile(tb testing.TB, command string) string {
	tb.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		tb.Fatal(err)
	}
	dir := filepath.Join(cache, "dap-windbg-corpus", digest(tb, command))
	out := filepath.Join(dir, "program")
	if _, err := os.Stat(filepath.Join(dir, "done")); err == nil {
		return out
	}
	here, err := filepath.Abs(sources)
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		tb.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	script := "set -e; cd '" + dir + "'; ln -s '" + here + "'/* .; OUT=program TMP=. ; " + command + "; touch done"
	if text, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		tb.Fatalf("%s: %v\n%s", command, err, text)
	}
	return out
}

// digest names a build by its command, its sources and its compiler's version.
func digest(tb testing.TB, command string) string {
	tb.Helper()
	h := sha256.New()
	h.Write([]byte(command))
	list, err := os.ReadDir(sources)
	if err != nil {
		tb.Fatal(err)
	}
	for _, e := range list {
		text, err := os.ReadFile(filepath.Join(sources, e.Name()))
		if err != nil {
			tb.Fatal(err)
		}
		h.Write(text)
	}
	cc, _, _ := strings.Cut(strings.TrimPrefix(command, "OUT=base; "), " ")
	flag := "--version"
	if cc == "go" {
		flag = "version"
	}
	version, err := exec.Command(cc, flag).Output()
	if err != nil {
		tb.Fatalf("%s: %v", cc, err)
	}
	h.Write(version)
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func open(tb testing.TB, path string, o elf.Options) *elf.Image {
	tb.Helper()
	i, err := elf.Open(path, o)
	if err != nil {
		tb.Fatal(err)
	}
	return i
}
