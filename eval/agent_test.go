package eval

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// agentEnv is a frame with locals, as a far end sees it: the frame register is
// rsp, and where it points only the bytecode may know.
type agentEnv struct{ *fakeEnv }

var agentLocals = map[string]int64{"i": 0x120, "u": 0x124, "order": 0, "po": 0x110, "a": 0x130, "name": 0xf0, "color": 0x194, "b": 0x190, "ri": 0x198}

func (e agentEnv) Local(ctx context.Context, n string) (Value, error) {
	if _, ok := agentLocals[n]; ok {
		return e.Lookup(ctx, n)
	}
	return Value{}, &NameError{Name: n}
}

// AgentLocal says: rsp + offset.
func (e agentEnv) AgentLocal(ctx context.Context, n string) ([]byte, *symbols.Type, error) {
	off, ok := agentLocals[n]
	if !ok {
		return nil, nil, ErrNoAgent
	}
	v, err := e.Lookup(ctx, n)
	return append(binary.BigEndian.AppendUint16([]byte{agReg, 0, 7, agConst16}, uint16(off)), agAdd), v.Type, err
}

// run interprets bytecode as gdbserver does.
func run(t *testing.T, e *fakeEnv, code []byte) (uint64, error) {
	t.Helper()
	var s []uint64
	pop := func() uint64 {
		v := s[len(s)-1]
		s = s[:len(s)-1]
		return v
	}
	push := func(v uint64) { s = append(s, v) }
	truth := func(b bool) {
		if b {
			push(1)
		} else {
			push(0)
		}
	}
	for pc, steps := 0, 0; steps < 1000; steps++ {
		op := code[pc]
		pc++
		arg := func(n int) uint64 {
			var v uint64
			for _, b := range code[pc : pc+n] {
				v = v<<8 | uint64(b)
			}
			pc += n
			return v
		}
		switch op {
		case agConst8, agConst16, agConst32, agConst64:
			push(arg(1 << (op - agConst8)))
		case agRef8, agRef16, agRef32, agRef64:
			var w [8]byte
			b := w[:1<<(op-agRef8)]
			if err := readMemory(context.Background(), e, arch.Addr(pop()), b); err != nil {
				return 0, err
			}
			push(binary.LittleEndian.Uint64(w[:]))
		case agReg:
			n := arg(2)
			b, ok := e.regs[e.a.Core[n].Name]
			if !ok {
				t.Fatalf("register %d", n)
			}
			push(binary.LittleEndian.Uint64(b))
		case agExt:
			n := 64 - arg(1)
			push(uint64(int64(pop()<<n) >> n))
		case agZeroExt:
			n := 64 - arg(1)
			push(pop() << n >> n)
		case agLogNot:
			truth(pop() == 0)
		case agNot:
			push(^pop())
		case agSwap:
			y, x := pop(), pop()
			push(y)
			push(x)
		case agPop:
			pop()
		case agIfGoto:
			to := int(arg(2))
			if pop() != 0 {
				pc = to
			}
		case agGoto:
			pc = int(arg(2))
		case agEnd:
			if len(s) != 1 {
				t.Fatalf("%d values are left", len(s))
			}
			return pop(), nil
		default:
			y, x := pop(), pop()
			if (op >= agDivSigned && op <= agRemUnsigned) && y == 0 {
				return 0, &OperandError{}
			}
			switch op {
			case agAdd:
				push(x + y)
			case agSub:
				push(x - y)
			case agMul:
				push(x * y)
			case agDivSigned:
				push(uint64(int64(x) / int64(y)))
			case agDivUnsigned:
				push(x / y)
			case agRemSigned:
				push(uint64(int64(x) % int64(y)))
			case agRemUnsigned:
				push(x % y)
			case agLsh:
				push(x << y)
			case agRshSigned:
				push(uint64(int64(x) >> y))
			case agRshUnsigned:
				push(x >> y)
			case agAnd:
				push(x & y)
			case agOr:
				push(x | y)
			case agXor:
				push(x ^ y)
			case agEqual:
				truth(x == y)
			case agLessSigned:
				truth(int64(x) < int64(y))
			case agLess:
				truth(x < y)
			default:
				t.Fatalf("opcode %#x", op)
			}
		}
	}
	t.Fatal("no end")
	return 0, nil
}

