package windbg

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"dap-windbg/engine"
	"dap-windbg/targets"
)

var sessionCommands = []command{
	{"q", "q", "quit; a program we started is ended, one attached to runs on", anytime, quit},
	{"qq", "qq", "as q", anytime, quit},
	{"qd", "qd", "quit and detach", anytime, quit},
	{"vertarget", "vertarget", "what the debuggee is", anytime, targetVersion},
	{"version", "version", "versions of the debuggee and the debugger", anytime, targetVersion},
	{".time", ".time [-h Hours]", "times of the session, the system and the process; -h in a zone that many hours from UTC", anytime, showTime},
	{".input", `.input "text"`, "type text into the debuggee", anytime, input},
	{"!error", "!error Number [1]", "text of an errno value; 1 of a signal's number", anytime, errorNumber},
	{"vercommand", "vercommand", "command line of the debugger", anytime, versionCommand},
	{".endpsrv", ".endpsrv", "end the process server in use", stopped | powerful, endServer},
	{"!monitor", "!monitor Command", "pass a command to the far end's own console", anytime, monitor},
	{"!kdb", "!kdb [-f] Command", "pass a command to the kernel's own debugger, kdb; -f: also one that this kernel does not have", rest, passKDB},
	{".exdicmd", `.exdicmd target:0:"Command"`, "as !monitor", anytime, monitor},
	{".sleep", ".sleep Milliseconds", "wait", anytime, sleep},
}

func quit(ctx context.Context, c *call) error {
	if err := c.end(); err != nil {
		return err
	}
	if guestOf(ctx) != nil {
		if done, err := c.guestQuits(); done {
			return err
		}
	}
	if c.i.quitText != "" {
		return &Error{Text: "The session is locked", Fix: `.quit_lock /r "text" takes the lock off`}
	}
	how := c.i.o.Host.Parting()
	if c.cmd.Name == "qd" {
		how = targets.Detach
	}
	if c.i.o.Quit != nil {
		c.i.o.Quit(how)
	}
	return errQuit
}

func targetVersion(ctx context.Context, c *call) error {
	if err := c.end(); err != nil {
		return err
	}
	if c.s != nil {
		c.s.Look(ctx, func(l *engine.Live) error {
			c.printf("%s", targetText(l.Info()))
			return nil
		})
		c.printf("Debug session time: %s\n", clock(time.Now()))
	} else if c.cmd.Name == "vertarget" {
		return targets.ErrGone
	}
	if c.cmd.Name == "version" {
		c.printf("dap-windbg %s\n", c.i.o.Version)
	}
	return nil
}

// targetText describes a debuggee, as vertarget does.
func targetText(info targets.Info) string {
	var b strings.Builder
	os := map[string]string{"linux": "Linux", "windows": "Windows", "": "Unknown system"}[info.OS]
	if os == "" {
		os = info.OS
	}
	kind := "user mode"
	if info.Machine {
		kind = "kernel mode"
	}
	cpu := "unknown CPU"
	if info.Set != nil {
		cpu = map[string]string{"amd64": "x64", "i386": "x86", "arm64": "ARM64", "riscv64": "RISC-V 64"}[info.Set.Arch.Name]
	}
	fmt.Fprintf(&b, "%s %s, %s\n", os, kind, cpu)
	if info.Path != "" {
		fmt.Fprintf(&b, "Process: %s (0n%d)\n", info.Path, info.Process)
	}
	if info.Stub != "" {
		fmt.Fprintf(&b, "Far end: %s\n", info.Stub)
	}
	return b.String()
}

