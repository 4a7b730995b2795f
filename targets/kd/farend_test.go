package kd

import (
	"bytes"
	"encoding/binary"
	"io"
	"sync"
	"testing"
)

// past is what a recording holds, sorted: the stops in order, with how the host
// got there, the memory that was read, and every other answer by its request.
type past struct {
	stops    []pastStop
	memory   map[uint64]byte
	physical map[uint64]byte
	answers  map[string][]byte
	greeting [][]byte // payloads before the first stop
	prompt   []byte   // a question, when one was asked
}

type pastStop struct {
	state   *stateChange
	how     string // boot, go, step, break: what the host had sent
	context []byte // nil: not asked for at this stop
}

// key names a request by what matters in it.
func key(d []byte) string {
	return string(d[:4]) + string(d[16:28]) + string(d[min(len(d), manipulateLen):])
}

func remember(t testing.TB, name string) *past {
	p := &past{memory: map[uint64]byte{}, physical: map[uint64]byte{}, answers: map[string][]byte{}}
	how := "boot"
	var asked []byte
	var last []byte
	for _, m := range messages(t, name) {
		d := m.packet.data
		switch {
		case m.breakIn:
			how = "break"
		case m.bad || m.packet.control || m.packet.id&^(syncID|1) != firstID:
		case m.out && m.packet.kind == typeManipulate && len(d) >= manipulateLen:
			if asked = d; field(d).u32(0) == apiContinue2 {
				if how = "go"; field(d).u32(20) == 1 {
					how = "step"
				}
			}
		case m.out || bytes.Equal(d, last):
		case m.packet.kind == typeStateChange:
			if s, ok := parseState(d); ok && (len(p.stops) == 0 || !s.same(p.stops[len(p.stops)-1].state) || how != "boot" && how != "") {
				p.stops = append(p.stops, pastStop{state: s, how: how})
				p.code(s)
				how = ""
			}
		case m.packet.kind == typeDebugIO && field(d).u32(0) == ioGetString:
			p.prompt = d
		case m.packet.kind == typeDebugIO && len(p.stops) == 0:
			p.greeting = append(p.greeting, d)
		case m.packet.kind == typeManipulate && asked != nil && field(asked).u32(0) == field(d).u32(0):
			p.learn(asked, d)
			asked = nil
		}
		if !m.out && !m.packet.control {
			last = d
		}
	}
	return p
}

// code keeps the instruction bytes of a stop, which are free of breakpoints.
func (p *past) code(s *stateChange) {
	m := machines()[0]
	if s.report.u8(machines()[1].codeLen) == 16 && s.report.u8(m.codeLen) != 16 {
		m = machines()[1]
	}
	for i := range int(s.report.u16(m.codeLen)) {
		p.memory[s.pc+uint64(i)] = s.report.u8(m.code + i)
	}
}

// learn keeps an answer.
func (p *past) learn(req, d []byte) {
	f := field(d)
	switch f.u32(0) {
	case apiReadVirtual, apiReadPhysical:
		into := p.memory
		if f.u32(0) == apiReadPhysical {
			into = p.physical
		}
		for i, b := range d[manipulateLen:] {
			into[f.u64(16)+uint64(i)] = b
		}
	case apiGetContext:
		if n := len(p.stops); f.u32(8) == 0 && n > 0 && p.stops[n-1].context == nil {
			p.stops[n-1].context = d[manipulateLen:]
		}
	default:
		p.answers[key(req)] = d
	}
}

// halted is a run that a break-in cut off before its first instruction.
type halted struct {
	context []byte
	step    bool
}

