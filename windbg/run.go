package windbg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/targets"
)

var executionCommands = []command{
	{"g", "[~T] g[a] [=Start] [Addr ...]", "run, with up to 10 temporary breakpoints at the addresses; a: by the CPU's own", anytime, goOn(nil, false)},
	{"gh", "gh[a] [=Start] [Addr ...]", "run; the exception is handled: a signal is swallowed", anytime, goOn(&targets.Deliver{Kind: targets.Handled}, false)},
	{"gn", "gn[a] [=Start] [Addr ...]", "run; the exception is not handled: a signal is delivered", anytime, goOn(&targets.Deliver{Kind: targets.NotHandled}, false)},
	{"gN", "gN[a] [=Start] [Addr ...]", "as gn, at a breakpoint too", anytime, goOn(&targets.Deliver{Kind: targets.NotHandled}, false)},
	{"gc", "gc", "in a breakpoint's commands: go on the way the breakpoint was reached", anytime, goConditional},
	{"gu", "[~T] gu", "run until the current function returns", anytime, step(engine.How{Kind: engine.StepOut})},
	{"g-", "g- [Addr ...]", "run backwards", anytime, goOn(nil, true)},
	{"gu-", "gu-", "run backwards to the call of the current function", anytime, backOut},
	{"p", `[~T] p[r] [=Start] [Count] ["cmd"]`, "step over calls: a source line with l+t, else an instruction; r shows registers or not", anytime, step(engine.How{Kind: engine.StepOver})},
	{"p-", `p-[r] [Count] ["cmd"]`, "step over backwards", anytime, step(engine.How{Kind: engine.StepOver, Reverse: true})},
	{"pa", `pa[r] [=Start] Addr ["cmd"]`, "step over until the address, showing each step", anytime, stepTo(engine.StepOver, false)},
	{"pc", `pc[r] [=Start] [Count] ["cmd"]`, "step over to the next call", anytime, until(engine.StepOver, engine.NextCall)},
	{"pt", `pt[r] [=Start] [Count] ["cmd"]`, "step over to the next return", anytime, until(engine.StepOver, engine.NextReturn)},
	{"pct", `pct[r] [=Start] [Count] ["cmd"]`, "step over to the next call or return", anytime, until(engine.StepOver, engine.NextCallOrReturn)},
	{"ph", `ph[r] [=Start] [Count] ["cmd"]`, "step over to the next branch", anytime, until(engine.StepOver, engine.NextBranch)},
	{"t", `[~T] t[r] [=Start] [Count] ["cmd"]`, "step into calls: a source line with l+t, else an instruction", anytime, step(engine.How{Kind: engine.StepInto})},
	{"t-", `t-[r] [Count] ["cmd"]`, "step into backwards", anytime, step(engine.How{Kind: engine.StepInto, Reverse: true})},
	{"ta", `ta[r] [=Start] Addr ["cmd"]`, "trace until the address, showing each step", anytime, stepTo(engine.StepInto, false)},
	{"tc", `tc[r] [=Start] [Count] ["cmd"]`, "trace to the next call", anytime, until(engine.StepInto, engine.NextCall)},
	{"tt", `tt[r] [=Start] [Count] ["cmd"]`, "trace to the next return", anytime, until(engine.StepInto, engine.NextReturn)},
	{"tct", `tct[r] [=Start] [Count] ["cmd"]`, "trace to the next call or return", anytime, until(engine.StepInto, engine.NextCallOrReturn)},
	{"th", `th[r] [=Start] [Count] ["cmd"]`, "trace to the next branch", anytime, until(engine.StepInto, engine.NextBranch)},
	{"pa-", "pa- Addr", "step over backwards until the address", anytime, stepTo(engine.StepOver, true)},
	{"pc-", "pc- [Count]", "step over backwards to a call", anytime, backUntil(engine.StepOver, arch.Call)},
	{"pt-", "pt- [Count]", "step over backwards to a return", anytime, backUntil(engine.StepOver, arch.Return)},
	{"pct-", "pct- [Count]", "step over backwards to a call or return", anytime, backUntil(engine.StepOver, arch.Call, arch.Return)},
	{"ph-", "ph- [Count]", "step over backwards to a branch", anytime, backUntil(engine.StepOver, branches...)},
	{"ta-", "ta- Addr", "trace backwards until the address", anytime, stepTo(engine.StepInto, true)},
	{"tc-", "tc- [Count]", "trace backwards to a call", anytime, backUntil(engine.StepInto, arch.Call)},
	{"tt-", "tt- [Count]", "trace backwards to a return", anytime, backUntil(engine.StepInto, arch.Return)},
	{"tct-", "tct- [Count]", "trace backwards to a call or return", anytime, backUntil(engine.StepInto, arch.Call, arch.Return)},
	{"th-", "th- [Count]", "trace backwards to a branch", anytime, backUntil(engine.StepInto, branches...)},
	{"wt", "wt [-l Depth] [-m Mod] [-i Mod] [-ni] [-nc] [-ns] [-nw] [-oa] [-or] [-oR] [=Start] [End]",
		"trace a whole call and count its instructions: -m only in Mod, -i not in Mod, -oa with the places of calls, -or with what they return", anytime, watchTrace},
	{".step_filter", `.step_filter ["pattern;..." | /c]`, "functions that t steps over; /c none", anytime, stepFilter},
}

