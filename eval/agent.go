package eval

import "context"

// Agent compiles a condition to GDB agent bytecode that leaves non-zero when it holds.
// ErrNoAgent when it cannot be.
func Agent(ctx context.Context, e Expr, env Env) ([]byte, error) { return nil, ErrNoAgent }
