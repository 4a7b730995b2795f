package pdb

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/symbols"
)

// block is a table of lines of the dump: rows of one contribution.
type block struct {
	low, high symbols.Offset
	rows      map[symbols.Offset]int // the last line told for an address
}

var reRows = regexp.MustCompile(`^\s*(\d{4}):([0-9A-F]{8})-([0-9A-F]{8}), line`)

func blocks(t *testing.T, p program) (all []block) {
	t.Helper()
	sec := sections(t, p)
	base := symbols.Offset(0)
	for _, l := range output(t, "", "llvm-pdbutil-19", "dump", "-l", p.pdb) {
		if m := reRows.FindStringSubmatch(l); m != nil {
			b := block{low: place(t, sec, m[1]+":"+m[2], 16), high: place(t, sec, m[1]+":"+m[3], 16), rows: map[symbols.Offset]int{}}
			n, _ := strconv.Atoi(m[1])
			base = symbols.Offset(sec[n])
			all = append(all, b)
			continue
		}
		f := strings.Fields(strings.ReplaceAll(l, "!", " "))
		for i := 0; i+1 < len(f) && len(all) > 0; i += 2 {
			line, err := strconv.Atoi(f[i])
			at, err2 := strconv.ParseUint(f[i+1], 16, 32)
			if err != nil || err2 != nil || len(f[i+1]) != 8 {
				break
			}
			all[len(all)-1].rows[base+symbols.Offset(at)] = line
		}
	}
	return all
}

// TestLines: in code without inlined calls each row of the dump is ours, and there
// are no others; elsewhere each address has the line of the outermost call.
func TestLines(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		rows, inlined := 0, 0
		for _, b := range blocks(t, p) {
			ours := map[symbols.Offset]int{}
			for _, l := range p.image.Lines(b.low, b.high) {
				ours[l.Start] = l.Line
			}
			for at, want := range b.rows {
				if at >= b.high {
					continue
				}
				rows++
				line, ok := p.image.Line(at)
				scopes, err := p.image.Scopes(at)
				if !ok || err != nil {
					t.Errorf("%x: %v, %v", at, line, err)
					continue
				}
				if n := len(scopes); n > 1 {
					inlined++
					line = scopes[n-2].Call
				}
				if want != line.Line {
					t.Errorf("%x: line %d, the dump says %d", at, line.Line, want)
				}
				delete(ours, at)
			}
			for at, line := range ours {
				scopes, _ := p.image.Scopes(at)
				before, _ := p.image.Scopes(at - 1)
				if len(scopes) <= 1 && len(before) <= 1 {
					t.Errorf("%x: line %d, of which the dump says nothing", at, line)
				}
			}
		}
		if t.Logf("%d rows, %d of them in inlined calls", rows, inlined); rows < 10 {
			t.Error("too few")
		}
	})
}

// TestInlines: at every fourth byte of code the functions and lines around are those
// of llvm-symbolizer, inlined calls included.
func TestInlines(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		var at []symbols.Offset
		var in strings.Builder
		for _, f := range functions(t, p) {
			for off := f.low; off < f.low+symbols.Offset(f.size); off += 4 {
				at = append(at, off)
				fmt.Fprintf(&in, "0x%x\n", uint64(off)+p.image.LinkBase())
			}
		}
		answers := strings.Split(strings.Join(output(t, in.String(), "llvm-symbolizer-19", "--obj="+p.exe, "--inlines", "--no-demangle"), "\n"), "\n\n")
		frames, calls := 0, 0
		for i, off := range at {
			if i >= len(answers) {
				t.Fatalf("%d answers for %d places", len(answers), len(at))
			}
			var got []string
			scopes, err := p.image.Scopes(off)
			if err != nil {
				t.Fatal(err)
			}
			line, _ := p.image.Line(off)
			for _, s := range scopes {
				got = append(got, cmp.Or(s.Linkage, s.Name), fmt.Sprintf("%s:%d", filepath.Base(line.File), line.Line))
				line = s.Call
			}
			var want []string
			lines := strings.Split(strings.TrimSpace(answers[i]), "\n")
			for k := 0; k+1 < len(lines); k += 2 {
				position := strings.TrimSuffix(lines[k+1], ":0")
				want = append(want, lines[k], filepath.Base(position))
			}
			frames += len(scopes)
			calls += max(len(scopes)-1, 0)
			if !slices.Equal(got, want) {
				t.Errorf("%x: %q, llvm-symbolizer says %q", off, got, want)
			}
		}
		if t.Logf("%d places, %d frames, %d inlined", len(at), frames, calls); frames < 50 || calls == 0 && strings.Contains(p.name, "-O2") {
			t.Error("too few")
		}
	})
}

var reSum = regexp.MustCompile(`^(.*) \((MD5|SHA-?1|SHA-?256): ([0-9A-F]+)\)$`)

// TestSourceSums: the checksum of each source is the dump's.
func TestSourceSums(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		compared := 0
		for _, l := range output(t, "", "llvm-pdbutil-19", "dump", "-l", p.pdb) {
			m := reSum.FindStringSubmatch(strings.TrimSpace(l))
			if m == nil {
				continue
			}
			sum, ok := p.image.SourceSum(m[1])
			if !ok || sum.Kind != strings.ReplaceAll(m[2], "-", "") || fmt.Sprintf("%X", sum.Sum) != m[3] {
				t.Errorf("%s: %s %X, the dump says %s %s", m[1], sum.Kind, sum.Sum, m[2], m[3])
			}
			compared++
		}
		if compared == 0 {
			t.Error("no source has one")
		}
	})
}
