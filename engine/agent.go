package engine

import (
	"context"
	"encoding/binary"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

// agentEnv is the Env of whatever frame is at a code address: locals are known
// by what they are relative to. It lets conditions be compiled for the far end.
type agentEnv struct {
	*env
	at arch.Addr
}

// Opcodes of GDB's agent expressions (GDB manual, appendix "The GDB Agent
// Expression Mechanism").
const (
	agAdd     = 0x02
	agExt     = 0x16 // bits
	agReg     = 0x26 // 16-bit number
	agConst32 = 0x24
)

// agentAt compiles a condition for code address a; eval.ErrNoAgent when it
// cannot be.
func (l *loop) agentAt(ctx context.Context, e eval.Expr, a arch.Addr) ([]byte, error) {
	f, ok := l.frameLike(a, 0)
	if !ok {
		return nil, eval.ErrNoAgent
	}
	return eval.Agent(ctx, e, &agentEnv{l.env(f, noMemory{}), a})
}

// frameLike makes a frame at code address a whose registers hold made-up values,
// each far from all others; which tells them apart.
func (l *loop) frameLike(a arch.Addr, which uint64) (*Frame, bool) {
	set := l.t.Info().Set
	m, ok := l.moduleAt(a)
	if set == nil || !ok || m.Image == nil {
		return nil, false
	}
	r := arch.NewRegisters(set)
	r.Interrupted = true
	for i, reg := range set.Regs {
		if reg.Size == l.arch.PtrSize {
			r.SetUint(i, madeUp(i, which))
		}
	}
	r.SetPC(a)
	f := &Frame{PC: a, Regs: r, Module: m}
	f.CFA = l.cfaOf(context.Background(), r)
	if scopes := m.scopes(m.offset(a)); len(scopes) > 0 {
		f.Scope = &scopes[0]
	}
	return f, true
}

// madeUp is a register's made-up value: 16 MiB apart, so that an address near
// one is relative to that one.
func madeUp(i int, which uint64) uint64 { return 0x10000000 + uint64(i)<<24 + which<<16 }

// AgentLocal gives code that pushes a local's address, for locals that lie at a
// fixed distance from a register.
func (e *agentEnv) AgentLocal(ctx context.Context, name string) ([]byte, *symbols.Type, error) {
	reg, off, t, ok := e.relative(ctx, name, 0)
	again, off2, _, ok2 := e.relative(ctx, name, 5)
	if !ok || !ok2 || reg != again || off != off2 {
		return nil, nil, eval.ErrNoAgent
	}
	code := binary.BigEndian.AppendUint16([]byte{agReg}, uint16(reg))
	code = binary.BigEndian.AppendUint32(append(code, agConst32), uint32(off))
	return append(code, agExt, 32, agAdd), t, nil
}

// relative evaluates a local's location with made-up registers and tells which
// of them it is relative to.
func (e *agentEnv) relative(ctx context.Context, name string, which uint64) (reg int, off int32, t *symbols.Type, ok bool) {
	f, ok := e.l.frameLike(e.at, which)
	if !ok || f.Scope == nil {
		return 0, 0, nil, false
	}
	for _, v := range f.Scope.Variables {
		if v.Name != name {
			continue
		}
		if v.Static || v.Location == nil {
			return 0, 0, nil, false
		}
		ps, err := v.Location.Pieces(ctx, &frameOf{e.l, f, f.Module, noMemory{}}, f.Module.offset(e.at))
		if err != nil || len(ps) != 1 || ps[0].Kind != symbols.InMemory || ps[0].BitSize != 0 {
			return 0, 0, nil, false
		}
		reg, off, ok = f.nearest(ps[0].Addr, which)
		return reg, off, v.Type, ok
	}
	return 0, 0, nil, false
}

// nearest is the register of a frameLike that has a made-up value near a, and how far
// a is from it.
func (f *Frame) nearest(a arch.Addr, which uint64) (reg int, off int32, ok bool) {
	for i, r := range f.Regs.Set.Regs {
		if d := int64(uint64(a) - madeUp(i, which)); r.Size == f.Regs.Set.Arch.PtrSize && d > -1<<22 && d < 1<<22 {
			return i, int32(d), true
		}
	}
	return 0, 0, false
}

// AgentRegister is a register's number at the far end: its place in the set.
func (e *agentEnv) AgentRegister(name string) (int, bool) { return e.f.Regs.Set.Index(name) }
