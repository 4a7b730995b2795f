package eval

import (
	"context"
	"math"
	"strconv"
	"strings"
)

// masmNode is a construct of MASM; every value is a ULONG64.
type masmNode interface {
	value(ev *evaluator) (uint64, error)
}

// masmExpr is a parsed MASM expression.
type masmExpr struct {
	src    string
	root   masmNode
	writes bool
}

func (e *masmExpr) String() string { return e.src }
func (e *masmExpr) Effects() bool  { return e.writes }

func (e *masmExpr) Eval(ctx context.Context, env Env) (Value, error) {
	ev := newEvaluator(ctx, env)
	n, err := e.root.value(ev)
	if err != nil {
		return Value{}, err
	}
	return ev.rvalue(number{t: ev.l.named("unsigned __int64"), lo: n})
}

// masmParser reads a MASM expression straight from the text: what a run of
// letters is depends on where it stands.
type masmParser struct {
	src    string
	i      int
	radix  int
	depth  int
	prefix bool
	writes bool
}

func parseMASM(src string, o Options, prefix bool) (Expr, int, error) {
	p := &masmParser{src: src, radix: o.Radix, prefix: prefix}
	switch p.radix {
	case 8, 10, 16:
	default:
		p.radix = 16
	}
	root, err := p.expr(0)
	if err != nil {
		return nil, 0, err
	}
	used := p.i
	if !prefix {
		p.blanks()
		if p.i < len(src) {
			return nil, 0, p.fail("Extra character")
		}
	}
	return &masmExpr{src: src[:used], root: root, writes: p.writes}, used, nil
}

func (p *masmParser) fail(msg string) error { return p.failAt(p.i, msg) }

func (p *masmParser) failAt(pos int, msg string) error {
	return &SyntaxError{Pos: pos, Text: p.src, Msg: msg}
}

func (p *masmParser) blanks() {
	for p.i < len(p.src) && (p.src[p.i] == ' ' || p.src[p.i] == '\t') {
		p.i++
	}
}

// masmOps lists infix operators, longest first, with their binding.
var masmOps = []struct {
	text  string
	power int
}{
	{"or", 1}, {"|", 1}, {"xor", 2}, {"^", 2}, {"and", 3}, {"&", 3},
	{">>>", 5}, {">>", 5}, {"<<", 5}, {"==", 4}, {"<=", 4}, {">=", 4}, {"!=", 4}, {"=", 4}, {"<", 4}, {">", 4},
	{"+", 6}, {"-", 6}, {"*", 7}, {"/", 7}, {"mod", 7}, {"%", 7},
}

// infix finds the operator at hand, behind blanks. Where a command's arguments
// follow, " -2" is the next argument and " - 2" goes on.
func (p *masmParser) infix() (op string, power, end int) {
	start := p.i
	p.blanks()
	at := p.i
	p.i = start
	for _, o := range masmOps {
		end := at + len(o.text)
		if end > len(p.src) || !strings.EqualFold(p.src[at:end], o.text) {
			continue
		}
		word := isIdentByte(o.text[0])
		if word && (at == start && at > 0 && isIdentByte(p.src[at-1]) || end < len(p.src) && isIdentByte(p.src[end])) {
			continue
		}
		blank := end < len(p.src) && (p.src[end] == ' ' || p.src[end] == '\t')
		if p.prefix && p.depth == 1 && at > start && !blank && (!word || end >= len(p.src) || p.src[end] != '(') {
			return "", 0, start
		}
		return o.text, o.power, end
	}
	return "", 0, start
}

func (p *masmParser) expr(least int) (masmNode, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail("Overflow")
	}
	defer func() { p.depth-- }()
	x, err := p.unary()
	for err == nil {
		op, power, end := p.infix()
		if power <= least {
			return x, nil
		}
		p.i = end
		p.depth-- // operands of one argument are on its level
		var y masmNode
		y, err = p.expr(power)
		p.depth++
		x = &masmBinary{op, x, y}
	}
	return nil, err
}

// masmUnary lists the operators that are words, with the bytes they read.
var masmUnary = map[string]int{"not": 0, "hi": 0, "lo": 0, "by": 1, "wo": 2, "dwo": 4, "qwo": 8, "poi": -1,
	"$pby": 1, "$pwo": 2, "$pdwo": 4, "$pqwo": 8, "$ppoi": -1}

