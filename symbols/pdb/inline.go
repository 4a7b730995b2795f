package pdb

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"dap-windbg/symbols"
)

// site is a call that was inlined.
type site struct {
	at, end uint32 // its record and that of its end, in the module's stream
	proc    uint32 // address of the function it is in
	inlinee uint32 // IPI id
	depth   int    // 1: called by the function itself
	rows    []row  // of its code, that of calls inlined into it included
}

// covers reports whether a site has code at an address.
func (s *site) covers(addr uint32) bool {
	_, ok := rowAt(s.rows, addr)
	return ok
}

// Operations of the annotations of an inline site (BinaryAnnotationOpcode).
const (
	annotEnd = iota
	annotCodeOffset
	annotCodeBase
	annotChangeCode
	annotCodeLength
	annotFile
	annotLine
	annotLineEnd
	annotRangeKind
	annotColumn
	annotColumnDelta
	annotCodeAndLine
	annotLengthAndCode
	annotColumnEnd
)

// compressed is an integer of one, two or four bytes (CVUncompressData).
func (f *fields) compressed() uint32 {
	b := f.u8()
	switch {
	case b&0x80 == 0:
		return uint32(b)
	case b&0x40 == 0:
		return uint32(b&0x3f)<<8 | uint32(f.u8())
	case b&0x20 == 0:
		v := uint32(b&0x1f)<<24 | uint32(f.u8())<<16
		v |= uint32(f.u8()) << 8
		return v | uint32(f.u8())
	}
	f.b, f.short = nil, true
	return 0
}

// signed takes the sign from the lowest bit.
func signed(v uint32) int32 {
	if v&1 != 0 {
		return -int32(v >> 1)
	}
	return int32(v >> 1)
}

func (m *module) readInlinees() {
	t := &m.lines
	t.inlinees = map[uint32]inlinee{}
	for b := range m.c13Part(c13Inlinees) {
		f := &fields{b: b}
		more := f.u32() == 1
		for len(f.b) >= 12 {
			id, file, line := f.u32(), f.u32(), f.u32()
			t.inlinees[id] = inlinee{t.files[file], line}
			if more {
				f.take(int(min(f.u32(), 1<<28)) * 4)
			}
		}
	}
}

// maxDepth bounds how deep calls are inlined into each other.
const maxDepth = 256

// sites yields the inlined calls of a function, without their rows, and what of their
// records tells these.
func (m *module) sites(p *proc) iter.Seq2[site, *fields] {
	return func(yield func(site, *fields) bool) {
		var open []uint32 // where those around end
		for at, r := range m.s.records(p.at, min(p.end, m.symbols)) {
			for len(open) > 0 && at >= open[len(open)-1] {
				open = open[:len(open)-1]
			}
			if r.kind != symInlineSite && r.kind != symInlineSite2 || len(open) >= maxDepth {
				continue
			}
			d := r.fields()
			d.u32()
			s := site{at: at, end: d.u32(), proc: p.addr, inlinee: d.u32(), depth: len(open) + 1}
			if r.kind == symInlineSite2 {
				d.u32()
			}
			if s.end <= at {
				continue
			}
			open = append(open, s.end)
			if !yield(s, d) {
				return
			}
		}
	}
}

// readSites reads the inlined calls of a function.
func (m *module) readSites(p *proc) {
	for s, d := range m.sites(p) {
		s.rows = m.annotated(d, p, &s)
		m.lines.sites = append(m.lines.sites, s)
		for i := range s.rows {
			s.rows[i].site = int32(len(m.lines.sites))
		}
	}
}

