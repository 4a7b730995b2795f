package dwarf

import (
	"iter"
	"sort"
	"sync"

	"dap-windbg/symbols"
)

// lineCache keeps decoded line programs, the most recently used first to stay.
type lineCache struct {
	mu     sync.Mutex
	tables map[uint64]*cachedLines // by offset in .debug_line
	clock  uint64
	rows   int
}

type cachedLines struct {
	*lineTable
	used uint64
}

// maxCachedRows bounds the line cache: 24 bytes a row.
const maxCachedRows = 1 << 19

// lineTable returns the decoded line program of u, nil when it has none.
func (u *unit) lineTable() *lineTable {
	u = u.liner()
	r := u.rootAttrs()
	if !r.hasLine {
		return nil
	}
	c := &u.data.lines
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock++
	if t, ok := c.tables[r.line]; ok {
		t.used = c.clock
		return t.lineTable
	}
	h, ok := u.data.lineHeader(r.line, u)
	if !ok {
		return nil
	}
	t := h.decode(u.data)
	c.add(r.line, t)
	return t
}

func (c *lineCache) add(key uint64, t *lineTable) {
	if c.tables == nil {
		c.tables = map[uint64]*cachedLines{}
	}
	for c.rows+len(t.rows) > maxCachedRows && len(c.tables) > 0 {
		var oldest uint64
		var last *cachedLines
		for k, e := range c.tables {
			if last == nil || e.used < last.used {
				oldest, last = k, e
			}
		}
		c.rows -= len(last.rows)
		delete(c.tables, oldest)
	}
	c.tables[key] = &cachedLines{t, c.clock}
	c.rows += len(t.rows)
}

// find returns the index of the row that covers addr.
func (t *lineTable) find(addr uint64) (int, *sequence, bool) {
	i := sort.Search(len(t.seqs), func(i int) bool { return t.seqs[i].low > addr })
	for n := 0; i > 0 && n < 8; n++ {
		i--
		s := &t.seqs[i]
		if addr >= s.high {
			continue
		}
		rows := t.rows[s.first:s.last]
		k := sort.Search(len(rows), func(k int) bool { return rows[k].addr > addr }) - 1
		if k >= 0 {
			return t.shown(s.first+k, s), s, true
		}
	}
	return 0, nil, false
}

// shown returns the row that speaks for all rows at row k's address, k being
// the last of them and so the one that the code is of: the last statement of its
// file (calls inlined from other files may have no code there), else of any, else k.
func (t *lineTable) shown(k int, s *sequence) int {
	best := k
	for i := k; i >= s.first && t.rows[i].addr == t.rows[k].addr; i-- {
		if t.rows[i].flags&rowStmt != 0 {
			if t.rows[i].file == t.rows[k].file {
				return i
			}
			if best == k {
				best = i
			}
		}
	}
	return best
}

// line makes the symbols.Line of row i: it ends where the next row with a
// higher address begins.
func (u *unit) line(t *lineTable, s *sequence, i int) symbols.Line {
	r := t.rows[i]
	l := symbols.Line{
		File: u.rowFile(t, uint64(r.file)), Line: int(r.line), Column: int(r.col),
		Start: u.data.offset(r.addr), End: u.data.offset(s.high),
		Stmt: r.flags&rowStmt != 0, PrologueEnd: r.flags&rowPrologueEnd != 0,
		Discriminator: int(r.discr),
	}
	rows := t.rows[i:s.last]
	k := sort.Search(len(rows), func(k int) bool { return rows[k].addr > r.addr })
	if k < len(rows) {
		l.End = u.data.offset(rows[k].addr)
	}
	return l
}

func (u *unit) rowFile(t *lineTable, n uint64) string {
	if t == nil || n >= uint64(len(t.files)) {
		return ""
	}
	return t.files[n].path(u.rootAttrs().dir)
}

// Line returns the row that covers off. Rows of one line that follow each other
// are joined, as long as no other line lies between. Code without a line (the
// compiler writes line 0) has none.
func (d *Data) Line(off symbols.Offset) (symbols.Line, bool) {
	u := d.unitAt(d.addr(off))
	if u == nil {
		return symbols.Line{}, false
	}
	t := u.lineTable()
	if t == nil {
		return symbols.Line{}, false
	}
	i, s, ok := t.find(d.addr(off))
	if !ok || t.rows[i].flags&rowEnd != 0 || t.rows[i].line == 0 {
		return symbols.Line{}, false
	}
	first, last := i, i
	same := func(k int) bool { return t.rows[k].line == t.rows[i].line && t.rows[k].file == t.rows[i].file }
	for first > s.first && same(first-1) {
		first--
	}
	for last+1 < s.last && same(last+1) {
		last++
	}
	l := u.line(t, s, i)
	l.Start, l.End = d.offset(t.rows[first].addr), u.line(t, s, last).End
	return l, true
}

// Lines yields the rows of [lo, hi) in address order, one a row of the line
// program; of rows at one address one counts, as in Line.
func (d *Data) Lines(lo, hi symbols.Offset) []symbols.Line {
	var out []symbols.Line
	for addr, end := d.addr(lo), d.addr(hi); addr < end; {
		next := d.nextCode(addr)
		if u := d.unitAt(addr); u != nil {
			out, next = u.rows(out, addr, end, next)
		}
		if next <= addr {
			break
		}
		addr = next
	}
	return out
}

// rows appends the rows of [addr, end) and returns where to go on: after the
// sequence that has addr, else at the unit's next one, else at next.
func (u *unit) rows(out []symbols.Line, addr, end, next uint64) ([]symbols.Line, uint64) {
	t := u.lineTable()
	if t == nil {
		return out, next
	}
	i, s, ok := t.find(addr)
	if !ok {
		k := sort.Search(len(t.seqs), func(k int) bool { return t.seqs[k].low > addr })
		if k < len(t.seqs) {
			next = min(next, t.seqs[k].low)
		}
		return out, next
	}
	for ; i < s.last && t.rows[i].addr < end; i++ {
		if t.rows[i].flags&rowEnd != 0 || i+1 < s.last && t.rows[i+1].addr == t.rows[i].addr {
			continue
		}
		out = append(out, u.line(t, s, t.shown(i, s)))
	}
	return out, s.high
}

// Files yields every source path that a line program names, each once.
func (d *Data) Files() iter.Seq[string] {
	return func(yield func(string) bool) {
		seen := map[string]bool{}
		for u := range d.lineUnits() {
			h, ok := d.lineHeader(u.root.line, u)
			if !ok {
				continue
			}
			for _, f := range h.files {
				p := f.path(u.root.dir)
				if p == "" || seen[p] {
					continue
				}
				seen[p] = true
				if !yield(p) {
					return
				}
			}
		}
	}
}

// lineUnits yields one unit for each line program; type units share theirs.
func (d *Data) lineUnits() iter.Seq[*unit] {
	return func(yield func(*unit) bool) {
		seen := map[uint64]bool{}
		for _, u := range d.allUnits()[:d.infoUnits] {
			if u.kind != utCompile && u.kind != utSkeleton {
				continue
			}
			r := u.rootAttrs()
			if !r.hasLine || seen[r.line] {
				continue
			}
			seen[r.line] = true
			if !yield(u) {
				return
			}
		}
	}
}

// fileTable returns the unit's files without running its line program.
func (u *unit) fileTable() ([]lineFile, string) {
	u = u.liner()
	u.filesOnce.Do(func() {
		if r := u.rootAttrs(); r.hasLine {
			if h, ok := u.data.lineHeader(r.line, u); ok {
				u.files = h.files
			}
		}
	})
	return u.files, u.root.dir
}
