package eval

import (
	"strings"
)

// maxDepth bounds the nesting of an expression.
const maxDepth = 200

// parser is a Pratt parser of C++ expressions. What a name is decides the shape
// of "(a)-b" and "a<b>(c)"; isType tells, and asked is set when it was needed.
type parser struct {
	src    string
	toks   []token
	i      int
	depth  int
	isType func(name string) bool
	asked  bool
	prefix bool // consume one expression, leave the rest
}

// Parse parses a whole expression.
func Parse(src string, o Options) (Expr, error) {
	e, n, err := parseSource(src, o, false)
	if err != nil {
		return nil, err
	}
	if rest := strings.TrimSpace(src[n:]); rest != "" {
		return nil, &SyntaxError{Pos: n, Text: src, Msg: "Extra character"}
	}
	return e, nil
}

// ParsePrefix parses the expression that src begins with and returns how many
// bytes it took, for command arguments such as "main+5 3 cmds".
func ParsePrefix(src string, o Options) (Expr, int, error) { return parseSource(src, o, true) }

func parseSource(src string, o Options, prefix bool) (Expr, int, error) {
	if len(src) > maxSource {
		return nil, 0, &SyntaxError{Pos: maxSource, Text: src[:maxSource], Msg: "Overflow"}
	}
	if o.Dialect == MASM {
		return parseMASM(src, o, prefix)
	}
	e, n, err := parseCPP(src, prefix)
	if err != nil {
		return nil, 0, err
	}
	e.calls = o.Calls
	return e, n, nil
}

// parseCPP parses with no name a type. When that was a guess, the expression is
// parsed again at each evaluation, where the names can be looked up.
func parseCPP(src string, prefix bool) (*cppExpr, int, error) {
	n, p, err := runParser(src, prefix, func(string) bool { return false })
	if !p.asked {
		if err != nil {
			return nil, 0, err
		}
		return &cppExpr{src: src[:p.used()], root: n}, p.used(), nil
	}
	other, q, err2 := runParser(src, prefix, func(string) bool { return true })
	if err != nil && err2 != nil {
		return nil, 0, err
	}
	if err != nil {
		n, p = other, q
	}
	used := p.used()
	if err == nil && err2 == nil && q.used() > used {
		used = q.used()
	}
	writes := err == nil && effects(n) || err2 == nil && effects(other)
	return &cppExpr{src: src[:used], writes: writes}, used, nil
}

func runParser(src string, prefix bool, isType func(string) bool) (node, *parser, error) {
	p := &parser{src: src, toks: lexCPP(src), isType: isType, prefix: prefix}
	n, err := p.expr(0)
	if err == nil && !prefix && p.peek().kind != tEOF {
		err = p.fail("Extra character")
	}
	return n, p, err
}

// used is the number of bytes of the tokens consumed.
func (p *parser) used() int {
	if p.i == 0 {
		return 0
	}
	return p.toks[p.i-1].end
}

func (p *parser) peek() token { return p.toks[p.i] }

func (p *parser) next() token {
	t := p.toks[p.i]
	if t.kind != tEOF && t.kind != tBad {
		p.i++
	}
	return t
}

func (p *parser) at(op string) bool { t := p.peek(); return t.kind == tOp && t.text == op }

func (p *parser) accept(op string) bool {
	if p.at(op) {
		p.i++
		return true
	}
	return false
}

func (p *parser) fail(msg string) error {
	t := p.peek()
	if t.kind == tBad {
		msg = t.text
	}
	return &SyntaxError{Pos: t.pos, Text: p.src, Msg: msg}
}

func (p *parser) expect(op string) error {
	if p.accept(op) {
		return nil
	}
	return p.fail("Syntax")
}

// enter guards recursion; the caller defers the returned function.
func (p *parser) enter() (func(), error) {
	p.depth++
	leave := func() { p.depth-- }
	if p.depth > maxDepth {
		return leave, p.fail("Overflow")
	}
	return leave, nil
}

