package kernel

import (
	"debug/elf"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/tests/kernel/guest"
	"dap-windbg/tests/kernel/window"
)

// This file types the commands of WinDbg's that write into a kernel or let it run.

// writing are those that write: into the page at 0x3000, which the kernel leaves alone,
// and which the window's $t1 says where it maps.
var writing = []typed{
	{"r $t1=poi(vmlinux!page_offset_base)+3000", `^$`},
	{"eb @$t1 11 22", `^$`}, {"db @$t1 L2", `11 22`}, {"ew @$t1 3344", `^$`}, {"dw @$t1 L1", `3344`}, {"ed @$t1 55667788", `^$`}, {"dd @$t1 L1", `55667788`},
	{"e @$t1 99aabbcc", `^$`}, {"dd @$t1 L1", `99aabbcc`}, {"eq @$t1 1122334455667788", `^$`}, {"dq @$t1 L1", "11223344`55667788"}, {"ep @$t1 12345678", `^$`}, {"dp @$t1 L1", "`12345678"},
	{"ef @$t1 1.5", `^$`}, {"df @$t1 L1", `1\.5`}, {"eD @$t1 2.5", `^$`}, {"dD @$t1 L1", `2\.5`}, {`ea @$t1 "text"`, `^$`}, {`eza @$t1 "ends"`, `^$`}, {"da @$t1", `"ends"`},
	{`eu @$t1 "wide"`, `^$`}, {`ezu @$t1 "done"`, `^$`}, {"du @$t1", `"done"`}, {"f @$t1 L8 ab cd", `Filled 0x8 bytes`}, {"dq @$t1 L1", "cdabcdab`cdabcdab"},
	{"m @$t1 L8 @$t1+10", `^$`}, {"c @$t1 L8 @$t1+10", `^$`}, {"eb @$t1+13 0", `^$`}, {"c @$t1 L8 @$t1+10", `cd - `}, {"fp 3000 L4 77", `Filled 0x4 bytes`}, {"dd @$t1 L1", `77777777`},
	{"!eb 3000 12", `^$`}, {"!db 3000 L1", ` 12 `}, {"!ed 3000 34567890", `^$`}, {"!dd 3000 L1", `34567890`}, {"wrmsr c0000080 d01", `QEMU`},
	{".writemem FILE @$t1 L8", `Writing 8 bytes`}, {"eq @$t1 0", `^$`}, {".readmem FILE @$t1 L8", `Reading 8 bytes`}, {"dd @$t1 L1", `34567890`},
	{"r $t0=@rcx; r rcx=1234; r rcx", `rcx=0+1234`}, {"r rcx=@$t0", `^$`}, {"r cl:ub", `cl=`}, {"r eax", `eax=`}, {"1r rcx", `rcx=`}, {"r $ip", `ip=ffff`},
	{".logopen LOG", `Opened log file`}, {".logfile", `LOG`}, {".logclose", `Closing open log`}, {".logappend LOG", `(?i)log file`}, {".logclose", `Closing open log`},
	{"$<SCRIPT", `ran`}, {"$><SCRIPT", `ran`}, {"$$<SCRIPT", `ran`}, {"$$><SCRIPT", `ran`}, {"$$>a<SCRIPT first", `first`},
	{".server tcp:port=21000:21999", `-remote`}, {".servers", `tcp`}, {".endsrv 0", `(?i)exit`}, {".remote_exit", `no client`},
	{".nvload NATVIS", `(?i)loaded`}, {".nvlist", `NATVIS`}, {".nvunload NATVIS", `(?i)unloaded`}, {".nvunloadall", `^$`},
	{".secure 1", `(?i)secure`}, {".writemem FILE @$t1 L8", `secure mode`},
}

