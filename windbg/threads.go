package windbg

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/targets"
)

var threadCommands = []command{
	{"~", "~ ~* ~. ~# ~N ~~[tid] [s | e cmds | f | u | command]", "list threads, select (s), run commands for (e), freeze (f), unfreeze (u)", anytime, threads},
	{"||", "||", "list systems", anytime, systemsList},
	{".tlist", ".tlist [-v] [pattern]", "processes of the far end", powerful, taskList},
	{".attach", ".attach PID", "attach to a process; the PID is hexadecimal unless 0n", powerful | owners, attach},
	{".create", ".create CommandLine", "start a program at the far end", rest | powerful | owners, create},
	{".detach", ".detach", "leave the debuggee running", powerful, detach},
	{".abandon", ".abandon [/h | /n]", "end the session and leave the debuggee stopped, for the next debugger", powerful, abandon},
	{".kill", ".kill", "end the debuggee", powerful, kill},
	{".restart", ".restart", "start the debuggee again", powerful, restart},
}

// threads is `~` with everything that may follow it.
func threads(ctx context.Context, c *call) error {
	sel, n, ok := parseSelector(c.line)
	if !ok {
		return c.syntax(0)
	}
	at := c.base
	c.drop(n)
	tail := strings.TrimLeft(c.line, " \t")
	word := tail[:wordEnd(tail, 0)]
	if sel.text == "" && tail != "" {
		return c.syntax(0)
	}
	if tail == "" {
		return c.listThreads(ctx, sel, at)
	}
	list, err := c.pick(ctx, sel, at)
	if err != nil {
		return err
	}
	switch {
	case word == "s":
		if len(list) != 1 {
			return &Error{Kind: "Illegal thread", Command: c.text, Pos: at}
		}
		return c.selectThread(ctx, list[0])
	case word == "f" || word == "u" || word == "n" || word == "m":
		return c.hold(ctx, list, word[0])
	case strings.HasPrefix(tail, "e") && (len(tail) == 1 || !isWord(tail[1])):
		return c.forThreads(ctx, list, tail[1:], true)
	}
	return c.forThreads(ctx, list, tail, false)
}

// hold is ~f and ~u, which freeze, and ~n and ~m, which count suspensions: a thread
// that is frozen or suspended is left out when the debuggee runs.
func (c *call) hold(ctx context.Context, list []engine.Thread, how byte) error {
	return c.do(ctx, func(ctx context.Context, v *engine.View) error {
		for _, t := range list {
			n := c.i.suspends[t.ID]
			frozen := t.Frozen && !(n > 0 && !c.i.frozen[t.ID])
			switch how {
			case 'f', 'u':
				frozen = how == 'f'
			case 'n':
				n++
			case 'm':
				n = max(0, n-1)
			}
			if err := v.Freeze(ctx, t.ID, frozen || n > 0); err != nil {
				return err
			}
			c.i.suspends[t.ID], c.i.frozen[t.ID] = n, frozen
		}
		return nil
	})
}

// suspended is t as ~ shows it: a thread that is suspended only is not frozen.
func (i *Interpreter) suspended(t engine.Thread) (engine.Thread, int) {
	n := i.suspends[t.ID]
	if n > 0 && !i.frozen[t.ID] {
		t.Frozen = false
	}
	return t, 1 + n
}

// selected is the number that a selector names, where it names one.
func (c *call) selected(ctx context.Context, sel selector) (number uint64, err error) {
	switch sel.kind {
	case selectExpr, selectID:
		return c.value(ctx, sel.text)
	case selectNumber:
		for _, d := range sel.text {
			number = min(number*10+uint64(d-'0'), 1<<32)
		}
	}
	return number, nil
}

// pick finds the threads a selector names.
func (c *call) pick(ctx context.Context, sel selector, at int) ([]engine.Thread, error) {
	number, err := c.selected(ctx, sel)
	if err != nil {
		return nil, err
	}
	var out []engine.Thread
	err = c.inspect(ctx, func(ctx context.Context, v *engine.View) error {
		all, err := v.Threads(ctx)
		for _, t := range all {
			if sel.kind == selectAll || sel.kind == selectCurrent && t.Current || sel.kind == selectEvent && t.Event ||
				(sel.kind == selectNumber || sel.kind == selectExpr) && uint64(t.Ordinal) == number ||
				sel.kind == selectID && uint64(t.ID.Thread) == number {
				out = append(out, t)
			}
		}
		return err
	})
	if err == nil && len(out) == 0 {
		err = &Error{Kind: "Illegal thread", Command: c.text, Pos: at, Fix: "~ lists the threads"}
	}
	return out, err
}

