package rsp

import "strconv"

// The protocol numbers signals as GDB does (GDB manual, gdb/signals.def); the
// vocabulary uses Linux's numbers for x86, arm64 and riscv64 (signal(7)).

type signalRow struct {
	gdb, linux int
	name       string
}

var signalTable = []signalRow{
	{1, 1, "SIGHUP"}, {2, 2, "SIGINT"}, {3, 3, "SIGQUIT"}, {4, 4, "SIGILL"}, {5, 5, "SIGTRAP"}, {6, 6, "SIGABRT"},
	{8, 8, "SIGFPE"}, {9, 9, "SIGKILL"}, {10, 7, "SIGBUS"}, {11, 11, "SIGSEGV"}, {12, 31, "SIGSYS"}, {13, 13, "SIGPIPE"},
	{14, 14, "SIGALRM"}, {15, 15, "SIGTERM"}, {16, 23, "SIGURG"}, {17, 19, "SIGSTOP"}, {18, 20, "SIGTSTP"}, {19, 18, "SIGCONT"},
	{20, 17, "SIGCHLD"}, {21, 21, "SIGTTIN"}, {22, 22, "SIGTTOU"}, {23, 29, "SIGIO"}, {24, 24, "SIGXCPU"}, {25, 25, "SIGXFSZ"},
	{26, 26, "SIGVTALRM"}, {27, 27, "SIGPROF"}, {28, 28, "SIGWINCH"}, {30, 10, "SIGUSR1"}, {31, 12, "SIGUSR2"}, {32, 30, "SIGPWR"},
	{77, 32, "SIG32"}, {45, 33, "SIG33"}, {78, 64, "SIG64"},
}

// quiet are signals no one wants to stop for unless told: the list the far end
// is asked to pass on until Set(PassSignals) says otherwise (Linux numbers).
var quiet = []int{14, 17, 23, 26, 27, 28, 29, 32, 33}

// unknownSignal is GDB's number for a signal it has no name for.
const unknownSignal = 143

func signalFromGDB(n int) (linux int, name string) {
	for _, r := range signalTable {
		if r.gdb == n {
			return r.linux, r.name
		}
	}
	if n >= 46 && n <= 75 { // SIG34..SIG63 are in a row
		return n - 12, "SIG" + strconv.Itoa(n-12)
	}
	return n, "signal " + strconv.Itoa(n)
}

func signalToGDB(linux int) int {
	for _, r := range signalTable {
		if r.linux == linux {
			return r.gdb
		}
	}
	if linux >= 34 && linux <= 63 {
		return linux + 12
	}
	return unknownSignal
}

// signal numbers of the far end, which may use its own (LLDB's native-signals).
func (c *Conn) signalIn(n int) (int, string) {
	if !c.feature("native-signals") {
		return signalFromGDB(n)
	}
	for _, r := range signalTable {
		if r.linux == n {
			return n, r.name
		}
	}
	return n, "signal " + strconv.Itoa(n)
}

func (c *Conn) signalOut(linux int) int {
	if c.feature("native-signals") {
		return linux
	}
	return signalToGDB(linux)
}
