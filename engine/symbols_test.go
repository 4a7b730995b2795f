package engine

import (
	"context"
	"testing"

	"dap-windbg/symbols"
	"dap-windbg/targets/fake"
)

// lateStore finds nothing until it is told to.
type lateStore struct{ ready chan struct{} }

func (s *lateStore) Find(ctx context.Context, key symbols.Key) (symbols.Image, error) {
	select {
	case <-s.ready:
		return nil, &symbols.NotFoundError{What: key.Path}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *lateStore) Source(context.Context, symbols.Key, string) (string, error) {
	return "", &symbols.NotFoundError{}
}

// TestSlowSymbols: a session that waits for symbols can be closed, and symbols
// that come late are told.
func TestSlowSymbols(t *testing.T) {
	store := &lateStore{make(chan struct{})}
	s := over(t, fake.New(fake.Demo("main", 1)), Options{Store: store})
	s.stop()
	began, got := make(chan struct{}), make(chan error, 1)
	go func() {
		got <- s.Do(s.ctx, func(ctx context.Context, v *View) error {
			close(began)
			_, err := v.LoadSymbols(ctx, v.Live().Modules()[0].Base, false, false)
			return err
		})
	}()
	<-began
	s.Preempt()
	if err := <-got; err == nil {
		t.Error("loading that was given up has no error")
	}
	close(store.ready)
	for {
		select {
		case e := <-s.events:
			if m, ok := e.(ModuleEvent); ok && m.Change == SymbolsChanged {
				if !m.Module.Tried || m.Module.Err == nil {
					t.Errorf("%+v", m.Module)
				}
				return
			}
		case <-s.ctx.Done():
			t.Fatal("symbols that came late were not told")
		}
	}
}
