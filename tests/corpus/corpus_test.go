package corpus

import (
	"debug/elf"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	ours "dap-windbg/symbols/elf"
)

// compared counts the facts of all tests.
var compared atomic.Int64

func TestMain(m *testing.M) {
	code := m.Run()
	fmt.Printf("corpus: %d facts compared\n", compared.Load())
	os.Exit(code)
}

// report prints how many facts were compared, by kind.
func (c *comparer) report() {
	c.tb.Helper()
	total := 0
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(c.count)) {
		total += c.count[k]
		parts = append(parts, fmt.Sprintf("%s %d", k, c.count[k]))
	}
	compared.Add(int64(total))
	c.tb.Logf("%d facts compared, %d differ: %s", total, c.wrong, strings.Join(parts, ", "))
	if total == 0 {
		c.tb.Error("nothing was compared")
	}
}

// TestPrograms compares every build of the small programs. A twin's oracle reads
// the other one's file.
func TestPrograms(t *testing.T) {
	for _, b := range builds {
		if b.heavy && !heavy {
			continue
		}
		t.Run(b.command, func(t *testing.T) {
			program, base := b.make(t)
			compareAll(t, base, base, open(t, program, ours.Options{}))
		})
	}
}

// compareAll compares an image with what others read from the file that has its
// debug information.
func compareAll(t *testing.T, path, debug string, img *ours.Image) {
	c := newComparer(t, dump(t, debug), img)
	live := code(t, path)
	c.symbols(debug)
	c.rows(lines(t, debug), live)
	c.functions(live)
	c.namedTypes()
	c.report()
}

// TestLibc compares the C library of the system with its separate debug file.
func TestLibc(t *testing.T) {
	const libc = "/lib/x86_64-linux-gnu/libc.so.6"
	debug := debugFile(t, libc)
	compareAll(t, libc, debug, open(t, libc, ours.Options{Debug: debug}))
}

// TestKernel compares the functions, rows and types of Debian's kernel. There are
// so many that only every sixteenth unit's are compared, but all rows.
func TestKernel(t *testing.T) {
	if !heavy {
		t.Skip("HEAVY is not set")
	}
	all, err := filepath.Glob("/usr/lib/debug/boot/vmlinux-*")
	if err != nil || len(all) == 0 {
		t.Fatal("no kernel with debug information", err)
	}
	path := all[len(all)-1]
	c := newComparer(t, dumpUnits(t, path, 16), open(t, path, ours.Options{}))
	live := code(t, path)
	c.symbols(path)
	c.rows(lines(t, path), live)
	c.functions(live)
	c.report()
}

// debugFile is where the distribution keeps the debug file of an image.
func debugFile(t *testing.T, path string) string {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	note, err := f.Section(".note.gnu.build-id").Data()
	if err != nil || len(note) < 20 {
		t.Fatal("no build-id", err)
	}
	id := hex.EncodeToString(note[16:])
	return "/usr/lib/debug/.build-id/" + id[:2] + "/" + id[2:] + ".debug"
}
