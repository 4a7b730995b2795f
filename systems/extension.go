package systems

import (
	"context"
	"fmt"
	"io"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// This file is the seam between what an operating system's package knows and the
// command line: a table of commands, and the desk they work at. The command line
// finds the table of the session's System behind its own; it lists, completes and
// documents the rows as its own ones.

// Extension is a command over a System's structures.
type Extension struct {
	Name  string // as typed, with its mark: "!process", ".thread"
	Usage string // "!process [Address|PID [Flags]]"
	Help  string // one line
	// Run writes what it finds to d as it finds it. args is the text behind the
	// name. It runs while the debuggee waits and ends when ctx does.
	Run func(ctx context.Context, d Desk, args string) error
}

// Extender is a System that brings commands.
type Extender interface {
	Extensions() []Extension
}

// Desk is what an Extension works with. Its World reads memory at once, in the
// address space that is looked at, and never says symbols.NeedError.
type Desk interface {
	World
	io.Writer
	Width() int // columns of the screen
	// Evaluate is the value of an expression in the default evaluator.
	Evaluate(ctx context.Context, expr string) (uint64, error)
	// Locate names an address, "vmlinux!schedule+0x12"; "" when nothing is known there.
	Locate(a arch.Addr) string
	// Processors are what the far end schedules.
	Processors(ctx context.Context) ([]targets.Thread, error)
	// Processor is the selected one.
	Processor() targets.ThreadID
	// Memory reads another space than the one that is looked at: physical addresses, or
	// by a page table root.
	Memory(s targets.Space) symbols.Memory
	// Frames unwinds at most limit frames from c, the innermost first; those of inlined
	// calls are left out. Interrupted ones were entered by an exception, not by a call.
	Frames(ctx context.Context, c Context, limit int) ([]*arch.Registers, error)
	// WriteStack writes the stack that begins at c, as k does, each line behind indent;
	// limit 0 takes k's own depth.
	WriteStack(ctx context.Context, c Context, limit int, indent string) error
	// WriteRegisters writes registers, as r does.
	WriteRegisters(ctx context.Context, r *arch.Registers) error
	// Context is what SetContext set; its zero value is the processor's own.
	Context() Context
	// SetContext has all further commands look from there until the debuggee runs.
	SetContext(ctx context.Context, c Context) error
	// Changed drops what was known of the debuggee and is stale by e.
	Changed(e targets.Effect)
}

// Context is a place to look from: registers, and an address space. Parts that are
// zero are the selected processor's.
type Context struct {
	Task      Task            // whose it is
	Registers *arch.Registers // nil: the processor's
	Root      uint64          // page table root, physical; 0: the processor's
}

// Pseudoer is a System that knows pseudo-registers of its own: "proc" and "thread" are
// the task that is looked at, "cpu" the number of the processor.
type Pseudoer interface {
	// Pseudo is the value of one, and the structure that it points to, "" for a number.
	// It follows the rule of symbols.NeedError by saying false.
	Pseudo(ctx context.Context, w World, at Context, processor targets.ThreadID, name string) (value uint64, typ string, ok bool)
}

// PerCPU is a System in which each processor has its own of some variables.
type PerCPU interface {
	// PerCPU is where a processor's own lies of the variable at a, as its symbol says;
	// false when it is none of these.
	PerCPU(ctx context.Context, w World, processor targets.ThreadID, a arch.Addr) (arch.Addr, bool)
}

// UsageError: the arguments of an Extension are none that it takes.
type UsageError struct {
	Extension string
	Args      string
	At        int // where in Args the trouble begins, bytes
}

func (e *UsageError) Error() string {
	return fmt.Sprintf("%s does not take '%s'", e.Extension, e.Args[min(e.At, len(e.Args)):])
}

// Hint says where the usage is.
func (e *UsageError) Hint() string { return ".help " + e.Extension + " shows what it takes" }

// AbsentError: there is nothing of the kind that a command is for, and why.
type AbsentError struct{ Why string }

func (e *AbsentError) Error() string { return e.Why }

// Fields splits arguments at blanks and commas; what stands in brackets or quotes
// stays together, so that each may be an expression.
func Fields(args string) []string {
	var out []string
	depth, quoted, start := 0, false, -1
	end := func(i int) {
		if start >= 0 {
			out = append(out, args[start:i])
		}
		start = -1
	}
	for i := range len(args) {
		b := args[i]
		switch {
		case b == '"':
			quoted = !quoted
		case quoted:
		case strings.IndexByte("([", b) >= 0:
			depth++
		case strings.IndexByte(")]", b) >= 0:
			depth--
		case depth <= 0 && strings.IndexByte(" \t\r\n,", b) >= 0:
			end(i)
			continue
		}
		if start < 0 {
			start = i
		}
	}
	end(len(args))
	return out
}
