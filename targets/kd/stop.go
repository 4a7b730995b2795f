package kd

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// received takes a packet that answers nothing, in the loop.
func (t *Target) received(kind uint16, data []byte) {
	switch kind {
	case typeDebugIO:
		t.debugIO(data)
	case typeStateChange:
		s, ok := parseState(data)
		if !ok {
			t.l.broken = &targets.ProtocolError{Op: "reading a state change", Got: fmt.Sprintf("%d bytes", len(data))}
			return
		}
		t.changed(s)
	case typeStateChange1:
		t.l.broken = &targets.ProtocolError{Op: "reading a state change", Got: "the 32-bit layout of Windows NT 4", Fix: "Only Windows 2000 and later are known."}
	case typeFileIO:
		t.fileIO(data)
	} // trace and control packets are for what we do not ask for: acknowledged is enough
}

func (t *Target) debugIO(data []byte) {
	f := field(data)
	if len(data) < 16 {
		return
	}
	words := string(data[16:min(len(data), 16+int(f.u32(8)))])
	switch f.u32(0) {
	case ioPrint:
		t.put(targets.Output{Text: words})
	case ioGetString:
		room := f.u32(12)
		t.mu.Lock()
		if t.prompt != nil { // asked again after a reset
			t.mu.Unlock()
			return
		}
		t.prompt = &room
		t.running, t.arrived = false, true
		t.settleInterrupt(false)
		t.mu.Unlock()
		t.put(targets.Stop{Thread: threadOf(int(f.u16(6))), Reason: targets.Prompt, Text: words})
	}
}

// put tells an event, unless we are parting.
func (t *Target) put(e targets.Event) {
	t.mu.Lock()
	parting := t.parting
	t.mu.Unlock()
	if !parting {
		t.events.Put(e)
	}
}

// changed takes a state change, in the loop.
func (t *Target) changed(s *stateChange) {
	t.mu.Lock()
	if f := t.switched; f != nil {
		t.stop, t.switched = s, nil
		t.mu.Unlock()
		f(s)
		return
	}
	if t.arrived && s.same(t.stop) {
		t.mu.Unlock()
		return // told twice after a reset or a break-in while stopped
	}
	t.stop, t.arrived, t.prompt = s, true, nil
	t.contexts = [maxCPUs][]byte{}
	known, interrupted := t.known, t.asked || t.owed
	t.mu.Unlock()
	t.l.poke.off()
	switch {
	case s.parting():
		t.shutDown(s)
	case !known:
		t.request(&ask{op: "asking for the version", data: manipulate(apiGetVersion, 0), reply: answers(apiGetVersion), again: true, then: func(a *ask) { t.versionCame(s, a) }})
	case interrupted && t.hardBreak(s):
		t.request(&ask{op: "reading the stop's status", data: manipulate(apiGetContext, s.processor), reply: answers(apiGetContext), again: true, then: func(a *ask) { t.statusCame(s, a) }})
	default:
		t.tell(s, false)
	}
}

// shutDown answers a target that says that it goes down: it may go on, and is waited for.
func (t *Target) shutDown(s *stateChange) {
	t.put(targets.Output{Text: "Shutdown occurred: the target goes down or restarts.\nWaiting to reconnect...\n", Console: true})
	d := manipulate(apiContinue, s.processor)
	binary.LittleEndian.PutUint32(d[16:], continueGo)
	t.request(&ask{op: "going on", data: d, runs: true, then: t.continued})
}

// request queues a from within the loop.
func (t *Target) request(a *ask) {
	a.kind = typeManipulate
	t.l.queue = append(t.l.queue, a)
}

func (t *Target) versionCame(s *stateChange, a *ask) {
	if a.err != nil {
		t.mu.Lock()
		t.arrived = false
		t.mu.Unlock()
		t.l.poke.set(t.o.Poke) // a reset brings the state change again
		return
	}
	v := parseVersion(a.got)
	t.mu.Lock()
	first := !t.told
	fresh := s.kind == stateLoadSymbols && s.base == v.kernel
	again := !first && (fresh || v.kernel != t.v.kernel || v.build != t.v.build)
	if again { // else it comes back to us: what we set is still there
		clear(t.traps)
		t.data, t.dr7 = [4]*targets.Trap{}, dr7Reserved
	}
	t.v, t.known, t.block = v, v.machine != nil, bytes.Clone(a.got[16:56])
	t.restart, t.begun = t.restart || again, t.begun || first
	t.owed = t.owed || first && (t.breaks > 1 || t.breaks == 1 && !t.hardBreak(s))
	t.l.pokeTime = t.poke
	t.asked = false
	t.mu.Unlock()
	switch {
	case v.machine == nil:
		t.l.broken = &targets.ProtocolError{Op: "connecting", Sent: "GetVersion", Got: fmt.Sprintf("machine %04x", v.number), Fix: "Only x86, x64 and ARM64 targets are known."}
	case first && !fresh:
		t.sweep(func() { t.welcome(s) })
	default:
		t.welcome(s)
	}
}

