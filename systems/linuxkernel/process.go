package linuxkernel

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// This file shows processes and threads, and lets a session look from one of them.

var processRows = []row{
	{"!process", "!process [/s CPU] [Addr|PID|0|-1 [Flags [Name]]]", "processes, or one; flags: 1 times and memory, 2 threads, 4 stacks, 10 look from it; 0 0 lists all", showProcesses},
	{"!thread", "!thread [Addr|TID [Flags]]", "a thread with its stack; default the selected processor's; flags 2 without the stack", showThread},
	{".process", ".process [/p] [/r] [/i] [Addr|PID]", "look at memory from a process's address space; without an argument from the processor's own", setProcess},
	{".thread", ".thread [/p] [/r] [Addr|TID]", "look from a thread's saved registers; without an argument from the processor's", setThread},
	{".context", ".context [DirBase]", "page table root that memory is looked at by; 0 the processor's own", setRoot},
	{"!ps", "!ps [-t] [Pattern]", "tasks in one line each, -t with all threads of each process", listTasks},
	{"!stacks", "!stacks [0|1|2 [Filter]]", "what every thread waits in; 1 with those that wait for work, 2 with whole stacks", briefStacks},
	{"!running", "!running [-i] [-t]", "what runs on each processor; -i idle ones too, -t with stacks", running},
	{"!runq", "!runq [CPU]", "run queues of the processors", runQueues},
	{"!ready", "!ready [CPU]", "as !runq", runQueues},
}

// lookup is the task that an argument names: an address, or a number of the kernel's.
func (c *command) task(arg string) (arch.Addr, error) {
	n, err := c.d.Evaluate(c.ctx, arg)
	if err != nil {
		return 0, err
	}
	if n > 1<<32 {
		return arch.Addr(n), nil
	}
	for t := range c.everyone() {
		if c.get(t, "task_struct", "pid") == n && (n != 0 || t == c.symbol("init_task")) {
			return t, nil
		}
	}
	if err := c.end(); err != nil {
		return 0, err
	}
	return 0, failed("there is no task 0x%x (0n%d)", n, n)
}

// everyone walks all tasks, threads behind their leader.
func (r *reader) everyone() func(yield func(arch.Addr) bool) {
	return func(yield func(arch.Addr) bool) {
		for leader := range r.processes() {
			for t := range r.threads(leader) {
				if !yield(t) {
					return
				}
			}
		}
	}
}

// current is the task of the selected processor: what its registers lead to.
func (c *command) current() (arch.Addr, error) {
	if t := c.d.Context().Task.Addr; t != 0 {
		return t, nil
	}
	on, err := c.processor()
	if err != nil {
		return 0, err
	}
	return c.currentOf(on), c.end()
}

// processor is the selected one, as the kernel numbers it.
func (c *command) processor() (cpu, error) {
	list, err := c.d.Processors(c.ctx)
	if err != nil {
		return cpu{}, err
	}
	n := slices.IndexFunc(list, func(t targets.Thread) bool { return t.ID == c.d.Processor() })
	cpus := c.cpus()
	if err := c.end(); err != nil {
		return cpu{}, err
	}
	if n < 0 || n >= len(cpus) {
		return cpu{}, failed("the selected thread is no processor")
	}
	return cpus[n], nil
}

// currentOf is the task that runs on a processor (arch/x86/include/asm/current.h): a
// per-CPU variable, from 6.2 a member of pcpu_hot.
func (r *reader) currentOf(on cpu) arch.Addr {
	if _, ok := r.lookup("pcpu_hot"); ok {
		return arch.Addr(r.get(r.perCPU("pcpu_hot", on), "pcpu_hot", "current_task"))
	}
	return r.pointer(r.perCPU("current_task", on))
}

// Flags of !process.
const (
	showTimes   = 1
	showThreads = 2
	showStacks  = 4
	setContext  = 0x10
)

func showProcesses(c *command) error {
	if _, err := c.options("/", "s", "m"); err != nil {
		return err
	}
	which, name := "-1", ""
	if len(c.args) > 0 {
		which = c.args[0]
	}
	def := uint64(0xf)
	if which == "0" || which == "-1" {
		def = 3
	}
	flags, err := c.value(1, def)
	if err != nil {
		return err
	}
	if len(c.args) > 2 {
		name = strings.Trim(c.args[2], `"`)
	}
	if err := c.most(3); err != nil {
		return err
	}
	if which != "0" {
		at, err := c.processOf(which)
		if err != nil {
			return err
		}
		return c.process(at, flags)
	}
	c.printf("**** LINUX ACTIVE PROCESS DUMP ****\n")
	for at := range c.processes() {
		if name != "" && !strings.EqualFold(c.taskName(at), name) {
			continue
		}
		if err := c.process(at, flags); err != nil {
			return err
		}
	}
	return nil
}

// processOf is the leader of the process that which names.
func (c *command) processOf(which string) (arch.Addr, error) {
	at, err := arch.Addr(0), error(nil)
	if which == "-1" {
		at, err = c.current()
	} else {
		at, err = c.task(which)
	}
	if err != nil {
		return 0, err
	}
	return arch.Addr(c.get(at, "task_struct", "group_leader")), c.end()
}

