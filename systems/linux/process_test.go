package linux

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"dap-windbg/arch"
)

// process is a running subject.
type process struct {
	cmd   *exec.Cmd
	facts map[string]uint64
	maps  map[string]uint64 // of dl_iterate_phdr
	world *world
}

// build compiles the subject; flags choose how it is linked.
func build(t testing.TB, library bool, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	out := filepath.Join(dir, "subject")
	gcc := func(args ...string) {
		if msg, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
			t.Fatalf("gcc %v: %v\n%s", args, err, msg)
		}
	}
	args := append([]string{"-o", out, "-Wl,--build-id", "-pthread", "testdata/subject.c"}, flags...)
	if library {
		so, plug := filepath.Join(dir, "libshared.so"), filepath.Join(dir, "plug.so")
		gcc("-shared", "-fPIC", "-o", so, "testdata/shared.c")
		gcc("-shared", "-fPIC", "-Wl,--build-id", "-o", plug, "testdata/plug.c")
		args = append(args, "-DLIBRARY", `-DPLUG="`+plug+`"`, so, "-Wl,-rpath,"+dir, "-ldl")
	}
	gcc(args...)
	return out
}

// open makes a world of the process pid.
func open(t testing.TB, pid int) *world {
	t.Helper()
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mem.Close() })
	auxv, err := os.ReadFile(fmt.Sprintf("/proc/%d/auxv", pid))
	if err != nil {
		t.Fatal(err)
	}
	return &world{memory: newMemory(mem), debuggee: &debuggee{set: arch.AMD64.DefaultSet(), auxv: auxv}, symbols: map[string]arch.Addr{}}
}

// start runs a program and reads its facts.
func start(t testing.TB, path string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(path), facts: map[string]uint64{}, maps: map[string]uint64{}}
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		p.cmd.Process.Kill()
		p.cmd.Wait()
	})
	for s := bufio.NewScanner(out); s.Scan(); {
		name, hex, _ := strings.Cut(s.Text(), " ")
		if name == "end" {
			break
		}
		v, err := strconv.ParseUint(hex, 16, 64)
		if err != nil {
			t.Fatalf("%q: %v", s.Text(), err)
		}
		if m, ok := strings.CutPrefix(name, "map:"); ok {
			p.maps[m] = v
		} else {
			p.facts[name] = v
		}
	}
	p.world = open(t, p.cmd.Process.Pid)
	for name, v := range p.facts {
		p.world.symbols[name] = arch.Addr(v)
	}
	return p
}

// stopped starts a program traced, so that it waits at its first instruction.
func stopped(t *testing.T, path string) *world {
	t.Helper()
	pids, done, ended := make(chan int), make(chan bool), make(chan bool)
	go func() { // ptrace belongs to an OS thread, which this goroutine keeps to its end
		runtime.LockOSThread()
		defer close(ended)
		cmd := exec.Command(path)
		cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
		if err := cmd.Start(); err != nil {
			pids <- 0
			return
		}
		var status syscall.WaitStatus
		syscall.Wait4(cmd.Process.Pid, &status, 0, nil)
		pids <- cmd.Process.Pid
		<-done
		cmd.Process.Kill()
		cmd.Wait()
	}()
	pid := <-pids
	if pid == 0 {
		t.Fatal("cannot trace a program")
	}
	t.Cleanup(func() { close(done); <-ended })
	return open(t, pid)
}
