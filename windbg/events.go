package windbg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/targets"
)

var eventCommands = []command{
	{"sx", "sx", "list what is done at exceptions and events", anytime, listFilters},
	{"sxe", `sxe [-c "cmd"] [-c2 "cmd"] [-h] Event[:arg]`, "break at the first chance", anytime, setFilter('e')},
	{"sxd", `sxd [-c "cmd"] [-c2 "cmd"] [-h] Event[:arg]`, "break at the second chance only, which a signal has whose default ends the process", anytime, setFilter('d')},
	{"sxn", `sxn [-c "cmd"] [-c2 "cmd"] [-h] Event[:arg]`, "tell only", anytime, setFilter('n')},
	{"sxi", `sxi [-c "cmd"] [-c2 "cmd"] [-h] Event[:arg]`, "ignore", anytime, setFilter('i')},
	{"sx-", `sx- [-c "cmd"] [-c2 "cmd"] Event[:arg]`, "change the commands of an event only", anytime, setFilter(0)},
	{"sxr", "sxr", "reset all to the defaults", anytime, resetFilters},
	{".lastevent", ".lastevent", "the last event", anytime, lastEvent},
	{".eventlog", ".eventlog", "recent events", anytime, eventLog},
	{".exr", ".exr {-1 | Addr}", "the exception record of the last event, or a siginfo in memory", stopped, exceptionRecord},
	{".event_code", ".event_code", "code bytes where the last event was", stopped, eventCode},
}

// filterRow is a line of sx.
func filterRow(f engine.FilterSetting) string {
	status := map[byte]string{'e': "break", 'd': "second-chance break", 'n': "output", 'i': "ignore"}[f.Break]
	title := f.Title
	if f.Arg != "" {
		title += " (" + f.Arg + ")"
	}
	row := fmt.Sprintf("%4s - %s - %s", f.Code, title, status)
	if f.Exception {
		row += map[bool]string{true: " - handled", false: " - not handled"}[f.Handled]
	}
	if f.Command != "" {
		row += fmt.Sprintf("\n       Command: %q", f.Command)
	}
	if f.Command2 != "" {
		row += fmt.Sprintf("\n       Second command: %q", f.Command2)
	}
	return row
}

func listFilters(ctx context.Context, c *call) error {
	if err := c.end(); err != nil {
		return err
	}
	for _, f := range c.i.o.Host.Filters() {
		c.printf("%s\n", filterRow(f))
	}
	return nil
}

// setFilter makes sxe, sxd, sxn, sxi and sx- (0).
func setFilter(mode byte) func(context.Context, *call) error {
	return func(ctx context.Context, c *call) error {
		var first, second *string
		handling := false
		for {
			o, ok := c.option("-")
			if !ok {
				break
			}
			switch o {
			case "c", "c2":
				text, ok := c.quoted()
				if !ok {
					return c.syntax(0)
				}
				if o == "c" {
					first = &text
				} else {
					second = &text
				}
			case "h":
				handling = true
			default:
				return c.syntax(-len(o) - 1)
			}
		}
		code, arg, _ := strings.Cut(c.all(), ":")
		if code == "" {
			return c.syntax(0)
		}
		if name, tail, ok := strings.Cut(code, " "); ok && arg == "" {
			code, arg = name, strings.TrimSpace(tail)
		}
		if !c.knownEvent(code) {
			return &Error{Kind: "Syntax", Command: c.text, Pos: c.pos + len(c.name) + 1, Fix: "sx lists the events"}
		}
		f := c.i.o.Host.Filter(code, arg)
		if f.Code == "*" && code != "*" {
			f.Command, f.Command2, f.Title = "", "", code
		}
		f.Code, f.Arg = strings.ToLower(code), arg
		switch {
		case handling:
			f.Handled = mode == 'e'
		case mode != 0:
			f.Break = mode
		}
		if first != nil {
			f.Command = *first
		}
		if second != nil {
			f.Command2 = *second
		}
		if c.i.filters == nil {
			c.i.filters = c.i.o.Host.Filters()
		}
		c.i.o.Host.SetFilter(f)
		return nil
	}
}

// knownEvent accepts the codes of the table, signals and exception numbers.
func (c *call) knownEvent(code string) bool {
	low := strings.ToLower(code)
	if strings.HasPrefix(low, "sig") {
		return true
	}
	if _, ok := plainNumber("0x"+strings.TrimPrefix(low, "0x"), c.i.options()); ok {
		return true
	}
	return slices.ContainsFunc(c.i.o.Host.Filters(), func(f engine.FilterSetting) bool { return strings.EqualFold(f.Code, low) })
}

