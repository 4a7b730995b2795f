package rsp

import (
	"context"
	"errors"
	"strings"

	"dap-windbg/targets"
)

// effectRow says what a command of a far end makes stale.
type effectRow struct {
	stub, word string
	effect     targets.Effect
}

var nothingStale = targets.Effect{}

// effects knows the commands people use; of the others of a stub that runs a
// machine everything may be stale. QEMU: "info help" of its human monitor.
var effects = []effectRow{
	{"QEMU", "info", nothingStale}, {"QEMU", "help", nothingStale}, {"QEMU", "x", nothingStale}, {"QEMU", "xp", nothingStale},
	{"QEMU", "print", nothingStale}, {"QEMU", "gva2gpa", nothingStale}, {"QEMU", "gpa2hva", nothingStale}, {"QEMU", "replay_break", nothingStale},
	{"QEMU", "c", targets.Effect{Resumed: true}}, {"QEMU", "cont", targets.Effect{Resumed: true}},
	{"QEMU", "replay_seek", targets.Effect{Resumed: true}}, {"QEMU", "system_wakeup", targets.Effect{Resumed: true}},
	{"gdbserver", "help", nothingStale}, {"gdbserver", "set", nothingStale},
}

func (c *Conn) effectOf(line string) targets.Effect {
	word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	for _, r := range effects {
		if r.stub == c.kind.name && r.word == word {
			return r.effect
		}
	}
	return targets.Effect{MemoryChanged: true, TrapsChanged: true, ThreadChanged: true}
}

// Command runs a line of the far end's own language (qRcmd). A command that lets
// the debuggee run is followed by a Running event, and in time by its Stop.
func (t *Target) Command(ctx context.Context, line string) (string, targets.Effect, error) {
	c := t.c
	done, err := c.turn(ctx, t)
	if err != nil {
		return "", targets.Effect{}, err
	}
	defer done()
	r := &request{payload: "qRcmd," + toHex(line), console: true}
	if err := c.exchange(ctx, r); err != nil {
		return "", targets.Effect{}, err
	}
	c.mu.Lock()
	out := r.output.String()
	c.general = unknownThread
	c.mu.Unlock()
	e := c.effectOf(line)
	switch {
	case len(r.reply) == 0:
		return out, targets.Effect{}, errors.ErrUnsupported
	case isError(r.reply):
		return out, e, refusal("running "+line, r.reply)
	case string(r.reply) != "OK":
		if text, ok := unhex(r.reply); ok {
			out += string(text)
		}
	}
	if e.Resumed {
		t.wentOn(line)
	}
	return out, e, nil
}

// wentOn: the far end resumed the debuggee of its own accord. Its stop is waited
// for as if we had.
func (t *Target) wentOn(line string) {
	c := t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil || c.run != nil {
		return
	}
	t.motion = &motion{resume: targets.Resume{Default: targets.Action{Kind: targets.Go}}}
	c.run = newRun(t)
	c.flights++
	stop := &request{payload: "", resume: true, flight: &flight{number: c.flights, tick: make(chan struct{}, 1)}}
	c.queue = append(c.queue, stop)
	c.sent = len(c.queue) // nothing leaves for it
	t.events.Put(targets.Running{Text: line})
}

// say makes output of text that came while the debuggee ran; c.mu is held.
func (c *Conn) say(text string) {
	t := c.whole
	if c.run != nil {
		t = c.run.t
	}
	if t != nil {
		t.events.Put(targets.Output{Text: text})
	}
}
