package windbg

import (
	"cmp"
	"context"
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
	{"x", "x [/0 /1 /2] [/D] [/t] [/v] [/s Size] [/q] [/p] [/f] [/d] [/a | /A | /n | /N | /z | /Z] mod!pattern",
		"symbols that match: /0 addresses, /1 names, /2 both, /t types, /v kinds and sizes, /s of a size, /f functions, /d data, in the order of address, name or size; x * lists the locals", stopped, examine},
	{"ln", "ln Addr", "nearest symbols", stopped, nearest},
	{"lm", "lm [v o l e u k sm] [1m | f | n | t] [a Addr] [m Pattern] [M Path]",
		"modules: v details, o not the unloaded, l with symbols, e with a problem of symbols, u and k user's and kernel's, sm by name", anytime, listModules},
	{"!dh", "!dh [-a | -f | -s] Module", "headers of a module's image: -f of the file, -s of its sections", stopped, imageHeaders},
	{"!lmi", "!lmi Module", "details of a module", stopped, moduleInfo},
	{".reload", ".reload [/f] [/i] [/u] [/l] [/n | /user] [/v] [/w] [Module | Module=Addr[,Size]]",
		"drop symbols and read the module list again; /f loads now, /i accepts another build, /u unloads, /l lists, /n the kernel's only, /v tells of each, =Addr adds a module", stopped, reload},
	{"ld", "ld Module [/f File]", "load symbols now; wildcards; /f picks by file name", stopped, loadSymbols},
	{".sympath", ".sympath [Path]", "show or replace the symbol path", paths, searchPath("sym", "Symbol", false)},
	{".sympath+", ".sympath+ Path", "append to the symbol path", paths, searchPath("sym", "Symbol", true)},
	{".srcpath", ".srcpath [Path]", "show or replace the source path", paths, searchPath("src", "Source", false)},
	{".srcpath+", ".srcpath+ Path", "append to the source path", paths, searchPath("src", "Source", true)},
	{".srcfix", ".srcfix [Path]", "set the source path to source servers, srv* and DebugInfoD", paths, sourceFix(false)},
	{".srcfix+", ".srcfix+ [Path]", "append source servers to the source path", paths, sourceFix(true)},
	{".lsrcpath", ".lsrcpath [Path]", "as .srcpath", paths, searchPath("src", "Source", false)},
	{".lsrcpath+", ".lsrcpath+ Path", "as .srcpath+", paths, searchPath("src", "Source", true)},
	{".exepath", ".exepath [Path]", "show or replace the executable path", paths, searchPath("exe", "Executable image", false)},
	{".exepath+", ".exepath+ Path", "append to the executable path", paths, searchPath("exe", "Executable image", true)},
	{".symfix", ".symfix [Dir]", "set the symbol path to the default store", anytime, symfix(false)},
	{".symfix+", ".symfix+ [Dir]", "append the default store to the symbol path", anytime, symfix(true)},
	{".symopt", ".symopt [+ | -] [Flags]", "show or set the symbol options", stopped, symbolOptions},
	{"!sym", "!sym [noisy | quiet]", "tell each place where symbols are looked for, or not", anytime, noisySymbols},
}

// lmOptions are the letters of lm.
type lmOptions struct {
	verbose, names, one, loaded, full, stamps bool
	present, problems, byName, user, kernel   bool
	addr                                      string
	pattern, path                             string
}

// letter is the option a letter stands for, nil when there is none.
func (o *lmOptions) letter(c byte) *bool {
	var none bool // D is for links, c for checksums, which ELF files lack
	switch c {
	case 'v':
		return &o.verbose
	case 'l':
		return &o.loaded
	case 'e':
		return &o.problems
	case 'o':
		return &o.present
	case 'u':
		return &o.user
	case 'k':
		return &o.kernel
	case 'f', 'i', 'p':
		return &o.full
	case 'n':
		return &o.names
	case 't':
		return &o.stamps
	case 'D', 'c':
		return &none
	}
	return nil
}

// lmLetters reads the joined letters and arguments of lm: "v m libc*", "1m", "vmlibc*".
func lmLetters(s string) (o lmOptions, ok bool) {
	for {
		s = strings.TrimLeft(s, " \t")
		if s == "" {
			return o, true
		}
		flag := o.letter(s[0])
		switch {
		case flag != nil:
			*flag = true
			s = s[1:]
		case s[0] == '1':
			o.one = true
			s = strings.TrimPrefix(s[1:], "m")
		case strings.HasPrefix(s, "sm"):
			o.byName, s = true, s[2:]
		case s[0] == 'a':
			o.addr = strings.TrimSpace(s[1:])
			return o, o.addr != ""
		case s[0] == 'm' || s[0] == 'M':
			to := map[byte]*string{'m': &o.pattern, 'M': &o.path}[s[0]]
			if *to, s = nextWord(s[1:]); *to == "" {
				return o, false
			}
		default:
			return o, false
		}
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
		c.modules(l, o, at)
		return nil
	})
}

