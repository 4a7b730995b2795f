package eval

import (
	"context"
	"errors"
	"fmt"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// maxValue bounds the bytes of one value that are read at once.
const maxValue = 1 << 26

// MemoryError: memory that an expression needs cannot be read. Rest is the text
// after the operand in MASM, where it becomes part of the message.
type MemoryError struct {
	Addr arch.Addr
	Rest string
	Masm bool
	Err  error
}

func (e *MemoryError) Error() string {
	if e.Masm {
		rest := e.Rest
		if rest == "" {
			rest = "<EOL>"
		}
		return fmt.Sprintf("Memory access error at '%s'", rest)
	}
	return fmt.Sprintf("Unable to read memory at Address 0x%x", uint64(e.Addr))
}

func (e *MemoryError) Unwrap() error { return e.Err }

// retry reports whether err must reach the engine as it is: bytes not fetched
// yet, or the end of the request.
func retry(err error) bool {
	var need *symbols.NeedError
	return errors.As(err, &need) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// readMemory fills p or fails; short reads are failures.
func readMemory(ctx context.Context, mem symbols.Memory, addr arch.Addr, p []byte) error {
	n, err := mem.ReadMemory(ctx, addr, p)
	switch {
	case err != nil && retry(err):
		return err
	case n >= len(p):
		return nil
	}
	return &MemoryError{Addr: addr + arch.Addr(max(n, 0)), Err: err}
}

// FromVariable evaluates a variable's location in frame f at offset pc. What is
// not available is in Value.Err or Value.Missing; a *symbols.NeedError is returned.
func FromVariable(ctx context.Context, f symbols.Frame, v symbols.Variable, pc symbols.Offset) (Value, error) {
	return fromLocation(ctx, f, v.Type, v.Location, pc)
}

func fromLocation(ctx context.Context, f symbols.Frame, t *symbols.Type, loc symbols.Location, pc symbols.Offset) (Value, error) {
	out := Value{Type: t}
	if loc == nil {
		out.Err = &symbols.UnavailableError{Reason: "optimised away"}
		return out, nil
	}
	pieces, err := loc.Pieces(ctx, f, pc)
	if err != nil {
		if retry(err) {
			return Value{}, err
		}
		out.Err = err
		return out, nil
	}
	size := t.ByteSize()
	if len(pieces) == 1 && pieces[0].BitSize == 0 {
		return resolve(ctx, f, pc, whole(f, out, pieces[0], size, pc))
	}
	return assemble(ctx, f, out, pieces, size, pc)
}

// Fetch returns v's bytes, reading them when needed. Bit fields are shifted down.
func Fetch(ctx context.Context, env Env, v Value) ([]byte, error) {
	if v.Err != nil {
		return nil, v.Err
	}
	if v.Item != nil {
		return nil, &ItemError{className(v), "has no bytes"}
	}
	b, err := storage(ctx, env, v)
	if err != nil || v.BitSize == 0 {
		return b, err
	}
	return extractBits(b, v.BitOffset, v.BitSize, env.Arch().BigEndian), nil
}

// storage returns the bytes of v, or of the storage unit of a bit field.
func storage(ctx context.Context, env Env, v Value) ([]byte, error) {
	if err := v.known(); err != nil {
		return nil, err
	}
	size := unitSize(v)
	if size < 0 || size > maxValue {
		return nil, &TypeError{Type: v.Type, Msg: "has no known size"}
	}
	if v.Bytes != nil {
		if int64(len(v.Bytes)) < size {
			return nil, &symbols.UnavailableError{Reason: "only part of the value is known"}
		}
		return v.Bytes, nil
	}
	switch v.Place {
	case InMemory:
		b := make([]byte, size)
		if err := readMemory(ctx, env, v.Addr, b); err != nil {
			return nil, err
		}
		return b, nil
	case InRegister:
		b, ok := env.Register(ctx, v.Register)
		if !ok {
			return nil, &symbols.UnavailableError{Reason: "register " + v.Register + " is not known"}
		}
		return lowOrder(b, size, env.Arch().BigEndian), nil
	}
	return make([]byte, 0), nil
}

// extractBits returns bits [off, off+n) of b as a number of len(b) bytes.
func extractBits(b []byte, off, n int, big bool) []byte {
	le := order(b, big)
	out := make([]byte, len(b))
	if off >= 0 && n > 0 && off+n <= len(b)*8 {
		copyBits(out, 0, le, off, n, false)
	}
	return order(out, big)
}

// order turns target order into little-endian and back; a copy when it differs.
func order(b []byte, big bool) []byte {
	if !big {
		return b
	}
	out := make([]byte, len(b))
	for i, c := range b {
		out[len(b)-1-i] = c
	}
	return out
}

// sizeOf is the size of a value of type t, with declared-only types completed.
func sizeOf(t *symbols.Type) int64 {
	s := strip(t)
	if s.Kind == symbols.Void || s.Kind == symbols.Func {
		return 0
	}
	if d, ok := definition(s); ok {
		s = d
	}
	return s.ByteSize()
}

// Int returns v as a 64-bit integer (pointers, integers, enums, bools, chars; floats truncated).
func Int(ctx context.Context, env Env, v Value) (uint64, error) {
	n, err := load(ctx, env, v)
	if err != nil {
		return 0, err
	}
	if n.float {
		return uint64(int64(n.f)), nil
	}
	return n.lo, nil
}

// TypeError: an operation does not fit a type.
type TypeError struct {
	Type *symbols.Type
	Msg  string
}

func (e *TypeError) Error() string { return fmt.Sprintf("'%s' %s", TypeName(e.Type), e.Msg) }
