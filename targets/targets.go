package targets

import (
	"context"
	"fmt"
	"io"

	"dap-windbg/arch"
)

// ThreadID names what the far end schedules: a thread of a process, or a CPU of
// a machine (Process is 0 then). It is comparable and stable for a connection.
type ThreadID struct {
	Process int64
	Thread  int64
}

func (id ThreadID) String() string {
	if id.Process == 0 {
		return fmt.Sprint(id.Thread)
	}
	return fmt.Sprintf("%x.%x", id.Process, id.Thread)
}

// Thread is one row of a thread list. Fields the far end does not tell are zero.
type Thread struct {
	ID   ThreadID
	Name string
	CPU  int       // processor it last ran on, -1 unknown
	Base arch.Addr // thread pointer (TEB, fs_base), 0 unknown
}

// Info says what is at the far end. It is fixed until a Stop with Reason Exec or Reset.
type Info struct {
	Set      *arch.Set // registers, and through it the CPU
	OS       string    // "linux", "windows", or "" when not told
	Machine  bool      // a whole machine: threads are CPUs, memory is the selected CPU's
	Process  int64     // process id, 0 for a machine
	Path     string    // path of the main image on the far end, "" unknown
	Stub     string    // what answers, for people: "gdbserver 13.1", "QEMU", "kgdb"
	Attached bool      // the far end attached to a running process (else it created it)

	DataTraps int // hardware data traps the CPU offers, 0 unknown
	Limits    Limits
}

// Limits are figures of the connection the engine plans with; 0 means unknown.
type Limits struct {
	MemoryBytes int // longest single memory read, bytes
	BytesPerSec int // of a slow line
	Bits        Features
}

// Features are abilities that cannot be seen from the interfaces alone.
type Features uint32

const (
	StepRange        Features = 1 << iota // Action.Range is honoured by the far end
	Conditions                            // Trap.Condition is evaluated by the far end
	ReverseStep                           // Resume.Reverse with Step
	ReverseGo                             // Resume.Reverse with Go
	TrapsAdvance                          // after a software trap PC is already the trap's address (no adjustment needed)
	LiveMemory                            // memory can be read while the debuggee runs
	NoStepOver                            // the far end steps off its own traps
	HotTraps                              // time goes on while it waits: a trap in code that interrupts run springs again and again
	HardwareUnproven                      // hardware traps may be taken and never spring: they have to be tried first
	StepsStopped                          // only the thread that stopped last can be stepped, and the others run meanwhile
	HardwareAgain                         // a hardware code trap springs again until the thread is stepped off it, as a software one does
)

// Space names an address space. Its zero value is "where the stop is".
type Space struct {
	Process  int64  // of a stub with several processes; 0 the stopped one
	CPU      int64  // whose page tables; 0 the stopped one (CPUs count from 1)
	Physical bool   // physical addresses
	Root     uint64 // page table root to walk instead, 0 none
}

// Parting says how to leave a debuggee.
type Parting uint8

const (
	Detach Parting = iota // let it run on
	Kill                  // end it
	Leave                 // leave it stopped for the next debugger
)

// Target is a debuggee that can be looked at.
type Target interface {
	Info() Info
	Threads(ctx context.Context) ([]Thread, error)
	// Registers returns a fresh copy the caller owns.
	Registers(ctx context.Context, id ThreadID) (*arch.Registers, error)
	// ReadMemory fills p; a short read returns *FaultError with the first bad address.
	ReadMemory(ctx context.Context, s Space, addr arch.Addr, p []byte) (int, error)
	// Close parts from the debuggee and closes the wire. It is safe to call twice.
	Close(ctx context.Context, how Parting) error
}

// Runner can run the debuggee. Resume returns once the far end has accepted;
// the stop comes as an event.
type Runner interface {
	Resume(ctx context.Context, r Resume) error
	// Interrupt asks for a Stop with Reason Interrupted. It does not wait.
	Interrupt(ctx context.Context) error
	// Events delivers in order; the channel is closed after Gone.
	Events() <-chan Event
}

