package symbols

import (
	"iter"
	"strings"
)

// Macro is a definition of the C preprocessor.
type Macro struct {
	Name     string
	Function bool     // takes arguments, maybe none
	Params   []string // "..." last when it is variadic; "args..." names the rest (GNU)
	Text     string   // what replaces it
	Decl     Line     // File "" for predefined ones and those of the command line
}

// Macros tells the macros that code sees. An Image that was compiled with them
// (-g3, -fdebug-macro) has it.
type Macros interface {
	// Macro finds the definition that is in force on the source line of the code at off.
	Macro(off Offset, name string) (Macro, bool)
	// MacrosAt yields all that are, in the order of their definition.
	MacrosAt(off Offset) iter.Seq[Macro]
}

// ParseMacro takes a definition apart as debug information writes it: "NAME text"
// or "NAME(a,b) text". False when it is none.
func ParseMacro(def string) (Macro, bool) {
	n := strings.IndexAny(def, " (")
	if n < 0 {
		n = len(def)
	}
	m, rest := Macro{Name: def[:n]}, def[n:]
	if m.Name == "" {
		return m, false
	}
	if strings.HasPrefix(rest, "(") {
		params, text, closed := strings.Cut(rest[1:], ")")
		if !closed {
			return m, false
		}
		m.Function, rest = true, text
		for p := range strings.SplitSeq(params, ",") {
			if p = strings.Trim(p, " \t"); p != "" {
				m.Params = append(m.Params, p)
			}
		}
	}
	m.Text = strings.TrimLeft(rest, " \t")
	return m, true
}