func (p *masmParser) unary() (masmNode, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail("Overflow")
	}
	defer func() { p.depth-- }()
	p.blanks()
	if p.i < len(p.src) && (p.src[p.i] == '+' || p.src[p.i] == '-') {
		op := p.src[p.i : p.i+1]
		p.i++
		x, err := p.unary()
		return &masmOp{op: op, x: x}, err
	}
	end := identEnd(p.src, p.i)
	word := strings.ToLower(p.src[p.i:end])
	size, ok := masmUnary[word]
	if !ok || !p.operandAt(end) {
		return p.primary()
	}
	p.i = end
	x, err := p.unary()
	if err != nil {
		return nil, err
	}
	if size == 0 {
		return &masmOp{op: word, x: x}, nil
	}
	at := p.i
	if at > 0 && p.src[at-1] == ')' {
		at--
	}
	return &masmRead{size: size, physical: word[0] == '$', x: x, rest: p.src[at:]}, nil
}

// operandAt reports whether an operand can begin behind a word at i.
func (p *masmParser) operandAt(i int) bool {
	j := i
	for j < len(p.src) && p.src[j] == ' ' {
		j++
	}
	if j >= len(p.src) {
		return false
	}
	c := p.src[j]
	return strings.IndexByte("(@$.`'", c) >= 0 || j > i && (isIdentByte(c) || c == '-' || c == '!')
}

func (p *masmParser) primary() (masmNode, error) {
	if p.i >= len(p.src) {
		return nil, p.fail(MissingOperand)
	}
	switch c := p.src[p.i]; {
	case c == '(':
		p.i++
		x, err := p.expr(0)
		if err != nil {
			return nil, err
		}
		p.blanks()
		if p.i >= len(p.src) || p.src[p.i] != ')' {
			return nil, p.fail("Syntax")
		}
		p.i++
		return x, nil
	case c == '@' || c == '$':
		return p.at()
	case c == '`':
		return p.sourceLine()
	case c == '\'':
		return p.char()
	case c == '!' && p.i+1 < len(p.src) && isIdentStart(p.src, p.i+1):
		p.i++
		return p.symbol(), nil
	case c == '.' && (p.i+1 >= len(p.src) || !isIdentByte(p.src[p.i+1])):
		p.i++
		return &masmReg{name: "ip", pseudo: true}, nil
	case isDigit(c):
		return p.number()
	case isIdentByte(c) || strings.HasPrefix(p.src[p.i:], "::"):
		if n, ok, err := p.hexWord(); ok || err != nil {
			return n, err
		}
		return p.symbol(), nil
	case c == ')' || c == ',' || c == ';':
		return nil, p.fail(MissingOperand)
	}
	return nil, p.fail("Syntax")
}

// hexWord takes a name that is a hex number as the number it is.
func (p *masmParser) hexWord() (masmNode, bool, error) {
	if p.radix != 16 {
		return nil, false, nil
	}
	end := p.i
	for end < len(p.src) && (isHex(p.src[end]) || p.src[end] == '`') {
		end++
	}
	digits := end
	if end < len(p.src) && p.src[end]|0x20 == 'h' {
		end++
	}
	if digits == p.i || end < len(p.src) && (isIdentByte(p.src[end]) || p.src[end] == '!' || strings.HasPrefix(p.src[end:], "::")) {
		return nil, false, nil
	}
	n, err := p.digits(p.src[p.i:digits], 16, p.i)
	if err == nil {
		p.i = end
	}
	return n, true, err
}

