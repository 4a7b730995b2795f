package e2e

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func must(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// separate makes a program without debug information, and its debug file in
// another folder.
func separate(t *testing.T) (stripped, debug string) {
	t.Helper()
	full := program(t, "crash.c")
	dir := t.TempDir()
	stripped, debug = filepath.Join(dir, "run", "crash"), filepath.Join(dir, "debug", "crash.debug")
	for _, d := range []string{filepath.Dir(stripped), filepath.Dir(debug)} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	must(t, "objcopy", "--only-keep-debug", full, debug)
	must(t, "objcopy", "--strip-all", full, stripped)
	return stripped, debug
}

// debuginfod serves dir and returns its URL once dir has been scanned.
func debuginfod(t *testing.T, dir string) string {
	t.Helper()
	port := freePort(t)
	cmd := exec.Command("debuginfod", "-d", ":memory:", "-p", port, "-F", dir)
	cmd.Env = append(os.Environ(), "DEBUGINFOD_URLS=")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	url := "http://127.0.0.1:" + port
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(50 * time.Millisecond) { // it tells nobody when it is done
		r, err := http.Get(url + "/metrics")
		if err != nil {
			continue
		}
		text, err := io.ReadAll(r.Body)
		r.Body.Close()
		if m := string(text); err == nil && strings.Contains(m, `thread_work_total{role="traverse"} 1`) && strings.Contains(m, `thread_busy{role="scan"} 0`) && strings.Contains(m, `thread_work_pending{role="scan"} 0`) {
			return url
		}
	}
	t.Fatal("debuginfod does not finish its scan")
	return ""
}

// TestDebugInfoD: names of a stripped program come from a real debuginfod.
func TestDebugInfoD(t *testing.T) {
	stripped, debug := separate(t)
	url := debuginfod(t, filepath.Dir(debug))
	debugger(t, "bp crash!fill\nlm m crash\n!sym noisy\n.sympath+ DebugInfoD*"+url+"\n.reload /f crash\nlm m crash\nbp crash!fill\ng\nk\ndv\nq\n", "cdb", stripped).Must(t, 0,
		`crash .*\((no symbols|service symbols: ELF Export Symbols|deferred)\)`,
		"Symbol search path is: DebugInfoD\\*"+url,
		"SYMSRV: .*/debuginfo - found",
		`crash .*\(service symbols: DWARF Private Symbols\)`,
		"Breakpoint 0 hit", `crash!fill.* \[.*crash\.c @ 17\]`, `crash!main\+`, "value = ")
}

// TestStripped: without any names the debugger says so and works by address.
func TestStripped(t *testing.T) {
	stripped, _ := separate(t)
	debugger(t, "", "run", "--", stripped).Must(t, 1, `null dereference, writing in crash\+0x`, "SIGSEGV", `00 .*crash\+0x`, `crash \((no symbols|exports only)\)`)
}

// TestMismatch: a file of another build is never used silently.
func TestMismatch(t *testing.T) {
	old := program(t, "spin.c")
	dir := t.TempDir()
	path := filepath.Join(dir, "spin")
	must(t, "cp", old, path)
	cmd := exec.Command(path)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	must(t, "cp", program(t, "spin.c", "-O2"), path+".new")
	must(t, "mv", path+".new", path)
	r := debugger(t, "!sym noisy\n.reload /f spin\nlm m spin\nx spin!tick\nq\n", "cdb", "-p", strconv.Itoa(cmd.Process.Pid))
	r.Must(t, r.Status, "build-id [0-9a-f]{40}, the debuggee runs [0-9a-f]{40}")
	if strings.Contains(r.Out, "DWARF Private Symbols)        "+path) {
		t.Errorf("the file of another build is used:\n%s", r.Out)
	}
}

// TestFarFiles: images that exist only over there are fetched from there.
func TestFarFiles(t *testing.T) {
	prog := program(t, "crash.c")
	port := freePort(t)
	cmd := exec.Command("unshare", "-rm", "sh", "-c",
		"mount -t tmpfs none /mnt && cp "+prog+" /mnt/far && exec gdbserver --once 127.0.0.1:"+port+" /mnt/far")
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("the far end said: %s", said.String())
		}
	})
	waitPort(t, port)
	debugger(t, "bp far!fill\ng\nk\nlm m far\nq\n", "cdb", "-remote", "gdb:server=127.0.0.1,port="+port).Must(t, 0,
		"Breakpoint 0 hit", `far!fill.* \[.*crash\.c @ 17\]`, `far!main\+`, `far .*DWARF Private Symbols`)
}
