package engine

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// VectorsError: the far end has said that it wrote vector registers, and has not.
type VectorsError struct{ Function string }

func (e *VectorsError) Error() string {
	return "calling " + e.Function + ": its floating-point arguments did not come into the vector registers, though the far end said so"
}

// Hint says what the user can do.
func (e *VectorsError) Hint() string {
	return "gdbserver before 14 cannot write vector registers on CPUs that have AMX: use a later one"
}

// vectors says what is known of whether vector registers are written.
type vectors uint8

const (
	vectorsUnknown vectors = iota
	vectorsKept            // they hold what was written
	vectorsLost
)

// takesVectors finds out, once, whether vector registers are written indeed: gdbserver
// writes them only when the thread goes on, and tells nobody of a failure. So the thread
// makes an instruction at the return place, the program's entry, where none touches them,
// with a value in one that it has not had. Where they are lost the user is told, as what a
// function leaves in them cannot be put back, and a call with arguments there is refused.
func (x *caller) takesVectors(ctx context.Context) error {
	l := x.l
	if l.vectors == vectorsUnknown && l.arch == arch.AMD64 && x.ret != x.saved.PC() {
		if err := x.tryVectors(ctx); err != nil {
			return err
		}
		if l.vectors == vectorsLost {
			l.say(Important, "The far end does not write vector registers: what a called function leaves in them stays. "+(&VectorsError{}).Hint()+"\n")
		}
	}
	if x.floats && l.vectors == vectorsLost {
		return &VectorsError{x.name}
	}
	return nil
}

// tryVectors makes the instruction and looks.
func (x *caller) tryVectors(ctx context.Context) error {
	l := x.l
	at := x.saved.Clone()
	i, ok := at.Set.Index("xmm0")
	was, known := at.Bytes(i)
	if !ok || !known {
		return nil
	}
	want := bytes.Clone(was)
	for k := range want {
		want[k] ^= 0xff
	}
	at.SetBytes(i, want)
	at.SetPC(x.ret)
	if err := l.setRegisters(ctx, x.thread, at); err != nil {
		return fmt.Errorf("calling %s: %w", x.name, err)
	}
	l.plan = &plan{thread: x.thread, how: How{Kind: StepInto, Unit: ByInstruction, Only: true, Thread: x.thread}, leg: leg{kind: targets.Step, brief: true}}
	end := time.NewTimer(min(callPatience, l.o.Timeout))
	defer end.Stop()
	ts, err := x.toStop(ctx, end.C)
	if err != nil {
		return err
	}
	now, err := l.registers(ctx, x.thread)
	if err != nil {
		return err
	}
	if now.PC() == x.ret { // a breakpoint there: another call finds out
		return nil
	}
	if st := (&Stop{Stop: ts, Number: l.number, All: true}); ts.Reason != targets.Stepped && !l.judge(ctx, st, false) {
		return x.stopped(st)
	}
	l.vectors = vectorsLost
	if got, _ := now.Bytes(i); bytes.Equal(got, want) {
		l.vectors = vectorsKept
	}
	return nil
}
