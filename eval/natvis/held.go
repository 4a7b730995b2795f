package natvis

import (
	"context"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

// What a std::any holds is told by the address of the function that manages it,
// whose class has the type as its argument.

// holders are the class templates of such functions; near: the value lies inside.
var holders = []struct {
	class string
	near  bool
}{
	{"_Manager_internal<", true}, {"_Manager_external<", false}, // libstdc++
	{"_SmallHandler<", true}, {"_LargeHandler<", false}, // libc++
}

// held is the type that the function at fn manages.
func held(ctx context.Context, s *scope, fn eval.Value) (name string, near bool, err error) {
	p, err := eval.Int(ctx, s, fn)
	if err != nil {
		return "", false, err
	}
	text := s.Symbol(ctx, arch.Addr(p))
	for _, h := range holders {
		i := strings.Index(text, h.class)
		if i < 0 {
			continue
		}
		if n, _, ok := splitName(text[i+len(h.class):], 1, '>'); ok {
			return n.String(), h.near, nil
		}
	}
	return "", false, &symbols.UnavailableError{Reason: fmt.Sprintf("the function at 0x%x does not tell the type", p)}
}

// heldBy is held_by(function, buffer, pointer): the value, which lies in the
// buffer or behind the pointer.
func heldBy(ctx context.Context, s *scope, args []eval.Value) (eval.Value, error) {
	if len(args) != 3 {
		return eval.Value{}, fmt.Errorf("held_by takes 3 arguments")
	}
	name, near, err := held(ctx, s, args[0])
	if err != nil {
		return eval.Value{}, err
	}
	t, err := eval.ResolveType(ctx, s, name)
	if err != nil {
		return eval.Value{}, &symbols.UnavailableError{Reason: "the program does not describe its type " + name}
	}
	if near {
		v := args[1]
		v.Type = t
		if v.Place == eval.InMemory {
			v.Bytes = nil
		}
		return v, nil
	}
	p, err := eval.Int(ctx, s, args[2])
	return eval.Value{Type: t, Place: eval.InMemory, Addr: arch.Addr(p)}, err
}

// heldType is held_type(function), as an array of characters.
func heldType(ctx context.Context, s *scope, args []eval.Value) (eval.Value, error) {
	if len(args) != 1 {
		return eval.Value{}, fmt.Errorf("held_type takes 1 argument")
	}
	name, _, err := held(ctx, s, args[0])
	return characters(s, name), err
}

// characters is text as an array.
func characters(s *scope, text string) eval.Value {
	char, _ := eval.Builtin(s.Env, "char")
	n := int64(len(text))
	return eval.Value{Type: &symbols.Type{Kind: symbols.Array, Elem: char, Count: n, Size: n}, Bytes: []byte(text)}
}
