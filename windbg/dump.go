package windbg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"dap-windbg/engine"
	"dap-windbg/targets"
)

// dumper is a Host that reads and writes core files.
type dumper interface {
	WriteCore(ctx context.Context, file, contents string, replace bool) (summary string, err error)
	OpenCore(ctx context.Context, file string) error
}

var dumpCommands = []command{
	{".dump", ".dump [/o] [/m | /mi | /f | /ma | /mF] FileName", "write the process as an ELF core file: stacks and what they refer to, or (/f, /ma) all memory, or (/mF) code too; of a machine QEMU writes all memory, into a file of its own",
		anytime | local, writeDump},
	{".opendump", ".opendump FileName", "look at a core file or an image, when nothing is debugged", anytime | local, openDump},
}

// dumpKinds are WinDbg's options and what they mean for an ELF core: what Windows
// keeps apart from memory (handles, unloaded modules, times) a core has not.
var dumpKinds = map[string]struct{ contents, title string }{
	"":   {"mini", "mini user dump"},
	"m":  {"mini", "mini user dump"},
	"mi": {"mini", "mini user dump"},
	"mF": {"all", "full user dump with code"},
	"f":  {"full", "full user dump"},
	"ma": {"full", "full user dump"},
	"mf": {"full", "full user dump"},
	"mw": {"full", "full user dump"},
}

func writeDump(ctx context.Context, c *call) error {
	d, ok := c.i.o.Host.(dumper)
	if !ok {
		return errors.ErrUnsupported
	}
	replace := false
	kind := dumpKinds[""]
	for c.dumpOption() {
		o := c.word()[1:]
		if o == "o" {
			replace = true
			continue
		}
		if kind, ok = dumpKinds[o]; !ok {
			return c.syntax(-len(o) - 1)
		}
	}
	file := c.fileName()
	if file == "" {
		return c.syntax(0)
	}
	if err := c.end(); err != nil {
		return err
	}
	if c.s != nil && c.s.Info().Machine && c.s.Info().Stub == qemu {
		return c.dumpMachine(ctx, file, replace)
	}
	c.printf("Creating %s - %s\n", file, kind.title)
	summary, err := d.WriteCore(ctx, file, kind.contents, replace)
	if err != nil {
		return err
	}
	c.printf("Dump successfully written (%s)\n", summary)
	return nil
}

// qemu is the far end that writes dumps of its machine by itself.
const qemu = "QEMU"

// dumpLook is how often QEMU is asked how far its dump is.
const dumpLook = 100 * time.Millisecond

// dumpMachine has QEMU write the machine's memory and registers, as an ELF core of
// physical memory: with Linux's own note in it where the machine was given one (-device vmcoreinfo).
// QEMU replaces a file that is there; one on this machine is looked for first.
func (c *call) dumpMachine(ctx context.Context, file string, replace bool) error {
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	if _, err := os.Stat(file); err == nil && !replace {
		return &Error{Text: file + " exists", Fix: "Name another file, or write over it with /o."}
	}
	return c.do(ctx, func(ctx context.Context, v *engine.View) error {
		con, ok := v.Target().(targets.Console)
		if !ok {
			return errors.ErrUnsupported
		}
		c.printf("Creating %s on QEMU's machine - full kernel dump\n", file)
		out, effect, err := con.Command(ctx, fmt.Sprintf("dump-guest-memory -d %q", file)) // -d: it answers before all is written
		v.Changed(effect)
		for out = strings.TrimSpace(out); err == nil; {
			if out != "" && !strings.HasPrefix(out, "Status: ") {
				return &Error{Text: "QEMU has not written the dump: " + out}
			}
			switch state, _, _ := strings.Cut(strings.TrimPrefix(out, "Status: "), "\n"); strings.TrimSpace(state) {
			case "completed":
				c.printf("Dump successfully written\n")
				return nil
			case "failed":
				return &Error{Text: "QEMU has not written the dump", Fix: "Is there room for the machine's memory, and may QEMU write there?"}
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(dumpLook):
			}
			out, _, err = con.Command(ctx, "info dump")
			out = strings.TrimSpace(out)
		}
		return err
	})
}

// dumpOption reports whether an option comes next: a short word with a slash in
// front and a file name behind. A path of this machine begins with a slash too.
func (c *call) dumpOption() bool {
	c.skip()
	f := strings.Fields(c.line)
	return len(f) > 1 && f[0][0] == '/' && len(f[0]) > 1 && len(f[0]) < 6 && !strings.Contains(f[0][1:], "/")
}

func openDump(ctx context.Context, c *call) error {
	d, ok := c.i.o.Host.(dumper)
	if !ok {
		return errors.ErrUnsupported
	}
	file := c.fileName()
	if file == "" {
		return c.syntax(0)
	}
	if err := c.end(); err != nil {
		return err
	}
	if err := d.OpenCore(ctx, file); err != nil {
		return err
	}
	return c.arrived(ctx)
}
