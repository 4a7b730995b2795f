package pdb

import (
	"encoding/binary"
	"sort"
	"strings"
	"sync"
)

// Kinds of type records (LEAF_ENUM_e of cvinfo.h).
const (
	leafVTShape    = 0x000a
	leafModifier   = 0x1001
	leafPointer    = 0x1002
	leafProcedure  = 0x1008
	leafMFunction  = 0x1009
	leafArgList    = 0x1201
	leafFieldList  = 0x1203
	leafBitField   = 0x1205
	leafMethodList = 0x1206
	leafBaseClass  = 0x1400
	leafVBase      = 0x1401
	leafIVBase     = 0x1402
	leafIndex      = 0x1404
	leafVFuncTab   = 0x1409
	leafEnumerate  = 0x1502
	leafArray      = 0x1503
	leafClass      = 0x1504
	leafStructure  = 0x1505
	leafUnion      = 0x1506
	leafEnum       = 0x1507
	leafMember     = 0x150d
	leafStatic     = 0x150e
	leafMethod     = 0x150f
	leafNested     = 0x1510
	leafOneMethod  = 0x1511
	leafAlias      = 0x150a
	leafInterface  = 0x1519
	leafFuncID     = 0x1601
	leafMFuncID    = 0x1602
	leafStringID   = 0x1605
)

// Properties of classes, unions and enumerations.
const (
	propForward = 0x80
	propScoped  = 0x100
	propUnique  = 0x200
)

// firstIndex is the number of the first type that has a record; lower ones are simple.
const firstIndex = 0x1000

// typeTable is a stream of type records (TPI) or of ids (IPI).
type typeTable struct {
	s          *stream
	begin, end uint32 // of the records in s
	limit      uint32 // number behind the last type
	hints      extent // (number, offset), one for every few thousand bytes of records
	hashes     extent // of each type, a bucket number
	buckets    uint32

	once  sync.Once
	marks []mark // hints made by one pass where the file has none
}

// mark tells where the record of a type lies.
type mark struct{ index, at uint32 }

const tpiHeader = 56

func readTypes(c *container, number uint16) (*typeTable, error) {
	s, err := c.stream(number)
	if err != nil {
		return nil, err
	}
	t := &typeTable{s: s}
	h, ok := s.view(0, tpiHeader)
	if !ok {
		return t, nil // none
	}
	u := func(o int) uint32 { return binary.LittleEndian.Uint32(h[o:]) }
	if u(8) != firstIndex || u(12) < firstIndex || u(4) < tpiHeader || uint64(u(4))+uint64(u(16)) > uint64(s.size) {
		return nil, &FormatError{Part: "type stream", Reason: "its header is damaged or of a version that is not known"}
	}
	t.begin, t.end = u(4), u(4)+u(16)
	// Each record takes 4 bytes or more.
	t.limit = min(u(12), firstIndex+u(16)/4)
	if hs, err := c.stream(binary.LittleEndian.Uint16(h[20:])); err == nil {
		t.buckets = u(28)
		if b, ok := hs.extent(u(32), u(36)); ok && u(24) == 4 {
			t.hashes = b
		}
		if b, ok := hs.extent(u(40), u(44)); ok {
			t.hints = b
		}
	}
	return t, nil
}

// record returns the record of a type.
func (t *typeTable) record(index uint32) (record, bool) {
	if index < firstIndex || index >= t.limit {
		return record{}, false
	}
	m := t.before(index)
	at := m.at
	for k := m.index; ; k++ {
		r, next, ok := t.s.recordAt(at)
		if !ok || next > t.end || k == index {
			return r, ok && next <= t.end
		}
		at = next
	}
}