// TestAgent: the bytecode computes what evaluation here does.
func TestAgent(t *testing.T) {
	env := agentEnv{newFake()}
	for _, src := range []string{
		"1", "i == -5", "i < u", "i < 3 && u == 7", "i > 0 || u", "!i", "!(i && 0)", "a[2] == 30", "a[i + 7]", "*a + a[1] * 2",
		"order.id", "po->id == 42", "po->Link->kind == Color::Green", "order.low", "order.sgn", "order.sgn < 0", "order.low * -1", "name[1] == 'o'",
		"*name", "po->Name[0]", "&a[1] == a + 1", "&a[2] - 1 == &a[1]", "po != 0", "po == nullptr", "color", "color == 2", "(char)300", "(unsigned char)-1",
		"(bool)i", "~u", "-u", "-i", "+i", "u - 8 < 0", "i / 2", "i % 2", "u / 2 == 3", "(long)u - 8 < 0", "b == true", "ri + 1", "&ri == &i",
		"i ? u : u + 1", "@rax == 0x3039", "@rax + i", "sizeof(int) * u", "c == 'h'", "uc > 100", "neg1 == -1", "neg1 < u", "d2()", "1, 2", "(1 ? 2 : 3) == 2",
		"po->f", "(int)u ^ 3 | 8 & 12", "m[1][2]", "pi[-1]", "w == 'h'", "i <= -5", "i >= -4", "i != -5", "u >= 0xffffffffu", "null->id", "1 / (u - 7)",
	} {
		e, err := Parse(src, Options{})
		if err != nil {
			t.Fatal(src, err)
		}
		code, err := Agent(context.Background(), e, env)
		want, werr := e.Eval(context.Background(), env)
		if err != nil {
			switch src {
			case "po->f", "d2()": // a float, a call
			default:
				t.Errorf("%s: %v", src, err)
			}
			continue
		}
		got, err := run(t, env.fakeEnv, code)
		if (err != nil) != (werr != nil) && src != "null->id" {
			t.Errorf("%s: %v here, %v there", src, werr, err)
			continue
		}
		if werr != nil {
			continue
		}
		w, err2 := Int(context.Background(), env, want)
		if (err != nil) != (err2 != nil) || err == nil && got != w {
			t.Errorf("%s: %#x (%v) there, %#x (%v) here, code %x", src, got, err, w, err2, code)
		}
	}
}

func TestNoAgent(t *testing.T) {
	env := agentEnv{newFake()}
	for _, src := range []string{"i = 5", "d > 1", "i == 1.5", "@xmm0", "@$t0 == 1", "1 << i", "main(1)", "i ? u : i", "big == 1", "(Base*)po == 0", "reg", `name == "bolt"`, "order.*pm"} {
		e, err := Parse(src, Options{})
		if err != nil {
			t.Fatal(src, err)
		}
		if code, err := Agent(context.Background(), e, env); !errors.Is(err, ErrNoAgent) {
			t.Errorf("%s: %x, %v", src, code, err)
		}
	}
	e, _ := Parse("i == 1", Options{})
	env2 := newFake() // knows locals, but not how to find them at the far end
	if code, err := Agent(context.Background(), e, env2); !errors.Is(err, ErrNoAgent) {
		t.Errorf("%x, %v", code, err)
	}
	e, _ = Parse("nope", Options{})
	var ne *NameError
	if _, err := Agent(context.Background(), e, env); !errors.As(err, &ne) {
		t.Error(err)
	}
}

// TestAgentCode: the exact bytes of a small condition.
func TestAgentCode(t *testing.T) {
	e, _ := Parse("@rax == 5", Options{})
	code, err := Agent(context.Background(), e, agentEnv{newFake()})
	want := []byte{agReg, 0, 0, agConst8, 5, agEqual, agEnd}
	if err != nil || !bytes.Equal(code, want) {
		t.Errorf("%x, %v; want %x", code, err, want)
	}
}

// TestAgentRandom compares bytecode with evaluation on random arithmetic.
func TestAgentRandom(t *testing.T) {
	env := agentEnv{newFake()}
	r := rand.New(rand.NewPCG(3, 4))
	compiled := 0
	for i := range 3000 {
		src := "u + i * " + random(r, 1+i%4, true)
		e, err := Parse(src, Options{})
		if err != nil {
			t.Fatal(src, err)
		}
		code, err := Agent(context.Background(), e, env)
		if errors.Is(err, ErrNoAgent) {
			continue
		}
		if err != nil {
			t.Fatal(src, err)
		}
		compiled++
		v, err := e.Eval(context.Background(), env)
		if err != nil {
			t.Fatal(src, err)
		}
		want, err := Int(context.Background(), env, v)
		if err != nil {
			t.Fatal(src, err)
		}
		if got, err := run(t, env.fakeEnv, code); err != nil || got != want {
			t.Errorf("%s: %#x there (%v), %#x here", src, got, err, want)
		}
	}
	if compiled < 1000 {
		t.Errorf("only %d were compiled", compiled)
	}
}
