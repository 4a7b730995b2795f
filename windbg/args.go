package windbg

import (
	"context"
	"errors"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

// skip drops blanks and at most one comma before the next argument.
func (c *call) skip() {
	c.drop(len(c.line) - len(strings.TrimLeft(c.line, " \t\r\n")))
	if strings.HasPrefix(c.line, ",") {
		c.drop(1)
		c.drop(len(c.line) - len(strings.TrimLeft(c.line, " \t\r\n")))
	}
}

// drop takes n bytes and returns them.
func (c *call) drop(n int) string {
	s := c.line[:n]
	c.line, c.base = c.line[n:], c.base+n
	return s
}

// more reports whether arguments are left.
func (c *call) more() bool { c.skip(); return c.line != "" }

// all takes what is left, without surrounding blanks.
func (c *call) all() string {
	c.skip()
	return strings.TrimSpace(c.drop(len(c.line)))
}

// word takes the next argument up to a blank or comma.
func (c *call) word() string {
	c.skip()
	n := strings.IndexAny(c.line, " \t\r\n,")
	if n < 0 {
		n = len(c.line)
	}
	return c.drop(n)
}

// letters takes option letters written at once after the name, as of "kpL".
func (c *call) letters(set string) string {
	n := 0
	for n < len(c.line) && strings.IndexByte(set, c.line[n]) >= 0 {
		n++
	}
	if n < len(c.line) && (isWord(c.line[n]) || c.line[n] == '!') {
		return ""
	}
	return c.drop(n)
}

// option takes an argument that begins with one of the marks, without it; ok is
// false when the next argument is none.
func (c *call) option(marks string) (string, bool) {
	c.skip()
	if len(c.line) < 2 || strings.IndexByte(marks, c.line[0]) < 0 || isSpace(c.line[1]) {
		return "", false
	}
	return c.word()[1:], true
}

// flags takes options of the words in known; any other is an error.
func (c *call) flags(marks, known string) (map[string]bool, error) {
	set := map[string]bool{}
	for {
		o, ok := c.option(marks)
		if !ok {
			return set, nil
		}
		if !slices.Contains(strings.Fields(known), o) {
			return nil, c.syntax(-len(o) - 1)
		}
		set[o] = true
	}
}

// quoted takes a "string" with C escapes.
func (c *call) quoted() (string, bool) {
	c.skip()
	if !strings.HasPrefix(c.line, `"`) {
		return "", false
	}
	end := closing(c.line, 0)
	raw := c.drop(end + 1)
	if len(raw) > 1 && raw[len(raw)-1] == '"' {
		raw = raw[:len(raw)-1]
	}
	return unescape(raw[1:]), true
}

// unescape reads \n \t \" \\ and keeps any other backslash.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t", `\r`, "\r", `\"`, `"`).Replace(s)
}

// end is an error when arguments are left.
func (c *call) end() error {
	if c.more() {
		return c.caret("Extra character", 0)
	}
	return nil
}

// expression takes the text of the next MASM expression, "" when there is none.
func (c *call) expression() string {
	c.skip()
	return strings.TrimSpace(c.drop(expressionEnd(c.line)))
}

// value evaluates src in the default evaluator.
func (c *call) value(ctx context.Context, src string) (uint64, error) {
	return c.valueIn(ctx, src, c.i.options())
}

func (c *call) valueIn(ctx context.Context, src string, o eval.Options) (n uint64, err error) {
	if strings.TrimSpace(src) == "" {
		return 0, fail("Numeric expression missing from '<EOL>'")
	}
	if n, ok := plainNumber(src, o); ok {
		return n, nil
	}
	err = c.do(ctx, func(ctx context.Context, v *engine.View) error {
		n, err = evaluate(ctx, v, src, o)
		return err
	})
	return n, expressionError(src, err)
}

// evaluate is the integer value of src in the selected frame. What is too large for
// an integer (an array, a function) is its address.
func evaluate(ctx context.Context, v *engine.View, src string, o eval.Options) (uint64, error) {
	val, err := v.Eval(ctx, nil, src, o)
	if err != nil {
		return 0, err
	}
	n, err := eval.Int(ctx, v.Env(nil), val)
	if err != nil && val.Place == eval.InMemory && (val.Type == nil || val.Type.ByteSize() > 8 || val.Type.IsComposite()) {
		return uint64(val.Addr), nil
	}
	return n, err
}

// plainNumber reads digits alone, so that commands over numbers work without a debuggee.
func plainNumber(s string, o eval.Options) (uint64, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	radix := uint64(o.Radix)
	if o.Dialect == eval.CPP || radix == 0 {
		radix = 10
	}
	if p, ok := strings.CutPrefix(s, "0x"); ok {
		s, radix = p, 16
	} else if p, ok := strings.CutPrefix(s, "0n"); ok && o.Dialect == eval.MASM {
		s, radix = p, 10
	} else if s == "" || s[0] < '0' || s[0] > '9' || o.Dialect == eval.CPP && len(s) > 1 && s[0] == '0' {
		return 0, false // letters may be a name first
	}
	if s == "" || len(s) > 20 {
		return 0, false
	}
	var n uint64
	for k := 0; k < len(s); k++ {
		d := uint64(99)
		switch b := s[k]; {
		case b >= '0' && b <= '9':
			d = uint64(b - '0')
		case b >= 'a' && b <= 'f':
			d = uint64(b-'a') + 10
		}
		if d >= radix || n > (1<<64-1-d)/radix {
			return 0, false
		}
		n = n*radix + d
	}
	return n, true
}

