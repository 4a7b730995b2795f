package windbg

import (
	"context"
	"fmt"
	"strings"

	"dap-windbg/engine"
	"dap-windbg/targets"
)

// This file selects frames and looks for them: kd, .frame, .f+, .inline, !findstack.

// rawStack is kd.
func rawStack(ctx context.Context, c *call) error {
	n, err := c.number(ctx, 20)
	if err != nil {
		return err
	}
	f, err := c.v.Frame(ctx)
	if err != nil {
		return err
	}
	ptr := pointerSize(c.v)
	if n > 1<<16 {
		return &Error{Kind: "Range", Command: c.text, Pos: c.pos}
	}
	return c.dumpSymbols(ctx, f.Regs.SP(), ptr, int(n), ptr)
}

// selectFrame is .frame.
func selectFrame(ctx context.Context, c *call) error {
	set, err := c.flags("/-", "r c")
	if err != nil {
		return err
	}
	f, err := c.v.Frame(ctx)
	if err != nil {
		return err
	}
	if c.more() && c.line[0] == '=' {
		if err := c.frameAt(ctx, f); err != nil {
			return err
		}
		return c.showFrame(ctx, 0, set["r"])
	}
	n, err := c.number(ctx, uint64(f.Index))
	if err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	if !set["c"] {
		return c.showFrame(ctx, n, set["r"])
	}
	if err := c.showFrame(ctx, n, false); err != nil {
		return err
	}
	if f, err = c.v.Frame(ctx); err != nil {
		return err
	}
	c.v.SetContext(f.Regs)
	return c.showContext(ctx)
}

// frameAt makes the context that ".frame = SP [N]" names: the frame N above the one
// with that stack pointer, on x86 with that frame pointer.
func (c *call) frameAt(ctx context.Context, f *engine.Frame) error {
	c.drop(1)
	at, err := c.address(ctx)
	if err != nil {
		return err
	}
	n, err := c.lastNumber(ctx, 0)
	if err != nil {
		return err
	}
	r := f.Regs.Clone()
	if pointerSize(c.v) == 4 {
		r.PutName(r.Set.Arch.FP, uint64(at))
	} else {
		r.SetSP(at)
	}
	s, err := c.v.StackFrom(ctx, r, int(min(n, 10000))+1)
	if err != nil {
		return err
	}
	if n >= uint64(len(s.Frames)) {
		return fail("Cannot find frame 0x%x, previous scope unchanged", n)
	}
	c.v.SetContext(s.Frames[n].Regs)
	return nil
}

func (c *call) showFrame(ctx context.Context, n uint64, registers bool) error {
	if n > 10000 {
		return fail("Cannot find frame 0x%x, previous scope unchanged", n)
	}
	f, err := c.v.SelectFrame(ctx, int(n))
	if err != nil {
		return &Error{Text: fmt.Sprintf("Cannot find frame 0x%x, previous scope unchanged", n), Err: err}
	}
	ptr := pointerSize(c.v)
	c.printf("%s\n", stackStyle{}.row(ctx, c, f, 0, ptr))
	if registers {
		c.printf("%s", registersText(f.Regs, c.i.mask))
	}
	c.i.cursor.file = ""
	return nil
}

func moveFrame(by int) func(context.Context, *call) error {
	return func(ctx context.Context, c *call) error {
		f, err := c.v.Frame(ctx)
		if err != nil {
			return err
		}
		if f.Index+by < 0 {
			return fail("Cannot find frame before the first, previous scope unchanged")
		}
		return c.showFrame(ctx, uint64(f.Index+by), false)
	}
}

func stackDepth(ctx context.Context, c *call) error {
	n, err := c.number(ctx, uint64(c.i.frames))
	if err != nil {
		return err
	}
	if n == 0 || n > 10000 {
		return &Error{Kind: "Range", Command: c.text, Pos: c.pos}
	}
	c.i.frames = int(n)
	c.printf("Default stack trace depth is 0n%d frames\n", n)
	return nil
}

// inlineFrames is .inline.
func inlineFrames(ctx context.Context, c *call) error {
	if !c.more() {
		show := c.v.Inlines(true)
		c.v.Inlines(show)
		c.printf("Inline frames are %s\n", map[bool]string{true: "shown", false: "not shown"}[show])
		return nil
	}
	n, err := c.lastNumber(ctx, 1)
	if err != nil {
		return err
	}
	c.v.Inlines(n != 0)
	return nil
}

// findStacks is !findstack.
func findStacks(ctx context.Context, c *call) error {
	pattern := c.word()
	if pattern == "" {
		return c.syntax(0)
	}
	level, err := c.lastNumber(ctx, 1)
	if err != nil {
		return err
	}
	list, err := c.v.Threads(ctx)
	if err != nil {
		return err
	}
	ids := make([]targets.ThreadID, len(list))
	for k, t := range list {
		ids[k] = t.ID
	}
	stacks, err := c.v.Stacks(ctx, ids, c.i.frames)
	if err != nil && stacks == nil {
		return err
	}
	if !strings.ContainsAny(pattern, "*?[") {
		pattern = "*" + pattern + "*"
	}
	match := wildcard(pattern)
	ptr := pointerSize(c.v)
	for _, t := range list {
		s := stacks[t.ID]
		if s == nil {
			continue
		}
		rows, n := []string(nil), 0
		for k := range s.Frames {
			f := &s.Frames[k]
			mark := " "
			if match(callSite(f, ptr)) {
				mark = "*"
				n++
			}
			if mark == "*" || level > 1 {
				rows = append(rows, fmt.Sprintf("        %s %s", mark, stackStyle{}.row(ctx, c, f, 0, ptr)))
			}
		}
		if n == 0 {
			continue
		}
		c.printf("Thread %03d, %d frame(s) match\n", t.Ordinal, n)
		if level > 0 {
			c.printf("%s\n\n", strings.Join(rows, "\n"))
		}
	}
	return nil
}
