package windbg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
)

var controlCommands = []command{
	{".if", ".if (Cond) {cmds} [.elsif (Cond) {cmds}] [.else {cmds}]", "run commands if the condition holds", braces, ifThen},
	{".for", ".for (init; Cond; step) {cmds}", "loop with a counter", braces, forLoop},
	{".while", ".while (Cond) {cmds}", "loop while the condition holds", braces, whileLoop},
	{".do", ".do {cmds} (Cond)", "loop at least once", braces, doLoop},
	{".foreach", ".foreach [/pS N] [/ps N] (name {cmds}) {cmds}", "run commands for each word that commands print; /s for a text, /f for a file", braces, forEach},
	{".catch", ".catch {cmds}", "an error ends the block only", braces, catch},
	{".block", ".block {cmds}", "commands with aliases replaced anew", braces, block},
	{".break", ".break", "leave the innermost loop", anytime, sentinel(errBreak)},
	{".continue", ".continue", "next turn of the innermost loop", anytime, sentinel(errContinue)},
	{".leave", ".leave", "leave the .catch block", anytime, sentinel(errLeave)},
	{"j", "j Cond ['cmds'] [; 'cmds']", "run the first commands if the condition holds, else the second", rest, oldIf},
	{"z", "cmds; z (Cond)", "run the whole line again while the condition holds", rest, again},
	{"$<", "$<File", "run a file line by line", rest | local, script},
	{"$><", "$><File", "run a file as one block", rest | local, script},
	{"$$<", "$$<File", "run a file line by line", local, script},
	{"$$><", "$$><File", "run a file as one block", local, script},
	{"$$>a<", "$$>a<File args", "run a file as one block, with arguments ${$arg1} ...", local, script},
	{"$$", "$$ text", "comment up to the next ;", anytime, nothing},
	{"*", "* text", "comment up to the end of the line", rest, nothing},
	{"as", aliasUsage("as"), "define an alias by the rest of the line: a text, /e a variable of the environment, /f a file, /x a value, /c what commands print, /ma /mu /msa /msu a string in memory", rest, setAlias},
	{"aS", aliasUsage("aS"), "define an alias by a text up to a semicolon, or in quotes", anytime, setAlias},
	{"ad", "ad [/q] Name | *", "delete aliases", anytime, deleteAlias},
	{"al", "al", "list aliases", anytime, listAliases},
}

func nothing(context.Context, *call) error { return nil }

func sentinel(err error) func(context.Context, *call) error {
	return func(context.Context, *call) error { return err }
}

// enclosed takes a part in the brackets open and its partner; ok is false when there
// is none, or it is not closed.
func (c *call) enclosed(open byte) (string, bool) {
	c.skip()
	if c.line == "" || c.line[0] != open {
		return "", false
	}
	end := partner(c.line)
	if end < 0 {
		return "", false
	}
	return c.drop(end + 1)[1:end], true
}

// partner is the position of the bracket that closes the one s begins with, -1 without one.
func partner(s string) int {
	open, shut := s[0], byte('}')
	if open == '(' {
		shut = ')'
	}
	depth := 0
	for k := 0; k < len(s); k++ {
		switch s[k] {
		case '"':
			k = closing(s, k)
		case open:
			depth++
		case shut:
			if depth--; depth == 0 {
				return k
			}
		}
	}
	return -1
}

// test takes a condition: in parentheses, or up to the brace.
func (c *call) test() (string, error) {
	if text, ok := c.enclosed('('); ok {
		return text, nil
	}
	n := strings.IndexByte(c.line, '{')
	if n <= 0 {
		return "", c.syntax(0)
	}
	return c.drop(n), nil
}

func (c *call) body() (string, error) {
	text, ok := c.enclosed('{')
	if !ok {
		return "", c.syntax(0)
	}
	return text, nil
}

// run runs a part of the statement; last tells that nothing of it follows.
func (c *call) run(ctx context.Context, text string, last bool) error {
	outer := c.tail
	defer func() { c.tail = outer }()
	c.tail = c.tail && last
	return c.program(ctx, text)
}

