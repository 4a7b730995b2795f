package pdb

import (
	"cmp"
	"encoding/binary"
	"iter"
	"slices"
	"sort"

	"dap-windbg/symbols"
)

// Subsections of a module's C13 debug information (DEBUG_S_SUBSECTION_TYPE).
const (
	c13Ignore    = 0x80000000
	c13Lines     = 0xf2
	c13Checksums = 0xf4
	c13Frames    = 0xf5
	c13Inlinees  = 0xf6
)

// Line numbers that mean "do not stop here".
const (
	lineNever  = 0xfeefee
	lineAlways = 0xf00f00
)

// row is the code that one line has in one place. A row without code has addr == end.
type row struct {
	addr, end uint32
	file      uint32 // where its name lies in the file's string table
	line      uint32 // 0: none
	column    uint16
	stmt      bool
	site      int32 // the inlined call that it is of, from 1; 0 the function itself
}

// lineTable is what a module tells of lines.
type lineTable struct {
	raw      []row // as the module has them: inlined code is on the line of the outermost call
	rows     []row // each on the line it was written on, those without code left out
	sites    []site
	inlinees map[uint32]inlinee
	files    map[uint32]uint32            // offsets of checksums to those of names
	sums     map[uint32]symbols.SourceSum // by offsets of names
}

// inlinee is where a function that was inlined is written.
type inlinee struct{ file, line uint32 }

// maxRows bounds the rows of a module.
const maxRows = 1 << 24

func (m *module) lineTable() *lineTable {
	m.linesOnce.Do(m.readLines)
	return &m.lines
}

// c13Part yields the subsections of a kind.
func (m *module) c13Part(kind uint32) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		begin := uint64(m.symbols) + uint64(m.c11)
		if begin+uint64(m.c13) > uint64(m.s.size) {
			return
		}
		b, _ := m.s.view(uint32(begin), m.c13)
		for f := (&fields{b: b}); len(f.b) >= 8; {
			k, n := f.u32(), f.u32()
			data := f.take(int(min(n, 1<<31-1)))
			if f.short {
				return
			}
			f.take(min(int(-n&3), len(f.b)))
			if k == kind && !yield(data) {
				return
			}
		}
	}
}

func (m *module) readLines() {
	t := &m.lines
	t.files, t.sums = map[uint32]uint32{}, map[uint32]symbols.SourceSum{}
	for b := range m.c13Part(c13Checksums) {
		for f := (&fields{b: b}); len(f.b) >= 6; {
			at := uint32(len(b) - len(f.b))
			name := f.u32()
			n := int(f.u8())
			if kind := sumKinds[f.u8()]; kind != "" {
				t.sums[name] = symbols.SourceSum{Kind: kind, Sum: f.take(n)}
			} else {
				f.take(n)
			}
			if used := len(b) - len(f.b); used&3 != 0 {
				f.take(min(4-used&3, len(f.b)))
			}
			t.files[at] = name
		}
	}
	for b := range m.c13Part(c13Lines) {
		m.readRows(b)
	}
	slices.SortStableFunc(t.raw, func(a, b row) int { return cmp.Compare(a.addr, b.addr) })
	// Clang's tables do not say what begins a statement.
	if !slices.ContainsFunc(t.raw, func(r row) bool { return r.stmt }) {
		for i := range t.raw {
			t.raw[i].stmt = t.raw[i].line != 0
		}
	}
	m.readInlinees()
	for i := range m.functions() {
		m.readSites(&m.procs[i])
	}
	t.rows = t.innermost()
}

// sumKinds are the kinds of checksums (CHKSUM_TYPE).
var sumKinds = map[uint8]string{1: "MD5", 2: "SHA1", 3: "SHA256"}

// SourceSum implements symbols.SourceSums.
func (f *File) SourceSum(file string) (symbols.SourceSum, bool) {
	for _, s := range f.sourceFiles() {
		if s.name != file {
			continue
		}
		for _, i := range s.modules {
			t := f.module(i).lineTable()
			for at, sum := range t.sums {
				if f.texts.at(at) == file {
					return symbols.SourceSum{Kind: sum.Kind, Sum: slices.Clone(sum.Sum)}, true
				}
			}
		}
	}
	return symbols.SourceSum{}, false
}

// readRows reads one table of lines, of one contribution.
func (m *module) readRows(b []byte) {
	t := &m.lines
	f := &fields{b: b}
	p := place{offset: f.u32()}
	p.section = f.u16()
	columns := f.u16()&1 != 0
	size := f.u32()
	first := len(t.raw)
	for len(f.b) >= 12 && len(t.raw) < maxRows {
		file, n, length := f.u32(), f.u32(), f.u32()
		block := &fields{b: f.take(int(min(max(length, 12)-12, 1<<31-1)))}
		if f.short || uint64(n)*8 > uint64(len(block.b)) {
			break
		}
		entries := block.take(int(n) * 8)
		for i := range int(n) {
			at, flags := binary.LittleEndian.Uint32(entries[8*i:]), binary.LittleEndian.Uint32(entries[8*i+4:])
			r := row{addr: at, file: t.files[file], line: flags & 0xffffff, stmt: flags>>31 != 0}
			if r.line == lineNever || r.line == lineAlways {
				r.line = 0
			}
			if columns && len(block.b) >= 4 {
				r.column = block.u16()
				block.u16()
			}
			t.raw = append(t.raw, r)
		}
	}
	m.place(t.raw[first:], p, size)
	t.raw = slices.DeleteFunc(t.raw, func(r row) bool { return r.addr > r.end })
}