// process writes one process. Its trouble is told and is not the list's.
func (c *command) process(at arch.Addr, flags uint64) error {
	err := c.apart(func(c *command) {
		t := c.reader.task(at)
		mm := arch.Addr(c.get(at, "task_struct", "mm"))
		if c.stuck() {
			return
		}
		c.printf("PROCESS %s\n", address(at))
		c.printf("    Cid: %04x (0n%d)    ParentCid: %04x (0n%d)    State: %s\n", t.ID, t.ID, t.Parent, t.Parent, t.State)
		if mm != 0 {
			c.printf("    DirBase: %016x  Mm: %s\n", t.Root, address(mm))
		} else {
			c.printf("    DirBase: none  (kernel thread)\n")
		}
		c.printf("    Image: %s\n", t.Name)
		if flags&showTimes != 0 {
			c.times(at, mm)
			if mm != 0 {
				c.printf("    CommandLine: %s\n", c.commandLine(mm, t.Root))
			}
		}
		c.printf("\n")
	})
	if c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	if err != nil {
		c.printf("PROCESS %s: %v\n\n", address(at), err)
		return nil
	}
	if flags&showThreads != 0 {
		for t := range c.threads(at) {
			if err := c.thread(t, flags, "        "); err != nil {
				return err
			}
		}
	}
	if flags&setContext != 0 {
		return c.look(at, false)
	}
	return nil
}

// times writes how long a process ran and what memory it has.
func (c *command) times(at, mm arch.Addr) {
	var user, system uint64
	threads := 0
	for t := range c.threads(at) {
		user += c.get(t, "task_struct", "utime")
		system += c.get(t, "task_struct", "stime")
		threads++
	}
	c.printf("    Threads: %d    UserTime: %s    KernelTime: %s\n", threads, duration(user), duration(system))
	if mm == 0 {
		return
	}
	c.printf("    VirtualSize: %d KB\n", 4*c.get(mm, "mm_struct", "total_vm"))
	if exe := arch.Addr(c.get(mm, "mm_struct", "exe_file")); exe != 0 {
		c.printf("    File: %s\n", c.filePath(exe))
	}
}

// maxCommandLine is how much is shown of the arguments of a process, bytes.
const maxCommandLine = 4096

// commandLine is what a process was started with, read from its own memory through its
// page tables (struct mm_struct, arg_start and arg_end); else why it cannot be read.
func (c *command) commandLine(mm arch.Addr, root uint64) string {
	at, end := arch.Addr(c.get(mm, "mm_struct", "arg_start")), arch.Addr(c.get(mm, "mm_struct", "arg_end"))
	if c.stuck() || at == 0 || end <= at {
		return "(none)"
	}
	text := make([]byte, min(end-at, maxCommandLine))
	for done := 0; done < len(text); {
		page, _, err := c.walk(at+arch.Addr(done), root)
		part := text[done:]
		if err == nil {
			part = part[:min(uint64(len(part)), page.Size-page.Physical%page.Size)]
			err = c.physicalMemory(page.Physical, part)
		}
		if err != nil {
			return fmt.Sprintf("%s(at %s: %v)", words(text[:done]), tick(at+arch.Addr(done)), err)
		}
		done += len(part)
	}
	if len(text) < int(end-at) {
		return words(text) + "..."
	}
	return words(text)
}

// words are arguments, each ended by NUL, with blanks between them.
func words(args []byte) string {
	return strings.Map(func(r rune) rune {
		if r == 0 {
			return ' '
		}
		if !strconv.IsPrint(r) {
			return '.'
		}
		return r
	}, strings.TrimRight(string(args), "\x00"))
}

// duration writes nanoseconds as hours, minutes and seconds.
func duration(ns uint64) string {
	ms := ns / 1e6
	return strconv.FormatUint(ms/3600000, 10) + ":" + two(ms/60000%60) + ":" + two(ms/1000%60) + "." + strconv.FormatUint(1000+ms%1000, 10)[1:]
}

func two(n uint64) string { return strconv.FormatUint(100+n, 10)[1:] }

// thread writes a task as a thread of its process.
func (c *command) thread(at arch.Addr, flags uint64, indent string) error {
	var t systems.Task
	var group uint64
	err := c.apart(func(c *command) {
		t = c.reader.task(at)
		group = c.get(at, "task_struct", "tgid")
	})
	if c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	if err != nil {
		c.printf("%sTHREAD %s: %v\n", indent, address(at), err)
		return nil
	}
	c.printf("%sTHREAD %s  Cid %04x.%04x  State: %s  %s  %s\n", indent, address(at), group, uint64(t.ID), t.State, t.Name, where(t))
	if flags&showStacks == 0 {
		return nil
	}
	from, err := c.context(t)
	if err != nil {
		c.printf("%s    %v\n", indent, err)
	} else if err := c.d.WriteStack(c.ctx, from, 0, indent); err != nil {
		c.printf("%s    %v\n", indent, err)
	}
	c.printf("\n")
	return c.ctx.Err()
}

