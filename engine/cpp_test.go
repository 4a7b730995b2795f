package engine

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/targets"
)

func shapes(t *testing.T, lazy bool) string {
	t.Helper()
	lib := build(t, "plugin.c", "-shared", "-fPIC", "-Wl,-soname,plugin")
	flags := []string{lib, "-Wl,-rpath," + filepath.Dir(lib), "-Wl,-z,now"}
	if lazy {
		flags[len(flags)-1] = "-Wl,-z,lazy"
	}
	return build(t, "shapes.cpp", flags...)
}

// TestSteppingCpp steps through virtual calls, the linkage table, templates and
// exceptions.
func TestSteppingCpp(t *testing.T) {
	for name, lazy := range map[string]bool{"bound": false, "lazy": true} {
		t.Run(name, func(t *testing.T) {
			s := launch(t, Options{StepFilter: []string{"twice*"}}, shapes(t, lazy))
			toMain(t, s)
			s.set("t", Breakpoint{File: "shapes.cpp", Line: 57, OneShot: true})
			s.run(How{})
			for i, step := range []struct {
				how  HowKind
				want string
			}{
				{StepInto, "geo::Box::area:23"}, {StepOver, "geo::Box::area:24"}, {StepOut, "main:57"}, {StepOver, "main:58"},
				{StepInto, "plug:10"}, {StepOver, "plug:11"}, {StepOver, "plug:12"}, {StepOver, "main:59"},
				{StepInto, "main:60"}, // the filter
				{StepInto, "guarded:38"}, {StepOver, "guarded:40"}, {StepOver, "guarded:41"}, {StepOver, "guarded:45"},
				{StepOut, "main:60"}, {StepOver, "main:61"}, {StepInto, "guarded:38"}, {StepOver, "guarded:40"},
			} {
				s.run(How{Kind: step.how})
				w := s.where()
				if i := strings.IndexByte(w, '('); i >= 0 {
					w = w[:i] + w[strings.LastIndexByte(w, ':'):]
				}
				if w != step.want {
					t.Fatalf("step %d: at %s, want %s", i, w, step.want)
				}
			}
			// The call throws: the step ends in the handler.
			s.run(How{Kind: StepOver})
			if w := s.where(); !strings.HasSuffix(w, ":42") && !strings.HasSuffix(w, ":43") {
				t.Errorf("over a call that throws: at %s", w)
			}
		})
	}
}

func TestCppNames(t *testing.T) {
	s := launch(t, Options{}, shapes(t, false))
	s.stop()
	s.set("t", Breakpoint{Function: "geo::Box::area"})
	s.run(How{})
	for src, want := range map[string]uint64{"w * h": 12, "this->w": 3, "id": 1, "made": 1, "geo::made": 1} {
		if got := s.eval(src); got != want {
			t.Errorf("%s = %d, want %d", src, got, want)
		}
	}
	st := s.set("t", Breakpoint{Function: "twice"}, Breakpoint{Expr: "shapes!*guard*"})
	if len(st[0].Addrs) != 2 || len(st[1].Addrs) != 1 {
		t.Errorf("places: %+v", st)
	}
}

// TestExec goes on with another program: breakpoints follow by name.
func TestExec(t *testing.T) {
	next := build(t, "walk.c")
	s := launch(t, Options{}, shapes(t, false), next)
	s.stop()
	s.set("t", Breakpoint{Function: "main"}, Breakpoint{Function: "factorial"})
	s.run(How{})
	if w := s.where(); w != "main:55" && w != "main:54" {
		t.Errorf("first program: at %s", w)
	}
	s.run(How{})
	if w := s.where(); w != "main:56" {
		t.Errorf("second program: at %s", w)
	}
	s.run(How{})
	if w := s.where(); w != "factorial:32" {
		t.Errorf("second program: at %s", w)
	}
	s.do(func(_ context.Context, v *View) error {
		if m := v.Live().Modules()[0]; m.Name != "walk" {
			t.Errorf("main module %s", m.Name)
		}
		return nil
	})
}

// TestFreeze holds a thread in every resume.
func TestFreeze(t *testing.T) {
	s := launch(t, Options{}, build(t, "threads.c"), "2")
	toMain(t, s)
	s.set("t", Breakpoint{Function: "beat"})
	first := s.run(How{})
	freeze := func(id targets.ThreadID, on bool) {
		s.do(func(ctx context.Context, v *View) error { return v.Freeze(ctx, id, on) })
	}
	freeze(first.Thread, true)
	for range 6 {
		if st := s.run(How{}); st.Thread == first.Thread {
			t.Errorf("the frozen thread %v ran", st.Thread)
		}
	}
	freeze(first.Thread, false)
	var other targets.ThreadID
	s.do(func(ctx context.Context, v *View) error { th, err := v.Thread(ctx); other = th.ID; return err })
	freeze(other, true)
	for range 6 {
		if st := s.run(How{}); st.Thread != first.Thread {
			t.Errorf("stopped in %v", st.Thread)
		}
	}
}
