package kernel

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-dap"

	"dap-windbg/tests/dapclient"
	"dap-windbg/tests/kernel/window"
)

// TestKernelOwnNames: a kernel whose vmlinux nobody has, over its own debugger: its names are
// read when that is asked for, also after a break, and known at once to the next session.
func TestKernelOwnNames(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) { ownNames(t, protocol) })
	}
}

var (
	readingNames = regexp.MustCompile(`Reading (\d+) names of the kernel, about (\d+) KB`)
	kernelBase   = regexp.MustCompile("Kernel base = ([0-9a-f]{8})`([0-9a-f]{8}), found")
)

func ownNames(t *testing.T, protocol string) {
	d := start(t, 2, "") // its base is anywhere
	d.Ready()
	connection := fmt.Sprintf("%s:server=127.0.0.1,port=%d", protocol, d.line.Port)
	cache := t.TempDir()
	d.Window = window.OpenIn(t, cache, "-k", connection)
	d.Do("~")
	has(t, "the banner", d.Text(), `Symbols: none yet; \.reload /f reads`)
	has(t, "lm without names", d.Do("lm"), `vmlinux +\(no symbols\)`)

	// A break in the middle: the session goes on, and so does the next attempt.
	at := time.Now()
	from := len(d.Text())
	read := d.Say(".reload /f")
	d.AwaitFrom(from, "\n20%\n")
	broken := time.Now()
	d.Interrupt()
	text := read.Wait()
	t.Logf("%v after the break it has ended", time.Since(broken))
	has(t, "the interrupted reading", text, readingNames.String())
	if strings.Contains(text, "Symbols loaded") || strings.Contains(text, "60%") {
		t.Errorf("the break did not end it:\n%s", text)
	}
	has(t, "the registers behind a break", d.Do("r rip"), `rip=ffffffff`)
	text = d.Do(".reload /f vmlinux")
	has(t, "the second attempt", text, `Symbols loaded for vmlinux: the kernel's table of symbols`)
	if strings.Contains(text, "\n10%") {
		t.Errorf("it begins again:\n%s", text)
	}
	m := readingNames.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("not read:\n%s", text)
	}
	size, _ := strconv.Atoi(m[2])
	t.Logf("%s names, %d KB in %v: %.0f KB/s", m[1], size, time.Since(at), float64(size)/time.Since(at).Seconds())
	sameNames(t, d, m[1])
	named(t, d)

	// The next session has them at once.
	d.parts()
	d.Window = window.OpenIn(t, cache, "-k", connection)
	d.Do("~")
	has(t, "the second banner", d.Text(), `Symbols: the kernel's own table of names; no vmlinux of build-id [0-9a-f]{40} is known here`)
	has(t, "k at once", d.Do("k"), `vmlinux!kgdb_breakpoint`, `vmlinux!sysrq_handle_dbg`)
	if text := d.Do(".reload /f"); strings.Contains(text, "Reading") || !strings.Contains(text, "Symbols loaded for vmlinux: ") {
		t.Errorf("what is kept is read again:\n%s", text)
	}
	named(t, d)
	d.parts()
}

// named does what takes names.
func named(t *testing.T, d *debugged) {
	t.Helper()
	has(t, "k", d.Do("k"), `vmlinux!kgdb_breakpoint`, `vmlinux!sysrq_handle_dbg`, `vmlinux!handle_sysrq`)
	has(t, "x", d.Do("x vmlinux!*sched_class*"), `vmlinux!fair_sched_class`, `vmlinux!idle_sched_class`)
	has(t, "u", d.Do("u schedule L1"), `^vmlinux!schedule:$`, `push +rbp`)
	has(t, "ln", d.Do("ln vmlinux!schedule+3"), `vmlinux!schedule\+0x3`)
	has(t, "lm", d.Do("lm"), `vmlinux .*the kernel's table of symbols`)
	d.Do("bp vmlinux!hrtimer_nanosleep")
	g := d.Say("g")
	call := d.Begin("sleep 0.1")
	has(t, "the stop by name", g.Wait(), `Breakpoint \d hit`, `vmlinux!hrtimer_nanosleep`)
	has(t, "k there", d.Do("k"), `00 .*vmlinux!hrtimer_nanosleep`, `vmlinux!_x64_sys_nanosleep|vmlinux!_x64_sys_clock_nanosleep`, `vmlinux!do_syscall_64`)
	d.Do("bc *")
	has(t, "a step", d.Do("t"), `vmlinux!hrtimer_nanosleep\+0x`)
	g = d.Say("g")
	call.Wait()
	d.Interrupt()
	g.Wait()
}

