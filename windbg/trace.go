package windbg

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/targets"
)

// This file is wt: trace a whole call and count its instructions.

// maxTrace ends a trace that would not end by itself.
const maxTrace = 10_000_000

// invocation is a function being traced.
type invocation struct {
	name     string
	own      int // instructions of its own
	children int // and of those it called
}

// tally is what is known of a function over the trace.
type tally struct{ count, min, max, sum int }

// profile follows the calls of a trace and writes as it goes.
type profile struct {
	out     io.Writer
	stack   []invocation
	tallies map[string]*tally
	syscall int
	total   int
	events  int
	quiet   bool // -nc: no line for each call
}

func newProfile(out io.Writer, root string) *profile {
	return &profile{out: out, stack: []invocation{{name: root}}, tallies: map[string]*tally{}}
}

func (p *profile) top() *invocation { return &p.stack[len(p.stack)-1] }

// step counts one instruction of the innermost function.
func (p *profile) step(kind arch.Kind) {
	p.total++
	p.events++
	p.top().own++
	if kind == arch.Syscall {
		p.syscall++
	}
}

// call notes that name was entered.
func (p *profile) call(name string) {
	p.row()
	p.stack = append(p.stack, invocation{name: name})
}

// leave notes that the innermost function returned; false when it was the root.
func (p *profile) leave() bool {
	f := *p.top()
	p.row()
	t := p.tallies[f.name]
	if t == nil {
		t = &tally{min: f.own}
		p.tallies[f.name] = t
	}
	t.count++
	t.sum += f.own
	t.min, t.max = min(t.min, f.own), max(t.max, f.own)
	if len(p.stack) == 1 {
		return false
	}
	p.stack = p.stack[:len(p.stack)-1]
	p.top().children += f.own + f.children
	return true
}

// row writes the innermost function's counts.
func (p *profile) row() {
	if p.quiet {
		return
	}
	depth := len(p.stack) - 1
	fmt.Fprintf(p.out, "%5d %5d [%3d] %s%s\n", p.top().own, p.top().children, depth, strings.Repeat("  ", depth), p.top().name)
}

// summary is the tables at the end of a trace.
func (p *profile) summary(quiet bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%d instructions were executed in %d events (0 from other threads)\n", p.total, max(0, p.events-1))
	if quiet {
		return b.String()
	}
	fmt.Fprintf(&b, "\n%-43s Invocations MinInst MaxInst AvgInst\n", "Function Name")
	names := make([]string, 0, len(p.tallies))
	for n := range p.tallies {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		t := p.tallies[n]
		fmt.Fprintf(&b, "%-43s %11d %7d %7d %7d\n", n, t.count, t.min, t.max, t.sum/t.count)
	}
	fmt.Fprintf(&b, "\n%d system calls were executed\n\n", p.syscall)
	return b.String()
}

// traceOptions are those of wt.
type traceOptions struct {
	depth   int // -l: deeper calls are stepped over; 0 any
	noCalls bool
	noTable bool
	modules []string // -m: calls into others are stepped over
	ignored []string // -i: and into these
	places  bool     // -oa: addresses of calls
	returns byte     // -or, -oR: what functions return
	end     arch.Addr
}

// enters tells whether a call into a module is traced.
func (o traceOptions) enters(module string) bool {
	named := func(list []string) bool {
		return slices.ContainsFunc(list, func(m string) bool { return strings.EqualFold(m, module) })
	}
	return (len(o.modules) == 0 || named(o.modules)) && !named(o.ignored)
}

func (c *call) traceOptions(ctx context.Context) (o traceOptions, err error) {
	for {
		opt, ok := c.option("-")
		if !ok {
			return o, nil
		}
		switch opt {
		case "l":
			n, err := c.value(ctx, c.word())
			if err != nil {
				return o, err
			}
			o.depth = int(min(max(n, 1), 1000))
		case "nc":
			o.noCalls = true
		case "ns":
			o.noTable = true
		case "m", "i":
			name := c.word()
			if name == "" {
				return o, c.syntax(0)
			}
			if opt == "m" {
				o.modules = append(o.modules, name)
			} else {
				o.ignored = append(o.ignored, name)
			}
		case "oa":
			o.places = true
		case "or", "oR":
			o.returns = opt[1]
		case "nw", "ni": // no warnings are given; what is stepped over has no entry
		default:
			return o, c.syntax(-len(opt) - 1)
		}
	}
}

// spot is where a traced thread is.
type spot struct {
	pc, sp arch.Addr
	ret    arch.Addr // where the frame returns to
	inst   engine.Inst
	name   string
	start  bool // first instruction of a function
}

