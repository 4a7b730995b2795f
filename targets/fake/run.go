package fake

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// Linux's signal numbers, and the x86-64 system calls the fake serves.
const (
	sigILL, sigTRAP, sigSEGV = 4, 5, 11
	sysWrite, sysExit        = 1, 60
	sysExitGroup             = 231
)

var signalNames = map[int]string{sigILL: "SIGILL", sigTRAP: "SIGTRAP", sigSEGV: "SIGSEGV"}

// Resume lets the debuggee run until something happens.
func (t *Target) Resume(ctx context.Context, r targets.Resume) error {
	if err := t.begin(ctx, Resume); err != nil {
		return err
	}
	if r.Reverse {
		return fmt.Errorf("running backwards: %w", errors.ErrUnsupported)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, trap := range r.Lift {
		delete(t.traps, trapKey{trap.Kind, trap.Addr, trap.Size})
	}
	for _, trap := range r.Plant {
		if err := t.plant(trap); err != nil {
			return err
		}
	}
	run := &run{t: t}
	for _, th := range t.threads {
		a, ok := r.Threads[t.id(th)]
		if !ok {
			a = r.Default
		}
		if signal := t.delivered(th, a.Deliver); signal != 0 && a.Kind != targets.Hold {
			t.end(targets.Gone{Signal: signal})
			return nil
		}
		if a.Kind != targets.Hold {
			run.going = append(run.going, going{th, a})
		}
	}
	if len(run.going) == 0 {
		return errors.New("a resume that lets no thread run")
	}
	t.running, t.asked, t.settled = true, false, make(chan struct{})
	go run.loop(t.settled)
	return nil
}

func (t *Target) delivered(th *thread, d targets.Deliver) int {
	switch d.Kind {
	case targets.NotHandled:
		return th.signal
	case targets.Signal:
		return d.Signal
	}
	return 0
}

// Interrupt asks for a stop; while the debuggee waits it does nothing.
func (t *Target) Interrupt(context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone {
		return targets.ErrGone
	}
	if next := t.faults[Interrupt]; len(next) > 0 {
		t.faults[Interrupt] = next[1:]
		return next[0]
	}
	t.asked = t.running
	return nil
}

type going struct {
	th *thread
	a  targets.Action
}

// run is the time from a resume to its stop. Threads take turns, an instruction
// each, so that a program always does the same.
type run struct {
	t     *Target
	going []going
	hit   *targets.Trap // a data trap sprang
	at    uint64
}

// slice is how many turns are taken before an interrupt is looked for.
const slice = 64

func (r *run) loop(settled chan struct{}) {
	defer close(settled)
	for {
		r.t.mu.Lock()
		for range slice {
			if r.t.gone || r.turn() {
				r.t.running = false
				r.t.mu.Unlock()
				return
			}
		}
		if r.t.asked {
			r.t.asked = false
			r.t.halt(r.t.stop(r.going[0].th, targets.Interrupted))
			r.t.mu.Unlock()
			return
		}
		r.t.mu.Unlock()
		runtime.Gosched()
	}
}

// turn lets each thread carry out one instruction. It reports whether the run is over.
func (r *run) turn() bool {
	for _, g := range r.going {
		if r.one(g) {
			return true
		}
	}
	return false
}

func (r *run) one(g going) (over bool) {
	t, th := r.t, g.th
	pc := arch.Addr(th.pc)
	if m, ok := t.o.Loads[pc]; ok && !t.loaded[pc] {
		t.loaded[pc] = true
		t.modules = append(t.modules, m)
		stop := t.stop(th, targets.Modules)
		stop.Detail = &targets.Detail{Module: &m}
		return t.halt(stop)
	}
	for kind := targets.Software; kind <= targets.Hardware; kind++ {
		if _, planted := t.traps[trapKey{kind, pc, 0}]; planted && t.o.Bits&targets.NoStepOver == 0 && !(kind == targets.Hardware && t.o.Deaf) {
			stop := t.stop(th, targets.Breakpoint)
			stop.Kind = kind
			return t.halt(stop)
		}
	}
	t.mem.watched = r.touched
	err := th.step()
	t.mem.watched = nil
	t.executed++
	switch {
	case err == errSyscall:
		if t.syscall(th) {
			return true
		}
	case err != nil:
		return t.exception(th, err)
	}
	if r.hit != nil {
		stop := t.stop(th, targets.Watch)
		stop.Addr, stop.Kind = arch.Addr(r.at), r.hit.Kind
		return t.halt(stop)
	}
	if now := arch.Addr(th.pc); g.a.Kind == targets.Step && (now < g.a.Lo || now >= g.a.Hi) {
		return t.halt(t.stop(th, targets.Stepped))
	}
	return false
}

// touched springs data traps.
func (r *run) touched(at uint64, n int, write bool) {
	for k, trap := range r.t.traps {
		if k.kind <= targets.Hardware || k.kind == targets.OnWrite && !write || r.t.o.DeafData {
			continue
		}
		if from := uint64(k.addr); at < from+uint64(max(k.size, 1)) && from < at+uint64(n) {
			r.hit, r.at = &trap, from
		}
	}
}

func (t *Target) exception(th *thread, err error) bool {
	if err == errTrap && t.plain {
		return t.halt(t.stop(th, targets.Breakpoint))
	}
	signal := sigILL
	stop := t.stop(th, targets.Exception)
	e := &targets.ExceptionRecord{Addr: stop.Addr}
	if f, ok := err.(faultAt); ok {
		signal, e.Params = sigSEGV, []uint64{f.addr}
	} else if err == errTrap {
		signal = sigTRAP
	}
	for _, b := range t.passed {
		if int(b) == signal {
			t.end(targets.Gone{Signal: signal})
			return true
		}
	}
	e.Code, e.Name = uint32(signal), signalNames[signal]
	stop.Exception = e
	t.halt(stop)
	th.signal = signal
	return true
}

// syscall serves write and exit; all others answer ENOSYS. It reports whether
// the debuggee has ended.
func (t *Target) syscall(th *thread) bool {
	switch th.reg[rax] {
	case sysWrite:
		n := min(th.reg[rdx], 4096)
		text := make([]byte, n)
		k, _ := t.mem.read(th.reg[rsi], text)
		t.events.Put(targets.Output{Text: string(text[:k])})
		th.reg[rax] = uint64(k)
	case sysExit, sysExitGroup:
		t.end(targets.Gone{Exited: true, Code: int(th.reg[rdi] & 0xff)})
		return true
	default:
		th.reg[rax] = ^uint64(38 - 1) // -ENOSYS
	}
	return false
}

// stop makes the event of a stop of th.
func (t *Target) stop(th *thread, why targets.Reason) targets.Stop {
	return targets.Stop{Thread: t.id(th), Reason: why, Addr: arch.Addr(th.pc), Registers: th.registers(t.set)}
}

// halt ends a run with a stop. An interrupt on its way has crossed it.
func (t *Target) halt(s targets.Stop) bool {
	for _, th := range t.threads {
		th.signal = 0
	}
	t.running, t.asked = false, false
	t.events.Put(s)
	return true
}

func (t *Target) end(g targets.Gone) {
	t.running, t.gone = false, true
	t.events.Put(g)
}
