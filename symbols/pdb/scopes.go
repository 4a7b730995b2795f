package pdb

import (
	"slices"

	"dap-windbg/symbols"
)

// Scopes implements symbols.Scoper.
func (f *File) Scopes(off symbols.Offset) ([]symbols.Scope, error) {
	m, p, ok := f.procAt(uint32(off))
	if !ok {
		return nil, nil
	}
	w := scopeWalk{m: m, p: p, addr: uint32(off), table: m.lineTable()}
	w.run()
	slices.Reverse(w.scopes)
	for i := range w.scopes {
		slices.SortStableFunc(w.scopes[i].Variables, func(a, b symbols.Variable) int {
			if a.Depth == b.Depth && a.Param != b.Param {
				if a.Param {
					return -1
				}
				return 1
			}
			return b.Depth - a.Depth
		})
	}
	return w.scopes, nil
}

// scopeWalk goes over the records of a function and keeps what is seen at an address.
type scopeWalk struct {
	m      *module
	p      *proc
	addr   uint32
	table  *lineTable
	scopes []symbols.Scope // outermost first
	blocks []int           // open blocks in each scope
	frame  frameProc
	params int // of the function itself, still to come among variables of a fixed place
	open   []openRecord
}

// openRecord is a block or an inlined call that is open, where it ends, and the
// scope that it is, or is a block of.
type openRecord struct {
	end   uint32
	scope int
	site  *site // nil: a block
}

// current is the scope that records belong to.
func (w *scopeWalk) current() int {
	if n := len(w.open); n > 0 {
		return w.open[n-1].scope
	}
	return 0
}

func (w *scopeWalk) run() {
	w.frame = w.m.frameOf(w.p)
	w.function()
	limit := min(w.p.end, w.m.symbols, w.m.s.size)
	for at := w.p.at; at < limit; {
		r, next, ok := w.m.s.recordAt(at)
		if !ok {
			return
		}
		for len(w.open) > 0 && at >= w.open[len(w.open)-1].end {
			w.close()
		}
		if at > w.p.at {
			next = w.record(at, r, next)
		}
		at = next
	}
}

func (w *scopeWalk) close() {
	last := w.open[len(w.open)-1]
	w.open = w.open[:len(w.open)-1]
	if last.site == nil {
		w.blocks[last.scope]--
	}
}

// function begins the scope of the function itself.
func (w *scopeWalk) function() {
	f := w.m.f
	low, high := symbols.Offset(w.p.addr), symbols.Offset(w.p.addr+w.p.size)
	s := symbols.Scope{Name: w.m.nameOf(w.p), Low: low, High: high, Ranges: []symbols.Range{{Low: low, High: high}}}
	s.Linkage = f.procSymbol(w.m, w.p).Linkage
	if i, ok := rowAt(w.table.rows, w.p.addr); ok {
		s.Decl = f.line(&w.table.rows[i])
	}
	if t := f.types.at(f.functionType(w.p)); t != nil && t.Kind == symbols.Func {
		s.Return = t.Elem
		w.params = len(t.Members().Params)
	}
	w.scopes, w.blocks = append(w.scopes, s), append(w.blocks, 0)
}

// record takes one record and returns where to go on.
func (w *scopeWalk) record(at uint32, r record, next uint32) uint32 {
	f := w.m.f
	d := r.fields()
	switch r.kind {
	case symBlock:
		d.u32()
		end, size := d.u32(), d.u32()
		p := place{offset: d.u32()}
		p.section = d.u16()
		a, ok := f.dbi.addr(p)
		if end <= at {
			return next
		}
		if !ok || w.addr-a >= size {
			return max(end, next)
		}
		k := w.current()
		w.open = append(w.open, openRecord{end: end, scope: k})
		w.blocks[k]++
	case symInlineSite, symInlineSite2:
		d.u32()
		end := d.u32()
		s := w.site(at)
		if end <= at {
			return next
		}
		if s == nil || !s.covers(w.addr) || len(w.scopes) > maxDepth {
			return max(end, next)
		}
		w.inlined(s)
		w.open = append(w.open, openRecord{end: end, scope: len(w.scopes) - 1, site: s})
	default:
		if v, ok := w.variable(at, r); ok {
			k := w.current()
			v.Depth = w.blocks[k]
			w.scopes[k].Variables = append(w.scopes[k].Variables, v)
		}
	}
	return next
}

