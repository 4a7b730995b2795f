package arch

import (
	"slices"
	"strconv"
)

func regs(group Group, size int, dwarf int, names ...string) []Register {
	out := make([]Register, len(names))
	for i, n := range names {
		out[i] = Register{Name: n, Size: size, DWARF: -1, Group: group}
		if dwarf >= 0 {
			out[i].DWARF = dwarf + i
		}
	}
	return out
}

func numbered(prefix string, from, to int) []string {
	var out []string
	for i := from; i <= to; i++ {
		out = append(out, prefix+strconv.Itoa(i))
	}
	return out
}

func withDWARF(r []Register, numbers ...int) []Register {
	for i := range r {
		r[i].DWARF = numbers[i]
	}
	return r
}

var x86Flags = []FlagBit{
	{"of", 11, "ov", "nv"}, {"df", 10, "dn", "up"}, {"if", 9, "ei", "di"}, {"sf", 7, "ng", "pl"},
	{"zf", 6, "zr", "nz"}, {"af", 4, "ac", "na"}, {"pf", 2, "pe", "po"}, {"cf", 0, "cy", "nc"}, {"tf", 8, "", ""},
}

// AMD64 is x86-64. DWARF numbers: System V psABI AMD64, figure 3.36; register
// order: GDB's i386-64bit core feature.
var AMD64 = &Arch{
	Name: "amd64", GDBName: "i386:x86-64", PtrSize: 8,
	Break: []byte{0xcc}, BreakAdvance: 1, MaxInst: 15, MinInst: 1, ReadsAreAccesses: true,
	PC: "rip", SP: "rsp", FP: "rbp", Flags: "eflags", Return: "rax",
	Args:        []string{"rdi", "rsi", "rdx", "rcx", "r8", "r9"},
	CalleeSaved: []string{"rbx", "rbp", "r12", "r13", "r14", "r15"},
	Core: slices.Concat(
		withDWARF(regs(General, 8, -1, "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"), 0, 3, 2, 1, 4, 5, 6, 7),
		regs(General, 8, 8, numbered("r", 8, 15)...),
		withDWARF(regs(General, 8, -1, "rip"), 16),
		withDWARF(regs(General, 4, -1, "eflags"), 49),
		regs(Segment, 4, 51, "cs", "ss", "ds", "es", "fs", "gs"),
		regs(Float, 10, 33, numbered("st", 0, 7)...),
		regs(Float, 4, -1, "fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"),
		regs(Vector, 16, 17, numbered("xmm", 0, 15)...),
		regs(Vector, 4, 64, "mxcsr"),
		regs(System, 8, -1, "orig_rax"),
		withDWARF(regs(System, 8, -1, "fs_base", "gs_base"), 58, 59),
	),
	Sub: append([]SubRegister{
		{"eax", "rax", 0, 32}, {"ebx", "rbx", 0, 32}, {"ecx", "rcx", 0, 32}, {"edx", "rdx", 0, 32},
		{"esi", "rsi", 0, 32}, {"edi", "rdi", 0, 32}, {"ebp", "rbp", 0, 32}, {"esp", "rsp", 0, 32},
		{"ax", "rax", 0, 16}, {"bx", "rbx", 0, 16}, {"cx", "rcx", 0, 16}, {"dx", "rdx", 0, 16},
		{"si", "rsi", 0, 16}, {"di", "rdi", 0, 16}, {"bp", "rbp", 0, 16}, {"sp", "rsp", 0, 16},
		{"al", "rax", 0, 8}, {"bl", "rbx", 0, 8}, {"cl", "rcx", 0, 8}, {"dl", "rdx", 0, 8},
		{"ah", "rax", 8, 8}, {"bh", "rbx", 8, 8}, {"ch", "rcx", 8, 8}, {"dh", "rdx", 8, 8},
		{"sil", "rsi", 0, 8}, {"dil", "rdi", 0, 8}, {"bpl", "rbp", 0, 8}, {"spl", "rsp", 0, 8},
		{"eip", "rip", 0, 32}, {"efl", "eflags", 0, 32}, {"iopl", "eflags", 12, 2},
	}, extended()...),
	FlagBits: x86Flags,
	Decode:   func(code []byte, pc Addr) (Inst, error) { return decodeX86(code, pc, 64) },
}

func extended() []SubRegister {
	var out []SubRegister
	for i := 8; i <= 15; i++ {
		r := "r" + strconv.Itoa(i)
		out = append(out, SubRegister{r + "d", r, 0, 32}, SubRegister{r + "w", r, 0, 16}, SubRegister{r + "b", r, 0, 8})
	}
	return out
}

