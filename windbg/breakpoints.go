package windbg

import (
	"context"
	"fmt"
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
	{"bp", `[~T] bp[ID] [/1] [/c N | /C N] [/p Process] [/t Thread] [/w "cond"] [Addr [Passes]] ["cmds"]`, "set a breakpoint at an address, no address is the current one; /1 once, /c and /C while fewer or more than N frames are on the stack, in a kernel /p and /t in a process or thread by its structure's address", anytime, setBreakpoint},
	{"bu", `[~T] bu[ID] [/1] [/c N | /C N] [/w "cond"] Expr [Passes] ["cmds"]`, "set a breakpoint that is resolved again at each module load", anytime, setBreakpoint},
	{"bm", `bm [/1] [/a] [/d] [/(] pattern [Passes] ["cmds"]`, "set a breakpoint on each function that matches", anytime, setMatching},
	{"ba", `[~T] ba[ID] {e|r|w}Size [/1] [/c N | /C N] [/w "cond"] Addr [Passes] ["cmds"]`, "break on access by the CPU's own means: e execute, r read or write, w write", anytime, setAccess},
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
	b, err := c.newBreakpoint(ctx)
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
func (c *call) newBreakpoint(ctx context.Context) (engine.Breakpoint, error) {
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
	return b, c.breakpointOptions(ctx, &b)
}

// maxDepthOption bounds /c and /C, frames.
const maxDepthOption = 10_000

func (c *call) breakpointOptions(ctx context.Context, b *engine.Breakpoint) error {
	for {
		c.skip()
		if !strings.HasPrefix(c.line, "/") {
			return nil
		}
		at := c.base
		switch o, _ := c.option("/"); {
		case o == "1":
			b.OneShot = true
		case (o == "c" || o == "C") && b.MaxDepth == 0 && b.MinDepth == 0:
			n, err := c.value(ctx, c.word())
			if err != nil {
				return err
			}
			if n == 0 || n > maxDepthOption {
				return &Error{Kind: "Range", Command: c.text, Pos: at}
			}
			if o == "c" {
				b.MaxDepth = int(n)
			} else {
				b.MinDepth = int(n)
			}
		case (o == "p" || o == "t") && c.s != nil && c.s.Info().Machine: // addresses of a kernel's structures
			n, err := c.value(ctx, c.word())
			if err != nil {
				return err
			}
			b.Condition = both(fmt.Sprintf("%s%s == 0x%x", ofTask, map[string]string{"p": "proc", "t": "thread"}[o], n), b.Condition)
		case o == "p" || o == "t":
			return &Error{Kind: "Operation not supported by current debuggee", Command: c.text, Pos: at, Fix: "~N before the command binds it to a thread"}
		case o == "w":
			cond, ok := c.quoted()
			if !ok {
				return c.syntax(0)
			}
			if _, err := eval.Parse(cond, eval.Options{}); err != nil {
				return err
			}
			b.Condition = both(b.Condition, cond)
		default:
			return &Error{Kind: "Syntax", Command: c.text, Pos: at, Fix: "breakpoints take /1, /c N or /C N, in a kernel /p and /t with a process or thread, and /w \"condition\""}
		}
	}
}

// ofTask begins the condition that /p and /t stand for, which needs no arguments.
const ofTask = "(unsigned long long)@$"

// both is a condition that holds where each of two does; "" always does.
func both(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return "(" + a + ") && (" + b + ")"
}

// inside reports whether a condition may name variables, which are in place behind a
// function's prologue.
func inside(cond string) bool {
	return cond != "" && slices.ContainsFunc(strings.Split(cond, " && "), func(term string) bool {
		return !strings.HasPrefix(strings.TrimLeft(term, "("), strings.TrimLeft(ofTask, "("))
	})
}

// place reads where: an expression, a source line, or nothing for the current address.
func (c *call) place(ctx context.Context, b *engine.Breakpoint, at int) error {
	if name, ok := c.spelled(); ok {
		err := c.breakpointOptions(ctx, b)
		if inside(b.Condition) && !strings.ContainsAny(name, "*?") {
			b.Function = name // its arguments are in place behind the prologue
		} else {
			b.Expr = `@!"` + name + `"`
		}
		return err
	}
	src := c.beforeOptions()
	if err := c.breakpointOptions(ctx, b); err != nil {
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
		if _, _, ok := sourcePlace("`" + src + "`"); ok {
			return &Error{Text: err.Error(), Err: err, Fix: fmt.Sprintf("a source line is written in back-ticks, `%s`", src)}
		}
		return err
	}
	if inside(b.Condition) && !strings.ContainsAny(src, "+-*/%&|^@$`()[]=<>\"' ") && !literal(src) {
		b.Function = src // the condition needs the arguments: they are in place behind the prologue
		return nil
	}
	b.Expr = src
	if literal(src) { // an address by itself
		n, err := c.valueIn(ctx, src, eval.Options{Dialect: eval.MASM, Radix: c.i.radix})
		if err == nil {
			b.Expr, b.Addr = "", arch.Addr(n)
		}
	}
	c.misread(ctx, src)
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
		if !s.Verified && len(s.Addrs) == 0 && b.Addr == 0 && !b.Deferred {
			c.printf("Bp expression '%s' could not be resolved, adding deferred bp\n", wish(b))
			if s.File != "" && s.Message != "" { // which of its lines have code
				c.printf("%s\n", s.Message)
			}
		} else if s.Message != "" {
			c.printf("%s\n", s.Message)
		}
	}
	return nil
}

