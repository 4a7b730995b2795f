package pe

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// machine carries out what prologues and epilogues do: enough of a CPU to know
// at each instruction what the caller's registers were.
type machine struct {
	regs   map[string]uint64
	memory map[arch.Addr]uint64
}

const (
	stackTop      = 0x7fff0000
	returnAddress = 0x140001234
)

// entered is the state at a function's first instruction.
func entered() *machine {
	m := &machine{map[string]uint64{"rsp": stackTop}, map[arch.Addr]uint64{stackTop: returnAddress}}
	for i, n := range numbered {
		if n != "rsp" {
			m.regs[n] = 0xaaaa0000 + uint64(i)
		}
	}
	return m
}

func (m *machine) clone() *machine {
	c := &machine{map[string]uint64{}, map[arch.Addr]uint64{}}
	for k, v := range m.regs {
		c.regs[k] = v
	}
	for k, v := range m.memory {
		c.memory[k] = v
	}
	return c
}

// step carries out in; false for what it does not know to leave registers alone.
func (m *machine) step(in arch.Inst) {
	dst, src, _ := strings.Cut(in.Args, ",")
	at := func(o *arch.Operand) (arch.Addr, bool) {
		v, ok := m.regs[o.Base]
		return arch.Addr(v + uint64(o.Disp)), ok && o.Index == ""
	}
	n, isNumber := immediate(src)
	switch {
	case in.Op == "push" && in.Mem == nil:
		m.regs["rsp"] -= 8
		m.memory[arch.Addr(m.regs["rsp"])] = m.regs[dst]
	case in.Op == "pop" && in.Mem == nil:
		m.regs[dst] = m.memory[arch.Addr(m.regs["rsp"])]
		m.regs["rsp"] += 8
	case in.Op == "sub" && dst == "rsp" && isNumber:
		m.regs["rsp"] -= n
	case in.Op == "add" && dst == "rsp" && isNumber:
		m.regs["rsp"] += n
	case in.Op == "lea" && (dst == "rsp" || dst == "rbp") && in.Mem != nil:
		if a, ok := at(in.Mem); ok {
			m.regs[dst] = uint64(a)
		}
	case in.Op == "mov" && in.Mem == nil && (dst == "rbp" || dst == "rsp"):
		if v, ok := m.regs[src]; ok {
			m.regs[dst] = v
		}
	case in.Op == "mov" && in.Mem != nil && in.Mem.Size == 8 && strings.Contains(dst, "["):
		if a, ok := at(in.Mem); ok {
			m.memory[a] = m.regs[src]
		}
	}
}

func (m *machine) ReadMemory(_ context.Context, addr arch.Addr, p []byte) (int, error) {
	for o := 0; o < len(p); o += 8 {
		v := m.memory[addr+arch.Addr(o)]
		for k := 0; k < 8 && o+k < len(p); k++ {
			p[o+k] = byte(v >> (8 * k))
		}
	}
	return len(p), nil
}

// registers of the machine at pc, interrupted there.
func (m *machine) registers(pc arch.Addr) *arch.Registers {
	r := arch.NewRegisters(arch.AMD64.DefaultSet())
	for n, v := range m.regs {
		r.PutName(n, v)
	}
	r.SetPC(pc)
	r.Interrupted = true
	return r
}

// TestUnwindEverywhere carries out every function's prologue and epilogues and
// unwinds at each instruction: the caller is the same from all of them.
func TestUnwindEverywhere(t *testing.T) {
	for _, level := range []string{"-O0", "-O2", "-Os"} {
		i := open(t, compile(t, compilers[0].cc, level))
		base := arch.Addr(i.LinkBase())
		functions := i.file.Functions()
		places, wrong, skipped := 0, 0, 0
		for k := range functions.Len() {
			f := functions.Entry(k)
			code, _, ok := i.file.At(f.Begin)
			info, _, ok2 := i.file.At(f.Unwind)
			if !ok || !ok2 || info[0]>>3&unwindChained != 0 {
				continue
			}
			if odd(code[:f.End-f.Begin], base+arch.Addr(f.Begin)) {
				skipped++
				continue
			}
			m := entered()
			body := (*machine)(nil)
			for off := uint32(0); off < f.End-f.Begin; {
				pc := base + arch.Addr(f.Begin+off)
				in, err := arch.AMD64.Decode(code[off:f.End-f.Begin], pc)
				if err != nil {
					break
				}
				if body == nil && off >= uint32(info[1]) {
					body = m.clone()
				}
				places++
				caller, cfa, err := i.Unwind(context.Background(), base, m.registers(pc), m)
				if bad := differs(caller, cfa, err); bad != "" {
					if wrong++; wrong < 10 {
						s, _ := i.At(symbols.Offset(f.Begin))
						t.Errorf("%s %s+%x (%s %s): %s", level, s.Name, off, in.Op, in.Args, bad)
					}
				}
				if body == nil || in.Op == "pop" || in.Op == "add" || in.Op == "lea" && strings.HasPrefix(in.Args, "rsp") {
					m.step(in)
				}
				if body != nil && (in.Kind == arch.Return || in.Kind == arch.Jump) {
					m = body.clone() // what follows is reached from the body
				}
				off += uint32(in.Len)
			}
		}
		t.Logf("%s: %d places, %d wrong; %d functions that move their stack pointer otherwise", level, places, wrong, skipped)
		if places < 4000 {
			t.Error("too few places")
		}
	}
}

