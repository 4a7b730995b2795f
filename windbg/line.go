package windbg

import (
	"strings"

	"dap-windbg/eval"
)

// statement is one command of a program text.
type statement struct {
	cmd  *command
	name string // as typed
	text string // name and arguments, without trailing blanks
	pos  int    // of text in the program
	next int    // where the rest of the program begins
}

// args is what follows the name, and where it begins in the program.
func (s statement) args() (string, int) { return s.text[len(s.name):], s.pos + len(s.name) }

// next reads the statement at pos; ok is false at the end of the text. cmd is
// nil when no command begins so.
func (r *registry) next(text string, pos int) (s statement, ok bool) {
	for pos < len(text) && strings.IndexByte(" \t\r\n;", text[pos]) >= 0 {
		pos++
	}
	if pos >= len(text) {
		return statement{pos: pos, next: pos}, false
	}
	cmd, n := r.find(text[pos:])
	var needs need
	if cmd != nil {
		needs = cmd.Needs
		if cmd.Name == "~" && threadLoop(text[pos:]) {
			needs |= rest
		}
	}
	end := extent(text, pos+n, needs)
	for needs&paths != 0 && r.pathGoesOn(text[end:]) {
		end = extent(text, end+1, needs)
	}
	s = statement{cmd: cmd, name: text[pos : pos+n], pos: pos, next: end}
	s.text = strings.TrimRight(text[pos:end], " \t\r\n")
	if len(s.text) < n {
		s.text = text[pos : pos+n]
	}
	return s, true
}

// pathGoesOn reports whether the semicolon that s begins with separates the entries of
// a path, not commands: nothing blank follows it and no dot command.
func (r *registry) pathGoesOn(s string) bool {
	if len(s) < 2 || s[0] != ';' || isSpace(s[1]) || s[1] == ';' {
		return false
	}
	if s[1] == '.' || s[1] == '!' {
		cmd, _ := r.find(s[1:])
		return cmd == nil
	}
	return true
}

// extent returns where the command that begins before pos ends.
func extent(text string, pos int, needs need) int {
	depth := 0
	for pos < len(text) {
		switch b := text[pos]; {
		case b == '"' && needs&rest == 0:
			pos = closing(text, pos)
		case b == '\'' && needs&quotes != 0:
			pos = closing(text, pos)
		case (b == '{' || b == '(') && needs&braces != 0:
			depth++
		case (b == '}' || b == ')') && needs&braces != 0:
			depth = max(0, depth-1)
		case b == '\n' && depth == 0, b == ';' && depth == 0 && needs&rest == 0:
			return pos
		}
		pos++
	}
	return min(pos, len(text))
}

// closing returns the position of the quote that closes the one at pos, or of
// the last byte of the text when none does.
func closing(text string, pos int) int {
	quote := text[pos]
	for i := pos + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			if quote == '"' {
				i++
			}
		case quote:
			return i
		case '\n':
			return i - 1
		}
	}
	return len(text) - 1
}

// threadLoop reports whether text is "~Ne ...", whose commands go to the line's end.
func threadLoop(text string) bool {
	sel, after, ok := parseSelector(text[1:])
	if !ok || sel.kind == selectAll && sel.text == "" {
		return false
	}
	tail := text[1+after:]
	return strings.HasPrefix(tail, "e") && (len(tail) == 1 || !isWord(tail[1]))
}

// selector is what follows ~ or |.
type selector struct {
	kind selectorKind
	text string // of selectNumber, selectExpr, selectID
}

type selectorKind uint8

const (
	selectAll     selectorKind = iota // "*" or nothing
	selectCurrent                     // "."
	selectEvent                       // "#"
	selectNumber                      // "3", decimal
	selectExpr                        // "[expr]"
	selectID                          // "~[tid]"
)

