package report

import (
	"time"

	"dap-windbg/arch"
)

// Format is the number of the JSON form. It changes when a field changes its meaning
// or goes; new fields may come.
const Format = 1

// Result is what became of a run.
type Result string

const (
	Passed  Result = "passed"
	Failed  Result = "failed"  // the program's exit status is not zero, or a command of the script failed
	Crashed Result = "crashed" // a process of it did
	Hung    Result = "timeout"
	Lost    Result = "lost"  // the connection to it, or it could not be started
	Ended   Result = "ended" // by a signal from outside, to it or to the debugger
)

// Run is the whole report.
type Run struct {
	Format    int       `json:"format"`
	Tool      string    `json:"tool"`
	Program   string    `json:"program,omitempty"`
	Arguments []string  `json:"arguments,omitempty"`
	Directory string    `json:"directory,omitempty"`
	Result    Result    `json:"result"`
	Status    int       `json:"status"`  // exit status of the debugger
	Summary   string    `json:"summary"` // one line
	Started   time.Time `json:"started"`
	Seconds   float64   `json:"seconds"`

	ExitCode *int   `json:"exitCode,omitempty"`
	Signal   string `json:"signal,omitempty"`

	Processes []*Process `json:"processes,omitempty"` // that crashed, hung or failed an assertion
	Failures  []Failure  `json:"failures,omitempty"`  // of the script

	Output     string   `json:"output,omitempty"` // the end of the program's standard output,
	Errors     string   `json:"errors,omitempty"` // and of its standard error stream
	Transcript string   `json:"transcript,omitempty"`
	Omitted    []string `json:"omitted,omitempty"`
}

// Failure is a command or an assertion of a script that failed.
type Failure struct {
	Script   string `json:"script,omitempty"` // file, "" the command line
	Line     int    `json:"line,omitempty"`
	Command  string `json:"command"`
	Message  string `json:"message"`
	Expected string `json:"expected,omitempty"`
	Actual   string `json:"actual,omitempty"`
}

// Address is shown in JSON as text, for not every reader of JSON has 64 bits.
type Address arch.Addr

// Process is one that crashed or hung.
type Process struct {
	ID          int64      `json:"id"`
	Program     string     `json:"program"`
	Command     string     `json:"command,omitempty"` // line it was started by
	Child       int        `json:"child"`             // 0 the program itself, else its how many'th process
	Kind        Kind       `json:"kind"`
	Headline    string     `json:"headline"`
	Key         string     `json:"key"` // of equal failures
	Signal      *Signal    `json:"signal,omitempty"`
	Exception   *Exception `json:"exception,omitempty"`
	Message     string     `json:"message,omitempty"` // the program's own last words: an assertion's, a library's
	Place       *Frame     `json:"place,omitempty"`   // to blame
	Source      []Source   `json:"source,omitempty"`  // around it
	Instruction string     `json:"instruction,omitempty"`
	Registers   []Register `json:"registers,omitempty"`
	Threads     []Thread   `json:"threads,omitempty"` // the one that crashed first
	Memory      []Memory   `json:"memory,omitempty"`
	Modules     []Module   `json:"modules,omitempty"`
	Core        string     `json:"core,omitempty"` // file beside the report
	Omitted     []string   `json:"omitted,omitempty"`
	pointer     int        // bytes of an address
	budget      int        // of variables
}

// Signal is what stopped it.
type Signal struct {
	Number  int      `json:"number"`
	Name    string   `json:"name"`
	Code    string   `json:"code,omitempty"` // "SEGV_MAPERR"
	Text    string   `json:"text,omitempty"` // what that means
	Address *Address `json:"address,omitempty"`
	Access  string   `json:"access,omitempty"` // "read", "write", "execute"
	Sender  int64    `json:"sender,omitempty"` // process that sent it
}

// Exception is a C++ exception that nobody caught.
type Exception struct {
	Type string `json:"type,omitempty"`
	What string `json:"what,omitempty"`
}

// Source is a line of it.
type Source struct {
	Line int    `json:"line"`
	Text string `json:"text"`
	Here bool   `json:"here,omitempty"`
}

// Register is a general one of the thread that crashed.
type Register struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Thread is one with its stack.
type Thread struct {
	Number  int     `json:"number"`
	ID      int64   `json:"id"`
	Name    string  `json:"name,omitempty"`
	Crashed bool    `json:"crashed,omitempty"`
	Frames  []Frame `json:"frames"`
	End     string  `json:"end,omitempty"` // why the stack ends early
}

// Frame is a row of a stack. One with Skipped stands for so many that were left out.
type Frame struct {
	Number    int        `json:"number"`
	Skipped   int        `json:"skipped,omitempty"`
	Address   Address    `json:"address"`
	Module    string     `json:"module,omitempty"`
	Function  string     `json:"function,omitempty"`
	Offset    uint64     `json:"offset,omitempty"` // bytes behind the function, or behind the module's start where none is known
	File      string     `json:"file,omitempty"`
	Line      int        `json:"line,omitempty"`
	Inlined   bool       `json:"inlined,omitempty"`
	System    bool       `json:"system,omitempty"` // not of the program's own code
	Variables []Variable `json:"variables,omitempty"`
}

// Variable is an argument, a local, or a member of one.
type Variable struct {
	Name     string     `json:"name"`
	Type     string     `json:"type,omitempty"`
	Value    string     `json:"value,omitempty"`
	Error    string     `json:"error,omitempty"` // why there is no value
	Argument bool       `json:"argument,omitempty"`
	Members  []Variable `json:"members,omitempty"`
}

// Memory is what lies around an address.
type Memory struct {
	Title   string  `json:"title"`
	Address Address `json:"address"` // of the first byte
	Bytes   string  `json:"bytes"`   // in hex; ?? cannot be read
}

// Module is an image in the process.
type Module struct {
	Name    string  `json:"name"`
	Path    string  `json:"path,omitempty"`
	BuildID string  `json:"buildId,omitempty"`
	Start   Address `json:"start"`
	End     Address `json:"end"`
	Symbols string  `json:"symbols,omitempty"`
}
