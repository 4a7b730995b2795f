package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// Catching is what a session has to arrange to be told of, beyond what the far
// end reports by itself. What becomes of an event is the Filter's to say.
type Catching struct {
	Throw   bool // C++ exceptions when they are thrown ("eh"),
	Catch   bool // caught ("ehc"),
	Rethrow bool // and thrown again ("ehr"),
	Panic   bool // and panics of Rust programs ("rust")
	// Syscalls are system calls to stop at ("sys"): names, with wildcards, or
	// numbers; "*" is all of them.
	Syscalls []string
	// Pass are signals that nobody wants to hear of: the far end hands them to the
	// program by itself. Nil leaves the far end as it is.
	Pass []int
}

// armed is what has been arranged.
type armed struct {
	want     Catching
	syscalls []byte // as the far end was told
	pass     []byte
	throws   map[arch.Addr]thrownKind // hidden traps
	fatal    map[arch.Addr]string     // functions that a machine goes down by, hidden traps
	between  []*Module                // the modules they were looked for in
	told     map[string]bool          // what was said already
	slow     bool                     // it was said that data breakpoints are watched by steps
}

// syscaller is a System that knows system calls.
type syscaller interface {
	// Syscalls gives the numbers of those whose name matches pattern.
	Syscalls(a *arch.Arch, pattern string) []int
	// SyscallName names one, "" unknown.
	SyscallName(a *arch.Arch, n int) string
	// SyscallResult says what a return value means ("-1 ENOENT (No such file or directory)").
	SyscallResult(v int64) string
}

// Refilter tells that Options.Catching has another answer now. A running debuggee
// is halted for a moment, unseen; a stopped one hears of it when it is resumed.
func (s *Session) Refilter() {
	select {
	case s.refilter <- struct{}{}:
	default: // it is known already
	}
}

// refiltered arranges what a running debuggee is to report, where a resume has not done so
// since it was told.
func (l *loop) refiltered() {
	if l.state == StateRunning && l.o.Catching != nil && !reflect.DeepEqual(l.armed.want, l.o.Catching()) {
		l.park(&request{ctx: l.life, kind: parkable, run: l.rearm, answer: make(chan error, 1)})
	}
}

// arm brings what the far end reports to what is wanted. It takes a round trip
// only where something changed.
func (l *loop) arm(ctx context.Context) error {
	if l.o.Catching == nil || l.r == nil {
		return nil
	}
	l.armed.want = l.o.Catching()
	l.armThrows(ctx)
	if err := l.armSyscalls(ctx); err != nil {
		return err
	}
	if l.armed.want.Pass == nil {
		return nil
	}
	return l.armPass(ctx)
}

// once says text when it has not been said for what before.
func (l *loop) once(what, text string) {
	if l.armed.told == nil {
		l.armed.told = map[string]bool{}
	}
	if !l.armed.told[what] {
		l.armed.told[what] = true
		l.say(Important, text+"\n")
	}
}

// setting hands a list to the far end. What it cannot do is told once.
func (l *loop) setting(ctx context.Context, k targets.Kind, value []byte, what, instead string) error {
	err := errors.ErrUnsupported
	if q, ok := l.t.(targets.Queryer); ok {
		err = q.Set(ctx, k, "", value)
	}
	switch {
	case err == nil:
	case ctx.Err() != nil || errors.Is(err, targets.ErrGone):
		return err
	case errors.Is(err, errors.ErrUnsupported):
		l.once(what, fmt.Sprintf("The far end cannot %s%s.", what, instead))
	default:
		l.once(what, fmt.Sprintf("The far end cannot %s: %v.", what, err))
	}
	return nil
}

// syscallList makes the list of numbers that names mean.
func (l *loop) syscallList(names []string) []byte {
	sys, _ := l.o.System.(syscaller)
	var numbers []int
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil {
			numbers = append(numbers, n)
			continue
		}
		var found []int
		if sys != nil {
			found = sys.Syscalls(l.arch, name)
		}
		if len(found) == 0 {
			l.once("system call "+name, fmt.Sprintf("There is no system call %s on %s.", name, l.arch.Name))
		}
		numbers = append(numbers, found...)
	}
	slices.Sort(numbers)
	var list []byte
	for _, n := range slices.Compact(numbers) {
		list = binary.LittleEndian.AppendUint32(list, uint32(n))
	}
	return list
}

