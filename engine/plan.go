package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// sprang reports whether thread id at pc sprang one of the plan's own traps.
func (p *plan) sprang(ctx context.Context, l *loop, id targets.ThreadID, pc arch.Addr) bool {
	for _, t := range p.leg.temps {
		if t.addr != pc {
			continue
		}
		if t.any {
			return true
		}
		machine := l.t.Info().Machine
		if id != p.thread && !machine {
			continue
		}
		r, err := l.quick(ctx, id)
		if err != nil || t.minSP != 0 && r.SP() < t.minSP || machine && !p.sameStack(t, id, r) {
			continue
		}
		if !t.frame || p.side(ctx, l, r) >= 0 {
			p.thread = id
			return true
		}
	}
	return false
}

// sameStack reports whether the task on a CPU is the one that steps: a task that waits in
// what is stepped over lets others run on its CPU, and may go on on another.
func (p *plan) sameStack(t temp, id targets.ThreadID, r *arch.Registers) bool {
	ref := p.mark.sp
	if t.minSP > 1 {
		ref = t.minSP
	}
	if t.body || t.jump || ref == 0 { // of a step back no stack is known
		return id == p.thread && (!t.body || p.ownStack(r.SP()))
	}
	return id == p.thread && t.minSP == 1 || max(r.SP(), ref)-min(r.SP(), ref) < kernelStack
}

// bound has the far end tell by itself, where it can, whether a trap is sprung in a
// frame further in than the plan's: else each activation of a recursive function that
// comes by costs two round trips. What it tells is judged here too: it may be another
// thread that it tells of.
func (p *plan) bound(l *loop) {
	set := l.t.Info().Set
	if l.t.Info().Limits.Bits&targets.Conditions == 0 || set == nil || p.how.Reverse || l.traps.patch {
		return
	}
	for i := range p.leg.temps {
		t := &p.leg.temps[i]
		if t.bound || t.any || t.hard {
			continue
		}
		t.bound = true
		switch {
		case t.frame && p.mark.cfa != 0:
			if reg, off, ok := l.cfaAt(t.addr); ok {
				t.when = notBelow(reg, off, p.mark.cfa)
			}
		case t.minSP > 1:
			if reg, ok := set.Index(l.arch.SP); ok {
				t.when = notBelow(reg, 0, t.minSP)
			}
		}
	}
}

// notBelow is code that is true where a register plus off is at least a.
func notBelow(reg int, off int32, a arch.Addr) []byte {
	be := binary.BigEndian
	code := be.AppendUint16([]byte{agReg}, uint16(reg))
	code = append(be.AppendUint32(append(code, agConst32), uint32(off)), agExt, 32, agAdd)
	return append(be.AppendUint64(append(code, agConst64), uint64(a)), agLessUnsigned, agNot, agEnd)
}

// cfaAt tells where frames lie at code address a: so far from a register.
func (l *loop) cfaAt(a arch.Addr) (reg int, off int32, ok bool) {
	for try, which := range []uint64{0, 5} {
		f, known := l.frameLike(a, which)
		if !known || f.CFA == 0 {
			return 0, 0, false
		}
		at, dist, found := f.nearest(f.CFA, which)
		if !found || try > 0 && (at != reg || dist != off) {
			return 0, 0, false
		}
		reg, off = at, dist
	}
	return reg, off, true
}

// side compares the frame of r with the plan's: -1 further in, 0 the same, +1 further out.
func (p *plan) side(ctx context.Context, l *loop, r *arch.Registers) int {
	if inKernel(p.mark.sp) && !inKernel(r.PC()) {
		return 1 // the kernel is left for the program that called it
	}
	cfa := l.cfaOf(ctx, r)
	switch {
	case cfa != 0 && p.mark.cfa != 0:
		return compare(cfa, p.mark.cfa)
	case p.mark.fn != 0 && l.functionAt(r.PC()) == p.mark.fn && (r.FP() == p.mark.fp || r.SP() == p.mark.sp):
		return 0
	}
	return compare(r.SP(), p.mark.sp)
}

func compare(a, b arch.Addr) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (l *loop) markOf(ctx context.Context, r *arch.Registers) mark {
	return mark{cfa: l.cfaOf(ctx, r), sp: r.SP(), fp: r.FP(), fn: l.functionAt(r.PC())}
}

// begin makes the first leg; done means that nothing has to run.
func (p *plan) begin(ctx context.Context, l *loop) (done bool, err error) {
	if p.how.Kind == Go || p.how.Reverse {
		if p.how.Reverse {
			err = p.beginBack(ctx, l)
		}
		p.until()
		return false, err
	}
	r, err := l.quick(ctx, p.thread)
	if err != nil {
		return false, err
	}
	if m, ok := l.moduleAt(r.PC()); ok {
		_ = l.need(ctx, m)
	}
	if p.mark = l.markOf(ctx, r); p.mark.cfa == 0 { // what came with the stop may not tell it
		if r, err = l.registers(ctx, p.thread); err != nil {
			return false, err
		}
		p.mark = l.markOf(ctx, r)
	}
	p.home = l.leavingAt(r.PC())
	switch {
	case p.how.Kind == StepOut:
		return false, p.stepOut(ctx, l, p.how.Frame)
	case p.how.Unit == ByInstruction || p.how.UntilKind != AnyInstruction:
		err = p.instruction(ctx, l, r)
	default:
		done, err = p.line(ctx, l, r)
	}
	p.until()
	return done, err
}

