package kdb

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// entered: a prompt came that no command asked for, in the loop.
func (t *Target) entered(text string, cpu int) {
	e, ok := parseEntry(text)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cpu = cpu
	if !t.begun {
		if t.running {
			t.running, t.stop = false, e
			close(t.ready)
		}
		return
	}
	if !ok && strings.Contains(text, goAgain) {
		t.goesOn()
		return
	}
	if m := goElsewhere().FindStringSubmatch(text); m != nil && !ok && t.sent < maxSpoiled {
		t.sent++
		t.goFrom(m[1])
		return
	}
	t.sent = 0
	if at := e.pc - 1; ok && t.cleared[at] && !t.planted[at] && strings.HasPrefix(e.reason, "NonMaskable") {
		// It had run into a breakpoint and waited while that was cleared. The kernel goes back
		// itself (kgdb_skipexception), unless kgdb was asked for its state meanwhile.
		t.types(fmt.Sprintf("rm ip 0x%x", uint64(at)), func(string) {
			t.goesOn()
		})()
		return
	}
	t.arrived(e, text, cpu)
}

// goFrom lets the kernel go from the processor that kdb wants to be asked on. Where that
// has a stop of its own to tell, it is told: nobody has seen it. mu is held.
func (t *Target) goFrom(cpu string) {
	t.types("cpu "+cpu, func(out string) {
		e, ok := parseEntry(out)
		t.cpu, _ = strconv.Atoi(cpu)
		if why := reasons[e.reason]; ok && (why == targets.Stepped || why == targets.Breakpoint && t.planted[e.pc]) {
			t.arrived(e, out, t.cpu)
			return
		}
		t.goesOn()
	})()
}

// goesOn has kdb let the kernel go on. mu is held.
func (t *Target) goesOn() {
	t.c.queue = append(t.c.queue, &typed{line: "go", lets: true})
	t.c.post(t.c.next)
}

// arrived tells of an entry, after what it has to find out. mu is held.
func (t *Target) arrived(e entry, text string, cpu int) {
	crossed := t.asked && reasons[e.reason] != targets.Interrupted
	t.asked = false
	told := func() { t.tell(e, text, cpu) }
	if t.booted {
		told = t.asksTraps(told)
	}
	if crossed { // the g of the break-in lies on the command line: made a comment, it does no harm
		next := told
		told = t.types("#", func(string) { next() })
	}
	told()
}

// types makes a step of what the loop does at a prompt: a line, and what is done with its
// answer. mu is held at both.
func (t *Target) types(line string, then func(out string)) func() {
	return func() {
		c := &typed{line: line}
		c.then = func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			then(c.out)
		}
		t.c.queue = append(t.c.queue, c)
		t.c.post(t.c.next)
	}
}

// asksTraps finds out whether the machine was started anew: kdb then has none of our
// breakpoints.
func (t *Target) asksTraps(told func()) func() {
	return t.types("bl", func(out string) {
		found, whole := parseBreakpoints(out)
		t.rebooted = t.rebooted || whole && len(t.planted) > 0
		for a := range t.planted {
			if _, ok := found[a]; ok {
				t.rebooted = false
			}
		}
		told()
	})
}

// tell makes a Stop of an entry. mu is held.
func (t *Target) tell(e entry, text string, cpu int) {
	rebooted := t.rebooted
	if t.booted = false; rebooted {
		t.forget()
	}
	reason, known := reasons[e.reason]
	if !known {
		reason = targets.Unknown
	}
	if reason == targets.Breakpoint && !t.planted[e.pc] || reason == targets.Stepped && t.passed {
		reason = targets.Unknown // the user's, whom Text tells
	}
	if t.passed = false; rebooted {
		reason = targets.Reset
	}
	if e.pc == 0 {
		e.cpu = cpu
	}
	t.stop, t.running = e, false
	stop := targets.Stop{Thread: threadOf(e.cpu), Reason: reason, Addr: e.pc, Text: strings.TrimSpace(e.reason + " " + e.oops)}
	if reason == targets.Exception {
		stop.Exception = &targets.ExceptionRecord{Name: stop.Text, Addr: e.pc}
		t.put(targets.Output{Text: text, Console: true})
	}
	if e.pc != 0 {
		stop.Registers = arch.NewRegisters(t.set)
		stop.Registers.Interrupted = true
		stop.Registers.SetPC(e.pc)
	}
	t.put(stop)
}

// typesLetter types what follows a break.
func (c *console) typesLetter() {
	c.letter, c.stray, c.lettered = true, true, time.Now()
	c.write("g")
	if c.timer == nil {
		c.await(breakPause)
	}
}

// erases what a break that was not heeded has typed.
func (c *console) erases() {
	switch rest := breakPause - time.Since(c.lettered); {
	case !c.stray || c.cur != nil || c.atPrompt:
	case rest > 0 && c.timer == nil:
		c.await(rest)
	case rest <= 0:
		c.stray = false
		c.write(killLine)
	}
}

// mayStop reports whether what the running kernel printed last may become a line that
// tells of a stop, whose rest is late.
func (c *console) mayStop() bool {
	text := string(c.buf)
	at := strings.LastIndexByte(text, '\n') + 1
	if at == 0 && c.open {
		return false
	}
	return begins(text[at:]) && (text != "\n" || !c.open)
}
