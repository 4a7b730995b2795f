package windbg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/targets"
)

var executionCommands = []command{
	{"g", "[~T] g [=Start] [Addr ...]", "run, with temporary breakpoints at the addresses", anytime, goOn(nil)},
	{"gh", "gh [=Start] [Addr ...]", "run; the exception is handled: a signal is swallowed", anytime, goOn(&targets.Deliver{Kind: targets.Handled})},
	{"gn", "gn [=Start] [Addr ...]", "run; the exception is not handled: a signal is delivered", anytime, goOn(&targets.Deliver{Kind: targets.NotHandled})},
	{"gN", "gN [=Start] [Addr ...]", "as gn, at a breakpoint too", anytime, goOn(&targets.Deliver{Kind: targets.NotHandled})},
	{"gc", "gc", "in a breakpoint's commands: go on the way the breakpoint was reached", anytime, goConditional},
	{"gu", "[~T] gu", "run until the current function returns", anytime, step(engine.How{Kind: engine.StepOut})},
	{"g-", "g-", "run backwards", anytime, step(engine.How{Reverse: true})},
	{"p", "[~T] p[r] [=Start] [Count]", "step over calls: a source line with l+t, else an instruction", anytime, step(engine.How{Kind: engine.StepOver})},
	{"p-", "p- [Count]", "step over backwards", anytime, step(engine.How{Kind: engine.StepOver, Reverse: true})},
	{"pa", "pa Addr", "step over until the address, showing each step", anytime, stepTo(engine.StepOver)},
	{"pc", "pc [Count]", "step over to the next call", anytime, until(engine.StepOver, engine.NextCall)},
	{"pt", "pt [Count]", "step over to the next return", anytime, until(engine.StepOver, engine.NextReturn)},
	{"pct", "pct [Count]", "step over to the next call or return", anytime, until(engine.StepOver, engine.NextCallOrReturn)},
	{"ph", "ph [Count]", "step over to the next branch", anytime, until(engine.StepOver, engine.NextBranch)},
	{"t", "[~T] t[r] [=Start] [Count]", "step into calls: a source line with l+t, else an instruction", anytime, step(engine.How{Kind: engine.StepInto})},
	{"t-", "t- [Count]", "step into backwards", anytime, step(engine.How{Kind: engine.StepInto, Reverse: true})},
	{"ta", "ta Addr", "trace until the address, showing each step", anytime, stepTo(engine.StepInto)},
	{"tc", "tc [Count]", "trace to the next call", anytime, until(engine.StepInto, engine.NextCall)},
	{"tt", "tt [Count]", "trace to the next return", anytime, until(engine.StepInto, engine.NextReturn)},
	{"tct", "tct [Count]", "trace to the next call or return", anytime, until(engine.StepInto, engine.NextCallOrReturn)},
	{"wt", "wt [-l Depth] [-nc] [-ns] [=Start]", "trace a whole call and count its instructions", anytime, watchTrace},
	{"th", "th [Count]", "trace to the next branch", anytime, until(engine.StepInto, engine.NextBranch)},
}

// goOn runs the debuggee; deliver nil leaves the exception to its filter.
func goOn(deliver *targets.Deliver) func(context.Context, *call) error {
	return func(ctx context.Context, c *call) error {
		if c.name == "g" && strings.HasPrefix(c.line, "a ") {
			c.drop(1)
		}
		if err := c.startAt(ctx); err != nil {
			return err
		}
		how := engine.How{Kind: engine.Go, Deliver: deliver}
		for c.more() {
			if c.line[0] == '"' {
				return c.syntax(0)
			}
			a, err := c.address(ctx)
			if err != nil {
				return err
			}
			how.Until = append(how.Until, a)
		}
		return c.resume(ctx, how, 1)
	}
}

// startAt obeys "=Start".
func (c *call) startAt(ctx context.Context) error {
	c.skip()
	if !strings.HasPrefix(c.line, "=") {
		return nil
	}
	c.drop(1)
	a, err := c.address(ctx)
	if err != nil {
		return err
	}
	return c.do(ctx, func(ctx context.Context, v *engine.View) error {
		t, err := v.Thread(ctx)
		if err != nil {
			return err
		}
		return v.JumpTo(ctx, t.ID, a)
	})
}

func goConditional(ctx context.Context, c *call) error {
	how := engine.How{Kind: engine.Go}
	if c.how != nil {
		how = *c.how
	}
	return c.resume(ctx, how, 1)
}