// farEnd is a target that does what the recorded one did: it answers requests
// with what was recorded, holds breakpoints as a target does, and stops where
// the recording stopped for the same reason.
type farEnd struct {
	p    *past
	m    *machine
	mu   sync.Mutex
	cond *sync.Cond

	rx           receiver
	out          []byte
	next, expect uint32
	sync         bool
	queue        [][]byte // packets not yet acknowledged, first is on the wire; kind precedes
	closed       bool

	at       int // stop we are at
	running  bool
	context  []byte
	slots    [tableSize + 1]uint64 // breakpoints by handle
	again    bool                  // a break-in is remembered
	asking   bool
	repeats  int // state changes sent again
	damage   func(n int, p []byte) []byte
	sent     int
	silent   bool
	received []uint32 // APIs that came, in order
	quiet    bool     // load reports are not made
	halted   *halted  // what a remembered break-in came before
	dr0, dr7 uint64
}

func newFarEnd(t testing.TB, name string, at int, running bool) *farEnd {
	return farEndOf(t, remember(t, name), at, running)
}

func farEndOf(t testing.TB, p *past, at int, running bool) *farEnd {
	f := &farEnd{p: p, next: firstID, expect: firstID, sync: true, running: running}
	f.cond = sync.NewCond(&f.mu)
	for k, a := range f.p.answers {
		if len(k) >= 4 && field(k).u32(0) == apiGetVersion {
			f.m = parseVersion(a).machine
		}
	}
	if f.m == nil {
		t.Fatal("no version was recorded")
	}
	if !running {
		for _, g := range f.p.greeting {
			f.send(typeDebugIO, g)
		}
		f.arrive(at)
	}
	return f
}

// find returns a stop that fits.
func (f *farEnd) find(fits func(i int, s pastStop) bool) int {
	for i, s := range f.p.stops {
		if fits(i, s) {
			return i
		}
	}
	return -1
}

// arrive stops at a recorded stop.
func (f *farEnd) arrive(i int) {
	s := f.p.stops[i]
	f.at, f.running = i, false
	if f.context = bytes.Clone(s.context); f.context == nil { // not asked for there: the nearest, with this PC
		j := f.find(func(_ int, o pastStop) bool { return o.context != nil })
		f.context = bytes.Clone(f.p.stops[j].context)
		r := f.m.registers(f.context)
		r.SetPC(f.m.address(s.state.pc))
		f.m.patch(f.context, r)
	}
	for h, a := range f.slots {
		if a != 0 && s.state.kind == stateException && a-s.state.pc < uint64(s.state.report.u16(f.m.codeLen)) {
			f.slots[h] = 0
		}
	}
	f.send(typeStateChange, s.state.raw)
}

func (f *farEnd) send(kind uint16, data []byte) {
	f.queue = append(f.queue, append([]byte{byte(kind)}, data...))
	if len(f.queue) == 1 {
		f.transmit()
	}
}

func (f *farEnd) transmit() {
	if len(f.queue) == 0 {
		return
	}
	p := packet{kind: uint16(f.queue[0][0]), id: f.next, data: f.queue[0][1:]}
	if f.sync {
		p.id |= syncID
	}
	f.write(p.encode())
}

func (f *farEnd) write(p []byte) {
	f.sent++
	if f.damage != nil {
		p = f.damage(f.sent, bytes.Clone(p))
	}
	f.out = append(f.out, p...)
	f.cond.Broadcast()
}

func (f *farEnd) control(kind uint16, id uint32) {
	f.write(packet{control: true, kind: kind, id: id}.encode())
}

// Write takes what the host sends.
func (f *farEnd) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, io.ErrClosedPipe
	}
	if f.silent {
		return len(p), nil
	}
	if f.running { // one byte a tick; what is no break-in is thrown away
		if len(p) == 1 && p[0] == breakIn {
			f.broken()
		}
		return len(p), nil
	}
	for _, b := range p {
		if b == breakIn && !f.rx.busy() {
			f.again = true
			f.repeats++
			f.send(typeStateChange, f.p.stops[f.at].state.raw)
			continue
		}
		pk, ok, bad, _ := push(&f.rx, b)
		switch {
		case bad:
			f.control(typeResend, 0)
		case ok && pk.control:
			f.controlled(pk)
		case ok:
			f.data(pk)
		}
	}
	return len(p), nil
}

