package targettest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"dap-windbg/arch"
)

// Stub is a make of debug server for processes, as it is started on a machine
// that has it.
type Stub struct {
	Name    string
	Arch    *arch.Arch
	CC      []string // compiles C for it
	Suffix  string   // of its programs' names
	Sysroot string   // where its programs' libraries lie here, "" this machine's

	// command serves a program at a port of this machine.
	command func(s Stub, t testing.TB, port, program string, args []string) *exec.Cmd
}

// The makes of stub, each with what differs from the others.
var (
	Gdbserver    = Stub{Name: "gdbserver", Arch: arch.AMD64, CC: []string{"gcc"}, command: gdbserver}
	LLDBServer   = Stub{Name: "lldb-server", Arch: arch.AMD64, CC: []string{"gcc"}, command: lldbServer}
	LLDBPlatform = Stub{Name: "lldb-server platform", command: lldbPlatform} // which holds no program
	QEMUARM64    = Stub{Name: "qemu-aarch64", Arch: arch.ARM64, CC: []string{"aarch64-linux-gnu-gcc-12"}, Sysroot: "/usr/aarch64-linux-gnu", command: qemuUser}
	QEMURISCV    = Stub{Name: "qemu-riscv64", Arch: arch.RISCV64, CC: []string{"riscv64-linux-gnu-gcc-12"}, Sysroot: "/usr/riscv64-linux-gnu", command: qemuUser}
	Valgrind     = Stub{Name: "valgrind", Arch: arch.AMD64, CC: []string{"gcc"}, command: valgrind}
	Wine         = Stub{Name: "wine", Arch: arch.AMD64, CC: []string{"x86_64-w64-mingw32-gcc", "-static"}, Suffix: ".exe", command: wine}
)

// Build compiles a program for the stub into the test's own folder.
func (s Stub) Build(t testing.TB, source string, flags ...string) string {
	t.Helper()
	name := strings.TrimSuffix(filepath.Base(source), filepath.Ext(source)) + s.Suffix
	out := filepath.Join(t.TempDir(), name)
	args := append(append(s.CC[1:len(s.CC):len(s.CC)], flags...), source, "-o", out)
	if text, err := exec.Command(s.CC[0], args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", s.CC[0], err, text)
	}
	return out
}

// Serve starts the stub with a program that waits before its first instruction,
// and returns the port at which it listens on this machine. All ends with the test.
func (s Stub) Serve(t testing.TB, program string, args ...string) (port string) {
	t.Helper()
	port = strconv.Itoa(FreePort(t))
	cmd := s.command(s, t, port, program, args)
	t.Cleanup(func() { endDebuggees(program) }) // after the servers, which some outlive
	spawn(t, cmd)
	listens(t, s.Name, port)
	return port
}

// spawn starts a command, which ends with the test.
func spawn(t testing.TB, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	out := filepath.Join(t.TempDir(), "output")
	f, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if text, err := os.ReadFile(out); err == nil && t.Failed() {
			t.Logf("%s:\n%s", cmd.Path, text)
		}
	})
	return cmd
}

// endDebuggees ends what still runs a program of a test's own folder, which has its
// like nowhere: debuggees that were let go or whose server died are nobody's children
// any more.
func endDebuggees(program string) {
	dir := []byte(filepath.Base(filepath.Dir(filepath.Dir(program))) + "/")
	running, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range running {
		text, _ := os.ReadFile(file)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		name, _, _ := bytes.Cut(text, []byte{0}) // wine's are written with backslashes
		if pid != os.Getpid() && bytes.Contains(bytes.ReplaceAll(name, []byte(`\`), []byte("/")), dir) {
			if p, err := os.FindProcess(pid); err == nil {
				p.Kill()
			}
		}
	}
}

// listens waits until somebody listens at a port, without connecting: a server of
// one client would take us for it. The tables are those of proc(5), /proc/net/tcp.
func listens(t testing.TB, name, port string) {
	t.Helper()
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	local := regexp.MustCompile(fmt.Sprintf(`(?m)^ *\d+: [0-9A-F]+:%04X [0-9A-F]+:0000 0A `, n))
	for end := time.Now().Add(Patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) { // the kernel tells of no listeners
		for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
			if text, err := os.ReadFile(table); err == nil && local.Match(text) {
				return
			}
		}
	}
	t.Fatalf("%s does not listen", name)
}

func gdbserver(_ Stub, _ testing.TB, port, program string, args []string) *exec.Cmd {
	return exec.Command("gdbserver", append([]string{"--once", "127.0.0.1:" + port, program}, args...)...)
}

func lldbServer(_ Stub, _ testing.TB, port, program string, args []string) *exec.Cmd {
	return exec.Command("lldb-server-19", append([]string{"gdbserver", "127.0.0.1:" + port, "--", program}, args...)...)
}

func lldbPlatform(_ Stub, _ testing.TB, port, _ string, _ []string) *exec.Cmd {
	return exec.Command("lldb-server-19", "platform", "--server", "--listen", "127.0.0.1:"+port)
}

func qemuUser(s Stub, _ testing.TB, port, program string, args []string) *exec.Cmd {
	return exec.Command(s.Name, append([]string{"-L", s.Sysroot, "-g", port, program}, args...)...)
}

func valgrind(_ Stub, t testing.TB, port, program string, args []string) *exec.Cmd {
	v := spawn(t, exec.Command("valgrind", append([]string{"-q", "--vgdb=full", "--vgdb-error=0", program}, args...)...))
	return exec.Command("vgdb", "--wait=20", "--pid="+strconv.Itoa(v.Process.Pid), "--port="+port)
}

// wine keeps its registry and system files, which take seconds to make, from one
// run of a package's tests to the next.
func wine(_ Stub, t testing.TB, port, program string, args []string) *exec.Cmd {
	const loader = "/usr/lib/wine/wine64"
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	prefix := filepath.Join(cache, "dap-windbg-tests", "wine-"+filepath.Base(os.Args[0]))
	if err := os.MkdirAll(filepath.Dir(prefix), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // its services outlive winedbg
		end := exec.Command("/usr/lib/wine/wineserver64", "-k", "-w")
		end.Env = []string{"WINEPREFIX=" + prefix}
		end.Run()
	})
	env := append(os.Environ(), "WINEPREFIX="+prefix, "WINEDEBUG=-all", "DISPLAY=", "WINEDLLOVERRIDES=mscoree=;mshtml=")
	if _, err := os.Stat(filepath.Join(prefix, "system.reg")); err != nil {
		boot := exec.Command(loader, "wineboot", "-i")
		boot.Env = env
		if text, err := boot.CombinedOutput(); err != nil {
			t.Fatalf("wineboot: %v\n%s", err, text)
		}
	}
	cmd := exec.Command(loader, append([]string{"winedbg", "--gdb", "--no-start", "--port", port, program}, args...)...)
	cmd.Env = env
	return cmd
}
