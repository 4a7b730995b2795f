package engine

import (
	"context"
	"errors"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

var spaceHere = targets.Space{}

// maxFrames ends a walk whatever happens.
const maxFrames = 10_000

// walk is a stack being unwound. It goes on where a read was missing.
type walk struct {
	thread targets.ThreadID
	regs   *arch.Registers // of the next frame that has code
	kind   FrameKind
	frames []*Frame
	levels int // frames that have code
	over   bool
	whole  bool   // the outermost frame was reached
	end    string // why it ended early
}

// forgetEnd lets a walk that ended early try again: there are new symbols.
func (w *walk) forgetEnd() {
	if w.over && !w.whole {
		*w = walk{thread: w.thread}
	}
}

// forgetWalks has every stack unwound anew.
func (l *loop) forgetWalks() { l.walks = map[targets.ThreadID]*walk{} }

// walkOf returns the walk of a thread, begun.
func (l *loop) walkOf(ctx context.Context, id targets.ThreadID) (*walk, error) {
	w := l.walks[id]
	if w == nil {
		w = &walk{thread: id}
		l.walks[id] = w
	}
	if w.regs == nil && !w.over {
		r, err := l.registers(ctx, id)
		if err != nil {
			return nil, err
		}
		w.regs, w.kind, w.frames, w.levels = r, ByContext, nil, 0
	}
	return w, nil
}

// stack unwinds a thread to at least limit frames (0: all).
func (l *loop) stack(ctx context.Context, id targets.ThreadID, limit int) ([]*Frame, error) {
	w, err := l.walkOf(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := l.advance(ctx, limit, w); err != nil {
		return nil, err
	}
	return w.frames, nil
}

// advance takes walks on to limit frames each, sharing flights.
func (l *loop) advance(ctx context.Context, limit int, ws ...*walk) error {
	if limit <= 0 || limit > maxFrames {
		limit = maxFrames
	}
	window := max(stackWindow, min(limit, 1024)*64)
	if limit <= 32 {
		window = stackWindow
	}
	return l.gather(ctx, spaceHere, window, func(ctx context.Context, mem symbols.Memory) error {
		var miss error
		for _, w := range ws {
			for !w.over && len(w.frames) < limit {
				err := l.stepUp(ctx, w, mem)
				if err == nil {
					continue
				}
				if need := (*symbols.NeedError)(nil); !errors.As(err, &need) {
					return err
				}
				miss = err
				break
			}
		}
		return miss
	})
}

// stepUp adds the next frame with code, and the inlined calls in it.
func (l *loop) stepUp(ctx context.Context, w *walk, mem symbols.Memory) error {
	r := w.regs
	if m, ok := l.moduleAt(r.LookupPC()); ok && !m.Tried {
		if err := l.need(ctx, m); err != nil {
			return err
		}
	}
	if m, ok := l.moduleAt(r.LookupPC()); ok {
		l.fromMemory(ctx, m)
	}
	caller, cfa, kind, err := l.callerOf(ctx, r, w.levels, mem)
	if need := (*symbols.NeedError)(nil); errors.As(err, &need) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	ret := arch.Addr(0)
	if err == nil && caller != nil {
		ret = caller.PC()
	}
	l.addFrames(w, r, cfa, ret)
	w.levels++
	switch {
	case errors.Is(err, symbols.ErrOutermost):
		w.over, w.whole = true, true
	case err != nil:
		w.over, w.end = true, err.Error()
	case ret == 0:
		w.over, w.whole = true, true
	case caller.SP() != 0 && caller.SP() < r.SP() && l.sameStack(r.SP(), caller.SP()), caller.PC() == r.PC() && caller.SP() == r.SP():
		w.over, w.end = true, "the stack does not go on: the caller's frame lies below"
	case len(w.frames) >= maxFrames:
		w.over, w.end = true, "10,000 frames are enough"
	default:
		w.regs, w.kind = caller, kind
	}
	return nil
}

// sameStack tells a step backwards on one stack from a switch of stacks, as a
// signal handler's own stack makes it.
func (l *loop) sameStack(a, b arch.Addr) bool { return a-b < 1<<20 }

// callerOf unwinds one frame by the best means there is.
func (l *loop) callerOf(ctx context.Context, r *arch.Registers, level int, mem symbols.Memory) (*arch.Registers, arch.Addr, FrameKind, error) {
	m, in := l.moduleAt(r.LookupPC())
	if !in && !r.Interrupted {
		m, in = l.moduleAt(r.PC())
	}
	if in && m.Image != nil {
		if u, ok := m.Image.(symbols.Unwinder); ok {
			caller, cfa, err := u.Unwind(ctx, m.Base, r, mem)
			if err == nil || errors.Is(err, symbols.ErrOutermost) {
				return caller, cfa, ByCFI, err
			}
			if need := (*symbols.NeedError)(nil); errors.As(err, &need) {
				return nil, 0, ByCFI, err
			}
		}
	}
	if sys, ok := l.o.System.(signalFramer); ok && level > 0 {
		c, err := sys.SignalFrame(ctx, r, mem)
		if err == nil {
			c.Interrupted = true
			return c, c.SP(), ByCFI, nil
		}
		if isNeed(err) {
			return nil, 0, ByCFI, err
		}
	}
	if level == 0 && !in {
		if c, cfa, err := l.badCall(ctx, r, mem); err == nil || isNeed(err) {
			return c, cfa, ByScan, err
		}
	}
	if level == 0 {
		if c, cfa, err := l.beforeFrame(ctx, r, mem); err == nil || isNeed(err) {
			return c, cfa, ByFramePointer, err
		}
	}
	if c, cfa, err := l.byFramePointer(ctx, r, mem); err == nil || isNeed(err) {
		return c, cfa, ByFramePointer, err
	}
	if c, cfa, err := l.byScan(ctx, r, mem); err == nil || isNeed(err) {
		return c, cfa, ByScan, err
	}
	where := "at " + r.PC().Text(l.arch.PtrSize)
	if in {
		where = "in " + m.Name
	}
	return nil, 0, ByScan, errors.New("no unwind information " + where)
}

func isNeed(err error) bool {
	var need *symbols.NeedError
	return errors.As(err, &need)
}

// signalFramer is a System that unwinds from a signal handler's return code.
type signalFramer interface {
	SignalFrame(ctx context.Context, callee *arch.Registers, mem symbols.Memory) (*arch.Registers, error)
}

var errNoFrame = errors.New("no frame there")

// uint reads an integer of the target's byte order.
func (l *loop) uint(p []byte) uint64 {
	var v uint64
	for i := range p {
		b := p[len(p)-1-i]
		if l.arch.BigEndian {
			b = p[i]
		}
		v = v<<8 | uint64(b)
	}
	return v
}

func (l *loop) pointer(ctx context.Context, mem symbols.Memory, a arch.Addr) (arch.Addr, error) {
	p := make([]byte, l.arch.PtrSize)
	if _, err := mem.ReadMemory(ctx, a, p); err != nil {
		return 0, err
	}
	return arch.Addr(l.uint(p)), nil
}

// after makes the registers of a caller of which PC and SP are known.
func after(r *arch.Registers, pc, sp arch.Addr) *arch.Registers {
	c := arch.NewRegisters(r.Set)
	for _, name := range r.Set.Arch.CalleeSaved {
		if i, ok := r.Set.Index(name); ok {
			if b, ok := r.Bytes(i); ok {
				c.SetBytes(i, b)
			}
		}
	}
	c.SetPC(pc)
	c.SetSP(sp)
	return c
}

// badCall is the rule for a call through a bad pointer: nothing has run yet, so
// the return address is where the call left it.
func (l *loop) badCall(ctx context.Context, r *arch.Registers, mem symbols.Memory) (*arch.Registers, arch.Addr, error) {
	if l.arch.Link != "" {
		lr, ok := r.Get(l.arch.Link)
		if !ok || !l.isReturn(ctx, arch.Addr(lr)) {
			return nil, 0, errNoFrame
		}
		return after(r, arch.Addr(lr), r.SP()), r.SP(), nil
	}
	ret, err := l.pointer(ctx, mem, r.SP())
	if err != nil {
		return nil, 0, err
	}
	if !l.isReturn(ctx, ret) {
		return nil, 0, errNoFrame
	}
	cfa := r.SP() + arch.Addr(l.arch.PtrSize)
	return after(r, ret, cfa), cfa, nil
}

// beforeFrame is for an x86 function stopped where its frame is not made yet, or
// not any more: the return address is at SP, or one word above when the frame
// pointer has just been pushed.
func (l *loop) beforeFrame(ctx context.Context, r *arch.Registers, mem symbols.Memory) (*arch.Registers, arch.Addr, error) {
	if l.arch.Link != "" {
		return nil, 0, errNoFrame
	}
	ins, err := l.disassemble(ctx, r.PC(), 3)
	if err != nil {
		return nil, 0, err
	}
	push := func(i int) bool { return ins[i].Op == "push" && ins[i].Args == l.arch.FP }
	move := func(i int) bool { return ins[i].Op == "mov" && ins[i].Args == l.arch.FP+","+l.arch.SP }
	ptr, at := arch.Addr(l.arch.PtrSize), r.SP()
	switch {
	case ins[0].Kind == arch.Return, push(0) && move(1), strings.HasPrefix(ins[0].Op, "endbr") && push(1):
	case move(0):
		at += ptr
	default:
		return nil, 0, errNoFrame
	}
	ret, err := l.pointer(ctx, mem, at)
	if err != nil {
		return nil, 0, err
	}
	if _, ok := l.moduleAt(ret); !ok {
		return nil, 0, errNoFrame
	}
	return after(r, ret, at+ptr), at + ptr, nil
}

// byFramePointer follows the chain that code with frame pointers keeps: the
// saved frame pointer with the return address behind it. On riscv64 both lie
// below the frame pointer.
func (l *loop) byFramePointer(ctx context.Context, r *arch.Registers, mem symbols.Memory) (*arch.Registers, arch.Addr, error) {
	ptr := arch.Addr(l.arch.PtrSize)
	fp := r.FP()
	if fp == 0 || fp%ptr != 0 || fp < r.SP() || fp-r.SP() > 1<<20 {
		return nil, 0, errNoFrame
	}
	at, cfa := fp, fp+2*ptr
	if l.arch.Name == "riscv64" {
		at, cfa = fp-2*ptr, fp
	}
	saved, err := l.pointer(ctx, mem, at)
	if err != nil {
		return nil, 0, err
	}
	ret, err := l.pointer(ctx, mem, at+ptr)
	if err != nil {
		return nil, 0, err
	}
	if _, ok := l.moduleAt(ret); !ok || saved != 0 && saved <= fp {
		return nil, 0, errNoFrame
	}
	c := after(r, ret, cfa)
	if i, ok := r.Set.Index(l.arch.FP); ok {
		c.SetUint(i, uint64(saved))
	}
	return c, cfa, nil
}

// scanWords is how far the last resort looks for a return address.
const scanWords = 64

// byScan looks for the next word on the stack that is a return address: it
// points behind a call instruction in a module.
func (l *loop) byScan(ctx context.Context, r *arch.Registers, mem symbols.Memory) (*arch.Registers, arch.Addr, error) {
	ptr := arch.Addr(l.arch.PtrSize)
	if r.SP() == 0 || r.SP()%ptr != 0 {
		return nil, 0, errNoFrame
	}
	for i := range arch.Addr(scanWords) {
		at := r.SP() + i*ptr
		v, err := l.pointer(ctx, mem, at)
		if err != nil {
			return nil, 0, err
		}
		if l.isReturn(ctx, v) {
			return after(r, v, at+ptr), at + ptr, nil
		}
	}
	return nil, 0, errNoFrame
}

// isReturn reports whether a is behind a call instruction of an image's file.
func (l *loop) isReturn(ctx context.Context, a arch.Addr) bool {
	m, ok := l.moduleAt(a)
	if !ok || l.need(ctx, m) != nil || m.Image == nil || a == m.Base {
		return false
	}
	longest := min(l.arch.MaxInst, 8)
	for n := max(l.arch.MinInst, 2); n <= longest; n += l.arch.MinInst {
		p := make([]byte, n)
		from := a - arch.Addr(n)
		if from < m.Base || !m.Image.ReadStatic(m.offset(from), p) {
			continue
		}
		if in, err := l.arch.Decode(p, from); err == nil && in.Len == n && in.Kind == arch.Call {
			return true
		}
	}
	return false
}

// cfaOf computes the CFA of the frame at r from registers alone, 0 unknown.
func (l *loop) cfaOf(ctx context.Context, r *arch.Registers) arch.Addr {
	m, ok := l.moduleAt(r.PC())
	if !ok || m.Image == nil {
		return 0
	}
	u, ok := m.Image.(symbols.Unwinder)
	if !ok {
		return 0
	}
	_, cfa, err := u.Unwind(ctx, m.Base, r, noMemory{})
	if err != nil && !errors.Is(err, symbols.ErrOutermost) && !isNeed(err) { // memory is needed for the saved registers
		return 0
	}
	return cfa
}

// physical returns the innermost frame that has code, unwound.
func (l *loop) physical(ctx context.Context, id targets.ThreadID) (*Frame, error) {
	fs, err := l.stack(ctx, id, 1)
	if err != nil {
		return nil, err
	}
	for _, f := range fs {
		if !f.Inlined {
			return f, nil
		}
	}
	return nil, errNoFrame
}

// addFrames names the code at r and appends its frames, innermost inlined call first.
func (l *loop) addFrames(w *walk, r *arch.Registers, cfa, ret arch.Addr) {
	loc := l.locate(r.LookupPC())
	base := Frame{Thread: w.thread, Regs: r, PC: r.PC(), CFA: cfa, ChildSP: r.SP(), Return: ret, Kind: w.kind,
		Module: loc.Module, Symbol: loc.Symbol, Disp: loc.Disp, Line: loc.Line, walk: w, level: w.levels}
	if loc.Symbol.Name != "" && r.PC() != loc.Addr {
		base.Disp++
	}
	var scopes []symbols.Scope
	if loc.Module != nil && loc.Module.Image != nil {
		scopes = loc.Module.scopes(loc.Module.offset(loc.Addr))
	}
	first, line := len(w.frames), base.Line
	add := func(f Frame) {
		f.Index = len(w.frames)
		w.frames = append(w.frames, &f)
	}
	for i := range scopes {
		f := base
		f.Scope, f.Line = &scopes[i], line
		if scopes[i].Inlined {
			f.Inlined, f.Kind = true, ByInline
			f.Symbol = symbols.Symbol{Name: scopes[i].Name, Linkage: scopes[i].Linkage, Offset: scopes[i].Low}
			f.Disp = uint64(f.PC - loc.Module.addr(scopes[i].Low))
			line = scopes[i].Call
		} else if i == len(scopes)-1 && f.Symbol.Name == "" {
			f.Symbol = symbols.Symbol{Name: scopes[i].Name, Offset: scopes[i].Low}
			f.Disp = uint64(f.PC - loc.Module.addr(scopes[i].Low))
		}
		add(f)
	}
	if len(w.frames) == first || w.frames[len(w.frames)-1].Inlined {
		base.Line = line
		add(base)
	}
	code := w.frames[len(w.frames)-1]
	for _, f := range w.frames[first:] {
		f.code = code
	}
}

// callerFrame is the frame with code that called f; nil at the end.
func (l *loop) callerFrame(ctx context.Context, f *Frame, mem symbols.Memory) (*Frame, error) {
	w := f.walk
	if w == nil || f.code == nil {
		return nil, nil
	}
	for i := f.code.Index + 1; ; i++ {
		for i >= len(w.frames) {
			if w.over {
				return nil, nil
			}
			if err := l.stepUp(ctx, w, mem); err != nil {
				return nil, err
			}
		}
		if !w.frames[i].Inlined {
			return w.frames[i], nil
		}
	}
}
