package kernel

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"dap-windbg/tests/kernel/guest"
	"dap-windbg/tests/kernel/window"
)

// roads are the ways to a kernel: QEMU's stub, and its own debugger by packets and by
// text.
var roads = append([]string{"exdi"}, protocols...)

// road starts a machine and opens a command window on it by one of the roads.
func road(t *testing.T, name string, cpus int) *debugged {
	t.Helper()
	d := start(t, cpus, "nokaslr")
	d.Ready().WaitLog("built-in commands", 0) // the shell flushes its input before
	connection := d.VM.Stub()
	if name != "exdi" {
		connection = d.line.Connection(name, d.kernel)
	}
	d.Run("insmod /lib/modules/dwtest.ko")
	args := []string{"-y", filepath.Dir(d.module) + ";" + filepath.Dir(d.kernel.Vmlinux), "-k", connection}
	if trace := os.Getenv("WIRE"); trace != "" {
		args = append(args, "--trace", fmt.Sprintf("%s-%s-%d", trace, name, cpus))
	}
	d.Window = window.Open(t, args...)
	d.Do("~")
	return d
}

// marked is the line of source that a window shows to be at, with its function.
var marked = regexp.MustCompile(`(?m)^(\w+!\w+)(?:\.\w+)*(?:\+0x[0-9a-f]+)? \[(\S+) @ (\d+)\]:\n> *(\d+):`)

// at is where a step has ended, as function:line.
func at(t *testing.T, text string) string {
	t.Helper()
	m := marked.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no place in:\n%s", text)
	}
	return m[1] + ":" + m[3]
}

// stack is the kernel stack that the selected processor is on.
func (d *debugged) stack() uint64 { return d.value("@rsp") &^ (16<<10 - 1) }

// TestKernelSteps: fifty lines, into what is called, over it and out of it, on one
// processor and on two of which the other runs the same functions. Each step ends in the
// task that steps, and over the same lines as on every road.
func TestKernelSteps(t *testing.T) {
	var want []string
	for _, cpus := range []int{1, 2} {
		for _, name := range roads {
			t.Run(fmt.Sprintf("%s on %d", name, cpus), func(t *testing.T) {
				got := fiftySteps(t, road(t, name, cpus))
				if want == nil {
					want = got
				}
				if text := strings.Join(got, "\n"); text != strings.Join(want, "\n") {
					t.Errorf("over other lines than on the first road:\n%s\ninstead of\n%s", text, strings.Join(want, "\n"))
				}
			})
		}
	}
}

// fiftySteps steps, and returns the lines where steps over ended.
func fiftySteps(t *testing.T, d *debugged) (over []string) {
	d.Do("bp /1 dwtest!dw_add")
	g := d.Say("g")
	var call *guest.Running
	if d.cpus > 1 {
		call = d.Begin("for p in 1 2; do (i=0; while [ $i -lt 300 ]; do echo add 7 >/proc/dwtest; i=$((i+1)); done) & done; wait")
	} else {
		call = d.Begin("echo add 7 >/proc/dwtest; echo add 7 >/proc/dwtest")
	}
	has(t, "the stop to step from", g.Wait(), `dwtest!dw_add`)
	own := d.stack()
	step := func(command string) string {
		t.Helper()
		text := d.Do(command)
		if s := d.stack(); s != own {
			t.Fatalf("%s ends on the stack %x instead of %x:\n%s", command, s, own, text)
		}
		return at(t, text)
	}
	over = append(over, step("p"))
	for !strings.HasPrefix(over[len(over)-1], "dwtest!dw_write:") {
		over = append(over, step("p"))
	}
	d.Do("bp /1 dwtest!dw_add")
	g = d.Say("g")
	has(t, "the second stop", g.Wait(), `dwtest!dw_add`)
	own = d.stack()
	for range 35 {
		step("t")
	}
	for i := 0; ; i++ {
		if where := step("gu"); strings.HasPrefix(where, "dwtest!dw_write:") {
			break
		} else if i == 20 {
			t.Fatalf("twenty times out, and at %s", where)
		}
	}
	d.finishes(call)
	return over
}

// TestKernelHold: a step that is to hold the other processors does, over calls and into them.
func TestKernelHold(t *testing.T) {
	for _, name := range protocols {
		t.Run(name, func(t *testing.T) {
			d := road(t, name, 2)
			d.Do("bp /1 dwtest!dw_add")
			g := d.Say("g")
			call := d.Begin("(i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done) & i=0; while [ $i -lt 100 ]; do echo add 7 >/proc/dwtest; i=$((i+1)); done; wait")
			var own, other, where string
			stands := func() string { return registersShown.FindString(d.Do("~" + other + " r")) }
			for try := 0; !strings.Contains(where, "rip=0000"); try++ { // in the program: it has no lock that the step needs, and no stop to tell
				if try > 0 {
					d.Do("bp /1 dwtest!dw_add")
					g = d.Say("g")
				}
				has(t, "the stop to step from", g.Wait(), `dwtest!dw_add`)
				m := ownProcessor.FindStringSubmatch(d.Do("~"))
				if m == nil || try == 40 {
					t.Fatalf("no processor is the current one, or the other was never in its program: %s", where)
				}
				own, other = m[1], map[string]string{"0": "1", "1": "0"}[m[1]]
				where = stands()
			}
			for _, command := range []string{"p", "p", "t", "t", "t", "p"} {
				d.Do("~" + own + " " + command)
				if now := stands(); now != where {
					t.Fatalf("the other processor has moved during %s:\n%s\nfrom\n%s", command, now, where)
				}
			}
			d.Do("~" + own + "s")
			now := where
			for range 10 { // one step may be over before the other processor has its turn
				if d.Do("p"); now == where {
					now = stands()
				}
			}
			if now == where {
				t.Errorf("the other processor waits for ever:\n%s", now)
			}
			d.finishes(call)
		})
	}
}

var (
	ownProcessor   = regexp.MustCompile(`(?m)^\s*\.\s+(\d+)`) // the mark of the current one in a list
	registersShown = regexp.MustCompile(`(?s)rax=.*efl=\w+`)
)

// TestKernelFoot: out of a system call into code where the kernel allows no traps, which
// takes the way through all that is called until then.
func TestKernelFoot(t *testing.T) {
	d := road(t, "kgdb", 1)
	d.Do("bp /1 vmlinux!x64_sys_call")
	g := d.Say("g")
	call := d.Begin("echo call 5 >/proc/dwtest")
	has(t, "the stop", g.Wait(), `vmlinux!x64_sys_call`)
	text := d.Do("gu")
	has(t, "out of the system call", text, `^vmlinux!do_syscall_(64|x64)`)
	if strings.Contains(text, "given up") {
		t.Error(text)
	}
	d.finishes(call)
}

// TestKernelDeadly: a breakpoint where the kernel's own debugger would meet it itself is
// refused, and a step into such a function takes it by instructions.
func TestKernelDeadly(t *testing.T) {
	for _, how := range []string{"kgdb", "kdb"} {
		t.Run(how, func(t *testing.T) {
			d := road(t, how, 1)
			has(t, "the refusal", d.Do("bp vmlinux!_raw_spin_lock"), `runs through _raw_spin_lock itself`)
			d.Do("bc *; bp /1 vmlinux!x64_sys_call")
			g := d.Say("g")
			call := d.Begin("echo call 5 >/proc/dwtest")
			has(t, "the stop", g.Wait(), `vmlinux!x64_sys_call`)
			has(t, "into what it calls", d.Do("t; t; t; t"), `vmlinux!`)
			d.finishes(call)
		})
	}
}
