package engine

import (
	"context"
	"errors"
	"fmt"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

// RestartError: the function of a frame cannot be begun again.
type RestartError struct {
	Function string
	Reason   string
	Err      error // of what it depends on, or nil
}

func (e *RestartError) Error() string {
	text := fmt.Sprintf("%s cannot be restarted: %s", e.Function, e.Reason)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *RestartError) Unwrap() error { return e.Err }

// MayRestart reports whether it is worth trying to restart the frame: it has a
// function of its own, with debug information, that was called.
func (f *Frame) MayRestart() bool {
	return f.Scope != nil && !f.Inlined && f.Kind != ByTailCall && f.Return != 0 && f.CFA != 0 && f.Module != nil
}

// RestartFrame puts the frame's thread back to the first instruction of the frame's
// function: deeper frames are gone, registers are as they were when it was called,
// and its parameters have the values they have now. What the program has done since
// is not undone. body is where the parameters can be seen again, behind the prologue:
// a front end may let the thread run there. *RestartError where something that was in
// registers cannot be known.
func (v *View) RestartFrame(ctx context.Context, f *Frame) (body arch.Addr, err error) {
	l := v.l
	if f = l.orSelected(f); f == nil {
		return 0, errors.New("there is no frame to restart")
	}
	fail := func(reason string, err error) (arch.Addr, error) {
		return 0, &RestartError{Function: f.Symbol.Name, Reason: reason, Err: err}
	}
	switch {
	case f.Inlined:
		return fail("its call was inlined", nil)
	case !f.MayRestart():
		return fail("how it was called is not known", nil)
	}
	r, err := l.atEntry(ctx, f)
	if err != nil {
		return fail("the registers of its caller are not known", err)
	}
	if err := l.handOver(ctx, f, r); err != nil {
		return fail("what it was called with is not known", err)
	}
	if err := l.changeRegisters(ctx, f.Thread, r); err != nil {
		return 0, err
	}
	l.frame, l.folding = 0, folding{}
	delete(l.walks, f.Thread)
	body = r.PC()
	if liner, ok := f.Module.Image.(symbols.Liner); ok {
		if p, ok := liner.Body(f.Module.offset(r.PC())); ok {
			body = f.Module.addr(p.Offset)
		}
	}
	return body, nil
}

// atEntry makes the registers as they were when f's function was called, but for
// those that its arguments were in.
func (l *loop) atEntry(ctx context.Context, f *Frame) (*arch.Registers, error) {
	now, err := l.registers(ctx, f.Thread)
	if err != nil {
		return nil, err
	}
	if _, err := l.stack(ctx, f.Thread, f.Index+maxChain); err != nil {
		return nil, err
	}
	var caller *Frame
	for _, g := range l.walks[f.Thread].frames {
		if g.level > 0 && g.level <= f.level && g.Regs.Interrupted && g.Kind != ByTailCall {
			return nil, errors.New("a signal's handler lies above it")
		}
		if caller == nil && g.level > f.level && g.Kind != ByTailCall {
			caller = g
		}
	}
	if caller == nil {
		return nil, errors.New("the stack ends with it")
	}
	r := now.Clone()
	for _, name := range l.arch.CalleeSaved {
		i, ok := r.Set.Index(name)
		if !ok {
			continue
		}
		b, known := caller.Regs.Bytes(i)
		if !known {
			return nil, &symbols.UnavailableError{Reason: "register " + name}
		}
		r.SetBytes(i, b)
	}
	sp := f.CFA
	if l.arch.Link == "" {
		sp -= arch.Addr(l.arch.PtrSize) // where the return address still is
	} else {
		r.PutName(l.arch.Link, uint64(f.Return))
	}
	r.SetSP(sp)
	r.SetPC(f.Module.addr(f.Scope.Low))
	return r, nil
}

// handOver puts the parameters of f's function into the registers that its calling
// convention wants them in; those on the stack are there still.
func (l *loop) handOver(ctx context.Context, f *Frame, r *arch.Registers) error {
	if ty, ok := f.Module.Image.(symbols.Typer); ok {
		if t, ok := ty.Function(f.Module.offset(r.PC())); ok && t.Members().Variadic {
			return errors.New("it takes any number of arguments")
		}
	}
	if t := f.Scope.Return.Strip(); t != nil && t.Kind != symbols.Void {
		if h := handedBack(t, l.arch); (h.at != "" || h.lost != "") && l.arch != arch.I386 {
			return errors.New("it writes its value to a place that no register tells any more")
		}
	}
	pass := passing{ints: l.arch.Args, floats: floatArgs[l.arch]}
	env := l.env(f, &nowMemory{l, spaceHere})
	for _, p := range f.Scope.Variables {
		if !p.Param || p.Depth > 0 {
			continue
		}
		parts, byRef, err := pass.place(complete(p.Type), l.arch)
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		if len(parts) == 0 {
			continue
		}
		x, err := env.variable(ctx, p)
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		b := l.bytes(uint64(x.Addr), l.arch.PtrSize)
		if !byRef {
			if b, err = eval.Fetch(ctx, env, x); err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
		} else if x.Err != nil || x.Place != eval.InMemory {
			return fmt.Errorf("%s: its place is not known", p.Name)
		}
		for _, part := range parts {
			i, ok := r.Set.Index(part.reg)
			if !ok {
				return fmt.Errorf("%s: there is no register %s", p.Name, part.reg)
			}
			r.SetBytes(i, b[part.at:min(part.at+part.size, len(b))])
		}
	}
	return nil
}

// floatArgs are the registers that floating-point arguments are handed over in.
var floatArgs = map[*arch.Arch][]string{
	arch.AMD64:   {"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7"},
	arch.ARM64:   {"v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7"},
	arch.RISCV64: {"fa0", "fa1", "fa2", "fa3", "fa4", "fa5", "fa6", "fa7"},
}

// passing hands out argument registers.
type passing struct{ ints, floats []string }

// place takes registers for an argument of type t; none: it is on the stack. byRef:
// the register has the argument's address.
func (p *passing) place(t *symbols.Type, a *arch.Arch) (parts []portion, byRef bool, err error) {
	size := int(t.ByteSize())
	switch {
	case a == arch.I386:
		return nil, false, nil
	case nontrivial(t, 0), size > 16 && a != arch.AMD64:
		parts, p.ints = take(p.ints, 1, []portion{{size: a.PtrSize}})
		return parts, true, nil
	}
	h := handedBack(t, a)
	if h.lost != "" {
		return nil, false, errors.New(h.lost)
	}
	var ints, floats []portion
	for _, x := range h.parts {
		switch {
		case x.x87, h.at != "":
			return nil, false, nil // in memory
		case x.reg[0] == 'x' && a == arch.AMD64 && x.from == 0, x.reg[0] == 'v', x.reg[0] == 'f':
			floats = append(floats, x)
		case a == arch.AMD64 && (x.reg[0] == 'x' || x.reg[0] == 'y' || x.reg[0] == 'z'):
			return nil, false, fmt.Errorf("vectors are not handed over here")
		default:
			ints = append(ints, x)
		}
	}
	if h.at != "" || len(h.parts) == 0 {
		return nil, false, nil
	}
	if len(ints) > len(p.ints) || len(floats) > len(p.floats) {
		if a != arch.AMD64 {
			return nil, false, errors.New("it lies in registers and on the stack, or on the stack alone")
		}
		return nil, false, nil
	}
	if a != arch.AMD64 && t.IsComposite() && size > 8 && complete(t).ByteSize()%16 == 0 && anyWide(flatten(nil, t, 0, 0)) {
		return nil, false, errors.New("it is aligned to pairs of registers")
	}
	ints, p.ints = take(p.ints, len(ints), ints)
	floats, p.floats = take(p.floats, len(floats), floats)
	return append(ints, floats...), false, nil
}

// anyWide reports whether one of the scalars is larger than a register.
func anyWide(ss []scalar) bool {
	for _, s := range ss {
		if s.size > 8 {
			return true
		}
	}
	return false
}

// take gives the first n registers to parts, which are on the stack when there are
// not so many.
func take(from []string, n int, parts []portion) ([]portion, []string) {
	if n > len(from) {
		return nil, from
	}
	for i := range parts {
		parts[i].reg = from[i]
	}
	return parts, from[n:]
}
