package windbg

import (
	"context"
	"errors"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/targets"
)

// This file is steps backwards, and what steps pass over.

// backUntil makes pc-, tt- and their kin: steps back to an instruction of a kind.
func backUntil(kind engine.HowKind, kinds ...arch.Kind) func(context.Context, *call) error {
	return func(ctx context.Context, c *call) error {
		if err := c.stepping(ctx); err != nil {
			return err
		}
		n, err := c.count(ctx)
		if err != nil {
			return err
		}
		return c.walk(ctx, engine.How{Kind: kind, Unit: engine.ByInstruction, Reverse: true}, func(_ *engine.Frame, in engine.Inst) bool {
			if in.Err == nil && slices.Contains(kinds, in.Kind) {
				n--
			}
			return n == 0
		})
	}
}

// backOut is gu-: back to the call that entered the current function.
func backOut(ctx context.Context, c *call) error {
	if err := c.end(); err != nil {
		return err
	}
	var entry arch.Addr
	err := c.do(ctx, func(ctx context.Context, v *engine.View) error {
		f, err := v.Frame(ctx)
		if err != nil {
			return err
		}
		l := v.Locate(f.PC)
		if l.Symbol.Name == "" {
			return fail("The function's start is not known")
		}
		entry = f.PC - arch.Addr(l.Disp)
		return nil
	})
	if err != nil {
		return err
	}
	wait := c.tail
	c.tail = false
	defer func() { c.tail = wait }()
	stop, err := c.once(ctx, engine.How{Kind: engine.Go, Reverse: true, Until: []arch.Addr{entry}})
	if err != nil || stop == nil || len(stop.Breakpoints) > 0 {
		return c.irreversible(engine.How{Reverse: true}, err)
	}
	_, err = c.once(ctx, engine.How{Kind: engine.StepInto, Unit: engine.ByInstruction, Reverse: true})
	return err
}

// irreversible gives a refusal to run backwards its name.
func (c *call) irreversible(how engine.How, err error) error {
	if how.Reverse && errors.Is(err, errors.ErrUnsupported) {
		return &Error{Kind: "Reverse execution not supported", Command: c.text, Pos: c.pos, Err: err, Fix: "the far end keeps no recording"}
	}
	return err
}

// stepFilter is .step_filter.
func stepFilter(ctx context.Context, c *call) error {
	if c.s == nil {
		return targets.ErrGone
	}
	text, set := c.quoted()
	if o, ok := c.option("/"); ok && o == "c" {
		text, set = "", true
	} else if ok {
		return c.syntax(-len(o) - 1)
	}
	if err := c.end(); err != nil {
		return err
	}
	return c.s.Look(ctx, func(l *engine.Live) error {
		if set {
			l.SetStepFilter(strings.FieldsFunc(text, func(r rune) bool { return r == ';' }))
		}
		if list := l.StepFilter(); len(list) > 0 {
			c.printf("Filter step-into: %s\n", strings.Join(list, ";"))
		} else {
			c.printf("No step filters\n")
		}
		return nil
	})
}
