package linuxkernel

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// This file finds the kernel's own table of symbols (kallsyms.go) by few reads, with what
// the debugger in the kernel, kdb, tells of names.

// tablePlace is where the table of symbols begins, and how much there is of it.
type tablePlace struct {
	at    arch.Addr
	count int  // of symbols
	size  int  // bytes of what has to be read, about
	older bool // the offsets come first, and the sequence by name before the tokens where there is one
}

// tablePlace finds the table without reading much: by vmcoreinfo, behind the banner, which
// is linked in front of it since 6.1, or in the widest room that the kernel has no name
// for. head is what was read of it by the way.
func (f *finder) tablePlace(k *Kernel) (place tablePlace, head []byte) {
	if p := f.placeByCoreInfo(k); p.at != 0 {
		return p, nil
	}
	begins := []arch.Addr{}
	if k.bannerAt != 0 {
		begins = append(begins, k.bannerAt)
	}
	if p, head := f.firstTable(k, begins); p.at != 0 {
		return p, head
	}
	return f.firstTable(k, f.rooms())
}

// headPiece is what is looked at of a place where the table may begin, bytes: the object
// that has the last name before it may be as large.
const headPiece = 16 << 10

// firstTable is the first of places that a table begins behind.
func (f *finder) firstTable(k *Kernel, places []arch.Addr) (tablePlace, []byte) {
	for _, a := range places {
		a &^= 7
		p := make([]byte, headPiece)
		p = p[:f.read(a, p)]
		if at, count := namesHead(p); count > 0 {
			return tablePlace{a + arch.Addr(at), count, count * perSymbol, false}, p[at:]
		}
		if at := offsetsHead(p); at >= 0 {
			if place := f.countOffsets(k, a+arch.Addr(at)); place.at != 0 {
				head := p[min(len(p), int(place.at-a)):]
				return place, head
			}
		}
	}
	return tablePlace{}, nil
}

// perSymbol is how many bytes are read for a symbol, about: 4 of an offset, and the name.
const perSymbol = 17

// leastNames is how many names must follow the number of symbols for that to be one.
const leastNames = 256

// namesHead looks for the table's beginning in the order of 6.5 and later: the number of
// symbols, and names up to the end of p. count is 0 when there is none.
func namesHead(p []byte) (at, count int) {
	le := binary.LittleEndian
	for at = 0; at+16 <= len(p); at += 8 {
		n := int(le.Uint32(p[at:]))
		if n < leastNames || n > maxSymbols || le.Uint32(p[at+4:]) != 0 {
			continue
		}
		t := tokens{data: p, start: len(p)}
		seen := 0
		for i := at + 8; ; seen++ {
			size, width := t.length(i)
			if i+2 > len(p) || seen == n {
				break
			}
			if size < 2 || size > 512 {
				seen = -1
				break
			}
			i += width + size
		}
		if seen >= leastNames {
			return at, n
		}
	}
	return 0, 0
}

// leastOffsets is how many offsets in order, to the end of what was read, are a table's.
const leastOffsets = 1024

// offsetsHead looks for the table's beginning in the older order: offsets in the order of
// their addresses up to the end of p. It is -1 when there is none; what lies before may
// happen to be in order too.
func offsetsHead(p []byte) int {
	le := binary.LittleEndian
	end := len(p) &^ 3
	at, different := end-4, 0
	for ; at >= 4; at -= 4 {
		before, here := int32(le.Uint32(p[at-4:])), int32(le.Uint32(p[at:]))
		if !inOrder(before, here) {
			break
		}
		if before != here {
			different++
		}
	}
	if at < 0 || (end-at)/4 < leastOffsets || different < leastOffsets/4 {
		return -1
	}
	return (at + 7) &^ 7
}

// inOrder reports whether the address of offset b may follow that of a; see addresses.
func inOrder(a, b int32) bool {
	if a >= 0 {
		return b < 0 || b >= a
	}
	return b < 0 && b <= a
}

// countOffsets finds where the offsets that begin at a end, by a look here and there: at
// the kernel's base, which the number of symbols follows.
func (f *finder) countOffsets(k *Kernel, a arch.Addr) tablePlace {
	const look = 64
	le := binary.LittleEndian
	// ordered reports whether the offsets at i follow v, and what the last of them is.
	ordered := func(i int, v int32) (int32, bool) {
		var p [look]byte
		if f.read(a+arch.Addr(i*look), p[:]) < look {
			return v, false
		}
		for at := 0; at < look; at += 4 {
			next := int32(le.Uint32(p[at:]))
			if !inOrder(v, next) {
				return v, false
			}
			v = next
		}
		return v, true
	}
	low, high := 0, 1 // in order, and perhaps not
	last, ok := ordered(low, 0)
	for next := last; ok && high < 4*maxSymbols/look; high *= 2 {
		if next, ok = ordered(high, last); ok {
			low, last = high, next
		} else {
			break
		}
	}
	for high-low > 1 {
		mid := (low + high) / 2
		if next, ok := ordered(mid, last); ok {
			low, last = mid, next
		} else {
			high = mid
		}
	}
	window := make([]byte, 5*look)
	from := a + arch.Addr(max(0, low-2)*look)
	window = window[:f.read(from, window)]
	for at := 0; at+16 <= len(window); at += 8 {
		n := int(le.Uint32(window[at+8:]))
		size := arch.Addr(4*n+7) &^ 7
		begin := from + arch.Addr(at) - size
		if le.Uint64(window[at:]) == uint64(k.Base) && n >= leastNames && n <= maxSymbols && begin >= a && begin < a+headPiece {
			return tablePlace{begin, n, n * perSymbol, true}
		}
	}
	return tablePlace{}
}

