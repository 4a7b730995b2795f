package windbg

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

var symbolCommands = []command{
	{"x", "x [/0 /1 /2 /D /t /v /q /f /d] mod!pattern", "symbols that match; x * lists the locals", stopped, examine},
	{"ln", "ln Addr", "nearest symbols", stopped, nearest},
	{"lm", "lm [v o l f n 1m] [a Addr] [m Pattern] [M Path]", "modules", anytime, listModules},
	{"!lmi", "!lmi Module", "details of a module", stopped, moduleInfo},
	{".reload", ".reload [/f] [/i] [Module]", "drop symbols and read the module list again; /f loads now, /i accepts another build", stopped, reload},
	{"ld", "ld Module", "load symbols now; wildcards", stopped, loadSymbols},
	{".sympath", ".sympath [Path]", "show or replace the symbol path", paths, searchPath("sym", "Symbol", false)},
	{".sympath+", ".sympath+ Path", "append to the symbol path", paths, searchPath("sym", "Symbol", true)},
	{".srcpath", ".srcpath [Path]", "show or replace the source path", paths, searchPath("src", "Source", false)},
	{".srcpath+", ".srcpath+ Path", "append to the source path", paths, searchPath("src", "Source", true)},
	{".lsrcpath", ".lsrcpath [Path]", "as .srcpath", paths, searchPath("src", "Source", false)},
	{".lsrcpath+", ".lsrcpath+ Path", "as .srcpath+", paths, searchPath("src", "Source", true)},
	{".exepath", ".exepath [Path]", "show or replace the executable path", paths, searchPath("exe", "Executable image", false)},
	{".exepath+", ".exepath+ Path", "append to the executable path", paths, searchPath("exe", "Executable image", true)},
	{".symfix", ".symfix [Dir]", "set the symbol path to the default store", anytime, symfix(false)},
	{".symfix+", ".symfix+ [Dir]", "append the default store to the symbol path", anytime, symfix(true)},
	{"!sym", "!sym [noisy | quiet]", "tell each place where symbols are looked for, or not", anytime, noisySymbols},
}

// lmOptions are the letters of lm.
type lmOptions struct {
	verbose, names, one, loaded, full bool
	addr                              string
	pattern, path                     string
}

// lmLetters reads the joined letters and arguments of lm: "v m libc*", "1m", "vmlibc*".
func lmLetters(s string) (lmOptions, bool) {
	var o lmOptions
	for {
		s = strings.TrimLeft(s, " \t")
		if s == "" {
			return o, true
		}
		switch s[0] {
		case 'v':
			o.verbose = true
		case '1':
			o.one = true
			s = strings.TrimPrefix(s[1:], "m")
			continue
		case 's':
			if strings.HasPrefix(s, "sm") {
				s = s[2:]
				continue
			}
			return o, false
		case 'l':
			o.loaded = true
		case 'f', 'i', 'p':
			o.full = true
		case 'n', 't':
			o.names = true
		case 'D', 'o', 'e', 'c', 'u', 'k':
		case 'a':
			o.addr = strings.TrimSpace(s[1:])
			return o, o.addr != ""
		case 'm':
			o.pattern, s = nextWord(s[1:])
			if o.pattern == "" {
				return o, false
			}
			continue
		case 'M':
			o.path, s = nextWord(s[1:])
			if o.path == "" {
				return o, false
			}
			continue
		default:
			return o, false
		}
		s = s[1:]
	}
}

func nextWord(s string) (word, rest string) {
	s = strings.TrimLeft(s, " \t")
	n := strings.IndexAny(s, " \t")
	if n < 0 {
		return s, ""
	}
	return s[:n], s[n:]
}

