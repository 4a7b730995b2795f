package linuxkernel

import (
	"bytes"
	"encoding/binary"
	"sort"

	"dap-windbg/arch"
)

// This file reads the kernel's own table of symbols out of its read-only data
// (scripts/kallsyms.c). Its parts have no marks, and their order has changed:
//
//	up to 6.1  offsets, base, number, names, markers, tokens, index of tokens
//	6.2        the same, with the sequence by name before the tokens; 6.1 had it later too
//	6.5        number, names, markers, tokens, index of tokens, offsets, base, sequence
//
// So they are found by what they must be: the tokens have an entry for each digit in
// turn, names are a run of lengths that ends where the markers say.

// kallsyms is a table of symbols, by address.
type kallsyms struct {
	addresses []uint64
	kinds     []byte // as nm(1) writes them
	names     []string
	byName    map[string]int32 // the first of a name
	same      []int32          // the next one of that name, 0: none
}

// maxSymbols bounds a table; kernels have some 100,000 to 300,000.
const maxSymbols = 4 << 20

// digits are tokens of their own, for every digit is used in some name.
var digits = []byte("0\x001\x002\x003\x004\x005\x006\x007\x008\x009\x00")

// findKallsyms reads the table in data; base is the kernel's. Nil: there is none.
func findKallsyms(data []byte, base arch.Addr) *kallsyms {
	for at := 0; ; {
		i := bytes.Index(data[at:], digits)
		if i < 0 {
			return nil
		}
		at += i + 1
		if t := tokensAt(data, at-1); t != nil {
			if k := t.table(base); k != nil {
				return k
			}
		}
	}
}

// tokens are the pieces that names are made of.
type tokens struct {
	data       []byte
	start, end int // of the text and, aligned, of its index
	token      [256]string
}

const indexSize = 256 * 2

// tokensAt reads the tokens whose digits lie at digits.
func tokensAt(data []byte, digits int) *tokens {
	le := binary.LittleEndian
	for at := (digits + 20 + 7) &^ 7; at < digits+16<<10 && at+indexSize <= len(data); at += 8 {
		index := data[at : at+indexSize]
		zero := int(le.Uint16(index[2*'0':]))
		start := digits - zero
		if le.Uint16(index) != 0 || zero == 0 || start < 0 || le.Uint16(index[2*'9':]) != uint16(zero+18) {
			continue
		}
		t := &tokens{data: data, start: start, end: at + indexSize}
		if t.fill(index, at) {
			return t
		}
	}
	return nil
}

// fill reads the tokens and checks that each begins where the last one ends.
func (t *tokens) fill(index []byte, limit int) bool {
	next := 0
	for i := range t.token {
		off := int(binary.LittleEndian.Uint16(index[2*i:]))
		if off != next || t.start+off >= limit {
			return false
		}
		n := bytes.IndexByte(t.data[t.start+off:limit], 0)
		if n < 0 {
			return false
		}
		t.token[i] = string(t.data[t.start+off : t.start+off+n])
		next = off + n + 1
	}
	return true
}

// table finds the names before the tokens and reads all.
func (t *tokens) table(base arch.Addr) *kallsyms {
	le := binary.LittleEndian
	for at := t.start&^7 - 8; at >= 0; at -= 8 {
		n := int(le.Uint32(t.data[at:]))
		if n < 256 || n > maxSymbols || le.Uint32(t.data[at+4:]) != 0 {
			continue
		}
		ends, ok := t.names(at+8, n)
		if !ok {
			continue
		}
		k := &kallsyms{names: make([]string, n), kinds: make([]byte, n)}
		if !t.addresses(k, at, n, uint64(base)) {
			continue
		}
		t.spell(k, at+8, ends)
		k.index()
		return k
	}
	return nil
}

