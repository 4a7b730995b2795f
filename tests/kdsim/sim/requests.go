package sim

import "encoding/binary"

// Status values of replies.
const (
	success     = 0
	badMSR      = 0xc000000e
	notFound    = 0xc0000225
	contextSize = 0x4d0
	specialSize = 0xe0
	goOn        = 0x10002
)

// request is one manipulate packet; the reply is made in place.
type request struct {
	b    []byte // 56 bytes
	data []byte
}

func (r *request) u16(off int) uint16 { return binary.LittleEndian.Uint16(r.b[off:]) }
func (r *request) u32(off int) uint32 { return binary.LittleEndian.Uint32(r.b[off:]) }
func (r *request) u64(off int) uint64 { return binary.LittleEndian.Uint64(r.b[off:]) }
func (r *request) put32(off int, v uint32) {
	binary.LittleEndian.PutUint32(r.b[off:], v)
}
func (r *request) put64(off int, v uint64) { binary.LittleEndian.PutUint64(r.b[off:], v) }

// handlers serve the requests that are answered; each returns a status.
var handlers = map[uint32]func(*Target, *request) uint32{
	0x3130: (*Target).readVirtual,
	0x3131: (*Target).writeVirtual,
	0x3132: (*Target).getContext,
	0x3133: (*Target).setContext,
	0x3134: (*Target).writeBreakpoint,
	0x3135: (*Target).restoreBreakpoint,
	0x3137: (*Target).readControl,
	0x3138: (*Target).writeControl,
	0x3139: (*Target).readPort,
	0x313a: (*Target).writePort,
	0x313d: (*Target).readPhysical,
	0x313e: (*Target).writePhysical,
	0x3146: (*Target).version,
	0x3152: (*Target).readMSR,
	0x3153: (*Target).writeMSR,
	0x3156: (*Target).search,
	0x315b: (*Target).fill,
	0x315c: (*Target).query,
	0x315f: (*Target).getContextEx,
	0x3160: (*Target).setContextEx,
}

// silent serve those that are acknowledged and not answered.
var silent = map[uint32]func(*Target, *request){
	0x3136: func(t *Target, r *request) { t.proceed(r, false) },
	0x313c: func(t *Target, r *request) { t.proceed(r, true) },
	0x313b: func(t *Target, r *request) { t.c.restart = true },
	0x3149: (*Target).crash,
	0x315a: func(*Target, *request) {},
	0x3150: (*Target).switchProcessor,
}

// serve answers one request of a stopped target.
func (t *Target) serve(data []byte) {
	r := &request{b: append([]byte{}, data[:56]...), data: data[56:]}
	api := r.u32(0)
	if f, ok := silent[api]; ok {
		f(t, r)
		return
	}
	status := uint32(unsuccessful)
	if f, ok := handlers[api]; ok {
		status = f(t, r)
	} else {
		r.data = nil
	}
	r.put32(8, status)
	t.send(kindManipulate, append(r.b, r.data...), func(bool) {})
}

// processor is the one a request is about.
func (t *Target) processorOf(r *request) *processor {
	if n := int(r.u16(6)); n < len(t.c.cpus) {
		return t.c.cpus[n]
	}
	return nil
}

func (t *Target) version(r *request) uint32 {
	le := binary.LittleEndian
	le.PutUint16(r.b[16:], 0xf)
	le.PutUint16(r.b[18:], 9600)
	copy(r.b[20:], []byte{6, 2, 7, 0, 0x64, 0x86, 0xc, 3, 0x31, 0})
	if t.c.word == 4 {
		copy(r.b[21:], []byte{0, 3, 0, 0x4c, 1})
	}
	r.put64(32, t.signed(t.c.kernel.at))
	r.put64(40, t.signed(t.c.symbolOf("PsLoadedModuleList")))
	r.put64(48, t.signed(t.c.symbolOf("KdpDebuggerDataListHead")))
	if t.o.ShortReport {
		le.PutUint16(r.b[16:], 0x40f)
		r.b[22] = 2
		r.put64(48, 0)
	}
	r.data = nil
	return success
}

func (t *Target) readVirtual(r *request) uint32 {
	want := min(int(r.u32(24)), largest-56)
	r.data = t.bytes(t.address(r.u64(16)), want)
	return t.actual(r, len(r.data), int(r.u32(24)))
}

// actual tells how much of what was wanted was done.
func (t *Target) actual(r *request, n, want int) uint32 {
	r.put32(28, uint32(n))
	if n < want {
		return unsuccessful
	}
	return success
}

func (t *Target) writeVirtual(r *request) uint32 {
	data := r.data[:min(len(r.data), int(r.u32(24)))]
	n := t.c.mem.writeAt(t.view(), t.address(r.u64(16)), data)
	t.flush()
	r.data = nil
	return t.actual(r, n, int(r.u32(24)))
}

func (t *Target) readPhysical(r *request) uint32 {
	b := make([]byte, min(int(r.u32(24)), largest-56))
	r.data = b[:t.c.mem.read(r.u64(16), b)]
	return t.actual(r, len(r.data), int(r.u32(24)))
}

