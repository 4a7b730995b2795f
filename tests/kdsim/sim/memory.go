package sim

import "encoding/binary"

// page is the size of a page of memory, bytes.
const page = 0x1000

// physical is sparse physical memory.
type physical struct {
	pages map[uint64]*frame
	size  uint64 // bytes; beyond lies nothing
	two   bool   // addresses of 32 bits are translated by two levels, others by four
	free  uint64 // next frame never given out
}

type frame [page]byte

func newPhysical(size uint64) *physical {
	return &physical{pages: map[uint64]*frame{}, size: size, free: 16 * page}
}

// frame is the frame at a physical address, nil where nothing is.
func (m *physical) frame(pa uint64) *frame {
	pa &^= page - 1
	f := m.pages[pa]
	if f == nil && pa < m.size {
		f = &frame{}
		m.pages[pa] = f
	}
	return f
}

// take gives out n frames in a row.
func (m *physical) take(n uint64) uint64 {
	pa := m.free
	m.free += n * page
	return pa
}

func (m *physical) read(pa uint64, p []byte) int {
	for n := 0; n < len(p); {
		f := m.frame(pa + uint64(n))
		if f == nil {
			return n
		}
		n += copy(p[n:], f[(pa+uint64(n))%page:])
	}
	return len(p)
}

func (m *physical) write(pa uint64, p []byte) int {
	for n := 0; n < len(p); {
		f := m.frame(pa + uint64(n))
		if f == nil {
			return n
		}
		n += copy(f[(pa+uint64(n))%page:], p[n:])
	}
	return len(p)
}

func (m *physical) u64(pa uint64) uint64 {
	var b [8]byte
	m.read(pa, b[:])
	return binary.LittleEndian.Uint64(b[:])
}

func (m *physical) put64(pa, v uint64) {
	m.write(pa, binary.LittleEndian.AppendUint64(nil, v))
}

// Bits of a page table entry (Intel SDM volume 3, 4.5).
const (
	ptePresent = 1
	pteWrite   = 2
	pteUser    = 4
	pteDirty   = 0x60 // accessed and dirty
	pteLarge   = 0x80
	pteFrame   = 0x000ffffffffff000
	pteNX      = 1 << 63
)

// levels walks two tables (Intel SDM volume 3, 4.3): where the entry of a page of 4 MiB
// or 4 KiB lies; ok says that the table it is in exists.
func (m *physical) levels(root, va uint64) (at, size uint64, ok bool) {
	at = root&^0xfff + va>>22&0x3ff*4
	top := m.u64(at) & 0xffffffff
	if top&ptePresent == 0 || top&pteLarge != 0 {
		return at, 4 << 20, top&ptePresent != 0
	}
	return top&^0xfff + va>>12&0x3ff*4, page, true
}

func (m *physical) walkTwo(root, va uint64) (pa, entry, size uint64, ok bool) {
	at, size, ok := m.levels(root, va)
	entry = m.u64(at) & 0xffffffff
	if !ok || entry&ptePresent == 0 {
		return 0, entry, 0, false
	}
	return entry&^0xfff&^(size-1) | va&(size-1), entry, size, true
}

func (m *physical) enterTwo(root, va, entry, size uint64) {
	at, _, ok := m.levels(root, va)
	if size > page {
		entry |= pteLarge
	} else if !ok {
		m.put32(at, m.take(1)|ptePresent|pteWrite|pteDirty|entry&pteUser)
		at, _, _ = m.levels(root, va)
	}
	m.put32(at, entry)
}

func (m *physical) put32(pa, v uint64) {
	m.write(pa, binary.LittleEndian.AppendUint32(nil, uint32(v)))
}

// walk translates va by the four-level tables at root; size is that of the page.
func (m *physical) walk(root, va uint64) (pa, entry, size uint64, ok bool) {
	if m.two {
		return m.walkTwo(root, va)
	}
	if va>>47 != 0 && va>>47 != 0x1ffff {
		return 0, 0, 0, false
	}
	table := root & pteFrame
	for level := 3; level >= 0; level-- {
		shift := uint(12 + 9*level)
		entry = m.u64(table + va>>shift&0x1ff*8)
		if entry&ptePresent == 0 {
			return 0, entry, 0, false
		}
		if level == 0 || level < 3 && entry&pteLarge != 0 {
			size = 1 << shift
			return entry&pteFrame&^(size-1) | va&(size-1), entry, size, true
		}
		table = entry & pteFrame
	}
	return 0, 0, 0, false
}

// enter writes the entry of a page at va: size is page or that of a large page.
func (m *physical) enter(root, va, entry, size uint64) {
	if m.two {
		m.enterTwo(root, va, entry, size)
		return
	}
	table, last := root&pteFrame, 0
	if size > page {
		last = 1
		entry |= pteLarge
	}
	for level := 3; level > last; level-- {
		at := table + va>>uint(12+9*level)&0x1ff*8
		next := m.u64(at)
		if next&ptePresent == 0 {
			next = m.take(1) | ptePresent | pteWrite | pteDirty | entry&pteUser
			m.put64(at, next)
		}
		table = next & pteFrame
	}
	m.put64(table+va>>uint(12+9*last)&0x1ff*8, entry)
}

// provide maps fresh frames for [va, va+size).
func (m *physical) provide(root, va, size, bits uint64) {
	for at := va &^ (page - 1); at < va+size; at += page {
		if _, _, _, ok := m.walk(root, at); !ok {
			m.enter(root, at, m.take(1)|ptePresent|pteDirty|bits, page)
		}
	}
}

// readAt reads virtual memory as far as it is mapped.
func (m *physical) readAt(root, va uint64, p []byte) int {
	for n := 0; n < len(p); {
		at := va + uint64(n)
		pa, _, _, ok := m.walk(root, at)
		if !ok {
			return n
		}
		k := min(len(p)-n, int(page-at%page))
		if got := m.read(pa, p[n:n+k]); got < k {
			return n + got
		}
		n += k
	}
	return len(p)
}

func (m *physical) writeAt(root, va uint64, p []byte) int {
	for n := 0; n < len(p); {
		at := va + uint64(n)
		pa, _, _, ok := m.walk(root, at)
		if !ok {
			return n
		}
		k := min(len(p)-n, int(page-at%page))
		if got := m.write(pa, p[n:n+k]); got < k {
			return n + got
		}
		n += k
	}
	return len(p)
}
