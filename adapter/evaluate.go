package adapter

import (
	"errors"
	"fmt"

	"dap-windbg/engine"
	"dap-windbg/eval"

	"github.com/google/go-dap"
)

// evaluate serves the debug console and everything that wants a value.
func (s *session) evaluate(r *request, a *dap.EvaluateArguments) (any, error) {
	if s.dbg == nil {
		return nil, errNoDebuggee
	}
	if a.Context == "repl" {
		return s.repl(r, a)
	}
	if a.Context == "hover" || a.Context == "clipboard" || a.Context == "variables" {
		if src, _, err := eval.ParseFormat(a.Expression); err == nil {
			if e, err := eval.Parse(src, eval.Options{}); err == nil && e.Effects() {
				return nil, fmt.Errorf("%s: would change the debuggee; type it in the debug console to do so", a.Expression)
			}
		}
	}
	return s.evaluateExpression(r, a)
}

// evaluateExpression evaluates C++ with dx's format specifiers.
func (s *session) evaluateExpression(r *request, a *dap.EvaluateArguments) (any, error) {
	var body evaluateBody
	hex := a.Format != nil && a.Format.Hex
	err := s.stopped(r.ctx, func(v *inspection) error {
		f, err := v.frameOrNil(a.FrameId)
		if err != nil {
			return err
		}
		if a.Context == "hover" || a.Context == "clipboard" || a.Context == "variables" {
			defer v.AllowCalls(v.AllowCalls(false)) // nobody asked for a call
		}
		x, o, err := v.value(f, a.Expression, hex)
		if err != nil {
			return err
		}
		if a.Context == "clipboard" {
			if x.Value, err = v.copied(f, o, hex); err != nil {
				return err
			}
		}
		body = evaluateBody{Result: x.Value, PresentationHint: x.PresentationHint, handle: x.handle(), VariablesReference: x.VariablesReference}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return body, nil
}

// value evaluates src in f (nil: the selected frame).
func (v *inspection) value(f *engine.Frame, src string, hex bool) (variable, *eval.Object, error) {
	o, err := v.Object(v.ctx, f, "", src)
	if err != nil {
		return variable{}, nil, err
	}
	if o.Err != nil && o.Text == "" && o.Leaf() {
		return variable{}, nil, o.Err
	}
	n := &node{kind: objectNode, source: src, object: o, generation: v.s.ids.generation}
	if f != nil {
		n.frame = &frameRef{f.Thread, f.Index}
	}
	_, format, _ := eval.ParseFormat(src)
	return v.variable(f, o, n, hex && format.Radix == 0 && format.Spec == ""), o, nil
}

func (s *session) setVariable(r *request, a *dap.SetVariableArguments) (any, error) {
	var body setVariableBody
	hex := a.Format != nil && a.Format.Hex
	var changed window
	err := s.stopped(r.ctx, func(v *inspection) error {
		n, ok := s.ids.nodes[a.VariablesReference]
		if !ok {
			return s.ids.unknown("variable", a.VariablesReference)
		}
		if n.kind == registersNode || n.kind == groupNode {
			text, err := v.setRegister(n, a.Name, a.Value)
			body.Value = text
			return err
		}
		o, child, err := v.childNamed(n, a.Name)
		if err != nil {
			return err
		}
		f, err := v.nodeFrame(n)
		if err != nil {
			return err
		}
		if changed, err = v.assign(f, o.Value, a.Value); err != nil {
			return err
		}
		if o, err = v.object(child); err != nil {
			return err
		}
		body = setBody(v.variable(f, o, child, hex))
		return nil
	})
	if err == nil {
		s.later(func() { s.tellMemory(changed.addr, changed.size) })
	}
	return body, err
}

func setBody(x variable) setVariableBody { return setVariableBody{x.Value, x.handle()} }

func (x *variable) handle() handle {
	return handle{
		Type: x.Type, VariablesReference: x.VariablesReference, NamedVariables: x.NamedVariables, IndexedVariables: x.IndexedVariables,
		MemoryReference: x.MemoryReference, ValueLocationReference: x.ValueLocationReference,
	}
}

// assign stores the expression text in dst and tells which memory that changed.
func (v *inspection) assign(f *engine.Frame, dst eval.Value, text string) (window, error) {
	if dst.Type == nil || dst.Place == eval.NoPlace {
		return window{}, errors.New("this value cannot be changed")
	}
	if _, err := eval.Assign(v.ctx, v.Env(f), dst, text); err != nil {
		return window{}, err
	}
	v.s.ids.generation++
	if dst.Place == eval.InMemory {
		return window{dst.Addr, int(max(dst.Type.ByteSize(), 0))}, nil
	}
	return window{}, nil
}

func (s *session) setExpression(r *request, a *dap.SetExpressionArguments) (any, error) {
	var body setVariableBody
	var changed window
	err := s.stopped(r.ctx, func(v *inspection) error {
		f, err := v.frameOrNil(a.FrameId)
		if err != nil {
			return err
		}
		src, _, err := eval.ParseFormat(a.Expression)
		if err != nil {
			return err
		}
		dst, err := v.Eval(v.ctx, f, src, eval.Options{})
		if err != nil {
			return err
		}
		if changed, err = v.assign(f, dst, a.Value); err != nil {
			return fmt.Errorf("%s: %w", src, err)
		}
		x, _, err := v.value(f, a.Expression, a.Format != nil && a.Format.Hex)
		body = setBody(x)
		return err
	})
	if err == nil {
		s.later(func() { s.tellMemory(changed.addr, changed.size) })
	}
	return body, err
}
