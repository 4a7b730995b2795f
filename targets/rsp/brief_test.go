package rsp

import (
	"bytes"
	"strings"
	"testing"

	"dap-windbg/targets"
)

// TestDescribedBriefly: while the program runs to a trap with a condition the far end
// takes no registers beyond SSE apart. Those keep what they hold, and are there when
// they are asked for, in the same flight.
func TestDescribedBriefly(t *testing.T) {
	tg, tr := serve(t, "loop")
	at := symbol(t, "step")
	if err := tg.Resume(soon(t), goOn(targets.Trap{Addr: at})); err != nil {
		t.Fatal(err)
	}
	stop := expect[targets.Stop](t, tg)
	before, err := tg.Registers(soon(t), stop.Thread)
	if err != nil {
		t.Fatal(err)
	}
	high := bytes.Repeat([]byte{0xa5}, 16)
	i, wide := before.Set.Index("ymm15h")
	w := &targets.RegistersWrite{Thread: stop.Thread, Regs: before}
	if err := tg.Do(soon(t), []targets.Op{w}); err != nil || w.Err != nil {
		t.Fatal(err, w.Err)
	}
	for _, n := range []byte{30, 60} {
		// reg rdi, const8, equal, end
		trap := targets.Trap{Addr: at, Condition: []byte{0x26, 0, 5, 0x22, n, 0x13, 0x27}}
		r := goOn(trap)
		r.Quiet = true
		if err := tg.Resume(soon(t), r); err != nil {
			t.Fatal(err)
		}
		stop = expect[targets.Stop](t, tg)
		if stop.Addr != at || stop.Registers == nil || stop.Registers.PC() != at {
			t.Errorf("stop %+v", stop)
		}
		regs, err := tg.Registers(soon(t), stop.Thread)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range regs.Set.Regs {
			if before.Known(i) && !regs.Known(i) {
				t.Errorf("%s is unknown", r.Name)
			}
		}
		if v, _ := regs.Get("rdi"); v != uint64(n) {
			t.Errorf("stopped with %d, want %d", v, n)
		}
		if v, _ := regs.Bytes(i); wide && !bytes.Equal(v, high) {
			t.Errorf("ymm15h is %x, want %x", v, high)
		}
	}
	var asked []string
	for _, m := range tr.messages(t) {
		if text := string(m.Data); m.Out && strings.HasPrefix(text, "$qSupported") {
			asked = append(asked, map[bool]string{true: "all", false: "brief"}[strings.Contains(text, "xmlRegisters")])
		}
	}
	if got := strings.Join(asked, " "); got != "all brief all brief all" {
		t.Errorf("asked for %s", got)
	}
}
