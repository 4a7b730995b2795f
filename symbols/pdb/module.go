package pdb

import (
	"cmp"
	"slices"
	"sort"
	"sync"

	"dap-windbg/symbols"
)

// module is an object file that was linked, as far as it was read.
type module struct {
	f     *File
	index int
	*moduleInfo
	s *stream

	once     sync.Once
	procs    []proc // in the order of addresses
	language symbols.Language

	linesOnce sync.Once
	lines     lineTable
}

// proc is a function of a module.
type proc struct {
	addr, size uint32
	at, end    uint32 // its record and that of its end, in the module's stream
	body       uint32 // bytes of its prologue as told, 0 unknown
	typ        uint32 // in TPI, or an id in IPI
	id         bool
	global     bool
	place      place
}

// module opens the index-th module; nil when there is none.
func (f *File) module(index int) *module {
	if index < 0 || index >= len(f.dbi.modules) {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.modules[index]
	if m == nil {
		info := &f.dbi.modules[index]
		s, err := f.c.stream(info.stream)
		if err != nil {
			s = &stream{}
		}
		m = &module{f: f, index: index, moduleInfo: info, s: s}
		f.modules[index] = m
	}
	return m
}

// functions reads which functions there are.
func (m *module) functions() []proc {
	m.once.Do(m.scan)
	return m.procs
}

func (m *module) scan() {
	limit := min(m.symbols, m.s.size)
	for at := uint32(4); at < limit; {
		r, next, ok := m.s.recordAt(at)
		if !ok || next > limit {
			break
		}
		switch r.kind {
		case symCompile2, symCompile3:
			m.language = languageOf(r)
		default:
			if p, ok := m.f.procOf(r, at); ok {
				m.procs = append(m.procs, p)
				if p.end > at && p.end < limit {
					next = p.end
				}
			}
		}
		at = next
	}
	slices.SortStableFunc(m.procs, func(a, b proc) int { return cmp.Compare(a.addr, b.addr) })
}

// languageOf reads that of S_COMPILE2 and S_COMPILE3 (CV_CFL_LANG).
func languageOf(r record) symbols.Language {
	switch r.fields().u8() {
	case 0:
		return symbols.C
	case 1:
		return symbols.CPlusPlus
	case 2:
		return symbols.Fortran
	case 3:
		return symbols.Assembler
	case 0x15:
		return symbols.Rust
	}
	return symbols.OtherLanguage
}

// procOf reads the record of a function at at; false for other records.
func (f *File) procOf(r record, at uint32) (p proc, ok bool) {
	switch r.kind {
	case symGProc, symGProcID:
		p.global = true
	case symLProc, symLProcID, symLProcDPC, symLProcDPCID:
	default:
		return p, false
	}
	p.id = r.kind == symGProcID || r.kind == symLProcID || r.kind == symLProcDPCID
	d := r.fields()
	d.u32()
	p.at, p.end = at, d.u32()
	d.u32()
	p.size, p.body = d.u32(), d.u32()
	d.u32()
	p.typ = d.u32()
	p.place.offset = d.u32()
	p.place.section = d.u16()
	if p.addr, ok = f.dbi.addr(p.place); !ok || d.short || p.size > 1<<31 {
		return p, false
	}
	return p, true
}

// procName is where in a function's record its name lies.
const procName = 35

func (m *module) nameOf(p *proc) string {
	r, _, _ := m.s.recordAt(p.at)
	return textAt(r.data, procName)
}

// at returns the function that covers an address.
func (m *module) at(addr uint32) (*proc, bool) {
	procs := m.functions()
	for i := sort.Search(len(procs), func(i int) bool { return procs[i].addr > addr }) - 1; i >= 0; i-- {
		if p := &procs[i]; addr-p.addr < p.size || p.addr == addr {
			return p, true
		}
		if i > 0 && procs[i-1].addr != procs[i].addr {
			break
		}
	}
	return nil, false
}

// after returns the first function that begins behind an address.
func (m *module) after(addr uint32) (*proc, bool) {
	procs := m.functions()
	i := sort.Search(len(procs), func(i int) bool { return procs[i].addr > addr })
	if i == len(procs) {
		return nil, false
	}
	return &procs[i], true
}

// procAt returns the function that covers an address, and its module.
func (f *File) procAt(addr uint32) (*module, *proc, bool) {
	at, ok := f.dbi.place(addr)
	if !ok {
		return nil, nil, false
	}
	c, ok := f.dbi.covering(at)
	if !ok {
		return nil, nil, false
	}
	m := f.module(c.module)
	if m == nil {
		return nil, nil, false
	}
	p, ok := m.at(addr)
	return m, p, ok
}

// functionType is the number of a function's type in TPI.
func (f *File) functionType(p *proc) uint32 {
	if !p.id {
		return p.typ
	}
	return f.idType(p.typ)
}

// idType is the type of an LF_FUNC_ID or LF_MFUNC_ID, 0 for others.
func (f *File) idType(id uint32) uint32 {
	r, ok := f.ids.record(id)
	if !ok || r.kind != leafFuncID && r.kind != leafMFuncID {
		return 0
	}
	d := r.fields()
	d.u32()
	return d.u32()
}

// idName is the qualified name of an LF_FUNC_ID or LF_MFUNC_ID.
func (f *File) idName(id uint32) string {
	r, ok := f.ids.record(id)
	if !ok {
		return ""
	}
	d := r.fields()
	scope := d.u32()
	d.u32()
	name := d.name()
	switch {
	case r.kind == leafMFuncID:
		if t := f.types.at(scope); t != nil && t.Name != "" {
			return t.Name + "::" + name
		}
	case r.kind == leafFuncID && scope != 0:
		if s, ok := f.ids.record(scope); ok && s.kind == leafStringID {
			return textAt(s.data, 4) + "::" + name
		}
	case r.kind != leafFuncID:
		return ""
	}
	return name
}

// function is the type of a function.
func (f *File) Function(off symbols.Offset) (*symbols.Type, bool) {
	_, p, ok := f.procAt(uint32(off))
	if !ok || p.addr != uint32(off) {
		return nil, false
	}
	t := f.types.at(f.functionType(p))
	return t, t != nil
}
