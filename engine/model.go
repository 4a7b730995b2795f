package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// The objects of WinDbg's data model over one debuggee: Debugger, @$cursession,
// @$curprocess, @$curthread, @$curstack, @$curframe and what they lead to. They
// hold nothing of a stop: what they tell is looked up when it is asked for.

// modelRoots are the pseudo-registers that are objects.
var modelRoots = map[string]func(ctx context.Context, l *loop) (eval.Value, error){
	"debuggerrootnamespace": func(_ context.Context, l *loop) (eval.Value, error) {
		return object("object", "", eval.Known(debuggerName, l.modelDebugger())), nil
	},
	"cursession": func(_ context.Context, l *loop) (eval.Value, error) { return l.modelSession(), nil },
	"curprocess": func(_ context.Context, l *loop) (eval.Value, error) { return l.modelProcess(), nil },
	"curthread":  currentThread,
	"curstack":   func(_ context.Context, l *loop) (eval.Value, error) { return l.modelStack(l.selected), nil },
	"curframe": func(ctx context.Context, l *loop) (eval.Value, error) {
		f, err := l.frameAt(ctx, l.frame)
		if err != nil {
			return eval.Value{}, err
		}
		return l.modelFrame(f), nil
	},
}

// debuggerName is the data model's name space.
const debuggerName = "Debugger"

// modelRoot finds an object of the data model by the name of a pseudo-register.
func (l *loop) modelRoot(ctx context.Context, name string) (eval.Value, bool) {
	f, ok := modelRoots[strings.ToLower(name)]
	if !ok {
		return eval.Value{}, false
	}
	v, err := f(ctx, l)
	if err != nil {
		v = eval.Value{Err: err}
	}
	return v, true
}

// get makes a property.
func get(name string, f func(ctx context.Context, env eval.Env) (eval.Value, error)) eval.Prop {
	return eval.Prop{Name: name, Get: f}
}

// figure makes a property that is a number.
func figure(name string, n uint64) eval.Prop {
	return get(name, func(_ context.Context, env eval.Env) (eval.Value, error) { return eval.Count(env, n), nil })
}

// words makes a property that is text.
func words(name, text string) eval.Prop { return eval.Known(name, eval.Text(text)) }

// object makes a value of properties.
func object(class, text string, props ...eval.Prop) eval.Value {
	return eval.ItemOf(&eval.Item{Class: class, Text: text, Props: props})
}

// listed makes a value of elements that are found when they are asked for.
func listed(each func(ctx context.Context, env eval.Env, yield func(eval.Element) bool) error,
	find func(ctx context.Context, env eval.Env, key eval.Value) (eval.Value, bool, error)) eval.Value {
	return eval.ItemOf(&eval.Item{Class: "list", List: &eval.List{Each: each, Find: find}})
}

// alone is a list of one element.
func alone(key uint64, v eval.Value) eval.Value {
	return listed(func(_ context.Context, env eval.Env, yield func(eval.Element) bool) error {
		yield(eval.Element{Key: eval.Count(env, key), Value: v})
		return nil
	}, nil)
}

func (l *loop) modelDebugger() eval.Value {
	control := object("object", "", eval.Known("ExecuteCommand", eval.ItemOf(&eval.Item{Class: "method", Text: "<function>", Func: l.executeCommand})))
	return object("object", "", eval.Known("Sessions", alone(0, l.modelSession())),
		eval.Known("Utility", object("object", "", eval.Known("Control", control), eval.Known("Collections", l.modelCollections()))),
		eval.Known("State", object("object", "",
			get("DebuggerVariables", func(context.Context, eval.Env) (eval.Value, error) { return l.modelVariables(), nil }),
			get("PseudoRegisters", l.modelPseudoRegisters))))
}

// modelVariables are the user's variables.
func (l *loop) modelVariables() eval.Value {
	var props []eval.Prop
	for _, name := range slices.Sorted(maps.Keys(l.vars)) {
		props = append(props, eval.Known(name, l.vars[name]))
	}
	return object("object", "", props...)
}

func (l *loop) modelSession() eval.Value {
	info := l.t.Info()
	text := "Live user mode: " + info.Stub
	switch {
	case l.r == nil:
		text = "Dump file: " + info.Path
	case info.Machine:
		text = "Remote kernel mode: " + info.Stub
	}
	machine := object("object", "", words("Architecture", l.arch.Name), figure("PointerSize", uint64(l.arch.PtrSize)))
	return object("session", text,
		eval.Known("Processes", alone(uint64(l.pid()), l.modelProcess())),
		figure("Id", 0),
		eval.Known("Attributes", object("object", "", eval.Known("Machine", machine),
			eval.Known("Target", object("object", "", words("Stub", info.Stub), words("OS", info.OS))))))
}

