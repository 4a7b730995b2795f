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

// taskBody is a row of `tasks`.
type taskBody struct {
	Address   string `json:"address"` // names it in `lookFrom`
	ID        int64  `json:"id"`
	Parent    int64  `json:"parent"`
	Name      string `json:"name"`
	State     string `json:"state,omitempty"`
	Processor *int   `json:"processor,omitempty"` // it is on now
}

type tasksBody struct {
	Tasks []taskBody `json:"tasks"`
}

// tasks lists the processes and threads that the system of the debuggee knows.
func (s *session) tasks(r *request, _ *none) (any, error) {
	body := tasksBody{Tasks: []taskBody{}}
	err := s.stopped(r.ctx, func(v *inspection) error {
		list, err := v.Tasks(v.ctx)
		for _, t := range list {
			row := taskBody{Address: reference(t.Addr), ID: t.ID, Parent: t.Parent, Name: t.Name, State: t.State}
			if t.CPU >= 0 {
				row.Processor = &t.CPU
			}
			body.Tasks = append(body.Tasks, row)
		}
		if len(list) > 0 {
			return nil // of a torn list, what could be read
		}
		return err
	})
	return body, err
}

// lookFromArguments name a task; none go back to the processor itself.
type lookFromArguments struct {
	Address string `json:"address"`
}

// lookFrom shows the stack of a task that is switched out as that of the selected thread,
// until the debuggee runs.
func (s *session) lookFrom(r *request, a *lookFromArguments) (any, error) {
	return nil, s.stopped(r.ctx, func(v *inspection) error {
		if a.Address == "" {
			v.SetContext(nil)
			return nil
		}
		list, err := v.Tasks(v.ctx)
		for _, t := range list {
			if reference(t.Addr) == a.Address {
				return v.LookFrom(v.ctx, t)
			}
		}
		if err != nil {
			return err
		}
		return &argumentError{"address", "must be that of a row of `tasks`"}
	})
}