// power is the binding of infix operators; assignment and ?: bind to the right.
var power = map[string]int{
	",": 1, "=": 2, "+=": 2, "-=": 2, "*=": 2, "/=": 2, "%=": 2, "<<=": 2, ">>=": 2, "&=": 2, "|=": 2, "^=": 2,
	"?": 3, "||": 4, "&&": 5, "|": 6, "^": 7, "&": 8, "==": 9, "!=": 9, "<": 10, ">": 10, "<=": 10, ">=": 10,
	"<<": 11, ">>": 11, "+": 12, "-": 12, "*": 13, "/": 13, "%": 13, ".*": 14, "->*": 14,
}

const (
	commaPower    = 1
	assignPower   = 2
	relationPower = 10
)

// infix returns the infix operator at hand and its number of tokens.
func (p *parser) infix() (string, int) {
	t := p.peek()
	if t.kind != tOp {
		return "", 0
	}
	if t.text != ">" {
		return t.text, 1
	}
	op := ">"
	for n := 1; n < 3; n++ {
		u := p.toks[p.i+n]
		if u.kind != tOp || u.pos != t.pos+n || u.text != ">" && u.text != "=" {
			return op, n
		}
		if u.text == "=" {
			return op + "=", n + 1
		}
		if n == 2 {
			break
		}
		op += ">"
	}
	return op, len(op)
}

// expr parses operators that bind tighter than least.
func (p *parser) expr(least int) (node, error) {
	leave, err := p.enter()
	defer leave()
	if err != nil {
		return nil, err
	}
	x, err := p.unary()
	if err != nil {
		return nil, err
	}
	for {
		op, n := p.infix()
		bp := power[op]
		if bp == 0 || bp <= least || p.prefix && op == "," && p.depth == 1 {
			return x, nil
		}
		pos := p.peek().pos
		p.i += n
		if x, err = p.infixRest(x, op, bp, pos); err != nil {
			return nil, err
		}
	}
}

func (p *parser) infixRest(x node, op string, bp, pos int) (node, error) {
	switch {
	case op == "?":
		yes, err := p.expr(0)
		if err != nil {
			return nil, err
		}
		if err := p.expect(":"); err != nil {
			return nil, err
		}
		no, err := p.expr(assignPower - 1)
		return &condNode{x, yes, no}, err
	case bp == assignPower:
		y, err := p.expr(assignPower - 1)
		return &assignNode{op: op[:len(op)-1], x: x, y: y}, err
	}
	y, err := p.expr(bp)
	return &binaryNode{op: op, x: x, y: y, pos: pos}, err
}

func (p *parser) unary() (node, error) {
	leave, err := p.enter()
	defer leave()
	if err != nil {
		return nil, err
	}
	t := p.peek()
	if t.kind == tOp {
		switch t.text {
		case "+", "-", "!", "~", "*", "&", "++", "--":
			p.i++
			x, err := p.unary()
			return &unaryNode{op: t.text, x: x}, err
		case "(":
			if p.arrow() {
				break
			}
			if n, ok, err := p.cast(); ok || err != nil {
				return n, err
			}
		}
	}
	if t.kind == tIdent {
		switch t.text {
		case "sizeof":
			p.i++
			return p.sizeof()
		case "__real", "__imag", "__real__", "__imag__":
			p.i++
			x, err := p.unary()
			return &unaryNode{op: strings.TrimRight(t.text, "_"), x: x}, err
		}
	}
	x, err := p.primary()
	if err != nil {
		return nil, err
	}
	return p.postfix(x)
}

// cast tries "(type) operand" at an opening parenthesis; ok false leaves the position.
func (p *parser) cast() (node, bool, error) {
	start := p.i
	p.i++
	spec, ok := p.typeID(false)
	if !ok || !p.accept(")") || !p.isCast(spec) {
		p.i = start
		return nil, false, nil
	}
	x, err := p.unary()
	return &castNode{spec: spec, x: x}, true, err
}

// isCast decides whether what follows "(spec)" makes it a cast.
func (p *parser) isCast(spec *typeSpec) bool {
	if spec.definite {
		return true
	}
	t := p.peek()
	switch t.kind {
	case tIdent, tNumber, tChar, tString, tReg, tPseudo, tSwitch:
		return !p.prefix || p.depth > 3
	case tOp:
		switch t.text {
		case "!", "~":
			return true
		case "-", "+", "*", "&", "(", "++", "--":
			return p.ask(spec.name)
		}
	}
	return false
}

