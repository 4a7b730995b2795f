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
	found, full := d.find(index.Inline, name), name
	d.withIndex(func(x *index.Index) {
		for _, e := range found {
			full, _ = qualified(x, e.Scope, string(x.Name(e.Name)))
			add(e.Unit, e.DIE)
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
		out = append(out, u.copyPlaces(s.copies(u, want), full)...)
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

// copyPlaces are the places where inlined calls begin. Units that have one are
// many, so nothing of them is kept but their lines for a while.
func (u *unit) copyPlaces(calls []uint64, name string) []symbols.Place {
	if len(calls) == 0 {
		return nil
	}
	u.rootAttrs()
	t := readAbbrevs(abbrevKey{u.file, u.abbrevOff, u.layout})
	var out []symbols.Place
	for _, off := range calls {
		b := u.buf(off)
		ab := t.get(b.uleb())
		if ab == nil {
			continue
		}
		c, ok := u.decode(off, &b, ab)
		if !ok {
			continue
		}
		if low, ok := c.entry(); ok {
			out = append(out, u.copyPlace(low, symbols.Spell(name)))
		}
	}
	return out
}

func (u *unit) copyPlace(low uint64, name string) symbols.Place {
	p := symbols.Place{Offset: u.data.offset(low), Function: name, Inlined: true}
	lines := u.liner()
	if t := lines.lineTable(); t != nil {
		if i, s, ok := t.find(low); ok {
			p.Line = lines.line(t, s, i)
		}
	}
	return p
}

// entry is the address by which an inlined call is entered.
func (d *die) entry() (uint64, bool) {
	rs := d.ranges()
	if len(rs) == 0 {
		return 0, false
	}
	low := rs[0].low
	if v, ok := d.attr(atEntryPC); ok {
		a, isAddr := d.u.address(v)
		if !isAddr {
			a = low + v.u
		}
		if contains(rs, a) {
			low = a
		}
	}
	return low, true
}
