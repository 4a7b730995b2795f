package eval

import (
	"strings"
)

// typeSpec is a type as written; it becomes a type when evaluated.
type typeSpec struct {
	name     string     // spelled canonically
	words    []string   // of a built-in type
	before   string     // cv-qualifiers as written: "const " before the name,
	after    string     // " const" behind it
	definite bool       // cannot be a value
	of       node       // decltype's expression
	decl     []declPart // innermost first
}

// declPart is one step of a declarator: '*', '&', 'R' for &&, '[' with n, '(' for
// a function, 'c' for a const pointer.
type declPart struct {
	kind byte
	n    int64
}

func (s *typeSpec) String() string {
	out := s.before + s.name + s.after
	for _, d := range s.decl {
		switch d.kind {
		case '*':
			out += "*"
		case '&':
			out += "&"
		case 'R':
			out += "&&"
		case 'c':
			out += " const"
		case '[':
			out += "[]"
		case '(':
			out += "()"
		}
	}
	return out
}

var cvWords = map[string]bool{"const": true, "volatile": true, "__restrict": true, "restrict": true, "typename": true}
var tagWords = map[string]bool{"struct": true, "class": true, "union": true, "enum": true}

// typeID parses a type name with its abstract declarator. With plain, no
// declarator: the type of a functional cast. ok false may have moved p.i.
func (p *parser) typeID(plain bool) (*typeSpec, bool) {
	leave, err := p.enter()
	defer leave()
	if err != nil {
		return nil, false
	}
	s := &typeSpec{}
	for p.typeWord(s) {
	}
	if p.typeOf(s) {
		return s, s.of != nil && (plain || p.declarator(s))
	}
	if s.words != nil {
		s.name = strings.Join(s.words, " ")
	} else if s.name == "" {
		name, definite, ok := p.qualified(true)
		if !ok {
			return nil, false
		}
		s.name, s.definite = name, s.definite || definite
		for t := p.peek(); t.kind == tIdent && cvWords[t.text]; t = p.peek() {
			s.qualify(t.text)
			p.i++
		}
	}
	return s, plain || p.declarator(s)
}

// typeOf takes decltype(x), also spelled typeof(x); s.of stays nil when x is no expression.
func (p *parser) typeOf(s *typeSpec) bool {
	t := p.peek()
	if t.kind != tIdent || t.text != "decltype" && t.text != "typeof" && t.text != "__typeof__" {
		return false
	}
	p.i++
	if !p.accept("(") {
		return true
	}
	from := p.peek().pos
	x, err := p.expr(0)
	if to := p.peek().pos; err == nil && p.accept(")") && !effects(x) {
		s.of, s.name, s.definite = x, t.text+"("+p.src[from:to]+")", true
	}
	return true
}

// typeWord takes a cv-qualifier, a tag or a word of a built-in type.
func (p *parser) typeWord(s *typeSpec) bool {
	t := p.peek()
	switch {
	case t.kind != tIdent:
		return false
	case cvWords[t.text]:
		s.qualify(t.text)
	case tagWords[t.text] && s.words == nil:
		s.definite = true
	case typeWords[t.text]:
		s.words = append(s.words, t.text)
		s.definite = true
	default:
		return false
	}
	p.i++
	return true
}

// qualify notes a cv-qualifier of the base type.
func (s *typeSpec) qualify(word string) {
	s.definite = true
	switch {
	case word != "const" && word != "volatile":
	case s.name == "" && s.words == nil:
		s.before += word + " "
	default:
		s.after += " " + word
	}
}

// isConst reports whether the base type is const.
func (s *typeSpec) isConst() bool { return strings.Contains(s.before+s.after, "const") }

// declarator parses what follows the name of a type: *, &, (*)(..), [n].
func (p *parser) declarator(s *typeSpec) bool {
	add := func(kind byte, n int64) {
		s.decl = append(s.decl, declPart{kind, n})
		s.definite = true
	}
	for {
		t := p.peek()
		switch {
		case t.kind == tIdent && cvWords[t.text]:
			p.i++
			if t.text == "const" && len(s.decl) > 0 {
				add('c', 0)
			} else {
				s.qualify(t.text)
			}
		case p.accept("*"):
			add('*', 0)
		case p.accept("&&"):
			add('R', 0)
		case p.accept("&"):
			add('&', 0)
		default:
			return p.declaratorTail(s, add)
		}
	}
}

