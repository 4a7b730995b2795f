package dwarf

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"dap-windbg/symbols"
)

// Split DWARF (DWARF 5, 7.3.2; version 4: GCC's DebugFission): the image has a
// skeleton of each unit, with what the linker must touch; the rest is in a .dwo
// file each, or in one package (dwp.go). Whoever asks a skeleton for its DIEs
// gets those of its split unit; addresses, and for version 4 range lists, are the
// image's. A file is opened when its DIEs are asked for, never for lines.

// splitUnits gives the .dwo files' part of the line of spaces.
type splitUnits struct {
	slots sync.Once
	of    map[*unit]ref    // the slot's number of each of the image's units
	ids   map[uint64]*unit // skeletons
	idsBy sync.Once
	every sync.Once
	all   []*unit
}

// MissingFile is a file that the debug information refers to and that could not
// be had: what is in it is not known, everything else is.
type MissingFile struct {
	symbols.Companion
	Err error
}

func (m MissingFile) Error() string {
	if e := new(symbols.NotFoundError); errors.As(m.Err, &e) {
		return m.Err.Error() // says what
	}
	return strings.TrimSpace(fmt.Sprintf("%v %s", m.Kind, m.Name)) + ": " + m.Err.Error()
}

func (m MissingFile) Unwrap() error { return m.Err }

type missingFiles struct {
	mu   sync.Mutex
	list []MissingFile
}

func (d *Data) miss(c symbols.Companion, err error) {
	d.missing.mu.Lock()
	defer d.missing.mu.Unlock()
	d.missing.list = append(d.missing.list, MissingFile{c, err})
}

// Missing returns the files that were asked for so far and could not be had.
func (d *Data) Missing() []MissingFile {
	d.missing.mu.Lock()
	defer d.missing.mu.Unlock()
	return slices.Clone(d.missing.list)
}

// WrongUnitError says that a file has not the split unit that the skeleton wants:
// it was compiled at another time.
type WrongUnitError struct {
	Want uint64   // DW_AT_dwo_id
	Have []uint64 // those in the file
}

func (e *WrongUnitError) Error() string {
	if len(e.Have) == 0 {
		return fmt.Sprintf("has no split unit; wanted the one with id %016x", e.Want)
	}
	have := make([]string, len(e.Have))
	for i, id := range e.Have {
		have[i] = fmt.Sprintf("%016x", id)
	}
	return fmt.Sprintf("is of another build: its unit has id %s, wanted %016x", strings.Join(have, ", "), e.Want)
}

// errNoFinder is why files are missing when Options.Open is not set.
var errNoFinder = fmt.Errorf("other files are not looked for")

func (d *Data) open(c symbols.Companion, accept func(section func(string) []byte) error) (func(string) []byte, error) {
	if d.opt.Open == nil {
		return nil, errNoFinder
	}
	return d.opt.Open(c, accept)
}

// skeleton returns the skeleton of a split unit, nil for every other unit.
func (u *unit) skeleton() *unit {
	if u.isType() {
		return nil
	}
	return u.file.skeleton
}

// isSkeleton reports whether u's DIEs are elsewhere.
func (u *unit) isSkeleton() bool {
	return u.file == u.data.main && !u.isType() && (u.kind == utSkeleton || u.version < 5 && u.rootAttrs().dwoName != "")
}

// splitID is the number that a skeleton and its split unit share.
func (u *unit) splitID() uint64 {
	if u.version >= 5 {
		return u.sig
	}
	return u.rootAttrs().dwoID
}

// full returns the unit that has u's DIEs: for a skeleton the split unit, when it
// can be had, else u.
func (u *unit) full() *unit {
	if !u.isSkeleton() {
		return u
	}
	u.splitOnce.Do(func() { u.split = u.data.openSplit(u) })
	if u.split != nil {
		return u.split
	}
	return u
}

// liner returns the unit whose line program u's file numbers and code go by.
func (u *unit) liner() *unit {
	if sk := u.skeleton(); sk != nil {
		return sk
	}
	return u
}

// inherit takes what a split unit has from its skeleton.
func (r *rootAttrs) inherit(sk *rootAttrs) {
	r.dir, r.name, r.producer, r.lang = sk.dir, sk.name, sk.producer, sk.lang
	r.low, r.ranges = sk.low, sk.ranges
	r.addrBase, r.oldRanges = sk.addrBase, sk.oldRanges
	r.line, r.hasLine = sk.line, sk.hasLine
}

func (d *Data) openSplit(sk *unit) *unit {
	id := sk.splitID()
	if u := d.pack().unit(id, sk); u != nil {
		return u
	}
	r := sk.rootAttrs()
	c := symbols.Companion{Kind: symbols.SplitUnit, Name: r.dwoName, Dir: r.dir}
	base, err := d.slot(sk)
	if err != nil {
		d.miss(c, err)
		return nil
	}
	var found *unit
	accept := func(section func(string) []byte) error {
		u, err := d.dwo(section, base, sk)
		if err == nil {
			found = u
		}
		return err
	}
	section, err := d.open(c, accept)
	if err == nil && found == nil {
		err = accept(section)
	}
	if err != nil {
		d.miss(c, err)
		return nil
	}
	return found
}