func (c *call) listThreads(ctx context.Context, sel selector, at int) error {
	list, err := c.pick(ctx, sel, at)
	if err != nil {
		return err
	}
	return c.inspect(ctx, func(ctx context.Context, v *engine.View) error {
		ptr := pointerSize(v)
		for _, t := range list {
			c.printf("%s\n", c.threadRow(ctx, v, t, ptr))
			if sel.text != "" {
				c.printf("%s", c.threadDetails(ctx, v, t, ptr))
			}
		}
		return nil
	})
}

// threadRow is a line of ~.
func (c *call) threadRow(ctx context.Context, v *engine.View, t engine.Thread, ptr int) string {
	t, n := c.i.suspended(withBase(ctx, v, t))
	return threadRow(t, n, ptr)
}

// withBase fills in the thread pointer that the far end did not tell.
func withBase(ctx context.Context, v *engine.View, t engine.Thread) engine.Thread {
	if t.Base == 0 {
		if r, err := v.Registers(ctx, t.ID); err == nil {
			if base, ok := r.Get("fs_base"); ok {
				t.Base = arch.Addr(base)
			}
		}
	}
	return t
}

func (c *call) selectThread(ctx context.Context, t engine.Thread) error {
	return c.do(ctx, func(ctx context.Context, v *engine.View) error {
		if err := v.SelectThread(ctx, t.ID); err != nil {
			return err
		}
		return c.i.here(ctx, v, c.out)
	})
}

// forThreads runs text once for each thread, selected for its duration. After an
// error of one thread the next has its turn when each is set.
func (c *call) forThreads(ctx context.Context, list []engine.Thread, text string, each bool) error {
	var back engine.Thread
	frame := 0
	err := c.do(ctx, func(ctx context.Context, v *engine.View) (err error) {
		if back, err = v.Thread(ctx); err != nil {
			return err
		}
		if f, err := v.Frame(ctx); err == nil {
			frame = f.Index
		}
		return nil
	})
	if err != nil {
		return err
	}
	titled := len(list) > 1 && !each
	var failed error
	for k := range list {
		if failed = c.forThread(ctx, &list[k], text, titled, k+1 == len(list)); failed != nil && !each {
			break
		}
		if failed != nil {
			fmt.Fprintln(c.out, errorText(failed, c.prompt))
		}
	}
	restore := c.do(ctx, func(ctx context.Context, v *engine.View) error {
		if err := v.SelectThread(ctx, back.ID); err != nil {
			return nil // it ended meanwhile
		}
		_, err := v.SelectFrame(ctx, frame)
		return err
	})
	if failed == nil && !errors.Is(restore, targets.ErrGone) && !errors.Is(restore, targets.ErrRunning) {
		return restore
	}
	return failed
}

func (c *call) forThread(ctx context.Context, t *engine.Thread, text string, titled, last bool) error {
	inner := *c.exec
	inner.thread = t
	runs := runsDebuggee(c.i.commands(), text)
	err := c.do(ctx, func(ctx context.Context, v *engine.View) error {
		if runs {
			return nil // the thread is a matter of how to run, not of what is selected
		}
		if titled {
			c.printf("\n%s\n", c.threadRow(ctx, v, *t, pointerSize(v)))
		}
		return v.SelectThread(ctx, t.ID)
	})
	if err != nil {
		return err
	}
	inner.tail = inner.tail && last
	err = inner.program(ctx, text)
	c.next = inner.next
	return err
}

// runsDebuggee reports whether text begins with a command that runs the debuggee or
// binds to a thread by itself.
func runsDebuggee(r *registry, text string) bool {
	s, ok := r.next(text, 0)
	if !ok || s.cmd == nil {
		return false
	}
	for _, rows := range [][]command{executionCommands, breakpointCommands} {
		for i := range rows {
			if rows[i].Name == s.cmd.Name {
				return true
			}
		}
	}
	return false
}

