package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// ender is a System whose threads can end themselves.
type ender interface {
	// EndThread gives the instruction that does it and the registers it wants.
	EndThread(a *arch.Arch) (insn []byte, regs map[string]uint64, ok bool)
}

// EndThreadError: a thread cannot be ended.
type EndThreadError struct {
	Thread      targets.ThreadID
	Reason, Fix string
}

func (e *EndThreadError) Error() string {
	return fmt.Sprintf("thread %s cannot be ended: %s", e.Thread, e.Reason)
}

// Hint says what the user can do.
func (e *EndThreadError) Hint() string { return e.Fix }

// EndThread makes a thread end, without cleaning up, as the first thing it does when it
// is resumed. Nobody can end another's thread from outside: it is sent to an
// instruction of the program that calls the kernel, with the registers of a call that
// ends it.
func (v *View) EndThread(ctx context.Context, id targets.ThreadID) error {
	l := v.l
	threads, err := l.threadList(ctx)
	if err != nil {
		return err
	}
	refuse := func(reason, fix string) error { return &EndThreadError{id, reason, fix} }
	e, ok := l.o.System.(ender)
	if info := l.t.Info(); !ok || info.Machine || info.OS != "linux" {
		return refuse("that is possible for processes on Linux alone", "")
	} else if len(threads) < 2 || id.Thread == info.Process {
		return refuse("it is the first one of the program, which would not go on properly", "`.kill` and `terminate` end the program")
	}
	insn, regs, ok := e.EndThread(l.arch)
	if !ok {
		return refuse("how "+l.arch.Name+" calls the kernel is not known", "")
	}
	r, err := l.registers(ctx, id)
	if err != nil {
		return err
	}
	at, err := l.kernelCall(ctx, r.PC(), insn)
	if err != nil {
		return err
	}
	if at == 0 {
		return refuse("the program has no instruction that calls the kernel where one was looked for", "load libc's symbols: `.reload /f libc*`")
	}
	c := r.Clone()
	c.SetPC(at)
	for name, n := range regs {
		if !c.PutName(name, n) && !strings.HasPrefix(name, "orig_") {
			return refuse("the far end does not tell "+name, "")
		}
	}
	if err := l.changeRegisters(ctx, id, c); err != nil {
		return err
	}
	delete(l.handed, id)
	return nil
}

// callers are functions that call the kernel themselves.
var callers = []string{"_exit", "syscall", "_Exit"}

// kernelCall finds an instruction insn: in front of pc, where a thread that waits in
// the kernel has it, else in one of the functions that have one. 0: there is none.
func (l *loop) kernelCall(ctx context.Context, pc arch.Addr, insn []byte) (arch.Addr, error) {
	n := arch.Addr(len(insn))
	code := make([]byte, n)
	if _, err := l.read(ctx, spaceHere, pc-n, code); err == nil && bytes.Equal(code, insn) {
		return pc - n, nil
	} else if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	for _, m := range l.modules.rows {
		if !strings.HasPrefix(m.Name, "libc") && !strings.HasPrefix(m.Name, "ld_musl") && m != l.modules.rows[0] {
			continue
		}
		if err := l.need(ctx, m); err != nil && (ctx.Err() != nil || errors.Is(err, targets.ErrGone)) {
			return 0, err
		}
		for _, name := range callers {
			for _, a := range l.functionsNamed(name, []*Module{m}) {
				list, err := l.disassemble(ctx, a, 64)
				if err != nil {
					return 0, err
				}
				for _, i := range list {
					if bytes.Equal(i.Bytes, insn) {
						return i.Addr, nil
					}
				}
			}
		}
	}
	return 0, nil
}
