package kernel

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/tests/kernel/guest"
	"dap-windbg/tests/kernel/window"
)

// This file compares what the commands of a Linux kernel show with what the guest says
// itself, and page tables with what QEMU makes of them.

// TestCommands: over a kernel that nobody has symbols of, moved by KASLR.
func TestCommands(t *testing.T) {
	kernel := guest.Debian(t, false)
	vm := guest.Start(t, guest.Config{Kernel: kernel, CPUs: 2, Files: map[string]string{"lib/modules/dummy.ko": kernel.Module(t, "dummy")}}).Ready()
	commands(t, vm)
}

// commands compares everything over a guest, and ends with its panic.
func commands(t *testing.T, vm *guest.VM, args ...string) {
	vm.Run("insmod /lib/modules/dummy.ko; mkdir /tmp/more; mount -t tmpfs -o nosuid,noexec,ro more /tmp/more; echo text >/tmp/kept; sleep 100000 </tmp/kept & echo")
	sleeper := strings.TrimSpace(vm.Run("pidof sleep"))
	tasks := vm.Run("cat /proc/[0-9]*/stat")
	log, modules, mounts := vm.Run("dmesg"), vm.Run("cat /proc/modules"), vm.Run("cat /proc/mounts")
	files := vm.Run("ls -l /proc/" + sleeper + "/fd")
	command := vm.Run("cat /proc/" + sleeper + "/cmdline")
	interrupts := vm.Run("cat /proc/interrupts")

	core := vm.Run("cat /sys/kernel/vmcoreinfo")

	w := window.Open(t, append([]string{"-k", vm.Stub()}, args...)...)
	sameTasks(t, tasks, answer(w, "!ps"))
	ours := answer(w, "!dmesg")
	if last := answer(w, "!dmesg 3"); !strings.HasSuffix(ours, last) || strings.Count(last, "\n") != 2 {
		t.Errorf("!dmesg 3:\n%s", last)
	}
	sameModules(t, modules, answer(w, "!lsmod"))
	sameMounts(t, mounts, answer(w, "!mount"))
	sameFiles(t, files, answer(w, "!files 0n"+sleeper))
	sameInterrupts(t, interrupts, answer(w, "!irq"))

	has(t, "!process", answer(w, "!process 0n"+sleeper+" 7"), `Image: sleep$`, `File: /bin/busybox$`, `THREAD ffff[0-9a-f]{12}  Cid [0-9a-f]{4}.[0-9a-f]{4}  State: S  sleep  not running$`,
		`vmlinux!_*schedule\+`, `vmlinux!(_x64_sys|hrtimer)_nanosleep`, `vmlinux!entry_SYSCALL_64`)
	list := answer(w, "!process 0 0")
	if n, want := strings.Count(list, "PROCESS ffff"), len(regexp.MustCompile(`(?m)^\s+\d+\s`).FindAllString(answer(w, "!ps"), -1)); n != want || n < 20 {
		t.Errorf("!process 0 0 lists %d of %d processes", n, want)
	}
	has(t, "!stacks", answer(w, "!stacks 0 nanosleep"), `sleep\]$`, `Blocked +vmlinux!`)
	has(t, "!running", answer(w, "!running -i"), `^ +0  ffff[0-9a-f]{12} `, `^ +1  ffff[0-9a-f]{12} `)
	has(t, "!percpu", answer(w, "!percpu current_task"), `^CPU 0 `, `^CPU 1 `)
	has(t, "!percpu of what all share", answer(w, "!percpu init_task"), `init_task is no per-CPU variable`)
	sameCoreInfo(t, core, w)
	has(t, "!timer", answer(w, "!timer"), ` ns +vmlinux!tick_sched_timer$`, ` ticks +vmlinux!delayed_work_timer_fn$`)
	has(t, "!idt", answer(w, "!idt"), `^0e:\t[0-9a-f]{16} vmlinux!asm_exc_page_fault$`, `irq 4 ttyS0 \(serial8250_interrupt\)$`)
	has(t, "!slab", answer(w, "!slab task_struct"), `ffff[0-9a-f]{12} +\d+ +\d+ +[1-9]\d+ +[1-9]\d* +task_struct$`)
	has(t, "!sysinfo", answer(w, "!sysinfo"), `^Linux version 6`, `^Command line: console=ttyS0`)
	has(t, "vertarget", answer(w, "vertarget"), `^Linux version 6.* #\d`, `^Kernel base = ffffffff`, `^Far end: QEMU$`, `^System Uptime: 0:`)
	has(t, "the kernel by a name that it does not have", answer(w, "x nt!init_*"), `Couldn't resolve error in 'x nt!init_\*' \(the kernel is vmlinux; lm lists the modules\)`)
	has(t, "!runq", answer(w, "!runq"), `^CPU 0  rq ffff`, `^CPU 1  rq ffff`)
	g := w.Say("g")
	later := vm.Run("dmesg")
	w.Interrupt()
	g.Wait()
	sameLog(t, log, ours, later)
	walks(t, vm, w)
	context(t, w, sleeper, command)
	oops(t, vm, w)
	panics(t, vm, w)
}

