package launch

import (
	"bufio"
	"debug/elf"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"dap-windbg/targets/targettest"
)

// TestGuardBehindATrap: a process that met a trap before the guard's signal, and one
// that meets the signal first, run on: here, and (by the stub) on another machine.
func TestGuardBehindATrap(t *testing.T) {
	program := targettest.Gdbserver.Build(t, "../tests/programs/pacing.c", "-no-pie")
	for _, c := range []struct {
		place string // which is gone through at each pace, or at the end
		near  bool
	}{{"pace", true}, {"_fini", true}, {"pace", false}, {"_fini", false}} {
		place := c.place
		port := targettest.Gdbserver.Serve(t, program)
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(targettest.Patience))
		replies := bufio.NewReader(conn)
		ask := func(text string) string {
			fmt.Fprint(conn, "+", rspPacket(text))
			replies.ReadString('$')
			reply, err := replies.ReadString('#')
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			replies.Discard(2)
			return strings.TrimSuffix(reply, "#")
		}
		trap := fmt.Sprintf("0,%x,1", address(t, program, place))
		ask("QStartNoAckMode")
		ask("qSupported:swbreak+") // else the stub leaves the instruction behind the trap to us
		ask("?")
		var pid int64
		if _, err := fmt.Sscanf(ask("qC"), "QC%x", &pid); err != nil || ask("Z"+trap) != "OK" {
			t.Fatalf("the debuggee is %d: %v", pid, err)
		}
		var stop string // that waits to be read
		if place == "pace" {
			stop = rspPacket(ask("vCont;c"))
			if !c.near { // the stub has read 0x03 just before it saw the trap
				syscall.Kill(int(pid), syscall.SIGINT)
			}
		} else {
			fmt.Fprint(conn, rspPacket("vCont;c"))
			awaitState(t, pid, "S")
		}
		conn = &unread{conn, io.MultiReader(strings.NewReader(stop), replies)}
		RunGuard(strings.NewReader(journalProcess(pid, false, c.near)+"\nZ"+trap+"\nrun\n"), given(conn), theSignals())
		conn.Close()
		awaitState(t, pid, "S")
		if state := processStatus(pid); !strings.Contains(state, "\nTracerPid:\t0\n") {
			t.Errorf("%s: the debuggee is held\n%s", place, state)
		}
		theSignals().kill(pid)
	}
}

// unread is a connection of which something was read that is to be read again.
type unread struct {
	net.Conn
	r io.Reader
}

func (u *unread) Read(p []byte) (int, error) { return u.r.Read(p) }

func address(t *testing.T, program, function string) uint64 {
	t.Helper()
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, _ := f.Symbols()
	for _, s := range symbols {
		if s.Name == function {
			return s.Value
		}
	}
	t.Fatalf("%s has no %s", program, function)
	return 0
}

func processStatus(pid int64) string {
	src, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return string(src)
}

// awaitState waits until a process is in a state of ps(1), which /proc tells who asks and
// announces to nobody but its parent.
func awaitState(t *testing.T, pid int64, state string) {
	t.Helper()
	for end := time.Now().Add(targettest.Patience); !strings.Contains(processStatus(pid), "\nState:\t"+state); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("process %d is not in state %s\n%s", pid, state, processStatus(pid))
		}
	}
}