// Postmortem is a debuggee that ended before anybody looked: Stop is what it ended
// by. It is no Runner.
type Postmortem interface {
	Stop() Stop
}

// Writer changes the debuggee.
type Writer interface {
	WriteMemory(ctx context.Context, s Space, addr arch.Addr, p []byte) (int, error)
	SetRegisters(ctx context.Context, id ThreadID, r *arch.Registers) error
}

// Trapper plants traps at the far end. Setting one twice, or clearing one that
// is not there, is no error.
type Trapper interface {
	SetTrap(ctx context.Context, t Trap) error
	ClearTrap(ctx context.Context, t Trap) error
}

// ModuleLister lists images in place, main image first when known. Changed
// since the last stop is told by Stop.Reason Modules or found by the engine.
type ModuleLister interface {
	Modules(ctx context.Context) ([]Module, error)
}

// Anchorer tells addresses the far end volunteers, by name: "kernbase",
// "kdbg", "entry", "auxv:3" (AT_PHDR) ...
type Anchorer interface {
	Anchors(ctx context.Context) (map[string]arch.Addr, error)
}

// Console passes a line of text to the far end's own command language.
type Console interface {
	Command(ctx context.Context, line string) (out string, e Effect, err error)
}

// Files opens files of the far end, read only.
type Files interface {
	Open(ctx context.Context, path string) (io.ReadCloser, error)
}

// Queryer answers typed odds and ends; see the Kind table.
type Queryer interface {
	Query(ctx context.Context, k Kind, annex string) ([]byte, error)
	Set(ctx context.Context, k Kind, annex string, value []byte) error
}

// Batcher carries a flight: several operations in as few round trips as the
// protocol allows. Each Op gets its own result; the error is of the wire.
// A Resume may only be last.
type Batcher interface {
	Do(ctx context.Context, ops []Op) error
}

// Link owns a wire that serves several processes (a process server, a stub that
// follows forks). Targets it makes share the wire; closing one leaves the rest, and
// the last one closes the wire unless it is a process server's. A target that came
// by itself gives its link by a method Link() Link.
//
// Each Target runs and waits by itself. Where the far end can only stop as a whole,
// the stop of one holds up the others until something is resumed or the one that
// stopped is parted from; they count as running meanwhile, and an Interrupt of one
// is answered at once.
//
// A Stop with Reason Forked tells a Child, which waits with its parent's traps in
// it until it is adopted. The Target that Adopt returns knows these traps: closing
// it with Detach lifts them. Children nobody adopts are let go with the last Target.
type Link interface {
	Processes(ctx context.Context) ([]Process, error)
	Attach(ctx context.Context, pid int64) (Target, error)
	Launch(ctx context.Context, p Program) (Target, error)
	// Adopt returns the Target of a process the far end already holds, such as a
	// fork's child or one left stopped by an earlier debugger.
	Adopt(ctx context.Context, pid int64) (Target, error)
	// Held lists the processes the far end holds now.
	Held(ctx context.Context) ([]int64, error)
	Close() error
}

// Sharer is a target whose wire serves other processes too, which all wait while one
// does. They keep their motion, and run on with the next that is resumed.
type Sharer interface {
	// HoldsOthers reports whether the wire serves another process now.
	HoldsOthers() bool
	// LetOthersRun lets those run on at once that a stop of this one holds up.
	LetOthersRun(ctx context.Context) error
}

// Process is one row of a process list.
type Process struct {
	PID     int64  `json:"pid"`
	User    string `json:"user,omitempty"`
	Command string `json:"command"`
}

// Program is what to start. Path is a file of the far end.
type Program struct {
	Path string
	Args []string
	Dir  string
	Env  []string // KEY=VALUE, added to the server's own; KEY takes one of them away
	ASLR bool     // keep address randomisation
}

