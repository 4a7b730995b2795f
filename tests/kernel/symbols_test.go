package kernel

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/tests/kernel/guest"
	"dap-windbg/tests/kernel/window"
)

// tooLong is why a test is skipped that takes minutes, or a download.
const tooLong = "takes long; HEAVY=1 runs it"

// heavy is for tests that need the kernel's debug files, 283 MB to download.
func heavy(t *testing.T) guest.Kernel {
	t.Helper()
	if os.Getenv("HEAVY") == "" {
		t.Skip(tooLong)
	}
	return guest.Debian(t, true)
}

// symbolPath finds the vmlinux and the modules' files.
func symbolPath(k guest.Kernel) string {
	return strings.Join([]string{k.Vmlinux[:strings.LastIndexByte(k.Vmlinux, '/')], k.Debug}, ";")
}

// underGDB lets gdb do commands on the stub at a port, and leaves the guest stopped there.
func underGDB(t *testing.T, port int, vmlinux string, commands ...string) string {
	t.Helper()
	args := []string{"-q", "-batch", "-nx", "-ex", "set pagination off", "-ex", "set style enabled off", "-ex", "set confirm off", vmlinux,
		"-ex", fmt.Sprintf("target remote 127.0.0.1:%d", port)}
	for _, c := range append(commands, "disconnect") {
		args = append(args, "-ex", c)
	}
	out, err := exec.Command("gdb", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("gdb: %v\n%s", err, out)
	}
	return string(out)
}

// scalar is a number in gdb's or our spelling.
func scalar(text string) (uint64, bool) {
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	if word = strings.ReplaceAll(word, "`", ""); word == "true" || word == "false" || word == "(null)" {
		return map[string]uint64{"true": 1}[word], true
	}
	decimal, ours := strings.CutPrefix(word, "0n")
	if n, err := strconv.ParseInt(decimal, 10, 64); err == nil && (ours || !strings.HasPrefix(word, "0x")) {
		return uint64(n), true
	}
	n, err := strconv.ParseUint(word, 0, 64)
	return n, err == nil
}

var assigned = regexp.MustCompile(`(?m)^\s*(\w+) = (.*)$`)

// values are the variables of a listing, the innermost of a name.
func values(text string) map[string]string {
	out := map[string]string{}
	for _, m := range assigned.FindAllStringSubmatch(text, -1) {
		if _, ok := out[m[1]]; !ok {
			out[m[1]] = m[2]
		}
	}
	return out
}

// compareLocals compares the scalars that gdb tells of a frame with ours.
func compareLocals(t *testing.T, frame, gdb, ours string) (same int) {
	t.Helper()
	mine := values(ours)
	for name, want := range values(gdb) {
		got, ok := mine[name]
		n, number := scalar(want)
		switch {
		case !ok && !number: // a label, or what nobody can show in a word
		case !ok:
			t.Errorf("%s: %s is not told; gdb says %s", frame, name, want)
		case strings.Contains(want, "<optimized out>"):
			if !strings.Contains(got, "unavailable") {
				t.Logf("%s: %s is %s, which gdb does not know", frame, name, got)
			}
		case number:
			if m, ok := scalar(got); !ok || m != n && uint32(m) != uint32(n) {
				t.Errorf("%s: %s is %s, gdb says %s", frame, name, got, want)
			} else {
				same++
			}
		}
	}
	return same
}

// framesUnderGDB has gdb tell the arguments and variables of the innermost n frames.
func framesUnderGDB(n int) (commands []string) {
	for i := range n {
		commands = append(commands, fmt.Sprintf("frame %d", i), "python print('@frame ' + gdb.selected_frame().name())", "info args", "info locals")
	}
	return commands
}

var frameLine = regexp.MustCompile(`(?m)^([0-9a-f]+) .*!(\w+)`)

// variables are those that a window tells of the innermost n frames, by their functions.
func variables(w *window.Window, n int) map[string]string {
	out := map[string]string{}
	for _, m := range frameLine.FindAllStringSubmatch(w.Do("k"), -1) {
		if out[m[2]] == "" {
			out[m[2]] = w.Do(".frame "+m[1]) + "\n" + w.Do("dv")
		}
		if n--; n == 0 {
			break
		}
	}
	return out
}

