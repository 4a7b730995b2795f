package core

import (
	"fmt"
	"slices"
	"sync"

	"dap-windbg/arch"
	"dap-windbg/binfmt/elf"
)

// Types of notes (Linux include/uapi/linux/elf.h).
const (
	notePrstatus   = 1
	noteFPRegset   = 2
	notePrpsinfo   = 3
	noteAuxv       = 6
	noteSiginfo    = 0x53494749
	noteFile       = 0x46494c45
	notePRXFPReg   = 0x46e62b7f
	noteTLS386     = 0x200
	noteXState     = 0x202
	noteXLayout    = 0x205
	noteArmTLS     = 0x401
	noteArmPACMask = 0x406
)

// field is a register in a note.
type field struct {
	reg      string
	at, size int // bytes
}

// row lays registers of one size out one behind the other; "" is a gap.
func row(at, size int, names ...string) []field {
	var out []field
	for i, n := range names {
		if n != "" {
			out = append(out, field{n, at + i*size, size})
		}
	}
	return out
}

// every lays the registers prefix0, prefix1 ... with suffix out in steps.
func every(at, step, size int, prefix, suffix string, from, to int) []field {
	var out []field
	for i := from; i <= to; i++ {
		out = append(out, field{fmt.Sprint(prefix, i, suffix), at + (i-from)*step, size})
	}
	return out
}

// regset is a note of registers.
type regset struct {
	owner  string // the note's name
	kind   uint32
	size   int // bytes written
	fields []field
	x87    bool // an FXSAVE image, whose tag word is abridged
}

// prstatus is where the members of struct elf_prstatus lie.
type prstatus struct {
	signal, pid, ppid, regs, size int
	fields                        []field // within pr_reg
}

// prpsinfo is where the members of struct elf_prpsinfo lie.
type prpsinfo struct{ flag, uid, idSize, pid, name, args, size int }

// machine is how a CPU's core files are laid out.
type machine struct {
	number uint16 // ELF e_machine
	arch   *arch.Arch
	status prstatus
	info   prpsinfo
	sets   []regset
	extra  []arch.Register // beyond the CPU's core table
}

var (
	status64 = prstatus{signal: 12, pid: 32, ppid: 36, regs: 112}
	status32 = prstatus{signal: 12, pid: 24, ppid: 28, regs: 72}
	info64   = prpsinfo{flag: 8, uid: 16, idSize: 4, pid: 24, name: 40, args: 56, size: 136}
	info32   = prpsinfo{flag: 4, uid: 8, idSize: 2, pid: 12, name: 28, args: 44, size: 124}
)

// with completes a status by its registers, each of size bytes.
func (s prstatus) with(size int, names ...string) prstatus {
	s.fields = row(0, size, names...)
	s.size = (s.regs + size*len(names) + 4 + size - 1) / size * size // pr_fpvalid behind them
	return s
}

func registers(g arch.Group, size int, names ...string) []arch.Register {
	var out []arch.Register
	for _, n := range names {
		out = append(out, arch.Register{Name: n, Size: size, DWARF: -1, Group: g})
	}
	return out
}

func numbered(prefix string, from, to int) []string {
	var out []string
	for i := from; i <= to; i++ {
		out = append(out, fmt.Sprint(prefix, i))
	}
	return out
}

// fxsave is the FXSAVE image (Intel SDM 1, 10.5.1).
func fxsave(vectors int) []field {
	return slices.Concat(
		[]field{{"fctrl", 0, 2}, {"fstat", 2, 2}, {"fop", 6, 2}, {"fioff", 8, 4}, {"fiseg", 12, 2}, {"fooff", 16, 4}, {"foseg", 20, 2}, {"mxcsr", 24, 4}},
		every(32, 16, 10, "st", "", 0, 7), every(160, 16, 16, "xmm", "", 0, vectors-1))
}

// fsave is the FSAVE image (Intel SDM 1, figure 8-9).
var fsave = sync.OnceValue(func() []field {
	return slices.Concat(
		[]field{{"fctrl", 0, 2}, {"fstat", 4, 2}, {"ftag", 8, 2}, {"fioff", 12, 4}, {"fiseg", 16, 2}, {"fop", 18, 2}, {"fooff", 20, 4}, {"foseg", 24, 2}},
		every(28, 10, 10, "st", "", 0, 7))
})

