package linux

import (
	"encoding/binary"
	"fmt"

	"dap-windbg/arch"
)

// Siginfo is what the kernel tells with a signal (siginfo_t, Linux
// include/uapi/asm-generic/siginfo.h). Which fields have a meaning depends on
// Signal and Code; the others are zero.
type Siginfo struct {
	Signal, Errno, Code int

	Fault bool      // Addr holds the address that faulted
	Addr  arch.Addr // also of a SIGSYS: the instruction
	Lower arch.Addr // SEGV_BNDERR
	Upper arch.Addr
	Key   uint32 // SEGV_PKUERR

	Sent     bool // PID and UID name who sent it
	PID, UID int32
	Status   int32  // SIGCHLD: exit status or signal
	Value    uint64 // of sigqueue, timers and message queues
	Timer    int32
	Overrun  int32
	Band     int64 // SIGIO
	FD       int32
	Syscall  int32 // SIGSYS
}

// Codes that any signal may have (SI_*).
const (
	siUser   = 0
	siKernel = 0x80
	siQueue  = -1
	siTimer  = -2
	siMesgq  = -3
	siTkill  = -6
)

// codeName is a value of si_code and what it means.
type codeName struct{ name, text string }

var anyCodes = map[int]codeName{
	siUser: {"SI_USER", "sent by kill"}, siKernel: {"SI_KERNEL", "sent by the kernel"}, siQueue: {"SI_QUEUE", "sent by sigqueue"},
	siTimer: {"SI_TIMER", "a timer expired"}, siMesgq: {"SI_MESGQ", "a message arrived in an empty queue"},
	-4: {"SI_ASYNCIO", "asynchronous I/O completed"}, -5: {"SI_SIGIO", "queued SIGIO"},
	siTkill: {"SI_TKILL", "sent by tgkill"}, -60: {"SI_ASYNCNL", "name lookup completed"},
}

// signalCodes is indexed by signal; a row's first entry is code 1.
var signalCodes = map[int][]codeName{
	4: {{"ILL_ILLOPC", "illegal opcode"}, {"ILL_ILLOPN", "illegal operand"}, {"ILL_ILLADR", "illegal addressing mode"},
		{"ILL_ILLTRP", "illegal trap"}, {"ILL_PRVOPC", "privileged opcode"}, {"ILL_PRVREG", "privileged register"},
		{"ILL_COPROC", "coprocessor error"}, {"ILL_BADSTK", "internal stack error"}, {"ILL_BADIADDR", "unimplemented instruction address"}},
	5: {{"TRAP_BRKPT", "breakpoint"}, {"TRAP_TRACE", "single step"}, {"TRAP_BRANCH", "branch"}, {"TRAP_HWBKPT", "hardware breakpoint or watchpoint"},
		{"TRAP_UNK", "undiagnosed trap"}, {"TRAP_PERF", "perf event"}},
	7: {{"BUS_ADRALN", "invalid address alignment"}, {"BUS_ADRERR", "nonexistent physical address"}, {"BUS_OBJERR", "object specific hardware error"},
		{"BUS_MCEERR_AR", "hardware memory error, action required"}, {"BUS_MCEERR_AO", "hardware memory error, action optional"}},
	8: {{"FPE_INTDIV", "integer divide by zero"}, {"FPE_INTOVF", "integer overflow"}, {"FPE_FLTDIV", "floating point divide by zero"},
		{"FPE_FLTOVF", "floating point overflow"}, {"FPE_FLTUND", "floating point underflow"}, {"FPE_FLTRES", "floating point inexact result"},
		{"FPE_FLTINV", "invalid floating point operation"}, {"FPE_FLTSUB", "subscript out of range"}},
	11: {{"SEGV_MAPERR", "address not mapped to object"}, {"SEGV_ACCERR", "invalid permissions for mapped object"}, {"SEGV_BNDERR", "failed address bound checks"},
		{"SEGV_PKUERR", "access was denied by memory protection keys"}, {"SEGV_ACCADI", "ADI not enabled for mapped object"},
		{"SEGV_ADIDERR", "disrupting MCD error"}, {"SEGV_ADIPERR", "precise MCD exception"},
		{"SEGV_MTEAERR", "asynchronous memory tag check fault"}, {"SEGV_MTESERR", "synchronous memory tag check fault"},
		{"SEGV_CPERR", "control protection fault"}},
	17: {{"CLD_EXITED", "child has exited"}, {"CLD_KILLED", "child was killed"}, {"CLD_DUMPED", "child has terminated abnormally"},
		{"CLD_TRAPPED", "traced child has trapped"}, {"CLD_STOPPED", "child has stopped"}, {"CLD_CONTINUED", "stopped child has continued"}},
	29: {{"POLL_IN", "data input available"}, {"POLL_OUT", "output buffers available"}, {"POLL_MSG", "input message available"},
		{"POLL_ERR", "I/O error"}, {"POLL_PRI", "high priority input available"}, {"POLL_HUP", "device disconnected"}},
	31: {{"SYS_SECCOMP", "refused by a seccomp filter"}, {"SYS_USER_DISPATCH", "left to user space"}},
}