// answer is what a line has the debugger write, without the echo of what was typed.
func answer(w *window.Window, line string) string {
	var kept []string
	for l := range strings.Lines(w.Do(line)) {
		if l = strings.TrimRight(l, "\n"); l != line && !strings.HasPrefix(l, "@said ") && !strings.HasPrefix(l, ".echo ") {
			kept = append(kept, strings.TrimSuffix(l, ".echo "))
		}
	}
	return strings.Join(kept, "\n")
}

// difference is the first line that differs.
func difference(want, got string) string {
	a, b := strings.Split(strings.TrimSpace(want), "\n"), strings.Split(strings.TrimSpace(got), "\n")
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			return fmt.Sprintf("line %d of %d and %d:\nwant %q\n got %q", i+1, len(a), len(b), a[min(i, len(a)-1)], b[min(i, len(b)-1)])
		}
	}
	return ""
}

// sameLog compares !dmesg with what the guest's dmesg said before and says after it: the
// kernel adds lines of its own accord.
func sameLog(t *testing.T, before, ours, after string) {
	t.Helper()
	if !strings.HasPrefix(ours, strings.TrimSpace(before)) {
		t.Errorf("!dmesg differs from what was there before: %s", difference(before, ours))
	}
	if !strings.HasPrefix(after, ours+"\n") {
		t.Errorf("!dmesg differs from what is there later: %s", difference(ours, after))
	}
}

// passing are tasks that come and go by themselves.
func passing(name string) bool {
	return strings.HasPrefix(name, "kworker") || name == "cat" || name == "ls"
}

// sameTasks compares proc(5)'s stat with !ps: number, name and parent.
func sameTasks(t *testing.T, stat, ps string) {
	t.Helper()
	want, got := map[string]string{}, map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^(\d+) \((.*)\) (.) (\d+) `).FindAllStringSubmatch(stat, -1) {
		if !passing(m[2]) {
			want[m[1]] = m[2] + " " + m[4]
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^ +(\d+) +(\d+)  ffff[0-9a-f]{12}  (\S+) +\d+  (.*)$`).FindAllStringSubmatch(ps, -1) {
		if m[1] != "0" && !passing(m[4]) {
			got[m[1]] = m[4] + " " + m[2]
		}
	}
	if len(want) < 15 || !maps.Equal(want, got) {
		t.Errorf("the guest has the tasks %v\n!ps has %v", want, got)
	}
}

// sameModules compares /proc/modules with !lsmod.
func sameModules(t *testing.T, proc, lsmod string) {
	t.Helper()
	var want []string
	for l := range strings.Lines(proc) {
		f := strings.Fields(l)
		want = append(want, strings.TrimSpace(strings.Join(f[:3], " ")+" "+strings.Trim(f[3], "-,")))
	}
	var got []string
	for _, l := range strings.Split(lsmod, "\n")[1:] {
		got = append(got, strings.Join(strings.Fields(l), " "))
	}
	if !slices.Equal(want, got) {
		t.Errorf("the guest has the modules %q, !lsmod %q", want, got)
	}
}

