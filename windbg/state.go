package windbg

import (
	"context"
	"maps"
	"strings"

	"dap-windbg/engine"
	"dap-windbg/eval"
)

// This file saves and locks the interpreter's own state: .push, .pop, .secure, .quit_lock.

var stateCommands = []command{
	{".push", ".push [/q]", "save the radix, the evaluator, $t0..$t19, the aliases and the filters", anytime, pushState},
	{".pop", ".pop [/r] [/q]", "go back to what .push saved; /r leaves $t0..$t19", anytime, popState},
	{".secure", ".secure [1]", "from now on refuse what touches this machine, or begins or ends debuggees", anytime, secureMode},
	{".quit_lock", `.quit_lock [/s "text" | /q | /r "text"]`, "q only after the lock was taken off by its text", anytime, quitLock},
	{".extmatch", ".extmatch [/D] [/e Pattern] Pattern", "extension commands whose name matches", anytime, matchExtensions},
	{".chain", ".chain [/D]", "where extension commands come from", anytime, extensionChain},
	{".load", ".load File", "extensions are built in: another cannot be loaded", anytime, loadExtension},
	{".unload", ".unload [File]", "extensions are built in: none can be unloaded", anytime, loadExtension},
}

// userRegisters are $t0 to $t19.
var userRegisters = []string{"t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9", "t10", "t11", "t12", "t13", "t14", "t15", "t16", "t17", "t18", "t19"}

// savedState is what .push keeps.
type savedState struct {
	radix   int
	cpp     bool
	fixed   [10]string
	user    map[string]string
	filters []engine.FilterSetting
	vars    map[string]eval.Value
}

// maxSaved bounds how deep .push nests.
const maxSaved = 256

func pushState(ctx context.Context, c *call) error {
	set, err := c.flags("/", "q")
	if err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	i := c.i
	if len(i.saved) == maxSaved {
		return fail("The state is saved %d times already", maxSaved)
	}
	s := savedState{radix: i.radix, cpp: i.cpp, fixed: i.aliases.fixed, user: maps.Clone(i.aliases.user),
		filters: i.o.Host.Filters(), vars: map[string]eval.Value{}}
	if c.s != nil {
		err := c.do(ctx, func(ctx context.Context, v *engine.View) error {
			for _, name := range userRegisters {
				if x, ok := v.Var(name); ok {
					s.vars[name] = x
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	i.saved = append(i.saved, s)
	if !set["q"] {
		c.printf("Debugger state pushed, new depth %d\n", len(i.saved))
	}
	return nil
}

func popState(ctx context.Context, c *call) error {
	set, err := c.flags("/", "r q")
	if err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	i := c.i
	if len(i.saved) == 0 {
		return fail("No saved debugger state")
	}
	s := i.saved[len(i.saved)-1]
	if c.s != nil && !set["r"] {
		err := c.do(ctx, func(ctx context.Context, v *engine.View) error {
			for _, name := range userRegisters {
				x, ok := s.vars[name]
				if !ok {
					x = integer(0)
				}
				if _, had := v.Var(name); had || ok {
					v.SetVar(name, x)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	i.saved = i.saved[:len(i.saved)-1]
	i.radix, i.cpp, i.aliases.fixed, i.aliases.user = s.radix, s.cpp, s.fixed, s.user
	for _, f := range s.filters {
		i.o.Host.SetFilter(f)
	}
	if !set["q"] {
		c.printf("Debugger state popped, new depth %d\n", len(i.saved))
	}
	return nil
}

// secure reports whether what touches this machine is refused.
func (i *Interpreter) secure() bool { return i.o.Secure || i.secured || i.guards > 0 }

func (i *Interpreter) refuses(needs need) bool {
	return i.secure() && needs&local != 0 || i.secured && needs&powerful != 0
}

// secureMode is .secure: one-way, and only without a debuggee or by the user's own word.
func secureMode(ctx context.Context, c *call) error {
	if c.more() {
		n, err := c.number(ctx, 0)
		if err != nil {
			return err
		}
		if n == 0 && c.i.secure() {
			return fail("Secure mode cannot be turned off")
		}
		c.i.secured = c.i.secured || n != 0
	}
	if err := c.end(); err != nil {
		return err
	}
	c.printf("Secure mode is %s\n", map[bool]string{true: "on", false: "off"}[c.i.secure()])
	return nil
}

// quitLock is .quit_lock.
func quitLock(ctx context.Context, c *call) error {
	o, ok := c.option("/")
	text, given := "", false
	if o == "s" || o == "r" {
		if text, given = c.quoted(); !given {
			return c.syntax(0)
		}
	}
	if err := c.end(); err != nil {
		return err
	}
	switch {
	case !ok || o == "q":
	case o == "s" && c.i.quitText == "":
		c.i.quitText = text
	case o == "s":
		return fail("The lock is set already: .quit_lock /r takes it off")
	case o == "r" && text == c.i.quitText:
		c.i.quitText = ""
	case o == "r":
		return fail("That is not the lock's text")
	default:
		return c.syntax(-len(o) - 1)
	}
	if c.i.quitText != "" {
		c.printf("Quit lock string is '%s'\n", c.i.quitText)
	} else {
		c.printf("No quit lock\n")
	}
	return nil
}

// matchExtensions is .extmatch.
func matchExtensions(ctx context.Context, c *call) error {
	pattern := "*"
	for c.more() {
		if o, ok := c.option("/"); ok {
			if o == "e" {
				c.word() // the file: all are in one
			}
			continue
		}
		pattern = c.word()
	}
	m := wildcard(strings.TrimPrefix(pattern, "!"))
	c.i.commands().each(func(cmd *command) {
		if name, ok := strings.CutPrefix(cmd.Name, "!"); ok && m(name) {
			c.printf("!%s\n", name)
		}
	})
	return nil
}

func extensionChain(ctx context.Context, c *call) error {
	if _, err := c.flags("/", "D"); err != nil {
		return err
	}
	n := 0
	c.i.commands().each(func(cmd *command) {
		if strings.HasPrefix(cmd.Name, "!") {
			n++
		}
	})
	c.printf("Extension DLL chain:\n    dap-windbg: built in, %d commands, API %s\n", n, c.i.o.Version)
	return c.end()
}

func loadExtension(ctx context.Context, c *call) error {
	name := c.all()
	if name == "" {
		return c.syntax(0)
	}
	if c.cmd.Name == ".unload" {
		return &Error{Text: "Unable to unload extension " + name, Fix: "extension commands are built in; .chain"}
	}
	return &Error{Text: "The call to LoadLibrary(" + name + ") failed", Fix: "extension commands are built in; .extmatch lists them"}
}
