package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// This file is about machines: modules that lie in parts, names that only memory has.

// holds reports whether a lies in m.
func (m *Module) holds(a arch.Addr) bool {
	if m.Parts == nil {
		return a >= m.Base && uint64(a-m.Base) < m.span()
	}
	return slices.ContainsFunc(m.Parts, func(p targets.Part) bool { return a >= p.Addr && uint64(a-p.Addr) < p.Size })
}

// freed reports whether a, which m's symbols name, lies in a part that is gone.
func (m *Module) freed(a arch.Addr) bool { return m.Parts != nil && !m.holds(a) }

// inFreed reports whether a lies in a part of a module that is gone, and nowhere else.
func (l *loop) inFreed(a arch.Addr) bool {
	if _, ok := l.moduleAt(a); ok {
		return false
	}
	return slices.ContainsFunc(l.modules.rows, func(m *Module) bool {
		return m.freed(a) && m.Image != nil && a >= m.Base && uint64(a-m.Base) < m.Image.Size()
	})
}

// listMore takes an incomplete list, opens the symbols of its main image and asks again,
// once; what is still missing is asked for at the next stop.
func (l *loop) listMore(ctx context.Context, list []targets.Module) (came, went []*Module, err error) {
	came, went = l.tookModules(list)
	if i := slices.IndexFunc(l.modules.rows, func(m *Module) bool { return m.Main }); i >= 0 {
		if err := l.need(ctx, l.modules.rows[i]); err != nil {
			return came, went, err
		}
		more, err := l.moduleList(ctx)
		if err == nil {
			later, gone := l.tookModules(more)
			l.modules.stale = false
			return append(came, later...), append(went, gone...), nil
		}
	}
	l.modules.stale = true
	return came, went, nil
}

// system runs a question to the System over the stop's memory; false when it cannot be
// answered, as while the debuggee runs.
func (l *loop) system(ctx context.Context, ask func(context.Context, systems.World) error) bool {
	if l.state != StateStopped {
		return false
	}
	err := l.gather(ctx, spaceHere, 0, func(ctx context.Context, mem symbols.Memory) error {
		return ask(ctx, &world{ctx, l, mem})
	})
	if err != nil {
		l.o.Log.Debug().Err(err).Msg("asking the system")
	}
	return err == nil
}

// arrange finds out where m's sections lie or what identifies its file, which opening that takes; false when
// that has to wait for a stop.
func (l *loop) arrange(ctx context.Context, m *Module) bool {
	p, places := l.o.System.(systems.Placer)
	id, identifies := l.o.System.(systems.Identifier)
	if !places && !identifies || m.placed || l.modules.opening[m.Base] != nil {
		return true
	}
	if l.state != StateStopped {
		return false
	}
	m.placed = l.system(ctx, func(ctx context.Context, w systems.World) (err error) {
		if places {
			return p.Place(ctx, w, m.Module)
		}
		m.Module, err = id.Identify(ctx, w, m.Module)
		return err
	})
	return true
}

// namesFromSystem gives m what names the debuggee has of it, once, when no file was found.
func (l *loop) namesFromSystem(ctx context.Context, m *Module) {
	if !m.Tried || m.Image != nil || m.inMemory || l.state != StateStopped {
		return
	}
	m.inMemory = true
	var img symbols.Image
	l.system(ctx, func(ctx context.Context, w systems.World) error {
		var err error
		img, err = l.o.System.(systems.Namer).Image(ctx, w, m.Module)
		return err
	})
	if img == nil {
		return
	}
	m.Image = img
	l.o.Emit(ModuleEvent{Module: *m, Change: SymbolsChanged})
}

// nameless does so for those of ms that were looked for in vain.
func (l *loop) nameless(ctx context.Context, ms []*Module) {
	if _, ok := l.o.System.(systems.Namer); !ok {
		return
	}
	for _, m := range ms {
		if m != nil {
			l.namesFromSystem(ctx, m)
		}
	}
}

