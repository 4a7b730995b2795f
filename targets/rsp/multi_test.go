package rsp

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/wire"
)

func TestServer(t *testing.T) {
	addr, _ := server(t, "--multi", "127.0.0.1:0")
	c, tr := connect(t, addr, Options{})
	if c.Target() != nil || !c.Server() {
		t.Fatalf("target %v, server %v", c.Target(), c.Server())
	}
	list, err := c.Processes(soon(t))
	if err != nil || !slices.ContainsFunc(list, func(p targets.Process) bool { return p.PID == int64(os.Getpid()) }) {
		t.Errorf("own process not among %d: %v", len(list), err)
	}
	if held, err := c.Held(soon(t)); err != nil || len(held) != 0 {
		t.Errorf("held %v, %v", held, err)
	}
	if _, err := c.Attach(soon(t), 1<<30); err == nil {
		t.Error("attached to a process that is not there")
	}
	tg, err := c.Launch(soon(t), targets.Program{Path: probe(t), Args: []string{"brief"}, Dir: "/", Env: []string{"PROBE=a b"}})
	if err != nil {
		t.Fatal(err)
	}
	r := tg.(*Target)
	if stop := expect[targets.Stop](t, r); stop.Reason != targets.Initial || tg.Info().Attached {
		t.Errorf("first %+v, info %+v", stop, tg.Info())
	}
	if held, _ := c.Held(soon(t)); len(held) != 1 || held[0] != tg.Info().Process {
		t.Errorf("held %v", held)
	}
	if err := r.Resume(soon(t), goOn()); err != nil {
		t.Fatal(err)
	}
	if g := expect[targets.Gone](t, r); !g.Exited || g.Code != 3 {
		t.Errorf("gone %+v", g)
	}
	if err := tg.Close(soon(t), targets.Kill); err != nil {
		t.Errorf("closing what ended: %v", err)
	}
	before := len(tr.messages(t))
	again, err := c.Launch(soon(t), targets.Program{Path: probe(t)})
	if err != nil {
		t.Fatalf("the server is lost with its process: %v", err)
	}
	t.Log("launch:", wire.RoundTrips(tr.messages(t)[before:]), "round trips")
	if err := again.Close(soon(t), targets.Kill); err != nil {
		t.Error(err)
	}
	if _, err := c.Launch(soon(t), targets.Program{Path: "/no/such/program"}); err == nil {
		t.Error("started what is not there")
	}
}

// TestStart: the program gets the arguments, folder and variables it is given, and
// lies where it is told to.
func TestStart(t *testing.T) {
	addr, _ := server(t, "--multi", "127.0.0.1:0")
	c, _ := connect(t, addr, Options{})
	all := [][]string{{"plain"}, {"two words", "", "$HOME", "\"quoted\"", "back\\slash", "*"}}
	if c.feature("single-inf-arg") {
		all = append(all, []string{"don't", "line\nbreak", "'"})
	} else if _, err := c.Launch(soon(t), targets.Program{Path: "/bin/echo", Args: []string{"don't"}}); err == nil {
		t.Error("an argument that would be changed was passed on")
	}
	for _, args := range all {
		out := filepath.Join(t.TempDir(), "out file")
		script := `printf "%s|" "$PWD" "$GIVEN" "${HOME-none}" "$@" >"$0"`
		tg, err := c.Launch(soon(t), targets.Program{Path: "/bin/sh", Args: append([]string{"-c", script, out}, args...), Dir: "/usr", Env: []string{"GIVEN=a b", "HOME"}})
		if err != nil {
			t.Fatal(err)
		}
		r := tg.(*Target)
		expect[targets.Stop](t, r)
		if err := r.Resume(soon(t), goOn()); err != nil {
			t.Fatal(err)
		}
		if g := expect[targets.Gone](t, r); !g.Exited || g.Code != 0 {
			t.Errorf("gone %+v", g)
		}
		want := strings.Join(append([]string{"/usr", "a b", "none"}, args...), "|") + "|"
		if got, err := os.ReadFile(out); err != nil || string(got) != want {
			t.Errorf("the program saw %q, want %q (%v)", got, want, err)
		}
	}
	for _, random := range []bool{false, true} {
		seen := map[arch.Addr]bool{}
		for range 3 {
			tg, err := c.Launch(soon(t), targets.Program{Path: probe(t), ASLR: random})
			if err != nil {
				t.Fatal(err)
			}
			first := expect[targets.Stop](t, tg.(*Target))
			seen[first.Registers.SP()] = true
			if err := tg.Close(soon(t), targets.Kill); err != nil {
				t.Error(err)
			}
		}
		if (len(seen) > 1) != random {
			t.Errorf("stacks at %v with randomisation %v", seen, random)
		}
	}
}

// running starts the probe by itself.
func running(t *testing.T, mode string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(probe(t), mode)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd
}

