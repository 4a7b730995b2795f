package index

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"slices"
)

// ErrTooLarge: the tables do not fit the form's numbers.
var ErrTooLarge = errors.New("symbol index: too many names")

// Build joins what builders found, and takes it out of them. id names the image,
// units tells where each unit's DIEs begin, and text what a name below Interned
// is. The order of the builders has no effect on what is found.
func Build(builders []*Builder, id []byte, units []uint64, text func(uint32) []byte) (*Index, error) {
	if len(id) > maxID {
		id = id[:maxID]
	}
	j := joiner{builders: builders, text: text}
	for _, b := range builders {
		j.scopes(b)
	}
	for _, b := range builders {
		j.take(b)
	}
	j.rank()
	j.joinPaths()
	w, err := newWriter(&j, units)
	if err != nil {
		return nil, err
	}
	w.strings(&j)
	w.entries(&j)
	w.rest(&j, units)
	return w.finish(id)
}

// joiner brings the numbers of all builders to one set.
type joiner struct {
	builders []*Builder
	text     func(uint32) []byte

	names    []foundName
	byText   set
	byPlace  places
	interned [][]uint32 // by builder
	strings  uint64     // bytes

	order   []uint32 // names sorted
	ranks   []uint32 // its inverse
	scope   []Scope  // names by index in names
	scopeOf [][]uint32
	index   map[Scope]uint32

	recs [][][]record

	paths  [][]byte
	pathOf [][]uint32
}

// foundName is a name and where its text is: with a builder, or the caller.
type foundName struct{ hash, number, builder, length uint32 }

const callers = None // for the builder of the caller's names

// name's text, by index in names.
func (j *joiner) textOf(i uint32) []byte {
	n := &j.names[i]
	if n.builder == callers {
		return j.text(n.number)
	}
	return j.builders[n.builder].names.get(n.number)
}

// name returns the index in names of builder k's name n.
func (j *joiner) name(k int, n uint32) uint32 {
	if n >= Interned {
		return j.interned[k][n-Interned]
	}
	p := j.byPlace.find(n)
	if p.index == 0 {
		*p = place{n, j.add(j.text(n), callers, n) + 1}
	}
	return p.index - 1
}

// places maps the caller's numbers to indexes in names.
type places struct {
	slots []place
	used  int
}

type place struct{ number, index uint32 } // index plus one

// find returns the slot of n, which is empty, and counted as used, when n is new.
func (p *places) find(n uint32) *place {
	if p.used*2 >= len(p.slots) {
		old := p.slots
		p.slots, p.used = make([]place, max(2*len(old), 1<<8)), 0
		for _, s := range old {
			if s.index != 0 {
				*p.find(s.number) = s
			}
		}
	}
	mask := uint32(len(p.slots) - 1)
	i := mix(uint64(n)) & mask
	for p.slots[i].index != 0 && p.slots[i].number != n {
		i = (i + 1) & mask
	}
	if p.slots[i].index == 0 {
		p.used++
	}
	return &p.slots[i]
}

func (j *joiner) add(text []byte, builder, number uint32) uint32 {
	j.byText.rehash(func(i uint32) uint32 { return j.names[i].hash })
	h := Hash(text)
	i := j.byText.slot(h)
	for ; j.byText.slots[i] != 0; i = (i + 1) & j.byText.mask() {
		n := j.byText.slots[i] - 1
		if j.names[n].hash == h && bytes.Equal(j.textOf(n), text) {
			return n
		}
	}
	j.names = append(j.names, foundName{h, number, builder, uint32(len(text))})
	j.strings += uint64(len(text)) + 1
	j.byText.slots[i] = uint32(len(j.names))
	j.byText.used++
	return uint32(len(j.names) - 1)
}

