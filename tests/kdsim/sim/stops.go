package sim

import (
	"encoding/binary"
)

// Exception codes and statuses.
const (
	codeBreakpoint = 0x80000003
	codeStep       = 0x80000004
	codeWake       = 0x80000007
	codeAssertion  = 0xc0000420
	unsuccessful   = 0xc0000001
	dataLength     = 240
)

// happened is an event of the guest that concerns the debugger.
func (t *Target) happened(e stopEvent) {
	t.current = e.cpu
	switch e.why {
	case trapped:
		t.exception(codeBreakpoint, 0)
	case stepped:
		t.exception(codeStep)
	case asserted:
		t.exception(codeAssertion)
	case serviced:
		t.service()
	default:
		t.exception(0xc0000005, 0, e.cpu.cr2)
	}
}

// exception stops with an exception of the current processor.
func (t *Target) exception(code uint32, params ...uint64) {
	p := t.current
	t.code, t.pc, t.gotten = code, p.ip, false
	b := t.change(0x3030)
	le := binary.LittleEndian
	le.PutUint32(b[32:], code)
	le.PutUint32(b[36:], 0)
	le.PutUint64(b[40:], 0)
	le.PutUint64(b[48:], t.signed(p.ip))
	le.PutUint32(b[56:], uint32(len(params)))
	for i, v := range params {
		le.PutUint64(b[64+8*i:], v)
	}
	le.PutUint32(b[184:], 1)
	if !t.present && code == 0xc0000005 {
		t.c.restart = true // nobody looks: the machine is dead
		return
	}
	t.present = true
	t.Stops++
	t.state = b
	t.tell()
}

// change begins a state change with what all have; breakpoints near PC go.
func (t *Target) change(kind uint32) []byte {
	p := t.current
	b := t.poison(dataLength)
	le := binary.LittleEndian
	le.PutUint32(b, kind)
	le.PutUint16(b[4:], 6)
	le.PutUint16(b[6:], uint16(p.number))
	le.PutUint32(b[8:], uint32(len(t.c.cpus)))
	le.PutUint64(b[16:], t.signed(t.thread(p)))
	le.PutUint64(b[24:], t.signed(p.ip))
	code := make([]byte, 16)
	t.clean(p.ip)
	n := t.c.mem.readAt(p.cr3, p.ip, code)
	if p.word == 4 {
		p.report32(b, code, n)
		return b
	}
	le.PutUint64(b[192:], p.dr[6])
	le.PutUint64(b[200:], p.dr[7])
	le.PutUint32(b[208:], uint32(p.flags))
	le.PutUint16(b[212:], uint16(n))
	le.PutUint16(b[214:], 3)
	copy(b[216:], code)
	le.PutUint16(b[232:], p.cs)
	for i := range 3 {
		le.PutUint16(b[234+2*i:], [3]uint16{0x2b, 0x2b, 0x53}[i])
	}
	return b
}

// report32 is the control report of an x86 machine (kd 4).
func (p *processor) report32(b, code []byte, n int) {
	le := binary.LittleEndian
	le.PutUint32(b[192:], uint32(p.dr[6]))
	le.PutUint32(b[196:], uint32(p.dr[7]))
	le.PutUint16(b[200:], uint16(n))
	le.PutUint16(b[202:], 3)
	copy(b[204:], code)
	for i, v := range []uint16{p.cs, 0x23, 0x23, 0x30} {
		le.PutUint16(b[220+2*i:], v)
	}
	le.PutUint32(b[228:], uint32(p.flags))
}

// signed is an address as it is told: those of 32 bits are sign-extended.
func (t *Target) signed(v uint64) uint64 {
	if t.c.word == 4 {
		return uint64(int64(int32(v)))
	}
	return v
}

// address is one that the debugger told, sign-extended or not.
func (t *Target) address(v uint64) uint64 { return v & mask(t.c.word) }

// thread is the KTHREAD that a processor runs.
func (t *Target) thread(p *processor) uint64 {
	at := map[int]uint64{8: 0x188, 4: 0x124}[p.word] // KPCR.Prcb.CurrentThread
	b := make([]byte, 8)
	t.c.mem.readAt(t.c.root, p.gs+at, b[:p.word])
	return binary.LittleEndian.Uint64(b)
}

// clean takes the breakpoints of 16 bytes out of the table and of memory.
func (t *Target) clean(pc uint64) {
	for i := range t.slots {
		if s := &t.slots[i]; s.used && s.addr >= pc && s.addr < pc+16 {
			t.lift(s)
		}
	}
}

func (t *Target) lift(s *slotState) {
	if !s.owed {
		t.poke(s.addr, s.saved)
	}
	*s = slotState{}
}

func (t *Target) poke(addr uint64, b byte) bool {
	return t.c.mem.writeAt(t.view(), addr, []byte{b}) == 1
}

