package kernel

import (
	"strings"
	"testing"
)

// TestKernelLocals: the arguments and variables of the frames of a stop are what gdb
// makes of the same stop. It comes to the line after us, where the kernel still waits.
func TestKernelLocals(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) { sameLocals(t, protocol) })
	}
}

func sameLocals(t *testing.T, protocol string) {
	d := debug(t, protocol, 2)
	sections := d.during("insmod /lib/modules/dwtest.ko; cd /sys/module/dwtest/sections; for s in .text .data .bss .rodata; do echo -s $s $(cat $s); done; cd /")
	module := "add-symbol-file " + d.module + " " + strings.Join(strings.Fields(sections), " ")
	values := 0
	for _, place := range []struct {
		function string
		lines    int // to go on from its beginning
		command  string
	}{
		{"dwtest!dw_inner", 0, "echo call 5 >/proc/dwtest"},
		{"dwtest!dw_add", 5, "echo add 7 >/proc/dwtest"},
		{"vmlinux!proc_pid_status", 2, "cat /proc/1/status >/dev/null"},
	} {
		d.Do("bp /1 " + place.function)
		g := d.Say("g")
		under := d.Begin(place.command)
		has(t, "the stop", g.Wait(), `Breakpoint \d hit`, place.function)
		for range place.lines {
			d.Do("p")
		}
		mine := variables(d.Window, 16)
		d.End(".abandon;q")
		told := underGDB(t, d.line.Port, d.kernel.Vmlinux, append([]string{module}, framesUnderGDB(9)...)...)
		frames, same := sameVariables(t, place.function, mine, told)
		t.Logf("%s: %d values in %d frames", place.function, same, frames)
		if values += same; frames < 7 {
			t.Errorf("%s: %d frames are compared:\n%s", place.function, frames, told)
		}
		d.open(d.line.Connection(protocol, d.kernel))
		has(t, "k behind gdb", d.Do("k"), place.function)
		g = d.Say("g")
		under.Wait()
		d.Interrupt()
		g.Wait()
	}
	if values < 20 {
		t.Errorf("only %d values are compared", values)
	}
	d.parts()
}
