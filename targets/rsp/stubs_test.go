package rsp

import (
	"encoding/json"
	"flag"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/targettest"
	"dap-windbg/targets/wire"
)

// The wires of testdata/stubs are of far ends that are no part of a test run.
// One is recorded by having the stub hold "probe brief" at its first instruction:
//
//	go test -run RecordStub -stub ADDRESS -loop 0xADDRESS_OF_step -to NAME
var (
	stubAddress = flag.String("stub", "", "address of a stub to record")
	stubLoop    = flag.Uint64("loop", 0, "address of step in its program")
	stubName    = flag.String("to", "", "name of the recording")
)

const stubs = "testdata/stubs"

// brief is a session with a far end that holds "probe brief": to step(), a step,
// to the end.
func brief(t *testing.T, conn io.ReadWriteCloser, o Options, loop arch.Addr) targets.Info {
	t.Helper()
	c, err := Connect(soon(t), conn, o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tg := c.Target()
	first := expect[targets.Stop](t, tg)
	list, err := tg.Threads(soon(t))
	if err != nil || len(list) != 1 || list[0].ID != first.Thread {
		t.Errorf("threads %+v, %v; stopped in %v", list, err, first.Thread)
	}
	mods, err := tg.Modules(soon(t))
	if err != nil || len(mods) == 0 || !mods[0].Main || mods[0].Base != 0x400000 {
		t.Errorf("modules %+v, %v", mods, err)
	}
	trap := targets.Trap{Addr: loop}
	if err := tg.Resume(soon(t), goOn(trap)); err != nil {
		t.Fatal(err)
	}
	stop := expect[targets.Stop](t, tg)
	regs, err := tg.Registers(soon(t), stop.Thread)
	if err != nil || stop.Reason != targets.Breakpoint || regs.PC() != loop {
		t.Fatalf("stop %+v, %v", stop, err)
	}
	if n, _ := regs.Get(regs.Set.Arch.Args[0]); n != 1 {
		t.Errorf("step(%d), want step(1)", n)
	}
	alone := map[targets.ThreadID]targets.Action{stop.Thread: {Kind: targets.Step}}
	if err := tg.Resume(soon(t), targets.Resume{Threads: alone, Lift: []targets.Trap{trap}}); err != nil {
		t.Fatal(err)
	}
	if stop := expect[targets.Stop](t, tg); stop.Reason != targets.Stepped {
		t.Errorf("stop %+v", stop)
	}
	regs, err = tg.Registers(soon(t), stop.Thread)
	if err != nil || regs.PC() == loop {
		t.Errorf("registers after a step: %v", err)
	}
	if err := tg.Resume(soon(t), goOn()); err != nil {
		t.Fatal(err)
	}
	if g := expect[targets.Gone](t, tg); !g.Exited || g.Code != 3 {
		t.Errorf("gone %+v", g)
	}
	return tg.Info()
}

func TestRecordStub(t *testing.T) {
	if *stubAddress == "" {
		return // recording is no test
	}
	nc, err := net.Dial("tcp", *stubAddress)
	if err != nil {
		t.Fatal(err)
	}
	tr := &tracing{}
	brief(t, nc, Options{Trace: wire.NewTrace(tr, nil)}, arch.Addr(*stubLoop))
	facts, err := json.Marshal(targettest.Subject{Loop: arch.Addr(*stubLoop)})
	if err != nil {
		t.Fatal(err)
	}
	text := "# subject " + string(facts) + "\n" + tr.String()
	if err := os.WriteFile(filepath.Join(stubs, *stubName+".wire"), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestStubs(t *testing.T) {
	for _, c := range []struct {
		name string
		arch *arch.Arch
		stub string
	}{
		{"valgrind-3.19", arch.AMD64, ""},             // no vCont, and refuses Hc0
		{"lldb-server-19", arch.AMD64, "lldb-server"}, // registers at offsets of their own, no list of modules yet
		{"qemu-aarch64-7.2", arch.ARM64, "QEMU user mode"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, m := recorded(t, filepath.Join(stubs, c.name+".wire"))
			far := wire.NewReplay(m, false)
			in := brief(t, far, Options{}, s.Loop)
			if in.Set.Arch != c.arch || in.Stub != c.stub || in.OS != "linux" || in.Machine {
				t.Errorf("info %+v", in)
			}
			if err := far.Done(); err != nil {
				t.Error(err)
			}
			if bad := spokenWhileRunning(m); bad != "" {
				t.Errorf("sent while the debuggee ran: %s", bad)
			}
		})
	}
}
