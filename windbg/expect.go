package windbg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"dap-windbg/eval"
)

// This file makes a script a test: .assert of a value, .expect of what was printed.

var expectCommands = []command{
	{".assert", ".assert Expr", "fail unless the expression is not zero; both sides of a comparison are told", anytime, assertTrue},
	{".expect", `.expect [/r] [/n] "text"`, "fail unless commands have printed the text since the last .expect that found its own; /r a regular expression, /n fail if they have", anytime, expectText},
}

// AssertionError is an assertion of a script that did not hold.
type AssertionError struct {
	Script           string // file, "" none
	Line             int    // in it, 0 unknown
	Command          string
	Expected, Actual string
}

func (e *AssertionError) Error() string {
	at := ""
	switch {
	case e.Line > 0:
		at = fmt.Sprintf("%s:%d: ", e.Script, e.Line)
	case e.Script != "":
		at = e.Script + ": "
	}
	return fmt.Sprintf("%sassertion failed: %s\n    expected: %s\n    actual:   %s", at, e.Command, e.Expected, strings.ReplaceAll(e.Actual, "\n", "\n              "))
}

// PlaceError tells where in a script a command failed.
type PlaceError struct {
	Script string
	Line   int
	Text   string // the line
	Err    error
}

func (e *PlaceError) Error() string { return e.Err.Error() }
func (e *PlaceError) Unwrap() error { return e.Err }

// placed notes where in a script err comes from, unless an inner script has.
func placed(err error, name string, line int, text string) error {
	var inner *PlaceError
	if err == nil || errors.As(err, &inner) || isSentinel(err) {
		return err
	}
	var a *AssertionError
	if errors.As(err, &a) && a.Script == "" {
		a.Script, a.Line = name, line
	}
	return &PlaceError{name, line, strings.TrimSpace(text), err}
}

func isSentinel(err error) bool {
	for _, s := range []error{errResume, errBreak, errContinue, errLeave, errQuit, errRedo} {
		if errors.Is(err, s) {
			return true
		}
	}
	return false
}

// lineOf finds the line of a command in the text of a script that runs as one block,
// 0 when there are several like it.
func lineOf(text string, err error) int {
	var a *AssertionError
	if !errors.As(err, &a) || strings.Count(text, a.Command) != 1 {
		return 0
	}
	before, _, _ := strings.Cut(text, a.Command)
	return strings.Count(before, "\n") + 1
}

// comparison splits an expression at its comparison, when it is one as a whole.
var comparisons = []string{"==", "!=", "<=", ">=", "<", ">"}

func comparison(src string) (left, op, right string, ok bool) {
	depth := 0
	for i := 0; i < len(src); i++ {
		switch b := src[i]; {
		case b == '"' || b == '\'':
			i = closing(src, i)
		case strings.IndexByte("([{", b) >= 0:
			depth++
		case strings.IndexByte(")]}", b) >= 0:
			depth--
		case depth > 0:
		case strings.HasPrefix(src[i:], "->"), strings.HasPrefix(src[i:], "<<"), strings.HasPrefix(src[i:], ">>"):
			i++
		case strings.HasPrefix(src[i:], "&&"), strings.HasPrefix(src[i:], "||"):
			return "", "", "", false
		case op == "":
			for _, o := range comparisons {
				if strings.HasPrefix(src[i:], o) {
					left, op, right = src[:i], o, src[i+len(o):]
					i += len(o) - 1
					break
				}
			}
		}
	}
	return strings.TrimSpace(left), op, strings.TrimSpace(right), op != ""
}

func assertTrue(ctx context.Context, c *call) error {
	src := c.all()
	if src == "" {
		return c.syntax(0)
	}
	yes, err := c.condition(ctx, src)
	if err != nil || yes {
		return err
	}
	e := &AssertionError{Command: c.text, Expected: "not zero", Actual: "0"}
	if left, op, right, ok := comparison(src); ok {
		l, errL := c.side(ctx, left)
		r, errR := c.side(ctx, right)
		if errL == nil && errR == nil {
			e.Expected, e.Actual = op+" "+bothBases(r), fmt.Sprintf("%s is %s", left, bothBases(l))
		}
	}
	return e
}

// side evaluates one side of a comparison as condition does the whole.
func (c *call) side(ctx context.Context, src string) (uint64, error) {
	n, err := c.value(ctx, src)
	if err != nil {
		n, err = c.valueIn(ctx, src, eval.Options{Dialect: eval.CPP})
	}
	return n, err
}

// bothBases is a number as programmers and as people have it.
func bothBases(n uint64) string { return fmt.Sprintf("0x%x (%d)", n, int64(n)) }

// maxHeard is how much of what commands print an .expect can look back on at least, bytes.
const maxHeard = 1 << 20

// hearing copies what commands print to where .expect finds it.
type hearing struct {
	io.Writer
	i *Interpreter
}

func (h *hearing) Write(p []byte) (int, error) {
	if h.i.deaf {
		return h.Writer.Write(p)
	}
	h.i.heard = append(h.i.heard, p...)
	if over := len(h.i.heard) - maxHeard; over > maxHeard { // not at each write
		h.i.heard = append(h.i.heard[:0], h.i.heard[over:]...)
	}
	return h.Writer.Write(p)
}

// echo shows a line of a script, which no command prints.
func (c *call) echo(ctx context.Context, line string) {
	c.i.deaf = true
	c.printf("%s%s\n", c.i.Prompt(ctx), line)
	c.i.deaf = false
}

func expectText(ctx context.Context, c *call) error {
	pattern, absent := false, false
	for {
		o, ok := c.option("/-")
		if !ok {
			break
		}
		switch o {
		case "r":
			pattern = true
		case "n":
			absent = true
		default:
			return c.syntax(-len(o) - 1)
		}
	}
	at := c.base
	raw := c.line
	want, ok := c.quoted()
	if !ok {
		return c.syntax(0)
	}
	find := regexp.QuoteMeta(want)
	if pattern {
		if raw = strings.TrimSpace(raw); len(raw) > 1 {
			find = "(?m)" + strings.ReplaceAll(raw[1:closing(raw, 0)], `\"`, `"`) // its backslashes are its own
		}
	}
	re, err := regexp.Compile(find)
	if err != nil {
		return &Error{Kind: "Regular expression", Command: c.text, Pos: at, Fix: err.Error()}
	}
	if err := c.end(); err != nil {
		return err
	}
	loc := re.FindIndex(c.i.heard)
	if (loc != nil) != absent {
		if loc != nil {
			c.i.heard = append(c.i.heard[:0], c.i.heard[loc[1]:]...)
		}
		return nil
	}
	e := &AssertionError{Command: c.text, Expected: fmt.Sprintf("%q", want), Actual: "nothing was printed"}
	if absent {
		e.Expected = "nothing like " + e.Expected
	}
	if text := lastLines(string(c.i.heard)); text != "" {
		e.Actual = text
	}
	return e
}

// lastLines is the end of what was printed.
func lastLines(text string) string {
	const most = 20
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) > most {
		lines = append([]string{"..."}, lines[len(lines)-most:]...)
	}
	return strings.Join(lines, "\n")
}