// scopes numbers the names and scopes of b.
func (j *joiner) scopes(b *Builder) {
	if j.index == nil {
		j.index = map[Scope]uint32{}
	}
	k := len(j.interned)
	ids := make([]uint32, len(b.names.ends))
	for i := range ids {
		ids[i] = j.add(b.names.get(uint32(i)), uint32(k), uint32(i))
	}
	j.interned = append(j.interned, ids)
	b.names.set = set{}
	to := make([]uint32, len(b.scopes))
	for i, s := range b.scopes {
		s.Name = j.name(k, s.Name)
		if s.Parent != None {
			s.Parent = to[s.Parent]
		}
		n, ok := j.index[s]
		if !ok {
			n = uint32(len(j.scope))
			j.scope = append(j.scope, s)
			j.index[s] = n
		}
		to[i] = n
	}
	j.scopeOf = append(j.scopeOf, to)
	b.scopes, b.scopeSet = nil, set{}
}

// take rewrites b's records.
func (j *joiner) take(b *Builder) {
	k := len(j.recs)
	for _, c := range b.chunks {
		for i := range c {
			r := &c[i]
			r.name = j.name(k, r.name)
			if r.scope != None {
				r.scope = j.scopeOf[k][r.scope]
			}
		}
	}
	j.recs = append(j.recs, b.chunks)
	b.chunks, b.seen = nil, set{}
}

// rank sorts the names by hash, then by text.
func (j *joiner) rank() {
	j.byPlace, j.index, j.byText = places{}, nil, set{}
	keys := make([]uint64, len(j.names))
	for i := range j.names {
		keys[i] = uint64(j.names[i].hash)<<32 | uint64(i)
	}
	slices.Sort(keys)
	j.order, j.ranks = make([]uint32, len(keys)), make([]uint32, len(keys))
	for i, k := range keys {
		j.order[i] = uint32(k)
	}
	for lo := 0; lo < len(keys); {
		hi := lo + 1
		for hi < len(keys) && keys[hi]>>32 == keys[lo]>>32 {
			hi++
		}
		if hi > lo+1 {
			slices.SortFunc(j.order[lo:hi], func(a, b uint32) int { return bytes.Compare(j.textOf(a), j.textOf(b)) })
		}
		lo = hi
	}
	for i, n := range j.order {
		j.ranks[n] = uint32(i)
	}
}

// joinPaths numbers the source files of all builders, by text.
func (j *joiner) joinPaths() {
	for _, b := range j.builders {
		for i := range b.paths.ends {
			j.paths = append(j.paths, b.paths.get(uint32(i)))
		}
	}
	slices.SortFunc(j.paths, bytes.Compare)
	j.paths = slices.CompactFunc(j.paths, bytes.Equal)
	for _, b := range j.builders {
		to := make([]uint32, len(b.paths.ends))
		for i := range to {
			n, _ := slices.BinarySearchFunc(j.paths, b.paths.get(uint32(i)), bytes.Compare)
			to[i] = uint32(n)
		}
		j.pathOf = append(j.pathOf, to)
	}
}

// writer lays the tables out in one piece of memory.
type writer struct{ x *Index }

func newWriter(j *joiner, units []uint64) (*writer, error) {
	count := [tabCount]uint64{tabStrings: j.strings, tabNames: uint64(len(j.names)) + 1, tabScopes: uint64(len(j.scope)), tabUnits: uint64(len(units))}
	for k, b := range j.builders {
		count[tabGlobals] += uint64(len(b.globals))
		count[tabCode] += uint64(len(b.code))
		count[tabFileUnits] += uint64(len(b.files))
		for _, c := range j.recs[k] {
			count[tabEntries] += uint64(len(c))
		}
	}
	for _, p := range j.paths {
		count[tabPaths] += uint64(len(p)) + 1
	}
	count[tabFiles] = uint64(len(j.paths)) + 1
	total := uint64(0)
	for t, n := range count {
		if n >= None {
			return nil, ErrTooLarge
		}
		total += n*recordSize[t] + 8
	}
	count[tabSums] = (total + blockSize - 1) >> blockShift
	total += uint64(headerSize) + 4*count[tabSums]
	if total > math.MaxInt {
		return nil, ErrTooLarge
	}
	w := &writer{&Index{data: make([]byte, total)}}
	at := uint64(headerSize)
	for t, n := range count {
		w.x.tables[t] = extent{at, n}
		at = (at + n*recordSize[t] + 7) &^ 7
	}
	w.x.body = w.x.tables[tabStrings].off
	return w, nil
}

