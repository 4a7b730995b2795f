package engine

import (
	"context"
	"errors"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// This file looks at a machine from the address space of a task: what the far end
// cannot read by a page table root is translated here, over physical memory.

// here is the address space that is looked at: the stop's, or that of SetPlace.
func (l *loop) here() targets.Space { return targets.Space{Root: l.place.Root} }

// orHere is s, or what is looked at for its zero value.
func (l *loop) orHere(s targets.Space) targets.Space {
	if s == spaceHere {
		return l.here()
	}
	return s
}

// Place is what SetPlace set; its zero value is the selected thread's own.
func (v *View) Place() systems.Context { return v.l.place }

// SetPlace has everything looked at from a task: its registers, as SetContext does, and
// its address space. The zero value goes back; so does the next resume.
func (v *View) SetPlace(ctx context.Context, at systems.Context) error {
	l := v.l
	if at.Root != 0 {
		if _, err := l.paging(ctx); err != nil {
			return err
		}
	}
	v.SetContext(at.Registers)
	l.place = at
	l.forgetWalks()
	l.o.Emit(Invalidated{Memory: true})
	return nil
}

// forgetRooted goes back to the stop's address space.
func (l *loop) forgetRooted() {
	if l.place.Root != 0 {
		l.forgetWalks()
	}
	l.place = systems.Context{}
}

// StackAt unwinds at most limit frames from there. What is looked at stays.
func (v *View) StackAt(ctx context.Context, at systems.Context, limit int) (*Stack, error) {
	was := v.l.place
	v.l.place.Root = at.Root
	defer func() { v.l.place = was }()
	r := at.Registers
	if r == nil {
		var err error
		if r, err = v.l.registers(ctx, v.l.selected); err != nil {
			return nil, err
		}
	}
	return v.StackFrom(ctx, r, limit)
}

// World is what a System sees of the debuggee; its reads fetch at once.
func (v *View) World(ctx context.Context) systems.World {
	return &world{ctx, v.l, &nowMemory{v.l, v.l.here()}}
}

// System is what knows the debuggee's operating system, nil for none.
func (s *Session) System() systems.System { return s.l.o.System }

// Selected is the thread that is looked at.
func (v *View) Selected() targets.ThreadID { return v.l.selected }

// cr4LongAddresses is CR4.LA57: five levels (Intel SDM volume 3, 2.5).
const cr4LongAddresses = 1 << 12

// paging is how the machine translates addresses. A far end that shows no CR4 has
// four levels.
func (l *loop) paging(ctx context.Context) (*arch.Paging, error) {
	if s, ok := l.o.System.(interface{ Paging() *arch.Paging }); ok && l.arch == arch.I386 {
		return s.Paging(), nil // it knows what the far end may not show
	}
	if l.arch != arch.AMD64 {
		return nil, errors.ErrUnsupported
	}
	r, err := l.registers(ctx, l.selected)
	if err != nil {
		return nil, err
	}
	if cr4, ok := r.Get("cr4"); ok && cr4&cr4LongAddresses != 0 {
		return arch.FiveLevel, nil
	}
	return arch.FourLevel, nil
}

// spaceReader reads or writes p at an address of a space that the far end knows.
type spaceReader func(s targets.Space, a arch.Addr, p []byte) (int, error)

// throughTables has access reach p at addr of the address space with a root, a page at a time. Where
// each address space has the system in its upper half, that is read as the stop sees
// it, so that what we planted there is masked; and by the root where the stop cannot.
func (l *loop) throughTables(ctx context.Context, root uint64, addr arch.Addr, p []byte, access, look spaceReader) (int, error) {
	tables, err := l.paging(ctx)
	if err != nil {
		return 0, err
	}
	for done := 0; done < len(p); {
		a := addr + arch.Addr(done)
		part := p[done:min(len(p), done+faultSize-int(a%faultSize))]
		n, err := 0, error(&targets.FaultError{Addr: a})
		if int64(a) < 0 || l.arch == arch.I386 && a>>31 == 1 {
			n, err = access(spaceHere, a, part)
		}
		if fault := (*targets.FaultError)(nil); errors.As(err, &fault) {
			n, err = throughPage(tables, root, a, part, access, look)
		}
		done += n
		if err != nil {
			return done, err
		}
	}
	return len(p), nil
}

// shown is the root by which all of the system is seen where a CPU that stopped does not
// see it, 0 where it does. It is found out when something cannot be read, once a stop.
func (l *loop) shown(ctx context.Context, look spaceReader) (uint64, error) {
	hides, ok := l.o.System.(systems.Isolator)
	if !ok || l.state != StateStopped {
		return 0, nil
	}
	if root, known := l.mem.shown[l.selected]; known {
		return root, nil
	}
	r, err := l.registers(ctx, l.selected)
	if err != nil {
		return 0, err
	}
	root, err := hides.Root(r, func(physical uint64, p []byte) error {
		_, err := look(targets.Space{Physical: true}, arch.Addr(physical), p)
		return err
	})
	if need := (*symbols.NeedError)(nil); errors.As(err, &need) {
		return 0, err
	}
	l.mem.shown[l.selected] = root
	return root, nil
}

// reveal has access reach p at addr, which the stop's own address space does not map,
// where it belongs to a system that is hidden from programs.
func (l *loop) reveal(ctx context.Context, s targets.Space, addr arch.Addr, p []byte, access, look spaceReader) (int, error) {
	none := &targets.FaultError{Addr: addr}
	if s != spaceHere || int64(addr) >= 0 {
		return 0, none
	}
	root, err := l.shown(ctx, look)
	if err != nil {
		return 0, err
	}
	tables, err := l.paging(ctx)
	if root == 0 || err != nil {
		return 0, none
	}
	for done := 0; done < len(p); {
		a := addr + arch.Addr(done)
		n, err := throughPage(tables, root, a, p[done:min(len(p), done+faultSize-int(a%faultSize))], access, look)
		if done += n; err != nil {
			return done, err
		}
	}
	return len(p), nil
}

// throughPage is throughTables within one page.
func throughPage(tables *arch.Paging, root uint64, a arch.Addr, p []byte, access, look spaceReader) (int, error) {
	page, err := tables.Walk(a, root, func(physical uint64, q []byte) error {
		_, err := look(targets.Space{Physical: true}, arch.Addr(physical), q)
		return err
	})
	if none := (*arch.TranslateError)(nil); errors.As(err, &none) {
		return 0, &targets.FaultError{Addr: a}
	}
	if err != nil {
		return 0, err
	}
	n, err := access(targets.Space{Physical: true}, arch.Addr(page.Physical), p)
	if fault := (*targets.FaultError)(nil); errors.As(err, &fault) {
		err = &targets.FaultError{Addr: a + arch.Addr(n), Write: fault.Write}
	}
	return n, err
}
