package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"dap-windbg/tests/kernel/guest"
)

// The rows of this file are whole processes too: a debugger connects to a machine under
// QEMU, shows the first stack by the kernel's vmlinux, and leaves. They are measured where
// Debian's kernel and its debug files have been fetched, which tests do.

// owner is what guests belong to: this program instead of a test.
type owner struct {
	testing.TB
	dir  string
	ends []func()
}

func (o *owner) Helper()                   { _ = o.dir } // nobody asks where the caller stands
func (o *owner) TempDir() string           { return o.dir }
func (o *owner) Failed() bool              { return false }
func (o *owner) Cleanup(f func())          { o.ends = append(o.ends, f) }
func (o *owner) Fatal(args ...any)         { check(fmt.Errorf("%s", fmt.Sprint(args...))) }
func (o *owner) Logf(string, ...any)       {}
func (o *owner) Fatalf(f string, a ...any) { check(fmt.Errorf(f, a...)) }

func (o *owner) end() {
	for i := len(o.ends) - 1; i >= 0; i-- {
		o.ends[i]()
	}
}

// firstStack is how long the first stack may take, ms.
const firstStack = 500

// kernel measures and prints.
func (b *bench) kernel() {
	cache, err := os.UserCacheDir()
	check(err)
	if found, _ := filepath.Glob(filepath.Join(cache, "dap-windbg-targets", "linux-image-*-dbg", "usr/lib/debug/boot/vmlinux-*")); len(found) == 0 {
		return
	}
	o := &owner{dir: b.dir}
	defer o.end()
	k := guest.Debian(o, true)
	vm := guest.Start(o, guest.Config{Kernel: k, Append: "nokaslr"}).Ready()
	fmt.Printf("\nLinux %s under QEMU: medians of %d runs of whole processes; ms wall, MB at peak\n\n", k.Release, *kernelRuns)
	fmt.Printf("%-34s %8s %8s %8s %9s %6s %6s\n", "from start to the first stack", "ours", "limit", "gdb", "gdb/ours", "MB", "gdb")
	for _, q := range []question{{name: "nothing cached"}, {name: "cached", cached: true}} {
		var ours, gdb contest
		caches := filepath.Join(b.dir, "kernel")
		for i := range *kernelRuns + 1 {
			dir := caches
			if !q.cached {
				dir = filepath.Join(b.dir, fmt.Sprint("kernel", i))
			}
			var mine, theirs contest
			cmd := exec.Command(b.debugger, "cdb", "-k", vm.Stub(), "-y", filepath.Dir(k.Vmlinux), "-c", "k; qd")
			cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(dir, "ours"))
			mine.run(cmd, `(?m)^00 .* vmlinux!`)
			args := []string{"-nx", "-batch", "-iex", "set debuginfod enabled off"}
			if q.cached {
				args = append(args, "-iex", "set index-cache directory "+filepath.Join(dir, "gdb"), "-iex", "set index-cache enabled on")
			}
			theirs.run(exec.Command("gdb", append(args, k.Vmlinux, "-ex", fmt.Sprintf("target remote 127.0.0.1:%d", vm.Port), "-ex", "bt", "-ex", "disconnect")...), `(?m)^#1 `)
			if i > 0 || !q.cached { // the first only fills the caches
				ours.add(mine)
				gdb.add(theirs)
			}
		}
		ms := func(c contest) float64 { return median(c.wall).Seconds() * 1e3 }
		fmt.Printf("%-34s %8.1f %8d %8.1f %9.1f %6d %6d\n", q.name, ms(ours), firstStack, ms(gdb), ms(gdb)/ms(ours), median(ours.rss)>>10, median(gdb.rss)>>10)
	}
}

func (c *contest) add(x contest) {
	c.wall, c.cpu, c.rss, c.anon = append(c.wall, x.wall...), append(c.cpu, x.cpu...), append(c.rss, x.rss...), append(c.anon, x.anon...)
}
