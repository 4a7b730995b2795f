package kernel

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"dap-windbg/tests/kernel/guest"
	"dap-windbg/tests/kernel/window"
)

// TestCycles: a thousand stops, and two hundred modules that come and go, without a stop
// lost or a trap left.
func TestCycles(t *testing.T) {
	if os.Getenv("HEAVY") == "" {
		t.Skip(tooLong)
	}
	const stops, loads = 1000, 200
	k := guest.Debian(t, false)
	vm := guest.Start(t, guest.Config{Kernel: k, CPUs: 2, Files: map[string]string{"lib/modules/dummy.ko": k.Module(t, "dummy")}}).Ready()
	w := window.Open(t, "-k", vm.Stub())
	w.Do("bp vmlinux!proc_pid_status")
	g := w.Say("g")
	cats := vm.Begin(fmt.Sprintf("i=0; while [ $i -lt %d ]; do cat /proc/1/status >/dev/null; i=$((i+1)); done; echo $i", stops))
	told := 0
	// Whether a stop or the guest's end comes next is looked at: they come on two wires.
	for limit := time.Now().Add(guest.Patience); !cats.Done() && time.Now().Before(limit); time.Sleep(10 * time.Millisecond) {
		if !g.Done() {
			continue
		}
		limit = time.Now().Add(guest.Patience)
		if text := g.Wait(); !strings.Contains(text, "Breakpoint 0 hit") {
			t.Fatalf("stop %d is\n%s", told, text)
		}
		told++
		g = w.Say("g")
	}
	if got := strings.TrimSpace(cats.Wait()); got != fmt.Sprint(stops) || told != stops {
		t.Errorf("the guest has come there %s times of %d, and %d stops were told", got, stops, told)
	}
	w.Interrupt()
	g.Wait()
	w.Do("bc *; bu dummy!dummy_init_module; bu dummy!dummy_cleanup_module")
	g = w.Say("g")
	modules := vm.Begin("i=0; while [ $i -lt 200 ]; do insmod /lib/modules/dummy.ko && rmmod dummy && i=$((i+1)); done; echo $i")
	for i := range 2 * loads {
		if text := g.Wait(); !strings.Contains(text, []string{"Breakpoint 0 hit", "Breakpoint 1 hit"}[i%2]) {
			t.Fatalf("stop %d for a module is\n%s", i, text)
		}
		g = w.Say("g")
	}
	if got := modules.Wait(); got != "200\n" {
		t.Errorf("the guest has counted %q", got)
	}
	w.Interrupt()
	g.Wait()
	w.Do("bc *")
	w.End("qd")
	if got := vm.Run("insmod /lib/modules/dummy.ko && cat /proc/1/status >/dev/null && rmmod dummy && echo alive"); got != "alive\n" {
		t.Errorf("after detaching the guest says %q", got)
	}
}

// TestReset: a machine that is reset under us is noticed, with breakpoints that hold in
// its next life; .restart connects anew.
func TestReset(t *testing.T) {
	if os.Getenv("HEAVY") == "" {
		t.Skip(tooLong)
	}
	vm := guest.Start(t, guest.Config{Kernel: guest.Debian(t, false)}).Ready()
	w := window.Open(t, "-k", vm.Stub())
	w.Do("bu vmlinux!proc_pid_status")
	g := w.Say("g")
	from := len(vm.Log())
	vm.Monitor("system_reset")
	vm.WaitLog(guest.Prompt, from)
	w.Interrupt()
	g.Wait()
	has(t, "what is told", w.Text(), `The machine was restarted`)
	idle(t, w)
	g = w.Say("g")
	cat := vm.Begin("cat /proc/1/status >/dev/null")
	has(t, "the stop", g.Wait(), `Breakpoint 0 hit`)
	has(t, ".restart", w.Do(".restart"), `vmlinux`)
	has(t, "the stack after that", w.Do("k"), `vmlinux!`)
	parts(t, w, vm, cat)
}

// TestReboot: .reboot starts the machine anew, which is noticed.
func TestReboot(t *testing.T) {
	if os.Getenv("HEAVY") == "" {
		t.Skip(tooLong)
	}
	vm := guest.Start(t, guest.Config{Kernel: guest.Debian(t, false)}).Ready()
	w := window.Open(t, "-k", vm.Stub())
	w.Do("bu vmlinux!proc_pid_status")
	from := len(vm.Log())
	w.Do(".reboot")
	g := w.Say("g")
	vm.WaitLog(guest.Prompt, from)
	w.Interrupt()
	g.Wait()
	has(t, "what is told", w.Text(), `The machine was restarted|Shutdown occurred`)
	g = w.Say("g")
	cat := vm.Begin("cat /proc/1/status >/dev/null")
	has(t, "the stop", g.Wait(), `Breakpoint 0 hit`, `vmlinux!proc_pid_status`)
	parts(t, w, vm, cat)
}

// parts lets the guest run to the end of the command that it stopped in, and leaves it.
func parts(t *testing.T, w *window.Window, vm *guest.VM, command *guest.Running) {
	t.Helper()
	w.Do("bc *")
	g := w.Say("g")
	command.Wait()
	w.Interrupt()
	g.Wait()
	w.End("qd")
	if got := vm.Run("echo alive"); got != "alive\n" {
		t.Errorf("after detaching the guest says %q", got)
	}
}
