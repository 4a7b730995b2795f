package dwarf

import (
	"cmp"
	"slices"

	"dap-windbg/symbols"
	"dap-windbg/symbols/index"
)

// Inlined returns where the copies of a function begin that were inlined into
// others, for its qualified name; nil while the index is not complete. Which
// units have copies is in the index; the copies are looked for in those.
func (d *Data) Inlined(name string) []symbols.Place {
	if !d.Indexed() {
		return nil
	}
	origins := map[uint32]map[ref]bool{} // by unit
	add := func(unit uint32, r uint64) {
		if origins[unit] == nil {
			origins[unit] = map[ref]bool{}
		}
		origins[unit][ref(r)] = true
	}
	found := d.find(index.Inline, name)
	d.withIndex(func(x *index.Index) {
		for _, e := range found {
			add(e.Unit, e.DIE)
			for u := range x.Users(e.DIE) {
				add(u, e.DIE)
			}
		}
	})
	if len(origins) == 0 {
		return nil
	}
	units := d.everyUnit()
	s := skimmer{pause: func() bool { return true }}
	var out []symbols.Place
	for n, want := range origins {
		if n >= uint32(len(units)) {
			continue
		}
		u := units[n]
		for _, off := range s.copies(u, want) {
			if p, ok := u.copyPlace(off); ok {
				out = append(out, p)
			}
		}
	}
	slices.SortFunc(out, func(a, b symbols.Place) int { return cmp.Compare(a.Offset, b.Offset) })
	return slices.CompactFunc(out, func(a, b symbols.Place) bool { return a.Offset == b.Offset })
}

// copies returns the inlined calls of a unit that are of the wanted functions.
func (s *skimmer) copies(u *unit, want map[ref]bool) []uint64 {
	var out []uint64
	s.found = func(at uint64, origin ref) {
		if want[origin] {
			out = append(out, at)
		}
	}
	s.run(u, 0)
	return out
}

// copyPlace is the place where the inlined call at off begins.
func (u *unit) copyPlace(off uint64) (symbols.Place, bool) {
	u.load()
	c, ok := u.readDIE(off)
	if !ok {
		return symbols.Place{}, false
	}
	rs := c.ranges()
	if len(rs) == 0 {
		return symbols.Place{}, false
	}
	d := u.data
	low := rs[0].low
	if v, ok := c.attr(atEntryPC); ok {
		a, isAddr := u.address(v)
		if !isAddr {
			a = low + v.u
		}
		if contains(rs, a) {
			low = a
		}
	}
	p := symbols.Place{Offset: d.offset(low), Function: d.functionName(&c), Inlined: true}
	lines := u.liner()
	if t := lines.lineTable(); t != nil {
		if i, s, ok := t.find(low); ok {
			p.Line = lines.line(t, s, i)
		}
	}
	return p, true
}
