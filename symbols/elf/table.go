package elf

import (
	"bytes"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"dap-windbg/binfmt/elf"
	"dap-windbg/symbols"
)

// table is the image's symbols. They stay where they are: what is kept of them
// are numbers, sorted by address when an address is first asked for.
type table struct {
	image   *Image
	symbols *elf.SymbolTable // nil when there is none
	strings []byte           // of symbols
	static  bool             // from .symtab: local functions are there too

	madeOnce sync.Once
	made     []entry  // that no table has: PLT entries
	names    []string // of made

	apart reach // beyond the image: of per-CPU variables

	orderOnce sync.Once
	order     []uint32 // by address: numbers of symbols, or madeName + index in made
	searched  atomic.Int32

	mu      sync.Mutex
	parsed  map[uint32]parsedName // demangled so far, by name number
	answers map[question][]entry  // the last that were asked for
}

// entry is one symbol.
type entry struct {
	addr, size uint64
	name       uint32 // place in strings, or madeName + index in names
	info       uint8  // ELF type and binding
	number     uint32 // in symbols; 0 of what is in made
}

const madeName = 1 << 31

func (i *Image) symtab() *table {
	i.tableOnce.Do(func() { i.table = i.openTable() })
	return i.table
}

// openTable finds the fullest symbol table there is.
func (i *Image) openTable() *table {
	t := &table{image: i, parsed: map[uint32]parsedName{}}
	for _, c := range []struct {
		p    *part
		kind uint32
	}{{i.main, elf.SecSymtab}, {i.debug, elf.SecSymtab}, {i.main, elf.SecDynsym}} {
		if c.p == nil {
			continue
		}
		if st, ok := c.p.SymbolTable(c.kind); ok {
			t.static = c.kind == elf.SecSymtab
			if !t.static {
				if mini := i.miniSymbols(); mini != nil {
					st, t.static = st.With(mini), true
				}
			}
			t.symbols, t.strings = st, st.Strings
			t.apart = c.p.apart(i.low)
			break
		}
	}
	return t
}

// apart is the section of a kernel's per-CPU variables, which is linked from 0 on for
// the variables to be told by their distance from a processor's own copy
// (arch/x86/kernel/vmlinux.lds.S, PERCPU_VADDR). They are found by name alone.
func (p *part) apart(low uint64) reach {
	for k := range p.Sections {
		if s := &p.Sections[k]; s.Name == ".data..percpu" && s.Addr < low && s.Size > 0 {
			return reach{s.Addr, s.Addr + s.Size - 1}
		}
	}
	return reach{1, 0}
}

// reach is a range of addresses, both ends included.
type reach struct{ low, high uint64 }

func (r reach) holds(a uint64) bool { return r.low <= a && a <= r.high }

// miniSymbols returns the functions that a stripped image packs besides its
// dynamic symbols.
func (i *Image) miniSymbols() *elf.SymbolTable {
	f, err := i.main.MiniDebug()
	if err != nil || f == nil {
		return nil
	}
	st, _ := f.SymbolTable(elf.SecSymtab)
	return st
}

func (t *table) plt() []entry {
	t.madeOnce.Do(func() { t.image.addPLT(t) })
	return t.made
}

// count is the number of symbols, those that say nothing included.
func (t *table) count() int {
	if t.symbols == nil {
		return 0
	}
	return min(t.symbols.Len(), madeName)
}

// symbol returns symbol k; false when it names no place.
func (t *table) symbol(k int) (entry, bool) {
	s, ok := t.symbols.Symbol(k)
	if !ok || s.Section == elf.SecUndef || s.Section == elf.SecCommon || s.NameOffset == 0 || s.NameOffset >= madeName {
		return entry{}, false
	}
	switch s.Type() {
	case elf.TypeSection, elf.TypeFile, elf.TypeTLS:
		return entry{}, false
	}
	inside := s.Value >= t.image.low && s.Value <= t.image.high
	if !inside && (s.Section == elf.SecAbs || !t.apart.holds(s.Value)) || uint64(s.NameOffset) >= uint64(len(t.strings)) || mappingSymbol(t.strings[s.NameOffset:]) {
		return entry{}, false
	}
	return entry{addr: s.Value, size: s.Size, name: s.NameOffset, info: s.Info, number: uint32(k)}, true
}

// sorted returns the numbers of all places by address; at one address in the
// order of the table.
func (t *table) sorted() []uint32 {
	t.orderOnce.Do(func() {
		n := t.count()
		keys := make([]uint64, 0, n)
		t.order = make([]uint32, 0, n)
		for k := range n {
			if e, ok := t.symbol(k); ok && e.addr >= t.image.low {
				t.order, keys = append(t.order, uint32(k)), append(keys, e.addr-t.image.low)
			}
		}
		for k, e := range t.plt() {
			t.order, keys = append(t.order, madeName+uint32(k)), append(keys, e.addr-t.image.low)
		}
		t.order = byKey(t.order, keys)
	})
	return t.order
}