// rec returns the bytes of record i of table t.
func (w *writer) rec(t table, i uint64) []byte {
	return w.x.data[w.x.tables[t].off+i*recordSize[t]:]
}

// strings writes the names. Their texts are asked for in the order they were first
// seen in, in which the caller's memory is soon at hand.
func (w *writer) strings(j *joiner) {
	at := uint32(0)
	text := w.rec(tabStrings, 0)
	le := binary.LittleEndian
	places := make([]uint32, len(j.names))
	for i, n := range j.order {
		r := w.rec(tabNames, uint64(i))
		le.PutUint32(r, j.names[n].hash)
		le.PutUint32(r[4:], at)
		places[n] = at
		at += j.names[n].length + 1
	}
	for n, place := range places {
		copy(text[place:], j.textOf(uint32(n)))
	}
	r := w.rec(tabNames, uint64(len(j.order)))
	le.PutUint32(r, None)
	le.PutUint32(r[4:], at)
	for i, s := range j.scope {
		r := w.rec(tabScopes, uint64(i))
		le.PutUint32(r, s.Parent)
		le.PutUint32(r[4:], j.ranks[s.Name])
		le.PutUint32(r[8:], uint32(s.Flags))
	}
}

// entries sorts the records by name and writes each group without its doubles.
func (w *writer) entries(j *joiner) {
	first := make([]uint32, len(j.names)+1)
	each := func(f func(r *record)) {
		for _, chunks := range j.recs {
			for _, c := range chunks {
				for i := range c {
					f(&c[i])
				}
			}
		}
	}
	each(func(r *record) {
		r.name = j.ranks[r.name]
		first[r.name+1]++
	})
	j.names = nil
	for i := 1; i < len(first); i++ {
		first[i] += first[i-1]
	}
	sorted := make([]uint32, first[len(first)-1]) // by number in all chunks, which are full but for the last
	next := slices.Clone(first)
	var chunks [][]record
	for _, c := range j.recs {
		chunks = append(chunks, c...)
	}
	for k, c := range chunks {
		for i := range c {
			n := &next[c[i].name]
			sorted[*n] = uint32(k*chunkSize + i)
			*n++
		}
	}
	var group []*record
	le, at := binary.LittleEndian, uint64(0)
	for n := range len(first) - 1 {
		le.PutUint32(w.rec(tabNames, uint64(n))[8:], uint32(at))
		group = group[:0]
		for _, i := range sorted[first[n]:first[n+1]] {
			group = append(group, &chunks[i/chunkSize][i%chunkSize])
		}
		for _, r := range distinct(group) {
			b := w.rec(tabEntries, at)
			le.PutUint64(b, r.what)
			le.PutUint32(b[8:], r.scope)
			le.PutUint32(b[12:], r.unit)
			at++
		}
	}
	le.PutUint32(w.rec(tabNames, uint64(len(first)-1))[8:], uint32(at))
	j.recs = nil
	w.x.tables[tabEntries].count = at
}

const dieBits = 1<<48 - 1

// distinct drops all but the first of equal records, and sorts by DIE.
func distinct(rs []*record) []*record {
	if len(rs) < 2 {
		return rs
	}
	slices.SortFunc(rs, func(a, b *record) int {
		if c := cmp.Compare(a.key, b.key); c != 0 {
			return c
		}
		if c := cmp.Compare(a.scope, b.scope); c != 0 {
			return c
		}
		if c := cmp.Compare(a.what>>48, b.what>>48); c != 0 {
			return c
		}
		return cmp.Compare(a.what, b.what)
	})
	rs = slices.CompactFunc(rs, func(a, b *record) bool { return a.key != 0 && a.same(b) })
	slices.SortFunc(rs, func(a, b *record) int {
		if c := cmp.Compare(a.what&dieBits, b.what&dieBits); c != 0 {
			return c
		}
		return cmp.Compare(a.unit, b.unit)
	})
	return rs
}

