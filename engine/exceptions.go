package engine

import (
	"context"
	"fmt"

	"dap-windbg/systems"
	"dap-windbg/targets"
)

// Signals of Linux that a debugger makes itself.
const (
	sigInt  = 2
	sigTrap = 5
)

// eventCodes are WinDbg's codes of what is no exception.
var eventCodes = map[targets.Reason]string{
	targets.ThreadCreated: "ct", targets.ThreadExited: "et", targets.Forked: "cpr",
	targets.SyscallEntry: "sys", targets.SyscallReturn: "sys", targets.Exec: "exec", targets.Reset: "reset", targets.Modules: "ld", targets.Initial: "ibp",
}

// signal is a Linux signal's name, WinDbg code and default treatment, which is
// that of gdb's `info signals`: quiet ones neither stop nor print.
type signal struct {
	name  string
	code  string
	quiet bool
}

var signals = map[int]signal{
	1: {"SIGHUP", "", false}, 2: {"SIGINT", "cce", false}, 3: {"SIGQUIT", "", false}, 4: {"SIGILL", "ii", false},
	5: {"SIGTRAP", "bpe", false}, 6: {"SIGABRT", "asrt", false}, 7: {"SIGBUS", "dm", false}, 8: {"SIGFPE", "dz", false},
	9: {"SIGKILL", "", false}, 10: {"SIGUSR1", "", false}, 11: {"SIGSEGV", "av", false}, 12: {"SIGUSR2", "", false},
	13: {"SIGPIPE", "", false}, 14: {"SIGALRM", "", true}, 15: {"SIGTERM", "", false}, 16: {"SIGSTKFLT", "", false},
	17: {"SIGCHLD", "", true}, 18: {"SIGCONT", "", false}, 19: {"SIGSTOP", "", false}, 20: {"SIGTSTP", "", false},
	21: {"SIGTTIN", "", false}, 22: {"SIGTTOU", "", false}, 23: {"SIGURG", "", true}, 24: {"SIGXCPU", "", false},
	25: {"SIGXFSZ", "", false}, 26: {"SIGVTALRM", "", true}, 27: {"SIGPROF", "", true}, 28: {"SIGWINCH", "", true},
	29: {"SIGIO", "", true}, 30: {"SIGPWR", "", false}, 31: {"SIGSYS", "", false},
	32: {"SIG32", "", true}, 33: {"SIG33", "", true}, // glibc's own: thread cancellation and setuid
}

// statuses are exceptions of Windows with their codes in `sx` (ntstatus.h). Those that
// debuggers make are taken care of by the debugger.
var statuses = map[uint32]struct {
	code, name string
	ours       bool
}{
	0x80000001: {"gp", "Guard page violation", false}, 0x80000002: {"dm", "Data misaligned", false}, 0x80000003: {"bpe", "Break instruction exception", true},
	0x80000004: {"sse", "Single step exception", true}, 0x80000007: {"wkd", "Wake debugger", true}, 0xc0000005: {"av", "Access violation", false},
	0xc0000006: {"ip", "In-page I/O error", false}, 0xc0000008: {"ch", "Invalid handle", false}, 0xc000001d: {"ii", "Illegal instruction", false},
	0xc0000094: {"dz", "Integer divide-by-zero", false}, 0xc0000095: {"iov", "Integer overflow", false}, 0xc00000fd: {"sov", "Stack overflow", false},
	0xc0000409: {"sbo", "Security check failure or stack buffer overrun", false}, 0xc0000420: {"asrt", "Assertion failure", true}, 0xe06d7363: {"eh", "C++ EH exception", false},
}

// StatusName is what an exception of Windows is called, "" when it has no name.
func StatusName(code uint32) string { return statuses[code].name }

func signalName(n int) string {
	if s, ok := signals[n]; ok {
		return s.name
	}
	return fmt.Sprintf("signal %d", n)
}

// ExceptionCode is the code `sx` knows an exception by: "av", "sig12", or an
// NTSTATUS in hex.
func ExceptionCode(os string, code uint32) string {
	if os == "linux" {
		if s := signals[int(code)]; s.code != "" {
			return s.code
		}
		return fmt.Sprintf("sig%d", code)
	}
	if s, ok := statuses[code]; ok {
		return s.code
	}
	return fmt.Sprintf("%x", code)
}

