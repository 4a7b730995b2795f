package dwarf

import (
	"cmp"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"dap-windbg/symbols"
)

// unitScan is what one pass over a unit's DIEs yields: its functions by address
// and its named scopes. Everything is offsets; strings are never read.
type unitScan struct {
	funcs  []function
	scopes []scope // by offset; a child comes after its parent

	labelsOnce sync.Once
	labels     []atomic.Pointer[label] // of scopes, made when asked for
}

// label is what a scope puts before the names in it.
type label struct {
	name     string
	optional bool // a name may be written without it
	decl     ref  // what the scope's DIE completes, with scopes of its own; 0 for none
}

// function is a contiguous part of a function that has code.
type function struct {
	addrRange
	die uint64
}

// scope is a DIE whose name qualifies the names in it.
type scope struct {
	off, end uint64 // section offsets
	parent   int32
	kind     tag
}

// scan reads the unit's DIEs, unless it did lately; a skeleton's are those of its split unit.
func (u *unit) scan() *unitScan {
	if f := u.full(); f != u {
		return f.scan()
	}
	if s := u.scanned.Load(); s != nil {
		return s
	}
	u.load()
	s := scanner{u: u, out: &unitScan{}, isC: u.root.lang == symbols.C}
	s.run()
	slices.SortStableFunc(s.out.funcs, func(a, b function) int { return cmp.Compare(a.low, b.low) })
	u.scanned.Store(s.out)
	return s.out
}

// maxDepth bounds the nesting of DIEs.
const maxDepth = 1 << 10

type scanner struct {
	u     *unit
	out   *unitScan
	isC   bool // C: members' types are not qualified by the struct
	stack []level
	m     marks
	base  buf // of the unit
}

// level is an open DIE.
type level struct {
	scope int32 // innermost named scope, -1 at the top
	kind  tag   // of the DIE
	own   bool  // the scope is this DIE's
}

func (s *scanner) run() {
	u := s.u
	b := u.buf(u.first)
	s.base = b
	s.stack = append(s.stack, level{scope: -1, kind: tagCompileUnit})
	table := u.table()
	for b.left() > 0 && len(s.stack) > 0 {
		off := b.off
		code := b.uleb()
		top := &s.stack[len(s.stack)-1]
		if code == 0 {
			if top.own {
				s.out.scopes[top.scope].end = uint64(off)
			}
			if s.stack = s.stack[:len(s.stack)-1]; len(s.stack) == 1 {
				break
			}
			continue
		}
		ab := table.get(code)
		if ab == nil || !ab.run(&b, u.layout, &s.m) {
			break
		}
		next := level{scope: top.scope, kind: ab.tag}
		if ab.tag == tagSubprogram {
			s.function(ab, uint64(off))
		}
		if !ab.children {
			continue
		}
		if end, ok := s.skippable(ab, b.off); ok {
			b.off = end
			continue
		}
		if s.opens(ab) {
			next.scope, next.own = int32(len(s.out.scopes)), true
			s.out.scopes = append(s.out.scopes, scope{uint64(off), u.end, top.scope, ab.tag})
		}
		if s.stack = append(s.stack, next); len(s.stack) > maxDepth {
			break
		}
	}
}

// skippable reports the end of a DIE whose children have nothing to find.
func (s *scanner) skippable(ab *abbrev, at int) (int, bool) {
	switch ab.tag {
	case tagStruct, tagUnion:
		if !s.isC {
			return 0, false
		}
	case tagSubroutineType, tagArray, tagInlined:
	default:
		return 0, false
	}
	if ab.forms[slotSibling] == 0 {
		return 0, false
	}
	r := s.u.target(s.mark(ab, slotSibling))
	end := int(s.u.offset(r))
	return end, r > s.u.base && end >= at && end <= int(s.u.end)
}

func (s *scanner) opens(ab *abbrev) bool {
	switch ab.tag {
	case tagNamespace, tagModule, tagEnumeration, tagSubprogram:
		return true
	case tagStruct, tagClass, tagUnion, tagInterface:
		return !s.isC
	}
	return false
}

// mark reads a marked attribute of the DIE just walked.
func (s *scanner) mark(ab *abbrev, sl slot) value {
	b := s.base
	b.off = s.m[sl]
	f := ab.forms[sl]
	if f == formImplicit {
		for _, a := range ab.attrs {
			if a.name.slot() == sl {
				return value{form: f, u: uint64(a.implicit)}
			}
		}
	}
	return s.u.value(&b, f, 0)
}

func (s *scanner) function(ab *abbrev, off uint64) {
	if ab.forms[slotLowPC] == 0 && ab.forms[slotRanges] == 0 {
		return
	}
	var rs []addrRange
	if ab.forms[slotRanges] != 0 {
		rs = s.u.rangeList(s.mark(ab, slotRanges))
	} else if ab.forms[slotHighPC] != 0 {
		low, ok := s.u.address(s.mark(ab, slotLowPC))
		hv := s.mark(ab, slotHighPC)
		high, isAddr := s.u.address(hv)
		if !isAddr {
			high = low + hv.u
		}
		if ok && s.u.data.live(low, high) {
			rs = []addrRange{{low, high}}
		}
	}
	for _, r := range rs {
		s.out.funcs = append(s.out.funcs, function{r, off})
	}
}

// static reports whether a location is a fixed address or thread-local storage.
func (u *unit) static(v value) bool {
	if !v.block() || len(v.b) == 0 {
		return false
	}
	switch op := v.b[0]; op {
	case opAddr, opAddrx, opGNUAddrIndex:
		return true
	case opConst4u, opConst8u, opConstx:
		last := v.b[len(v.b)-1]
		return last == opGNUPushTLS || last == opFormTLS
	}
	return false
}

// functionAt returns the DIE offset of the function with the code at addr.
func (s *unitScan) functionAt(addr uint64) (function, bool) {
	i := sort.Search(len(s.funcs), func(i int) bool { return s.funcs[i].low > addr })
	for n := 0; i > 0 && n < 8; n++ {
		if i--; addr < s.funcs[i].high {
			return s.funcs[i], true
		}
	}
	return function{}, false
}

// scopeOf returns the innermost named scope that has the DIE at off inside it,
// -1 when there is none.
func (s *unitScan) scopeOf(off uint64) int32 {
	i := int32(sort.Search(len(s.scopes), func(i int) bool { return s.scopes[i].off >= off })) - 1
	for i >= 0 && s.scopes[i].end <= off {
		i = s.scopes[i].parent
	}
	return i
}