// declaratorTail handles "(*)(int)", "(*)[3]", "(int)" and "[3]".
func (p *parser) declaratorTail(s *typeSpec, add func(byte, int64)) bool {
	stars := 0
	if p.at("(") && p.toks[p.i+1].kind == tOp && p.toks[p.i+1].text == "*" {
		p.i++
		for p.accept("*") {
			stars++
		}
		if !p.accept(")") {
			return false
		}
	}
	if p.at("(") {
		if stars == 0 {
			mark := p.i // "T(int)" is a type only where nothing else fits
			if !p.params() {
				p.i = mark
				return true
			}
			add('(', 0)
			return true
		}
		if !p.params() {
			return false
		}
		add('(', 0)
	}
	for p.accept("[") {
		t := p.next()
		n, ok := int64(0), false
		if t.kind == tNumber {
			if lit, err := parseNumber(p.src, t); err == nil {
				if i, is := lit.(*intNode); is {
					n, ok = int64(i.v), true
				}
			}
		}
		if !ok || !p.accept("]") {
			return false
		}
		was := s.definite
		add('[', n)
		s.definite = was || stars > 0 // "(a[3])" may be an element
	}
	for range stars {
		add('*', 0)
	}
	return true
}

// params skips a parameter list.
func (p *parser) params() bool {
	if !p.accept("(") {
		return false
	}
	for !p.accept(")") {
		if !p.accept("...") {
			if _, ok := p.typeID(false); !ok {
				return false
			}
		}
		if !p.accept(",") && !p.at(")") {
			return false
		}
	}
	return true
}

// qualified parses [::]a::b<int>::c. In a type every "<" opens template
// arguments; in an expression those must hold a type that cannot be a value, or
// be known to name something.
func (p *parser) qualified(inType bool) (name string, definite, ok bool) {
	var b strings.Builder
	if p.accept("::") {
		b.WriteString("::")
	}
	for {
		t := p.peek()
		if t.kind == tOp && t.text == "~" && b.Len() > 0 {
			p.i++
			b.WriteByte('~')
			t = p.peek()
		}
		if t.kind != tIdent || typeWords[t.text] && b.Len() == 0 {
			return "", false, false
		}
		p.i++
		b.WriteString(t.text)
		if t.text == "operator" || strings.HasSuffix(t.text, "!operator") {
			b.WriteString(p.operatorName())
		} else if p.at("<") {
			mark := p.i
			args, sure, good := p.templateArgs()
			full := b.String() + args
			switch {
			case good && (inType || sure || p.at("::") || p.ask(full)):
				b.WriteString(args)
				definite = definite || sure
			default:
				p.i = mark
			}
		}
		if !p.at("::") {
			return b.String(), definite, true
		}
		n := p.toks[p.i+1]
		if n.kind != tIdent && !(n.kind == tOp && n.text == "~") {
			return b.String(), definite, true
		}
		p.i++
		b.WriteString("::")
	}
}

// operatorName reads what follows the keyword operator.
func (p *parser) operatorName() string {
	t := p.peek()
	switch {
	case t.kind == tOp && (t.text == "(" || t.text == "["):
		p.i++
		if p.accept(map[string]string{"(": ")", "[": "]"}[t.text]) {
			return map[string]string{"(": "()", "[": "[]"}[t.text]
		}
		p.i--
	case t.kind == tOp:
		op, n := p.infix()
		p.i += n
		return op
	case t.kind == tIdent:
		if s, ok := p.typeID(false); ok {
			return " " + s.String()
		}
	}
	return ""
}

// templateArgs parses "<...>" and spells it as g++ names types in DWARF. sure
// tells that an argument can only be a type.
func (p *parser) templateArgs() (text string, sure, ok bool) {
	leave, err := p.enter()
	defer leave()
	if err != nil || !p.accept("<") {
		return "", false, false
	}
	var args []string
	for !p.at(">") {
		mark := p.i
		s, good := p.typeID(false)
		if good && (p.at(",") || p.at(">")) {
			args = append(args, s.String())
			sure = sure || s.definite
		} else {
			p.i = mark
			if _, err := p.expr(relationPower); err != nil || p.i == mark {
				return "", false, false
			}
			args = append(args, p.src[p.toks[mark].pos:p.toks[p.i-1].end])
		}
		if !p.accept(",") && !p.at(">") {
			return "", false, false
		}
	}
	p.i++
	text = "<" + strings.Join(args, ", ")
	if strings.HasSuffix(text, ">") {
		text += " "
	}
	return text + ">", sure, true
}

func functionalCast(spec *typeSpec, args []node, p *parser) (node, error) {
	switch len(args) {
	case 0:
		return &castNode{spec: spec, x: &intNode{"int", 0}}, nil
	case 1:
		return &castNode{spec: spec, x: args[0]}, nil
	}
	return nil, p.fail("Syntax")
}

func (p *parser) namedCast(dynamic bool) (node, error) {
	if err := p.expect("<"); err != nil {
		return nil, err
	}
	spec, ok := p.typeID(false)
	if !ok {
		return nil, p.fail("Syntax")
	}
	for _, op := range []string{">", "("} {
		if err := p.expect(op); err != nil {
			return nil, err
		}
	}
	x, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	return &castNode{spec: spec, x: x, dynamic: dynamic}, p.expect(")")
}