// done reports whether the statement has been read to its end.
func (c *call) done() bool { return strings.TrimSpace(c.line) == "" }

// after runs what follows a block on the same statement.
func (c *call) after(ctx context.Context) error {
	if text := c.all(); text != "" {
		return c.program(ctx, text)
	}
	return nil
}

func ifThen(ctx context.Context, c *call) error {
	cond, err := c.test()
	if err != nil {
		return err
	}
	text, err := c.body()
	if err != nil {
		return err
	}
	var branches [][2]string
	branches = append(branches, [2]string{cond, text})
	otherwise := ""
	for {
		c.skip()
		if strings.HasPrefix(c.line, ".elsif") {
			c.drop(6)
			if cond, err = c.test(); err != nil {
				return err
			}
			if text, err = c.body(); err != nil {
				return err
			}
			branches = append(branches, [2]string{cond, text})
			continue
		}
		if strings.HasPrefix(c.line, ".else") {
			c.drop(5)
			if otherwise, err = c.body(); err != nil {
				return err
			}
		}
		break
	}
	chosen := otherwise
	for _, b := range branches {
		yes, err := c.condition(ctx, b[0])
		if err != nil {
			return err
		}
		if yes {
			chosen = b[1]
			break
		}
	}
	if err := c.run(ctx, chosen, c.done()); err != nil {
		return err
	}
	return c.after(ctx)
}

// loop runs text until next says no; .break and .continue are obeyed.
func (c *call) loop(ctx context.Context, text string, next func() (bool, error)) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		yes, err := next()
		if err != nil {
			return err
		}
		if !yes {
			return c.after(ctx)
		}
		err = c.run(ctx, text, false)
		if err == errBreak {
			return c.after(ctx)
		}
		if err != nil && err != errContinue {
			return err
		}
	}
}

func forLoop(ctx context.Context, c *call) error {
	head, ok := c.enclosed('(')
	parts := strings.SplitN(head, ";", 3)
	if !ok || len(parts) < 3 {
		return c.syntax(0)
	}
	text, err := c.body()
	if err != nil {
		return err
	}
	if err := c.run(ctx, parts[0], false); err != nil {
		return err
	}
	first := true
	return c.loop(ctx, text, func() (bool, error) {
		if !first {
			if err := c.run(ctx, parts[2], false); err != nil {
				return false, err
			}
		}
		first = false
		return c.condition(ctx, parts[1])
	})
}

func whileLoop(ctx context.Context, c *call) error {
	cond, err := c.test()
	if err != nil {
		return err
	}
	text, err := c.body()
	if err != nil {
		return err
	}
	return c.loop(ctx, text, func() (bool, error) { return c.condition(ctx, cond) })
}

func doLoop(ctx context.Context, c *call) error {
	text, err := c.body()
	if err != nil {
		return err
	}
	cond, ok := c.enclosed('(')
	if !ok {
		return c.syntax(0)
	}
	first := true
	return c.loop(ctx, text, func() (bool, error) {
		if first {
			first = false
			return true, nil
		}
		return c.condition(ctx, cond)
	})
}

// captured runs commands and returns what they print.
func (c *call) captured(ctx context.Context, text string) (string, error) {
	var b bytes.Buffer
	inner := *c.exec
	inner.out = &limited{&b, 16 << 20}
	inner.tail = false
	err := inner.program(ctx, text)
	c.next = inner.next
	return b.String(), err
}

// limited refuses to grow without bound.
type limited struct {
	b    *bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, errors.New("the output is too long")
	}
	return l.b.Write(p)
}

