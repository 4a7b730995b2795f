package windbg

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"dap-windbg/systems"
)

// need says what a command asks of the line reader and the session.
type need uint16

const (
	stopped   need = 1 << iota // runs inside the session's loop over a stopped debuggee
	rest                       // takes the rest of the line, semicolons and all
	quotes                     // '...' protects a semicolon
	braces                     // { } protects a semicolon
	paths                      // a semicolon without a blank behind it separates paths
	local                      // touches this machine's files: refused when Secure
	owners                     // reaches beyond the debuggee: refused to guests of a shared session
	powerful                   // begins or ends debuggees: refused after .secure
	absent                     // there is no such thing here
	live                       // with stopped: may look at a running debuggee whose memory is read as it runs
	wholeWord                  // its name is not the beginning of a longer word

	anytime need = 0
)

// command is one row of a family's table.
type command struct {
	Name  string // as documented; letter case selects only where two names differ by it
	Usage string
	Help  string
	Needs need
	Run   func(ctx context.Context, c *call) error
}

// family is a table of commands about one thing.
type family struct {
	Title    string
	Commands []command
}

// families is the registry; everything that lists commands reads it.
func families() []family {
	return []family{
		{"Execution", executionCommands},
		{"Breakpoints", breakpointCommands},
		{"Stack and variables", stackCommands},
		{"Registers", registerCommands},
		{"Memory", memoryCommands},
		{"Memory regions", regionCommands},
		{"Machines", machineCommands},
		{"Memory that is held", holdCommands},
		{"Expressions and types", expressionCommands},
		{"Visualisers", visualiserCommands},
		{"Symbols and modules", symbolCommands},
		{"Debug information", debugInfoCommands},
		{"Source maps", sourceMapCommands},
		{"Disassembly and source", sourceCommands},
		{"Threads and processes", threadCommands},
		{"Several processes", childCommands},
		{"What the system knows", processCommands},
		{"Events", eventCommands},
		{"At each stop", promptCommands},
		{"Session", sessionCommands},
		{"Sharing the session", shareCommands},
		{"Core files", dumpCommands},
		{"Calls", callCommands},
		{"State", stateCommands},
		{"Text and logs", textCommands},
		{"Control and scripts", controlCommands},
		{"Assertions", expectCommands},
		{"For each", eachCommands},
		{"Tools", toolCommands},
		{"Not of a Linux process, and why", refusedCommands},
	}
}

// registry is the families in a form for look-ups.
type registry struct {
	families []family
	byFold   map[string][]*command // lower-case name -> rows that differ by case only
	longest  int
}

func newRegistry(families []family) *registry {
	r := &registry{families: families, byFold: map[string][]*command{}}
	for _, f := range families {
		for i := range f.Commands {
			c := &f.Commands[i]
			k := strings.ToLower(c.Name)
			r.byFold[k] = append(r.byFold[k], c)
			r.longest = max(r.longest, len(k))
		}
	}
	return r
}

// find returns the row with the longest name that text begins with, and that
// name's length. Of names that differ by case only the exact one wins, then the
// first of the table.
func (r *registry) find(text string) (*command, int) {
	for n := min(r.longest, len(text)); n > 0; n-- {
		rows := r.byFold[strings.ToLower(text[:n])]
		if len(rows) == 0 || rows[0].Needs&wholeWord != 0 && !wholeKDB(rows[0].Name, text) {
			continue
		}
		for _, c := range rows {
			if c.Name == text[:n] {
				return c, n
			}
		}
		return rows[0], n
	}
	return nil, 0
}

// each calls f with every row in the order of the tables.
func (r *registry) each(f func(*command)) {
	for _, fam := range r.families {
		for i := range fam.Commands {
			f(&fam.Commands[i])
		}
	}
}

// help writes one line a command, or the details of those whose name begins with prefix.
func (r *registry) help(out io.Writer, prefix string) error {
	if prefix == "" {
		for _, f := range r.families {
			fmt.Fprintf(out, "%s\n", f.Title)
			for _, c := range f.Commands {
				fmt.Fprintf(out, "   %-16s %s\n", c.Name, c.Help)
			}
		}
		return nil
	}
	found := false
	r.each(func(c *command) {
		if strings.HasPrefix(strings.ToLower(c.Name), strings.ToLower(prefix)) {
			found = true
			fmt.Fprintf(out, "%s\n    %s\n", c.Usage, c.Help)
		}
	})
	if !found {
		return &Error{Kind: "Couldn't resolve", Rest: prefix, Fix: ".help without an argument lists every command"}
	}
	return nil
}

// Reference is the page of all commands, those of the given systems too, in Markdown.
func Reference(of ...systems.System) string {
	var b strings.Builder
	b.WriteString("# Commands\n\nCommands run in the order of the line, separated by `;`. `*` and `$$` begin comments.\n")
	all := families()
	for _, s := range of {
		if x, ok := s.(systems.Extender); ok {
			all = append(all, family{extensionsTitle(s.Name()), extensionCommands(x)})
		}
	}
	for _, f := range all {
		fmt.Fprintf(&b, "\n## %s\n\n| Command | Usage | What it does |\n|---|---|---|\n", f.Title)
		for _, c := range f.Commands {
			fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", cell(c.Name), cell(c.Usage), cell(c.Help))
		}
	}
	return b.String()
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// names lists the command names that begin with prefix.
func (r *registry) names(prefix string) []*command {
	var out []*command
	r.each(func(c *command) {
		if strings.HasPrefix(strings.ToLower(c.Name), strings.ToLower(prefix)) {
			out = append(out, c)
		}
	})
	slices.SortStableFunc(out, func(a, b *command) int { return strings.Compare(a.Name, b.Name) })
	return out
}
