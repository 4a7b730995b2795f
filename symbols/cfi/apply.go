package cfi

import (
	"context"
	"errors"
	"fmt"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// constant lists registers that no call changes because they belong to the
// thread or the program, by architecture.
var constant = map[string][]string{
	"amd64":   {"fs_base", "gs_base", "cs", "ss", "ds", "es", "fs", "gs"},
	"i386":    {"cs", "ss", "ds", "es", "fs", "gs"},
	"arm64":   {"tpidr", "pauth_dmask", "pauth_cmask"},
	"riscv64": {"zero", "gp", "tp"},
}

// Unwind implements symbols.Unwinder. Registers the rules do not speak of keep
// their value when the ABI preserves them, and are unknown otherwise. Saved
// registers whose memory cannot be read are unknown; when the memory is only not
// fetched yet, all of them are asked for before the *symbols.NeedError is returned.
func (u *Unwinder) Unwind(ctx context.Context, base arch.Addr, callee *arch.Registers, mem symbols.Memory) (*arch.Registers, arch.Addr, error) {
	off := symbols.Offset(callee.LookupPC() - base)
	row, err := u.Row(off)
	if err != nil {
		return nil, 0, err
	}
	a := applying{
		source: source{ctx: ctx, regs: callee, mem: mem, order: u.s.Order, ptrSize: u.s.PtrSize},
		row:    row, mask: u.mask,
		caller: arch.NewRegisters(callee.Set),
	}
	known := false
	if u.s.FrameAddress != nil {
		a.cfa, known, err = u.s.FrameAddress(ctx, off, callee, mem)
	}
	if !known {
		a.cfa, err = a.frameAddress()
	}
	if err != nil {
		return nil, 0, fmt.Errorf("frame address of 0x%x: %w", uint64(callee.PC()), err)
	}
	if row.Regs[row.RA].Kind == Undefined {
		return nil, arch.Addr(a.cfa), symbols.ErrOutermost
	}
	a.keep(u.keptOf(callee.Set))
	if err = a.registers(); err == nil {
		err = a.returnAddress()
	}
	if err == nil {
		err = a.need
	}
	if err != nil {
		return nil, arch.Addr(a.cfa), err
	}
	return a.caller, arch.Addr(a.cfa), nil
}

// applying is the state of one Unwind.
type applying struct {
	source
	row       *Row
	mask, cfa uint64
	caller    *arch.Registers
	need      error // the first *symbols.NeedError
}

func (a *applying) frameAddress() (uint64, error) {
	if a.row.CFA.Kind == FromExpression {
		return a.evaluate(a.row.CFA.Expression)
	}
	v, err := a.register(a.row.CFA.Register)
	return (v + uint64(a.row.CFA.Offset)) & a.mask, err
}

// keep copies what no call changes, and sets SP, which is the CFA unless a rule
// says otherwise.
func (a *applying) keep(list []int) {
	for _, i := range list {
		a.copy(i, i)
	}
	a.caller.SetSP(arch.Addr(a.cfa))
}

// kept are the registers of a set that no call changes.
type kept struct {
	set  *arch.Set
	list []int
}

// keptOf finds them, once for a set.
func (u *Unwinder) keptOf(s *arch.Set) []int {
	if k := u.kept.Load(); k != nil && k.set == s {
		return k.list
	}
	k := &kept{set: s}
	for _, names := range [][]string{s.Arch.CalleeSaved, constant[s.Arch.Name]} {
		for _, name := range names {
			if i, ok := s.Index(name); ok {
				k.list = append(k.list, i)
			}
		}
	}
	u.kept.Store(k)
	return k.list
}

func (a *applying) copy(to, from int) {
	if v, ok := a.regs.Bytes(from); ok {
		a.caller.SetBytes(to, v)
	} else {
		a.caller.Forget(to)
	}
}

// registers applies the rules of all registers.
func (a *applying) registers() error {
	pc, _ := a.regs.Set.Index(a.regs.Set.Arch.PC)
	for n, rule := range a.row.Regs {
		if n > 1<<16 {
			continue
		}
		i, ok := a.regs.Set.DWARF(int(n))
		if !ok || i == pc { // returnAddress sets the pc
			continue
		}
		switch rule.Kind {
		case SameValue:
			a.copy(i, i)
			continue
		case Undefined:
			a.caller.Forget(i)
			continue
		}
		v, err := a.value(rule, saved(a.regs.Set.Regs[i].Size, a.ptrSize))
		switch {
		case err == nil:
			a.caller.SetUint(i, v)
		case a.note(err):
		case a.ctx.Err() != nil:
			return err
		default:
			a.caller.Forget(i)
		}
	}
	return nil
}

// saved is how many bytes of a register a frame holds: a narrow one fills a
// word, a vector is saved by its low 8 bytes (AAPCS64 preserves only d8 to d15).
func saved(size, word int) int {
	if size > word {
		return 8
	}
	return word
}

// note remembers a *symbols.NeedError and reports whether err is one.
func (a *applying) note(err error) bool {
	var need *symbols.NeedError
	if !errors.As(err, &need) {
		return false
	}
	if a.need == nil {
		a.need = err
	}
	return true
}

// value finds what a rule says, size bytes where it lies in memory.
func (a *applying) value(rule Rule, size int) (uint64, error) {
	switch rule.Kind {
	case AtCFA:
		return a.load((a.cfa+uint64(rule.Offset))&a.mask, size)
	case CFAPlus:
		return (a.cfa + uint64(rule.Offset)) & a.mask, nil
	case InRegister:
		return a.register(rule.Register)
	case AtExpression:
		at, err := a.evaluate(rule.Expression, a.cfa)
		if err != nil {
			return 0, err
		}
		return a.load(at, size)
	case FromExpression:
		return a.evaluate(rule.Expression, a.cfa)
	}
	return 0, &symbols.UnavailableError{Reason: "no rule"}
}

// returnAddress finds the caller's PC.
func (a *applying) returnAddress() error {
	rule := a.row.Regs[a.row.RA]
	var pc uint64
	var err error
	if rule.Kind == Unspecified || rule.Kind == SameValue {
		pc, err = a.register(a.row.RA)
	} else {
		pc, err = a.value(rule, a.ptrSize)
	}
	if a.note(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("return address: %w", err)
	}
	if a.row.Signed {
		pc = a.strip(pc)
	}
	pc &= a.mask
	if pc == 0 {
		return symbols.ErrOutermost
	}
	a.caller.SetPC(arch.Addr(pc))
	a.caller.Interrupted = a.row.Signal
	if a.need == nil && a.caller.PC() == a.regs.PC() && a.caller.SP() == a.regs.SP() {
		return fmt.Errorf("%w: the frame at 0x%x is its own caller", symbols.ErrNoUnwind, pc)
	}
	return nil
}

// strip takes the authentication code out of an arm64 pointer: the bits the
// target's pauth_cmask names, else everything above a 48-bit address. Bit 55
// tells kernel from user addresses (Arm ARM, AddPAC).
func (a *applying) strip(v uint64) uint64 {
	mask := ^uint64(1<<48 - 1)
	if i, ok := a.regs.Set.Index("pauth_cmask"); ok {
		if m, ok := a.regs.Uint(i); ok && m != 0 {
			mask = m
		}
	}
	if v>>55&1 != 0 {
		return v | mask
	}
	return v &^ mask
}
