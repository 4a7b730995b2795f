package eval

import "strings"

// Names of C++ that hold what are operators elsewhere: template arguments, the
// operators' own names, the anonymous namespace.

const anonymous = "(anonymous namespace)"

// NameTail is where the part of a symbol's name ends that begins at i of s with a
// character names do not have otherwise: template arguments, what follows the word
// operator, "(anonymous namespace)". It is i when there is no such part.
func NameTail(s string, i int) int {
	switch {
	case i > 0 && i < len(s) && s[i] == '<' && isIdentByte(s[i-1]):
		if word := lastWord(s[:i]); word == "operator" {
			return operatorTail(s, i)
		} else if word != "" {
			return templateTail(s, i)
		}
	case i > 0 && i < len(s) && lastWord(s[:i]) == "operator":
		return operatorTail(s, i)
	case strings.HasPrefix(s[i:], anonymous+"::") && (i == 0 || s[i-1] == '!' || s[i-1] == ':' || s[i-1] == ' '):
		return i + len(anonymous)
	}
	return i
}

// lastWord is the name that s ends with; "" for a number, a register, or none.
func lastWord(s string) string {
	i := len(s)
	for i > 0 && isIdentByte(s[i-1]) {
		i--
	}
	if i == len(s) || isDigit(s[i]) || i > 0 && (s[i-1] == '@' || s[i-1] == '$') {
		return ""
	}
	return s[i:]
}

// operatorTail is where the operator at i ends.
func operatorTail(s string, i int) int {
	for _, op := range []string{"()", "[]", "<=>", ">>=", ">>", ">="} {
		if strings.HasPrefix(s[i:], op) {
			return i + len(op)
		}
	}
	for _, op := range cppOps {
		if strings.HasPrefix(s[i:], op) && strings.IndexByte("()[]{}?:.,", op[0]) < 0 {
			return i + len(op)
		}
	}
	return i
}

// templateTail is where the template arguments at i end: they are balanced, hold
// nothing but types and constants, and no operand follows them.
func templateTail(s string, i int) int {
	var open []byte
	for j := i; j < len(s); j++ {
		switch c := s[j]; {
		case c == '<' || c == '(' || c == '[':
			open = append(open, c)
		case c == '>' || c == ')' || c == ']':
			want := map[byte]byte{'>': '<', ')': '(', ']': '['}[c]
			if open[len(open)-1] != want {
				return i
			}
			if open = open[:len(open)-1]; len(open) > 0 {
				continue
			}
			if j+1 < len(s) && (isIdentByte(s[j+1]) || strings.IndexByte("@$'`=>", s[j+1]) >= 0) || j == i+1 {
				return i
			}
			return j + 1
		case isIdentByte(c), strings.IndexByte(":, *&-'", c) >= 0:
		default:
			return i
		}
	}
	return i
}

// TemplateSpellings are the ways in which compilers and demanglers write a name with
// template arguments, the one as typed first.
func TemplateSpellings(name string) []string {
	out := []string{name}
	if strings.IndexByte(name, '<') < 0 {
		return out
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c == ' ' && (b.Len() == 0 || strings.HasSuffix(b.String(), " ") || strings.HasSuffix(b.String(), "<") || i+1 < len(name) && strings.IndexByte(",>*&", name[i+1]) >= 0):
		case c == ',':
			b.WriteString(", ")
		default:
			b.WriteByte(c)
		}
	}
	joined := b.String()
	apart := joined
	for strings.Contains(apart, ">>") && !strings.Contains(apart, "operator>>") {
		apart = strings.ReplaceAll(apart, ">>", "> >")
	}
	for _, s := range []string{apart, joined} {
		if s != out[len(out)-1] && s != name {
			out = append(out, s)
		}
	}
	return out
}