// before returns the nearest place known that is not behind a type.
func (t *typeTable) before(index uint32) mark {
	hint := func(i int) mark {
		return mark{t.hints.word(2 * uint32(i)), t.begin + t.hints.word(2*uint32(i)+1)}
	}
	i := sort.Search(int(t.hints.words()/2), func(i int) bool { return hint(i).index > index })
	if i > 0 {
		if m := hint(i - 1); m.index >= firstIndex && m.at >= t.begin && m.at < t.end && index-m.index < 1<<12 {
			return m
		}
	}
	t.once.Do(t.mark)
	i = sort.Search(len(t.marks), func(i int) bool { return t.marks[i].index > index })
	if i == 0 {
		return mark{firstIndex, t.begin}
	}
	return t.marks[i-1]
}

// mark makes the hints that a file lacks.
func (t *typeTable) mark() {
	index := uint32(firstIndex)
	for at := range t.s.records(t.begin, t.end) {
		if index%64 == 0 {
			t.marks = append(t.marks, mark{index, at})
		}
		index++
	}
}

// tag is a class, structure, union or enumeration as its record tells.
type tag struct {
	kind     uint16
	property uint16
	fields   uint32 // number of its list of members
	under    uint32 // underlying type of an enumeration
	size     int64
	name     string
	unique   string
}

// tagOf reads such a record; false for others.
func tagOf(r record) (t tag, ok bool) {
	f := r.fields()
	t.kind = r.kind
	switch r.kind {
	case leafClass, leafStructure, leafInterface:
		f.u16()
		t.property, t.fields = f.u16(), f.u32()
		f.take(8)
		t.size = f.numeric()
	case leafUnion:
		f.u16()
		t.property, t.fields = f.u16(), f.u32()
		t.size = f.numeric()
	case leafEnum:
		f.u16()
		t.property, t.under, t.fields = f.u16(), f.u32(), f.u32()
	default:
		return t, false
	}
	t.name = f.name()
	if t.property&propUnique != 0 {
		t.unique = f.name()
	}
	return t, true
}

func (t *tag) forward() bool { return t.property&propForward != 0 }

// hashed is the name that a definition's hash is of: the unique one of types in
// the scope of a function or class.
func (t *tag) hashed() string {
	if t.property&propScoped != 0 && t.unique != "" {
		return t.unique
	}
	return t.name
}

// define finds the definition of a tag by its name, or by its unique name; 0: none.
func (t *typeTable) define(name, unique string, accept func(*tag) bool) uint32 {
	for _, n := range []string{name, unique} {
		if n == "" {
			continue
		}
		if i := t.byHash(n, accept); i != 0 {
			return i
		}
	}
	return 0
}

func (t *typeTable) byHash(name string, accept func(*tag) bool) uint32 {
	if t.buckets == 0 || t.hashes.words() == 0 {
		return t.byPass(accept)
	}
	want := hash(name) % t.buckets
	for i, bucket := range t.hashes.each() {
		if bucket != want {
			continue
		}
		index := firstIndex + i
		if r, ok := t.record(index); ok {
			if g, ok := tagOf(r); ok && !g.forward() && accept(&g) {
				return index
			}
		}
	}
	return 0
}

// byPass looks at all types, where the file has no hashes.
func (t *typeTable) byPass(accept func(*tag) bool) (found uint32) {
	t.tags(func(index uint32, g *tag) bool {
		if accept(g) {
			found = index
		}
		return found == 0
	})
	return found
}

// tags calls f with every definition until it returns false.
func (t *typeTable) tags(f func(index uint32, g *tag) bool) {
	index := uint32(firstIndex)
	for _, r := range t.s.records(t.begin, t.end) {
		if r.kind >= leafClass && r.kind <= leafInterface {
			if g, ok := tagOf(r); ok && !g.forward() && !f(index, &g) {
				return
			}
		}
		index++
	}
}

// anonymous reports whether a name is one that compilers make up.
func anonymous(name string) bool {
	last := name[strings.LastIndex(name, "::")+1:]
	last = strings.TrimPrefix(last, ":")
	return name == "" || name == "__unnamed" || strings.HasPrefix(last, "<unnamed-") || strings.HasPrefix(last, "<anonymous-") || strings.HasPrefix(last, "$")
}
