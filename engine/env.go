package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// env is the eval.Env of a frame; f is nil when there is none.
type env struct {
	l   *loop
	f   *Frame
	mem symbols.Memory
}

func (l *loop) env(f *Frame, mem symbols.Memory) *env { return &env{l, f, mem} }

func (e *env) ReadMemory(ctx context.Context, a arch.Addr, p []byte) (int, error) {
	return e.mem.ReadMemory(ctx, a, p)
}

const (
	usualRound = 64  // what reads are widened to, unless the line is slow
	slowAhead  = 256 // how much such a line brings beside what is needed, bytes
)

// ReadAhead implements eval.Ahead.
func (e *env) ReadAhead(ctx context.Context, at, from, to arch.Addr) bool {
	l := e.l
	space := targets.Space{}
	switch m := e.mem.(type) {
	case *stopMemory:
		space = m.space
	case *nowMemory:
		space = m.space
	default:
		return false
	}
	var one [1]byte
	if n, bad := l.mem.get(space, at, one[:]); n > 0 || bad || space.Root != 0 {
		return false
	}
	if l.mem.round < usualRound {
		from, to = at, min(to, at+slowAhead)
	}
	if m, ok := e.mem.(*stopMemory); ok {
		m.wants = append(m.wants, want{space, from, int(to - from)})
		return true
	}
	_, _ = l.read(ctx, space, from, make([]byte, to-from)) // what cannot be read is not
	return true
}

func (e *env) WriteMemory(ctx context.Context, a arch.Addr, p []byte) error {
	_, err := e.l.write(ctx, e.l.here(), a, p)
	if err == nil {
		e.l.forgetWalks()
		e.l.o.Emit(Invalidated{Memory: true})
	}
	return err
}

func (e *env) Arch() *arch.Arch { return e.l.arch }

// MemoryVersion tells when what was read of a container may have changed.
func (e *env) MemoryVersion() uint64 { return e.l.changes }

// GlobalAt finds the variable whose storage holds a.
func (e *env) GlobalAt(_ context.Context, a arch.Addr) (symbols.Variable, bool) {
	m, ok := e.l.moduleAt(a)
	if !ok || m.Image == nil {
		return symbols.Variable{}, false
	}
	ty, ok := m.Image.(symbols.Typer)
	if !ok {
		return symbols.Variable{}, false
	}
	return ty.GlobalAt(symbols.Offset(a - m.Base))
}

// Model lets expressions use classes as their visualisers show them.
func (e *env) Model() *eval.Model { return e.l.o.Model }

// Register finds a register or a part of one, and returns its bytes.
func (e *env) Register(_ context.Context, name string) ([]byte, bool) {
	if e.f == nil || e.f.Regs == nil {
		return nil, false
	}
	r := e.f.Regs
	name = strings.ToLower(name)
	if i, ok := r.Set.Index(name); ok {
		return r.Bytes(i)
	}
	v, ok := r.Get(name)
	if !ok {
		return nil, false
	}
	size := 8
	for _, s := range r.Set.Arch.Sub {
		if s.Name == name {
			size = (s.Bits + 7) / 8
		}
	}
	for _, b := range r.Set.Arch.FlagBits {
		if b.Name == name {
			size = 1
		}
	}
	return e.l.bytes(v, size), true
}

// bytes writes v in the target's byte order.
func (l *loop) bytes(v uint64, size int) []byte {
	p := make([]byte, size)
	for i := range p {
		if l.arch.BigEndian {
			p[size-1-i] = byte(v >> (8 * i))
		} else {
			p[i] = byte(v >> (8 * i))
		}
	}
	return p
}