// view is the address space that requests see.
func (t *Target) view() uint64 { return t.current.cr3 }

// service is int 2Dh: what the kernel wants told. ip is at the int3 behind it.
func (t *Target) service() {
	p := t.current
	service, a, b, c, d := p.r[rax], p.r[rcx], p.r[rdx], p.r[8], p.r[9]
	if p.word == 4 {
		c, d = p.r[rbx], p.r[rdi]
	}
	t.code = 0
	switch service {
	case 1:
		t.print(t.bytes(a, int(b&0xfff)))
	case 2:
		t.prompt(t.bytes(a, int(b&0xfff)), c, uint32(d))
	case 3, 4:
		t.symbols(a, b, service == 4)
	case 5:
		t.command(a, b)
	default:
		p.ip++
	}
}

func (t *Target) bytes(va uint64, n int) []byte {
	b := make([]byte, n)
	return b[:t.c.mem.readAt(t.view(), va, b)]
}

// string is what a STRING holds.
func (t *Target) string(at uint64) []byte {
	return t.bytes(t.number(at+uint64(t.c.word), t.c.word), int(t.number(at, 2)))
}

func (t *Target) number(va uint64, size int) uint64 {
	var b [8]byte
	t.c.mem.readAt(t.view(), va, b[:size])
	return binary.LittleEndian.Uint64(b[:])
}

// io begins a debug I/O packet.
func (t *Target) io(api uint32, text []byte) []byte {
	b := t.poison(16)
	le := binary.LittleEndian
	le.PutUint32(b, api)
	le.PutUint16(b[4:], 6)
	le.PutUint16(b[6:], uint16(t.current.number))
	le.PutUint32(b[8:], uint32(len(text)))
	return append(b, text...)
}

// print sends a line; the machine stands still until it is acknowledged.
func (t *Target) print(text []byte) {
	t.log("print " + string(text))
	p := t.current
	after := func(bool) {
		p.r[rax] = 0
		p.ip++
		t.phase = running
	}
	if !t.present {
		after(false)
		return
	}
	t.send(kindIO, t.io(0x3230, text), after)
}

// prompt asks; the machine stands still until the answer comes.
func (t *Target) prompt(text []byte, to uint64, room uint32) {
	p := t.current
	finish := func(answer []byte) {
		answer = answer[:min(len(answer), int(room))]
		t.c.mem.writeAt(t.view(), to, answer)
		p.r[rax] = uint64(len(answer))
		p.ip++
		t.phase = running
	}
	if !t.present {
		finish(nil)
		return
	}
	b := t.io(0x3231, text)
	binary.LittleEndian.PutUint32(b[12:], room)
	t.send(kindIO, b, func(bool) {
		t.phase = asking
		t.answered = func(kind uint16, data []byte) bool {
			le := binary.LittleEndian
			if kind != kindIO || le.Uint32(data) != 0x3231 {
				return false
			}
			finish(data[16:min(len(data), 16+int(le.Uint32(data[12:])))])
			return true
		}
	})
}

// symbols reports an image; the machine is stopped until it is continued.
func (t *Target) symbols(path, info uint64, unload bool) {
	p := t.current
	if !t.present {
		p.ip++
		return
	}
	name := t.string(path)
	t.gotten, t.pc = false, p.ip
	b := t.change(0x3031)
	le := binary.LittleEndian
	copy(b[32:72], make([]byte, 40))
	le.PutUint32(b[32:], uint32(len(name)))
	w := uint64(t.c.word)
	le.PutUint64(b[40:], t.signed(t.number(info, t.c.word)))
	le.PutUint64(b[48:], t.signed(t.number(info+w, t.c.word)))
	le.PutUint32(b[56:], uint32(t.number(info+2*w, 4)))
	le.PutUint32(b[60:], uint32(t.number(info+2*w+4, 4)))
	if unload {
		b[64] = 1
	}
	t.report(append(b, name...))
}

// report tells a stop that may be given up.
func (t *Target) report(b []byte) {
	t.Stops++
	t.state = b
	t.send(kindState, b, func(ok bool) {
		if !ok {
			t.leave()
		}
	})
}

func (t *Target) command(name, text uint64) {
	p := t.current
	if !t.present {
		p.ip++
		return
	}
	t.gotten, t.pc = false, p.ip
	b := t.change(0x3032)
	copy(b[32:192], make([]byte, 160))
	b = append(append(b, t.string(name)...), 0)
	t.report(append(append(b, t.string(text)...), 0))
}

// leave ends a stop: a service trap is stepped over unless the debugger moved PC.
func (t *Target) leave() {
	if t.code == 0 && t.current.ip == t.pc {
		t.current.ip++
	}
	t.state, t.staged, t.phase = nil, nil, running
}
