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

// takesVectors finds out, once, whether vector registers are written indeed: gdbserver
// writes them only when the thread goes on, and tells nobody of a failure. So the thread
// makes an instruction at the return place, the program's entry, where none touches them.
func (x *caller) takesVectors(ctx context.Context, regs *arch.Registers) error {
	l := x.l
	if !x.floats || l.vectors || l.arch != arch.AMD64 || x.ret == x.saved.PC() {
		return nil
	}
	at := regs.Clone()
	at.SetPC(x.ret)
	if err := l.setRegisters(ctx, x.thread, at); err != nil {
		return fmt.Errorf("calling %s: %w", x.name, err)
	}
	l.plan = &plan{thread: x.thread, how: How{Kind: StepInto, Unit: ByInstruction, Only: true, Thread: x.thread}, leg: leg{kind: targets.Step, brief: true}}
	end := time.NewTimer(min(callPatience, l.o.Timeout))
	defer end.Stop()
	if err := l.launch(ctx); err != nil {
		return fmt.Errorf("calling %s: %w", x.name, err)
	}
	l.nowRunning(true)
	ts, err := x.await(ctx, end.C)
	if err != nil {
		return err
	}
	l.fresh(ts)
	l.fixPC(ctx, ts)
	if st := (&Stop{Stop: ts, Number: l.number, All: true}); ts.Reason != targets.Stepped && !l.judge(ctx, st, false) {
		return x.stopped(st)
	}
	now, err := l.registers(ctx, x.thread)
	if err != nil {
		return err
	}
	for _, name := range sequence("xmm", 8) {
		i, ok := regs.Set.Index(name)
		if !ok {
			continue
		}
		want, _ := regs.Bytes(i)
		if got, _ := now.Bytes(i); !bytes.Equal(got, want) {
			return &VectorsError{x.name}
		}
	}
	l.vectors = true
	return nil
}
