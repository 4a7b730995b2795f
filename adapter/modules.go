package adapter

import (
	"encoding/hex"
	"fmt"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/symbols"

	"github.com/google/go-dap"
)

// maxSources bounds the loadedSources answer.
const maxSources = 20_000

// moduleID names a module for the client.
func moduleID(base arch.Addr) string { return reference(base) }

// moduleColumns are the columns of the modules view beyond the protocol's own.
var moduleColumns = []dap.ColumnDescriptor{{AttributeName: "buildId", Label: "Build id", Type: "string"}}

func describeModule(m *engine.Module) module {
	out := module{BuildID: hex.EncodeToString(m.BuildID)}
	out.Module = dap.Module{Id: moduleID(m.Base), Name: m.Name, Path: m.Path, SymbolStatus: "deferred"}
	if m.Size > 0 {
		out.AddressRange = fmt.Sprintf("0x%x-0x%x", uint64(m.Base), uint64(m.Base)+m.Size)
	}
	if out.Name == "" {
		out.Name = m.Path
	}
	switch {
	case m.Image != nil:
		out.SymbolStatus = debugKinds[m.Image.Debug()]
		out.SymbolFilePath = m.Image.Path()
	case m.Err != nil:
		out.SymbolStatus = "no symbols: " + m.Err.Error()
	case m.Tried:
		out.SymbolStatus = "no symbols"
	}
	return out
}

var debugKinds = map[symbols.DebugKind]string{
	symbols.NoSymbols: "no symbols",
	symbols.Exports:   "export symbols",
	symbols.DWARF:     "DWARF symbols",
	symbols.PDB:       "PDB symbols",
}

func (s *session) modules(r *request, a *dap.ModulesArguments) (any, error) {
	if a.StartModule < 0 || a.ModuleCount < 0 {
		return nil, &argumentError{"startModule, moduleCount", "must not be negative"}
	}
	body := modulesBody{Modules: []module{}}
	err := s.look(r.ctx, func(l *engine.Live) error {
		all := l.Modules()
		body.TotalModules = len(all)
		for _, m := range page(all, a.StartModule, a.ModuleCount) {
			body.Modules = append(body.Modules, describeModule(m))
		}
		return nil
	})
	return body, err
}

func (s *session) tellModule(e engine.ModuleEvent) {
	if s.console != nil {
		s.output("console", s.console.FormatEvent(e))
	}
	reason := map[engine.ModuleChange]string{engine.Loaded: "new", engine.Unloaded: "removed", engine.SymbolsChanged: "changed"}[e.Change]
	s.sources.forget()
	s.tellEvent("module", moduleEventBody{Reason: reason, Module: describeModule(&e.Module)})
}

func (s *session) loadedSources(r *request, _ *dap.LoadedSourcesArguments) (any, error) {
	body := dap.LoadedSourcesResponseBody{Sources: []dap.Source{}}
	err := s.look(r.ctx, func(l *engine.Live) error {
		seen := map[string]bool{}
		for _, m := range l.Modules() {
			lines, ok := m.Image.(symbols.Liner)
			if !ok {
				continue
			}
			for file := range lines.Files() {
				if seen[file] {
					continue
				}
				seen[file] = true
				body.Sources = append(body.Sources, *s.sources.of(file, m))
				if len(body.Sources) == maxSources || r.ctx.Err() != nil {
					return nil
				}
			}
		}
		return nil
	})
	return body, err
}
