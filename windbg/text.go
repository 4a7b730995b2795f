package windbg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"dap-windbg/arch"
	"dap-windbg/engine"
)

var textCommands = []command{
	{".echo", `.echo text`, "print a text", anytime, echo},
	{".printf", `.printf [/D] "format", values`, "print values: %d %i %u %x %X %o %c %p %N %f %e %g numbers, %y %ly symbols, %ma %mu %s strings at an address, %msa %msu those of a STRING structure", anytime, printFormatted},
	{".help", ".help [prefix]", "list the commands", anytime, helpCommand},
	{".cls", ".cls", "clear the window", anytime, clearWindow},
	{".logopen", ".logopen [/t] [/u] [/d] [File]", "copy what is shown into a new file", local, openLog},
	{".logappend", ".logappend [/t] [/u] [/d] [File]", "copy what is shown to the end of a file", local, openLog},
	{".logclose", ".logclose", "end the copy", anytime, closeLog},
	{".logfile", ".logfile", "name of the log", anytime, showLog},
}

func echo(ctx context.Context, c *call) error {
	text := c.all()
	if len(text) > 1 && text[0] == '"' && text[len(text)-1] == '"' {
		text = text[1 : len(text)-1]
	}
	c.printf("%s\n", text)
	return nil
}

func helpCommand(ctx context.Context, c *call) error {
	if _, ok := c.option("/"); ok {
		c.skip()
	}
	return c.i.commands().help(c.out, c.all())
}

func clearWindow(ctx context.Context, c *call) error {
	if c.i.o.Clear != nil {
		c.i.o.Clear()
	}
	return c.end()
}

// conversion is one part of a .printf format: a literal, or a verb.
type conversion struct {
	literal string
	spec    string // "%-08I64x" without the length prefix: "%-08x"
	verb    string // "d", "ma", "ly" ...; "" for a literal
}

// printfVerbs are the conversions, longest first where one begins another.
var printfVerbs = []string{"msa", "msu", "ma", "mu", "ly", "y", "d", "i", "u", "x", "X", "o", "c", "s", "p", "N", "f", "e", "g"}

// parsePrintf splits a format. An unknown conversion is literal text.
func parsePrintf(format string) []conversion {
	var out []conversion
	lit := ""
	flush := func() {
		if lit != "" {
			out = append(out, conversion{literal: lit})
		}
		lit = ""
	}
	for k := 0; k < len(format); {
		if format[k] != '%' {
			lit += format[k : k+1]
			k++
			continue
		}
		if strings.HasPrefix(format[k:], "%%") {
			lit += "%"
			k += 2
			continue
		}
		n := k + 1
		for n < len(format) && n-k < 16 && strings.IndexByte("-+ #0123456789.", format[n]) >= 0 {
			n++
		}
		flags := format[k:n]
		for _, size := range []string{"I64", "I32", "ll", "l", "h"} {
			if strings.HasPrefix(format[n:], size) && !strings.HasPrefix(format[n:], "ly") {
				n += len(size)
				break
			}
		}
		verb := ""
		for _, v := range printfVerbs {
			if strings.HasPrefix(format[n:], v) {
				verb = v
				break
			}
		}
		if verb == "" {
			lit += format[k:n]
			k = n
			continue
		}
		flush()
		out = append(out, conversion{spec: flags, verb: verb})
		k = n + len(verb)
	}
	flush()
	return out
}

// number writes n by a verb that needs nothing but the value; ok is false for others.
func (v conversion) number(n uint64, ptr int) (string, bool) {
	flags := v.spec
	if width := strings.Trim(flags, "%-+ #"); len(width) > 4 {
		flags = "%" // a field wider than anything one wants
	}
	switch v.verb {
	case "d", "i":
		if n>>32 == 0 { // a 32-bit pattern is a 32-bit number
			return fmt.Sprintf(flags+"d", int32(n)), true
		}
		return fmt.Sprintf(flags+"d", int64(n)), true
	case "u":
		return fmt.Sprintf(flags+"d", n), true
	case "x", "X", "o":
		return fmt.Sprintf(flags+v.verb, n), true
	case "c":
		return fmt.Sprintf(flags+"c", rune(n&0xff)), true
	case "p":
		return arch.Addr(n).Text(ptr), true
	case "N":
		return fmt.Sprintf("%X", n), true
	case "f", "e", "g":
		return fmt.Sprintf(flags+v.verb, math.Float64frombits(n)), true
	}
	return "", false
}

// printFormatted is .printf.
func printFormatted(ctx context.Context, c *call) error {
	for {
		if _, ok := c.option("/"); !ok {
			break
		}
	}
	format, ok := c.quoted()
	if !ok {
		return c.syntax(0)
	}
	ptr := c.pointer(ctx)
	var b strings.Builder
	for _, v := range parsePrintf(format) {
		if v.verb == "" {
			b.WriteString(v.literal)
			continue
		}
		if !c.more() {
			return c.syntax(0)
		}
		src := c.argument()
		n, err := c.value(ctx, src)
		if err != nil {
			return err
		}
		text, ok := v.number(n, ptr)
		if !ok {
			if text, err = c.formatted(ctx, v, n); err != nil {
				return err
			}
		}
		b.WriteString(text)
	}
	if err := c.end(); err != nil {
		return err
	}
	c.printf("%s", b.String())
	return nil
}

