package report

import (
	"fmt"
	"strings"

	"dap-windbg/engine"
	"dap-windbg/systems/linux"
	"dap-windbg/targets"
)

// Kind sorts crashes. The words are for machines and stay.
type Kind string

const (
	NullPointer    Kind = "null-dereference"
	NullCall       Kind = "null-call"
	StackOverflow  Kind = "stack-overflow"
	FreedMemory    Kind = "freed-or-uninitialised-memory"
	ReadOnly       Kind = "write-to-read-only-memory"
	ExecuteData    Kind = "execution-of-data"
	NoAddress      Kind = "impossible-address"
	Unmapped       Kind = "unmapped-address"
	DivideByZero   Kind = "divide-by-zero"
	Arithmetic     Kind = "arithmetic"
	Assertion      Kind = "assertion"
	HeapCorruption Kind = "heap-corruption"
	StackSmashing  Kind = "stack-smashing"
	BufferOverflow Kind = "buffer-overflow"
	Uncaught       Kind = "uncaught-exception"
	Terminate      Kind = "terminate"
	Abort          Kind = "abort"
	Trap           Kind = "trap"
	BadInstruction Kind = "illegal-instruction"
	BusError       Kind = "bus-error"
	BadSystemCall  Kind = "bad-system-call"
	OtherSignal    Kind = "signal"
	NotResponding  Kind = "timeout"
	FailedCheck    Kind = "assertion-of-the-script"
	Standing       Kind = "stopped"
)

// Signals that are told apart (Linux, generic numbering).
const (
	sigILL  = 4
	sigTRAP = 5
	sigABRT = 6
	sigBUS  = 7
	sigFPE  = 8
	sigSEGV = 11
	sigSYS  = 31
)

// verdict is what a diagnosis comes to.
type verdict struct {
	kind    Kind
	text    string
	message string     // the program's own words
	thrown  *Exception // that nobody caught
}

// diagnoses tell what a signal means, the first that knows something decides.
var diagnoses = map[int][]func(*scene) (verdict, bool){
	sigSEGV: {(*scene).sent, (*scene).overflown, (*scene).called, (*scene).null, (*scene).pattern, (*scene).impossible, (*scene).forbidden, (*scene).unmapped},
	sigBUS:  {(*scene).sent, (*scene).overflown, (*scene).pattern, (*scene).bus},
	sigABRT: {(*scene).uncaught, (*scene).lastWords, (*scene).sent, (*scene).aborted},
	sigFPE:  {(*scene).sent, (*scene).division},
	sigILL:  {(*scene).sent, (*scene).trapped},
	sigTRAP: {(*scene).sent, (*scene).breakpoint},
	sigSYS:  {(*scene).systemCall},
}

// diagnose says what happened.
func (s *scene) diagnose() verdict {
	x := s.stop.Exception
	if x == nil || s.stop.Reason != targets.Exception {
		return verdict{kind: Standing, text: "stopped in " + symbolAt(s.blamed)}
	}
	if t := s.stop.Thrown; t != nil {
		return verdict{kind: Uncaught, text: "C++ exception " + oneLine(t.String(), maxValue), thrown: &Exception{oneLine(t.Type, maxValue), oneLine(t.What, maxValue)}}
	}
	for _, d := range diagnoses[int(x.Code)] {
		if v, ok := d(s); ok {
			if s.again {
				v.text += " (a handler of the program took the signal first)"
			}
			return v
		}
	}
	return verdict{kind: OtherSignal, text: s.signalText()}
}

// signalText is the bare signal: "Segmentation fault (SIGSEGV)".
func (s *scene) signalText() string {
	x := s.stop.Exception
	if sig, ok := linux.SignalByNumber(int(x.Code)); ok {
		return fmt.Sprintf("%s (%s)", strings.ToLower(sig.Text), sig.Name)
	}
	return x.Name
}

