package kd

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"dap-windbg/targets"
)

// numbers reads hexadecimal numbers with blanks between them.
func numbers(annex string, into ...*uint64) error {
	var a []any
	for _, p := range into {
		a = append(a, p)
	}
	format := ""
	for range into {
		format += "%x "
	}
	if n, err := fmt.Sscanf(annex, format[:len(format)-1], a...); n != len(into) {
		return fmt.Errorf("%q are not %d numbers: %w", annex, len(into), err)
	}
	return nil
}

// Query reads what only this kind of target has.
func (t *Target) Query(ctx context.Context, k targets.Kind, annex string) ([]byte, error) {
	s, m, err := t.stopped()
	if err != nil {
		return nil, err
	}
	var a, b, c, d, e uint64
	le := binary.LittleEndian
	switch k {
	case targets.VersionBlock:
		t.mu.Lock()
		defer t.mu.Unlock()
		return append([]byte(nil), t.block...), nil
	case targets.MSR:
		if err := numbers(annex, &a); err != nil {
			return nil, err
		}
		q := manipulate(apiReadMSR, s.processor)
		le.PutUint32(q[16:], uint32(a))
		got, err := t.ask(ctx, fmt.Sprintf("reading MSR %x", a), q, answersAt(apiReadMSR, uint32(a)))
		if err != nil {
			return nil, err
		}
		return got[20:28], nil
	case targets.IOPort:
		if err := numbers(annex, &a, &b); err != nil || b != 1 && b != 2 && b != 4 {
			return nil, fmt.Errorf("port and size %q: %w", annex, err)
		}
		q := manipulate(apiReadPort, s.processor)
		le.PutUint64(q[16:], a)
		le.PutUint32(q[24:], uint32(b))
		got, err := t.ask(ctx, fmt.Sprintf("reading port %x", a), q, answersAt(apiReadPort, a))
		if err != nil {
			return nil, err
		}
		return got[28 : 28+b], nil
	case targets.ControlSpace:
		if err := numbers(annex, &a, &b, &c); err != nil {
			return nil, err
		}
		return t.controlSpace(ctx, s, m, int(min(a, maxCPUs)), b, int(min(c, 1<<16)))
	case targets.SystemRegister:
		return t.systemRegister(ctx, s, m, annex)
	case targets.BusData:
		if err := numbers(annex, &a, &b, &c, &d, &e); err != nil {
			return nil, err
		}
		q := busRequest(apiGetBusData, a, b, c, d, min(e, uint64(t.chunk())))
		got, err := t.ask(ctx, "reading a bus", q, answers(apiGetBusData))
		if err != nil {
			return nil, err
		}
		return got[manipulateLen : manipulateLen+min(int(field(got).u32(32)), len(got)-manipulateLen)], nil
	case targets.PageUse:
		if err := numbers(annex, &a); err != nil {
			return nil, err
		}
		q := manipulate(apiQueryMemory, s.processor)
		le.PutUint64(q[16:], m.wide(m.address(a)))
		le.PutUint64(q[24:], 0)
		le.PutUint32(q[32:], 0)
		got, err := t.ask(ctx, fmt.Sprintf("asking what lies at 0x%x", a), q, answersAt(apiQueryMemory, m.wide(m.address(a))))
		if err != nil {
			return nil, err
		}
		return got[32:40], nil
	case targets.Search:
		return t.search(ctx, m, annex)
	}
	return nil, errors.ErrUnsupported
}

// search finds a pattern at the target. Not all targets can.
func (t *Target) search(ctx context.Context, m *machine, annex string) ([]byte, error) {
	var start, length uint64
	var text string
	if n, err := fmt.Sscanf(annex, "%x %x %s", &start, &length, &text); n != 3 {
		return nil, fmt.Errorf("start, length and pattern %q: %w", annex, err)
	}
	pattern, err := hex.DecodeString(text)
	if err != nil || len(pattern) > t.chunk() {
		return nil, fmt.Errorf("the pattern %.40q: %w", text, errors.Join(err, errors.ErrUnsupported))
	}
	q := manipulate(apiSearch, 0, pattern...)
	le := binary.LittleEndian
	le.PutUint64(q[16:], m.wide(m.address(start)))
	le.PutUint64(q[24:], length)
	le.PutUint32(q[32:], uint32(len(pattern)))
	got, err := t.ask(ctx, "searching memory", q, answers(apiSearch))
	var refused *targets.RefusedError
	switch {
	case errors.As(err, &refused) && uint32(refused.Code) == statusNotFound:
		return nil, nil
	case err != nil:
		return nil, err
	}
	return le.AppendUint64(nil, uint64(m.address(field(got).u64(16)))), nil
}

const statusNotFound = 0xc0000225

func busRequest(api uint32, kind, bus, slot, offset, length uint64) []byte {
	q := manipulate(api, 0)
	for i, v := range []uint64{kind, bus, slot, offset, length} {
		binary.LittleEndian.PutUint32(q[16+4*i:], uint32(v))
	}
	return q
}

