package kernel

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dap-windbg/tests/kernel/guest"
	"dap-windbg/tests/kernel/window"
)

// TestFirstStack: the first stack of a kernel whose vmlinux has 590 MB of symbols is there
// before gdb's, with nothing cached.
func TestFirstStack(t *testing.T) {
	k := heavy(t)
	vm := guest.Start(t, guest.Config{Kernel: k, Append: "nokaslr"}).Ready()
	binary, err := window.Binary()
	if err != nil {
		t.Fatal(err)
	}
	timed := func(cmd *exec.Cmd, want string) time.Duration {
		since := time.Now()
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		took := time.Since(since)
		has(t, "the stack", string(out), want)
		return took
	}
	var ours, gdb []time.Duration
	for range 3 {
		cmd := exec.Command(binary, "cdb", "-k", vm.Stub(), "-y", symbolPath(k), "-c", "k; qd")
		cmd.Env = append(os.Environ(), "DEBUGINFOD_URLS=", "_NT_SYMBOL_PATH=", "XDG_CACHE_HOME="+t.TempDir())
		ours = append(ours, timed(cmd, `^00 .* vmlinux!\w+.* \[.* @ \d+\]`))
		gdb = append(gdb, timed(exec.Command("gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", k.Vmlinux,
			"-ex", fmt.Sprintf("target remote 127.0.0.1:%d", vm.Port), "-ex", "bt", "-ex", "disconnect"), `^#1 `))
	}
	slices.Sort(ours)
	slices.Sort(gdb)
	t.Logf("from the start of the debugger to its end with the first stack: %v, gdb %v", ours, gdb)
	if ours[1] > gdb[1] {
		t.Errorf("the first stack took %v, gdb's %v", ours[1], gdb[1])
	}
}

// TestDebuginfod: the symbols of a kernel that nobody has here come from a server that
// has them, by the build-id in the kernel's memory.
func TestDebuginfod(t *testing.T) {
	k := heavy(t)
	url := debuginfod(t, filepath.Dir(k.Vmlinux))
	vm := guest.Start(t, guest.Config{Kernel: k, CPUs: 2}).Ready()
	w := window.Open(t, "-k", vm.Stub(), "-y", "DebugInfoD*"+url)
	idle(t, w)
	has(t, "a line of a stack", w.Do("k"), `vmlinux!cpu_startup_entry\+.*sched/idle.c @ \d+`)
	has(t, "a type", w.Do("dt task_struct stack_canary"), `stack_canary`)
	has(t, "whose the symbols are", w.Do("lm v m vmlinux"), `(?i)debuginfo`)
	w.Do("bp `fs/proc/array.c:420`")
	g := w.Say("g")
	cat := vm.Begin("cat /proc/1/status >/dev/null")
	has(t, "a stop by its line", g.Wait(), `Breakpoint 0 hit`)
	has(t, "its stack", w.Do("k"), `vmlinux!proc_pid_status\+.*array\.c @ \d+`)
	w.Do("bc *")
	g = w.Say("g")
	cat.Wait()
	w.Interrupt()
	g.Wait()
	w.End("qd")
}

// debuginfod serves what is in a folder, and returns once it has looked at it all.
func debuginfod(t *testing.T, dir string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command("debuginfod", "-F", "-p", fmt.Sprint(port), "-d", filepath.Join(t.TempDir(), "index.sqlite"), dir)
	cmd.Env = append(os.Environ(), "DEBUGINFOD_URLS=")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	url = fmt.Sprintf("http://127.0.0.1:%d", port)
	// It announces nothing: what it has found is a figure among those that it answers with.
	for limit := time.Now().Add(guest.Patience); time.Now().Before(limit); time.Sleep(100 * time.Millisecond) { // it tells of its files when asked only
		resp, err := http.Get(url + "/metrics")
		if err != nil {
			continue // it does not listen yet
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if strings.Contains(string(text), "found_debuginfo_total") {
			return url
		}
	}
	t.Fatal("debuginfod has not looked at its files")
	return ""
}
