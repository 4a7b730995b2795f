package windbg

import (
	"context"
	"fmt"
	"math"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

var registerCommands = []command{
	{"r", "[~T] r [Reg[:Type] [= Value], ...]", "show registers, show one, or set one; also $t0..$t19 and $.u0", stopped, registers},
	{"rF", "rF", "floating-point registers", stopped, registerGroup(arch.Float)},
	{"rX", "rX", "vector registers", stopped, registerGroup(arch.Vector)},
	{"rM", "rM Mask", "registers by mask, once", stopped, registersByMask},
	{"rm", "rm [Mask | ?]", "mask of what r shows", anytime, registerMask},
	{"r?", "r? $tN = Expr", "set a user register from a C++ expression", stopped, registers},
}

// Bits of rm that mean something here.
const (
	maskInteger  = 0x2
	maskFloat    = 0x4
	maskSegments = 0x8
	maskVector   = 0x40
	maskControl  = 0x80
)

var maskNames = []struct {
	bit  uint32
	name string
}{
	{0x1, "Integer state (32-bit)"}, {maskInteger, "Integer state (64-bit)"}, {maskFloat, "Floating-point state"},
	{maskSegments, "Segment registers"}, {maskVector, "Vector registers"}, {maskControl, "Control registers"},
}

// registersText is the dump of r.
func registersText(r *arch.Registers, mask uint32) string {
	var b strings.Builder
	switch r.Set.Arch.Name {
	case "amd64":
		rows(&b, r, []string{"rax rbx rcx", "rdx rsi rdi", "rip rsp rbp", "r8 r9 r10", "r11 r12 r13", "r14 r15"})
		b.WriteString(flagsRow(r))
		if mask&maskSegments != 0 {
			b.WriteString(segmentRow(r))
		}
	case "i386":
		rows(&b, r, []string{"eax ebx ecx edx esi edi"})
		row(&b, r, strings.Fields("eip esp ebp"))
		b.WriteString(" " + flagsRow(r))
		if mask&maskSegments != 0 {
			b.WriteString(segmentRow(r))
		}
	default:
		generalRows(&b, r)
	}
	if mask&maskFloat != 0 {
		groupRows(&b, r, arch.Float)
	}
	if mask&maskVector != 0 {
		groupRows(&b, r, arch.Vector)
	}
	if mask&maskControl != 0 {
		groupRows(&b, r, arch.Control)
	}
	return b.String()
}

func rows(b *strings.Builder, r *arch.Registers, lines []string) {
	for _, l := range lines {
		row(b, r, strings.Fields(l))
		b.WriteByte('\n')
	}
}

// row writes registers with names right-aligned in three columns.
func row(b *strings.Builder, r *arch.Registers, names []string) {
	for k, n := range names {
		if k > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(b, "%3s=%s", n, registerHex(r, n))
	}
}

// registerHex is a register's value in full width, question marks when unknown.
func registerHex(r *arch.Registers, name string) string {
	i, ok := r.Set.Index(name)
	if !ok {
		return "?"
	}
	n := r.Set.Regs[i].Size
	p, ok := r.Bytes(i)
	if !ok {
		return strings.Repeat("?", 2*n)
	}
	return hexNumber(p, r.Set.Arch.BigEndian)
}

// hexNumber spells bytes in target order as one number in full width.
func hexNumber(p []byte, bigEndian bool) string {
	var b strings.Builder
	for k := range p {
		x := p[k]
		if !bigEndian {
			x = p[len(p)-1-k]
		}
		fmt.Fprintf(&b, "%02x", x)
	}
	return b.String()
}

// flagsRow is "iopl=0 nv up ei pl nz na po nc".
func flagsRow(r *arch.Registers) string {
	flags, ok := r.Get(r.Set.Arch.Flags)
	if !ok {
		return "iopl=? (flags unknown)\n"
	}
	pick := func(bit int, set, clear string) string {
		if flags>>bit&1 != 0 {
			return set
		}
		return clear
	}
	return fmt.Sprintf("iopl=%d         %s %s %s %s %s %s %s %s\n", flags>>12&3, pick(11, "ov", "nv"), pick(10, "dn", "up"), pick(9, "ei", "di"),
		pick(7, "ng", "pl"), pick(6, "zr", "nz"), pick(4, "ac", "na"), pick(2, "pe", "po"), pick(0, "cy", "nc"))
}

func segmentRow(r *arch.Registers) string {
	get := func(n string) uint64 { v, _ := r.Get(n); return v }
	flags, _ := r.Get(r.Set.Arch.Flags)
	return fmt.Sprintf("cs=%04x  ss=%04x  ds=%04x  es=%04x  fs=%04x  gs=%04x             efl=%08x\n",
		get("cs"), get("ss"), get("ds"), get("es"), get("fs"), get("gs"), uint32(flags))
}

// generalRows writes the general registers four a line, pc and flags last.
func generalRows(b *strings.Builder, r *arch.Registers) {
	a := r.Set.Arch
	n := 0
	for _, reg := range r.Set.Regs {
		if reg.Group != arch.General || reg.Name == a.PC || reg.Name == a.Flags {
			continue
		}
		name := reg.Name
		switch {
		case a.Name == "arm64" && name == "x29":
			name = "fp"
		case a.Name == "arm64" && name == "x30":
			name = "lr"
		}
		sep := " "
		if n%4 == 0 && n > 0 {
			sep = "\n"
		}
		if n == 0 {
			sep = ""
		}
		fmt.Fprintf(b, "%s%3s=%s", sep, name, registerHex(r, reg.Name))
		n++
	}
	fmt.Fprintf(b, "\n%3s=%s", "pc", registerHex(r, a.PC))
	if a.Flags != "" {
		if v, ok := r.Get(a.Flags); ok {
			fmt.Fprintf(b, " psr=%08x %s", uint32(v), armFlags(uint32(v)))
		}
	}
	b.WriteByte('\n')
}

// armFlags is "-ZC- EL0" of an AArch64 processor state.
func armFlags(v uint32) string {
	s := []byte("NZCV")
	for k := range s {
		if v>>(31-k)&1 == 0 {
			s[k] = '-'
		}
	}
	return fmt.Sprintf("%s EL%d", s, v>>2&3)
}

func groupRows(b *strings.Builder, r *arch.Registers, g arch.Group) {
	for i, reg := range r.Set.Regs {
		if reg.Group != g || !r.Known(i) {
			continue
		}
		fmt.Fprintf(b, "%s=%s%s\n", reg.Name, registerHex(r, reg.Name), floatNote(r, i))
	}
}

// floatNote adds the number an x87 register holds.
func floatNote(r *arch.Registers, i int) string {
	p, ok := r.Bytes(i)
	if !ok || len(p) != 10 || !strings.HasPrefix(r.Set.Regs[i].Name, "st") {
		return ""
	}
	return fmt.Sprintf("  (%s)", scientific(extended(p)))
}

func scientific(f float64) string { return fmt.Sprintf("%.6e", f) }

// extended converts an 80-bit x87 number.
func extended(p []byte) float64 {
	m := littleEndian(p[:8])
	e := int(p[8]) | int(p[9]&0x7f)<<8
	f := math.Ldexp(float64(m), e-16383-63)
	if e == 0x7fff {
		f = math.Inf(1)
		if m<<1 != 0 {
			f = math.NaN()
		}
	}
	if p[9]&0x80 != 0 {
		f = -f
	}
	return f
}

// registers is r and r?.
func registers(ctx context.Context, c *call) error {
	f, err := c.v.Frame(ctx)
	if err != nil {
		return err
	}
	if !c.more() {
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
	shown := c.i.registers
	c.i.registers = false
	c.i.here(ctx, c.v, c.out)
	c.i.registers = shown
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
		return bad
	}
	c.printf("%s=%s\n", name, partHex(f.Regs.Set.Arch, real, n))
	return nil
}

// partHex spells a sub-register in its width, a flag bit as a digit.
func partHex(a *arch.Arch, name string, n uint64) string {
	for _, s := range a.Sub {
		if s.Name == name {
			return fmt.Sprintf("%0*x", (s.Bits+3)/4, n)
		}
	}
	return fmt.Sprintf("%x", n)
}

// registerAs spells p as elements of a type: "uw", "3ub" is not read, "f", "d"; ok is
// false for an unknown type.
func registerAs(p []byte, format string, bigEndian bool) (string, bool) {
	sizes := map[byte]int{'b': 1, 'w': 2, 'd': 4, 'q': 8}
	n := 0
	signed := strings.HasPrefix(format, "i")
	switch {
	case format == "":
		return hexNumber(p, bigEndian), true
	case format == "f":
		n = 4
	case format == "d":
		n = 8
	case len(format) == 2 && (format[0] == 'i' || format[0] == 'u'):
		n = sizes[format[1]]
	}
	if n == 0 || len(p)%n != 0 {
		return "", false
	}
	var out []string
	for o := len(p) - n; o >= 0; o -= n {
		u := littleEndian(p[o : o+n])
		switch {
		case format == "f":
			out = append(out, fmt.Sprintf("%g", math.Float32frombits(uint32(u))))
		case format == "d":
			out = append(out, fmt.Sprintf("%g", math.Float64frombits(u)))
		case signed:
			out = append(out, fmt.Sprint(int64(u<<(64-8*n))>>(64-8*n)))
		default:
			out = append(out, fmt.Sprintf("%0*x", 2*n, u))
		}
	}
	return strings.Join(out, " "), true
}

func registerGroup(g arch.Group) func(context.Context, *call) error {
	return func(ctx context.Context, c *call) error {
		f, err := c.v.Frame(ctx)
		if err != nil {
			return err
		}
		var b strings.Builder
		groupRows(&b, f.Regs, g)
		c.printf("%s", b.String())
		return c.end()
	}
}

func registersByMask(ctx context.Context, c *call) error {
	n, err := c.number(ctx, uint64(c.i.mask))
	if err != nil {
		return err
	}
	f, err := c.v.Frame(ctx)
	if err != nil {
		return err
	}
	c.printf("%s", registersText(f.Regs, uint32(n)))
	return c.end()
}

func registerMask(ctx context.Context, c *call) error {
	if c.more() && c.line[0] == '?' {
		for _, m := range maskNames {
			c.printf("%10x - %s\n", m.bit, m.name)
		}
		return nil
	}
	if c.more() {
		n, err := c.number(ctx, 0)
		if err != nil {
			return err
		}
		c.i.mask = uint32(n)
		return c.end()
	}
	c.printf("Register output mask is %x:\n", c.i.mask)
	for _, m := range maskNames {
		if c.i.mask&m.bit != 0 {
			c.printf("%10x - %s\n", m.bit, m.name)
		}
	}
	return nil
}
