package launch

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"dap-windbg/engine"
	"dap-windbg/systems/linux"
	"dap-windbg/targets"
)

// eventRows are the filters that are no exceptions, with WinDbg's defaults.
var eventRows = []engine.FilterSetting{
	{Code: "ct", Title: "Create thread", Break: 'i'},
	{Code: "et", Title: "Exit thread", Break: 'i'},
	{Code: "cpr", Title: "Create process", Break: 'i'},
	{Code: "epr", Title: "Exit process", Break: 'i'},
	{Code: "ld", Title: "Load module", Break: 'n'},
	{Code: "ud", Title: "Unload module", Break: 'i'},
	{Code: "ser", Title: "System error", Break: 'i'},
	{Code: "ibp", Title: "Initial breakpoint", Break: 'e'},
	{Code: "iml", Title: "In-page I/O error", Break: 'i'},
	{Code: "out", Title: "Debuggee output", Break: 'i'},
	{Code: "exec", Title: "Execute another program", Break: 'n'},
	{Code: "eh", Title: "C++ exception thrown", Break: 'i', Exception: true},
	{Code: "ehc", Title: "C++ exception caught", Break: 'i', Exception: true},
	{Code: "ehr", Title: "C++ exception rethrown", Break: 'i', Exception: true},
	{Code: "rust", Title: "Rust panic", Break: 'i', Exception: true},
	{Code: "sys", Title: "System call", Break: 'i'},
}

// filters is the table behind `sx` and the editor's exception breakpoints. The
// session's loop reads it, front ends change it.
type filters struct {
	mu    sync.Mutex
	rows  []engine.FilterSetting
	catch *engine.Catching // what catching told, nil since a row changed
}

// newFilters builds the table from the events and the signals of Linux.
func newFilters() *filters {
	f := &filters{rows: slices.Clone(eventRows)}
	for _, s := range linux.Signals {
		row := engine.FilterSetting{Code: s.Code(), Title: s.Name + " - " + s.Text, Break: 'i', Exception: true, Handled: !s.Pass}
		switch {
		case s.Stop:
			row.Break = 'e'
		case s.Print:
			row.Break = 'n'
		}
		f.rows = append(f.rows, row)
	}
	f.rows = append(f.rows, engine.FilterSetting{Code: "*", Title: "Other exception", Break: 'e', Exception: true})
	return f
}

// normal turns what people and the engine call an event into the table's code:
// "SIGSEGV", "sig11" and "av" are one.
func normal(code string) string {
	low := strings.ToLower(code)
	if n, err := strconv.Atoi(strings.TrimPrefix(low, "sig")); err == nil && strings.HasPrefix(low, "sig") {
		if s, ok := linux.SignalByNumber(n); ok {
			return s.Code()
		}
		return low
	}
	if strings.HasPrefix(low, "sig") {
		if s, ok := linux.SignalByName(strings.ToUpper(low)); ok {
			return s.Code()
		}
	}
	return low
}

func (f *filters) find(code, arg string) int {
	code = normal(code)
	best := -1
	for i, row := range f.rows {
		if !strings.EqualFold(row.Code, code) {
			continue
		}
		if row.Arg == "" && best < 0 || row.Arg != "" && matches(row.Arg, arg) {
			best = i
		}
	}
	return best
}

func matches(patterns, name string) bool {
	return slices.ContainsFunc(strings.Split(patterns, ","), func(p string) bool { return matchesOne(p, name) })
}

func matchesOne(pattern, name string) bool {
	if strings.EqualFold(pattern, name) {
		return true
	}
	ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(path.Base(name)))
	return err == nil && ok
}

// get returns the row for an event; that of "*" for unknown exceptions.
func (f *filters) get(code, arg string) engine.FilterSetting {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.find(code, arg)
	if i < 0 {
		i = f.find("*", "")
	}
	return f.rows[i]
}

// set replaces or adds a row. Of cpr, epr, ld and ud only the latest argument is kept.
func (f *filters) set(row engine.FilterSetting) {
	row.Code = normal(row.Code)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.catch = nil
	if row.Arg != "" {
		f.rows = slices.DeleteFunc(f.rows, func(r engine.FilterSetting) bool { return r.Code == row.Code && r.Arg != "" })
		f.rows = append(f.rows, row)
		return
	}
	if i := slices.IndexFunc(f.rows, func(r engine.FilterSetting) bool { return strings.EqualFold(r.Code, row.Code) && r.Arg == "" }); i >= 0 {
		f.rows = slices.DeleteFunc(f.rows, func(r engine.FilterSetting) bool { return r.Code == row.Code && r.Arg != "" })
		i = slices.IndexFunc(f.rows, func(r engine.FilterSetting) bool { return strings.EqualFold(r.Code, row.Code) })
		f.rows[i] = row
		return
	}
	f.rows = append(f.rows, row)
}

func (f *filters) list() []engine.FilterSetting {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.rows)
}

// decide is the engine's question at an event.
func (f *filters) decide(e engine.FilterEvent) engine.Disposition {
	row := f.get(e.Code, e.Arg)
	d := engine.Disposition{Break: row.Break == 'e' || row.Break == 'd' && e.Unhandled != nil && e.Unhandled(), Print: row.Break != 'i'}
	if row.Exception {
		d.Deliver.Kind = targets.NotHandled
		if row.Handled {
			d.Deliver.Kind = targets.Handled
		}
	}
	return d
}

// catching is what the engine has to arrange for these filters: what is broken at,
// printed, or has a command. Signals with none of that never become stops. The engine
// asks at each resume.
func (f *filters) catching() engine.Catching {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.catch == nil {
		c := f.toCatch()
		f.catch = &c
	}
	return *f.catch
}

func (f *filters) toCatch() engine.Catching {
	c := engine.Catching{Pass: []int{}}
	pass := map[string]bool{}
	for _, row := range f.rows {
		wanted := row.Break == 'e' || row.Break == 'n' || row.Command != ""
		switch row.Code {
		case "eh":
			c.Throw = c.Throw || wanted
		case "ehc":
			c.Catch = c.Catch || wanted
		case "ehr":
			c.Rethrow = c.Rethrow || wanted
		case "rust":
			c.Panic = c.Panic || wanted
		case "sys":
			if wanted && row.Arg == "" {
				c.Syscalls = append(c.Syscalls, "*")
			} else if wanted {
				c.Syscalls = append(c.Syscalls, strings.Split(row.Arg, ",")...)
			}
		}
		pass[row.Code] = row.Break == 'i' && !row.Handled && row.Command == "" && row.Command2 == ""
	}
	for _, s := range linux.Signals {
		if pass[s.Code()] {
			c.Pass = append(c.Pass, s.Number)
		}
	}
	return c
}
