package kernel

import (
	"regexp"
	"strings"
	"testing"

	"dap-windbg/tests/kernel/guest"
	"dap-windbg/tests/kernel/window"
)

// typed is a line and what its answer has; "" is an answer that is empty.
type typed struct{ line, want string }

// looking are the commands of WinDbg's that a kernel's session has and that neither write
// nor let it run, in a stop at proc_pid_status.
var looking = []typed{
	// Stacks.
	{"k", `vmlinux!proc_pid_status.*array\.c @ \d+`}, {"kb", `Args to Child`}, {"kv", `vmlinux!proc_pid_status`}, {"kp", `struct task_struct`},
	{"kP", `struct task_struct`}, {"kn", `^00 `}, {"kf", `Memory`}, {"kc", `^(00 )?vmlinux!proc_pid_status`}, {"kL 1", `vmlinux!proc_pid_status *$`},
	{"k 2", `^01 `}, {"kd 4", `^ffff`}, {"~0 k", `vmlinux!`}, {"~1 k", `vmlinux!`}, {"0k", `vmlinux!`}, {"1k", `vmlinux!`}, {"~*k", `CPU#1`},
	{".frame 1", `^01 `}, {".frame /r 1", `rip=`}, {".f+", `^02 `}, {".f-", `^01 `}, {".frame 0", `^00 `}, {".kframes 3", `3`}, {"k", `^02 `},
	{".kframes 100", `256|100`}, {"!dwunwind @rip", `(?i)cfa`}, {".fnent @rip", `(?i)cfa|orc`}, {".inline", `(?i)inline`}, {"!uniqstack", `vmlinux!`},
	{"!findstack vmlinux!proc_pid_status 1", `vmlinux!proc_pid_status`},
	{"~", `CPU#0`}, {"||", `0`}, {"|", `0`},
	// Registers.
	{"r", `^rip=`}, {"r rip", `rip=`}, {"1r rip", `rip=`}, {"~0 r rip", `rip=`}, {"r cr3", `cr3=`}, {"r cr0, cr4, efer", `cr4=`}, {"r.", `=`},
	{"rF", `st0`}, {"rX", `xmm0`}, {"rm ?", `0`}, {"rm", `(?i)mask`}, {"rM 1", `rax=`}, {"rdmsr c0000080", `msr\[c0000080\] = 0+.0+d01$`}, {"rdmsr c0000082", `reading MSR c0000082: the stub tells no such register`},
	{".effmach", `(?i)x64|amd64`}, {".cxr", `Resetting`}, {".ecxr", `rip=|vmlinux!`}, {".trap @rsp", `rip=`}, {".trap", `Resetting`},
	// Memory.
	{"d @rip", `ffff`}, {"db @rip L10", `^ffff`}, {"dw @rip L4", `^ffff`}, {"dW @rip L4", `^ffff`}, {"dd @rip L4", `^ffff`}, {"dq @rip L2", `^ffff`},
	{"dp @rsp L2", `^ffff`}, {"dc @rip L4", `^ffff`}, {"da vmlinux!linux_banner", `Linux version`}, {"du vmlinux!linux_banner L4", `^ffff`},
	{"dds @rsp L4", `^ffff`}, {"dps @rsp L2", `vmlinux!proc_single_show`}, {"dqs @rsp L2", `vmlinux!proc_single_show`}, {"df @rsp L2", `^ffff`}, {"dD @rsp L2", `^ffff`},
	{"dda @rsp L2", `^ffff`}, {"ddp @rsp L2", `^ffff`}, {"ddu @rsp L2", `^ffff`}, {"dpa @rsp L2", `^ffff`}, {"dpp @rsp L2", `^ffff`}, {"dpu @rsp L2", `^ffff`},
	{"dqa @rsp L2", `^ffff`}, {"dqp @rsp L2", `^ffff`}, {"dqu @rsp L2", `^ffff`}, {"dl vmlinux!modules 3 2", `^ffff`}, {"dlb vmlinux!modules 3 2", `^ffff`},
	{`!list -t vmlinux!list_head.next -x "? @$extret" vmlinux!modules`, `= ffff`},
	{"!db 1000 L10", `1000`}, {"!dc 1000 L4", `1000`}, {"!dd 1000 L4", `1000`}, {"!dp 1000 L2", `1000`}, {"!dq 1000 L2", `1000`}, {"!du 1000 L2", `1000`}, {"!dw 1000 L2", `1000`},
	{"c @rip L10 @rip", `^$`}, {`s -a vmlinux!linux_banner L20 "version"`, `^ffff`}, {"s vmlinux!linux_banner L20 4c 69 6e", `^ffff`},
	{"!address", `\[direct map\]`}, {"!address @rip", `PAGE_EXECUTE_READ`}, {"!address @rsp", `vmalloc by vmlinux!`}, {"!address dummy!dummy_xmit", `PAGE_EXECUTE_READ`}, {"!address @rdi", `direct map`}, {"!address -summary", `\d`}, {"!vprot @rip", `PAGE_EXECUTE`},
	// Values and types.
	{"dt task_struct pid", `pid +: `}, {"dt task_struct pid @@(task)", `0n1$`}, {"dv", `task = `}, {"dv /t /v", `struct task_struct \* task`},
	{"dx task->pid", `: 1`}, {"dx -r1 *task", `pid`}, {"?? task->comm", `"sh"|"init"`}, {"?? sizeof(struct task_struct)", `unsigned`}, {".nvlist", `(?i)natvis|no `},
	// Symbols.
	{"x vmlinux!proc_pid_stat*", `vmlinux!proc_pid_status`}, {"x dummy!dummy_*", `dummy!dummy_xmit`}, {"x *", `task`}, {"ln @rip", `vmlinux!proc_pid_status`},
	{"lm", `vmlinux`}, {"lm v m dummy", `dummy`}, {"lm 1m", `^dummy$`}, {"lm a @rip", `vmlinux`}, {"!lmi vmlinux", `vmlinux`}, {"!lmi dummy", `dummy`},
	{".reload", `Reloading`}, {"ld dummy", `(?i)symbols`}, {".sympath", `(?i)path is`}, {".sympath+ /nowhere", `/nowhere`},
	{".srcpath", `(?i)path`}, {".srcpath+ /nowhere", `/nowhere`}, {".lsrcpath", `/nowhere`}, {".exepath", `(?i)path`}, {".exepath+ /nowhere", `/nowhere`},
	{"!sym noisy", `(?i)noisy`}, {"!sym quiet", `(?i)quiet`}, {".symopt", `(?i)symbol options`}, {"!addsourcemap vmlinux /a/* /b/*", `.`}, {"!sourcemaps", `/b`},
	{"!removesourcemaps vmlinux", `.`}, {"!diesym @rip", `DW_TAG_subprogram`}, {"!dielocal task", `DW_TAG_formal_parameter`}, {"!dh -s vmlinux", `\.text`}, {"!dh dummy", `(?i)elf|section`},
	{".imgscan", `ELF at 0000000000400000`},
	// Code.
	{"u @rip L3", `^ffff`}, {"ub @rip L2", `^ffff`}, {"uf vmlinux!proc_pid_status", `vmlinux!proc_pid_status`}, {"uf /c vmlinux!proc_pid_status", `call`}, {"# call @rip L40", `call`},
	{"up @$pa L1", `.`}, {".asm", `(?i)options`}, {"l+t", `(?i)source options`}, {"ls", `.`}, {"lsa @rip", `.`}, {"lsc", `.`}, {"lsp", `.`}, {".open -a @rip", `.`}, {".lines", `(?i)line`}, {".lines -e", `(?i)line`}, {".srcnoisy", `(?i)nois`},
	// Expressions.
	{"? 1+2", `= 0+.?0*3$`}, {"? vmlinux!init_task", "= ffff"}, {".formats 10", `Decimal: +16`}, {"n", `16`}, {".expr", `(?i)masm`}, {".echo said", `said`},
	{`.printf "%y\n", @rip`, `vmlinux!proc_pid_status`}, {"!error 2", `(?i)no such file`}, {".time", `(?i)debug session time`}, {"?? @$proc->pid", `.`}, {"?? @$thread->pid", `.`},
	{"? @$proc", `ffff`}, {"? @$thread", `ffff`}, {"? poi(vmlinux!init_task)", `=`}, {"? $pqwo(1000)", `=`}, {`? $scmp("a","a")`, `= 0`}, {"? `fs/proc/array.c:420`", "ffff"},
	// Events.
	{"sx", `(?i)break`}, {"sxe ld:dummy", `^$`}, {"sxd av", `^$`}, {"sxn ud", `^$`}, {"sxi ud", `^$`}, {"sxr", `.`}, {".lastevent", `Last event`}, {".eventlog", `(?i)break`}, {".exr -1", `Last event was not an exception`},
	// The session.
	{".servers", `(?i)no `}, {".clients", `.`}, {"vertarget", `Linux version 6`}, {"version", `(?i)dap-windbg`}, {".help", `proc`}, {".prompt_allow", `(?i)allow`}, {".pcmd", `(?i)no|per`},
	{".chain", `(?i)ext`}, {".extmatch *proc*", `process`}, {".load x", `built in`}, {"!analyze", `PROCESS_NAME:  cat`}, {"!analyze -v", `STACK_TEXT`}, {".cls", `^$`}, {"vercommand", `cdb`}, {".bpcmds", `bp0`}, {"bl", `proc_pid_status`},
	// What the kernel knows.
	{"!process", `Image: cat`}, {"!process 0 0", `Image: kthreadd`}, {"!process 0 0 kthreadd", `kthreadd`}, {"!process 1 7", `vmlinux!`}, {"!thread", `cat`}, {"!thread 2", `kthreadd`},
	{".process", `Implicit process is now`}, {".process 1", `Implicit process is now`}, {".process", `Implicit`}, {".thread 2", `Using context of thread`}, {"k", `kthread`}, {".thread", `.`}, {".context", `.`},
	{"!running", `^ +\d  ffff`}, {"!running -it", `^ +1  ffff`}, {"!stacks", `Blocked`}, {"!idt", `^0e:`}, {"!idt 3", `^03:`}, {"!gdt", `.`}, {"!pte @rip", `V$|KWEV|EV`}, {"!vtop 0 @rip", `physical`},
	{"!pte2va @@masm(poi(vmlinux!page_offset_base))", `no page table`}, {"!pfn 100", `.`}, {"!ptov", `ffff`}, {"!sysptes", `not supported by .*!ptov`}, {"!cpuinfo", `(?i)qemu`}, {"!cpuid", `(?i)qemu`}, {"!sysinfo", `Linux version`}, {"!mtrr", `MTRRs are `}, {"!pci", `^00:00.0 .*8086:1237`}, {"!pcitree", `^Bus 00`}, {"!ioapic", `physical address fec00000`}, {"!apic", `^CPU 1  APIC ID 1`},
	{"!verifier", `not supported by .*!dmesg`}, {"!whea", `not supported by .*!dmesg`}, {"!errrec", `not supported by .*!dmesg`}, {"!blackboxbsd", `not supported by .*bugcheck`}, {"!dbgprint 3", `\[ *\d`}, {".bugcheck", `.`}, {".cache", `.`}, {".kdfiles", `not supported by .*a Linux kernel`}, {".pagein @rip", `not supported by .*touches`}, {".breakin", `not supported by .*already`}, {".kdtargetmac", `not supported by .*serial line`},
	{`.exdicmd target:0:"info status"`, `paused`}, {"!monitor info status", `paused`},
	{"!ps", `kthreadd`}, {"!lsmod", `dummy`}, {"!dmesg 3", `\[ *\d`}, {"!per_cpu current_task", `CPU 1`}, {"!percpu current_task", `CPU 1`}, {"!runq", `CPU 1`}, {"!kmem task_struct", `task_struct`}, {"!vmstat nr_free", `^NR_FREE_PAGES`}, {"!irqs", `ttyS0|timer`},
	{"!irq", `timer`}, {"!timer", `tick_sched_timer`}, {"!mount", `proc`}, {"!files", `/proc/1/status`}, {"!slab task_struct", `task_struct`}, {"!vm", `(?i)free`}, {"!kaslr", `Kernel base`}, {"!kdb ps", `unknown command`},
	// Control.
	{".if (1) {.echo yes} .else {.echo no}", `^yes$`}, {".for (r $t0=0; @$t0<3; r $t0=@$t0+1) {.printf \"%x \", @$t0}", `0 1 2`}, {".foreach (a {.echo x y}) {.echo <${a}>}", `<y>`},
	{"r $t0=0; .while (@$t0<2) {r $t0=@$t0+1; .echo w; .continue}", `w`}, {".do {.echo d; .break} (1)", `^d$`}, {".catch {? nosuch; .echo after}; .echo still", `resolve error at 'nosuch'\nstill`}, {".block {.echo b}", `^b$`},
	{"j (1) '.echo one' ; '.echo two'", `^one$`}, {"r $t0=0", `^$`}, {"r $t0=@$t0+1; z (@$t0<3)", `.`}, {"as me .echo alias", `^$`}, {"me", `alias`}, {"al", `me`}, {".echo ${/d:me}", `1`}, {"ad me", `^$`}, {"aS you seen", `^$`}, {".echo ${you}", `seen`}, {"ad *", `^$`},
	{".secure", `(?i)secure`},
}