const (
	roomLooks = 64 // places of the read-only data whose names are asked for
	mostRooms = 3  // rooms that are looked into
)

// rooms are where the widest rooms without a name begin in the kernel's read-only data,
// as far as a look here and there tells. kdb tells the name before an address.
func (f *finder) rooms() []arch.Addr {
	from, to := f.where("__start_rodata"), cmp.Or(f.where("__start___ksymtab"), f.where("__end_rodata"))
	if from == 0 || to <= from || to-from > maxTable {
		return nil
	}
	step := (to - from) / roomLooks
	width := map[arch.Addr]arch.Addr{}
	for i := range arch.Addr(roomLooks) {
		at := from + i*step
		if start := f.named(at); start >= from {
			width[start] = max(width[start], at-start)
		}
	}
	var out []arch.Addr
	for start, w := range width {
		if w > 0 {
			out = append(out, start)
		}
	}
	slices.SortFunc(out, func(a, b arch.Addr) int { return cmp.Compare(width[b], width[a]) })
	return out[:min(len(out), mostRooms)]
}

// hexadecimal digits, as kdb writes them.
const hexDigits = "0123456789abcdef"

// where asks kdb for a symbol, 0 when it knows none: it answers a name with
// "NAME = 0xADDRESS" (kernel/debug/kdb/kdb_main.c), over kgdb's packets too.
func (f *finder) where(name string) arch.Addr {
	_, text, _ := strings.Cut(f.say(name), name+" = 0x")
	a, _ := strconv.ParseUint(text[:len(text)-len(strings.TrimLeft(text, hexDigits))], 16, 64)
	return arch.Addr(a)
}

// named asks kdb for the symbol before an address and tells where that lies, 0 unknown: it
// answers a number with "0xADDRESS = 0xADDRESS (NAME+0xOFFSET)".
func (f *finder) named(a arch.Addr) arch.Addr {
	_, text, ok := strings.Cut(f.say(fmt.Sprintf("0x%x", uint64(a))), "(")
	text, _, end := strings.Cut(text, ")")
	if !ok || !end {
		return 0
	}
	_, offset, _ := strings.Cut(text, "+0x")
	n, _ := strconv.ParseUint(cmp.Or(offset, "0"), 16, 32)
	return a - arch.Addr(n)
}

// kdb reports whether the kernel's own debugger is what answers.
func (f *finder) kdb() bool {
	stub := f.t.Info().Stub
	return stub == "kgdb" || stub == "kdb"
}

// say has the kernel's own debugger do a command: others do something else by its words.
func (f *finder) say(line string) string {
	c, ok := f.t.(targets.Console)
	if !ok || !f.kdb() || f.lost != nil || f.ctx.Err() != nil {
		return ""
	}
	text, _, err := c.Command(f.ctx, line)
	f.note(err)
	return text
}

// placeByCoreInfo finds the table by the kernel's vmcoreinfo, which names its parts since 6.0
// where the kernel can leave a crash dump.
func (f *finder) placeByCoreInfo(k *Kernel) tablePlace {
	at := f.where("vmcoreinfo_data")
	if at == 0 {
		return tablePlace{}
	}
	p := make([]byte, 8)
	if f.read(at, p) < 8 {
		return tablePlace{}
	}
	if at = arch.Addr(binary.LittleEndian.Uint64(p)); int64(at) >= 0 {
		return tablePlace{} // it is written late in the kernel's start
	}
	return f.placeOfParts(k, f.text(at, maxCoreInfo))
}

// placeOfParts takes the lines of vmcoreinfo.
func (f *finder) placeOfParts(k *Kernel, text string) tablePlace {
	sizes := map[string]uint64{"num_syms": 4, "names": 0, "token_table": 0, "token_index": indexSize, "offsets": 0, "relative_base": 8}
	parts := map[string]uint64{}
	begin, end := uint64(highest), uint64(0)
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ")=")
		name = strings.TrimPrefix(name, "SYMBOL(kallsyms_")
		size, known := sizes[name]
		if a, err := strconv.ParseUint(value, 16, 64); known && err == nil {
			parts[name] = a
			begin, end = min(begin, a), max(end, a+size)
		}
	}
	if len(parts) < len(sizes) || begin < uint64(k.Base) || end <= begin || end-begin > maxTable {
		return tablePlace{}
	}
	var number [4]byte
	var base [8]byte
	le := binary.LittleEndian
	if f.read(arch.Addr(parts["num_syms"]), number[:]) < 4 || f.read(arch.Addr(parts["relative_base"]), base[:]) < 8 || le.Uint64(base[:]) != uint64(k.Base) {
		return tablePlace{}
	}
	n := int(le.Uint32(number[:]))
	if n < leastNames || n > maxSymbols {
		return tablePlace{}
	}
	return tablePlace{arch.Addr(begin), n, min(int(end-begin), n*perSymbol), begin == parts["offsets"]}
}
