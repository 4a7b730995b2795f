package kernel

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"dap-windbg/tests/kernel/guest"
	"dap-windbg/tests/kernel/window"
)

// TestKernelHardware: that the CPU's breakpoints never spring under the kernel's own
// debugger is found out when the kernel goes with the first, and said.
func TestKernelHardware(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			d := debug(t, protocol, 1)
			if text := d.Do("ba e1 vmlinux!ksys_write"); strings.Contains(text, "spring") {
				t.Fatalf("nothing was tried yet: %s", text)
			}
			has(t, "the trial", d.Do("g"), `Unable to insert breakpoint 0 .*never spring`, `vmlinux!kgdb_breakpoint`)
			has(t, "another", d.Do("ba e1 vmlinux!ksys_read"), `never spring`)
			has(t, "on data", d.Do("ba w4 vmlinux!jiffies"), `never spring`)
			d.Do("bc *")
			d.Do("bp vmlinux!ksys_write")
			g := d.Say("g")
			call := d.Begin("echo hello >/dev/null")
			has(t, "by software", g.Wait(), `Breakpoint \d hit`, `vmlinux!ksys_write`)
			d.Do("bc *")
			d.finishes(call)
		})
	}
}

// lineServer gives a machine's line to debuggers elsewhere, and returns the transport
// by which they reach it.
func lineServer(t *testing.T, l *guest.Line) string {
	t.Helper()
	binary, err := window.Binary()
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	port := free.Addr().(*net.TCPAddr).Port
	cmd := exec.Command(binary, "kdsrv", "-t", fmt.Sprintf("tcp:port=%d,password=secret", port), "--allow", fmt.Sprintf("127.0.0.1:%d", l.Port))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	var said strings.Builder
	for in := bufio.NewScanner(out); in.Scan(); {
		fmt.Fprintln(&said, in.Text())
		if strings.HasPrefix(in.Text(), "0: ") {
			go io.Copy(io.Discard, out)
			return fmt.Sprintf("tcp:server=127.0.0.1,port=%d,password=secret", port)
		}
	}
	t.Fatalf("the server does not listen:\n%s", said.String())
	return ""
}

// TestKernelOverServer: a kernel whose line another machine gives.
func TestKernelOverServer(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			d := start(t, 2, "nokaslr")
			d.Ready()
			server := lineServer(t, d.line)
			d.open("kdsrv:server=@{" + server + "},trans=@{" + d.line.Connection(protocol, d.kernel) + "}")
			has(t, "k", d.Do("k"), `vmlinux!kgdb_breakpoint`, `vmlinux!sysrq_handle_dbg`)
			d.Do("bp vmlinux!ksys_write")
			g := d.Say("g")
			call := d.Begin("echo hello >/dev/null")
			has(t, "the stop", g.Wait(), `Breakpoint 0 hit`, `vmlinux!ksys_write`)
			d.Do("bc *")
			g = d.Say("g")
			call.Wait()
			d.Interrupt()
			has(t, "the break-in", g.Wait(), `vmlinux!kgdb_breakpoint`)
			d.parts()
		})
	}
}

// boots waits at a line until the kernel waits for its debugger.
func boots(t *testing.T, l *guest.Line) {
	t.Helper()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", l.Port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(guest.Patience))
	for in := bufio.NewScanner(c); in.Scan(); {
		if strings.Contains(in.Text(), "Waiting for connection from remote gdb") {
			return
		}
	}
	t.Fatal("the kernel does not wait for its debugger")
}

// TestKernelWaits: a kernel that waits for its debugger while it boots.
func TestKernelWaits(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			d := start(t, 1, "nokaslr kgdbwait")
			boots(t, d.line)
			d.open(d.line.Connection(protocol, d.kernel))
			has(t, "k", d.Do("k"), `vmlinux!kgdb_breakpoint`, `vmlinux!kernel_init`)
			g := d.Say("g")
			d.WaitLog("built-in commands", 0) // the shell flushes its input before
			d.Interrupt()
			has(t, "the break-in", g.Wait(), `vmlinux!kgdb_breakpoint`)
			d.parts()
		})
	}
}

