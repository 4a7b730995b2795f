package windbg

import (
	"context"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

const stackUsage = "[~T] k[b|p|P|v][c][n][f][L][M] [Frames | = SP [IP] Frames]"

var stackCommands = []command{
	{"k", stackUsage, "call stack", stopped, stackTrace},
	{"kb", stackUsage, "call stack with the first arguments", stopped, stackTrace},
	{"kc", stackUsage, "call stack, names only", stopped, stackTrace},
	{"kf", stackUsage, "call stack with the bytes between frames", stopped, stackTrace},
	{"kL", stackUsage, "call stack without source lines", stopped, stackTrace},
	{"kn", stackUsage, "call stack with frame numbers", stopped, stackTrace},
	{"kp", stackUsage, "call stack with parameters", stopped, stackTrace},
	{"kP", stackUsage, "call stack with parameters, one a line", stopped, stackTrace},
	{"kv", stackUsage, "call stack with stack pointers and arguments", stopped, stackTrace},
	{"kd", "kd [Count]", "raw stack with symbols", stopped, rawStack},
	{".frame", ".frame [/c] [/r] [N | = SP [N]]", "select or show the frame whose variables are visible; /r with registers, /c as the context of what follows, = from another stack pointer", stopped, selectFrame},
	{".f+", ".f+", "select the next older frame", stopped, moveFrame(1)},
	{".f-", ".f-", "select the next newer frame", stopped, moveFrame(-1)},
	{".kframes", ".kframes [N]", "default depth of k", anytime, stackDepth},
	{".inline", ".inline [0 | 1]", "frames of inlined calls shown or not", stopped, inlineFrames},
	{"!uniqstack", "!uniqstack [-b | -v | -p | -n]", "stacks of all threads, equal ones once", stopped, uniqueStacks},
	{"!findstack", "!findstack Symbol [0 | 1 | 2]", "threads whose stack holds a symbol: 0 their names, 1 the frames, 2 the whole stacks", stopped, findStacks},
	{"!analyze", "!analyze [-v]", "what happened: the event, its place, the stack and a key to sort failures by", stopped, analyze},
	{"dv", "dv [/i] [/t] [/v] [/V] [/f Addr] [/a | /A | /n | /N | /z | /Z] [pattern]",
		"variables of the selected frame: /i kinds, /t types, /v places, /V places by register, /f of a function; in the order of address, name or size, capital downwards", stopped, locals},
}

// stackStyle is what the letters of k ask for.
type stackStyle struct {
	args, sp, clean, memory, params, each, noSource bool
}

func stackStyleOf(letters string) (st stackStyle) {
	for _, l := range letters {
		switch l {
		case 'b':
			st.args = true
		case 'v':
			st.args, st.sp = true, true
		case 'c':
			st.clean = true
		case 'f':
			st.memory = true
		case 'p':
			st.params = true
		case 'P':
			st.params, st.each = true, true
		case 'L':
			st.noSource = true
		}
	}
	return st
}

func stackTrace(ctx context.Context, c *call) error {
	st := stackStyleOf(c.name[1:] + c.letters("bpPvcnfLM"))
	if c.more() && c.line[0] == '=' {
		return c.stackFrom(ctx, st)
	}
	n, err := c.frameCount(ctx)
	if err != nil {
		return err
	}
	t, err := c.v.Thread(ctx)
	if err != nil {
		return err
	}
	return c.stack(ctx, t.ID, int(n), st)
}

// frameCount reads how many frames to show, and the end.
func (c *call) frameCount(ctx context.Context) (uint64, error) {
	n, err := c.number(ctx, uint64(c.i.frames))
	if err != nil {
		return 0, err
	}
	if err := c.end(); err != nil {
		return 0, err
	}
	if n == 0 || n > 10000 {
		return 0, &Error{Kind: "Range", Command: c.text, Pos: c.pos + len(c.name), Fix: "1 to 0n10000 frames"}
	}
	return n, nil
}

// stackFrom is k = SP [IP] Frames, on x86 k = BP [SP IP] [Frames].
func (c *call) stackFrom(ctx context.Context, st stackStyle) error {
	c.drop(1)
	var args []uint64
	for c.more() && len(args) < 4 {
		a, err := c.address(ctx)
		if err != nil {
			return err
		}
		args = append(args, uint64(a))
	}
	if err := c.end(); err != nil {
		return err
	}
	f, err := c.v.Frame(ctx)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return c.syntax(0)
	}
	r := f.Regs.Clone()
	if pointerSize(c.v) == 4 {
		r.PutName(r.Set.Arch.FP, args[0])
		if len(args) >= 3 {
			r.SetSP(arch.Addr(args[1]))
			args = args[1:]
		}
	} else {
		r.SetSP(arch.Addr(args[0]))
	}
	n := uint64(c.i.frames)
	switch len(args) {
	case 2:
		n = args[1]
	case 3:
		r.SetPC(arch.Addr(args[1]))
		n = args[2]
	}
	if n == 0 || n > 10000 {
		return &Error{Kind: "Range", Command: c.text, Pos: c.pos + len(c.name), Fix: "1 to 0n10000 frames"}
	}
	s, err := c.v.StackFrom(ctx, r, int(n))
	if err != nil {
		return err
	}
	c.frames(ctx, s, int(n), st)
	return nil
}

