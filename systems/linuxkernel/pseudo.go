package linuxkernel

import (
	"context"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// This file tells expressions of the task that is looked at, and of the processors' own
// variables.

// number is the kernel's number of a processor: the order in which the far end lists
// them.
func number(ctx context.Context, w systems.World, id targets.ThreadID) (int, bool) {
	list, err := w.Target().Threads(ctx)
	n := slices.IndexFunc(list, func(t targets.Thread) bool { return t.ID == id })
	return n, err == nil && n >= 0
}

// Pseudo implements systems.Pseudoer.
func (s *System) Pseudo(ctx context.Context, w systems.World, at systems.Context, processor targets.ThreadID, name string) (uint64, string, bool) {
	if s.kernel == nil || name != "proc" && name != "thread" && name != "cpu" {
		return 0, "", false
	}
	n, ok := number(ctx, w, processor)
	if !ok || name == "cpu" {
		return uint64(n), "", ok
	}
	r := s.reader(ctx, w)
	task := at.Task.Addr
	if task == 0 {
		cpus := r.cpus()
		if n >= len(cpus) {
			return 0, "", false
		}
		task = r.currentOf(cpus[n])
	}
	if name == "proc" {
		task = r.leader(task)
	}
	return uint64(task), "task_struct", !r.stuck()
}

// PerCPU implements systems.PerCPU. Symbols of per-CPU variables are linked between
// __per_cpu_start and __per_cpu_end, from 0 on until 6.14; a kernel that names itself
// tells them as they were linked, a vmlinux moved as everything else.
func (s *System) PerCPU(ctx context.Context, w systems.World, processor targets.ThreadID, a arch.Addr) (arch.Addr, bool) {
	const most = 16 << 20 // PERCPU_DYNAMIC_RESERVE and what is static
	if s.kernel == nil {
		return 0, false
	}
	r := s.reader(ctx, w)
	first, _ := r.lookup("__per_cpu_start")
	if a < first || a-first > most {
		return 0, false
	}
	n, ok := number(ctx, w, processor)
	cpus := r.cpus()
	if !ok || n >= len(cpus) || r.stuck() {
		return 0, false
	}
	return a - first + cpus[n].offset, true
}