func systemsList(ctx context.Context, c *call) error {
	if err := c.end(); err != nil {
		return err
	}
	kind := "Live user mode"
	if c.s != nil {
		c.s.Look(ctx, func(l *engine.Live) error {
			switch info := l.Info(); {
			case info.Machine:
				kind = "Remote KD"
			case l.Postmortem():
				kind = "User dump"
			case info.Process == 0 && len(l.KnownThreads()) == 0:
				kind = "Image file"
			}
			return nil
		})
	}
	c.printf(".  0 %s: %s\n", kind, c.i.o.Host.Connection())
	return nil
}

func taskList(ctx context.Context, c *call) error {
	set, err := c.flags("-", "v c")
	if err != nil {
		return err
	}
	pattern := c.all()
	list, err := c.i.o.Host.Processes(ctx)
	if err != nil {
		return err
	}
	for _, p := range list {
		name, _, _ := strings.Cut(p.Command, " ")
		if ok, _ := path.Match(pattern, path.Base(name)); pattern != "" && !ok {
			continue
		}
		if !set["v"] {
			c.printf("     0n%d %s\n", p.PID, name)
			continue
		}
		c.printf("     0n%d %s\n       Session: 0  User: %s  Command Line: %s\n", p.PID, name, p.User, p.Command)
	}
	return nil
}

func attach(ctx context.Context, c *call) error {
	for {
		if _, ok := c.option("-"); !ok {
			break
		}
	}
	if !c.more() {
		return c.syntax(0)
	}
	pid, err := c.lastNumber(ctx, 0)
	if err != nil {
		return err
	}
	if err := c.i.o.Host.Attach(ctx, int64(pid)); err != nil {
		return err
	}
	return c.arrived(ctx)
}

// arrived shows the first stop of a new debuggee.
func (c *call) arrived(ctx context.Context) error {
	c.i.cursor = cursor{}
	s := c.i.o.Host.Session()
	if s == nil {
		return nil
	}
	stop, err := s.Wait(ctx)
	if err != nil {
		return err
	}
	c.i.meet(stop)
	return c.i.StopBlock(ctx, stop, c.out)
}

func create(ctx context.Context, c *call) error {
	for {
		if _, ok := c.option("-"); !ok {
			break
		}
	}
	words := commandLine(c.all())
	if len(words) == 0 {
		return c.syntax(0)
	}
	if err := c.i.o.Host.Create(ctx, targets.Program{Path: words[0], Args: words[1:], Dir: c.i.folder}); err != nil {
		return err
	}
	return c.arrived(ctx)
}

// commandLine splits at blanks outside "quotes".
func commandLine(s string) []string {
	var words []string
	var b strings.Builder
	in, quoted := false, false
	for k := 0; k < len(s); k++ {
		switch ch := s[k]; {
		case ch == '"':
			quoted, in = !quoted, true
		case isSpace(ch) && !quoted:
			if in {
				words = append(words, b.String())
				b.Reset()
			}
			in = false
		default:
			b.WriteByte(ch)
			in = true
		}
	}
	if in {
		words = append(words, b.String())
	}
	return words
}

func detach(ctx context.Context, c *call) error {
	if _, ok := c.option("/"); ok {
		c.skip()
	}
	if c.s == nil {
		return targets.ErrGone
	}
	if err := c.i.o.Host.Detach(ctx); err != nil {
		return err
	}
	c.printf("Detached\n")
	return nil
}

// abandoner is a Host that can leave a debuggee stopped.
type abandoner interface {
	Abandon(ctx context.Context) error
}

// abandon is .abandon.
func abandon(ctx context.Context, c *call) error {
	if _, err := c.flags("/", "h n"); err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	h, ok := c.i.o.Host.(abandoner)
	if c.s == nil || !ok {
		return targets.ErrGone
	}
	if err := h.Abandon(ctx); err != nil {
		return err
	}
	c.printf("Abandoned process\n")
	return nil
}

func kill(ctx context.Context, c *call) error {
	if _, ok := c.option("/"); ok {
		c.skip()
	}
	if c.s == nil {
		return targets.ErrGone
	}
	if err := c.i.o.Host.Kill(ctx); err != nil {
		return err
	}
	c.printf("Terminated.  Exit thread and process events will occur.\n")
	return nil
}

func restart(ctx context.Context, c *call) error {
	if err := c.end(); err != nil {
		return err
	}
	if err := c.i.o.Host.Restart(ctx); err != nil {
		return err
	}
	return c.arrived(ctx)
}
