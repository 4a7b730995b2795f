package kernel

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/tests/kernel/guest"
	"dap-windbg/tests/kernel/window"
)

// TestStacksAsGDB compares stacks through interrupts, exceptions and system calls with
// GDB's on the same stop: each frame's function, inlined ones too.
func TestStacksAsGDB(t *testing.T) {
	if os.Getenv("HEAVY") == "" {
		t.Skip("HEAVY=1 runs it: it takes the kernel's symbols, 283 MB to download")
	}
	kernel := guest.Debian(t, true)
	vm := guest.Start(t, guest.Config{Kernel: kernel, CPUs: 2, Memory: 512}).Ready()
	vm.Run("while :; do :; done & while :; do ls -l /proc >/dev/null; done & echo")
	frames := 0
	for _, at := range []string{"tick_sched_timer", "handle_mm_fault", "run_timer_softirq", "try_to_wake_up"} {
		w := window.Open(t, "-k", vm.Stub(), "-y", kernel.Vmlinux)
		w.Do("bp vmlinux!" + at)
		g := w.Say("g")
		has(t, at, g.Wait(), `Breakpoint 0 hit`)
		slide, err := strconv.ParseUint(strings.TrimSpace(regexp.MustCompile(`slide = 0x([0-9a-f]+)`).FindStringSubmatch(answer(w, "!kaslr"))[1]), 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		ours, tails := stackOf(answer(w, "kL 60"))
		cpu := answer(w, "? @$cpu")
		w.Do("bc *")
		w.End(".abandon;q")
		theirs := stackOfGDB(t, vm, kernel, slide, strings.HasSuffix(cpu, "1"))
		theirs = slices.DeleteFunc(theirs, func(f string) bool { return slices.Contains(tails, f) })
		ours = slices.DeleteFunc(ours, func(f string) bool { return slices.Contains(tails, f) })
		t.Logf("%s: %d frames: %s", at, len(ours), strings.Join(ours, " "))
		// GDB ends where it has no call frames: where an interrupt left its stack.
		if len(theirs) < 3 || len(ours) < len(theirs) || !slices.Equal(ours[:len(theirs)], theirs) {
			t.Errorf("at %s:\n%q\ngdb has\n%q", at, ours, theirs)
		}
		frames += len(theirs)
		window.Open(t, "-k", vm.Stub()).End("qd") // lets it run on
	}
	t.Logf("%d frames are the same", frames)
}

// entered begins the names of functions through which programs and interrupts come:
// labels within them differ.
var entered = regexp.MustCompile(`^(asm_|entry_|ret_from_fork|secondary_startup)`)

// stackOf lists the functions of a stack up to where the kernel was entered from a
// program, and those that were called as the last act of others.
func stackOf(k string) (frames, tails []string) {
	row := regexp.MustCompile(`(?m)^[0-9a-f]{2} (\(Tail)?.* vmlinux!(\w[\w.]*)(?:\+0x[0-9a-f]+)? *$`)
	for _, m := range row.FindAllStringSubmatch(k, -1) {
		if m[1] != "" {
			tails = append(tails, m[2])
			continue
		}
		frames = append(frames, plain(m[2]))
	}
	return frames, tails
}

// plain takes off what compilers add to a name, and of labels all but their kind.
func plain(name string) string {
	name, _, _ = strings.Cut(name, ".")
	if m := entered.FindString(name); m != "" && m != "asm_" {
		return m
	}
	return name
}

// stackOfGDB is GDB's stack of a CPU of a stopped machine.
func stackOfGDB(t *testing.T, vm *guest.VM, kernel guest.Kernel, slide uint64, second bool) []string {
	t.Helper()
	thread := "thread 1"
	if second {
		thread = "thread 2"
	}
	out, err := exec.Command("gdb", "-nx", "-batch", "-ex", "set pagination off", "-ex", "set width 0", "-ex", "set backtrace limit 60",
		"-ex", "add-symbol-file "+kernel.Vmlinux+" -o 0x"+strconv.FormatUint(slide, 16), "-ex", "target remote 127.0.0.1:"+strconv.Itoa(vm.Port), "-ex", thread, "-ex", "bt -frame-arguments none",
		"-ex", "disconnect").CombinedOutput()
	if err != nil {
		t.Fatalf("gdb: %v\n%s", err, out)
	}
	text := string(out)
	text = text[max(0, strings.LastIndex(text, "\n#0 ")):] // the first is of the connection's stop
	var frames []string
	for _, m := range regexp.MustCompile(`(?m)^#\d+ +(?:0x[0-9a-f]+ in )?([\w.?]+) \(`).FindAllStringSubmatch(text, -1) {
		if m[1] == "??" {
			break
		}
		frames = append(frames, plain(m[1]))
	}
	return frames
}
