package kdb

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"dap-windbg/targets"
)

// starved is the line of a machine that gets so little time that each character comes by
// itself, a good while after the one before. Time is the test's own.
type starved struct{ *farEnd }

func (l starved) Read(p []byte) (int, error) {
	time.Sleep(300 * time.Millisecond)
	return l.farEnd.Read(p[:1])
}

// TestStarved: stops are told as what they are however slowly they come, and people are
// shown nothing of them but what the kernel says about its state.
func TestStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFarEnd(t)
		k, err := Connect(context.Background(), starved{f}, Options{})
		must(t, err)
		defer time.Sleep(time.Second) // the test's own time, which stops with it: the line's reader ends within a pause
		defer k.Close(context.Background(), targets.Leave)
		shown := ""
		stops := func(want targets.Reason) {
			t.Helper()
			for {
				switch e := (<-k.Events()).(type) {
				case targets.Output:
					shown += e.Text
				case targets.Stop:
					if e.Reason != want {
						t.Fatalf("%+v instead of %v", e, want)
					}
					return
				default:
					t.Fatalf("%+v", e)
				}
			}
		}
		stops(targets.Initial)
		step := targets.Resume{Threads: map[targets.ThreadID]targets.Action{threadOf(0): {Kind: targets.Step}}}
		for range 3 {
			must(t, k.Resume(context.Background(), step))
			stops(targets.Stepped)
		}
		if shown != "" {
			t.Errorf("steps show %q", shown)
		}
		must(t, k.SetTrap(context.Background(), targets.Trap{Addr: loop}))
		f.set(func() { f.fatal = 1 })
		must(t, k.Resume(context.Background(), letGo))
		stops(targets.Breakpoint)
		if shown != "Catastrophic error detected\n" {
			t.Errorf("shown: %q", shown)
		}
		f.set(func() { f.entered = 1 })
		must(t, k.Resume(context.Background(), letGo))
		stops(targets.Breakpoint)
	})
}

// TestPlainText: what may be the beginning of a stop and is not is shown when it goes on.
func TestPlainText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFarEnd(t)
		k, err := Connect(context.Background(), f, Options{})
		must(t, err)
		defer k.Close(context.Background(), targets.Leave)
		stop(t, k)
		must(t, k.Resume(context.Background(), letGo))
		shown := ""
		for _, c := range []struct{ print, want string }{
			{"", "/ # "}, {"\nEnter", "/ # \n"}, {" your name: ", "/ # \nEnter your name: "}, {"\n", "/ # \nEnter your name: "},
			{"go", "/ # \nEnter your name: \n"}, {"ne", "/ # \nEnter your name: \ngone"},
		} {
			f.set(func() { f.print(c.print) })
			time.Sleep(time.Minute) // of the test's own time, in which nothing more comes
			synctest.Wait()
			for len(shown) < len(c.want) {
				shown += (<-k.Events()).(targets.Output).Text
			}
			if shown != c.want {
				t.Fatalf("after %q: %q instead of %q", c.print, shown, c.want)
			}
		}
	})
}
