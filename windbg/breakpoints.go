package windbg

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// owner marks the breakpoints set by commands.
const owner = "windbg"

var breakpointCommands = []command{
	{"bp", `bp[ID] [/1] [/w "cond"] [Addr [Passes]] ["cmds"]`, "set a breakpoint at an address; no address is the current one", anytime, setBreakpoint},
	{"bu", `bu[ID] [/1] [/w "cond"] Expr [Passes] ["cmds"]`, "set a breakpoint that is resolved again at each module load", anytime, setBreakpoint},
	{"bm", `bm [/a] [/d] pattern [Passes] ["cmds"]`, "set a breakpoint on each function that matches", anytime, setMatching},
	{"ba", `ba[ID] {e|r|w}Size Addr [Passes] ["cmds"]`, "break on access: e execute, r read or write, w write", anytime, setAccess},
	{"bl", "bl [/L] [IDs]", "list breakpoints; /L shows addresses without source lines", anytime, listBreakpoints},
	{"bc", "bc IDs", "clear breakpoints: 0 3, 2-5, *", anytime, editBreakpoints(nil)},
	{"bd", "bd IDs", "disable breakpoints", anytime, editBreakpoints(func(b *engine.Breakpoint) { b.Disabled = true })},
	{"be", "be IDs", "enable breakpoints", anytime, editBreakpoints(func(b *engine.Breakpoint) { b.Disabled = false })},
	{"br", "br Old New [Old2 New2 ...]", "renumber breakpoints", anytime, renumber},
	{"bs", `bs ID ["cmds"]`, "replace a breakpoint's commands", anytime, setCommands},
	{"bsc", `bsc ID Cond ["cmds"]`, "replace a breakpoint's commands by conditional ones", anytime, setCommands},
	{".bpcmds", ".bpcmds", "list breakpoints as the commands that set them", anytime, breakpointScript},
}

// setBreakpoint is bp and bu.
func setBreakpoint(ctx context.Context, c *call) error {
	b, err := c.newBreakpoint()
	if err != nil {
		return err
	}
	b.Deferred = strings.EqualFold(c.cmd.Name, "bu")
	at := c.base
	if err := c.place(ctx, &b, at); err != nil {
		return err
	}
	if err := c.passes(ctx, &b); err != nil {
		return err
	}
	return c.add(ctx, b)
}

// newBreakpoint reads the id written after the name and the options.
func (c *call) newBreakpoint() (engine.Breakpoint, error) {
	b := engine.Breakpoint{ID: -1, Owner: owner}
	n := 0
	for n < len(c.line) && c.line[n] >= '0' && c.line[n] <= '9' {
		n++
	}
	if n > 0 && (n == len(c.line) || isSpace(c.line[n])) {
		id, err := strconv.Atoi(c.drop(n))
		if err != nil || id > 1<<20 {
			return b, c.syntax(-n)
		}
		b.ID = id
	}
	if c.thread != nil {
		b.Thread = c.thread.ID
	}
	return b, c.breakpointOptions(&b)
}

func (c *call) breakpointOptions(b *engine.Breakpoint) error {
	for {
		c.skip()
		if !strings.HasPrefix(c.line, "/") {
			return nil
		}
		at := c.base
		switch o, _ := c.option("/"); {
		case o == "1":
			b.OneShot = true
		case o == "w":
			cond, ok := c.quoted()
			if !ok {
				return c.syntax(0)
			}
			if _, err := eval.Parse(cond, eval.Options{}); err != nil {
				return err
			}
			b.Condition = cond
		default:
			return &Error{Kind: "Syntax", Command: c.text, Pos: at, Fix: "breakpoints take /1 and /w \"condition\""}
		}
	}
}

// place reads where: an expression, a source line, or nothing for the current address.
func (c *call) place(ctx context.Context, b *engine.Breakpoint, at int) error {
	src := c.beforeOptions()
	if err := c.breakpointOptions(b); err != nil {
		return err
	}
	if src == "" {
		return c.do(ctx, func(ctx context.Context, v *engine.View) error {
			f, err := v.Frame(ctx)
			if err != nil {
				return err
			}
			b.Addr, b.Label = f.PC, nameAt(v, f.PC)
			return nil
		})
	}
	if file, n, ok := sourcePlace(src); ok {
		b.File, b.Line = file, n
		return nil
	}
	if _, err := eval.Parse(src, eval.Options{Dialect: eval.MASM, Radix: c.i.radix}); err != nil {
		return err
	}
	b.Expr = src
	if literal(src) { // an address by itself
		n, err := c.valueIn(ctx, src, eval.Options{Dialect: eval.MASM, Radix: c.i.radix})
		if err == nil {
			b.Expr, b.Addr = "", arch.Addr(n)
		}
	}
	return nil
}

