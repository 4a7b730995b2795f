package core

import "encoding/binary"

// walker follows the loader's list of images in the memory of a process (struct
// r_debug and link_map, glibc elf/link.h, which musl shares).
type walker struct {
	width   int                           // of a pointer, bytes
	read    func(at uint64, p []byte) int // how many bytes could be read
	touched func(at uint64)               // told where the list lies; nil: nobody
}

// link is a row of the list.
type link struct {
	bias uint64
	name string
}

const (
	segPhdr, segInterp, segDynamic = 6, 3, 2
	tagDebug                       = 21
	maxLinks                       = 4096
	maxDynamic                     = 1024 // entries
	maxName                        = 4096 // bytes
)

// word reads a pointer.
func word(d []byte, width int) uint64 {
	if width == 8 {
		return binary.LittleEndian.Uint64(d)
	}
	return uint64(binary.LittleEndian.Uint32(d))
}

// words reads n pointers, nil when they are not there.
func (w *walker) words(at uint64, n int) []uint64 {
	d := make([]byte, n*w.width)
	if w.read(at, d) < len(d) {
		return nil
	}
	if w.touched != nil {
		w.touched(at)
		w.touched(at + uint64(len(d)) - 1)
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = word(d[i*w.width:], w.width)
	}
	return out
}

// debug finds struct r_debug by a program's headers in memory: count of them at phdr.
func (w *walker) debug(phdr, count uint64) uint64 {
	size, vaddr := uint64(56), uint64(16)
	if w.width == 4 {
		size, vaddr = 32, 8
	}
	var dynamic, bias uint64
	found := false
	for i := range min(count, maxDynamic) {
		d := make([]byte, size)
		if w.read(phdr+i*size, d) < len(d) {
			return 0
		}
		switch binary.LittleEndian.Uint32(d) {
		case segPhdr:
			bias = phdr - word(d[vaddr:], w.width)
		case segDynamic:
			dynamic, found = word(d[vaddr:], w.width), true
		}
	}
	if !found {
		return 0
	}
	return w.debugIn(bias + dynamic)
}

// debugIn finds struct r_debug by a dynamic section.
func (w *walker) debugIn(dynamic uint64) uint64 {
	for i := range uint64(maxDynamic) {
		e := w.words(dynamic+i*2*uint64(w.width), 2)
		if e == nil || e[0] == 0 {
			break
		}
		if e[0] == tagDebug {
			return e[1]
		}
	}
	return 0
}

// links walks the list that begins in the struct r_debug at debug.
func (w *walker) links(debug uint64) []link {
	if debug == 0 {
		return nil
	}
	head := w.words(debug, 2) // r_version, r_map
	if head == nil {
		return nil
	}
	var out []link
	for at := head[1]; at != 0 && len(out) < maxLinks; {
		l := w.words(at, 4) // l_addr, l_name, l_ld, l_next
		if l == nil {
			break
		}
		name := make([]byte, maxName)
		name = name[:w.read(l[1], name)]
		if len(name) > 0 && w.touched != nil {
			w.touched(l[1])
			w.touched(l[1] + uint64(len(cString(name))))
		}
		out = append(out, link{l[0], cString(name)})
		at = l[3]
	}
	return out
}

// auxiliary is a value of an auxiliary vector, 0 when it has none.
func auxiliary(auxv []byte, width int, key uint64) uint64 {
	for d := auxv; len(d) >= 2*width; d = d[2*width:] {
		if word(d, width) == key {
			return word(d[width:], width)
		}
	}
	return 0
}