func resetFilters(ctx context.Context, c *call) error {
	if err := c.end(); err != nil {
		return err
	}
	for _, f := range c.i.filters {
		c.i.o.Host.SetFilter(f)
	}
	c.printf("sx state reset to defaults\n")
	return nil
}

// filterOf is the filter that applies to an exception stop.
func (i *Interpreter) filterOf(stop targets.Stop) engine.FilterSetting {
	if stop.Exception == nil {
		return engine.FilterSetting{}
	}
	return i.o.Host.Filter(engine.EventCode("linux", stop), stop.Exception.Name)
}

// eventText says what happened at a stop, as .lastevent does.
func eventText(s engine.Stop) string {
	id := idText(s.Thread)
	if s.Exception == nil && len(s.Breakpoints) > 0 {
		return fmt.Sprintf("%s: Hit breakpoint %d", id, s.Breakpoints[0])
	}
	if s.Text != "" {
		return id + ": " + strings.TrimPrefix(strings.TrimSpace(s.Text), "("+id+"): ")
	}
	reason := s.Reason.String()
	return id + ": " + strings.ToUpper(reason[:1]) + reason[1:]
}

func idText(t targets.ThreadID) string { return strings.TrimSuffix(t.String(), ":") }

// lastText is the last event in words: the debuggee's end, when it is gone.
func (c *call) lastText(ctx context.Context) (text string, err error) {
	s := c.i.latest
	if s == nil {
		return "", targets.ErrGone
	}
	err = s.Look(ctx, func(l *engine.Live) error {
		stop, ok := l.LastStop()
		if !ok {
			return errors.New("there was no event yet")
		}
		text = eventText(stop)
		if end := l.Ended(); end != nil && end.Parting == nil {
			text = idText(stop.Thread) + ": " + strings.TrimSpace(endedText(*end))
		}
		return nil
	})
	return text, err
}

func lastEvent(ctx context.Context, c *call) error {
	text, err := c.lastText(ctx)
	if err != nil {
		return err
	}
	c.printf("Last event: %s\n  debugger time: %s\n", text, clock(time.Now()))
	return nil
}

// eventLog is .eventlog: what FormatEvent and stops have told, the newest last.
func eventLog(ctx context.Context, c *call) error {
	for _, l := range c.i.events.all() {
		c.printf("%s\n", l)
	}
	if text, err := c.lastText(ctx); err == nil {
		c.printf("Last event: %s\n", text)
	}
	return nil
}

// exceptionRecord is .exr.
func exceptionRecord(ctx context.Context, c *call) error {
	if arg := strings.TrimSpace(c.line); arg != "-1" {
		return c.signalRecord(ctx)
	}
	stop, ok := c.v.Live().LastStop()
	if !ok || stop.Exception == nil {
		return &Error{Text: "Last event was not an exception"}
	}
	e := stop.Exception
	pc := e.Addr
	if r, err := c.v.Registers(ctx, stop.Thread); err == nil {
		pc = r.PC()
	}
	name := ""
	if l := c.v.Locate(pc); l.Module != nil {
		name = fmt.Sprintf(" (%s+0x%016x)", symbolText(l.Module, l.Symbol), l.Disp)
	}
	params := e.Params
	fault, ok := faultAddress(e, pointerSize(c.v))
	if ok && params == nil {
		params = []uint64{fault}
	}
	c.printf("%s", exceptionText(pc, name, e, params))
	if ok {
		c.printf("Attempt to access address %016x\n", fault)
	} else if memoryFault(e) {
		c.printf("The address accessed is unavailable: %s\n", noAddress(e))
	}
	return nil
}

// signalRecord is .exr Addr: a siginfo of Linux's 64-bit or 32-bit layout, as signal
// handlers are given (si_signo, si_errno and si_code, then si_addr or what the signal
// brings).
func (c *call) signalRecord(ctx context.Context) error {
	addr, err := c.address(ctx)
	if err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	if c.v.Live().Info().OS == "windows" {
		return c.windowsRecord(ctx, addr)
	}
	ptr := pointerSize(c.v)
	data, known, err := c.read(ctx, addr, uint64(12+2*ptr+4))
	if err != nil {
		return err
	}
	at := 12 + ptr - 4 // behind three numbers, at a pointer's place
	if known < at+ptr {
		return fail("Unable to read exception record at %s", addr.Text(ptr))
	}
	no, code := uint32(littleEndian(data[:4])), int32(littleEndian(data[8:12]))
	if no == 0 || no > 64 {
		return fail("No exception record at %s", addr.Text(ptr))
	}
	value := littleEndian(data[at : at+ptr])
	c.printf("ExceptionAddress: %0*x\n   ExceptionCode: %08x (%s)\n  ExceptionFlags: %08x\nNumberParameters: 1\n   Parameter[0]: %0*x\n",
		2*ptr, value, no, c.signalTitle(no), uint32(code), 2*ptr, value)
	return nil
}

