package windbg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/targets"
)

// This file tells what the debuggee's system knows of the process: its times, its
// environment and its open files.

var processCommands = []command{
	{".ttime", ".ttime", "when the thread was created, and its processor time", stopped, threadTime},
	{"!runaway", "!runaway [1 | 2 | 4]", "processor time of each thread, most first: 1 user, 2 kernel, 4 since its creation", stopped, runaway},
	{"!peb", "!peb", "the process: image, command line, environment, auxiliary vector", stopped, processBlock},
	{"!teb", "!teb [Addr]", "the thread: its control block, stack and errno", stopped, threadBlock},
	{"!gle", "!gle [-all]", "errno of the thread, or of all", stopped, lastError},
	{"!handle", "!handle [Handle [Flags [Type]]]", "open files of the process; flags 1 type, 4 name", stopped, handles},
	{"!dlls", "!dlls [-v] [-c Addr]", "images in the order of the list of modules", stopped, imageList},
}

// farFile reads a file of the far end, at most limit bytes.
func (c *call) farFile(ctx context.Context, name string, limit int64) ([]byte, error) {
	files, ok := c.v.Target().(targets.Files)
	if !ok {
		return nil, &Error{Text: "Not available: the far end does not serve files", Err: errors.ErrUnsupported}
	}
	f, err := files.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

func (c *call) procFile(ctx context.Context, name string) ([]byte, error) {
	return c.farFile(ctx, fmt.Sprintf("/proc/%d/%s", c.v.Live().Info().Process, name), 1<<20)
}

// ticks is how many a second the times in /proc count (USER_HZ, 100 on Linux's ABIs).
const ticks = 100

// times are a thread's or process's, from its stat (proc(5), fields 14, 15 and 22).
type times struct {
	user, kernel, start time.Duration
	priority            int
}

func parseStat(text string) (t times, ok bool) {
	end := strings.LastIndexByte(text, ')')
	if end < 0 {
		return t, false
	}
	f := strings.Fields(text[end+1:])
	if len(f) < 20 {
		return t, false
	}
	read := func(k int) time.Duration {
		n, err := strconv.ParseInt(f[k-3], 10, 64)
		ok = ok && err == nil && n < 1<<40
		return time.Duration(n) * time.Second / ticks
	}
	ok = true
	t = times{user: read(14), kernel: read(15), start: read(22)}
	t.priority, _ = strconv.Atoi(f[18-3])
	return t, ok
}

// uptimeOf reads how long the far end's system has run.
func (c *call) uptimeOf(ctx context.Context) (time.Duration, error) {
	p, err := c.farFile(ctx, "/proc/uptime", 256)
	if err != nil {
		return 0, err
	}
	word, _, _ := strings.Cut(string(p), " ")
	s, err := strconv.ParseFloat(word, 64)
	if err != nil || s < 0 || s > 1e9 {
		return 0, fail("The far end's uptime is not known")
	}
	return time.Duration(s * float64(time.Second)), nil
}

// threadTimes reads a thread's times.
func (c *call) threadTimes(ctx context.Context, id targets.ThreadID) (times, error) {
	p, err := c.procFile(ctx, fmt.Sprintf("task/%d/stat", id.Thread))
	if err != nil {
		return times{}, err
	}
	t, ok := parseStat(string(p))
	if !ok {
		return t, fail("The times of thread %x are not known", id.Thread)
	}
	return t, nil
}

func threadTime(ctx context.Context, c *call) error {
	if err := c.end(); err != nil {
		return err
	}
	th, err := c.v.Thread(ctx)
	if err != nil {
		return err
	}
	t, err := c.threadTimes(ctx, th.ID)
	if err != nil {
		return err
	}
	up, err := c.uptimeOf(ctx)
	if err != nil {
		return err
	}
	c.printf("Created: %s\nKernel:  %s\nUser:    %s\n", clock(time.Now().Add(t.start-up)), uptime(t.kernel), uptime(t.user))
	return nil
}

// runaway is !runaway.
func runaway(ctx context.Context, c *call) error {
	flags, err := c.lastNumber(ctx, 1)
	if err != nil {
		return err
	}
	list, err := c.v.Threads(ctx)
	if err != nil {
		return err
	}
	type row struct {
		engine.Thread
		times
	}
	var rows []row
	var failed error
	for _, th := range list {
		t, err := c.threadTimes(ctx, th.ID)
		if err != nil {
			failed = err
			continue
		}
		rows = append(rows, row{th, t})
	}
	if len(rows) == 0 {
		return failed
	}
	up := time.Duration(0)
	if flags&4 != 0 {
		if up, err = c.uptimeOf(ctx); err != nil {
			return err
		}
	}
	for _, table := range []struct {
		bit   uint64
		title string
		of    func(times) time.Duration
	}{
		{1, "User Mode Time", func(t times) time.Duration { return t.user }},
		{2, "Kernel Mode Time", func(t times) time.Duration { return t.kernel }},
		{4, "Elapsed Time", func(t times) time.Duration { return max(0, up-t.start) }},
	} {
		if flags&table.bit == 0 {
			continue
		}
		slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(table.of(b.times), table.of(a.times)) })
		c.printf(" %s\n  Thread       Time\n", table.title)
		for _, r := range rows {
			c.printf("%5d:%-8x %s\n", r.Ordinal, r.ID.Thread, uptime(table.of(r.times)))
		}
	}
	return nil
}