// byKey sorts numbers by their keys, equal ones as they are: a radix sort, many
// times quicker than comparing.
func byKey(numbers []uint32, keys []uint64) []uint32 {
	top := uint64(0)
	for _, k := range keys {
		top |= k
	}
	others, spare := make([]uint32, len(numbers)), make([]uint64, len(keys))
	for shift := uint(0); shift < 64 && top>>shift > 0; shift += 12 {
		var next [1<<12 + 1]int
		for _, k := range keys {
			next[k>>shift&0xfff+1]++
		}
		for i := 1; i < len(next); i++ {
			next[i] += next[i-1]
		}
		for i, k := range keys {
			at := &next[k>>shift&0xfff]
			others[*at], spare[*at] = numbers[i], k
			*at++
		}
		numbers, others, keys, spare = others, numbers, spare, keys
	}
	return numbers
}

// at returns the place that order has at i.
func (t *table) at(i int) entry {
	n := t.order[i]
	if n >= madeName {
		return t.made[n-madeName]
	}
	e, _ := t.symbol(int(n))
	return e
}

// mappingSymbol knows the ARM and RISC-V marks between code and data, and
// assembler labels that were kept. The name is ended by NUL.
func mappingSymbol(name []byte) bool {
	switch {
	case name[0] == 0:
		return true
	case len(name) < 3 || name[0] != '.' && name[0] != '$':
		return false
	case name[0] == '.':
		return name[1] == 'L'
	}
	return (name[1] == 'x' || name[1] == 'd' || name[1] == 'a' || name[1] == 't') && (name[2] == 0 || name[2] == '.')
}

// linkage returns the name as the table spells it, without its version.
func (t *table) linkage(name uint32) string { return string(t.bytes(name)) }

// bytes is linkage without a copy.
func (t *table) bytes(name uint32) []byte {
	if name >= madeName {
		return []byte(t.names[name-madeName])
	}
	if uint64(name) >= uint64(len(t.strings)) {
		return nil
	}
	s := t.strings[name:]
	n := bytes.IndexByte(s, 0)
	if n < 0 {
		return nil
	}
	if at := bytes.IndexByte(s[:n], '@'); at > 0 {
		n = at
	}
	return s[:n]
}

func (e *entry) kind() symbols.SymbolKind {
	switch e.info & 15 {
	case elf.TypeFunc, elf.TypeIfunc:
		return symbols.Function
	case elf.TypeObject, elf.TypeCommon:
		return symbols.Data
	}
	return symbols.Label
}

// symbol makes the Symbol of an entry.
func (i *Image) symbol(e *entry) symbols.Symbol {
	t := i.symtab()
	n := t.parse(e.name)
	s := symbols.Symbol{
		Name: n.name, Params: n.params, Kind: e.kind(), Offset: symbols.Offset(e.addr - i.low), Size: e.size,
		Global: e.info>>4 != elf.BindLocal, Indirect: e.info&15 == elf.TypeIfunc,
	}
	if v, old := t.version(e); old {
		s.Name += "@" + v
	}
	if l := t.linkage(e.name); l != s.Name {
		s.Linkage = l
	}
	s.Public = !i.known(&s)
	return s
}

// version is what a symbol has behind its "@", "" for most; old when it is not
// the default one.
func (t *table) version(e *entry) (v string, old bool) {
	if e.number == 0 {
		return "", false
	}
	return t.symbols.Version(int(e.number))
}

// known reports whether the debug information speaks of the symbol. Of data that
// is told by the index alone; until it is there, what could be known counts as it.
func (i *Image) known(s *symbols.Symbol) bool {
	addr := i.low + uint64(s.Offset)
	switch {
	case i.dwarf == nil:
		return false
	case s.Kind != symbols.Data:
		return i.dwarf.Code(addr) && i.dwarf.Covers(s.Offset)
	case !i.dwarf.Indexed() && !i.dwarf.Small():
		return true
	}
	_, ok := i.dwarf.GlobalAt(s.Offset)
	return ok
}

// rank orders symbols at one address: the one a person would call it by first.
func (t *table) rank(e *entry) int {
	r := 0
	if e.kind() == symbols.Label {
		r += 1000
	}
	if e.size == 0 {
		r += 500
	}
	if _, old := t.version(e); old {
		r += 3
	}
	name := t.linkage(e.name)
	r += 10 * (len(name) - len(strings.TrimLeft(name, "_")))
	if strings.HasPrefix(name, "_Z") || strings.HasPrefix(name, "_R") {
		r -= 10
	}
	switch e.info >> 4 {
	case elf.BindWeak:
		r += 2
	case elf.BindLocal:
		r += 5
	}
	return r
}

// maxBack bounds the search for an enclosing symbol below an address.
const maxBack = 256

// At implements symbols.Image.
func (i *Image) At(off symbols.Offset) (s symbols.Symbol, ok bool) {
	i.guard.Do(func() { s, ok = i.at(off) })
	return s, ok
}

