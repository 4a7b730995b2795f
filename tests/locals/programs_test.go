package locals

import (
	"bufio"
	"bytes"
	"debug/elf"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"dap-windbg/tests/sidebyside"
)

// build is one way to make a program.
type build sidebyside.Build

func (b build) String() string { return sidebyside.Build(b).String() }

// compile builds sources and returns the program.
func compile(t *testing.T, b build, sources ...string) string {
	t.Helper()
	return sidebyside.Compile(t, sidebyside.Build(b), sources...)
}

// random writes the random program of seed.
func random(t *testing.T, seed int, args ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), fmt.Sprintf("random%d.c", seed))
	args = append([]string{"--seed", strconv.Itoa(seed), "--output", out}, args...)
	cmd := exec.Command("csmith", args...)
	cmd.Dir = t.TempDir()
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("csmith: %v\n%s", err, text)
	}
	return out
}

// ends reports whether a program ends by itself, soon.
func ends(program string) bool {
	cmd := exec.Command(program)
	if cmd.Start() != nil {
		return false
	}
	timer := time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
	defer timer.Stop()
	return cmd.Wait() == nil
}

var notOurs = regexp.MustCompile(`^(_start|_init|_fini|deregister_tm_clones|register_tm_clones|__do_global_dtors_aux|frame_dummy|_dl_relocate_static_pie|__libc_csu_.*)$`)

// instructions lists the addresses of the program's own instructions.
func instructions(t *testing.T, program string) []uint64 {
	t.Helper()
	out, err := exec.Command("objdump", "-d", "--no-show-raw-insn", "-j", ".text", program).Output()
	if err != nil {
		t.Fatalf("objdump: %v", err)
	}
	var at []uint64
	mine := false
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		line := lines.Text()
		if i := strings.Index(line, "<"); i > 0 && strings.HasSuffix(line, ">:") {
			mine = !notOurs.MatchString(strings.TrimSuffix(line[i+1:], ">:"))
			continue
		}
		a, rest, ok := strings.Cut(strings.TrimSpace(line), ":")
		n, err := strconv.ParseUint(a, 16, 64)
		if ok && err == nil && mine && !strings.Contains(rest, "nop") {
			at = append(at, n)
		}
	}
	return at
}

// statements lists the addresses where the line table recommends to stop.
func statements(t *testing.T, program string) []uint64 {
	t.Helper()
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := f.DWARF()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint64]bool{}
	for r := d.Reader(); ; {
		e, err := r.Next()
		if err != nil || e == nil {
			break
		}
		lines, err := d.LineReader(e)
		if err == nil && lines != nil {
			collect(lines, seen)
		}
		r.SkipChildren()
	}
	var out []uint64
	for a := range seen {
		out = append(out, a)
	}
	sort.Slice(out, func(i, j int) bool { return out[i] < out[j] })
	return out
}

// choose makes the plan of a program: half of the places are statements, half
// any instruction.
func choose(t *testing.T, program string, seed, places int) plan {
	t.Helper()
	r := rand.New(rand.NewSource(int64(seed)))
	any, lines := instructions(t, program), statements(t, program)
	known := map[uint64]bool{}
	for _, a := range any {
		known[a] = true
	}
	p := plan{Program: program, Frames: 6, Start: symbol(t, program, "_start")}
	taken := map[uint64]bool{}
	for i := range places {
		from := any
		if i%2 == 0 {
			from = lines
		}
		a := from[r.Intn(len(from))]
		if taken[a] || !known[a] {
			continue
		}
		taken[a] = true
		x := place{At: a}
		for range r.Intn(3) {
			x.Steps = append(x.Steps, 1+r.Intn(4))
		}
		p.Places = append(p.Places, x)
	}
	return p
}

func symbol(t *testing.T, program, name string) uint64 {
	t.Helper()
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	syms, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range syms {
		if s.Name == name {
			return s.Value
		}
	}
	t.Fatalf("%s has no %s", program, name)
	return 0
}

func keep(t *testing.T, name string, lines []string) {
	if dir := os.Getenv("LOCALS_KEEP"); dir != "" {
		os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(lines, "\n")+"\n"), 0o644)
	}
}

// listed is an entry of the location list of a variable.
type listed struct {
	low, high uint64
	expr      string
}

// locations are the entries by the variable's name.
type locations map[string][]listed

var listedEntry = regexp.MustCompile(`\[0x([0-9a-f]+), 0x([0-9a-f]+)\): (.*)`)
var namedEntry = regexp.MustCompile(`DW_AT_(?:name|abstract_origin)\s*\((?:0x[0-9a-f]+ )?"([^"]*)"\)`)

// locationLists reads all location lists of a program.
func locationLists(t *testing.T, program string) locations {
	t.Helper()
	out, err := exec.Command("llvm-dwarfdump", "--debug-info", program).Output()
	if err != nil {
		t.Fatalf("llvm-dwarfdump: %v", err)
	}
	all := locations{}
	var entries []listed
	name := ""
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "0x") {
			all[name] = append(all[name], entries...)
			name, entries = "", nil
		}
		if m := listedEntry.FindStringSubmatch(line); m != nil {
			low, _ := strconv.ParseUint(m[1], 16, 64)
			high, _ := strconv.ParseUint(m[2], 16, 64)
			entries = append(entries, listed{low, high, m[3]})
		}
		if m := namedEntry.FindStringSubmatch(line); m != nil {
			name = m[1]
		}
	}
	all[name] = append(all[name], entries...)
	return all
}

// has reports whether the list of a variable of this name has an entry for pc,
// or an empty one there, whose expression has what.
func (l locations) has(name string, pc uint64, empty bool, what string) bool {
	for _, e := range l[name] {
		in := pc >= e.low && pc < e.high
		if empty {
			in = pc == e.low && pc == e.high
		}
		if in && strings.Contains(e.expr, what) {
			return true
		}
	}
	return false
}
