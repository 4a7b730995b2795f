package windbg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/targets"
)

var sessionCommands = []command{
	{"q", "q", "quit; a program we started is ended, one attached to runs on", anytime, quit},
	{"qq", "qq", "as q", anytime, quit},
	{"qd", "qd", "quit and detach", anytime, quit},
	{"vertarget", "vertarget", "what the debuggee is", anytime, targetVersion},
	{"version", "version", "versions of the debuggee and the debugger", anytime, targetVersion},
	{".time", ".time", "times of the session and the process", anytime, showTime},
	{".input", `.input "text"`, "type text into the debuggee", anytime, input},
	{"!error", "!error Number", "text of an errno value", anytime, errorNumber},
	{"!address", "!address [Addr]", "memory regions of the process, or one", stopped, addressRegion},
	{"!vprot", "!vprot Addr", "protection of a memory region", stopped, addressRegion},
	{"!monitor", "!monitor Command", "pass a command to the far end's own console", stopped, monitor},
	{"!kdb", "!kdb Command", "as !monitor", stopped, monitor},
	{".exdicmd", `.exdicmd target:0:"Command"`, "as !monitor", stopped, monitor},
	{".sleep", ".sleep Milliseconds", "wait", anytime, sleep},
}

func quit(ctx context.Context, c *call) error {
	if err := c.end(); err != nil {
		return err
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

func showTime(ctx context.Context, c *call) error {
	for {
		if _, ok := c.option("-"); !ok {
			break
		}
		c.word()
	}
	now := time.Now()
	c.printf("Debug session time: %s\nSession Uptime: %s\n", clock(now), uptime(now.Sub(c.i.began)))
	return nil
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

// region is a line of the far end's /proc/PID/maps.
type region struct {
	start, end arch.Addr
	perms      string
	path       string
	base       arch.Addr // of the first region of the same file
}

// parseMaps reads the text of /proc/PID/maps; bad lines are skipped.
func parseMaps(r io.Reader) []region {
	const most = 100000
	var out []region
	s := bufio.NewScanner(r)
	for s.Scan() && len(out) < most {
		f := strings.Fields(s.Text())
		if len(f) < 5 {
			continue
		}
		lo, hi, ok := strings.Cut(f[0], "-")
		a, err1 := strconv.ParseUint(lo, 16, 64)
		b, err2 := strconv.ParseUint(hi, 16, 64)
		if !ok || err1 != nil || err2 != nil || b < a || len(f[1]) < 3 {
			continue
		}
		g := region{start: arch.Addr(a), end: arch.Addr(b), perms: f[1], base: arch.Addr(a)}
		if len(f) > 5 {
			g.path = strings.Join(f[5:], " ")
		}
		if n := len(out); n > 0 && g.path != "" && out[n-1].path == g.path {
			g.base = out[n-1].base
		}
		out = append(out, g)
	}
	return out
}

// protection is the Windows constant and name that say the same.
func (g region) protection() (uint32, string) {
	switch g.perms[:3] {
	case "r--":
		return 0x02, "PAGE_READONLY"
	case "rw-", "-w-":
		return 0x04, "PAGE_READWRITE"
	case "r-x":
		return 0x20, "PAGE_EXECUTE_READ"
	case "--x":
		return 0x10, "PAGE_EXECUTE"
	case "rwx", "-wx":
		return 0x40, "PAGE_EXECUTE_READWRITE"
	}
	return 0x01, "PAGE_NOACCESS"
}

// kind is the type and usage of a region; image tells that a module lies there.
func (g region) kind(image bool) (bits uint32, name, usage string) {
	switch {
	case image || g.path == "[vdso]":
		return 0x01000000, "MEM_IMAGE", "Image"
	case g.path == "[stack]":
		return 0x00020000, "MEM_PRIVATE", "Stack"
	case g.path == "[heap]":
		return 0x00020000, "MEM_PRIVATE", "Heap"
	case strings.HasPrefix(g.path, "/"):
		return 0x00040000, "MEM_MAPPED", "FileMap"
	}
	return 0x00020000, "MEM_PRIVATE", "<unknown>"
}

// maps reads the process's memory map from the far end.
func (c *call) maps(ctx context.Context) ([]region, error) {
	files, ok := c.v.Target().(targets.Files)
	if !ok {
		return nil, &Error{Text: "The memory map is not available: the far end does not serve files", Err: errors.ErrUnsupported}
	}
	f, err := files.Open(ctx, fmt.Sprintf("/proc/%d/maps", c.v.Live().Info().Process))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseMaps(io.LimitReader(f, 16<<20)), nil
}

// addressRegion is !address and !vprot.
func addressRegion(ctx context.Context, c *call) error {
	given := c.more() && !strings.HasPrefix(c.line, "-")
	var addr arch.Addr
	if given {
		a, err := c.address(ctx)
		if err != nil {
			return err
		}
		addr = a
	} else if c.cmd.Name == "!vprot" {
		f, err := c.v.Frame(ctx)
		if err != nil {
			return err
		}
		addr, given = f.PC, true
	}
	all, err := c.maps(ctx)
	if err != nil {
		return err
	}
	ptr := pointerSize(c.v)
	if !given {
		c.printf("  %-*s %-*s %-*s\n", len(addr.Text(ptr)), "BaseAddress", len(addr.Text(ptr)), "EndAddress+1", len(addr.Text(ptr)), "RegionSize")
	}
	for _, g := range all {
		if given && (addr < g.start || addr >= g.end) {
			continue
		}
		m, image := c.v.ModuleAt(g.start)
		switch {
		case !given:
			_, kind, usage := g.kind(image)
			_, prot := g.protection()
			c.printf("+ %s %s %s %-12s %-24s %s [%s]\n", g.start.Text(ptr), g.end.Text(ptr), arch.Addr(g.end-g.start).Text(ptr), kind, prot, usage, g.path)
			continue
		case c.cmd.Name == "!vprot":
			c.printf("%s", g.vprot(image, ptr))
		default:
			name := ""
			if m != nil {
				name = m.Name
			}
			c.printf("%s", g.text(image, name, addr, ptr))
		}
		return nil
	}
	if given {
		return &Error{Text: fmt.Sprintf("No region holds %s (it is free)", addr.Text(ptr))}
	}
	return nil
}

func (g region) text(image bool, module string, addr arch.Addr, ptr int) string {
	size := uint64(g.end - g.start)
	prot, protName := g.protection()
	kind, kindName, usage := g.kind(image)
	var b strings.Builder
	label := func(name, format string, a ...any) {
		fmt.Fprintf(&b, "%-24s"+format+"\n", append([]any{name + ":"}, a...)...)
	}
	label("Usage", "%s", usage)
	label("Base Address", "%s", g.start.Text(ptr))
	label("End Address", "%s", g.end.Text(ptr))
	label("Region Size", "%s (%s)", arch.Addr(size).Text(ptr), sizeText(size))
	label("State", "%08x          MEM_COMMIT", 0x1000)
	label("Protect", "%08x          %s", prot, protName)
	label("Type", "%08x          %s", kind, kindName)
	if g.path != "" {
		label("Mapped file", "%s", g.path)
	}
	if module != "" {
		label("More info", "lmv m %s", module)
		label("More info", "ln 0x%x", uint64(addr))
	}
	return b.String()
}

// sizeText is "   4.000 kB".
func sizeText(n uint64) string {
	f, unit := float64(n), "  B"
	for _, u := range []string{"kB", "MB", "GB", "TB"} {
		if f < 1024 {
			break
		}
		f, unit = f/1024, u
	}
	return fmt.Sprintf("%8.3f %s", f, unit)
}

// vprot is !vprot's text; with what protection a region began nobody tells.
func (g region) vprot(image bool, ptr int) string {
	prot, protName := g.protection()
	kind, kindName, _ := g.kind(image)
	return fmt.Sprintf("BaseAddress:       %0*x\nAllocationBase:    %0*x\nRegionSize:        %0*x\n"+
		"State:             00001000  MEM_COMMIT\nProtect:           %08x  %s\nType:              %08x  %s\n",
		2*ptr, uint64(g.start), 2*ptr, uint64(g.base), 2*ptr, uint64(g.end-g.start), prot, protName, kind, kindName)
}

// monitor passes a line to the far end's console.
func monitor(ctx context.Context, c *call) error {
	con, ok := c.v.Target().(targets.Console)
	if !ok {
		return &Error{Text: "The far end has no command language", Err: errors.ErrUnsupported}
	}
	text := c.all()
	if c.cmd.Name == ".exdicmd" {
		_, text, _ = strings.Cut(text, `"`)
		text = strings.TrimSuffix(text, `"`)
	}
	if text == "" {
		return c.syntax(0)
	}
	out, effect, err := con.Command(ctx, text)
	if out != "" {
		c.printf("%s", line(out))
	}
	c.v.Changed(effect)
	return err
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
