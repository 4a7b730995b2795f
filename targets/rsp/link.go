package rsp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dap-windbg/targets"
)

var _ targets.Link = (*Conn)(nil)

// Processes lists what runs at the far end.
func (c *Conn) Processes(ctx context.Context) ([]targets.Process, error) {
	done, err := c.turn(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer done()
	if c.platform {
		return c.platformProcesses(ctx)
	}
	return c.processes(ctx)
}

func (c *Conn) processes(ctx context.Context) ([]targets.Process, error) {
	data, err := c.read(ctx, false, "osdata", "processes")
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	return parseProcesses(data)
}

// maxProcesses bounds a process list.
const maxProcesses = 1 << 20

func parseProcesses(data []byte) ([]targets.Process, error) {
	var doc struct {
		Items []struct {
			Columns []struct {
				Name  string `xml:"name,attr"`
				Value string `xml:",chardata"`
			} `xml:"column"`
		} `xml:"item"`
	}
	if err := unmarshal(data, &doc); err != nil {
		return nil, &targets.ProtocolError{Op: "listing processes", Sent: "qXfer:osdata:read:processes", Got: string(data[:min(len(data), 80)])}
	}
	var out []targets.Process
	for _, item := range doc.Items[:min(len(doc.Items), maxProcesses)] {
		var p targets.Process
		for _, col := range item.Columns {
			switch col.Name {
			case "pid":
				p.PID, _ = strconv.ParseInt(strings.TrimSpace(col.Value), 10, 64)
			case "user":
				p.User = col.Value
			case "command":
				p.Command = strings.TrimSpace(col.Value) // gdbserver puts a blank behind each argument
			}
		}
		if p.PID > 0 {
			out = append(out, p)
		}
	}
	return out, nil
}

// extend makes the far end one that outlives its processes. Its answer does not
// matter: who does not know it may still attach.
func (c *Conn) extend() []*request {
	if c.extended {
		return nil
	}
	c.extended = true
	return []*request{ask("!")}
}

// Attach takes hold of a running process, which stops. The process is looked up
// first, for gdbserver answers nothing but rubbish after an attach that failed;
// where one fails all the same, such a connection is given up.
func (c *Conn) Attach(ctx context.Context, pid int64) (targets.Target, error) {
	op := attaching(pid)
	done, err := c.turn(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer done()
	if c.has("osdata") {
		list, err := c.processes(ctx)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(list, func(p targets.Process) bool { return p.PID == pid }) {
			return nil, noSuchProcess(pid)
		}
	}
	r := ask("vAttach;%x", pid)
	return c.take(ctx, op, append(c.extend(), r), r, true)
}

func noSuchProcess(pid int64) error {
	return &targets.RefusedError{Op: attaching(pid), Text: "there is no such process at the far end", Fix: "List the processes of the far end with .tlist."}
}

func attaching(pid int64) string { return fmt.Sprintf("attaching to process %d", pid) }

// Launch starts a program, which waits before its first instruction.
func (c *Conn) Launch(ctx context.Context, p targets.Program) (targets.Target, error) {
	if err := c.mayStart(p); err != nil {
		return nil, err
	}
	done, err := c.turn(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer done()
	r := ask("%s", c.runPacket(p))
	return c.take(ctx, "starting "+p.Path, append(c.extend(), append(c.startSettings(p), r)...), r, false)
}

// startSettings are requests that say how a program is started.
func (c *Conn) startSettings(p targets.Program) (reqs []*request) {
	lldb := c.kind.name == lldbName // which offers none of them and knows some, one by another name
	add := func(offer, format string, args ...any) {
		if c.feature(offer) || lldb {
			reqs = append(reqs, ask(format, args...))
		}
	}
	random := 1
	if p.ASLR {
		random = 0
	}
	if lldb {
		add("", "QSetDisableASLR:%d", random)
	} else {
		add("QDisableRandomization", "QDisableRandomization:%d", random)
		add("QStartupWithShell", "QStartupWithShell:%d", shellFor(p.Args))
	}
	if !lldb || p.Dir != "" {
		add("QSetWorkingDir", "QSetWorkingDir:%s", toHex(p.Dir))
	}
	add("QEnvironmentReset", "QEnvironmentReset")
	for _, kv := range p.Env {
		if strings.Contains(kv, "=") {
			add("QEnvironmentHexEncoded", "QEnvironmentHexEncoded:%s", toHex(kv))
		} else {
			add("QEnvironmentUnset", "QEnvironmentUnset:%s", toHex(kv))
		}
	}
	return reqs
}

// runPacket spells a start: with the arguments one by one, or where single-inf-arg is
// offered as the line that a shell, or the server in its place, makes them of.
func (c *Conn) runPacket(p targets.Program) string {
	text := "vRun;" + toHex(p.Path)
	if !c.feature("single-inf-arg") {
		for _, a := range p.Args {
			text += ";" + toHex(a)
		}
		return text
	}
	if len(p.Args) == 0 {
		return text
	}
	words := make([]string, len(p.Args))
	for i, a := range p.Args {
		if words[i] = a; shellFor([]string{a}) == 1 {
			words[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return text + ";" + toHex(strings.Join(words, " "))
}

// mayStart refuses arguments that would arrive as others: gdbserver before 17 puts a
// backslash before each single quote, which nothing takes away again.
func (c *Conn) mayStart(p targets.Program) error {
	for _, a := range p.Args {
		if c.kind.quotes && !c.feature("single-inf-arg") && strings.ContainsAny(a, "'\n") {
			return &targets.RefusedError{
				Op: "starting " + p.Path, Text: fmt.Sprintf("gdbserver would change the argument %q: it cannot pass on single quotes or line breaks", a),
				Fix: "Put such arguments into a script at the far end and start that, or start the program there and attach to it.",
			}
		}
	}
	return nil
}

// shellFor says whether a shell must start the program (1) or need not (0):
// gdbserver makes one line of the arguments, quoted for a shell, and without one
// takes it apart at its blanks.
func shellFor(args []string) int {
	for _, a := range args {
		if a == "" || strings.ContainsAny(a, "\t\n !\"#$&'()*;<>?[\\]^`{|}~") {
			return 1
		}
	}
	return 0
}

// take sends what makes the far end hold a process and makes its Target.
func (c *Conn) take(ctx context.Context, op string, reqs []*request, last *request, attached bool) (targets.Target, error) {
	if c.nonstop {
		return nil, &targets.RefusedError{Op: op, Text: "in non-stop mode one process is held at a time", Fix: "Connect without nonstop=true."}
	}
	const untraced = "The server may not be allowed to trace it: run it as the same user or root, and see /proc/sys/kernel/yama/ptrace_scope there."
	if err := c.exchange(ctx, reqs...); err != nil {
		if errors.As(err, new(*lostError)) && attached && c.kind.name == lldbName { // which ends of it
			return nil, &targets.RefusedError{Op: op, Text: "its debug server has ended; perhaps another debugger holds the process", Fix: untraced}
		}
		return nil, err
	}
	c.mu.Lock()
	c.general = unknownThread
	c.mu.Unlock()
	switch {
	case len(last.reply) == 0:
		return nil, fmt.Errorf("%s: %w", op, errors.ErrUnsupported)
	case isError(last.reply):
		e := refusal(op, last.reply)
		e.Fix = "The program must exist and be executable at the far end."
		if attached {
			e.Fix = untraced
			if c.kind.failing {
				c.fail(e)
			}
		}
		return nil, e
	}
	s, err := c.parseStop(last.reply, nil)
	if err != nil {
		return nil, &targets.ProtocolError{Op: op, Sent: last.payload, Got: string(last.reply)}
	}
	if s.gone {
		return nil, &targets.RefusedError{Op: op, Text: fmt.Sprintf("the process ended at once (status %d)", s.status)}
	}
	return c.describe(ctx, s, attached)
}

// describe makes the Target of a process that waits in s.
func (c *Conn) describe(ctx context.Context, s *stopReply, attached bool) (targets.Target, error) {
	d := c.description(s.thread.process)
	actions := ask("vCont?")
	reqs := append([]*request{ask("Hg%s", s.thread)}, d.requests()...)
	dialect, more := c.dialect()
	reqs = append(append(append(reqs, actions), c.settings()...), more...)
	if err := c.exchange(ctx, reqs...); err != nil {
		return nil, err
	}
	c.readActions(string(actions.reply))
	in, err := c.finish(ctx, d, false)
	if err != nil {
		return nil, err
	}
	dialect.learn(c, in)
	in.Attached = attached || in.Attached
	c.mu.Lock()
	c.general = s.thread
	c.mu.Unlock()
	return c.newTarget(in, s), nil
}

// Adopt makes the Target of a process the far end holds already.
func (c *Conn) Adopt(ctx context.Context, pid int64) (targets.Target, error) {
	done, err := c.turn(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer done()
	c.mu.Lock()
	t, have := c.targets[pid]
	born := c.children[pid]
	c.mu.Unlock()
	switch {
	case have:
		return t, nil
	case born != nil:
		return c.describe(ctx, &stopReply{thread: born.thread}, true)
	}
	held, err := c.heldThreads(ctx)
	if err != nil {
		return nil, err
	}
	for _, w := range held {
		if w.process == pid {
			return c.describe(ctx, &stopReply{thread: w}, true)
		}
	}
	return nil, &targets.RefusedError{Op: fmt.Sprintf("adopting process %d", pid), Text: "the far end does not hold it"}
}

// Held lists the processes the far end holds.
func (c *Conn) Held(ctx context.Context) ([]int64, error) {
	done, err := c.turn(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer done()
	threads, err := c.heldThreads(ctx)
	var out []int64
	for _, w := range threads {
		if !slices.Contains(out, w.process) {
			out = append(out, w.process)
		}
	}
	return out, err
}

// heldThreads lists all threads of all processes; a server that holds none
// refuses to list them.
func (c *Conn) heldThreads(ctx context.Context) ([]threadID, error) {
	var list threadList
	for question, more := "qfThreadInfo", true; more; question = "qsThreadInfo" {
		r := ask("%s", question)
		err := c.exchange(ctx, r)
		if err == nil {
			more, err = list.take(r)
		}
		if err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(list.ids, func(w threadID) bool { return w.process <= 0 }), nil
}