// listModules is lm.
func listModules(ctx context.Context, c *call) error {
	o, ok := lmLetters(c.all())
	if !ok {
		return c.syntax(-1)
	}
	var at arch.Addr
	if o.addr != "" {
		n, err := c.value(ctx, o.addr)
		if err != nil {
			return err
		}
		at = arch.Addr(n)
	}
	if c.s == nil {
		return targets.ErrGone
	}
	return c.s.Look(ctx, func(l *engine.Live) error {
		ptr := pointerOf(l.Info())
		mods := slices.Clone(l.Modules())
		slices.SortFunc(mods, func(a, b *engine.Module) int {
			switch {
			case a.Base < b.Base:
				return -1
			case a.Base > b.Base:
				return 1
			}
			return 0
		})
		if !o.one {
			c.printf("%s", moduleHeader(ptr))
		}
		for _, m := range mods {
			if o.picks(m, at) {
				c.printf("%s\n", o.row(m, ptr))
				if o.verbose && !o.one {
					c.printf("%s", moduleDetails(m))
				}
			}
		}
		if gone := l.Unloaded(); len(gone) > 0 && o == (lmOptions{}) {
			c.printf("\nUnloaded modules:\n")
			for _, m := range gone {
				c.printf("%s %s   %s\n", m.Base.Text(ptr), moduleEnd(m).Text(ptr), m.Name)
			}
		}
		return nil
	})
}

func (o lmOptions) picks(m *engine.Module, at arch.Addr) bool {
	fold := func(pattern string, names ...string) bool {
		for _, n := range names {
			if ok, _ := path.Match(strings.ToLower(pattern), strings.ToLower(n)); ok {
				return true
			}
		}
		return false
	}
	switch {
	case o.addr != "" && (at < m.Base || at >= moduleEnd(m)):
		return false
	case o.loaded && m.Image == nil:
		return false
	case o.pattern != "" && !fold(o.pattern, m.Name, path.Base(m.Path)):
		return false
	case o.path != "" && !fold(o.path, m.Path, path.Base(m.Path)):
		return false
	}
	return true
}

func (o lmOptions) row(m *engine.Module, ptr int) string {
	switch {
	case o.one:
		return m.Name
	case o.full:
		return fmt.Sprintf("%s %s   %-8s %s", m.Base.Text(ptr), moduleEnd(m).Text(ptr), m.Name, m.Path)
	case o.names:
		return fmt.Sprintf("%s %s   %-8s %s", m.Base.Text(ptr), moduleEnd(m).Text(ptr), m.Name, path.Base(m.Path))
	}
	return moduleRow(m, ptr)
}

// moduleDetails is what lm v adds.
func moduleDetails(m *engine.Module) string {
	var b strings.Builder
	file := m.Path
	if m.Image != nil && m.Image.Path() != "" {
		file = m.Image.Path()
	}
	fmt.Fprintf(&b, "    Loaded symbol image file: %s\n    Image path: %s\n    Image name: %s\n", file, m.Path, path.Base(m.Path))
	if id := buildID(m); id != "" {
		fmt.Fprintf(&b, "    Build ID:         %s\n", id)
	}
	if m.Stamp == 0 {
		b.WriteString("    Timestamp:        unavailable (00000000)\n")
	} else {
		fmt.Fprintf(&b, "    Timestamp:        %08X\n", m.Stamp)
	}
	fmt.Fprintf(&b, "    CheckSum:         00000000\n    ImageSize:        %08x\n", uint64(moduleEnd(m)-m.Base))
	if m.Err != nil {
		fmt.Fprintf(&b, "    Symbols:          %s\n", errorText(m.Err, 0))
	}
	return b.String()
}

func buildID(m *engine.Module) string {
	id := m.BuildID
	if len(id) == 0 && m.Image != nil {
		id = m.Image.Key().BuildID
	}
	return fmt.Sprintf("%x", id)
}

// module finds the module an argument names, by name or address.
func (c *call) module(ctx context.Context, arg string) (*engine.Module, error) {
	if m, ok := c.v.ModuleByName(arg); ok {
		return m, nil
	}
	if n, err := c.value(ctx, arg); err == nil {
		if m, ok := c.v.ModuleAt(arch.Addr(n)); ok {
			return m, nil
		}
	}
	return nil, &Error{Text: fmt.Sprintf("'%s' was not found in the image list.", arg), Fix: "lm lists the modules"}
}

