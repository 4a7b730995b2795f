package kernel

import (
	"strings"
	"testing"

	"dap-windbg/tests/kernel/guest"
	"dap-windbg/tests/kernel/window"
)

// This file is about page tables that are not the usual four levels of everybody.

// TestFiveLevels: page tables of five levels, by the CPU's CR4.
func TestFiveLevels(t *testing.T) {
	kernel := guest.Debian(t, false)
	vm := guest.Start(t, guest.Config{Kernel: kernel, Args: []string{"-cpu", "max"}, Files: map[string]string{"lib/modules/dummy.ko": kernel.Module(t, "dummy")}}).Ready()
	vm.Run("insmod /lib/modules/dummy.ko")
	w := window.Open(t, "-k", vm.Stub())
	has(t, "!vtop", answer(w, "!vtop 0 vmlinux!init_task"), `^Amd64VtoP: PGD `, `^Amd64VtoP: P4D `, `^Amd64VtoP: PUD `, `^Amd64VtoP: PMD `)
	walks(t, vm, w)
	w.End("qd")
}

// TestIsolated: a stop in a program, whose page tables hide the kernel.
func TestIsolated(t *testing.T) {
	for _, cpu := range []string{"max", "qemu64"} {
		vm := guest.Start(t, guest.Config{Kernel: guest.Debian(t, false), Append: "pti=on", Args: []string{"-cpu", cpu}}).Ready()
		base := strings.Fields(vm.Run("grep -w _text /proc/kallsyms"))[0]
		w := window.Open(t, "-k", vm.Stub())
		w.Do("bp /1 vmlinux!__x64_sys_sync")
		g := w.Say("g")
		sync := vm.Begin("sync; uname -n")
		has(t, "the system call", g.Wait(), `vmlinux!_*(x64|ia32)_sys_sync`)
		at := answer(w, `.printf "%p", poi(@rdi+80)`) // struct pt_regs, ip
		if !strings.HasPrefix(at, "0") {
			t.Fatalf("the program goes on at %q: %s", at, w.Do("r;k"))
		}
		w.Do("ba e1 " + at)
		w.Do("g")
		w.Do("bc *")
		has(t, "the stop in the program", w.Do("r cs"), `cs=0+33$`)
		banner := strings.ReplaceAll(answer(w, `.printf "%p", vmlinux!linux_banner`), "`", "")
		has(t, "the address space", vm.Monitor("gva2gpa 0x"+banner), `Unmapped`)
		hidden := func(w *window.Window) {
			has(t, "the kernel's memory", answer(w, "da vmlinux!linux_banner"), `Linux version 6`)
			has(t, "its page tables", answer(w, "!vtop 0 vmlinux!linux_banner"), `translates to physical address`)
			has(t, "its tasks", answer(w, "!ps"), ` sync$`, ` kthreadd$`)
			has(t, "its log", answer(w, "!dmesg"), `^\[ *0.0+\] Linux version 6`)
		}
		hidden(w)
		w.Do(`eza vmlinux!init_uts_ns+41 "unhidden"`)
		w.End(".abandon;q")
		w = window.Open(t, "-k", vm.Stub())
		has(t, "the kernel that another connection finds", w.Do("lm"), "^"+base[:8]+"`"+base[8:]+" .* vmlinux ")
		hidden(w)
		w.End("qd")
		if got := sync.Wait(); got != "unhidden\n" {
			t.Errorf("the guest's name is %q", got)
		}
	}
}
