package arch

// Addr is an address in the debuggee's memory.
type Addr uint64

// Kind says what an instruction does to control flow.
type Kind uint8

const (
	Other Kind = iota
	Call
	Return
	Jump     // unconditional
	CondJump // may fall through
	Syscall
	Trap
)

// Operand is a memory operand: Seg:[Base+Index*Scale+Disp], Size bytes.
// Base and Index are register names or empty.
type Operand struct {
	Seg   string
	Base  string
	Index string
	Scale int
	Disp  int64
	Size  int
}

// Inst is one decoded instruction.
type Inst struct {
	Len  int    // bytes
	Op   string // mnemonic, lower case
	Args string // operands in the syntax WinDbg prints, without symbols
	Kind Kind
	// Target is where a direct branch or call goes; with Mem set it is instead
	// the fixed address of that operand (RIP-relative). See HasTarget.
	Target    Addr
	HasTarget bool
	Mem       *Operand // first memory operand, nil if none
	Cond      string   // condition of a CondJump ("e", "ne", "l" ...), empty otherwise

	// Args in pieces: head, the address a symbol can name, tail.
	head, tail string
	addr       Addr
	hasAddr    bool
	ptr        int // bytes of a pointer
}

// Arch is one CPU architecture. Values are package variables and never change.
type Arch struct {
	Name      string // "amd64", "i386", "arm64", "riscv64"
	GDBName   string // the <architecture> of a GDB target description
	PtrSize   int    // bytes
	BigEndian bool

	Break        []byte // software breakpoint instruction
	BreakAdvance int    // how far PC is past the trap's address when it reports
	MaxInst      int    // longest instruction, bytes
	MinInst      int    // instruction alignment, bytes
	// ReadsAreAccesses: data traps cannot tell reads alone from reads and writes
	// (Intel SDM 3B, 18.2.4: the R/W fields of DR7).
	ReadsAreAccesses bool

	PC, SP, FP, Flags string   // register names by role; Flags may be empty
	Link              string   // register holding the return address at entry, or empty when it is on the stack
	Return            string   // integer return value
	Args              []string // integer argument registers of the platform's C ABI (System V, AAPCS64)
	CalleeSaved       []string // preserved across calls by that ABI

	// Core is the default register table, used when a target describes none.
	Core []Register
	// Sub lists names that are parts of other registers (eax, al).
	Sub []SubRegister
	// FlagBits names single bits of Flags ("zf" at bit 6).
	FlagBits []FlagBit

	// Decode decodes the instruction at pc. It returns an error when code does
	// not hold a whole known instruction; Len is then 0.
	Decode func(code []byte, pc Addr) (Inst, error)
}

// FlagBit is one named bit of the flags register. Set and Clear are the two
// letter forms WinDbg prints ("zr", "nz").
type FlagBit struct {
	Name       string
	Bit        int
	Set, Clear string
}

// ByName returns the architecture with the given Name or GDBName.
func ByName(name string) (*Arch, bool) {
	for _, a := range All {
		if a.Name == name || a.GDBName == name {
			return a, true
		}
	}
	return nil, false
}

// All lists every known architecture.
var All = []*Arch{AMD64, I386, ARM64, RISCV64}
