package adapter

import (
	"dap-windbg/engine"
)

// Requests of our own, beyond `processes`; docs/dap.md describes them to clients.

// debuggeeBody answers `debuggee`.
type debuggeeBody struct {
	State        string           `json:"state"` // "stopped", "running", "gone"
	PID          int64            `json:"pid,omitempty"`
	Path         string           `json:"path,omitempty"` // of the main image, on the far end
	OS           string           `json:"os,omitempty"`
	Architecture string           `json:"architecture,omitempty"`
	Server       string           `json:"server,omitempty"` // what answers at the far end
	Machine      bool             `json:"machine"`          // threads are processors
	Postmortem   bool             `json:"postmortem"`       // a core or an image: nothing runs
	Threads      []debuggeeThread `json:"threads"`
}

type debuggeeThread struct {
	ID       int    `json:"id"` // that of the threads request
	Ordinal  int    `json:"ordinal"`
	TID      int64  `json:"tid"`
	Name     string `json:"name,omitempty"`
	Selected bool   `json:"selected,omitempty"`
	Event    bool   `json:"event,omitempty"` // the stop is this thread's
	Frozen   bool   `json:"frozen,omitempty"`
}

var stateNames = map[engine.State]string{
	engine.StateStopped: "stopped", engine.StateRunning: "running", engine.StateGone: "gone",
}

// debuggee describes what is debugged, from what is known: it asks nothing of the far
// end and may be sent while the debuggee runs.
func (s *session) debuggee(r *request, _ *none) (any, error) {
	body := debuggeeBody{Threads: []debuggeeThread{}}
	err := s.look(r.ctx, func(l *engine.Live) error {
		info := l.Info()
		body.State = stateNames[l.State()]
		body.PID, body.Path, body.OS, body.Server, body.Machine = info.Process, info.Path, info.OS, info.Stub, info.Machine
		body.Postmortem = l.Postmortem()
		if info.Set != nil && info.Set.Arch != nil {
			body.Architecture = info.Set.Arch.Name
		}
		for _, t := range l.KnownThreads() {
			body.Threads = append(body.Threads, debuggeeThread{
				ID: s.threads.id(t.ID), Ordinal: t.Ordinal, TID: t.ID.Thread, Name: t.Name, Selected: t.Current, Event: t.Event, Frozen: t.Frozen,
			})
		}
		return nil
	})
	return body, err
}