// threadDetails are the lines that ~* and ~. add to a thread.
func (c *call) threadDetails(ctx context.Context, v *engine.View, t engine.Thread, ptr int) string {
	inner := *c
	inner.v = v
	var b strings.Builder
	if s, err := v.Stack(ctx, t.ID, 0); err == nil && len(s.Frames) > 0 && s.Complete {
		outer := &s.Frames[len(s.Frames)-1]
		l := v.Locate(outer.PC)
		start := outer.PC - arch.Addr(l.Disp)
		if name := symbolText(l.Module, l.Symbol); name != "" {
			fmt.Fprintf(&b, "      Start: %s (%s)\n", name, start.Text(ptr))
		}
	}
	if tm, err := inner.threadTimes(ctx, t.ID); err == nil {
		affinity := "?"
		if p, err := inner.procFile(ctx, fmt.Sprintf("task/%d/status", t.ID.Thread)); err == nil {
			affinity = statusField(string(p), "Cpus_allowed")
		}
		fmt.Fprintf(&b, "      Priority: %d  Priority class: 32  Affinity: %s\n", tm.priority-20, affinity)
	}
	return b.String()
}

// statusField is a value of /proc/PID/status, without leading zeros.
func statusField(text, name string) string {
	for l := range strings.Lines(text) {
		if k, v, ok := strings.Cut(l, ":"); ok && k == name {
			v = strings.TrimLeft(strings.ReplaceAll(strings.TrimSpace(v), ",", ""), "0")
			return cmp.Or(v, "0")
		}
	}
	return "?"
}

// auxNames are the entries of the auxiliary vector (uapi linux/auxvec.h).
var auxNames = map[uint64]string{
	3: "AT_PHDR", 4: "AT_PHENT", 5: "AT_PHNUM", 6: "AT_PAGESZ", 7: "AT_BASE", 8: "AT_FLAGS", 9: "AT_ENTRY", 11: "AT_UID", 12: "AT_EUID", 13: "AT_GID",
	14: "AT_EGID", 15: "AT_PLATFORM", 16: "AT_HWCAP", 17: "AT_CLKTCK", 23: "AT_SECURE", 24: "AT_BASE_PLATFORM", 25: "AT_RANDOM", 26: "AT_HWCAP2",
	27: "AT_RSEQ_FEATURE_SIZE", 28: "AT_RSEQ_ALIGN", 31: "AT_EXECFN", 33: "AT_SYSINFO_EHDR", 51: "AT_MINSIGSTKSZ",
}

// processBlock is !peb.
func processBlock(ctx context.Context, c *call) error {
	if err := c.end(); err != nil {
		return err
	}
	ptr := pointerSize(c.v)
	info := c.v.Live().Info()
	label := func(name, format string, a ...any) {
		c.printf("    %-21s"+format+"\n", append([]any{name + ":"}, a...)...)
	}
	if list := c.v.Live().Modules(); len(list) > 0 {
		c.printf("PEB at %s\n", list[0].Base.Text(ptr))
		label("ImageBaseAddress", "%s", list[0].Base.Text(ptr))
	}
	label("ProcessId", "%x (0n%d)", info.Process, info.Process)
	label("ImageFile", "'%s'", info.Path)
	known := false
	if p, err := c.procFile(ctx, "cmdline"); err == nil {
		known = true
		label("CommandLine", "'%s'", strings.ReplaceAll(strings.TrimRight(string(p), "\x00"), "\x00", " "))
	}
	if p, err := c.procFile(ctx, "environ"); err == nil {
		known = true
		label("Environment", "")
		for _, e := range strings.Split(strings.TrimRight(string(p), "\x00"), "\x00") {
			c.printf("        %s\n", e)
		}
	}
	q, ok := c.v.Target().(targets.Queryer)
	if ok {
		if p, err := q.Query(ctx, targets.Auxv, ""); err == nil {
			known = true
			label("AuxiliaryVector", "")
			for len(p) >= 2*ptr {
				tag, v := littleEndian(p[:ptr]), littleEndian(p[ptr:2*ptr])
				p = p[2*ptr:]
				if tag == 0 {
					break
				}
				c.printf("        %-22s %s\n", cmp.Or(auxNames[tag], fmt.Sprintf("AT_%d", tag)), arch.Addr(v).Text(ptr))
			}
		}
	}
	if !known {
		return &Error{Text: "The far end tells nothing more of the process", Err: errors.ErrUnsupported}
	}
	return nil
}

