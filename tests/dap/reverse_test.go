package dap

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-dap"
)

// machine is QEMU's command line for a ROM of ours, which is built beside it.
func machine(t *testing.T, dir string) []string {
	t.Helper()
	src := filepath.Join("..", "..", "targets", "rsp", "testdata", "rom")
	image, bin := filepath.Join(dir, "rom.elf"), filepath.Join(dir, "rom.bin")
	for _, argv := range [][]string{
		{"gcc", "-m32", "-g", "-O1", "-ffreestanding", "-fno-pic", "-no-pie", "-nostdlib", "-static", "-fno-asynchronous-unwind-tables",
			"-fno-omit-frame-pointer", "-Wl,-T," + filepath.Join(src, "rom.ld"), "-Wl,--build-id=none", "-o", image,
			filepath.Join(src, "boot.S"), filepath.Join(src, "machine.c")},
		{"objcopy", "-O", "binary", "--pad-to", "0x100000", image, bin},
		{"qemu-img", "create", "-q", "-f", "qcow2", filepath.Join(dir, "snapshots"), "16M"},
	} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", argv, err, out)
		}
	}
	return []string{"-accel", "tcg", "-M", "isapc", "-cpu", "qemu32", "-m", "16", "-display", "none", "-nodefaults", "-net", "none",
		"-no-reboot", "-monitor", "none", "-bios", bin, "-drive", "file=" + filepath.Join(dir, "snapshots") + ",if=none,id=snapshots"}
}

// replayed records the ROM up to its last turn and replays it, stopped at the start.
func replayed(t *testing.T) (connection, program string) {
	t.Helper()
	dir := t.TempDir()
	args := machine(t, dir)
	rr := func(mode string) string {
		return "shift=10,rr=" + mode + ",rrfile=" + filepath.Join(dir, "recording") + ",rrsnapshot=start"
	}
	record := exec.Command("qemu-system-i386", append(args, "-icount", rr("record"), "-serial", "stdio")...)
	out, err := record.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := record.Start(); err != nil {
		t.Fatal(err)
	}
	_, err = bufio.NewReader(out).ReadString('!')
	record.Process.Signal(os.Interrupt) // it closes its recording
	io.Copy(io.Discard, out)
	record.Wait()
	if err != nil {
		t.Fatalf("the machine did not come to its last turn: %v", err)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	replay := exec.Command("qemu-system-i386", append(args, "-icount", rr("replay"), "-serial", "null",
		"-chardev", "socket,id=stub,fd=3,server=on,wait=off,nodelay=on", "-gdb", "chardev:stub", "-S")...)
	replay.ExtraFiles = []*os.File{f}
	if err := replay.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { replay.Process.Kill(); replay.Wait() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return "gdb:server=127.0.0.1,port=" + port, filepath.Join(dir, "rom.elf")
}

// TestReverse: where the far end has a recording, the editor goes back in it;
// capabilities say so. QEMU 7.2 does not come back from every reverse execution that
// has breakpoints to look for, on a busy machine, so there are none here.
func TestReverse(t *testing.T) {
	connection, program := replayed(t)
	c := inProcess(t)
	c.Start("attach", map[string]any{"connection": connection, "imagePath": filepath.Dir(program), "stopOnConnect": true,
		"postConnectCommands": []string{".reload /f rom.elf=f0000,10000"}}, "")
	thread := c.Stopped("").ThreadId
	for _, m := range c.Seen("capabilities") {
		body := decode[struct{ Capabilities map[string]any }](t, m)
		if body.Capabilities["supportsStepBack"] == false {
			t.Error("going back is taken back")
		}
		if body.Capabilities["supportsTerminateThreadsRequest"] != false {
			t.Error("threads of a machine could be ended")
		}
	}
	c.Do("setFunctionBreakpoints", map[string]any{"breakpoints": []any{map[string]any{"name": "mix"}}}, nil)
	move := func(request, reason string) (top dap.StackFrame, n string) {
		t.Helper()
		c.Do(request, map[string]any{"threadId": thread}, nil)
		c.Stopped(reason)
		top = c.Stack(thread, 1)[0]
		if top.Name == "mix" {
			n = c.Variables(c.Scopes(top.Id)["Arguments"].VariablesReference)["n"].Value
		}
		return top, n
	}
	for _, want := range []string{"0x1", "0x2", "0x3"} {
		if _, n := move("continue", "function breakpoint"); n != want {
			t.Fatalf("turn %s, not %s", n, want)
		}
	}
	c.Do("setFunctionBreakpoints", map[string]any{"breakpoints": []any{}}, nil)
	before := c.Stack(thread, 1)[0].InstructionPointerReference
	c.Do("stepIn", map[string]any{"threadId": thread, "granularity": "instruction"}, nil)
	c.Stopped("step")
	c.Do("stepBack", map[string]any{"threadId": thread, "granularity": "instruction"}, nil)
	c.Stopped("step")
	if after := c.Stack(thread, 1)[0].InstructionPointerReference; after != before {
		t.Errorf("an instruction forth and back leads from %s to %s", before, after)
	}
	c.Disconnect(nil)
}
