package windbg

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"dap-windbg/engine"
	"dap-windbg/targets"
)

var childCommands = []command{
	{"|", "| [N | . | # | * | ~[pid]] [s | command]", "list processes, select one (s), or run a command for it", anytime, processes},
	{".childdbg", ".childdbg [0 | 1]", "debug the processes that the debuggee forks, or let them run by themselves", anytime, childDebugging},
}

// Family is a Host that can debug several processes at a time.
type Family interface {
	// Members lists them; none where the front end has a window for each.
	Members() []engine.Member
	// Select makes one the present debuggee; false when there is none of this number.
	Select(ordinal int) bool
	// FollowChildren says whether forked processes are debugged too; nil only asks.
	FollowChildren(on *bool) bool
	// Resume is Session.Resume for all of them where how means just to go on, Wait
	// waits until all wait again, for the stop of the one that is present then.
	Resume(ctx context.Context, how engine.How) error
	Wait(ctx context.Context) (engine.Stop, error)
}

// family is the Host where that has processes of its own, or nil.
func (i *Interpreter) family() Family {
	if f, ok := i.o.Host.(Family); ok && len(f.Members()) > 0 {
		return f
	}
	return nil
}

// members lists the processes; the present one alone where the Host knows no others.
func (i *Interpreter) members() []engine.Member {
	if f := i.family(); f != nil {
		return f.Members()
	}
	if s := i.o.Host.Session(); s != nil {
		return []engine.Member{{Session: s, Present: true}}
	}
	return nil
}

// processNumber is the ordinal of the present process.
func (i *Interpreter) processNumber() int {
	for _, m := range i.members() {
		if m.Present {
			return m.Ordinal
		}
	}
	return 0
}

// proceed resumes and, when it is to, waits for the stop of any process there is. begun
// tells that the error is not of the resume.
func (c *call) proceed(ctx context.Context, how engine.How, wait bool) (begun bool, stop engine.Stop, err error) {
	resume, stopped := c.s.Resume, c.s.Wait
	if f := c.i.family(); f != nil {
		resume, stopped = f.Resume, f.Wait
	}
	if err = resume(ctx, how); err != nil || !wait {
		return false, stop, err
	}
	stop, err = stopped(ctx)
	if s := c.i.o.Host.Session(); s != nil {
		c.s = s
	}
	return true, stop, err
}

// processRow is a line of `|`; how is "create" or "attach".
func processRow(mark string, n int, pid int64, how, name string) string {
	return fmt.Sprintf("%s%3d\tid: %x\t%s\tname: %s", mark, n, pid, how, name)
}

// processes is `|` with everything that may follow it.
func processes(ctx context.Context, c *call) error {
	sel, n, ok := parseSelector(c.line)
	if !ok {
		return c.syntax(0)
	}
	at := c.base
	c.drop(n)
	all := c.i.members()
	if len(all) == 0 {
		return targets.ErrGone
	}
	list, err := c.pickProcesses(ctx, sel, all, at)
	if err != nil {
		return err
	}
	tail := strings.TrimSpace(c.line)
	switch {
	case tail == "":
		for _, m := range list {
			m.Session.Look(ctx, func(l *engine.Live) error { c.listProcess(m, l.Info()); return nil })
		}
		return nil
	case sel.text == "":
		return c.syntax(0)
	case tail == "s" || tail[0] == '~' && strings.HasSuffix(tail, "s"):
		c.drop(len(c.line))
		return c.selectProcess(ctx, list, strings.TrimSuffix(tail, "s"), at)
	}
	c.drop(len(c.line))
	return c.forProcesses(ctx, list, tail)
}

func (c *call) listProcess(m engine.Member, info targets.Info) {
	how, name, mark := "create", info.Path, " "
	if info.Attached {
		how = "attach"
	}
	if name == "" {
		name = info.OS
	}
	if m.Present {
		mark = "."
	}
	c.printf("%s\n", processRow(mark, m.Ordinal, info.Process, how, name))
}

// pickProcesses finds those that a selector names.
func (c *call) pickProcesses(ctx context.Context, sel selector, all []engine.Member, at int) ([]engine.Member, error) {
	number, err := c.selected(ctx, sel)
	if err != nil {
		return nil, err
	}
	list := slices.DeleteFunc(all, func(m engine.Member) bool {
		switch sel.kind {
		case selectAll:
			return false
		case selectCurrent, selectEvent:
			return !m.Present
		case selectID:
			pid := int64(0)
			m.Session.Look(ctx, func(l *engine.Live) error { pid = l.Info().Process; return nil })
			return uint64(pid) != number
		}
		return uint64(m.Ordinal) != number
	})
	if len(list) == 0 {
		return nil, &Error{Kind: "Illegal process", Command: c.text, Pos: at, Fix: "| lists the processes"}
	}
	return list, nil
}

// selectProcess makes a process the present one, and the thread that a selector of
// threads names the selected one.
func (c *call) selectProcess(ctx context.Context, list []engine.Member, thread string, at int) error {
	if len(list) != 1 {
		return &Error{Kind: "Illegal process", Command: c.text, Pos: at}
	}
	c.present(list[0])
	if thread != "" {
		return c.program(ctx, thread+"s")
	}
	if c.s.Look(ctx, func(l *engine.Live) error { return runningError(l) }) != nil {
		c.printf("The process runs.\n")
		return nil
	}
	return c.do(ctx, func(ctx context.Context, v *engine.View) error { return c.i.here(ctx, v, c.out) })
}

func runningError(l *engine.Live) error {
	if l.State() == engine.StateRunning {
		return targets.ErrRunning
	}
	return nil
}

// present makes m what commands are about.
func (c *call) present(m engine.Member) {
	if f := c.i.family(); f != nil {
		f.Select(m.Ordinal)
	}
	c.s = m.Session
}

// forProcesses runs text once for each process and comes back.
func (c *call) forProcesses(ctx context.Context, list []engine.Member, text string) error {
	back := c.i.processNumber()
	defer func() {
		if f := c.i.family(); f != nil {
			f.Select(back)
		}
	}()
	for _, m := range list {
		c.present(m)
		if err := c.program(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// childDebugging is .childdbg.
func childDebugging(ctx context.Context, c *call) error {
	f, ok := c.i.o.Host.(Family)
	if !ok {
		return fail("Child processes cannot be debugged here")
	}
	var on *bool
	if c.more() {
		n, err := c.number(ctx, 0)
		if err != nil {
			return err
		}
		if n > 1 {
			return c.syntax(0)
		}
		set := n == 1
		on = &set
	}
	if err := c.end(); err != nil {
		return err
	}
	will := "will not"
	if f.FollowChildren(on) {
		will = "will"
	}
	c.printf("Processes created by the current process %s be debugged\n", will)
	return nil
}

// becameText tells that the debuggee is another process or program.
func becameText(e engine.Became) string {
	if e.Process != e.Was {
		return fmt.Sprintf("Process %x forked %x, which is debugged in its place\n", e.Was, e.Process)
	}
	return fmt.Sprintf("Process %x executes %s\n", e.Process, e.Path)
}
