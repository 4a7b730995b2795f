//go:build linux

package dbgsrv

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// ends are the two ends of a guard's socket.
func ends(t *testing.T) (ours, theirs *net.UnixConn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []*net.UnixConn
	for _, fd := range fds {
		f := os.NewFile(uintptr(fd), "guard")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		out = append(out, c.(*net.UnixConn))
	}
	return out[0], out[1]
}

// TestGuardKnowsTraps: a guard knows of every trap that is planted, however many there are
// and in what order they come and go, also when it did not listen for a while.
func TestGuardKnowsTraps(t *testing.T) {
	ours, theirs := ends(t)
	ours.SetWriteBuffer(32 << 10)
	e := &entry{g: &guard{sock: ours}, m: message{ID: 1}}
	o := &observer{changed: func(n news) { e.update(n) }}
	talkTo(o, "> $vAttach;a#00\n< $T05thread:pa.a;#00")
	r := rand.New(rand.NewPCG(1, 2))
	some := func(n int) {
		var text strings.Builder
		for range n {
			fmt.Fprintf(&text, "$%c0,%x,1#00", "zZZ"[r.IntN(3)], r.IntN(20_000))
		}
		o.fromClient([]byte(text.String()))
	}
	some(10_000) // more than the socket holds
	if !e.behind {
		t.Fatal("the guard has read all: the test shows nothing")
	}
	b := book{}
	done := make(chan struct{})
	go func() { defer close(done); b.read(theirs) }()
	for range 50 {
		some(100)
	}
	for e.behind {
		some(1)
	}
	ours.Close()
	<-done
	var got []string
	for trap := range b[1].traps {
		got = append(got, trap)
	}
	slices.Sort(got)
	if want := o.know().Traps; !slices.Equal(got, want) || len(want) < 1000 {
		t.Errorf("it knows of %d traps, there are %d", len(got), len(want))
	}
}

// TestTrapsWithoutEnd: a client whose traps could not be lifted is let go.
func TestTrapsWithoutEnd(t *testing.T) {
	o := &observer{}
	for i := range maxTraps {
		if o.fromClient([]byte(fmt.Sprintf("$Z0,%x,1#00", i))) == nil {
			t.Fatalf("let go with %d traps", i)
		}
	}
	if o.fromClient([]byte("$Z0,5,1#00$z0,5,1#00$Z0,ffffffff,1#00")) == nil || o.overflown() {
		t.Error("as many as there were are too many")
	}
	if o.fromClient([]byte("$Z0,fffffffe,1#00")) != nil || !o.overflown() || len(o.know().Traps) != maxTraps {
		t.Errorf("it has %d traps", len(o.know().Traps))
	}
}

// TestGuardSharesWire: a wire that a guard holds too keeps its deadlines, also while the
// guard has not looked yet: else a parting waits for a stub that says nothing more.
func TestGuardSharesWire(t *testing.T) {
	ours, _ := ends(t)
	wire, _ := ends(t)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	(&guard{sock: ours}).enter(wire, read, os.Getpid())
	raw, err := wire.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		if flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("reads of the wire wait in the kernel (%x, %v)", flags, err)
		}
	})
}