func forEach(ctx context.Context, c *call) error {
	skipFirst, skipEach, source := 0, 0, byte('c')
	for {
		o, ok := c.option("/")
		if !ok {
			break
		}
		switch o {
		case "s", "f":
			source = o[0]
		case "pS", "ps":
			n, err := c.value(ctx, c.word())
			if err != nil {
				return err
			}
			if o == "pS" {
				skipFirst = int(min(n, 1<<20))
			} else {
				skipEach = int(min(n, 1<<20))
			}
		default:
			return c.syntax(-len(o) - 1)
		}
	}
	head, ok := c.enclosed('(')
	if !ok {
		return c.syntax(0)
	}
	text, err := c.body()
	if err != nil {
		return err
	}
	name, from := nextWord(head)
	if name == "" {
		return c.syntax(0)
	}
	words, err := c.words(ctx, source, strings.TrimSpace(from))
	if err != nil {
		return err
	}
	k := skipFirst
	return c.loop(ctx, "${}", func() (bool, error) { // the body differs at each turn
		for k < len(words) {
			turn := replaceNames(text, map[string]string{name: words[k]}, false)
			k += 1 + skipEach
			err := c.run(ctx, turn, false)
			if err == errBreak {
				return false, nil
			}
			if err != nil && err != errContinue {
				return false, err
			}
			if err := ctx.Err(); err != nil {
				return false, err
			}
		}
		return false, nil
	})
}

// words are what .foreach walks over.
func (c *call) words(ctx context.Context, source byte, from string) ([]string, error) {
	switch {
	case source == 's':
		return strings.Fields(strings.Trim(from, `"`)), nil
	case source == 'f':
		if c.i.secure() {
			return nil, fail("Files are not read in secure mode")
		}
		p, err := readScript(strings.Trim(from, `"`))
		return strings.Fields(p), err
	case len(from) < 2 || from[0] != '{' || from[len(from)-1] != '}':
		return nil, c.syntax(0)
	}
	out, err := c.captured(ctx, from[1:len(from)-1])
	return strings.Fields(out), err
}

func catch(ctx context.Context, c *call) error {
	text, err := c.body()
	if err != nil {
		return err
	}
	err = c.run(ctx, text, c.done())
	switch {
	case err == nil, err == errLeave:
	case err == errBreak, err == errContinue, errors.Is(err, errResume), errors.Is(err, errQuit), ctx.Err() != nil:
		return err
	default:
		fmt.Fprintln(c.out, errorText(err, c.prompt))
	}
	return c.after(ctx)
}

func block(ctx context.Context, c *call) error {
	text, err := c.body()
	if err != nil {
		return err
	}
	if err := c.run(ctx, text, c.done()); err != nil {
		return err
	}
	return c.after(ctx)
}

// oldIf is j: "j Cond 'then'; 'else'", or "j Cond then; else".
func oldIf(ctx context.Context, c *call) error {
	cond := ""
	if c.skip(); strings.HasPrefix(c.line, "(") {
		cond = c.drop(expressionEnd(c.line))
	} else {
		cond = c.drop(jCondition(c.line))
	}
	yes, err := c.condition(ctx, cond)
	if err != nil {
		return err
	}
	then := c.branch()
	c.skip()
	otherwise := ""
	if strings.HasPrefix(c.line, ";") {
		c.drop(1)
		otherwise = c.branch()
	}
	text := otherwise
	if yes {
		text = then
	}
	if c.skip(); strings.HasPrefix(c.line, ";") {
		c.drop(1)
	}
	if err := c.run(ctx, text, c.done()); err != nil {
		return err
	}
	return c.after(ctx)
}

// jCondition ends at a quote or where the expression does.
func jCondition(s string) int {
	n := expressionEnd(s)
	if k := strings.IndexByte(s, '\''); k >= 0 && k < n {
		return k
	}
	return n
}

// branch takes 'commands', or everything up to a semicolon.
func (c *call) branch() string {
	c.skip()
	if strings.HasPrefix(c.line, "'") {
		if end := strings.IndexByte(c.line[1:], '\''); end >= 0 {
			return c.drop(end + 2)[1 : end+1]
		}
	}
	n := strings.IndexByte(c.line, ';')
	if n < 0 {
		n = len(c.line)
	}
	return c.drop(n)
}

// again is z: with a condition that holds it begins the line anew.
func again(ctx context.Context, c *call) error {
	src := c.all()
	if src == "" {
		return c.syntax(0)
	}
	yes, err := c.condition(ctx, src)
	if err == nil && yes {
		return errRedo
	}
	return err
}
