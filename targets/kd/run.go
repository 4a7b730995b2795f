package kd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"dap-windbg/arch"
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
	cpu, action := s.processor, r.Action(threadOf(s.processor))
	for id, a := range r.Threads {
		if a.Kind == targets.Step && id != threadOf(s.processor) {
			if cpu, err = t.processorOf(id, s); err != nil {
				return err
			}
			action = a
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
		if hopped && action.Kind == targets.Step && cpu == s.processor { // the break instruction was the step
			stop := targets.Stop{Thread: threadOf(s.processor), Reason: targets.Stepped, Addr: m.address(s.pc) + arch.Addr(len(m.brk))}
			t.events.Put(stop)
			return nil
		}
	}
	if cpu != s.processor {
		if s, err = t.switchTo(ctx, cpu); err != nil {
			return err
		}
	}
	status := uint32(continueGo)
	if unhandled {
		status = continueUnhandled
	}
	a := &ask{op: "continuing", kind: typeManipulate, data: t.continuation(s, action.Kind == targets.Step, status), runs: true, then: t.continued}
	return t.l.do(ctx, a)
}

// switchTo makes another processor the one that answers and is stepped. The request is
// not answered; a state change from the other processor follows.
func (t *Target) switchTo(ctx context.Context, cpu int) (*stateChange, error) {
	came := make(chan *stateChange, 1)
	t.mu.Lock()
	t.switched = func(s *stateChange) { came <- s }
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		t.switched = nil
		t.mu.Unlock()
	}()
	op := fmt.Sprintf("switching to processor %d", cpu)
	if err := t.l.do(ctx, &ask{op: op, kind: typeManipulate, data: manipulate(apiSwitchProcessor, cpu)}); err != nil {
		return nil, err
	}
	over, stop := t.o.Clock.Timer(t.o.Reply)
	defer stop()
	select {
	case s := <-came:
		if s.processor != cpu {
			return nil, &targets.RefusedError{Op: op, Text: fmt.Sprintf("processor %d answered", s.processor)}
		}
		return s, nil
	case <-over:
		return nil, &SilentError{Op: op, Acknowledged: true}
	case <-t.l.closed:
		return nil, targets.ErrGone
	case <-ctx.Done():
		return nil, ctx.Err()
	}
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
	switch m.dr7Size {
	case 8:
		le.PutUint64(d[m.dr7:], t.dr7)
	case 4:
		le.PutUint32(d[m.dr7:], uint32(t.dr7))
	}
	le.PutUint32(d[m.rangeStart:], 1) // "leave the range as it is"
	return d
}

// continued: the target took a continue, in the loop.
func (t *Target) continued(a *ask) {
	if a.err != nil {
		return
	}
	t.mu.Lock()
	t.running, t.arrived, t.pokes = true, false, 0
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
	r.SetPC(r.PC() + arch.Addr(len(m.brk)))
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
		t.pokes++
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
	a := &ask{op: "answering the target", kind: typeDebugIO, data: append(d, line...), runs: true, then: func(a *ask) {
		if a.err == nil {
			t.mu.Lock()
			t.prompt = nil
			t.mu.Unlock()
			t.continued(a)
		}
	}}
	return "", targets.Effect{Resumed: true}, t.l.do(ctx, a)
}
