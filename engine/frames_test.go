package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

// gdbFrame is a frame as testdata/frames.py tells it.
type gdbFrame struct {
	PID       uint64 // of the program, which registers may hold
	PC        uint64
	Name      string
	Kind      string
	Registers map[string]uint64
}

// saved are the registers compared in all frames, by architecture: those that
// calls preserve.
func savedRegisters(a *arch.Arch) []string { return append([]string{a.PC, a.SP}, a.CalleeSaved...) }

// gdbStops asks a gdb at a server of the same program what the stacks are at stops.
func gdbStops(t *testing.T, gdb, addr string, a *arch.Arch, prog string, stops []string) [][]gdbFrame {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, gdb, "-nx", "-batch", "-x", "testdata/frames.py", prog)
	cmd.Env = append(cmd.Environ(), "HOST="+addr, "STOPS="+strings.Join(stops, " "), "REGISTERS="+strings.Join(savedRegisters(a), " "))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var all [][]gdbFrame
	for line := range bytes.Lines(out) {
		if text, ok := bytes.CutPrefix(line, []byte("JSON ")); ok {
			var frames []gdbFrame
			if err := json.Unmarshal(text, &frames); err != nil {
				t.Fatal(err)
			}
			all = append(all, frames)
		}
	}
	if len(all) != len(stops) {
		t.Fatalf("gdb stopped %d times of %d\n%s", len(all), len(stops), out)
	}
	return all
}

// goTo takes a session to a place of STOPS.
func (s *session) goTo(stop string) {
	s.t.Helper()
	if stop == "." {
		s.run(How{Kind: StepInto, Unit: ByInstruction})
		return
	}
	var at arch.Addr
	s.do(func(ctx context.Context, v *View) (err error) {
		at, err = v.Address(ctx, strings.TrimPrefix(stop, "*"))
		return err
	})
	for range 10 { // signals stop it on the way
		if s.run(How{Until: []arch.Addr{at}}); s.pc() == at {
			return
		}
	}
	s.t.Fatalf("it does not come to %s", stop)
}

// frames are all frames of the selected thread, and why they end.
func (s *session) frames() (out []Frame, end string) {
	s.t.Helper()
	s.do(func(ctx context.Context, v *View) error {
		th, err := v.Thread(ctx)
		if err != nil {
			return err
		}
		st, err := v.Stack(ctx, th.ID, 0)
		out, end = st.Frames, st.End
		return err
	})
	return out, end
}

// local is a variable of a frame.
func (s *session) local(f *Frame, name string) (n uint64, err error) {
	s.t.Helper()
	s.do(func(ctx context.Context, v *View) error {
		var at *Frame
		if at, err = v.SelectFrame(ctx, f.Index); err != nil {
			return nil
		}
		var x eval.Value
		if x, err = v.Eval(ctx, at, name, eval.Options{}); err == nil {
			n, err = eval.Int(ctx, v.Env(at), x)
		}
		_, _ = v.SelectFrame(ctx, 0)
		return nil
	})
	return n, err
}

// sameFrames compares a stack with gdb's. Inlined calls are compared elsewhere;
// a tail call's frame has registers of its own in our eyes only.
func sameFrames(t *testing.T, what string, got []Frame, want []gdbFrame) (compared int) {
	t.Helper()
	pid := uint64(0)
	if len(got) > 0 {
		pid = uint64(got[0].Thread.Process)
	}
	plain := slices.DeleteFunc(slices.Clone(got), func(f Frame) bool { return f.Inlined })
	want = slices.DeleteFunc(slices.Clone(want), func(f gdbFrame) bool { return f.Kind == "inline" })
	for i, w := range want {
		if i >= len(plain) {
			t.Errorf("%s: %d frames, gdb has %d:\n%s", what, len(plain), len(want), both(plain, want))
			return compared
		}
		f := plain[i]
		if uint64(f.PC) != w.PC || (f.Kind == ByTailCall) != (w.Kind == "tail") {
			t.Errorf("%s: frame %d is at %x, kind %d:\n%s", what, i, uint64(f.PC), f.Kind, both(plain, want))
			return compared
		}
		for name, v := range w.Registers {
			have, ok := f.Regs.Get(name)
			if !ok && f.Kind == ByCode {
				continue // a thunk that gives it a new value
			}
			if w.Kind != "tail" && (!ok || have != v && (have != pid || v != w.PID)) {
				t.Errorf("%s: frame %d at %x: %s is %x (known %v), gdb says %x", what, i, w.PC, name, have, ok, v)
			}
		}
		compared++
	}
	if len(plain) > len(want) {
		t.Errorf("%s: %d frames, gdb has %d:\n%s", what, len(plain), len(want), both(plain, want))
	}
	return compared
}

