package adapter

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/google/go-dap"
)

// encoder writes messages as encoding/json does, without HTML's escapes. What is sent
// at each stop it writes by its fields: finding them out by reflection takes longer
// than much of what is told. Anything else is left to encoding/json.
type encoder struct {
	b   []byte
	err error // the first body that encoding/json refused
}

// message appends m.
func (e *encoder) message(m outgoing) {
	switch m := m.(type) {
	case *response:
		e.open('{').int("seq", m.Seq).str("type", m.Type).int("request_seq", m.RequestSeq).str("command", m.Command).bool("success", m.Success)
		e.strIf("message", m.Message)
		if m.Body != nil {
			e.key("body").body(m.Body)
		}
		e.close('}')
	case *event:
		e.open('{').int("seq", m.Seq).str("type", m.Type).str("event", m.Event)
		if m.Body != nil {
			e.key("body").body(m.Body)
		}
		e.close('}')
	default:
		e.any(m)
	}
}

func (e *encoder) body(v any) {
	switch v := v.(type) {
	case dap.StoppedEventBody:
		e.open('{').str("reason", v.Reason).strIf("description", v.Description).intIf("threadId", v.ThreadId).boolIf("preserveFocusHint", v.PreserveFocusHint)
		e.strIf("text", v.Text).boolIf("allThreadsStopped", v.AllThreadsStopped)
		if len(v.HitBreakpointIds) > 0 {
			e.key("hitBreakpointIds").open('[')
			for _, id := range v.HitBreakpointIds {
				e.next().b = strconv.AppendInt(e.b, int64(id), 10)
			}
			e.close(']')
		}
		e.close('}')
	case dap.ContinuedEventBody:
		e.open('{').int("threadId", v.ThreadId).boolIf("allThreadsContinued", v.AllThreadsContinued).close('}')
	case dap.ContinueResponseBody:
		e.open('{').bool("allThreadsContinued", v.AllThreadsContinued).close('}')
	case dap.ThreadsResponseBody:
		list(e, "threads", v.Threads, func(t *dap.Thread) { e.int("id", t.Id).str("name", t.Name) })
	case dap.ScopesResponseBody:
		list(e, "scopes", v.Scopes, e.scope)
	case stackTraceBody:
		e.b = slices.Grow(e.b, frameRoom*len(v.StackFrames))
		e.open('{').rows("stackFrames", v.StackFrames == nil)
		for i := range v.StackFrames {
			e.next().frame(&v.StackFrames[i])
		}
		e.rowsEnd(v.StackFrames == nil).intIf("totalFrames", v.TotalFrames).close('}')
	case variablesBody:
		list(e, "variables", v.Variables, e.variable)
	case evaluateBody:
		e.open('{').str("result", v.Result).hint(v.PresentationHint).strIf("type", v.Type).intIf("namedVariables", v.NamedVariables)
		e.intIf("indexedVariables", v.IndexedVariables).strIf("memoryReference", v.MemoryReference)
		e.intIf("valueLocationReference", v.ValueLocationReference).int("variablesReference", v.VariablesReference).close('}')
	case outputBody:
		e.open('{').strIf("category", v.Category).str("output", v.Output).strIf("group", v.Group).source("source", v.Source)
		e.intAt("line", v.Line).intAt("column", v.Column).close('}')
	case breakpointsBody:
		list(e, "breakpoints", v.Breakpoints, e.breakpoint)
	case disassembleBody:
		list(e, "instructions", v.Instructions, e.instruction)
	default:
		e.any(v)
	}
}

// frameRoom is about what a frame takes, bytes: a stack may have thousands.
const frameRoom = 256

func (e *encoder) scope(s *dap.Scope) {
	e.str("name", s.Name).strIf("presentationHint", s.PresentationHint).int("variablesReference", s.VariablesReference)
	e.intIf("namedVariables", s.NamedVariables).intIf("indexedVariables", s.IndexedVariables).bool("expensive", s.Expensive)
	e.source("source", s.Source).place(s.Line, s.Column, s.EndLine, s.EndColumn)
}

func (e *encoder) frame(f *stackFrame) {
	e.open('{').int("id", f.Id).str("name", f.Name).source("source", f.Source).int("line", f.Line).int("column", f.Column)
	e.intIf("endLine", f.EndLine).intIf("endColumn", f.EndColumn).strIf("instructionPointerReference", f.InstructionPointerReference)
	if f.ModuleId != nil {
		e.key("moduleId").any(f.ModuleId)
	}
	e.strIf("presentationHint", f.PresentationHint).bool("canRestart", f.CanRestart).close('}')
}

func (e *encoder) variable(v *variable) {
	e.str("name", v.Name).str("value", v.Value).strIf("type", v.Type).hint(v.PresentationHint).strIf("evaluateName", v.EvaluateName)
	e.int("variablesReference", v.VariablesReference).intIf("namedVariables", v.NamedVariables).intIf("indexedVariables", v.IndexedVariables)
	e.strIf("memoryReference", v.MemoryReference)
	e.intIf("declarationLocationReference", v.DeclarationLocationReference).intIf("valueLocationReference", v.ValueLocationReference)
}