// address takes the next argument as an address; missing is an error.
func (c *call) address(ctx context.Context) (arch.Addr, error) {
	at := c.base
	src := c.expression()
	if src == "" {
		return 0, &Error{Kind: "Syntax", Command: c.text, Pos: at}
	}
	n, err := c.value(ctx, src)
	if err == nil {
		c.misread(ctx, src)
	}
	return arch.Addr(n), err
}

// misread tells of the function whose name was taken for a number, as in "u add".
func (c *call) misread(ctx context.Context, src string) {
	if c.i.cpp || c.i.radix != 16 || src == "" || src[0] <= '9' || strings.Trim(src, "0123456789abcdefABCDEF") != "" {
		return
	}
	_ = c.inspect(ctx, func(ctx context.Context, v *engine.View) error { // a hint only
		return v.Symbols(ctx, src, func(l engine.Location) bool {
			if l.Symbol.Kind != symbols.Function || l.Symbol.Name != src || l.Module == nil {
				return true
			}
			c.printf("%s is read as the number 0x%s; the function is @!\"%s\" or %s!%s\n", src, strings.ToLower(src), src, l.Module.Name, src)
			return false
		})
	})
}

// number takes the next argument as a number, or def when none is left.
func (c *call) number(ctx context.Context, def uint64) (uint64, error) {
	if !c.more() {
		return def, nil
	}
	src := c.expression()
	if src == "" {
		return 0, c.syntax(0)
	}
	return c.value(ctx, src)
}

// lastNumber is number, where nothing may follow.
func (c *call) lastNumber(ctx context.Context, def uint64) (uint64, error) {
	n, err := c.number(ctx, def)
	if err == nil {
		err = c.end()
	}
	return n, err
}

// span is a range argument of n objects.
type span struct {
	start  arch.Addr
	bytes  uint64 // 0: the command's default
	given  bool   // an address was typed
	length bool   // so was the extent
}

// maxSpan is how far a range reaches without L?.
const maxSpan = 256 << 20

// span takes a range of objects of size bytes: "start", "start end", "start Ln",
// "start L-n", "start L?n". next is where a display goes on without an address.
func (c *call) span(ctx context.Context, size uint64, next arch.Addr) (span, error) {
	r := span{start: next}
	if !c.more() {
		return r, nil
	}
	if c.line[0] != 'L' && c.line[0] != 'l' || !isLength(c.line) {
		a, err := c.address(ctx)
		if err != nil {
			return r, err
		}
		r.start, r.given = a, true
	}
	if !c.more() || c.line[0] == '"' || c.line[0] == '\'' {
		return r, nil
	}
	at := c.base
	if !isLength(c.line) {
		end, err := c.address(ctx)
		if err != nil {
			return r, err
		}
		if end < r.start {
			return r, &Error{Kind: "Range", Command: c.text, Pos: at}
		}
		r.bytes, r.length = uint64(end-r.start)+1, true
		return r.within(c, at, false)
	}
	c.drop(1)
	unlimited, back := false, false
	if strings.HasPrefix(c.line, "?") {
		c.drop(1)
		unlimited = true
	}
	if strings.HasPrefix(c.line, "-") {
		c.drop(1)
		back = true
	}
	n, err := c.number(ctx, 0)
	if err != nil {
		return r, err
	}
	if size > 0 && n > (1<<62)/size {
		return r, &Error{Kind: "Range", Command: c.text, Pos: at}
	}
	r.bytes, r.length = n*size, true
	if back {
		r.start -= arch.Addr(r.bytes)
	}
	return r.within(c, at, unlimited)
}

func (r span) within(c *call, at int, unlimited bool) (span, error) {
	if r.bytes > maxSpan && !unlimited || r.bytes > 1<<40 {
		return r, &Error{Kind: "Range", Command: c.text, Pos: at, Fix: "L?n lifts the limit of 256 MB"}
	}
	return r, nil
}

// isLength reports whether s begins with L and a count, not with a name.
func isLength(s string) bool {
	if s == "" || s[0] != 'L' && s[0] != 'l' {
		return false
	}
	t := strings.TrimLeft(s[1:], " \t")
	if t == "" {
		return false
	}
	word := s[:wordEnd(s, 0)]
	if len(word) == 1 {
		return strings.IndexByte("?-@($", t[0]) >= 0 || isWord(t[0])
	}
	if strings.ContainsAny(word, "!:_") {
		return false
	}
	if strings.IndexByte("@$", word[1]) >= 0 {
		return true
	}
	_, ok := plainNumber("0x0"+strings.ReplaceAll(strings.TrimPrefix(strings.ToLower(word[1:]), "0x"), "`", ""), eval.Options{})
	return ok || strings.HasPrefix(word[1:], "0n")
}

// asError finds one of type T in err's chain.
func asError[T error](err error) (T, bool) {
	var t T
	ok := errors.As(err, &t)
	return t, ok
}
