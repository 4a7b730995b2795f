package windbg

import (
	"context"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// This file looks at a thread from other registers: .ecxr, .cxr, .effmach.

// contextLayout says where the registers lie in a ucontext, as the kernel puts it on
// the stack for a signal handler (uapi asm/ucontext.h and asm/sigcontext.h).
type contextLayout struct {
	at    int // of the first register, bytes
	width int // of one
	names []string
	small map[string]int // 16-bit registers
}

var contextLayouts = map[string]contextLayout{
	"amd64": {40, 8, strings.Fields("r8 r9 r10 r11 r12 r13 r14 r15 rdi rsi rbp rbx rdx rax rcx rsp rip eflags"), map[string]int{"cs": 184, "gs": 186, "fs": 188, "ss": 190}},
	"i386": {36, 4, strings.Fields("edi esi ebp esp ebx edx ecx eax trapno err eip"),
		map[string]int{"gs": 20, "fs": 24, "es": 28, "ds": 32, "cs": 80, "ss": 92}},
	"arm64":   {184, 8, strings.Fields("x0 x1 x2 x3 x4 x5 x6 x7 x8 x9 x10 x11 x12 x13 x14 x15 x16 x17 x18 x19 x20 x21 x22 x23 x24 x25 x26 x27 x28 x29 x30 sp pc cpsr"), nil},
	"riscv64": {176, 8, strings.Fields("pc ra sp gp tp t0 t1 t2 fp s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6"), nil},
}

// contextSize covers every layout.
const contextSize = 512

// contextOf reads the registers of a ucontext; false for a CPU without a layout.
func contextOf(set *arch.Set, p []byte) (*arch.Registers, bool) {
	l, ok := contextLayouts[set.Arch.Name]
	if !ok || len(p) < l.at+l.width*len(l.names) {
		return nil, false
	}
	r := arch.NewRegisters(set)
	for k, name := range l.names {
		o := l.at + k*l.width
		r.PutName(name, littleEndian(p[o:o+l.width]))
	}
	for name, o := range l.small {
		if o+2 <= len(p) {
			r.PutName(name, littleEndian(p[o:o+2]))
		}
	}
	if set.Arch.Name == "i386" && len(p) >= 88 {
		r.PutName("eflags", littleEndian(p[84:88]))
	}
	return r, true
}

// contextRecord is .cxr.
func contextRecord(ctx context.Context, c *call) error {
	frame := uint64(0)
	for {
		o, ok := c.option("/")
		if !ok {
			break
		}
		switch o {
		case "w": // where it is shown is the front end's matter
		case "f":
			n, err := c.value(ctx, c.word())
			if err != nil {
				return err
			}
			frame = n
		default:
			return c.syntax(-len(o) - 1)
		}
	}
	if !c.more() {
		c.v.SetContext(nil)
		c.printf("Resetting default scope\n")
		return nil
	}
	addr, err := c.address(ctx)
	if err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	info := c.v.Live().Info()
	data, known, err := c.read(ctx, addr, contextSize)
	if err != nil {
		return err
	}
	r, ok := contextOf(info.Set, data[:known])
	if !ok && contextLayouts[info.Set.Arch.Name].names == nil {
		return &Error{Kind: "Operation not supported by current debuggee", Command: c.text, Pos: c.pos}
	}
	if !ok {
		return &Error{Text: fmt.Sprintf("Unable to read context at %s", addr.Text(pointerSize(c.v))), Err: &targets.FaultError{Addr: addr + arch.Addr(known)}}
	}
	if t, err := c.v.Thread(ctx); err == nil { // the thread's own: a ucontext has no bases
		if own, err := c.v.Registers(ctx, t.ID); err == nil {
			for _, name := range []string{"fs_base", "gs_base", "tpidr", "tp"} {
				if v, ok := own.Get(name); ok {
					r.PutName(name, v)
				}
			}
		}
	}
	c.v.SetContext(r)
	if frame > 0 {
		return c.showFrame(ctx, frame, true)
	}
	return c.showContext(ctx)
}

// showContext writes the registers of the selected frame and where it is.
func (c *call) showContext(ctx context.Context) error {
	f, err := c.v.Frame(ctx)
	if err != nil {
		return err
	}
	c.printf("%s", registersText(f.Regs, c.i.mask))
	c.whereIs(ctx, f)
	return nil
}

// eventContext is .ecxr.
func eventContext(ctx context.Context, c *call) error {
	if err := c.end(); err != nil {
		return err
	}
	stop, ok := c.v.Live().LastStop()
	if !ok {
		return fail("There was no event yet")
	}
	if err := c.v.SelectThread(ctx, stop.Thread); err != nil {
		return err
	}
	return c.showContext(ctx)
}

// machines are the names of .effmach, with their titles.
var machines = map[string]struct{ arch, title string }{
	"x86":     {"i386", "x86 compatible (x86)"},
	"amd64":   {"amd64", "x64 (AMD64)"},
	"x64":     {"amd64", "x64 (AMD64)"},
	"arm64":   {"arm64", "ARM 64-bit (AArch64) (ARM64)"},
	"riscv64": {"riscv64", "RISC-V 64-bit (RISCV64)"},
	"arm":     {"arm", "ARM"},
}

// effectiveMachine is .effmach. A Linux process runs in one instruction set, so that
// there is one to choose.
func effectiveMachine(ctx context.Context, c *call) error {
	set := c.v.Live().Info().Set
	if set == nil {
		return targets.ErrNoThreads
	}
	at := c.base
	if w := strings.ToLower(c.all()); w != "" && w != "." && w != "#" {
		m, ok := machines[w]
		if !ok {
			return &Error{Kind: "Syntax", Command: c.text, Pos: at + 1, Fix: "the machines are x86, amd64, arm, arm64 and riscv64"}
		}
		if m.arch != set.Arch.Name {
			return fail("Effective machine cannot be changed to %s: the debuggee runs %s code", m.title, machineTitle(set.Arch))
		}
	}
	c.printf("Effective machine: %s\n", machineTitle(set.Arch))
	return nil
}

func machineTitle(a *arch.Arch) string {
	for _, m := range machines {
		if m.arch == a.Name {
			return m.title
		}
	}
	return a.Name
}

// stackContext heads a stack that comes from a set context.
func (c *call) stackContext() {
	if c.v.Context() != nil {
		c.printf("  *** Stack trace for last set context - .thread/.cxr resets it\n")
	}
}
