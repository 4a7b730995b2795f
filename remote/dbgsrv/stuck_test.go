//go:build linux

package dbgsrv

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"dap-windbg/remote/transport"
)

// patience bounds every wait: whoever is not done by then hangs.
const patience = 20 * time.Second

// served is a server and a client's connection to it.
func served(t *testing.T, o Options) *transport.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	l, err := transport.Listen(ctx, transport.Spec{Protocol: "tcp"}, transport.Options{Service: Service})
	if err != nil {
		t.Fatal(err)
	}
	o.Log = zerolog.Nop()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	c, err := transport.Dial(ctx, transport.Spec{Protocol: "tcp", Server: "localhost", Port: l.Spec().Port}, transport.Options{Service: Service})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		l.Close()
		cancel()
		select {
		case <-done:
		case <-time.After(patience):
			t.Error("the server does not end")
		}
	})
	return c
}

// TestStuckStub: a stub takes nothing any more while its client goes on to write. When
// the client has vanished the server parts from the stub all the same.
func TestStuckStub(t *testing.T) {
	stub := filepath.Join(t.TempDir(), "stub")
	number := stub + ".pid"
	if err := os.WriteFile(stub, []byte("#!/bin/sh\necho $$ >"+number+"\nexec sleep 1000\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(number, 0o600); err != nil {
		t.Fatal(err)
	}
	fifo, err := os.OpenFile(number, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer fifo.Close()
	fifo.SetReadDeadline(time.Now().Add(patience))
	c := served(t, Options{Stub: stub})
	var d Debug
	s, err := c.Open(t.Context(), KindDebug, nil, &d)
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(fifo).ReadString('\n')
	if err != nil {
		t.Fatal("the stub was not started: ", err)
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(line))
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	k := kept{stub: os.NewFile(uintptr(process), "stub")}
	defer k.stub.Close()
	s.SetWriteDeadline(time.Now().Add(2 * time.Second)) // until nothing more can be under way
	for chunk := make([]byte, 64<<10); err == nil; {
		_, err = s.Write(chunk)
	}
	c.Close()
	if !k.ended(patience) {
		syscall.Kill(pid, syscall.SIGKILL)
		t.Fatal("the stub lives on without a client")
	}
}

// TestWordyProcesses: another user of the machine has many processes with command
// lines as long as they can be, of what JSON writes longest. The list is told all the same.
func TestWordyProcesses(t *testing.T) {
	const many = 60
	var all []int64
	for range many {
		cmd := exec.Command("sleep", "1000")
		cmd.Args = []string{strings.Repeat("\x01", 2*maxCommand), "1000"}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		all = append(all, int64(cmd.Process.Pid))
	}
	var list []Process
	if err := served(t, Options{}).Call(t.Context(), KindProcesses, nil, &list); err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		for i, pid := range all {
			if p.PID == pid {
				all[i] = 0
			}
		}
	}
	for _, pid := range all {
		if pid != 0 {
			t.Fatalf("process %d is missing", pid)
		}
	}
}

// TestEndlessPacket: of what a stub says without an end, little is kept.
func TestEndlessPacket(t *testing.T) {
	a, b := net.Pipe()
	packets := make(chan string, 2)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	go func() {
		text := bytes.Repeat([]byte("x"), 32<<10)
		b.Write([]byte("$"))
		for range 1 << 10 {
			b.Write(text)
		}
		b.Write([]byte("#00"))
		b.Read(make([]byte, 1)) // the acknowledgement
		b.Write([]byte("$OK#9a"))
		b.Read(make([]byte, 1))
		b.Close()
	}()
	readPackets(a, packets)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("%d bytes were allocated for a packet", used)
	}
	if first := <-packets; first[0] != 'x' || len(first) > 4<<10 {
		t.Errorf("%d bytes of the first packet", len(first))
	}
	if second := <-packets; second != "OK" {
		t.Errorf("%q", second)
	}
}
