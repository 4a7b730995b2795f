package windbg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"dap-windbg/engine"
	"dap-windbg/symbols"
)

var sourceCommands = []command{
	{"uu", "uu [Addr [Ln | End]]", "as u, also behind what cannot be read", stopped, unassemble},
	{"u", "u [Addr [Ln | End]]", "disassemble 8 instructions", stopped, unassemble},
	{"ub", "ub Addr [Ln]", "disassemble the instructions before an address", stopped, unassembleBefore},
	{"uf", "uf [/c] [/i] [/D] [/m] [/o] [/O] [Addr]", "disassemble a whole function; /c lists its calls, /i counts", stopped, unassembleFunction},
	{"#", "# Pattern [Addr [Ln | End]]", "next instruction whose text holds the pattern", stopped, searchCode},
	{"l+", "l+{t|s|l|o|*}", "source options on: t step by line, s show source, l line numbers, o source only", anytime, sourceOption(true)},
	{"l-", "l-{t|s|l|o|*}", "source options off", anytime, sourceOption(false)},
	{"ls", "ls [.] [first][,count]", "source lines", stopped, listSource},
	{"lsa", "lsa [.] Addr[,first[,count]]", "source lines around an address", stopped, listSourceAt},
	{"lsp", "lsp [-a] [Lead Trail]", "source lines shown at a stop before and after the current one; -a by lsa", anytime, sourceWindow},
	{"lsf", "lsf File", "load a source file for ls", stopped | owners, loadSource},
	{"lsf-", "lsf- File", "forget a source file", stopped, forgetSource},
	{"lsc", "lsc", "source file and line that ls goes on with", stopped, listSourceFile},
	{".open", ".open [-m Addr] File; .open -a Addr", "find a source file, as a module recorded it, or that of an address", stopped, openSource},
	{".lines", ".lines [-e | -d | -t]", "line numbers in output on, off or toggled", anytime, lineOption},
}

// sourceMode is the options of l+ and l-.
type sourceMode struct {
	step    bool // t
	show    bool // s
	only    bool // o
	noLines bool // not l

	lead, trail       int // lines around the current one at a stop (lsp)
	aroundLead, after int // and by lsa; both 0: 9 and 10
}

func (m sourceMode) text() string {
	rows := []struct {
		on  bool
		bit int
		row string
	}{
		{m.step, 1, "1/t - Step/trace by source line"},
		{!m.noLines, 2, "2/l - List source line for LN and prompt"},
		{m.show, 4, "4/s - List source code at prompt"},
		{m.only, 8, "8/o - Only show source code at prompt"},
	}
	n, body := 0, ""
	for _, r := range rows {
		if r.on {
			n |= r.bit
			body += "     " + r.row + "\n"
		}
	}
	if n == 0 {
		return "Source options are 0:\n     None\n"
	}
	return fmt.Sprintf("Source options are %x:\n%s", n, body)
}

func sourceOption(on bool) func(context.Context, *call) error {
	return func(ctx context.Context, c *call) error {
		m := &c.i.source
		switch w := c.all(); w {
		case "":
		case "t":
			m.step = on
		case "s":
			m.show = on
		case "l":
			m.noLines = !on
		case "o":
			m.only = on
		case "*":
			*m = sourceMode{step: on, show: on, only: on, noLines: !on}
		default:
			return c.syntax(-len(w))
		}
		c.printf("%s", m.text())
		return nil
	}
}

func lineOption(ctx context.Context, c *call) error {
	m := &c.i.source
	switch w := c.all(); w {
	case "-e":
		m.noLines = false
	case "-d":
		m.noLines = true
	case "", "-t":
		m.noLines = !m.noLines
	default:
		return c.syntax(-len(w))
	}
	state := map[bool]string{true: "will not be loaded", false: "will be loaded"}[m.noLines]
	c.printf("Line number information %s\n", state)
	return nil
}

// sourceCache keeps the lines of the files shown last.
type sourceCache struct {
	files []sourceFile // the latest last
}