func (t *Target) writePhysical(r *request) uint32 {
	data := r.data[:min(len(r.data), int(r.u32(24)))]
	n := t.c.mem.write(r.u64(16), data)
	t.flush()
	r.data = nil
	return t.actual(r, n, int(r.u32(24)))
}

// flush: memory changed behind the processors' backs.
func (t *Target) flush() {
	for _, p := range t.c.cpus {
		p.flush()
	}
}

func (t *Target) writeBreakpoint(r *request) uint32 {
	r.data = nil
	addr, free := t.address(r.u64(16)), -1
	for i := range t.slots {
		if s := &t.slots[i]; s.used && s.addr == addr {
			return unsuccessful
		} else if !s.used && free < 0 {
			free = i
		}
	}
	if free < 0 {
		return unsuccessful
	}
	s := slotState{used: true, addr: addr}
	if b := t.bytes(addr, 1); len(b) == 1 {
		s.saved = b[0]
		t.poke(addr, 0xcc)
		t.flush()
	} else {
		s.owed = true
	}
	t.slots[free] = s
	r.put32(24, uint32(free+1))
	return success
}

func (t *Target) restoreBreakpoint(r *request) uint32 {
	r.data = nil
	n := int(r.u32(16)) - 1
	if n < 0 || n >= len(t.slots) || !t.slots[n].used {
		return unsuccessful
	}
	t.lift(&t.slots[n])
	t.flush()
	return success
}

// proceed continues; a status that is negative hands the exception to the guest.
func (t *Target) proceed(r *request, control bool) {
	status := r.u32(16)
	if int32(status) < 0 && t.code != 0 {
		t.unhandled()
	}
	if control && int32(status) >= 0 {
		t.current.flags &^= flagT
		if r.u32(20) != 0 {
			t.current.flags |= flagT
		}
		for _, p := range t.c.cpus {
			p.dr[7], p.dr[6] = r.u64(24)&mask(p.word)|0x400, 0xffff0ff0
		}
	}
	t.leave()
}

// unhandled: nobody takes the exception, so the guest dies of it.
func (t *Target) unhandled() {
	t.current.interrupt(3, 0, false)
}

func (t *Target) crash(r *request) {
	t.c.ordered = r.u32(16)
	t.current.interrupt(2, 0, false)
	t.leave()
}

// switchProcessor tells a state change of another processor.
func (t *Target) switchProcessor(r *request) {
	if p := t.processorOf(r); p != nil {
		t.current = p
	}
	t.exception(codeWake)
}

func (t *Target) readPort(r *request) uint32 {
	r.data = nil
	r.put32(28, ^uint32(0))
	switch r.u32(24) {
	case 1, 2, 4:
		return success
	}
	return 0xc000000d
}

func (t *Target) writePort(r *request) uint32 { r.data = nil; return success }

func (t *Target) readMSR(r *request) uint32 {
	r.data = nil
	n := r.u32(16)
	v, ok := t.current.msr[n]
	switch n {
	case msrGSBase:
		v, ok = t.current.gs, true
	case msrKernelGSBase:
		v, ok = t.current.swap, true
	case 0xc0000082: // LSTAR
		v, ok = t.c.kernel.at+0x1000, true
	}
	if !ok {
		return badMSR
	}
	r.put32(20, uint32(v))
	r.put32(24, uint32(v>>32))
	return success
}

func (t *Target) writeMSR(r *request) uint32 {
	r.data = nil
	t.current.writeMSR(r.u32(16), uint64(r.u32(20))|uint64(r.u32(24))<<32)
	return success
}

// search looks for a pattern in virtual memory.
func (t *Target) search(r *request) uint32 {
	at, length, pattern := t.address(r.u64(16)), r.u64(24), r.data
	r.data = nil
	for end := at + min(length, 1<<20); at+uint64(len(pattern)) <= end; at++ {
		if string(t.bytes(at, len(pattern))) == string(pattern) {
			r.put64(16, t.signed(at))
			return success
		}
	}
	return notFound
}

func (t *Target) fill(r *request) uint32 {
	at, n, kind, pattern := r.u64(16), r.u32(24), r.u16(28), r.data
	r.data = nil
	if len(pattern) == 0 || n > 1<<20 {
		return unsuccessful
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = pattern[i%len(pattern)]
	}
	done := 0
	if kind&2 != 0 {
		done = t.c.mem.write(at, b)
	} else {
		done = t.c.mem.writeAt(t.view(), t.address(at), b)
	}
	t.flush()
	r.put32(24, uint32(done))
	if done < int(n) {
		return unsuccessful
	}
	return success
}

func (t *Target) query(r *request) uint32 {
	r.data = nil
	at := t.address(r.u64(16))
	_, entry, _, ok := t.c.mem.walk(t.view(), at)
	if !ok {
		return unsuccessful
	}
	space, bits := uint32(2), uint32(1|4)
	if t.signed(at)>>63 == 0 {
		space = 0
	}
	if entry&pteWrite != 0 {
		bits |= 2
	}
	r.put32(32, space)
	r.put32(36, bits)
	return success
}
