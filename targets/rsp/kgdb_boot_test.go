package rsp

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"dap-windbg/targets"
	"dap-windbg/targets/targettest"
)

const banner = "[    0.000000] Linux version 6.1.192 (root@vm) #1 SMP\r\n[    0.000000] Command line: console=ttyS0\r\n"

func TestKernelBegins(t *testing.T) {
	for text, want := range map[string]bool{
		banner: true,
		"Booting the kernel. [    0.000000] Linux version 6.1.0": true,
		"\x1b[2J[    0.000000] Linux version 6.1.0":              true,
		"\nLinux version 6.1.0":                                  true,
		"<5>[    0.000000] Linux version 6.1.0":                  false, // dmesg
		"x Linux version 6.1.0":                                  false,
		"[  100.000000] Linux version 6.1.0":                     false,
	} {
		if kernelBegins().MatchString(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

// boot starts the machine anew.
func (k *kgdbKernel) boot() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.running, k.kdb, k.traps, k.unheard, k.then, k.late, k.rest = true, true, map[uint64]bool{}, "", nil, "", ""
	k.print(banner)
}

func (k *kgdbKernel) runs() bool { return k.running }

// until waits for what the far end tells nobody of; f is called under its lock.
func (k *kgdbKernel) until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for limit := time.Now().Add(targettest.Patience); ; time.Sleep(time.Millisecond) {
		k.mu.Lock()
		is := f()
		k.mu.Unlock()
		switch {
		case is:
			return
		case time.Now().After(limit):
			t.Fatalf("%s: not within %v", what, targettest.Patience)
		}
	}
}

// awaitRunning waits until the target says that the machine runs.
func awaitRunning(t *testing.T, d *Target) {
	t.Helper()
	for e := range d.Events() {
		switch e.(type) {
		case targets.Running:
			return
		case targets.Stop, targets.Gone:
			t.Fatalf("%+v", e)
		}
	}
}

// TestKGDBReboot: a machine that is started anew has none of our breakpoints, and its next
// stop tells; what only looks like it changes nothing.
func TestKGDBReboot(t *testing.T) {
	ctx := context.Background()
	const at = kgdbData // nothing comes there
	goes := func(t *testing.T, k *kgdbKernel, d *Target) {
		t.Helper()
		if err := d.Resume(ctx, targets.Resume{Default: targets.Action{Kind: targets.Go}}); err != nil {
			t.Fatal(err)
		}
		k.until(t, "it runs", k.runs)
	}
	for _, c := range []struct {
		name string
		boot func(t *testing.T, k *kgdbKernel, d *Target)
		want targets.Reason
	}{
		{"while it runs", func(t *testing.T, k *kgdbKernel, d *Target) { goes(t, k, d); k.boot() }, targets.Reset},
		{"while it is stopped", func(t *testing.T, k *kgdbKernel, d *Target) { k.boot(); awaitRunning(t, d) }, targets.Reset},
		{"by us", func(t *testing.T, k *kgdbKernel, d *Target) {
			if err := d.Set(ctx, targets.Reboot, "", nil); err != nil {
				t.Fatal(err)
			}
			awaitRunning(t, d)
			k.boot()
		}, targets.Reset},
		{"by a command of kdb's", func(t *testing.T, k *kgdbKernel, d *Target) {
			if _, e, err := d.Command(ctx, "reboot"); err != nil || !e.Resumed {
				t.Errorf("%+v, %v", e, err)
			}
			k.boot()
		}, targets.Reset},
		{"not at all, and a program shows the log", func(t *testing.T, k *kgdbKernel, d *Target) {
			goes(t, k, d)
			k.mu.Lock()
			k.print(banner)
			k.mu.Unlock()
		}, targets.Interrupted},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKGDBKernel()
			d := kgdbTarget(t, k, patientKGDB)
			awaitStop(t, d)
			if err := d.SetTrap(ctx, targets.Trap{Addr: at}); err != nil {
				t.Fatal(err)
			}
			c.boot(t, k, d)
			if err := d.Interrupt(ctx); err != nil {
				t.Fatal(err)
			}
			if s, _ := awaitStop(t, d); s.Reason != c.want {
				t.Errorf("%+v", s)
			}
			if err := d.SetTrap(ctx, targets.Trap{Addr: at}); err != nil || !k.planted()[at] {
				t.Errorf("%v; the kernel has %v", err, k.planted())
			}
		})
	}
}

// TestKGDBResetAsked: what is asked of a kernel that is no more is refused, each request of
// it, and the next kernel does not get it.
func TestKGDBResetAsked(t *testing.T) {
	ctx := context.Background()
	for name, ask := range map[string]func(d *Target) error{
		"memory": func(d *Target) error {
			_, err := d.ReadMemory(ctx, targets.Space{}, kgdbData, make([]byte, 0x800)) // several packets
			return err
		},
		"a trap": func(d *Target) error { return d.SetTrap(ctx, targets.Trap{Addr: kgdbLoop}) },
		"a resume with its trap": func(d *Target) error {
			return d.Resume(ctx, targets.Resume{Default: targets.Action{Kind: targets.Go}, Plant: []targets.Trap{{Addr: kgdbLoop}}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKGDBKernel()
			patient := patientKGDB
			patient.Silence = targettest.Patience // nothing is asked twice
			d := kgdbTarget(t, k, patient)
			awaitStop(t, d)
			k.mu.Lock()
			k.slow, k.asked = 1, nil
			k.mu.Unlock()
			answer := make(chan error, 1)
			go func() { answer <- ask(d) }()
			k.until(t, "the question is taken", func() bool { return k.late != "" })
			k.boot()
			awaitRunning(t, d)
			if err := <-answer; err == nil || !strings.Contains(err.Error(), "the machine was reset") {
				t.Errorf("%v", err)
			}
			if err := d.Interrupt(ctx); err != nil {
				t.Fatal(err)
			}
			if s, _ := awaitStop(t, d); s.Reason != targets.Reset {
				t.Errorf("%+v", s)
			}
			for _, q := range k.asked {
				if strings.IndexByte("mZc", q[0]) >= 0 {
					t.Errorf("the next kernel was asked %q", k.asked)
				}
			}
		})
	}
}

// TestKGDBWords: what kdb would not do over packets is refused, and what it does makes no
// breakpoint of ours unknown.
func TestKGDBWords(t *testing.T) {
	k := newKGDBKernel()
	d := kgdbTarget(t, k, patientKGDB)
	awaitStop(t, d)
	ctx := context.Background()
	for _, line := range []string{"ss", "ssb", "go 0x1000", "cpu 1", "bp 0x1000", "kgdb"} {
		_, e, err := d.Command(ctx, line)
		var refused *targets.RefusedError
		if !errors.As(err, &refused) || refused.Fix == "" || e != (targets.Effect{}) {
			t.Errorf("%s: %+v, %v", line, e, err)
		}
		if out, _, err := d.CommandAnyway(ctx, line); err != nil || out != "you said "+line+"\n" {
			t.Errorf("%s all the same: %q, %v", line, out, err)
		}
	}
	for line, want := range map[string]targets.Effect{"cpu": {}, "bt": {}, "-summary": {}, "mm4 0x1000 1": {MemoryChanged: true, ThreadChanged: true}, "rm rax 0": {ThreadChanged: true}} {
		if _, e, err := d.Command(ctx, line); err != nil || e != want {
			t.Errorf("%s: %+v, %v", line, e, err)
		}
	}
}
