package kernel

import "testing"

// TestKernelPassed: what kdb's own words move is shown as after ours, and they spoil
// nothing that is known: breakpoints hold and can be cleared.
func TestKernelPassed(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			d := debug(t, protocol, 2)
			if protocol == "kdb" {
				d.Do("~0s")
				has(t, "a step", d.Do("!kdb ss"), `SS trap`, `vmlinux!kgdb_breakpoint\+0xe`)
				has(t, "a step by a word this kernel has not", d.Do("!kdb -f ssb"), `SS trap`, `vmlinux!kgdb_breakpoint`)
				d.Do("!kdb cpu 0")
				has(t, "the processor", d.Do("~"), `\.  0 .*"CPU 0"`)
				rip, rsp := d.value("@rip"), d.value("@rsp")
				d.Do("pid 2")
				if a, b := d.value("@rip"), d.value("@rsp"); a != rip || b != rsp {
					t.Errorf("the registers are %x and %x, and of another task %x and %x", rip, rsp, a, b)
				}
				g := d.Say("!kdb go")
				d.Run("true")
				d.Interrupt()
				has(t, "the stop", g.Wait(), `vmlinux!kgdb_breakpoint`)
			} else {
				has(t, "a step", d.Do("!kdb ss"), `ss does nothing .*Use t`)
				has(t, "another processor", d.Do("!kdb cpu 0"), `cpu does nothing .*Use ~Ns`)
			}
			d.Do("bp vmlinux!ksys_write")
			g := d.Say("g")
			call := d.Begin("echo hello >/dev/null")
			has(t, "the stop", g.Wait(), `Breakpoint 0 hit`, `vmlinux!ksys_write`)
			d.Do("!kdb summary")
			d.Do("bc *")
			d.finishes(call)
		})
	}
}

// TestKernelPassedInInterrupt: a stop in an interrupt's handler goes on after kdb's own words.
func TestKernelPassedInInterrupt(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			d := debug(t, protocol, 2)
			for range 3 {
				d.Do("bp vmlinux!tick_periodic")
				g := d.Say("g")
				call := d.Begin("echo hello >/dev/null")
				has(t, "the stop", g.Wait(), `Breakpoint \d hit`, `vmlinux!tick_periodic`)
				has(t, "kdb's own stack", d.Do("!kdb bt"), `tick_periodic`)
				d.Do("bc *")
				g = d.Say("g")
				call.Wait()
				d.Interrupt()
				g.Wait()
			}
			d.parts()
		})
	}
}

// TestKernelReboot: the machine is started anew, by us and under us: its next stop tells,
// and breakpoints hold.
func TestKernelReboot(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			d := debug(t, protocol, 1)
			d.Do("bp vmlinux!ksys_write")
			d.Do("bp vmlinux!panic") // nothing comes there
			hit := func() {
				t.Helper()
				g := d.Say("g")
				call := d.Begin("echo hello >/dev/null")
				has(t, "the stop", g.Wait(), `Breakpoint 0 hit`, `vmlinux!ksys_write`)
				d.Do("bd 0")
				g = d.Say("g")
				call.Wait()
				d.Interrupt()
				g.Wait()
			}
			hit()
			for _, line := range []string{"!kdb reboot", "g"} {
				from := len(d.Log())
				g := d.Say(line)
				if line == "g" {
					d.Run("true") // it runs
					d.Monitor("system_reset")
				}
				d.WaitLog("built-in commands", from)
				d.Interrupt()
				has(t, line, g.Wait(), `Shutdown occurred at the target`, `ModLoad: .*vmlinux`, `vmlinux!kgdb_breakpoint`)
				d.Do("be 0")
				hit()
			}
			d.Do("bc *")
			d.parts()
		})
	}
}