func (l *loop) modelProcess() eval.Value {
	name := path.Base(l.t.Info().Path)
	if l.t.Info().Path == "" {
		name = ""
		if len(l.modules.rows) > 0 {
			name = path.Base(l.modules.rows[0].Path)
		}
	}
	props := []eval.Prop{
		words("Name", name), figure("Id", uint64(l.pid())),
		eval.Known("Threads", listed(l.eachThread, nil)),
		eval.Known("Modules", listed(l.eachModule, l.findModule)),
	}
	if !l.t.Info().Machine { // which has none of these
		props = append(props, get("Environment", l.modelEnvironment), get("Memory", l.modelMemory),
			eval.Known("Io", object("object", "", get("Handles", l.modelHandles))))
	}
	return object("process", name, props...)
}

// modelEnvironment is the environment that the process was started with, where
// the far end serves /proc.
func (l *loop) modelEnvironment(ctx context.Context, _ eval.Env) (eval.Value, error) {
	files, ok := l.t.(targets.Files)
	if !ok || l.t.Info().OS != "linux" || l.t.Info().Machine {
		return eval.Value{}, fmt.Errorf("the environment: %w", errors.ErrUnsupported)
	}
	f, err := files.Open(ctx, fmt.Sprintf("/proc/%d/environ", l.pid()))
	if err != nil {
		return eval.Value{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return eval.Value{}, err
	}
	var rows []eval.Element
	for _, s := range strings.Split(strings.TrimRight(string(data), "\x00"), "\x00") {
		if k, v, ok := strings.Cut(s, "="); ok {
			rows = append(rows, eval.Element{Key: eval.Text(k), Value: eval.Text(v)})
		}
	}
	return eval.ItemOf(&eval.Item{Class: "environment", List: eval.ListOf(rows)}), nil
}

func (l *loop) eachThread(ctx context.Context, env eval.Env, yield func(eval.Element) bool) error {
	ts, err := l.threadList(ctx)
	for _, t := range ts {
		if err != nil || !yield(eval.Element{Key: eval.Count(env, uint64(t.ID.Thread)), Value: l.modelThread(t)}) {
			break
		}
	}
	return err
}

func currentThread(ctx context.Context, l *loop) (eval.Value, error) {
	ts, err := l.threadList(ctx)
	for _, t := range ts {
		if t.ID == l.selected && err == nil {
			return l.modelThread(t), nil
		}
	}
	if err == nil {
		err = targets.ErrNoThreads
	}
	return eval.Value{}, err
}

func (l *loop) modelThread(t Thread) eval.Value {
	text := t.Name
	id := t.ID
	return eval.ItemOf(&eval.Item{Class: "thread", Text: text, Props: []eval.Prop{
		figure("Id", uint64(id.Thread)), figure("Index", uint64(t.Ordinal)), words("Name", t.Name),
		eval.Known("Stack", l.modelStack(id)),
		eval.Known("Registers", object("object", "", get("User", func(ctx context.Context, _ eval.Env) (eval.Value, error) {
			return l.modelRegisters(ctx, id)
		}))),
		eval.Known("Environment", object("object", "", get("EnvironmentBlock", func(ctx context.Context, env eval.Env) (eval.Value, error) {
			return l.modelThreadBlock(ctx, env, id)
		}))),
	}, Methods: []eval.Method{{Name: "SwitchTo", Usage: "SwitchTo()", Call: func(ctx context.Context, _ eval.Env, _ []eval.Value) (eval.Value, error) {
		return eval.ItemOf(&eval.Item{}), (&View{l: l}).SelectThread(ctx, id)
	}}}})
}

func (l *loop) modelRegisters(ctx context.Context, id targets.ThreadID) (eval.Value, error) {
	r, err := l.registers(ctx, id)
	if err != nil {
		return eval.Value{}, err
	}
	it := &eval.Item{Class: "object"}
	for i, reg := range r.Set.Regs {
		if b, ok := r.Bytes(i); ok && len(b) <= 8 {
			it.Props = append(it.Props, figure(reg.Name, l.uint(b)))
		}
	}
	return eval.ItemOf(it), nil
}

// modelThreadBlock is the address of a thread's control block: its thread pointer.
func (l *loop) modelThreadBlock(ctx context.Context, env eval.Env, id targets.ThreadID) (eval.Value, error) {
	fs, err := l.stack(ctx, id, 1)
	if err != nil {
		return eval.Value{}, err
	}
	if len(fs) == 0 {
		return eval.Value{}, targets.ErrNoThreads
	}
	return eval.Integer(env, "unsigned __int64", uint64(l.threadBase(ctx, fs[0]))), nil
}

// modelStack is the stack of a thread.
func (l *loop) modelStack(id targets.ThreadID) eval.Value {
	each := func(ctx context.Context, env eval.Env, yield func(eval.Element) bool) error {
		for n := 1; ; n *= 8 {
			fs, err := l.stack(ctx, id, n)
			if err != nil {
				return err
			}
			for i := n / 8; i < len(fs) && i < n; i++ {
				if !yield(eval.Element{Key: eval.Index(env, int64(i)), Value: l.modelFrame(fs[i])}) {
					return nil
				}
			}
			if len(fs) < n {
				return nil
			}
		}
	}
	return object("stack", "", eval.Known("Frames", listed(each, nil)))
}

func (l *loop) modelFrame(f *Frame) eval.Value {
	source := object("object", "")
	if f.Line.File != "" {
		source = object("object", fmt.Sprintf("%s @ %d", f.Line.File, f.Line.Line), words("SourceFileName", f.Line.File), figure("SourceLine", uint64(f.Line.Line)))
	}
	attributes := object("object", "", figure("InstructionOffset", uint64(f.PC)), figure("ReturnOffset", uint64(f.Return)),
		figure("FrameOffset", uint64(f.CFA)), figure("StackOffset", uint64(f.ChildSP)), figure("FrameNumber", uint64(f.Index)),
		eval.Known("SourceInformation", source))
	it := &eval.Item{Class: "frame", Text: frameText(f), Props: []eval.Prop{
		eval.Known("Attributes", attributes),
		eval.Known("LocalVariables", l.modelVariablesOf(f, false)), eval.Known("Parameters", l.modelVariablesOf(f, true)),
	}}
	it.Methods = []eval.Method{{Name: "SwitchTo", Usage: "SwitchTo()", Call: func(ctx context.Context, _ eval.Env, _ []eval.Value) (eval.Value, error) {
		v := &View{l: l}
		if err := v.SelectThread(ctx, f.Thread); err != nil {
			return eval.Value{}, err
		}
		_, err := v.SelectFrame(ctx, f.Index)
		return eval.ItemOf(&eval.Item{}), err
	}}}
	return eval.ItemOf(it)
}

// frameText is "orders!Submit + 0x4".
func frameText(f *Frame) string {
	name := f.Symbol.Name
	switch {
	case name == "":
		return fmt.Sprintf("0x%x", uint64(f.PC))
	case f.Module != nil:
		name = f.Module.Name + "!" + name
	}
	if f.Disp == 0 {
		return name
	}
	return fmt.Sprintf("%s + 0x%x", name, f.Disp)
}

// modelVariablesOf are the variables of a frame as properties.
func (l *loop) modelVariablesOf(f *Frame, params bool) eval.Value {
	it := &eval.Item{Class: "object"}
	if f.Scope != nil {
		for _, v := range f.Scope.Variables {
			if v.Param == params {
				it.Props = append(it.Props, l.modelVariable(f, v))
			}
		}
	}
	return eval.ItemOf(it)
}

func (l *loop) modelVariable(f *Frame, v symbols.Variable) eval.Prop {
	return get(v.Name, func(ctx context.Context, in eval.Env) (eval.Value, error) { return l.env(f, in).variable(ctx, v) })
}

func (l *loop) eachModule(_ context.Context, _ eval.Env, yield func(eval.Element) bool) error {
	for _, m := range l.modules.rows {
		if !yield(eval.Element{Value: l.modelModule(m)}) {
			break
		}
	}
	return nil
}

// findModule finds a module by its name, its path or its number.
func (l *loop) findModule(ctx context.Context, env eval.Env, key eval.Value) (eval.Value, bool, error) {
	if name, err := eval.TextOf(ctx, env, key); err == nil {
		m, ok := l.moduleNamed(name)
		if !ok {
			return eval.Value{}, false, nil
		}
		return l.modelModule(m), true, nil
	}
	n, err := eval.Int(ctx, env, key)
	if err != nil || n >= uint64(len(l.modules.rows)) {
		return eval.Value{}, false, err
	}
	return l.modelModule(l.modules.rows[n]), true, nil
}

func (l *loop) modelModule(m *Module) eval.Value {
	kind := "deferred"
	if m.Image != nil {
		kind = m.Image.Path()
	}
	return object("module", m.Path, words("Name", m.Name), words("Path", m.Path), figure("BaseAddress", uint64(m.Base)), figure("Size", m.Size),
		words("Symbols", kind), get("Contents", func(context.Context, eval.Env) (eval.Value, error) { return l.modelContents(m), nil }))
}

// executeCommand runs a line of the command language and yields what it prints.
func (l *loop) executeCommand(ctx context.Context, in eval.Env, args []eval.Value) (eval.Value, error) {
	here, ok := in.(*env)
	if ok {
		_, ok = here.mem.(*nowMemory)
	}
	if !ok || l.execute == nil {
		return eval.Value{}, errors.New("ExecuteCommand works where it is written out in a dx command")
	}
	if len(args) != 1 {
		return eval.Value{}, errors.New("ExecuteCommand takes a command line")
	}
	line, err := eval.TextOf(ctx, in, args[0])
	if err != nil {
		return eval.Value{}, err
	}
	rows, err := l.execute(context.WithValue(ctx, inLoop{}, l.s), line)
	var out []eval.Element
	for _, r := range rows {
		out = append(out, eval.Element{Value: eval.Text(r)})
	}
	return eval.ItemOf(&eval.Item{Class: "list", List: eval.ListOf(out)}), err
}

// OnCommand says how Debugger.Utility.Control.ExecuteCommand runs a command line
// while f runs.
func (v *View) OnCommand(run func(ctx context.Context, line string) ([]string, error), f func() error) error {
	was := v.l.execute
	v.l.execute = run
	defer func() { v.l.execute = was }()
	return f()
}