// showTime is .time; what the far end's system tells of the process is added when the
// debuggee waits.
func showTime(ctx context.Context, c *call) error {
	zone := time.Local
	for {
		o, ok := c.option("-")
		if !ok {
			break
		}
		if o != "h" {
			return c.syntax(-len(o) - 1)
		}
		c.skip()
		sign := int64(1)
		if c.line != "" && (c.line[0] == '-' || c.line[0] == '+') && c.drop(1) == "-" {
			sign = -1
		}
		n, err := c.value(ctx, "0n"+c.word())
		if err != nil || n > 14 {
			return c.syntax(-1)
		}
		zone = time.FixedZone("", int(sign*int64(n))*3600)
	}
	if err := c.end(); err != nil {
		return err
	}
	now := time.Now()
	c.printf("Debug session time: %s\n", clock(now.In(zone)))
	var lines string
	if c.s != nil {
		_ = c.s.Do(ctx, func(ctx context.Context, v *engine.View) error {
			inner := *c
			inner.v = v
			lines = inner.processTimes(ctx)
			return nil
		})
	}
	if lines == "" {
		lines = "Session Uptime: " + uptime(now.Sub(c.i.began)) + "\n"
	}
	c.printf("%s", lines)
	return nil
}

// processTimes are the lines of .time about the system and the process.
func (c *call) processTimes(ctx context.Context) string {
	up, err := c.uptimeOf(ctx)
	if err != nil {
		return ""
	}
	p, err := c.procFile(ctx, "stat")
	if err != nil {
		return ""
	}
	t, ok := parseStat(string(p))
	if !ok {
		return ""
	}
	return fmt.Sprintf("System Uptime: %s\nProcess Uptime: %s\n  Kernel time: %s\n  User time: %s\n", uptime(up), uptime(max(0, up-t.start)), uptime(t.kernel), uptime(t.user))
}

// uptime is "0 days 1:31:58.931".
func uptime(d time.Duration) string {
	ms := d.Milliseconds()
	return fmt.Sprintf("%d days %d:%02d:%02d.%03d", ms/86400000, ms/3600000%24, ms/60000%60, ms/1000%60, ms%1000)
}

func input(ctx context.Context, c *call) error {
	text, ok := c.quoted()
	if !ok {
		return c.syntax(0)
	}
	if err := c.end(); err != nil {
		return err
	}
	return c.i.o.Host.Input(text)
}

func errorNumber(ctx context.Context, c *call) error {
	if !c.more() {
		return c.syntax(0)
	}
	n, err := c.number(ctx, 0)
	if err != nil {
		return err
	}
	if kind, err := c.number(ctx, 0); err != nil {
		return err
	} else if kind != 0 {
		c.printf("Error code: (signal) 0x%x (%d) - %s\n", n, n, strings.TrimPrefix(c.i.o.Host.Filter(fmt.Sprintf("sig%d", n), "").Title, "Signal "))
		return c.end()
	}
	if int64(n) < 0 {
		n = uint64(-int64(n))
	}
	text := c.i.o.Host.ErrorText(n)
	if text == "" {
		text = "Unable to get error code text"
	}
	c.printf("Error code: (errno) 0x%x (%d) - %s\n", n, n, text)
	return nil
}

// monitor passes a line to the far end's console.
func monitor(ctx context.Context, c *call) error {
	text := c.all()
	if c.cmd.Name == ".exdicmd" {
		_, text, _ = strings.Cut(text, `"`)
		text = strings.TrimSuffix(text, `"`)
	}
	if text == "" {
		return c.syntax(0)
	}
	return c.pass(ctx, text, false)
}

func sleep(ctx context.Context, c *call) error {
	n, err := c.number(ctx, 0)
	if err != nil {
		return err
	}
	if n > 3600000 {
		return &Error{Kind: "Range", Command: c.text, Pos: c.pos, Fix: "an hour at most"}
	}
	t := time.NewTimer(time.Duration(n) * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func versionCommand(ctx context.Context, c *call) error {
	if err := c.end(); err != nil {
		return err
	}
	c.printf("command line: '%s'\n", strings.Join(os.Args, " "))
	return nil
}

// endServer is .endpsrv: gdbserver ends by a word of its own console (gdbserver(1), monitor exit).
func endServer(ctx context.Context, c *call) error {
	if err := c.end(); err != nil {
		return err
	}
	con, ok := c.v.Target().(targets.Console)
	if !ok {
		return fail("No process server")
	}
	out, effect, err := con.Command(ctx, "exit")
	if out != "" {
		c.printf("%s", line(out))
	}
	c.v.Changed(effect)
	if err == nil {
		c.printf("Server told to exit.\n")
	}
	return err
}
