package rsp

import (
	"debug/elf"
	"debug/pe"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"slices"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/targettest"
)

// real is a make of stub, and what it does not do.
type real struct {
	stub   targettest.Stub
	source string
	flags  []string
	lacks  targettest.Subject // its losses
	not    []targettest.Rung  // what it cannot climb for them
	heavy  bool               // takes seconds to start; tried when HEAVY is set
}

var reals = []real{
	{stub: targettest.LLDBServer, source: "testdata/probe.c", flags: []string{"-no-pie"}},
	{stub: targettest.QEMUARM64, source: "testdata/probe.c", flags: []string{"-static"},
		lacks: targettest.Subject{Deaf: true}, not: []targettest.Rung{targettest.Watch, targettest.Crossing}},
	{stub: targettest.QEMURISCV, source: "testdata/probe.c", flags: []string{"-static"}, heavy: true,
		lacks: targettest.Subject{Deaf: true}, not: []targettest.Rung{targettest.Watch, targettest.Crossing}},
	{stub: targettest.Valgrind, source: "testdata/probe.c", flags: []string{"-no-pie"}, heavy: true, lacks: targettest.Subject{Blind: true}},
	{stub: targettest.Wine, source: "testdata/probe_windows.c", flags: []string{"-Wl,--disable-dynamicbase"}, heavy: true,
		lacks: targettest.Subject{Blind: true, Kind: targets.Hardware}, not: []targettest.Rung{targettest.Crossing}},
}

// addresses are the symbols of a program that lies where it is linked.
func addresses(t testing.TB, program string) map[string]arch.Addr {
	t.Helper()
	out := map[string]arch.Addr{}
	if f, err := elf.Open(program); err == nil {
		defer f.Close()
		list, err := f.Symbols()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			out[s.Name] = arch.Addr(s.Value)
		}
		return out
	}
	f, err := pe.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	base := f.OptionalHeader.(*pe.OptionalHeader64).ImageBase
	for _, s := range f.Symbols {
		if s.SectionNumber > 0 && int(s.SectionNumber) <= len(f.Sections) {
			out[s.Name] = arch.Addr(base + uint64(f.Sections[s.SectionNumber-1].VirtualAddress) + uint64(s.Value))
		}
	}
	return out
}

func TestReal(t *testing.T) {
	for _, r := range reals {
		if r.heavy && os.Getenv("HEAVY") == "" {
			continue
		}
		t.Run(r.stub.Name, func(t *testing.T) {
			program := r.stub.Build(t, r.source, append([]string{"-g", "-O0", "-pthread"}, r.flags...)...)
			at := addresses(t, program)
			climbs := slices.DeleteFunc(targettest.All(), func(g targettest.Rung) bool { return slices.Contains(r.not, g) })
			targettest.Run(t, func(t *testing.T) targettest.Subject {
				c, _ := connect(t, net.JoinHostPort("127.0.0.1", r.stub.Serve(t, program, "loop")), Options{})
				s := r.lacks
				s.Target, s.Threads, s.Ends = c.Target(), 1, true
				s.Known, s.Content, s.Nowhere, s.Writable = at["window"], make([]byte, 4096), 0x1000, at["window"]+8192-8
				s.Loop, s.Watched = at["step"], at["watched"]
				return s
			}, climbs...)
		})
	}
}

// TestPlatform: an lldb-server in platform mode is told from one that holds a process,
// lists those of its machine, and starts servers that attach and start.
func TestPlatform(t *testing.T) {
	program := targettest.Gdbserver.Build(t, "../../tests/programs/pacing.c")
	port := targettest.LLDBPlatform.Serve(t, program)
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		t.Fatal(err)
	}
	ctx := soon(t)
	c, err := Connect(ctx, conn, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	list, err := c.Processes(ctx)
	me := slices.IndexFunc(list, func(p targets.Process) bool { return p.PID == int64(os.Getpid()) })
	who, _ := user.Current()
	if !c.Platform() || c.Target() != nil || err != nil || me < 0 || list[me].User != who.Username || list[me].Command != strings.Join(os.Args, " ") {
		t.Errorf("platform %v, holds %v, process %d of %d, %v", c.Platform(), c.Target(), me, len(list), err)
	}
	if _, err := c.Lookup(ctx, 1<<30); !errors.As(err, new(*targets.RefusedError)) {
		t.Errorf("a process that is not: %v", err)
	}
	if env, err := c.Environment(ctx); err != nil || !slices.Contains(env, "PATH="+os.Getenv("PATH")) {
		t.Errorf("its environment: %v, %v", env, err)
	}
	var pids []int64
	for range 3 { // one after the other
		s, err := c.StartServer(ctx)
		if err != nil {
			t.Fatal(err)
		}
		wire, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", s.Port))
		if err != nil {
			t.Fatal(err)
		}
		stub, err := Connect(ctx, wire, Options{})
		if err != nil {
			t.Fatal(err)
		}
		debuggee, err := stub.Launch(ctx, targets.Program{Path: program})
		if err != nil {
			t.Fatal(err)
		}
		if p, err := c.Lookup(ctx, debuggee.Info().Process); err != nil || p.Command != program {
			t.Errorf("the debuggee is %v, %v", p, err)
		}
		pids = append(pids, debuggee.Info().Process)
		if err := errors.Join(debuggee.Close(ctx, targets.Kill), stub.Close(), c.AwaitEnd(ctx, s)); err != nil {
			t.Error(err)
		}
	}
	for _, pid := range pids { // whose parent may take its time
		if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err == nil && !strings.Contains(string(state), "State:\tZ") {
			t.Errorf("process %d is left\n%s", pid, state)
		}
	}
	s, err := c.StartServer(ctx) // which nobody wants
	if err == nil {
		err = errors.Join(c.EndServer(ctx, s), c.AwaitEnd(ctx, s))
	}
	if err != nil {
		t.Error(err)
	}
}
