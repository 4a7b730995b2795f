package windbg

import (
	"context"
	"strings"
	"time"
)

// This file is what shows at each stop: .prompt_allow, .pcmd, .asm.

var promptCommands = []command{
	{".prompt_allow", ".prompt_allow [{+|-}{dis|ea|reg|src|sym}] ...", "what a stop shows: disassembly, effective address, registers, source, symbol", anytime, promptAllow},
	{".pcmd", `.pcmd [-s "cmd" | -c]`, "command that runs at each stop", anytime, promptCommand},
	{".asm", ".asm[-] [no_code_bytes | ignore_output_width | source_line | verbose] ...", "options of the disassembly on, or off with .asm-", anytime, assemblyOptions},
	{".echotimestamps", ".echotimestamps [0 | 1]", "the time before each event", anytime, echoStamps},
	{".echotime", ".echotime", "the time now", anytime, echoTime},
	{".srcnoisy", ".srcnoisy [0 | 1 | 2 | 3]", "tell each place where sources are looked for", anytime, sourceChatter},
}

// promptParts are the parts of a stop's block.
type promptParts struct{ registers, symbol, source, code, effective bool }

var promptDefault = promptParts{symbol: true, source: true, code: true, effective: true}

// promptPart is a word of .prompt_allow.
type promptPart struct {
	name, title string
	on          *bool
}

func (p *promptParts) parts() []promptPart {
	return []promptPart{
		{"sym", "Symbol for current instruction", &p.symbol},
		{"dis", "Disassembly of current instruction", &p.code},
		{"ea", "Effective address for current instruction", &p.effective},
		{"reg", "Register state", &p.registers},
		{"src", "Source info for current instruction", &p.source},
	}
}

// promptAllow is .prompt_allow. Words without a sign go on with the last one's.
func promptAllow(ctx context.Context, c *call) error {
	set := c.i.prompt
	on := true
	for c.more() {
		if sign := c.line[0]; sign == '+' || sign == '-' {
			on = sign == '+'
			c.drop(1)
		}
		at := c.base
		w := c.word()
		found := false
		for _, p := range set.parts() {
			if strings.EqualFold(p.name, w) || w == "*" {
				*p.on, found = on, true
			}
		}
		if !found {
			return &Error{Kind: "Syntax", Command: c.text, Pos: at, Fix: "the parts are dis, ea, reg, src and sym"}
		}
	}
	c.i.prompt = set
	for _, on := range []bool{true, false} {
		if on {
			c.printf("Allow the following information to be displayed at the prompt:\n(Other settings can affect whether the information is actually displayed)\n")
		} else {
			c.printf("Do not allow the following information to be displayed at the prompt:\n")
		}
		none := true
		for _, p := range set.parts() {
			if *p.on == on {
				c.printf("%6s - %s\n", p.name, p.title)
				none = false
			}
		}
		if none {
			c.printf("  None\n")
		}
	}
	return nil
}

// promptCommand is .pcmd.
func promptCommand(ctx context.Context, c *call) error {
	switch o, ok := c.option("-"); {
	case ok && o == "c":
		c.i.atPrompt = ""
	case ok && o == "s":
		text, ok := c.quoted()
		if !ok {
			text = c.all()
		}
		c.i.atPrompt = text
	case ok:
		return c.syntax(-len(o) - 1)
	}
	if err := c.end(); err != nil {
		return err
	}
	if c.i.atPrompt == "" {
		c.printf("No per-prompt command\n")
	} else {
		c.printf("Per-prompt command is '%s'\n", c.i.atPrompt)
	}
	return nil
}

// asmOptions change disassembly.
type asmOptions struct{ noCode, noWidth, lines, verbose bool }

// assemblyOptions is .asm.
func assemblyOptions(ctx context.Context, c *call) error {
	set := &c.i.asm
	known := []struct {
		name string
		on   *bool
	}{{"ignore_output_width", &set.noWidth}, {"no_code_bytes", &set.noCode}, {"source_line", &set.lines}, {"verbose", &set.verbose}}
	on := !c.letter('-')
	for c.more() {
		at := c.base
		w := strings.ToLower(c.word())
		found := false
		for _, o := range known {
			if o.name == w {
				*o.on, found = on, true
			}
		}
		if !found {
			return &Error{Kind: "Syntax", Command: c.text, Pos: at}
		}
	}
	var list []string
	for _, o := range known {
		if *o.on {
			list = append(list, o.name)
		}
	}
	if len(list) == 0 {
		list = []string{"<default>"}
	}
	c.printf("Assembly options: %s\n", strings.Join(list, " "))
	return nil
}

// echoStamps is .echotimestamps; without a number it turns the stamps round.
func echoStamps(ctx context.Context, c *call) error {
	set := !c.i.stamped.Load()
	if c.more() {
		n, err := c.number(ctx, 0)
		if err != nil {
			return err
		}
		set = n != 0
	}
	if err := c.end(); err != nil {
		return err
	}
	c.i.stamped.Store(set)
	c.printf("Event time stamps are %s\n", map[bool]string{true: "enabled", false: "disabled"}[set])
	return nil
}

func echoTime(ctx context.Context, c *call) error {
	if err := c.end(); err != nil {
		return err
	}
	c.printf("Debugger (not debuggee) time: %s\n", clock(time.Now()))
	return nil
}

// sourceChatter is .srcnoisy: the store that finds sources tells of every place.
func sourceChatter(ctx context.Context, c *call) error {
	if c.more() {
		n, err := c.number(ctx, 0)
		if err != nil {
			return err
		}
		if n > 3 {
			return c.syntax(-1)
		}
		c.i.srcNoisy = n
		c.i.o.Host.Noisy(n != 0 || c.i.noisy)
	}
	if err := c.end(); err != nil {
		return err
	}
	c.printf("Noisy source output: %s\n", [...]string{"off", "on", "on, with matching", "on, with all"}[c.i.srcNoisy])
	return nil
}
