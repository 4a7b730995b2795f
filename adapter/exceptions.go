package adapter

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"dap-windbg/engine"
	"dap-windbg/targets"

	"github.com/google/go-dap"
)

// signalsFilter is the editor's filter for all signals together, which `sx` has a row
// each for. It adds to what stops anyhow.
const signalsFilter = "signals"

// filterCapability lists what setExceptionBreakpoints may name.
func (s *session) filterCapability() map[string]any {
	list := []dap.ExceptionBreakpointsFilter{}
	s.filters = s.dbg.Filters()
	seen := map[string]bool{}
	signals := false
	for _, f := range s.filters {
		signals = signals || isSignal(f)
		if !offered(f) || seen[f.Code] {
			continue
		}
		seen[f.Code] = true
		x := dap.ExceptionBreakpointsFilter{Filter: f.Code, Label: f.Title, Default: f.Break == 'e'}
		if takesName[f.Code] != "" {
			x.SupportsCondition, x.ConditionDescription = true, takesName[f.Code]
		}
		list = append(list, x)
	}
	if signals {
		list = append(list, dap.ExceptionBreakpointsFilter{
			Filter: signalsFilter, Label: "Every signal", Description: "also those that only programs care about",
			SupportsCondition: true, ConditionDescription: "names of signals, separated by commas; * and ? are wildcards",
		})
	}
	if len(list) == 0 {
		return nil
	}
	return map[string]any{"exceptionBreakpointFilters": list}
}

// offered reports whether a filter is shown in the editor's list: those with a
// code of WinDbg's, which are the ones people know, and of these not the ones
// that editors have other means for. The rest is `sx`'s.
func offered(f engine.FilterSetting) bool {
	switch f.Code {
	case "", "ibp", "iml", "out", "ser":
		return false
	}
	return f.Title != "" && !strings.HasPrefix(f.Code, "sig")
}

// isSignal tells the rows of signals, which are called "SIGSEGV - Segmentation fault".
func isSignal(f engine.FilterSetting) bool { return strings.HasPrefix(f.Title, "SIG") }

// takesName are the event codes whose filter has names as its argument, and what
// they name.
var takesName = map[string]string{
	"ld": "module name, * and ? are wildcards", "ud": "module name, * and ? are wildcards",
	"cpr": "process name, * and ? are wildcards", "epr": "process name, * and ? are wildcards",
	"eh": "type, * and ? are wildcards", "ehc": "type, * and ? are wildcards", "ehr": "type, * and ? are wildcards",
	"sys": "names or numbers of system calls, separated by commas; * and ? are wildcards",
}

// setExceptionBreakpoints breaks on the filters named and on no other that was offered.
func (s *session) setExceptionBreakpoints(r *request, a *dap.SetExceptionBreakpointsArguments) (any, error) {
	if s.dbg == nil {
		return nil, nil // there are no filters before there is a debuggee
	}
	options := make([]dap.ExceptionFilterOptions, 0, len(a.Filters)+len(a.FilterOptions))
	for _, f := range a.Filters {
		options = append(options, dap.ExceptionFilterOptions{FilterId: f})
	}
	options = append(options, a.FilterOptions...)
	body := breakpointsBody{Breakpoints: []breakpoint{}}
	named := map[string][]string{} // code to conditions
	for _, o := range options {
		b := s.filterBreakpoint(o)
		if body.Breakpoints = append(body.Breakpoints, b); b.Verified {
			named[o.FilterId] = append(named[o.FilterId], o.Condition)
		}
	}
	for _, f := range s.dbg.Filters() {
		switch {
		case f.Arg != "": // of a row that comes by itself too
		case isSignal(f) && !offered(f):
			s.setSignal(f, named[signalsFilter])
		case isSignal(f) && wantsSignal(f, named[signalsFilter]):
			s.setFilter(f, append(named[f.Code], ""))
		case offered(f):
			s.setFilter(f, named[f.Code])
		}
	}
	return body, nil
}

// setFilter makes an offered filter break under the conditions, or not when there
// are none.
func (s *session) setFilter(f engine.FilterSetting, conditions []string) {
	if s.o.Guest != nil {
		s.setGuestFilter(f, conditions)
		return
	}
	before := f.Break
	if f.Break == 'e' {
		f.Break = 'n'
		if f.Exception {
			f.Break = 'd'
		}
	}
	switch {
	case slices.Contains(conditions, ""):
		f.Break = 'e'
	case len(conditions) > 0:
		s.dbg.SetFilter(f)
		f.Break, f.Arg = 'e', strings.Join(conditions, ",")
	case f.Break == before && takesName[f.Code] == "":
		return // setting it would do no more than drop rows with a name, which there are not
	}
	s.dbg.SetFilter(f)
}