func (f *farEnd) broken() {
	f.arrive(f.find(func(_ int, s pastStop) bool { // the break-in routine is told by its status
		status, _ := f.m.registers(s.context).Get(map[int]string{8: "rcx", 4: "eax"}[f.m.arch.PtrSize])
		return s.state.kind == stateException && s.state.code == statusBreakpoint && s.context != nil && status == 1
	}))
}

func (f *farEnd) controlled(p packet) {
	switch p.kind {
	case typeAcknowledge:
		if len(f.queue) > 0 && p.id == f.next {
			f.queue, f.sync = f.queue[1:], false
			f.next ^= 1
			f.transmit()
		}
	case typeResend:
		f.transmit()
	case typeReset:
		f.next, f.expect, f.sync = firstID, firstID, false
		f.control(typeReset, 0x5f863)
		if len(f.queue) == 0 && !f.running {
			f.repeats++
			f.queue = append(f.queue, append([]byte{typeStateChange}, f.p.stops[f.at].state.raw...))
		}
		f.transmit()
	}
}

func (f *farEnd) data(p packet) {
	if len(f.queue) > 0 { // the host answers, so it has what we sent
		f.queue, f.sync = f.queue[1:], false
		f.next ^= 1
	}
	f.control(typeAcknowledge, p.id)
	if p.id != f.expect {
		return
	}
	f.expect ^= 1
	switch {
	case p.kind == typeDebugIO && f.asking:
		f.asking, f.running = false, true
	case p.kind == typeManipulate && len(p.data) >= manipulateLen && !f.asking:
		f.manipulate(p.data)
	}
	f.transmit()
}

func (f *farEnd) manipulate(d []byte) {
	req := field(d)
	api := req.u32(0)
	f.received = append(f.received, api)
	reply := bytes.Clone(d[:manipulateLen])
	le := binary.LittleEndian
	le.PutUint32(reply[8:], 0)
	switch api {
	case apiContinue2:
		f.dr7 = req.at(f.m.dr7, f.m.dr7Size)
		f.goOn(req.u32(20) == 1)
		return
	case apiReboot:
		f.slots, f.sync, f.next, f.expect = [tableSize + 1]uint64{}, true, firstID, firstID
		f.arrive(0)
		return
	case apiReadVirtual, apiReadPhysical:
		reply = f.readMemory(req, reply)
	case apiWriteVirtual:
		f.writeMemory(req, reply)
	case apiGetContext:
		reply = append(reply, f.context...)
	case apiSetContext:
		f.context = bytes.Clone(d[manipulateLen:])
	case apiWriteBreakpoint, apiRestoreBreakpoint:
		f.breakpoint(req, reply)
	case apiReadControl: // whatever count was recorded
		le.PutUint32(reply[8:], statusUnsuccessful)
		for k, known := range f.p.answers {
			if k[:12] == key(d)[:12] && field(known).u32(8) == 0 {
				reply = known
			}
		}
	case apiWriteControl:
		f.dr0 = field(d[manipulateLen:]).at(f.m.special.dr, f.m.arch.PtrSize)
		le.PutUint32(reply[28:], req.u32(24))
	default:
		if known := f.p.answers[key(d)]; known != nil {
			reply = known
		} else {
			le.PutUint32(reply[8:], statusUnsuccessful)
		}
	}
	f.send(typeManipulate, reply)
}