// moving are those that let it run. In the guest /proc/1/status is read again and again.
var moving = []typed{
	{"p", `(?m)^> *\d+|vmlinux!proc_pid_status`}, {"t", `vmlinux!`}, {"p 2", `vmlinux!`}, {"gu", `vmlinux!`}, {"g", `Breakpoint 0 hit`},
	{"l-t", `(?i)source options`}, {"p", `vmlinux!proc_pid_status\+0x5`}, {"t", `vmlinux!proc_pid_status\+0x7`}, {"pr", `^rip=`}, {"pr", `vmlinux!`}, {"t 2", `vmlinux!proc_pid_status`},
	{"pc", `call`}, {"tc", `call`}, {"pt", `ret`}, {"g", `Breakpoint 0 hit`}, {"tt", `ret`}, {"g", `Breakpoint 0 hit`}, {"pct", `call|ret`}, {"tct", `call|ret`}, {"g", `Breakpoint 0 hit`},
	{"ph", `call|j\w+ |ret`}, {"th", `call|j\w+ |ret`}, {"g", `Breakpoint 0 hit`}, {"pa @rip+7", `vmlinux!proc_pid_status\+0x7`}, {"ta @rip+3", `vmlinux!proc_pid_status\+0xa`},
	{"g @$ra", `vmlinux!proc_single_show`}, {"g", `Breakpoint 0 hit`}, {"ga @$ra", `vmlinux!proc_single_show`}, {"gh", `Breakpoint 0 hit`}, {"gN", `Breakpoint 0 hit`}, {"gn", `.`},
	{"g-", `Reverse execution not supported`}, {"p-", `Reverse execution not supported`}, {"t-", `Reverse execution not supported`},
	{"bc *", `^$`}, {"bp /1 vmlinux!get_task_mm", `^$`}, {"g", `vmlinux!get_task_mm`}, {"wt -l 1", `instructions were executed`}, {"bl", `^$`},
	{`bp3 vmlinux!proc_pid_status 2 ".echo commands"`, `^$`}, {"g", `(?s)commands.*vmlinux!proc_pid_status|vmlinux!proc_pid_status`}, {".bpcmds", `bp3 .* 2 ".echo commands"`}, {"br 3 4", `^$`}, {"bl", `^ *4 e`},
	{`bs 4 ".echo others"`, `^$`}, {"bl", `others`}, {`bsc 4 1==1 ".echo true"`, `^$`}, {"g", `true`}, {"bd 4", `^$`}, {"bl", `^ *4 d`}, {"be 4", `^$`}, {"bl", `^ *4 e`}, {"bc 4", `^$`},
	{"bu vmlinux!proc_pid_status", `^$`}, {"bl", `proc_pid_status`}, {"g", `hit`}, {"bc *", `^$`}, {"bm vmlinux!proc_pid_stat*", `vmlinux!proc_pid_status`}, {"g", `hit`}, {"bc *", `^$`},
	{"bp /w \"task->pid == 1\" vmlinux!proc_pid_status", `evaluated here`}, {"g", `hit`}, {"bc *", `^$`}, {"bp /c 2 vmlinux!proc_pid_status", `^$`}, {"bc *", `^$`},
	{"bp /C 2 vmlinux!proc_pid_status", `^$`}, {"g", `hit`}, {"bc *", `^$`}, {"bp /t @$thread vmlinux!proc_pid_status; bl", `thread == 0xffff`}, {"bc *", `^$`},
	{"bp /p poi(vmlinux!init_task) vmlinux!proc_pid_status", `evaluated here`}, {`bp vmlinux!get_task_mm`, `^$`}, {"g", `Breakpoint 1 hit`}, {"bc *", `^$`},
	{"bp vmlinux!proc_pid_status", `^$`}, {"g", `hit`}, {"r $t6=@$thread; bc *", `^$`}, {"bp /t @$t6 vmlinux!get_task_mm", `evaluated here`}, {"g", `hit`}, {"? @$thread==@$t6", `= 0+.0+1$`}, {"bc *", `^$`},
	{`r $t5=0; bp vmlinux!proc_pid_status "r $t5=@$t5+1; .if (@$t5 < 3) {gc}"`, `^$`}, {"g", `hit|vmlinux`}, {"? @$t5", `= 0+.0+3$`}, {"bc *", `^$`},
	{"ba e1 vmlinux!proc_pid_status", `^$`}, {"g", `hit`}, {"bc *", `^$`}, {"ba w8 vmlinux!jiffies_64", `^$`}, {"g", `hit`}, {"bc *", `^$`}, {"ba r4 vmlinux!jiffies_64", `^$`}, {"g", `hit`}, {"bc *", `^$`},
	{".step_filter \"vmlinux!*\"", `(?i)filter`}, {".step_filter /c", `.`}, {".pcmd -s \".echo each\"", `each`}, {"p", `each`}, {".pcmd -c", `.`},
	{".prompt_allow -dis", `.`}, {".prompt_allow +dis", `.`}, {"~1s", `vmlinux!`}, {"~0s", `vmlinux!`},
	{".cache flushall", `^$`}, {".dump /f DUMP", `successfully written`},
}

// TestColumnMoves types them.
func TestColumnMoves(t *testing.T) {
	k := heavy(t)
	vm := guest.Start(t, guest.Config{Kernel: k, CPUs: 2}).Ready()
	vm.Run("(while :; do cat /proc/1/status; sleep 0.1; done) >/dev/null 2>&1 & echo")
	dir := t.TempDir()
	files := map[string]string{"SCRIPT": ".echo ran ${$arg1}\n", "NATVIS": `<AutoVisualizer xmlns="http://schemas.microsoft.com/vstudio/debugger/natvis/2010"/>`}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := window.Open(t, "-k", vm.Stub(), "-y", symbolPath(k))
	w.Do("bp vmlinux!proc_pid_status")
	has(t, "the stop", w.Do("g"), `Breakpoint 0 hit`)
	place := func(row typed) typed {
		for _, name := range []string{"FILE", "LOG", "SCRIPT", "NATVIS", "DUMP"} {
			row.line = strings.ReplaceAll(row.line, name, filepath.Join(dir, name))
		}
		return row
	}
	for _, row := range append(moving, writing...) {
		place(row).run(t, w)
	}
	if core, err := elf.Open(filepath.Join(dir, "DUMP")); err != nil || core.Type != elf.ET_CORE {
		t.Errorf("the dump of the machine: %v", err)
	}
	has(t, "the prompts", w.Text(), `0: kd> `, `1: kd> `)
	w.Do("bc *")
	w.End("qd")
	w = window.Open(t, "-k", vm.Stub())
	w.Do(".detach")
	if got := vm.Run("echo alive"); got != "alive\n" {
		t.Errorf("after detaching the guest says %q", got)
	}
	w.End("q")
	w = window.Open(t, "-k", vm.Stub(), "-y", symbolPath(k), "-c", "bp /1 vmlinux!ksys_read; g")
	w.Do("~")
	typed{".crash", `crashes when it goes on`}.run(t, w)
	has(t, "the crash", w.Do("g"), `Kernel panic - not syncing: sysrq triggered crash`)
	has(t, "its stack", w.Do("k"), `vmlinux!panic`, `vmlinux!sysrq_handle_crash`, `vmlinux!ksys_read`)
	w.End("q")
}
