package linuxkernel

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// This file recognises what a kernel died of, or complained about: by what it has
// written to its log, and by the stack of the processor that panicked.

var analyzeRows = []row{
	{"!analyze", "!analyze [-v]", "what happened: panic, oops or stop, with registers, stack, the kernel's words and a key to sort by", analyze},
	{".bugcheck", ".bugcheck", "the panic's text", bugcheck},
}

// trouble is a kind of message by what it begins with or holds.
type trouble struct {
	mark string
	kind string // of FAILURE_BUCKET_ID
	grav int    // the gravest of a log counts; of equal ones the last
}

var troubles = []trouble{
	{"Kernel panic - not syncing: ", "PANIC", 3},
	{"kernel BUG at ", "BUG", 2},
	{"BUG: kernel NULL pointer dereference", "NULL_POINTER", 2},
	{"BUG: unable to handle", "PAGE_FAULT", 2},
	{"BUG: unable to handle kernel", "PAGE_FAULT", 2},
	{"general protection fault", "GENERAL_PROTECTION", 2},
	{"divide error: ", "DIVIDE_ERROR", 2},
	{"invalid opcode: ", "INVALID_OPCODE", 2},
	{"stack segment: ", "STACK_SEGMENT", 2},
	{"traps: PANIC: double fault", "DOUBLE_FAULT", 2},
	{"BUG: stack guard page was hit", "STACK_OVERFLOW", 2},
	{"Oops: ", "OOPS", 2},
	{"BUG: KASAN: ", "KASAN", 2},
	{"BUG: soft lockup", "SOFT_LOCKUP", 2},
	{"detected hard LOCKUP", "HARD_LOCKUP", 2},
	{"BUG: scheduling while atomic", "SCHEDULING_WHILE_ATOMIC", 2},
	{"BUG: ", "BUG", 1},
	{"UBSAN: ", "UBSAN", 1},
	{"blocked for more than", "HUNG_TASK", 1},
	{"self-detected stall on CPU", "RCU_STALL", 1},
	{"detected stalls on CPUs", "RCU_STALL", 1},
	{"Out of memory: Killed process", "OUT_OF_MEMORY", 1},
	{"WARNING: CPU: ", "WARNING", 1},
}

// finding is what a log says of what went wrong.
type finding struct {
	trouble
	text  string   // the message
	cause string   // the oops that led to a panic, "" none
	rip   string   // "sysrq_handle_crash+0x12/0x20 [mod]", "" not told
	lines []string // from the first complaint of it on
}

// complaint is a line of the log that tells of trouble.
type complaint struct {
	trouble
	line int
	text string
}

// found reads the log for the gravest trouble: the first panic, else the last oops,
// else the last of what is less.
func (r *reader) found() (f finding, ok bool) {
	var lines []string
	var all []complaint
	for m := range r.messages(0) {
		for _, l := range m.lines(false) {
			_, text, _ := strings.Cut(l, "] ")
			if t, hit := troubleOf(text); hit {
				all = append(all, complaint{t, len(lines), text})
			}
			lines = append(lines, l)
		}
	}
	if len(all) == 0 {
		return f, false
	}
	at := gravest(all)
	f.trouble, f.text = all[at].trouble, all[at].text
	if f.grav == 3 && strings.Contains(f.text, "Fatal exception") && at > 0 && all[at-1].grav == 2 { // of an oops before
		at = first(all, at-1)
		f.cause, f.kind = all[at].text, all[at].kind
	}
	f.lines = lines[all[at].line:]
	for _, l := range f.lines {
		if _, rip, is := strings.Cut(l, "RIP: 0010:"); is && f.rip == "" {
			f.rip = strings.TrimSpace(rip)
		}
	}
	return f, true
}

// gravest is the complaint that counts.
func gravest(all []complaint) int {
	at := 0
	for i, c := range all {
		if c.grav > all[at].grav || c.grav == all[at].grav && c.grav < 3 {
			at = i
		}
	}
	return first(all, at)
}