// SetRegister writes a register of the innermost frame's thread, or a saved one
// where the frame's caller restores it from; only the former is possible here.
func (e *env) SetRegister(ctx context.Context, name string, p []byte) error {
	if e.f == nil || e.f.walk == nil {
		return errors.New("there is no thread whose register could be set")
	}
	if e.f.code != nil && e.f.code.level > 0 {
		return errors.New("registers can be set in the innermost frame only")
	}
	full, err := e.l.registers(ctx, e.f.Thread)
	if err != nil {
		return err
	}
	r := full.Clone()
	name = strings.ToLower(name)
	if i, ok := r.Set.Index(name); ok {
		r.SetBytes(i, p)
	} else if !r.PutName(name, e.l.uint(p)) {
		return fmt.Errorf("there is no register %s", name)
	}
	return e.l.changeRegisters(ctx, e.f.Thread, r)
}

// changeRegisters writes registers for the user and tells.
func (l *loop) changeRegisters(ctx context.Context, id targets.ThreadID, r *arch.Registers) error {
	if err := l.setRegisters(ctx, id, r); err != nil {
		return err
	}
	l.o.Emit(Invalidated{Registers: true, Stacks: true})
	return nil
}

// Lookup resolves a name as C++ does in the frame.
func (e *env) Lookup(ctx context.Context, name string) (eval.Value, error) {
	mod, rest := split(name)
	if mod == "" && !strings.HasPrefix(name, "::") {
		v, err := e.Local(ctx, name)
		if !isNameError(err) {
			return v, err
		}
		if v, ok, err := e.member(ctx, name); ok || err != nil {
			return v, err
		}
	}
	v, err := e.global(ctx, mod, strings.TrimPrefix(rest, "::"))
	if err == nil && v.Place == eval.InMemory {
		v.Addr = e.ownOf(ctx, v.Addr)
	}
	if name == debuggerName && isNameError(err) {
		return e.l.modelDebugger(), nil
	}
	return v, err
}

func isNameError(err error) bool {
	var ne *eval.NameError
	return errors.As(err, &ne)
}

// Local finds a variable of the frame, innermost block first; an inlined
// call sees only its own.
func (e *env) Local(ctx context.Context, name string) (eval.Value, error) {
	if e.f != nil && e.f.Scope != nil {
		for _, v := range e.f.Scope.Variables {
			if v.Name == name {
				return e.variable(ctx, v)
			}
		}
	}
	return eval.Value{}, &eval.NameError{Name: name, Rest: name}
}

func (e *env) variable(ctx context.Context, v symbols.Variable) (eval.Value, error) {
	return eval.FromVariable(ctx, e.frame(), v, e.f.Module.offset(e.f.lookup()))
}

// lookup is the address to look the frame's scopes up with.
func (f *Frame) lookup() arch.Addr { return f.Regs.LookupPC() }

// member finds a field of *this.
func (e *env) member(ctx context.Context, name string) (eval.Value, bool, error) {
	this, err := e.Local(ctx, "this")
	if err != nil {
		if isNameError(err) {
			err = nil
		}
		return eval.Value{}, false, err
	}
	if this.Type == nil || this.Err != nil {
		return eval.Value{}, false, nil
	}
	class := this.Type.Strip()
	if class == nil || class.Kind != symbols.Pointer {
		return eval.Value{}, false, nil
	}
	field, ok := findField(class.Elem, name, 0)
	if !ok {
		return eval.Value{}, false, nil
	}
	base, err := eval.Int(ctx, e, this)
	if err != nil {
		return eval.Value{}, false, err
	}
	if field.Static {
		v, err := eval.FromVariable(ctx, e.frame(), symbols.Variable{Name: name, Type: field.Type, Static: true, Location: field.Location}, e.f.Module.offset(e.f.lookup()))
		return v, err == nil, err
	}
	return eval.Value{Type: field.Type, Place: eval.InMemory, Addr: arch.Addr(base + uint64(field.Offset)),
		BitOffset: field.BitOffset, BitSize: field.BitSize}, true, nil
}