// setSignal makes a signal that is not offered by itself break when the lists have
// it, and otherwise be what it was before they had.
func (s *session) setSignal(f engine.FilterSetting, lists []string) {
	was, raised := s.raised[f.Code]
	switch wanted := wantsSignal(f, lists); {
	case wanted && f.Break != 'e':
		if s.raised == nil {
			s.raised = map[string]byte{}
		}
		s.raised[f.Code] = f.Break
		f.Break = 'e'
	case !wanted && raised:
		delete(s.raised, f.Code)
		f.Break = was
	default:
		return
	}
	s.dbg.SetFilter(f)
}

// filterBreakpoint is the answer to one filter of a request.
func (s *session) filterBreakpoint(o dap.ExceptionFilterOptions) breakpoint {
	b := breakpoint{Verified: true}
	refuse := func(format string, a ...any) breakpoint {
		return breakpoint{Message: fmt.Sprintf(format, a...), Reason: "failed"}
	}
	if o.FilterId == signalsFilter {
		for _, pattern := range splitNames(o.Condition) {
			if !slices.ContainsFunc(s.filters, func(f engine.FilterSetting) bool { return isSignal(f) && wantsSignal(f, []string{pattern}) }) {
				return refuse("there is no signal %q", pattern)
			}
		}
		return b
	}
	if !slices.ContainsFunc(s.filters, func(f engine.FilterSetting) bool { return f.Code == o.FilterId && offered(f) }) {
		return refuse("there is no filter %q", o.FilterId)
	}
	if o.Condition != "" && takesName[o.FilterId] == "" {
		return refuse("filter %q takes no condition; it stops always", o.FilterId)
	}
	return b
}

func splitNames(list string) []string {
	names := strings.FieldsFunc(list, func(c rune) bool { return c == ',' || c == ' ' })
	return slices.DeleteFunc(names, func(n string) bool { return n == "" })
}

// wantsSignal reports whether lists of names, "" being all, have f's signal.
func wantsSignal(f engine.FilterSetting, lists []string) bool {
	name, _, _ := strings.Cut(f.Title, " ")
	return slices.ContainsFunc(lists, func(list string) bool {
		names := splitNames(list)
		return len(names) == 0 || slices.ContainsFunc(names, func(pattern string) bool {
			ok, err := path.Match(strings.ToUpper(pattern), name)
			return err == nil && ok
		})
	})
}

func (s *session) exceptionInfo(r *request, a *dap.ExceptionInfoArguments) (any, error) {
	stop, ok := s.lastStop(r.ctx)
	if !ok {
		return nil, targets.ErrRunning
	}
	id, err := s.threads.find(a.ThreadId)
	if err != nil {
		return nil, err
	}
	x := stop.Exception
	if id != stop.Thread || x == nil && stop.Reason != targets.Exception && stop.Syscall == nil {
		return nil, fmt.Errorf("thread %d did not stop for an exception", a.ThreadId)
	}
	body := dap.ExceptionInfoResponseBody{ExceptionId: stop.Reason.String(), Description: stop.Text, BreakMode: "always"}
	body.Details = &dap.ExceptionDetails{Message: stop.Text}
	switch {
	case stop.Thrown != nil:
		describeThrown(&body, stop.Thrown)
	case stop.Syscall != nil:
		body.ExceptionId = stop.Syscall.Name
	case x != nil:
		if body.ExceptionId = x.Name; x.Name == "" {
			body.ExceptionId = fmt.Sprintf("0x%x", x.Code)
		}
		if x.Second {
			body.BreakMode = "unhandled"
		}
	}
	if body.Details.TypeName == "" {
		body.Details.TypeName = body.ExceptionId
	}
	err = s.stopped(r.ctx, func(v *inspection) error {
		body.Details.StackTrace = v.stackText(stop.Thread, 32)
		return v.ctx.Err()
	})
	if errors.Is(err, targets.ErrRunning) || errors.Is(err, targets.ErrGone) {
		err = nil // it is told without a stack
	}
	return body, err
}

// describeThrown tells a C++ exception.
func describeThrown(body *dap.ExceptionInfoResponseBody, x *engine.Thrown) {
	body.ExceptionId = x.Type
	if x.Type == "" {
		body.ExceptionId = "C++ exception"
	}
	d := body.Details
	if x.What != "" {
		d.Message = x.What
	}
	d.FullTypeName = x.Type
	d.TypeName = unqualified(x.Type)
	if x.Type != "" && x.Object != 0 {
		d.EvaluateName = fmt.Sprintf("*(%s*)%s", x.Type, reference(x.Object))
	}
}

// unqualified is a type's name without its namespaces; those of template arguments
// stay.
func unqualified(name string) string {
	head, _, _ := strings.Cut(name, "<")
	if i := strings.LastIndex(head, "::"); i >= 0 {
		return name[i+2:]
	}
	return name
}