func TestAttach(t *testing.T) {
	cmd := running(t, "threads")
	addr, _ := server(t, "--multi", "127.0.0.1:0")
	c, tr := connect(t, addr, Options{})
	got, err := c.Attach(soon(t), int64(cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	tg := got.(*Target)
	expect[targets.Stop](t, tg)
	if in := tg.Info(); !in.Attached || in.Process != int64(cmd.Process.Pid) || in.Path != probe(t) {
		t.Errorf("info %+v", in)
	}
	threads, err := tg.Threads(soon(t))
	if err != nil || len(threads) != 5 || threads[0].Name != "probe" {
		t.Errorf("threads %+v, %v", threads, err)
	}
	at := symbol(t, "step")
	code := make([]byte, 8)
	if _, err := tg.ReadMemory(soon(t), targets.Space{}, at, code); err != nil {
		t.Fatal(err)
	}
	if err := tg.Resume(soon(t), goOn(targets.Trap{Addr: at})); err != nil {
		t.Fatal(err)
	}
	if stop := expect[targets.Stop](t, tg); stop.Reason != targets.Breakpoint {
		t.Errorf("stop %+v", stop)
	}
	before := len(tr.messages(t))
	if err := tg.Close(soon(t), targets.Detach); err != nil {
		t.Fatal(err)
	}
	if n := wire.RoundTrips(tr.messages(t)[before:]); n > 2 {
		t.Errorf("detaching took %d round trips", n)
	}
	if got := peek(t, cmd.Process.Pid, at, len(code)); !bytes.Equal(got, code) {
		t.Errorf("left behind: % x, was % x", got, code)
	}
}

// peek reads a process's memory behind the debugger's back.
func peek(t *testing.T, pid int, at arch.Addr, n int) []byte {
	t.Helper()
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := make([]byte, n)
	if _, err := f.ReadAt(p, int64(at)); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFailedAttach(t *testing.T) {
	addr, _ := server(t, "--multi", "127.0.0.1:0")
	c, _ := connect(t, addr, Options{})
	// Process 1 exists and cannot be attached to twice: hold our own child first.
	cmd := running(t, "loop")
	a, err := c.Attach(soon(t), int64(cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	addr2, _ := server(t, "--multi", "127.0.0.1:0")
	c2, _ := connect(t, addr2, Options{})
	if _, err := c2.Attach(soon(t), int64(cmd.Process.Pid)); err == nil {
		t.Fatal("attached to a process another debugger holds")
	} else {
		t.Log(err)
	}
	if _, err := c2.Processes(soon(t)); err == nil {
		t.Error("the connection that answers rubbish from now on is still in use")
	}
	if err := a.Close(soon(t), targets.Detach); err != nil {
		t.Error(err)
	}
}

func TestFork(t *testing.T) {
	at := symbol(t, "step")
	for _, mode := range []string{"fork", "vfork"} {
		t.Run(mode, func(t *testing.T) {
			tg, _ := serve(t, mode)
			if err := tg.Resume(soon(t), goOn(targets.Trap{Addr: at})); err != nil {
				t.Fatal(err)
			}
			stop := expect[targets.Stop](t, tg)
			if stop.Reason != targets.Breakpoint || stop.Addr != at {
				t.Fatalf("stop %+v", stop)
			}
			regs, err := tg.Registers(soon(t), stop.Thread)
			if err != nil {
				t.Fatal(err)
			}
			if n, _ := regs.Get("rdi"); n != 200 && n != 300 {
				t.Errorf("stopped in step(%d), want the parent's call", n)
			}
			if err := tg.Resume(soon(t), targets.Resume{Default: targets.Action{Kind: targets.Go}, Lift: []targets.Trap{{Addr: at}}}); err != nil {
				t.Fatal(err)
			}
			want := map[string]int{"fork": 7, "vfork": 0}[mode]
			if g := expect[targets.Gone](t, tg); !g.Exited || g.Code != want {
				t.Errorf("gone %+v, want the child's status %d", g, want)
			}
		})
	}
}

func TestFollowFork(t *testing.T) {
	addr, _ := server(t, "--once", "127.0.0.1:0", probe(t), "fork")
	c, _ := connect(t, addr, Options{Forks: true})
	parent := c.Target()
	expect[targets.Stop](t, parent)
	if err := parent.Resume(soon(t), goOn()); err != nil {
		t.Fatal(err)
	}
	stop := expect[targets.Stop](t, parent)
	if stop.Reason != targets.Forked || stop.Child == nil {
		t.Fatalf("stop %+v", stop)
	}
	if held, err := c.Held(soon(t)); err != nil || len(held) != 2 {
		t.Errorf("held %v, %v", held, err)
	}
	got, err := c.Adopt(soon(t), stop.Child.ID.Process)
	if err != nil {
		t.Fatal(err)
	}
	child := got.(*Target)
	first := expect[targets.Stop](t, child)
	stepOne := func(who, other *Target, id, otherID targets.ThreadID) {
		t.Helper()
		still, err := other.Registers(soon(t), otherID)
		if err != nil {
			t.Fatal(err)
		}
		if err := who.Resume(soon(t), targets.Resume{Threads: map[targets.ThreadID]targets.Action{id: {Kind: targets.Step}}}); err != nil {
			t.Fatal(err)
		}
		if s := expect[targets.Stop](t, who); s.Reason != targets.Stepped || s.Thread != id {
			t.Errorf("stop %+v", s)
		}
		if now, err := other.Registers(soon(t), otherID); err != nil || now.PC() != still.PC() {
			t.Errorf("the other process moved: %v", err)
		}
	}
	for range 3 {
		stepOne(parent, child, stop.Thread, first.Thread)
		stepOne(child, parent, first.Thread, stop.Thread)
	}
	at := symbol(t, "step")
	if err := child.Resume(soon(t), goOn(targets.Trap{Addr: at})); err != nil {
		t.Fatal(err)
	}
	hit := expect[targets.Stop](t, child)
	if hit.Reason != targets.Breakpoint || hit.Thread.Process != child.Info().Process {
		t.Errorf("child's stop %+v", hit)
	}
	if err := child.Close(soon(t), targets.Detach); err != nil {
		t.Fatal(err)
	}
	if err := parent.Resume(soon(t), goOn()); err != nil {
		t.Fatal(err)
	}
	if g := expect[targets.Gone](t, parent); g.Code != 7 {
		t.Errorf("gone %+v", g)
	}
}

func TestExec(t *testing.T) {
	tg, _ := serve(t, "exec")
	main := targets.Trap{Addr: symbol(t, "main")}
	if err := tg.Resume(soon(t), goOn(main)); err != nil {
		t.Fatal(err)
	}
	expect[targets.Stop](t, tg)
	if err := tg.Resume(soon(t), targets.Resume{Default: targets.Action{Kind: targets.Go}, Lift: []targets.Trap{main}}); err != nil {
		t.Fatal(err)
	}
	stop := expect[targets.Stop](t, tg)
	if stop.Reason != targets.Exec || stop.Detail == nil || stop.Detail.Path != probe(t) {
		t.Fatalf("stop %+v", stop)
	}
	if err := tg.Resume(soon(t), goOn(targets.Trap{Addr: symbol(t, "step")})); err != nil {
		t.Fatal(err)
	}
	if stop := expect[targets.Stop](t, tg); stop.Reason != targets.Breakpoint {
		t.Errorf("stop %+v", stop)
	}
}

func TestCrash(t *testing.T) {
	tg, _ := serve(t, "crash")
	if err := tg.Resume(soon(t), goOn()); err != nil {
		t.Fatal(err)
	}
	stop := expect[targets.Stop](t, tg)
	if stop.Reason != targets.Exception || stop.Exception.Name != "SIGSEGV" || stop.Exception.Code != 11 {
		t.Fatalf("stop %+v", stop)
	}
	info, err := tg.Query(soon(t), targets.Siginfo, "")
	if err != nil || len(info) < 24 || littleUint(info[:4]) != 11 {
		t.Fatalf("siginfo % x, %v", info, err)
	}
	other := bytes.Clone(info)
	copy(other[16:], "}#$*") // si_addr, with what must be escaped
	if err := tg.Set(soon(t), targets.Siginfo, "", other); err != nil {
		t.Error(err)
	}
	if now, err := tg.Query(soon(t), targets.Siginfo, ""); err != nil || !bytes.Equal(now, other) {
		t.Errorf("siginfo % x, wrote % x, %v", now, other, err)
	}
	if err := tg.Resume(soon(t), targets.Resume{Default: targets.Action{Kind: targets.Go, Deliver: targets.Deliver{Kind: targets.NotHandled}}}); err != nil {
		t.Fatal(err)
	}
	if g := expect[targets.Gone](t, tg); g.Exited || g.Signal != 11 {
		t.Errorf("gone %+v", g)
	}
}

func TestModulesAndFiles(t *testing.T) {
	tg, _ := serve(t, "brief")
	list, err := tg.Modules(soon(t))
	if err != nil || len(list) == 0 || !list[0].Main || list[0].Path != probe(t) || list[0].Base != 0x400000 || list[0].Dynamic == 0 {
		t.Errorf("at the entry: %+v, %v", list, err)
	}
	if err := tg.Resume(soon(t), goOn(targets.Trap{Addr: symbol(t, "main")})); err != nil {
		t.Fatal(err)
	}
	expect[targets.Stop](t, tg)
	list, err = tg.Modules(soon(t))
	if err != nil || len(list) < 3 {
		t.Errorf("in main: %+v, %v", list, err)
	}
	anchors, _ := tg.Anchors(soon(t))
	if anchors["entry"] == 0 || anchors["entry"] != anchors["auxv:9"] {
		t.Errorf("anchors %v", anchors)
	}
	f, err := tg.Open(soon(t), probe(t))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(f)
	want, _ := os.ReadFile(probe(t))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("read %d of %d bytes: %v", len(got), len(want), err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := tg.Open(soon(t), "/no/such/file"); err == nil {
		t.Error("opened what is not there")
	}
	out, _, err := tg.Command(soon(t), "help")
	if err != nil || len(out) < 40 {
		t.Errorf("monitor help: %q, %v", out, err)
	}
}
