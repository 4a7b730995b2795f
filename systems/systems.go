package systems

import (
	"context"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// World is what a System may use. Memory reads follow the rule of
// symbols.NeedError.
type World interface {
	symbols.Memory
	Target() targets.Target
	// Address finds a symbol, "mod!name" or "name".
	Address(name string) (arch.Addr, error)
	Type(name string) (*symbols.Type, error)
}

// Task is a process or thread the OS knows.
type Task struct {
	ID     int64
	Parent int64
	Name   string
	State  string
	CPU    int // -1: not on a CPU
	Addr   arch.Addr
	Root   uint64 // page table root
}

// System is OS awareness.
type System interface {
	Name() string
	// Modules lists images in place, main image first. Incomplete early in a
	// program's life is normal.
	Modules(ctx context.Context, w World) ([]targets.Module, error)
	Tasks(ctx context.Context, w World) ([]Task, error)
	// Registers of a task that is switched out.
	Registers(ctx context.Context, w World, t Task) (*arch.Registers, error)
	// Watch names code whose execution means that the module list may have
	// changed; the engine plants hidden traps there.
	Watch() []string
}