type sourceFile struct {
	key, local string
	changed    time.Time
	lines      []string
}

// lines reads the lines of a source file recorded in a module.
func (s *sourceCache) lines(ctx context.Context, v *engine.View, m *engine.Module, file string) ([]string, error) {
	const kept = 16
	key := file
	if m != nil {
		key = m.Path + "\x00" + file
	}
	for _, f := range s.files {
		if info, err := os.Stat(f.local); f.key == key && err == nil && info.ModTime().Equal(f.changed) {
			return f.lines, nil
		}
	}
	local, err := v.Source(ctx, m, file)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(local)
	if err != nil {
		return nil, err
	}
	lines, err := readLines(local)
	if err != nil {
		return nil, err
	}
	s.files = slices.DeleteFunc(s.files, func(f sourceFile) bool { return f.key == key })
	if len(s.files) >= kept {
		s.files = slices.Delete(s.files, 0, 1)
	}
	s.files = append(s.files, sourceFile{key, local, info.ModTime(), lines})
	return lines, nil
}

func readLines(name string) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var lines []string
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() && len(lines) < 1<<20 {
		lines = append(lines, s.Text())
	}
	return lines, s.Err()
}

// sourceRow is a line of ls; mark is '>' at the current line.
func sourceRow(mark byte, n int, text string) string {
	return fmt.Sprintf("%c%5d: %s\n", mark, n, text)
}

// sourceLine is the source line of a frame.
func (i *Interpreter) sourceLine(ctx context.Context, v *engine.View, f *engine.Frame) (string, bool) {
	lines, err := i.sources.lines(ctx, v, f.Module, f.Line.File)
	if err != nil || f.Line.Line < 1 || f.Line.Line > len(lines) {
		return "", false
	}
	text := ""
	for n := max(1, f.Line.Line-i.source.lead); n <= min(len(lines), f.Line.Line+i.source.trail); n++ {
		mark := byte(' ')
		if n == f.Line.Line {
			mark = '>'
		}
		text += sourceRow(mark, n, lines[n-1])
	}
	return text, true
}

// listSource is ls: it goes on where the last listing ended.
func listSource(ctx context.Context, c *call) error {
	f, err := anyFrame(ctx, c.v)
	if err != nil {
		return err
	}
	if f == nil {
		f = &engine.Frame{}
	}
	if w := strings.TrimSpace(c.line); strings.HasPrefix(w, ".") {
		c.word()
		c.i.cursor.file = ""
	}
	if c.i.cursor.file == "" {
		if f.Line.File == "" {
			return &Error{Text: "No source file is current", Fix: "lsa ADDR shows the source of an address"}
		}
		c.i.cursor.file, c.i.cursor.line = f.Line.File, max(1, f.Line.Line-9)
	}
	first, count, err := c.lineRange(c.i.cursor.line, 20)
	if err != nil {
		return err
	}
	return c.list(ctx, f.Module, first, count, f.Line)
}

// lineRange reads "[first][,count]" in decimal.
func (c *call) lineRange(first, count int) (int, int, error) {
	a, b, _ := strings.Cut(c.all(), ",")
	for _, x := range []struct {
		text string
		to   *int
	}{{a, &first}, {b, &count}} {
		if t := strings.TrimSpace(x.text); t != "" {
			n, err := strconv.Atoi(t)
			if err != nil || n < 1 || n > 1<<20 {
				return 0, 0, c.syntax(-len(t))
			}
			*x.to = n
		}
	}
	return first, count, nil
}

// list writes lines of the listing's file.
func (c *call) list(ctx context.Context, m *engine.Module, first, count int, here symbols.Line) error {
	lines, err := c.i.sources.lines(ctx, c.v, m, c.i.cursor.file)
	if err != nil {
		return err
	}
	first = max(1, first)
	for n := first; n < first+count && n <= len(lines); n++ {
		mark := byte(' ')
		if n == here.Line && c.i.cursor.file == here.File {
			mark = '>'
		}
		c.printf("%s", sourceRow(mark, n, lines[n-1]))
		c.i.cursor.line = n + 1
	}
	return nil
}