func (e *encoder) breakpoint(b *breakpoint) {
	e.int("id", b.ID).bool("verified", b.Verified).strIf("message", b.Message).strIf("reason", b.Reason).source("source", b.Source)
	e.intAt("line", b.Line).intAt("column", b.Column).strIf("instructionReference", b.InstructionReference)
}

func (e *encoder) instruction(i *instruction) {
	e.str("address", i.Address).strIf("instructionBytes", i.InstructionBytes).str("instruction", i.Instruction).strIf("symbol", i.Symbol)
	e.source("location", i.Location).place(i.Line, i.Column, i.EndLine, i.EndColumn).strIf("presentationHint", i.PresentationHint)
}

// place appends where something is, as far as that is told.
func (e *encoder) place(line, column, endLine, endColumn int) *encoder {
	return e.intIf("line", line).intIf("column", column).intIf("endLine", endLine).intIf("endColumn", endColumn)
}

func (e *encoder) source(name string, s *dap.Source) *encoder {
	if s == nil {
		return e
	}
	e.key(name)
	if len(s.Sources)+len(s.AdapterData)+len(s.Checksums) > 0 {
		e.any(s)
		return e
	}
	e.open('{').strIf("name", s.Name).strIf("path", s.Path).intIf("sourceReference", s.SourceReference)
	return e.strIf("presentationHint", s.PresentationHint).strIf("origin", s.Origin).close('}')
}

func (e *encoder) hint(h *dap.VariablePresentationHint) *encoder {
	if h == nil {
		return e
	}
	e.key("presentationHint").open('{').strIf("kind", h.Kind)
	if len(h.Attributes) > 0 {
		e.key("attributes").open('[')
		for _, a := range h.Attributes {
			e.next().text(a)
		}
		e.close(']')
	}
	return e.strIf("visibility", h.Visibility).boolIf("lazy", h.Lazy).close('}')
}

// list appends an object whose one member is a list of objects.
func list[T any](e *encoder, name string, rows []T, members func(*T)) {
	e.open('{').rows(name, rows == nil)
	for i := range rows {
		e.next().open('{')
		members(&rows[i])
		e.close('}')
	}
	e.rowsEnd(rows == nil).close('}')
}

// rows begins a list, or writes that there is none.
func (e *encoder) rows(name string, none bool) *encoder {
	if e.key(name); none {
		e.b = append(e.b, "null"...)
		return e
	}
	return e.open('[')
}

func (e *encoder) rowsEnd(none bool) *encoder {
	if none {
		return e
	}
	return e.close(']')
}

func (e *encoder) open(c byte) *encoder  { e.b = append(e.b, c); return e }
func (e *encoder) close(c byte) *encoder { e.b = append(e.b, c); return e }

// next separates what follows from the member before.
func (e *encoder) next() *encoder {
	if c := e.b[len(e.b)-1]; c != '{' && c != '[' {
		e.b = append(e.b, ',')
	}
	return e
}

func (e *encoder) key(name string) *encoder {
	e.next()
	e.b = append(append(append(e.b, '"'), name...), '"', ':')
	return e
}

func (e *encoder) int(name string, n int) *encoder {
	e.key(name).b = strconv.AppendInt(e.b, int64(n), 10)
	return e
}

func (e *encoder) intIf(name string, n int) *encoder {
	if n == 0 {
		return e
	}
	return e.int(name, n)
}

func (e *encoder) intAt(name string, n *int) *encoder {
	if n == nil {
		return e
	}
	return e.int(name, *n)
}

func (e *encoder) bool(name string, on bool) *encoder {
	e.key(name).b = strconv.AppendBool(e.b, on)
	return e
}

func (e *encoder) boolIf(name string, on bool) *encoder {
	if !on {
		return e
	}
	return e.bool(name, on)
}

func (e *encoder) str(name, s string) *encoder { return e.key(name).text(s) }

func (e *encoder) strIf(name, s string) *encoder {
	if s == "" {
		return e
	}
	return e.str(name, s)
}

// any leaves v to encoding/json.
func (e *encoder) any(v any) {
	if s, ok := v.(string); ok {
		e.text(s)
		return
	}
	var buf bytes.Buffer
	to := json.NewEncoder(&buf)
	to.SetEscapeHTML(false)
	if err := to.Encode(v); err != nil {
		if e.err == nil {
			e.err = err
		}
		return
	}
	e.b = append(e.b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}

// short are the escapes of one letter.
var short = [utf8.RuneSelf]byte{'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}

// text appends a string. What is no UTF-8 becomes the replacement character.
func (e *encoder) text(s string) *encoder {
	b := append(e.b, '"')
	from := 0 // of what is yet to be copied
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		r, n := rune(c), 1
		if c >= utf8.RuneSelf {
			if r, n = utf8.DecodeRuneInString(s[i:]); (r != utf8.RuneError || n > 1) && r != '\u2028' && r != '\u2029' {
				i += n
				continue
			}
		}
		b = append(b, s[from:i]...)
		if r < utf8.RuneSelf && short[r] != 0 {
			b = append(b, '\\', short[r])
		} else {
			const digits = "0123456789abcdef"
			b = append(b, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
		}
		i += n
		from = i
	}
	e.b = append(append(b, s[from:]...), '"')
	return e
}
