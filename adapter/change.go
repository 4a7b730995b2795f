package adapter

import "context"

// change carries out r, which replaces or ends the debuggee, beside the dispatcher:
// what happens meanwhile is told, and what the client asks for waits until f has
// returned, save what may break it off. f must not use what is the dispatcher's;
// then runs there before r is answered.
func (s *session) change(r *request, f func(context.Context) error, then func(error)) (any, error) {
	s.changing = r
	s.workers.start(func() {
		_, err := s.guard(func() (any, error) { return nil, f(r.ctx) })
		s.post(func() {
			s.changing = nil
			then(err)
			if err != nil && r.ctx.Err() != nil {
				err = context.Canceled
			}
			s.answer(r, nil, err)
			waiting := s.waiting
			s.waiting = nil
			for _, x := range waiting {
				if !s.over {
					s.serve(x)
				}
			}
		})
	})
	return nil, errLater
}

// waits reports whether r is to wait for a change of the debuggee. The end of one
// that restarts is asked for: the restart is given up.
func (s *session) waits(r *request) bool {
	if s.changing == nil {
		return false
	}
	switch r.command {
	case "initialize", "cancel", "disconnect":
		return false
	case "terminate":
		s.changing.cancel()
	}
	return true
}

// abandonChange gives up a change that is at work.
func (s *session) abandonChange() {
	if s.changing != nil {
		s.changing.cancel()
	}
	for s.changing != nil {
		select {
		case f := <-s.posts:
			f()
		case <-s.ctx.Done():
			return
		}
	}
}
