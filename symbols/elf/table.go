package elf

import (
	"bytes"
	"cmp"
	"slices"
	"sort"
	"strings"
	"sync"

	"dap-windbg/binfmt/elf"
	"dap-windbg/symbols"
)

// table is the image's symbols by address. Names stay in the string table.
type table struct {
	entries []entry
	strings []byte   // of the symbol table
	made    []string // names that are not in it: PLT entries
	static  bool     // from .symtab: local functions are there too

	mu     sync.Mutex
	parsed map[uint32]parsedName // demangled so far, by name number
}

// entry is one symbol. It holds no pointer.
type entry struct {
	addr, size uint64
	name       uint32 // offset in strings, or madeName + index in made
	info       uint8  // ELF type and binding
}

const madeName = 1 << 31

func (i *Image) symtab() *table {
	i.tableOnce.Do(func() { i.table = i.readTable() })
	return i.table
}

// readTable reads the fullest symbol table there is.
func (i *Image) readTable() *table {
	t := &table{parsed: map[uint32]parsedName{}}
	for _, c := range []struct {
		p    *part
		kind uint32
	}{{i.main, elf.SecSymtab}, {i.debug, elf.SecSymtab}, {i.main, elf.SecDynsym}} {
		if c.p == nil {
			continue
		}
		if st, ok := c.p.SymbolTable(c.kind); ok {
			t.static = c.kind == elf.SecSymtab
			i.fill(t, st)
			break
		}
	}
	i.addPLT(t)
	slices.SortStableFunc(t.entries, func(a, b entry) int { return cmp.Compare(a.addr, b.addr) })
	return t
}

func (i *Image) fill(t *table, st *elf.SymbolTable) {
	t.strings = st.Strings
	t.entries = make([]entry, 0, st.Len())
	for s := range st.All() {
		if s.Section == elf.SecUndef || s.Section == elf.SecCommon || s.NameOffset == 0 || s.NameOffset >= madeName {
			continue
		}
		switch s.Type() {
		case elf.TypeSection, elf.TypeFile, elf.TypeTLS:
			continue
		}
		if s.Value < i.low || s.Value > i.high || mappingSymbol(st.Name(s.NameOffset)) {
			continue
		}
		t.entries = append(t.entries, entry{addr: s.Value, size: s.Size, name: s.NameOffset, info: s.Info})
	}
}

// mappingSymbol knows the ARM and RISC-V marks between code and data, and
// assembler labels that were kept.
func mappingSymbol(name []byte) bool {
	if len(name) == 0 || bytes.HasPrefix(name, []byte(".L")) {
		return true
	}
	return len(name) >= 2 && name[0] == '$' && (name[1] == 'x' || name[1] == 'd' || name[1] == 'a' || name[1] == 't') && (len(name) == 2 || name[2] == '.')
}

// linkage returns the name as the table spells it, without its version.
func (t *table) linkage(name uint32) string { return string(t.bytes(name)) }

// bytes is linkage without a copy.
func (t *table) bytes(name uint32) []byte {
	if name >= madeName {
		return []byte(t.made[name-madeName])
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
	if l := t.linkage(e.name); l != s.Name {
		s.Linkage = l
	}
	s.Public = !i.known(&s)
	return s
}

// known reports whether the debug information speaks of the symbol.
func (i *Image) known(s *symbols.Symbol) bool {
	switch {
	case i.dwarf == nil:
		return false
	case s.Kind == symbols.Data:
		_, ok := i.dwarf.GlobalAt(s.Offset)
		return ok
	}
	return i.dwarf.Covers(s.Offset)
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
	end := sort.Search(len(t.entries), func(k int) bool { return t.entries[k].addr > addr })
	k, covered := t.covering(end, addr)
	if !covered && i.dwarf != nil {
		if s, ok := i.dwarf.FunctionEntry(off); ok {
			return s, true
		}
	}
	if k < 0 {
		return symbols.Symbol{}, false
	}
	return i.symbol(&t.entries[t.best(k)]), true
}

// covering returns the last entry before end whose size reaches addr, else the
// nearest below that may stand for what follows it: code behind the linkage table
// is no part of its last entry. -1 when there is none.
func (t *table) covering(end int, addr uint64) (int, bool) {
	for k := end - 1; k >= 0 && k >= end-maxBack; k-- {
		if e := &t.entries[k]; addr-e.addr < e.size || addr == e.addr {
			return k, true
		}
	}
	k := end - 1
	for k >= 0 && t.entries[k].name&madeName != 0 {
		k--
	}
	return k, false
}

// best returns the best ranked of the entries at entry k's address.
func (t *table) best(k int) int {
	best, rank := k, t.rank(&t.entries[k])
	addr := t.entries[k].addr
	for j := k - 1; j >= 0 && t.entries[j].addr == addr; j-- {
		if r := t.rank(&t.entries[j]); r <= rank {
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
	k := sort.Search(len(t.entries), func(k int) bool { return t.entries[k].addr > addr })
	if k == len(t.entries) {
		return symbols.Symbol{}, false
	}
	for k+1 < len(t.entries) && t.entries[k+1].addr == t.entries[k].addr {
		k++
	}
	return i.symbol(&t.entries[t.best(k)]), true
}