// names walks n names from at on and checks them by the markers behind, which hold the
// place of each 256th. It returns where each name ends.
func (t *tokens) names(at, n int) (ends []int, ok bool) {
	first := at
	var marks []int
	for i := range n {
		if i%256 == 0 {
			marks = append(marks, at-first)
		}
		size, width := t.length(at)
		if size == 0 || at+width+size > t.start {
			return nil, false
		}
		at += width + size
		ends = append(ends, at)
	}
	at = (at + 7) &^ 7
	for i, m := range marks {
		if at+4*i+4 > t.start || int(binary.LittleEndian.Uint32(t.data[at+4*i:])) != m {
			return nil, false
		}
	}
	return ends, true
}

// length is how many tokens a name has, one byte or since 6.1 two with bit 7 of the first.
func (t *tokens) length(at int) (size, width int) {
	if at+2 > t.start {
		return 0, 0
	}
	if b := t.data[at]; b < 0x80 {
		return int(b), 1
	}
	return int(t.data[at]&0x7f) | int(t.data[at+1])<<7, 2
}

func (t *tokens) spell(k *kallsyms, at int, ends []int) {
	var name []byte
	for i, end := range ends {
		_, width := t.length(at)
		name = name[:0]
		for _, c := range t.data[at+width : end] {
			name = append(name, t.token[c]...)
		}
		at = end
		if len(name) < 2 {
			continue
		}
		k.kinds[i], k.names[i] = name[0], string(name[1:])
	}
}

// addresses reads where the symbols lie: before the number of symbols at number, or
// behind the index of tokens. Offsets are from the base next to them; where per-CPU
// variables lie at zero, those of code are negative, counted down from one below the base
// (CONFIG_KALLSYMS_ABSOLUTE_PERCPU).
func (t *tokens) addresses(k *kallsyms, number, n int, base uint64) bool {
	le := binary.LittleEndian
	size := (4*n + 7) &^ 7
	for _, place := range []struct{ offsets, base int }{{number - 8 - size, number - 8}, {t.end, t.end + size}} {
		if place.offsets < 0 || place.base+8 > len(t.data) || le.Uint64(t.data[place.base:]) != base {
			continue
		}
		k.addresses = make([]uint64, n)
		negative := 0
		for i := range k.addresses {
			if int32(le.Uint32(t.data[place.offsets+4*i:])) < 0 {
				negative++
			}
		}
		for i := range k.addresses {
			off := le.Uint32(t.data[place.offsets+4*i:])
			switch {
			case negative < n/2:
				k.addresses[i] = base + uint64(off)
			case int32(off) < 0:
				k.addresses[i] = base - 1 - uint64(int64(int32(off)))
			default:
				k.addresses[i] = uint64(off)
			}
		}
		return true
	}
	return false
}

// address of the first symbol of a name.
func (k *kallsyms) address(name string) (uint64, bool) {
	i, ok := k.byName[name]
	if !ok {
		return 0, false
	}
	return k.addresses[i], true
}

// index orders the table by address and makes it searchable by name.
func (k *kallsyms) index() {
	if order := (*byAddress)(k); !sort.IsSorted(order) {
		sort.Stable(order)
	}
	k.byName, k.same = make(map[string]int32, len(k.names)), make([]int32, len(k.names))
	for i := len(k.names) - 1; i >= 0; i-- {
		if k.names[i] != "" {
			k.same[i] = k.byName[k.names[i]]
			k.byName[k.names[i]] = int32(i)
		}
	}
}

type byAddress kallsyms

func (b *byAddress) Len() int           { return len(b.addresses) }
func (b *byAddress) Less(i, j int) bool { return b.addresses[i] < b.addresses[j] }
func (b *byAddress) Swap(i, j int) {
	b.addresses[i], b.addresses[j] = b.addresses[j], b.addresses[i]
	b.kinds[i], b.kinds[j] = b.kinds[j], b.kinds[i]
	b.names[i], b.names[j] = b.names[j], b.names[i]
}
