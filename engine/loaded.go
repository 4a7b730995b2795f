package engine

import (
	"context"
	"path"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// This file has images looked for that no file is known of: by what their headers in
// memory tell, and then, without a file, by those headers alone.

// windowsNames are the ends of Windows images' names.
var windowsNames = []string{".exe", ".dll", ".sys", ".drv", ".efi"}

// OfWindows reports whether m is an image of Windows: it has a time stamp, or is named so.
func (m *Module) OfWindows() bool {
	return m.Stamp != 0 || strings.Contains(m.Path, `\`) || slices.Contains(windowsNames, strings.ToLower(path.Ext(m.Path)))
}

// identified reads the headers of those of ms that were looked for in vain, once each,
// and returns the ones to be looked for again.
func (l *loop) identified(ctx context.Context, ms []*Module) (again []*Module) {
	if l.o.ReadLoaded == nil || l.state != StateStopped {
		return nil
	}
	for _, m := range ms {
		if m == nil || !m.Tried || m.Image != nil || m.seen || !m.OfWindows() {
			continue
		}
		m.seen = true
		err := l.gather(ctx, spaceHere, 0, func(ctx context.Context, mem symbols.Memory) (err error) {
			m.loaded, err = l.o.ReadLoaded(func(off symbols.Offset, p []byte) error {
				_, err := mem.ReadMemory(ctx, m.Base+arch.Addr(off), p)
				return err
			})
			return err
		})
		if err != nil {
			l.o.Log.Debug().Err(err).Str("module", m.Name).Msg("headers in memory")
		}
		if len(m.loaded) > 0 {
			m.Tried, m.Err = false, nil
			delete(l.modules.opening, m.Base)
			again = append(again, m)
		}
	}
	return again
}
