package elf

import (
	"context"
	"dap-windbg/symbols/index"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// vmlinux returns the kernel with debug information that `make test-heavy`
// installs.
func vmlinux(tb testing.TB) string {
	found, _ := filepath.Glob("/usr/lib/debug/boot/vmlinux-*")
	if len(found) == 0 {
		if os.Getenv("HEAVY") != "" {
			tb.Fatal("no kernel with debug information in /usr/lib/debug/boot")
		}
		tb.Skip("only with HEAVY=1")
	}
	return found[len(found)-1]
}

// resident returns lines of /proc/self/status: memory of this process in kB.
func resident(tb testing.TB, names ...string) map[string]int {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		tb.Fatal(err)
	}
	out := map[string]int{}
	for _, l := range strings.Split(string(text), "\n") {
		for _, n := range names {
			if rest, ok := strings.CutPrefix(l, n+":"); ok {
				v := 0
				fmt.Sscan(rest, &v)
				out[n] = v
			}
		}
	}
	return out
}

// BenchmarkKernel measures, each from nothing, what a user waits for on the
// largest image there is.
func BenchmarkKernel(b *testing.B) {
	path := vmlinux(b)
	cache := &index.Cache{Dir: b.TempDir()}
	for _, c := range []struct {
		name string
		ask  func(i *Image) bool
	}{
		{"open", func(i *Image) bool { return true }},
		{"function", func(i *Image) bool {
			for s := range i.Lookup("start_kernel") {
				_, ok := i.Body(s.Offset)
				return ok
			}
			return false
		}},
		{"line", func(i *Image) bool { return len(i.Places("init/main.c", 913)) > 0 }},
		{"address", func(i *Image) bool { _, ok := i.At(0x100000); return ok }},
		{"type", func(i *Image) bool { t, ok := i.Type("task_struct"); return ok && len(t.Members().Fields) > 100 }},
		{"wildcard", func(i *Image) bool {
			n := 0
			for range i.Lookup("vfs_re*") {
				n++
			}
			return n >= 5
		}},
		{"index", func(i *Image) bool { return i.Index(context.Background()) == nil }},
		{"first kept", func(i *Image) bool { return i.Index(context.Background()) == nil }},
		{"index kept", func(i *Image) bool { return i.Index(context.Background()) == nil }},
		{"function kept", func(i *Image) bool {
			if i.Index(context.Background()) != nil {
				return false
			}
			for s := range i.Lookup("start_kernel") {
				_, ok := i.Body(s.Offset)
				return ok
			}
			return false
		}},
		{"line kept", func(i *Image) bool {
			return i.Index(context.Background()) == nil && len(i.Places("init/main.c", 913)) > 0
		}},
		{"type kept", func(i *Image) bool { t, ok := i.Type("task_struct"); return ok && len(t.Members().Fields) > 100 }},
		{"types kept", func(i *Image) bool {
			n := 0
			for range i.Types("*_operations") {
				n++
			}
			return n > 10
		}},
		{"inlined kept", func(i *Image) bool {
			return i.Index(context.Background()) == nil && len(i.Inlined("list_add_tail")) > 10
		}},
	} {
		name, kept := strings.CutSuffix(c.name, " kept")
		b.Run(name+map[bool]string{true: "-kept"}[kept], func(b *testing.B) {
			for b.Loop() {
				var o Options
				if kept {
					o.Index = cache
				}
				i, err := Open(path, o)
				if err != nil {
					b.Fatal(err)
				}
				if !c.ask(i) {
					b.Fatal("no answer")
				}
			}
			for n, v := range resident(b, "RssAnon", "VmHWM") {
				b.ReportMetric(float64(v)/1024, n+"-MB")
			}
		})
	}
}
