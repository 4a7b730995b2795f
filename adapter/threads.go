package adapter

import (
	"context"
	"errors"
	"fmt"

	"dap-windbg/engine"
	"dap-windbg/targets"

	"github.com/google/go-dap"
)

func (s *session) threadList(r *request, _ *none) (any, error) {
	var list []engine.Thread
	err := errNoDebuggee
	if es := s.engine(); es != nil {
		err = es.Inspect(r.ctx, func(ctx context.Context, v *engine.View) (err error) {
			list, err = v.Threads(ctx)
			return err
		})
	}
	if err != nil && r.ctx.Err() == nil { // it runs, or is gone: what was known last
		err = s.look(r.ctx, func(l *engine.Live) error {
			list = l.KnownThreads()
			return nil
		})
	}
	body := dap.ThreadsResponseBody{Threads: []dap.Thread{}}
	if err != nil {
		return body, err
	}
	for _, t := range list {
		body.Threads = append(body.Threads, dap.Thread{Id: s.threads.id(t.ID), Name: threadName(t)})
	}
	return body, nil
}

func threadName(t engine.Thread) string {
	name := fmt.Sprintf("%d: %s", t.Ordinal, t.ID)
	if t.Name != "" {
		name += " " + t.Name
	}
	if t.Frozen {
		name += " (frozen)"
	}
	return name
}

// terminateThreads sends threads to their end, which they come to when they run next.
// Where one cannot be ended none is.
func (s *session) terminateThreads(r *request, a *dap.TerminateThreadsArguments) (any, error) {
	var ids []targets.ThreadID
	for _, n := range a.ThreadIds {
		id, err := s.threads.find(n)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil, &argumentError{"threadIds", "must name a thread"}
	}
	err := s.stopped(r.ctx, func(v *inspection) error {
		var undo []func() error
		for _, id := range ids {
			before, err := v.Registers(v.ctx, id)
			if err == nil {
				err = v.EndThread(v.ctx, id)
			}
			if err != nil {
				for _, f := range undo {
					err = errors.Join(err, f())
				}
				return err
			}
			undo = append(undo, func() error { return v.SetRegisters(v.ctx, id, before) })
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.later(func() {
		for _, n := range a.ThreadIds {
			s.output("console", fmt.Sprintf("Thread %d ends when it runs next.\n", n))
		}
	})
	return nil, nil
}