// beforeOptions takes an expression that ends at an option, as in "main /1".
func (c *call) beforeOptions() string {
	c.skip()
	for _, o := range []string{" /1", " /w", " /c", " /C", " /p", " /t"} {
		n := strings.Index(c.line, o)
		if n >= 0 && n < expressionEnd(c.line) && (n+3 == len(c.line) || isSpace(c.line[n+3])) {
			return strings.TrimSpace(c.drop(n))
		}
	}
	return c.expression()
}

// literal reports whether src begins like a number, not like a name.
func literal(src string) bool { return src[0] >= '0' && src[0] <= '9' }

// sourcePlace reads `file:line` in back-ticks, without a module before the file.
func sourcePlace(src string) (file string, n int, ok bool) {
	if len(src) < 4 || src[0] != '`' || src[len(src)-1] != '`' {
		return "", 0, false
	}
	src = src[1 : len(src)-1]
	k := strings.LastIndexByte(src, ':')
	if k < 1 || strings.Contains(src[:k], "!") {
		return "", 0, false
	}
	n, err := strconv.Atoi(strings.TrimSpace(src[k+1:]))
	return src[:k], n, err == nil && n > 0
}

// passes reads [Passes] ["cmds"] and the end.
func (c *call) passes(ctx context.Context, b *engine.Breakpoint) error {
	if c.more() && c.line[0] != '"' {
		n, err := c.number(ctx, 1)
		if err != nil {
			return err
		}
		if n > 1<<31 {
			return &Error{Kind: "Overflow", Command: c.text, Pos: c.base}
		}
		b.Passes = int(n)
	}
	if text, ok := c.quoted(); ok {
		b.Command = text
	}
	return c.end()
}

// add puts b into the table, over the one with its id, and tells what became of it.
func (c *call) add(ctx context.Context, b engine.Breakpoint) error {
	if c.s == nil {
		return targets.ErrGone
	}
	old := map[int]bool{}
	redefined := -1
	all, err := c.s.ChangeBreakpoints(ctx, func(have []engine.Status) []engine.Breakpoint {
		clear(old)
		redefined = -1
		var want []engine.Breakpoint
		for _, s := range have {
			if b.ID < 0 && samePlace(s.Breakpoint, b) {
				b.ID, redefined = s.ID, s.ID
			}
			if s.ID != b.ID {
				want = append(want, s.Breakpoint)
				old[s.ID] = true
			}
		}
		return append(want, b)
	})
	if err != nil {
		return err
	}
	if redefined >= 0 {
		c.printf("breakpoint %d redefined\n", redefined)
	}
	for _, s := range all {
		if old[s.ID] || s.Owner != b.Owner {
			continue
		}
		if !s.Verified && b.Addr == 0 && !b.Deferred {
			c.printf("Bp expression '%s' could not be resolved, adding deferred bp\n", wish(b))
		} else if s.Message != "" {
			c.printf("%s\n", s.Message)
		}
	}
	return nil
}

func samePlace(a, b engine.Breakpoint) bool {
	return a.Owner == b.Owner && a.Addr == b.Addr && a.Expr == b.Expr && a.File == b.File && a.Line == b.Line &&
		a.Access == b.Access && a.Hardware == b.Hardware && a.Thread == b.Thread
}

