package kdb

import (
	"slices"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// other is the processor of the recorded machine that did not stop.
var other = threadOf(1)

func (f *farEnd) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// said are the lines since the last one that begins with word.
func (f *farEnd) said(word string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := len(f.typed) - 1; i >= 0; i-- {
		if strings.HasPrefix(f.typed[i], word) {
			return slices.Clone(f.typed[i:])
		}
	}
	return nil
}

// TestOtherProcessor: one that has a step to tell of keeps it when its registers are read.
func TestOtherProcessor(t *testing.T) {
	f := newFarEnd(t)
	k := connect(t, f, Options{})
	stop(t, k)
	f.set(func() { f.waits = 1 })
	r, err := k.Registers(patience(t), other)
	must(t, err)
	for name, want := range map[string]uint64{"rax": 1, "rsp": 8, "r15": 16, "rip": idlePC, "eflags": 0x206, "cs": 0x10, "ss": 0x18} {
		if v, ok := r.Get(name); !ok || v != want {
			t.Errorf("%s is %x, %v, want %x", name, v, ok, want)
		}
	}
	f.set(func() {
		if f.waits != 1 || f.cpu != 0 {
			t.Errorf("the step is lost (%d), the console is on %d", f.waits, f.cpu)
		}
	})
}

// TestBackHome: where the stub tells no registers, the console goes back to the processor
// that stopped before memory is written, which a change would undo, and before a step.
func TestBackHome(t *testing.T) {
	for name, act := range map[string]func(k *Target) error{
		"mm1 ": func(k *Target) error {
			_, err := k.WriteMemory(patience(t), targets.Space{}, 0xffffffffc0002340, []byte{1})
			return err
		},
		"ss": func(k *Target) error {
			return k.Resume(patience(t), targets.Resume{Threads: map[targets.ThreadID]targets.Action{threadOf(0): {Kind: targets.Step}}})
		},
	} {
		f := newFarEnd(t)
		f.deafG = true
		k := connect(t, f, Options{})
		stop(t, k)
		r, err := k.Registers(patience(t), other)
		must(t, err)
		if r.PC() != idlePC {
			t.Errorf("PC %x", r.PC())
		}
		must(t, act(k))
		if l := f.said("cpu 0"); len(l) != 2 || !strings.HasPrefix(l[1], name) {
			t.Errorf("%q instead of %s from processor 0", l, name)
		}
	}
}

// TestRefusedGo: the kernel goes from the processor that kdb wants, and nothing is told;
// where that one has come to a breakpoint, that is.
func TestRefusedGo(t *testing.T) {
	for _, trapped := range []bool{false, true} {
		f := newFarEnd(t)
		k := connect(t, f, Options{})
		stop(t, k)
		must(t, k.SetTrap(patience(t), targets.Trap{Addr: loop}))
		f.set(func() {
			f.entered = 1
			if trapped {
				f.waits = 1
			}
		})
		must(t, k.Resume(patience(t), letGo))
		s := stop(t, k)
		if s.Reason != targets.Breakpoint || s.Addr != loop || s.Thread != other {
			t.Errorf("%+v", s)
		}
		want := []string{"cpu 1", "go"}
		if trapped {
			want = want[:1]
		}
		if l := f.said("cpu 1"); !slices.Equal(l, want) {
			t.Errorf("%q instead of %q", l, want)
		}
	}
}

// TestRearm: on a machine with more processors the breakpoint that one is at is planted
// anew, for kdb would lift it and drop another's step.
func TestRearm(t *testing.T) {
	f := newFarEnd(t)
	k := connect(t, f, Options{})
	stop(t, k)
	list, err := k.Threads(patience(t))
	must(t, err)
	if len(list) != 2 {
		t.Fatalf("%+v", list)
	}
	must(t, k.SetTrap(patience(t), targets.Trap{Addr: loop}))
	for range 2 {
		must(t, k.Resume(patience(t), letGo))
		if s := stop(t, k); s.Addr != arch.Addr(loop) {
			t.Fatalf("%+v", s)
		}
	}
	if l := f.said("bc"); len(l) != 3 || !strings.HasPrefix(l[1], "bp ") || l[2] != "go" {
		t.Errorf("%q", l)
	}
}
