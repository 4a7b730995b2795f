package arch

import "encoding/binary"

// Group sorts registers into the sections a person looks at.
type Group uint8

const (
	General Group = iota
	Segment
	Float
	Vector
	Control
	System // everything else a target describes
)

// Register describes one register of a Set.
type Register struct {
	Name  string // as GDB's target descriptions spell it, lower case
	Size  int    // bytes
	DWARF int    // DWARF register number, -1 when it has none
	Group Group
}

// SubRegister is a named part of a register.
type SubRegister struct {
	Name  string
	Of    string
	Shift int // bits
	Bits  int
}

// Set is the register file of one target: an ordered, immutable table. Targets
// build one from what the far end describes; Arch.DefaultSet serves the rest.
type Set struct {
	Arch *Arch
	Regs []Register

	offset            []int
	size              int
	usual, narrow     int // ends of the registers that frames have, and of all that fit in a word; the wide ones follow
	byName            map[string]int
	byDWARF           map[int]int
	pc, sp, fp, flags int
}

// NewSet makes a Set. Names must be unique; a later duplicate is ignored in look-ups.
func NewSet(a *Arch, regs []Register) *Set {
	s := &Set{Arch: a, Regs: regs, byName: make(map[string]int, len(regs)), byDWARF: make(map[int]int)}
	s.lay()
	for i, r := range regs {
		if _, dup := s.byName[r.Name]; !dup {
			s.byName[r.Name] = i
		}
		if r.DWARF >= 0 {
			if _, dup := s.byDWARF[r.DWARF]; !dup {
				s.byDWARF[r.DWARF] = i
			}
		}
	}
	role := func(name string) int {
		if i, ok := s.byName[name]; ok && name != "" {
			return i
		}
		return -1
	}
	s.pc, s.sp, s.fp, s.flags = role(a.PC), role(a.SP), role(a.FP), role(a.Flags)
	return s
}

// lay gives each register its place in the data: those come first that are known of a
// frame, so that it takes no more room than they need.
func (s *Set) lay() {
	s.offset = make([]int, len(s.Regs))
	place := func(which func(Register) bool) int {
		for i, r := range s.Regs {
			if which(r) {
				s.offset[i] = s.size
				s.size += r.Size
			}
		}
		return s.size
	}
	usual := func(r Register) bool { return r.Size <= 8 && r.DWARF >= 0 && r.DWARF < 64 } // integers, by all the numberings
	s.usual = place(usual)
	s.narrow = place(func(r Register) bool { return r.Size <= 8 && !usual(r) })
	place(func(r Register) bool { return r.Size > 8 })
}

// DefaultSet is the Set of the architecture's core registers.
func (a *Arch) DefaultSet() *Set { return NewSet(a, a.Core) }

// Index returns the index of the register called name.
func (s *Set) Index(name string) (int, bool) { i, ok := s.byName[name]; return i, ok }

// DWARF returns the index of the register with DWARF number n.
func (s *Set) DWARF(n int) (int, bool) { i, ok := s.byDWARF[n]; return i, ok }

// Registers holds values of a Set. A register is known or it is not; an
// unknown one is never zero by default. The zero value is not usable.
type Registers struct {
	Set *Set
	// Interrupted: the PC is that of the instruction to run next after a fault,
	// signal or interrupt, not a return address; look-ups use PC, not PC-1.
	Interrupted bool

	data  []byte   // up to the last register that was ever known, at least
	known []uint64 // a bit for each register
}

// NewRegisters returns registers of s, all unknown. A frame's are one piece of memory.
func NewRegisters(s *Set) *Registers {
	const words, usual = 4, 192 // what frames need on most CPUs
	piece := &struct {
		Registers
		known [words]uint64
		data  [usual]byte
	}{Registers: Registers{Set: s}}
	r := &piece.Registers
	if r.known = piece.known[:]; len(s.Regs) > 64*words {
		r.known = make([]uint64, (len(s.Regs)+63)/64)
	}
	if s.usual <= usual {
		r.data = piece.data[:s.usual]
	}
	return r
}

// Clone returns an independent copy.
func (r *Registers) Clone() *Registers {
	c := *r
	c.data = append([]byte(nil), r.data...)
	c.known = append([]uint64(nil), r.known...)
	return &c
}

// Part is a choice of a Set's registers, for copying them together.
type Part struct {
	usual []uint64 // a bit for each of those that frames have
	apart []int    // the others
}

// Part makes the choice of the registers with these indices.
func (s *Set) Part(list []int) Part {
	p := Part{usual: make([]uint64, (len(s.Regs)+63)/64)}
	for _, i := range list {
		if s.offset[i]+s.Regs[i].Size <= s.usual {
			p.usual[i/64] |= 1 << (i % 64)
		} else {
			p.apart = append(p.apart, i)
		}
	}
	return p
}

// Only returns a copy of r in which no other registers are known than those of p, a
// choice of r's Set.
func (r *Registers) Only(p Part) *Registers {
	c := NewRegisters(r.Set)
	if n := min(len(r.data), r.Set.usual); n > 0 {
		if n > len(c.data) {
			c.grow(n)
		}
		copy(c.data, r.data[:n])
	}
	for w, bits := range p.usual {
		c.known[w] = r.known[w] & bits
	}
	for _, i := range p.apart {
		if b, ok := r.Bytes(i); ok {
			c.SetBytes(i, b)
		}
	}
	return c
}

// Known reports whether register i has a value.
func (r *Registers) Known(i int) bool {
	return i >= 0 && i < len(r.Set.Regs) && r.known[i/64]>>(i%64)&1 != 0
}