// annotated reads the rows of an inline site.
func (m *module) annotated(f *fields, p *proc, s *site) []row {
	src := m.lines.inlinees[s.inlinee]
	var rows []row
	code, base := uint32(0), uint32(0)
	line := int64(src.line)
	ended := true // the last row has its end
	begin := func(length uint32, known bool) {
		if n := len(rows); n > 0 && !ended {
			rows[n-1].end = code
		}
		r := row{addr: code, end: code + length, file: src.file, line: uint32(max(line, 0)), stmt: true}
		if len(rows) < maxRows {
			rows = append(rows, r)
		}
		ended = known
	}
	for len(f.b) > 0 {
		switch op := f.compressed(); op {
		case annotEnd: // padding
			f.b = nil
		case annotCodeOffset:
			code = base + f.compressed()
		case annotCodeBase:
			base = f.compressed()
		case annotChangeCode:
			code += f.compressed()
			begin(0, false)
		case annotCodeLength:
			n := f.compressed()
			if k := len(rows); k > 0 && !ended {
				rows[k-1].end = rows[k-1].addr + n
				code, ended = rows[k-1].end, true
			}
		case annotFile:
			src.file = m.lines.files[f.compressed()]
		case annotLine:
			line += int64(signed(f.compressed()))
		case annotCodeAndLine:
			v := f.compressed()
			line += int64(signed(v >> 4))
			code += v & 15
			begin(0, false)
		case annotLengthAndCode:
			n := f.compressed()
			code += f.compressed()
			begin(n, true)
		case annotLineEnd, annotRangeKind, annotColumn, annotColumnDelta, annotColumnEnd:
			f.compressed()
		default:
			f.b = nil
		}
	}
	if n := len(rows); n > 0 && !ended {
		rows[n-1].end = p.size
	}
	return m.settled(rows, p)
}

// settled makes rows that count from the start of a function count from the
// image's base, those without code left out.
func (m *module) settled(rows []row, p *proc) []row {
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.addr, b.addr) })
	out := rows[:0]
	for _, r := range rows {
		if r.end <= r.addr || r.end-r.addr > p.size {
			continue
		}
		a, ok := m.f.dbi.addr(place{p.place.section, p.place.offset + r.addr})
		if !ok {
			continue
		}
		r.addr, r.end = a, a+r.end-r.addr
		out = append(out, r)
	}
	return out
}

// inlinedAt is a copy of a function.
type inlinedAt struct {
	module int32
	site   int32
}

// Index implements symbols.Indexer: it finds all inlined copies.
func (f *File) Index(ctx context.Context) error {
	f.inlinedOnce.Lock()
	defer f.inlinedOnce.Unlock()
	if f.Indexed() {
		return nil
	}
	all := map[string][]inlinedAt{}
	names := map[uint32]string{}
	for i := range f.dbi.modules {
		if err := ctx.Err(); err != nil {
			return err
		}
		if f.dbi.modules[i].stream == noStream {
			continue
		}
		m := f.module(i)
		for k, at := range m.siteRecords() {
			name, ok := names[at]
			if !ok {
				name = f.idName(at)
				names[at] = name
			}
			all[name] = append(all[name], inlinedAt{int32(i), int32(k)})
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inlined = all
	return nil
}

// siteRecords are the inlinees of the module's sites, in the order of lineTable.sites.
func (m *module) siteRecords() []uint32 {
	var out []uint32
	for i := range m.functions() {
		for s := range m.sites(&m.procs[i]) {
			out = append(out, s.inlinee)
		}
	}
	return out
}

// Indexed implements symbols.Indexer.
func (f *File) Indexed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.inlined != nil
}

// Inlined implements symbols.Indexer.
func (f *File) Inlined(name string) (out []symbols.Place) {
	f.mu.Lock()
	copies := f.inlined[name]
	f.mu.Unlock()
	for _, c := range copies {
		m := f.module(int(c.module))
		t := m.lineTable()
		if int(c.site) >= len(t.sites) {
			continue
		}
		s := &t.sites[c.site]
		if len(s.rows) == 0 {
			continue
		}
		p := symbols.Place{Offset: symbols.Offset(s.rows[0].addr), Function: name, Inlined: true}
		if i, ok := rowAt(t.rows, s.rows[0].addr); ok {
			p.Line = f.line(&t.rows[i])
		}
		out = append(out, p)
	}
	return out
}
