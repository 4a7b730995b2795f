package rsp

import (
	"context"
	"strings"
	"testing"

	"dap-windbg/targets"
)

// prints prints text on the line.
func (k *kgdbKernel) prints(text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.print(text)
}

// TestKGDBStoppedText: + and - of the console's text are text, also while the kernel is
// stopped and asked.
func TestKGDBStoppedText(t *testing.T) {
	k := newKGDBKernel()
	d := kgdbTarget(t, k, patientKGDB)
	awaitStop(t, d)
	ctx := context.Background()
	const text = "total 3 + 4 - 5\r\n[mem 0x0-0x9f] +++ --- a+\r\n+ 1\r\n"
	k.prints(text)
	k.mu.Lock()
	k.aside = "x+1-2+" // before the acknowledgement
	k.mu.Unlock()
	p := make([]byte, 8)
	if _, err := d.ReadMemory(ctx, targets.Space{}, kgdbData, p); err != nil || p[1] != 7 {
		t.Errorf("%v, % x", err, p)
	}
	if err := d.Resume(ctx, targets.Resume{Default: targets.Action{Kind: targets.Go}, Plant: []targets.Trap{{Addr: kgdbLoop}}}); err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(text, "\r", "") + "x+1-2+"
	if _, got := awaitStop(t, d); got != want {
		t.Errorf("printed %q, shown %q", want, got)
	}
	if n := strings.Count(strings.Join(k.asked, " "), " mffff"); n != 1 {
		t.Errorf("memory was asked for %d times: %q", n, k.asked)
	}
}