// watchNotices plants hidden traps at the functions that tell of changes, and at those
// that the machine goes down by.
func (l *loop) watchNotices(n systems.Noticer) {
	l.modules.single, l.modules.phased, l.modules.between = true, false, false
	for _, name := range n.Notices() {
		if a, ok := l.mainFunction(name); ok {
			l.modules.watch = append(l.modules.watch, a)
		}
	}
	l.armed.fatal = map[arch.Addr]string{}
	if f, ok := l.o.System.(systems.Fatal); ok {
		for _, name := range f.Fatal() {
			if a, ok := l.mainFunction(name); ok {
				l.armed.fatal[a] = name
			}
		}
	}
}

// tellActive has the far end know where the system in it keeps which processor is in its
// debugger, if that is where we are.
func (l *loop) tellActive(ctx context.Context) {
	d, ok := l.o.System.(systems.Inner)
	q, asks := l.t.(targets.Queryer)
	if !ok || !asks || !l.oneSteps() {
		return
	}
	l.alone, _ = l.mainSymbol(d.StepsAlone(), symbols.Data)
	l.stood, _ = l.mainSymbol(d.Standing(), symbols.Data)
	l.untrapped = nil
	for _, name := range d.Untrapped() {
		if a, ok := l.mainFunction(name); ok {
			l.untrapped = append(l.untrapped, l.untrappedAt(name, a))
		}
	}
	if a, ok := l.mainSymbol(d.ActiveCPU(), symbols.Data); ok {
		_ = q.Set(ctx, targets.ActiveCPU, "", binary.LittleEndian.AppendUint64(nil, uint64(a))) // it finds out by itself, else
	}
}

// untrapped is a function that the system's own debugger runs through itself.
type untrapped struct {
	name      string
	low, high arch.Addr
}

func (l *loop) untrappedAt(name string, at arch.Addr) untrapped {
	u := untrapped{name, at, at + 1}
	if m, ok := l.moduleAt(at); ok && m.Image != nil {
		if _, high := l.functionRange(m, m.offset(at)); m.addr(high) > at {
			u.high = m.addr(high)
		}
	}
	return u
}

// deadly refuses a software trap that the system's own debugger would run into itself.
func (l *loop) deadly(x targets.Trap) error {
	if x.Kind != targets.Software {
		return nil
	}
	for _, u := range l.untrapped {
		if x.Addr >= u.low && x.Addr < u.high {
			return &targets.RefusedError{Op: fmt.Sprintf("setting a trap at %#x", uint64(x.Addr)),
				Text: "the kernel's debugger runs through " + u.name + " itself when it sets traps, and would die of it",
				Fix:  "Set it at the next function that is called, or in its caller."}
		}
	}
	return nil
}

// mainFunction is where a function of the main image begins.
func (l *loop) mainFunction(name string) (arch.Addr, bool) {
	return l.mainSymbol(name, symbols.Function)
}

// mainSymbol is where what the main image names so lies.
func (l *loop) mainSymbol(name string, kind symbols.SymbolKind) (arch.Addr, bool) {
	for _, m := range l.modules.rows {
		if !m.Main || m.Image == nil {
			continue
		}
		for s := range m.Image.Lookup(name) {
			if s.Kind == kind && s.Name == name {
				return m.addr(s.Offset), true
			}
		}
	}
	return 0, false
}

// judgeFatal tells that the machine goes down, unless the filter lets it.
func (l *loop) judgeFatal(ctx context.Context, st *Stop, function string) (quiet bool) {
	regs, err := l.quick(ctx, st.Thread)
	if err != nil {
		return false
	}
	text := function
	l.system(ctx, func(ctx context.Context, w systems.World) error {
		last, err := l.o.System.(systems.Fatal).Last(ctx, w, function, regs)
		if last != "" {
			text = last
		}
		return err
	})
	st.Reason, st.Addr, st.Text = targets.Exception, regs.PC(), text
	st.Exception = &targets.ExceptionRecord{Name: function, Addr: regs.PC()}
	return !l.filter(FilterEvent{Code: function, Arg: text, Stop: st.Stop}).Break
}