func (i *Image) at(off symbols.Offset) (symbols.Symbol, bool) {
	t, addr := i.symtab(), i.low+uint64(off)
	if addr > i.high {
		return symbols.Symbol{}, false
	}
	f, sure := t.nearest(addr)
	if !sure {
		f = t.ordered(addr)
	}
	if !f.covered && i.dwarf != nil {
		if s, ok := i.dwarf.FunctionEntry(off); ok {
			return s, true
		}
	}
	if !f.named {
		return symbols.Symbol{}, false
	}
	return i.symbol(&f.entry), true
}

// found is what the table calls an address.
type found struct {
	entry
	named   bool
	covered bool // by the size of the entry
}

// ordered looks for an address in the table in order.
func (t *table) ordered(addr uint64) found {
	order := t.sorted()
	end := sort.Search(len(order), func(k int) bool { return t.at(k).addr > addr })
	k, covered := t.covering(end, addr)
	if k < 0 {
		return found{covered: covered}
	}
	return found{t.at(t.best(k, addr)), true, covered}
}

// names reports whether an address at or above the entry may be called by it: it is
// within, or where it ends is not told.
func (e *entry) names(addr uint64) bool { return e.size == 0 || e.holds(addr) }

// holds reports whether addr, at or above the entry, is known to belong to it.
func (e *entry) holds(addr uint64) bool { return addr == e.addr || addr-e.addr < e.size }

// maxSearched is how many addresses are looked for in the table as it is: a session
// asks a large library for a few frames, and sorting takes as long as fifty of them.
const maxSearched = 32

// nearest is ordered without the table in order; false when that would have to be known:
// of linkage table entries, and of what lies behind the end of one symbol in another.
func (t *table) nearest(addr uint64) (f found, sure bool) {
	if addr < t.image.low || t.symbols == nil || t.searched.Add(1) > maxSearched || t.image.linkage(addr) {
		return found{}, false
	}
	top, start := uint64(0), uint64(0) // the nearest of all, and of what has a name
	var same []entry                   // at start
	var below bool                     // some entry that is not the nearest reaches it
	for k, v := range t.symbols.Under(addr) {
		top = max(top, v)
		e, named := t.symbol(k)
		if !named || v < t.image.low {
			continue
		}
		if v > start {
			below = below || slices.ContainsFunc(same, func(e entry) bool { return e.holds(addr) })
			start, same = v, same[:0]
		}
		if v == start {
			same = append(same, e)
		} else {
			below = below || e.holds(addr)
		}
	}
	if len(same) == 0 || start != top {
		return found{}, false
	}
	end := lastOf(same, func(e entry) bool { return e.holds(addr) })
	if f.covered = end >= 0; !f.covered {
		if below {
			return found{}, false
		}
		end = lastOf(same, func(e entry) bool { return e.size == 0 })
	}
	rank := 0
	for j := end; j >= 0; j-- {
		if r := t.rank(&same[j]); !f.named || r <= rank && same[j].names(addr) {
			f.entry, rank, f.named = same[j], r, true
		}
	}
	return f, true
}

// lastOf is the index of the last entry that is so, -1 for none.
func lastOf(es []entry, is func(entry) bool) int {
	for k := len(es) - 1; k >= 0; k-- {
		if is(es[k]) {
			return k
		}
	}
	return -1
}

// covering returns the last entry before end whose size reaches addr, else the nearest
// below if it has no size, as of assembler code: -1 where there is none. Code behind a
// sized symbol, as the local functions of a stripped image, is not that symbol's, nor is
// code behind the linkage table that of its last entry.
func (t *table) covering(end int, addr uint64) (int, bool) {
	for k := end - 1; k >= 0 && k >= end-maxBack; k-- {
		if e := t.at(k); e.holds(addr) {
			return k, true
		}
	}
	k := end - 1
	for k >= 0 && t.order[k] >= madeName {
		k--
	}
	if k < 0 {
		return -1, false
	}
	for near := t.at(k).addr; k >= 0; k-- {
		switch e := t.at(k); {
		case e.addr != near:
			return -1, false
		case e.size == 0:
			return k, false
		}
	}
	return -1, false
}

// best returns the best ranked of the entries at entry k's address that may name addr.
func (t *table) best(k int, addr uint64) int {
	e := t.at(k)
	best, rank, start := k, t.rank(&e), e.addr
	for j := k - 1; j >= 0; j-- {
		if e = t.at(j); e.addr != start {
			break
		}
		if r := t.rank(&e); r <= rank && e.names(addr) {
			best, rank = j, r
		}
	}
	return best
}

// Next implements symbols.Image.
func (i *Image) Next(off symbols.Offset) (s symbols.Symbol, ok bool) {
	i.guard.Do(func() { s, ok = i.next(off) })
	return s, ok
}

func (i *Image) next(off symbols.Offset) (symbols.Symbol, bool) {
	t, addr := i.symtab(), i.low+uint64(off)
	order := t.sorted()
	k := sort.Search(len(order), func(k int) bool { return t.at(k).addr > addr })
	if k == len(order) {
		return symbols.Symbol{}, false
	}
	for at := t.at(k).addr; k+1 < len(order) && t.at(k+1).addr == at; {
		k++
	}
	e := t.at(t.best(k, t.at(k).addr))
	return i.symbol(&e), true
}
