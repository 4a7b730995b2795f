package engine

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/targets"
	"dap-windbg/targets/fake"
)

// TestCallPatience: a function that does not return is given up; the thread has its
// registers and the functions above it their stack again, and the program goes on.
func TestCallPatience(t *testing.T) {
	s := launch(t, Options{}, build(t, "calls.cpp"))
	s.stop()
	s.set("t", Breakpoint{File: "calls.cpp", Line: lineOf(t, "calls.cpp", "// here")})
	s.run(How{})
	stack, last := s.stack(), s.lastStop()
	for _, src := range []string{"forever()", "pause()", "catches(forever())"} {
		s.do(func(ctx context.Context, v *View) error {
			regs, err := v.Registers(ctx, v.l.selected)
			if err != nil {
				return err
			}
			memory := func() []byte {
				p := make([]byte, 2048) // the stack in use and what main's caller keeps there
				if _, err := v.ReadMemory(ctx, targets.Space{}, regs.SP(), p); err != nil {
					t.Fatal(err)
				}
				return p
			}
			before, was := memory(), v.l.o.Timeout
			v.l.o.Timeout = 100 * time.Millisecond
			v.AllowCalls(true)
			_, err = v.Eval(ctx, nil, src, eval.Options{})
			v.AllowCalls(false)
			v.l.o.Timeout = was
			var gaveUp *CallStopped
			if !errors.As(err, &gaveUp) || !strings.Contains(gaveUp.Why, "did not return within 100ms") || gaveUp.Hint() == "" {
				t.Errorf("%s: %v", src, err)
			}
			after, err := v.Registers(ctx, v.l.selected)
			if d := differing(regs, after); err != nil || d != "" {
				t.Errorf("%s changed %s %v", src, d, err)
			}
			if !bytes.Equal(before, memory()) {
				t.Errorf("%s changed the stack of those above", src)
			}
			return nil
		})
		if now := s.stack(); strings.Join(now, "|") != strings.Join(stack, "|") {
			t.Errorf("%s: the stack is %v, was %v", src, now, stack)
		}
		if now := s.lastStop(); now.Number != last.Number || now.Reason != last.Reason {
			t.Errorf("%s: the last stop is %d %v", src, now.Number, now.Reason)
		}
	}
	s.set("t")
	s.resume(How{})
	if e := s.ended(); e.Gone.Code != 42 {
		t.Errorf("it ends with %+v", e.Gone)
	}
}

// TestCallCannotBeStopped: a thread that does not stop when its call is given up gets
// its registers back when it does.
func TestCallCannotBeStopped(t *testing.T) {
	f := fake.New(fake.Demo("main", 1))
	s := over(t, f, Options{})
	s.stop()
	var before *arch.Registers
	s.do(func(ctx context.Context, v *View) (err error) {
		if before, err = v.Registers(ctx, v.l.selected); err != nil {
			return err
		}
		f.Fail(fake.Interrupt, errors.New("the line is busy"))
		v.l.o.Timeout = 50 * time.Millisecond
		endless := &symbols.Type{Kind: symbols.Func, Size: 1, Elem: eval.Void()}
		_, err = v.Env(nil).(eval.Caller).Call(ctx, eval.Call{Name: "main", Addr: fake.DemoNames["main"], Type: endless})
		v.l.o.Timeout = patience
		if err == nil || !strings.Contains(err.Error(), "did not return") || !strings.Contains(err.Error(), "the line is busy") {
			t.Errorf("%v", err)
		}
		if state := v.Live().State(); state != StateRunning {
			t.Errorf("it is %v", state)
		}
		return nil
	})
	if err := s.Interrupt(s.ctx); err != nil {
		t.Fatal(err)
	}
	s.stop()
	s.do(func(ctx context.Context, v *View) error {
		after, err := v.Registers(ctx, v.l.selected)
		if d := differing(before, after); err != nil || d != "" {
			t.Errorf("the registers differ: %s %v", d, err)
		}
		return nil
	})
}
