package kernel

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// cycles is how often what is repeated is repeated; CYCLES says otherwise.
func cycles(usual int) int {
	if n, err := strconv.Atoi(os.Getenv("CYCLES")); err == nil && n > 0 {
		return min(n, usual)
	}
	return usual
}

// TestKernelCycles: a breakpoint is hit and left a thousand times, and a module comes
// and goes two hundred times, without a stop that is lost or a trap that stays.
func TestKernelCycles(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) { cycle(t, protocol) })
	}
}

// kept are where traps stand as long as a kernel is debugged: modules come and go there,
// and a machine goes down.
var kept = []string{"do_init_module", "module_memfree", "panic"}

// trapped is an entry of kdb's table of breakpoints.
var trapped = regexp.MustCompile(`BP #\d+ at 0x[0-9a-f]+ \(([^)]*)\)`)

func cycle(t *testing.T, protocol string) {
	d := debug(t, protocol, 1)
	d.during("insmod /lib/modules/dwtest.ko")
	hits := cycles(1000)
	d.Do("bp dwtest!dw_outer")
	g := d.Say("g")
	calls := d.Begin(fmt.Sprintf("i=0; while [ $i -lt %d ]; do echo call $i >/proc/dwtest; i=$((i+1)); done", hits))
	for i := range hits {
		has(t, "hit "+strconv.Itoa(i), g.Wait(), `Breakpoint 0 hit`)
		if t.Failed() {
			return
		}
		if i == hits-1 {
			d.Do("bc *")
		}
		g = d.Say("g")
	}
	calls.Wait()
	d.Interrupt()
	g.Wait()

	loads := cycles(200)
	g = d.Say("g")
	out := d.Run(fmt.Sprintf("rmmod dwtest; i=0; while [ $i -lt %d ]; do insmod /lib/modules/dwtest.ko && rmmod dwtest || echo failed; i=$((i+1)); done", loads))
	d.Interrupt()
	g.Wait()
	if strings.Contains(out, "failed") {
		t.Errorf("%s", out)
	}
	if list := d.Do("lm"); strings.Contains(strings.Split(list, "Unloaded")[0], " dwtest ") {
		t.Errorf("the module is gone and still listed:\n%s", list)
	}
	if protocol == "kdb" {
		for _, name := range trapped.FindAllStringSubmatch(d.Do("!kdb bl"), -1) {
			if !slices.Contains(kept, name[1]) {
				t.Errorf("a breakpoint is left at %s", name[1])
			}
		}
	}
	d.End("qd")
	if got := d.Run("echo alive"); got != "alive\n" {
		t.Errorf("after detaching the guest says %q", got)
	}
}
