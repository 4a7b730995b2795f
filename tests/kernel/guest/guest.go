// Package guest starts machines for tests: a Linux kernel under QEMU with a small
// root file system of our own, and a shell on its serial line to run commands in.
package guest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience bounds what a guest may take, on a machine that has other things to do.
const Patience = 5 * time.Minute

// Kernel is what a guest boots.
type Kernel struct {
	Image   string // bzImage
	Release string
	Modules string // folder of its modules
	// Vmlinux and Debug (a folder of debug files of modules) are "" where no symbols were asked for.
	Vmlinux, Debug string
}

// Debian is Debian's cloud kernel, with its debug files where symbols are wanted.
func Debian(tb testing.TB, symbols bool) Kernel {
	tb.Helper()
	_, here, _, _ := runtime.Caller(0)
	args := []string{filepath.Join(filepath.Dir(here), "..", "fetch.sh")}
	if symbols {
		args = append(args, "--dbg")
	}
	cmd := exec.Command("sh", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("fetching Debian's kernel: %v", err)
	}
	told := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		told[name] = value
	}
	return Kernel{Image: told["vmlinuz"], Release: told["release"], Modules: told["modules"], Vmlinux: told["vmlinux"], Debug: told["debug"]}
}

// Module is the file of a kernel module by its name, for Config.Files.
func (k Kernel) Module(tb testing.TB, name string) string {
	tb.Helper()
	var found string
	filepath.WalkDir(k.Modules, func(path string, _ os.DirEntry, err error) error {
		if err == nil && filepath.Base(path) == name+".ko" {
			found = path
		}
		return nil
	})
	if found == "" {
		tb.Fatalf("no %s.ko below %s", name, k.Modules)
	}
	return found
}

// Config says what to start. The zero value of each field is useful but Kernel's.
type Config struct {
	Kernel  Kernel
	Files   map[string]string // put into the guest: path there → file here
	CPUs    int               // 0: one
	Memory  int               // MB, 0: 256
	Append  string            // to the kernel's command line, e.g. "nokaslr"
	Stopped bool              // wait at the first instruction for a debugger (-S)
	NoStub  bool              // without QEMU's GDB stub
	Args    []string          // more of QEMU's
	Debug   *Line             // a line for a debugger in the kernel, which is the kernel's console then
}

// VM is a machine that runs. It ends with the test.
type VM struct {
	Port    int      // of QEMU's GDB stub on 127.0.0.1
	Console net.Conn // the first serial line, which the shell sits at
	tb      testing.TB
	cmd     *exec.Cmd
	dir     string
	mu      sync.Mutex
	log     bytes.Buffer // all that came from the console
	grown   chan struct{}
	runs    int
}

// Start starts a machine and returns at once; see Ready.
func Start(tb testing.TB, c Config) *VM {
	tb.Helper()
	vm := &VM{tb: tb, dir: tb.TempDir(), grown: make(chan struct{}, 1)}
	initrd := filepath.Join(vm.dir, "initrd")
	if err := os.WriteFile(initrd, files(tb, c.Files), 0o600); err != nil {
		tb.Fatal(err)
	}
	vm.Port = freePort(tb)
	if c.Debug != nil {
		c.Debug.Port = freePort(tb)
		c.Append += " kgdboc=ttyS0,115200 shell=ttyS1"
	}
	serial, monitor := filepath.Join(vm.dir, "serial"), filepath.Join(vm.dir, "monitor")
	args := []string{"-accel", "tcg", "-m", fmt.Sprint(max(c.Memory, 256)), "-smp", fmt.Sprintf("%d,sockets=%[1]d,cores=1", max(c.CPUs, 1)),
		"-display", "none", "-nodefaults",
		"-kernel", c.Kernel.Image, "-initrd", initrd, "-append", strings.TrimSpace("console=ttyS0,115200 no_timer_check " + c.Append)} // its clock is checked against ours, which others use too
	if c.Debug != nil {
		args = append(args, c.Debug.args()...)
	}
	args = append(args, "-chardev", "socket,id=console,path="+serial+",server=on,wait=off", "-serial", "chardev:console",
		"-monitor", "unix:"+monitor+",server=on,wait=off")
	if !c.NoStub {
		args = append(args, "-gdb", fmt.Sprintf("tcp:127.0.0.1:%d,nodelay=on", vm.Port))
	}
	if c.Stopped {
		args = append(args, "-S")
	}
	vm.cmd = exec.Command("qemu-system-x86_64", append(args, c.Args...)...)
	vm.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed leaves no guest behind
	var noise bytes.Buffer
	vm.cmd.Stdout, vm.cmd.Stderr = &noise, &noise
	if err := vm.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { vm.cmd.Wait(); close(ended) }()
	tb.Cleanup(func() {
		vm.cmd.Process.Kill()
		<-ended
		if tb.Failed() {
			tb.Logf("console of the guest:\n%s\n%s", tail(vm.Log(), 4000), noise.String())
		}
	})
	vm.Console = vm.dial(serial, ended, &noise)
	tb.Cleanup(func() { vm.Console.Close() })
	go vm.listen()
	vm.Monitor("info status") // it answers once the stub listens too
	return vm
}

