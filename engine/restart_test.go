package engine

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"
)

// restart puts frame n of the selected thread back to its function's entry.
func (s *session) restart(n int) (err error) {
	s.t.Helper()
	var h How
	s.do(func(ctx context.Context, v *View) error {
		f, e := v.SelectFrame(ctx, n)
		if e != nil {
			return e
		}
		body, e := v.RestartFrame(ctx, f)
		if err = e; e == nil {
			h.Until = append(h.Until, body)
		}
		return nil
	})
	if err == nil {
		s.run(h)
	}
	return err
}

// TestRestartFrame begins functions again, whose parameters are in all kinds of
// registers and on the stack: they compute the same once more.
func TestRestartFrame(t *testing.T) {
	for _, flags := range [][]string{{"-O0"}, {"-O0", "-m32"}, {"-O0", "-fomit-frame-pointer"}} {
		t.Run(flags[len(flags)-1], func(t *testing.T) {
			s := launch(t, Options{}, build(t, "restart.cpp", flags...))
			s.restartsEach()
		})
	}
	for _, cpu := range []string{"aarch64", "riscv64"} {
		t.Run(cpu, func(t *testing.T) {
			addr, cmd := emulate(t, "qemu-"+cpu, crossPlusPlus(t, cpu, "restart.cpp"))
			s := connect(t, Options{}, addr, cmd)
			s.restartsEach()
		})
	}
}

// crossPlusPlus builds testdata/NAME, which uses no library, for another CPU.
func crossPlusPlus(t *testing.T, cpu, name string) string {
	t.Helper()
	object, prog := filepath.Join(t.TempDir(), "x.o"), filepath.Join(t.TempDir(), "x")
	for _, args := range [][]string{
		{"clang++", "--target=" + cpu + "-linux-gnu", "-g", "-O0", "-fno-exceptions", "-DTRIVIAL", "-c", "-o", object, "testdata/" + name},
		{cross(t, cpu), "-static", "-o", prog, object},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	return prog
}

// restartsEach begins each function of restart.cpp again.
func (s *session) restartsEach() {
	t := s.t
	t.Helper()
	toMain(t, s)
	s.set("t", Breakpoint{Function: "deepest", OneShot: true})
	s.run(How{})
	for n, want := range []string{"deepest:14", "Adder::add:22", "middle:29"} {
		if n > 1 { // the first is still in it
			s.set("t", Breakpoint{Function: "deepest", OneShot: true})
			s.run(How{})
		}
		if err := s.restart(n); err != nil {
			t.Fatalf("frame %d: %v", n, err)
		}
		if w := s.where(); w != want {
			t.Errorf("frame %d restarted: at %s, want %s", n, w, want)
		}
		if n == 0 && s.eval("a") != 7 {
			t.Errorf("a is %d", s.eval("a"))
		}
	}
	s.set("t")
	s.resume(How{})
	if e := s.ended(); e.Gone.Code != 0 {
		t.Errorf("the program has another result: %+v", e.Gone)
	}
}

// TestRestartRefused: what was in registers and is not known any more is told.
func TestRestartRefused(t *testing.T) {
	s := launch(t, Options{}, build(t, "inline.c", "-O1"))
	s.stop()
	s.set("t", Breakpoint{File: "inline.c", Line: 7})
	s.run(How{})
	var refused *RestartError
	if err := s.restart(0); !errors.As(err, &refused) || refused.Function != "inner" {
		t.Errorf("an inlined call: %v", err)
	}
	s = launch(t, Options{}, build(t, "restart.cpp", "-O0"))
	toMain(t, s)
	s.set("t", Breakpoint{Function: "large"})
	s.run(How{})
	if err := s.restart(0); !errors.As(err, &refused) {
		t.Errorf("a value handed back in memory: %v", err)
	}
	if w := s.where(); w != "large:36" {
		t.Errorf("the refusal has moved it to %s", w)
	}
}
