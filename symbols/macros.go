package symbols

import "iter"

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
	n := 0
	for n < len(def) && def[n] != ' ' && def[n] != '(' {
		n++
	}
	m := Macro{Name: def[:n]}
	rest := def[n:]
	if m.Name == "" {
		return m, false
	}
	if rest != "" && rest[0] == '(' {
		m.Function = true
		word := ""
		for i := 1; ; i++ {
			if i >= len(rest) {
				return m, false
			}
			switch c := rest[i]; c {
			case ' ', '\t':
				continue
			case ',', ')':
				if word != "" {
					m.Params = append(m.Params, word)
				}
				word = ""
				if c == ',' {
					continue
				}
			default:
				word += string(c)
				continue
			}
			rest = rest[i+1:]
			break
		}
	}
	for rest != "" && (rest[0] == ' ' || rest[0] == '\t') {
		rest = rest[1:]
	}
	m.Text = rest
	return m, true
}
