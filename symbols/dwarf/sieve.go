package dwarf

import (
	"bytes"
	"slices"
	"strings"
	"sync"

	"dap-windbg/symbols"
	"dap-windbg/symbols/index"
)

// fileMatch is a unit whose line program knows the wanted file under some numbers.
type fileMatch struct {
	unit  *unit
	files map[uint32]bool
	rows  func() []stopRow // stopRows, found once
}

// naming is the answer about one file, the last that was asked for: an editor sets all
// breakpoints of a file together, and again with each that is added. Its matches and
// places are not changed.
type naming struct {
	mu      sync.Mutex
	file    string
	indexed bool
	found   []fileMatch
	places  map[int][]symbols.Place // of lines that were asked for
}

// maxPlaced bounds the lines whose places are remembered.
const maxPlaced = 4096

// naming finds the places of a line in the units that name the file as it is spelt,
// else regardless of case.
func (d *Data) naming(file string, line int) []symbols.Place {
	n := &d.asked
	n.mu.Lock()
	defer n.mu.Unlock()
	if indexed := d.Indexed(); n.file != file || n.indexed != indexed {
		n.file, n.indexed, n.found, n.places = file, indexed, d.unitsWith(file), nil
	}
	if ps, known := n.places[line]; known {
		return ps
	}
	if n.places == nil || len(n.places) >= maxPlaced {
		n.places = map[int][]symbols.Place{}
	}
	ps := placesOf(n.found, line)
	n.places[line] = ps
	return ps
}

func (d *Data) unitsWith(file string) []fileMatch {
	found := d.sieve(file, true)
	if len(found) == 0 {
		found = d.sieve(file, false)
	}
	return found
}

// sieve finds the units that name the file: by the index when it is there, else
// by the heads of the line programs.
func (d *Data) sieve(file string, exact bool) []fileMatch {
	want := pathElements(file)
	if len(want) == 0 {
		return nil
	}
	base := want[len(want)-1]
	var units []*unit
	if d.Indexed() {
		units = d.unitsNaming(want, exact)
	} else {
		units = d.lineUnitsAt(d.programsNaming(base, exact))
	}
	var out []fileMatch
	for _, u := range units {
		r := u.rootAttrs()
		h, ok := d.lineHeader(r.line, u) // not kept: a header is in thousands
		if !ok {
			continue
		}
		var m map[uint32]bool
		for i, f := range h.files {
			if !endsWith(f.name, base, exact) || !pathMatches(f.path(r.dir), want, exact) {
				continue
			}
			if m == nil {
				m = map[uint32]bool{}
			}
			m[uint32(i)] = true
		}
		if m != nil {
			match := fileMatch{unit: u, files: m}
			match.rows = sync.OnceValue(match.stopRows)
			out = append(out, match)
		}
	}
	return out
}

// unitsNaming asks the index.
func (d *Data) unitsNaming(want []string, exact bool) []*unit {
	var starts []ref
	d.withIndex(func(x *index.Index) {
		starts = starts[:0]
		for n, path := range x.Paths(want[len(want)-1], !exact) {
			if pathMatches(path, want, exact) {
				for u := range x.FileUnits(n) {
					start, _ := x.Unit(u)
					starts = append(starts, ref(start))
				}
			}
		}
	})
	slices.Sort(starts)
	var out []*unit
	lines := map[uint64]bool{} // type units share theirs
	for _, start := range slices.Compact(starts) {
		u := d.unitFrom(start)
		if u == nil {
			continue
		}
		if u = u.liner(); u.rootAttrs().hasLine && !lines[u.root.line] {
			lines[u.root.line] = true
			out = append(out, u)
		}
	}
	return out
}

// unitFrom returns the unit that begins at start.
func (d *Data) unitFrom(start ref) *unit {
	if start < ref(d.main.size(secInfo)) {
		return d.main.spaces[0].from(uint64(start))
	}
	for _, head := range []ref{12, 20, 24, 32} { // lengths of headers, at most, of units with line programs
		if u := d.unitOf(start + head); u != nil {
			return u
		}
	}
	return nil
}

// maxSingles is how many programs are brought to their units one by one.
const maxSingles = 64

// lineUnitsAt returns a unit for each of the line programs: the one that has the
// code of its first row, which is quicker than to read the roots of all units.
func (d *Data) lineUnitsAt(programs []uint64) []*unit {
	var out []*unit
	left := map[uint64]bool{}
	for _, off := range programs {
		var u *unit
		if len(programs) <= maxSingles {
			u = d.lineUnit(off)
		}
		if u == nil {
			left[off] = true
			continue
		}
		out = append(out, u)
	}
	if len(left) == 0 {
		return out
	}
	for u := range d.lineUnits() {
		if left[u.root.line] {
			out = append(out, u)
		}
	}
	return out
}

func (d *Data) lineUnit(off uint64) *unit {
	u := &unit{data: d, space: d.main.spaces[0], layout: layout{version: 5, addrSize: 8}}
	if d.opt.Arch != nil && d.opt.Arch.PtrSize > 0 {
		u.addrSize = uint8(d.opt.Arch.PtrSize)
	}
	u.rootOnce.Do(func() {})
	h, ok := d.lineHeader(off, u)
	if !ok {
		return nil
	}
	low, ok := h.first(d)
	if !ok {
		return nil
	}
	found := d.unitAt(low)
	if found == nil || !found.rootAttrs().hasLine || found.root.line != off {
		return nil
	}
	return found
}

