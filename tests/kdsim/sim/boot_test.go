package sim

import (
	"os"
	"path/filepath"
	"testing"
)

// guest builds the guest once for all tests of the machine.
func guest(t testing.TB) *Guest {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	g, err := Build(filepath.Join(dir, "dap-windbg-kdsim"))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestBoot: the compiled kernel boots on the processor, prints and idles.
func TestBoot(t *testing.T) {
	c, err := newComputer(guest(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for range 2000 {
		e, ok := c.run(10)
		if !ok {
			if c.tick(); c.booted && c.ticks > 20 {
				break
			}
			continue
		}
		if e.why != serviced {
			t.Fatalf("processor %d: event %d at %x, cr2 %x", e.cpu.number, e.why, e.cpu.ip, e.cpu.cr2)
		}
		if e.cpu.r[rax] == 1 {
			b := make([]byte, e.cpu.r[rdx])
			c.mem.readAt(c.root, e.cpu.r[rcx], b)
			said = append(said, string(b))
		}
		e.cpu.ip++
	}
	t.Log(said, c.ticks, c.cpus[0].time, c.cpus[1].time)
	if !c.booted || len(said) == 0 {
		t.Fatalf("booted %v, said %q", c.booted, said)
	}
}
