package engine

import (
	"context"
	"errors"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/targets"
)

// still is a target without threads: memory alone, at 1000.
type still struct{}

var stillMemory = []byte{0x2a, 0, 0, 0, 0xc3, 0x90, 0x90, 0x90}

func (still) Info() targets.Info {
	return targets.Info{Set: arch.AMD64.DefaultSet(), OS: "linux", Path: "/still"}
}
func (still) Threads(context.Context) ([]targets.Thread, error) { return nil, nil }
func (still) Registers(context.Context, targets.ThreadID) (*arch.Registers, error) {
	return nil, errors.New("nobody may ask for registers")
}
func (still) Close(context.Context, targets.Parting) error { return nil }
func (still) Modules(context.Context) ([]targets.Module, error) {
	return []targets.Module{{Path: "/still", Base: 0x1000, Size: 8, Main: true}}, nil
}
func (still) ReadMemory(_ context.Context, _ targets.Space, a arch.Addr, p []byte) (int, error) {
	if a < 0x1000 || a >= 0x1008 {
		return 0, &targets.FaultError{Addr: a}
	}
	if n := copy(p, stillMemory[a-0x1000:]); n < len(p) {
		return n, &targets.FaultError{Addr: a + arch.Addr(n)}
	}
	return len(p), nil
}

// TestFile: a session over a file has memory, expressions and breakpoints, and
// says that nothing runs.
func TestFile(t *testing.T) {
	s := over(t, still{}, Options{})
	if st := s.stop(); st.Reason != targets.Initial || st.Thread != (targets.ThreadID{}) || st.Text != "" {
		t.Errorf("first stop %+v", st)
	}
	s.do(func(ctx context.Context, v *View) error {
		if ts, err := v.Threads(ctx); len(ts) != 0 || err != nil {
			t.Errorf("threads %v, %v", ts, err)
		}
		for what, f := range map[string]func() error{
			"Thread": func() error { _, err := v.Thread(ctx); return err },
			"Frame":  func() error { _, err := v.Frame(ctx); return err },
			"Stack":  func() error { _, err := v.Stack(ctx, targets.ThreadID{}, 10); return err },
			"Registers": func() error {
				_, err := v.Registers(ctx, targets.ThreadID{})
				return err
			},
		} {
			if err := f(); !errors.Is(err, targets.ErrNoThreads) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if m, ok := v.ModuleAt(0x1004); !ok || m.Name != "still" {
			t.Errorf("module %+v", m)
		}
		x, err := v.Eval(ctx, nil, "*(int *)0x1000 + 1", eval.Options{})
		if err != nil {
			return err
		}
		if n, err := eval.Int(ctx, v.Env(nil), x); n != 43 || err != nil {
			t.Errorf("an expression is %d, %v", n, err)
		}
		if ins, err := v.Disassemble(ctx, 0x1004, 2); err != nil || ins[0].Op != "ret" || ins[1].Op != "nop" {
			t.Errorf("code %+v, %v", ins, err)
		}
		return nil
	})
	if st := s.set("t", Breakpoint{Addr: 0x1004}); !st[0].Verified || st[0].Message != "" {
		t.Errorf("breakpoint %+v", st[0])
	}
	for _, how := range []How{{}, {Kind: StepOver}, {Kind: StepInto}, {Kind: StepOut}} {
		if err := s.Resume(s.ctx, how); !errors.Is(err, targets.ErrNoThreads) {
			t.Errorf("resuming %v: %v", how.Kind, err)
		}
	}
	if err := s.Interrupt(s.ctx); err != nil {
		t.Errorf("breaking in: %v", err)
	}
}
