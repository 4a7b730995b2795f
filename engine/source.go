package engine

import (
	"context"

	"dap-windbg/symbols"
)

// Source is View.Source for those who must not hold the loop up: a transfer may take
// long. m is a snapshot of the module, nil none.
func (s *Session) Source(ctx context.Context, m *Module, path string) (string, error) {
	if s.l.o.Store == nil { // options do not change
		return "", &symbols.NotFoundError{What: path}
	}
	key := symbols.Key{}
	if m != nil {
		key = m.key()
	}
	return s.l.o.Store.Source(ctx, key, path)
}
