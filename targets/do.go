package targets

import (
	"context"
	"errors"

	"dap-windbg/arch"
)

// Op is one operation of a flight. Its result fields are set when Do returns.
type Op interface{ op() }

// MemoryRead reads len(Data) bytes. N is how many are good.
type MemoryRead struct {
	Space Space
	Addr  arch.Addr
	Data  []byte
	N     int
	Err   error
}

// MemoryWrite writes Data.
type MemoryWrite struct {
	Space Space
	Addr  arch.Addr
	Data  []byte
	Err   error
}

// RegistersRead reads one thread's registers.
type RegistersRead struct {
	Thread ThreadID
	// Also are registers to be asked for one by one where the far end does not tell
	// them with the rest (QEMU: those of the floating-point unit).
	Also []string
	Regs *arch.Registers
	Err  error
}

// RegistersWrite sets one thread's registers.
type RegistersWrite struct {
	Thread ThreadID
	Regs   *arch.Registers
	Err    error
}

// ThreadsRead lists threads.
type ThreadsRead struct {
	Threads []Thread
	Err     error
}

// ModulesRead lists modules.
type ModulesRead struct {
	Modules []Module
	Err     error
}

// TrapSet plants, TrapClear lifts.
type TrapSet struct {
	Trap Trap
	Err  error
}

// TrapClear lifts a trap.
type TrapClear struct {
	Trap Trap
	Err  error
}

// Run resumes; it may only be the last Op of a flight.
type Run struct {
	Resume Resume
	Err    error
}

func (*MemoryRead) op()     {}
func (*MemoryWrite) op()    {}
func (*RegistersRead) op()  {}
func (*RegistersWrite) op() {}
func (*ThreadsRead) op()    {}
func (*ModulesRead) op()    {}
func (*TrapSet) op()        {}
func (*TrapClear) op()      {}
func (*Run) op()            {}

// Do carries out ops: in one flight when t is a Batcher, else one by one. An
// error of one Op is in the Op; the returned error means the wire is lost or ctx ended.
func Do(ctx context.Context, t Target, ops ...Op) error {
	if len(ops) == 0 {
		return nil
	}
	if b, ok := t.(Batcher); ok {
		return b.Do(ctx, ops)
	}
	for _, op := range ops {
		if err := one(ctx, t, op); err != nil {
			return err
		}
	}
	return nil
}

// one carries out a single Op through the plain interfaces and returns only
// errors that end the flight.
func one(ctx context.Context, t Target, op Op) error {
	var err *error
	switch o := op.(type) {
	case *MemoryRead:
		err = &o.Err
		o.N, o.Err = t.ReadMemory(ctx, o.Space, o.Addr, o.Data)
	case *RegistersRead:
		err = &o.Err
		o.Regs, o.Err = t.Registers(ctx, o.Thread)
	case *ThreadsRead:
		err = &o.Err
		o.Threads, o.Err = t.Threads(ctx)
	case *ModulesRead:
		err = &o.Err
		o.Err = errors.ErrUnsupported
		if l, ok := t.(ModuleLister); ok {
			o.Modules, o.Err = l.Modules(ctx)
		}
	case *MemoryWrite:
		err = &o.Err
		o.Err = errors.ErrUnsupported
		if w, ok := t.(Writer); ok {
			_, o.Err = w.WriteMemory(ctx, o.Space, o.Addr, o.Data)
		}
	case *RegistersWrite:
		err = &o.Err
		o.Err = errors.ErrUnsupported
		if w, ok := t.(Writer); ok {
			o.Err = w.SetRegisters(ctx, o.Thread, o.Regs)
		}
	case *TrapSet:
		err = &o.Err
		o.Err = errors.ErrUnsupported
		if p, ok := t.(Trapper); ok {
			o.Err = p.SetTrap(ctx, o.Trap)
		}
	case *TrapClear:
		err = &o.Err
		o.Err = errors.ErrUnsupported
		if p, ok := t.(Trapper); ok {
			o.Err = p.ClearTrap(ctx, o.Trap)
		}
	case *Run:
		err = &o.Err
		o.Err = errors.ErrUnsupported
		if r, ok := t.(Runner); ok {
			o.Err = r.Resume(ctx, o.Resume)
		}
	}
	if *err != nil && (ctx.Err() != nil || errors.Is(*err, ErrGone)) {
		return *err
	}
	return nil
}