// branches are the instructions that may go elsewhere.
var branches = []arch.Kind{arch.Jump, arch.CondJump, arch.Call, arch.Return, arch.Syscall}

// maxTemporary is how many addresses g takes.
const maxTemporary = 10

// goOn runs the debuggee; deliver nil leaves the exception to its filter.
func goOn(deliver *targets.Deliver, reverse bool) func(context.Context, *call) error {
	return func(ctx context.Context, c *call) error {
		if done, err := c.makeCall(ctx); done || err != nil {
			return err
		}
		how := engine.How{Kind: engine.Go, Deliver: deliver, Reverse: reverse, Hardware: c.letter('a')}
		if err := c.startAt(ctx); err != nil {
			return err
		}
		for c.more() {
			if c.line[0] == '"' || len(how.Until) == maxTemporary {
				return c.syntax(0)
			}
			a, err := c.address(ctx)
			if err != nil {
				return err
			}
			how.Until = append(how.Until, a)
		}
		if c.cmd.Name == "gn" {
			if err := c.mustBeException(ctx); err != nil {
				return err
			}
		}
		return c.resume(ctx, how, 1)
	}
}

// letter takes an option letter written at once after the name, as of "ga" and "pr".
func (c *call) letter(b byte) bool {
	if c.line == "" || c.line[0] != b || len(c.line) > 1 && isWord(c.line[1]) {
		return false
	}
	c.drop(1)
	return true
}