// oopsHead is how many lines an oops begins with that each tell of trouble.
const oopsHead = 8

// first is the complaint that the oops of complaint i began with.
func first(all []complaint, i int) int {
	for i > 0 && all[i].grav == 2 && all[i-1].grav == 2 && all[i].line-all[i-1].line <= oopsHead {
		i--
	}
	return i
}

func troubleOf(line string) (trouble, bool) {
	if strings.HasPrefix(line, "---[ end ") {
		return trouble{}, false
	}
	for _, t := range troubles {
		if strings.Contains(line, t.mark) {
			return t, true
		}
	}
	return trouble{}, false
}

// machinery are functions that a kernel goes through to die: what they were called by,
// or interrupted, is to blame.
var machinery = []string{
	"panic", "oops_begin", "nmi_panic", "vpanic", "panic_smp_self_stop", "oops_end", "oops_exit", "die", "__die", "__die_body", "die_addr", "page_fault_oops", "no_context", "__bad_area_nosemaphore",
	"bad_area_nosemaphore", "bad_area", "kernelmode_fixup_or_oops", "do_user_addr_fault", "do_kern_addr_fault", "exc_page_fault", "asm_exc_page_fault", "exc_general_protection",
	"asm_exc_general_protection", "do_trap", "do_error_trap", "handle_bug", "exc_invalid_op", "asm_exc_invalid_op", "exc_divide_error", "asm_exc_divide_error", "exc_double_fault", "asm_exc_double_fault", "make_task_dead", "rewind_stack_and_make_dead",
	"delay_tsc", "delay_loop", "__const_udelay", "__delay", "mdelay", "native_halt", "emergency_restart", "machine_emergency_restart", "native_machine_emergency_restart", "__crash_kexec", "crash_kexec", "touch_nmi_watchdog",
	"kgdb_panic", "kgdb_breakpoint", "kgdb_handle_exception", "io_serial_in", "io_serial_out", "wait_for_xmitr", "console_unlock", "vprintk_emit", "_printk", "printk",
}

// dying is what the kernel is about to say, where it stands at its doors to that.
func (c *command) dying(top *arch.Registers) (f finding, ok bool) {
	for _, name := range c.s.Fatal() {
		if at, known := c.lookup(name); !known || top.PC() != at {
			continue
		}
		text, err := c.s.Last(c.ctx, c.d, name, top)
		if err != nil {
			return f, false
		}
		f.text, f.trouble = text, trouble{kind: "OOPS", grav: 2}
		if name == "panic" {
			f.trouble = trouble{kind: "PANIC", grav: 3}
		}
		return f, true
	}
	return f, false
}

// blamed is the index of the frame that is to blame: the one below what only dies.
func (c *command) blamed(frames []*arch.Registers) int {
	blame := 0
	for i, f := range frames[:min(len(frames), 24)] {
		if among(c.function(f), machinery) {
			blame = i + 1
		}
	}
	if blame >= len(frames) {
		return 0
	}
	return blame
}

// place is whose stack is looked at: the processor that panicked, else the selected one.
func (c *command) place() (systems.Context, int, error) {
	list, err := c.d.Processors(c.ctx)
	if err != nil {
		return systems.Context{}, 0, err
	}
	n := slices.IndexFunc(list, func(t targets.Thread) bool { return t.ID == c.d.Processor() })
	if at, ok := c.lookup("panic_cpu"); ok {
		if p := int32(c.uint(at, 4)); p >= 0 && int(p) < len(list) {
			n = int(p)
		}
	}
	if from := c.d.Context(); from.Registers != nil {
		return from, n, c.end()
	}
	regs, err := c.registers(list[max(n, 0)].ID)
	if err != nil {
		return systems.Context{}, 0, err
	}
	return systems.Context{Registers: regs}, n, c.end()
}

