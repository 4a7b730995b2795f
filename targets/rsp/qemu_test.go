package rsp

import (
	"bufio"
	"context"
	"debug/elf"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/targettest"
)

var rom struct {
	once sync.Once
	dir  string
	err  error
}

// command runs a tool to its end.
func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

// romImage builds the ROM, once, and returns its directory.
func romImage(t *testing.T) string {
	t.Helper()
	rom.once.Do(func() {
		if rom.dir, rom.err = os.MkdirTemp("", "rsp-rom"); rom.err != nil {
			return
		}
		image, src := filepath.Join(rom.dir, "rom.elf"), "testdata/rom/"
		rom.err = command("gcc", "-m32", "-g", "-O1", "-ffreestanding", "-fno-pic", "-no-pie", "-nostdlib", "-static",
			"-fno-asynchronous-unwind-tables", "-fno-omit-frame-pointer", "-Wl,-T,"+src+"rom.ld", "-Wl,--build-id=none",
			"-o", image, src+"boot.S", src+"machine.c")
		if rom.err == nil {
			rom.err = command("objcopy", "-O", "binary", "--pad-to", "0x100000", image, filepath.Join(rom.dir, "rom.bin"))
		}
	})
	if rom.err != nil {
		t.Fatal(rom.err)
	}
	return rom.dir
}

