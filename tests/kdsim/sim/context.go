package sim

import "encoding/binary"

// Places of a CONTEXT and of KSPECIAL_REGISTERS for x64 (winnt.h; kd 7.1, 7.2).
const (
	atSegments = 0x38
	atFlags    = 0x44
	atDebug    = 0x48
	atGeneral  = 0x78
	atIP       = 0xf8
)

// context is a processor's CONTEXT.
func (t *Target) context(p *processor) []byte {
	if p.word == 4 {
		return p.context32()
	}
	b := make([]byte, contextSize)
	le := binary.LittleEndian
	le.PutUint32(b[0x30:], 0x10001f)
	le.PutUint32(b[0x34:], 0x1f80)
	for i, s := range []uint16{p.cs, 0x2b, 0x2b, 0x53, 0x2b, p.ss} {
		le.PutUint16(b[atSegments+2*i:], s)
	}
	le.PutUint32(b[atFlags:], uint32(p.flags))
	for i, n := range []int{0, 1, 2, 3, 6, 7} {
		le.PutUint64(b[atDebug+8*i:], p.dr[n])
	}
	for i, v := range p.r {
		le.PutUint64(b[atGeneral+8*i:], v)
	}
	le.PutUint64(b[atIP:], p.ip)
	le.PutUint16(b[0x100:], 0x27f)
	le.PutUint32(b[0x118:], 0x1f80)
	return b
}

// enterContext makes a context a processor's state.
func (p *processor) enterContext(b []byte) {
	le := binary.LittleEndian
	if p.word == 4 {
		for at, n := range general32 {
			p.r[n] = uint64(le.Uint32(b[at:]))
		}
		p.ip, p.flags = uint64(le.Uint32(b[atIP32:])), uint64(le.Uint32(b[atFlags32:]))|2
		return
	}
	p.flags = uint64(le.Uint32(b[atFlags:])) | 2
	for i := range p.r {
		p.r[i] = le.Uint64(b[atGeneral+8*i:])
	}
	p.ip = le.Uint64(b[atIP:])
}

// Places of a CONTEXT and of KSPECIAL_REGISTERS for x86 (kd 7.1, 7.2).
const (
	context32Size = 0x2cc
	special32Size = 0x54
	atIP32        = 0xb8
	atFlags32     = 0xc0
)

// general32 is where the general registers lie, by their numbers.
var general32 = map[int]int{0x9c: rdi, 0xa0: rsi, 0xa4: rbx, 0xa8: rdx, 0xac: rcx, 0xb0: rax, 0xb4: rbp, 0xc4: rsp}

func (p *processor) context32() []byte {
	b := make([]byte, context32Size)
	le := binary.LittleEndian
	le.PutUint32(b, 0x1001f)
	for i, n := range []int{0, 1, 2, 3, 6, 7} {
		le.PutUint32(b[4+4*i:], uint32(p.dr[n]))
	}
	for at, v := range map[int]uint64{0x8c: 0, 0x90: 0x30, 0x94: 0x23, 0x98: 0x23, atIP32: p.ip, 0xbc: uint64(p.cs), atFlags32: p.flags, 0xc8: uint64(p.ss)} {
		le.PutUint32(b[at:], uint32(v))
	}
	for at, n := range general32 {
		le.PutUint32(b[at:], uint32(p.r[n]))
	}
	return b
}

func (p *processor) special32() []byte {
	b := make([]byte, special32Size)
	le := binary.LittleEndian
	for i, v := range []uint64{p.cr0, p.cr2, p.cr3, p.cr4, p.dr[0], p.dr[1], p.dr[2], p.dr[3], p.dr[6], p.dr[7]} {
		le.PutUint32(b[4*i:], uint32(v))
	}
	le.PutUint16(b[0x2a:], p.gdtSize)
	le.PutUint32(b[0x2c:], uint32(p.gdt))
	le.PutUint16(b[0x32:], p.idtSize)
	le.PutUint32(b[0x34:], uint32(p.idt))
	le.PutUint16(b[0x38:], p.tr)
	return b
}

// enterSpecial32 makes special registers a processor's.
func (p *processor) enterSpecial32(b []byte) {
	u := func(at int) uint64 { return uint64(binary.LittleEndian.Uint32(b[at:])) }
	p.cr0, p.cr2, p.cr3, p.cr4 = u(0), u(4), u(8), u(12)
	for i, n := range []int{0, 1, 2, 3, 6, 7} {
		p.dr[n] = u(0x10 + 4*i)
	}
	p.flush()
}

// shortest is how much of a context a request to set it must have.
func (p *processor) shortest() int {
	if p.word == 4 {
		return 0xcc
	}
	return atIP + 8
}

