package kdb

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/targettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const limit = 20 * time.Second

func patience(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

func connect(t *testing.T, f *farEnd, o Options) *Target {
	t.Helper()
	k, err := Connect(patience(t), f, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close(context.Background(), targets.Leave) })
	return k
}

func stop(t *testing.T, k *Target) targets.Stop {
	t.Helper()
	for over := time.After(limit); ; {
		select {
		case e, ok := <-k.Events():
			switch e := e.(type) {
			case targets.Stop:
				return e
			case targets.Output:
			default:
				t.Fatalf("%+v, %v instead of a stop", e, ok)
			}
		case <-over:
			t.Fatal("no stop")
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var letGo = targets.Resume{Default: targets.Action{Kind: targets.Go}}

// TestConformance holds the target to what all targets promise.
func TestConformance(t *testing.T) {
	targettest.Run(t, func(t *testing.T) targettest.Subject {
		f := newFarEnd(t)
		s := targettest.Subject{Target: connect(t, f, Options{}), Known: 0xffffffffc0002340, Nowhere: 0x1000, Writable: 0xffffffffc0002340, Loop: loop, Threads: 2, Ends: true}
		for i := range uint64(0x30) {
			s.Content = append(s.Content, f.s.memory[uint64(s.Known)+i])
		}
		return s
	}, slices.DeleteFunc(targettest.All(), func(g targettest.Rung) bool { return g == targettest.Watch })...)
}

// TestCrossing: the g of a break-in that arrives after a stop must not let the
// kernel go.
func TestCrossing(t *testing.T) {
	f := newFarEnd(t)
	k := connect(t, f, Options{})
	ctx := patience(t)
	stop(t, k)
	must(t, k.SetTrap(ctx, targets.Trap{Addr: loop}))
	f.mu.Lock()
	f.late = true
	f.mu.Unlock()
	must(t, k.Resume(ctx, letGo))
	must(t, k.Interrupt(ctx))
	if s := stop(t, k); s.Reason != targets.Breakpoint || s.Addr != loop {
		t.Fatalf("%+v", s)
	}
	r, err := k.Registers(ctx, targets.ThreadID{Thread: 1})
	must(t, err)
	if r.PC() != loop {
		t.Errorf("PC %x", r.PC())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(f.typed, "g#") {
		t.Errorf("typed: %q", f.typed)
	}
}

// TestEdge: the end of memory is found though kdb tells of a bad address once.
func TestEdge(t *testing.T) {
	f := newFarEnd(t)
	k := connect(t, f, Options{})
	end := uint64(loop)
	for _, ok := f.s.memory[end]; ok; _, ok = f.s.memory[end] {
		end++
	}
	for range 3 {
		p := make([]byte, 64)
		n, err := k.ReadMemory(patience(t), targets.Space{}, arch.Addr(end-8), p)
		var fault *targets.FaultError
		if n != 8 || !errors.As(err, &fault) || uint64(fault.Addr) != end {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
}

// TestPager: a console that keeps its pages is read to the end.
func TestPager(t *testing.T) {
	f := newFarEnd(t)
	f.deaf = true
	k := connect(t, f, Options{})
	out, _, err := k.Command(patience(t), "help")
	must(t, err)
	want := f.s.answers["help"][0]
	if strings.TrimSpace(strings.ReplaceAll(out, "\n\n", "\n")) != strings.TrimSpace(want) {
		t.Errorf("%q\n%q", out, want)
	}
}

func TestModulesAndAnchors(t *testing.T) {
	k := connect(t, newFarEnd(t), Options{})
	ctx := patience(t)
	m, err := k.Modules(ctx)
	must(t, err)
	if len(m) != 1 || m[0].Path != "dwtest" || m[0].Base != 0xffffffffc0000000 || m[0].Size != 16384 {
		t.Errorf("%+v", m)
	}
	a, err := k.Anchors(ctx)
	must(t, err)
	if a["jiffies"] != 0xffffffff81a079c0 || len(a) != 1 {
		t.Errorf("%x", a)
	}
}

func TestCommand(t *testing.T) {
	f := newFarEnd(t)
	k := connect(t, f, Options{})
	ctx := patience(t)
	stop(t, k)
	for _, tt := range []struct {
		line, want string
		effect     targets.Effect
	}{
		{"ps | grep sleep", "0xffff8880004c6000       40", targets.Effect{}},
		{"nosuchsym", "Unknown kdb command", targets.Effect{}},
		{"bc 3", "diag: -20", targets.Effect{TrapsChanged: true}},
		{"mm4 0xffffffffc0002340 0x55", "= 0x55", targets.Effect{MemoryChanged: true}},
		{"cpu 9", "Invalid cpu number", targets.Effect{ThreadChanged: true}},
		{"ss", "", targets.Effect{Resumed: true}},
	} {
		out, e, err := k.Command(ctx, tt.line)
		if err != nil || !strings.Contains(out, tt.want) || e != tt.effect {
			t.Errorf("%s: %q %+v %v", tt.line, out, e, err)
		}
	}
	if s := stop(t, k); s.Reason != targets.Unknown || s.Text != "SS trap" { // which no engine has asked for
		t.Errorf("%+v", s)
	}
	_, _, err := k.Command(ctx, "bp 0xffffffffc0000110")
	must(t, err)
	must(t, k.Resume(ctx, letGo))
	if s := stop(t, k); s.Reason != targets.Unknown || s.Text != "Breakpoint" || s.Addr != loop {
		t.Errorf("%+v", s)
	}
	for _, line := range []string{"kgdb", "$?#3f", "+$qSupported#37", "go\rgo", "md $?#3f", strings.Repeat("x", 300)} {
		if _, _, err := k.Command(ctx, line); !isRefused(err) {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// TestNoPrompt: a console at which something else listens.
func TestNoPrompt(t *testing.T) {
	f := newFarEnd(t)
	f.running = true
	var silent *SilentError
	if _, err := Connect(patience(t), f, Options{Silence: 10 * time.Millisecond}); !errors.As(err, &silent) || silent.Hint() == "" {
		t.Errorf("%v", err)
	}
	f = newFarEnd(t)
	f.running = true
	k := connect(t, f, Options{Silence: 400 * time.Millisecond, Enter: true})
	if s := stop(t, k); s.Reason != targets.Initial || s.Addr != breakPC {
		t.Errorf("%+v", s)
	}
}

// TestEscape: the kdb patch of old kernels is entered by ESC KDB, at the connection and
// later; what of it lies at the console's program is erased once the kernel runs.
func TestEscape(t *testing.T) {
	f := newFarEnd(t)
	f.running, f.patch = true, true
	k := connect(t, f, Options{Silence: 400 * time.Millisecond, Enter: true, Escape: true})
	if s := stop(t, k); s.Reason != targets.Initial || s.Addr != breakPC {
		t.Errorf("%+v", s)
	}
	at := func() (app, keys string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return string(f.app), string(f.keys)
	}
	for range 2 {
		must(t, k.Resume(patience(t), letGo))
		app, before := at()
		if app != "" {
			t.Errorf("the program at the console has %q", app)
		}
		must(t, k.Interrupt(patience(t)))
		if s := stop(t, k); s.Reason != targets.Interrupted || s.Thread != threadOf(0) {
			t.Errorf("%+v", s)
		}
		if app, keys := at(); keys[len(before):] != "\x1bKDB" || app != "\x1bKD" {
			t.Errorf("typed %q, the program has %q", keys[len(before):], app)
		}
	}
}

// TestNoEscape: nothing but what was configured enters a running kernel.
func TestNoEscape(t *testing.T) {
	f := newFarEnd(t)
	f.running, f.patch = true, true
	if _, err := Connect(patience(t), f, Options{Silence: 100 * time.Millisecond, Enter: true}); err == nil {
		t.Error("connected")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if bytes.ContainsRune(f.keys, '\x1b') {
		t.Errorf("typed %q", f.keys)
	}
}

// TestDeaf: a kernel that does not listen yet is broken into until it does, and what that
// types at its console does not stay there.
func TestDeaf(t *testing.T) {
	for name, boots := range map[string]int{"for a while": 4, "for ever": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFarEnd(t)
				f.running, f.boots = true, boots
				told := ""
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				k, err := Connect(ctx, f, Options{Enter: true, Advice: "enter kdb", Tell: func(text string) { told += text }})
				if (err == nil) != (boots < 100) {
					t.Errorf("%v", err)
				}
				if strings.Count(told, notHeeded) != 1 || !strings.Contains(told, "enter kdb") {
					t.Errorf("told %q", told)
				}
				if len(f.app) > 0 {
					t.Errorf("%q lies at the console", f.app)
				}
				if err == nil {
					k.Close(context.Background(), targets.Leave)
				}
			})
		})
	}
}

// TestLeft: a kernel whose kgdb was left stops without a word; it is asked for kdb.
func TestLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFarEnd(t)
		f.running, f.left = true, true
		k, err := Connect(patience(t), f, Options{Enter: true})
		must(t, err)
		must(t, k.Close(context.Background(), targets.Leave))
	})
}

// silentLine hides that a connection can send a break.
type silentLine struct{ io.ReadWriteCloser }

func TestNoBreak(t *testing.T) {
	k, err := Connect(patience(t), silentLine{newFarEnd(t)}, Options{})
	must(t, err)
	defer k.Close(context.Background(), targets.Leave)
	stop(t, k)
	must(t, k.Resume(patience(t), letGo))
	var none NoBreakError
	if err := k.Interrupt(patience(t)); !errors.As(err, &none) || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
	told := ""
	k, err = Connect(patience(t), silentLine{newFarEnd(t)}, Options{Advice: "enter kdb", Tell: func(text string) { told += text }})
	must(t, err)
	defer k.Close(context.Background(), targets.Leave)
	stop(t, k)
	must(t, k.Resume(patience(t), letGo))
	if err := k.Interrupt(patience(t)); err != nil || told != "enter kdb\n" {
		t.Errorf("%v, told %q", err, told)
	}
}

// TestOutput: what the kernel and its programs print while it runs.
func TestOutput(t *testing.T) {
	f := newFarEnd(t)
	k := connect(t, f, Options{})
	stop(t, k)
	must(t, k.Resume(patience(t), letGo))
	f.mu.Lock()
	f.print("\n[   17.880000] BUG: kernel NULL pointer dereference\nEntering kdb (current=0xffff88800015b000, pid 1) on processor 1 Oops: (null)\ndue to oops @ 0xffffffffc000026c\nRBP: 00000000038340b0\n")
	f.running, f.cpu = false, 1
	f.prompt()
	f.mu.Unlock()
	var text string
	for over := time.After(limit); ; {
		var e targets.Event
		select {
		case e = <-k.Events():
		case <-over:
			t.Fatal("no stop")
		}
		if o, ok := e.(targets.Output); ok {
			text += o.Text
			continue
		}
		s := e.(targets.Stop)
		if s.Reason != targets.Exception || s.Addr != 0xffffffffc000026c || s.Thread.Thread != 2 || s.Exception == nil {
			t.Errorf("%+v", s)
		}
		break
	}
	if !strings.Contains(text, "BUG: kernel NULL") || !strings.Contains(text, "RBP: 00000000038340b0") {
		t.Errorf("%q", text)
	}
}

// byByte is a line whose bytes come one at a time.
type byByte struct{ *farEnd }

func (b byByte) Read(p []byte) (int, error) { return b.farEnd.Read(p[:1]) }

// TestCatastrophe: after an oops kdb wants to be told twice, and is.
func TestCatastrophe(t *testing.T) {
	f := newFarEnd(t)
	f.fatal = 1
	k, err := Connect(patience(t), byByte{f}, Options{})
	must(t, err)
	defer k.Close(context.Background(), targets.Leave)
	stop(t, k)
	must(t, k.Resume(patience(t), letGo))
	for text := ""; !strings.Contains(text, "/ # "); { // the program at its console
		select {
		case e := <-k.Events():
			text += e.(targets.Output).Text
		case <-patience(t).Done():
			t.Fatalf("it does not run: %q", text)
		}
	}
	must(t, k.Interrupt(patience(t)))
	if s := stop(t, k); s.Reason != targets.Interrupted {
		t.Errorf("%+v", s)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.typed); n < 2 || f.typed[n-1] != "go" || f.typed[n-2] != "go" {
		t.Errorf("typed %q", f.typed)
	}
}

// TestSilence: a console that hangs within an answer.
func TestSilence(t *testing.T) {
	f := newFarEnd(t)
	k := connect(t, f, Options{Silence: 400 * time.Millisecond})
	f.mu.Lock()
	f.running = true // nothing is answered any more
	f.mu.Unlock()
	var silent *SilentError
	if _, err := k.Registers(patience(t), targets.ThreadID{Thread: 1}); !errors.As(err, &silent) || silent.Line != "rd" {
		t.Errorf("%v", err)
	}
}

func TestParsers(t *testing.T) {
	s := readSession(t)
	r := parseRegisters(kernelSet, s.answers["rd"][len(s.answers["rd"])-1])
	for name, want := range map[string]uint64{"rax": 1, "rbx": 0x67, "rip": 0xffffffff810bf49b, "eflags": 0x202, "r15": 0xffffffff8180dbe0, "gs": 0x18, "rbp": 0xffffc9000000bde0} {
		if v, ok := r.Get(name); v != want || !ok {
			t.Errorf("%s: %x %v", name, v, ok)
		}
	}
	if bps, whole := parseBreakpoints(s.answers["bl"][0]); len(bps) != 4 || bps[loop] != 1 || !whole {
		t.Errorf("%v, %v", bps, whole)
	}
	if cpus := parseCPUs(s.answers["cpu"][0]); !slices.Equal(cpus, []int{0, 1}) {
		t.Errorf("%v", cpus)
	}
	if cpus := parseCPUs("Available cpus: 0-2, 4(I), 5-6(-), 7(D)\n"); !slices.Equal(cpus, []int{0, 1, 2, 4, 5, 6}) {
		t.Errorf("%v", cpus)
	}
	if b := parseRaw(s.answers["mdr dw_watched 16"][0]); len(b) != 16 || b[8] != 1 || b[12] != 1 {
		t.Errorf("% x", b)
	}
	for _, block := range s.unasked {
		if e, ok := parseEntry(block); strings.Contains(block, "Entering kdb") && (!ok || e.pc == 0) {
			t.Errorf("%q: %+v %v", block, e, ok)
		}
	}
	e, ok := parseEntry("Entering kdb (current=0xffff88800015b000, pid 1) on processor 1 Oops: (null)\ndue to oops @ 0xffffffffc000026c\n")
	if !ok || e != (entry{0xffff88800015b000, 1, 1, "Oops: (null)", "oops", 0xffffffffc000026c}) {
		t.Errorf("%+v", e)
	}
	var refused *targets.RefusedError
	if err := refusal("x", s.answers["bp nosuch"][0]); !errors.As(err, &refused) || refused.Code != -15 {
		t.Errorf("%v", err)
	}
}

func FuzzText(f *testing.F) {
	s := readSession(f)
	for _, c := range []string{"rd", "bl", "cpu", "lsmod", "bt", "mdr dw_watched 16"} {
		f.Add(s.answers[c][0])
	}
	for _, u := range s.unasked {
		f.Add(u)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parseRegisters(kernelSet, text)
		parseBreakpoints(text)
		parseModules(text)
		if n := len(parseCPUs(text)); n > maxCPUs*(len(text)+1) {
			t.Fatal(n)
		}
		if b := parseRaw(text); len(b) > len(text) {
			t.Fatal(len(b))
		}
		if e, ok := parseEntry(text); ok && (e.cpu < 0 || e.cpu >= maxCPUs) {
			t.Fatal(e)
		}
		refusal("x", text)
		parseExpression(text)
	})
}

// FuzzConsole: whatever the far end prints, the line ends in time.
func FuzzConsole(f *testing.F) {
	f.Add("[0]kdb> ")
	f.Add("more> \r\n[1]kdb> [0]kdb> ")
	f.Add("Entering kdb (current=0x1, pid 1) on processor 1 due to Breakpoint @ 0x1\r\n[0]kdb> ")
	f.Fuzz(func(t *testing.T, noise string) {
		synctest.Test(t, func(t *testing.T) {
			far := newFarEnd(t)
			far.print(noise)
			ctx := patience(t)
			k, err := Connect(ctx, far, Options{Silence: 20 * time.Millisecond})
			if ctx.Err() != nil {
				t.Fatal(err)
			}
			if err == nil {
				k.Close(ctx, targets.Leave)
			}
		})
	})
}
