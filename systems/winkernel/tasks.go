package winkernel

import (
	"context"
	"encoding/binary"
	"iter"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// threadStates are the names of KTHREAD_STATE.
var threadStates = []string{"INITIALIZED", "READY", "RUNNING", "STANDBY", "TERMINATED", "WAIT", "TRANSITION", "DEFERREDREADY", "GATEWAIT", "WAITINGFORPROCESSINSWAP"}

func stateName(n uint64) string {
	if int(n) < len(threadStates) {
		return threadStates[n]
	}
	return "UNKNOWN"
}

// waitReasons are the names of KWAIT_REASON (wdm.h).
var waitReasons = []string{"Executive", "FreePage", "PageIn", "PoolAllocation", "DelayExecution", "Suspended", "UserRequest",
	"WrExecutive", "WrFreePage", "WrPageIn", "WrPoolAllocation", "WrDelayExecution", "WrSuspended", "WrUserRequest", "WrEventPair",
	"WrQueue", "WrLpcReceive", "WrLpcReply", "WrVirtualMemory", "WrPageOut", "WrRendezvous", "WrKeyedEvent", "WrTerminated",
	"WrProcessInSwap", "WrCpuRateControl", "WrCalloutStack", "WrKernel", "WrResource", "WrPushLock", "WrMutex", "WrQuantumEnd",
	"WrDispatchInt", "WrPreempted", "WrYieldExecution", "WrFastMutex", "WrGuardedMutex", "WrRundown", "WrAlertByThreadId", "WrDeferredPreempt"}

func reasonName(n uint64) string {
	if int(n) < len(waitReasons) {
		return waitReasons[n]
	}
	return "Unknown"
}

// processes walks the EPROCESSes of PsActiveProcessHead.
func (r *reader) processes() iter.Seq[arch.Addr] {
	return func(yield func(arch.Addr) bool) {
		head, ok := r.variable(kdProcesses, "PsActiveProcessHead")
		links, known := r.find("_EPROCESS", "ActiveProcessLinks")
		if !ok || !known {
			r.note(r.unknown("_EPROCESS", "ActiveProcessLinks"))
			return
		}
		for at := range r.list(head, links.off) {
			if !yield(at) {
				return
			}
		}
	}
}

// threads walks the ETHREADs of a process.
func (r *reader) threads(process arch.Addr) iter.Seq[arch.Addr] {
	return func(yield func(arch.Addr) bool) {
		head, ok := r.find("_EPROCESS", "ThreadListHead")
		links, known := r.find("_ETHREAD", "ThreadListEntry")
		if !ok || !known {
			r.note(r.unknown("_ETHREAD", "ThreadListEntry"))
			return
		}
		for at := range r.list(process+head.off, links.off) {
			if !yield(at) {
				return
			}
		}
	}
}

// Process is an EPROCESS.
type Process struct {
	Addr         arch.Addr
	PID, Parent  uint64
	Peb          arch.Addr
	Root         uint64
	Table        arch.Addr // handle table
	Handles      uint64
	HandlesKnown bool
	Session      uint64
	SessionKnown bool
	Name         string
}

func (r *reader) process(at arch.Addr) Process {
	r.touch(at, "_EPROCESS", "UniqueProcessId", "InheritedFromUniqueProcessId", "Peb", "ObjectTable", "ImageFileName")
	p := Process{Addr: at, PID: r.get(at, "_EPROCESS", "UniqueProcessId"), Root: r.get(at, "_EPROCESS", "Pcb.DirectoryTableBase") &^ 0xfff}
	p.Name = r.text(r.at(at, "_EPROCESS", "ImageFileName"), 15)
	parent, _ := r.try(at, "_EPROCESS", "InheritedFromUniqueProcessId")
	peb, _ := r.try(at, "_EPROCESS", "Peb")
	p.Parent, p.Peb = parent, arch.Addr(peb)
	if t, ok := r.try(at, "_EPROCESS", "ObjectTable"); ok {
		p.Table = arch.Addr(t)
		if t != 0 {
			p.Handles, p.HandlesKnown = r.try(p.Table, "_HANDLE_TABLE", "HandleCount")
		}
	}
	return p
}

// Thread is an ETHREAD.
type Thread struct {
	Addr       arch.Addr
	PID, TID   uint64
	Process    arch.Addr // it belongs to
	Attached   arch.Addr // whose address space it uses
	Teb        arch.Addr
	State      uint64
	Reason     uint64
	Stack      arch.Addr // saved stack pointer
	Init       arch.Addr
	Base       arch.Addr
	Limit      arch.Addr
	Start      arch.Addr
	Processor  uint64
	WaitObject arch.Addr
	UserMode   bool
}

func (r *reader) thread(at arch.Addr) Thread {
	r.touch(at, "_KTHREAD", "InitialStack", "KernelStack", "ApcState.Process", "Teb", "State")
	r.touch(at, "_ETHREAD", "Cid.UniqueProcess", "Win32StartAddress")
	t := Thread{Addr: at, State: r.get(at, "_KTHREAD", "State"), Stack: arch.Addr(r.get(at, "_KTHREAD", "KernelStack"))}
	t.PID, _ = r.try(at, "_ETHREAD", "Cid.UniqueProcess")
	t.TID, _ = r.try(at, "_ETHREAD", "Cid.UniqueThread")
	address := func(path string) arch.Addr {
		v, _ := r.try(at, "_KTHREAD", path)
		return arch.Addr(v)
	}
	t.Attached, t.Teb = address("ApcState.Process"), address("Teb")
	if t.Process = address("Process"); t.Process == 0 {
		t.Process = t.Attached
	}
	t.Init, t.Base, t.Limit, t.WaitObject = address("InitialStack"), address("StackBase"), address("StackLimit"), address("WaitObject")
	t.Reason, _ = r.try(at, "_KTHREAD", "WaitReason")
	t.Processor, _ = r.try(at, "_KTHREAD", "NextProcessor")
	mode, _ := r.try(at, "_KTHREAD", "WaitMode")
	t.UserMode = mode == 1
	start, _ := r.try(at, "_ETHREAD", "Win32StartAddress")
	t.Start = arch.Addr(start)
	return t
}

// prcbs are the processors' control blocks.
func (r *reader) prcbs(n int) []arch.Addr {
	at, ok := r.variable(kdProcessorBlock, "KiProcessorBlock")
	if !ok {
		r.note(&FieldError{"the kernel", "KiProcessorBlock"})
		return nil
	}
	var out []arch.Addr
	for i := range n {
		p := r.pointer(at + arch.Addr(i*r.s.width()))
		if p == 0 || r.stuck() {
			break
		}
		out = append(out, p)
	}
	return out
}

// current is the thread that runs on a processor.
func (r *reader) current(prcb arch.Addr) arch.Addr {
	return arch.Addr(r.get(prcb, "_KPRCB", "CurrentThread"))
}

const running = 2 // KTHREAD_STATE

// Tasks implements systems.System: threads, by process.
func (s *System) Tasks(ctx context.Context, w systems.World) ([]systems.Task, error) {
	if _, err := s.known(ctx, w); err != nil {
		return nil, err
	}
	r := s.reader(ctx, w)
	var out []systems.Task
	for at := range r.processes() {
		p := r.process(at)
		for th := range r.threads(at) {
			if r.stuck() {
				break
			}
			out = append(out, taskOf(r.thread(th), p))
		}
	}
	return out, r.end()
}

func taskOf(t Thread, p Process) systems.Task {
	task := systems.Task{ID: int64(t.TID), Parent: int64(p.PID), Name: p.Name, State: strings.ToLower(stateName(t.State)), CPU: -1, Addr: t.Addr, Root: p.Root}
	if t.State == running {
		task.CPU = int(t.Processor)
	}
	return task
}

// Registers implements systems.System: of a thread that waits.
func (s *System) Registers(ctx context.Context, w systems.World, t systems.Task) (*arch.Registers, error) {
	r := s.reader(ctx, w)
	regs := r.switchedOut(t.Addr)
	return regs, r.end()
}

// switchedOut is what SwapContext has left on a thread's stack on x64: the frame
// pointer at 30h, the return address at 38h (KSWITCH_FRAME).
func (r *reader) switchedOut(thread arch.Addr) *arch.Registers {
	if r.s.width() == 4 {
		return r.switchedOut32(thread)
	}
	const frame, ret, top = 0x30, 0x38, 0x40
	sp := arch.Addr(r.get(thread, "_KTHREAD", "KernelStack"))
	var p [16]byte
	if sp == 0 || r.stuck() || !r.read(sp+frame, p[:]) {
		return nil
	}
	set := arch.AMD64.DefaultSet()
	if s := r.w.Target().Info().Set; s != nil {
		set = s
	}
	regs := arch.NewRegisters(set)
	regs.PutName("rbp", le64(p[:]))
	regs.PutName("rip", le64(p[ret-frame:]))
	regs.SetSP(sp + top)
	return regs
}

// switchedOut32 is the same on x86: a KSWITCHFRAME with the return address at 8, behind
// it the registers that KiSwapContext saved, ebp first.
func (r *reader) switchedOut32(thread arch.Addr) *arch.Registers {
	const ret, saved, top = 8, 12, 28
	sp := arch.Addr(r.get(thread, "_KTHREAD", "KernelStack"))
	var p [top]byte
	if sp == 0 || r.stuck() || !r.read(sp, p[:]) {
		return nil
	}
	set := arch.I386.DefaultSet()
	if s := r.w.Target().Info().Set; s != nil {
		set = s
	}
	regs := arch.NewRegisters(set)
	regs.PutName("eip", uint64(binary.LittleEndian.Uint32(p[ret:])))
	for i, n := range []string{"ebp", "edi", "esi", "ebx"} {
		regs.PutName(n, uint64(binary.LittleEndian.Uint32(p[saved+4*i:])))
	}
	regs.SetSP(sp + saved)
	return regs
}

// Pseudo implements systems.Pseudoer: "thread" is an ETHREAD, "proc" the EPROCESS whose
// address space it uses, or that .process has set.
func (s *System) Pseudo(ctx context.Context, w systems.World, at systems.Context, processor targets.ThreadID, name string) (uint64, string, bool) {
	n := int(processor.Thread) - 1
	if s.kernel == nil || n < 0 || name != "proc" && name != "thread" && name != "cpu" {
		return 0, "", false
	}
	if name == "cpu" {
		return uint64(n), "", true
	}
	task := at.Task
	if name == "proc" && task.Addr != 0 && task.ID == 0 {
		return uint64(task.Addr), "_EPROCESS", true
	}
	r := s.reader(ctx, w)
	thread := task.Addr
	if thread == 0 || task.ID == 0 {
		all := r.prcbs(n + 1)
		if n >= len(all) {
			return 0, "", false
		}
		thread = r.current(all[n])
	}
	if name == "thread" {
		return uint64(thread), "_ETHREAD", !r.stuck()
	}
	process := r.get(thread, "_KTHREAD", "ApcState.Process")
	return process, "_EPROCESS", !r.stuck()
}