// welcome tells the first stop of a connection, or of a target that came again.
func (t *Target) welcome(s *stateChange) {
	t.tell(s, true)
	t.mu.Lock()
	told := t.told
	t.told = true
	t.mu.Unlock()
	if !told {
		close(t.first)
	}
}

// sweep clears the breakpoints that an earlier debugger may have left, then calls f.
// An empty slot is refused, which is no harm.
func (t *Target) sweep(f func()) {
	for h := uint32(1); h <= tableSize; h++ {
		d := manipulate(apiRestoreBreakpoint, 0)
		binary.LittleEndian.PutUint32(d[16:], h)
		a := &ask{op: "removing old breakpoints", data: d, reply: answersAt(apiRestoreBreakpoint, h), again: true}
		if h == tableSize {
			a.then = func(*ask) { f() }
		}
		t.request(a)
	}
}

// statusCame decides what a break instruction is while an interrupt is about:
// the break-in routine of the kernel passes status 1 in a register.
func (t *Target) statusCame(s *stateChange, a *ask) {
	t.mu.Lock()
	m := t.v.machine
	ours := false
	if a.err == nil && field(a.got).u32(8) == 0 {
		context := a.got[manipulateLen:]
		t.contexts[s.processor%maxCPUs] = context
		status, _ := m.registers(context).Get(m.status)
		ours = status == 1
	}
	absorb := ours && t.owed && !t.asked
	if absorb {
		t.owed = false
	}
	t.mu.Unlock()
	if absorb {
		t.goOn(s)
		return
	}
	t.tell(s, ours)
}

// goOn resumes from a break-in that was reported before as another stop.
func (t *Target) goOn(s *stateChange) {
	t.mu.Lock()
	context := t.hopped(s)
	t.mu.Unlock()
	if context != nil {
		t.request(&ask{op: "going on", data: manipulate(apiSetContext, s.processor, context...), reply: answers(apiSetContext), again: true})
	}
	t.request(&ask{op: "going on", data: t.continuation(s, false, continueGo), runs: true, then: t.continued})
}

// settleInterrupt notes at a stop what became of an interrupt. mu is held.
func (t *Target) settleInterrupt(byUs bool) {
	if t.asked && !byUs || t.pokes > 1 {
		t.owed = true // it crossed another stop, or was sent twice; the target may break again
	}
	t.asked, t.pokes = false, 0
}

// hardBreak reports whether the stop is at a break instruction of the program.
// The instruction bytes of a report are free of our traps.
func (t *Target) hardBreak(s *stateChange) bool {
	m := t.v.machine
	return s.kind == stateException && s.code == statusBreakpoint && m != nil && m.codes(s) > 0 && m.breaks(s.report[min(m.code, len(s.report)):])
}

// tell turns a state change into a Stop, in the loop. Ours: it answers an
// interrupt, or is the first of a connection.
func (t *Target) tell(s *stateChange, ours bool) {
	t.mu.Lock()
	m := t.v.machine
	stop := targets.Stop{Thread: threadOf(s.processor), Addr: m.address(s.pc), Reason: targets.Exception}
	stop.Registers, stop.Memory = t.expedited(s, m)
	switch {
	case s.kind == stateLoadSymbols:
		stop.Reason = targets.Modules
		stop.Detail = &targets.Detail{Unload: s.unload, Module: &targets.Module{Path: s.path, Base: m.address(s.base), Size: uint64(s.size)}}
	case s.kind != stateException:
		stop.Reason, stop.Text = targets.Unknown, s.command
	case s.code == statusBreakpoint && t.traps[stop.Addr] != nil && !t.hardBreak(s):
		stop.Reason = targets.Breakpoint
	case s.code == statusBreakpoint && ours:
		stop.Reason = targets.Interrupted
	case s.code == statusSingleStep:
		stop.Reason = targets.Stepped
		t.watched(s, m, &stop)
	case s.code == statusWake:
		stop.Reason = targets.Interrupted
	}
	if s.kind == stateException {
		stop.Exception = &targets.ExceptionRecord{Code: s.code, Second: !s.firstChance, Addr: m.address(s.address), Params: s.params}
	}
	t.running = false
	t.buryTraps(s, m)
	t.settleInterrupt(ours)
	if t.restart {
		stop.Reason, t.restart = targets.Reset, false
	} else if t.begun {
		stop.Reason, t.begun = targets.Initial, false
	}
	t.mu.Unlock()
	t.put(stop)
}

// expedited is what a state change tells of registers and code.
func (t *Target) expedited(s *stateChange, m *machine) (*arch.Registers, []targets.Window) {
	r := arch.NewRegisters(m.set)
	r.Interrupted = true
	r.SetPC(m.address(s.pc))
	if s.kind != stateException {
		return r, nil
	}
	if m.flags >= 0 && len(s.report) >= m.flags+4 && s.report.u32(m.flags) != 0 {
		i, _ := m.set.Index(m.arch.Flags)
		r.SetUint(i, uint64(s.report.u32(m.flags)&^traceFlag))
	}
	n := m.codes(s)
	if n == 0 || n > 16 || m.code+n > len(s.report) {
		return r, nil
	}
	return r, []targets.Window{{Addr: m.address(s.pc), Data: s.report[m.code : m.code+n]}}
}
