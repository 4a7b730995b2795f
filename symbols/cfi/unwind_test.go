package cfi

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// told is one line of steps.py: a mapped file, or a stop with all its frames.
type told struct {
	Path   string
	Base   uint64
	Frames []struct {
		Registers map[string]uint64
		Signal    bool
	}
	At          uint64
	Stack, Code string
}

// steps lets gdb step through a program built with flags.
func steps(t *testing.T, flags ...string) (files, stops []told) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "stack")
	if msg, err := exec.Command("gcc", append(flags, "-o", bin, "testdata/stack.c")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	out, err := exec.Command("gdb", "-nx", "-batch", "-x", "testdata/steps.py", bin).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range bytes.Lines(out) {
		text, ok := bytes.CutPrefix(line, []byte("JSON "))
		if !ok {
			continue
		}
		var l told
		if err := json.Unmarshal(text, &l); err != nil {
			t.Fatal(err)
		}
		if l.Path != "" {
			files = append(files, l)
		} else {
			stops = append(stops, l)
		}
	}
	if len(stops) != 40 {
		t.Fatalf("gdb stepped %d times\n%s", len(stops), out)
	}
	return files, stops
}

// window is target memory in pieces. What was not asked for before needs a flight.
type window struct {
	pieces map[uint64][]byte
	known  map[uint64]bool // words that were asked for
	asked  []uint64
}

func (w *window) ReadMemory(_ context.Context, addr arch.Addr, p []byte) (int, error) {
	if w.known != nil && !w.known[uint64(addr)] {
		w.asked = append(w.asked, uint64(addr))
		return 0, fmt.Errorf("cache: %w", &symbols.NeedError{Addr: addr, Size: len(p)})
	}
	for base, data := range w.pieces {
		if uint64(addr) >= base && uint64(addr)-base < uint64(len(data)) {
			if n := copy(p, data[uint64(addr)-base:]); n == len(p) {
				return n, nil
			}
		}
	}
	return 0, errors.New("no memory there")
}

// fetch makes what was asked for known.
func (w *window) fetch() {
	for _, a := range w.asked {
		w.known[a] = true
	}
	w.asked = nil
}

func memoryOf(t *testing.T, s told) *window {
	t.Helper()
	w := &window{pieces: map[uint64][]byte{}, known: map[uint64]bool{}}
	for at, text := range map[uint64]string{s.At: s.Stack, s.Frames[0].Registers["rip"]: s.Code} {
		data, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		w.pieces[at] = data
	}
	return w
}

func registersOf(values map[string]uint64) *arch.Registers {
	r := arch.NewRegisters(arch.AMD64.DefaultSet())
	for name, v := range values {
		r.PutName(name, v)
	}
	return r
}

// step is one unwind, with the flights it needs.
type unwind func(mem symbols.Memory) (*arch.Registers, arch.Addr, error)

func (w *window) run(t *testing.T, f unwind) (*arch.Registers, arch.Addr, int, error) {
	t.Helper()
	for n := 0; ; n++ {
		r, cfa, err := f(w)
		if !errors.As(err, new(*symbols.NeedError)) {
			return r, cfa, n, err
		}
		if n > 10 || len(w.asked) == 0 {
			t.Fatalf("flight %d asks for %x", n, w.asked)
		}
		w.fetch()
	}
}

// TestUnwind compares all frames at each instruction of a function and its
// callers, through a signal handler and the C library, with gdb's.
func TestUnwind(t *testing.T) {
	for _, flags := range [][]string{{"-O2", "-g"}, {"-O0", "-g"}, {"-O2", "-g", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-fno-pie", "-no-pie"}} {
		t.Run(fmt.Sprint(flags), func(t *testing.T) {
			files, stops := steps(t, flags...)
			images := map[uint64]*Unwinder{}
			for _, f := range files {
				s := load(t, f.Path)
				if flags[len(flags)-1] == "-no-pie" && filepath.Base(f.Path) == "stack" {
					s.LinkBase = f.Base
				}
				images[f.Base] = New(s)
			}
			signals := 0
			for _, stop := range stops {
				mem := memoryOf(t, stop)
				regs := registersOf(stop.Frames[0].Registers)
				regs.Interrupted = true
				for i := 1; ; i++ {
					base := uint64(0)
					for b := range images {
						if b <= uint64(regs.PC()) && b > base {
							base = b
						}
					}
					next, cfa, flights, err := mem.run(t, func(m symbols.Memory) (*arch.Registers, arch.Addr, error) {
						return images[base].Unwind(t.Context(), arch.Addr(base), regs, m)
					})
					if i == len(stop.Frames) {
						if !errors.Is(err, symbols.ErrOutermost) {
							t.Fatalf("pc %x: after the outermost frame: %v", uint64(regs.PC()), err)
						}
						break
					}
					if err != nil {
						t.Fatalf("frame %d, pc %x: %v", i, uint64(regs.PC()), err)
					}
					if flights > 2 { // one for an expression's own loads, one for all registers
						t.Errorf("frame %d, pc %x: %d flights", i, uint64(regs.PC()), flights)
					}
					compare(t, i, next, stop.Frames[i].Registers)
					if !next.Interrupted && cfa != next.SP() {
						t.Errorf("frame %d: CFA %x, SP %x", i, cfa, next.SP())
					}
					if next.Interrupted != stop.Frames[i-1].Signal {
						t.Errorf("frame %d: interrupted %v", i, next.Interrupted)
					}
					if next.Interrupted {
						signals++
					}
					regs = next
				}
				if t.Failed() {
					t.FailNow()
				}
			}
			if signals < len(stops)/2 { // the last steps may be past the handler's return
				t.Errorf("%d signal frames in %d stacks", signals, len(stops))
			}
		})
	}
}

func compare(t *testing.T, frame int, got *arch.Registers, want map[string]uint64) {
	t.Helper()
	for name, v := range want {
		if have, ok := got.Get(name); !ok || have != v {
			t.Errorf("frame %d: %s is %x (known %v), gdb says %x", frame, name, have, ok, v)
		}
	}
	if _, ok := got.Get("rax"); ok && !got.Interrupted {
		t.Errorf("frame %d: rax is known after a call", frame)
	}
}