func analyze(c *command) error {
	set, err := c.options("-", "v", "f", "hang")
	if err != nil {
		return err
	}
	if err := c.most(0); err != nil {
		return err
	}
	from, n, err := c.place()
	if err != nil {
		return err
	}
	f, found := c.found()
	c.reader = c.aside() // without types the log cannot be read, the stack still can
	frames, err := c.d.Frames(c.ctx, from, 64)
	if len(frames) == 0 {
		return err
	}
	if now, ok := c.dying(frames[0]); ok {
		f, found = now, true
	}
	blame := frames[c.blamed(frames)]
	c.printf("%s\n%s\n%s\n\n", strings.Repeat("*", 79), center("Bugcheck Analysis"), strings.Repeat("*", 79))
	switch {
	case !found:
		c.printf("The kernel's log tells of no panic and no oops.\n\n")
		f.kind = "STOP"
	case f.grav == 3:
		c.printf("BUGCHECK_STR:  %s\n\n", f.text)
	default:
		c.printf("OOPS:  %s\n\n", f.text)
	}
	if f.cause != "" {
		c.printf("CAUSED_BY:  %s\n\n", f.cause)
	}
	if cpus := c.cpus(); n >= 0 && n < len(cpus) {
		t := c.currentOf(cpus[n])
		c.printf("PROCESS_NAME:  %s\n\nCPU:  %d\n\n", c.taskName(t), n)
	}
	c.printf("FAULTING_IP: \n%s\n%s\n\n", c.within(blame), address(blame.PC()))
	if f.rip != "" {
		c.printf("LOGGED_IP:  %s\n\n", f.rip)
	}
	if set["v"] {
		c.printf("CONTEXT:\n")
		if err := c.d.WriteRegisters(c.ctx, blame); err != nil {
			return err
		}
		c.printf("\n")
	}
	c.printf("STACK_TEXT:  \n")
	if err := c.d.WriteStack(c.ctx, from, 64, ""); err != nil {
		return err
	}
	if set["v"] && found {
		c.printf("\nLOG:\n%s\n", strings.Join(f.lines[:min(len(f.lines), 80)], "\n"))
	}
	c.bucket(f, blame, found)
	return nil
}

// bucket writes the words that failures are sorted by. Of an oops that the kernel
// survived the stack is gone: the log tells where it was.
func (c *command) bucket(f finding, blame *arch.Registers, found bool) {
	name := c.located(blame.LookupPC())
	if blame.PC() == 0 {
		name = "0x0"
	}
	if found && f.rip != "" && f.grav < 3 {
		where, module, _ := strings.Cut(f.rip, " [")
		where, _, _ = strings.Cut(where, "/")
		name = KernelName + "!" + where
		if module = strings.TrimSuffix(module, "]"); module != "" {
			name = strings.Fields(module)[0] + "!" + where
		}
	}
	module, _, _ := strings.Cut(name, "!")
	function, _, _ := strings.Cut(name, "+")
	image := path.Base(module)
	if module != KernelName && module != name {
		image += ".ko"
	}
	c.printf("\nSYMBOL_NAME:  %s\n\nMODULE_NAME: %s\n\nIMAGE_NAME:  %s\n\nFAILURE_BUCKET_ID:  %s_%s\n\n", name, module, image, f.kind, function)
}

// center is a title within a box's edges.
func center(s string) string {
	left := (77 - len(s)) / 2
	return fmt.Sprintf("*%*s%s%*s*", left, "", s, 77-left-len(s), "")
}

func bugcheck(c *command) error {
	if err := c.most(0); err != nil {
		return err
	}
	from, _, err := c.place()
	if err != nil {
		return err
	}
	f, ok := c.dying(from.Registers)
	if !ok {
		f, ok = c.found()
	}
	if c.stuck() {
		return nil
	}
	if !ok || f.grav < 2 {
		c.printf("No panic and no oops\n")
		return nil
	}
	c.printf("%s\n", f.text)
	if f.rip != "" {
		c.printf("at %s\n", f.rip)
	}
	return nil
}