// I386 is 32-bit x86. DWARF numbers: System V psABI i386, figure 2.14.
var I386 = &Arch{
	Name: "i386", GDBName: "i386", PtrSize: 4,
	Break: []byte{0xcc}, BreakAdvance: 1, MaxInst: 15, MinInst: 1, ReadsAreAccesses: true,
	PC: "eip", SP: "esp", FP: "ebp", Flags: "eflags", Return: "eax",
	CalleeSaved: []string{"ebx", "ebp", "esi", "edi"},
	Core: slices.Concat(
		regs(General, 4, 0, "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags"),
		regs(Segment, 4, 41, "cs", "ss", "ds", "es", "fs", "gs"),
		regs(Float, 10, 11, numbered("st", 0, 7)...),
		regs(Float, 4, -1, "fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"),
		regs(Vector, 16, 21, numbered("xmm", 0, 7)...),
		regs(Vector, 4, 39, "mxcsr"),
	),
	Sub: []SubRegister{
		{"ax", "eax", 0, 16}, {"bx", "ebx", 0, 16}, {"cx", "ecx", 0, 16}, {"dx", "edx", 0, 16},
		{"si", "esi", 0, 16}, {"di", "edi", 0, 16}, {"bp", "ebp", 0, 16}, {"sp", "esp", 0, 16},
		{"al", "eax", 0, 8}, {"bl", "ebx", 0, 8}, {"cl", "ecx", 0, 8}, {"dl", "edx", 0, 8},
		{"ah", "eax", 8, 8}, {"bh", "ebx", 8, 8}, {"ch", "ecx", 8, 8}, {"dh", "edx", 8, 8},
		{"efl", "eflags", 0, 32}, {"iopl", "eflags", 12, 2},
	},
	FlagBits: x86Flags,
	Decode:   func(code []byte, pc Addr) (Inst, error) { return decodeX86(code, pc, 32) },
}

// ARM64 is AArch64. DWARF numbers: DWARF for the Arm 64-bit Architecture, §4.1.
var ARM64 = &Arch{
	Name: "arm64", GDBName: "aarch64", PtrSize: 8,
	Break: []byte{0x00, 0x00, 0x20, 0xd4}, BreakAdvance: 0, MaxInst: 4, MinInst: 4,
	PC: "pc", SP: "sp", FP: "x29", Flags: "cpsr", Link: "x30", Return: "x0",
	Args:        numbered("x", 0, 7),
	CalleeSaved: append(numbered("x", 19, 28), "x29"),
	Core: slices.Concat(
		regs(General, 8, 0, numbered("x", 0, 30)...),
		regs(General, 8, 31, "sp", "pc"),
		regs(General, 4, -1, "cpsr"),
		regs(Vector, 16, 64, numbered("v", 0, 31)...),
		regs(Float, 4, -1, "fpsr", "fpcr"),
	),
	Sub:      armSub(),
	FlagBits: []FlagBit{{"nf", 31, "N", "-"}, {"zf", 30, "Z", "-"}, {"cf", 29, "C", "-"}, {"vf", 28, "V", "-"}},
	Decode:   decodeARM64,
}

func armSub() []SubRegister {
	out := []SubRegister{{"fp", "x29", 0, 64}, {"lr", "x30", 0, 64}, {"psr", "cpsr", 0, 32}}
	for i := 0; i <= 30; i++ {
		out = append(out, SubRegister{"w" + strconv.Itoa(i), "x" + strconv.Itoa(i), 0, 32})
	}
	return out
}

// RISCV64 is RV64GC. DWARF numbers: RISC-V ELF psABI, DWARF register numbers.
var RISCV64 = &Arch{
	Name: "riscv64", GDBName: "riscv:rv64", PtrSize: 8,
	Break: []byte{0x02, 0x90}, BreakAdvance: 0, MaxInst: 4, MinInst: 2,
	PC: "pc", SP: "sp", FP: "fp", Link: "ra", Return: "a0",
	Args:        numbered("a", 0, 7),
	CalleeSaved: append([]string{"fp", "s1"}, numbered("s", 2, 11)...),
	Core: slices.Concat(
		regs(General, 8, 0, "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "fp", "s1"),
		regs(General, 8, 10, numbered("a", 0, 7)...),
		regs(General, 8, 18, numbered("s", 2, 11)...),
		regs(General, 8, 28, numbered("t", 3, 6)...),
		regs(General, 8, -1, "pc"),
	),
	Sub:    []SubRegister{{"s0", "fp", 0, 64}},
	Decode: decodeRISCV64,
}
