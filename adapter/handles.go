package adapter

import (
	"context"
	"errors"
	"fmt"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// handles number what a client may ask about later in the same stop. Numbers
// are never used again, so that one of an earlier stop is known as such.
type handles struct {
	stop       int // whose they are, -1 none
	generation int // counts changes made while stopped: older objects are made anew
	last       int
	first      int // of this stop
	frames     map[int]frameRef
	frameIDs   map[frameRef]int
	nodes      map[int]*node
	places     map[int]codePlace
	code       map[int]arch.Addr // goto and step-in targets
}

// frameRef names a frame of the present stop.
type frameRef struct {
	thread targets.ThreadID
	index  int
}

// codePlace is what a location reference leads to.
type codePlace struct {
	line   symbols.Line
	module *engine.Module
}

// reset forgets all handles; they are of stop n from now on.
func (h *handles) reset(n int) {
	*h = handles{
		stop: n, last: h.last, first: h.last + 1, generation: h.generation + 1,
		frames: map[int]frameRef{}, frameIDs: map[frameRef]int{}, nodes: map[int]*node{},
		places: map[int]codePlace{}, code: map[int]arch.Addr{},
	}
}

func (h *handles) next() int {
	h.last++
	return h.last
}

func (h *handles) frame(r frameRef) int {
	id, ok := h.frameIDs[r]
	if !ok {
		id = h.next()
		h.frameIDs[r], h.frames[id] = id, r
	}
	return id
}

func (h *handles) node(n *node) int {
	if n.id == 0 {
		n.id = h.next()
		h.nodes[n.id] = n
	}
	return n.id
}

func (h *handles) place(p codePlace) int {
	id := h.next()
	h.places[id] = p
	return id
}

func (h *handles) target(a arch.Addr) int {
	id := h.next()
	h.code[id] = a
	return id
}

// unknown is the error for an id that is not there.
func (h *handles) unknown(what string, id int) error {
	if id > 0 && id < h.first {
		return &staleError{what, id}
	}
	return fmt.Errorf("there is no %s %d", what, id)
}

// threadIDs numbers threads for the client: by their own number where it is
// free, so that people recognise it. The zero value is ready.
type threadIDs struct {
	byID  map[targets.ThreadID]int
	byNum map[int]targets.ThreadID
	spare int
}

func (t *threadIDs) id(id targets.ThreadID) int {
	if n, ok := t.byID[id]; ok {
		return n
	}
	if t.byID == nil {
		t.byID, t.byNum, t.spare = map[targets.ThreadID]int{}, map[int]targets.ThreadID{}, 1<<30
	}
	n := int(id.Thread)
	if _, taken := t.byNum[n]; taken || id.Thread < 1 || id.Thread >= 1<<30 {
		n = t.spare
		t.spare++
	}
	t.byID[id], t.byNum[n] = n, id
	return n
}

func (t *threadIDs) find(n int) (targets.ThreadID, error) {
	id, ok := t.byNum[n]
	if !ok {
		return id, fmt.Errorf("there is no thread %d", n)
	}
	return id, nil
}

// inspection is a stopped debuggee together with the session that looks at it;
// it is valid inside stopped only.
type inspection struct {
	*engine.View
	ctx context.Context
	s   *session
}

func (s *session) engine() *engine.Session {
	if s.dbg == nil {
		return nil
	}
	return s.dbg.Session()
}

// stopped runs f over the stopped debuggee.
func (s *session) stopped(ctx context.Context, f func(v *inspection) error) error {
	es := s.engine()
	if es == nil {
		return errNoDebuggee
	}
	return es.Do(ctx, func(ctx context.Context, v *engine.View) error {
		if stop, ok := v.Live().LastStop(); ok && stop.Number != s.ids.stop {
			s.ids.reset(stop.Number)
		}
		_, err := s.guard(func() (any, error) { return nil, f(&inspection{v, ctx, s}) })
		return err
	})
}

// look runs f over what is known, whatever the debuggee does.
func (s *session) look(ctx context.Context, f func(l *engine.Live) error) error {
	es := s.engine()
	if es == nil {
		return errNoDebuggee
	}
	return es.Look(ctx, func(l *engine.Live) error {
		_, err := s.guard(func() (any, error) { return nil, f(l) })
		return err
	})
}

// lastStop is the stop the debuggee is in.
func (s *session) lastStop(ctx context.Context) (stop engine.Stop, ok bool) {
	s.look(ctx, func(l *engine.Live) error {
		if l.State() == engine.StateStopped {
			stop, ok = l.LastStop()
		}
		return nil
	})
	return stop, ok
}

// frame finds the frame a client means by id.
func (v *inspection) frame(id int) (*engine.Frame, error) {
	ref, ok := v.s.ids.frames[id]
	if !ok {
		return nil, v.s.ids.unknown("frame", id)
	}
	return v.frameAt(ref)
}

func (v *inspection) frameAt(ref frameRef) (*engine.Frame, error) {
	stack, err := v.Stack(v.ctx, ref.thread, ref.index+1)
	if err != nil {
		return nil, err
	}
	if ref.index >= len(stack.Frames) {
		return nil, errors.New("the frame is no more")
	}
	return &stack.Frames[ref.index], nil
}

// frameOrNil is frame, with nil (the selected one) for 0.
func (v *inspection) frameOrNil(id int) (*engine.Frame, error) {
	if id == 0 {
		return nil, nil
	}
	return v.frame(id)
}

// nodeKind says what a node's children are.
type nodeKind uint8

const (
	objectNode nodeKind = iota // those of a data-model object
	localsNode
	argumentsNode
	staticsNode
	returnNode    // what the function that a step has left handed back
	registersNode // a scope: general registers, then groups
	groupNode     // registers of one group
	rangeNode     // a slice of the parent's elements
)

// node is something with children, behind a variables reference.
type node struct {
	id    int
	kind  nodeKind
	frame *frameRef // nil: the selected frame
	group arch.Group

	// An object is found again through its parent and position, or its source text.
	parent *node
	index  int
	source string

	start, count, first int // rangeNode: a span of the parent's children, the number of its first element

	object     *eval.Object
	generation int
}