// site is the inlined call whose record lies at at.
func (w *scopeWalk) site(at uint32) *site {
	i, ok := slices.BinarySearchFunc(w.table.sites, at, func(s site, at uint32) int {
		switch {
		case s.at < at:
			return -1
		case s.at > at:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return &w.table.sites[i]
}

// inlined begins the scope of an inlined call.
func (w *scopeWalk) inlined(s *site) {
	f := w.m.f
	src := w.table.inlinees[s.inlinee]
	out := symbols.Scope{Name: f.idName(s.inlinee), Inlined: true, Decl: symbols.Line{File: f.texts.at(src.file), Line: int(src.line)}}
	for _, r := range s.rows {
		if n := len(out.Ranges); n > 0 && out.Ranges[n-1].High == symbols.Offset(r.addr) {
			out.Ranges[n-1].High = symbols.Offset(r.end)
			continue
		}
		out.Ranges = append(out.Ranges, symbols.Range{Low: symbols.Offset(r.addr), High: symbols.Offset(r.end)})
	}
	if len(out.Ranges) > 0 {
		out.Low, out.High = out.Ranges[0].Low, out.Ranges[0].High
	}
	if t := f.types.at(f.idType(s.inlinee)); t != nil {
		out.Return = t.Elem
	}
	out.Call = w.call()
	w.scopes, w.blocks = append(w.scopes, out), append(w.blocks, 0)
}

// call is the line of the code around, before an inlined call is entered: that of the caller's row.
func (w *scopeWalk) call() symbols.Line {
	rows := w.table.raw
	for _, o := range w.open {
		if o.site != nil {
			rows = o.site.rows
		}
	}
	if i, ok := rowAt(rows, w.addr); ok {
		return w.m.f.line(&rows[i])
	}
	return symbols.Line{}
}

// Flags of S_LOCAL.
const (
	localParam    = 1
	localMade     = 4
	localIsReturn = 0x80
	localGone     = 0x100
)

// variable makes the variable of a record of a function; false for other records.
func (w *scopeWalk) variable(at uint32, r record) (v symbols.Variable, ok bool) {
	f := w.m.f
	d := r.fields()
	switch r.kind {
	case symLocal:
		v.Type = f.types.at(d.u32())
		flags := d.u16()
		v.Name, v.Param = d.name(), flags&localParam != 0
		v.Artificial = flags&localMade != 0 || v.Param && v.Name == "this"
		v.Location = w.ranges(at, v, flags)
		return v, flags&localIsReturn == 0
	case symFileStatic:
		v.Type = f.types.at(d.u32())
		d.u32()
		flags := d.u16()
		v.Name, v.Static = d.name(), true
		v.Location = w.ranges(at, v, flags)
		return v, true
	case symRegRel:
		o := d.i32()
		v.Type = f.types.at(d.u32())
		reg := d.u16()
		v.Name = d.name()
		v.Location = &variable{f: f, parts: []part{{register: reg, memory: true, offset: o, always: true}}}
	case symBPRel:
		o := d.i32()
		v.Type = f.types.at(d.u32())
		v.Name = d.name()
		v.Location = &variable{f: f, parts: []part{{register: f.basePointer(), memory: true, offset: o, always: true}}}
	case symRegister:
		v.Type = f.types.at(d.u32())
		reg := d.u16()
		v.Name = d.name()
		v.Location = &variable{f: f, parts: []part{{register: reg, always: true}}}
	default:
		v, ok = f.staticOf(r)
		return v, ok
	}
	// Such records do not say what is a parameter: those come first.
	if len(w.scopes) == 1 && w.blocks[0] == 0 && w.params > 0 {
		w.params--
		v.Param = true
	}
	v.Artificial = v.Param && v.Name == "this"
	return v, true
}

// ranges reads the records behind a variable that say where it is.
func (w *scopeWalk) ranges(at uint32, v symbols.Variable, flags uint16) symbols.Location {
	f := w.m.f
	_, next, _ := w.m.s.recordAt(at)
	base := w.frame.locals
	if v.Param {
		base = w.frame.params
	}
	var parts []part
	for _, r := range w.m.s.records(next, min(w.p.end, w.m.symbols)) {
		if r.kind < symDefRange || r.kind > symDefRegRel {
			break
		}
		if p, ok := f.partOf(r, base); ok {
			parts = append(parts, p)
		}
	}
	if len(parts) == 0 || flags&localGone != 0 {
		return gone{}
	}
	return &variable{f: f, parts: parts, typ: v.Type}
}

// frameProc is what S_FRAMEPROC tells: the registers that offsets count from.
type frameProc struct {
	size           uint32
	locals, params uint16
}

// frameOf reads the record of a function's frame.
func (m *module) frameOf(p *proc) frameProc {
	out := frameProc{}
	for at, r := range m.s.records(p.at, min(p.end, m.symbols)) {
		if r.kind == symFrameProc {
			d := r.fields()
			out.size = d.u32()
			d.take(18)
			flags := d.u32()
			out.locals, out.params = m.f.frameRegister(flags>>14&3), m.f.frameRegister(flags>>16&3)
			return out
		}
		if r.kind == symEnd || r.kind == symProcEnd || at > p.at && r.kind == symInlineSite {
			break
		}
	}
	out.locals, out.params = m.f.frameRegister(1), m.f.frameRegister(1)
	return out
}
