package report

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// Options of a Collect.
type Options struct {
	Child int    // 0 the program itself, else its how many'th process
	Said  string // the end of the program's standard error stream
	Why   Kind   // NotResponding, FailedCheck; "" the diagnosis says
	Text  string // headline of Why
}

// Fatal is the signal of the present stop of v when it will end the process, 0 else.
func Fatal(ctx context.Context, v *engine.View) int {
	s := &scene{v: v, ctx: ctx}
	stop, _ := v.Live().LastStop()
	s.stop = own(stop)
	return s.fatal()
}

// Collect looks at a stopped process. It tells what it can: an error means that there
// is nothing to tell.
func Collect(ctx context.Context, v *engine.View, o Options) (*Process, error) {
	s, err := look(ctx, v, o.Said)
	if err != nil {
		return nil, err
	}
	info := v.Live().Info()
	p := &Process{ID: info.Process, Program: clean(info.Path), Child: o.Child, pointer: s.ptr, budget: maxVariables}
	p.Command = commandLine(s)
	p.head(s, o)
	p.registers(s)
	if err := p.stacks(ctx, s); err != nil {
		p.omit("stacks: %s", oneLine(err.Error(), maxValue))
	}
	p.memory(s)
	p.modules(ctx, v)
	return p, ctx.Err()
}

// omit notes what was left out.
func (p *Process) omit(format string, a ...any) {
	p.Omitted = append(p.Omitted, fmt.Sprintf(format, a...))
}

// commandLine is what the process was started by.
func commandLine(s *scene) string {
	text, err := s.file("cmdline")
	if err != nil {
		return ""
	}
	args := strings.Split(strings.TrimRight(text, "\x00"), "\x00")
	for k, a := range args {
		if strings.ContainsAny(a, " \t\n\"'\\") || a == "" {
			args[k] = fmt.Sprintf("%q", a)
		}
	}
	return oneLine(strings.Join(args, " "), maxCommand)
}

// head fills in what happened and where.
func (p *Process) head(s *scene, o Options) {
	if s.top == nil {
		p.Kind, p.Headline, p.Key = OtherSignal, "a process without a stack", "unknown"
		return
	}
	d := verdict{kind: o.Why, text: o.Text}
	if o.Why == "" {
		d = s.diagnose()
	}
	p.Kind, p.Headline, p.Message, p.Exception = d.kind, oneLine(d.text, 2*maxValue), clean(d.message), d.thrown
	p.Key = string(d.kind) + " " + symbolAt(s.blamed)
	place := frameOf(s.blamed)
	p.Place = &place
	p.signal(s)
	p.source(s)
	if s.inst.Len > 0 {
		p.Instruction = clean(fmt.Sprintf("%s %x %s %s", Address(s.inst.Addr).columns(s.ptr), s.inst.Bytes, s.inst.Op, s.inst.Format(func(a arch.Addr) string {
			l := s.v.Locate(a)
			if l.Module == nil || l.Symbol.Name == "" {
				return ""
			}
			if l.Disp == 0 {
				return l.Module.Name + "!" + l.Symbol.Name
			}
			return fmt.Sprintf("%s!%s+0x%x", l.Module.Name, l.Symbol.Name, l.Disp)
		})))
	}
}

// source is the blamed line with its neighbours.
func (p *Process) source(s *scene) {
	here := s.blamed.Line.Line
	for n := max(1, here-sourceAround); n <= min(len(s.lines), here+sourceAround); n++ {
		text := strings.TrimRight(strings.ReplaceAll(s.lines[n-1], "\t", "    "), " \r")
		p.Source = append(p.Source, Source{Line: n, Text: cut(clean(text), maxValue), Here: n == here})
	}
}

func (p *Process) signal(s *scene) {
	x := s.stop.Exception
	if x == nil || s.stop.Reason != targets.Exception {
		return
	}
	p.Signal = &Signal{Number: int(x.Code), Name: x.Name, Code: s.signal.CodeName(), Text: s.signal.CodeText(), Access: s.access}
	if s.known {
		a := Address(s.fault)
		p.Signal.Address = &a
	}
	if s.signal.Sent {
		p.Signal.Sender = int64(s.signal.PID)
	}
}

