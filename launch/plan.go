package launch

import (
	"fmt"
	"time"

	"dap-windbg/engine"
	"dap-windbg/targets"
)

// Request is what a Plan asks for.
type Request uint8

const (
	Launch Request = iota
	Attach
)

// Plan is everything needed to start a debug session; adapter, console and run
// start from it and read no configuration themselves.
type Plan struct {
	Request Request

	// Launch
	Program     targets.Program
	StopAtEntry bool
	Console     string // "internalConsole", "integratedTerminal", "externalTerminal"
	Stdin       string // file fed to the program, "" none
	Gdbserver   string // server program to run, "" = gdbserver from PATH
	CrashesOnly bool   // nothing of the program matters but how it ends: modules are not followed
	Unattended  bool   // nobody is there: the program writes into a pipe and has no input but Stdin

	// Attach
	ProcessID     int64
	ProcessName   string
	WaitFor       bool
	Connection    *Connection // target link; nil: a local gdbserver
	ProcessServer *Connection
	Implicit      bool // start what the process server was given for that
	CoreFile      string
	Child         string      // token of a forked process that waits in a Nursery
	Remote        *Connection // shared debug session

	SymbolPath, SourcePath, ImagePath, Sysroot string
	SourceMap                                  []PathMap
	Natvis                                     []string
	DebugInfoD                                 []string
	NoIndexCache                               bool // indexes of large images are not kept

	InitCommands, PostConnectCommands, ExitCommands []string

	Exceptions    []string // filter ids
	StepFilter    []string
	AllowCalls    bool // expressions may call functions of the debuggee
	StopOnConnect bool
	FollowForks   string // "parent", "child", "both", "none", "" = parent
	OS            string // "linux", "linuxkernel", "windows", "windowskernel", "" = found out
	Trace         string // file
	Timeout       time.Duration
	Trusted       bool // false: no commands and no programs of the configuration's choosing

	Breakpoints []engine.Breakpoint // to start with (restart)
}

// PathMap rewrites a path prefix.
type PathMap struct{ From, To string }

// ConfigError: a field of the configuration is wrong.
type ConfigError struct {
	Field string
	Value string
	Want  string // what it should be, or a whole sentence when Field is ""
	Fix   string
}

func (e *ConfigError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("launch configuration: %s: %s", e.Field, e.Want)
	}
	return fmt.Sprintf("launch configuration: %s is %q: %s", e.Field, e.Value, e.Want)
}

// Hint says what the user can do.
func (e *ConfigError) Hint() string { return e.Fix }

// NewPlan is a Plan of the person at the keyboard: trusted, with the defaults of
// the field table.
func NewPlan() Plan {
	return Plan{Console: "internalConsole", Timeout: 30 * time.Second, Trusted: true}
}
