package cfi

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

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
	row, err := u.rowAt(off)
	if err != nil {
		return nil, 0, err
	}
	a := applying{
		source: source{ctx: ctx, regs: callee, mem: mem, order: u.s.Order, ptrSize: u.s.PtrSize},
		row:    &row.Row, mask: u.mask,
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
	a.caller = callee.Only(u.keptOf(callee.Set))
	a.caller.SetSP(arch.Addr(a.cfa)) // unless a rule says otherwise
	if err = a.registers(row.rulesOf(callee.Set, u.s.PtrSize)); err == nil {
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

// kept are the registers of a set that no call changes.
type kept struct {
	set  *arch.Set
	part arch.Part
}

// keptOf finds them, once for a set.
func (u *Unwinder) keptOf(s *arch.Set) arch.Part {
	if k := u.kept.Load(); k != nil && k.set == s {
		return k.part
	}
	var list []int
	for _, names := range [][]string{s.Arch.CalleeSaved, constant[s.Arch.Name]} {
		for _, name := range names {
			if i, ok := s.Index(name); ok {
				list = append(list, i)
			}
		}
	}
	k := &kept{set: s, part: s.Part(list)}
	u.kept.Store(k)
	return k.part
}

// keptRow is a Row with its rules as they are for the registers of one set.
type keptRow struct {
	Row
	rules atomic.Pointer[rules]
}

type rules struct {
	set  *arch.Set
	list []ruled
}

// ruled is a register that a row has a rule for.
type ruled struct {
	index, size int // in the set; bytes in memory
	rule        Rule
}

// rulesOf are the rules of registers that a set has, but the one of the pc, which
// returnAddress sets.
func (r *keptRow) rulesOf(s *arch.Set, word int) []ruled {
	if k := r.rules.Load(); k != nil && k.set == s {
		return k.list
	}
	pc, _ := s.Index(s.Arch.PC)
	k := &rules{set: s}
	for n, rule := range r.Regs {
		if n > 1<<16 {
			continue
		}
		if i, ok := s.DWARF(int(n)); ok && i != pc {
			k.list = append(k.list, ruled{i, saved(s.Regs[i].Size, word), rule})
		}
	}
	r.rules.Store(k)
	return k.list
}

func (a *applying) copy(i int) {
	if v, ok := a.regs.Bytes(i); ok {
		a.caller.SetBytes(i, v)
	} else {
		a.caller.Forget(i)
	}
}

// registers applies the rules of all registers.
func (a *applying) registers(list []ruled) error {
	for _, r := range list {
		switch r.rule.Kind {
		case SameValue:
			a.copy(r.index)
			continue
		case Undefined:
			a.caller.Forget(r.index)
			continue
		}
		v, err := a.value(r.rule, r.size)
		switch {
		case err == nil:
			a.caller.SetUint(r.index, v)
		case a.note(err):
		case a.ctx.Err() != nil:
			return err
		default:
			a.caller.Forget(r.index)
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
