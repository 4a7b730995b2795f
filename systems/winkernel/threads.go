package winkernel

import (
	"fmt"

	"dap-windbg/arch"
	"dap-windbg/systems"
)

// This file shows threads, and looks from them.

func (c *call) writeThread(t Thread, indent string) {
	state := stateName(t.State)
	switch state {
	case "RUNNING":
		state = fmt.Sprintf("RUNNING on processor %d", t.Processor)
	case "WAIT":
		mode := "KernelMode"
		if t.UserMode {
			mode = "UserMode"
		}
		state = fmt.Sprintf("WAIT: (%s) %s Non-Alertable", reasonName(t.Reason), mode)
	case "READY":
		state = fmt.Sprintf("READY on processor %d", t.Processor)
	}
	win32, _ := c.try(t.Addr, "_KTHREAD", "Win32Thread")
	c.printf("%sTHREAD %s  Cid %04x.%04x  Teb: %s Win32Thread: %s %s\n", indent, hex(c.s, t.Addr), t.PID, t.TID, hex(c.s, t.Teb), hex(c.s, win32), state)
	if t.WaitObject != 0 && t.State != running {
		c.printf("%s    %s  %s\n", indent, hex(c.s, t.WaitObject), c.dispatcher(t.WaitObject))
	}
}

// dispatchers are names of KOBJECTS.
var dispatchers = map[uint64]string{0: "NotificationEvent", 1: "SynchronizationEvent", 2: "Mutant", 3: "ProcessObject", 4: "QueueObject",
	5: "Semaphore", 6: "Thread", 7: "Gate", 8: "NotificationTimer", 9: "SynchronizationTimer"}

func (c *call) dispatcher(at arch.Addr) string {
	kind := c.uint(at, 1)
	if c.settle() != nil {
		return "Unknown"
	}
	if n, ok := dispatchers[kind&0x7f]; ok {
		return n
	}
	return fmt.Sprintf("Type %d", kind)
}

// contextOf is where a thread is looked at from.
func (c *call) contextOf(t Thread, p Process) (systems.Context, error) {
	at := systems.Context{Task: taskOf(t, p), Root: p.Root}
	if t.State == running {
		regs, err := c.runningRegisters(t)
		at.Registers = regs
		return at, err
	}
	at.Registers = c.switchedOut(t.Addr)
	return at, c.settle()
}

// runningRegisters are those of the processor that runs a thread.
func (c *call) runningRegisters(t Thread) (regs *arch.Registers, err error) {
	all, err := c.Processors(c.ctx)
	if err != nil {
		return nil, err
	}
	for i, prcb := range c.prcbs(len(all)) {
		if c.current(prcb) == t.Addr {
			return c.Target().Registers(c.ctx, all[i].ID)
		}
	}
	return nil, c.end()
}

func (c *call) writeThreadStack(t Thread, p Process, indent string, limit int) {
	at, err := c.contextOf(t, p)
	if err == nil && at.Registers == nil {
		err = fmt.Errorf("its registers are not known")
	}
	if err == nil {
		err = c.WriteStack(c.ctx, at, limit, indent)
	}
	if err != nil {
		c.printf("%sUnable to read the stack: %v\n", indent, err)
	}
}

// threadNamed finds a thread by its address; without one, that which is looked from.
func (c *call) threadNamed() (Thread, Process, error) {
	id, err := c.number(0, ^uint64(0))
	if err != nil {
		return Thread{}, Process{}, err
	}
	at := c.s.address(id)
	if id == ^uint64(0) || c.s.width() == 4 && uint32(id) == ^uint32(0) {
		if at, err = c.currentThread(); err != nil {
			return Thread{}, Process{}, err
		}
	}
	if !c.s.kernelSpace(uint64(at)) {
		return Thread{}, Process{}, fmt.Errorf("%s is no address of a thread; !process 0 2 lists threads", hex(c.s, at))
	}
	t := c.thread(at)
	return t, c.process(t.Attached), c.end()
}

func (c *call) threadCommand() error {
	c.options()
	flags, err := c.number(1, 6)
	if err != nil {
		return err
	}
	t, p, err := c.threadNamed()
	if err != nil {
		return err
	}
	c.writeThread(t, "")
	owner := p
	if t.Process != t.Attached {
		owner = c.process(t.Process)
	}
	c.printf("Not impersonating\nOwning Process            %s       Image:         %s\n", hex(c.s, owner.Addr), owner.Name)
	c.printf("Attached Process          N/A            Image:         N/A\n")
	wait, _ := c.try(t.Addr, "_KTHREAD", "WaitTime")
	switches, _ := c.try(t.Addr, "_KTHREAD", "ContextSwitches")
	c.printf("Wait Start TickCount      %d\nContext Switch Count      %d            IdealProcessor: %d\n", wait, switches, t.Processor)
	c.printf("Win32 Start Address %s (0x%s)\n", c.locate(t.Start), hex(c.s, t.Start))
	c.printf("Stack Init %s Current %s\nBase %s Limit %s\n", hex(c.s, t.Init), hex(c.s, t.Stack), hex(c.s, t.Base), hex(c.s, t.Limit))
	priority, _ := c.try(t.Addr, "_KTHREAD", "Priority")
	base, _ := c.try(t.Addr, "_KTHREAD", "BasePriority")
	c.printf("Priority %d BasePriority %d\n", int8(priority), int8(base))
	if flags&(withThreads|withStacks) != 0 {
		c.writeThreadStack(t, p, "", 0)
	}
	return c.end()
}

func (c *call) setThread() error {
	o := c.options()
	if len(c.words) == 0 && len(o) == 0 {
		if err := c.SetContext(c.ctx, systems.Context{}); err != nil {
			return err
		}
		t, err := c.currentThread()
		c.printf("Implicit thread is now %s\n", tick(c.s, t))
		return err
	}
	t, p, err := c.threadNamed()
	if err != nil {
		return err
	}
	at, err := c.contextOf(t, p)
	if err != nil {
		return err
	}
	if err := c.SetContext(c.ctx, at); err != nil {
		return err
	}
	c.printf("Implicit thread is now %s\n", tick(c.s, t.Addr))
	if o["r"] {
		return c.loadUser(p)
	}
	return nil
}