// setMatching is bm.
func setMatching(ctx context.Context, c *call) error {
	b := engine.Breakpoint{ID: -1, Owner: owner, Deferred: true}
	data := false
	for {
		o, ok := c.option("/")
		if !ok {
			break
		}
		switch o {
		case "a":
			data = true
		case "d":
			b.Deferred = false
		case "(":
		case "1":
			b.OneShot = true
		default:
			return c.syntax(-len(o) - 1)
		}
	}
	pattern := c.word()
	if pattern == "" {
		return c.syntax(0)
	}
	if err := c.passes(ctx, &b); err != nil {
		return err
	}
	var want []engine.Breakpoint
	seen := map[arch.Addr]bool{}
	ptr := 8
	err := c.do(ctx, func(ctx context.Context, v *engine.View) error {
		ptr = pointerSize(v)
		return v.Symbols(ctx, pattern, func(l engine.Location) bool {
			if !seen[l.Addr] && (data || l.Symbol.Kind == symbols.Function) {
				seen[l.Addr] = true
				w := b
				w.Addr, w.Label = l.Addr, symbolText(l.Module, l.Symbol)
				if w.Deferred {
					w.Addr, w.Expr = 0, `@!"`+w.Label+`"` // names may hold operators
				}
				want = append(want, w)
			}
			return len(want) < 10000
		})
	})
	if err != nil {
		return err
	}
	if len(want) == 0 {
		return &Error{Kind: "Couldn't resolve", Rest: pattern, Fix: "no function matches"}
	}
	return c.addMatches(ctx, want, ptr)
}

func (c *call) addMatches(ctx context.Context, want []engine.Breakpoint, ptr int) error {
	old := map[int]bool{}
	all, err := c.s.ChangeBreakpoints(ctx, func(have []engine.Status) []engine.Breakpoint {
		var out []engine.Breakpoint
		for _, s := range have {
			out = append(out, s.Breakpoint)
			old[s.ID] = true
		}
		return append(out, want...)
	})
	if err != nil {
		return err
	}
	for _, s := range all {
		if !old[s.ID] && len(s.Addrs) > 0 {
			c.printf("%3d: %s @!\"%s\"\n", s.ID, s.Addrs[0].Text(ptr), s.Label)
		}
	}
	return nil
}

// setAccess is ba.
func setAccess(ctx context.Context, c *call) error {
	b, err := c.newBreakpoint()
	if err != nil {
		return err
	}
	c.skip()
	at := c.base
	kind := c.word()
	if kind == "" {
		return c.syntax(0)
	}
	size := kind[1:]
	if size == "" {
		size = c.word()
	}
	n, err := strconv.Atoi(size)
	if err != nil || n != 1 && n != 2 && n != 4 && n != 8 {
		return &Error{Kind: "Syntax", Command: c.text, Pos: at, Fix: "the size is 1, 2, 4 or 8"}
	}
	b.Size, b.Hardware = n, true
	switch kind[0] {
	case 'e':
		b.Size = 0
	case 'r':
		b.Access = targets.OnAccess
	case 'w':
		b.Access = targets.OnWrite
	default:
		return &Error{Kind: "Syntax", Command: c.text, Pos: at, Fix: "the access is e, r or w"}
	}
	if err := c.breakpointOptions(&b); err != nil {
		return err
	}
	at = c.base
	src := c.expression()
	if src == "" {
		return &Error{Kind: "Syntax", Command: c.text, Pos: at}
	}
	if literal(src) {
		a, err := c.value(ctx, src)
		if err != nil {
			return err
		}
		if b.Size > 0 && a%uint64(b.Size) != 0 {
			return &Error{Kind: "Data breakpoint must be aligned", Command: c.text, Pos: at}
		}
		b.Addr = arch.Addr(a)
	} else {
		b.Expr = src
	}
	if err := c.passes(ctx, &b); err != nil {
		return err
	}
	return c.add(ctx, b)
}

// listBreakpoints is bl.
func listBreakpoints(ctx context.Context, c *call) error {
	lines := true
	if o, ok := c.option("/"); ok {
		if o != "L" {
			return c.syntax(-2)
		}
		lines = false
	}
	pick, err := c.ids(true)
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

// ids reads a list of breakpoints: "0 3", "0,3", "2-5", "*", "sym*pattern". None at
// all is an error unless empty, which then means every one.
func (c *call) ids(empty bool) (func(engine.Status) bool, error) {
	var tests []func(engine.Status) bool
	for c.more() {
		at := c.base
		if pattern, ok := c.quoted(); ok {
			tests = append(tests, func(s engine.Status) bool { ok, _ := path.Match(pattern, wish(s.Breakpoint)); return ok })
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

// editBreakpoints makes bc, bd and be; change nil removes.
func editBreakpoints(change func(*engine.Breakpoint)) func(context.Context, *call) error {
	return func(ctx context.Context, c *call) error {
		pick, err := c.ids(false)
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