// Module is an image in place. Base is where its lowest byte lies; Size 0 unknown.
type Module struct {
	Path    string // on the far end
	Name    string // as commands spell it, where that does not follow from Path
	Base    arch.Addr
	Size    uint64
	Bias    uint64    // link-time address + Bias = run-time address, when known
	Dynamic arch.Addr // ELF: l_ld, 0 unknown
	BuildID []byte
	Stamp   uint32 // PE time stamp
	Main    bool
	// Parts are where it lies, when that is not one piece from Base on; they may go one
	// by one. Base stays.
	Parts []Part
}

// Part is a piece of memory that belongs to a Module.
type Part struct {
	Addr arch.Addr
	Size uint64
}

// TrapKind is what springs a trap.
type TrapKind uint8

const (
	Software TrapKind = iota
	Hardware
	OnWrite
	OnRead // read only
	OnAccess
)

// Trap is a planted thing, compared without Condition.
type Trap struct {
	Kind      TrapKind
	Space     Space
	Addr      arch.Addr
	Size      int    // data traps: bytes; code traps: 0 lets the target choose
	Condition []byte // agent bytecode; nil springs always
}

// ActionKind is what one thread does in a Resume.
type ActionKind uint8

const (
	Hold ActionKind = iota
	Go
	Step
)

// DeliverKind says what becomes of the exception the thread stopped for.
type DeliverKind uint8

const (
	Handled    DeliverKind = iota // swallow it
	NotHandled                    // hand it to the debuggee as it came
	Signal                        // deliver Signal
)

// Deliver says what the debuggee sees of its exception.
type Deliver struct {
	Kind   DeliverKind
	Signal int
}

// Action is one thread's part in a Resume. With Step and a non-empty Range the
// thread steps on while PC is within [Lo, Hi).
type Action struct {
	Kind    ActionKind
	Lo, Hi  arch.Addr
	Deliver Deliver
}

// Resume lets the debuggee run. Traps in Lift are cleared and those in Plant set
// in the same flight before it runs.
type Resume struct {
	Default     Action
	Threads     map[ThreadID]Action
	Reverse     bool
	Plant, Lift []Trap
	// Quiet: traps are expected to spring of which nobody will be told. How soon those
	// are passed counts for more than how soon a stop is described.
	Quiet bool
}

// Action is what a thread does in r.
func (r Resume) Action(id ThreadID) Action {
	if a, ok := r.Threads[id]; ok {
		return a
	}
	return r.Default
}

// Reason says why the debuggee waits.
type Reason uint8

const (
	Unknown Reason = iota
	Breakpoint
	Watch
	Stepped
	Exception // a signal, a CPU exception: see Stop.Exception
	Interrupted
	Modules // the module list changed
	Prompt  // the debuggee asks a question (DbgPrompt): Stop.Text
	Forked
	Exec
	SyscallEntry
	SyscallReturn
	ThreadCreated
	ThreadExited
	Reset // the machine rebooted or changed CPU mode: Info is new
	Initial
	HistoryEnd // reverse execution reached the start (or end) of the recording
)

func (r Reason) String() string {
	return [...]string{"unknown", "breakpoint", "watch", "step", "exception", "interrupted", "modules", "prompt", "fork", "exec",
		"syscall entry", "syscall return", "thread created", "thread exited", "reset", "initial", "end of history"}[r]
}

// Event is Stop, Output, Gone or Running.
type Event interface{ event() }

// Stop says that the debuggee waits for us.
type Stop struct {
	Thread    ThreadID
	Reason    Reason
	Addr      arch.Addr // PC where known; data address for Watch
	Kind      TrapKind  // which data trap sprang
	Text      string
	Exception *ExceptionRecord
	Child     *Child
	Detail    *Detail

	Registers *arch.Registers // expedited, possibly partial; nil none
	Memory    []Window        // expedited
	Replay    bool            // came from a reverse execution
}

