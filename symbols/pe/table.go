package pe

import (
	"cmp"
	"iter"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/ianlancetaylor/demangle"

	"dap-windbg/binfmt/pe"
	"dap-windbg/symbols"
)

// table is the image's symbols by address.
type table struct {
	entries []entry

	mu     sync.Mutex
	parsed map[string]parsedName // demangled so far, by linkage
}

// entry is one symbol.
type entry struct {
	addr, size uint32
	kind       symbols.SymbolKind
	local      bool
	name       string // as in the file
}

// parsedName is a name as people write it.
type parsedName struct{ name, params string }

func (i *Image) names() *table {
	i.tableOnce.Do(func() { i.table = i.readTable() })
	return i.table
}

// readTable joins the COFF symbols with exports and imports that have none.
func (i *Image) readTable() *table {
	t := &table{parsed: map[string]parsedName{}}
	type place struct {
		addr uint32
		name string
	}
	seen := map[place]bool{}
	add := func(e entry) {
		if p := (place{e.addr, e.name}); !seen[p] && e.addr < i.file.ImageSize {
			seen[p] = true
			t.entries = append(t.entries, e)
		}
	}
	for s := range i.file.Symbols() {
		if e, ok := i.symbolOf(s); ok {
			add(e)
		}
	}
	_, exports := i.file.Exports()
	for _, x := range exports {
		if x.Forward == "" && x.Name != "" {
			add(entry{addr: x.Addr, kind: i.kindAt(x.Addr), name: i.decorated(x.Name)})
		}
	}
	for x := range i.file.Imports() {
		if x.Name != "" && len(t.entries) < maxSymbols {
			add(entry{addr: x.Slot, kind: symbols.Data, size: i.pointer(), name: "__imp_" + i.decorated(x.Name)})
		}
	}
	slices.SortStableFunc(t.entries, func(a, b entry) int { return cmp.Compare(a.addr, b.addr) })
	i.sizes(t)
	return t
}

// maxSymbols bounds what a damaged import table can name.
const maxSymbols = 1 << 22

func (i *Image) pointer() uint32 {
	if i.file.Is64 {
		return 8
	}
	return 4
}

// symbolOf makes an entry of a COFF symbol that names a place of the image.
func (i *Image) symbolOf(s pe.Symbol) (entry, bool) {
	if s.Section < 1 || int(s.Section) > len(i.file.Sections) || s.Name == "" {
		return entry{}, false
	}
	if s.Class != pe.ClassExternal && s.Class != pe.ClassStatic && s.Class != pe.ClassLabel {
		return entry{}, false
	}
	sec := &i.file.Sections[s.Section-1]
	if strings.HasPrefix(sec.Name, ".debug") || s.Class == pe.ClassStatic && s.Type == 0 && s.Name[0] == '.' { // a section's own
		return entry{}, false
	}
	e := entry{addr: sec.Addr + s.Value, name: s.Name, local: s.Class != pe.ClassExternal, kind: symbols.Data}
	switch {
	case s.Type == pe.TypeFunction:
		e.kind = symbols.Function
	case sec.Characteristics&pe.SectionExecute != 0:
		e.kind = symbols.Label
	}
	return e, true
}

func (i *Image) sectionAt(addr uint32) *pe.Section {
	for k := range i.file.Sections {
		if s := &i.file.Sections[k]; addr >= s.Addr && addr-s.Addr < s.Size() {
			return s
		}
	}
	return nil
}

func (i *Image) kindAt(addr uint32) symbols.SymbolKind {
	if s := i.sectionAt(addr); s != nil && s.Characteristics&pe.SectionExecute != 0 {
		return symbols.Function
	}
	return symbols.Data
}

// decorated is how the compiler spells a C name that an export has plain.
func (i *Image) decorated(name string) string {
	if i.file.Machine == pe.MachineI386 && !strings.HasPrefix(name, "_") && !strings.HasPrefix(name, "?") && !strings.HasPrefix(name, "@") {
		return "_" + name
	}
	return name
}