// sameNames compares the kernel's names with those of its file.
func sameNames(t *testing.T, d *debugged, count string) {
	t.Helper()
	out, err := exec.Command("nm", d.kernel.Vmlinux).Output()
	if err != nil {
		t.Fatal(err)
	}
	file, first := map[string]bool{}, uint64(0)
	key := func(a uint64, name string) string { return fmt.Sprintf("%x %s", a, name) }
	var functions []string
	for line := range strings.Lines(string(out)) {
		var a uint64
		var kind, name string
		if n, _ := fmt.Sscanf(line, "%x %s %s", &a, &kind, &name); n < 3 {
			continue
		}
		if name == "_text" {
			first = a
		}
		name = strings.TrimPrefix(name, "_") // as names of a table are shown
		file[key(a, name)] = true
		if kind == "T" {
			functions = append(functions, key(a, name))
		}
	}
	base := kernelBase.FindStringSubmatch(d.Text())
	if base == nil {
		t.Fatal("no kernel's base")
	}
	slide, _ := strconv.ParseUint(base[1]+base[2], 16, 64)
	slide -= first
	ours := map[string]bool{}
	lines, wrong := 0, 0
	for _, m := range shownName.FindAllStringSubmatch(d.Do("x vmlinux!*"), -1) {
		a, _ := strconv.ParseUint(m[1]+m[2], 16, 64)
		if a >= 0xffffffff80000000 {
			a -= slide
		}
		lines++
		ours[key(a, m[3])] = true
		if !file[key(a, m[3])] {
			if wrong++; wrong < 10 {
				t.Errorf("the file has no %s", key(a, m[3]))
			}
		}
	}
	missing := 0
	for _, f := range functions {
		if !ours[f] {
			if missing++; missing < 10 {
				t.Errorf("%s is missing", f)
			}
		}
	}
	if fmt.Sprint(lines) != count || lines < 10_000 {
		t.Errorf("%d names of %s are shown", lines, count)
	}
	t.Logf("%d names are those of the file, %d of them all its global functions", lines, len(functions))
}

var shownName = regexp.MustCompile("(?m)^([0-9a-f]{8})`([0-9a-f]{8}) vmlinux!(\\S+)")

// TestKernelOwnNamesEditor: an editor is told how far the reading is, and ends it by cancelling
// what it is told of, or by a pause.
func TestKernelOwnNamesEditor(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) { ownNamesEditor(t, protocol) })
	}
}

func ownNamesEditor(t *testing.T, protocol string) {
	d := start(t, 2, "")
	d.Ready()
	c := editor(t)
	c.Start("attach", map[string]any{"connection": fmt.Sprintf("%s:server=127.0.0.1,port=%d", protocol, d.line.Port), "stopOnConnect": true}, "")
	stop := c.Stopped("")
	for _, end := range []string{"cancel", "pause", ""} {
		load := c.Send("evaluate", map[string]any{"expression": ".reload /f", "context": "repl"})
		var begun dap.ProgressStartEventBody
		c.Event("progressStart", func(m *dapclient.Message) bool {
			decoded(t, m, &begun)
			return strings.Contains(begun.Title, " names of the kernel, about ")
		})
		if !begun.Cancellable {
			t.Errorf("progress %+v", begun)
		}
		switch end {
		case "cancel":
			c.Do("cancel", map[string]any{"progressId": begun.ProgressId}, nil)
		case "pause":
			c.Do("pause", map[string]any{"threadId": stop.ThreadId}, nil)
		}
		c.Event("progressEnd", func(m *dapclient.Message) bool {
			var ended dap.ProgressEndEventBody
			decoded(t, m, &ended)
			return ended.ProgressId == begun.ProgressId
		})
		c.Good(load, nil)
		if got := names(c.Stack(stop.ThreadId, 20)); strings.Contains(got, "sysrq_handle_dbg") != (end == "") {
			t.Errorf("after %q the stack is\n%s", end, got)
		}
	}
	c.Disconnect(nil)
	if got := d.Run("echo alive"); got != "alive\n" {
		t.Errorf("after disconnecting the guest says %q", got)
	}
}

func decoded(t *testing.T, m *dapclient.Message, body any) {
	t.Helper()
	if err := json.Unmarshal(m.Body, body); err != nil {
		t.Fatal(err)
	}
}