// mustBeException refuses gn where there is nothing to hand to the debuggee.
func (c *call) mustBeException(ctx context.Context) error {
	if c.s == nil {
		return targets.ErrGone
	}
	return c.s.Look(ctx, func(l *engine.Live) error {
		if stop, ok := l.LastStop(); ok && stop.Exception == nil && len(stop.Breakpoints) > 0 {
			return &Error{Text: "The last event was a breakpoint, which the debuggee does not know of", Fix: "g goes on; gN insists"}
		}
		return nil
	})
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

// stepping reads what all steps take before their own arguments, "r" and "=Start".
func (c *call) stepping(ctx context.Context) error {
	if c.letter('r') {
		c.i.prompt.registers = !c.i.prompt.registers
	}
	return c.startAt(ctx)
}

// count reads `[Count] ["cmd"]`.
func (c *call) count(ctx context.Context) (n uint64, err error) {
	n = 1
	if c.more() && c.line[0] != '"' {
		at := c.base
		if n, err = c.number(ctx, 1); err != nil {
			return 0, err
		}
		if n > math.MaxInt32 { // -1, or an address
			return 0, &Error{Kind: "Range", Command: c.text, Pos: at, Fix: "the count of steps is at most 0x7fffffff"}
		}
	}
	return n, c.lastCommand()
}

// lastCommand reads `["cmd"]`, which runs before the last step is shown.
func (c *call) lastCommand() error {
	if text, ok := c.quoted(); ok {
		c.before = text
	}
	return c.end()
}

// step makes p, t, gu and their backward forms.
func step(how engine.How) func(context.Context, *call) error {
	return func(ctx context.Context, c *call) error {
		if err := c.stepping(ctx); err != nil {
			return err
		}
		n, err := c.count(ctx)
		if err != nil {
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
			lined = v.HasLine(ctx, r.PC())
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
		if err := c.stepping(ctx); err != nil {
			return err
		}
		n, err := c.count(ctx)
		if err != nil {
			return err
		}
		return c.resume(ctx, engine.How{Kind: kind, Unit: engine.ByInstruction, UntilKind: u}, n)
	}
}

// stepTo makes pa and ta.
func stepTo(kind engine.HowKind, reverse bool) func(context.Context, *call) error {
	return func(ctx context.Context, c *call) error {
		if err := c.stepping(ctx); err != nil {
			return err
		}
		target, err := c.address(ctx)
		if err != nil {
			return err
		}
		if err := c.lastCommand(); err != nil {
			return err
		}
		return c.walk(ctx, engine.How{Kind: kind, Unit: engine.ByInstruction, Reverse: reverse}, func(f *engine.Frame, _ engine.Inst) bool {
			return f.PC == target
		})
	}
}

// walk steps, showing each step, until done says so or something else stops it.
func (c *call) walk(ctx context.Context, how engine.How, done func(*engine.Frame, engine.Inst) bool) error {
	if c.s == nil {
		return targets.ErrGone
	}
	wait, last := c.tail, c.before
	c.tail, c.before = false, ""
	defer func() { c.tail = wait }()
	for {
		stop, err := c.once(ctx, how)
		if err != nil || stop == nil || !stop.Step {
			return c.irreversible(how, err)
		}
		there := false
		err = c.do(ctx, func(ctx context.Context, v *engine.View) error {
			f, err := v.Frame(ctx)
			if err != nil {
				return err
			}
			insts, err := v.Disassemble(ctx, f.PC, 1)
			there = err == nil && len(insts) > 0 && done(f, insts[0])
			return err
		})
		if err != nil {
			return err
		}
		if there {
			return c.program(ctx, last)
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
	tail, before := c.tail, c.before
	defer func() { c.tail = tail }()
	for k := uint64(0); k < count; k++ {
		c.tail = tail && k+1 == count
		if k+1 < count {
			c.before = ""
		} else if c.before = before; before != "" {
			c.tail = false
		}
		stop, err := c.once(ctx, how)
		if err != nil || stop == nil || !stop.Step {
			return c.irreversible(how, err)
		}
	}
	return nil
}

// once resumes and, unless the front end learns of the stop by its event, waits
// for it. A nil Stop means that there is none to go on from.
func (c *call) once(ctx context.Context, how engine.How) (*engine.Stop, error) {
	for {
		wait := c.wait || !c.tail
		begun, stop, err := c.proceed(ctx, how, wait)
		if err == nil && !wait || begun && errors.Is(err, targets.ErrGone) {
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
	defer x.i.guarded()()
	commands := x.i.commandsOf(ctx, stop)
	if x.before != "" && stop.Step {
		commands = append(commands, x.before)
	}
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
	if err := x.i.StopBlock(ctx, stop, x.out); err != nil || x.i.atPrompt == "" {
		return nil, err
	}
	inner := &exec{i: x.i, out: x.out, wait: true, prompt: x.prompt, depth: x.depth}
	if err := inner.program(ctx, x.i.atPrompt); err != nil {
		fmt.Fprintln(x.out, errorText(err, 0))
	}
	return nil, nil
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
			for _, b := range slices.Concat(l.Breakpoints(), l.Spent()) {
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
