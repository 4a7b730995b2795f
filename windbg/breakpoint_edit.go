package windbg

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// This file lists and edits the breakpoints there are.

// listBreakpoints is bl.
func listBreakpoints(ctx context.Context, c *call) error {
	lines := true
	if o, ok := c.option("/"); ok {
		if o != "L" {
			return c.syntax(-2)
		}
		lines = false
	}
	pick, err := c.ids(ctx, true)
	if err != nil || c.s == nil {
		return err
	}
	return c.s.Look(ctx, func(l *engine.Live) error {
		ordinals := map[targets.ThreadID]int{}
		for _, t := range l.KnownThreads() {
			ordinals[t.ID] = t.Ordinal
		}
		ordinal := func(id targets.ThreadID) (int, bool) { n, ok := ordinals[id]; return n, ok }
		all := l.Breakpoints()
		slices.SortFunc(all, func(a, b engine.Status) int { return a.ID - b.ID })
		for _, s := range all {
			if pick(s) {
				c.printf("%s\n", breakpointRow(s, func(a arch.Addr) string { return nameLive(l, a) }, ordinal, pointerOf(l.Info()), lines && !c.i.source.noLines))
			}
		}
		return nil
	})
}

// nameLive is "mod!f+0x4" from what is known without reading anything.
func nameLive(l *engine.Live, a arch.Addr) string {
	for _, m := range l.Modules() {
		if a < m.Base || a >= moduleEnd(m) {
			continue
		}
		at := engine.Location{Addr: a, Module: m}
		if m.Image != nil {
			if s, ok := m.Image.At(symbols.Offset(a - m.Base)); ok {
				at.Symbol, at.Disp = s, uint64(a-m.Base)-uint64(s.Offset)
			}
		}
		return locationText(at)
	}
	return ""
}

// ids reads a list of breakpoints: "0 3", "0,3", "2-5", "*", "[expr]", "sym*pattern". None at
// all is an error unless empty, which then means every one.
func (c *call) ids(ctx context.Context, empty bool) (func(engine.Status) bool, error) {
	var tests []func(engine.Status) bool
	for c.more() {
		at := c.base
		if pattern, ok := c.quoted(); ok {
			match := wildcard(pattern)
			tests = append(tests, func(s engine.Status) bool { return match(wish(s.Breakpoint)) || match(s.Label) })
			continue
		}
		if c.line[0] == '[' {
			n, err := c.bracketed(ctx)
			if err != nil {
				return nil, err
			}
			tests = append(tests, func(s engine.Status) bool { return uint64(s.ID) == n })
			continue
		}
		w := c.word()
		if w == "*" {
			tests = append(tests, func(engine.Status) bool { return true })
			continue
		}
		from, to, isRange := strings.Cut(w, "-")
		lo, err := strconv.Atoi(from)
		hi := lo
		if err == nil && isRange {
			hi, err = strconv.Atoi(to)
		}
		if err != nil || hi < lo || lo < 0 {
			return nil, &Error{Kind: "Syntax", Command: c.text, Pos: at}
		}
		tests = append(tests, func(s engine.Status) bool { return s.ID >= lo && s.ID <= hi })
	}
	if len(tests) == 0 && !empty {
		return nil, c.syntax(0)
	}
	return func(s engine.Status) bool {
		for _, t := range tests {
			if t(s) {
				return true
			}
		}
		return len(tests) == 0
	}, nil
}

// bracketed takes "[expr]".
func (c *call) bracketed(ctx context.Context) (uint64, error) {
	end := strings.IndexByte(c.line, ']')
	if end < 0 {
		return 0, c.syntax(0)
	}
	src := c.drop(end + 1)
	return c.value(ctx, src[1:end])
}

// editBreakpoints makes bc, bd and be; change nil removes.
func editBreakpoints(change func(*engine.Breakpoint)) func(context.Context, *call) error {
	return func(ctx context.Context, c *call) error {
		pick, err := c.ids(ctx, false)
		if err != nil {
			return err
		}
		if c.s == nil {
			return targets.ErrGone
		}
		_, err = c.s.ChangeBreakpoints(ctx, func(have []engine.Status) []engine.Breakpoint {
			var want []engine.Breakpoint
			for _, s := range have {
				b := s.Breakpoint
				if pick(s) {
					if change == nil {
						continue
					}
					change(&b)
				}
				want = append(want, b)
			}
			return want
		})
		return err
	}
}

