package windbg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/symbols"
)

var sourceCommands = []command{
	{"u", "u [Addr [Ln | End]]", "disassemble 8 instructions", stopped, unassemble},
	{"ub", "ub Addr [Ln]", "disassemble the instructions before an address", stopped, unassembleBefore},
	{"uf", "uf [/c] [/i] Addr", "disassemble a whole function; /c lists its calls", stopped, unassembleFunction},
	{"l+", "l+{t|s|l|o|*}", "source options on: t step by line, s show source, l line numbers, o source only", anytime, sourceOption(true)},
	{"l-", "l-{t|s|l|o|*}", "source options off", anytime, sourceOption(false)},
	{"ls", "ls [.] [first][,count]", "source lines", stopped, listSource},
	{"lsa", "lsa Addr[,first[,count]]", "source lines around an address", stopped, listSourceAt},
	{"lsc", "lsc", "source file and line that ls goes on with", stopped, listSourceFile},
	{".open", ".open -a Addr", "path of the source file of an address", stopped, openSource},
	{".lines", ".lines [-e | -d | -t]", "line numbers in output on, off or toggled", anytime, lineOption},
}

// sourceMode is the options of l+ and l-.
type sourceMode struct {
	step    bool // t
	show    bool // s
	only    bool // o
	noLines bool // not l
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

// unassemble is u.
func unassemble(ctx context.Context, c *call) error {
	at, n, end, err := c.instructions(ctx, 8)
	if err != nil {
		return err
	}
	last := ""
	for n > 0 || end > at {
		if err := ctx.Err(); err != nil {
			return err
		}
		k := min(n, 64)
		if end > 0 {
			k = 64
		}
		insts, err := c.v.Disassemble(ctx, at, k)
		if err != nil {
			return expressionError(c.text, err)
		}
		if len(insts) == 0 {
			return nil
		}
		for _, inst := range insts {
			if end > 0 && inst.Addr > end {
				return nil
			}
			last = c.codeHeader(inst.Addr, last)
			c.printf("%s\n", codeRow(c.v, inst, pointerSize(c.v)))
			at = inst.Addr + arch.Addr(max(1, len(inst.Bytes)))
			c.i.cursor.code, c.i.cursor.codeSet = at, true
		}
		n -= len(insts)
		if end > 0 {
			n = 0
		}
	}
	return nil
}

// instructions reads "[Addr [Ln | End]]"; end is 0 unless an end was given.
func (c *call) instructions(ctx context.Context, def int) (at arch.Addr, n int, end arch.Addr, err error) {
	at, n = c.i.cursor.code, def
	if !c.i.cursor.codeSet {
		f, err := c.v.Frame(ctx)
		if err != nil {
			return 0, 0, 0, err
		}
		at = f.PC
	}
	if c.more() && !isLength(c.line) {
		if at, err = c.address(ctx); err != nil {
			return
		}
	}
	if !c.more() {
		return
	}
	pos := c.base
	if !isLength(c.line) {
		if end, err = c.address(ctx); err == nil && end < at {
			err = &Error{Kind: "Range", Command: c.text, Pos: pos}
		}
		if err == nil {
			err = c.end()
		}
		return
	}
	c.drop(1)
	c.drop(len(c.line) - len(strings.TrimLeft(c.line, "?-")))
	count, err := c.number(ctx, 0)
	if err == nil && count > 1<<20 {
		err = &Error{Kind: "Range", Command: c.text, Pos: pos}
	}
	if err == nil {
		err = c.end()
	}
	return at, int(count), 0, err
}

// codeHeader writes the symbol line when the symbol at a is another than last.
func (c *call) codeHeader(a arch.Addr, last string) string {
	l := c.v.Locate(a)
	name := symbolText(l.Module, l.Symbol)
	if name == "" || name == last {
		return name
	}
	c.printf("%s:\n", located(l, !c.i.source.noLines))
	return name
}

func unassembleBefore(ctx context.Context, c *call) error {
	at, n, _, err := c.instructions(ctx, 8)
	if err != nil {
		return err
	}
	insts, err := c.v.DisassembleBefore(ctx, at, n)
	if err != nil {
		return expressionError(c.text, err)
	}
	last := ""
	for _, inst := range insts {
		last = c.codeHeader(inst.Addr, last)
		c.printf("%s\n", codeRow(c.v, inst, pointerSize(c.v)))
	}
	if len(insts) > 0 {
		c.i.cursor.code, c.i.cursor.codeSet = insts[0].Addr, true
	}
	return nil
}

// unassembleFunction is uf.
func unassembleFunction(ctx context.Context, c *call) error {
	var calls, count bool
	for {
		o, ok := c.option("/")
		if !ok {
			break
		}
		switch o {
		case "c":
			calls = true
		case "i":
			count = true
		case "D", "m", "o", "O":
		default:
			return c.syntax(-len(o) - 1)
		}
	}
	var addr arch.Addr
	if c.more() {
		a, err := c.address(ctx)
		if err != nil {
			return err
		}
		addr = a
	} else {
		f, err := c.v.Frame(ctx)
		if err != nil {
			return err
		}
		addr = f.PC
	}
	if err := c.end(); err != nil {
		return err
	}
	insts, err := c.function(ctx, addr)
	if err != nil {
		return err
	}
	if count {
		c.printf("%d instructions scanned\n", len(insts))
	}
	if calls {
		c.calls(insts)
		return nil
	}
	last := ""
	for _, inst := range insts {
		last = c.codeHeader(inst.Addr, last)
		row := codeRow(c.v, inst, pointerSize(c.v))
		if l := c.v.Locate(inst.Addr); l.Line.File != "" && !c.i.source.noLines {
			row = fmt.Sprintf("%5d %s", l.Line.Line, row)
		}
		c.printf("%s\n", row)
	}
	return nil
}

// function decodes the function that holds addr, in address order. Without a known
// size it follows the code to the last return that nothing jumps over.
func (c *call) function(ctx context.Context, addr arch.Addr) ([]engine.Inst, error) {
	const most = 20000
	l := c.v.Locate(addr)
	if l.Module == nil || l.Symbol.Name == "" {
		return nil, &Error{Text: "No code found, aborting"}
	}
	at := addr - arch.Addr(l.Disp)
	end := at + arch.Addr(l.Symbol.Size)
	if l.Module.Image != nil {
		if s, ok := l.Module.Image.(symbols.Scoper); ok {
			if scopes, err := s.Scopes(symbols.Offset(addr - l.Module.Base)); err == nil && len(scopes) > 0 {
				out := scopes[len(scopes)-1]
				at, end = l.Module.Base+arch.Addr(out.Low), l.Module.Base+arch.Addr(out.High)
			}
		}
	}
	open := end <= at
	var far arch.Addr
	var all []engine.Inst
	for (open || at < end) && len(all) < most {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		insts, err := c.v.Disassemble(ctx, at, 64)
		if err != nil || len(insts) == 0 {
			return all, err
		}
		for _, inst := range insts {
			if !open && inst.Addr >= end {
				return all, nil
			}
			all = append(all, inst)
			at = inst.Addr + arch.Addr(max(1, len(inst.Bytes)))
			if (inst.Kind == arch.CondJump || inst.Kind == arch.Jump) && inst.HasTarget && inst.Mem == nil && inst.Target < at+4096 {
				far = max(far, inst.Target)
			}
			if open && (inst.Err != nil || (inst.Kind == arch.Return || inst.Kind == arch.Jump) && at > far) {
				return all, nil
			}
		}
	}
	return all, nil
}

// calls lists the calls among instructions, as uf /c does.
func (c *call) calls(insts []engine.Inst) {
	if len(insts) == 0 {
		return
	}
	ptr := pointerSize(c.v)
	first := c.v.Locate(insts[0].Addr)
	c.printf("%s (%s)\n", symbolText(first.Module, first.Symbol), insts[0].Addr.Text(ptr))
	for _, inst := range insts {
		if inst.Kind != arch.Call {
			continue
		}
		l := c.v.Locate(inst.Addr)
		c.printf("  %s (%s):\n", located(l, !c.i.source.noLines), inst.Addr.Text(ptr))
		if inst.HasTarget && inst.Mem == nil {
			c.printf("    call to %s (%s)\n", nameAt(c.v, inst.Target), inst.Target.Text(ptr))
		} else {
			c.printf("    unresolvable call: %s\n", strings.TrimSpace(inst.Op+" "+inst.Args))
		}
	}
}

// sourceText reads the lines of a source file recorded in a module.
func sourceText(ctx context.Context, v *engine.View, m *engine.Module, file string) ([]string, error) {
	local, err := v.Source(ctx, m, file)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(local)
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
	lines, err := sourceText(ctx, v, f.Module, f.Line.File)
	if err != nil || f.Line.Line < 1 || f.Line.Line > len(lines) {
		return "", false
	}
	return sourceRow('>', f.Line.Line, lines[f.Line.Line-1]), true
}

// listSource is ls: it goes on where the last listing ended.
func listSource(ctx context.Context, c *call) error {
	f, err := c.v.Frame(ctx)
	if err != nil {
		return err
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
	lines, err := sourceText(ctx, c.v, m, c.i.cursor.file)
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
	first, count, err := c.lineRange(l.Line.Line-9, 20)
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

func openSource(ctx context.Context, c *call) error {
	if o, ok := c.option("-"); !ok || o != "a" {
		return c.syntax(0)
	}
	addr, err := c.address(ctx)
	if err != nil {
		return err
	}
	l := c.v.Locate(addr)
	if l.Line.File == "" {
		return &Error{Text: "No line information for " + addr.Text(pointerSize(c.v)), Err: errors.ErrUnsupported}
	}
	local, err := c.v.Source(ctx, l.Module, l.Line.File)
	if err != nil {
		return err
	}
	c.printf("%s\n", local)
	return nil
}