// sameVariables compares what gdb has told of frames with ours, and counts frames and
// values. gdb leaves out calls inlined where it has stopped: frames go by their functions.
func sameVariables(t *testing.T, place string, mine map[string]string, told string) (frames, values int) {
	t.Helper()
	withheld := 0
	for _, text := range strings.Split(told, "@frame ")[1:] {
		text, _, _ = strings.Cut(text, "\n#")
		name, text, _ := strings.Cut(text, "\n")
		ours, ok := mine[strings.TrimSpace(name)]
		if !ok {
			t.Errorf("%s: no frame of %s", place, name)
			continue
		}
		if frames++; frames > 1 {
			var n int
			text, n = certain(text, ours)
			withheld += n
		}
		values += compareLocals(t, place+", "+name, text, ours)
	}
	if withheld > 2 {
		t.Errorf("%s: %d values of callers are withheld", place, withheld)
	}
	return frames, values
}

// certain is what gdb tells of a caller's frame without the variables that we withhold:
// they lie in registers that are the callee's to change, and gdb takes them for unchanged.
func certain(gdb, ours string) (text string, withheld int) {
	mine := values(ours)
	return assigned.ReplaceAllStringFunc(gdb, func(line string) string {
		m := assigned.FindStringSubmatch(line)
		if _, number := scalar(m[2]); number && strings.Contains(mine[m[1]], "unavailable") {
			withheld++
			return ""
		}
		return line
	}), withheld
}

// TestLocals: the frames of a system call and what is in them, as gdb tells them of the
// same stop.
func TestLocals(t *testing.T) {
	k := heavy(t)
	for _, place := range []struct {
		function, command string
		frames            int
	}{
		{"proc_pid_status", "cat /proc/1/status", 5}, {"link_path_walk", "ls /proc/self/fd", 4}, {"copy_process", "sh -c true", 2},
	} {
		vm := guest.Start(t, guest.Config{Kernel: k, CPUs: 2, Append: "nokaslr"}).Ready()
		cmd := []string{"hbreak " + place.function, "continue", "delete", "next", "next", `printf "@cpu %d@\n", $_thread`}
		cmd = append(cmd, framesUnderGDB(place.frames)...)
		vm.Run("(while true; do " + place.command + "; sleep 0.2; done >/dev/null 2>&1) & true")
		told := underGDB(t, vm.Port, k.Vmlinux, cmd...)
		w := window.Open(t, "-k", vm.Stub(), "-y", symbolPath(k))
		cpu := regexp.MustCompile(`@cpu (\d+)@`).FindStringSubmatch(told)
		if cpu == nil {
			t.Fatalf("%s: gdb did not get there:\n%s", place.function, told)
		}
		n, _ := strconv.Atoi(cpu[1])
		w.Do(fmt.Sprintf("~%ds", n-1))
		frames, same := sameVariables(t, place.function, variables(w, 2*place.frames), told)
		if frames != place.frames || same < 2 {
			t.Errorf("%s: %d frames, %d values compared:\n%s\n%s", place.function, frames, same, told, w.Do("k"))
		}
		w.End("qd")
	}
}

// TestEarly: a hardware breakpoint in a kernel that the machine has yet to load.
func TestEarly(t *testing.T) {
	k := heavy(t)
	vm := guest.Start(t, guest.Config{Kernel: k, Append: "nokaslr", Stopped: true})
	w := window.Open(t, "-kx", fmt.Sprintf("exdi:CLSID={29f9906e-9dbe-4d4b-b0fb-6acf7fb6d014},Kd=Guess,DataBreaks=Exdi,gdb=127.0.0.1:%d", vm.Port), "-y", symbolPath(k))
	has(t, "the reset vector", w.Do("r rip"), `rip=0+fff0$`)
	w.Do("ba e1 vmlinux!start_kernel; bu vmlinux!kernel_init")
	has(t, "the first stop", w.Do("g"), `Breakpoint 0 hit`, `vmlinux!start_kernel .*init/main.c @ \d+`)
	has(t, "the second stop", w.Do("g"), `Breakpoint 1 hit`, `vmlinux!kernel_init`)
	g := w.Say("g")
	vm.Ready()
	w.Interrupt()
	g.Wait()
	idle(t, w)
	w.End("qd")
}
