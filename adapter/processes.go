package adapter

import (
	"context"
	"errors"
	"path"
	"strings"

	"dap-windbg/targets"
)

// processesArguments are those of our own request `processes`, the editor's picker.
type processesArguments struct {
	// ProcessServer is the connection string of a process server, "" this machine.
	ProcessServer string `json:"processServer"`
	// Pattern is what the program's name must be, with * and ?; "" any.
	Pattern string `json:"pattern"`
	trust
}

type processesBody struct {
	Processes []targets.Process `json:"processes"`
}

// processes lists what can be attached to. It needs no debuggee.
func (s *session) processes(r *request, a *processesArguments) (any, error) {
	list := s.o.Processes
	switch _, err := path.Match(a.Pattern, ""); {
	case list == nil:
		return nil, errors.New("processes cannot be listed here")
	case err != nil:
		return nil, &argumentError{"pattern", err.Error()}
	case a.ProcessServer != "" && !a.trusted():
		return nil, &argumentError{"processServer", "is not reached for a folder that is not trusted"}
	}
	return s.aside(r, func(ctx context.Context) (any, error) {
		all, err := list(ctx, a.ProcessServer)
		if err != nil {
			return nil, err
		}
		body := processesBody{Processes: []targets.Process{}}
		for _, p := range all {
			program, _, _ := strings.Cut(p.Command, " ")
			if ok, _ := path.Match(a.Pattern, baseName(program)); ok || a.Pattern == "" {
				body.Processes = append(body.Processes, p)
			}
		}
		return body, nil
	})
}
