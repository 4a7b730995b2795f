package kd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// manipulate is a request with its union and tail to be filled in.
func manipulate(api uint32, processor int, tail ...byte) []byte {
	d := make([]byte, manipulateLen, manipulateLen+len(tail))
	binary.LittleEndian.PutUint32(d, api)
	binary.LittleEndian.PutUint16(d[6:], uint16(processor))
	binary.LittleEndian.PutUint32(d[8:], statusPending)
	return append(d, tail...)
}

// answers tells the reply to a request of this API.
func answers(api uint32) func([]byte) bool {
	return func(d []byte) bool { return len(d) >= manipulateLen && field(d).u32(0) == api }
}

// answersAt tells it by the address or handle it echoes too; what is beside a handle
// of 32 bits is anything.
func answersAt[T uint32 | uint64](api uint32, at T) func([]byte) bool {
	return func(d []byte) bool {
		return len(d) >= manipulateLen && field(d).u32(0) == api && T(field(d).u64(16)) == at
	}
}

// ask sends a request and returns its reply. A refusal is a *targets.RefusedError.
func (t *Target) ask(ctx context.Context, op string, data []byte, reply func([]byte) bool) ([]byte, error) {
	a := &ask{op: op, kind: typeManipulate, data: data, reply: reply, again: field(data).u32(0) != apiWritePort}
	if err := t.l.do(ctx, a); err != nil {
		return nil, err
	}
	if status := field(a.got).u32(8); int32(status) < 0 {
		return a.got, &targets.RefusedError{Op: op, Code: int(status), Text: fmt.Sprintf("the target refused (NTSTATUS 0x%X)", status)}
	}
	return a.got, nil
}

// reading picks the request for a space.
func reading(s targets.Space, virtual, physical uint32) (uint32, error) {
	switch {
	case s.Process != 0 || s.Root != 0 || s.CPU != 0:
		return 0, fmt.Errorf("memory of another address space: %w", errors.ErrUnsupported)
	case s.Physical:
		return physical, nil
	}
	return virtual, nil
}

// ReadMemory reads virtual memory as the stopped processor maps it, or physical
// memory. Our traps do not show.
func (t *Target) ReadMemory(ctx context.Context, s targets.Space, addr arch.Addr, p []byte) (int, error) {
	api, err := reading(s, apiReadVirtual, apiReadPhysical)
	if err != nil {
		return 0, err
	}
	_, m, err := t.stopped()
	if err != nil {
		return 0, err
	}
	for n := 0; n < len(p); {
		at := m.wide(addr + arch.Addr(n))
		if s.Physical {
			at = uint64(addr) + uint64(n)
		}
		want := min(len(p)-n, t.chunk())
		d := manipulate(api, 0)
		binary.LittleEndian.PutUint64(d[16:], at)
		binary.LittleEndian.PutUint32(d[24:], uint32(want))
		got, err := t.ask(ctx, fmt.Sprintf("reading memory at 0x%x", uint64(addr)+uint64(n)), d, answersAt(api, at))
		var refused *targets.RefusedError
		if err != nil && !errors.As(err, &refused) {
			return n, err
		}
		k := min(int(field(got).u32(28)), len(got)-manipulateLen, want)
		copy(p[n:], got[manipulateLen:manipulateLen+max(k, 0)])
		if n += max(k, 0); k < want {
			if !s.Physical {
				t.mask(addr, p[:n])
			}
			return n, &targets.FaultError{Addr: addr + arch.Addr(n)}
		}
	}
	if !s.Physical {
		t.mask(addr, p)
	}
	return len(p), nil
}

// WriteMemory writes virtual or physical memory.
func (t *Target) WriteMemory(ctx context.Context, s targets.Space, addr arch.Addr, p []byte) (int, error) {
	api, err := reading(s, apiWriteVirtual, apiWritePhysical)
	if err != nil {
		return 0, err
	}
	_, m, err := t.stopped()
	if err != nil {
		return 0, err
	}
	for n := 0; n < len(p); {
		at := m.wide(addr + arch.Addr(n))
		if s.Physical {
			at = uint64(addr) + uint64(n)
		}
		piece := p[n:min(len(p), n+t.chunk())]
		d := manipulate(api, 0, piece...)
		binary.LittleEndian.PutUint64(d[16:], at)
		binary.LittleEndian.PutUint32(d[24:], uint32(len(piece)))
		got, err := t.ask(ctx, fmt.Sprintf("writing memory at 0x%x", uint64(addr)+uint64(n)), d, answersAt(api, at))
		var refused *targets.RefusedError
		if err != nil && !errors.As(err, &refused) {
			return n, err
		}
		k := min(int(field(got).u32(28)), len(piece))
		if n += k; k < len(piece) {
			return n, &targets.FaultError{Addr: addr + arch.Addr(n), Write: true}
		}
	}
	return len(p), nil
}

// context returns the raw context of a processor, read once a stop.
func (t *Target) context(ctx context.Context, cpu int) ([]byte, error) {
	t.mu.Lock()
	c := t.contexts[cpu%maxCPUs]
	t.mu.Unlock()
	if c != nil {
		return c, nil
	}
	got, err := t.ask(ctx, fmt.Sprintf("reading the registers of processor %d", cpu), manipulate(apiGetContext, cpu), answers(apiGetContext))
	if err != nil {
		return nil, err
	}
	c = got[manipulateLen:]
	t.mu.Lock()
	t.contexts[cpu%maxCPUs] = c
	t.mu.Unlock()
	return c, nil
}

func (t *Target) setContext(ctx context.Context, cpu int, context []byte) error {
	d := manipulate(apiSetContext, cpu, context...)
	copy(d[16:20], context)
	if _, err := t.ask(ctx, fmt.Sprintf("writing the registers of processor %d", cpu), d, answers(apiSetContext)); err != nil {
		return err
	}
	t.mu.Lock()
	t.contexts[cpu%maxCPUs] = context
	t.mu.Unlock()
	return nil
}

// Registers reads a processor's context.
func (t *Target) Registers(ctx context.Context, id targets.ThreadID) (*arch.Registers, error) {
	s, m, err := t.stopped()
	if err != nil {
		return nil, err
	}
	cpu, err := t.processorOf(id, s)
	if err != nil {
		return nil, err
	}
	c, err := t.context(ctx, cpu)
	if err != nil {
		return nil, err
	}
	return m.registers(c), nil
}

// SetRegisters writes a processor's context: what r knows over what was read.
func (t *Target) SetRegisters(ctx context.Context, id targets.ThreadID, r *arch.Registers) error {
	s, m, err := t.stopped()
	if err != nil {
		return err
	}
	cpu, err := t.processorOf(id, s)
	if err != nil {
		return err
	}
	c, err := t.context(ctx, cpu)
	if err != nil {
		return err
	}
	c = append([]byte(nil), c...)
	m.patch(c, r)
	return t.setContext(ctx, cpu, c)
}