func (w *writer) rest(j *joiner, units []uint64) {
	le := binary.LittleEndian
	for i, u := range units {
		le.PutUint64(w.rec(tabUnits, uint64(i)), u)
	}
	var globals []Global
	var code []Code
	for _, b := range j.builders {
		globals, code = append(globals, b.globals...), append(code, b.code...)
		b.globals, b.code = nil, nil
	}
	slices.SortFunc(globals, func(a, b Global) int {
		if c := cmp.Compare(a.Addr, b.Addr); c != 0 {
			return c
		}
		return cmp.Compare(a.DIE, b.DIE)
	})
	for i, g := range globals {
		r := w.rec(tabGlobals, uint64(i))
		le.PutUint64(r, g.Addr)
		le.PutUint64(r[8:], g.DIE)
	}
	slices.SortFunc(code, func(a, b Code) int { return cmp.Compare(a.Low, b.Low) })
	for i, c := range code {
		r := w.rec(tabCode, uint64(i))
		le.PutUint64(r, c.Low)
		le.PutUint64(r[8:], c.High)
		le.PutUint32(r[16:], c.Unit)
	}
	w.files(j)
}

func (w *writer) files(j *joiner) {
	le := binary.LittleEndian
	first := make([]uint32, len(j.paths)+1)
	for k, b := range j.builders {
		for _, p := range b.files {
			first[j.pathOf[k][p]+1]++
		}
	}
	at := uint32(0)
	text := w.rec(tabPaths, 0)
	for i, p := range j.paths {
		first[i+1] += first[i]
		le.PutUint32(w.rec(tabFiles, uint64(i)), at)
		at += uint32(copy(text[at:], p)) + 1
	}
	for i, n := range first {
		le.PutUint32(w.rec(tabFiles, uint64(i))[4:], n)
	}
	le.PutUint32(w.rec(tabFiles, uint64(len(j.paths))), at)
	units := make([]uint32, first[len(j.paths)])
	next := slices.Clone(first)
	for k, b := range j.builders {
		for _, u := range b.unitFiles {
			for _, p := range b.files[u.first:u.last] {
				n := &next[j.pathOf[k][p]]
				units[*n] = u.unit
				*n++
			}
		}
		b.files, b.unitFiles, b.paths = nil, nil, texts{}
	}
	for i := range j.paths {
		slices.Sort(units[first[i]:first[i+1]])
	}
	for i, u := range units {
		le.PutUint32(w.rec(tabFileUnits, uint64(i)), u)
	}
}

// finish cuts the memory to what is used, and writes header and checksums.
func (w *writer) finish(id []byte) (*Index, error) {
	x, le := w.x, binary.LittleEndian
	last := x.tables[tabEntries]
	end := last.off + last.count*recordSize[tabEntries]
	x.data = x.data[:end:end]
	x.tables[tabSums].count = (end - x.body + blockSize - 1) >> blockShift
	copy(x.data, magic)
	le.PutUint32(x.data[offVersion:], version)
	le.PutUint64(x.data[offLength:], end)
	le.PutUint64(x.data[offIDLen:], uint64(len(id)))
	copy(x.data[offID:], id)
	for t, e := range x.tables {
		le.PutUint64(x.data[offTables+16*t:], e.off)
		le.PutUint64(x.data[offTables+16*t+8:], e.count)
	}
	for b := range x.tables[tabSums].count {
		lo := x.body + b<<blockShift
		le.PutUint32(w.rec(tabSums, b), crc32.Checksum(x.data[lo:min(lo+blockSize, end)], castagnoli))
	}
	le.PutUint32(x.data[offSum:], crc32.Checksum(x.data[:offSum], castagnoli))
	return x, nil
}