// fxsaveSize is the length of an FXSAVE image, bytes.
const fxsaveSize = 512

var riscvFloats = sync.OnceValue(func() []string {
	return slices.Concat(numbered("ft", 0, 7), []string{"fs0", "fs1"}, numbered("fa", 0, 7), numbered("fs", 2, 11), numbered("ft", 8, 11))
})

func riscvExtra() []arch.Register {
	out := registers(arch.Float, 8, riscvFloats()...)
	for i := range out {
		out[i].DWARF = 32 + i // RISC-V ELF psABI, DWARF register numbers
	}
	return append(out, registers(arch.Float, 4, "fcsr")...)
}

var machines = sync.OnceValue(func() []machine {
	return []machine{
		{number: elf.MachineX8664, arch: arch.AMD64, info: info64,
			status: status64.with(8, "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi",
				"orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs"),
			sets: []regset{{owner: "CORE", kind: noteFPRegset, size: fxsaveSize, fields: fxsave(16), x87: true}}},
		{number: elf.Machine386, arch: arch.I386, info: info32,
			status: status32.with(4, "ebx", "ecx", "edx", "esi", "edi", "ebp", "eax", "ds", "es", "fs", "gs", "orig_eax", "eip", "cs", "eflags", "esp", "ss"),
			sets: []regset{{owner: "CORE", kind: noteFPRegset, size: 108, fields: fsave()},
				{owner: "LINUX", kind: notePRXFPReg, size: fxsaveSize, fields: fxsave(8), x87: true}},
			extra: registers(arch.System, 4, "orig_eax", "gs_base")},
		{number: elf.MachineAArch64, arch: arch.ARM64, info: info64,
			status: status64.with(8, append(numbered("x", 0, 30), "sp", "pc", "cpsr")...),
			sets: []regset{
				{owner: "CORE", kind: noteFPRegset, size: 528, fields: append(every(0, 16, 16, "v", "", 0, 31), field{"fpsr", 512, 4}, field{"fpcr", 516, 4})},
				{owner: "LINUX", kind: noteArmTLS, size: 8, fields: []field{{"tpidr", 0, 8}}},
				{owner: "LINUX", kind: noteArmPACMask, size: 16, fields: []field{{"pauth_dmask", 0, 8}, {"pauth_cmask", 8, 8}}}},
			extra: registers(arch.System, 8, "tpidr", "pauth_dmask", "pauth_cmask")},
		{number: elf.MachineRISCV, arch: arch.RISCV64, info: info64,
			status: status64.with(8, "pc", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "fp", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7",
				"s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"),
			sets:  []regset{{owner: "CORE", kind: noteFPRegset, size: 264, fields: append(row(0, 8, riscvFloats()...), field{"fcsr", 256, 4})}},
			extra: riscvExtra()},
	}
})

// machineOf finds the row of an ELF machine.
func machineOf(number uint16, is64 bool) *machine {
	for i := range machines() {
		if m := &machines()[i]; m.number == number && is64 == (m.arch.PtrSize == 8) {
			return m
		}
	}
	return nil
}

// machineFor finds the row of a CPU.
func machineFor(a *arch.Arch) *machine {
	for i, m := range machines() {
		if m.arch == a {
			return &machines()[i]
		}
	}
	return nil
}

// vectors is how many SSE registers the CPU has, 0 when it is no x86.
func (m *machine) vectors() int {
	switch m.arch {
	case arch.AMD64:
		return 16
	case arch.I386:
		return 8
	}
	return 0
}

// set is the register file of a core whose processor had the state components xcr0.
func (m *machine) set(xcr0 uint64) *arch.Set {
	regs := slices.Concat(m.arch.Core, m.extra)
	for _, c := range m.components(xcr0, standardLayout) {
		for _, f := range c.fields {
			if !slices.ContainsFunc(regs, func(r arch.Register) bool { return r.Name == f.reg }) {
				regs = append(regs, arch.Register{Name: f.reg, Size: f.size, DWARF: -1, Group: c.group})
			}
		}
	}
	return arch.NewSet(m.arch, regs)
}
