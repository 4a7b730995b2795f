package adapter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"dap-windbg/engine"
	"dap-windbg/symbols"

	"github.com/google/go-dap"
)

// Owners of breakpoints: each request replaces those of one.
const (
	ownerSource       = "source:" // and the file
	ownerFunctions    = "functions"
	ownerInstructions = "instructions"
	ownerData         = "data"
)

// maxBreakpoints bounds one request.
const maxBreakpoints = 10_000

// clientBreakpoint is a breakpoint's id for the client, which takes 0 for none.
func clientBreakpoint(id int) int { return id + 1 }

// setOwned replaces an owner's breakpoints; before there is a debuggee they wait.
func (s *session) setOwned(ctx context.Context, owner string, want []engine.Breakpoint) ([]engine.Status, error) {
	if len(want) > maxBreakpoints {
		return nil, fmt.Errorf("%d breakpoints are too many; at most %d", len(want), maxBreakpoints)
	}
	owner = s.owner(owner)
	for i := range want {
		want[i].ID, want[i].Owner = -1, owner
	}
	if es := s.engine(); es != nil && !s.noDebug {
		return es.SetBreakpoints(ctx, owner, want)
	}
	s.number(owner, want)
	out := make([]engine.Status, len(want))
	for i, b := range want {
		out[i] = engine.Status{Breakpoint: b, Message: "there is no debuggee yet"}
	}
	if s.phase == ended || s.noDebug {
		for i := range out {
			out[i].Message = "nothing is debugged"
		}
		return out, nil
	}
	s.early[owner] = want
	return out, nil
}

// number gives breakpoints that wait for a debuggee the lowest free numbers.
func (s *session) number(owner string, want []engine.Breakpoint) {
	used := map[int]bool{}
	for other, list := range s.early {
		for _, b := range list {
			used[b.ID] = other != owner
		}
	}
	id := 0
	for i := range want {
		for used[id] {
			id++
		}
		want[i].ID = id
		id++
	}
}

// setEarly sets what was wished for before there was a debuggee, and tells what
// became of it.
func (s *session) setEarly() {
	if s.noDebug {
		clear(s.early)
	}
	es := s.engine()
	if es == nil || len(s.early) == 0 {
		return
	}
	for _, owner := range slices.Sorted(maps.Keys(s.early)) {
		want := s.early[owner]
		list, err := es.SetBreakpoints(s.ctx, owner, want)
		var taken *engine.IDError
		if errors.As(err, &taken) { // the command line was quicker
			for i := range want {
				want[i].ID = -1
			}
			list, err = es.SetBreakpoints(s.ctx, owner, want)
		}
		if err != nil {
			s.output("important", explain(err)+"\n")
		}
		for _, st := range list {
			s.tellBreakpoint(engine.BreakpointEvent{Status: st, New: taken != nil})
		}
	}
	clear(s.early)
}

func (s *session) setBreakpoints(r *request, a *setBreakpointsArguments) (any, error) {
	if a.Breakpoints == nil {
		for _, l := range a.Lines {
			a.Breakpoints = append(a.Breakpoints, sourceBreakpoint{SourceBreakpoint: dap.SourceBreakpoint{Line: l}})
		}
	}
	owner := fmt.Sprintf("%s%s#%d", ownerSource, a.Source.Path, a.Source.SourceReference)
	file := s.sources.read(a.Source.Path)
	var aliases []string
	if ref, ok := s.sources.refs[a.Source.SourceReference]; ok && a.Source.SourceReference > 0 {
		file = ref.file
	} else if file != "" {
		file, aliases = s.sources.names(file)
	}
	if file == "" && a.Source.SourceReference == 0 {
		return nil, &argumentError{"source", "must have a path or a known sourceReference"}
	}
	want, others := make([]engine.Breakpoint, 0, len(a.Breakpoints)), strings.Join(aliases, "\n")
	for _, b := range a.Breakpoints {
		want = append(want, engine.Breakpoint{
			File: file, Aliases: others, Line: s.engineLine(b.Line), Column: s.engineColumn(b.Column),
			Condition: b.Condition, HitCondition: b.HitCondition, Log: b.LogMessage, Hardware: b.Mode == modeHardware,
		})
	}
	statuses, err := s.setOwned(r.ctx, owner, want)
	if err != nil {
		return nil, err
	}
	body := breakpointsBody{Breakpoints: make([]breakpoint, 0, len(statuses))}
	for i, st := range statuses {
		b := s.describeBreakpoint(st)
		if b.Source == nil || b.Source.Path == "" { // as the client calls it
			src := a.Source
			b.Source = &src
		}
		if i < len(a.Breakpoints) && a.Breakpoints[i].Column == 0 {
			b.Column = nil
		}
		body.Breakpoints = append(body.Breakpoints, b)
	}
	return body, nil
}