// sent: somebody sent the signal; nothing went wrong at the place. Abort and raise
// send it to the process itself.
func (s *scene) sent() (verdict, bool) {
	pid := s.v.Live().Info().Process
	if !s.signal.Sent || int64(s.signal.PID) == pid && int(s.stop.Exception.Code) == sigABRT {
		return verdict{}, false
	}
	by := fmt.Sprintf("process %d", s.signal.PID)
	if int64(s.signal.PID) == pid {
		by = "the program itself"
	}
	return verdict{kind: OtherSignal, text: fmt.Sprintf("%s, sent by %s", s.signalText(), by)}, true
}

func (s *scene) division() (verdict, bool) {
	switch s.signal.CodeName() {
	case "FPE_INTDIV":
		for _, d := range divisors(s.line()) {
			n, _, _, ok := s.number(s.blamed, d)
			switch {
			case ok && n == 0:
				return verdict{kind: DivideByZero, text: fmt.Sprintf("division by zero: `%s` is 0", d)}, true
			case ok && int32(n) == -1:
				return verdict{kind: Arithmetic, text: fmt.Sprintf("the quotient of a division by `%s`, which is -1, is too large for its type", d)}, true
			}
		}
		return verdict{kind: DivideByZero, text: "division by zero, or a quotient that is too large"}, true
	case "":
		return verdict{}, false
	}
	return verdict{kind: Arithmetic, text: s.signal.CodeText()}, true
}

func (s *scene) trapped() (verdict, bool) {
	switch s.inst.Op {
	case "ud2", "ud1", "udf":
		return verdict{kind: Trap, text: "the program trapped on purpose: __builtin_trap, code that cannot be reached, or a check of a sanitizer"}, true
	}
	return verdict{kind: BadInstruction, text: "illegal instruction: " + orElse(s.signal.CodeText(), "the CPU does not know it")}, true
}

func (s *scene) breakpoint() (verdict, bool) {
	return verdict{kind: Trap, text: "a breakpoint instruction of the program's own, with no debugger to take it"}, true
}

func (s *scene) systemCall() (verdict, bool) {
	name := fmt.Sprint(s.signal.Syscall)
	if cpu := s.cpu(); cpu != nil {
		name = orElse(linux.New().SyscallName(cpu, int(s.signal.Syscall)), name)
	}
	return verdict{kind: BadSystemCall, text: fmt.Sprintf("the system call %s is not allowed (%s)", name, orElse(s.signal.CodeText(), "seccomp"))}, true
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// own makes the stop at a breakpoint instruction that nobody set the SIGTRAP that it is
// without a debugger.
func own(stop engine.Stop) engine.Stop {
	if stop.Reason == targets.Breakpoint && len(stop.Breakpoints) == 0 && stop.Exception == nil {
		stop.Reason, stop.Exception = targets.Exception, &targets.ExceptionRecord{Code: sigTRAP, Name: "SIGTRAP"}
	}
	return stop
}

// fatal is the signal that ends the process: one whose default is a core dump, and
// that the program neither handles nor ignores; 0 none.
func (s *scene) fatal() int {
	x := s.stop.Exception
	if s.stop.Reason != targets.Exception || x == nil {
		return 0
	}
	sig, ok := linux.SignalByNumber(int(x.Code))
	if !ok || sig.Default != linux.Dumps {
		return 0
	}
	if text, err := s.file("status"); err == nil && handled(text, int(x.Code)) {
		return 0
	}
	return int(x.Code)
}

// handled reads from /proc/PID/status whether a handler would run, or the signal is
// ignored. A fault while its signal is blocked kills all the same; of one whose signal
// is ignored, the kernel has made the signal's default what is done before it tells.
func handled(status string, signal int) bool {
	caught, blocked, ignored := uint64(0), uint64(0), uint64(0)
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "SigCgt":
			fmt.Sscanf(value, "%x", &caught)
		case "SigIgn":
			fmt.Sscanf(value, "%x", &ignored)
		case "SigBlk":
			fmt.Sscanf(value, "%x", &blocked)
		}
	}
	bit := uint64(1) << (signal - 1)
	return ignored&bit != 0 || caught&bit != 0 && blocked&bit == 0
}
