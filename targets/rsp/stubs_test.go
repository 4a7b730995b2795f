package rsp

import (
	"encoding/json"
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

// The wires of testdata/stubs are of far ends that need not be there to be tested
// against; they are recorded with -record.
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

func TestStubs(t *testing.T) {
	for _, c := range []struct {
		name  string
		arch  *arch.Arch
		stub  string
		far   targettest.Stub
		flags string
	}{
		{"valgrind-3.19", arch.AMD64, "valgrind", targettest.Valgrind, "-no-pie"},       // no vCont, and refuses Hc0
		{"lldb-server-19", arch.AMD64, "lldb-server", targettest.LLDBServer, "-no-pie"}, // registers at offsets of their own, no list of modules yet
		{"qemu-aarch64-7.2", arch.ARM64, "QEMU user mode", targettest.QEMUARM64, "-static"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(stubs, c.name+".wire")
			if *record {
				recordStub(t, c.far, c.flags, file)
			}
			s, m := recorded(t, file)
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

// recordStub writes the wire of a session with a real stub.
func recordStub(t *testing.T, far targettest.Stub, flag, file string) {
	t.Helper()
	program := far.Build(t, "testdata/probe.c", "-g", "-O0", "-pthread", flag)
	loop := addresses(t, program)["step"]
	nc, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", far.Serve(t, program, "brief")))
	if err != nil {
		t.Fatal(err)
	}
	tr := &tracing{}
	brief(t, nc, Options{Trace: wire.NewTrace(tr, nil)}, loop)
	facts, err := json.Marshal(targettest.Subject{Loop: loop})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("# subject "+string(facts)+"\n"+tr.String()), 0o666); err != nil {
		t.Fatal(err)
	}
}
