package engine

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"dap-windbg/targets"
)

// events is a Catching and a Filter that breaks at all it asks for.
type events struct {
	mu   sync.Mutex
	want Catching
}

func (e *events) catching() Catching {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.want
}

func (e *events) set(s *session, want Catching) {
	e.mu.Lock()
	e.want = want
	e.mu.Unlock()
	s.Refilter()
}

func (e *events) options() Options {
	return Options{Catching: e.catching, Filter: func(f FilterEvent) Disposition {
		switch f.Code {
		case "eh", "ehc", "ehr", "rust", "sys":
			return Disposition{Break: true, Print: true}
		}
		return DefaultFilter(f)
	}}
}

// TestThrows stops where exceptions are thrown, thrown again and caught, and tells
// what they are.
func TestThrows(t *testing.T) {
	for name, flags := range map[string][]string{"shared": nil, "static": {"-static"}, "stripped": {"-Wl,-s", "-fvisibility=hidden"}} {
		t.Run(name, func(t *testing.T) {
			want := []string{
				"eh int: 42", "ehc int: 42", `eh char const*: "text"`, `ehc char const*: "text"`, "eh app::Plain", "ehc app::Plain",
				"eh app::Mixed", "ehc app::Mixed", "eh std::bad_alloc", "ehc std::bad_alloc",
				"eh app::Error: disk is full", "ehc app::Error: disk is full", "ehr app::Error: disk is full", "ehc app::Error: disk is full",
				"eh std::out_of_range: seven", "ehc std::out_of_range: seven", "ehr std::out_of_range: seven", "ehc std::out_of_range: seven",
			}
			e := &events{want: Catching{Throw: true, Catch: true, Rethrow: true}}
			s := launch(t, e.options(), build(t, "throws.cpp", flags...))
			s.stop()
			for i, w := range want {
				stop := s.run(How{})
				if stop.Thrown == nil || stop.Reason != targets.Exception {
					t.Fatalf("stop %d: %q %v", i, stop.Text, stop.Reason)
				}
				if got := EventCode("linux", stop.Stop) + " " + stop.Thrown.String(); got != w {
					t.Errorf("stop %d: %q, want %q", i, got, w)
				}
			}
			s.resume(How{})
			if end := s.ended(); end.Gone.Code != 0 || !end.Gone.Exited {
				t.Errorf("end: %+v", end.Gone)
			}
		})
	}
}

// TestPanics stops where a Rust program panics, in each thread.
func TestPanics(t *testing.T) {
	e := &events{want: Catching{Panic: true}}
	s := launch(t, e.options(), build(t, "panics.rs"))
	first := s.stop().Thread
	for i := range 2 {
		stop := s.run(How{})
		if stop.Reason != targets.Exception || EventCode("linux", stop.Stop) != "rust" || !strings.Contains(stop.Text, "Rust panic") || (stop.Thread == first) != (i == 0) {
			t.Fatalf("stop %d: %q %v", i, stop.Text, stop.Reason)
		}
	}
	s.resume(How{})
	if end := s.ended(); end.Gone.Code != 0 || !end.Gone.Exited {
		t.Errorf("end: %+v", end.Gone)
	}
}

// TestThrowsWhenAsked: the traps are there only while they are wanted, and can be
// asked for while the program runs.
func TestThrowsWhenAsked(t *testing.T) {
	e := &events{want: Catching{Throw: true}}
	s := launch(t, e.options(), build(t, "throws.cpp"))
	s.stop()
	if stop := s.run(How{}); stop.Thrown == nil || stop.Thrown.Type != "int" {
		t.Fatalf("stop: %q", stop.Text)
	}
	e.set(s, Catching{})
	s.set("t", Breakpoint{Function: "kept"})
	if stop := s.run(How{}); stop.Thrown != nil || len(stop.Breakpoints) != 1 {
		t.Fatalf("stop: %q", stop.Text)
	}
	s.do(func(context.Context, *View) error {
		if n := len(s.l.armed.throws); n != 0 {
			t.Errorf("%d traps for exceptions nobody asks for", n)
		}
		return nil
	})
}

// TestSyscalls catches two system calls by name, and none when they are not asked
// for any more.
func TestSyscalls(t *testing.T) {
	e := &events{}
	s := launch(t, e.options(), build(t, "calls.c"))
	toMain(t, s)
	e.set(s, Catching{Syscalls: []string{"open*", "getppid"}})
	for i, want := range []string{
		"openat (257) entered", "openat (257) returned = -1 ENOENT (No such file or directory)", "getppid (110) entered", "getppid (110) returned = ",
	} {
		stop := s.run(How{})
		if stop.Syscall == nil || !strings.Contains(stop.Text, want) {
			t.Fatalf("stop %d: %q, want %q", i, stop.Text, want)
		}
		if stop.Syscall.Returned != (stop.Reason == targets.SyscallReturn) {
			t.Errorf("stop %d: %+v", i, stop.Syscall)
		}
	}
	e.set(s, Catching{Syscalls: []string{"nothing"}, Pass: []int{10}})
	s.trace.trips(t)
	s.resume(How{})
	if end := s.ended(); end.Gone.Code != 0 || !end.Gone.Exited {
		t.Errorf("end: %+v", end.Gone)
	}
	// A thousand signals that nobody wants to hear of are no stops.
	if n, text := s.trace.trips(t); n > 6 {
		t.Errorf("%d round trips for signals that are handed on\n%.2000s", n, text)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	said := fmt.Sprint(s.all)
	if !strings.Contains(said, "There is no system call nothing on") {
		t.Error("nothing was said of a system call that does not exist")
	}
}