// dwo finds the split unit of a skeleton in a .dwo file, whose spaces begin at base.
func (d *Data) dwo(section func(string) []byte, base ref, sk *unit) (*unit, error) {
	f := d.newFile(func(id sectionID) []byte { return d.splitSection(section, id) }, base, base+dwoSlot/2)
	f.skeleton = sk
	if n := max(len(f.section(secInfo)), len(f.section(secTypes))); ref(n) > dwoSlot/2 {
		return nil, fmt.Errorf("%d bytes of DIEs are too many for a split unit", n)
	}
	e := &WrongUnitError{Want: sk.splitID()}
	for _, u := range f.spaces[0].units() {
		if u.isType() {
			continue
		}
		if id := u.splitID(); id != e.Want {
			e.Have = append(e.Have, id)
			continue
		}
		return u, nil
	}
	return nil, e
}

// splitSection reads a section of a .dwo file or package.
func (d *Data) splitSection(section func(string) []byte, id sectionID) []byte {
	switch id {
	case secAddr, secRanges: // what the linker makes is in the image
		return d.main.section(id)
	case secCuIndex, secTuIndex:
		return section(sectionNames[id])
	case secAranges:
		return nil
	}
	return section(sectionNames[id] + ".dwo")
}

// slot returns where the .dwo file of one of the image's units lies on the line.
func (d *Data) slot(u *unit) (ref, error) {
	s := &d.split
	s.slots.Do(func() {
		s.of = map[*unit]ref{}
		for i, u := range d.allUnits() {
			s.of[u] = ref(i)
		}
	})
	i := s.of[u]
	if i >= lastSlot {
		return 0, fmt.Errorf("it is number %d of the split units, and at most %d can be read from files of their own", i, lastSlot)
	}
	return baseDwo + i*dwoSlot, nil
}

// inSlot returns the unit of a .dwo file that holds the DIE.
func (d *Data) inSlot(r ref) *unit {
	units, i := d.allUnits(), (r-baseDwo)/dwoSlot
	if i >= lastSlot || i >= ref(len(units)) {
		return nil
	}
	u := units[i].full()
	if u == units[i] {
		return nil
	}
	for _, s := range u.file.spaces {
		if r >= s.base && r-s.base < dwoSlot/2 {
			return s.at(r)
		}
	}
	return nil
}

// skeletonOf finds the skeleton of a split unit by their id.
func (d *Data) skeletonOf(id uint64) *unit {
	s := &d.split
	s.idsBy.Do(func() {
		s.ids = map[uint64]*unit{}
		for _, u := range d.allUnits()[:d.infoUnits] {
			if u.isSkeleton() {
				s.ids[u.splitID()] = u
			}
		}
	})
	return s.ids[id]
}

// signature finds the type unit with a signature, for a reference from f.
func (d *Data) signature(f *file, sig uint64) ref {
	d.allUnits()
	if r, ok := f.signature(sig); ok {
		return r
	}
	if f != d.main && f != d.sup.file {
		if r, ok := d.pack().signature(sig); ok {
			return r
		}
		if r, ok := d.main.signature(sig); ok {
			return r
		}
	}
	return lostRef
}

// everyUnit returns all units of all files, once, in an order that depends
// on nothing but the files: those of the image, a split unit for each skeleton where it can
// be had; of the supplementary file; and the type units of .dwo files and of the
// package, each signature once. It opens whatever there is.
func (d *Data) everyUnit() []*unit {
	d.split.every.Do(func() { d.split.all = d.openEvery() })
	return d.split.all
}

func (d *Data) openEvery() []*unit {
	whole := []sectionID{secInfo, secTypes, secAbbrev, secStr, secLine, secLineStr, secStrOffsets, secRnglists, secRanges, secAddr}
	d.parallel(len(whole), func(i int) { d.section(whole[i]) }) // they may be compressed
	own := d.allUnits()
	out := slices.Clone(own)
	d.parallel(len(out), func(i int) { out[i] = own[i].full() })
	if f := d.supplement(); f != nil {
		out = append(out, f.spaces[0].units()...)
	}
	seen := map[uint64]bool{}
	for _, u := range out {
		if u.file == d.main || u.file == d.sup.file {
			continue
		}
		for _, s := range u.file.spaces {
			for _, t := range s.units() {
				if t.isType() && !seen[t.sig] {
					seen[t.sig] = true
					out = append(out, t)
				}
			}
		}
	}
	if d.pkg.file != nil {
		out = d.pkg.typeUnits(out, seen)
	}
	return out
}

// Kinds of entries in .debug_loc.dwo of version 4 (GCC's DebugFission).
const (
	fissionEnd = iota
	fissionBase
	fissionStartEnd
	fissionStartLength
	fissionOffsets
)

// fissionLocations walks a location list of a version 4 split unit.
func (u *unit) fissionLocations(off uint64, at func(low, high uint64, expr []byte) bool) {
	b := u.file.buf(secLoc, off)
	base := u.root.low
	for range maxListEntries {
		var low, high uint64
		switch b.u8() {
		case fissionBase:
			base, _ = u.addrx(b.uleb())
			continue
		case fissionStartEnd:
			low, _ = u.addrx(b.uleb())
			high, _ = u.addrx(b.uleb())
		case fissionStartLength:
			low, _ = u.addrx(b.uleb())
			n := b.u32()
			if n >= 1<<31 { // GCC writes -1 where a list goes on in the last byte of a call
				n = 0
			}
			high = low + uint64(n)
		case fissionOffsets:
			low, high = base+uint64(b.u32()), base+uint64(b.u32())
		default:
			return
		}
		expr := b.take(uint64(b.u16()))
		if b.bad || !at(low, high, expr) {
			return
		}
	}
}
