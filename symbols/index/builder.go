package index

// Builder gathers what one goroutine finds. Names go by numbers: what is below
// Interned is a place of the caller's own, which Build asks about; others come
// from Intern.
type Builder struct {
	chunks [][]record
	seen   set // of the records with a key

	scopes   []Scope // names by number
	scopeSet set

	names texts
	paths texts

	globals   []Global
	code      []Code
	files     []uint32 // paths of unit after unit
	unitFiles []unitFiles
}

// Interned is the lowest number that Intern gives.
const Interned = 1 << 31

// record is an entry that is not yet sorted in.
type record struct {
	what        uint64 // as in the file
	name, scope uint32
	unit        uint32
	key         uint32
}

type unitFiles struct{ unit, first, last uint32 }

const chunkSize = 1 << 12

// Intern gives text a number.
func (b *Builder) Intern(text []byte) uint32 { return Interned + b.names.id(text) }

// Path gives a source file a number of its own kind.
func (b *Builder) Path(path string) uint32 { return b.paths.id([]byte(path)) }

// Scope gives a scope a number; equal ones have the same. The parent's number
// is None or from before.
func (b *Builder) Scope(s Scope) uint32 {
	b.scopeSet.rehash(func(i uint32) uint32 { return b.scopes[i].hash() })
	i := b.scopeSet.slot(s.hash())
	for ; b.scopeSet.slots[i] != 0; i = (i + 1) & b.scopeSet.mask() {
		if n := b.scopeSet.slots[i] - 1; b.scopes[n] == s {
			return n
		}
	}
	b.scopes = append(b.scopes, s)
	b.scopeSet.slots[i] = uint32(len(b.scopes))
	b.scopeSet.used++
	return uint32(len(b.scopes) - 1)
}

// Add enters e. Of entries that agree in name, scope, kind, flags and a key that
// is not 0, one is kept.
func (b *Builder) Add(e Entry, key uint32) {
	r := record{
		what: e.DIE&(1<<48-1) | uint64(e.Kind)<<48 | uint64(e.Flags)<<56,
		name: e.Name, scope: e.Scope, unit: e.Unit, key: key,
	}
	if key == 0 {
		b.push(r)
		return
	}
	b.seen.rehash(b.hashOf)
	i := b.seen.slot(r.hash())
	for ; b.seen.slots[i] != 0; i = (i + 1) & b.seen.mask() {
		if b.record(b.seen.slots[i] - 1).same(&r) {
			return
		}
	}
	b.seen.slots[i] = b.push(r) + 1
	b.seen.used++
}

func (b *Builder) push(r record) uint32 {
	n := len(b.chunks)
	if n == 0 || len(b.chunks[n-1]) == chunkSize {
		b.chunks = append(b.chunks, make([]record, 0, chunkSize))
		n++
	}
	c := &b.chunks[n-1]
	*c = append(*c, r)
	return uint32((n-1)*chunkSize + len(*c) - 1)
}

func (b *Builder) record(i uint32) *record { return &b.chunks[i/chunkSize][i%chunkSize] }
func (b *Builder) hashOf(i uint32) uint32  { return b.record(i).hash() }

// Global enters the address of a variable.
func (b *Builder) Global(g Global) { b.globals = append(b.globals, g) }

// Code enters a unit's code.
func (b *Builder) Code(c Code) { b.code = append(b.code, c) }

// Files enters the paths that a unit's line program names.
func (b *Builder) Files(unit uint32, paths []uint32) {
	first := uint32(len(b.files))
	b.files = append(b.files, paths...)
	b.unitFiles = append(b.unitFiles, unitFiles{unit, first, uint32(len(b.files))})
}

func (r *record) hash() uint32 {
	return mix((uint64(r.name)<<32 | uint64(r.scope)) ^ uint64(r.key)<<16 ^ r.what>>48<<50)
}

func (s *Scope) hash() uint32 { return mix(uint64(s.Name)<<32|uint64(s.Parent)) ^ uint32(s.Flags) }

// same leaves out the DIE: it is what may differ.
func (r *record) same(o *record) bool {
	return r.name == o.name && r.scope == o.scope && r.key == o.key && r.what>>48 == o.what>>48
}

func mix(v uint64) uint32 {
	v ^= v >> 29
	v *= 0xbf58476d1ce4e5b9
	v ^= v >> 32
	return uint32((v * 0x94d049bb133111eb) >> 32)
}

// set is an open hash table of numbers, each kept plus one.
type set struct {
	slots []uint32
	used  int
}

func (s *set) mask() uint32         { return uint32(len(s.slots) - 1) }
func (s *set) slot(h uint32) uint32 { return h & s.mask() }

// rehash makes room for one more.
func (s *set) rehash(hash func(uint32) uint32) {
	if s.used*2 < len(s.slots) {
		return
	}
	old := s.slots
	s.slots = make([]uint32, max(2*len(old), 1<<8))
	for _, v := range old {
		if v != 0 {
			i := s.slot(hash(v - 1))
			for s.slots[i] != 0 {
				i = (i + 1) & s.mask()
			}
			s.slots[i] = v
		}
	}
}

// texts numbers strings.
type texts struct {
	text []byte
	ends []uint32
	set  set
}

func (t *texts) id(s []byte) uint32 {
	t.set.rehash(func(i uint32) uint32 { return Hash(t.get(i)) })
	i := t.set.slot(Hash(s))
	for ; t.set.slots[i] != 0; i = (i + 1) & t.set.mask() {
		if n := t.set.slots[i] - 1; string(t.get(n)) == string(s) {
			return n
		}
	}
	t.text = append(t.text, s...)
	t.ends = append(t.ends, uint32(len(t.text)))
	t.set.slots[i] = uint32(len(t.ends))
	t.set.used++
	return uint32(len(t.ends) - 1)
}

func (t *texts) get(i uint32) []byte {
	lo := uint32(0)
	if i > 0 {
		lo = t.ends[i-1]
	}
	return t.text[lo:t.ends[i]]
}
