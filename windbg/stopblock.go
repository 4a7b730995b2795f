package windbg

import (
	"context"
	"fmt"
	"io"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/targets"
)

// This file shows where a thread stands: at each stop, and for `r` and `~Ns`.

// StopBlock writes what is shown at a stop: the event's text, registers if
// wanted, symbol line, source line, disassembly line.
func (i *Interpreter) StopBlock(ctx context.Context, stop engine.Stop, out io.Writer) error {
	if stop.Text != "" {
		fmt.Fprint(out, line(stop.Text))
	}
	if stop.Reason == targets.Prompt { // it answers nothing before it has its answer
		return nil
	}
	s := i.o.Host.Session()
	if s == nil {
		return targets.ErrGone
	}
	i.latest = s
	return s.Do(ctx, func(ctx context.Context, v *engine.View) error { return i.here(ctx, v, out) })
}

// here shows where the selected frame is.
func (i *Interpreter) here(ctx context.Context, v *engine.View, out io.Writer) error {
	f, err := anyFrame(ctx, v)
	if f == nil {
		return err // a file is nowhere
	}
	ptr := pointerSize(v)
	if i.prompt.registers {
		fmt.Fprint(out, registersText(f.Regs, i.mask))
	}
	i.cursor.code, i.cursor.codeSet = f.PC, true
	l := engine.Location{Addr: f.PC, Module: f.Module, Symbol: f.Symbol, Disp: f.Disp, Line: f.Line}
	if name := located(l, !i.source.noLines); name != "" && i.prompt.symbol {
		fmt.Fprintf(out, "%s:\n", name)
	}
	if i.source.show && i.prompt.source && f.Line.File != "" {
		if text, ok := i.sourceLine(ctx, v, f); ok {
			fmt.Fprint(out, text)
			if i.source.only {
				return nil
			}
		}
	}
	if !i.prompt.code {
		return nil
	}
	insts, err := v.Disassemble(ctx, f.PC, 1)
	if err != nil || len(insts) == 0 {
		return err
	}
	row := i.codeRow(v, insts[0], ptr)
	if i.prompt.effective {
		row += effective(ctx, v, insts[0], f.Regs, ptr)
	}
	fmt.Fprintln(out, row)
	return nil
}

// codeRow is a disassembly row with symbols.
func (i *Interpreter) codeRow(v *engine.View, inst engine.Inst, ptr int) string {
	if a := cpu(v); a != nil && a.MinInst == 4 && len(inst.Bytes) == 4 {
		inst.Bytes = wordCode(inst.Bytes)
	}
	row := codeLine(inst, ptr, func(a arch.Addr) string { return nameAt(v, a) })
	if i.asm.noCode && len(inst.Bytes) > 0 {
		addr := inst.Addr.Text(ptr)
		row = addr + " " + strings.TrimLeft(strings.TrimPrefix(row, addr+" "+fmt.Sprintf("%x", inst.Bytes)), " ")
	}
	return row
}

// nameAt is "mod!f+0x4" when a symbol covers a.
func nameAt(v *engine.View, a arch.Addr) string {
	l := v.Locate(a)
	if l.Module == nil || l.Symbol.Name == "" {
		return ""
	}
	return locationText(l)
}

func cpu(v *engine.View) *arch.Arch {
	if set := v.Live().Info().Set; set != nil {
		return set.Arch
	}
	return nil
}

func pointerSize(v *engine.View) int { return pointerOf(v.Live().Info()) }

func pointerOf(info targets.Info) int {
	if info.Set != nil {
		return info.Set.Arch.PtrSize
	}
	return 8
}

// effective is what follows a disassembly row at the stop: the address and contents of
// its memory operand, or whether the branch is taken.
func effective(ctx context.Context, v *engine.View, inst engine.Inst, r *arch.Registers, ptr int) string {
	if inst.Err != nil || r == nil {
		return ""
	}
	if inst.Kind == arch.CondJump {
		if taken, ok := taken(inst.Cond, r); ok {
			return fmt.Sprintf(" [br=%d]", taken)
		}
		return ""
	}
	if inst.Mem == nil || inst.Mem.Size == 0 {
		return ""
	}
	addr, ok := operandAddress(inst, r)
	if !ok {
		return ""
	}
	if ptr == 4 {
		addr &= 0xffffffff
	}
	size := min(inst.Mem.Size, 8)
	buf := make([]byte, size)
	text := strings.Repeat("?", 2*size)
	if n, err := v.ReadMemory(ctx, targets.Space{}, addr, buf); err == nil && n == size {
		text = fmt.Sprintf("%0*x", 2*size, littleEndian(buf))
	}
	return fmt.Sprintf(" %s:%s=%s", inst.Mem.Segment(), addr.Text(ptr), text)
}

// operandAddress computes the address of an instruction's memory operand.
func operandAddress(inst engine.Inst, r *arch.Registers) (arch.Addr, bool) {
	if inst.HasTarget {
		return inst.Target, true
	}
	m := inst.Mem
	addr := uint64(m.Disp)
	switch b, ok := r.Get(m.Base); {
	case m.Base == "":
	case m.Base == "rip": // counts from the next instruction (Intel SDM 2A, 2.2.1.6)
		addr += uint64(inst.Addr) + uint64(inst.Len)
	case !ok:
		return 0, false
	default:
		addr += b
	}
	if m.Index != "" {
		x, ok := r.Get(m.Index)
		if !ok {
			return 0, false
		}
		addr += x * uint64(max(1, m.Scale))
	}
	if m.Seg == "fs" || m.Seg == "gs" {
		b, ok := r.Get(m.Seg + "_base")
		if !ok {
			return 0, false
		}
		addr += b
	}
	return arch.Addr(addr), true
}

// x86Conditions is by the letters of Jcc; each is a function of the flags.
var x86Conditions = map[string]func(flag func(string) bool) bool{
	"o":  func(f func(string) bool) bool { return f("of") },
	"b":  func(f func(string) bool) bool { return f("cf") },
	"e":  func(f func(string) bool) bool { return f("zf") },
	"be": func(f func(string) bool) bool { return f("cf") || f("zf") },
	"s":  func(f func(string) bool) bool { return f("sf") },
	"p":  func(f func(string) bool) bool { return f("pf") },
	"l":  func(f func(string) bool) bool { return f("sf") != f("of") },
	"le": func(f func(string) bool) bool { return f("zf") || f("sf") != f("of") },
}

// conditionNames maps other spellings to those of x86Conditions; "!" negates.
var conditionNames = map[string]string{
	"no": "!o", "ae": "!b", "nb": "!b", "nc": "!b", "c": "b", "ne": "!e", "nz": "!e", "z": "e", "a": "!be", "nbe": "!be",
	"na": "be", "ns": "!s", "np": "!p", "po": "!p", "pe": "p", "ge": "!l", "nl": "!l", "g": "!le", "nle": "!le", "ng": "le", "nge": "l", "nae": "b",
}

// taken evaluates an x86 condition; ok is false for others.
func taken(cond string, r *arch.Registers) (int, bool) {
	if n, ok := conditionNames[cond]; ok {
		cond = n
	}
	name, negate := strings.CutPrefix(cond, "!")
	f := x86Conditions[name]
	if f == nil {
		return 0, false
	}
	known := true
	yes := f(func(flag string) bool {
		v, ok := r.Get(flag)
		known = known && ok
		return v != 0
	})
	if yes != negate {
		return 1, known
	}
	return 0, known
}