// parseSelector reads the part after ~ or |; n is its length. ok is false when
// a bracket is not closed.
func parseSelector(s string) (sel selector, n int, ok bool) {
	if s == "" {
		return selector{}, 0, true
	}
	kind := selectExpr
	switch b := s[0]; {
	case b == '*':
		return selector{selectAll, "*"}, 1, true
	case b == '.':
		return selector{selectCurrent, "."}, 1, true
	case b == '#':
		return selector{selectEvent, "#"}, 1, true
	case b >= '0' && b <= '9':
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		return selector{selectNumber, s[:n]}, n, true
	case strings.HasPrefix(s, "~["):
		s, n, kind = s[1:], 1, selectID
	case b != '[':
		return selector{}, 0, true
	}
	end := strings.IndexByte(s, ']')
	if end < 0 {
		return selector{}, 0, false
	}
	return selector{kind, s[1:end]}, n + end + 1, true
}

func isWord(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '_'
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }

// expressionEnd returns where the MASM expression at the start of s ends: at a
// comma, a bracket it did not open, a string, or a blank after an operand that
// no operator follows. Leading blanks belong to it.
func expressionEnd(s string) int {
	depth, operand := 0, false
	for i := 0; i < len(s); {
		b := s[i]
		if end := eval.NameTail(s, i); end > i { // template arguments hold commas and blanks
			i, operand = end, true
			continue
		}
		switch {
		case strings.HasPrefix(s[i:], `@!"`): // a symbol by its name, whatever that holds
			i = quoteEnd(s, i+len(`@!`))
			operand = true
		case isSpace(b):
			j := i
			for j < len(s) && isSpace(s[j]) {
				j++
			}
			if depth == 0 && operand && !continues(s[j:]) {
				return i
			}
			i = j
		case b == '(' || b == '[':
			depth++
			operand = false
			i++
		case b == ')' || b == ']':
			if depth == 0 {
				return i
			}
			depth--
			operand = true
			i++
		case depth == 0 && (b == ',' || b == ';' || b == '"' || b == '{' || b == '}'):
			return i
		case b == '"' || b == '\'' || b == '`':
			i = quoteEnd(s, i)
			operand = true
		case isWord(b) || strings.IndexByte("$@:.", b) >= 0:
			j := wordEnd(s, i)
			operand = !unaryWord(s[i:j])
			i = j
		default:
			operand = false
			i++
		}
	}
	return len(s)
}

// quoteEnd is the end of the quoted text at i.
func quoteEnd(s string, i int) int {
	if j := strings.IndexByte(s[i+1:], s[i]); j >= 0 {
		return i + j + 2
	}
	return len(s)
}

// wordEnd is the end of a name, number or register at i: names hold :: ! . and
// numbers a back-tick.
func wordEnd(s string, i int) int {
	j := i
	for j < len(s) {
		switch b := s[j]; {
		case isWord(b), b == '$', b == '@', b == ':', b == '.':
		case b == '!' && j+1 < len(s) && (isWord(s[j+1]) || s[j+1] == '$' || s[j+1] == '`' || s[j+1] == '~'):
		case b == '~' && j > i && (s[j-1] == ':' || s[j-1] == '!'):
		case b == '`' && j > i && isWord(s[j-1]) && j+1 < len(s) && isWord(s[j+1]):
		default:
			return j
		}
		j++
	}
	return j
}

func unaryWord(w string) bool {
	switch strings.ToLower(w) {
	case "not", "hi", "lo", "by", "wo", "dwo", "qwo", "poi", "and", "or", "xor", "mod":
		return true
	}
	return false
}

// continues reports whether s begins with a binary operator.
func continues(s string) bool {
	if s == "" {
		return false
	}
	if strings.IndexByte("+*/%<>=&|^-", s[0]) >= 0 {
		return true
	}
	if s[0] == '!' {
		return strings.HasPrefix(s, "!=")
	}
	switch strings.ToLower(s[:wordEnd(s, 0)]) {
	case "and", "or", "xor", "mod":
		return true
	}
	return false
}