func both(got []Frame, want []gdbFrame) string {
	var b strings.Builder
	for i := range max(len(got), len(want)) {
		if i < len(got) {
			fmt.Fprintf(&b, "%2d ours %x %s", i, uint64(got[i].PC), got[i].Symbol.Name)
		}
		if i < len(want) {
			fmt.Fprintf(&b, "  gdb's %x %s %s", want[i].PC, want[i].Name, want[i].Kind)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// dots are n steps of one instruction.
func dots(n int) []string { return slices.Repeat([]string{"."}, n) }

// TestTailCalls compares the stacks of functions that were tail-called with gdb's.
func TestTailCalls(t *testing.T) {
	for _, flags := range [][]string{{"-O2"}, {"-O2", "-gdwarf-4"}} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			prog := build(t, "tail.c", flags...)
			stops := append(slices.Repeat([]string{"last"}, 9), "library")
			addr, _ := gdbserver(t, prog)
			want := gdbStops(t, "gdb", addr, arch.AMD64, prog, stops)
			s := launch(t, Options{}, prog)
			s.stop()
			tails := 0
			for i, stop := range stops {
				s.goTo(stop)
				got, _ := s.frames()
				sameFrames(t, fmt.Sprint("stop ", i), got, want[i])
				for _, f := range got {
					if f.Kind == ByTailCall {
						tails++
					}
				}
				if i == 1 { // the parameters, of which nothing is left but what the callers passed
					for k, want := range []uint64{4, 3, 2} {
						if n, err := s.local(&got[k], "a"); err != nil || n != want {
							t.Errorf("%s: a is %d, %v; want %d", got[k].Symbol.Name, n, err, want)
						}
					}
				}
			}
			if tails < 6 {
				t.Errorf("%d frames of tail calls", tails)
			}
		})
	}
}

// TestTailCallsOfClang: clang says where a tail call is rather than where it would
// return to, which gdb passes over.
func TestTailCallsOfClang(t *testing.T) {
	prog := filepath.Join(t.TempDir(), "tail")
	if out, err := exec.Command("clang", "-g", "-gdwarf-5", "-O2", "-w", "-o", prog, "testdata/tail.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s := launch(t, Options{}, prog)
	s.stop()
	for i, want := range []string{"last main", "last second first main", "last main", "last finish start main", "last main",
		"last round_and round_and main", "last round_and main", "last main", "last second kept around main"} {
		s.goTo("last")
		got, end := s.frames()
		names := ""
		for _, f := range got {
			names += f.Symbol.Name + " "
		}
		if !strings.HasPrefix(names, want+" __libc_start") {
			t.Errorf("stop %d: %s, want %s; %s", i, names, want, end)
		}
	}
}

// compareFrames goes to stops and compares the stacks there.
func compareFrames(t *testing.T, cpu *arch.Arch, prog string, stops []string) {
	t.Helper()
	addr, _ := gdbserver(t, prog)
	want := gdbStops(t, "gdb", addr, cpu, prog, stops)
	s := launch(t, Options{}, prog)
	s.stop()
	n := 0
	for i, stop := range stops {
		s.goTo(stop)
		got, end := s.frames()
		if n += sameFrames(t, fmt.Sprint("stop ", i, " ", end), got, want[i]); t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%d frames at %d stops compared", n, len(stops))
}

// TestFrames compares all frames and the registers in them at each instruction
// of functions, prologues and epilogues included, in the library, in signal
// handlers on both stacks and between.
func TestFrames(t *testing.T) {
	m32 := []string{"-m32", "-idirafter", "/usr/include/x86_64-linux-gnu"} // asm/ is there
	for _, c := range []struct {
		name  string
		cpu   *arch.Arch
		flags []string
	}{
		{"amd64 -O2", arch.AMD64, []string{"-O2"}},
		{"amd64 -O0", arch.AMD64, nil},
		{"i386 -O2", arch.I386, append(m32[:3:3], "-O2")},
		{"i386 -O0", arch.I386, m32},
	} {
		t.Run(c.name, func(t *testing.T) {
			prog := build(t, "frames.c", c.flags...)
			stops := slices.Concat([]string{"main"}, dots(12), []string{"outer"}, dots(40), []string{"handler"}, dots(30), []string{"compare"}, dots(30),
				[]string{"nanosleep"}, dots(25), []string{"write"}, dots(12))
			compareFrames(t, c.cpu, prog, stops)
		})
	}
}

// TestColdParts stops in the part of a function that the compiler has put
// elsewhere, and steps on through what raises the exception.
func TestColdParts(t *testing.T) {
	for _, flags := range [][]string{{"-O2", "-no-pie"}, {"-O3", "-no-pie", "-fno-omit-frame-pointer"}} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			prog := build(t, "cold.cpp", flags...)
			out, err := exec.Command("nm", prog).Output()
			if err != nil {
				t.Fatal(err)
			}
			cold := regexp.MustCompile(`(?m)^([0-9a-f]+) t _Z5check\S*\.cold$`).FindSubmatch(out)
			if cold == nil {
				t.Fatalf("the compiler has made no cold part:\n%s", out)
			}
			compareFrames(t, arch.AMD64, prog, append([]string{"main", "*0x" + string(cold[1])}, dots(90)...))
		})
	}
}

