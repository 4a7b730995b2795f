package dwarf

import (
	"cmp"
	"slices"
	"strings"

	"dap-windbg/symbols"
)

// Places returns where to stop for file:line: for every block of every function
// instance (inlined copies are instances) and every contiguous part of it, the
// lowest address with code of the line. At a function's very first row that is the
// place after the prologue, as Body says. What is returned must not be changed.
func (d *Data) Places(file string, line int) []symbols.Place { return d.naming(file, line) }

// placesOf are the places of a line in the units that name its file.
func placesOf(found []fileMatch, line int) []symbols.Place {
	best := 0
	var places []symbols.Place
	for _, m := range found { // each is decoded once, for they may be thousands
		n, ok := m.nearest(line)
		if !ok || best != 0 && n > best {
			continue
		}
		if n != best {
			best, places = n, nil
		}
		places = append(places, m.places(n)...)
	}
	if best == 0 {
		return nil
	}
	slices.SortFunc(places, func(a, b symbols.Place) int { return cmp.Compare(a.Offset, b.Offset) })
	places = slices.CompactFunc(places, func(a, b symbols.Place) bool { return a.Offset == b.Offset })
	if slices.ContainsFunc(places, func(p symbols.Place) bool { return p.Function != "" }) {
		// Code with lines and no function is a thunk: it goes on to another place.
		places = slices.DeleteFunc(places, func(p symbols.Place) bool { return p.Function == "" })
	}
	return places
}

// pathElements splits a path at either slash, "." and empty elements left out
// and ".." applied.
func pathElements(p string) []string {
	var out []string
	for _, e := range strings.FieldsFunc(p, func(r rune) bool { return r == '/' || r == '\\' }) {
		switch {
		case e == ".":
		case e == ".." && len(out) > 0 && out[len(out)-1] != "..":
			out = out[:len(out)-1]
		default:
			out = append(out, e)
		}
	}
	return out
}

// pathMatches compares the trailing elements of have with all of want.
func pathMatches(have string, want []string, exact bool) bool {
	h := pathElements(have)
	if len(h) < len(want) {
		return false
	}
	h = h[len(h)-len(want):]
	for i := range want {
		if h[i] != want[i] && (exact || !strings.EqualFold(h[i], want[i])) {
			return false
		}
	}
	return true
}

// stopRow is a row of a unit's line table that a breakpoint may stand on.
type stopRow struct{ line, seq, row int }