// sameCoreInfo compares where the kernel was found with what it says of itself, and where that lies.
func sameCoreInfo(t *testing.T, sys string, w *window.Window) {
	t.Helper()
	place, _, _ := strings.Cut(sys, " ")
	at, err := strconv.ParseUint(place, 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	has(t, "!kaslr", answer(w, "!kaslr"), `^Kernel base = ffffffff.[0-9a-f]{8}, found by `, `^vmcoreinfo agrees: KERNELOFFSET=[0-9a-f]+, build-id [0-9a-f]{40}$`)
	has(t, "!kaslr -p", answer(w, "!kaslr -p"), fmt.Sprintf(`^vmcoreinfo note at physical address 0x%x$`, at), `^vmcoreinfo agrees: KERNELOFFSET=`)
}

// sameMounts compares the device, path, type and first flag of /proc/mounts with !mount.
func sameMounts(t *testing.T, proc, mounts string) {
	t.Helper()
	cut := func(l string, from int) string {
		f := strings.Fields(l)[from:]
		flag, _, _ := strings.Cut(f[3], ",")
		return strings.Join(f[:3], " ") + " " + flag
	}
	var want, got []string
	for _, l := range strings.Split(strings.TrimSpace(proc), "\n") {
		want = append(want, cut(l, 0))
	}
	for _, l := range strings.Split(mounts, "\n") {
		got = append(got, cut(l, 1))
	}
	if !slices.Equal(want, got) {
		t.Errorf("the guest has the mounts %q, !mount %q", want, got)
	}
	has(t, "!mount", mounts, `more /tmp/more tmpfs ro,nosuid,noexec,relatime$`)
}

// sameFiles compares the links of /proc/PID/fd with !files.
func sameFiles(t *testing.T, ls, files string) {
	t.Helper()
	want, got := map[string]string{}, map[string]string{}
	for _, m := range regexp.MustCompile(`(?m) (\d+) -> (.*)$`).FindAllStringSubmatch(ls, -1) {
		want[m[1]] = m[2]
	}
	for _, m := range regexp.MustCompile(`(?m)^ +(\d+)  ffff[0-9a-f]{12}  .. +[0-9a-f]+  (.*)$`).FindAllStringSubmatch(files, -1) {
		got[m[1]] = m[2]
	}
	if len(want) < 3 || want["0"] != "/tmp/kept" || !maps.Equal(want, got) {
		t.Errorf("the guest has the files %v, !files %v", want, got)
	}
}

// sameInterrupts compares which interrupts there are, and who handles them.
func sameInterrupts(t *testing.T, proc, irq string) {
	t.Helper()
	row := regexp.MustCompile(`(?m)^ *(\d+): .* (\d+-\w+) +(\w+)`)
	list := func(text string) (out []string) {
		for _, m := range row.FindAllStringSubmatch(text, -1) {
			out = append(out, strings.Join(m[1:], " "))
		}
		return out
	}
	if want, got := list(proc), list(irq); len(want) < 3 || !slices.Equal(want, got) {
		t.Errorf("the guest has the interrupts %q, !irq %q", want, got)
	}
}

// walks compares page walks with QEMU's.
func walks(t *testing.T, vm *guest.VM, w *window.Window) {
	t.Helper()
	mapped := 0
	for _, a := range []string{"@rip", "@rsp", "vmlinux!init_task", "poi(vmlinux!modules)", "poi(vmlinux!page_offset_base)+3000", "poi(vmlinux!vmemmap_base)+100", "dummy", "0", "ffffffffff600000"} {
		at := strings.TrimSpace(strings.ReplaceAll(answer(w, `.printf "%p", `+a), "`", ""))
		if len(at) < 16 {
			at = strings.Repeat("0", 16-len(at)) + at
		}
		want := strings.TrimSpace(vm.Monitor("gva2gpa 0x" + at))
		got := answer(w, "!vtop 0 "+at)
		if want == "Unmapped" {
			has(t, "!vtop of "+a, got, `translation fails`)
			continue
		}
		mapped++
		_, frame, _ := strings.Cut(want, "gpa: 0x")
		has(t, "!vtop of "+a+" ("+want+")", got, `translates to physical address `+frame+`\.$`)
		has(t, "!pte of "+a, answer(w, "!pte "+at), `^contains [0-9A-F]{16} `, `V$`)
		eight := regexp.MustCompile(`(?: [0-9a-f]{2}){8}`)
		if text := answer(w, "db "+at+" L8"); eight.FindString(text) == "" || eight.FindString(text) != eight.FindString(answer(w, "!db "+frame+" L8")) {
			t.Errorf("memory at %s is not that at the physical address %s: %s", at, frame, text)
		}
	}
	if mapped < 6 {
		t.Errorf("only %d addresses are mapped", mapped)
	}
}

// context looks from a process and a thread that do not run.
func context(t *testing.T, w *window.Window, pid, command string) {
	t.Helper()
	process := answer(w, "!process 0n"+pid+" 1")
	first := strings.SplitN(command, "\x00", 2)[0]
	has(t, "!process of who does not run", process, `^    CommandLine: `+regexp.QuoteMeta(strings.ReplaceAll(strings.TrimRight(command, "\x00"), "\x00", " "))+`$`)
	mm := regexp.MustCompile(`Mm: (ffff[0-9a-f]{12})`).FindStringSubmatch(process)
	if mm == nil {
		t.Fatal("!process shows no mm_struct")
	}
	m := regexp.MustCompile(`0x([0-9a-f` + "`" + `]+)`).FindStringSubmatch(answer(w, "?? ((mm_struct *)0x"+mm[1]+")->arg_start"))
	if m == nil {
		t.Fatal("no arg_start")
	}
	has(t, ".process", answer(w, ".process 0n"+pid), "^Implicit process is now ffff[0-9a-f]{4}`[0-9a-f]{8}$")
	if got := answer(w, "da "+m[1]); !strings.Contains(got, first) {
		t.Errorf("the command line is %q, da shows %s", command, got)
	}
	has(t, ".process without an argument", answer(w, ".process"), "^Implicit process is now ")
	has(t, "memory of nobody", answer(w, "da "+m[1]), `\?`)
	has(t, ".thread", answer(w, ".thread 0n"+pid), "^Using context of thread ffff")
	has(t, "k there", answer(w, "k"), `Stack trace for last set context`, `vmlinux!_*schedule\+`, `vmlinux!entry_SYSCALL_64`)
	has(t, "r there", answer(w, "r"), `^Last set context:`)
	answer(w, ".thread")
	if text := answer(w, "k"); strings.Contains(text, "last set context") {
		t.Errorf(".thread does not go back:\n%s", text)
	}
}

// oops has a system call of the guest jump to nowhere, which the kernel survives.
func oops(t *testing.T, vm *guest.VM, w *window.Window) {
	t.Helper()
	w.Do("bp vmlinux!ksys_sync")
	g := w.Say("g")
	sync := vm.Begin("sync; echo survived")
	has(t, "the breakpoint", g.Wait(), `Breakpoint 0 hit`)
	w.Do("bc *; r rip=0")
	has(t, "the oops", w.Do("g"), `Kernel oops`)
	has(t, "!analyze before the kernel's words", answer(w, "!analyze"), `^OOPS:  Kernel oops$`, `^PROCESS_NAME:  sync$`, `vmlinux!asm_exc_page_fault`, `^FAILURE_BUCKET_ID:  OOPS_`)
	g = w.Say("g")
	sync.Wait()
	w.Interrupt()
	g.Wait()
	has(t, "!analyze of an oops", answer(w, "!analyze -v"), `^OOPS:  BUG: kernel NULL pointer dereference`, `^FAILURE_BUCKET_ID:  NULL_POINTER_`, `^LOG:$`, `Call Trace:`)
	has(t, ".bugcheck of an oops", answer(w, ".bugcheck"), `^BUG: kernel NULL pointer dereference, address: 0+$`)
}

// panics has the guest panic while it runs.
func panics(t *testing.T, vm *guest.VM, w *window.Window) {
	t.Helper()
	g := w.Say("g")
	vm.Begin("echo c >/proc/sysrq-trigger")
	has(t, "the panic", g.Wait(), `Kernel panic - not syncing: sysrq triggered crash`)
	has(t, "!analyze before the kernel's words", answer(w, "!analyze"), `^BUGCHECK_STR:  Kernel panic - not syncing: sysrq triggered crash$`, `^FAILURE_BUCKET_ID:  PANIC_vmlinux!sysrq_handle_crash$`)
	has(t, ".bugcheck before the kernel's words", answer(w, ".bugcheck"), `^Kernel panic - not syncing: sysrq triggered crash$`)
	from := len(vm.Log())
	g = w.Say("g")
	vm.WaitLog("end Kernel panic", from)
	w.Interrupt()
	g.Wait()
	has(t, "!analyze of a panic", answer(w, "!analyze -v"), `^BUGCHECK_STR:  Kernel panic - not syncing: sysrq triggered crash$`, `^PROCESS_NAME:  sh$`, `^FAULTING_IP: \nvmlinux!sysrq_handle_crash\+`,
		`^rip=[0-9a-f]{16} rsp=`, `vmlinux!panic\+`, `vmlinux!entry_SYSCALL_64`, `^FAILURE_BUCKET_ID:  PANIC_vmlinux!sysrq_handle_crash$`, `^\[ *\d+\.\d+\] Kernel panic`)
	has(t, ".bugcheck of a panic", answer(w, ".bugcheck"), `^Kernel panic - not syncing: sysrq triggered crash$`)
	w.End("qd")
}