// refused are answers that mean that a command is not there.
var refused = regexp.MustCompile(`(?i)Syntax error|No export|resolve error|Extra character|not supported|not available|unable to read`)

func (row typed) run(t *testing.T, w *window.Window) {
	t.Helper()
	text := answer(w, row.line)
	t.Logf("> %s\n%s", row.line, strings.Join(strings.SplitN(text, "\n", 7)[:min(6, strings.Count(text, "\n")+1)], "\n"))
	if !regexp.MustCompile("(?m)"+row.want).MatchString(text) || refused.MatchString(text) && !refused.MatchString(row.want) {
		t.Errorf("%s, which is to answer %q, answers\n%s", row.line, row.want, text)
	}
}

// TestColumn types every command that a session with a Linux kernel has.
func TestColumn(t *testing.T) {
	k := heavy(t)
	vm := guest.Start(t, guest.Config{Kernel: k, CPUs: 2, Files: map[string]string{"lib/modules/dummy.ko": k.Module(t, "dummy")}}).Ready()
	vm.Run("insmod /lib/modules/dummy.ko")
	w := window.Open(t, "-k", vm.Stub(), "-y", symbolPath(k))
	w.Do("bp vmlinux!proc_pid_status")
	g := w.Say("g")
	cat := vm.Begin("cat /proc/1/status >/dev/null")
	has(t, "the stop", g.Wait(), `Breakpoint 0 hit`)
	for _, row := range looking {
		row.run(t, w)
	}
	w.Do("bc *")
	g = w.Say("g")
	cat.Wait()
	w.Interrupt()
	g.Wait()
	w.End("qd")
}