func listSourceAt(ctx context.Context, c *call) error {
	addr, err := c.address(ctx)
	if err != nil {
		return err
	}
	l := c.v.Locate(addr)
	if l.Line.File == "" {
		return &Error{Text: "No line information for " + addr.Text(pointerSize(c.v))}
	}
	c.i.cursor.file = l.Line.File
	before, after := c.i.source.around()
	first, count, err := c.lineRange(l.Line.Line-before, before+1+after)
	if err != nil {
		return err
	}
	return c.list(ctx, l.Module, first, count, l.Line)
}

func listSourceFile(ctx context.Context, c *call) error {
	if c.i.cursor.file == "" {
		return &Error{Text: "No source file is current"}
	}
	c.printf("Current: %s(%d)\n", c.i.cursor.file, c.i.cursor.line)
	return nil
}

// openSource is .open.
func openSource(ctx context.Context, c *call) error {
	o, ok := c.option("-")
	if ok && o != "a" && o != "m" {
		return c.syntax(-len(o) - 1)
	}
	var m *engine.Module
	file := ""
	if ok {
		addr, err := c.address(ctx)
		if err != nil {
			return err
		}
		l := c.v.Locate(addr)
		m, file = l.Module, l.Line.File
		if o == "a" && file == "" {
			return &Error{Text: "No line information for " + addr.Text(pointerSize(c.v)), Err: errors.ErrUnsupported}
		}
	}
	if o != "a" {
		if file = c.fileName(); file == "" {
			return c.syntax(0)
		}
	}
	if err := c.end(); err != nil {
		return err
	}
	if m == nil {
		if list := c.v.Live().Modules(); len(list) > 0 {
			m = list[0]
		}
	}
	local, err := c.v.Source(ctx, m, file)
	if err != nil {
		return err
	}
	c.printf("%s\n", local)
	return nil
}

// sourceWindow is lsp.
func sourceWindow(ctx context.Context, c *call) error {
	set, err := c.flags("-", "a")
	if err != nil {
		return err
	}
	m := &c.i.source
	lead, trail := &m.lead, &m.trail
	title := "At the prompt"
	if set["a"] {
		lead, trail, title = &m.aroundLead, &m.after, "For lsa"
	}
	if c.more() {
		a, err := c.number(ctx, 0)
		if err != nil {
			return err
		}
		b, err := c.number(ctx, a)
		if err != nil {
			return err
		}
		if a > 1000 || b > 1000 {
			return &Error{Kind: "Range", Command: c.text, Pos: c.pos + len(c.name)}
		}
		*lead, *trail = int(a), int(b)
	}
	if err := c.end(); err != nil {
		return err
	}
	before, after := *lead, *trail
	if set["a"] {
		before, after = m.around()
	}
	c.printf("%s, display %d lines before and %d after\n", title, before, after)
	return nil
}

// around is how many lines lsa shows before and after the one it is asked for.
func (m sourceMode) around() (before, after int) {
	if m.aroundLead == 0 && m.after == 0 {
		return 9, 10
	}
	return m.aroundLead, m.after
}

// loadSource is lsf: ls goes on with that file.
func loadSource(ctx context.Context, c *call) error {
	name := c.fileName()
	if name == "" {
		return c.syntax(0)
	}
	if err := c.end(); err != nil {
		return err
	}
	if _, err := c.i.sources.lines(ctx, c.v, nil, name); err != nil {
		return err
	}
	c.i.cursor.file, c.i.cursor.line = name, 1
	return nil
}

func forgetSource(ctx context.Context, c *call) error {
	name := c.fileName()
	if name == "" {
		return c.syntax(0)
	}
	c.i.sources.files = slices.DeleteFunc(c.i.sources.files, func(f sourceFile) bool { return f.key == name })
	if c.i.cursor.file == name {
		c.i.cursor.file = ""
	}
	return c.end()
}
