package engine

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dap-windbg/arch"
)

// emulate runs a program for another CPU under QEMU, stopped at its first instruction.
func emulate(t *testing.T, qemu, prog string, flags ...string) (addr string, cmd *exec.Cmd) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	cmd = exec.Command(qemu, append(flags, "-g", port, prog)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) { // nothing tells when it listens
		// Its first connection is its only one: wait for the port to be taken instead.
		probe, err := net.Listen("tcp", addr)
		if err != nil {
			return addr, cmd
		}
		if probe.Close(); time.Now().After(end) {
			t.Fatal("QEMU does not listen")
		}
	}
}

// foreign builds testdata/NAME for another CPU and runs it.
func foreign(t *testing.T, name, cpu, qemu string, flags ...string) *session {
	t.Helper()
	prog := filepath.Join(t.TempDir(), "bare")
	args := append([]string{"-g", "-nostdlib", "-static", "-ffreestanding", "-fasynchronous-unwind-tables", "-o", prog, "testdata/" + name}, flags...)
	if out, err := exec.Command(cross(t, cpu), args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	addr, cmd := emulate(t, qemu, prog)
	s := connect(t, Options{}, addr, cmd)
	s.stop()
	return s
}

// cross is the compiler for another CPU, by whichever of its names.
func cross(t *testing.T, cpu string) string {
	t.Helper()
	for _, version := range []string{"", "-12", "-13", "-14"} {
		if path, err := exec.LookPath(cpu + "-linux-gnu-gcc" + version); err == nil {
			return path
		}
	}
	t.Fatalf("there is no %s-linux-gnu-gcc: install gcc-12-%s-linux-gnu", cpu, cpu)
	return ""
}

// TestMachines steps through programs for other CPUs. The calls and returns that
// are stepped over tell what the stack must be at each instruction.
func TestMachines(t *testing.T) {
	for _, c := range []struct {
		name, cpu, qemu string
		flags           []string
	}{
		{"arm64", "aarch64", "qemu-aarch64", []string{"-O1"}},
		{"arm64 with signed return addresses", "aarch64", "qemu-aarch64", []string{"-O1", "-mbranch-protection=standard"}},
		{"arm64 with the other key, unoptimised", "aarch64", "qemu-aarch64", []string{"-O0", "-mbranch-protection=pac-ret+leaf+b-key"}},
		{"arm64 by .debug_frame", "aarch64", "qemu-aarch64", []string{"-O2", "-mbranch-protection=standard", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables"}},
		{"riscv64", "riscv64", "qemu-riscv64", []string{"-O1"}},
		{"riscv64 unoptimised", "riscv64", "qemu-riscv64", []string{"-O0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := foreign(t, "bare.c", c.cpu, c.qemu, c.flags...)
			var returns []arch.Addr // innermost last
			deepest := 0
			for n := range 500 {
				got, end := s.frames()
				var in Inst
				s.do(func(ctx context.Context, v *View) error {
					ins, err := v.Disassemble(ctx, got[0].PC, 1)
					in = ins[0]
					return err
				})
				got = slices.DeleteFunc(got, func(f Frame) bool { return f.Inlined || f.Kind == ByTailCall })
				want := append([]arch.Addr{got[0].PC}, returns...)
				slices.Reverse(want[1:])
				for i, f := range got {
					if len(got) != len(want) || f.PC != want[i] {
						t.Fatalf("after %d instructions, in %s:\n%s, was called from %x; %s", n, got[0].Symbol.Name, both(got, nil), want[1:], end)
					}
				}
				deepest = max(deepest, len(returns))
				s.run(How{Kind: StepInto, Unit: ByInstruction})
				switch in.Kind {
				case arch.Call:
					returns = append(returns, in.Addr+arch.Addr(in.Len))
				case arch.Return:
					returns = returns[:len(returns)-1]
				}
			}
			if deepest < 4 {
				t.Errorf("only %d calls deep", deepest)
			}
		})
	}
}

// TestFramePointers walks programs for other CPUs that have nothing but frame pointers.
func TestFramePointers(t *testing.T) {
	none := []string{"-O1", "-g0", "-fno-omit-frame-pointer", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-fno-optimize-sibling-calls"}
	for _, c := range []struct {
		name, cpu string
		flags     []string
	}{
		{"arm64", "aarch64", none},
		{"arm64 with signed return addresses", "aarch64", append(none[:len(none):len(none)], "-mbranch-protection=standard")},
		{"riscv64", "riscv64", none},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := foreign(t, "bare.c", c.cpu, "qemu-"+c.cpu, c.flags...)
			for range 3 {
				s.goTo("inner")
			}
			for i := range 20 {
				got, end := s.frames()
				var names []string
				for _, f := range got {
					names = append(names, f.Symbol.Name)
				}
				text := strings.Join(names, " ")
				want := "inner deep deep deep deep begin _start"
				if strings.HasPrefix(text, "leaf") {
					want = "leaf " + want
				}
				// The prologue has not made the frame before its fifth instruction.
				if (i == 0 || i > 5) && text != want {
					t.Errorf("after %d instructions: %s, want %s; %s", i, text, want, end)
				}
				for _, f := range got[1:] {
					if f.Kind == ByCFI {
						t.Errorf("after %d instructions: %s was found by call frame information", i, f.Symbol.Name)
					}
				}
				s.goTo(".")
			}
		})
	}
}

// TestMachinesWithLibrary compares stacks in other CPUs' C libraries and signal
// handlers with gdb's. It needs those libraries.
func TestMachinesWithLibrary(t *testing.T) {
	if os.Getenv("HEAVY") == "" {
		t.Skip("HEAVY=1 runs it")
	}
	for _, c := range []struct {
		name, cpu string
		arch      *arch.Arch
		qemu      []string // gdb fails at signal frames with SVE's registers
		flags     []string
	}{
		{"arm64 -O2", "aarch64", arch.ARM64, []string{"-cpu", "cortex-a57"}, []string{"-O2"}},
		{"arm64 -O0", "aarch64", arch.ARM64, []string{"-cpu", "cortex-a57"}, nil},
		{"riscv64 -O2", "riscv64", arch.RISCV64, nil, []string{"-O2"}},
		{"riscv64 -O0", "riscv64", arch.RISCV64, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			prog := filepath.Join(t.TempDir(), "frames")
			if out, err := exec.Command(cross(t, c.cpu), append([]string{"-g", "-static", "-o", prog, "testdata/frames.c"}, c.flags...)...).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			stops := slices.Concat([]string{"main"}, dots(12), []string{"outer"}, dots(60), []string{"handler"}, dots(30), []string{"compare"}, dots(40),
				[]string{"nanosleep"}, dots(25))
			addr, first := emulate(t, "qemu-"+c.cpu, prog, c.qemu...)
			want := gdbStops(t, "gdb-multiarch", addr, c.arch, prog, stops)
			addr, second := emulate(t, "qemu-"+c.cpu, prog, c.qemu...)
			s := connect(t, Options{}, addr, second)
			s.stop()
			n := 0
			for i, stop := range stops {
				s.goTo(stop)
				got, end := s.frames()
				got[0].Thread.Process = int64(second.Process.Pid) // which QEMU does not tell
				for k := range want[i] {
					want[i][k].PID = uint64(first.Process.Pid)
				}
				if n += sameFrames(t, fmt.Sprint("stop ", i, " ", end), got, want[i]); t.Failed() {
					t.FailNow()
				}
			}
			t.Logf("%d frames at %d stops compared", n, len(stops))
		})
	}
}