func (i Siginfo) code() codeName {
	if c, ok := anyCodes[i.Code]; ok {
		return c
	}
	if row := signalCodes[i.Signal]; i.Code >= 1 && i.Code <= len(row) {
		return row[i.Code-1]
	}
	return codeName{}
}

// CodeName is the symbolic name of Code ("SEGV_MAPERR"), "" when unknown.
func (i Siginfo) CodeName() string { return i.code().name }

// CodeText says what Code means ("address not mapped to object"), "" when unknown.
func (i Siginfo) CodeText() string { return i.code().text }

// ParseSiginfo decodes raw bytes of a debuggee with the given byte order and
// pointer size. Fields beyond the bytes' end are zero; fewer bytes than signal,
// errno and code are an error.
func ParseSiginfo(raw []byte, order binary.ByteOrder, ptrSize int) (Siginfo, error) {
	if len(raw) < 12 {
		return Siginfo{}, fmt.Errorf("siginfo of %d bytes", len(raw))
	}
	var full [128]byte
	copy(full[:], raw)
	at := func(off int) int32 { return int32(order.Uint32(full[off:])) }
	i := Siginfo{Signal: int(at(0)), Errno: int(at(4)), Code: int(at(8))}
	u := 12 // the union, aligned to a pointer
	if ptrSize == 8 {
		u = 16
	}
	ptr := func(n int) uint64 { return word(full[u+n*ptrSize:], order, ptrSize) }
	sender := func() { i.Sent, i.PID, i.UID = true, at(u), at(u+4) }
	switch {
	case i.Code == siTimer:
		i.Timer, i.Overrun, i.Value = at(u), at(u+4), word(full[u+8:], order, ptrSize)
	case i.Code == siUser || i.Code == siTkill:
		sender()
	case i.Code < 0:
		sender()
		i.Value = word(full[u+8:], order, ptrSize)
	case i.Code == siKernel && i.Signal != 5:
	case i.Signal == 4 || i.Signal == 5 || i.Signal == 7 || i.Signal == 8 || i.Signal == 11:
		i.Fault, i.Addr = true, arch.Addr(ptr(0))
		if i.Signal == 11 && i.Code == 3 {
			i.Lower, i.Upper = arch.Addr(ptr(2)), arch.Addr(ptr(3))
		}
		if i.Signal == 11 && i.Code == 4 {
			i.Key = uint32(at(u + 2*ptrSize))
		}
	case i.Signal == 17:
		sender()
		i.Status = at(u + 8)
	case i.Signal == 29:
		i.Band, i.FD = int64(ptr(0)), at(u+ptrSize)
	case i.Signal == 31:
		i.Addr, i.Syscall = arch.Addr(ptr(0)), at(u+ptrSize)
	}
	return i, nil
}

// SignalDetail names the code in raw siginfo ("SEGV_MAPERR"), "" when it has none.
func (*System) SignalDetail(siginfo []byte) string {
	// The three numbers it takes lie at the same place for every pointer size.
	i, err := ParseSiginfo(siginfo, binary.LittleEndian, 8)
	if err != nil {
		return ""
	}
	return i.CodeName()
}
