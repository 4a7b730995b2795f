package kernel

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/tests/kernel/guest"
	"dap-windbg/tests/kernel/window"
)

// protocols are the two ways to a kernel's own debugger: packets, and the text console.
var protocols = []string{"kgdb", "kdb"}

// debugged is a machine with kgdb and a command window on its line.
type debugged struct {
	*guest.VM
	*window.Window
	t      *testing.T
	kernel guest.Kernel
	module string
	line   *guest.Line
	cpus   int
}

func debug(t *testing.T, protocol string, cpus int) *debugged {
	t.Helper()
	d := start(t, cpus, "nokaslr")
	d.Ready()
	d.open(d.line.Connection(protocol, d.kernel))
	return d
}

// start starts a machine with kgdb, which nobody debugs yet.
func start(t *testing.T, cpus int, args string) *debugged {
	t.Helper()
	if os.Getenv("HEAVY") == "" {
		t.Skip("only with HEAVY=1: it builds a kernel")
	}
	k, module, _ := guest.KGDB(t)
	l := &guest.Line{Log: filepath.Join(t.TempDir(), "line")}
	vm := guest.Start(t, guest.Config{Kernel: k, CPUs: cpus, Append: args, Debug: l, Files: map[string]string{"lib/modules/dwtest.ko": module}})
	return &debugged{VM: vm, t: t, kernel: k, module: module, line: l, cpus: cpus}
}

// open opens a command window on a connection.
func (d *debugged) open(connection string) {
	d.t.Helper()
	d.Window = window.Open(d.t, "-y", strings.TrimSuffix(d.module, "/dwtest.ko"), "-k", connection)
	d.Do("~") // it has connected
}

// parts detaches, and sees that the guest lives.
func (d *debugged) parts() {
	d.t.Helper()
	d.End("qd")
	if got := d.Run("echo alive"); got != "alive\n" {
		d.t.Errorf("after detaching the guest says %q", got)
	}
}

// finishes goes on until what the guest was told to do is done, breaks in, and parts.
func (d *debugged) finishes(call interface{ Wait() string }) {
	d.t.Helper()
	g := d.Say("g")
	call.Wait()
	d.Interrupt()
	g.Wait()
	d.parts()
}

// during runs a command in the guest while the kernel runs, and breaks in again.
func (d *debugged) during(command string) string {
	d.t.Helper()
	g := d.Say("g")
	out := d.Run(command)
	d.Interrupt()
	g.Wait()
	return out
}

// value evaluates an expression.
func (d *debugged) value(expr string) uint64 {
	d.t.Helper()
	text := d.Do("? " + expr)
	m := valueOf.FindStringSubmatch(text)
	if m == nil {
		d.t.Errorf("? %s: %q", expr, text)
		return 0
	}
	v, _ := strconv.ParseUint(m[1]+m[2], 16, 64)
	return v
}

var valueOf = regexp.MustCompile("= ([0-9a-f]{8})`([0-9a-f]{8})")

var locationOf = regexp.MustCompile(`\[(\S+) @ (\d+)\]`)

// TestKernelDebugger: a whole session with a kernel over its own debugger, by packets
// and by the text console.
func TestKernelDebugger(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) { session(t, protocol) })
	}
}