// odd reports whether a function moves its stack pointer by more than the
// prologue's and epilogue's instructions (alloca), which machine does not follow.
func odd(code []byte, pc arch.Addr) bool {
	for len(code) > 0 {
		in, err := arch.AMD64.Decode(code, pc)
		if err != nil {
			return true
		}
		dst, src, _ := strings.Cut(in.Args, ",")
		if _, number := immediate(src); dst == "rsp" && in.Op != "lea" && in.Op != "pop" && in.Op != "push" && in.Op != "cmp" && !(number && (in.Op == "add" || in.Op == "sub")) {
			return true
		}
		code, pc = code[in.Len:], pc+arch.Addr(in.Len)
	}
	return false
}

func differs(caller *arch.Registers, cfa arch.Addr, err error) string {
	if err != nil {
		return err.Error()
	}
	if cfa != stackTop+8 || caller.PC() != returnAddress || caller.SP() != stackTop+8 {
		return "cfa " + cfa.Text(8) + ", pc " + caller.PC().Text(8)
	}
	for i, n := range numbered {
		keep := slices.Contains(preserved, n)
		v, known := caller.Get(n)
		switch {
		case n == "rsp":
		case keep && (!known || v != 0xaaaa0000+uint64(i)):
			return n + " is " + arch.Addr(v).Text(8)
		case !keep && known:
			return n + " is known, and a call does not preserve it"
		}
	}
	return ""
}