func samePlace(a, b engine.Breakpoint) bool {
	return a.Owner == b.Owner && a.Addr == b.Addr && a.Expr == b.Expr && a.Function == b.Function && a.File == b.File && a.Line == b.Line &&
		a.MaxDepth == b.MaxDepth && a.MinDepth == b.MinDepth && a.Access == b.Access && a.Hardware == b.Hardware && a.Thread == b.Thread
}

// setMatching is bm.
func setMatching(ctx context.Context, c *call) error {
	b := engine.Breakpoint{ID: -1, Owner: owner, Deferred: true}
	data, signed := false, false
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
			signed = true
		case "1":
			b.OneShot = true
		default:
			return c.syntax(-len(o) - 1)
		}
	}
	pattern, params := c.functionPattern(signed)
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
			if !seen[l.Addr] && (data || l.Symbol.Kind == symbols.Function) && (params == nil || params("("+parameters(l)+")")) {
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
	return c.addMatches(ctx, together(want), ptr)
}

// functionPattern takes the pattern of bm; with signed it may end in a pattern of the
// parameter list, for which params then tests.
func (c *call) functionPattern(signed bool) (pattern string, params func(string) bool) {
	c.skip()
	open := strings.IndexByte(c.line, '(')
	if !signed || open <= 0 {
		return c.word(), nil
	}
	end := partner(c.line[open:])
	if end < 0 {
		return "", nil
	}
	pattern = strings.TrimSpace(c.drop(open))
	return pattern, wildcard(c.drop(end + 1))
}

// together makes one breakpoint of overloads: what shares a name has all places of it.
func together(want []engine.Breakpoint) []engine.Breakpoint {
	called := map[string]int{}
	for _, b := range want {
		called[b.Label]++
	}
	var out []engine.Breakpoint
	for _, b := range want {
		n := called[b.Label]
		if n > 1 && b.Deferred && !strings.ContainsAny(b.Label, "<>(){}[]*&,= ") {
			b.Expr, called[b.Label] = b.Label, -1
		}
		if n > 0 {
			out = append(out, b)
		}
	}
	return out
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
	b, err := c.newBreakpoint(ctx)
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
	case 'i':
		return &Error{Kind: "Operation not supported by current debuggee", Command: c.text, Pos: at, Fix: "a process has no I/O ports; the access is e, r or w"}
	default:
		return &Error{Kind: "Syntax", Command: c.text, Pos: at, Fix: "the access is e, r or w"}
	}
	if err := c.breakpointOptions(ctx, &b); err != nil {
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
