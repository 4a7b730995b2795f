package launch

import (
	"context"

	"dap-windbg/engine"
	"dap-windbg/symbols"
	"dap-windbg/targets/core"
)

// openCore opens a core file. Memory that it has not is read from the images,
// which are found as symbols are.
func (d *Debugger) openCore(p *Plan) (*debuggee, error) {
	t, err := core.Open(p.CoreFile, core.Options{
		Program: p.Program.Path,
		Find: func(ctx context.Context, path string, buildID []byte) (string, error) {
			return d.files.store.Image(ctx, symbols.Key{Path: path, BuildID: buildID})
		},
		Notice: func(text string) { d.tell(engine.Important, "%s", text) },
	})
	if err != nil {
		return nil, &ConfigError{Field: "coreFile", Value: p.CoreFile, Want: "cannot be opened: " + reason(err)}
	}
	d.tell(engine.FromDebugger, "Loading Dump File [%s]", p.CoreFile)
	return &debuggee{target: t}, nil
}
