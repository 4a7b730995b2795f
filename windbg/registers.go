package windbg

import (
	"context"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

var registerCommands = []command{
	{"r", "[~T] r [Reg[:[N]Type] [= Value], ...]", "show registers, show one, or set one; also $t0..$t19 and $.u0; types ib ub iw uw id ud iq uq f d", stopped, registers},
	{"r?", "r? $tN = Expr", "set a user register from a C++ expression", stopped, registers},
	{"r.", "r.", "registers that the current instruction names", stopped, instructionRegisters},
	{"rF", "rF", "floating-point registers", stopped, registersBy(maskFloat)},
	{"rX", "rX", "SSE XMM registers, or the CPU's vectors of 16 bytes", stopped, registersBy(maskXMM)},
	{"rY", "rY", "AVX YMM registers", stopped, registersBy(maskYMM)},
	{"rYI", "rYI", "AVX YMM registers as integers", stopped, registersBy(maskYMMInt)},
	{"rZ", "rZ", "AVX-512 ZMM registers", stopped, registersBy(maskZMM)},
	{"rZI", "rZI", "AVX-512 ZMM registers as integers", stopped, registersBy(maskZMMInt)},
	{"rK", "rK", "AVX-512 mask registers", stopped, registersBy(maskOpmask)},
	{"rM", "rM Mask [Reg]", "registers by mask, once", stopped, registersByMask},
	{"rm", "rm [Mask | ?]", "mask of what r shows", anytime, registerMask},
	{".ecxr", ".ecxr", "select the thread and context of the last event", stopped, eventContext},
	{".excr", ".excr", "as .ecxr", stopped, eventContext},
	{".cxr", ".cxr [/f N] [/w] [Addr]", "look at the thread from the registers of a ucontext in memory; no address goes back", stopped, contextRecord},
	{".effmach", ".effmach [. | # | x86 | amd64 | arm | arm64]", "the machine whose code is shown", stopped, effectiveMachine},
}

// registers is r and r?.
func registers(ctx context.Context, c *call) error {
	f, err := c.v.Frame(ctx)
	if err != nil {
		return err
	}
	if !c.more() {
		if c.v.Context() != nil {
			c.printf("Last set context:\n")
		}
		c.printf("%s", registersText(f.Regs, c.i.mask))
		c.whereIs(ctx, f)
		return nil
	}
	for {
		if err := c.register(ctx, f); err != nil {
			return err
		}
		c.drop(len(c.line) - len(strings.TrimLeft(c.line, " \t")))
		if !strings.HasPrefix(c.line, ",") {
			break
		}
		c.drop(1)
	}
	return c.end()
}

// whereIs ends a register dump as a stop does.
func (c *call) whereIs(ctx context.Context, f *engine.Frame) {
	shown := c.i.prompt
	c.i.prompt = promptDefault
	c.i.here(ctx, c.v, c.out)
	c.i.prompt = shown
}

// register shows or sets one register.
func (c *call) register(ctx context.Context, f *engine.Frame) error {
	c.skip()
	at := c.base
	c.drop(len(c.line) - len(strings.TrimPrefix(c.line, "@")))
	n := 0
	for n < len(c.line) && (isWord(c.line[n]) || c.line[n] == '$' || c.line[n] == '.') {
		n++
	}
	name := strings.ToLower(c.drop(n))
	format := ""
	if strings.HasPrefix(c.line, ":") {
		c.drop(1)
		format = strings.ToLower(c.word())
		format, _, _ = strings.Cut(format, "=")
	}
	if name == "" {
		return &Error{Kind: "Bad register", Command: c.text, Pos: at}
	}
	t := strings.TrimLeft(c.line, " \t")
	if !strings.HasPrefix(t, "=") {
		return c.showRegister(ctx, f, name, format, at)
	}
	c.drop(len(c.line) - len(t) + 1)
	if u, ok := strings.CutPrefix(name, "$.u"); ok && len(u) == 1 && u[0] >= '0' && u[0] <= '9' {
		c.i.aliases.fixed[u[0]-'0'] = c.all()
		return nil
	}
	if strings.HasPrefix(name, "$") {
		return c.setPseudo(ctx, name[1:], at)
	}
	return c.setRegister(ctx, f, name, at)
}

func (c *call) setPseudo(ctx context.Context, name string, at int) error {
	o := c.i.options()
	src := ""
	if c.name == "r?" {
		o, src = eval.Options{Dialect: eval.CPP}, c.all()
	} else {
		src = c.expression()
	}
	val, err := c.v.Eval(ctx, nil, src, o)
	if err != nil {
		return expressionError(src, err)
	}
	env := c.v.Env(nil)
	if c.name != "r?" {
		n, err := eval.Int(ctx, env, val)
		if err != nil {
			return expressionError(src, err)
		}
		val = integer(n)
	}
	if err := env.SetPseudo(ctx, name, val); err != nil {
		return &Error{Kind: "Bad register", Command: c.text, Pos: at, Err: err}
	}
	return nil
}

// integer is an unsigned 64-bit value without a place.
func integer(n uint64) eval.Value {
	p := make([]byte, 8)
	for k := range p {
		p[k] = byte(n >> (8 * k))
	}
	return eval.Value{Type: &symbols.Type{Kind: symbols.Base, Name: "unsigned long long", Size: 8, Encoding: symbols.Unsigned}, Bytes: p}
}

func (c *call) setRegister(ctx context.Context, f *engine.Frame, name string, at int) error {
	src := c.expression()
	n, err := c.value(ctx, src)
	if err != nil {
		return err
	}
	t, err := c.v.Thread(ctx)
	if err != nil {
		return err
	}
	r, err := c.v.Registers(ctx, t.ID)
	if err != nil {
		return err
	}
	r = r.Clone()
	if !r.PutName(c.registerName(r, name), n) {
		return &Error{Kind: "Bad register", Command: c.text, Pos: at}
	}
	return c.v.SetRegisters(ctx, t.ID, r)
}

// registerName maps the names users know to the set's.
func (c *call) registerName(r *arch.Registers, name string) string {
	a := r.Set.Arch
	switch name {
	case "efl", "eflags", "rflags":
		if a.Flags != "" {
			return a.Flags
		}
	case "lr":
		if a.Link != "" {
			return a.Link
		}
	case "fp":
		if a.FP != "" {
			return a.FP
		}
	}
	return name
}

// systemRegister shows a register that is asked for by itself: those that no context holds.
func (c *call) systemRegister(ctx context.Context, name string, bad error) error {
	q, ok := c.v.Target().(targets.Queryer)
	if !ok {
		return bad
	}
	raw, err := q.Query(ctx, targets.SystemRegister, name)
	if err != nil || len(raw) < 8 {
		return bad
	}
	c.printf("%s=%0*x\n", name, 2*pointerSize(c.v), wide(raw))
	return nil
}

func (c *call) showRegister(ctx context.Context, f *engine.Frame, name, format string, at int) error {
	if u, ok := strings.CutPrefix(name, "$.u"); ok && len(u) == 1 && u[0] >= '0' && u[0] <= '9' {
		c.printf("$u%s=%s\n", u, c.i.aliases.fixed[u[0]-'0'])
		return nil
	}
	bad := &Error{Kind: "Bad register", Command: c.text, Pos: at}
	if strings.HasPrefix(name, "$") {
		val, ok := c.v.Env(nil).Pseudo(ctx, name[1:])
		if !ok {
			return bad
		}
		n, err := eval.Int(ctx, c.v.Env(nil), val)
		if err != nil {
			return bad
		}
		c.printf("%s=%0*x\n", name, 2*pointerSize(c.v), n)
		return nil
	}
	real := c.registerName(f.Regs, name)
	if i, ok := f.Regs.Set.Index(real); ok {
		p, known := f.Regs.Bytes(i)
		if !known {
			c.printf("%s=%s\n", name, strings.Repeat("?", 2*f.Regs.Set.Regs[i].Size))
			return nil
		}
		text, ok := registerAs(p, format, f.Regs.Set.Arch.BigEndian)
		if !ok {
			return bad
		}
		c.printf("%s=%s\n", name, text)
		return nil
	}
	n, ok := f.Regs.Get(real)
	if !ok {
		return c.systemRegister(ctx, name, bad)
	}
	c.printf("%s=%s\n", name, partHex(f.Regs.Set.Arch, real, n))
	return nil
}