// TestUnknownCode goes through code made at run time: what its code shows, what
// frame pointers show, and what a look at the stack shows.
func TestUnknownCode(t *testing.T) {
	s := launch(t, Options{}, build(t, "jit.c", "-O2"))
	s.stop()
	for i, c := range []struct {
		kinds []FrameKind // of the frames from the one inside on
	}{
		{[]FrameKind{ByContext, ByCFI, ByCode, ByCFI}},
		{[]FrameKind{ByContext, ByCFI, ByCode, ByCode, ByCFI}},
		{[]FrameKind{ByContext, ByCFI, ByFramePointer, ByCFI}},
		{[]FrameKind{ByContext, ByCFI, ByScan, ByCFI}},
	} {
		s.goTo("back")
		got, end := s.frames()
		unknown := len(c.kinds) - 3
		for k, kind := range c.kinds {
			want := map[int]string{0: "back", 1 + unknown: "through", 2 + unknown: "main"}[k]
			if k >= len(got) || got[k].Kind != kind || got[k].Symbol.Name != want {
				t.Fatalf("call %d, frame %d is not %s, kind %d; %s\n%s", i, k, want, kind, end, both(got, nil))
			}
		}
		if end != "" || got[len(got)-1].Symbol.Name != "_start" {
			t.Errorf("call %d: %s\n%s", i, end, both(got, nil))
		}
		// At each instruction of the unknown code itself, its caller is known.
		for ; ; s.goTo(".") {
			got, end := s.frames()
			if got[0].Symbol.Name == "through" {
				break
			}
			names := ""
			for _, f := range got {
				names += f.Symbol.Name + " "
			}
			if !strings.Contains(names, " through main ") {
				t.Fatalf("call %d, at %x: %s; %s", i, uint64(got[0].PC), names, end)
			}
		}
	}
}

// TestKeptRegisters: in a caller's frame the registers that calls may change are
// unknown, and so are the variables in them; those that calls preserve are known.
func TestKeptRegisters(t *testing.T) {
	s := launch(t, Options{}, build(t, "kept.c", "-O2"))
	s.stop()
	s.goTo("clobber")
	s.goTo(".")
	s.do(func(ctx context.Context, v *View) error {
		if _, err := v.SelectFrame(ctx, 1); err != nil {
			return err
		}
		f, err := v.Frame(ctx)
		if err != nil {
			return err
		}
		if f.Symbol.Name != "keeps" {
			return fmt.Errorf("frame 1 is %s", f.Symbol.Name)
		}
		for _, name := range []string{"rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm0", "eflags"} {
			if v, ok := f.Regs.Get(name); ok {
				t.Errorf("%s is known to be %x", name, v)
			}
		}
		for _, name := range []string{"rbx", "rbp", "rsp", "r12", "r13", "r14", "r15", "rip"} {
			if _, ok := f.Regs.Get(name); !ok {
				t.Errorf("%s is unknown", name)
			}
		}
		vars, err := v.Locals(ctx, f)
		said := map[string]bool{}
		for _, x := range vars {
			n, err := eval.Int(ctx, v.Env(f), x.Value)
			said[x.Name] = x.Value.Err == nil && err == nil
			if want, ok := map[string]uint64{"a": 1, "kept": 33}[x.Name]; ok && said[x.Name] && n != want {
				t.Errorf("%s is %d", x.Name, n)
			}
		}
		if gone, ok := said["gone"]; !ok || gone || !said["kept"] {
			t.Errorf("known: %v", said)
		}
		return err
	})
}

// TestDeepRecursion unwinds close to as many frames as there may be.
func TestDeepRecursion(t *testing.T) {
	s := launch(t, Options{}, build(t, "kept.c", "-O1", "-fno-optimize-sibling-calls"))
	s.stop()
	s.goTo("deep")
	s.goTo("clobber")
	s.trace.trips(t)
	start := time.Now()
	got, end := s.frames()
	took := time.Since(start)
	n, text := s.trace.trips(t)
	if len(got) < 9980 || end != "" {
		t.Errorf("%d frames, %s", len(got), end)
	}
	if n > 5 {
		t.Errorf("%d round trips\n%.2000s", n, text)
	}
	t.Logf("%d frames in %d round trips, %v", len(got), n, took)
}

// TestCountedFrom: the distance into an inlined call is counted from its entry, and in a
// piece of it that lies before that from the piece's start.
func TestCountedFrom(t *testing.T) {
	s := symbols.Scope{Low: 0x100, High: 0x120, Ranges: []symbols.Range{{Low: 0x100, High: 0x120}, {Low: 0x40, High: 0x50}, {Low: 0x200, High: 0x210}}}
	for off, want := range map[symbols.Offset]symbols.Offset{0x100: 0x100, 0x11f: 0x100, 0x40: 0x40, 0x4f: 0x40, 0x208: 0x100} {
		if got := countedFrom(&s, off); got != want {
			t.Errorf("%#x is counted from %#x, want %#x", off, got, want)
		}
	}
}