// assembled makes a library of assembler text with unwind directives.
func assembled(t *testing.T, text string) *Image {
	t.Helper()
	dir := t.TempDir()
	src, out := filepath.Join(dir, "a.s"), filepath.Join(dir, "a.dll")
	if err := os.WriteFile(src, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := exec.Command("clang", "--target=x86_64-w64-mingw32", "-nostdlib", "-shared", "-fuse-ld=lld", "-Wl,-e,machine", "-o", out, src).CombinedOutput(); err != nil {
		t.Fatalf("clang and lld: %v\n%s", err, b)
	}
	return open(t, out)
}

// TestUnwindForms: machine frames, chained entries, far saves, vector registers.
func TestUnwindForms(t *testing.T) {
	i := assembled(t, `
	.text
	.globl machine, chained, far, leaf, inner
	.seh_proc machine
machine:
	.seh_pushframe @code
	pushq %rbx
	.seh_pushreg %rbx
	subq $0x20, %rsp
	.seh_stackalloc 0x20
	.seh_endprologue
	nop
	addq $0x20, %rsp
	popq %rbx
	iretq
	.seh_endproc

	.seh_proc chained
chained:
	pushq %rsi
	.seh_pushreg %rsi
	.seh_endprologue
	nop
	.seh_startchained
	pushq %rdi
	.seh_pushreg %rdi
	.seh_endprologue
inner:
	nop
	.seh_endchained
	ret
	.seh_endproc

	.seh_proc far
far:
	subq $0x100008, %rsp
	.seh_stackalloc 0x100008
	movq %r12, 0x90000(%rsp)
	.seh_savereg %r12, 0x90000
	movaps %xmm6, 0x40(%rsp)
	.seh_savexmm %xmm6, 0x40
	.seh_endprologue
	nop
	addq $0x100008, %rsp
	ret
	.seh_endproc
leaf:
	nop
	ret
	.section .drectve
	.ascii " -export:machine -export:chained -export:far -export:leaf -export:inner"
`)
	base := arch.Addr(0x180000000) // not where it prefers to lie
	at := func(name string) arch.Addr {
		for s := range i.Lookup(name) {
			return base + arch.Addr(s.Offset)
		}
		t.Fatalf("%s is not found", name)
		return 0
	}
	find := func(from arch.Addr, op string) arch.Addr { // the next instruction op
		for pc := from; ; {
			code, _, _ := i.file.At(uint32(pc - base))
			in, err := arch.AMD64.Decode(code, pc)
			if err != nil {
				t.Fatal(err)
			}
			if in.Op == op {
				return pc
			}
			pc += arch.Addr(in.Len)
		}
	}
	unwind := func(m *machine, pc arch.Addr) (*arch.Registers, arch.Addr) {
		t.Helper()
		r, cfa, err := i.Unwind(context.Background(), base, m.registers(pc), m)
		if err != nil {
			t.Fatalf("at %x: %v", uint64(pc-base), err)
		}
		return r, cfa
	}

	m := entered() // error code, RIP, CS, EFLAGS, RSP, SS were pushed
	m.memory = map[arch.Addr]uint64{stackTop: 14, stackTop + 8: 0x140005678, stackTop + 16: 0x33, stackTop + 24: 0x246, stackTop + 32: 0x7ffe1000, stackTop - 8: 0xb0b}
	m.regs["rsp"] = stackTop - 8 - 0x20
	r, _ := unwind(m, find(at("machine"), "nop"))
	if v, _ := r.Get("rbx"); r.PC() != 0x140005678 || r.SP() != 0x7ffe1000 || v != 0xb0b || !r.Interrupted {
		t.Errorf("machine frame: pc %x, sp %x, rbx %x", r.PC(), r.SP(), v)
	}

	m = entered()
	for _, push := range []string{"rsi", "rdi"} {
		m.step(arch.Inst{Op: "push", Args: push})
		m.regs[push] = 1
	}
	r, cfa := unwind(m, find(at("inner"), "nop"))
	if bad := differs(r, cfa, nil); bad != "" {
		t.Errorf("chained: %s", bad)
	}

	m = entered()
	m.regs["rsp"] -= 0x100008
	m.memory[arch.Addr(m.regs["rsp"]+0x90000)], m.regs["r12"] = m.regs["r12"], 1
	m.memory[arch.Addr(m.regs["rsp"]+0x40)], m.memory[arch.Addr(m.regs["rsp"]+0x48)] = 0x1111, 0x2222
	r, cfa = unwind(m, find(at("far"), "nop"))
	if bad := differs(r, cfa, nil); bad != "" {
		t.Errorf("far: %s", bad)
	}
	x, _ := r.Set.Index("xmm6")
	if p, ok := r.Bytes(x); !ok || binary.LittleEndian.Uint64(p) != 0x1111 || binary.LittleEndian.Uint64(p[8:]) != 0x2222 {
		t.Errorf("xmm6 is % x", p)
	}

	m = entered()
	r, cfa = unwind(m, find(at("leaf"), "nop"))
	if bad := differs(r, cfa, nil); bad != "" {
		t.Errorf("leaf: %s", bad)
	}
	if _, _, err := i.Unwind(context.Background(), base, m.registers(base+arch.Addr(i.Size())+5), m); !errors.Is(err, symbols.ErrNoUnwind) {
		t.Errorf("outside the image: %v", err)
	}
}

// missing has nothing: every read is needed.
type missing struct{}

func (missing) ReadMemory(_ context.Context, a arch.Addr, p []byte) (int, error) {
	return 0, &symbols.NeedError{Addr: a, Size: len(p)}
}

// TestUnwindNeeds: what is not read yet is asked for.
func TestUnwindNeeds(t *testing.T) {
	i := open(t, compile(t, compilers[0].cc))
	s := slices.Collect(i.Lookup("main"))[0]
	_, _, err := i.Unwind(context.Background(), arch.Addr(i.LinkBase()), entered().registers(arch.Addr(i.LinkBase())+arch.Addr(s.Offset)+40), missing{})
	var need *symbols.NeedError
	if !errors.As(err, &need) || need.Size != 8 {
		t.Errorf("got %v", err)
	}
}

// FuzzUnwind: no unwind information makes it fail otherwise than with an error.
func FuzzUnwind(f *testing.F) {
	path := compile(f, compilers[0].cc)
	i := open(f, path)
	fn := i.file.Functions().Entry(3)
	code, _, _ := i.file.At(fn.Unwind)
	f.Add(code[:32], uint32(5))
	f.Fuzz(func(t *testing.T, info []byte, at uint32) {
		m := entered()
		w := walk{ctx: context.Background(), image: i, base: arch.Addr(i.LinkBase()), regs: m.registers(arch.Addr(i.LinkBase() + uint64(fn.Begin))), mem: m, interrupted: true}
		if len(info) > 4 {
			w.codes(info[4:], info[0]&7, at, info[3])
		}
	})
}