// DefaultFilter is what happens when no Filter says otherwise: signals as gdb
// has them, breaks on exceptions, and only output for modules and threads.
func DefaultFilter(e FilterEvent) Disposition {
	if e.Stop.Reason != targets.Exception || e.Stop.Exception == nil {
		switch e.Code {
		case "bpe", "ibp":
			return Disposition{Break: true, Print: true}
		case "reset":
			return Disposition{Break: true, Print: true}
		}
		return Disposition{}
	}
	x := e.Stop.Exception
	pass := targets.Deliver{Kind: targets.NotHandled}
	if s, ok := signals[int(x.Code)]; ok {
		switch {
		case s.quiet:
			return Disposition{Deliver: pass}
		case x.Code == sigTrap || s.name == "SIGINT":
			return Disposition{Break: true, Print: true}
		}
	} else if x.Code > 33 && x.Code <= 64 { // real-time signals
		return Disposition{Break: true, Print: true, Deliver: pass}
	}
	return Disposition{Break: true, Print: true, Deliver: pass}
}

func (l *loop) filter(e FilterEvent) Disposition {
	if l.o.Filter != nil {
		return l.o.Filter(e)
	}
	return DefaultFilter(e)
}

// namer is a System that can say what a signal's code means: "SEGV_MAPERR".
type namer interface {
	SignalDetail(siginfo []byte) string
}

// judgeException asks the filter about a signal or exception.
func (l *loop) judgeException(ctx context.Context, st *Stop) (quiet bool) {
	x := st.Exception
	if x == nil {
		return false
	}
	unhandled := func() bool {
		s, ok := l.o.System.(systems.Signaller)
		x.Second = x.Second || ok && s.Unhandled(ctx, l.t, int(x.Code))
		return x.Second
	}
	d := l.filter(FilterEvent{Code: ExceptionCode(l.t.Info().OS, x.Code), Arg: x.Name, Stop: st.Stop, Unhandled: unhandled})
	if l.t.Info().OS == "windows" && statuses[x.Code].ours {
		d.Deliver = targets.Deliver{}
	}
	if d.Deliver.Kind != targets.Handled {
		l.handed[st.Thread] = d.Deliver
	} else {
		delete(l.handed, st.Thread)
	}
	if !d.Break && !d.Print {
		return true
	}
	st.Text = l.exceptionText(ctx, st)
	if !d.Break {
		l.say(FromDebugger, st.Text+"\n")
	}
	return !d.Break
}

// exceptionText is WinDbg's line: "(2d5.2d9): Signal SIGSEGV (SEGV_MAPERR) - code b (first chance)".
func (l *loop) exceptionText(ctx context.Context, st *Stop) string {
	x := st.Exception
	chance := "first chance"
	switch {
	case l.r == nil:
		chance = "first/second chance not available"
	case x.Second:
		chance = "second chance"
	}
	if x.Name == "" && l.t.Info().OS == "linux" {
		x.Name = signalName(int(x.Code))
	}
	what := x.Name
	if l.t.Info().OS == "linux" {
		what = "Signal " + what
		if d := l.signalDetail(ctx, x); d != "" {
			what += " (" + d + ")"
		}
	} else if s, ok := statuses[x.Code]; ok {
		what = s.name
	} else if what == "" {
		what = "Exception"
	}
	return fmt.Sprintf("(%s): %s - code %x (%s)", l.pidTid(st.Thread), what, x.Code, chance)
}

func (l *loop) signalDetail(ctx context.Context, x *targets.ExceptionRecord) string {
	n, ok := l.o.System.(namer)
	if !ok {
		return ""
	}
	if len(x.Siginfo) == 0 {
		q, ok := l.t.(targets.Queryer)
		if !ok {
			return ""
		}
		info, err := q.Query(ctx, targets.Siginfo, "")
		if err != nil {
			return ""
		}
		x.Siginfo = info
	}
	return n.SignalDetail(x.Siginfo)
}

// ownFault reports whether an exception is a fault of the code that ran.
func ownFault(e *targets.ExceptionRecord) bool {
	if e == nil {
		return true
	}
	switch e.Code {
	case 4, 5, 6, 7, 8, 11, 31: // SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS
		return true
	}
	return false
}
