package rsp

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"dap-windbg/targets"
)

// Reboots of a kernel that is debugged over its own kgdb, and commands of kdb's that mean
// nothing, or another thing, where packets drive the kernel: it drops what they return
// (gdb_cmd_query, kernel/debug/gdbstub.c).

// kernelBegins is what a kernel begins with (init/version.c), firmware's words before it or
// not. A program may print it too. kdb's dmesg has a level before the time.
var kernelBegins = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?m)(?:^|(?:^|[^>])\[ *0\.0+\] )Linux version [0-9]+\.[0-9]`)
})

// notByKGDB has kdb's words of that kind, and what does it here.
var notByKGDB = map[string]string{
	"ss": "t, which steps", "ssb": "ph, which steps to a branch", "go": "g", "cpu": "~Ns, which selects a processor",
	"kgdb": "the prompt: kgdb has the kernel already", "bp": "bp", "bph": "ba", "bpa": "bp", "bpha": "ba", "bc": "bc", "bd": "bd", "be": "be",
}

// kdbEffects says what a command of kdb's makes stale; of others memory may be.
var kdbEffects = map[string]targets.Effect{"rm": {ThreadChanged: true}}

// effectOfKDB is effectOf of kgdb, whose breakpoints are not kdb's.
func effectOfKDB(word string) targets.Effect {
	if e, ok := kdbEffects[word]; ok {
		return e
	}
	if word == "mm" || strings.HasPrefix(word, "mm") || word == "sr" || word == "kill" {
		return targets.Effect{MemoryChanged: true, ThreadChanged: true}
	}
	return targets.Effect{}
}

// refusesKDB says why a line is not passed to kdb, nil when it is.
func refusesKDB(line string) error {
	f := strings.Fields(strings.TrimPrefix(line, "-"))
	if len(f) == 0 || f[0] == "cpu" && len(f) == 1 { // that lists
		return nil
	}
	instead, ok := notByKGDB[f[0]]
	if !ok {
		return nil
	}
	return &targets.RefusedError{Op: "passing a command to kdb", Text: f[0] + " does nothing while packets drive the kernel",
		Fix: "Use " + instead + ". !kdb -f sends it all the same."}
}

// reboots reports whether a line has kdb reboot the machine, which answers no more.
func reboots(line string) bool {
	f := strings.Fields(strings.TrimPrefix(line, "-"))
	return len(f) == 1 && f[0] == "reboot" || len(f) == 2 && f[0] == "sr" && f[1] == "b"
}

// CommandAnyway is Command, of a line too that does not do what it says.
func (t *Target) CommandAnyway(ctx context.Context, line string) (string, targets.Effect, error) {
	if t.c.line != nil && reboots(line) {
		err := t.rebootKGDB(ctx)
		return "", targets.Effect{Resumed: err == nil}, err
	}
	return t.command(ctx, line)
}

// rebootKGDB reboots the machine; it runs then, and its next stop tells of it.
func (t *Target) rebootKGDB(ctx context.Context) error {
	done, err := t.c.turn(ctx, t)
	if err != nil {
		return err
	}
	defer done()
	r, went := ask("R0"), false
	r.got = func(reply []byte) {
		if string(reply) == "OK" {
			t.c.rebooted = true
			went = t.wentOn("the machine is rebooting")
		}
	}
	if err := t.c.exchange(ctx, r); err != nil {
		return err
	}
	if !went {
		return wrote("rebooting the machine", r)
	}
	return nil
}

// Rebooted implements targets.Rebooter.
func (t *Target) Rebooted() {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	t.c.forgetKernel(t)
}

// forgetKernel drops what was known of a kernel that is no more; c.mu is held.
func (c *Conn) forgetKernel(t *Target) {
	if c.line == nil { // QEMU's breakpoints outlive a reset
		return
	}
	clear(t.traps)
	clear(c.stepping)
	c.active, c.own, c.rebooted, c.booted = 0, ownRegisters{}, false, false
}

// errReset is why a question of a kernel that is no more has no answer.
var errReset = fmt.Errorf("the machine was reset: %w", targets.ErrRunning)

// begins: a kernel begins to talk. Where it was stopped, the machine was reset, and what was
// asked is refused: the next kernel is not to get it. c.mu is held.
func (c *Conn) begins(t *Target) {
	c.booted = true
	for t != nil && c.sent > 0 && !c.queue[0].resume {
		c.rebooted, c.queue[0].flight.err = true, errReset
		c.reply(c.queue[0], []byte("E.the machine was reset"))
		c.out = nil
	}
	if t != nil && c.run == nil && t.wentOn("the machine was reset") {
		c.rebooted = true
	}
}

// restarted reports at a stop whether the machine was started anew since the last, and
// forgets the old kernel then. One that only may have been has none of our traps.
func (c *Conn) restarted(ctx context.Context, t *Target) (bool, error) {
	c.mu.Lock()
	again, asks := c.rebooted, c.booted && !c.rebooted
	c.booted = false
	var lift, plant *request
	if asks {
		for _, trap := range t.allTraps() {
			if trap.Kind == targets.Software {
				lift, plant = t.trapPacket('z', trap), t.trapPacket('Z', trap)
				break
			}
		}
	}
	c.mu.Unlock()
	if lift != nil {
		if err := c.exchangeAs(ctx, true, []*request{lift}); err != nil {
			return false, err
		}
		if again = isError(lift.reply); !again {
			return false, c.exchangeAs(ctx, true, []*request{plant})
		}
	}
	if again {
		c.mu.Lock()
		c.forgetKernel(t)
		c.mu.Unlock()
	}
	return again, nil
}
