package linux

import "dap-windbg/arch"

// kernelCall is how a program calls the kernel on a CPU (syscall(2), "Architecture
// calling conventions"): the instruction, the registers of the call's number and its
// first argument, and the one that tells the kernel which call was interrupted.
type kernelCall struct {
	insn                     []byte
	number, first, interrupt string
}

var kernelCalls = map[string]kernelCall{
	"amd64":   {[]byte{0x0f, 0x05}, "rax", "rdi", "orig_rax"},
	"i386":    {[]byte{0xcd, 0x80}, "eax", "ebx", "orig_eax"},
	"arm64":   {[]byte{0x01, 0x00, 0x00, 0xd4}, "x8", "x0", ""},
	"riscv64": {[]byte{0x73, 0x00, 0x00, 0x00}, "a7", "a0", ""},
}

// EndThread says how a thread ends itself: it carries out insn with these registers,
// which is exit(2) with status 0. ok is false where nobody knows.
func (s *System) EndThread(a *arch.Arch) (insn []byte, regs map[string]uint64, ok bool) {
	call, ok := kernelCalls[a.Name]
	exit := s.Syscalls(a, "exit")
	if !ok || len(exit) != 1 {
		return nil, nil, false
	}
	regs = map[string]uint64{call.number: uint64(exit[0]), call.first: 0}
	if call.interrupt != "" {
		regs[call.interrupt] = ^uint64(0) >> (64 - 8*a.PtrSize) // -1: there is nothing to restart
	}
	return call.insn, regs, true
}