// controlSpace reads from a processor's control space. Targets are known that crash
// when the selector or the processor does not exist, so those are refused here.
func (t *Target) controlSpace(ctx context.Context, s *stateChange, m *machine, cpu int, selector uint64, count int) ([]byte, error) {
	limit := uint64(3)
	if m.arch.PtrSize == 4 {
		limit = m.special.selector + uint64(m.special.length) - uint64(min(count, m.length))
	}
	if cpu >= max(s.processors, s.processor+1) || selector > limit || count <= 0 || count > m.length {
		return nil, &targets.RefusedError{Op: "reading control space", Text: fmt.Sprintf("there are not %d bytes at %x of processor %d", count, selector, cpu)}
	}
	d := manipulate(apiReadControl, cpu)
	binary.LittleEndian.PutUint64(d[16:], selector)
	binary.LittleEndian.PutUint32(d[24:], uint32(count))
	got, err := t.ask(ctx, fmt.Sprintf("reading the control space of processor %d", cpu), d, answersAt(apiReadControl, selector))
	if err != nil {
		return nil, err
	}
	return got[manipulateLen:], nil
}

// systemRegister is the base of a descriptor table, a selector, or a control register.
func (t *Target) systemRegister(ctx context.Context, s *stateChange, m *machine, name string) ([]byte, error) {
	at, ok := m.special.tables[name]
	if !ok {
		return nil, errors.ErrUnsupported
	}
	special, err := t.controlSpace(ctx, s, m, s.processor, m.special.selector, m.special.length)
	if err != nil {
		return nil, err
	}
	size := m.arch.PtrSize
	if name == "tr" || name == "ldtr" {
		size = 2
	}
	return binary.LittleEndian.AppendUint64(nil, field(special).at(at, size)), nil
}

// Set changes what only this kind of target has.
func (t *Target) Set(ctx context.Context, k targets.Kind, annex string, value []byte) error {
	if k == targets.DriverFiles { // at any time
		return t.setFiles(annex, string(value))
	}
	s, m, err := t.stopped()
	if err != nil {
		return err
	}
	var a, b, c, d uint64
	v := field(value)
	le := binary.LittleEndian
	switch k {
	case targets.Reboot:
		return t.leave(ctx, "rebooting", manipulate(apiReboot, s.processor))
	case targets.Crash:
		a = 0xe2
		if annex != "" {
			if err := numbers(annex, &a); err != nil {
				return err
			}
		}
		q := manipulate(apiCauseBugCheck, s.processor)
		le.PutUint32(q[16:], uint32(a))
		return t.leave(ctx, "crashing the target", q)
	case targets.MSR:
		if err := numbers(annex, &a); err != nil || len(value) != 8 {
			return fmt.Errorf("MSR %q and %d bytes: %w", annex, len(value), err)
		}
		q := manipulate(apiWriteMSR, s.processor)
		le.PutUint32(q[16:], uint32(a))
		le.PutUint64(q[20:], v.u64(0))
		_, err = t.ask(ctx, fmt.Sprintf("writing MSR %x", a), q, answersAt(apiWriteMSR, uint32(a)))
		return err
	case targets.IOPort:
		if err := numbers(annex, &a, &b); err != nil || b != 1 && b != 2 && b != 4 {
			return fmt.Errorf("port and size %q: %w", annex, err)
		}
		q := manipulate(apiWritePort, s.processor)
		le.PutUint64(q[16:], a)
		le.PutUint32(q[24:], uint32(b))
		le.PutUint32(q[28:], v.u32(0))
		_, err = t.ask(ctx, fmt.Sprintf("writing port %x", a), q, answersAt(apiWritePort, a))
		return err
	case targets.ControlSpace:
		if err := numbers(annex, &a, &b); err != nil {
			return err
		}
		if b != m.special.selector || a >= uint64(max(s.processors, s.processor+1)) || len(value) > m.special.length {
			return &targets.RefusedError{Op: "writing control space", Text: "only the special registers can be written"}
		}
		return t.writeControl(ctx, m, int(a), value)
	case targets.BusData:
		if err := numbers(annex, &a, &b, &c, &d); err != nil || len(value) > t.chunk() {
			return fmt.Errorf("bus data %q: %w", annex, err)
		}
		q := append(busRequest(apiSetBusData, a, b, c, d, uint64(len(value))), value...)
		_, err = t.ask(ctx, "writing to a bus", q, answers(apiSetBusData))
		return err
	case targets.Fill:
		return t.fill(ctx, m, annex, value)
	}
	return errors.ErrUnsupported
}

func (t *Target) fill(ctx context.Context, m *machine, annex string, pattern []byte) error {
	var start, length uint64
	space := "v"
	if n, err := fmt.Sscanf(annex+" v", "%x %x %s", &start, &length, &space); n != 3 || len(pattern) == 0 || len(pattern) > t.chunk() || length > 1<<32-1 {
		return fmt.Errorf("filling %q with %d bytes: %w", annex, len(pattern), errors.Join(err, errors.ErrUnsupported))
	}
	q := manipulate(apiFill, 0, pattern...)
	le := binary.LittleEndian
	le.PutUint64(q[16:], m.wide(m.address(start)))
	le.PutUint32(q[24:], uint32(length))
	le.PutUint16(q[28:], 1)
	if space == "p" {
		le.PutUint64(q[16:], start)
		le.PutUint16(q[28:], 2)
	}
	le.PutUint16(q[30:], uint16(len(pattern)))
	_, err := t.ask(ctx, "filling memory", q, answers(apiFill))
	return err
}

// leave sends what the target goes on from without an answer, and tells that it does.
func (t *Target) leave(ctx context.Context, op string, request []byte) error {
	return t.l.do(ctx, &ask{op: op, kind: typeManipulate, data: request, runs: true, then: func(a *ask) {
		if t.continued(a); a.err == nil {
			t.put(targets.Running{Text: op})
		}
	}})
}
