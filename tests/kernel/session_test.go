package kernel

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"dap-windbg/tests/kernel/guest"
	"dap-windbg/tests/kernel/window"
)

// TestSession: a whole session with a kernel under KASLR, unattended, as a person has it.
func TestSession(t *testing.T) {
	k := heavy(t)
	vm := guest.Start(t, guest.Config{Kernel: k, CPUs: 2, Files: map[string]string{"lib/modules/dummy.ko": k.Module(t, "dummy")}}).Ready()
	w := window.Open(t, "-k", vm.Stub(), "-y", symbolPath(k))
	idle(t, w)
	has(t, "a line of a stack", w.Do("k"), `vmlinux!cpu_startup_entry\+.*sched/idle.c @ \d+`)
	for cpu := range 2 {
		if text := w.Do(fmt.Sprintf("~%d k", cpu)); len(strings.Split(text, "\n")) < 2 {
			t.Errorf("CPU %d has no stack:\n%s", cpu, text)
		}
	}

	w.Do("bp vmlinux!proc_pid_status; bp `fs/proc/array.c:420`")
	has(t, "bl", w.Do("bl"), `^ *0 e.* vmlinux!proc_pid_status`, `^ *1 e.*array.c`)
	g := w.Say("g")
	cat := vm.Begin("cat /proc/1/status >/dev/null")
	has(t, "the first stop", g.Wait(), `Breakpoint 0 hit`, `vmlinux!proc_pid_status`)
	has(t, "its stack", w.Do("k"), `seq_read_iter`, `vfs_read`, `do_syscall_64`, `entry_SYSCALL_64`)
	has(t, "its variables", w.Do("dv /t"), `struct seq_file \* m = `, `struct task_struct \* task = `)
	has(t, "the task", w.Do("?? task->pid"), `0n1$`)
	w.Do("bc *")

	places := map[string]bool{}
	for i := range 50 {
		step := []string{"p", "t"}[i%2]
		text := w.Do(step)
		m := regexp.MustCompile(`vmlinux!\w+(\+0x[0-9a-f]+)? \[.* @ \d+\]`).FindString(text)
		if m == "" {
			t.Fatalf("step %d (%s) ends at no line:\n%s", i, step, text)
		}
		places[m] = true
	}
	if len(places) < 20 {
		t.Errorf("50 steps came to %d places: %v", len(places), places)
	}
	has(t, "a register written", w.Do("r $t0=@rax; r rax=1234567890abcdef; r rax; r rax=@$t0"), `rax=1234567890abcdef`)
	w.Do(`eza @@c++(&vmlinux!init_uts_ns.name.nodename) "written"`)
	g = w.Say("g")
	cat.Wait()
	if got := vm.Run("uname -n"); got != "written\n" {
		t.Errorf("the guest's name is %q", got)
	}
	w.Interrupt()
	g.Wait()

	w.Do("bu dummy!dummy_init_module; bu `drivers/net/dummy.c:59`")
	g = w.Say("g")
	load := vm.Begin("insmod /lib/modules/dummy.ko; ip link set dummy0 up; ip addr add 10.9.8.7/24 dev dummy0; ping -c1 -W1 10.9.8.9 >/dev/null; true")
	has(t, "the module's init", g.Wait(), `Breakpoint \d hit`, `dummy!(dummy_)?init_module .*dummy\.c @ \d+`)
	has(t, "its stack", w.Do("k"), `dummy!(dummy_)?init_module`, `vmlinux!do_one_initcall`, `vmlinux!do_init_module`)
	text := w.Do("g")
	has(t, "a line of the module", text, `Breakpoint \d hit`, `dummy!dummy_xmit\+?.*dummy\.c @ \d+`)
	has(t, "its variables", w.Do("dv /t"), `struct sk_buff \* skb = `, `struct net_device \* dev = `)
	w.Do("bc *")
	g = w.Say("g")
	load.Wait()
	vm.Run("ip link del dummy0; rmmod dummy")
	w.Interrupt()
	g.Wait()

	second := window.Open(t, "-remote", joined(t, w))
	has(t, "what a second window sees", answer(second, "lm"), ` vmlinux `)
	second.Do("bp vmlinux!proc_pid_status")
	g = second.Say("g")
	cat = vm.Begin("cat /proc/1/status >/dev/null")
	has(t, "the stop in the second window", g.Wait(), `Breakpoint \d hit`, `vmlinux!proc_pid_status`)
	has(t, "the stop in the first", w.Do("k"), `vmlinux!proc_pid_status`, `vmlinux!vfs_read`)
	second.Do("bc *")
	second.End(".remote_exit")
	w.Do(".endsrv 0")
	g = w.Say("g")
	cat.Wait()
	w.Interrupt()
	g.Wait()

	tasks := w.Do("!process 0 0")
	g = w.Say("g")
	ps := vm.Run("ps -o pid,comm")
	for _, line := range strings.Split(strings.TrimSpace(ps), "\n")[1:] {
		f := strings.Fields(line)
		if name := f[1]; f[0] == "1" || strings.HasPrefix(name, "kswapd") || strings.HasPrefix(name, "kthreadd") {
			has(t, "!process", tasks, regexp.QuoteMeta(name))
		}
	}
	w.Interrupt()
	g.Wait()
	w.End("qd")
	if got := vm.Run("echo alive"); got != "alive\n" {
		t.Fatalf("after detaching the guest says %q", got)
	}

	w = window.Open(t, "-k", vm.Stub(), "-y", symbolPath(k))
	g = w.Say("g")
	vm.Begin("echo c >/proc/sysrq-trigger")
	has(t, "the panic", g.Wait(), `Kernel (panic - not syncing|oops)`)
	has(t, "its stack", w.Do("k"), `sysrq_handle_crash`, `write_sysrq_trigger`)
	w.End("qd")
}

// joined lets others take part in a session, and returns what they join by.
func joined(t *testing.T, w *window.Window) string {
	t.Helper()
	join := regexp.MustCompile(`(?m)-remote (\S+)$`).FindStringSubmatch(w.Do(".server tcp:port=21000:21999"))
	if join == nil {
		t.Fatal("nobody can join")
	}
	return join[1]
}

// TestOtherBuild: a vmlinux of another build is refused, and both builds are told.
func TestOtherBuild(t *testing.T) {
	k := guest.Debian(t, false)
	vm := guest.Start(t, guest.Config{Kernel: k}).Ready()
	id := buildOf(vm)
	other, wrong := otherKernel(t)
	w := window.Open(t, "-k", vm.Stub()+",vmlinux="+other)
	idle(t, w)
	has(t, "the refusal", w.Text(), regexp.QuoteMeta(other)+" has build-id "+wrong+", the debuggee runs "+id)
	w.End("qd")
}

// buildOf is the build-id of a guest's kernel as the guest says it.
func buildOf(vm *guest.VM) string {
	notes := strings.Fields(vm.Run("od -An -tx1 -v /sys/kernel/notes | tr -d ' \\n'"))[0]
	_, id, _ := strings.Cut(notes, "1400000003000000474e5500")
	return id[:min(40, len(id))]
}
