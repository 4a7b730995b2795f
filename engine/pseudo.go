package engine

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

var unsigned64 = &symbols.Type{Kind: symbols.Base, Name: "unsigned __int64", Size: 8, Encoding: symbols.Unsigned}

// pseudo is one automatic pseudo-register; false when it has no value now.
type pseudo func(ctx context.Context, e *env) (uint64, bool)

// pseudos are WinDbg's automatic pseudo-registers (windbg-commands: `r $...`).
var pseudos = map[string]pseudo{
	"ip": func(_ context.Context, e *env) (uint64, bool) {
		return frameValue(e, func(f *Frame) arch.Addr { return f.PC })
	},
	"exentry": entry,
	"csp": func(_ context.Context, e *env) (uint64, bool) {
		return frameValue(e, func(f *Frame) arch.Addr { return f.ChildSP })
	},
	"ra": func(_ context.Context, e *env) (uint64, bool) {
		return frameValue(e, func(f *Frame) arch.Addr { return f.Return })
	},
	"frame":    func(_ context.Context, e *env) (uint64, bool) { return uint64(e.l.frame), e.f != nil },
	"retreg":   func(_ context.Context, e *env) (uint64, bool) { return named(e, e.l.arch.Return) },
	"retreg64": func(_ context.Context, e *env) (uint64, bool) { return named(e, e.l.arch.Return) },
	"tpid":     func(_ context.Context, e *env) (uint64, bool) { return uint64(e.l.pid()), true },
	"tid":      func(_ context.Context, e *env) (uint64, bool) { return uint64(e.l.selected.Thread), true },
	"ptrsize":  func(_ context.Context, e *env) (uint64, bool) { return uint64(e.l.arch.PtrSize), true },
	"pagesize": func(_ context.Context, e *env) (uint64, bool) { return 4096, true },
	"thread":   threadPointer,
	"teb":      threadPointer,
	"peb":      func(_ context.Context, e *env) (uint64, bool) { return mainBase(e.l) },
	"proc":     func(_ context.Context, e *env) (uint64, bool) { return mainBase(e.l) },
	"exp":      func(_ context.Context, e *env) (uint64, bool) { return 0, true },
	"p":        func(_ context.Context, e *env) (uint64, bool) { return 0, true },
}

func frameValue(e *env, f func(*Frame) arch.Addr) (uint64, bool) {
	if e.f == nil {
		return 0, false
	}
	return uint64(f(e.f)), true
}

func named(e *env, reg string) (uint64, bool) {
	if e.f == nil {
		return 0, false
	}
	return e.f.Regs.Get(reg)
}

func threadPointer(ctx context.Context, e *env) (uint64, bool) {
	if e.f == nil {
		return 0, false
	}
	return uint64(e.l.threadBase(ctx, e.f)), true
}

func mainBase(l *loop) (uint64, bool) {
	if len(l.modules.rows) == 0 {
		return 0, false
	}
	return uint64(l.modules.rows[0].Base), true
}

func entry(ctx context.Context, e *env) (uint64, bool) {
	if len(e.l.modules.rows) == 0 {
		return 0, false
	}
	m := e.l.modules.rows[0]
	if e.l.need(ctx, m) != nil || m.Image == nil {
		return 0, false
	}
	return uint64(m.addr(m.Image.Entry())), true
}

func (l *loop) pid() int64 {
	if l.selected.Process != 0 {
		return l.selected.Process
	}
	return l.t.Info().Process
}

// Pseudo returns a pseudo-register or a user's variable.
func (e *env) Pseudo(ctx context.Context, name string) (eval.Value, bool) {
	name = strings.TrimPrefix(name, "$")
	if v, ok := e.l.vars[name]; ok {
		return v, true
	}
	if v, ok := e.l.modelRoot(ctx, name); ok {
		return v, true
	}
	if v, ok := e.task(ctx, name); ok {
		return v, true
	}
	if f := pseudos[name]; f != nil {
		n, ok := f(ctx, e)
		return e.number(n), ok
	}
	if n, ok := numbered(name, "bp"); ok {
		for _, b := range e.l.bps {
			if b.ID == n && len(b.addrs) > 0 {
				return e.number(uint64(b.addrs[0])), true
			}
		}
		return eval.Value{}, false
	}
	if n, ok := numbered(name, "t"); ok && n < 20 {
		return e.number(0), true
	}
	return eval.Value{}, false
}

// numbered splits "t12" into its number.
func numbered(name, prefix string) (int, bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	n, err := strconv.Atoi(rest)
	return n, ok && err == nil && n >= 0
}

func (e *env) number(n uint64) eval.Value {
	return eval.Value{Type: unsigned64, Bytes: e.l.bytes(n, 8)}
}

// SetPseudo sets $ip, $retreg, $t0-$t19 or a user's variable.
func (e *env) SetPseudo(ctx context.Context, name string, v eval.Value) error {
	name = strings.TrimPrefix(name, "$")
	reg := map[string]string{"ip": e.l.arch.PC, "retreg": e.l.arch.Return, "retreg64": e.l.arch.Return, "csp": e.l.arch.SP}[name]
	if reg != "" {
		p, err := eval.Fetch(ctx, e, v)
		if err != nil {
			return err
		}
		return e.SetRegister(ctx, reg, p)
	}
	if pseudos[name] != nil || modelRoots[name] != nil {
		return fmt.Errorf("$%s cannot be set", name)
	}
	if v.Item != nil || v.Place == eval.InMemory && v.Type.IsComposite() {
		v.Bytes = nil
		e.l.vars[name] = v
		return nil
	}
	p, err := eval.Fetch(ctx, e, v)
	if err != nil {
		return err
	}
	e.l.vars[name] = eval.Value{Type: v.Type, Bytes: p}
	return nil
}

var _ = targets.ThreadID{}
