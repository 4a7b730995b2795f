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
	pass := newPlacing(r)
	env := l.env(f, &nowMemory{l, spaceHere})
	for _, p := range f.Scope.Variables {
		if !p.Param || p.Depth > 0 {
			continue
		}
		x, err := env.variable(ctx, p)
		if err == nil {
			err = passAgain(ctx, env, pass, x)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return nil
}

// passAgain passes the value of a parameter once more, a class that is passed by its
// address by the one it has.
func passAgain(ctx context.Context, env *env, to *placing, x eval.Value) error {
	a := argument{t: x.Type, place: x.Addr}
	switch t := complete(x.Type); {
	case nontrivial(t, 0), t.ByteSize() > 16 && to.a.Link != "":
		if x.Err != nil {
			return x.Err
		}
		if x.Place != eval.InMemory {
			return errors.New("its place is not known")
		}
	default:
		b, err := eval.Fetch(ctx, env, x)
		if err != nil {
			return err
		}
		a.bytes = b
	}
	return to.add(a, false)
}