func (p *parser) ask(name string) bool {
	p.asked = true
	return p.isType(name)
}

func (p *parser) sizeof() (node, error) {
	start := p.i
	if p.accept("(") {
		if spec, ok := p.typeID(false); ok && p.accept(")") {
			if spec.definite || p.ask(spec.name) {
				return &sizeofNode{spec: spec}, nil
			}
		}
		p.i = start
	}
	x, err := p.unary()
	return &sizeofNode{x: x}, err
}

func (p *parser) postfix(x node) (node, error) {
	for {
		t := p.peek()
		if t.kind != tOp {
			return x, nil
		}
		switch t.text {
		case "(":
			p.i++
			args, err := p.arguments()
			if err != nil {
				return nil, err
			}
			x = &callNode{callee: x, args: args}
		case "[":
			p.i++
			y, err := p.expr(0)
			if err != nil {
				return nil, err
			}
			if err := p.expect("]"); err != nil {
				return nil, err
			}
			x = &indexNode{x, y}
		case ".", "->":
			p.i++
			name, err := p.memberName()
			if err != nil {
				return nil, err
			}
			x = &memberNode{x: x, name: name, arrow: t.text == "->"}
		case "++", "--":
			p.i++
			x = &stepNode{op: t.text[:1], x: x}
		default:
			return x, nil
		}
	}
}

func (p *parser) arguments() ([]node, error) {
	var args []node
	if p.accept(")") {
		return nil, nil
	}
	for {
		x, err := p.expr(commaPower)
		if err != nil {
			return nil, err
		}
		args = append(args, x)
		if !p.accept(",") {
			return args, p.expect(")")
		}
	}
}

func (p *parser) memberName() (string, error) {
	if t := p.peek(); t.kind == tIdent && t.text == "template" {
		p.i++
	}
	tilde := ""
	if p.accept("~") {
		tilde = "~"
	}
	name, _, ok := p.qualified(false)
	if !ok {
		return "", p.fail("Syntax")
	}
	return tilde + name, nil
}

func (p *parser) primary() (node, error) {
	t := p.peek()
	switch t.kind {
	case tNumber:
		p.i++
		return parseNumber(p.src, t)
	case tChar, tString:
		return p.literal()
	case tReg:
		p.i++
		return &regNode{t.text}, nil
	case tPseudo:
		p.i++
		return &pseudoNode{t.text}, nil
	case tSwitch:
		p.i++
		o := Options{}
		if t.masm {
			o.Dialect = MASM
		}
		e, err := Parse(t.text, o)
		if err != nil {
			return nil, err
		}
		return &switchNode{e}, nil
	case tIdent:
		return p.identifier()
	case tOp:
		switch t.text {
		case "(":
			if p.arrow() {
				return p.lambda()
			}
			p.i++
			x, err := p.expr(0)
			if err != nil {
				return nil, err
			}
			return &parenNode{x}, p.expect(")")
		case "::":
			return p.identifier()
		}
	}
	if t.kind == tBad {
		return nil, p.fail("")
	}
	return nil, p.fail(MissingOperand)
}

func (p *parser) identifier() (node, error) {
	t := p.peek()
	if p.arrow() {
		return p.lambda()
	}
	switch t.text {
	case "new":
		p.i++
		return p.object()
	case "true", "false":
		p.i++
		v := uint64(0)
		if t.text == "true" {
			v = 1
		}
		return &intNode{"bool", v}, nil
	case "nullptr":
		p.i++
		return &intNode{"nullptr_t", 0}, nil
	case "static_cast", "reinterpret_cast", "const_cast", "dynamic_cast":
		p.i++
		return p.namedCast(t.text == "dynamic_cast")
	}
	if strings.HasPrefix(t.text, "#") {
		p.i++
		return p.macro(t)
	}
	if typeWords[t.text] {
		spec, ok := p.typeID(true)
		if !ok || !p.accept("(") {
			return nil, p.fail("Syntax")
		}
		args, err := p.arguments()
		if err != nil {
			return nil, err
		}
		return functionalCast(spec, args, p)
	}
	name, _, ok := p.qualified(false)
	if !ok {
		return nil, p.fail("Syntax")
	}
	return &nameNode{name: name, rest: p.src[t.pos:]}, nil
}