// Window is a piece of memory that came along.
type Window struct {
	Addr arch.Addr
	Data []byte
}

// ExceptionRecord tells a signal or CPU exception.
type ExceptionRecord struct {
	Code    uint32 // signal number in Linux's numbering (OS linux), NTSTATUS (windows)
	Name    string // "SIGSEGV"
	Second  bool   // second chance
	Addr    arch.Addr
	Params  []uint64
	Siginfo []byte
}

// Child tells a fork's child.
type Child struct {
	ID    ThreadID
	VFork bool
}

// Detail carries what other reasons bring.
type Detail struct {
	Path    string // Exec: new image
	Syscall int
	Thread  ThreadID // created or exited
	Status  int
	Module  *Module
	Unload  bool
}

// Output is text of the debuggee or of the far end's console.
type Output struct {
	Text    string
	Console bool // of the far end (monitor, kdb), not of the program
}

// Gone ends a target. Err is nil when the debuggee ended by itself.
type Gone struct {
	Exited bool // Code is an exit status
	Signal int  // non-zero: killed by this signal (Linux numbering)
	Code   int
	Err    error // the wire failed, or the far end broke the protocol
}

// Running tells that the debuggee went on without us.
type Running struct{ Text string }

func (Stop) event()    {}
func (Output) event()  {}
func (Gone) event()    {}
func (Running) event() {}

// Rebooter is a target that keeps of a machine what a reboot takes away, and may not hear
// of one: who notices it says so. Its traps are gone then.
type Rebooter interface{ Rebooted() }

// Effect tells which caches a console command made stale.
type Effect struct {
	Resumed, MemoryChanged, TrapsChanged, ThreadChanged, ModulesChanged bool

	Thread ThreadID // the one that the far end has gone over to; zero: none
}

// Kind is a typed query; annex as in the row.
type Kind uint8

const (
	Siginfo        Kind = iota // annex: "" (stopped thread) or hex pid.tid; Set too
	Auxv                       // raw auxv entries
	OSData                     // annex: "processes", "threads", ...
	ExecFile                   // path of the process's image
	PassSignals                // Set: list of signal numbers never reported, one byte each
	CatchSyscalls              // Set: list of numbers, uint32 little endian; empty = off
	ThreadEvents               // Set: one byte, 0 or 1
	Forks                      // Set: one byte; 1: forks are stops and the children wait, 0: children run on, free of traps
	TLSAddress                 // annex: "thread offset module" in hex
	MSR                        // annex: number in hex
	SystemRegister             // annex: "idtr", "gdtr", "ldtr", "tr": the base it holds; KD: "cr0", "cr2", "cr3", "cr4" too, 8 bytes little endian
	IOPort                     // annex: "port size" in hex
	Reboot                     // Set
	Crash                      // Set: annex "" or a bugcheck code in hex
	MemoryMap
	WorkDir       // Set, before Launch
	TraceVariable // Set: makes the trace state variable of a number, one byte
	VersionBlock  // KD: DBGKD_GET_VERSION64, 40 bytes
	ControlSpace  // KD: annex "cpu selector count" in hex (CPUs from 0); Set: "cpu selector"
	BusData       // KD: annex "type bus slot offset length" in hex; Set: the same without a length
	PageUse       // KD: annex address in hex; two uint32: 0 process, 1 session, 2 kernel; 1 read, 2 write, 4 execute, 8 fixed
	Search        // annex "start length pattern" in hex; the address found, uint64, or nothing
	Fill          // Set: annex "start length" in hex and " p" for physical memory; the pattern
	ActiveCPU     // kgdb, Set: where the kernel keeps the number of the processor that is in its debugger (kgdb_active), uint64
	DriverFiles   // KD, Set: annex a folder; the text of a .kdfiles map, or nothing: files of the folder by name
)
