package kernel

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/targets/wire"
	"dap-windbg/tests/kernel/guest"
	"dap-windbg/tests/kernel/window"
)

// TestPackets counts what a step over a line of Debian's kernel costs.
func TestPackets(t *testing.T) {
	k := heavy(t)
	packetsOfSteps(t, guest.Start(t, guest.Config{Kernel: k, CPUs: 2}).Ready(), "-y", symbolPath(k))
}

// TestPacketsOfOwnKernel counts it in a kernel that was configured otherwise.
func TestPacketsOfOwnKernel(t *testing.T) {
	if os.Getenv("HEAVY") == "" {
		t.Skip(tooLong)
	}
	k, _, _ := guest.KGDB(t)
	vm := guest.Start(t, guest.Config{Kernel: k, CPUs: 2, Append: "nokaslr"}).Ready()
	packetsOfSteps(t, vm, "-y", k.Vmlinux)
}

// packetsOfSteps steps through a system call, line after line, and asks for the stack,
// the variables and the registers each time. Where the line's end is reached at one go
// that takes 12 packets, else 10 and two an instruction; each run goes over two or more.
func packetsOfSteps(t *testing.T, vm *guest.VM, symbols ...string) {
	trace := filepath.Join(t.TempDir(), "wire")
	w := window.Open(t, append([]string{"-k", vm.Stub(), "--trace", trace}, symbols...)...)
	total, on := 0, 0
	for _, function := range []string{"proc_pid_status", "do_sys_openat2", "vfs_read"} {
		w.Do("bp /1 vmlinux!" + function)
		g := w.Say("g")
		vm.Begin("cat /proc/1/status >/dev/null")
		has(t, "the stop", g.Wait(), `Breakpoint \d+ hit`)
		w.Do("p; k; dv; r") // what is looked at for the first time is read then
		done := len(sent(t, trace, 0))
		for range 40 {
			at := w.Do("p")
			text := w.Do("k; dv; r")
			packets := sent(t, trace, done)
			done += len(packets)
			if !strings.Contains(at, "vmlinux!") || strings.Contains(at, "vmlinux!entry_") { // on the way back to the program
				break
			}
			if !strings.Contains(text, "entry_SYSCALL_64") || !strings.Contains(text, "user mode:") {
				t.Fatalf("no stack after a step:\n%s", text)
			}
			limit := 12
			if steps, runs := begin(packets, "$vCont;s"), begin(packets, "$vCont;c"); steps+runs > 1 {
				limit = 10 + 2*(steps+2*runs)
			}
			if len(packets) > limit || len(packets) == 0 {
				t.Errorf("%d packets, want at most %d; at\n%s\n%s", len(packets), limit, at, strings.Join(packets, "\n"))
			}
			total, on = total+len(packets), on+1
		}
	}
	t.Logf("%d steps, %.1f packets each", on, float64(total)/float64(max(on, 1)))
	if on < 60 {
		t.Errorf("only %d steps were in the kernel", on)
	}
	w.Do("bc *")
	w.End("qd")
	if got := vm.Run("echo alive"); got != "alive\n" {
		t.Errorf("after detaching the guest says %q", got)
	}
}

// begin counts those that begin with a prefix.
func begin(packets []string, prefix string) (n int) {
	for _, p := range packets {
		if strings.HasPrefix(p, prefix) {
			n++
		}
	}
	return n
}

// sent are the packets that a trace of the wire has, behind the first few.
func sent(t *testing.T, trace string, from int) []string {
	t.Helper()
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := wire.Parse(bytes.NewReader(text[:bytes.LastIndexByte(text, '\n')+1]))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range messages {
		if m.Out && bytes.HasPrefix(m.Data, []byte("$")) {
			out = append(out, string(m.Data))
		}
	}
	return out[from:]
}