// modules writes the list of lm.
func (c *call) modules(l *engine.Live, o lmOptions, at arch.Addr) {
	ptr := pointerOf(l.Info())
	mods := slices.Clone(l.Modules())
	slices.SortFunc(mods, func(a, b *engine.Module) int {
		if o.byName {
			return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.Base, b.Base))
		}
		return cmp.Compare(a.Base, b.Base)
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
	case o.loaded && m.Image == nil, o.problems && !hasProblem(m):
		return false
	case o.user != o.kernel && o.kernel != inKernel(m.Base):
		return false
	case o.pattern != "" && !fold(o.pattern, m.Name, path.Base(m.Path)):
		return false
	case o.path != "" && !fold(o.path, m.Path, path.Base(m.Path)):
		return false
	}
	return true
}

// hasProblem reports whether symbols were looked for and less than debug
// information of the right build was found.
func hasProblem(m *engine.Module) bool {
	return m.Tried && (m.Err != nil || m.Image == nil || m.Image.Debug() == symbols.NoSymbols || m.Image.Debug() == symbols.Exports)
}

// inKernel reports whether an address lies in the upper half of the address space,
// where the kernels of all our CPUs are (on 32 bits, Linux's from 0xC0000000).
func inKernel(a arch.Addr) bool { return a >= 1<<63 || a >= 0xc0000000 && a < 1<<32 }

// timestamp is how lm shows a module's stamp; ELF files have none.
func timestamp(m *engine.Module) string {
	if m.Stamp == 0 {
		return "unavailable (00000000)"
	}
	return fmt.Sprintf("%s (%08X)", stampText(m.Stamp), m.Stamp)
}

func (o lmOptions) row(m *engine.Module, ptr int) string {
	switch {
	case o.stamps:
		return fmt.Sprintf("%s %s   %-8s %s   %s", m.Base.Text(ptr), moduleEnd(m).Text(ptr), m.Name, path.Base(m.Path), timestamp(m))
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
	fmt.Fprintf(&b, "    Timestamp:        %s\n", timestamp(m))
	fmt.Fprintf(&b, "    CheckSum:         %08X\n    ImageSize:        %08x\n", checksum(m), uint64(moduleEnd(m)-m.Base))
	if m.Err != nil {
		fmt.Fprintf(&b, "    Symbols:          %s\n", errorText(m.Err, 0))
	}
	for _, err := range missing(m) {
		fmt.Fprintf(&b, "    Missing:          %s\n", errorText(err, 0))
	}
	return b.String()
}

// missing tells the files of a module's debug information that could not be had.
func missing(m *engine.Module) []error {
	if p, ok := m.Image.(symbols.Parted); ok {
		return p.Missing()
	}
	return nil
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
	return nil, notInList(arg)
}

// tried takes the name of a module, and looks for its symbols unless that was done.
func (c *call) tried(ctx context.Context) (m *engine.Module, arg string, err error) {
	if arg = c.all(); arg == "" {
		return nil, "", c.syntax(0)
	}
	if m, err = c.module(ctx, arg); err != nil {
		return nil, "", err
	}
	if m.Image == nil && !m.Tried {
		if loaded, err := c.v.LoadSymbols(ctx, m.Base, false, false); err == nil {
			m = loaded
		}
	}
	return m, arg, nil
}

func moduleInfo(ctx context.Context, c *call) error {
	m, arg, err := c.tried(ctx)
	if err != nil {
		return err
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
	for _, err := range missing(m) {
		label("Missing", errorText(err, 0))
	}
	return nil
}

// moduleEvent is the console's line for a module event.
func (i *Interpreter) moduleEvent(e engine.ModuleEvent) string {
	ptr := 8
	if e.Module.Base < 1<<32 {
		if m := e.Module.Image; m != nil && m.Arch() != nil {
			ptr = m.Arch().PtrSize
		} else if s := i.o.Host.Session(); s != nil && s.Info().Machine { // one kernel, one width
			if set := s.Info().Set; set != nil {
				ptr = set.Arch.PtrSize
			}
		}
	}
	switch f := i.o.Host.Filter("ld", e.Module.Name); {
	case e.Change == engine.Loaded && f.Break != 'i':
		return modLoad(e.Module, ptr)
	case e.Change == engine.Unloaded && i.o.Host.Filter("ud", e.Module.Name).Break != 'i':
		return "Unload module " + e.Module.Path + " at " + e.Module.Base.Text(ptr) + "\n"
	case e.Change == engine.SymbolsChanged && mismatch(&e.Module) && e.Module.Forced:
		return fmt.Sprintf("*** WARNING: symbols of %s are of another build: %s\n", e.Module.Name, e.Module.Err)
	case e.Change == engine.SymbolsChanged && mismatch(&e.Module):
		return fmt.Sprintf("*** ERROR: symbols of %s do not match: %s\n", e.Module.Name, errorText(e.Module.Err, 0))
	}
	return ""
}
