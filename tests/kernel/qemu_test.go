// Package kernel debugs Linux kernels of machines that QEMU runs.
package kernel

import (
	"regexp"
	"strings"
	"testing"

	"dap-windbg/tests/kernel/guest"
	"dap-windbg/tests/kernel/window"
)

func has(t *testing.T, what, text string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile("(?m)" + p).MatchString(text) {
			t.Errorf("%s has no %q:\n%s", what, p, text)
		}
	}
}

// idle stops a CPU where it has nothing to do, and looks at its stack: what a CPU does when
// somebody breaks in nobody knows.
func idle(t *testing.T, w *window.Window) {
	t.Helper()
	w.Do("bp /1 vmlinux!default_idle_call")
	has(t, "the stop of an idle CPU", w.Do("g"), `vmlinux!default_idle_call`)
	has(t, "its stack", w.Do("k"), `vmlinux!do_idle`, `vmlinux!cpu_startup_entry`, `vmlinux!(start_kernel|start_secondary)`)
}

// TestNoSymbols: a kernel that nobody has symbols of, moved by KASLR, with two CPUs.
func TestNoSymbols(t *testing.T) {
	kernel := guest.Debian(t, false)
	vm := guest.Start(t, guest.Config{Kernel: kernel, CPUs: 2, Files: map[string]string{"lib/modules/dummy.ko": kernel.Module(t, "dummy")}}).Ready()
	text := vm.Run("grep -w _text /proc/kallsyms")
	base := strings.Fields(text)[0]
	w := window.Open(t, "-k", vm.Stub())
	has(t, "lm", w.Do("lm"), "^"+base[:8]+"`"+base[8:]+" .* vmlinux ")
	has(t, "~", w.Do("~"), `CPU#0`, `CPU#1`)
	idle(t, w)
	has(t, "dt", w.Do("dt task_struct comm"), `comm`)

	w.Do("bu dummy!dummy_init_module")
	g := w.Say("g")
	load := vm.Begin("insmod /lib/modules/dummy.ko; cat /sys/module/dummy/sections/.text")
	has(t, "the stop in the module's init", g.Wait(), `Breakpoint 0 hit`, `dummy!(dummy_init_module|init_module)`)
	has(t, "k there", w.Do("k"), `dummy!`, `vmlinux!do_one_initcall`, `vmlinux!do_init_module`, `vmlinux!entry_SYSCALL_64`)
	has(t, "lm there", w.Do("lm"), `  dummy `)
	g = w.Say("g")
	at := strings.TrimSpace(load.Wait())
	w.Interrupt()
	g.Wait()
	has(t, "x", w.Do("x dummy!dummy_xmit"), `dummy!dummy_xmit`)
	has(t, "lm later", w.Do("lm m dummy"), "^"+at[2:10]+"`"+at[10:])
	g = w.Say("g")
	vm.Run("rmmod dummy")
	w.Interrupt()
	g.Wait()
	if text := w.Do("lm"); strings.Contains(strings.Split(text, "Unloaded")[0], " dummy ") {
		t.Errorf("the module is gone and still listed:\n%s", text)
	}
	w.End("qd")
	if got := vm.Run("echo alive"); got != "alive\n" {
		t.Errorf("after detaching the guest says %q", got)
	}
}
