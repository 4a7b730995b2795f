package winkernel

import (
	"encoding/binary"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

var processRows = []row{
	{"!process", "!process [Process | PID [Flags [Image]]]", "processes: 0 0 lists all; flags 1 details, 2 threads, 4 stacks", (*call).processCommand},
	{".process", ".process [/i] [/p] [/r] [Process]", "look at the address space of a process; /i runs until it is entered", (*call).setProcess},
	{"!thread", "!thread [Thread [Flags]]", "one thread with its stack", (*call).threadCommand},
	{".thread", ".thread [/p] [/r] [Thread]", "look from the registers of a thread", (*call).setThread},
	{"!stacks", "!stacks [0 | 1 | 2 [Filter]]", "where every thread waits, a line each", (*call).stacks},
	{"!peb", "!peb [Address]", "the environment of the process that is looked at", (*call).peb},
}

// Flags of !process and !thread.
const (
	withDetails = 1
	withThreads = 2
	withStacks  = 4
)

func (c *call) processCommand() error {
	c.options()
	which, err := c.number(0, ^uint64(0))
	if err != nil {
		return err
	}
	all := len(c.words) > 0 && which == 0
	def := uint64(0xf)
	if all || len(c.words) == 0 {
		def = 3
	}
	flags, err := c.number(1, def)
	if err != nil {
		return err
	}
	if all {
		c.printf("**** NT ACTIVE PROCESS DUMP ****\n")
		return c.allProcesses(flags)
	}
	at, err := c.processNamed(which)
	if err != nil {
		return err
	}
	c.writeProcess(c.process(at), flags)
	return c.end()
}

func (c *call) allProcesses(flags uint64) error {
	image := ""
	if len(c.words) > 2 {
		image = strings.ToLower(c.words[2])
	}
	for at := range c.reader.processes() {
		p := c.process(at)
		if c.stuck() {
			break
		}
		if image == "" || strings.HasPrefix(image, strings.ToLower(p.Name)) {
			c.writeProcess(p, flags)
		}
	}
	return c.end()
}

// NoProcessError: there is no such process.
type NoProcessError struct{ ID uint64 }

func (e *NoProcessError) Error() string { return fmt.Sprintf("there is no process %x", e.ID) }

// Hint says what the user can do.
func (e *NoProcessError) Hint() string { return "!process 0 0 lists them" }

// processNamed finds an EPROCESS by its address or by process id; all ones is the
// one that is looked at.
func (c *call) processNamed(id uint64) (arch.Addr, error) {
	if id == ^uint64(0) || c.s.width() == 4 && uint32(id) == ^uint32(0) {
		return c.currentProcess()
	}
	if c.s.kernelSpace(id) {
		return c.s.address(id), nil
	}
	for at := range c.reader.processes() {
		if c.get(at, "_EPROCESS", "UniqueProcessId") == id {
			return at, c.end()
		}
	}
	if err := c.end(); err != nil {
		return 0, err
	}
	return 0, &NoProcessError{id}
}

// currentThread is the one that is looked from.
func (c *call) currentThread() (arch.Addr, error) {
	if t := c.Context().Task; t.Addr != 0 && t.ID != 0 {
		return t.Addr, nil
	}
	n, err := c.processors()
	if err != nil {
		return 0, err
	}
	all := c.prcbs(n)
	if k := c.processor(); k < len(all) {
		return c.current(all[k]), c.end()
	}
	return 0, c.end()
}

func (c *call) currentProcess() (arch.Addr, error) {
	if t := c.Context().Task; t.Addr != 0 && t.ID == 0 {
		return t.Addr, nil // .process
	}
	t, err := c.currentThread()
	if err != nil {
		return 0, err
	}
	return arch.Addr(c.get(t, "_KTHREAD", "ApcState.Process")), c.end()
}

func (c *call) writeProcess(p Process, flags uint64) {
	session := "none"
	if p.Peb != 0 {
		if v, ok := c.sessionOf(p); ok {
			session = fmt.Sprint(v)
		}
	}
	handles := "<Data Not Accessible>"
	if p.HandlesKnown {
		handles = fmt.Sprintf("%4d.", p.Handles)
	}
	c.printf("PROCESS %s\n", hex(c.s, p.Addr))
	c.printf("    SessionId: %s  Cid: %04x    Peb: %s  ParentCid: %04x\n", session, p.PID, short(uint64(p.Peb)), p.Parent)
	c.printf("    DirBase: %s  ObjectTable: %s  HandleCount: %s\n    Image: %s\n", short(p.Root), hex(c.s, p.Table), handles, p.Name)
	if flags&withDetails != 0 {
		vad, _ := c.try(p.Addr, "_EPROCESS", "VadRoot")
		token, _ := c.try(p.Addr, "_EPROCESS", "Token")
		c.printf("    VadRoot %s\n    Token                             %s\n", hex(c.s, vad), hex(c.s, token&^0xf))
	}
	c.printf("\n")
	if flags&withThreads == 0 {
		return
	}
	for at := range c.threads(p.Addr) {
		if c.stuck() {
			return
		}
		c.writeThread(c.thread(at), "        ")
		if flags&withStacks != 0 {
			c.writeThreadStack(c.thread(at), p, "        ", 0)
		}
		c.printf("\n")
	}
}

func short(v uint64) string {
	if v>>32 == 0 {
		return fmt.Sprintf("%08x", v)
	}
	return fmt.Sprintf("%x", v)
}

// sessionOf reads the session from the process environment, in its own space.
func (c *call) sessionOf(p Process) (uint64, bool) {
	m, ok := c.find("_PEB", "SessionId")
	var b [8]byte
	if !ok {
		return 0, false
	}
	n, err := c.Memory(targets.Space{Root: p.Root}).ReadMemory(c.ctx, p.Peb+m.off, b[:4])
	return le64(b[:]), err == nil && n == 4
}

func (c *call) setProcess() error {
	o := c.options()
	if len(c.words) == 0 && len(o) == 0 {
		if err := c.SetContext(c.ctx, systems.Context{}); err != nil {
			return err
		}
		c.s.users = nil
		c.Changed(targets.Effect{ModulesChanged: true})
		at, err := c.currentProcess()
		c.printf("Implicit process is now %s\n", tick(c.s, at))
		return err
	}
	id, err := c.number(0, ^uint64(0))
	if err != nil {
		return err
	}
	at, err := c.processNamed(id)
	if err != nil {
		return err
	}
	p := c.process(at)
	if err := c.end(); err != nil {
		return err
	}
	if o["i"] {
		return c.invade(p)
	}
	task := systems.Task{Parent: int64(p.PID), Name: p.Name, CPU: -1, Addr: p.Addr, Root: p.Root}
	if err := c.SetContext(c.ctx, systems.Context{Task: task, Root: p.Root}); err != nil {
		return err
	}
	c.printf("Implicit process is now %s\n", tick(c.s, at))
	if o["r"] {
		return c.loadUser(p)
	}
	return nil
}

// What the kernel's worker for the debugger is told by (ReactOS's ntoskrnl/ex/dbgctrl.c,
// dmaivel/ntoseye): a process to attach to, and the state of its work, 0 none, 1 asked for,
// 2 queued. The worker takes both and breaks in, with status 7, when it has attached.
const (
	workerState  = "ExpDebuggerWork"
	workerAttach = "ExpDebuggerProcessAttach"
)

// invade has the kernel itself attach to a process, by the worker that it has for the
// debugger. Nothing happens before the machine runs.
func (c *call) invade(p Process) error {
	w, ok := c.Target().(targets.Writer)
	if !ok {
		return fmt.Errorf(".process /i writes memory of the kernel, which this connection cannot")
	}
	var at [2]arch.Addr
	for i, name := range []string{workerState, workerAttach} {
		if at[i], ok = c.symbol(name); !ok {
			return &WorkerError{Reason: "the kernel's symbol " + KernelName + "!" + name + " is not known"}
		}
	}
	if state := c.uint(at[0], 4); c.end() != nil {
		return c.end()
	} else if state != 0 {
		return &WorkerError{Reason: "the worker is busy with what it was asked before: let the machine run first"}
	}
	defer c.Changed(targets.Effect{MemoryChanged: true})
	to := binary.LittleEndian.AppendUint64(nil, uint64(p.Addr))[:c.s.width()]
	if _, err := w.WriteMemory(c.ctx, targets.Space{}, at[1], to); err != nil {
		return err
	}
	if _, err := w.WriteMemory(c.ctx, targets.Space{}, at[0], []byte{1, 0, 0, 0}); err != nil {
		return err
	}
	c.printf("You need to continue execution (press 'g' <enter>) for the context\nto be switched. When the debugger breaks in again, you will be in\nthe new process context.\n")
	return nil
}

// WorkerError: the kernel's worker cannot be told to attach.
type WorkerError struct{ Reason string }

func (e *WorkerError) Error() string { return ".process /i: " + e.Reason }

// Hint says what the user can do.
func (e *WorkerError) Hint() string {
	return ".process /p looks at the process by its page tables, without the kernel's help"
}

// loadUser reads the modules of a process, whose space is looked at.
func (c *call) loadUser(p Process) error {
	c.printf("Loading User Symbols\n")
	c.s.users = nil
	if p.Peb == 0 {
		c.printf("PEB is NULL: a process of the kernel has no user modules\n")
		return nil
	}
	inner := *c.reader
	inner.w = spaced{c.Desk, targets.Space{Root: p.Root}}
	mods := inner.userModules(p.Peb)
	if err := inner.end(); err != nil {
		return fmt.Errorf("reading the modules of %s: %w", p.Name, err)
	}
	c.s.users, c.s.userOf = mods, p.Addr
	c.Changed(targets.Effect{ModulesChanged: true})
	for range mods {
		c.printf(".")
	}
	c.printf("\n")
	return nil
}

// stacks writes a line a thread.
func (c *call) stacks() error {
	detail, err := c.number(0, 0)
	if err != nil {
		return err
	}
	filter := ""
	if len(c.words) > 1 {
		filter = strings.ToLower(c.words[1])
	}
	c.printf("Proc.Thread  .Thread  ThreadState  Blocker\n")
	for at := range c.reader.processes() {
		p := c.process(at)
		if c.stuck() {
			break
		}
		c.printf("                            [%s %s]\n", hex(c.s, p.Addr), p.Name)
		for th := range c.threads(at) {
			if c.stuck() {
				break
			}
			c.stackLine(c.thread(th), p, detail, filter)
		}
		c.printf("\n")
	}
	return c.end()
}

// waiting are functions that every thread which waits is in; what called them tells.
var waiting = []string{"SwapContext", "KiSwapContext", "KiSwapThread", "KiCommitThreadWait", "KeWaitForSingleObject", "KeWaitForMultipleObjects",
	"KeDelayExecutionThread", "KeRemoveQueueEx", "KeRemoveQueue", "KeRemovePriQueue", "KiCommitThread"}

func (c *call) stackLine(t Thread, p Process, detail uint64, filter string) {
	blocker := "no stack"
	if at, err := c.contextOf(t, p); err == nil && at.Registers != nil {
		frames, _ := c.Frames(c.ctx, at, 16)
		blocker = c.blocker(frames, detail)
	}
	if filter != "" && !strings.Contains(strings.ToLower(blocker), filter) {
		return
	}
	state := map[string]string{"WAIT": "Blocked", "RUNNING": "RUNNING", "READY": "READY"}[stateName(t.State)]
	if state == "" {
		state = stateName(t.State)
	}
	c.printf("%4x.%06x  %s  %-10s %s\n", t.PID, t.TID, tick(c.s, t.Addr), state, blocker)
}

func (c *call) blocker(frames []*arch.Registers, detail uint64) string {
	out := "no stack"
	for i, f := range frames {
		name := c.locate(f.PC())
		out = name
		_, function, _ := strings.Cut(name, "!")
		function, _, _ = strings.Cut(function, "+")
		skip := false
		for _, w := range waiting {
			skip = skip || function == w
		}
		if !skip || detail > 1 && i > 0 {
			return out
		}
	}
	return out
}

func (c *call) peb() error {
	at, err := c.number(0, 0)
	if err != nil {
		return err
	}
	proc, err := c.currentProcess()
	if err != nil {
		return err
	}
	p := c.process(proc)
	if at == 0 {
		at = uint64(p.Peb)
	}
	if at == 0 {
		c.printf("PEB NULL...\n")
		return c.end()
	}
	inner := *c.reader
	inner.w = spaced{c.Desk, targets.Space{Root: p.Root}}
	r := &inner
	peb := arch.Addr(at)
	c.printf("PEB at %s\n", hex(c.s, peb))
	c.printf("    BeingDebugged:            %s\n", yes(r.get(peb, "_PEB", "BeingDebugged") != 0))
	c.printf("    ImageBaseAddress:         %s\n", hex(c.s, r.get(peb, "_PEB", "ImageBaseAddress")))
	c.printf("    Ldr                       %s\n", hex(c.s, r.get(peb, "_PEB", "Ldr")))
	for _, m := range r.userModules(peb) {
		c.printf("            %x %s\n", uint64(m.Base), m.Path)
	}
	params := arch.Addr(r.get(peb, "_PEB", "ProcessParameters"))
	if params != 0 && !r.stuck() {
		c.printf("    ProcessParameters:        %s\n", hex(c.s, params))
		c.printf("    ImageFile:    '%s'\n", r.unicode(r.at(params, "_RTL_USER_PROCESS_PARAMETERS", "ImagePathName")))
		c.printf("    CommandLine:  '%s'\n", r.unicode(r.at(params, "_RTL_USER_PROCESS_PARAMETERS", "CommandLine")))
	}
	return r.end()
}

func yes(b bool) string {
	if b {
		return "Yes"
	}
	return "No"
}
