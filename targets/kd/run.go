package kd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"dap-windbg/targets"
)

// dr7Reserved is DR7 without traps: bit 10 is always set.
const dr7Reserved = 0x400

// Events delivers what happens.
func (t *Target) Events() <-chan targets.Event { return t.events.C() }

// Resume lets the target go on. A processor other than the stopped one cannot
// be stepped, and none can be held: the target releases all of them.
func (t *Target) Resume(ctx context.Context, r targets.Resume) error {
	s, m, err := t.stopped()
	if err != nil {
		if t.answering() {
			_, _, err = t.Command(ctx, "")
		}
		return err
	}
	if r.Reverse {
		return fmt.Errorf("running backwards: %w", errors.ErrUnsupported)
	}
	action := r.Default
	for id, a := range r.Threads {
		if id == threadOf(s.processor) {
			action = a
		} else if a.Kind == targets.Step {
			return fmt.Errorf("stepping a processor that did not stop: %w", errors.ErrUnsupported)
		}
	}
	if err := t.exchangeTraps(ctx, r); err != nil {
		return err
	}
	unhandled := action.Deliver.Kind == targets.NotHandled
	if !unhandled {
		hopped, err := t.hop(ctx, s)
		if err != nil {
			return err
		}
		if hopped && action.Kind == targets.Step { // the break instruction was the step
			stop := targets.Stop{Thread: threadOf(s.processor), Reason: targets.Stepped, Addr: m.address(s.pc) + 1}
			t.events.Put(stop)
			return nil
		}
	}
	status := uint32(continueGo)
	if unhandled {
		status = continueUnhandled
	}
	a := &ask{op: "continuing", kind: typeManipulate, data: t.continuation(s, action.Kind == targets.Step, status), then: t.continued}
	return t.l.do(ctx, a)
}

// exchangeTraps lifts and plants what a Resume asks for, and plants again those
// that the target removed around its stop.
func (t *Target) exchangeTraps(ctx context.Context, r targets.Resume) error {
	for _, tr := range r.Lift {
		if err := t.ClearTrap(ctx, tr); err != nil {
			return err
		}
	}
	for _, tr := range r.Plant {
		if err := t.SetTrap(ctx, tr); err != nil {
			return err
		}
	}
	return t.revive(ctx)
}

// continuation is a Continue2 request. The status is followed by a control set
// packed to four bytes.
func (t *Target) continuation(s *stateChange, step bool, status uint32) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.v.machine
	d := manipulate(apiContinue2, s.processor)
	le := binary.LittleEndian
	le.PutUint32(d[8:], 0)
	le.PutUint32(d[16:], status)
	if step {
		le.PutUint32(d[20:], 1)
	}
	if m.dr7Size == 8 {
		le.PutUint64(d[m.dr7:], t.dr7)
	} else {
		le.PutUint32(d[m.dr7:], uint32(t.dr7))
	}
	return d
}

// continued: the target took a continue, in the loop.
func (t *Target) continued(a *ask) {
	if a.err != nil {
		return
	}
	t.mu.Lock()
	t.running, t.arrived = true, false
	t.mu.Unlock()
	t.poke() // an interrupt may have come while a stop was being settled
}

// hopped is the context of a stop at a break instruction with PC behind it, nil
// when PC was moved already or is not known. mu is held.
func (t *Target) hopped(s *stateChange) []byte {
	m := t.v.machine
	old := t.contexts[s.processor%maxCPUs]
	r := m.registers(old)
	if len(old) == 0 || r.PC() != m.address(s.pc) {
		return nil
	}
	r.SetPC(r.PC() + 1)
	context := append([]byte(nil), old...)
	m.patch(context, r)
	return context
}

// hop moves PC past a break instruction of the program, which the target would
// otherwise execute again for ever.
func (t *Target) hop(ctx context.Context, s *stateChange) (bool, error) {
	if !t.hardBreak(s) {
		return false, nil
	}
	if _, err := t.context(ctx, s.processor); err != nil {
		return false, err
	}
	t.mu.Lock()
	context := t.hopped(s)
	t.mu.Unlock()
	if context == nil {
		return false, nil
	}
	return true, t.setContext(ctx, s.processor, context)
}

