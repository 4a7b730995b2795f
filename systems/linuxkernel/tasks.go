package linuxkernel

import (
	"context"
	"iter"

	"dap-windbg/arch"
	"dap-windbg/systems"
)

// taskStates are letters of /proc/PID/stat by the highest bit that is set in
// task_struct.__state or exit_state (fs/proc/array.c, get_task_state); 0 runs.
var taskStates = []string{"S", "D", "T", "t", "X", "Z", "P"}

// processes walks the thread group leaders' task_structs, the idle task first.
func (r *reader) processes() iter.Seq[arch.Addr] {
	return func(yield func(arch.Addr) bool) {
		first := r.symbol("init_task")
		if first == 0 || !yield(first) {
			return
		}
		for at := range r.list(r.at(first, "task_struct", "tasks"), "task_struct", "tasks") {
			if !yield(at) {
				return
			}
		}
	}
}

// threads walks the task_structs of a process, its leader's first.
func (r *reader) threads(leader arch.Addr) iter.Seq[arch.Addr] {
	return func(yield func(arch.Addr) bool) {
		if _, ok := r.member("signal_struct", "thread_head"); !ok {
			yield(leader)
			return
		}
		signal := arch.Addr(r.get(leader, "task_struct", "signal"))
		if signal == 0 || r.stuck() {
			yield(leader)
			return
		}
		for at := range r.list(r.at(signal, "signal_struct", "thread_head"), "task_struct", "thread_node") {
			if !yield(at) {
				return
			}
		}
	}
}

// taskWindow is what of a task_struct is fetched together: the members that task reads.
func (r *reader) taskWindow(at arch.Addr) {
	lo, hi := ^arch.Addr(0), arch.Addr(0)
	for _, m := range []string{"tasks", "comm", "tgid", "real_parent", "signal"} {
		if f, ok := r.member("task_struct", m); ok {
			lo, hi = min(lo, f.offset), max(hi, f.offset+arch.Addr(f.size))
		}
	}
	if lo < hi && hi-lo < 4096 {
		r.touch(at+lo, int(hi-lo))
	}
}

// task reads a task_struct.
func (r *reader) task(at arch.Addr) systems.Task {
	r.taskWindow(at)
	t := systems.Task{Addr: at, CPU: -1}
	t.ID = int64(int32(r.get(at, "task_struct", "pid")))
	t.Name = r.taskName(at)
	if parent := arch.Addr(r.get(at, "task_struct", "real_parent")); parent != 0 {
		t.Parent = int64(int32(r.get(parent, "task_struct", "tgid")))
	}
	t.State = r.taskState(at)
	if f, ok := r.member("task_struct", "on_cpu"); ok && r.uint(at+f.offset, f.size) != 0 {
		t.CPU = r.taskCPU(at)
	}
	if mm := arch.Addr(r.get(at, "task_struct", "mm")); mm != 0 {
		t.Root = r.physical(arch.Addr(r.get(mm, "mm_struct", "pgd")))
	}
	return t
}

func (r *reader) taskState(at arch.Addr) string {
	name := "__state" // 5.14
	if _, ok := r.member("task_struct", name); !ok {
		name = "state"
	}
	bits := r.get(at, "task_struct", name) | r.get(at, "task_struct", "exit_state")
	if bits&0x402 == 0x402 { // TASK_IDLE: waits and does not count as load
		return "I"
	}
	for i := len(taskStates) - 1; i >= 0; i-- {
		if bits>>i&1 != 0 {
			return taskStates[i]
		}
	}
	return "R"
}

// taskCPU is the processor of a task: a member of its own (5.16), else of its thread_info.
func (r *reader) taskCPU(at arch.Addr) int {
	for _, name := range []string{"thread_info.cpu", "cpu"} {
		if f, ok := r.member("task_struct", name); ok {
			return int(r.uint(at+f.offset, f.size))
		}
	}
	return -1
}

// tasks lists every task, threads behind their leader.
func (r *reader) tasks() []systems.Task {
	var out []systems.Task
	for leader := range r.processes() {
		for at := range r.threads(leader) {
			out = append(out, r.task(at))
			if r.stuck() {
				return out
			}
		}
	}
	return out
}

// Registers implements systems.System: of a task that is switched out.
func (s *System) Registers(ctx context.Context, w systems.World, t systems.Task) (*arch.Registers, error) {
	r := s.reader(ctx, w)
	regs := r.switchedOut(t.Addr)
	return regs, r.end()
}

// switchedOut is what __switch_to_asm has left on a task's stack (struct
// inactive_task_frame, arch/x86/include/asm/switch_to.h): r15 to r12, rbx, rbp and
// where it goes on.
func (r *reader) switchedOut(task arch.Addr) *arch.Registers {
	regs := arch.NewRegisters(arch.AMD64.DefaultSet())
	sp := arch.Addr(r.get(task, "task_struct", "thread.sp"))
	var p [7 * 8]byte
	if sp == 0 || !r.read(sp, p[:]) {
		return nil
	}
	for i, name := range []string{"r15", "r14", "r13", "r12", "rbx", "rbp", "rip"} {
		regs.PutName(name, r.uint(sp+arch.Addr(8*i), 8))
	}
	regs.SetSP(sp + arch.Addr(len(p)))
	return regs
}

// physical translates an address of the kernel's direct map, image or modules.
func (r *reader) physical(a arch.Addr) uint64 {
	const text = 0xffffffff80000000 // __START_KERNEL_map
	if a >= text {
		base, ok := r.lookup("phys_base")
		if !ok {
			return 0
		}
		return uint64(a-text) + r.uint(base, 8)
	}
	offset := uint64(0xffff888000000000) // __PAGE_OFFSET_BASE_L4
	if at, ok := r.lookup("page_offset_base"); ok {
		offset = r.uint(at, 8)
	}
	if uint64(a) < offset {
		return 0
	}
	return uint64(a) - offset
}

// Flags of a task (include/linux/sched.h): the kernel runs it for itself, and it works
// for a queue.
const (
	kernelThread = 0x200000 // PF_KTHREAD
	queueWorker  = 0x20     // PF_WQ_WORKER
)

// taskName is what /proc calls a task: of a kernel thread the whole name, which is
// longer than what a task_struct holds (since 5.17).
func (r *reader) taskName(at arch.Addr) string {
	if _, ok := r.member("kthread", "full_name"); ok && r.get(at, "task_struct", "flags")&(kernelThread|queueWorker) == kernelThread {
		if thread := arch.Addr(r.get(at, "task_struct", "worker_private")); thread != 0 {
			if p := arch.Addr(r.get(thread, "kthread", "full_name")); p != 0 {
				return r.text(p, 64)
			}
		}
	}
	return r.text(r.at(at, "task_struct", "comm"), 16)
}
