package engine

import (
	"context"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/targets"
	"dap-windbg/targets/fake"
)

// TestDefect: a panic in what a client asked for ends nothing but the request.
func TestDefect(t *testing.T) {
	s := over(t, fake.New(fake.Demo("main", 1)), Options{})
	s.stop()
	err := s.Do(s.ctx, func(context.Context, *View) error {
		var none []int
		_ = none[len(none)]
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "internal error") {
		t.Errorf("got %v", err)
	}
	if s.pc() == 0 {
		t.Error("the session has not survived")
	}
}

// TestFarStack: a stack whose frames lie ever further apart does not have ever
// more read at once.
func TestFarStack(t *testing.T) {
	s := over(t, fake.New(fake.Demo("main", 1)), Options{})
	s.stop()
	s.do(func(ctx context.Context, v *View) error {
		widest, at := 0, fake.DemoData
		return v.l.gather(ctx, targets.Space{}, 1<<20, func(ctx context.Context, mem symbols.Memory) error {
			m, ok := mem.(*stopMemory)
			if !ok {
				return nil // the rounds are over
			}
			if widest = max(widest, m.window); widest > maxWindow {
				t.Errorf("%d bytes are read ahead", widest)
			}
			at += arch.Addr(1 << 34)
			_, err := mem.ReadMemory(ctx, at, make([]byte, 8))
			return err
		})
	})
}