// Interrupt breaks in. The byte is sent again until the target has heard it.
func (t *Target) Interrupt(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.err != nil:
		return t.err
	case !t.running || t.asked:
		return nil
	}
	t.asked = true
	if !t.l.post(t.poke) {
		return targets.ErrGone
	}
	return nil
}

// poke sends the break-in byte while it is wanted, in the loop.
func (t *Target) poke() {
	t.mu.Lock()
	wanted := t.asked && t.running && !t.arrived
	t.mu.Unlock()
	if wanted {
		t.l.breakIn()
		t.l.poke.set(t.o.Poke)
	}
}

// answering reports whether the target waits for the answer to a question.
func (t *Target) answering() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.prompt != nil && t.err == nil
}

// Command answers the target's question; it has no command language of its own.
func (t *Target) Command(ctx context.Context, line string) (string, targets.Effect, error) {
	t.mu.Lock()
	room, err := t.prompt, t.err
	t.mu.Unlock()
	switch {
	case err != nil:
		return "", targets.Effect{}, err
	case room == nil:
		return "", targets.Effect{}, fmt.Errorf("the target asks nothing: %w", errors.ErrUnsupported)
	}
	line = line[:min(len(line), int(*room), maxSent-16)]
	d := make([]byte, 16, 16+len(line))
	binary.LittleEndian.PutUint32(d, ioGetString)
	binary.LittleEndian.PutUint32(d[12:], uint32(len(line)))
	a := &ask{op: "answering the target", kind: typeDebugIO, data: append(d, line...), then: func(a *ask) {
		if a.err == nil {
			t.mu.Lock()
			t.prompt, t.running = nil, true
			t.mu.Unlock()
		}
	}}
	return "", targets.Effect{Resumed: true}, t.l.do(ctx, a)
}

// reboot restarts the machine; the stop of its first load report follows.
func (t *Target) reboot(ctx context.Context) error {
	if _, _, err := t.stopped(); err != nil {
		return err
	}
	return t.l.do(ctx, &ask{op: "rebooting", kind: typeManipulate, data: manipulate(apiReboot, 0), then: t.continued})
}

// Query reads machine-specific registers and I/O ports.
func (t *Target) Query(ctx context.Context, k targets.Kind, annex string) ([]byte, error) {
	s, _, err := t.stopped()
	if err != nil {
		return nil, err
	}
	var number, size uint64
	switch k {
	case targets.MSR:
		if n, err := fmt.Sscanf(annex, "%x", &number); n != 1 {
			return nil, fmt.Errorf("MSR number %q: %w", annex, err)
		}
		d := manipulate(apiReadMSR, s.processor)
		binary.LittleEndian.PutUint32(d[16:], uint32(number))
		got, err := t.ask(ctx, fmt.Sprintf("reading MSR %x", number), d, answers(apiReadMSR))
		if err != nil {
			return nil, err
		}
		return got[20:28], nil
	case targets.IOPort:
		if n, err := fmt.Sscanf(annex, "%x %x", &number, &size); n != 2 || size != 1 && size != 2 && size != 4 {
			return nil, fmt.Errorf("port and size %q: %w", annex, err)
		}
		d := manipulate(apiReadPort, s.processor)
		binary.LittleEndian.PutUint64(d[16:], number)
		binary.LittleEndian.PutUint32(d[24:], uint32(size))
		got, err := t.ask(ctx, fmt.Sprintf("reading port %x", number), d, answers(apiReadPort))
		if err != nil {
			return nil, err
		}
		return got[28 : 28+size], nil
	}
	return nil, errors.ErrUnsupported
}

// Set reboots the machine.
func (t *Target) Set(ctx context.Context, k targets.Kind, annex string, value []byte) error {
	if k != targets.Reboot {
		return errors.ErrUnsupported
	}
	return t.reboot(ctx)
}
