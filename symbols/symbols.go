package symbols

import (
	"context"
	"fmt"
	"iter"

	"dap-windbg/arch"
)

// Offset is a distance from an image's base (its lowest loaded address).
type Offset uint64

// Key identifies an image file: by build-id, else by PDB GUID and age, else by name alone.
type Key struct {
	Path    string // on the far end
	Name    string // base name of Path
	BuildID []byte // ELF
	Stamp   uint32 // PE time stamp
	Size    uint64 // PE image size
	// Loaded are parts of the image as it lies in memory, the headers first: enough
	// to open it where no file is found.
	Loaded []Part
}

// Part is a piece of an image in memory.
type Part struct {
	Off  Offset
	Data []byte
}

func (k Key) String() string {
	if len(k.BuildID) > 0 {
		return fmt.Sprintf("%s (build-id %x)", k.Path, k.BuildID)
	}
	return k.Path
}

// SymbolKind sorts symbols.
type SymbolKind uint8

const (
	Function SymbolKind = iota
	Data
	Label
)

// Symbol is a named place.
type Symbol struct {
	Name     string // demangled, qualified: "std::vector<int>::push_back"; no parameters
	Linkage  string // as in the symbol table, "" when the same as Name
	Kind     SymbolKind
	Offset   Offset
	Size     uint64 // 0 unknown
	Global   bool
	Public   bool   // known from the symbol table only (no debug information)
	Indirect bool   // an ifunc's resolver
	Params   string // parameter types as written, "int, char *", "" unknown
}

// Line is a source position and the code range [Start, End) it covers in one
// row run. File is the path as the compiler recorded it, joined with its directory.
type Line struct {
	File        string
	Line        int
	Column      int
	Start, End  Offset
	Stmt        bool // recommended breakpoint place
	PrologueEnd bool
	// Discriminator tells blocks of one line apart, as those of a loop's head; 0
	// where there is one only.
	Discriminator int
}

// Place is where a breakpoint on a line or function lands.
type Place struct {
	Offset      Offset
	Line        Line
	Function    string // qualified name, "" unknown
	Inlined     bool
	Provisional bool // more places may follow when the index is complete
}

// DebugKind says what an image's names come from, for `lm`.
type DebugKind uint8

const (
	NoSymbols DebugKind = iota
	Exports             // dynamic or static symbol table only
	DWARF
	PDB
)

// Image is an opened image file with its names.
type Image interface {
	Key() Key
	Arch() *arch.Arch
	Path() string // local file the names come from
	Debug() DebugKind
	Size() uint64     // bytes from base to end of the last loaded segment
	LinkBase() uint64 // link-time address of the base: run-time base - LinkBase = bias
	Entry() Offset
	// At returns the symbol that covers off, else the nearest one below it.
	At(off Offset) (Symbol, bool)
	// Next returns the nearest symbol above off.
	Next(off Offset) (Symbol, bool)
	// Lookup yields symbols whose name matches pattern: exact, or with wildcards
	// * ? [a-b]; exact case first, then case-insensitive when nothing matched.
	// Accepts qualified names, linkage names and names without their template arguments.
	Lookup(pattern string) iter.Seq[Symbol]
	// ReadStatic reads the file's own bytes at off (read-only segments), for
	// disassembly and unwinding without a round trip; false where the file has none.
	ReadStatic(off Offset, p []byte) bool
	Close() error
}

// Liner maps code to source and back.
type Liner interface {
	Line(off Offset) (Line, bool)
	// Places returns where to stop for file:line. file matches by full path or by
	// trailing path elements, case-sensitively first. When the line has no code the
	// next line with code in the file is taken; its number is in Place.Line.
	Places(file string, line int) []Place
	// Lines yields the rows of [lo, hi) in address order.
	Lines(lo, hi Offset) []Line
	// Body returns the place after the prologue of the function entered at off.
	Body(off Offset) (Place, bool)
	// Files yields every source path.
	Files() iter.Seq[string]
}

// Preparer is an Image that reads ahead. It is an optional part of an Image.
type Preparer interface {
	// Prepare reads what tells of the functions of these names: their lines, what is
	// visible in them, what they call. Names that would have to be searched for are
	// passed over.
	Prepare(names ...string)
}

// Scoper tells what is visible at a place.
type Scoper interface {
	// Scopes returns the functions at off, innermost inlined call first, the
	// function that has the code last. Nil when there is no debug information.
	Scopes(off Offset) ([]Scope, error)
}

// Scope is one function, inlined or not, as seen from a place in it.
type Scope struct {
	Name      string // qualified
	Linkage   string
	Low, High Offset // low pc and end of the contiguous (entry) range
	Ranges    []Range
	Inlined   bool
	Call      Line // where the inlined call is written; File "" otherwise
	Decl      Line
	Return    *Type // nil is void
	// Variables visible at the place, innermost block first, parameters in
	// declaration order. Shadowed ones are kept, after what shadows them.
	Variables []Variable
}

// Range is a half-open code range.
type Range struct{ Low, High Offset }

// Variable is a named value. Location is evaluated in a Frame.
type Variable struct {
	Name       string
	Type       *Type
	Param      bool
	Static     bool // lives outside the frame
	Artificial bool // made by the compiler ("this")
	Depth      int  // nesting of its block, 0 the function's own
	Decl       Line
	Location   Location
}

