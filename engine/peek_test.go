package engine

import (
	"context"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/targets"
)

// TestPeek reads memory and evaluates while the program runs; no stop is told, traps
// are not seen, and the program goes on.
func TestPeek(t *testing.T) {
	s := launch(t, Options{}, build(t, "hot.c"), "2", "2000000000")
	toMain(t, s)
	var code arch.Addr
	s.do(func(ctx context.Context, v *View) (err error) {
		code, err = v.Address(ctx, "done")
		return err
	})
	plain := make([]byte, 16)
	read := func(a arch.Addr, n int) []byte {
		t.Helper()
		p := make([]byte, n)
		if n, err := s.ReadMemory(s.ctx, targets.Space{}, a, p); err != nil || n != len(p) {
			t.Fatalf("read %d: %v", n, err)
		}
		return p
	}
	copy(plain, read(code, 16))
	s.set("t", Breakpoint{Addr: code})
	s.resume(How{})
	s.mu.Lock()
	told := len(s.all)
	s.mu.Unlock()
	if got := read(code, 16); string(got) != string(plain) {
		t.Errorf("a trap is seen: %x, %x", got, plain)
	}
	for first := s.peek("left"); s.peek("left") == first; { // it goes on
		if s.ctx.Err() != nil {
			t.Fatal("the program stands still")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.all[told:] {
		switch e.(type) {
		case Stopped, Resumed:
			t.Errorf("told: %T %+v", e, e)
		}
	}
}

// peek evaluates a variable while the program runs.
func (s *session) peek(name string) (n uint64) {
	s.t.Helper()
	err := s.Peek(s.ctx, func(ctx context.Context, v *View) error {
		x, err := v.Eval(ctx, nil, name, eval.Options{})
		if err != nil {
			return err
		}
		n, err = eval.Int(ctx, v.Env(nil), x)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}
