package eval

import (
	"context"
	"errors"

	"dap-windbg/symbols"
)

// Parse parses a whole expression.
func Parse(src string, o Options) (Expr, error) { return nil, errors.ErrUnsupported }

// ParseFormat splits the format specifiers ",x" ",10" ",[n]" off a dx or watch expression.
func ParseFormat(src string) (expr string, f Format, err error) { return src, Format{}, nil }

// FromVariable evaluates a variable's location in frame f at offset pc. What is
// not available is in Value.Err or Value.Missing; a *symbols.NeedError is returned.
func FromVariable(ctx context.Context, f symbols.Frame, v symbols.Variable, pc symbols.Offset) (Value, error) {
	return Value{}, errors.ErrUnsupported
}

// Fetch returns v's bytes, reading them when needed. Bit fields are shifted down.
func Fetch(ctx context.Context, env Env, v Value) ([]byte, error) { return nil, errors.ErrUnsupported }

// Int returns v as a 64-bit integer (pointers, integers, enums, bools, chars; floats truncated).
func Int(ctx context.Context, env Env, v Value) (uint64, error) { return 0, errors.ErrUnsupported }

// Assign parses text as an expression and stores it in the lvalue dst, converting as C++ does.
func Assign(ctx context.Context, env Env, dst Value, text string) (Value, error) {
	return Value{}, errors.ErrUnsupported
}

// Text formats v's value as one line.
func (m *Model) Text(ctx context.Context, env Env, v Value, f Format) (string, error) {
	return "", errors.ErrUnsupported
}

// Object makes the node for v.
func (m *Model) Object(ctx context.Context, env Env, name, expr string, v Value, f Format) (*Object, error) {
	return nil, errors.ErrUnsupported
}

// TypeName spells a type as printed in [Type: ...].
func TypeName(t *symbols.Type) string { return "" }

// Agent compiles a condition to GDB agent bytecode that leaves non-zero when it holds.
// ErrNoAgent when it cannot be.
func Agent(ctx context.Context, e Expr, env Env) ([]byte, error) { return nil, ErrNoAgent }