// noticeRestart starts over when the machine was reset under us, which nobody tells. A
// step is too short for that.
func (l *loop) noticeRestart(ctx context.Context, st *Stop) {
	s, ok := l.o.System.(systems.Restarter)
	if !ok || st.Step || l.modules.stale || l.state != StateStopped {
		return
	}
	regs, err := l.quick(ctx, st.Thread)
	if err != nil {
		return
	}
	again := false
	l.system(ctx, func(ctx context.Context, w systems.World) error {
		var err error
		again, err = s.Restarted(ctx, w, regs)
		return err
	})
	if !again {
		return
	}
	l.say(Important, "The machine was restarted since the last stop: its kernel is looked for anew.\n")
	s.Forget()
	if t, ok := l.t.(targets.Rebooter); ok {
		t.Rebooted()
		l.traps = newTrapTable(l.arch)
	}
	l.modules.watch, l.armed.fatal, l.modules.heads = nil, nil, nil
	gone := l.modules.rows
	l.tookModules(nil)
	l.drop(gone)
	for _, b := range l.bps {
		b.unresolve()
	}
	l.modules.stale = true
}

// restarted drops what was known of a machine whose restart the far end tells.
func (l *loop) restarted() {
	l.say(Important, "Shutdown occurred at the target: the machine was started anew.\n")
	l.marked = nil
	if s, ok := l.o.System.(forgetter); ok {
		s.Forget()
	}
}

// dropFreed forgets places in parts of modules that are gone.
func (l *loop) dropFreed() {
	for _, b := range l.bps {
		n := len(b.addrs)
		b.places = slices.DeleteFunc(b.places, func(p placed) bool { return p.m.freed(p.addr()) })
		b.addrs = slices.DeleteFunc(b.addrs, func(a arch.Addr) bool { return l.inFreed(a) })
		if len(b.addrs) != n {
			l.o.Emit(BreakpointEvent{Status: l.status(b)})
		}
	}
}

// Task is a process or thread that the debuggee's system knows.
type Task = systems.Task

// Tasks lists what the debuggee's system knows; the far end's threads where that is no
// more than they.
func (v *View) Tasks(ctx context.Context) (list []Task, err error) {
	l := v.l
	if l.o.System == nil {
		return nil, errors.ErrUnsupported
	}
	err = l.gather(ctx, spaceHere, 0, func(ctx context.Context, mem symbols.Memory) error {
		var err error
		list, err = l.o.System.Tasks(ctx, &world{ctx, l, mem})
		return err
	})
	return list, err
}

// LookFrom has the selected thread looked at as if t ran on it, where it is switched out:
// what SetPlace does. One that runs is looked at on its own CPU.
func (v *View) LookFrom(ctx context.Context, t Task) error {
	l := v.l
	if t.CPU >= 0 {
		v.SetContext(nil)
		for _, x := range l.threads.rows {
			if x.CPU == t.CPU {
				return v.SelectThread(ctx, x.ID)
			}
		}
		return nil
	}
	at := systems.Context{Task: t, Root: t.Root}
	err := l.gather(ctx, spaceHere, 0, func(ctx context.Context, mem symbols.Memory) error {
		var err error
		at.Registers, err = l.o.System.Registers(ctx, &world{ctx, l, mem}, t)
		return err
	})
	if err != nil {
		return err
	}
	if err = v.SetPlace(ctx, at); err != nil { // no page tables to be had: the kernel's half is everybody's
		at.Root = 0
		err = v.SetPlace(ctx, at)
	}
	return err
}

// mostStill bounds how often leaving a trap is tried: an instruction may jump to itself.
const mostStill = 3

// unmoved reports whether a thread was to step off a trap and is still there: QEMU ends a
// step before the instruction when it has work of its own to do for the CPU. It is to be
// stepped again, or the trap would spring once more for the same arrival.
func (l *loop) unmoved(st *Stop, pc arch.Addr) bool {
	at, leaving := l.hits[st.Thread]
	again := leaving && at == pc && l.lifted[at] && st.Reason != targets.Breakpoint && l.still < mostStill &&
		l.t.Info().Limits.Bits&targets.HardwareAgain != 0
	if l.still++; !again {
		l.still = 0
	}
	return again
}
