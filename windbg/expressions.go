package windbg

import (
	"context"
	"strings"
	"time"

	"dap-windbg/engine"
	"dap-windbg/eval"
)

var expressionCommands = []command{
	{"?", "? Expr", "value of a MASM expression", anytime, evaluateExpression},
	{"??", "?? Expr", "value and type of a C++ expression", stopped | live, showValue},
	{"dx", "dx [-r[N]] [-g] [-gc N] [-c N] [-n] [-v] [-h] [-f] Expr[,format]", "value as the data model shows it; -g as a grid, -c from an element on, -n without visualisers, -v with the whole text of a string and what can be called, -h only that, -f calls functions of the debuggee", stopped | live, displayModel},
	{"dt", "dt [-r[N]] [-v] [mod!]Name [Field] [Addr]", "layout of a type, or an instance", stopped | live, displayType},
	{".formats", ".formats Expr", "value in all formats", anytime, showFormats},
	{"n", "n [8 | 10 | 16]", "radix of numbers without a prefix", anytime, radix},
	{".expr", ".expr [/s masm | c++]", "default expression evaluator", anytime, evaluator},
}

// evaluateExpression is `?`.
func evaluateExpression(ctx context.Context, c *call) error {
	src := c.all()
	if src == "" {
		return c.i.commands().help(c.out, "")
	}
	n, err := c.value(ctx, src)
	if err != nil {
		return err
	}
	c.printf("%s\n", evaluation(n, c.pointer(ctx)))
	return nil
}

// pointer is the pointer size, 8 without a debuggee.
func (c *call) pointer(ctx context.Context) int {
	ptr := 8
	if c.s != nil {
		c.s.Look(ctx, func(l *engine.Live) error { ptr = pointerOf(l.Info()); return nil })
	}
	return ptr
}

func showFormats(ctx context.Context, c *call) error {
	n, err := c.value(ctx, c.all())
	if err != nil {
		return err
	}
	c.printf("%s", formats(n, time.Local))
	return nil
}

func radix(ctx context.Context, c *call) error {
	switch w := c.all(); w {
	case "":
	case "8":
		c.i.radix = 8
	case "10":
		c.i.radix = 10
	case "16":
		c.i.radix = 16
	default:
		return c.syntax(-len(w))
	}
	c.printf("base is %d\n", c.i.radix)
	return nil
}

func evaluator(ctx context.Context, c *call) error {
	quiet := false
	for {
		o, ok := c.option("/")
		if !ok {
			break
		}
		switch o {
		case "q":
			quiet = true
		case "s":
			switch w := strings.ToLower(c.word()); w {
			case "masm":
				c.i.cpp = false
			case "c++":
				c.i.cpp = true
			default:
				return c.syntax(-len(w))
			}
		default:
			return c.syntax(-len(o) - 1)
		}
	}
	if err := c.end(); err != nil || quiet {
		return err
	}
	name := "MASM - Microsoft Assembler expressions"
	if c.i.cpp {
		name = "C++ - C++ source expressions"
	}
	c.printf("Current expression evaluator: %s\n", name)
	return nil
}

// condition evaluates src as the control tokens do. A comparison that MASM cannot
// read is tried as C++.
func (c *call) condition(ctx context.Context, src string) (bool, error) {
	n, err := c.value(ctx, src)
	if err == nil {
		return n != 0, nil
	}
	if _, bad := asError[*eval.SyntaxError](err); !bad || c.i.cpp {
		return false, err
	}
	n, other := c.valueIn(ctx, src, eval.Options{Dialect: eval.CPP})
	if other != nil {
		return false, err
	}
	return n != 0, nil
}
