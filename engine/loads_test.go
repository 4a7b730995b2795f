package engine

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// TestManyLoads: a library comes and goes over and over; breakpoints in it are hit
// each time, in its constructor too, and nothing piles up.
func TestManyLoads(t *testing.T) {
	loads := 30
	if heavy() {
		loads = 1_000
	}
	lib := build(t, "plugin.c", "-shared", "-fPIC")
	s := launch(t, Options{}, build(t, "loads.c"), lib, strconv.Itoa(loads))
	s.stop()
	st := s.set("t", Breakpoint{Function: "begin", HitCondition: "< 0"}, Breakpoint{File: "plugin.c", Line: 11}, Breakpoint{Function: "ended"})
	start, routines, files, maps := time.Now(), 0, 0, 0
	for i := range loads {
		if stop := s.run(How{}); len(stop.Breakpoints) != 1 || stop.Breakpoints[0] != st[1].ID {
			t.Fatalf("load %d: %q at %s", i, stop.Text, s.where())
		}
		if i == 9 {
			routines, files, maps = runtime.NumGoroutine(), openFiles(t), mappings(t)
		}
	}
	for runtime.NumGoroutine() > routines+2 && s.ctx.Err() == nil { // indexes under way end
		time.Sleep(time.Millisecond) // and tell nobody
	}
	s.mu.Lock()
	s.all = nil // events hold on to what they tell of
	s.mu.Unlock()
	if n, f, m := runtime.NumGoroutine(), openFiles(t), mappings(t); n > routines+2 || f > files+2 || m > maps+20 {
		t.Errorf("after %d loads %d goroutines, %d files and %d mappings, after 10 %d, %d and %d", loads, n, f, m, routines, files, maps)
	}
	if stop := s.run(How{}); stop.Breakpoints[0] != st[2].ID {
		t.Errorf("at %s", s.where())
	}
	t.Logf("%d loads and unloads with stops in %v", loads, time.Since(start))
	if err := s.Look(s.ctx, func(l *Live) error {
		for _, b := range l.Breakpoints() {
			if b.ID == st[0].ID && b.Hits != loads {
				t.Errorf("%d constructors were hit", b.Hits)
			}
		}
		if n := len(l.Unloaded()); n > maxUnloaded {
			t.Errorf("%d unloaded modules are remembered", n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	s.resume(How{})
	if e := s.ended(); e.Gone.Code != 0 {
		t.Errorf("end: %+v", e.Gone)
	}
}

// mappings counts this process's mapped files.
func mappings(t *testing.T) int {
	t.Helper()
	for range 3 { // images that nobody has any more are unmapped behind a collection
		runtime.GC()
		time.Sleep(10 * time.Millisecond) // cleanups run in a goroutine of the runtime's own
	}
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(text, []byte("/plugin"))
}