func (c *call) spot(ctx context.Context) (s spot, err error) {
	err = c.do(ctx, func(ctx context.Context, v *engine.View) error {
		f, err := v.Frame(ctx)
		if err != nil {
			return err
		}
		s.pc, s.ret = f.PC, f.Return
		if f.Regs != nil {
			s.sp = f.Regs.SP()
		}
		s.name, s.start = symbolOrAddress(f, pointerSize(v)), f.Disp == 0 && f.Symbol.Name != "" && !f.Inlined
		insts, err := v.Disassemble(ctx, s.pc, 1)
		if err == nil && len(insts) > 0 {
			s.inst = insts[0]
		}
		return err
	})
	return s, err
}

// watchTrace is wt: at a function's start to its return, on a call over it, else it is p.
func watchTrace(ctx context.Context, c *call) error {
	if c.s == nil {
		return targets.ErrGone
	}
	o, err := c.traceOptions(ctx)
	if err != nil {
		return err
	}
	if err := c.startAt(ctx); err != nil {
		return err
	}
	if c.more() {
		if o.end, err = c.address(ctx); err != nil {
			return err
		}
	}
	if err := c.end(); err != nil {
		return err
	}
	s, err := c.spot(ctx)
	if err != nil {
		return err
	}
	next := engine.How{Kind: engine.StepInto, Unit: engine.ByInstruction}
	if s.inst.Kind == arch.Call && !s.start {
		if s, err = c.traceStep(ctx, next); err != nil {
			return err
		}
	} else if !s.start {
		return c.resume(ctx, engine.How{Kind: engine.StepOver, Unit: c.i.unit()}, 1)
	}
	c.printf("Tracing %s to return address %s\n", s.name, s.ret.Text(c.pointer(ctx)))
	p := newProfile(c.out, s.name)
	p.quiet = o.noCalls
	if err := c.trace(ctx, p, s, o); err != nil {
		return err
	}
	c.printf("%s", p.summary(o.noTable))
	return c.do(ctx, func(ctx context.Context, v *engine.View) error { return c.i.here(ctx, v, c.out) })
}

// trace steps until the function that s starts has returned.
func (c *call) trace(ctx context.Context, p *profile, s spot, o traceOptions) error {
	for p.total < maxTrace {
		kind := s.inst.Kind
		how := engine.How{Kind: engine.StepInto, Unit: engine.ByInstruction}
		if o.depth > 0 && len(p.stack) >= o.depth || kind == arch.Call && s.inst.HasTarget && !o.enters(c.moduleOf(ctx, s.inst.Target)) {
			how.Kind = engine.StepOver
		}
		p.step(kind)
		after, err := c.traceStep(ctx, how)
		if err != nil {
			return err
		}
		switch {
		case kind == arch.Call && how.Kind == engine.StepInto && after.pc != s.inst.Addr+arch.Addr(s.inst.Len):
			p.call(after.name)
			if o.places {
				c.printf("%s call at %s\n", strings.Repeat(" ", 11), s.pc.Text(c.pointer(ctx)))
			}
		case kind == arch.Return:
			if o.returns != 0 {
				c.traceReturn(ctx, p.top().name, o.returns)
			}
			if !p.leave() {
				return nil
			}
		case kind == arch.Jump && after.start && after.name != p.top().name: // a tail call, or a stub's jump
			p.top().name = after.name
		}
		if s = after; o.end != 0 && s.pc == o.end {
			for p.leave() {
			}
			return nil
		}
	}
	return fail("The trace was ended after %d instructions", p.total)
}

// moduleOf is the name of the module that holds an address.
func (c *call) moduleOf(ctx context.Context, a arch.Addr) (name string) {
	_ = c.do(ctx, func(_ context.Context, v *engine.View) error {
		if m, ok := v.ModuleAt(a); ok {
			name = m.Name
		}
		return nil
	})
	return name
}

// traceReturn shows the return register: -or in hex, -oR with its symbol too.
func (c *call) traceReturn(ctx context.Context, name string, how byte) {
	_ = c.do(ctx, func(ctx context.Context, v *engine.View) error {
		f, err := v.Frame(ctx)
		if err != nil || f.Regs == nil {
			return err
		}
		reg := f.Regs.Set.Arch.Return
		text := registerHex(f.Regs, reg)
		if n, ok := f.Regs.Get(reg); ok && how == 'R' {
			text += " " + nameAt(v, arch.Addr(n))
		}
		c.printf("%s %s %s = %s\n", strings.Repeat(" ", 11), name, reg, strings.TrimSpace(text))
		return nil
	})
}

// traceStep makes one step and says where it led. Any other stop ends the trace and is shown.
func (c *call) traceStep(ctx context.Context, how engine.How) (spot, error) {
	if err := c.s.Resume(ctx, how); err != nil {
		return spot{}, err
	}
	stop, err := c.s.Wait(ctx)
	if err != nil {
		return spot{}, err
	}
	c.i.meet(stop)
	if !stop.Step {
		if err := c.i.StopBlock(ctx, stop, c.out); err != nil {
			return spot{}, err
		}
		return spot{}, fail("The trace was interrupted")
	}
	return c.spot(ctx)
}
