package windows

import (
	"context"
	"fmt"
	"net"
	"testing"

	"dap-windbg/tests/kdsim/sim"
	"dap-windbg/tests/kernel/window"
)

// TestStub: the same machine behind a GDB stub like QEMU's, its kernel not booted for
// debugging: the kernel is found in memory.
func TestStub(t *testing.T) {
	s, err := sim.New(guest(t), sim.Options{Script: []sim.Command{{Tick: 10, Do: sim.Commands["load"]}}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			err = s.ServeStub(ctx, c)
			c.Close()
		}
		done <- err
	}()
	t.Cleanup(func() {
		stop()
		l.Close()
		<-done
	})
	w := window.Open(t, "-k", fmt.Sprintf("qemu:server=127.0.0.1,port=%d,os=windowskernel", l.Addr().(*net.TCPAddr).Port), "-y", guest(t).Dir)
	w.Do("")
	has(t, "the banner", w.Text(), "Windows 8.1 Kernel Version 9600 MP (2 procs) Free x64", "Kernel base = 0xfffff801`12600000")
	do(t, w, &counted{}, []step{
		{"lm", []string{"hal", "nt", "sample"}, 0, 0},
		{"k", []string{"nt!KiIdleLoop"}, 0, 0},
		{"!process 0 7", []string{"Image: System", "nt!KiDemoThread", "Image: demo.exe"}, 0, 0},
		{"!pte nt", []string{"PTE at FFFFF6FC00893000"}, 0, 0},
		{"bp nt!DemoCompute", nil, 0, 0},
		{"g", []string{"Breakpoint 0 hit", "nt!DemoCompute"}, 0, 0},
		{"k 2", []string{"nt!DemoCompute", "nt!DemoRound"}, 0, 0},
		{"dv", []string{"request = 0xff"}, 0, 0},
		{"bc *", nil, 0, 0},
	})
}
