package pdb

import (
	"cmp"
	"slices"
	"strings"

	"dap-windbg/symbols"
)

// Places implements symbols.Liner: for every copy of every function, the lowest
// address with code of the line; at a function's first row the place behind its
// prologue.
func (f *File) Places(file string, line int) []symbols.Place {
	want := pathElements(file)
	var matched []sourceFile
	for _, exact := range []bool{true, false} {
		for _, s := range f.sourceFiles() {
			if s.name != "" && pathMatches(s.name, want, exact) {
				matched = append(matched, s)
			}
		}
		if len(matched) > 0 {
			break
		}
	}
	best := 0
	var places []symbols.Place
	for _, s := range matched {
		for _, i := range s.modules {
			m := f.module(i)
			n := m.nearest(s.name, line)
			if n == 0 || best != 0 && n > best {
				continue
			}
			if n != best {
				best, places = n, nil
			}
			places = append(places, m.places(s.name, n)...)
		}
	}
	slices.SortFunc(places, func(a, b symbols.Place) int { return cmp.Compare(a.Offset, b.Offset) })
	return slices.CompactFunc(places, func(a, b symbols.Place) bool { return a.Offset == b.Offset })
}

// pathElements splits a path at either slash, "." and empty elements left out.
func pathElements(p string) []string {
	return slices.DeleteFunc(strings.FieldsFunc(p, func(r rune) bool { return r == '/' || r == '\\' }), func(e string) bool { return e == "." })
}

// pathMatches compares the trailing elements of have with all of want.
func pathMatches(have string, want []string, exact bool) bool {
	h := pathElements(have)
	if len(h) < len(want) || len(want) == 0 {
		return false
	}
	return slices.EqualFunc(h[len(h)-len(want):], want, func(a, b string) bool { return a == b || !exact && strings.EqualFold(a, b) })
}

// named are the places in the string table that spell a file's name.
func (m *module) named(file string) map[uint32]bool {
	out := map[uint32]bool{}
	for _, at := range m.lineTable().files {
		if m.f.texts.at(at) == file {
			out[at] = true
		}
	}
	return out
}

// nearest is the lowest line of a file with code that is not before line, 0: none.
func (m *module) nearest(file string, line int) int {
	files, best := m.named(file), 0
	for i := range m.lines.rows {
		r := &m.lines.rows[i]
		if n := int(r.line); n >= line && n > 0 && (best == 0 || n < best) && r.stmt && files[r.file] {
			best = n
		}
	}
	return best
}

// copyOf tells copies of functions apart.
type copyOf struct {
	proc uint32
	site int32
}

func (m *module) places(file string, line int) []symbols.Place {
	files := m.named(file)
	first := map[copyOf]symbols.Place{}
	for i := range m.lines.rows {
		r := &m.lines.rows[i]
		if int(r.line) != line || !r.stmt || !files[r.file] {
			continue
		}
		key := copyOf{site: r.site}
		p, ok := m.at(r.addr)
		if ok {
			key.proc = p.addr
		}
		if _, have := first[key]; have {
			continue // rows come in the order of addresses
		}
		out := symbols.Place{Offset: symbols.Offset(r.addr), Line: m.f.line(r), Inlined: r.site != 0}
		switch {
		case r.site != 0:
			out.Function = m.f.idName(m.lines.sites[r.site-1].inlinee)
		case ok:
			out.Function = m.nameOf(p)
			if p.addr == r.addr {
				if body, ok := m.body(p); ok {
					out.Offset = body.Offset
				}
			}
		}
		first[key] = out
	}
	out := make([]symbols.Place, 0, len(first))
	for _, p := range first {
		out = append(out, p)
	}
	return out
}

// Body implements symbols.Liner.
func (f *File) Body(off symbols.Offset) (symbols.Place, bool) {
	m, p, ok := f.procAt(uint32(off))
	if !ok || p.addr != uint32(off) {
		return symbols.Place{}, false
	}
	return m.body(p)
}

// body is the place behind a function's prologue: where the compiler says it ends,
// else the second row of its lines, but nothing before the end of the prologue
// that the unwind information tells.
func (m *module) body(p *proc) (symbols.Place, bool) {
	rows := m.lineTable().rows
	i, ok := rowAt(rows, p.addr)
	if !ok {
		return symbols.Place{}, false
	}
	at := p.addr
	switch told, known := m.f.prologue(p.addr); {
	case p.body > 0 && p.body < p.size:
		at += p.body
	case known && told == 0:
	default:
		for k := i + 1; k < len(rows) && rows[k].addr < p.addr+p.size; k++ {
			if rows[k].line != 0 && rows[k].addr >= p.addr+told {
				at = rows[k].addr
				break
			}
		}
	}
	out := symbols.Place{Offset: symbols.Offset(at), Function: m.nameOf(p)}
	if i, ok = rowAt(rows, at); ok {
		out.Line = m.f.line(&rows[i])
	}
	return out, true
}

// prologue asks the image how long the prologue of a function is.
func (f *File) prologue(addr uint32) (uint32, bool) {
	if f.opt.Prologue == nil {
		return 0, false
	}
	return f.opt.Prologue(addr)
}
