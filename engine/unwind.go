package engine

import (
	"context"
	"errors"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

var spaceHere = targets.Space{}

// maxFrames ends a walk whatever happens.
const maxFrames = 10_000

// walk is a stack being unwound. It goes on where a read was missing.
type walk struct {
	thread  targets.ThreadID
	regs    *arch.Registers // of the next frame that has code
	kind    FrameKind
	frames  []*Frame
	levels  int // frames that have code
	stacks  int // times that the stack went on below
	over    bool
	entered entered // of the frame last added, until the frames above its caller are
	whole   bool    // the outermost frame was reached
	end     string  // why it ended early
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
		if l.context != nil && id == l.selected {
			r, err = l.context, nil
		}
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
	return l.gather(ctx, l.here(), window, func(ctx context.Context, mem symbols.Memory) error {
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
	l.addTailFrames(ctx, w, r)
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
	at := r.LookupPC()
	if caller != nil && caller.Interrupted {
		at = r.PC() // the kernel entered the frame here: no call lies before
	}
	l.addFrames(w, r, at, cfa, ret)
	w.levels++
	switch {
	case errors.Is(err, symbols.ErrOutermost):
		w.over, w.whole = true, true
	case err != nil:
		w.over, w.end = true, err.Error()
	case ret == 0:
		w.over, w.whole = true, true
	case caller.SP() != 0 && caller.SP() < r.SP() && !l.otherStack(w, r, caller), caller.PC() == r.PC() && caller.SP() == r.SP():
		w.over, w.end = true, "the stack does not go on: the caller's frame lies below"
	case len(w.frames) >= maxFrames:
		w.over, w.end = true, "10,000 frames are enough"
	default:
		if kind == ByCFI && !caller.Interrupted {
			f := w.frames[len(w.frames)-1]
			w.entered = entered{entry: entryOf(f), names: namesOf(f), cfa: cfa}
			if r.Interrupted && r.PC() == w.entered.entry {
				w.entered.regs = r
			}
		}
		w.regs, w.kind = caller, kind
	}
	return nil
}

// maxStacks is how many stacks a walk may go through; a kernel has a handful.
const maxStacks = 16

// otherStack tells a switch of stacks, as a signal handler's own stack or an
// interrupt makes it, from a step backwards on one.
func (l *loop) otherStack(w *walk, r, caller *arch.Registers) bool {
	w.stacks++
	apart := arch.Addr(1 << 20)
	if l.t.Info().Machine { // a kernel's stacks lie close together, with a page between them
		apart = 4096
	}
	return w.stacks <= maxStacks && (r.SP()-caller.SP() >= apart || caller.Interrupted)
}

// callerOf unwinds one frame by the best means there is.
func (l *loop) callerOf(ctx context.Context, r *arch.Registers, level int, mem symbols.Memory) (*arch.Registers, arch.Addr, FrameKind, error) {
	m, in := l.moduleAt(r.LookupPC())
	if !in && !r.Interrupted {
		m, in = l.moduleAt(r.PC())
	}
	if !in && level > 0 && l.t.Info().Machine && l.arch == arch.AMD64 && int64(r.PC()) > 0 {
		return nil, 0, ByScan, errUserMode
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
	if sys, ok := l.o.System.(signalFramer); ok && (level > 0 || l.t.Info().Machine) {
		c, err := sys.SignalFrame(ctx, r, mem)
		if err == nil {
			c.Interrupted = true
			return c, c.SP(), ByCFI, nil
		}
		if isNeed(err) || errors.Is(err, symbols.ErrOutermost) {
			return nil, 0, ByCFI, err
		}
	}
	for _, way := range []struct {
		kind FrameKind
		find func(context.Context, *arch.Registers, symbols.Memory) (*arch.Registers, arch.Addr, error)
	}{{ByScan, l.badCall}, {ByCode, l.byCode}, {ByFramePointer, l.byFramePointer}, {ByScan, l.byScan}} {
		if c, cfa, err := way.find(ctx, r, mem); err == nil || isNeed(err) {
			return c, cfa, way.kind, err
		}
	}
	where := "at " + r.PC().Text(l.arch.PtrSize)
	if in {
		where = "in " + m.Name
	}
	return nil, 0, ByScan, errors.New("no unwind information " + where)
}

// errUserMode ends a kernel's stack at the program that called it: a guess at a program
// nobody knows would be a wild one.
var errUserMode = errors.New("user mode: a program called or was interrupted here")

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

// after makes the registers of a caller of which PC and SP are known, and where
// r's function has changed none that calls preserve.
func after(r *arch.Registers, pc, sp arch.Addr) *arch.Registers {
	c := bare(r, pc, sp)
	for _, name := range r.Set.Arch.CalleeSaved {
		if i, ok := r.Set.Index(name); ok {
			if b, ok := r.Bytes(i); ok {
				c.SetBytes(i, b)
			}
		}
	}
	return c
}

// bare makes the registers of a caller of which nothing else is known.
func bare(r *arch.Registers, pc, sp arch.Addr) *arch.Registers {
	c := arch.NewRegisters(r.Set)
	for _, name := range []string{"fs_base", "gs_base", "tpidr", "tp", "gp"} { // the thread's
		if v, ok := r.Get(name); ok {
			c.PutName(name, v)
		}
	}
	c.SetPC(pc)
	c.SetSP(sp)
	return c
}

// plainAddress takes the authentication code out of an arm64 return address: the
// bits that the target's mask names, else all above a 48-bit address. Bit 55
// tells kernel from user addresses.
func plainAddress(r *arch.Registers, a arch.Addr) arch.Addr {
	if r.Set.Arch != arch.ARM64 {
		return a
	}
	mask := ^arch.Addr(1<<48 - 1)
	if m, ok := r.Get("pauth_cmask"); ok && m != 0 {
		mask = arch.Addr(m)
	}
	if a>>55&1 != 0 {
		return a | mask
	}
	return a &^ mask
}

// scanWords is how far the last resort looks for a return address.
const scanWords = 64

// byScan looks for the next word on the stack that is a return address: it
// points behind a call instruction in a module. The frame pointer is believed
// when it points into the caller's frame.
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
		v = plainAddress(r, v)
		if _, in := l.moduleAt(v); !in {
			continue
		}
		ok, err := l.isReturn(ctx, v, mem)
		if isNeed(err) {
			return nil, 0, err
		}
		if !ok {
			continue
		}
		c := bare(r, v, at+ptr)
		if fp := r.FP(); fp > at && fp-at < 1<<20 {
			c.PutName(l.arch.FP, uint64(fp))
		}
		return c, at + ptr, nil
	}
	return nil, 0, errNoFrame
}

// isReturn reports whether a is behind a call instruction, by the image's file
// or else by memory. The error says that memory must be fetched first.
func (l *loop) isReturn(ctx context.Context, a arch.Addr, mem symbols.Memory) (bool, error) {
	longest := min(l.arch.MaxInst, 8)
	if a < arch.Addr(longest) {
		return false, nil
	}
	m, in := l.moduleAt(a)
	if in && (l.need(ctx, m) != nil || a == m.Base) {
		return false, nil
	}
	var whole [8]byte
	p := whole[:longest]
	static := in && m.Image != nil && a-arch.Addr(longest) >= m.Base && m.Image.ReadStatic(m.offset(a-arch.Addr(longest)), p)
	if !static {
		if n, err := mem.ReadMemory(ctx, a-arch.Addr(longest), p); n < longest {
			return false, err
		}
	}
	for n := max(l.arch.MinInst, 2); n <= longest; n += l.arch.MinInst {
		if in, err := l.arch.Decode(p[longest-n:], a-arch.Addr(n)); err == nil && in.Len == n && in.Kind == arch.Call {
			return true, nil
		}
	}
	return false, nil
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

// addFrames names the code at and appends its frames, innermost inlined call first.
func (l *loop) addFrames(w *walk, r *arch.Registers, at, cfa, ret arch.Addr) {
	loc := l.locate(at)
	base := Frame{Thread: w.thread, Regs: r, PC: r.PC(), CFA: cfa, ChildSP: r.SP(), Return: ret, Kind: w.kind,
		Module: loc.Module, Symbol: loc.Symbol, Disp: loc.Disp, Line: loc.Line, walk: w, level: w.levels}
	if loc.Symbol.Name != "" && r.PC() != loc.Addr {
		base.Disp++
	}
	var scopes []symbols.Scope
	if loc.Module != nil && loc.Module.Image != nil {
		scopes = loc.Module.scopes(loc.Module.offset(loc.Addr))
	}
	if l.noInlines && len(scopes) > 1 {
		scopes = scopes[len(scopes)-1:]
	}
	first, line := len(w.frames), base.Line
	add := func(f Frame) {
		f.Index = len(w.frames)
		w.frames = append(w.frames, &f)
	}
	folded := 0
	if w.levels == 0 && r.Interrupted {
		folded = l.folded(w.thread, r.PC())
	}
	for i := range scopes {
		if i < folded && scopes[i].Inlined {
			line = scopes[i].Call
			continue
		}
		f := base
		f.Scope, f.Line = &scopes[i], line
		if scopes[i].Inlined {
			f.Inlined, f.Kind = true, ByInline
			from := countedFrom(&scopes[i], loc.Module.offset(f.PC))
			f.Symbol = symbols.Symbol{Name: scopes[i].Name, Linkage: scopes[i].Linkage, Offset: from}
			f.Disp = uint64(f.PC - loc.Module.addr(from))
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

// countedFrom is where the distance of off in an inlined call is counted from: its entry,
// or, where the compiler has put a piece of it before that, the piece's start.
func countedFrom(s *symbols.Scope, off symbols.Offset) symbols.Offset {
	if off < s.Low {
		for _, r := range s.Ranges {
			if off >= r.Low && off < r.High {
				return r.Low
			}
		}
	}
	return s.Low
}
