package eval

import (
	"context"
	"maps"
)

// Nodes of the data model's language: lambdas and anonymous objects.
type (
	lambdaNode struct {
		params []string
		body   node
	}
	newNode struct {
		names  []string
		values []node
	}
)

func (n *lambdaNode) kids() []node { return []node{n.body} }
func (n *newNode) kids() []node    { return n.values }

func (n *lambdaNode) eval(ev *evaluator) (Value, error) {
	outer, calls := ev.vars, ev.calls
	call := func(ctx context.Context, env Env, args []Value) (Value, error) {
		if len(args) != len(n.params) {
			return Value{}, &ItemError{"lambda", "takes another number of arguments"}
		}
		in := newEvaluator(ctx, env)
		in.vars, in.calls = maps.Clone(outer), calls
		if in.vars == nil {
			in.vars = make(map[string]Value, len(args))
		}
		for i, p := range n.params {
			in.vars[p] = args[i]
		}
		if err := in.enter(); err != nil {
			return Value{}, err
		}
		defer in.leave()
		return in.eval(n.body)
	}
	return ItemOf(&Item{Class: "lambda", Text: "<function>", Func: call}), nil
}

func (n *newNode) eval(ev *evaluator) (Value, error) {
	it := &Item{Class: "object"}
	for i, name := range n.names {
		v, err := ev.eval(n.values[i])
		if err != nil {
			if retry(err) || err == ErrTooLong {
				return Value{}, err
			}
			v = Value{Err: err}
		}
		it.Props = append(it.Props, Known(name, v))
	}
	return ItemOf(it), nil
}

// arrow reports whether what is at hand begins a lambda: "x =>" or "(a, b) =>".
func (p *parser) arrow() bool {
	is := func(i int, op string) bool {
		return i < len(p.toks) && p.toks[i].kind == tOp && p.toks[i].text == op
	}
	if p.peek().kind == tIdent {
		return is(p.i+1, "=>")
	}
	if !p.at("(") {
		return false
	}
	i := p.i + 1
	for i < len(p.toks) && p.toks[i].kind == tIdent {
		i++
		if !is(i, ",") {
			break
		}
		i++
	}
	return is(i, ")") && is(i+1, "=>")
}

// lambda parses what arrow has seen.
func (p *parser) lambda() (node, error) {
	n := &lambdaNode{}
	if p.accept("(") {
		for !p.accept(")") {
			n.params = append(n.params, p.next().text)
			p.accept(",")
		}
	} else {
		n.params = []string{p.next().text}
	}
	if err := p.expect("=>"); err != nil {
		return nil, err
	}
	var err error
	n.body, err = p.expr(commaPower)
	return n, err
}

// object parses "{ a = x, y.b }" behind new.
func (p *parser) object() (node, error) {
	if err := p.expect("{"); err != nil {
		return nil, err
	}
	n := &newNode{}
	for !p.accept("}") {
		name, named := p.peek(), false
		if t := p.toks[min(p.i+1, len(p.toks)-1)]; name.kind == tIdent && t.kind == tOp && t.text == "=" {
			p.i += 2
			named = true
		}
		x, err := p.expr(commaPower)
		if err != nil {
			return nil, err
		}
		text := name.text
		if !named {
			switch last := x.(type) {
			case *memberNode:
				text = last.name
			case *nameNode:
				text = last.name
			default:
				return nil, &SyntaxError{Pos: name.pos, Text: p.src, Msg: "Syntax"}
			}
		}
		n.names, n.values = append(n.names, text), append(n.values, x)
		if !p.accept(",") && !p.at("}") {
			return nil, p.fail("Syntax")
		}
	}
	return n, nil
}
