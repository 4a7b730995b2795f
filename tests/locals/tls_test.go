package locals

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/tests/sidebyside"
)

// TestThreadLocal: variables of thread-local storage of the selected thread, by
// C library, linking and machine.
func TestThreadLocal(t *testing.T) {
	cases := []struct {
		name  string
		build build
	}{
		{"glibc", build{"gcc", nil}},
		{"glibc static", build{"gcc", []string{"-static"}}},
		{"glibc static-pie", build{"gcc", []string{"-static-pie"}}},
		{"glibc i386", build{"gcc", []string{"-m32"}}},
		{"glibc i386 static", build{"gcc", []string{"-m32", "-static"}}},
		{"musl", build{"musl-gcc", nil}},
		{"musl static", build{"musl-gcc", []string{"-static"}}},
	}
	for _, c := range cases {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			program := compile(t, build{c.build.Compiler, append(c.build.Flags, "-O1", "-pthread")}, "testdata/tls.c")
			d := connect(t, gdbserver(t, program))
			d.breakAt("probe")
			if !d.run(engine.How{}) {
				t.Fatal("ended")
			}
			d.want("who", "2", "counter", "111", "zeroed", "-9", "odd", "119")
			d.otherThread()
			d.want("counter", "101", "zeroed", "7", "odd", "111")
		})
	}
}

// TestThreadLocalOfLibrary: storage of a library that was loaded later, before
// and after the thread has got it.
func TestThreadLocalOfLibrary(t *testing.T) {
	for _, c := range []struct {
		name  string
		build build
	}{
		{"glibc", build{"gcc", nil}}, {"glibc i386", build{"gcc", []string{"-m32"}}}, {"musl", build{"musl-gcc", nil}},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			library := filepath.Join(t.TempDir(), "libshelf.so")
			lib := build{c.build.Compiler, append(c.build.Flags, "-O1", "-shared", "-fPIC", "-DLIBRARY", "-ftls-model=global-dynamic")}
			if text, err := exec.Command(lib.Compiler, append(append([]string{"-w", "-g", "-o", library}, lib.Flags...), "testdata/tls.c")...).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			program := compile(t, build{c.build.Compiler, append(c.build.Flags, "-O1", "-pthread", "-DLOAD", "-ldl")}, "testdata/tls.c")
			d := connect(t, gdbserver(t, program, library))
			d.breakAt("probe")
			d.run(engine.How{})
			if c.name != "musl" { // musl gives every thread its storage at once
				d.want("who", "0", "libshelf!shelf", "<out>")
			}
			d.run(engine.How{})
			d.want("who", "2", "libshelf!shelf", "80")
			d.otherThread()
			d.want("libshelf!shelf", "78", "counter", "101")
		})
	}
}

func (d *debuggee) breakAt(name string) {
	d.t.Helper()
	var at arch.Addr
	d.do(func(ctx context.Context, v *engine.View) (err error) {
		at, err = v.Address(ctx, name)
		return err
	})
	if _, err := d.SetBreakpoints(d.Ctx, "tls", []engine.Breakpoint{{ID: -1, Addr: at}}); err != nil {
		d.t.Fatal(err)
	}
}

// otherThread selects the thread that did not stop.
func (d *debuggee) otherThread() {
	d.t.Helper()
	d.do(func(ctx context.Context, v *engine.View) error {
		list, err := v.Threads(ctx)
		if err != nil {
			return err
		}
		for _, th := range list {
			if !th.Current {
				return v.SelectThread(ctx, th.ID)
			}
		}
		return fmt.Errorf("there are %d threads", len(list))
	})
}

// want evaluates expressions in the selected thread.
func (d *debuggee) want(pairs ...string) {
	d.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		got := ""
		d.do(func(ctx context.Context, v *engine.View) error {
			x, err := v.Eval(ctx, nil, pairs[i], eval.Options{})
			var n uint64
			if err == nil {
				n, err = eval.Int(ctx, v.Env(nil), x)
			}
			if got = fmt.Sprint(int64(n)); err != nil {
				got = sidebyside.Why(err)
				d.t.Logf("%s: %v", pairs[i], err)
			}
			return nil
		})
		if got != pairs[i+1] {
			d.t.Errorf("%s is %s, want %s", pairs[i], got, pairs[i+1])
		}
	}
}