// programsNaming returns the places of the line programs that may name a file
// that ends with base.
func (d *Data) programsNaming(base string, exact bool) []uint64 {
	s := headSieve{d: d, base: []byte(base), fold: !exact, strs: d.section(secLineStr)}
	s.markStrings()
	var out []uint64
	for b := d.main.buf(secLine, 0); b.left() > 0; {
		off := uint64(b.off)
		n, is64, ok := b.initialLength()
		if !ok {
			break
		}
		head := b
		head.d = b.d[:b.off+int(n)]
		if s.names(&head, is64) {
			out = append(out, off)
		}
		b.off += int(n)
	}
	return out
}

// headSieve tells which line programs may name a file, reading no more of their
// heads than the numbers of names.
type headSieve struct {
	d    *Data
	base []byte
	fold bool
	strs []byte // .debug_line_str
	// marks has a bit for each place in strs where a name begins that ends with base.
	marks []uint64
}

// markStrings finds base in .debug_line_str. Strings may share their ends, so
// each place of a string that ends with base counts.
func (s *headSieve) markStrings() {
	s.marks = make([]uint64, len(s.strs)/64+1)
	end := append(append([]byte(nil), s.base...), 0)
	for at := 0; at < len(s.strs); {
		n := s.index(s.strs[at:], end)
		if n < 0 {
			return
		}
		n += at
		for i := n; i >= 0 && (i == n || s.strs[i] != 0); i-- {
			s.marks[i/64] |= 1 << (i % 64)
		}
		at = n + 1
	}
}

func (s *headSieve) index(in, what []byte) int {
	if !s.fold {
		return bytes.Index(in, what)
	}
	for at := 0; at+len(what) <= len(in); {
		n := bytes.IndexByte(in[at:], 0)
		if n < 0 {
			return -1
		}
		if n += at; n+1 >= len(what) && bytes.EqualFold(in[n+1-len(what):n], what[:len(what)-1]) {
			return n + 1 - len(what)
		}
		at = n + 1
	}
	return -1
}

func (s *headSieve) marked(off uint32) bool {
	return int(off) < len(s.strs) && s.marks[off/64]&(1<<(off%64)) != 0
}

// names reports whether the program whose length was just read may name the file.
// What has an unusual form may.
func (s *headSieve) names(b *buf, is64 bool) bool {
	version, ok := lineHead(b, is64)
	switch {
	case !ok:
		return false
	case version < 5: // names are written out
		return s.index(b.d[b.off:], append(append([]byte(nil), s.base...), 0)) >= 0
	}
	hit := false
	ok = headEntries(b, is64, func(uint32, uint64) {}) && headEntries(b, is64, func(name uint32, _ uint64) { hit = hit || s.marked(name) })
	return !ok || hit
}

// lineHead gets over a line program's head up to the directories, where its
// length was just read, and cuts b to the head.
func lineHead(b *buf, is64 bool) (version uint16, ok bool) {
	version = b.u16()
	if version == 5 {
		b.skip(2)
	}
	length := b.offset(is64)
	if b.bad || length > uint64(b.left()) {
		return version, false
	}
	b.d = b.d[:b.off+int(length)]
	if version >= 4 {
		b.skip(1)
	}
	b.skip(4)
	if ops := b.u8(); ops > 0 {
		b.skip(uint64(ops) - 1)
	}
	return version, !b.bad
}

// headEntries goes over the directories or the files of a version 5 head and
// tells where their names are in .debug_line_str; false when they have a form
// that this does not read.
func headEntries(b *buf, is64 bool, f func(name uint32, dir uint64)) bool {
	l := layout{version: 5, is64: is64, addrSize: 8}
	var steps [255]step
	path, dir := -1, -1
	n := int(b.u8())
	for i := range n {
		content, fm := b.uleb(), form(b.uleb())
		var ok bool
		if steps[i], ok = stepOf(fm, l); !ok {
			return false
		}
		switch {
		case content == lnctPath && fm == formLineStrp && !is64 && !b.be:
			path = i
		case content == lnctDirectory && fm == formUdata:
			dir = i
		case content == lnctPath || content == lnctDirectory:
			return false
		}
	}
	for count := b.uleb(); count > 0 && n > 0 && !b.bad; count-- {
		var name uint32
		var in uint64
		for i, st := range steps[:n] {
			switch {
			case i == path:
				name = uint32(b.uint(4))
			case i == dir:
				in = b.uleb()
			default:
				b.step(st, l)
			}
		}
		if !b.bad {
			f(name, in)
		}
	}
	return !b.bad && (path >= 0 || n == 0)
}

func endsWith(name []byte, base string, exact bool) bool {
	if len(name) < len(base) {
		return false
	}
	tail := string(name[len(name)-len(base):])
	return tail == base || !exact && strings.EqualFold(tail, base)
}
