package eval

import (
	"context"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// This file knows what the types of Go's debug information stand for.

// isGoReference reports whether t is a map or channel: the debug information says
// that they are pointers, the language does not.
func isGoReference(t *symbols.Type) bool {
	return t != nil && t.Kind == symbols.Typedef && t.Language == symbols.Go &&
		(strings.HasPrefix(t.Name, "map[") || strings.HasPrefix(t.Name, "chan ") || strings.HasPrefix(t.Name, "<-chan ") ||
			strings.HasPrefix(t.Name, "chan<- "))
}

// goFuncText writes a function value: a pointer to a closure, which begins with
// the address of the code.
func goFuncText(ctx context.Context, env Env, v Value, f Format) (string, error) {
	word := languageOf(env.Arch()).named("unsigned long")
	v.Type = word
	for range 2 {
		p, err := Int(ctx, env, v)
		if err != nil {
			return "", err
		}
		if p == 0 {
			return "nil", nil
		}
		v = Value{Type: word, Place: InMemory, Addr: arch.Addr(p)}
	}
	return codeText(ctx, env, v.Addr, f), nil
}
