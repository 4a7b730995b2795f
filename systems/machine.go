package systems

import (
	"context"
	"errors"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// This file is what a System of a whole machine may do besides.

// ErrNotYet goes with an incomplete list of modules: it is to be asked for again once
// the symbols of the main image are there, and at the next stop.
var ErrNotYet = errors.New("not everything can be found yet")

// Namer knows names of images that no file was found for. Reads follow the rule of
// symbols.NeedError.
type Namer interface {
	Image(ctx context.Context, w World, m targets.Module) (symbols.Image, error)
}

// Loader is a Namer with names that take so long to read that it waits to be told to.
type Loader interface {
	// Load reads the names of m at once, past the stop's cache, and reports whether Image has
	// more of them now. What was read stays when ctx ends, and is gone on with the next time.
	Load(ctx context.Context, w World, m targets.Module) (more bool, err error)
}

// Placer finds out where the sections of an image lie, which whoever opens its file
// has to know. Reads follow the rule of symbols.NeedError.
type Placer interface {
	Place(ctx context.Context, w World, m targets.Module) error
}

// Identifier finds out what identifies an image's file (Stamp, Size, BuildID), which
// whoever looks for it has to know, and the list of modules does not tell. Reads follow
// the rule of symbols.NeedError.
type Identifier interface {
	Identify(ctx context.Context, w World, m targets.Module) (targets.Module, error)
}

// Fatal names functions that a machine goes down by. Their entry is told as an
// exception, in the words of Last, which has the registers there.
type Fatal interface {
	Fatal() []string
	Last(ctx context.Context, w World, function string, r *arch.Registers) (string, error)
}

// Restarter notices that a machine has been started anew since it was asked last. r are
// the registers of the CPU that stopped.
type Restarter interface {
	Restarted(ctx context.Context, w World, r *arch.Registers) (bool, error)
	// Forget drops what was known of the machine.
	Forget()
}

// Isolator is a system that is not mapped in the address spaces of its programs.
type Isolator interface {
	// Root is the page table root that maps all of the system, for a CPU with the
	// registers r whose own root does not; 0 where nothing is hidden. look reads physical
	// memory and follows the rule of symbols.NeedError.
	Root(r *arch.Registers, look func(physical uint64, p []byte) error) (uint64, error)
}

// Inner is a system with a debugger in it, which a session may go through.
type Inner interface {
	// ActiveCPU names the variable that has the number of the processor that is in it, an int32.
	ActiveCPU() string
	// StepsAlone names the int32 that is 1 where the others wait while one processor steps. The
	// debugger clears it when it is entered.
	StepsAlone() string
	// Standing names the int32 that counts the processors which stand in the debugger until the
	// one that stopped goes on; those that wait to tell of a stop of their own are not among them.
	Standing() string
	// Entered tells where the debugger has what the processor cpu goes on with: its program
	// counter, with the words behind it that x86's IRET takes. Reading follows the rule of
	// symbols.NeedError.
	Entered(ctx context.Context, w World, cpu int) (arch.Addr, error)
	// Untrapped names functions which the debugger runs through itself when it is entered or
	// sets traps, and which it would die of if it met one there.
	Untrapped() []string
}

// Noticer names functions that are entered when the module list has changed or, of what
// goes, when its memory is still there. Each of those that exist is watched.
type Noticer interface {
	Notices() []string
}