// findField looks a member up in a class and its plain bases.
func findField(t *symbols.Type, name string, depth int) (symbols.Field, bool) {
	t = t.Strip()
	if t == nil || !t.IsComposite() || depth > 16 {
		return symbols.Field{}, false
	}
	if t.Declaration {
		if ty, ok := t.Image.(symbols.Typer); ok {
			if d, ok := ty.Type(t.Name); ok && !d.Declaration {
				t = d
			}
		}
	}
	for _, f := range t.Members().Fields {
		if f.Name == name && !f.Base {
			return f, true
		}
	}
	for _, f := range t.Members().Fields {
		if f.Virtual || !f.Base && f.Name != "" {
			continue
		}
		if in, ok := findField(f.Type, name, depth+1); ok {
			in.Offset += f.Offset
			return in, true
		}
	}
	return symbols.Field{}, false
}

// global finds a variable or function: in the frame's module, then the others.
func (e *env) global(ctx context.Context, mod, name string) (eval.Value, error) {
	for _, m := range e.order(ctx, mod) {
		for _, n := range e.spellings(name) {
			if v, ok, err := e.globalIn(ctx, m, n); ok || err != nil {
				return v, err
			}
		}
	}
	return eval.Value{}, &eval.NameError{Name: name, Rest: name}
}

// Functions finds all functions of a name, in the first module and scope that has any.
func (e *env) Functions(ctx context.Context, name string) ([]eval.Value, error) {
	mod, rest := split(name)
	rest = strings.TrimPrefix(rest, "::")
	ms := e.order(ctx, mod)
	for _, all := range []bool{false, true} {
		for _, m := range ms {
			if all && m.Image == nil {
				_ = e.l.need(ctx, m)
			} else if all {
				continue
			}
			if m.Image == nil {
				continue
			}
			for _, n := range e.spellings(rest) {
				if out := e.functionsIn(m, n); len(out) > 0 {
					return out, ctx.Err()
				}
			}
		}
	}
	return nil, ctx.Err()
}

// maxOverloads bounds the functions of one name.
const maxOverloads = 256

func (e *env) functionsIn(m *Module, name string) []eval.Value {
	ty, typed := m.Image.(symbols.Typer)
	seen := map[symbols.Offset]bool{}
	var out []eval.Value
	for s := range m.Image.Lookup(name) {
		if s.Kind != symbols.Function || seen[s.Offset] || !spelled(s, name) || len(out) == maxOverloads {
			continue
		}
		seen[s.Offset] = true
		v := eval.Value{Place: eval.InMemory, Addr: m.addr(s.Offset)}
		if typed {
			v.Type, _ = ty.Function(s.Offset)
		}
		if v.Type == nil {
			v.Type = unknownType(s, e.l.arch)
		}
		out = append(out, v)
	}
	return out
}

// order lists modules to search.
func (e *env) order(ctx context.Context, mod string) []*Module {
	ms := e.l.matching(mod)
	if mod != "" {
		_ = e.l.need(ctx, ms...)
		return ms
	}
	var first []*Module
	if e.f != nil && e.f.Module != nil {
		first = append(first, e.f.Module)
	}
	if len(e.l.modules.rows) > 0 {
		_ = e.l.need(ctx, e.l.modules.rows[0])
	}
	for _, m := range ms {
		if len(first) == 0 || m != first[0] {
			first = append(first, m)
		}
	}
	return first
}

func (e *env) globalIn(ctx context.Context, m *Module, name string) (eval.Value, bool, error) {
	if m.Image == nil {
		return eval.Value{}, false, nil
	}
	ty, typed := m.Image.(symbols.Typer)
	if typed {
		if g, ok := ty.Global(name); ok {
			v, err := eval.FromVariable(ctx, &frameOf{e.l, e.f, m, e.mem}, g, 0)
			return v, true, err
		}
	}
	for s := range m.Image.Lookup(name) {
		if typed && !spelled(s, name) {
			if _, ok := ty.Type(name); ok {
				break // C++ minds the case: what has this name is a type
			}
			if g, ok := ty.Global(s.Name); ok {
				v, err := eval.FromVariable(ctx, &frameOf{e.l, e.f, m, e.mem}, g, 0)
				return v, true, err
			}
		}
		v := eval.Value{Place: eval.InMemory, Addr: m.addr(s.Offset)}
		if s.Kind == symbols.Function && typed {
			v.Type, _ = ty.Function(s.Offset)
		}
		if v.Type == nil {
			v.Type = unknownType(s, e.l.arch)
		}
		return v, true, nil
	}
	return eval.Value{}, false, nil
}