func (f *farEnd) readMemory(req field, reply []byte) []byte {
	virtual := req.u32(0) == apiReadVirtual
	memory := f.p.physical
	if virtual {
		memory = f.p.memory
	}
	for i := uint64(0); i < uint64(min(req.u32(24), maxSent-manipulateLen)); i++ {
		b, ok := memory[req.u64(16)+i]
		if !ok {
			break
		}
		if virtual && f.slot(req.u64(16)+i) > 0 {
			b = f.m.arch.Break[0]
		}
		reply = append(reply, b)
	}
	got := uint32(len(reply) - manipulateLen)
	binary.LittleEndian.PutUint32(reply[28:], got)
	if got < req.u32(24) {
		binary.LittleEndian.PutUint32(reply[8:], statusUnsuccessful)
	}
	return reply
}

func (f *farEnd) writeMemory(req field, reply []byte) {
	for i, b := range req[manipulateLen:] {
		if _, ok := f.p.memory[req.u64(16)+uint64(i)]; !ok {
			binary.LittleEndian.PutUint32(reply[8:], statusUnsuccessful)
			return
		}
		f.p.memory[req.u64(16)+uint64(i)] = b
		binary.LittleEndian.PutUint32(reply[28:], uint32(i+1))
	}
}

// breakpoint takes or frees a slot of the table.
func (f *farEnd) breakpoint(req field, reply []byte) {
	if req.u32(0) == apiRestoreBreakpoint {
		if h := req.u32(16); h > 0 && h <= tableSize && f.slots[h] != 0 {
			f.slots[h] = 0
			return
		}
	} else if h := f.slot(0); h > 0 && f.slot(req.u64(16)) == 0 {
		if _, ok := f.p.memory[req.u64(16)]; ok {
			f.slots[h] = req.u64(16)
			binary.LittleEndian.PutUint32(reply[24:], uint32(h))
			return
		}
	}
	binary.LittleEndian.PutUint32(reply[8:], statusUnsuccessful)
}

// slot finds the handle that holds addr; 0 asks for a free one. 0 is none.
func (f *farEnd) slot(addr uint64) int {
	for h := 1; h <= tableSize; h++ {
		if f.slots[h] == addr {
			return h
		}
	}
	return 0
}

func (f *farEnd) goOn(step bool) {
	pc := f.pc()
	f.running = true
	if f.again { // the break-in comes first; the trap flag lies in the cut-off frame
		f.again, f.halted = false, &halted{f.context, step}
		f.broken()
		return
	}
	if h := f.halted; h != nil {
		f.context, f.halted, step = h.context, nil, h.step
		pc = f.pc()
	}
	next := -1
	load := func(i int) bool { return i < len(f.p.stops) && f.p.stops[i].state.kind == stateLoadSymbols }
	switch {
	case step:
		next = f.find(func(i int, s pastStop) bool { return i > 0 && s.how == "step" && f.p.stops[i-1].state.pc == pc })
	case !f.quiet && f.at < 2 && load(f.at) && load(f.at+1):
		next = f.at + 1
	case f.dr7&3 != 0:
		next = f.find(func(_ int, s pastStop) bool {
			return s.state.code == statusSingleStep && f.m.address(s.state.pc) == f.m.address(f.dr0) && s.state.report.u32(f.m.dr6)&1 != 0
		})
	case f.slot(pc) > 0: // a breakpoint where we stand springs at once
		next = f.find(func(_ int, s pastStop) bool { return s.state.kind == stateException && s.state.pc == pc })
	default:
		next = f.find(func(_ int, s pastStop) bool {
			return s.state.kind == stateException && s.state.code == statusBreakpoint && f.slot(s.state.pc) > 0
		})
	}
	if next >= 0 {
		f.arrive(next)
	}
}

func (f *farEnd) pc() uint64 { return f.m.wide(f.m.registers(f.context).PC()) }

// Read gives what the target sent.
func (f *farEnd) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.out) == 0 && !f.closed {
		f.cond.Wait()
	}
	if f.closed {
		return 0, io.EOF
	}
	n := copy(p, f.out)
	f.out = f.out[n:]
	return n, nil
}

func (f *farEnd) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.cond.Broadcast()
	return nil
}
