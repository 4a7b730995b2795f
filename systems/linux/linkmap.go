package linux

import "dap-windbg/binfmt/elf"

// Dynamic section tags (System V gABI, figure 5-10).
const (
	dtNull    = 0
	dtStrtab  = 5
	dtSymtab  = 6
	dtStrsz   = 10
	dtDebug   = 21
	dtGNUHash = 0x6ffffef5
)

// Bounds of what is believed of lists in memory.
const (
	mapLimit       = 4096 // images
	namespaceLimit = 64
	dynamicLimit   = 512 // entries of a dynamic section
	pathLimit      = 4096
)

// link is one entry of the loader's list (struct link_map in <link.h>).
type link struct {
	at      uint64 // of the entry itself
	bias    uint64 // l_addr
	name    string // l_name; empty for the main image
	dynamic uint64 // l_ld
}

// rendezvous is struct r_debug of <link.h>.
type rendezvous struct {
	version int
	maps    uint64 // head of the list
	brk     uint64 // code that runs when the list changes
	state   int    // 0: the list is consistent
	next    uint64 // version 2: the next namespace's
}

// dynamic reads the dynamic section at addr; nil when it cannot be read to its end.
func (r *reader) dynamic(addr uint64) map[uint64]uint64 {
	tags := map[uint64]uint64{}
	const row = 8 // entries read at once
	for i := 0; i < dynamicLimit; i += row {
		p := make([]byte, row*2*r.ptrSize)
		n := r.read(addr+uint64(i*2*r.ptrSize), p) / (2 * r.ptrSize)
		for j := range n {
			e := p[j*2*r.ptrSize:]
			tag := word(e, r.order, r.ptrSize)
			if tag == dtNull {
				return tags
			}
			if _, dup := tags[tag]; !dup {
				tags[tag] = word(e[r.ptrSize:], r.order, r.ptrSize)
			}
		}
		if n < row {
			return nil
		}
	}
	return nil
}

// rendezvous reads the r_debug at addr.
func (r *reader) rendezvous(addr uint64) (d rendezvous, ok bool) {
	w := r.words(addr, 5)
	if w == nil {
		return d, false
	}
	half := func(v uint64) int { return int(int32(v)) } // an int in a padded word
	if r.ptrSize == 8 && r.order.String() == "BigEndian" {
		half = func(v uint64) int { return int(int32(v >> 32)) }
	}
	d = rendezvous{version: half(w[0]), maps: w[1], brk: w[2], state: half(w[3])}
	if d.version >= 2 {
		if next := r.words(addr+uint64(5*r.ptrSize), 1); next != nil {
			d.next = next[0]
		}
	}
	return d, d.version > 0
}

// links walks the lists of all namespaces from the r_debug at addr. A list that
// turns back, or does not end, is cut.
func (r *reader) links(addr uint64) []link {
	var out []link
	seen := map[uint64]bool{}
	for range namespaceLimit {
		d, ok := r.rendezvous(addr)
		if !ok || seen[addr] {
			break
		}
		seen[addr] = true
		at := d.maps
		for at != 0 && !seen[at] && len(out) < mapLimit {
			seen[at] = true
			w := r.words(at, 4)
			if w == nil {
				break
			}
			l := link{at: at, bias: w[0], dynamic: w[2]}
			if w[1] != 0 {
				l.name, _ = r.text(w[1], pathLimit)
			}
			out = append(out, l)
			at = w[3]
		}
		if addr = d.next; addr == 0 {
			break
		}
	}
	return out
}

// debugAddress finds the r_debug through the main image's dynamic section; 0 when
// the loader has not filled it in, or there is none.
func (r *reader) debugAddress(main *mapped) uint64 {
	if main == nil {
		return 0
	}
	for _, s := range main.file.Segments {
		if s.Type == elf.SegDynamic {
			return r.dynamic(main.bias + s.Vaddr)[dtDebug]
		}
	}
	return 0
}