func romSymbol(t *testing.T, name string) arch.Addr {
	t.Helper()
	f, err := elf.Open(filepath.Join(romImage(t), "rom.elf"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	syms, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range syms {
		if s.Name == name {
			return arch.Addr(s.Value)
		}
	}
	t.Fatalf("no symbol %s", name)
	return 0
}

// qemu starts QEMU on the ROM with its stub on a socket we listen on, so that
// it can be dialled at once.
func qemu(t *testing.T, args ...string) string {
	t.Helper()
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
	cmd := exec.Command("qemu-system-i386", append(qemuMachine(t), append(args,
		"-chardev", "socket,id=stub,fd=3,server=on,wait=off,nodelay=on", "-gdb", "chardev:stub", "-S")...)...)
	cmd.ExtraFiles = []*os.File{f}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("qemu-system-i386: %v", err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return l.Addr().String()
}

func qemuMachine(t *testing.T) []string {
	return []string{"-accel", "tcg", "-M", "isapc", "-cpu", "qemu32", "-m", "16", "-display", "none", "-nodefaults", "-net", "none",
		"-no-reboot", "-monitor", "none", "-bios", filepath.Join(romImage(t), "rom.bin")}
}

func romSubject(t *testing.T, addr string) targettest.Subject {
	c, _ := connect(t, addr, Options{})
	tg := c.Target()
	expect[targets.Stop](t, tg)
	turn := targets.Trap{Addr: romSymbol(t, "take_turn")}
	if err := tg.Resume(soon(t), goOn(turn)); err != nil {
		t.Fatal(err)
	}
	if stop := expect[targets.Stop](t, tg); stop.Reason != targets.Breakpoint {
		t.Fatalf("stop %+v", stop)
	}
	if err := tg.Close(soon(t), targets.Leave); err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(filepath.Join(romImage(t), "rom.bin"))
	if err != nil {
		t.Fatal(err)
	}
	c, _ = connect(t, addr, Options{})
	return targettest.Subject{
		Target: c.Target(), Known: 0xf0000, Content: image[:8192], Writable: 0x2000, Loop: turn.Addr, Watched: 0x3000, Threads: 1, Ends: true,
	}
}

func TestConformanceQEMU(t *testing.T) {
	targettest.Run(t, func(t *testing.T) targettest.Subject { return romSubject(t, qemu(t, "-serial", "none")) })
}

// recording makes QEMU record the ROM until it has said that it came to its
// last turn, and returns the arguments that replay it.
func recording(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	disk, file := filepath.Join(dir, "snapshots.qcow2"), filepath.Join(dir, "recording")
	if err := command("qemu-img", "create", "-q", "-f", "qcow2", disk, "16M"); err != nil {
		t.Fatal(err)
	}
	args := func(mode string) []string {
		return []string{"-drive", "file=" + disk + ",if=none,id=snapshots",
			"-icount", "shift=10,rr=" + mode + ",rrfile=" + file + ",rrsnapshot=start"}
	}
	cmd := exec.Command("qemu-system-i386", append(qemuMachine(t), append(args("record"), "-serial", "stdio")...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("qemu-system-i386: %v", err)
	}
	limit := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	_, err = bufio.NewReader(out).ReadString('!')
	cmd.Process.Signal(os.Interrupt) // QEMU closes its recording
	io.Copy(io.Discard, out)
	cmd.Wait()
	if !limit.Stop() || err != nil {
		t.Fatalf("the machine did not come to its last turn: %v", err)
	}
	return append(args("replay"), "-serial", "null")
}

func TestReverse(t *testing.T) {
	addr := qemu(t, recording(t)...)
	c, _ := connect(t, addr, Options{})
	tg := c.Target()
	expect[targets.Stop](t, tg)
	in := tg.Info()
	if !in.Machine || in.Stub != "QEMU" || in.Set.Arch != arch.I386 || in.Limits.Bits&targets.ReverseStep == 0 {
		t.Errorf("info %+v", in)
	}
	if err := tg.Resume(soon(t), goOn(targets.Trap{Addr: romSymbol(t, "mix")})); err != nil {
		t.Fatal(err)
	}
	stop := expect[targets.Stop](t, tg)
	here, err := tg.Registers(soon(t), stop.Thread)
	if err != nil {
		t.Fatal(err)
	}
	step := targets.Resume{Default: targets.Action{Kind: targets.Step}, Lift: []targets.Trap{{Addr: romSymbol(t, "mix")}}}
	if err := tg.Resume(soon(t), step); err != nil {
		t.Fatal(err)
	}
	if s := expect[targets.Stop](t, tg); s.Reason != targets.Stepped || s.Replay {
		t.Errorf("stop %+v", s)
	}
	if err := tg.Resume(soon(t), targets.Resume{Reverse: true, Default: targets.Action{Kind: targets.Step}}); err != nil {
		t.Fatal(err)
	}
	if s := expect[targets.Stop](t, tg); s.Reason != targets.Stepped || !s.Replay {
		t.Errorf("stop %+v", s)
	}
	back, err := tg.Registers(soon(t), stop.Thread)
	if err != nil || back.PC() != here.PC() || back.SP() != here.SP() {
		t.Errorf("stepped back to 0x%x, came from 0x%x (%v)", back.PC(), here.PC(), err)
	}
	out, effect, err := tg.Command(soon(t), "info replay")
	if err != nil || effect != (targets.Effect{}) || out == "" {
		t.Errorf("info replay: %q, %+v, %v", out, effect, err)
	}
}

// TestNotReplaying: QEMU dies of a reverse step when it is not replaying, so none
// may be sent.
func TestNotReplaying(t *testing.T) {
	c, _ := connect(t, qemu(t, "-serial", "none"), Options{})
	expect[targets.Stop](t, c.Target())
	if err := c.Target().Resume(soon(t), targets.Resume{Reverse: true, Default: targets.Action{Kind: targets.Step}}); err == nil {
		t.Error("a reverse step without a recording")
	}
	if _, err := c.Target().Threads(soon(t)); err != nil {
		t.Errorf("QEMU is gone: %v", err)
	}
}

func TestPhysicalMemory(t *testing.T) {
	c, _ := connect(t, qemu(t, "-serial", "none"), Options{})
	p := make([]byte, 16)
	if _, err := c.Target().ReadMemory(soon(t), targets.Space{Physical: true}, 0xffff0, p); err != nil || p[0] != 0xea {
		t.Errorf("the reset vector: % x, %v", p, err)
	}
	// One that is given up leaves the far end with virtual addresses.
	ctx, cancel := context.WithCancel(soon(t))
	time.AfterFunc(time.Millisecond, cancel)
	c.Target().ReadMemory(ctx, targets.Space{Physical: true}, 0, make([]byte, 1<<20))
	out, err := c.read(soon(t), false, "features", "target.xml")
	if err != nil || len(out) == 0 {
		t.Error(err)
	}
	mode := ask("qqemu.PhyMemMode")
	if err := c.exchange(soon(t), mode); err != nil || string(mode.reply) != "0" {
		t.Errorf("physical mode is %q, %v", mode.reply, err)
	}
}