// step makes p, t, gu and their backward forms.
func step(how engine.How) func(context.Context, *call) error {
	return func(ctx context.Context, c *call) error {
		if strings.HasPrefix(c.line, "r") {
			c.drop(1)
			c.i.registers = !c.i.registers
		}
		if err := c.startAt(ctx); err != nil {
			return err
		}
		n, err := c.number(ctx, 1)
		if err != nil {
			return err
		}
		if err := c.end(); err != nil {
			return err
		}
		h := how
		if h.Unit = c.i.unit(); h.Unit == engine.ByLine && !c.lined(ctx) {
			h.Unit = engine.ByInstruction
		}
		return c.resume(ctx, h, n)
	}
}

// lined reports whether the code at the thread's PC belongs to a source line: what
// does not, is stepped by instructions in source mode too.
func (c *call) lined(ctx context.Context) bool {
	lined := true
	_ = c.do(ctx, func(ctx context.Context, v *engine.View) error {
		t, err := v.Thread(ctx)
		if err != nil {
			return err
		}
		r, err := v.Registers(ctx, t.ID)
		if err == nil {
			lined = v.Locate(r.PC()).Line.File != ""
		}
		return err
	})
	return lined
}

// unit is what p and t step by.
func (i *Interpreter) unit() engine.Unit {
	if i.source.step {
		return engine.ByLine
	}
	return engine.ByInstruction
}

// until makes pc, pt, ph and their kin.
func until(kind engine.HowKind, u engine.UntilKind) func(context.Context, *call) error {
	return func(ctx context.Context, c *call) error {
		n, err := c.number(ctx, 1)
		if err != nil {
			return err
		}
		if err := c.end(); err != nil {
			return err
		}
		return c.resume(ctx, engine.How{Kind: kind, Unit: engine.ByInstruction, UntilKind: u}, n)
	}
}

// stepTo makes pa and ta.
func stepTo(kind engine.HowKind) func(context.Context, *call) error {
	return func(ctx context.Context, c *call) error {
		target, err := c.address(ctx)
		if err != nil {
			return err
		}
		if err := c.end(); err != nil {
			return err
		}
		wait := c.tail
		c.tail = false
		defer func() { c.tail = wait }()
		for {
			stop, err := c.once(ctx, engine.How{Kind: kind, Unit: engine.ByInstruction})
			if err != nil || stop == nil || !stop.Step {
				return err
			}
			var pc arch.Addr
			err = c.do(ctx, func(ctx context.Context, v *engine.View) error {
				f, err := v.Frame(ctx)
				if err == nil {
					pc = f.PC
				}
				return err
			})
			if err != nil || pc == target {
				return err
			}
		}
	}
}

// resume runs the debuggee count times and shows each stop. It ends early at a
// stop that is not the end of a step.
func (c *call) resume(ctx context.Context, how engine.How, count uint64) error {
	if c.s == nil {
		return targets.ErrGone
	}
	if c.thread != nil {
		how.Thread, how.Only = c.thread.ID, true
	}
	if c.how != nil { // the commands of a breakpoint end here
		c.next = &how
		return errResume
	}
	tail := c.tail
	defer func() { c.tail = tail }()
	for k := uint64(0); k < count; k++ {
		c.tail = tail && k+1 == count
		stop, err := c.once(ctx, how)
		if err != nil || stop == nil || !stop.Step {
			return err
		}
	}
	return nil
}

// once resumes and, unless the front end learns of the stop by its event, waits
// for it. A nil Stop means that there is none to go on from.
func (c *call) once(ctx context.Context, how engine.How) (*engine.Stop, error) {
	for {
		if err := c.s.Resume(ctx, how); err != nil {
			return nil, err
		}
		if !c.wait && c.tail {
			return nil, nil
		}
		stop, err := c.s.Wait(ctx)
		if errors.Is(err, targets.ErrGone) {
			return nil, nil // its Ended event tells the rest
		}
		if err != nil {
			return nil, err
		}
		c.i.meet(stop)
		next, err := c.arrive(ctx, stop, how)
		if next == nil {
			return &stop, err
		}
		how = *next
	}
}

// meet notes that a line has waited for the stop: what is to be done at it is that
// line's business.
func (i *Interpreter) meet(stop engine.Stop) { i.met = meeting{i.o.Host.Session(), stop.Number} }

