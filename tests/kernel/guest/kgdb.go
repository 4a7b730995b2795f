package guest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// KGDB is a kernel of our own with kgdb and kdb, its symbols and source, and the
// module dwtest. It is built the first time.
func KGDB(tb testing.TB) (k Kernel, module, source string) {
	tb.Helper()
	_, here, _, _ := runtime.Caller(0)
	cmd := exec.Command("sh", filepath.Join(filepath.Dir(here), "..", "kgdb", "build.sh"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("building the kernel with kgdb: %v", err)
	}
	told := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		told[name] = value
	}
	return Kernel{Image: told["image"], Vmlinux: told["vmlinux"]}, told["dwtest"], told["source"]
}

// Line is the first serial line of a machine whose kernel is debugged over it. Since
// it is the kernel's console, a break on it is heard while the kernel runs; the shell
// sits at the second one.
type Line struct {
	Port int    // on 127.0.0.1, where telnet is spoken
	Log  string // a file for all that the kernel says there, "" none
}

func (l *Line) args() []string {
	device := fmt.Sprintf("socket,id=debug,host=127.0.0.1,port=%d,server=on,wait=off,nodelay=on,telnet=on", l.Port)
	if l.Log != "" {
		device += ",logfile=" + l.Log
	}
	return []string{"-chardev", device, "-serial", "chardev:debug"}
}

// Connection is the connection string of the line: protocol is "kgdb" or "kdb".
func (l *Line) Connection(protocol string, k Kernel) string {
	return fmt.Sprintf("%s:server=127.0.0.1,port=%d,vmlinux=%s", protocol, l.Port, k.Vmlinux)
}
