package elf

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// builds are the ways the sample programs are compiled. Each name is the
// compiler's options.
var builds = []string{
	"g++ -O0 -gdwarf-5",
	"g++ -O2 -gdwarf-5",
	"g++ -O0 -gdwarf-4",
	"g++ -O2 -gdwarf-4",
	"g++ -Og -gdwarf-3 -gno-strict-dwarf",
	"g++ -O1 -gdwarf-5 -fdebug-types-section",
	"g++ -O1 -gdwarf-4 -fdebug-types-section",
	"g++ -O2 -gdwarf-5 -gdwarf64",
	"g++ -O0 -gdwarf-5 -gz=zlib",
	"g++ -O0 -gdwarf-4 -gz=zlib-gnu",
	"g++ -O0 -gdwarf-5 -no-pie",
	"clang++ -O0 -gdwarf-5",
	"clang++ -O2 -gdwarf-5",
	"clang++ -O2 -gdwarf-4",
}

var built struct {
	sync.Mutex
	dir   string
	paths map[string]string
}

// build compiles a sample with a line of options, once a run of the tests.
func build(tb testing.TB, options, source string) string {
	tb.Helper()
	built.Lock()
	defer built.Unlock()
	key := options + " " + source
	if p, ok := built.paths[key]; ok {
		return p
	}
	out := filepath.Join(built.dir, strings.NewReplacer(" ", "_", "+", "x", "/", "_").Replace(key))
	args := strings.Fields(options)
	if strings.HasSuffix(source, ".c") {
		args[0] = strings.NewReplacer("g++", "gcc", "clang++", "clang").Replace(args[0])
	}
	args = append(args, "-o", out, filepath.Join("testdata", source))
	if b, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		tb.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, b)
	}
	built.paths[key] = out
	return out
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "symbols-elf")
	if err != nil {
		panic(err)
	}
	built.dir, built.paths = dir, map[string]string{}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// open opens a build of a sample.
func open(tb testing.TB, options, source string) *Image {
	tb.Helper()
	i, err := Open(build(tb, options, source), Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return i
}

// tool runs an oracle and returns what it prints.
func tool(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	b, err := exec.Command(name, args...).Output()
	if err != nil {
		tb.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return string(b)
}
