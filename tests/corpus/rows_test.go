package corpus

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/symbols"
)

// row is a row of a line program as llvm-dwarfdump prints it.
type row struct {
	addr               uint64
	line, column, file int
	discriminator      int
	stmt, prologue     bool
	end                bool
}

// program is a line program.
type program struct {
	off     uint64
	version int
	dirs    map[int]string
	files   map[int]sourceFile
	rows    []row
}

type sourceFile struct {
	name string
	dir  int
}

// lines runs llvm-dwarfdump on the line programs of a file.
func lines(tb testing.TB, path string) []*program {
	tb.Helper()
	out, err := exec.Command(dwarfdump, "--debug-line", path).Output()
	if err != nil {
		tb.Fatalf("llvm-dwarfdump %s: %v", path, err)
	}
	var all []*program
	var p *program
	file := -1
	for line := range bytes.Lines(out) {
		s := strings.TrimRight(string(line), "\n")
		trimmed := strings.TrimSpace(s)
		switch {
		case strings.HasPrefix(s, "debug_line["):
			off, _ := strconv.ParseUint(strings.TrimRight(s[len("debug_line["):], "]"), 0, 64)
			p = &program{off: off, dirs: map[int]string{}, files: map[int]sourceFile{}}
			all = append(all, p)
		case p == nil:
		case strings.HasPrefix(trimmed, "version: "):
			p.version, _ = strconv.Atoi(trimmed[9:])
		case strings.HasPrefix(s, "include_directories["):
			n, value := numbered(s[len("include_directories["):])
			p.dirs[n] = quoted(value)
		case strings.HasPrefix(s, "file_names["):
			file, _ = numbered(s[len("file_names["):])
			p.files[file] = sourceFile{}
		case strings.HasPrefix(trimmed, "name: "):
			f := p.files[file]
			f.name = quoted(trimmed[6:])
			p.files[file] = f
		case strings.HasPrefix(trimmed, "dir_index: "):
			f := p.files[file]
			f.dir, _ = strconv.Atoi(trimmed[11:])
			p.files[file] = f
		case strings.HasPrefix(s, "0x"):
			p.rows = append(p.rows, parseRow(strings.Fields(s)))
		}
	}
	return all
}

// numbered reads "  3] = value".
func numbered(s string) (int, string) {
	num, value, _ := strings.Cut(s, "]")
	n, err := strconv.Atoi(strings.TrimSpace(num))
	if err != nil {
		return -1, ""
	}
	return n, strings.TrimPrefix(strings.TrimPrefix(value, ":"), " = ")
}

func quoted(s string) string {
	if q, err := strconv.Unquote(s); err == nil {
		return q
	}
	return s
}

func parseRow(f []string) row {
	var r row
	if len(f) < 6 {
		return r
	}
	r.addr, _ = strconv.ParseUint(f[0], 0, 64)
	r.line, _ = strconv.Atoi(f[1])
	r.column, _ = strconv.Atoi(f[2])
	r.file, _ = strconv.Atoi(f[3])
	r.discriminator, _ = strconv.Atoi(f[5])
	r.stmt = slices.Contains(f, "is_stmt")
	r.prologue = slices.Contains(f, "prologue_end")
	r.end = slices.Contains(f, "end_sequence")
	return r
}

// path joins a file's name with its directory (DWARF 5, 6.2.4): the directories
// themselves are relative to the compilation directory, which is the first.
func (p *program) path(n int, compDir string) string {
	f, ok := p.files[n]
	if !ok {
		return ""
	}
	if strings.HasPrefix(f.name, "/") {
		return clean(f.name)
	}
	dir := p.dirs[f.dir]
	if f.dir == 0 && p.version < 5 {
		dir = compDir
	}
	if f.dir != 0 && !strings.HasPrefix(dir, "/") {
		dir = compDir + "/" + dir
	}
	return clean(dir + "/" + f.name)
}

// rows compares all line programs: each row as Lines lists it, and Line at the
// first, middle and last byte of each.
func (c *comparer) rows(programs []*program, live func(uint64) bool) {
	dirs := map[uint64]string{}
	for _, u := range c.tree.units {
		if u.root == nil {
			continue
		}
		if off, ok := u.root.number("DW_AT_stmt_list"); ok && dirs[uint64(off)] == "" {
			dirs[uint64(off)] = u.root.str("DW_AT_comp_dir")
		}
	}
	for _, p := range programs {
		start := 0
		for i, r := range p.rows {
			if !r.end {
				continue
			}
			seq := slices.Clone(p.rows[start : i+1])
			start = i + 1
			if low := seq[0].addr; low < r.addr && live(low) {
				c.sequence(p, seq, dirs[p.off])
			}
		}
	}
}

func (c *comparer) sequence(p *program, seq []row, compDir string) {
	slices.SortStableFunc(seq, func(a, b row) int {
		switch {
		case a.addr < b.addr:
			return -1
		case a.addr > b.addr:
			return 1
		}
		return 0
	})
	low, high := seq[0].addr, seq[len(seq)-1].addr
	got := c.img.Lines(c.off(low), c.off(high))
	var want []symbols.Line
	for i := 0; i < len(seq) && !seq[i].end; {
		k := i + 1
		for k < len(seq) && seq[k].addr == seq[i].addr {
			k++
		}
		if k == len(seq) {
			break
		}
		r := spokesman(seq[i:k])
		want = append(want, symbols.Line{
			File: p.path(r.file, compDir), Line: r.line, Column: r.column, Discriminator: r.discriminator,
			Start: c.off(r.addr), End: c.off(seq[k].addr), Stmt: r.stmt, PrologueEnd: r.prologue,
		})
		i = k
	}
	at := fmt.Sprintf("rows from 0x%x", low)
	c.count["rows read"] += len(seq)
	if !fact(c, "rows", at, len(got), len(want)) {
		return
	}
	for i, w := range want {
		if !fact(c, "row", at, got[i], w) {
			return
		}
		for _, off := range []symbols.Offset{w.Start, (w.Start + w.End) / 2, w.End - 1} {
			addr := uint64(off) + c.img.LinkBase()
			if !c.tree.hasCode(addr) {
				continue // between functions: a row reaches further than its unit
			}
			l, ok := c.img.Line(off)
			path := fmt.Sprintf("0x%x", addr)
			if fact(c, "has a line", path, ok, w.Line != 0) && ok {
				fact(c, "line at address", path, [2]int{l.Line, l.Column}, [2]int{w.Line, w.Column})
				fact(c, "file at address", path, l.File, w.File)
				fact(c, "statement at address", path, l.Stmt, w.Stmt)
			}
		}
	}
}

// spokesman is the row that speaks for all at its address. The last one says whose
// file the code is of, as llvm-symbolizer and addr2line have it; of that file's rows
// the last statement speaks, else the last statement of any, else the last row.
func spokesman(rows []row) row {
	last := rows[len(rows)-1]
	statement := func(of func(row) bool) (row, bool) {
		for _, r := range slices.Backward(rows) {
			if r.stmt && of(r) {
				return r, true
			}
		}
		return row{}, false
	}
	if r, ok := statement(func(r row) bool { return r.file == last.file }); ok {
		return r
	}
	if r, ok := statement(func(row) bool { return true }); ok {
		return r
	}
	return last
}
