package windbg

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"dap-windbg/engine"
	"dap-windbg/targets"
)

// This file loads and unloads visualisers: .nvload, .nvunload, .nvunloadall, .nvlist.

var visualiserCommands = []command{
	{".nvload", ".nvload File", "load a NatVis file, whose rules come before those loaded earlier", local, loadVisualisers},
	{".nvunload", ".nvunload File", "unload a NatVis file", anytime, unloadVisualisers},
	{".nvunloadall", ".nvunloadall", "unload every NatVis file that .nvload or the launch configuration loaded", anytime, unloadVisualisers},
	{".nvlist", ".nvlist", "NatVis files that are loaded", anytime, listVisualisers},
}

// visualisers is a data model whose rules come from files.
type visualisers interface {
	Load(file string, data []byte) error
	Unload(file string) bool
	Files() []string
	Embedded(file string) bool
}

// maxVisualisers bounds a NatVis file, bytes.
const maxVisualisers = 8 << 20

// changeVisualisers runs f over the session's visualisers; changed tells that
// values may look different now.
func (c *call) changeVisualisers(ctx context.Context, f func(visualisers) (changed bool, err error)) error {
	if c.s == nil {
		return targets.ErrGone
	}
	return c.s.Look(ctx, func(l *engine.Live) error {
		set, ok := l.Visualizer().(visualisers)
		if !ok {
			return fail("this session has no visualisers")
		}
		changed, err := f(set)
		if changed {
			l.Revisualized()
		}
		return err
	})
}

func loadVisualisers(ctx context.Context, c *call) error {
	name := c.fileName()
	if name == "" {
		return c.syntax(0)
	}
	if err := c.end(); err != nil {
		return err
	}
	data, err := readVisualisers(name)
	if err != nil {
		return &Error{Text: fmt.Sprintf("Unable to load visualizers in \"%s\", %v", name, err), Err: err}
	}
	if full, err := filepath.Abs(name); err == nil {
		name = full
	}
	return c.changeVisualisers(ctx, func(set visualisers) (bool, error) {
		err := set.Load(name, data)
		if err == nil {
			c.printf("Successfully loaded visualizers in \"%s\"\n", name)
		}
		return true, err
	})
}

// readVisualisers reads a file that is one: a pipe or a device never ends.
func readVisualisers(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	switch st, err := f.Stat(); {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("it is not a file")
	case st.Size() > maxVisualisers:
		return nil, fmt.Errorf("it is larger than %d bytes", maxVisualisers)
	}
	return io.ReadAll(io.LimitReader(f, maxVisualisers))
}

func unloadVisualisers(ctx context.Context, c *call) error {
	all := c.cmd.Name == ".nvunloadall"
	name := ""
	if !all {
		if name = c.fileName(); name == "" {
			return c.syntax(0)
		}
	}
	if err := c.end(); err != nil {
		return err
	}
	return c.changeVisualisers(ctx, func(set visualisers) (bool, error) {
		n := 0
		for _, file := range set.Files() {
			mine := all && !set.Embedded(file) || !all && (file == name || filepath.Base(file) == filepath.Base(name))
			if mine && set.Unload(file) {
				n++
				c.printf("Successfully unloaded visualizers in \"%s\"\n", file)
			}
		}
		if n == 0 && !all {
			return false, &Error{Text: fmt.Sprintf("No visualizers are loaded from \"%s\"", name), Fix: ".nvlist shows the files that are loaded"}
		}
		return n > 0, nil
	})
}

func listVisualisers(ctx context.Context, c *call) error {
	if err := c.end(); err != nil {
		return err
	}
	return c.changeVisualisers(ctx, func(set visualisers) (bool, error) {
		c.printf("Loaded NatVis Files:\n")
		for _, file := range set.Files() {
			note := ""
			if set.Embedded(file) {
				note = " (embedded)"
			}
			c.printf("    %s%s\n", file, note)
		}
		if len(set.Files()) == 0 {
			c.printf("    <None Loaded>\n")
		}
		return false, nil
	})
}
