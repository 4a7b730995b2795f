package windbg

import (
	"context"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

// This file runs a command for each of something: !list and the !for_each family.

var eachCommands = []command{
	{"!list", `!list -t [mod!]Type.Field[.Field] [-x "cmd"] [-a "args"] [-m N] [-e] Start`, "run a command for each element of a linked list, with @$extret as its address; -e shows the command", anytime, walkList},
	{"!for_each_module", `!for_each_module ["cmd"]`, "run a command for each module: @#ModuleName @#ImageName @#Base @#Size @#End @#ModuleIndex @#SymbolFileName", anytime, forEachItem(eachModule)},
	{"!for_each_process", `!for_each_process ["cmd"]`, "run a command for the process: @#Process", anytime, forEachItem(eachProcess)},
	{"!for_each_thread", `!for_each_thread ["cmd"]`, "run a command for each thread: @#Thread @#ThreadId @#ThreadIndex", anytime, forEachItem(eachThread)},
	{"!for_each_frame", `!for_each_frame ["cmd"]`, "run a command in each frame of the stack: @#FrameNum", anytime, forEachFrame},
	{"!for_each_local", `!for_each_local ["cmd"]`, "run a command for each local variable: @#Local", anytime, forEachItem(eachLocal)},
	{"!for_each_register", `!for_each_register ["cmd"]`, "run a command for each register: @#RegisterName @#RegisterValue", anytime, forEachItem(eachRegister)},
	{"!for_each_function", `!for_each_function -m:Module [-p:Pattern] -c:"cmd"`, "run a command for each function of a module: @#SymbolName @#SymbolAddress @#ModName @#FunctionName", anytime, forEachFunction},
}

// maxElements ends a list that does not end.
const maxElements = 1_000_000

// listQuery is what !list asks for.
type listQuery struct {
	path    string // Type.Field.Field
	command string
	args    string
	most    uint64
	echo    bool
	start   string
}

func (c *call) listQuery(ctx context.Context) (q listQuery, err error) {
	q = listQuery{command: "dp", most: maxElements}
	if text, ok := c.quoted(); ok { // the whole in quotes, with those of -x escaped
		if err := c.end(); err != nil {
			return q, err
		}
		c.line, c.base = text, c.base-len(text)
	}
	for c.more() {
		if c.line[0] != '-' || len(c.line) < 2 || strings.IndexByte("txaemh", c.line[1]) < 0 {
			q.start = c.all()
			break
		}
		o, _ := c.option("-")
		switch o {
		case "t":
			q.path = c.word()
		case "x", "a":
			text, ok := c.quoted()
			if !ok {
				text = c.word()
			}
			if o == "x" {
				q.command = text
			} else {
				q.args = text
			}
		case "m":
			if q.most, err = c.value(ctx, c.word()); err != nil {
				return q, err
			}
		case "e":
			q.echo = true
		default:
			return q, c.syntax(-len(o) - 1)
		}
	}
	if q.path == "" || q.start == "" || !strings.Contains(q.path, ".") {
		return q, &Error{Kind: "Syntax", Command: c.text, Pos: c.pos + len(c.name), Fix: "name the link and the first element: !list -t Type.Field Start"}
	}
	return q, nil
}

// listLink is where the link lies in an element, and how far the address that it holds
// is from the element it means.
type listLink struct{ link, back uint64 }

// link computes the offsets of Type.Field.Field. A link in a structure of its own (a
// LIST_ENTRY, a list_head) points to such a structure within the next element.
func (c *call) link(ctx context.Context, path string) (l listLink, err error) {
	typeName, fields, _ := strings.Cut(path, ".")
	if _, name, ok := strings.Cut(typeName, "!"); ok {
		typeName = name
	}
	offset := func(field string) (uint64, error) {
		return c.valueIn(ctx, fmt.Sprintf("(unsigned long long)&((%s*)0)->%s", typeName, field), eval.Options{Dialect: eval.CPP})
	}
	if l.link, err = offset(fields); err != nil {
		return l, err
	}
	if k := strings.LastIndexByte(fields, '.'); k > 0 {
		l.back, err = offset(fields[:k])
	}
	return l, err
}

// walkList is !list.
func walkList(ctx context.Context, c *call) error {
	q, err := c.listQuery(ctx)
	if err != nil {
		return err
	}
	l, err := c.link(ctx, q.path)
	if err != nil {
		return err
	}
	first, err := c.value(ctx, q.start)
	if err != nil {
		return err
	}
	inner := *c.exec
	inner.tail = false
	seen := map[uint64]bool{}
	at := first
	for n := uint64(0); n < q.most && !seen[at]; n++ {
		seen[at] = true
		text := q.command
		if !strings.Contains(text, "$extret") {
			text = fmt.Sprintf("%s 0x%x %s", text, at, q.args)
		}
		err := c.do(ctx, func(ctx context.Context, v *engine.View) error { v.SetVar("extret", integer(at)); return nil })
		if err != nil {
			return err
		}
		if q.echo {
			c.printf("%s\n", text)
		}
		if err := inner.program(ctx, text); err != nil {
			return err
		}
		next, err := c.pointerAt(ctx, arch.Addr(at+l.link))
		if err != nil {
			return err
		}
		if next == 0 {
			return nil
		}
		at = uint64(next) - l.back
	}
	return nil
}

// pointerAt reads a pointer.
func (c *call) pointerAt(ctx context.Context, at arch.Addr) (to arch.Addr, err error) {
	err = c.do(ctx, func(ctx context.Context, v *engine.View) error {
		inner := *c
		inner.v = v
		ptr := pointerSize(v)
		data, known, err := inner.read(ctx, at, uint64(ptr))
		if err == nil && known < ptr {
			err = &Error{Kind: "Memory access", Rest: fmt.Sprintf("0x%x", uint64(at))}
		}
		to = arch.Addr(littleEndian(data[:ptr]))
		return err
	})
	return to, err
}

// item is one thing with the words that commands may use for it; show is what there is
// to see of it without a command.
type item struct {
	words map[string]string
	show  string
}

// forEachItem makes a command that runs text for each of the items.
func forEachItem(list func(context.Context, *call, *engine.View) ([]item, error)) func(context.Context, *call) error {
	return func(ctx context.Context, c *call) error {
		text := c.eachText()
		var items []item
		err := c.do(ctx, func(ctx context.Context, v *engine.View) (err error) {
			inner := *c
			inner.v = v
			items, err = list(ctx, &inner, v)
			return err
		})
		if err != nil {
			return err
		}
		return c.eachItem(ctx, items, text)
	}
}

// eachText takes the command: in quotes, or the rest.
func (c *call) eachText() string {
	if text, ok := c.quoted(); ok {
		return text
	}
	return c.all()
}

func (c *call) eachItem(ctx context.Context, items []item, text string) error {
	inner := *c.exec
	inner.tail = false
	for _, x := range items {
		if text == "" {
			c.printf("%s\n", x.show)
			continue
		}
		if err := inner.program(ctx, x.in(text)); err != nil {
			return err
		}
	}
	return nil
}

// in replaces the words in a command, longer names first.
func (x item) in(text string) string {
	var pairs []string
	for name, value := range x.words {
		pairs = append(pairs, "@#"+name, value)
	}
	out := text
	for k := 0; k < len(pairs); k += 2 {
		out = replaceWord(out, pairs[k], pairs[k+1])
	}
	return out
}

// replaceWord replaces name where no letter goes on with it.
func replaceWord(s, name, value string) string {
	var b strings.Builder
	for {
		k := strings.Index(s, name)
		if k < 0 {
			return b.String() + s
		}
		b.WriteString(s[:k])
		if s = s[k+len(name):]; s != "" && isWord(s[0]) {
			b.WriteString(name)
		} else {
			b.WriteString(value)
		}
	}
}

func eachModule(_ context.Context, c *call, v *engine.View) (out []item, _ error) {
	for k, m := range v.Live().Modules() {
		_, file := symbolStatus(m)
		out = append(out, item{map[string]string{
			"ModuleName": m.Name, "ImageName": m.Path, "LoadedImageName": m.Path, "SymbolFileName": file, "ModuleIndex": fmt.Sprintf("%x", k),
			"Base": fmt.Sprintf("0x%x", uint64(m.Base)), "Size": fmt.Sprintf("0x%x", uint64(moduleEnd(m)-m.Base)), "End": fmt.Sprintf("0x%x", uint64(moduleEnd(m))),
		}, fmt.Sprintf("%02x: @#Base: 0x%x @#ModuleName: %s @#ImageName: %s", k, uint64(m.Base), m.Name, m.Path)})
	}
	return out, nil
}

func eachProcess(_ context.Context, c *call, v *engine.View) ([]item, error) {
	pid := fmt.Sprintf("0x%x", v.Live().Info().Process)
	return []item{{map[string]string{"Process": pid, "ProcessId": pid}, "@#Process: " + pid}}, nil
}

func eachThread(ctx context.Context, c *call, v *engine.View) (out []item, _ error) {
	list, err := v.Threads(ctx)
	for _, t := range list {
		id, n := fmt.Sprintf("0x%x", t.ID.Thread), fmt.Sprint(t.Ordinal)
		out = append(out, item{map[string]string{"Thread": fmt.Sprintf("0x%x", uint64(withBase(ctx, v, t).Base)), "ThreadId": id, "ThreadIndex": n}, c.threadRow(ctx, v, t, pointerSize(v))})
	}
	return out, err
}

func eachLocal(ctx context.Context, c *call, v *engine.View) (out []item, _ error) {
	f, err := v.Frame(ctx)
	if err != nil {
		return nil, err
	}
	vars, err := v.Locals(ctx, f)
	for _, l := range vars {
		out = append(out, item{map[string]string{"Local": l.Name}, fmt.Sprintf("%16s = %s", l.Name, c.valueText(ctx, f, l.Value))})
	}
	return out, err
}

func eachRegister(ctx context.Context, c *call, v *engine.View) (out []item, _ error) {
	f, err := v.Frame(ctx)
	if err != nil {
		return nil, err
	}
	for i, r := range f.Regs.Set.Regs {
		if f.Regs.Known(i) {
			out = append(out, item{map[string]string{"RegisterName": r.Name, "RegisterValue": registerHex(f.Regs, r.Name)}, r.Name + "=" + registerHex(f.Regs, r.Name)})
		}
	}
	return out, nil
}

// forEachFrame runs a command in each frame, which is selected for it.
func forEachFrame(ctx context.Context, c *call) error {
	text := c.eachText()
	n, back := 0, 0
	err := c.do(ctx, func(ctx context.Context, v *engine.View) error {
		f, err := v.Frame(ctx)
		if err != nil {
			return err
		}
		s, err := v.Stack(ctx, f.Thread, c.i.frames)
		if err == nil {
			n, back = len(s.Frames), f.Index
		}
		return err
	})
	if err != nil {
		return err
	}
	inner := *c.exec
	inner.tail = false
	var failed error
	for k := 0; k < n && failed == nil; k++ {
		failed = c.do(ctx, func(ctx context.Context, v *engine.View) error {
			f, err := v.SelectFrame(ctx, k)
			if err == nil {
				in := *c
				in.v = v
				c.printf("%s\n", stackStyle{}.row(ctx, &in, f, 0, pointerSize(v)))
			}
			return err
		})
		if failed == nil && text != "" {
			failed = inner.program(ctx, item{words: map[string]string{"FrameNum": fmt.Sprintf("0x%x", k)}}.in(text))
		}
	}
	c.do(ctx, func(ctx context.Context, v *engine.View) error { _, err := v.SelectFrame(ctx, back); return err })
	return failed
}

// forEachFunction runs a command for each function of a module.
func forEachFunction(ctx context.Context, c *call) error {
	module, pattern, text := "", "*", ""
	for c.more() {
		at := c.base
		name, value, ok := strings.Cut(c.drop(optionEnd(c.line)), ":")
		if !ok {
			return &Error{Kind: "Syntax", Command: c.text, Pos: at}
		}
		value = strings.Trim(value, `"`)
		switch name {
		case "-m":
			module = value
		case "-p":
			pattern = value
		case "-c":
			text = value
		default:
			return &Error{Kind: "Syntax", Command: c.text, Pos: at}
		}
	}
	if module == "" {
		return c.syntax(0)
	}
	var items []item
	err := c.do(ctx, func(ctx context.Context, v *engine.View) error {
		return v.Symbols(ctx, module+"!"+pattern, func(l engine.Location) bool {
			if l.Symbol.Kind == symbols.Function {
				full := symbolText(l.Module, l.Symbol)
				mod, name, _ := strings.Cut(full, "!")
				items = append(items, item{map[string]string{"SymbolName": full, "ModName": mod, "FunctionName": name, "SymbolAddress": fmt.Sprintf("0x%x", uint64(l.Addr))}, full})
			}
			return ctx.Err() == nil && len(items) < maxElements
		})
	})
	if err != nil {
		return err
	}
	return c.eachItem(ctx, items, text)
}