// stack writes the frames of a thread.
func (c *call) stack(ctx context.Context, id targets.ThreadID, limit int, st stackStyle) error {
	s, err := c.v.Stack(ctx, id, limit)
	if err != nil && s == nil {
		return err
	}
	c.stackContext()
	c.frames(ctx, s, limit, st)
	return err
}

// frames writes a stack of which limit frames were asked for.
func (c *call) frames(ctx context.Context, s *engine.Stack, limit int, st stackStyle) {
	ptr := pointerSize(c.v)
	c.printf("%s", st.header(ptr))
	guess := false
	var above arch.Addr
	for k := range s.Frames {
		f := &s.Frames[k]
		if !guess && (f.Kind == engine.ByFramePointer || f.Kind == engine.ByScan || f.Kind == engine.ByCode) {
			guess = true
			c.printf("WARNING: Stack unwind information not available. Following frames may be wrong.\n")
		}
		c.printf("%s\n", st.row(ctx, c, f, above, ptr))
		above = f.ChildSP
	}
	if s.End != "" && len(s.Frames) < limit {
		c.printf("%s\n", s.End)
	}
}

func (st stackStyle) header(ptr int) string {
	sp, ret := "Child-SP          ", "RetAddr               "
	if ptr == 4 {
		sp, ret = "ChildEBP ", "RetAddr      "
	}
	switch {
	case st.clean:
		return " # Call Site\n"
	case st.args && !st.sp:
		return " # " + ret + ": " + pad("Args to Child", 4*(2*ptr+ptr/4)-1+1) + ": Call Site\n"
	case st.args:
		return " # " + sp + ret + ": " + pad("Args to Child", 4*(2*ptr+ptr/4)-1+1) + ": Call Site\n"
	case st.memory:
		return " #   Memory  " + sp + ret + "Call Site\n"
	}
	return " # " + sp + ret + "Call Site\n"
}

func pad(s string, n int) string { return fmt.Sprintf("%-*s", n, s) }

func (st stackStyle) row(ctx context.Context, c *call, f *engine.Frame, above arch.Addr, ptr int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%02x ", f.Index)
	if st.memory {
		if f.Index > 0 && above != 0 && f.ChildSP >= above {
			fmt.Fprintf(&b, "%9x ", uint64(f.ChildSP-above))
		} else {
			b.WriteString(strings.Repeat(" ", 10))
		}
	}
	sp, ret := f.ChildSP.Text(ptr), f.Return.Text(ptr)
	if f.Inlined {
		sp, ret = "(Inline Function)", "--------`--------"
		if ptr == 4 {
			sp, ret = "(Inline)", "--------"
		}
	}
	if f.Kind == engine.ByTailCall { // it is not on the stack any more
		sp, ret = "(Tail Call)      ", "--------`--------"
		if ptr == 4 {
			sp, ret = "(Tail)  ", "--------"
		}
	}
	switch {
	case st.clean:
	case st.args:
		if st.sp {
			b.WriteString(sp + " ")
		}
		b.WriteString(ret + "     : " + c.rawArgs(ctx, f, ptr) + " : ")
	default:
		b.WriteString(sp + " " + ret + "     ")
	}
	if st.clean {
		b.WriteString(symbolOrAddress(f, ptr))
		return b.String()
	}
	site := callSite(f, ptr)
	if st.params {
		site = st.withParams(ctx, c, f, site)
	}
	b.WriteString(site)
	if p := placeText(f.Line); p != "" && !st.noSource && !c.i.source.noLines {
		b.WriteString(" " + p + " ")
	}
	return b.String()
}