// place turns rows that count from p into rows that count from the image's base.
func (m *module) place(rows []row, p place, size uint32) {
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.addr, b.addr) })
	for i := range rows {
		end := size
		if i+1 < len(rows) {
			end = rows[i+1].addr
		}
		length := end - rows[i].addr
		a, ok := m.f.dbi.addr(place{p.section, p.offset + rows[i].addr})
		if !ok || length > size {
			rows[i].addr, rows[i].end = 1, 0 // not in the image: left out
			continue
		}
		rows[i].addr, rows[i].end = a, a+length
	}
}

// innermost lays the rows of inlined code over those around it.
func (t *lineTable) innermost() []row {
	rows := slices.DeleteFunc(slices.Clone(t.raw), func(r row) bool { return r.addr >= r.end })
	for depth := 1; ; depth++ {
		var over []row
		for i := range t.sites {
			if t.sites[i].depth == depth {
				over = append(over, t.sites[i].rows...)
			}
		}
		if len(over) == 0 {
			return rows
		}
		slices.SortStableFunc(over, func(a, b row) int { return cmp.Compare(a.addr, b.addr) })
		rows = overlay(rows, over)
	}
}

// overlay cuts out of rows what others cover, and puts those in.
func overlay(rows, over []row) []row {
	out := make([]row, 0, len(rows)+len(over))
	j := 0
	for _, r := range rows {
		for j > 0 && over[j-1].end > r.addr {
			j--
		}
		for j < len(over) && over[j].end <= r.addr {
			j++
		}
		for ; j < len(over) && over[j].addr < r.end; j++ {
			if over[j].addr > r.addr {
				head := r
				head.end = over[j].addr
				out = append(out, head)
			}
			r.addr = max(r.addr, over[j].end)
			r.stmt = false // it goes on behind a call
			if r.addr >= r.end {
				break
			}
		}
		if r.addr < r.end {
			out = append(out, r)
		}
	}
	for _, o := range over {
		if o.addr < o.end {
			out = append(out, o)
		}
	}
	slices.SortStableFunc(out, func(a, b row) int { return cmp.Compare(a.addr, b.addr) })
	return out
}

// rowAt finds the row that covers an address.
func rowAt(rows []row, addr uint32) (int, bool) {
	i := sort.Search(len(rows), func(i int) bool { return rows[i].addr > addr }) - 1
	for ; i >= 0 && rows[i].addr == rows[i].end; i-- {
	}
	return i, i >= 0 && addr < rows[i].end
}

func (f *File) line(r *row) symbols.Line {
	return symbols.Line{File: f.texts.at(r.file), Line: int(r.line), Column: int(r.column), Start: symbols.Offset(r.addr), End: symbols.Offset(r.end), Stmt: r.stmt}
}

// moduleAt returns the module whose code lies at an address.
func (f *File) moduleAt(addr uint32) *module {
	at, ok := f.dbi.place(addr)
	if !ok {
		return nil
	}
	c, ok := f.dbi.covering(at)
	if !ok {
		return nil
	}
	return f.module(c.module)
}

// Line implements symbols.Liner.
func (f *File) Line(off symbols.Offset) (symbols.Line, bool) {
	m := f.moduleAt(uint32(off))
	if m == nil || off > 1<<32-1 {
		return symbols.Line{}, false
	}
	t := m.lineTable()
	i, ok := rowAt(t.rows, uint32(off))
	if !ok {
		return symbols.Line{}, false
	}
	return f.line(&t.rows[i]), true
}

// Lines implements symbols.Liner.
func (f *File) Lines(lo, hi symbols.Offset) (out []symbols.Line) {
	at, ok := f.dbi.place(uint32(lo))
	if !ok {
		return nil
	}
	seen := map[int]bool{}
	for k := max(f.dbi.after(at)-1, 0); k < f.dbi.contributions(); k++ {
		c := f.dbi.contribution(k)
		if off, ok := f.offset(place{c.section, c.offset}); c.section != at.section || ok && off >= hi {
			break
		}
		m := f.module(c.module)
		if m == nil || seen[c.module] {
			continue
		}
		seen[c.module] = true
		rows := m.lineTable().rows
		i := sort.Search(len(rows), func(i int) bool { return symbols.Offset(rows[i].end) > lo })
		for ; i < len(rows) && symbols.Offset(rows[i].addr) < hi; i++ {
			out = append(out, f.line(&rows[i]))
		}
	}
	slices.SortStableFunc(out, func(a, b symbols.Line) int { return cmp.Compare(a.Start, b.Start) })
	return out
}

// sourceFile is a source and the modules that have code of it.
type sourceFile struct {
	name    string
	modules []int
}

// sourceFiles reads which modules were compiled from which files.
func (f *File) sourceFiles() []sourceFile {
	f.sourcesOnce.Do(func() {
		byOffset := map[uint32]int{}
		for i := range f.dbi.modules {
			offsets, names := f.dbi.fileOffsets(&f.dbi.modules[i])
			for off := range u32s(offsets) {
				k, ok := byOffset[off]
				if !ok {
					k = len(f.sources)
					byOffset[off] = k
					f.sources = append(f.sources, sourceFile{name: textAt(names, off)})
				}
				f.sources[k].modules = append(f.sources[k].modules, i)
			}
		}
	})
	return f.sources
}

// Files implements symbols.Liner.
func (f *File) Files() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, s := range f.sourceFiles() {
			if s.name != "" && !yield(s.name) {
				return
			}
		}
	}
}