// dial waits for one of QEMU's sockets, which nobody tells of: it is tried until it is there.
func (vm *VM) dial(path string, ended <-chan struct{}, noise *bytes.Buffer) net.Conn {
	vm.tb.Helper()
	for limit := time.Now().Add(Patience); time.Now().Before(limit); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("unix", path); err == nil {
			return c
		}
		select {
		case <-ended:
			vm.tb.Fatalf("QEMU did not start: %s", noise)
		default:
		}
	}
	vm.tb.Fatal("QEMU opened no socket")
	return nil
}

func freePort(tb testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// listen collects what the console says.
func (vm *VM) listen() {
	b := make([]byte, 4096)
	for {
		n, err := vm.Console.Read(b)
		vm.mu.Lock()
		vm.log.Write(b[:n])
		vm.mu.Unlock()
		select {
		case vm.grown <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// Log is all that the console has said.
func (vm *VM) Log() string {
	vm.mu.Lock()
	defer vm.mu.Unlock()
	return strings.ReplaceAll(vm.log.String(), "\r", "")
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// WaitLog waits until the console has said text after its first from bytes, and returns
// what it said there.
func (vm *VM) WaitLog(text string, from int) string {
	vm.tb.Helper()
	limit := time.After(Patience)
	for {
		if log := vm.Log(); len(log) >= from && strings.Contains(log[from:], text) {
			return log[from:]
		}
		select {
		case <-vm.grown:
		case <-limit:
			vm.tb.Fatalf("the guest did not say %q; it said:\n%s", text, tail(vm.Log(), 3000))
		}
	}
}

// Ready waits for the shell.
func (vm *VM) Ready() *VM {
	vm.tb.Helper()
	vm.WaitLog(Prompt, 0)
	return vm
}

// Running is a command under way in the guest.
type Running struct {
	vm   *VM
	from int
	end  string
}

// Begin starts a command in the guest's shell and does not wait for it.
func (vm *VM) Begin(command string) *Running {
	vm.tb.Helper()
	vm.runs++
	r := &Running{vm: vm, from: len(vm.Log()), end: fmt.Sprintf("@end %d@", vm.runs)}
	line := fmt.Sprintf("echo @begin %d@; %s; echo @end %[1]d@\n", vm.runs, command)
	if _, err := io.WriteString(vm.Console, line); err != nil {
		vm.tb.Fatal(err)
	}
	return r
}

// Wait returns what the command has printed.
func (r *Running) Wait() string {
	r.vm.tb.Helper()
	text := r.vm.WaitLog(r.end, r.from)
	_, text, _ = strings.Cut(text, strings.Replace(r.end, "end", "begin", 1)+"\n")
	text, _, _ = strings.Cut(text, r.end)
	return text
}

// Done reports whether the command has ended.
func (r *Running) Done() bool { return strings.Contains(r.vm.Log()[r.from:], r.end) }

// Run runs a command in the guest's shell and returns what it prints.
func (vm *VM) Run(command string) string {
	vm.tb.Helper()
	return vm.Begin(command).Wait()
}

// Monitor gives a line to QEMU's own monitor and returns its answer.
func (vm *VM) Monitor(line string) string {
	vm.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "unix", filepath.Join(vm.dir, "monitor"))
	for err != nil && ctx.Err() == nil { // QEMU is yet to make it, and tells nobody
		time.Sleep(10 * time.Millisecond)
		c, err = new(net.Dialer).DialContext(ctx, "unix", filepath.Join(vm.dir, "monitor"))
	}
	if err != nil {
		vm.tb.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(Patience))
	const prompt = "(qemu) "
	in := bufio.NewReader(c)
	upTo := func() string {
		var out []byte
		for !bytes.HasSuffix(out, []byte(prompt)) {
			b, err := in.ReadByte()
			if err != nil {
				vm.tb.Fatalf("QEMU's monitor: %v", err)
			}
			out = append(out, b)
		}
		return string(out)
	}
	upTo()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		vm.tb.Fatal(err)
	}
	_, answer, _ := strings.Cut(upTo(), "\r\n") // behind its echo
	return strings.TrimSuffix(strings.ReplaceAll(answer, "\r", ""), prompt)
}

// Stub is the connection string of QEMU's GDB stub.
func (vm *VM) Stub() string { return fmt.Sprintf("qemu:server=127.0.0.1,port=%d", vm.Port) }

// Pid is QEMU's process.
func (vm *VM) Pid() int { return vm.cmd.Process.Pid }
