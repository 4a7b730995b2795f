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
	p.flags = uint64(le.Uint32(b[atFlags:])) | 2
	for i := range p.r {
		p.r[i] = le.Uint64(b[atGeneral+8*i:])
	}
	p.ip = le.Uint64(b[atIP:])
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
	if !t.gotten || len(b) < atIP+8 {
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
		if len(t.staged) < atIP+8 {
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
	if p == nil || r.u64(16) != 2 || len(b) < 0x50 {
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