// sizes takes functions' sizes from the function table.
func (i *Image) sizes(t *table) {
	functions := i.file.Functions()
	for k := range t.entries {
		e := &t.entries[k]
		if f, ok := functions.Find(e.addr); ok && f.Begin == e.addr && e.kind != symbols.Data {
			e.size, e.kind = f.End-f.Begin, symbols.Function
		}
	}
}

// undecorated removes what i386 adds to a C name: an underscore before it, and
// behind it the bytes of arguments of __stdcall and __fastcall.
func (i *Image) undecorated(name string) string {
	if i.file.Machine != pe.MachineI386 {
		return name
	}
	prefix, rest := "", name
	if r, ok := strings.CutPrefix(name, "__imp_"); ok {
		prefix, rest = "__imp_", r
	}
	if rest == "" || rest[0] != '_' && rest[0] != '@' {
		return name
	}
	rest = rest[1:]
	if k := strings.LastIndexByte(rest, '@'); k > 0 && strings.Trim(rest[k+1:], "0123456789") == "" {
		rest = rest[:k]
	}
	return prefix + rest
}

const (
	maxMangled = 1 << 14
	shownPower = 15 // of two: the longest name shown
)

// parse makes a name as people write it, once.
func (i *Image) parse(linkage string) parsedName {
	plain := i.undecorated(linkage)
	if !strings.HasPrefix(plain, "_Z") && !strings.HasPrefix(plain, "_R") || len(plain) > maxMangled {
		return parsedName{name: plain}
	}
	t := i.names()
	t.mu.Lock()
	defer t.mu.Unlock()
	p, ok := t.parsed[linkage]
	if !ok {
		p = demangled(plain)
		t.parsed[linkage] = p
	}
	return p
}

func demangled(plain string) parsedName {
	limit := demangle.MaxLength(shownPower)
	name, err := demangle.ToString(plain, demangle.NoParams, limit)
	if err != nil || len(name) >= 1<<shownPower {
		return parsedName{name: plain}
	}
	full, err := demangle.ToString(plain, limit)
	p := parsedName{name: name}
	if args, ok := strings.CutPrefix(full, name+"("); err == nil && ok {
		if end := strings.LastIndexByte(args, ')'); end >= 0 {
			p.params = args[:end]
		}
	}
	return p
}

func (i *Image) symbol(e *entry) symbols.Symbol {
	n := i.parse(e.name)
	s := symbols.Symbol{Name: n.name, Params: n.params, Kind: e.kind, Offset: symbols.Offset(e.addr), Size: uint64(e.size), Global: !e.local}
	if e.name != s.Name {
		s.Linkage = e.name
	}
	s.Public = !i.known(&s)
	return s
}

// known reports whether the debug information speaks of the symbol.
func (i *Image) known(s *symbols.Symbol) bool {
	switch {
	case i.dwarf == nil:
		return false
	case s.Kind != symbols.Data:
		return i.dwarf.Covers(s.Offset)
	case !i.dwarf.Indexed() && !i.dwarf.Small():
		return true
	}
	_, ok := i.dwarf.GlobalAt(s.Offset)
	return ok
}

// rank orders symbols at one address: the one a person would call it by first.
func rank(e *entry) int {
	r := int(e.kind) * 100
	if e.kind == symbols.Label {
		r += 1000
	}
	return r + 10*(len(e.name)-len(strings.TrimLeft(e.name, "_."))) + map[bool]int{true: 1}[e.local]
}

