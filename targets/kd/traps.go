package kd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// tableSize is how many code breakpoints a target holds.
const tableSize = 32

// trap is a code breakpoint we want.
type trap struct {
	handle uint32
	alive  bool   // the target holds it; it drops those around a stop
	orig   []byte // what it covers
}

// SetTrap plants a code breakpoint by the target's table, or a data breakpoint
// in the debug registers of every processor.
func (t *Target) SetTrap(ctx context.Context, tr targets.Trap) error {
	s, m, err := t.stopped()
	if err != nil {
		return err
	}
	if tr.Space != (targets.Space{}) || tr.Condition != nil {
		return fmt.Errorf("a breakpoint with an address space or condition: %w", errors.ErrUnsupported)
	}
	if tr.Kind != targets.Software {
		return t.setDebugRegister(ctx, s, m, tr)
	}
	t.mu.Lock()
	have := t.traps[tr.Addr]
	t.mu.Unlock()
	if have != nil {
		return nil
	}
	orig := make([]byte, len(m.brk))
	if _, err := t.ReadMemory(ctx, targets.Space{}, tr.Addr, orig); err != nil {
		return err
	}
	handle, err := t.writeBreakpoint(ctx, m, tr.Addr)
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.traps[tr.Addr] = &trap{handle: handle, alive: true, orig: orig}
	t.mu.Unlock()
	return nil
}

// writeBreakpoint takes a slot of the target's table. A refusal may be due to
// what an earlier session left there, so it is cleared once.
func (t *Target) writeBreakpoint(ctx context.Context, m *machine, addr arch.Addr) (uint32, error) {
	d := manipulate(apiWriteBreakpoint, 0)
	binary.LittleEndian.PutUint64(d[16:], m.wide(addr))
	op := fmt.Sprintf("setting a breakpoint at 0x%x", uint64(addr))
	got, err := t.ask(ctx, op, d, answersAt(apiWriteBreakpoint, m.wide(addr)))
	var refused *targets.RefusedError
	if errors.As(err, &refused) {
		if err := t.clearForeign(ctx); err != nil {
			return 0, err
		}
		got, err = t.ask(ctx, op, d, answersAt(apiWriteBreakpoint, m.wide(addr)))
		if errors.As(err, &refused) {
			refused.Text = "the target refused: the address is not accessible, or all 32 breakpoints are in use"
		}
	}
	if err != nil {
		return 0, err
	}
	return field(got).u32(24), nil
}

func (t *Target) restore(ctx context.Context, handle uint32) error {
	d := manipulate(apiRestoreBreakpoint, 0)
	binary.LittleEndian.PutUint32(d[16:], handle)
	_, err := t.ask(ctx, "removing a breakpoint", d, answersAt(apiRestoreBreakpoint, handle))
	var refused *targets.RefusedError
	if errors.As(err, &refused) { // the slot is empty: the target removed it itself
		return nil
	}
	return err
}

