package eval

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// fakeFrame is a frame over a fakeEnv's memory; rax is 0x0807060504030201, rbx unknown.
type fakeFrame struct {
	*fakeEnv
	regs *arch.Registers
}

func newFrame(env *fakeEnv) fakeFrame {
	r := arch.NewRegisters(arch.AMD64.DefaultSet())
	r.PutName("rax", 0x0807060504030201)
	r.PutName("rdx", 0x1817161514131211)
	return fakeFrame{env, r}
}

func (f fakeFrame) Registers() *arch.Registers                     { return f.regs }
func (f fakeFrame) Memory() symbols.Memory                         { return f.fakeEnv }
func (f fakeFrame) Base() arch.Addr                                { return 0 }
func (f fakeFrame) CFA(context.Context) (arch.Addr, error)         { return 0, nil }
func (f fakeFrame) TLS(context.Context, uint64) (arch.Addr, error) { return 0, nil }
func (f fakeFrame) Caller(context.Context) (symbols.Frame, error)  { return nil, nil }

// pieces is a Location that answers with itself.
type pieces struct {
	list []symbols.Piece
	err  error
}

func (p pieces) Pieces(context.Context, symbols.Frame, symbols.Offset) ([]symbols.Piece, error) {
	return p.list, p.err
}

func TestFromVariable(t *testing.T) {
	env := newFake()
	f := newFrame(env)
	reg := func(name string, off, bits int) symbols.Piece {
		i, ok := f.regs.Set.Index(name)
		if !ok {
			t.Fatal(name)
		}
		return symbols.Piece{Kind: symbols.InRegister, Register: i, BitOffset: off, BitSize: bits}
	}
	mem := func(off arch.Addr, bits int) symbols.Piece {
		return symbols.Piece{Kind: symbols.InMemory, Addr: dataBase + off, BitSize: bits}
	}
	two := structure("Two", 8, fld("a", ty("int"), 0), fld("b", ty("int"), 4))
	lost := symbols.Piece{Kind: symbols.Lost, BitSize: 32}
	tests := []struct {
		name string
		typ  *symbols.Type
		loc  symbols.Location
		want string
	}{
		{"memory", ty("int"), pieces{list: []symbols.Piece{mem(0x220, 0)}}, "-5"},
		{"register", ty("int"), pieces{list: []symbols.Piece{reg("rax", 0, 0)}}, "67305985"},
		{"unknown register", ty("int"), pieces{list: []symbols.Piece{reg("rbx", 0, 0)}}, "value unavailable: the register is not known in this frame"},
		{"literal", ty("short"), pieces{list: []symbols.Piece{{Kind: symbols.Literal, Bytes: []byte{7, 0, 0, 0}}}}, "7"},
		{"lost", ty("int"), pieces{list: []symbols.Piece{{Kind: symbols.Lost}}}, "value unavailable: optimised away"},
		{"no location", ty("int"), nil, "value unavailable: optimised away"},
		{"two registers", ty("__int128"), pieces{list: []symbols.Piece{reg("rax", 0, 64), reg("rdx", 0, 64)}}, "32021342609599730225217345097495151105"},
		{"one register of two", ty("__int128"), pieces{list: []symbols.Piece{reg("rax", 0, 0)}}, "value unavailable: optimised away"},
		{"register and memory", two, pieces{list: []symbols.Piece{reg("rax", 32, 32), mem(0x220, 32)}}, "{a=134678021, b=-5}"},
		{"half lost", two, pieces{list: []symbols.Piece{lost, mem(0x220, 32)}}, "{a=<value unavailable: optimised away>, b=-5}"},
		{"all lost", two, pieces{list: []symbols.Piece{lost, lost}}, "value unavailable: optimised away"},
		{"half told", two, pieces{list: []symbols.Piece{mem(0x220, 32)}}, "{a=-5, b=<value unavailable: optimised away>}"},
		{"bits", ty("unsigned char"), pieces{list: []symbols.Piece{reg("rax", 0, 5), reg("rdx", 4, 3)}}, "33"},
		{"reason", ty("int"), pieces{err: &symbols.UnavailableError{Reason: "no entry value"}}, "value unavailable: no entry value"},
		{"unreadable piece", two, pieces{list: []symbols.Piece{{Kind: symbols.InMemory, Addr: 8, BitSize: 32}, mem(0x220, 32)}}, "{a=<value unavailable: optimised away>, b=-5}"},
	}
	for _, tt := range tests {
		v, err := FromVariable(context.Background(), f, symbols.Variable{Type: tt.typ, Location: tt.loc}, 0)
		if err != nil {
			t.Fatal(tt.name, err)
		}
		text, err := (&Model{}).Text(context.Background(), env, v, Format{Style: Plain, Radix: 10})
		if err != nil {
			text = err.Error()
		}
		if charUnit(tt.typ) > 0 {
			fmt.Sscan(text, &text)
		}
		if text != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, text, tt.want)
		}
	}
	env.missing = map[arch.Addr]bool{dataBase: true}
	var need *symbols.NeedError
	if _, err := FromVariable(context.Background(), f, symbols.Variable{Type: two, Location: pieces{list: []symbols.Piece{reg("rax", 0, 32), mem(0x220, 32)}}}, 0); !errors.As(err, &need) {
		t.Error(err)
	}
}

func TestAssign(t *testing.T) {
	env := newFake().clone()
	env.names["Red"] = env.names["u"] // no Color: the enumerator is meant
	for _, tt := range []struct{ name, text, want string }{
		{"i", "u + 1", "8"}, {"d", "1", "1"}, {"color", "Color::Red", "Red (1)"}, {"b", "0", "false"}, {"c", "'z'", "122 'z'"},
		{"po", "0", "0x0"}, {"i", "1.9", "1"}, {"i", "nope", "Couldn't resolve error at 'nope'"}, {"i", "order", "'Order' is not a number or pointer"},
		{"gone", "1", "value unavailable: optimised away"}, {"main", "1", "'int' cannot be assigned to 'int (char, void *)'"}, {"reg", "5", "5"},
		{"color", "Blue", "Blue (4)"}, {"color", " Green ", "Green (2)"}, {"color", "Red", "Red (1)"}, {"color", "Mauve", "Couldn't resolve error at 'Mauve'"},
		{"color", "Blue + 1", "Couldn't resolve error at 'Blue + 1'"}, {"i", "Blue", "Couldn't resolve error at 'Blue'"},
	} {
		v, err := Assign(context.Background(), env, env.names[tt.name], tt.text)
		text := fmt.Sprint(err)
		if err == nil {
			text, _ = (&Model{}).Text(context.Background(), env, v, Format{})
		}
		if text != tt.want {
			t.Errorf("%s = %s: %s, want %s", tt.name, tt.text, text, tt.want)
		}
	}
}
