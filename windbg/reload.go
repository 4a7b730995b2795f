package windbg

import (
	"context"
	"fmt"
	"math"
	"path"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// reload is .reload.
func reload(ctx context.Context, c *call) error {
	set, err := c.flags("/", "f i d l n o s u user v w unl")
	if err != nil {
		return err
	}
	how := engine.Loading{Force: true, Mismatched: set["i"] || c.i.symopt&loadAnything != 0}
	name := c.all()
	switch {
	case set["l"]:
		c.modules(c.v.Live(), lmOptions{}, 0)
		return nil
	case strings.Contains(name, "="):
		return c.addModule(ctx, name, set["f"] || set["i"])
	case set["u"]:
		return c.unload(ctx, name)
	case name != "":
		pick := picker{name: name, literal: set["w"]}
		if set["f"] || set["i"] {
			return c.load(ctx, pick, how)
		}
		for _, m := range c.picked(pick) {
			c.v.Defer(m.Base)
		}
		if len(c.picked(pick)) == 0 {
			return notInList(name)
		}
		return nil
	}
	if err := c.v.Reload(ctx); err != nil {
		return err
	}
	c.printf("Reloading current modules\n")
	if set["f"] || set["i"] || c.i.symopt&deferredLoads == 0 {
		err = c.load(ctx, picker{name: "*", kernel: set["n"], user: set["user"]}, how)
	}
	if set["v"] && err == nil {
		c.modules(c.v.Live(), lmOptions{}, 0)
	}
	return err
}

func notInList(name string) error {
	return &Error{Text: fmt.Sprintf("'%s' was not found in the image list.", name), Fix: "lm lists the modules"}
}

// addModule is .reload Module=Addr[,Size[,Stamp]].
func (c *call) addModule(ctx context.Context, arg string, now bool) error {
	name, where, _ := strings.Cut(arg, "=")
	parts := strings.Split(where, ",")
	if name = strings.TrimSpace(name); name == "" || len(parts) > 3 {
		return c.syntax(-1)
	}
	var n [3]uint64
	for i, p := range parts {
		v, err := c.value(ctx, p)
		if err != nil {
			return err
		}
		n[i] = v
	}
	if n[0]+n[1] < n[0] || n[2] > math.MaxUint32 {
		return c.caret("Range", -1)
	}
	m, err := c.v.AddModule(ctx, targets.Module{Path: name, Base: arch.Addr(n[0]), Size: n[1], Stamp: uint32(n[2])})
	if err == nil && now {
		_, err = c.v.LoadSymbols(ctx, m.Base, true, false)
	}
	return err
}

// unload is .reload /u.
func (c *call) unload(ctx context.Context, name string) error {
	ms := c.picked(picker{name: name})
	if len(ms) == 0 {
		return notInList(name)
	}
	for _, m := range ms {
		if err := c.v.Unload(ctx, m.Base); err != nil {
			return err
		}
		c.printf("Unloaded %s\n", m.Name)
	}
	return nil
}

// loadSymbols is ld.
func loadSymbols(ctx context.Context, c *call) error {
	p := picker{name: c.word()}
	if p.name == "" {
		return c.syntax(0)
	}
	if o, ok := c.option("/"); ok {
		if p.file = c.word(); o != "f" || p.file == "" {
			return c.syntax(-1)
		}
	}
	if err := c.end(); err != nil {
		return err
	}
	return c.load(ctx, p, engine.Loading{Mismatched: c.i.symopt&loadAnything != 0})
}

// picker says which modules a command means.
type picker struct {
	name, file   string // patterns of the module's and the file's name
	literal      bool   // name is no pattern
	kernel, user bool   // only these
}

// one reports whether exactly one module is meant, which must be there.
func (p picker) one() bool {
	return p.file == "" && (p.literal || !strings.ContainsAny(p.name, "*?["))
}

func (c *call) picked(p picker) (out []*engine.Module) {
	fold := func(pattern, name string) bool {
		ok, _ := path.Match(strings.ToLower(pattern), strings.ToLower(name))
		return pattern == "" || ok
	}
	for _, m := range c.v.Live().Modules() {
		file := path.Base(strings.ReplaceAll(m.Path, `\`, "/"))
		named := fold(p.name, m.Name)
		if p.one() {
			named = strings.EqualFold(p.name, m.Name) || strings.EqualFold(p.name, file)
		}
		if named && fold(p.file, file) && !(p.kernel && !inKernel(m.Base)) && !(p.user && inKernel(m.Base)) {
			out = append(out, m)
		}
	}
	return out
}

// load opens the symbols of the modules meant, several at a time. Of a single
// module the error is the command's; of several it is told and the rest goes on.
func (c *call) load(ctx context.Context, p picker, how engine.Loading) error {
	if p.one() {
		m, err := c.module(ctx, p.name)
		if err != nil {
			return err
		}
		m, err = c.v.LoadSymbols(ctx, m.Base, how.Force, how.Mismatched)
		if m != nil && m.Image != nil {
			c.loadedLine(m)
		}
		return err
	}
	var bases []arch.Addr
	for _, m := range c.picked(p) {
		bases = append(bases, m.Base)
	}
	ms, err := c.v.LoadAll(ctx, bases, how)
	for _, m := range ms {
		switch {
		case m.Image != nil:
			c.loadedLine(m)
		case m.Err != nil:
			c.printf("%s: %s\n", m.Name, errorText(m.Err, 0))
		}
	}
	return err
}

// loadedLine tells of symbols that were loaded. What is wrong with them the module's
// event has told.
func (c *call) loadedLine(m *engine.Module) {
	switch {
	case m.Err == nil || m.Forced:
		c.printf("Symbols loaded for %s\n", m.Name)
	case m.Image.Debug() == symbols.Exports: // no file was found, but memory has names
		c.printf("Symbols loaded for %s: %s\n", m.Name, m.Image.Path())
	}
}
