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

// effects knows the commands people use; of the others of a stub memory and registers
// may be stale. Traps stay: a stub's own are those that packets have set, and one that was
// forgotten would never be taken away. QEMU: "info help" of its human monitor.
var effects = []effectRow{
	{"QEMU", "info", nothingStale}, {"QEMU", "help", nothingStale}, {"QEMU", "x", nothingStale}, {"QEMU", "xp", nothingStale},
	{"QEMU", "print", nothingStale}, {"QEMU", "gva2gpa", nothingStale}, {"QEMU", "gpa2hva", nothingStale}, {"QEMU", "replay_break", nothingStale},
	{"QEMU", "c", targets.Effect{Resumed: true}}, {"QEMU", "cont", targets.Effect{Resumed: true}},
	{"QEMU", "replay_seek", targets.Effect{Resumed: true}}, {"QEMU", "system_wakeup", targets.Effect{Resumed: true}},
	{"gdbserver", "help", nothingStale}, {"gdbserver", "set", nothingStale},
}

func (c *Conn) effectOf(line string) targets.Effect {
	word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	if c.line != nil {
		return effectOfKDB(strings.TrimPrefix(word, "-"))
	}
	for _, r := range effects {
		if r.stub == c.kind.name && r.word == word {
			return r.effect
		}
	}
	return targets.Effect{MemoryChanged: true, ThreadChanged: true}
}

// Command runs a line of the far end's own language (qRcmd). A command that lets
// the debuggee run is followed by a Running event, and in time by its Stop.
func (t *Target) Command(ctx context.Context, line string) (string, targets.Effect, error) {
	if t.c.line != nil {
		if err := refusesKDB(line); err != nil {
			return "", targets.Effect{}, err
		}
	}
	return t.CommandAnyway(ctx, line)
}

func (t *Target) command(ctx context.Context, line string) (string, targets.Effect, error) {
	c := t.c
	done, err := c.turn(ctx, t)
	if err != nil {
		return "", targets.Effect{}, err
	}
	defer done()
	r, e := &request{payload: "qRcmd," + toHex(line), console: true}, c.effectOf(line)
	if e.Resumed {
		e.Resumed = false
		r.got = func(reply []byte) {
			if string(reply) == "OK" && r.output.Len() == 0 { // else it says why not
				e.Resumed = t.wentOn(line)
			}
		}
	}
	if err := c.exchange(ctx, r); err != nil {
		return "", targets.Effect{}, err
	}
	c.mu.Lock()
	out := r.output.String()
	c.general = unknownThread
	c.mu.Unlock()
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
	return out, e, nil
}

// wentOn: the far end resumed the debuggee of its own accord. Its stop is waited
// for as if we had; c.mu is held.
func (t *Target) wentOn(line string) bool {
	c := t.c
	if c.run != nil {
		return false
	}
	t.motion = &motion{resume: targets.Resume{Default: targets.Action{Kind: targets.Go}}}
	c.run = newRun(t)
	c.expectStop()
	t.events.Put(targets.Running{Text: line})
	return true
}

// expectStop: what comes behind the reply to a command is the stop of what the command
// let run, and may be there already; c.mu is held.
func (c *Conn) expectStop() {
	c.flights++
	stop := &request{resume: true, flight: &flight{number: c.flights, tick: make(chan struct{}, 1)}}
	c.queue = append([]*request{stop}, c.queue...)
	c.sent++ // nothing leaves for it
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