// Arrive is for front ends that use Start: it shows a stop they were told of, and
// runs the commands of what was hit. resumed tells that one of these set the
// debuggee going again. At a stop that a line has waited for there is nothing to do.
func (i *Interpreter) Arrive(ctx context.Context, stop engine.Stop, out io.Writer) (resumed bool, err error) {
	if i.met == (meeting{i.o.Host.Session(), stop.Number}) {
		return false, nil
	}
	x := &exec{i: i, out: out}
	how := engine.How{Kind: engine.Go}
	if stop.Step {
		how = engine.How{Kind: engine.StepOver, Unit: i.unit()}
	}
	next, err := x.arrive(ctx, stop, how)
	if next == nil {
		return false, err
	}
	s := i.o.Host.Session()
	if s == nil {
		return false, targets.ErrGone
	}
	return true, s.Resume(ctx, *next)
}

// arrive runs the commands of a stop and shows it. next is how to go on at once.
func (x *exec) arrive(ctx context.Context, stop engine.Stop, how engine.How) (next *engine.How, err error) {
	commands := x.i.commandsOf(ctx, stop)
	if stop.Exception != nil && stop.Text != "" && len(commands) > 0 {
		fmt.Fprint(x.out, line(stop.Text))
	}
	for _, text := range commands {
		inner := &exec{i: x.i, out: x.out, wait: true, prompt: x.prompt, depth: x.depth, how: &how}
		err := inner.program(ctx, text)
		if errors.Is(err, errResume) {
			return inner.next, nil
		}
		if err != nil {
			fmt.Fprintln(x.out, errorText(err, 0))
			break
		}
	}
	if len(commands) > 0 {
		stop.Text = ""
	}
	return nil, x.i.StopBlock(ctx, stop, x.out)
}

// commandsOf lists the command strings of a stop: those of the breakpoints hit, unless
// a step ended there, and that of the event's filter.
func (i *Interpreter) commandsOf(ctx context.Context, stop engine.Stop) []string {
	var out []string
	s := i.o.Host.Session()
	if s == nil {
		return nil
	}
	if !stop.Step && len(stop.Breakpoints) > 0 {
		s.Look(ctx, func(l *engine.Live) error {
			for _, b := range l.Breakpoints() {
				for _, id := range stop.Breakpoints {
					if b.ID == id && b.Command != "" {
						out = append(out, b.Command)
					}
				}
			}
			return nil
		})
	}
	if e := stop.Exception; e != nil {
		f := i.filterOf(stop.Stop)
		if e.Second {
			f.Command = f.Command2
		}
		if f.Command != "" {
			out = append(out, f.Command)
		}
	}
	return out
}

// StopBlock writes what is shown at a stop: the event's text, registers if
// wanted, symbol line, source line, disassembly line.
func (i *Interpreter) StopBlock(ctx context.Context, stop engine.Stop, out io.Writer) error {
	if stop.Text != "" {
		fmt.Fprint(out, line(stop.Text))
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
	if i.registers {
		fmt.Fprint(out, registersText(f.Regs, i.mask))
	}
	i.cursor.code, i.cursor.codeSet = f.PC, true
	l := engine.Location{Addr: f.PC, Module: f.Module, Symbol: f.Symbol, Disp: f.Disp, Line: f.Line}
	if name := located(l, !i.source.noLines); name != "" {
		fmt.Fprintf(out, "%s:\n", name)
	}
	if i.source.show && f.Line.File != "" {
		if text, ok := i.sourceLine(ctx, v, f); ok {
			fmt.Fprint(out, text)
		}
	}
	insts, err := v.Disassemble(ctx, f.PC, 1)
	if err != nil || len(insts) == 0 {
		return err
	}
	fmt.Fprintln(out, codeRow(v, insts[0], ptr)+effective(ctx, v, insts[0], f.Regs, ptr))
	return nil
}

// codeRow is a disassembly row with symbols.
func codeRow(v *engine.View, inst engine.Inst, ptr int) string {
	if a := cpu(v); a != nil && a.MinInst == 4 && len(inst.Bytes) == 4 {
		inst.Bytes = wordCode(inst.Bytes)
	}
	return codeLine(inst, ptr, func(a arch.Addr) string { return nameAt(v, a) })
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
	if m.Base != "" {
		b, ok := r.Get(m.Base)
		if !ok {
			return 0, false
		}
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