func where(t systems.Task) string {
	if t.CPU < 0 {
		return "not running"
	}
	return "RUNNING on processor " + strconv.Itoa(t.CPU)
}

// context is a place to look from for a task: the processor's registers when it runs.
func (c *command) context(t systems.Task) (systems.Context, error) {
	at := systems.Context{Task: t, Root: t.Root}
	if t.CPU < 0 {
		regs, err := c.s.Registers(c.ctx, c.d, t)
		at.Registers = regs
		if err == nil && regs == nil {
			err = failed("its saved registers cannot be read")
		}
		return at, err
	}
	list, err := c.d.Processors(c.ctx)
	if err != nil {
		return at, err
	}
	if t.CPU >= len(list) {
		return at, failed("there is no processor %d", t.CPU)
	}
	at.Registers, err = c.registers(list[t.CPU].ID)
	return at, err
}

func showThread(c *command) error {
	if _, err := c.options("-", "p", "t"); err != nil {
		return err
	}
	if err := c.most(2); err != nil {
		return err
	}
	at, err := arch.Addr(0), error(nil)
	if len(c.args) == 0 || c.args[0] == "-1" {
		at, err = c.current()
	} else {
		at, err = c.task(c.args[0])
	}
	if err != nil {
		return err
	}
	flags, err := c.value(1, showThreads|showStacks)
	if err != nil {
		return err
	}
	return c.thread(at, flags, "")
}

// look has the session look from a task: its memory, and its registers when asked for.
func (c *command) look(at arch.Addr, registers bool) error {
	t := c.reader.task(at)
	if err := c.end(); err != nil {
		return err
	}
	from := systems.Context{Task: t, Root: t.Root}
	if from.Root == 0 { // a kernel thread has the address space of whoever ran before
		from.Root = c.kernelRoot()
	}
	if registers {
		var err error
		if from, err = c.context(t); err != nil {
			return err
		}
	}
	return c.d.SetContext(c.ctx, from)
}

// back has the CPU looked at as it is, and returns the task that runs there.
func (c *command) back() (arch.Addr, error) {
	if err := c.d.SetContext(c.ctx, systems.Context{}); err != nil {
		return 0, err
	}
	return c.current()
}

func setProcess(c *command) error {
	set, err := c.options("/", "p", "P", "r", "i")
	if err != nil {
		return err
	}
	if err := c.most(1); err != nil {
		return err
	}
	if len(c.args) == 0 {
		at, err := c.back()
		if err != nil {
			return err
		}
		c.printf("Implicit process is now %s\n", tick(c.leader(at)))
		return nil
	}
	at, err := c.processOf(c.args[0])
	if err != nil {
		return err
	}
	if set["i"] {
		return failed("a Linux kernel is not switched to a process by its debugger; .process without /i looks at its memory")
	}
	if err := c.look(at, false); err != nil {
		return err
	}
	c.printf("Implicit process is now %s\n", tick(at))
	return nil
}

func (r *reader) leader(at arch.Addr) arch.Addr {
	return arch.Addr(r.get(at, "task_struct", "group_leader"))
}

// tick is an address with WinDbg's mark in the middle.
func tick(a arch.Addr) string { return a.Text(8) }

func setThread(c *command) error {
	if _, err := c.options("/", "p", "P", "r", "w"); err != nil {
		return err
	}
	if err := c.most(1); err != nil {
		return err
	}
	if len(c.args) == 0 {
		at, err := c.back()
		if err == nil {
			c.printf("Implicit thread is now %s\n", tick(at))
		}
		return err
	}
	at, err := c.task(c.args[0])
	if err != nil {
		return err
	}
	if err := c.look(at, true); err != nil {
		return err
	}
	c.printf("Using context of thread %s\n", tick(at))
	return nil
}

func setRoot(c *command) error {
	if err := c.most(1); err != nil {
		return err
	}
	was := c.d.Context()
	if len(c.args) == 0 {
		root, err := c.root()
		if err == nil {
			c.printf("User-mode page directory base is %x\n", root)
		}
		return err
	}
	n, err := c.value(0, 0)
	if err != nil {
		return err
	}
	was.Root = n &^ 0xfff
	return c.d.SetContext(c.ctx, was)
}

func listTasks(c *command) error {
	set, pattern, err := c.filtered("t")
	if err != nil {
		return err
	}
	c.printf("     PID    PPID  Task              State  CPU  Name\n")
	for leader := range c.processes() {
		for at := range c.threads(leader) {
			if at != leader && !set["t"] {
				break
			}
			t := c.reader.task(at)
			if c.stuck() {
				return nil
			}
			if pattern == "" || t.Name == pattern || strings.Contains(t.Name, pattern) {
				c.printf("%8d%8d  %s  %-5s  %3d  %s\n", t.ID, t.Parent, address(at), t.State, max(t.CPU, c.taskCPU(at)), t.Name)
			}
		}
	}
	return nil
}
