package index

import (
	"bytes"
	"encoding/binary"
	"iter"
	"sort"
	"strings"
)

// Names is the number of different names; they are numbered from 0.
func (x *Index) Names() uint32 { return uint32(x.tables[tabNames].count - 1) }

// Entries is the number of meanings.
func (x *Index) Entries() int { return int(x.tables[tabEntries].count) }

// Name returns the text of name n. It aliases the index.
func (x *Index) Name(n uint32) []byte {
	r := x.at(tabNames, uint64(n), 2*recordSize[tabNames])
	if r == nil {
		return nil
	}
	lo, hi := binary.LittleEndian.Uint32(r[4:]), binary.LittleEndian.Uint32(r[16:])
	if hi <= lo {
		return nil
	}
	return x.at(tabStrings, uint64(lo), uint64(hi-lo-1))
}

// Meanings yields what name n stands for, in the order of DIEs.
func (x *Index) Meanings(n uint32) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		r := x.at(tabNames, uint64(n), 2*recordSize[tabNames])
		if r == nil {
			return
		}
		lo, hi := binary.LittleEndian.Uint32(r[8:]), binary.LittleEndian.Uint32(r[20:])
		for i := lo; i < hi; i++ {
			e, ok := x.entry(n, uint64(i))
			if !ok || !yield(e) {
				return
			}
		}
	}
}

func (x *Index) entry(n uint32, i uint64) (Entry, bool) {
	r := x.at(tabEntries, i, recordSize[tabEntries])
	if r == nil {
		return Entry{}, false
	}
	le := binary.LittleEndian
	w := le.Uint64(r)
	return Entry{
		DIE: w & (1<<48 - 1), Kind: Kind(w >> 48), Flags: Flags(w >> 56),
		Name: n, Scope: le.Uint32(r[8:]), Unit: le.Uint32(r[12:]),
	}, true
}

// Find yields the numbers of the names that equal text, or with fold those that
// do when the case of ASCII letters is ignored.
func (x *Index) Find(text string, fold bool) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		h := Hash(text)
		for n := x.firstWith(h); n < x.Names() && x.u32(tabNames, uint64(n), 0) == h; n++ {
			name := x.Name(n)
			if string(name) == text || fold && strings.EqualFold(string(name), text) {
				if !yield(n) {
					return
				}
			}
		}
	}
}

// firstWith returns the first name whose hash is not below h. Hashes lie evenly,
// so the search begins where h should be.
func (x *Index) firstWith(h uint32) uint32 {
	count := int(x.Names())
	lo, hi := 0, count
	guess := int(uint64(h) * uint64(count) >> 32)
	for step := 16; ; step *= 4 {
		if lo = max(guess-step, 0); lo == 0 || x.u32(tabNames, uint64(lo), 0) < h {
			break
		}
	}
	for step := 16; ; step *= 4 {
		if hi = min(guess+step, count); hi == count || x.u32(tabNames, uint64(hi), 0) >= h {
			break
		}
	}
	return uint32(lo + sort.Search(hi-lo, func(i int) bool { return x.u32(tabNames, uint64(lo+i), 0) >= h }))
}

// Hash is the hash of a name, the same for both cases of ASCII letters: the bit
// that tells them apart is set in every byte.
func Hash[T string | []byte](s T) uint32 {
	const lower = 0x2020202020202020
	h := uint64(len(s)) * 0x9e3779b97f4a7c15
	i := 0
	for ; i+8 <= len(s); i += 8 {
		w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		h = (h ^ (w | lower)) * 0xbf58476d1ce4e5b9
		h ^= h >> 31
	}
	w := uint64(0)
	for ; i < len(s); i++ {
		w = w<<8 | uint64(s[i])
	}
	h = (h ^ (w | lower)) * 0x94d049bb133111eb
	h ^= h >> 32
	return uint32((h * 0xd6e8feb86659fd93) >> 32)
}

// Scope returns scope s; false for None and what is not there.
func (x *Index) Scope(s uint32) (Scope, bool) {
	if s == None {
		return Scope{}, false
	}
	r := x.at(tabScopes, uint64(s), recordSize[tabScopes])
	if r == nil {
		return Scope{}, false
	}
	le := binary.LittleEndian
	sc := Scope{le.Uint32(r), le.Uint32(r[4:]), ScopeFlags(le.Uint32(r[8:]))}
	return sc, sc.Parent == None || sc.Parent < s // so that every chain ends
}

// Units is the number of units.
func (x *Index) Units() uint32 { return uint32(x.tables[tabUnits].count) }

