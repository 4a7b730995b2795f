package eval

import (
	"context"
	"errors"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Format says how values are written.
type Format struct {
	Radix  int    // 0: natural (decimal signed, hex unsigned as dx does), 10, 16, 8, 2
	Raw    bool   // no visualisers (",!")
	Spec   string // format specifier after the comma: "x", "s", "su", "s32", "c", "en", "d" ...
	Length int    // ",N": elements shown of a pointer or array, 0: as many as its type says, -1: none
	Style  Style

	LengthExpr string // ",[expr]": as Length, evaluated where the value is
	LengthCode Expr   // LengthExpr, where it was parsed before
	View       string // ",view(name)": which view of a visualiser
	Upper      bool   // ",X": hex digits in upper case
	Bare       bool   // ",xb": no "0x" or "0b" before the digits
	NoAddress  bool   // ",na": pointers show what they point to only
	NoRaw      bool   // ",nr": no "[<Raw View>]" child
	NoDerived  bool   // ",nd": pointers show what their type says, not what is there
	TextOnly   bool   // of the node only Text and Err are wanted
}

// Style is the layout of scalar text.
type Style uint8

const (
	DX    Style = iota // 42, 0x11, 104 'h', 0x555555556004 : "bolt"
	DT                 // 0n42, 0x11, 0x00005555`55556004 "bolt" (dt, dv, ??, kp)
	Plain              // editors' Variables view: as DX but natural for C++ users
)

// Object is a node of the data model: what dx prints, the Variables view shows
// and reports write. It is a value, or made up by a visualiser.
type Object struct {
	Name  string // "greeting", "[0]", "Name", "[<Raw View>]"
	Value Value  // Value.Type nil for nodes without a value of their own
	Type  string // as printed, "" none
	Text  string // the value as one line; "" when only children tell it
	Expr  string // C++ expression that yields the node again, "" none
	Err   error  // why there is no text; children may still be there

	// Whole yields the text that a text viewer shows, not cut short and without
	// quotes; nil when Text is all there is.
	Whole func(ctx context.Context, env Env) (string, error)

	// Offset of a struct member, printed as [+0xOFF]; HasOffset false for model items.
	Offset          int64
	HasOffset       bool
	BitLow, BitHigh int // of a bit field, when BitHigh >= BitLow and Bits
	Bits            bool

	// Keyed: an element whose Name holds its key, not its number.
	Keyed bool

	Named   int // children with names (fields, synthetic items), -1 unknown but some
	Indexed int // elements, paged after the named ones

	// Expand yields children [start, start+count) of the named ones followed by
	// the indexed ones. Nil when there are none.
	Expand func(ctx context.Context, env Env, start, count int) ([]*Object, error)
}

// MaxChildren is the most children that one call of Children makes: a size read
// from a corrupt container must not exhaust memory.
const MaxChildren = 200_000

// Children returns count children from start (count < 0: all, up to MaxChildren).
func (o *Object) Children(ctx context.Context, env Env, start, count int) ([]*Object, error) {
	if o.Expand == nil {
		return nil, nil
	}
	return o.Expand(ctx, env, start, count)
}

// Leaf reports whether o has no children.
func (o *Object) Leaf() bool { return o.Expand == nil }

// Visualizer turns values of some types into Objects; natvis.Set is one. It
// returns ok false when it has no rule for v's type.
type Visualizer interface {
	Visualize(ctx context.Context, env Env, m *Model, name, expr string, v Value, f Format) (o *Object, ok bool, err error)
}

// Forgetter is a Visualizer that remembers types. They are their images': Forget drops
// them when one was unloaded.
type Forgetter interface{ Forget() }

// Versioned is an Env that counts the changes of memory: what was read stays true
// while the number does.
type Versioned interface{ MemoryVersion() uint64 }

// Ahead is an Env that can be told what is about to be read.
type Ahead interface {
	// ReadAhead: at is about to be read, and likely what lies around it in [from, to).
	// The answer is whether at was not known yet; else nothing is read.
	ReadAhead(ctx context.Context, at, from, to arch.Addr) bool
}

// Globals is an Env that knows which variable lies at an address, such as the
// table of methods that a Rust trait object points to.
type Globals interface {
	GlobalAt(ctx context.Context, a arch.Addr) (symbols.Variable, bool)
}

// Model makes Objects of Values.
type Model struct {
	Visualizer Visualizer // nil: none
	MaxString  int        // longest string shown, 0 = 200
}

// Expr is a parsed expression; it is immutable.
type Expr interface {
	Eval(ctx context.Context, env Env) (Value, error)
	// Effects reports whether evaluation may write.
	Effects() bool
	String() string
}

// ErrNoAgent: the expression cannot be compiled to agent bytecode.
var ErrNoAgent = errors.New("the condition cannot be evaluated at the far end")
