package eval

import (
	"context"
	"fmt"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Env is what an expression may ask. An Env belongs to one frame of one stop.
type Env interface {
	symbols.Memory
	WriteMemory(ctx context.Context, addr arch.Addr, p []byte) error
	Arch() *arch.Arch

	// Register returns a register or sub-register by name, as bytes in target order.
	Register(ctx context.Context, name string) ([]byte, bool)
	SetRegister(ctx context.Context, name string, p []byte) error
	// Pseudo returns a pseudo-register or user variable, name without "@$": "ip",
	// "t0", "myvar". Values of debugger variables need no type (uint64).
	Pseudo(ctx context.Context, name string) (Value, bool)
	SetPseudo(ctx context.Context, name string, v Value) error

	// Lookup resolves a name as C++ does in the frame: locals, members of this,
	// statics, globals, functions. "ns::x" and "mod!x" are names too.
	Lookup(ctx context.Context, name string) (Value, error)
	// Local is Lookup among the frame's own variables only ("$!name").
	Local(ctx context.Context, name string) (Value, error)
	// Address resolves a symbol as MASM does: to its address, never its contents.
	Address(ctx context.Context, name string) (arch.Addr, error)
	// LineAddress resolves `mod!file:line`; file or mod may be empty.
	LineAddress(ctx context.Context, mod, file string, line int) (arch.Addr, error)
	// Type finds a type by name; builtin names of the language are the evaluator's.
	Type(ctx context.Context, name string) (*symbols.Type, bool)
	// Symbol names an address: "mod!f+0x10", "" when nothing is near.
	Symbol(ctx context.Context, addr arch.Addr) string
}

// PhysicalMemory is an Env of a machine, whose physical memory can be read.
type PhysicalMemory interface {
	ReadPhysical(ctx context.Context, addr arch.Addr, p []byte) (int, error)
}

// Value is a typed value. It is an lvalue when it has a place.
type Value struct {
	Type *symbols.Type

	Place              Place
	Addr               arch.Addr // Place == Memory
	Register           string    // Place == Register
	BitOffset, BitSize int       // BitSize 0: not a bit field

	// Bytes in target order: of a literal always, of an lvalue when already
	// fetched. Use Env-reading functions to get them.
	Bytes []byte
	// Missing has the bits set that are lost, in the order of Bytes; nil when all
	// are there.
	Missing []byte
	// Pointees are the pointers within the value that point to what has no
	// address. Their bytes are Missing.
	Pointees []Pointee
	// Err says why nothing is known ("optimised away").
	Err error

	// Item is what a value of the data model is that no type tells; Type is nil then.
	Item *Item
	// Plain: a number of the debugger's own, shown without its type.
	Plain bool
}

// Place is where a Value lives.
type Place uint8

const (
	NoPlace Place = iota // an rvalue: Bytes
	InMemory
	InRegister
)

// Dialect selects the language of an expression.
type Dialect uint8

const (
	CPP Dialect = iota
	MASM
)

// Options of parsing.
type Options struct {
	Dialect Dialect
	Radix   int // MASM's default radix, 0 = 16
	// Calls: the expression may call functions of the debuggee, where its Env is a Caller.
	Calls bool
}

// SyntaxError is at byte Pos of the source text.
type SyntaxError struct {
	Pos  int
	Text string // the source
	Msg  string // WinDbg's kind: "Syntax", "Extra character", "Numeric expression missing" or plain words
}

func (e *SyntaxError) Error() string {
	at := e.Text
	if e.Pos >= 0 && e.Pos <= len(at) {
		at = at[e.Pos:]
	}
	if at == "" {
		at = "<EOL>"
	}
	if e.Msg == MissingOperand {
		return fmt.Sprintf("%s from '%s'", e.Msg, at)
	}
	return fmt.Sprintf("%s error at '%s'", e.Msg, at)
}

// MissingOperand is the Msg of a SyntaxError where an operand should be.
const MissingOperand = "Numeric expression missing"

// NameError: a name is not known. Rest is the text from the name on.
type NameError struct {
	Name, Rest string
}

func (e *NameError) Error() string { return fmt.Sprintf("Couldn't resolve error at '%s'", e.Rest) }
