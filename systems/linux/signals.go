package linux

import (
	"strconv"
	"strings"
)

// Disposition is what a signal does to a process that has no handler for it.
type Disposition uint8

const (
	Terminates Disposition = iota
	Dumps                  // terminates, with a core dump
	Ignored
	Stops
	Continues
)

// Signal is one signal and what a debugger does with it unless told otherwise.
type Signal struct {
	Number int
	Name   string // "SIGSEGV"
	Text   string // "Segmentation fault"
	// Event is WinDbg's code of the event ("av"); signals that have none go by
	// their name, or by "sig" and their number.
	Event   string
	Default Disposition
	Stop    bool // the debugger stops
	Print   bool // it tells
	Pass    bool // the program gets it
}

// Signals lists the standard signals in the kernel's generic numbering, which
// x86, ARM and RISC-V share (include/uapi/asm-generic/signal.h). Event codes: the
// exceptions of Windows that mean the same. Stop, Print and Pass are GDB's.
var Signals = []Signal{
	{1, "SIGHUP", "Hangup", "", Terminates, true, true, true},
	{2, "SIGINT", "Interrupt", "cce", Terminates, true, true, false},
	{3, "SIGQUIT", "Quit", "", Dumps, true, true, true},
	{4, "SIGILL", "Illegal instruction", "ii", Dumps, true, true, true},
	{5, "SIGTRAP", "Trace/breakpoint trap", "bpe", Dumps, true, true, false},
	{6, "SIGABRT", "Aborted", "asrt", Dumps, true, true, true},
	{7, "SIGBUS", "Bus error", "dm", Dumps, true, true, true},
	{8, "SIGFPE", "Arithmetic exception", "dz", Dumps, true, true, true},
	{9, "SIGKILL", "Killed", "", Terminates, true, true, true},
	{10, "SIGUSR1", "User defined signal 1", "", Terminates, true, true, true},
	{11, "SIGSEGV", "Segmentation fault", "av", Dumps, true, true, true},
	{12, "SIGUSR2", "User defined signal 2", "", Terminates, true, true, true},
	{13, "SIGPIPE", "Broken pipe", "", Terminates, true, true, true},
	{14, "SIGALRM", "Alarm clock", "", Terminates, false, false, true},
	{15, "SIGTERM", "Terminated", "", Terminates, true, true, true},
	{16, "SIGSTKFLT", "Stack fault", "", Terminates, true, true, true},
	{17, "SIGCHLD", "Child status changed", "", Ignored, false, false, true},
	{18, "SIGCONT", "Continued", "", Continues, true, true, true},
	{19, "SIGSTOP", "Stopped (signal)", "", Stops, false, false, true},
	{20, "SIGTSTP", "Stopped (user)", "", Stops, true, true, true},
	{21, "SIGTTIN", "Stopped (tty input)", "", Stops, true, true, true},
	{22, "SIGTTOU", "Stopped (tty output)", "", Stops, true, true, true},
	{23, "SIGURG", "Urgent I/O condition", "", Ignored, false, false, true},
	{24, "SIGXCPU", "CPU time limit exceeded", "", Dumps, true, true, true},
	{25, "SIGXFSZ", "File size limit exceeded", "", Dumps, true, true, true},
	{26, "SIGVTALRM", "Virtual timer expired", "", Terminates, false, false, true},
	{27, "SIGPROF", "Profiling timer expired", "", Terminates, false, false, true},
	{28, "SIGWINCH", "Window size changed", "", Ignored, false, false, true},
	{29, "SIGIO", "I/O possible", "", Terminates, false, false, true},
	{30, "SIGPWR", "Power fail/restart", "", Terminates, true, true, true},
	{31, "SIGSYS", "Bad system call", "", Dumps, true, true, true},
	{32, "SIG32", "Real-time event 32", "", Terminates, false, false, true}, // glibc's: thread cancellation
	{33, "SIG33", "Real-time event 33", "", Terminates, false, false, true}, // glibc's: setuid in all threads
}

// Real-time signals are those a program may use: SIGRTMIN is glibc's.
const sigRTMin, sigRTMax = 34, 64

// SignalByNumber returns a signal, real-time ones included.
func SignalByNumber(n int) (Signal, bool) {
	switch {
	case n >= 1 && n <= len(Signals):
		return Signals[n-1], true
	case n >= sigRTMin && n <= sigRTMax:
		num := strconv.Itoa(n)
		return Signal{Number: n, Name: "SIG" + num, Text: "Real-time event " + num, Stop: true, Print: true, Pass: true}, true
	}
	return Signal{}, false
}

// SignalByName finds a signal by its name ("SIGUSR1", "usr1", "SIGRTMIN+2"), by
// its event code ("av"), or by "sig" and a number.
func SignalByName(name string) (Signal, bool) {
	upper := strings.ToUpper(name)
	short := strings.TrimPrefix(upper, "SIG")
	if n, err := strconv.Atoi(short); err == nil && short != upper {
		return SignalByNumber(n)
	}
	if alias, ok := map[string]string{"IOT": "ABRT", "POLL": "IO", "CLD": "CHLD"}[short]; ok {
		short = alias
	}
	for _, s := range Signals {
		if s.Name == "SIG"+short || s.Event != "" && s.Event == strings.ToLower(name) {
			return s, true
		}
	}
	for _, edge := range [...]struct {
		name string
		at   int
	}{{"RTMIN", sigRTMin}, {"RTMAX", sigRTMax}} {
		if rest, ok := strings.CutPrefix(short, edge.name); ok {
			n, err := strconv.Atoi(rest)
			if rest == "" || err == nil && (rest[0] == '+' || rest[0] == '-') {
				return SignalByNumber(edge.at + n)
			}
		}
	}
	if name == "sse" { // a single step is a SIGTRAP too
		return Signals[4], true
	}
	return Signal{}, false
}

// Code is the event code a signal is filtered by: WinDbg's, else "sig" and its number.
func (s Signal) Code() string {
	if s.Event != "" {
		return s.Event
	}
	return "sig" + strconv.Itoa(s.Number)
}

// Kills reports whether the signal ends a process that has no handler for it.
func (s Signal) Kills() bool { return s.Default == Terminates || s.Default == Dumps }