// threadBlock is !teb.
func threadBlock(ctx context.Context, c *call) error {
	t, err := c.v.Thread(ctx)
	if err != nil {
		return err
	}
	t = withBase(ctx, c.v, t)
	if c.more() {
		if t.Base, err = c.address(ctx); err != nil {
			return err
		}
	}
	if err := c.end(); err != nil {
		return err
	}
	ptr := pointerSize(c.v)
	label := func(name, text string) { c.printf("    %-21s%s\n", name+":", text) }
	c.printf("TEB at %s\n", t.Base.Text(ptr))
	if r, err := c.v.Registers(ctx, t.ID); err == nil {
		if all, err := c.maps(ctx); err == nil {
			for _, g := range all {
				if r.SP() >= g.start && r.SP() < g.end {
					label("StackBase", g.end.Text(ptr))
					label("StackLimit", g.start.Text(ptr))
				}
			}
		}
	}
	if a := c.v.Live().Info().Set.Arch.Name; a == "amd64" || a == "i386" { // tcbhead_t begins tcb, dtv, self (glibc, sysdeps/x86_64/nptl/tls.h)
		if data, known, err := c.read(ctx, t.Base, uint64(3*ptr)); err == nil && known == 3*ptr {
			label("DynamicThreadVector", arch.Addr(littleEndian(data[ptr:2*ptr])).Text(ptr))
			label("Self", arch.Addr(littleEndian(data[2*ptr:])).Text(ptr))
		}
	}
	label("ClientId", fmt.Sprintf("%x . %x", t.ID.Process, t.ID.Thread))
	if n, err := c.errno(ctx); err == nil {
		label("LastErrorValue", fmt.Sprint(n))
	}
	return nil
}

// errno is the selected thread's. The C library's symbols are looked for when they
// were not yet.
func (c *call) errno(ctx context.Context) (uint64, error) {
	read := func() (uint64, error) {
		v, err := c.v.Eval(ctx, nil, "errno", eval.Options{Dialect: eval.CPP})
		if err != nil {
			return 0, err
		}
		n, err := eval.Int(ctx, c.v.Env(nil), v)
		return n & math.MaxUint32, err
	}
	n, err := read()
	if err == nil {
		return n, nil
	}
	for _, m := range c.v.Live().Modules() {
		if name := path.Base(m.Path); m.Image == nil && !m.Tried && (strings.HasPrefix(name, "libc.so") || strings.HasPrefix(name, "ld-musl")) {
			if _, bad := c.v.LoadSymbols(ctx, m.Base, false, false); bad == nil {
				if n, err = read(); err == nil {
					return n, nil
				}
			}
		}
	}
	return 0, &Error{Text: "Unable to read last error: no symbols tell where errno is", Err: err, Fix: "the C library's debug information does"}
}

func lastError(ctx context.Context, c *call) error {
	set, err := c.flags("-", "all")
	if err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	show := func() error {
		n, err := c.errno(ctx)
		if err == nil {
			c.printf("LastErrorValue: (errno) 0x%x (%d) - %s\n", n, n, cmp.Or(c.i.o.Host.ErrorText(n), "no error"))
		}
		return err
	}
	if !set["all"] {
		return show()
	}
	back, err := c.v.Thread(ctx)
	if err != nil {
		return err
	}
	list, err := c.v.Threads(ctx)
	if err != nil {
		return err
	}
	for _, t := range list {
		if err = c.v.SelectThread(ctx, t.ID); err != nil {
			break
		}
		c.printf("Last error for thread %x:\n", t.Ordinal)
		if err = show(); err != nil {
			break
		}
	}
	return errors.Join(err, c.v.SelectThread(ctx, back.ID))
}

// imageList is !dlls.
func imageList(ctx context.Context, c *call) error {
	set, err := c.flags("-", "v a i l m s f c")
	if err != nil {
		return err
	}
	var at arch.Addr
	if set["c"] {
		if at, err = c.address(ctx); err != nil {
			return err
		}
	}
	if err := c.end(); err != nil {
		return err
	}
	ptr := pointerSize(c.v)
	for _, m := range c.v.Live().Modules() {
		if set["c"] && (at < m.Base || at >= moduleEnd(m)) {
			continue
		}
		c.printf("%s: %s\n", m.Dynamic.Text(ptr), m.Path)
		c.printf("      Base   %s  EntryPoint  %s  Size        %08x\n", m.Base.Text(ptr), entryText(m, ptr), uint64(moduleEnd(m)-m.Base))
	}
	return nil
}

func entryText(m *engine.Module, ptr int) string {
	if m.Image == nil {
		return strings.Repeat("?", len(m.Base.Text(ptr)))
	}
	return (m.Base + arch.Addr(m.Image.Entry())).Text(ptr)
}