// spelled reports whether a symbol has the name in the case it is asked for.
func spelled(s symbols.Symbol, name string) bool {
	last := name[strings.LastIndex(name, ":")+1:]
	return strings.Contains(s.Name, last) || strings.Contains(s.Linkage, last)
}

// unknownType is what a symbol without debug information is taken for: a
// function without parameters, or an integer of its size.
func unknownType(s symbols.Symbol, a *arch.Arch) *symbols.Type {
	if s.Kind == symbols.Function {
		return &symbols.Type{Kind: symbols.Func, Size: 1, Elem: &symbols.Type{Kind: symbols.Base, Name: "int", Size: 4}}
	}
	size := int64(s.Size)
	name := map[int64]string{1: "char", 2: "short", 4: "int", 8: "long"}[size]
	if name == "" {
		size, name = 4, "int"
	}
	return &symbols.Type{Kind: symbols.Base, Name: name, Size: size, Encoding: symbols.Signed}
}

// Address resolves a symbol as MASM does.
func (e *env) Address(ctx context.Context, name string) (arch.Addr, error) {
	if f := e.f; f != nil && f.Scope != nil && !strings.Contains(name, "!") {
		v, err := e.Local(ctx, name)
		if err == nil && v.Place == eval.InMemory {
			return v.Addr, nil
		}
		if err != nil && !isNameError(err) {
			return 0, err
		}
	}
	name = strings.TrimPrefix(name, "!")
	if e.f != nil && e.f.Module != nil && !strings.Contains(name, "!") {
		var locs []Location
		e.l.lookup(e.f.Module, name, func(x Location) bool { locs = append(locs, x); return len(locs) < 64 })
		if len(locs) > 0 {
			return e.ownOf(ctx, best(locs).Addr), nil
		}
	}
	a, err := e.l.address(ctx, name)
	if err == nil {
		a = e.ownOf(ctx, a)
	}
	return a, err
}

// LineAddress resolves `mod!file:line`.
func (e *env) LineAddress(ctx context.Context, mod, file string, line int) (arch.Addr, error) {
	if file == "" && e.f != nil {
		file = e.f.Line.File
	}
	ms := e.l.matching(mod)
	if mod != "" {
		_ = e.l.need(ctx, ms...)
	} else if len(ms) > 0 {
		_ = e.l.need(ctx, ms[0])
	}
	if ps := e.l.linePlaces(mod, file, line, nil); len(ps) > 0 {
		return ps[0].addr(), nil
	}
	text := fmt.Sprintf("`%s:%d`", file, line)
	return 0, &eval.NameError{Name: text, Rest: text}
}

func (e *env) Type(ctx context.Context, name string) (*symbols.Type, bool) {
	var first *Module
	if e.f != nil {
		first = e.f.Module
	}
	for _, n := range e.spellings(name) {
		if t, ok := e.l.typeNamed(ctx, n, first); ok {
			return t, true
		}
	}
	return nil, false
}

func (e *env) Symbol(_ context.Context, a arch.Addr) string { return e.l.symbolText(a) }

// frame is the symbols.Frame of the env's frame.
func (e *env) frame() symbols.Frame { return &frameOf{e.l, e.f, e.f.Module, e.mem} }

// evaluate evaluates e in frame f with as few flights as it can and gives the
// value to use, which may read too.
func (l *loop) evaluate(ctx context.Context, f *Frame, e eval.Expr, use func(context.Context, eval.Env, eval.Value) error) error {
	once := func(ctx context.Context, mem symbols.Memory) error {
		env := l.env(f, mem)
		v, err := e.Eval(ctx, env)
		if err != nil {
			return err
		}
		return use(ctx, env, v)
	}
	if e.Effects() {
		return once(ctx, &nowMemory{l, l.here()})
	}
	return l.gather(ctx, l.here(), 0, once)
}