// Typer finds types and global variables by name.
type Typer interface {
	// Type finds a type by its (qualified) name, without "struct" or "class".
	Type(name string) (*Type, bool)
	// Types yields names of types matching a pattern, as Lookup does.
	Types(pattern string) iter.Seq[string]
	// Global finds a variable that lives outside any function.
	Global(name string) (Variable, bool)
	// GlobalAt finds the global whose storage holds off.
	GlobalAt(off Offset) (Variable, bool)
	// Function returns the type of the function entered at off.
	Function(off Offset) (*Type, bool)
}

// Indexer has names that are complete only when an index over all debug
// information is there. What the symbol tables tell does not wait for it.
type Indexer interface {
	// Index builds the index, or maps one that was kept, and returns when it is
	// complete or ctx ends. It gives way to questions, and is done once.
	Index(ctx context.Context) error
	// Indexed reports whether the index is complete. Until then Body's places are
	// provisional and Inlined has nothing; Places (of a line) are complete always.
	Indexed() bool
	// Inlined returns where copies of the function begin that were inlined into
	// others, for a qualified name without parameters; nil while not Indexed.
	Inlined(name string) []Place
}

// Memory is what readers read through. A Target satisfies it through the engine.
type Memory interface {
	ReadMemory(ctx context.Context, addr arch.Addr, p []byte) (int, error)
}

// NeedError: the bytes are not in the stop's cache yet. The engine fetches them
// and calls again.
type NeedError struct {
	Addr arch.Addr
	Size int
}

func (e *NeedError) Error() string {
	return fmt.Sprintf("%d bytes at 0x%x are not read yet", e.Size, uint64(e.Addr))
}

// Unwinder computes a caller's registers. base is where the image lies.
type Unwinder interface {
	// Unwind returns the caller's registers (PC is the return address, SP the
	// frame's CFA) and the CFA. ErrNoUnwind when the image has no rule for the pc;
	// ErrOutermost when the rule says that nobody called. With a *NeedError the CFA
	// comes all the same when it is known, else 0.
	Unwind(ctx context.Context, base arch.Addr, callee *arch.Registers, mem Memory) (caller *arch.Registers, cfa arch.Addr, err error)
}

// Frame is what a Location may ask about.
type Frame interface {
	Registers() *arch.Registers
	Memory() Memory
	Base() arch.Addr // of the image the location comes from
	CFA(ctx context.Context) (arch.Addr, error)
	// TLS returns the address of thread-local storage at off in this image.
	TLS(ctx context.Context, off uint64) (arch.Addr, error)
	// Caller is the frame that called this one, for entry values; nil when unknown.
	Caller(ctx context.Context) (Frame, error)
}

// Location says where a value lies.
type Location interface {
	// Pieces evaluates in f at offset pc of the image. Sizes of zero mean "the
	// whole value". *UnavailableError when nothing can be known.
	Pieces(ctx context.Context, f Frame, pc Offset) ([]Piece, error)
}

// PieceKind is where one piece of a value lies.
type PieceKind uint8

const (
	InMemory PieceKind = iota
	InRegister
	Literal  // Bytes hold it
	Lost     // optimised away
	Implicit // a pointer to Target, which has no address (DWARF 5, 2.6.1.1.4)
)

// Piece is part of a value.
type Piece struct {
	Kind               PieceKind
	Addr               arch.Addr
	Register           int // index in the frame's Set
	Bytes              []byte
	BitOffset, BitSize int // within the source; BitSize 0 = whole value
	// Implicit: the variable pointed to, to be evaluated in the same frame at the
	// same place, and how many bytes into it.
	Target *Variable
	Shift  int64
}

// UnavailableError: the value cannot be known here, and why.
type UnavailableError struct{ Reason string }

func (e *UnavailableError) Error() string { return "value unavailable: " + e.Reason }

// ErrNoUnwind: no rule for this pc. ErrOutermost: nobody called this function.
var (
	ErrNoUnwind  = fmt.Errorf("no unwind information")
	ErrOutermost = fmt.Errorf("outermost frame")
)

// Store finds images and source files.
type Store interface {
	// Find opens the image for key. It tries every place of the symbol path; the
	// error is *NotFoundError and lists them.
	Find(ctx context.Context, key Key) (Image, error)
	// Source finds the text of a source file recorded in an image.
	Source(ctx context.Context, key Key, path string) (local string, err error)
}

// NotFoundError lists every place tried.
type NotFoundError struct {
	What  string
	Tried []Attempt
}

// Attempt is one place looked at, for `!sym noisy`.
type Attempt struct {
	Place  string
	Result string
}

func (e *NotFoundError) Error() string {
	if len(e.Tried) == 1 {
		return e.What + ": not found in 1 place"
	}
	return fmt.Sprintf("%s: not found in %d places", e.What, len(e.Tried))
}

// Hint says what the user can do.
func (e *NotFoundError) Hint() string {
	return "extend the symbol path with .sympath+, or turn on `!sym noisy` and `.reload /f` to see each place tried"
}

// MismatchError: a file was found that belongs to another build.
type MismatchError struct {
	Path      string
	Want, Got []byte
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s has build-id %x, the debuggee runs %x", e.Path, e.Got, e.Want)
}

// Hint says what the user can do.
func (e *MismatchError) Hint() string {
	return "point .sympath at the files of the running build, or force it with .reload /i"
}
