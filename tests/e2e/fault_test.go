package e2e

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// attached is a command window on a process that was running, with a breakpoint
// that is never hit planted in it, and the process running on.
func attached(t *testing.T) (k *talk, pid int) {
	t.Helper()
	cmd := spinning(t)
	k = start(t, "cdb", "-p", strconv.Itoa(cmd.Process.Pid))
	k.say("bp spin!main")
	k.say("bl")
	k.expect(`^ +0 e Disable Clear .*spin!main`)
	k.say("g")
	k.expect("> g\n")
	waitTicking(t, cmd.Process.Pid)
	return k, cmd.Process.Pid
}

// waitTicking waits until the program has made progress.
func waitTicking(t *testing.T, pid int) {
	t.Helper()
	first := ticks(t, pid)
	for deadline := time.Now().Add(patience); ticks(t, pid) == first; {
		if time.Now().After(deadline) {
			t.Fatalf("process %d makes no progress (state %c)", pid, state(pid))
		}
		time.Sleep(5 * time.Millisecond) // its own rhythm
	}
}

// symbol finds a symbol of the running program: its run-time address, and its
// bytes in the file.
func symbol(t *testing.T, pid int, name string, size int) (addr uint64, file []byte) {
	t.Helper()
	exe := fmt.Sprintf("/proc/%d/exe", pid)
	path, err := os.Readlink(exe)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	base, err := strconv.ParseUint(string(maps[:bytes.IndexByte(maps, '-')]), 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	if f.Type == elf.ET_EXEC {
		base = 0
	}
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		if s.Name != name {
			continue
		}
		file = make([]byte, size)
		sec := f.Sections[s.Section]
		if sec.Type != elf.SHT_NOBITS {
			if _, err := sec.ReadAt(file, int64(s.Value-sec.Addr)); err != nil {
				t.Fatal(err)
			}
		}
		return base + s.Value, file
	}
	t.Fatalf("no symbol %s", name)
	return 0, nil
}

func peek(t *testing.T, pid int, addr uint64, size int) []byte {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := make([]byte, size)
	if _, err := f.ReadAt(p, int64(addr)); err != nil {
		t.Fatal(err)
	}
	return p
}

func ticks(t *testing.T, pid int) uint64 {
	addr, _ := symbol(t, pid, "ticks", 8)
	var n uint64
	for i, b := range peek(t, pid, addr, 8) {
		n |= uint64(b) << (8 * i)
	}
	return n
}

// unharmed: the process runs, free of tracers and of traps.
func unharmed(t *testing.T, pid int) {
	t.Helper()
	runsFreely(t, pid)
	waitTicking(t, pid)
	addr, want := symbol(t, pid, "main", 16)
	if got := peek(t, pid, addr, 16); !bytes.Equal(got, want) {
		t.Errorf("a trap is left in main: % x, the file has % x", got, want)
	}
}

// TestClientEnds: however the debugger ends, an attached process runs on without traps.
func TestClientEnds(t *testing.T) {
	t.Run("closed input", func(t *testing.T) {
		k, pid := attached(t)
		k.in.Close()
		k.cmd.Process.Signal(os.Interrupt) // a person's Ctrl+C: the window waits in g
		k.end()
		unharmed(t, pid)
	})
	t.Run("terminated", func(t *testing.T) {
		k, pid := attached(t)
		k.cmd.Process.Signal(syscall.SIGTERM)
		if status := k.end(); status != 143 {
			t.Errorf("exit status %d, want 143\n%s", status, k.text())
		}
		unharmed(t, pid)
	})
	t.Run("terminated at the prompt", func(t *testing.T) {
		cmd := spinning(t)
		k := start(t, "cdb", "-p", strconv.Itoa(cmd.Process.Pid))
		k.say("bp spin!main")
		k.expect("> bp spin!main\n")
		k.cmd.Process.Signal(syscall.SIGTERM)
		k.end()
		unharmed(t, cmd.Process.Pid)
	})
	t.Run("killed", func(t *testing.T) {
		k, pid := attached(t)
		k.cmd.Process.Kill()
		k.end()
		unharmed(t, pid)
	})
	t.Run("quit", func(t *testing.T) {
		cmd := spinning(t)
		debugger(t, "bp spin!main\nk\nq\n", "cdb", "-p", strconv.Itoa(cmd.Process.Pid)).Must(t, 0, "spin!main")
		unharmed(t, cmd.Process.Pid)
	})
}

// TestServerKilled: the far end dies; the user is told where traps may remain.
func TestServerKilled(t *testing.T) {
	cmd := spinning(t)
	s := gdbserver(t, "", "--once", "--attach", "127.0.0.1:0", strconv.Itoa(cmd.Process.Pid))
	k := start(t, "cdb", "-remote", "gdb:server=127.0.0.1,port="+s.port)
	k.say("bp spin!main")
	k.say("g")
	k.expect("> g\n")
	waitTicking(t, cmd.Process.Pid)
	s.cmd.Process.Kill()
	k.expect("(?i)connection.*(lost|closed|ended)")
	k.expect("(?i)traps? may remain.*[0-9a-f`]+")
	addr, file := symbol(t, cmd.Process.Pid, "main", 1)
	if got := peek(t, cmd.Process.Pid, addr, 1); bytes.Equal(got, file) {
		t.Log("the dying server took its trap along")
	}
	k.say(fmt.Sprintf(".attach 0n%d", cmd.Process.Pid))
	k.expect("Removed [0-9]+ breakpoint instructions? that a lost connection had left")
	k.say("qd") // the breakpoint was set again: what it covers is what was put back
	k.end()
	unharmed(t, cmd.Process.Pid)
}

// TestServerLost: the far end dies and the user leaves.
func TestServerLost(t *testing.T) {
	s := gdbserver(t, "", "--once", "127.0.0.1:0", program(t, "spin.c"))
	k := start(t, "cdb", "-remote", "gdb:server=127.0.0.1,port="+s.port)
	k.say("bp spin!main")
	k.expect("> bp")
	s.cmd.Process.Kill()
	k.say("g")
	k.say("q")
	if status := k.end(); status != 3 {
		t.Errorf("exit status %d, want 3\n%s", status, k.text())
	}
}

// TestDebuggeeKilled: the right last event.
func TestDebuggeeKilled(t *testing.T) {
	k, pid := attached(t)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	k.expect("SIGKILL")
	k.say(".lastevent")
	k.expect("Last event: .*SIGKILL")
	k.say("q")
	k.end()
}

// TestWrongFarEnds: something listens, but it is no stub.
func TestWrongFarEnds(t *testing.T) {
	ln := serveText(t, "HTTP/1.0 400 Bad Request\r\n\r\n")
	debugger(t, "", "cdb", "-remote", "gdb:server=127.0.0.1,port="+ln, "-c", "q").Must(t, 3, "answered but does not speak the GDB remote protocol")
	silent := serveText(t, "")
	r := debugger(t, "", "cdb", "-remote", "gdb:server=127.0.0.1,port="+silent, "-c", "q")
	r.Must(t, 3, "GDB remote protocol")
	if strings.Contains(r.Err, "goroutine") {
		t.Errorf("a panic:\n%s", r.Err)
	}
}