// signalTitle names a signal by its filter, "Signal SIGSEGV".
func (c *call) signalTitle(no uint32) string {
	title := c.i.o.Host.Filter(fmt.Sprintf("sig%d", no), "").Title
	if name, _, ok := strings.Cut(title, " - "); ok && strings.HasPrefix(name, "SIG") {
		return "Signal " + name
	}
	return fmt.Sprintf("Signal %d", no)
}

// eventCode is .event_code.
func eventCode(ctx context.Context, c *call) error {
	if err := c.end(); err != nil {
		return err
	}
	stop, ok := c.v.Live().LastStop()
	if !ok {
		return fail("There was no event yet")
	}
	r, err := c.v.Registers(ctx, stop.Thread)
	if err != nil {
		return err
	}
	data, known, err := c.read(ctx, r.PC(), 16)
	if err != nil {
		return err
	}
	c.printf("%d event code bytes:\n%s", known, dump{size: 1, units: 16, ascii: true, ptr: pointerSize(c.v), known: known}.rows(r.PC(), data))
	return nil
}

// memoryFault reports whether an exception is a signal that tells of an address:
// SIGSEGV (11) and SIGBUS (7) of Linux.
func memoryFault(e *targets.ExceptionRecord) bool {
	return (e.Code == 11 || e.Code == 7) && strings.HasPrefix(e.Name, "SIG")
}

// kernelSent is SI_KERNEL of Linux's include/uapi/asm-generic/siginfo.h.
const kernelSent = 0x80

// signalCode is si_code, the third number of a siginfo: positive for what an
// instruction did.
func signalCode(e *targets.ExceptionRecord) (code int32, ok bool) {
	if len(e.Siginfo) < 12 {
		return 0, false
	}
	return int32(littleEndian(e.Siginfo[8:12])), true
}

// faultAddress is si_addr of a memory fault in Linux's siginfo, where it lies behind
// three numbers, aligned to a pointer of ptr bytes. A signal that somebody sent has
// none, nor has a fault for which the processor tells none.
func faultAddress(e *targets.ExceptionRecord, ptr int) (uint64, bool) {
	at := (12 + ptr - 1) / ptr * ptr
	code, ok := signalCode(e)
	if !ok || !memoryFault(e) || code <= 0 || code == kernelSent || len(e.Siginfo) < at+ptr {
		return 0, false
	}
	return littleEndian(e.Siginfo[at : at+ptr]), true
}

// noAddress says why a memory fault has no faultAddress.
func noAddress(e *targets.ExceptionRecord) string {
	code, ok := signalCode(e)
	switch {
	case !ok:
		return "no siginfo is known"
	case code == kernelSent:
		return "the processor tells none (a general protection fault, as of an address that is none)"
	case code <= 0:
		return "the signal was sent, by kill or the like"
	}
	return "the siginfo is cut short"
}

func exceptionText(pc arch.Addr, name string, e *targets.ExceptionRecord, params []uint64) string {
	var b strings.Builder
	title := e.Name
	if strings.HasPrefix(title, "SIG") {
		title = "Signal " + title
	}
	fmt.Fprintf(&b, "ExceptionAddress: %016x%s\n   ExceptionCode: %08x (%s)\n  ExceptionFlags: 00000000\nNumberParameters: %d\n",
		uint64(pc), name, e.Code, title, len(params))
	for k, p := range params {
		fmt.Fprintf(&b, "   Parameter[%d]: %016x\n", k, p)
	}
	return b.String()
}

// eventRing keeps the last events for .eventlog; it is filled by FormatEvent, which a
// front end may call at any time.
type eventRing struct {
	mu   sync.Mutex
	rows []string
}

func (r *eventRing) add(text string) {
	const kept = 100
	text = strings.TrimSpace(text)
	if text == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rows = append(r.rows, text); len(r.rows) > kept {
		r.rows = slices.Delete(r.rows, 0, len(r.rows)-kept)
	}
}

func (r *eventRing) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.rows)
}