// decimal reads a breakpoint's number.
func (c *call) decimal() (int, error) {
	c.skip()
	at := c.base
	n, err := strconv.Atoi(c.word())
	if err != nil || n < 0 {
		return 0, &Error{Kind: "Syntax", Command: c.text, Pos: at}
	}
	return n, nil
}

func renumber(ctx context.Context, c *call) error {
	moves := map[int]int{}
	for c.more() {
		from, err := c.decimal()
		if err != nil {
			return err
		}
		to, err := c.decimal()
		if err != nil {
			return err
		}
		moves[from] = to
	}
	if len(moves) == 0 {
		return c.syntax(0)
	}
	return c.change(ctx, func(have []engine.Status) ([]engine.Breakpoint, error) {
		var want []engine.Breakpoint
		used := map[int]bool{}
		for _, s := range have {
			if to, ok := moves[s.ID]; ok {
				s.ID = to
			}
			if used[s.ID] {
				return nil, fail("Breakpoint %d already exists", s.ID)
			}
			used[s.ID] = true
			want = append(want, s.Breakpoint)
		}
		return want, nil
	})
}

// change edits the table; nothing changes when f fails.
func (c *call) change(ctx context.Context, f func([]engine.Status) ([]engine.Breakpoint, error)) error {
	if c.s == nil {
		return targets.ErrGone
	}
	var failed error
	_, err := c.s.ChangeBreakpoints(ctx, func(have []engine.Status) []engine.Breakpoint {
		want, err := f(have)
		if failed = err; err == nil {
			return want
		}
		same := make([]engine.Breakpoint, len(have))
		for i, s := range have {
			same[i] = s.Breakpoint
		}
		return same
	})
	if failed != nil {
		return failed
	}
	return err
}

// setCommands is bs and bsc.
func setCommands(ctx context.Context, c *call) error {
	id, err := c.decimal()
	if err != nil {
		return err
	}
	cond := ""
	if c.cmd.Name == "bsc" {
		if cond = c.expression(); cond == "" {
			return c.syntax(0)
		}
	}
	text, _ := c.quoted()
	if err := c.end(); err != nil {
		return err
	}
	if cond != "" {
		text = fmt.Sprintf("j %s '%s'; 'gc'", cond, text)
	}
	return c.change(ctx, func(have []engine.Status) ([]engine.Breakpoint, error) {
		found := false
		want := make([]engine.Breakpoint, len(have))
		for i, s := range have {
			if s.ID == id {
				s.Command, found = text, true
			}
			want[i] = s.Breakpoint
		}
		if !found {
			return nil, fail("Breakpoint %d does not exist", id)
		}
		return want, nil
	})
}

// breakpointScript is .bpcmds.
func breakpointScript(ctx context.Context, c *call) error {
	if c.s == nil {
		return nil
	}
	return c.s.Look(ctx, func(l *engine.Live) error {
		all := l.Breakpoints()
		slices.SortFunc(all, func(a, b engine.Status) int { return a.ID - b.ID })
		for _, s := range all {
			c.printf("%s\n", breakpointCommand(s, pointerOf(l.Info())))
		}
		return nil
	})
}

// breakpointCommand is the command that sets a breakpoint again.
func breakpointCommand(s engine.Status, ptr int) string {
	name, where := "bp", wish(s.Breakpoint)
	switch {
	case s.Access != targets.Software:
		name, where = "ba", fmt.Sprintf("%s%d %s", accessLetter(s.Access), s.Size, where)
	case s.Hardware:
		name, where = "ba", "e1 "+where
	case s.Deferred:
		name = "bu"
	case len(s.Addrs) > 0:
		where = "0x" + s.Addrs[0].Text(ptr)
	}
	text := fmt.Sprintf("%s%d", name, s.ID)
	if s.OneShot {
		text += " /1"
	}
	if s.MaxDepth > 0 {
		text += fmt.Sprintf(" /c 0n%d", s.MaxDepth)
	}
	if s.MinDepth > 0 {
		text += fmt.Sprintf(" /C 0n%d", s.MinDepth)
	}
	if s.Condition != "" {
		text += fmt.Sprintf(" /w %q", s.Condition)
	}
	text += " " + where
	if !strings.HasPrefix(where, "@!") {
		text += " "
	}
	if s.Passes > 1 {
		text += fmt.Sprintf(" %x ", s.Passes)
	}
	if s.Command != "" {
		text += fmt.Sprintf("%q", s.Command)
	}
	return text + ";"
}