// set replaces an owner's breakpoints and describes what became of them.
func (s *session) set(r *request, owner string, want []engine.Breakpoint) (any, error) {
	statuses, err := s.setOwned(r.ctx, owner, want)
	if err != nil {
		return nil, err
	}
	body := breakpointsBody{Breakpoints: []breakpoint{}}
	for _, st := range statuses {
		body.Breakpoints = append(body.Breakpoints, s.describeBreakpoint(st))
	}
	return body, nil
}

func (s *session) setFunctionBreakpoints(r *request, a *dap.SetFunctionBreakpointsArguments) (any, error) {
	var want []engine.Breakpoint
	for _, b := range a.Breakpoints {
		want = append(want, engine.Breakpoint{Function: b.Name, Condition: b.Condition, HitCondition: b.HitCondition})
	}
	return s.set(r, ownerFunctions, want)
}

func (s *session) setInstructionBreakpoints(r *request, a *setInstructionBreakpointsArguments) (any, error) {
	var want []engine.Breakpoint
	for _, b := range a.Breakpoints {
		addr, err := address(b.InstructionReference, b.Offset)
		if err != nil {
			return nil, err
		}
		want = append(want, engine.Breakpoint{Addr: addr, Condition: b.Condition, HitCondition: b.HitCondition, Hardware: b.Mode == modeHardware})
	}
	return s.set(r, ownerInstructions, want)
}

// describeBreakpoint is a breakpoint as the client sees it.
func (s *session) describeBreakpoint(st engine.Status) breakpoint {
	s.learnFrom(st)
	out := breakpoint{ID: clientBreakpoint(st.ID), Verified: st.Verified, Message: st.Message}
	if !st.Verified {
		out.Reason = "pending"
	}
	var line symbols.Line
	if len(st.Places) > 0 {
		line = st.Places[0].Line
	}
	file := line.File
	if file == "" {
		file, line.Line = st.File, st.Line
	}
	if file != "" {
		out.Source = s.sources.of(file, nil)
		n := s.line(line.Line)
		out.Line = &n
		if line.Column > 0 {
			c := s.column(line.Column)
			out.Column = &c
		}
	}
	if len(st.Addrs) > 0 {
		out.InstructionReference = reference(st.Addrs[0])
	} else if st.Addr != 0 {
		out.InstructionReference = reference(st.Addr)
	}
	return out
}

// learnFrom notes what the debug information calls the file that a client's
// breakpoint is in, when it was found by another name.
func (s *session) learnFrom(st engine.Status) {
	owner, ok := strings.CutPrefix(kindOfOwner(st.Owner), ownerSource)
	if !ok || !s.owns(st.Owner) || st.Aliases == "" || len(st.Places) == 0 {
		return
	}
	if recorded := st.Places[0].Line.File; recorded != "" && recorded != st.File {
		s.sources.learn(s.sources.read(owner[:strings.LastIndexByte(owner, '#')]), recorded)
	}
}

func (s *session) tellBreakpoint(e engine.BreakpointEvent) {
	if e.Own && s.owns(e.Status.Owner) {
		return
	}
	reason := "changed"
	switch {
	case e.New:
		reason = "new"
	case e.Removed:
		reason = "removed"
	}
	b := s.describeBreakpoint(e.Status)
	if e.Status.Column == 0 {
		b.Column = nil
	}
	s.tellEvent("breakpoint", breakpointEventBody{Reason: reason, Breakpoint: b})
}

// maxLocationLines bounds the lines one breakpointLocations request covers.
const maxLocationLines = 500

func (s *session) breakpointLocations(r *request, a *dap.BreakpointLocationsArguments) (any, error) {
	body := dap.BreakpointLocationsResponseBody{Breakpoints: []dap.BreakpointLocation{}}
	first := s.engineLine(a.Line)
	last := first
	if a.EndLine > a.Line {
		last = min(s.engineLine(a.EndLine), first+maxLocationLines-1)
	}
	file := s.recordedFile(r.ctx, a.Source, first)
	err := s.stopped(r.ctx, func(v *inspection) error {
		for line := first; line <= last; line++ {
			places, err := v.Places(v.ctx, file, line)
			if err != nil {
				return err
			}
			body.Breakpoints = append(body.Breakpoints, s.locationsOf(places, line)...)
		}
		return nil
	})
	return body, err
}

// locationsOf are the distinct positions of places on line.
func (s *session) locationsOf(places []engine.Location, line int) []dap.BreakpointLocation {
	var out []dap.BreakpointLocation
	seen := map[int]bool{}
	for _, p := range places {
		if p.Line.Line != line || seen[p.Line.Column] {
			continue
		}
		seen[p.Line.Column] = true
		l := dap.BreakpointLocation{Line: s.line(line)}
		if p.Line.Column > 0 {
			l.Column = s.column(p.Line.Column)
		}
		out = append(out, l)
	}
	return out
}