// At implements symbols.Image.
func (i *Image) At(off symbols.Offset) (s symbols.Symbol, ok bool) {
	if i.pdb != nil && off < symbols.Offset(i.file.ImageSize) {
		i.pdb.guard.Do(func() { s, ok = i.pdb.At(off) })
	}
	if ok {
		return i.sized(s), true
	}
	i.guard.Do(func() {
		t := i.names()
		end := sort.Search(len(t.entries), func(k int) bool { return symbols.Offset(t.entries[k].addr) > off })
		if end == 0 || off >= symbols.Offset(i.file.ImageSize) {
			return
		}
		best := &t.entries[end-1]
		if sec := i.sectionAt(uint32(off)); sec == nil || best.addr < sec.Addr {
			return // a name of another section says nothing
		}
		for k := end - 2; k >= 0 && t.entries[k].addr == best.addr; k-- {
			if rank(&t.entries[k]) < rank(best) {
				best = &t.entries[k]
			}
		}
		s, ok = i.symbol(best), true
	})
	return s, ok
}

// Next implements symbols.Image.
func (i *Image) Next(off symbols.Offset) (s symbols.Symbol, ok bool) {
	if i.pdb != nil {
		i.pdb.guard.Do(func() { s, ok = i.pdb.Next(off) })
	}
	if ok {
		return i.sized(s), true
	}
	i.guard.Do(func() {
		t := i.names()
		k := sort.Search(len(t.entries), func(k int) bool { return symbols.Offset(t.entries[k].addr) > off })
		if k < len(t.entries) {
			s, ok = i.symbol(&t.entries[k]), true
		}
	})
	return s, ok
}

// Lookup implements symbols.Image.
func (i *Image) Lookup(pattern string) iter.Seq[symbols.Symbol] {
	return func(yield func(symbols.Symbol) bool) {
		pattern = strings.TrimPrefix(pattern, "::")
		if pattern == "" {
			return
		}
		if i.pdb != nil && !i.lookupPDB(pattern, yield) {
			return
		}
		i.guard.Do(func() {
			if found, more := i.lookup(pattern, false, yield); !found && more {
				i.lookup(pattern, true, yield)
			}
		})
	}
}

// lookupPDB yields what the PDB has; false when nothing else is wanted. What the
// image's own tables add to a PDB are its imports.
func (i *Image) lookupPDB(pattern string, yield func(symbols.Symbol) bool) (more bool) {
	any, enough := false, false
	i.pdb.guard.Do(func() {
		for s := range i.pdb.Lookup(pattern) {
			any = true
			if enough = !yield(i.sized(s)); enough {
				return
			}
		}
	})
	return !any && !enough
}

// sized fills in the size of a function that the PDB does not tell.
func (i *Image) sized(s symbols.Symbol) symbols.Symbol {
	if s.Size == 0 && s.Kind == symbols.Function {
		i.guard.Do(func() {
			if f, ok := i.file.Functions().Find(uint32(s.Offset)); ok && f.Begin == uint32(s.Offset) {
				s.Size = uint64(f.End - f.Begin)
			}
		})
	}
	return s
}

func (i *Image) lookup(pattern string, fold bool, yield func(symbols.Symbol) bool) (found, more bool) {
	p := symbols.CompilePattern(pattern, fold)
	want := symbols.Canonical(pattern)
	exact := !fold && !symbols.Wild(pattern)
	must := ""
	if exact {
		must = lastIdentifier(pattern)
	}
	t := i.names()
	for k := range t.entries {
		e := &t.entries[k]
		if must != "" && !strings.Contains(e.name, must) {
			continue // demangling takes time
		}
		n := i.parse(e.name)
		match := p.Match(n.name) || p.Match(e.name) || p.Match(symbols.WithoutTemplates(n.name)) || exact && want != pattern && symbols.Canonical(n.name) == want
		if !match {
			continue
		}
		found = true
		if !yield(i.symbol(e)) {
			return true, false
		}
	}
	return found, true
}

// lastIdentifier is the identifier that every spelling of a name has, mangled or
// not: the last component's, a destructor's class. "" when there is none.
func lastIdentifier(name string) string {
	name = symbols.WithoutTemplates(name)
	last := strings.TrimPrefix(name[strings.LastIndexByte(name, ':')+1:], "~")
	if strings.HasPrefix(last, "operator") || strings.ContainsAny(last, " ()*&<>[]{}=+-/%^|!,'\"$") {
		return ""
	}
	return last
}