// Bytes returns the value of register i in target byte order; it aliases r until r is
// changed.
func (r *Registers) Bytes(i int) ([]byte, bool) {
	if !r.Known(i) {
		return nil, false
	}
	o := r.Set.offset[i]
	return r.data[o : o+r.Set.Regs[i].Size], true
}

// SetBytes sets register i. A short p fills the low-order part and clears the rest.
func (r *Registers) SetBytes(i int, p []byte) {
	o, n := r.Set.offset[i], r.Set.Regs[i].Size
	if o+n > len(r.data) {
		r.grow(o + n)
	}
	dst := r.data[o : o+n]
	clear(dst)
	if len(p) > n {
		p = p[:n]
	}
	if r.Set.Arch.BigEndian {
		copy(dst[n-len(p):], p)
	} else {
		copy(dst, p)
	}
	r.known[i/64] |= 1 << (i % 64)
}

// grow makes room for n bytes, and for what is likely to be set next.
func (r *Registers) grow(n int) {
	room := r.Set.size
	switch s := r.Set; {
	case n <= s.usual:
		room = s.usual
	case n <= s.narrow:
		room = min(max(n, 2*len(r.data)), s.narrow)
	}
	data := make([]byte, room)
	copy(data, r.data)
	r.data = data
}

// Forget makes register i unknown.
func (r *Registers) Forget(i int) {
	if i >= 0 && i < len(r.Set.Regs) {
		r.known[i/64] &^= 1 << (i % 64)
	}
}

// Uint returns register i as an unsigned integer of its low 64 bits.
func (r *Registers) Uint(i int) (uint64, bool) {
	b, ok := r.Bytes(i)
	if !ok {
		return 0, false
	}
	if len(b) == 8 && !r.Set.Arch.BigEndian {
		return binary.LittleEndian.Uint64(b), true
	}
	var tmp [8]byte
	if r.Set.Arch.BigEndian {
		if len(b) > 8 {
			b = b[len(b)-8:]
		}
		copy(tmp[8-len(b):], b)
		return binary.BigEndian.Uint64(tmp[:]), true
	}
	copy(tmp[:], b)
	return binary.LittleEndian.Uint64(tmp[:]), true
}

// SetUint sets register i from an integer.
func (r *Registers) SetUint(i int, v uint64) {
	var tmp [8]byte
	n := min(r.Set.Regs[i].Size, 8)
	if r.Set.Arch.BigEndian {
		binary.BigEndian.PutUint64(tmp[:], v)
		r.SetBytes(i, tmp[8-n:])
	} else {
		binary.LittleEndian.PutUint64(tmp[:], v)
		r.SetBytes(i, tmp[:n])
	}
}

// Get returns a register or sub-register or flag bit by name.
func (r *Registers) Get(name string) (uint64, bool) {
	if i, ok := r.Set.Index(name); ok {
		return r.Uint(i)
	}
	for _, s := range r.Set.Arch.Sub {
		if s.Name == name {
			i, ok := r.Set.Index(s.Of)
			if !ok {
				return 0, false
			}
			v, ok := r.Uint(i)
			v >>= s.Shift
			if s.Bits < 64 {
				v &= 1<<s.Bits - 1
			}
			return v, ok
		}
	}
	for _, f := range r.Set.Arch.FlagBits {
		if f.Name == name {
			v, ok := r.Uint(r.Set.flags)
			return v >> f.Bit & 1, ok
		}
	}
	return 0, false
}

// PutName sets a register, sub-register or flag bit by name; false when there is none.
func (r *Registers) PutName(name string, v uint64) bool {
	if i, ok := r.Set.Index(name); ok {
		r.SetUint(i, v)
		return true
	}
	merge := func(of string, shift, bits int) bool {
		i, ok := r.Set.Index(of)
		if !ok {
			return false
		}
		old, ok := r.Uint(i)
		if !ok {
			return false
		}
		mask := uint64(1)<<bits - 1
		if bits == 64 {
			mask = ^uint64(0)
		}
		r.SetUint(i, old&^(mask<<shift)|(v&mask)<<shift)
		return true
	}
	for _, s := range r.Set.Arch.Sub {
		if s.Name == name {
			if s.Bits == 32 && s.Shift == 0 && r.Set.Arch.Name == "amd64" {
				i, ok := r.Set.Index(s.Of) // a 32-bit write clears the upper half
				if ok {
					r.SetUint(i, v&0xffffffff)
				}
				return ok
			}
			return merge(s.Of, s.Shift, s.Bits)
		}
	}
	for _, f := range r.Set.Arch.FlagBits {
		if f.Name == name {
			return merge(r.Set.Arch.Flags, f.Bit, 1)
		}
	}
	return false
}

func (r *Registers) role(i int) Addr { v, _ := r.Uint(i); return Addr(v) }

// PC returns the program counter, 0 when unknown.
func (r *Registers) PC() Addr { return r.role(r.Set.pc) }

// SP returns the stack pointer, 0 when unknown.
func (r *Registers) SP() Addr { return r.role(r.Set.sp) }

// FP returns the frame pointer, 0 when unknown.
func (r *Registers) FP() Addr { return r.role(r.Set.fp) }

// SetPC sets the program counter.
func (r *Registers) SetPC(a Addr) {
	if r.Set.pc >= 0 {
		r.SetUint(r.Set.pc, uint64(a))
	}
}

// SetSP sets the stack pointer.
func (r *Registers) SetSP(a Addr) {
	if r.Set.sp >= 0 {
		r.SetUint(r.Set.sp, uint64(a))
	}
}

// LookupPC is the address to look names and lines up with: PC itself when the
// thread was interrupted there, PC-1 when it is a return address.
func (r *Registers) LookupPC() Addr {
	if r.Interrupted {
		return r.PC()
	}
	return r.PC() - 1
}