// registers are the general ones of the thread that stopped.
func (p *Process) registers(s *scene) {
	if s.top == nil || s.top.Regs == nil {
		return
	}
	set := s.top.Regs.Set
	for k, r := range set.Regs {
		if r.Group != arch.General {
			continue
		}
		value := "??"
		if n, ok := s.top.Regs.Uint(k); ok {
			value = fmt.Sprintf("%0*x", 2*min(r.Size, 8), n)
		}
		p.Registers = append(p.Registers, Register{Name: r.Name, Value: value})
	}
}

// memory is what lies around the places that matter.
func (p *Process) memory(s *scene) {
	if s.top == nil {
		return
	}
	show := func(title string, a arch.Addr, before int) {
		start := (a - arch.Addr(before)) &^ 15
		if a < arch.Addr(before) {
			start = 0
		}
		buf := make([]byte, before+memoryAfter)
		p.Memory = append(p.Memory, Memory{Title: title, Address: Address(start), Bytes: s.bytes(start, buf)})
	}
	if s.known && s.fault >= nullPage && s.fault != s.top.PC {
		show("the address of the fault", s.fault, memoryBefore)
	}
	show("the stack pointer", s.top.Regs.SP(), 0)
	show("the instruction", s.top.PC, memoryBefore)
}

// bytes reads memory a page at a time, for the next one may not be there.
func (s *scene) bytes(start arch.Addr, buf []byte) string {
	const page = 4096
	var b strings.Builder
	for at := 0; at < len(buf); {
		n := min(len(buf)-at, int(page-(uint64(start)+uint64(at))%page))
		got, _ := s.v.ReadMemory(s.ctx, targets.Space{}, start+arch.Addr(at), buf[at:at+n])
		fmt.Fprintf(&b, "%x%s", buf[at:at+got], strings.Repeat("??", n-got))
		at += n
	}
	return b.String()
}

// modules lists the images. Their build-ids come from their files, which are opened for that.
func (p *Process) modules(ctx context.Context, v *engine.View) {
	all := v.Live().Modules()
	if len(all) > maxModules {
		p.omit("%s of %d", counted(len(all)-maxModules, "module"), len(all))
		all = all[:maxModules]
	}
	for _, m := range all {
		if m.Image == nil && len(m.BuildID) == 0 && !m.Tried && m.Path != "" {
			if loaded, err := v.LoadSymbols(ctx, m.Base, false, false); err == nil {
				m = loaded
			}
		}
		id := m.BuildID
		kind := symbols.NoSymbols
		if m.Image != nil {
			if len(id) == 0 {
				id = m.Image.Key().BuildID
			}
			kind = m.Image.Debug()
		}
		p.Modules = append(p.Modules, Module{Name: m.Name, Path: clean(m.Path), BuildID: fmt.Sprintf("%x", id),
			Start: Address(m.Base), End: Address(m.Base + arch.Addr(m.Size)), Symbols: symbolKinds[kind]})
	}
}

// symbolKinds say where a module's names come from.
var symbolKinds = map[symbols.DebugKind]string{symbols.NoSymbols: "no symbols", symbols.Exports: "exports only", symbols.DWARF: "DWARF", symbols.PDB: "PDB"}

// frameOf is a frame without its variables.
func frameOf(f *engine.Frame) Frame {
	out := Frame{Number: f.Index, Address: Address(f.PC), Offset: f.Disp, Inlined: f.Inlined, System: foreign(f), Function: oneLine(f.Symbol.Name, maxValue)}
	if f.Module != nil {
		out.Module = f.Module.Name
		if out.Function == "" {
			out.Offset = uint64(f.PC - f.Module.Base)
		}
	}
	if f.Line.File != "" {
		out.File, out.Line = clean(f.Line.File), f.Line.Line
	}
	return out
}

// name is the program's, as a person has it.
func (p *Process) name() string { return orElse(path.Base(p.Program), "program") }

// readFile reads a file of at most so many bytes.
func readFile(name string, most int64) (string, error) {
	st, err := os.Stat(name) // opening a pipe would wait for its writer
	if err != nil {
		return "", err
	}
	if !st.Mode().IsRegular() || st.Size() > most {
		return "", errors.New("no file of text")
	}
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most))
	return string(text), err
}

// cut shortens a text.
func cut(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}