// stopRows lists those of the file, by line and as they are in the table.
func (m fileMatch) stopRows() []stopRow {
	t := m.unit.lineTable()
	if t == nil {
		return nil
	}
	var out []stopRow
	for k := range t.seqs {
		for i := t.seqs[k].first; i < t.seqs[k].last; i++ {
			r := &t.rows[i]
			if r.flags&(rowStmt|rowEnd) == rowStmt && r.line != 0 && m.files[r.file] {
				out = append(out, stopRow{int(r.line), k, i})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b stopRow) int { return cmp.Compare(a.line, b.line) })
	return slices.Clip(out)
}

// from are the rows of the lowest line with code that is not before line, and of those
// behind it.
func (m fileMatch) from(line int) []stopRow {
	rows := m.rows()
	i, _ := slices.BinarySearchFunc(rows, line, func(r stopRow, line int) int { return cmp.Compare(r.line, line) })
	return rows[i:]
}

// nearest is the lowest line with code that is not before line.
func (m fileMatch) nearest(line int) (int, bool) {
	if rows := m.from(line); len(rows) > 0 {
		return rows[0].line, true
	}
	return 0, false
}

// instance is one block of one part of one copy of a function.
type instance struct {
	die ref    // of the block
	low uint64 // of the part
}

func (m fileMatch) places(line int) []symbols.Place {
	t := m.unit.lineTable()
	if t == nil {
		return nil
	}
	first := map[instance]symbols.Place{}
	for _, r := range m.from(line) {
		if r.line != line {
			break
		}
		key, p := m.unit.place(t, &t.seqs[r.seq], r.row)
		if old, ok := first[key]; !ok || p.Offset < old.Offset {
			first[key] = p
		}
	}
	out := make([]symbols.Place, 0, len(first))
	for _, p := range first {
		out = append(out, p)
	}
	return out
}

// place makes the Place of row i and says which instance it belongs to.
func (u *unit) place(t *lineTable, s *sequence, i int) (instance, symbols.Place) {
	d := u.data
	addr := t.rows[i].addr
	p := symbols.Place{Offset: d.offset(addr), Line: u.line(t, s, i)}
	fn, ok := d.functionDIE(addr)
	if !ok {
		return instance{low: s.low}, p
	}
	chain, block := fn.inlinedAt(addr)
	in := chain[len(chain)-1]
	key := instance{die: block.ref()}
	for _, r := range in.ranges() {
		if addr >= r.low && addr < r.high {
			key.low = r.low
		}
	}
	p.Function, p.Inlined = d.functionName(&in), in.ab.tag == tagInlined
	if e, ok := entryRange(&fn, fn.ranges()); ok && e.low == addr && !p.Inlined {
		if body, ok := d.Body(p.Offset); ok {
			line := p.Line.Line
			p = body
			p.Line.Line = line
		}
	}
	return key, p
}

// inlinedAt returns fn and the inlined calls that have the address, outermost
// first, and the innermost block.
func (d *die) inlinedAt(addr uint64) (chain []die, block die) {
	chain = []die{*d}
	cur, nest := *d, 0
	for down := true; down && nest < maxDepth; nest++ {
		down = false
		cur.children(func(c *die) bool {
			if (c.ab.tag == tagInlined || c.ab.tag == tagLexicalBlock) && contains(c.ranges(), addr) {
				if c.ab.tag == tagInlined {
					chain = append(chain, *c)
				}
				cur, down = *c, true
				return false
			}
			return true
		})
	}
	return chain, cur
}

// Body returns the place after the prologue of the function entered at off:
//
//   - the first row marked prologue_end, where the compiler marks one (LLVM);
//   - the entry itself in a unit with location lists: it was optimised, its
//     variables are known from the first instruction, and its rows are not in
//     source order (gdb decides by the same sign);
//   - else the second row that begins at a new address: the first is the
//     prologue.
//
// False when off is no function's entry.
func (d *Data) Body(off symbols.Offset) (symbols.Place, bool) {
	addr := d.addr(off)
	fn, ok := d.functionDIE(addr)
	if !ok {
		return symbols.Place{}, false
	}
	e, ok := entryRange(&fn, fn.ranges())
	if !ok || e.low != addr {
		return symbols.Place{}, false
	}
	p := symbols.Place{Offset: off, Function: d.functionName(&fn)}
	u := fn.u
	t := u.lineTable()
	if t == nil {
		return p, true
	}
	i, s, ok := t.find(addr)
	if !ok {
		return p, true
	}
	i = t.body(i, s, e, u.table().loclists)
	p.Line = u.line(t, s, i)
	p.Offset = max(p.Line.Start, off)
	return p, true
}

// body picks the row of the place after the prologue; i is the entry's row.
func (t *lineTable) body(i int, s *sequence, e addrRange, optimised bool) int {
	second := -1
	for k := i; k < s.last && t.rows[k].addr < e.high; k++ {
		r := &t.rows[k]
		if r.flags&rowPrologueEnd != 0 {
			return t.last(k, s)
		}
		if second < 0 && r.addr > e.low && r.flags&rowStmt != 0 && r.line != 0 {
			second = k
		}
	}
	if second < 0 || optimised {
		return i
	}
	return t.last(second, s)
}

// last returns the row that speaks for row k's address.
func (t *lineTable) last(k int, s *sequence) int {
	for k+1 < s.last && t.rows[k+1].addr == t.rows[k].addr && t.rows[k+1].flags&rowEnd == 0 {
		k++
	}
	return t.shown(k, s)
}