func (l *loop) armSyscalls(ctx context.Context) error {
	list := l.syscallList(l.armed.want.Syscalls)
	if slices.Equal(list, l.armed.syscalls) {
		return nil
	}
	l.armed.syscalls = list
	return l.setting(ctx, targets.CatchSyscalls, list, "report system calls", "; none is caught")
}

// handedOn are the signals that far ends hand on when nobody has asked for
// anything else: those that DefaultFilter neither stops at nor prints.
func handedOn() []byte {
	var out []byte
	for n, s := range signals {
		if s.quiet {
			out = append(out, byte(n))
		}
	}
	slices.Sort(out)
	return out
}

// debuggers are signals that debugging itself is made of: they are never handed on
// unseen.
var debuggers = []int{sigInt, sigTrap, 9, 19}

func (l *loop) armPass(ctx context.Context) error {
	list := []byte{}
	for _, n := range l.armed.want.Pass {
		if n > 0 && n < 256 && !slices.Contains(debuggers, n) {
			list = append(list, byte(n))
		}
	}
	slices.Sort(list)
	if l.armed.pass == nil {
		l.armed.pass = handedOn()
	}
	if l.t.Info().OS != "linux" || slices.Equal(list, l.armed.pass) {
		return nil
	}
	l.armed.pass = list
	if err := l.setting(ctx, targets.PassSignals, list, "hand on signals by itself", "; each is a stop that nobody sees"); err != nil {
		return err
	}
	return nil
}

// judgeSyscall asks the filter about a system call.
func (l *loop) judgeSyscall(ctx context.Context, st *Stop) (quiet bool) {
	if st.Detail == nil {
		return false
	}
	n := st.Detail.Syscall
	name, result := "", ""
	sys, _ := l.o.System.(syscaller)
	if sys != nil {
		name = sys.SyscallName(l.arch, n)
	}
	if name == "" {
		name = strconv.Itoa(n)
	}
	d := l.filter(FilterEvent{Code: "sys", Arg: name, Stop: st.Stop})
	if !d.Break && !d.Print { // it may be known by its number
		d = l.filter(FilterEvent{Code: "sys", Arg: strconv.Itoa(n), Stop: st.Stop})
	}
	if !d.Break && !d.Print {
		return true
	}
	if r, err := l.registers(ctx, st.Thread); err == nil && sys != nil && st.Reason == targets.SyscallReturn {
		if v, ok := r.Get(l.arch.Return); ok {
			result = " = " + sys.SyscallResult(signExtend(v, l.arch.PtrSize))
		}
	}
	st.Syscall = &SyscallStop{Number: n, Name: name, Returned: st.Reason == targets.SyscallReturn, Result: result}
	word := "entered"
	if st.Syscall.Returned {
		word = "returned"
	}
	st.Text = fmt.Sprintf("(%s): System call %s (%d) %s%s", l.pidTid(st.Thread), name, n, word, result)
	if !d.Break {
		l.say(FromDebugger, st.Text+"\n")
	}
	return !d.Break
}

// SyscallStop is a system call that was caught.
type SyscallStop struct {
	Number   int
	Name     string // the number as text when it has no name
	Returned bool   // else it is about to be carried out
	Result   string // " = 3"
}

func signExtend(v uint64, size int) int64 {
	if size == 4 {
		return int64(int32(v))
	}
	return int64(v)
}

// EventCode is the code `sx` knows what happened at a stop by, "" when it has none
// (a breakpoint, a step, a pause).
func EventCode(os string, s targets.Stop) string {
	switch {
	case s.Reason == targets.SyscallEntry || s.Reason == targets.SyscallReturn:
		return "sys"
	case s.Reason == targets.Exception && s.Exception != nil:
		for k, row := range thrownKinds {
			if s.Exception.Code == cppException && s.Exception.Name == row.title {
				return thrownKinds[k].code
			}
		}
		return ExceptionCode(os, s.Exception.Code)
	case s.Reason == targets.Modules && s.Detail != nil && s.Detail.Unload:
		return "ud"
	}
	return eventCodes[s.Reason]
}
