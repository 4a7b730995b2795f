package rsp

import (
	"context"
	"strings"
	"testing"
	"time"

	"dap-windbg/targets"
	"dap-windbg/targets/targettest"
)

// TestKGDBLateStop: a stop of which a part came so long before the rest that it was taken
// for text is asked for again.
func TestKGDBLateStop(t *testing.T) {
	const stop = "T05thread:01;"
	packet := string(frame(nil, stop))
	for _, cut := range []int{1, 4, len(packet) - 1} {
		k := newKGDBKernel()
		d := kgdbTarget(t, k, KGDB{Silence: 20 * time.Millisecond, Advice: "enter kgdb"})
		awaitStop(t, d)
		if err := d.Resume(context.Background(), targets.Resume{Default: targets.Action{Kind: targets.Go}}); err != nil {
			t.Fatal(err)
		}
		k.until(t, "it runs", func() bool {
			if !k.running {
				return false
			}
			k.running = false
			k.print(packet[:cut])
			return true
		})
		for said := ""; !strings.Contains(said, packet[:cut]); { // it is given up
			select {
			case e, ok := <-d.Events():
				if !ok {
					t.Fatalf("of %q: %v", packet[:cut], said)
				}
				if out, ok := e.(targets.Output); ok {
					said += out.Text
				}
			case <-time.After(targettest.Patience):
				t.Fatalf("of %q nothing is told but %q", packet[:cut], said)
			}
		}
		k.mu.Lock()
		k.print(packet[cut:])
		k.unheard = packet
		k.mu.Unlock()
		if s, _ := awaitStop(t, d); s.Thread.Thread != 1 {
			t.Errorf("behind %q: %+v", packet[:cut], s)
		}
	}
}

// TestKGDBAnsweredTwice: the second answer to what was sent twice is no text of the kernel
// that runs meanwhile.
func TestKGDBAnsweredTwice(t *testing.T) {
	k := newKGDBKernel()
	d := kgdbTarget(t, k, patientKGDB)
	awaitStop(t, d)
	k.mu.Lock()
	k.slow = 1 // taken when it is sent once more
	k.printk = string(frame(nil, "OK"))
	k.mu.Unlock()
	if err := d.SetTrap(context.Background(), targets.Trap{Addr: kgdbLoop}); err != nil {
		t.Fatal(err)
	}
	if err := d.Resume(context.Background(), targets.Resume{Default: targets.Action{Kind: targets.Go}}); err != nil {
		t.Fatal(err)
	}
	if s, got := awaitStop(t, d); s.Addr != kgdbLoop || got != "" {
		t.Errorf("%+v, shown %q", s, got)
	}
}