// clearForeign empties the slots that are not ours.
func (t *Target) clearForeign(ctx context.Context) error {
	ours := map[uint32]bool{}
	t.mu.Lock()
	for _, tr := range t.traps {
		ours[tr.handle] = tr.alive
	}
	t.mu.Unlock()
	for h := uint32(1); h <= tableSize; h++ {
		if ours[h] {
			continue
		}
		if err := t.restore(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

// ClearTrap lifts a breakpoint.
func (t *Target) ClearTrap(ctx context.Context, tr targets.Trap) error {
	s, m, err := t.stopped()
	if err != nil {
		return err
	}
	if tr.Kind != targets.Software {
		return t.clearDebugRegister(ctx, s, m, tr)
	}
	t.mu.Lock()
	have := t.traps[tr.Addr]
	delete(t.traps, tr.Addr)
	t.mu.Unlock()
	if have == nil || !have.alive {
		return nil
	}
	return t.restore(ctx, have.handle)
}

// planted lists the traps we want.
func (t *Target) planted() []targets.Trap {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []targets.Trap
	for _, a := range slices.Sorted(maps.Keys(t.traps)) {
		out = append(out, targets.Trap{Addr: a})
	}
	for _, d := range t.data {
		if d != nil {
			out = append(out, *d)
		}
	}
	return out
}

// buryTraps notes which traps the target removed at a stop: those in the
// instruction bytes it reports. mu is held.
func (t *Target) buryTraps(s *stateChange, m *machine) {
	if s.kind != stateException {
		return
	}
	lo := m.address(s.pc)
	for a, tr := range t.traps {
		if a >= lo && a < lo+arch.Addr(m.codes(s)) {
			tr.alive = false
		}
	}
}

// revive plants again what the target removed.
func (t *Target) revive(ctx context.Context) error {
	_, m, err := t.stopped()
	if err != nil {
		return err
	}
	t.mu.Lock()
	var dead []arch.Addr
	for _, a := range slices.Sorted(maps.Keys(t.traps)) {
		if !t.traps[a].alive {
			dead = append(dead, a)
		}
	}
	t.mu.Unlock()
	for _, a := range dead {
		handle, err := t.writeBreakpoint(ctx, m, a)
		if err != nil {
			return err
		}
		t.mu.Lock()
		if tr := t.traps[a]; tr != nil {
			tr.handle, tr.alive = handle, true
		}
		t.mu.Unlock()
	}
	return nil
}

// mask puts back what traps cover in memory read at addr.
func (t *Target) mask(addr arch.Addr, p []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for a, tr := range t.traps {
		for i, b := range tr.orig {
			if off := a + arch.Addr(i) - addr; tr.alive && off < arch.Addr(len(p)) {
				p[off] = b
			}
		}
	}
}

// dr7Bits are the RW and LEN fields of DR7 (Intel SDM volume 3, 18.2.4).
func dr7Bits(slot int, tr targets.Trap) (uint64, error) {
	rw, ok := map[targets.TrapKind]uint64{targets.Hardware: 0, targets.OnWrite: 1, targets.OnAccess: 3}[tr.Kind]
	length, sized := map[int]uint64{1: 0, 2: 1, 4: 3, 8: 2}[tr.Size]
	if tr.Kind == targets.Hardware {
		length, sized = 0, true
	}
	switch {
	case !ok:
		return 0, fmt.Errorf("a breakpoint on reading alone: %w", errors.ErrUnsupported)
	case !sized || tr.Kind != targets.Hardware && uint64(tr.Addr)%uint64(tr.Size) != 0:
		return 0, &targets.RefusedError{Op: "setting a data breakpoint", Text: "the CPU watches 1, 2, 4 or 8 bytes at an address that is a multiple of the size"}
	}
	return 2<<(2*slot) | rw<<(16+4*slot) | length<<(18+4*slot), nil
}

func dr7Mask(slot int) uint64 { return 3<<(2*slot) | 15<<(16+4*slot) }

func (t *Target) setDebugRegister(ctx context.Context, s *stateChange, m *machine, tr targets.Trap) error {
	if m.special.dr == 0 {
		return fmt.Errorf("data breakpoints on this CPU: %w", errors.ErrUnsupported)
	}
	t.mu.Lock()
	slot := -1
	for i, d := range t.data {
		if d != nil && d.Kind == tr.Kind && d.Addr == tr.Addr && d.Size == tr.Size {
			t.mu.Unlock()
			return nil
		}
		if d == nil && slot < 0 {
			slot = i
		}
	}
	t.mu.Unlock()
	if slot < 0 {
		return &targets.RefusedError{Op: "setting a data breakpoint", Text: "all four debug registers are in use", Fix: "Clear another data breakpoint first."}
	}
	bits, err := dr7Bits(slot, tr)
	if err != nil {
		return err
	}
	for cpu := range max(s.processors, s.processor+1) {
		if err := t.writeDebugRegister(ctx, s, m, cpu, slot, tr.Addr); err != nil {
			return err
		}
	}
	t.mu.Lock()
	t.data[slot] = &tr
	t.dr7 = t.dr7&^dr7Mask(slot) | bits
	t.mu.Unlock()
	return nil
}

// writeDebugRegister changes one of DR0 to DR3 among the special registers.
func (t *Target) writeDebugRegister(ctx context.Context, s *stateChange, m *machine, cpu, slot int, addr arch.Addr) error {
	special, err := t.controlSpace(ctx, s, m, cpu, m.special.selector, m.special.length)
	if err != nil {
		return err
	}
	at := m.special.dr + slot*m.arch.PtrSize
	if len(special) < at+m.arch.PtrSize {
		return &targets.ProtocolError{Op: "reading the debug registers", Sent: "ReadControlSpace", Got: fmt.Sprintf("%d bytes", len(special))}
	}
	special = bytes.Clone(special)
	if m.arch.PtrSize == 8 {
		binary.LittleEndian.PutUint64(special[at:], uint64(addr))
	} else {
		binary.LittleEndian.PutUint32(special[at:], uint32(addr))
	}
	return t.writeControl(ctx, m, cpu, special)
}

// writeControl writes the special registers of a processor.
func (t *Target) writeControl(ctx context.Context, m *machine, cpu int, special []byte) error {
	d := manipulate(apiWriteControl, cpu, special...)
	binary.LittleEndian.PutUint64(d[16:], m.special.selector)
	binary.LittleEndian.PutUint32(d[24:], uint32(len(special)))
	_, err := t.ask(ctx, "writing the special registers", d, answersAt(apiWriteControl, m.special.selector))
	return err
}

// clearDebugRegister disables a slot; DR7 travels with the next continue.
func (t *Target) clearDebugRegister(ctx context.Context, s *stateChange, m *machine, tr targets.Trap) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, d := range t.data {
		if d != nil && d.Kind == tr.Kind && d.Addr == tr.Addr && d.Size == tr.Size {
			t.data[i] = nil
			t.dr7 &^= dr7Mask(i)
		}
	}
	return nil
}

// watched tells from DR6 which data breakpoint sprang. mu is held.
func (t *Target) watched(s *stateChange, m *machine, stop *targets.Stop) {
	if m.dr6 < 0 {
		return
	}
	dr6 := s.report.u32(m.dr6)
	for i, d := range t.data {
		if d == nil || dr6>>i&1 == 0 {
			continue
		}
		stop.Reason, stop.Kind = targets.Watch, d.Kind
		if d.Kind == targets.Hardware {
			stop.Reason = targets.Breakpoint
		} else {
			stop.Addr = d.Addr
		}
	}
}