// argument takes the text up to a comma outside brackets.
func (c *call) argument() string {
	c.skip()
	depth := 0
	for k := 0; k < len(c.line); k++ {
		switch c.line[k] {
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case ',':
			if depth <= 0 {
				return strings.TrimSpace(c.drop(k))
			}
		}
	}
	return strings.TrimSpace(c.drop(len(c.line)))
}

// formatted writes by the verbs that look at the debuggee.
func (c *call) formatted(ctx context.Context, v conversion, n uint64) (text string, err error) {
	err = c.do(ctx, func(ctx context.Context, view *engine.View) error {
		l := view.Locate(arch.Addr(n))
		switch v.verb {
		case "y":
			if text = locationText(l); text == "" {
				text = arch.Addr(n).Text(pointerSize(view))
			}
			return nil
		case "ly":
			text = located(l, true)
			return nil
		}
		inner := *c
		inner.v = view
		at, size, err := inner.stringAt(ctx, v.verb, arch.Addr(n))
		if err != nil {
			return err
		}
		unit := 1
		if v.verb == "mu" || v.verb == "msu" {
			unit = 2
		}
		data, known, err := inner.read(ctx, at, size*uint64(unit))
		if known == 0 && size > 0 && err == nil {
			err = &Error{Kind: "Memory access", Rest: fmt.Sprintf("%x", uint64(at))}
		}
		if err == nil {
			text, _ = textOf(data[:known-known%unit], unit)
		}
		return err
	})
	return text, err
}

// stringAt is where the characters of a string lie, and at most how many. %msa and
// %msu take a STRING structure: length and room in bytes, 16 bits each, and a pointer.
func (c *call) stringAt(ctx context.Context, verb string, at arch.Addr) (arch.Addr, uint64, error) {
	const most = 4096
	if verb != "msa" && verb != "msu" {
		return at, most, nil
	}
	ptr := pointerSize(c.v)
	data, known, err := c.read(ctx, at, uint64(2*ptr))
	if err != nil || known < 2*ptr {
		return 0, 0, errors.Join(err, &Error{Kind: "Memory access", Rest: fmt.Sprintf("%x", uint64(at))})
	}
	n := littleEndian(data[:2])
	if verb == "msu" {
		n /= 2
	}
	return arch.Addr(littleEndian(data[ptr:])), min(n, most), nil
}

// logFile is the copy of what is shown.
type logFile struct {
	mu sync.Mutex
	f  *os.File
}

func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return len(p), nil
	}
	return l.f.Write(p)
}

// tee writes to out and to the log; a full disk does not stop the command.
func (l *logFile) tee(out io.Writer) io.Writer { return &teeWriter{out, l} }

type teeWriter struct {
	out io.Writer
	log *logFile
}

func (t *teeWriter) Write(p []byte) (int, error) {
	t.log.Write(p)
	return t.out.Write(p)
}

func (l *logFile) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.f.Close()
	l.f = nil
}

// openLog is .logopen and .logappend.
func openLog(ctx context.Context, c *call) error {
	stamp := false
	for c.more() && len(c.line) > 1 && c.line[0] == '/' && (len(c.line) == 2 || isSpace(c.line[2])) { // not a path
		switch o := c.word(); o {
		case "/t", "/d":
			stamp = true
		case "/u": // UTF-16 on Windows: a log is UTF-8 here
		default:
			return c.syntax(-len(o))
		}
	}
	name := strings.Trim(c.all(), `"`)
	if name == "" {
		name = "dbgeng.log"
	}
	if stamp {
		name = stamped(name, c.processID(ctx), time.Now())
	}
	flags := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	verb := "Opened"
	if c.cmd.Name == ".logappend" {
		flags, verb = os.O_CREATE|os.O_WRONLY|os.O_APPEND, "Appending to"
	}
	f, err := os.OpenFile(name, flags, 0o600)
	if err != nil {
		return &Error{Text: fmt.Sprintf("log file could not be opened, %v", err), Err: err}
	}
	if c.i.log != nil {
		c.i.log.close()
	}
	c.i.log = &logFile{f: f}
	c.out = c.i.log.tee(c.out)
	if verb == "Opened" {
		c.printf("Opened log file '%s'\n", name)
	} else {
		c.printf("Appended to log file '%s'\n", name)
	}
	return nil
}

// stamped puts "_PID_date_time" before the extension.
func stamped(name string, pid int64, t time.Time) string {
	dot := strings.LastIndexByte(name, '.')
	if dot <= strings.LastIndexByte(name, '/')+1 {
		dot = len(name)
	}
	return fmt.Sprintf("%s_%04X_%s-%03d%s", name[:dot], pid, t.Format("2006-01-02_15-04-05"), t.Nanosecond()/1e6, name[dot:])
}

func (c *call) processID(ctx context.Context) (pid int64) {
	if c.s != nil {
		c.s.Look(ctx, func(l *engine.Live) error { pid = l.Info().Process; return nil })
	}
	return pid
}

func closeLog(ctx context.Context, c *call) error {
	if c.i.log == nil {
		return fail("no log file open")
	}
	name := c.i.log.f.Name()
	c.printf("Closing open log file %s\n", name)
	c.i.log.close()
	c.i.log = nil
	return nil
}

func showLog(ctx context.Context, c *call) error {
	if err := c.end(); err != nil {
		return err
	}
	if c.i.log == nil {
		c.printf("No log file open\n")
		return nil
	}
	c.printf("Log '%s' open\n", c.i.log.f.Name())
	return nil
}
