package targettest

import (
	"bufio"
	"debug/elf"
	"embed"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"dap-windbg/arch"
)

// The program of the ROM counts turns and says '!' after the last of them.
//
//go:embed testdata/rom
var romSources embed.FS

// Machine is an i386 PC of QEMU's that runs a small program from ROM, without a
// system.
type Machine struct {
	Image string // the program with its symbols, an ELF file
	Bytes []byte // of the ROM, the last 64 KiB below 1 MiB
	dir   string
}

// NewMachine builds the ROM in the test's own folder.
func NewMachine(t testing.TB) *Machine {
	t.Helper()
	m := &Machine{dir: t.TempDir()}
	m.Image = filepath.Join(m.dir, "rom.elf")
	for _, name := range []string{"boot.S", "machine.c", "rom.ld"} {
		text, err := romSources.ReadFile("testdata/rom/" + name)
		if err == nil {
			err = os.WriteFile(filepath.Join(m.dir, name), text, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	m.run(t, "gcc", "-m32", "-g", "-O1", "-ffreestanding", "-fno-pic", "-no-pie", "-nostdlib", "-static",
		"-fno-asynchronous-unwind-tables", "-fno-omit-frame-pointer", "-Wl,-T,rom.ld", "-Wl,--build-id=none",
		"-o", m.Image, "boot.S", "machine.c")
	m.run(t, "objcopy", "-O", "binary", "--pad-to", "0x100000", m.Image, "rom.bin")
	var err error
	if m.Bytes, err = os.ReadFile(filepath.Join(m.dir, "rom.bin")); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *Machine) run(t testing.TB, argv ...string) {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = m.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
}

// Symbol is the address of a function of the ROM.
func (m *Machine) Symbol(t testing.TB, name string) arch.Addr {
	t.Helper()
	f, err := elf.Open(m.Image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if s.Name == name {
			return arch.Addr(s.Value)
		}
	}
	t.Fatalf("no symbol %s", name)
	return 0
}

func (m *Machine) args(more []string) []string {
	return append([]string{"-accel", "tcg", "-M", "isapc", "-cpu", "qemu32", "-m", "16", "-display", "none", "-nodefaults", "-net", "none",
		"-no-reboot", "-monitor", "none", "-bios", filepath.Join(m.dir, "rom.bin")}, more...)
}

// Serve starts the machine, which waits before its first instruction, and returns
// the address of its stub on this machine. It ends with the test.
func (m *Machine) Serve(t testing.TB, more ...string) (address string) {
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
	cmd := exec.Command("qemu-system-i386", append(m.args(more), "-chardev", "socket,id=stub,fd=3,server=on,wait=off,nodelay=on", "-gdb", "chardev:stub", "-S")...)
	cmd.ExtraFiles = []*os.File{f}
	spawn(t, cmd)
	return l.Addr().String()
}

// Replay records the machine up to its last turn and serves the recording.
func (m *Machine) Replay(t testing.TB, more ...string) (address string) {
	t.Helper()
	m.run(t, "qemu-img", "create", "-q", "-f", "qcow2", "snapshots", "16M")
	args := func(mode, serial string) []string {
		return append([]string{"-drive", "file=" + filepath.Join(m.dir, "snapshots") + ",if=none,id=snapshots", "-serial", serial,
			"-icount", "shift=10,rr=" + mode + ",rrfile=" + filepath.Join(m.dir, "recording") + ",rrsnapshot=start"}, more...)
	}
	cmd := exec.Command("qemu-system-i386", m.args(args("record", "stdio"))...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(Patience, func() { cmd.Process.Kill() })
	_, err = bufio.NewReader(out).ReadString('!')
	cmd.Process.Signal(os.Interrupt) // QEMU closes its recording
	io.Copy(io.Discard, out)
	cmd.Wait()
	if !limit.Stop() || err != nil {
		t.Fatalf("the machine did not come to its last turn: %v", err)
	}
	return m.Serve(t, args("replay", "null")...)
}