// TestKernelOops: an oops enters the debugger; the kernel goes on behind it.
func TestKernelOops(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			d := debug(t, protocol, 1)
			d.during("insmod /lib/modules/dwtest.ko")
			g := d.Say("g")
			oops := d.Begin("(echo null >/proc/dwtest)")
			has(t, "the oops", g.Wait(), `dwtest!dw_write|dwtest!dw_`)
			has(t, "k", d.Do("k"), `dwtest!dw_write`)
			g = d.Say("g")
			oops.Wait()
			d.Interrupt()
			has(t, "the break-in behind it", g.Wait(), `vmlinux!kgdb_breakpoint`)
			d.parts()
		})
	}
}

// TestKernelSysrq: a kernel that nothing of ours breaks into is waited for, and the user
// is told how to enter its debugger.
func TestKernelSysrq(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			d := debug(t, protocol, 1)
			d.parts() // its shell reads: what comes while that starts is lost
			d.Window = window.Open(t, "-k", d.line.Connection(protocol, d.kernel)+",enter=none")
			d.Await("sysrq-trigger")
			enter := d.Begin("echo g >/proc/sysrq-trigger")
			has(t, "k", d.Do("k"), `vmlinux!kgdb_breakpoint`, `vmlinux!write_sysrq_trigger`)
			g := d.Say("g")
			enter.Wait()
			said := len(d.Text())
			d.Interrupt()
			d.AwaitFrom(said, "sysrq-trigger") // what the user has to do
			enter = d.Begin("echo g >/proc/sysrq-trigger")
			has(t, "the stop", g.Wait(), `vmlinux!kgdb_breakpoint`)
			d.End("qd")
			enter.Wait()
			if got := d.Run("echo alive"); got != "alive\n" {
				t.Errorf("after detaching the guest says %q", got)
			}
		})
	}
}

// TestKernelReset: the machine is reset under the debugger, and debugged again.
func TestKernelReset(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			d := debug(t, protocol, 1)
			d.Do("bp vmlinux!ksys_write")
			d.Do("bd *")
			g := d.Say("g")
			d.Run("true") // it runs
			from := len(d.Log())
			d.Monitor("system_reset")
			d.WaitLog(guest.Prompt, from)
			d.Interrupt()
			g.Wait()
			d.Do(".restart")
			has(t, "k", d.Do("k"), `vmlinux!kgdb_breakpoint`, `vmlinux!sysrq_handle_dbg`)
			d.Do("be *")
			g = d.Say("g")
			call := d.Begin("echo hello >/dev/null")
			has(t, "the stop", g.Wait(), `Breakpoint 0 hit`, `vmlinux!ksys_write`)
			d.Do("bc *")
			d.finishes(call)
		})
	}
}

// TestKernelBuilds: a kernel that KASLR has moved says over kdb's console what build it
// is: a vmlinux of another is refused, and its own is found on the symbol path.
func TestKernelBuilds(t *testing.T) {
	d := start(t, 1, "")
	d.Ready()
	other, wrong := otherKernel(t)
	w := window.Open(t, "-k", d.line.Connection("kdb", guest.Kernel{Vmlinux: other}))
	w.Do("~")
	has(t, "the refusal", w.Text(), regexp.QuoteMeta(other)+" has build-id "+wrong+", the debuggee runs "+"[0-9a-f]{40}", `^Linux version 6\.`, `^Symbols: none yet; \.reload /f reads`)
	w.End("qd")
	id := buildOf(d.VM)
	has(t, "the build refused for", w.Text(), "the debuggee runs "+id)
	d.Window = window.Open(t, "-y", filepath.Dir(d.kernel.Vmlinux), "-k", fmt.Sprintf("kdb:server=127.0.0.1,port=%d", d.line.Port))
	has(t, "k", d.Do("k"), `vmlinux!kgdb_breakpoint\+.*debug_core\.c`)
	has(t, "what is told", d.Text(), `moved by 0x[1-9a-f]`, `^Symbols: /.*vmlinux$`)
	d.parts()
}