// Unit returns where the DIEs of unit u begin.
func (x *Index) Unit(u uint32) (uint64, bool) {
	r := x.at(tabUnits, uint64(u), recordSize[tabUnits])
	if r == nil {
		return 0, false
	}
	return binary.LittleEndian.Uint64(r), true
}

// GlobalAt returns the last variable that begins at addr or below it.
func (x *Index) GlobalAt(addr uint64) (Global, bool) {
	get := func(i int) Global {
		r := x.at(tabGlobals, uint64(i), recordSize[tabGlobals])
		if r == nil {
			return Global{}
		}
		return Global{binary.LittleEndian.Uint64(r), binary.LittleEndian.Uint64(r[8:])}
	}
	i := sort.Search(int(x.tables[tabGlobals].count), func(i int) bool { return get(i).Addr > addr }) - 1
	if i < 0 {
		return Global{}, false
	}
	g := get(i)
	for i > 0 && get(i-1).Addr == g.Addr { // the first of those at one address
		i--
		g = get(i)
	}
	return g, !x.Damaged()
}

// Code yields the units' ranges, by address.
func (x *Index) Code() iter.Seq[Code] {
	return func(yield func(Code) bool) {
		n := x.tables[tabCode].count
		r := x.at(tabCode, 0, n*recordSize[tabCode])
		for le := binary.LittleEndian; len(r) > 0; r = r[recordSize[tabCode]:] {
			if !yield(Code{le.Uint64(r), le.Uint64(r[8:]), le.Uint32(r[16:])}) {
				return
			}
		}
	}
}

// Paths yields the source files that end with suffix, and their numbers; with
// fold the case of ASCII letters is ignored.
func (x *Index) Paths(suffix string, fold bool) iter.Seq2[uint32, string] {
	return func(yield func(uint32, string) bool) {
		text := x.at(tabPaths, 0, x.tables[tabPaths].count)
		end := append([]byte(suffix), 0)
		for at := 0; at < len(text); {
			stop := 0
			if fold || suffix == "" {
				stop = bytes.IndexByte(text[at:], 0)
			} else if stop = bytes.Index(text[at:], end); stop >= 0 {
				stop += len(suffix)
			}
			if stop < 0 {
				return
			}
			stop += at
			start := bytes.LastIndexByte(text[at:stop], 0) + 1 + at
			path := text[start:stop]
			at = stop + 1
			if fold && (len(path) < len(suffix) || !strings.EqualFold(string(path[len(path)-len(suffix):]), suffix)) {
				continue
			}
			if n, ok := x.fileAt(uint32(start)); ok && !yield(n, string(path)) {
				return
			}
		}
	}
}

// fileAt returns the file whose path is at start.
func (x *Index) fileAt(start uint32) (uint32, bool) {
	n := int(x.tables[tabFiles].count - 1)
	i := sort.Search(n, func(i int) bool { return x.u32(tabFiles, uint64(i), 0) >= start })
	return uint32(i), i < n && x.u32(tabFiles, uint64(i), 0) == start
}

// FileUnits yields the units whose line programs name file f.
func (x *Index) FileUnits(f uint32) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		r := x.at(tabFiles, uint64(f), 2*recordSize[tabFiles])
		if r == nil {
			return
		}
		lo, hi := binary.LittleEndian.Uint32(r[4:]), binary.LittleEndian.Uint32(r[12:])
		for i := lo; i < hi; i++ {
			if !yield(x.u32(tabFileUnits, uint64(i), 0)) {
				return
			}
		}
	}
}

// Verify checks the whole index, for whoever reads all of it.
func (x *Index) Verify() bool {
	if n := uint64(len(x.data)) - x.body; x.checked != nil && n > 0 {
		x.verify(0, n-1)
	}
	return !x.Damaged()
}

// Containing yields the names that have run in their text, which has no NUL and
// is not empty, in the order of names.
func (x *Index) Containing(run string) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		text, want := x.at(tabStrings, 0, x.tables[tabStrings].count), []byte(run)
		for at := 0; at < len(text); {
			hit := bytes.Index(text[at:], want)
			if hit < 0 {
				return
			}
			n := uint32(sort.Search(int(x.Names()), func(i int) bool { return x.u32(tabNames, uint64(i)+1, 1) > uint32(at+hit) }))
			if n >= x.Names() || !yield(n) {
				return
			}
			at = int(x.u32(tabNames, uint64(n)+1, 1))
		}
	}
}

// Scopes is the number of scopes.
func (x *Index) Scopes() uint32 { return uint32(x.tables[tabScopes].count) }