func moduleInfo(ctx context.Context, c *call) error {
	arg := c.all()
	if arg == "" {
		return c.syntax(0)
	}
	m, err := c.module(ctx, arg)
	if err != nil {
		return err
	}
	if m.Image == nil && !m.Tried {
		if loaded, err := c.v.LoadSymbols(ctx, m.Base, false, false); err == nil {
			m = loaded
		}
	}
	ptr := pointerSize(c.v)
	c.printf("Loaded Module Info: [%s] \n", arg)
	label := func(name, value string) { c.printf("%15s: %s\n", name, value) }
	label("Module", m.Name)
	label("Base Address", fmt.Sprintf("%0*x", 2*ptr, uint64(m.Base)))
	label("Image Name", m.Path)
	label("Size", fmt.Sprintf("%x", uint64(moduleEnd(m)-m.Base)))
	if id := buildID(m); id != "" {
		label("Build ID", id)
	}
	kind := map[bool]string{true: "NONE", false: "DEFERRED"}[m.Tried]
	if m.Image != nil {
		kind = map[symbols.DebugKind]string{symbols.DWARF: "DWARF", symbols.Exports: "EXPORT", symbols.PDB: "PDB", symbols.NoSymbols: "NONE"}[m.Image.Debug()]
		kind = pad(kind, 8) + " - " + m.Image.Path()
	}
	label("Symbol Type", kind)
	if m.Err != nil {
		label("Error", errorText(m.Err, 0))
	}
	return nil
}

// reload is .reload.
func reload(ctx context.Context, c *call) error {
	set, err := c.flags("/", "f i d l n o s u user v w unl")
	if err != nil {
		return err
	}
	if name := c.all(); name != "" {
		return c.load(ctx, name, true, set["i"])
	}
	if err := c.v.Reload(ctx); err != nil {
		return err
	}
	c.printf("Reloading current modules\n")
	if set["f"] || set["i"] {
		return c.load(ctx, "*", true, set["i"])
	}
	return nil
}

func loadSymbols(ctx context.Context, c *call) error {
	name := c.word()
	if name == "" {
		return c.syntax(0)
	}
	return c.load(ctx, name, false, false)
}

// load opens the symbols of modules that match. Of a single module the error is the
// command's; of several it is told and the rest goes on.
func (c *call) load(ctx context.Context, pattern string, force, any bool) error {
	if !strings.ContainsAny(pattern, "*?[") {
		m, err := c.module(ctx, pattern)
		if err != nil {
			return err
		}
		m, err = c.v.LoadSymbols(ctx, m.Base, force, any)
		if err != nil {
			return err
		}
		c.printf("Symbols loaded for %s\n", m.Name)
		return nil
	}
	var bases []arch.Addr
	for _, m := range c.v.Live().Modules() {
		if ok, _ := path.Match(strings.ToLower(pattern), strings.ToLower(m.Name)); ok {
			bases = append(bases, m.Base)
		}
	}
	for _, base := range bases {
		if err := ctx.Err(); err != nil {
			return err
		}
		m, err := c.v.LoadSymbols(ctx, base, force, any)
		switch {
		case err == nil:
			c.printf("Symbols loaded for %s\n", m.Name)
		case errors.Is(err, context.Canceled), errors.Is(err, targets.ErrGone):
			return err
		case m != nil:
			c.printf("%s: %s\n", m.Name, errorText(err, 0))
		default:
			c.printf("%s\n", errorText(err, 0))
		}
	}
	return nil
}

// moduleEvent is the console's line for a module event.
func (i *Interpreter) moduleEvent(e engine.ModuleEvent) string {
	ptr := 8
	if e.Module.Base < 1<<32 {
		if s := i.o.Host.Session(); s != nil && e.Module.Image != nil {
			ptr = e.Module.Image.Arch().PtrSize
		}
	}
	switch f := i.o.Host.Filter("ld", e.Module.Name); {
	case e.Change == engine.Loaded && f.Break != 'i':
		return modLoad(e.Module, ptr)
	case e.Change == engine.Unloaded && i.o.Host.Filter("ud", e.Module.Name).Break != 'i':
		return "Unload module " + e.Module.Path + " at " + e.Module.Base.Text(ptr) + "\n"
	case e.Change == engine.SymbolsChanged && mismatch(&e.Module):
		return fmt.Sprintf("*** ERROR: symbols of %s do not match: %s\n", e.Module.Name, errorText(e.Module.Err, 0))
	}
	return ""
}
