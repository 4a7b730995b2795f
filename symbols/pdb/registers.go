package pdb

import "strconv"

// CodeView's numbers of registers (CV_HREG_e of cvinfo.h).
const (
	registerVFrame = 30006
	x86EBX         = 20
	x86EBP         = 22
	amd64RBP       = 334
	amd64RSP       = 335
	amd64R13       = 341
	arm64FP        = 79
	arm64SP        = 81
)

// registerRange gives names to consecutive numbers. Names of parts of registers
// are those of the whole; shift is where in it the part lies, and bits its size, 0 all.
type registerRange struct {
	first, count uint16
	names        func(i int) string
	shift, bits  int
}

func listed(names ...string) func(int) string { return func(i int) string { return names[i] } }

func counted(prefix string, from int) func(int) string {
	return func(i int) string { return prefix + strconv.Itoa(from+i) }
}

var (
	x86Whole = listed("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")
	x86Wide  = listed("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi")
)

// registers are the names that arch gives the registers, by machine.
var registers = map[uint16][]registerRange{
	machineI386: {
		{1, 4, x86Whole, 0, 8}, {5, 4, x86Whole, 8, 8}, {9, 8, x86Whole, 0, 16}, {17, 8, x86Whole, 0, 0},
		{33, 1, listed("eip"), 0, 0}, {34, 1, listed("eflags"), 0, 0}, {128, 8, counted("st", 0), 0, 0}, {154, 8, counted("xmm", 0), 0, 0},
	},
	machineAMD64: {
		{1, 4, x86Wide, 0, 8}, {5, 4, x86Wide, 8, 8}, {9, 8, x86Wide, 0, 16}, {17, 8, x86Wide, 0, 32},
		{33, 1, listed("rip"), 0, 0}, {34, 1, listed("eflags"), 0, 0}, {128, 8, counted("st", 0), 0, 0}, {154, 8, counted("xmm", 0), 0, 0}, {252, 8, counted("xmm", 8), 0, 0},
		{324, 4, listed("rsi", "rdi", "rbp", "rsp"), 0, 8}, {328, 8, listed("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"), 0, 0},
		{336, 8, counted("r", 8), 0, 0}, {344, 8, counted("r", 8), 0, 8}, {352, 8, counted("r", 8), 0, 16}, {360, 8, counted("r", 8), 0, 32},
	},
	machineARM64: {
		{10, 31, counted("x", 0), 0, 32}, {50, 31, counted("x", 0), 0, 0}, {81, 1, listed("sp"), 0, 0}, {83, 1, listed("pc"), 0, 0},
		{90, 1, listed("cpsr"), 0, 0}, {100, 32, counted("v", 0), 0, 32}, {140, 32, counted("v", 0), 0, 64}, {180, 32, counted("v", 0), 0, 0},
	},
}

// registerName is arch's name of a register, and which bits of it are meant.
func (f *File) registerName(number uint16) (name string, shift, bits int) {
	for _, r := range registers[f.dbi.machine] {
		if number >= r.first && number-r.first < r.count {
			return r.names(int(number - r.first)), r.shift, r.bits
		}
	}
	return "", 0, 0
}

// frameRegister is the register that S_FRAMEPROC encodes in two bits.
func (f *File) frameRegister(code uint32) uint16 {
	switch f.dbi.machine {
	case machineI386:
		return [4]uint16{registerVFrame, registerVFrame, x86EBP, x86EBX}[code]
	case machineARM64:
		return [4]uint16{arm64SP, arm64SP, arm64FP, arm64FP}[code]
	}
	return [4]uint16{amd64RSP, amd64RSP, amd64RBP, amd64R13}[code]
}

// basePointer is the register that S_BPREL32 counts from.
func (f *File) basePointer() uint16 {
	switch f.dbi.machine {
	case machineI386:
		return x86EBP
	case machineARM64:
		return arm64FP
	}
	return amd64RBP
}