func symbolOrAddress(f *engine.Frame, ptr int) string {
	if name := symbolText(f.Module, f.Symbol); f.Symbol.Name != "" {
		return name
	}
	return callSite(f, ptr)
}

// rawArgs are the four argument words of kb: what lies above the return address, as
// on Windows, where the register home slots are.
func (c *call) rawArgs(ctx context.Context, f *engine.Frame, ptr int) string {
	words := make([]string, 4)
	if f.Regs != nil {
		for k, name := range f.Regs.Set.Arch.Args {
			if v, ok := f.Regs.Get(name); ok && k < len(words) && f.Index == 0 {
				words[k] = arch.Addr(v).Text(ptr)
			}
		}
	}
	buf := make([]byte, 4*ptr)
	n := 0
	if f.CFA != 0 {
		n, _ = c.v.ReadMemory(ctx, targets.Space{}, f.CFA, buf)
	}
	for k := range words {
		if words[k] != "" {
			continue
		}
		words[k] = strings.Repeat("?", len(arch.Addr(0).Text(ptr)))
		if (k+1)*ptr <= n {
			words[k] = arch.Addr(littleEndian(buf[k*ptr : (k+1)*ptr])).Text(ptr)
		}
	}
	return strings.Join(words, " ")
}

// withParams puts the parameters with their values after the function's name.
func (st stackStyle) withParams(ctx context.Context, c *call, f *engine.Frame, site string) string {
	if f.Scope == nil {
		return site
	}
	vars, err := c.v.Locals(ctx, f)
	if err != nil {
		return site
	}
	var list []string
	for _, l := range vars {
		if l.Param {
			list = append(list, fmt.Sprintf("%s = %s", declare(l.Type, l.Name), c.valueText(ctx, f, l.Value)))
		}
	}
	name, offset := symbolText(f.Module, f.Symbol), site
	offset = strings.TrimPrefix(offset, name)
	switch {
	case len(list) == 0:
		return name + "(void)" + offset
	case st.each:
		return name + "(\n\t\t\t" + strings.Join(list, ",\n\t\t\t") + ")" + offset
	}
	return name + "(" + strings.Join(list, ", ") + ")" + offset
}

// declare is "type name" as dv and kp print it.
func declare(t *symbols.Type, name string) string {
	return dtTypeName(t) + " " + name
}

// dtTypeName spells a type for dv, kp and ??; composite types carry their tag.
func dtTypeName(t *symbols.Type) string {
	name := eval.TypeName(t)
	base := t
	for base != nil && base.Kind != symbols.Typedef && base.Elem != nil && !base.IsComposite() {
		base = base.Elem
	}
	tag := ""
	if base != nil && base.Kind != symbols.Typedef {
		tag = map[symbols.TypeKind]string{symbols.Struct: "struct ", symbols.Class: "class ", symbols.Union: "union ", symbols.Enum: "enum "}[base.Kind]
	}
	if strings.HasPrefix(name, strings.TrimSpace(tag)+" ") {
		tag = ""
	}
	return tag + strings.ReplaceAll(spacedPointers(name), "* *", "**")
}

// spacedPointers writes "char *" for "char*".
func spacedPointers(name string) string {
	trimmed := strings.TrimRight(name, "*&")
	if marks := name[len(trimmed):]; marks != "" && !strings.HasSuffix(trimmed, " ") {
		return trimmed + " " + marks
	}
	return name
}

// valueText is a value on one line in the style of dv.
func (c *call) valueText(ctx context.Context, f *engine.Frame, val eval.Value) string {
	return c.textIn(ctx, c.v.Env(f), val)
}

// textIn is valueText over what env reads from.
func (c *call) textIn(ctx context.Context, env eval.Env, val eval.Value) string {
	if val.Err != nil {
		return unknownText(val.Err)
	}
	if m := c.v.Model(); m != nil {
		text, err := m.Text(ctx, env, val, eval.Format{Style: eval.DT})
		if err != nil {
			return unknownText(err)
		}
		if text != "" {
			return text
		}
	}
	return dtTypeName(val.Type)
}

func unknownText(err error) string {
	if unavailable(err) {
		return "<value unavailable>"
	}
	return "<" + err.Error() + ">"
}