// until adds the temporary breakpoints the user asked for.
func (p *plan) until() {
	for _, a := range p.how.Until {
		p.leg.temps = append(p.leg.temps, temp{addr: a, any: true, hard: p.how.Hardware})
	}
}

// instruction steps one instruction; over a call by a trap behind it.
func (p *plan) instruction(ctx context.Context, l *loop, r *arch.Registers) error {
	p.leg = leg{kind: targets.Step, brief: true}
	in, err := l.decode(ctx, r.PC())
	if err != nil {
		return nil // the CPU knows better
	}
	over := p.how.Kind == StepOver && (in.Kind == arch.Call || repeats(in))
	if over {
		p.leg = leg{kind: targets.Go, temps: []temp{{addr: r.PC() + arch.Addr(in.Len), minSP: r.SP()}}}
	}
	return nil
}

func repeats(in arch.Inst) bool { return strings.HasPrefix(in.Op, "rep") }

// stepOut runs to where frame n returns to.
func (p *plan) stepOut(ctx context.Context, l *loop, n int) error {
	if n == 0 {
		if f := l.returnSoon(ctx, p.thread); f != nil && !l.inlinedAt(f.PC) {
			p.leaves(l, f, l.leavingAt(f.PC))
			return nil
		}
	}
	st, err := l.stack(ctx, p.thread, n+2)
	if err != nil {
		return err
	}
	if n >= len(st) {
		return fmt.Errorf("there is no frame %d", n)
	}
	f := st[n]
	if f.Inlined && f.level == 0 {
		return p.leaveInline(ctx, l, f)
	}
	if f.Return == 0 {
		return errors.New("this frame returns to nobody known")
	}
	p.leaves(l, f, leaving{f.code.Scope, f.code.Module})
	return nil
}

// leaves makes the leg that ends where f, of the function home, returns to.
func (p *plan) leaves(l *loop, f *Frame, home leaving) {
	p.out, p.home = true, home
	if f.CFA != 0 {
		p.mark.cfa, p.mark.fn = f.CFA, 0
	}
	p.leg = leg{kind: targets.Go, temps: []temp{returnTemp(f, l.arch)}}
}

// inlinedAt reports whether inlined calls lie at pc.
func (l *loop) inlinedAt(pc arch.Addr) bool {
	m, ok := l.moduleAt(pc)
	return ok && m.Image != nil && len(m.scopes(m.offset(pc))) > 1
}

// sprung is the leg's trap at pc.
func (g leg) sprung(pc arch.Addr) temp {
	for _, t := range g.temps {
		if t.addr == pc {
			return t
		}
	}
	return temp{}
}

// inKernel reports whether a is in the kernel's half of a 64-bit machine.
func inKernel(a arch.Addr) bool { return int64(a) < 0 }

// returnTemp is a trap that f's return springs, and no deeper activation's.
func returnTemp(f *Frame, a *arch.Arch) temp {
	t := temp{addr: f.Return, minSP: f.CFA, ret: true}
	if inKernel(f.CFA) && !inKernel(f.Return) { // the program's stack lies elsewhere
		t.minSP = 1
	}
	if t.minSP == 0 {
		t.minSP = f.ChildSP
		if a.Link == "" {
			t.minSP++
		}
	}
	return t
}

// next is asked after each stop of the plan's thread that the plan caused.
func (p *plan) next(ctx context.Context, l *loop, pc arch.Addr) (done bool) {
	p.strangers, p.waits, p.crawl = 0, 0, 0
	if p.count++; p.count > maxLegs {
		return true
	}
	for _, t := range p.leg.temps {
		if t.any && t.addr == pc {
			return true
		}
		if t.catch && t.addr == pc {
			p.caught(ctx, l)
			return false
		}
		if t.jump && t.addr == pc {
			p.leap(l, pc)
			return false
		}
	}
	if p.leaping != nil {
		r, err := l.quick(ctx, p.thread)
		return err != nil || p.landed(ctx, l, r)
	}
	if p.back != nil {
		if done = p.nextBack(ctx, l, pc); !done {
			p.until()
		}
		return done
	}
	if p.how.Reverse || p.how.Kind == Go {
		return p.how.Reverse
	}
	if p.how.Kind == StepOut && p.out {
		if p.leg.sprung(pc).ret {
			l.left(p.home)
		}
		return true
	}
	r, err := l.quick(ctx, p.thread)
	if err != nil {
		return true
	}
	if p.how.Unit == ByInstruction || p.how.UntilKind != AnyInstruction {
		return p.nextInstruction(ctx, l, r)
	}
	done, err = p.nextLine(ctx, l, r)
	if !done {
		p.until()
	}
	return done || err != nil
}

// kinds says which instructions end a step of an UntilKind.
var kinds = map[UntilKind]map[arch.Kind]bool{
	NextCall:         {arch.Call: true},
	NextReturn:       {arch.Return: true},
	NextCallOrReturn: {arch.Call: true, arch.Return: true},
	NextBranch:       {arch.Call: true, arch.Return: true, arch.Jump: true, arch.CondJump: true, arch.Syscall: true},
}

func (p *plan) nextInstruction(ctx context.Context, l *loop, r *arch.Registers) (done bool) {
	if p.how.UntilKind == AnyInstruction {
		return true
	}
	in, err := l.decode(ctx, r.PC())
	if err != nil || kinds[p.how.UntilKind][in.Kind] {
		return true
	}
	_ = p.instruction(ctx, l, r)
	p.until()
	return false
}