func (t *Target) getContext(r *request) uint32 {
	r.data = nil
	p := t.processorOf(r)
	if p == nil {
		return unsuccessful
	}
	t.gotten = true
	r.data = t.context(p)
	return success
}

func (t *Target) setContext(r *request) uint32 {
	b := r.data
	r.data = nil
	if !t.gotten || len(b) < t.current.shortest() {
		return unsuccessful
	}
	t.current.enterContext(b)
	return success
}

func (t *Target) getContextEx(r *request) uint32 {
	r.data = nil
	p := t.processorOf(r)
	if t.o.NoContextEx || p == nil {
		return unsuccessful
	}
	at, n := int(r.u32(16)), int(r.u32(20))
	all := t.context(p)
	at = min(at, len(all))
	r.data = all[at:min(at+n, len(all))]
	r.put32(24, uint32(len(r.data)))
	t.gotten = true
	return success
}

func (t *Target) setContextEx(r *request) uint32 {
	b := r.data
	r.data = nil
	at, n, total := int(r.u32(16)), int(r.u32(20)), int(r.u32(24))
	if t.o.NoContextEx || !t.gotten || total > 0x3000 || at+n > total || len(b) < n {
		return unsuccessful
	}
	if at == 0 {
		t.staged = nil
	}
	if at != len(t.staged) {
		return unsuccessful
	}
	if t.staged = append(t.staged, b[:n]...); at+n == total {
		if len(t.staged) < t.current.shortest() {
			return unsuccessful
		}
		t.current.enterContext(t.staged)
		t.staged = nil
	}
	r.put32(24, uint32(n))
	return success
}

// special is a processor's KSPECIAL_REGISTERS.
func (p *processor) special64() []byte {
	b := make([]byte, specialSize)
	le := binary.LittleEndian
	for i, v := range []uint64{p.cr0, p.cr2, p.cr3, p.cr4, p.dr[0], p.dr[1], p.dr[2], p.dr[3], p.dr[6], p.dr[7]} {
		le.PutUint64(b[8*i:], v)
	}
	le.PutUint16(b[0x56:], p.gdtSize)
	le.PutUint64(b[0x58:], p.gdt)
	le.PutUint16(b[0x66:], p.idtSize)
	le.PutUint64(b[0x68:], p.idt)
	le.PutUint16(b[0x70:], p.tr)
	le.PutUint32(b[0x74:], 0x1f80)
	le.PutUint64(b[0xa0:], p.cr8)
	le.PutUint64(b[0xa8:], p.gs)
	le.PutUint64(b[0xb0:], p.swap)
	return b
}

func (t *Target) readControl(r *request) uint32 {
	r.data = nil
	p := t.processorOf(r)
	r.put32(28, 0)
	if p == nil {
		return unsuccessful
	}
	le := binary.LittleEndian
	var b []byte
	if p.word == 4 { // an offset into KPROCESSOR_STATE
		b = append(p.context32(), p.special32()...)
		at := r.u64(16)
		if at > uint64(len(b)) {
			return unsuccessful
		}
		r.data = b[at:min(uint64(len(b)), at+uint64(r.u32(24)))]
		r.put32(28, uint32(len(r.data)))
		return success
	}
	switch r.u64(16) {
	case 0:
		b = le.AppendUint64(nil, p.gs)
	case 1:
		b = le.AppendUint64(nil, p.gs+0x180)
	case 2:
		b = p.special64()
	case 3:
		b = le.AppendUint64(nil, t.thread(p))
	default:
		return unsuccessful
	}
	r.data = b[:min(len(b), int(r.u32(24)))]
	r.put32(28, uint32(len(r.data)))
	return success
}

func (t *Target) writeControl(r *request) uint32 {
	b := r.data
	r.data = nil
	p := t.processorOf(r)
	r.put32(28, 0)
	if p != nil && p.word == 4 && r.u64(16) == context32Size && len(b) >= 0x28 {
		p.enterSpecial32(b)
		r.put32(28, uint32(len(b)))
		return success
	}
	if p == nil || p.word == 4 || r.u64(16) != 2 || len(b) < 0x50 {
		return unsuccessful
	}
	le := binary.LittleEndian
	p.cr0, p.cr2, p.cr3, p.cr4 = le.Uint64(b), le.Uint64(b[8:]), le.Uint64(b[16:]), le.Uint64(b[24:])
	for i, n := range []int{0, 1, 2, 3, 6, 7} {
		p.dr[n] = le.Uint64(b[0x20+8*i:])
	}
	p.flush()
	r.put32(28, uint32(len(b)))
	return success
}
