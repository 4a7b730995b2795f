package natvis

import "strings"

// typeName is a type name in parts: "std::map<int, A<*> >::node" is
// {"std::map", [int, A<*>]}, {"::node", nil}. Go's "map[string]int" and Rust's
// "&[i32]" have lists in square brackets.
type typeName []namePart

type namePart struct {
	text   string // without the inline namespaces that a pattern need not spell
	raw    string
	args   []typeName
	open   bool // has an argument list
	square bool // in square brackets
}

func newPart(s string) namePart {
	s = squeeze(s)
	text := inlineNames.Replace(s)
	if digits := strings.TrimRight(s, "uUlL"); digits != s && strings.Trim(digits, "-0123456789") == "" {
		text = digits // clang writes 50UL where g++ has 50
	}
	return namePart{text: text, raw: s}
}

var inlineNames = strings.NewReplacer("std::__cxx11::", "std::", "::__cxx11::", "::")

// parseName splits a type name; text it cannot split stays whole.
func parseName(s string) typeName {
	n, rest, ok := splitName(strings.TrimSpace(s), 0, 0)
	if rest != "" || !ok {
		return typeName{newPart(s)}
	}
	return n
}

// splitName reads up to "," or the bracket end on its own level; ok false when a
// list does not end.
func splitName(s string, depth int, end byte) (n typeName, rest string, ok bool) {
	var out typeName
	round := 0
	start := 0
	flush := func(i int) {
		if p := newPart(s[start:i]); p.text != "" {
			out = append(out, p)
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '(' || c == '{':
			round++
		case c == ')' || c == '}':
			round--
		case round > 0:
		case c == ',' || c == '>' || c == ']':
			if c == '>' && i > 0 && s[i-1] == '-' {
				continue
			}
			flush(i)
			return out, s[i:], c == ',' || c == end
		case (c == '<' || c == '[') && depth < maxDepth && !strings.HasSuffix(s[:i], "operator"):
			part := newPart(s[start:i])
			part.open, part.square = true, c == '['
			last := byte('>')
			if part.square {
				last = ']'
			}
			rest := s[i:]
			for rest != "" && rest[0] != last {
				var arg typeName
				if arg, rest, ok = splitName(rest[1:], depth+1, last); !ok {
					return out, "", false
				}
				if len(arg) > 0 {
					part.args = append(part.args, arg)
				}
			}
			out = append(out, part)
			if rest == "" {
				return out, "", false
			}
			s, i, start = rest[1:], -1, 0
		}
	}
	flush(len(s))
	return out, "", depth == 0
}

// squeeze removes the blanks that spelling does not depend on.
func squeeze(s string) string {
	f := strings.Fields(s)
	var b strings.Builder
	for i, w := range f {
		if i > 0 {
			if before := f[i-1][len(f[i-1])-1]; isWord(before) && isWord(w[0]) || before == '-' && w[0] == '>' {
				b.WriteByte(' ')
			}
		}
		b.WriteString(w)
	}
	return b.String()
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func (n typeName) String() string {
	var b strings.Builder
	for _, p := range n {
		b.WriteString(p.raw)
		if !p.open {
			continue
		}
		if p.square {
			b.WriteByte('[')
		} else {
			b.WriteByte('<')
		}
		for i, a := range p.args {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(a.String())
		}
		switch {
		case p.square:
			b.WriteByte(']')
		case strings.HasSuffix(b.String(), ">"), strings.HasSuffix(b.String(), "-"): // else it would read as another operator
			b.WriteString(" >")
		default:
			b.WriteByte('>')
		}
	}
	return b.String()
}

func (n typeName) wild() bool { return len(n) == 1 && n[0].wild() }

func (p namePart) wild() bool { return p.text == "*" && !p.open }

// match compares a pattern with a type's name. The wildcards' matches are
// appended to args in order; a last "*" takes all arguments that are left, and
// one behind square brackets the rest of the name.
func (n typeName) match(t typeName, args *[]typeName) bool {
	tail := len(n) > 1 && n[len(n)-1].wild() && n[len(n)-2].square
	if len(n) != len(t) && !(tail && len(t) > len(n)) {
		return false
	}
	for i, p := range n {
		if tail && i == len(n)-1 {
			*args = append(*args, t[i:])
			return true
		}
		q := t[i]
		if p.text != q.text || p.open != q.open || p.square != q.square {
			return false
		}
		for j, a := range p.args {
			last := j == len(p.args)-1
			switch {
			case a.wild() && last && !p.square && len(q.args) >= len(p.args):
				*args = append(*args, q.args[j:]...)
				return matchRest(n[i+1:], t[i+1:], args)
			case j >= len(q.args):
				return false
			case a.wild():
				*args = append(*args, q.args[j])
			case !a.match(q.args[j], args):
				return false
			}
		}
		if len(p.args) != len(q.args) {
			return false
		}
	}
	return true
}

func matchRest(n, t typeName, args *[]typeName) bool { return n.match(t, args) }

// weight orders patterns: the more they spell out, the closer they fit.
func (n typeName) weight() int {
	w := 0
	for _, p := range n {
		if p.text != "*" {
			w += len(p.text) + 1
		}
		for _, a := range p.args {
			w += a.weight() + 1
		}
	}
	return w
}

func spelled(names []typeName) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = n.String()
	}
	return out
}
