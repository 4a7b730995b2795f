package eval

import (
	"context"
	"slices"
	"strings"

	"dap-windbg/symbols"
)

// Macros is what an Env may have besides: the macros that its frame's code sees.
// Names of expressions are replaced by them before parsing, as a C preprocessor
// does it (C17, 6.10.3), with # and ## and variable arguments.
type Macros interface {
	Macro(ctx context.Context, name string) (symbols.Macro, bool)
}

// maxExpansion bounds the tokens of an expanded expression, and what is done for them.
const maxExpansion = 1 << 12

// expandMacros returns src with its macros replaced; false when it has none, or
// when they make it too long.
func expandMacros(ctx context.Context, env Env, src string) (string, bool) {
	m, ok := env.(Macros)
	if !ok {
		return src, false
	}
	x := expander{find: func(name string) (symbols.Macro, bool) { return m.Macro(ctx, name) }, left: maxExpansion}
	out := x.expand(scan(src))
	if !x.any || x.left < 0 {
		return src, false
	}
	return spelling(out), true
}

// word is a preprocessing token. A name that stood in the replacement of a macro
// of hidden is not replaced by that again.
type word struct {
	text   string
	space  bool // before it
	name   bool
	hidden []string
}

// scan splits text into preprocessing tokens. Registers (@rax), pseudo-registers
// ($t0) and names with modules (mod!name) are the debugger's and no names here.
func scan(src string) (out []word) {
	space := false
	for i := 0; i < len(src); {
		c, end := src[i], i+1
		w := word{space: space}
		space = false
		switch {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			space = true
			i++
			continue
		case c == '"' || c == '\'':
			end = literalEnd(src, i)
		case c == '@' || c == '$':
			for end < len(src) && strings.IndexByte("@$!", src[end]) >= 0 {
				end++
			}
			end = identEnd(src, end)
		case isDigit(c):
			for end < len(src) && (isIdentByte(src[end]) || src[end] == '.' || strings.IndexByte("+-", src[end]) >= 0 && strings.IndexByte("eEpP", src[end-1]) >= 0 && !strings.HasPrefix(src[i:], "0x")) {
				end++
			}
		case isIdentByte(c):
			end = identEnd(src, end)
			w.name = true
			if end+1 < len(src) && src[end] == '!' && isIdentByte(src[end+1]) {
				end, w.name = identEnd(src, end+1), false
			}
		case strings.HasPrefix(src[i:], "##"):
			end++
		}
		w.text = src[i:end]
		out = append(out, w)
		i = end
	}
	return out
}

func literalEnd(src string, i int) int {
	for k := i + 1; k < len(src); k++ {
		switch src[k] {
		case '\\':
			k++
		case src[i]:
			return k + 1
		}
	}
	return len(src)
}

// spelling writes tokens with the spaces they had.
func spelling(words []word) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 && w.space {
			b.WriteByte(' ')
		}
		b.WriteString(w.text)
	}
	return b.String()
}

// expander replaces macros.
type expander struct {
	find func(name string) (symbols.Macro, bool)
	any  bool // something was replaced
	left int
}

// expand replaces the macros in in, and in what comes of them.
func (x *expander) expand(in []word) (out []word) {
	for len(in) > 0 {
		w := in[0]
		in = in[1:]
		if x.left--; x.left < 0 {
			return nil
		}
		m, ok := x.macro(w)
		if !ok {
			out = append(out, w)
			continue
		}
		var args [][]word
		rest := in
		if m.Function {
			if args, rest, ok = arguments(in, m); !ok {
				out = append(out, w)
				continue
			}
		}
		x.any = true
		body := x.substitute(m, args)
		hidden := append(slices.Clone(w.hidden), m.Name)
		for i := range body {
			body[i].hidden = append(slices.Clone(body[i].hidden), hidden...)
		}
		if len(body) > 0 {
			body[0].space = true // tokens of different origin do not join
		}
		if len(rest) > 0 {
			rest = slices.Clone(rest)
			rest[0].space = true
		}
		if x.left -= len(body); x.left < 0 {
			return nil
		}
		in = append(body, rest...)
	}
	return out
}

// own are names that the evaluator knows better than a header.
var own = []string{"true", "false", "nullptr", "sizeof"}

func (x *expander) macro(w word) (symbols.Macro, bool) {
	if !w.name || slices.Contains(w.hidden, w.text) || slices.Contains(own, w.text) {
		return symbols.Macro{}, false
	}
	m, ok := x.find(w.text)
	if m.Text == "__null" { // g++'s NULL
		m.Text = "0"
	}
	return m, ok
}

// arguments splits what follows a macro's name; false when it is no call of m.
func arguments(in []word, m symbols.Macro) (args [][]word, rest []word, ok bool) {
	if len(in) == 0 || in[0].text != "(" {
		return nil, nil, false
	}
	depth := 0
	var arg []word
	for i, w := range in {
		switch w.text {
		case "(":
			if depth++; depth == 1 {
				continue
			}
		case ")":
			if depth--; depth == 0 {
				if args = append(args, arg); len(m.Params) == 0 && len(arg) == 0 {
					args = nil
				}
				return args, in[i+1:], fits(args, m)
			}
		case ",":
			if last := len(args) == len(m.Params)-1; depth == 1 && !(last && variadic(m)) {
				args, arg = append(args, arg), nil
				continue
			}
		}
		arg = append(arg, w)
	}
	return nil, nil, false
}

// variadic macros end in "..." or, as GNU has it, in a name with it.
func variadic(m symbols.Macro) bool {
	return len(m.Params) > 0 && strings.HasSuffix(m.Params[len(m.Params)-1], "...")
}

func fits(args [][]word, m symbols.Macro) bool {
	return len(args) == len(m.Params) || variadic(m) && len(args) == len(m.Params)-1
}

// substitute puts the arguments into the replacement.
func (x *expander) substitute(m symbols.Macro, args [][]word) (out []word) {
	body := scan(m.Text)
	arg := func(w word) ([]word, bool) {
		for i, p := range m.Params {
			name := strings.TrimSuffix(p, "...")
			if name == "" {
				name = "__VA_ARGS__"
			}
			if w.name && w.text == name {
				if i < len(args) {
					return args[i], true
				}
				return nil, true
			}
		}
		return nil, false
	}
	for i := 0; i < len(body) && x.left > 0; i++ {
		w := body[i]
		pasted := i+1 < len(body) && body[i+1].text == "##"
		switch {
		case w.text == "##" && i > 0 && i+1 < len(body):
			i++
			next, isArg := arg(body[i])
			if !isArg {
				next = []word{body[i]}
			}
			out = paste(out, next)
		case m.Function && w.text == "#" && i+1 < len(body):
			if a, ok := arg(body[i+1]); ok {
				i++
				out = append(out, word{text: stringized(spelling(a)), space: w.space})
				continue
			}
			out = append(out, w)
		default:
			a, isArg := arg(w)
			switch {
			case !isArg:
				a = []word{w}
			case !pasted:
				a = x.expand(slices.Clone(a))
			}
			a = slices.Clone(a)
			if len(a) > 0 {
				a[0].space = w.space
			}
			x.left -= len(a)
			out = append(out, a...)
		}
	}
	return out
}

// paste joins the last token of left and the first of right.
func paste(left, right []word) []word {
	if len(left) == 0 || len(right) == 0 {
		return append(left, right...)
	}
	l := left[len(left)-1]
	joined := scan(l.text + right[0].text)
	if len(joined) > 0 {
		joined[0].space = l.space
	}
	return append(append(slices.Clone(left[:len(left)-1]), joined...), right[1:]...)
}

func stringized(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
