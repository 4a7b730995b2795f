package windbg

import (
	"context"
	"errors"
	"strings"
)

// dumper is a Host that reads and writes core files.
type dumper interface {
	WriteCore(ctx context.Context, file, contents string, replace bool) (summary string, err error)
	OpenCore(ctx context.Context, file string) error
}

var dumpCommands = []command{
	{".dump", ".dump [/o] [/m | /mi | /f | /ma | /mF] FileName", "write the process as an ELF core file: stacks and what they refer to, or (/f, /ma) all memory, or (/mF) code too",
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
	c.printf("Creating %s - %s\n", file, kind.title)
	summary, err := d.WriteCore(ctx, file, kind.contents, replace)
	if err != nil {
		return err
	}
	c.printf("Dump successfully written (%s)\n", summary)
	return nil
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
