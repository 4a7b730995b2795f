package linuxkernel

import (
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/systems"
)

// This file tells what tasks wait for and what the processors run.

// waiters are functions that a task goes through to wait; who called them is what it
// waits in (/proc/PID/wchan leaves out the section .sched.text alike).
var waiters = []string{
	"__schedule", "schedule", "schedule_timeout", "schedule_hrtimeout_range", "schedule_hrtimeout_range_clock", "schedule_preempt_disabled", "schedule_idle",
	"preempt_schedule", "preempt_schedule_common", "preempt_schedule_irq", "preempt_schedule_thunk", "context_switch", "__switch_to", "__switch_to_asm", "__cond_resched",
	"io_schedule", "io_schedule_timeout", "wait_for_completion", "wait_for_completion_interruptible", "wait_for_completion_killable", "do_wait_for_common", "wait_for_common",
	"__wait_for_common", "mutex_lock", "__mutex_lock", "__mutex_lock_slowpath", "rwsem_down_read_slowpath", "rwsem_down_write_slowpath", "down_read", "down_write", "ret_from_fork",
}

// idlers are where tasks wait that have nothing to do.
var idlers = []string{"worker_thread", "rescuer_thread", "kthreadd", "smpboot_thread_fn", "kswapd", "do_idle", "cpu_startup_entry", "ret_from_fork", "kcompactd", "rcu_gp_kthread", "khugepaged", "ksmd", "kauditd_thread", "oom_reaper", "devtmpfs_work_loop", "migration_cpu_stop"}

// blocker is the name of what a task waits in: its first frame outside the scheduler.
func (c *command) blocker(t systems.Task) string {
	from, err := c.context(t)
	if err != nil {
		return "(" + err.Error() + ")"
	}
	frames, _ := c.d.Frames(c.ctx, from, 16)
	for _, f := range frames {
		if name := c.function(f); name != "" && !among(name, waiters) {
			return c.d.Locate(f.PC())
		}
	}
	return "(unknown)"
}

func briefStacks(c *command) error {
	if err := c.most(2); err != nil {
		return err
	}
	detail, err := c.value(0, 0)
	if err != nil {
		return err
	}
	filter := ""
	if len(c.args) > 1 {
		filter = strings.ToLower(strings.Trim(c.args[1], `"`))
	}
	c.printf("Proc.Thread  .Thread              ThreadState  Blocker\n")
	for leader := range c.processes() {
		headed := false
		for at := range c.threads(leader) {
			t := c.reader.task(at)
			if c.stuck() {
				return nil
			}
			in := c.blocker(t)
			function, _, _ := strings.Cut(strings.TrimLeft(bare(in), "_"), "+")
			if detail == 0 && among(function, idlers) || filter != "" && !strings.Contains(strings.ToLower(in+" "+t.Name), filter) {
				continue
			}
			if !headed {
				c.printf("                            [%s %s]\n", address(leader), c.taskName(leader))
				headed = true
			}
			c.printf("%6x.%06x  %s  %-11s  %s\n", c.get(at, "task_struct", "tgid"), uint64(t.ID), tick(at), stateName(t), in)
			if detail >= 2 {
				if from, err := c.context(t); err == nil {
					_ = c.d.WriteStack(c.ctx, from, 0, "        ") // what of it could be read is written
				}
			}
			if c.ctx.Err() != nil {
				return c.ctx.Err()
			}
		}
	}
	return nil
}

// stateNames are the letters of a task's state in words.
var stateNames = map[string]string{"R": "Runnable", "S": "Blocked", "D": "Disk", "I": "Idle", "T": "Stopped", "t": "Traced", "Z": "Zombie", "X": "Dead", "P": "Parked"}

func stateName(t systems.Task) string {
	if t.CPU >= 0 {
		return "RUNNING"
	}
	return stateNames[t.State]
}

func running(c *command) error {
	set, err := c.options("-", "i", "t", "it", "ti")
	if err != nil {
		return err
	}
	if err := c.most(0); err != nil {
		return err
	}
	idle, stacks := set["i"] || set["it"] || set["ti"], set["t"] || set["it"] || set["ti"]
	list, err := c.d.Processors(c.ctx)
	if err != nil {
		return err
	}
	cpus := c.cpus()
	c.printf("System Processors:  (%d)\n\n     Current           Cid        Name\n", len(list))
	for n, p := range list {
		if n >= len(cpus) || c.stuck() {
			break
		}
		at := c.currentOf(cpus[n])
		pid := c.get(at, "task_struct", "pid")
		if pid == 0 && !idle {
			continue
		}
		c.printf("%3d  %s  %04x       %s\n", n, address(at), pid, c.taskName(at))
		if stacks {
			regs, err := c.registers(p.ID)
			if err != nil {
				return err
			}
			if err := c.d.WriteStack(c.ctx, systems.Context{Registers: regs}, 0, ""); err != nil {
				return err
			}
			c.printf("\n")
		}
	}
	return nil
}

// runQueues writes struct rq of each processor.
func runQueues(c *command) error {
	if err := c.most(1); err != nil {
		return err
	}
	only, err := c.value(0, ^uint64(0))
	if err != nil {
		return err
	}
	for _, on := range c.online() {
		if only != ^uint64(0) && only != uint64(on.number) {
			continue
		}
		rq := c.perCPU("runqueues", on)
		at := arch.Addr(c.get(rq, "rq", "curr"))
		c.printf("CPU %d  rq %s  runnable: %d  switches: %d  clock: %s\n", on.number, address(rq), c.get(rq, "rq", "nr_running"), c.get(rq, "rq", "nr_switches"), seconds(c.get(rq, "rq", "clock")))
		c.printf("   current  %s  %6d  %s\n", address(at), c.get(at, "task_struct", "pid"), c.taskName(at))
		for t := range c.everyone() {
			if t == at || c.get(t, "task_struct", "on_rq") != 1 || c.taskCPU(t) != on.number || c.get(t, "task_struct", "pid") == 0 {
				continue
			}
			c.printf("   waiting  %s  %6d  %s  priority %d\n", address(t), c.get(t, "task_struct", "pid"), c.taskName(t), int64(c.get(t, "task_struct", "prio"))-100)
		}
		if c.stuck() {
			return nil
		}
	}
	return nil
}

// online are the processors that run.
func (r *reader) online() []cpu {
	var out []cpu
	mask, ok := r.lookup("__cpu_online_mask")
	for _, on := range r.cpus() {
		if !ok || r.uint(mask+arch.Addr(on.number/64*8), 8)>>(on.number%64)&1 == 1 {
			out = append(out, on)
		}
	}
	return out
}

// seconds writes nanoseconds as the kernel's log does.
func seconds(ns uint64) string {
	us := ns / 1000
	return strconv.FormatUint(us/1e6, 10) + "." + strconv.FormatUint(1e6+us%1e6, 10)[1:]
}
