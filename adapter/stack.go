package adapter

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/targets"

	"github.com/google/go-dap"
)

// maxFrames bounds one answer; more are asked for page by page.
const maxFrames = 10_000

// reference spells an address as a memory or instruction reference.
func reference(a arch.Addr) string { return "0x" + strconv.FormatUint(uint64(a), 16) }

func (s *session) stackTrace(r *request, a *dap.StackTraceArguments) (any, error) {
	id, err := s.threads.find(a.ThreadId)
	if err != nil {
		return nil, err
	}
	if a.StartFrame < 0 || a.Levels < 0 {
		return nil, &argumentError{"startFrame, levels", "must not be negative"}
	}
	start := min(a.StartFrame, maxFrames)
	limit := maxFrames
	if a.Levels > 0 {
		limit = min(start+min(a.Levels, maxFrames), maxFrames)
	}
	format := dap.StackFrameFormat{}
	if a.Format != nil {
		format = *a.Format
	}
	body := stackTraceBody{StackFrames: []stackFrame{}}
	err = s.stopped(r.ctx, func(v *inspection) error {
		stack, err := v.Stack(v.ctx, id, limit)
		if err != nil {
			return err
		}
		whole := stack.Complete || stack.End != ""
		body.TotalFrames = len(stack.Frames)
		body.StackFrames = slices.Grow(body.StackFrames, max(min(limit, len(stack.Frames))-start, 0)+1)
		for i := start; i < min(limit, len(stack.Frames)); i++ {
			body.StackFrames = append(body.StackFrames, v.stackFrame(&stack.Frames[i], format))
		}
		switch {
		case len(stack.Frames) > limit:
		case !whole && len(stack.Frames) == limit:
			body.TotalFrames += 20 // there may be more; the client asks until none come
		case !stack.Complete && stack.End != "" && len(stack.Frames) < limit && start <= len(stack.Frames):
			body.TotalFrames++
			body.StackFrames = append(body.StackFrames, v.endLabel(id, len(stack.Frames), stack.End))
		}
		return nil
	})
	return body, err
}

// endLabel is a row that says why the stack ends early.
func (v *inspection) endLabel(id targets.ThreadID, index int, why string) stackFrame {
	return stackFrame{StackFrame: dap.StackFrame{
		Id: v.s.ids.frame(frameRef{id, index}), Name: "[" + why + "]", PresentationHint: "label",
	}}
}

func (v *inspection) stackFrame(f *engine.Frame, format dap.StackFrameFormat) stackFrame {
	out := stackFrame{StackFrame: dap.StackFrame{
		Id:                          v.s.ids.frame(frameRef{f.Thread, f.Index}),
		Name:                        frameName(f, format),
		InstructionPointerReference: reference(f.PC),
	}}
	out.CanRestart = f.MayRestart()
	if f.Module != nil {
		out.ModuleId = moduleID(f.Module.Base)
	}
	if f.Line.File != "" {
		out.Source = v.s.sources.ofFrame(f.Line.File, f.Module)
	}
	if out.Source == nil {
		out.PresentationHint = "subtle"
		return out
	}
	out.Line, out.Column = v.s.line(f.Line.Line), v.s.column(f.Line.Column)
	if format.Parameters && (format.ParameterTypes || format.ParameterNames || format.ParameterValues) {
		out.Name += v.parameters(f, format)
	}
	if format.Line {
		out.Name += fmt.Sprintf(" Line %d", f.Line.Line)
	}
	return out
}

func frameName(f *engine.Frame, format dap.StackFrameFormat) string {
	name := f.Symbol.Name
	if f.Scope != nil && f.Scope.Name != "" {
		name = f.Scope.Name
	}
	if name == "" {
		name = reference(f.PC)
		if f.Module != nil {
			name = fmt.Sprintf("%s+0x%x", f.Module.Name, uint64(f.PC-f.Module.Base))
		}
		return name
	}
	if format.Module && f.Module != nil {
		name = f.Module.Name + "!" + name
	}
	if plain := !format.ParameterTypes && !format.ParameterNames && !format.ParameterValues; plain && format.Parameters && f.Symbol.Params != "" && !f.Inlined {
		name += "(" + f.Symbol.Params + ")"
	}
	switch {
	case f.Inlined:
		name += " [inlined]"
	case f.Line.File == "" && f.Disp != 0:
		name += fmt.Sprintf("+0x%x", f.Disp)
	}
	return name
}

// parameters is what a frame was called with, as far as the format asks for it:
// "(int n = 3)".
func (v *inspection) parameters(f *engine.Frame, format dap.StackFrameFormat) string {
	if f.Scope == nil {
		return ""
	}
	values := map[string]*eval.Object{}
	if format.ParameterTypes || format.ParameterValues {
		objects, _ := v.LocalObjects(v.ctx, f) // what cannot be read is left out
		for _, o := range objects {
			values[o.Name] = o
		}
	}
	var list []string
	for _, x := range f.Scope.Variables {
		if !x.Param || x.Artificial {
			continue
		}
		var words []string
		o := values[x.Name]
		if format.ParameterTypes && o != nil {
			words = append(words, o.Type)
		}
		if format.ParameterNames {
			words = append(words, x.Name)
		}
		if format.ParameterValues && o != nil {
			if format.ParameterNames {
				words = append(words, "=")
			}
			words = append(words, v.text(f, o, format.Hex))
		}
		list = append(list, strings.Join(words, " "))
	}
	return "(" + strings.Join(list, ", ") + ")"
}

// stackText is a stack as text, for the details of an exception.
func (v *inspection) stackText(id targets.ThreadID, limit int) string {
	stack, err := v.Stack(v.ctx, id, limit)
	if err != nil {
		return ""
	}
	var b strings.Builder
	for i := range min(limit, len(stack.Frames)) {
		f := &stack.Frames[i]
		b.WriteString(frameName(f, dap.StackFrameFormat{Module: true}))
		if f.Line.File != "" {
			fmt.Fprintf(&b, " at %s:%d", f.Line.File, f.Line.Line)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (s *session) scopes(r *request, a *dap.ScopesArguments) (any, error) {
	body := dap.ScopesResponseBody{Scopes: []dap.Scope{}}
	err := s.stopped(r.ctx, func(v *inspection) error {
		f, err := v.frame(a.FrameId)
		if err != nil {
			return err
		}
		ref := &frameRef{f.Thread, f.Index}
		add := func(name, hint string, kind nodeKind, count int, expensive bool) {
			body.Scopes = append(body.Scopes, dap.Scope{
				Name: name, PresentationHint: hint, Expensive: expensive, NamedVariables: count,
				VariablesReference: s.ids.node(&node{kind: kind, frame: ref}),
			})
		}
		if f.Scope != nil {
			statics, params := 0, 0
			for _, x := range f.Scope.Variables {
				if x.Static {
					statics++
				} else if x.Param {
					params++
				}
			}
			add("Locals", "locals", localsNode, len(f.Scope.Variables)-statics, false)
			if params > 0 {
				add("Arguments", "arguments", argumentsNode, params, false)
			}
			if statics > 0 {
				add("Statics", "", staticsNode, statics, false)
			}
		}
		if _, ok := v.handedBack(f); ok {
			add("Return value", "returnValue", returnNode, 1, false)
		}
		add("Registers", "registers", registersNode, 0, true)
		return nil
	})
	return body, err
}