func isHex(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

// number reads a literal that begins with a digit.
func (p *masmParser) number() (masmNode, error) {
	start := p.i
	end := start
	for end < len(p.src) && (isIdentByte(p.src[end]) && p.src[end] != '$' || p.src[end] == '`') {
		end++
	}
	text := p.src[start:end]
	base := p.radix
	switch {
	case len(text) > 1 && text[0] == '0' && strings.IndexByte("xnty", text[1]|0x20) >= 0:
		base = map[byte]int{'x': 16, 'n': 10, 't': 8, 'y': 2}[text[1]|0x20]
		text = text[2:]
	case len(text) > 1 && text[len(text)-1]|0x20 == 'h':
		base, text = 16, text[:len(text)-1]
	}
	n, err := p.digits(text, base, start)
	if err == nil {
		p.i = end
	}
	return n, err
}

// digits makes a literal; no digits are 0. Eight hex digits without back-tick
// are sign-extended on a 32-bit target.
func (p *masmParser) digits(text string, base, pos int) (masmNode, error) {
	tick := strings.IndexByte(text, '`') >= 0
	text = strings.ReplaceAll(text, "`", "")
	if text == "" {
		return &masmNumber{}, nil
	}
	v, err := strconv.ParseUint(text, base, 64)
	if err != nil {
		if ne, ok := err.(*strconv.NumError); ok && ne.Err == strconv.ErrRange {
			return nil, p.failAt(pos, "Overflow")
		}
		return nil, p.failAt(pos, "Syntax")
	}
	return &masmNumber{v: v, extend: !tick && v > math.MaxInt32 && v <= math.MaxUint32}, nil
}

func (p *masmParser) char() (masmNode, error) {
	end := quoteEnd(p.src, p.i)
	if end < 0 {
		return nil, p.fail("Syntax")
	}
	text := p.src[p.i+1 : end-1]
	if text == "" || len(text) > 8 {
		return nil, p.fail("Syntax")
	}
	var v uint64
	for i := range len(text) {
		v = v<<8 | uint64(text[i])
	}
	p.i = end
	return &masmNumber{v: v}, nil
}

// symbol reads a name: letters, "::", one "!" and what operators of C++ leave out.
func (p *masmParser) symbol() masmNode {
	start := p.i
	for p.i < len(p.src) {
		c := p.src[p.i]
		switch {
		case isIdentByte(c) || c == '?':
			p.i++
		case strings.HasPrefix(p.src[p.i:], "::"):
			p.i += 2
			if p.i < len(p.src) && p.src[p.i] == '~' {
				p.i++
			}
		case c == '!' && !strings.HasPrefix(p.src[p.i:], "!="):
			p.i++
		case NameTail(p.src, p.i) > p.i && p.i >= start:
			p.i = NameTail(p.src, p.i)
		default:
			return &masmSymbol{name: p.src[start:p.i], rest: p.src[start:]}
		}
	}
	return &masmSymbol{name: p.src[start:], rest: p.src[start:]}
}

// at reads what begins with @ or $.
func (p *masmParser) at() (masmNode, error) {
	start := p.i
	if strings.HasPrefix(p.src[p.i:], `@!"`) {
		end := strings.IndexByte(p.src[p.i+3:], '"')
		if end < 0 {
			return nil, p.fail("Syntax")
		}
		end += p.i + 3
		p.i = end + 1
		return &masmSymbol{name: p.src[start+3 : end], literal: true, rest: p.src[start:]}, nil
	}
	if word := p.src[p.i:identEnd(p.src, p.i+1)]; word[0] == '$' && strings.HasPrefix(p.src[p.i+len(word):], "(") {
		p.i += len(word) + 1
		return p.call(strings.ToLower(word), start)
	}
	t := lexAt(p.src, p.i)
	switch t.kind {
	case tSwitch:
		p.i = t.end
		o := Options{Radix: p.radix}
		if t.masm && strings.HasPrefix(p.src[start:], "@@masm(") {
			o.Dialect = MASM
		}
		e, err := Parse(t.text, o)
		if err != nil {
			return nil, err
		}
		p.writes = p.writes || e.Effects()
		return &masmSwitch{e}, nil
	case tReg, tPseudo:
		p.i = t.end
		return &masmReg{name: t.text, pseudo: t.kind == tPseudo}, nil
	case tIdent:
		p.i = t.end
		return &masmLocal{name: t.text[2:], rest: p.src[start:]}, nil
	}
	return nil, p.fail("Bad register")
}

// sourceLine reads `mod!file.c:123`; every part but the back-ticks is optional.
func (p *masmParser) sourceLine() (masmNode, error) {
	end := strings.IndexByte(p.src[p.i+1:], '`')
	if end < 0 {
		return nil, p.fail("Syntax")
	}
	text := p.src[p.i+1 : p.i+1+end]
	n := &masmLine{rest: p.src[p.i:]}
	if i := strings.IndexByte(text, '!'); i >= 0 {
		n.mod, text = text[:i], text[i+1:]
	}
	n.file = text
	if i := strings.LastIndexByte(text, ':'); i >= 0 {
		line, base := text[i+1:], 10
		if strings.HasPrefix(line, "0x") {
			line, base = line[2:], 16
		}
		v, err := strconv.ParseUint(line, base, 31)
		if err == nil {
			n.file, n.line = text[:i], int(v)
		} else if base == 16 || line == "" || isDigit(line[0]) {
			return nil, p.fail("Syntax")
		}
	}
	p.i += end + 2
	return n, nil
}
