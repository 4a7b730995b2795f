package kdb

import (
	"context"
	"errors"
	"testing"
	"time"

	"dap-windbg/targets"
)

const banner = "[    0.000000] Linux version 6.1.192 (root@vm) #1 SMP\n[    0.000000] Command line: console=ttyS0\n"

func TestBoots(t *testing.T) {
	for text, want := range map[string]bool{
		banner: true,
		"Booting the kernel. [    0.000000] Linux version 6.1.0": true,
		"\x1b[2J[    0.000000] Linux version 6.1.0":              true,
		"\nLinux version 6.1.0":                                  true,
		"<5>[    0.000000] Linux version 6.1.0":                  false, // dmesg
		"x Linux version 6.1.0":                                  false,
		"[  100.000000] Linux version 6.1.0":                     false,
	} {
		if boots().MatchString(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

// boot starts the machine anew.
func (f *farEnd) boot() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running, f.line, f.pages, f.traps, f.cpu = true, nil, nil, [16]uint64{}, 0
	f.print(banner)
}

// next is the next event that is no output.
func next(t *testing.T, k *Target) targets.Event {
	t.Helper()
	for over := time.After(limit); ; {
		select {
		case e := <-k.Events():
			if _, ok := e.(targets.Output); !ok {
				return e
			}
		case <-over:
			t.Fatal("nothing happens")
		}
	}
}

// TestReset: a machine that is started anew has none of our breakpoints, and its next stop
// tells; what only looks like it changes nothing.
func TestReset(t *testing.T) {
	const at = 0xffffffff81129400 // nothing comes there
	goes := func(t *testing.T, _ *farEnd, k *Target) { must(t, k.Resume(patience(t), letGo)) }
	runs := func(t *testing.T, k *Target) {
		t.Helper()
		if e, ok := next(t, k).(targets.Running); !ok {
			t.Fatalf("%+v", e)
		}
	}
	for _, c := range []struct {
		name string
		boot func(t *testing.T, f *farEnd, k *Target)
		want targets.Reason
	}{
		{"while it runs", func(t *testing.T, f *farEnd, k *Target) { goes(t, f, k); f.boot() }, targets.Reset},
		{"at the prompt", func(t *testing.T, f *farEnd, k *Target) { f.boot(); runs(t, k) }, targets.Reset},
		{"under a command", func(t *testing.T, f *farEnd, k *Target) {
			f.mu.Lock()
			f.running = true // it hears nothing any more
			f.mu.Unlock()
			failed := make(chan error)
			go func() { _, err := k.Threads(patience(t)); failed <- err }()
			f.boot()
			if err := <-failed; !errors.Is(err, targets.ErrRunning) {
				t.Errorf("the command ends with %v", err)
			}
			runs(t, k)
		}, targets.Reset},
		{"by us", func(t *testing.T, f *farEnd, k *Target) {
			must(t, k.Set(patience(t), targets.Reboot, "", nil))
			runs(t, k)
			f.boot()
		}, targets.Reset},
		{"by a command of the user's", func(t *testing.T, f *farEnd, k *Target) {
			if _, e, err := k.Command(patience(t), "reboot"); err != nil || !e.Resumed {
				t.Errorf("%+v, %v", e, err)
			}
			f.boot()
		}, targets.Reset},
		{"not at all, and a program shows the log", func(t *testing.T, f *farEnd, k *Target) {
			goes(t, f, k)
			f.mu.Lock()
			f.print(banner)
			f.mu.Unlock()
		}, targets.Interrupted},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFarEnd(t)
			k := connect(t, f, Options{Silence: 200 * time.Millisecond})
			stop(t, k)
			must(t, k.SetTrap(patience(t), targets.Trap{Addr: at}))
			must(t, k.SetTrap(patience(t), targets.Trap{Addr: at + 1}))
			must(t, k.ClearTrap(patience(t), targets.Trap{Addr: at + 1}))
			c.boot(t, f, k)
			f.SendBreak()
			must(t, k.Interrupt(patience(t)))
			if s := stop(t, k); s.Reason != c.want {
				t.Errorf("%+v", s)
			}
			k.mu.Lock()
			kept, cleared := k.planted[at], k.cleared[at+1]
			k.mu.Unlock()
			if again := c.want == targets.Reset; kept == again || cleared == again {
				t.Errorf("a breakpoint is known: %v, and one that was there: %v", kept, cleared)
			}
			must(t, k.SetTrap(patience(t), targets.Trap{Addr: at}))
			f.mu.Lock()
			here := f.traps
			f.mu.Unlock()
			if here[0] != at {
				t.Errorf("the kernel has %x", here)
			}
		})
	}
}

// TestProcessor: kdb's processor follows the user's words, goes back to where the kernel
// stopped before that runs, and its registers are not those of a task that is looked at.
func TestProcessor(t *testing.T) {
	f := newFarEnd(t)
	k := connect(t, f, Options{})
	stop(t, k)
	if _, e, err := k.Command(patience(t), "cpu 1"); err != nil || !e.ThreadChanged || e.Thread != threadOf(1) {
		t.Errorf("%+v, %v", e, err)
	}
	if _, e, err := k.Command(patience(t), "cpu"); err != nil || e != (targets.Effect{}) {
		t.Errorf("%+v, %v", e, err)
	}
	if _, e, err := k.CommandAnyway(patience(t), "pid 2"); err != nil || !e.ThreadChanged {
		t.Errorf("%+v, %v", e, err)
	}
	since := func() []string {
		f.mu.Lock()
		defer f.mu.Unlock()
		typed := f.typed
		f.typed = nil
		return typed
	}
	since()
	_, err := k.Registers(context.Background(), threadOf(1))
	must(t, err)
	if typed := since(); len(typed) != 2 || typed[0] != "cpu 1" {
		t.Errorf("the registers are asked for by %q", typed)
	}
	if _, e, err := k.Command(patience(t), "ss"); err != nil || !e.Resumed {
		t.Errorf("%+v, %v", e, err)
	}
	if s := stop(t, k); s.Thread != threadOf(0) {
		t.Errorf("%+v", s)
	}
	if typed := since(); len(typed) < 2 || typed[0] != "cpu 0" || typed[1] != "ss" {
		t.Errorf("a step is typed as %q", typed)
	}
}
