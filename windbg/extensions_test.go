package windbg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// kernelLike is a system with commands, one of a name that is ours, too.
type kernelLike struct{}

func (kernelLike) Name() string { return "small" }
func (kernelLike) Modules(context.Context, systems.World) ([]targets.Module, error) {
	return nil, errors.ErrUnsupported // the target lists them
}
func (kernelLike) Tasks(context.Context, systems.World) ([]systems.Task, error) { return nil, nil }
func (kernelLike) Registers(context.Context, systems.World, systems.Task) (*arch.Registers, error) {
	return nil, symbols.ErrNoUnwind
}
func (kernelLike) Watch() []string { return nil }

func (kernelLike) Extensions() []systems.Extension {
	return []systems.Extension{
		{Name: "!twice", Usage: "!twice Expr", Help: "twice a number", Run: func(ctx context.Context, d systems.Desk, args string) error {
			f := systems.Fields(args)
			if len(f) != 1 {
				return &systems.UsageError{Extension: "!twice", Args: args, At: len(args)}
			}
			n, err := d.Evaluate(ctx, f[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(d, "%d of %d columns at %s\n", 2*n, d.Width(), d.Locate(arch.Addr(submit)))
			return err
		}},
		{Name: ".process", Usage: ".process", Help: "where it looks from", Run: func(ctx context.Context, d systems.Desk, args string) error {
			return d.WriteStack(ctx, systems.Context{}, 1, "  | ")
		}},
	}
}

// TestExtensions: a system's commands are run, listed and completed, and stand before
// ours of the same name.
func TestExtensions(t *testing.T) {
	i, _ := play(t, kernelLike{})
	run := func(line string) string {
		var out bytes.Buffer
		i.Exec(context.Background(), line, &out)
		return out.String()
	}
	for line, want := range map[string]string{
		"!twice 3 ":      "6 of 80 columns at orders!Submit\n",
		"!twice (1 + 2)": "6 of 80 columns at orders!Submit\n",
		"!twice 1 2":     "                 ^ Syntax error in '!twice 1 2' (!twice Expr)\n",
	} {
		if got := run(line); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	if out := run(".process"); !strings.HasPrefix(out, "  |  # Child-SP") || strings.Count(out, "\n") != strings.Count(out, "  | ") {
		t.Errorf(".process: %s", out)
	}
	if out := run(".help !twice"); !strings.Contains(out, "!twice Expr\n    twice a number") {
		t.Errorf(".help: %s", out)
	}
	if c := i.Complete(context.Background(), "!twi"); len(c) != 1 || c[0].Text != "!twice" {
		t.Errorf("completed to %v", c)
	}
	if !i.IsCommand("!twice 1") {
		t.Error("it is no command")
	}
}