func session(t *testing.T, protocol string) {
	d := debug(t, protocol, 2)
	has(t, "k", d.Do("k"), `vmlinux!kgdb_breakpoint`, `vmlinux!sysrq_handle_dbg`)
	has(t, "~", d.Do("~"), `CPU 0`, `CPU 1`)
	has(t, "~0 k", d.Do("~0 k"), `00 .*vmlinux!`)
	has(t, "~1 k", d.Do("~1 k"), `00 .*vmlinux!`)

	// A breakpoint by symbol in the module's init, before the module is there.
	d.Do("bu dwtest!dw_add")
	g := d.Say("g")
	load := d.Begin("insmod /lib/modules/dwtest.ko")
	has(t, "the stop in the module's init", g.Wait(), `Breakpoint 0 hit`, `dwtest!dw_add`)
	has(t, "k there", d.Do("k"), `dwtest!(dw_init|init_module)`, `vmlinux!do_one_initcall`, `vmlinux!do_init_module`)
	has(t, "dv", d.Do("dv"), `id = 0n1`)
	d.Do("bc *")
	g = d.Say("g")
	load.Wait()

	// By symbol and by line, hit from a command in the guest.
	d.Interrupt()
	g.Wait()
	d.Do("bp dwtest!dw_middle")
	g = d.Say("g")
	call := d.Begin("echo call 5 >/proc/dwtest")
	has(t, "the stop by symbol", g.Wait(), `Breakpoint \d hit`, `dwtest!dw_middle`)
	has(t, "dv", d.Do("dv"), `v = 0n5`)
	has(t, "k", d.Do("k"), `dwtest!dw_outer`, `dwtest!dw_write`, `vmlinux!vfs_write`, `vmlinux!ksys_write`, `vmlinux!do_syscall_64`)
	line := locationOf.FindStringSubmatch(d.Do("k 1"))
	if line == nil {
		t.Fatal("no line of the stop")
	}
	text := d.Do("x dwtest!dw_watched")
	has(t, "x", text, `dwtest!dw_watched`)
	d.Do("bc *")
	n, _ := strconv.Atoi(line[2])
	d.Do("bp `dwtest!" + line[1] + ":" + strconv.Itoa(n+1) + "`") // return dw_inner(local) + local
	has(t, "the stop by line", d.Do("g"), `Breakpoint \d hit`, `dwtest!dw_middle`)
	d.Do("bc *")
	has(t, "dv there", d.Do("dv"), `local = 0n10`)

	// Memory and registers.
	watched := d.value("poi(dwtest!dw_watched)")
	d.Do("eq dwtest!dw_watched 1122334455667788")
	has(t, "dq", d.Do("dq dwtest!dw_watched L1"), "11223344`55667788")
	d.Do("eb dwtest!dw_watched+3 0xab")
	has(t, "dq", d.Do("dq dwtest!dw_watched L1"), "11223344`ab667788")
	if watched != 0 {
		rcx := d.value("@rcx")
		d.Do("r rcx=1234567890")
		if got := d.value("@rcx"); got != 0x1234567890 {
			t.Errorf("rcx is %x", got)
		}
		d.Do("r rcx=" + strconv.FormatUint(rcx, 16))
	}
	g = d.Say("g")
	call.Wait()
	d.Interrupt()
	g.Wait()

	// What the system knows.
	sameTasks(t, d.during("cat /proc/[0-9]*/stat"), answer(d.Window, "!ps"))
	log := d.during("dmesg")
	ours := answer(d.Window, "!dmesg")
	has(t, "the log's last lines", answer(d.Window, "!dmesg 3"), `^\[ *[0-9.]+\] sysrq: DEBUG$`)
	sameLog(t, log, ours, d.during("dmesg"))

	// A second window has part in the session.
	second := window.Open(t, "-remote", joined(t, d.Window))
	_, a, _ := strings.Cut(answer(d.Window, "k"), "# Child-SP")
	_, b, _ := strings.Cut(answer(second, "k"), "# Child-SP")
	if !strings.HasPrefix(a, b) || !strings.Contains(b, "vmlinux!kgdb_breakpoint") { // the first is told of who joined too
		t.Errorf("the second window shows\n%s\ninstead of\n%s", b, a)
	}
	second.Do("bp dwtest!dw_outer")
	g = second.Say("g")
	call = d.Begin("echo call 8 >/proc/dwtest")
	has(t, "the stop in the second window", g.Wait(), `Breakpoint \d hit`, `dwtest!dw_outer`)
	has(t, "the stop in the first", d.Do("k"), `dwtest!dw_outer`, `vmlinux!vfs_write`)
	second.Do("bc *")
	second.End(".remote_exit")
	d.Do(".endsrv 0")
	g = d.Say("g")
	call.Wait()
	d.Interrupt()
	g.Wait()

	// The guest lives after detaching, and can be debugged again.
	d.End("qd")
	if got := d.Run("echo alive"); got != "alive\n" {
		t.Fatalf("after detaching the guest says %q", got)
	}
	d.Window = window.Open(t, "-k", d.line.Connection(protocol, d.kernel))
	has(t, "k again", d.Do("k"), `vmlinux!kgdb_breakpoint`)
	g = d.Say("g")
	d.Begin("echo panic >/proc/dwtest")
	has(t, "the panic", g.Wait(), `vmlinux!kgdb_breakpoint|vmlinux!panic|vmlinux!kgdb_panic`)
	has(t, "k of the panic", d.Do("k"), `vmlinux!panic`, `dw_write`)
}
