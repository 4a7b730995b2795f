package engine

import (
	"context"
	"errors"
	"fmt"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// frameOf lets locations ask about a frame; m is the image they come from.
type frameOf struct {
	l   *loop
	f   *Frame
	m   *Module
	mem symbols.Memory
}

func (f *frameOf) Registers() *arch.Registers {
	if f.f == nil {
		return arch.NewRegisters(f.l.arch.DefaultSet())
	}
	return f.f.Regs
}

func (f *frameOf) Memory() symbols.Memory { return f.mem }

func (f *frameOf) Base() arch.Addr {
	if f.m == nil {
		return 0
	}
	return f.m.Base
}

func (f *frameOf) CFA(context.Context) (arch.Addr, error) {
	if f.f == nil || f.f.CFA == 0 {
		return 0, &symbols.UnavailableError{Reason: "the frame's base address is not known"}
	}
	return f.f.CFA, nil
}

// TLS asks the far end; programs under a plain gdbserver have libthread_db there.
func (f *frameOf) TLS(ctx context.Context, off uint64) (arch.Addr, error) {
	var known *symbols.UnavailableError
	if sys, ok := f.l.o.System.(threadLocal); ok && f.f != nil && f.m != nil {
		base := f.l.threadBase(ctx, f.f)
		if finder, ok := sys.(threadFinder); ok && base == 0 {
			a, err := finder.ThreadPointer(ctx, &world{ctx, f.l, f.mem}, f.f.Thread.Thread)
			if isNeed(err) {
				return 0, err
			}
			base = a
		}
		a, err := sys.TLS(ctx, &world{ctx, f.l, f.mem}, base, f.m.Module, off)
		if err == nil || isNeed(err) {
			return a, err
		}
		errors.As(err, &known)
	}
	q, ok := f.l.t.(targets.Queryer)
	if !ok || f.f == nil || f.m == nil {
		return 0, &symbols.UnavailableError{Reason: "thread-local storage cannot be found here"}
	}
	annex := fmt.Sprintf("%x %x %x", f.f.Thread.Thread, off, uint64(f.m.Dynamic))
	p, err := q.Query(ctx, targets.TLSAddress, annex)
	switch {
	case err != nil && known != nil:
		return 0, known
	case err != nil:
		return 0, &symbols.UnavailableError{Reason: "thread-local storage: " + err.Error()}
	}
	if len(p) > 8 {
		p = p[:8]
	}
	return arch.Addr(f.l.uint(p)), nil
}

// threadLocal is a System that finds thread-local storage itself. thread is the
// thread pointer.
type threadLocal interface {
	TLS(ctx context.Context, w systems.World, thread arch.Addr, m targets.Module, off uint64) (arch.Addr, error)
}

// threadFinder is a System that finds the thread pointer of a thread where no
// register tells it.
type threadFinder interface {
	ThreadPointer(ctx context.Context, w systems.World, tid int64) (arch.Addr, error)
}

// threadBase is the thread pointer of a frame's thread, 0 unknown.
func (l *loop) threadBase(ctx context.Context, f *Frame) arch.Addr {
	if t := l.threads.find(f.Thread); t != nil && t.Base != 0 {
		return t.Base
	}
	for _, name := range []string{"fs_base", "tpidr_el0", "tpidr", "tp"} {
		if v, ok := f.Regs.Get(name); ok {
			return arch.Addr(v)
		}
	}
	return 0
}

func (f *frameOf) Caller(ctx context.Context) (symbols.Frame, error) {
	if f.f == nil {
		return nil, nil
	}
	c, err := f.l.callerFrame(ctx, f.f, f.mem)
	if err != nil || c == nil {
		return nil, err
	}
	return &frameOf{f.l, c, c.Module, f.mem}, nil
}
