package windows

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"dap-windbg/targets"
	"dap-windbg/targets/kd"
	"dap-windbg/tests/kdsim/sim"
)

func simulated(t *testing.T, o sim.Options) (*sim.Target, net.Conn) {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	g, err := sim.Build(filepath.Join(dir, "dap-windbg-kdsim"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := sim.New(g, o)
	if err != nil {
		t.Fatal(err)
	}
	far, near := net.Pipe()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, far) }()
	t.Cleanup(func() {
		stop()
		near.Close()
		far.Close()
		<-done
	})
	return s, near
}

// TestTarget: the debugger's end and the simulated machine, written apart,
// understand each other.
func TestTarget(t *testing.T) {
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	_, line := simulated(t, sim.Options{Script: []sim.Command{{Tick: 12, Do: sim.Commands["break"]}}})
	k, err := kd.Connect(ctx, line, kd.Options{Break: true})
	if err != nil {
		t.Fatal(err)
	}
	for e := range k.Events() {
		t.Logf("%T %+v", e, e)
		s, ok := e.(targets.Stop)
		if !ok {
			continue
		}
		if s.Reason == targets.Breakpoint || s.Reason == targets.Interrupted || s.Reason == targets.Exception {
			break
		}
		if err := k.Resume(ctx, targets.Resume{Default: targets.Action{Kind: targets.Go}}); err != nil {
			t.Fatal(err)
		}
	}
	a, err := k.Anchors(ctx)
	t.Logf("%x %v", a, err)
	th, err := k.Threads(ctx)
	t.Log(th, err)
	r, err := k.Registers(ctx, th[1].ID)
	t.Log(r.PC(), err)
	if err := k.Close(ctx, targets.Detach); err != nil {
		t.Fatal(err)
	}
}
