package linux

import (
	"bytes"
	"context"
	"fmt"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// saved is a run of registers in a signal's frame, one word each.
type saved struct {
	at    int // bytes from the head of the machine context
	names []string
}

// trampoline is the code a signal handler returns to, and the frame that the
// kernel keeps there (arch/*/kernel/signal.c, include/uapi/asm/sigcontext.h).
type trampoline struct {
	code    []byte // loads the number of the system call, and makes it
	call    int    // where in it the call is made
	context int    // bytes from SP to the machine context
	pointer bool   // context holds its address: of the ucontext, whose head skips
	skip    int    // bytes from there to the machine context
	saved   []saved
}

func numbered(prefix string, from, to int) []string {
	var out []string
	for i := from; i <= to; i++ {
		out = append(out, fmt.Sprint(prefix, i))
	}
	return out
}

var (
	amd64Saved = []saved{{0, []string{"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp", "rip", "eflags"}}}
	i386Saved  = []saved{{16, []string{"edi", "esi", "ebp", "esp", "ebx", "edx", "ecx", "eax"}}, {56, []string{"eip", "cs", "eflags"}}}
)

// trampolines by architecture. SP is what it is when the handler has returned.
var trampolines = map[string][]trampoline{
	"amd64": {
		{code: []byte{0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05}, call: 7, context: 40, saved: amd64Saved},
		{code: []byte{0xb8, 15, 0, 0, 0, 0x0f, 0x05}, call: 5, context: 40, saved: amd64Saved},
	},
	"i386": {
		{code: []byte{0xb8, 173, 0, 0, 0, 0xcd, 0x80}, call: 5, context: 8, pointer: true, skip: 20, saved: i386Saved},
		{code: []byte{0x58, 0xb8, 119, 0, 0, 0, 0xcd, 0x80}, call: 6, context: 4, saved: i386Saved},
	},
	"arm64": {
		{code: []byte{0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4}, call: 4, context: 304, saved: []saved{{8, append(numbered("x", 0, 30), "sp", "pc", "cpsr")}}},
	},
	"riscv64": {
		{code: []byte{0x93, 0x08, 0xb0, 0x08, 0x73, 0, 0, 0}, call: 4, context: 304, saved: []saved{{0, append(append([]string{"pc", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "fp", "s1"},
			numbered("a", 0, 7)...), append(numbered("s", 2, 11), numbered("t", 3, 6)...)...)}}},
	},
}

// SignalFrame unwinds from the code that a signal handler returns to into the
// code that the signal interrupted, all registers included. Call frame
// information tells that frame on glibc's x86; elsewhere it is missing (musl) or
// describes only the frame pointer chain (the kernel's own code on arm64 and
// riscv64). symbols.ErrNoUnwind when callee is not there. Reads follow the rule
// of symbols.NeedError.
func (*System) SignalFrame(ctx context.Context, callee *arch.Registers, mem symbols.Memory) (*arch.Registers, error) {
	r := newReader(ctx, mem, callee.Set.Arch)
	code := make([]byte, 16)
	for _, t := range trampolines[callee.Set.Arch.Name] {
		for _, done := range []int{0, t.call} { // at the head, or stopped at the call
			want := t.code[done:]
			if n := r.read(uint64(callee.PC()), code[:len(want)]); n < len(want) || !bytes.Equal(code[:n], want) {
				continue
			}
			if done > 0 && !r.preceded(uint64(callee.PC()), t.code[:done]) {
				continue
			}
			return r.interrupted(t, callee)
		}
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	return nil, symbols.ErrNoUnwind
}

// preceded reports whether code lies before pc.
func (r *reader) preceded(pc uint64, code []byte) bool {
	before := make([]byte, len(code))
	return r.read(pc-uint64(len(code)), before) == len(code) && bytes.Equal(before, code)
}

// interrupted reads the registers out of the frame.
func (r *reader) interrupted(t trampoline, callee *arch.Registers) (*arch.Registers, error) {
	at := uint64(callee.SP()) + uint64(t.context)
	if t.pointer {
		p := r.words(at, 1)
		if p == nil {
			return nil, r.unreadable(at)
		}
		at = p[0] + uint64(t.skip)
	}
	caller := arch.NewRegisters(callee.Set)
	for i := range callee.Set.Regs { // what the frame does not hold and no signal changes
		if callee.Set.Regs[i].Group == arch.Segment || callee.Set.Regs[i].Group == arch.System {
			if v, ok := callee.Bytes(i); ok {
				caller.SetBytes(i, v)
			}
		}
	}
	for _, run := range t.saved {
		values := r.words(at+uint64(run.at), len(run.names))
		if values == nil {
			return nil, r.unreadable(at)
		}
		for i, name := range run.names {
			caller.PutName(name, values[i])
		}
	}
	caller.Interrupted = true
	return caller, r.end()
}

// unreadable is the error of a frame that memory does not hold.
func (r *reader) unreadable(at uint64) error {
	if err := r.end(); err != nil {
		return err
	}
	return fmt.Errorf("the signal's frame at 0x%x cannot be read", at)
}
