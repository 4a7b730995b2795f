package rsp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"dap-windbg/targets"
)

// QEMU goes back in a recording (-icount rr=replay) by loading a snapshot and
// replaying from there. Loading resets the machine, and on PCs with an APIC the reset
// waits for the CPU's thread. After a stop that thread waits, until it has come to rest,
// for a lock that the resetting thread holds: QEMU 7.2 to 10.0 hang for good when they
// are asked to go back too soon (docs/targets.md). So a stop is given time to calm
// down, and bc, which loads twice in a row, is made of seeks where there is such a device.

// calm is how long after a stop the next snapshot may be loaded: threads of a machine
// whose host is very busy are not run for tens of milliseconds.
const calm = 100 * time.Millisecond

// hanging is the device, as "info qtree" lists it, that makes loading hang.
const hanging = "dev: kvmvapic"

// rewinding is a reverse execution under way.
type rewinding struct {
	t    *Target
	run  *run
	stop string // the last stop there was
	at   time.Time
}

var (
	errHistoryEnd  = errors.New("the recording ends")
	errInterrupted = errors.New("interrupted")
)

// rewinds begins a reverse execution of a machine of QEMU's; the traps of o travel first.
func (t *Target) rewinds(ctx context.Context, p *plan, o *targets.Run) error {
	return t.unasked(ctx, p, o, func(rn *run) {
		rn.legs = make(chan string, 1)
		t.moves(o.Resume)
		t.c.done.Add(1)
		go t.rewind(&rewinding{t: t, run: rn, at: t.stoppedAt}, stepsIn(o.Resume))
	})
}

// unasked begins a run that the far end is not asked for, once the traps of o have
// travelled; c.mu is held in begin.
func (t *Target) unasked(ctx context.Context, p *plan, o *targets.Run, begin func(rn *run)) error {
	if err := t.fly(ctx, p); err != nil || o.Err != nil {
		return err
	}
	c := t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	c.run = newRun(t)
	begin(c.run)
	return nil
}

// stepsIn reports whether r is a step.
func stepsIn(r targets.Resume) bool { return r.Default.Kind == targets.Step || stepsAny(r.Threads) }

// rewind goes back a step or to the last trap that was passed, and makes the stop
// one of the run.
func (t *Target) rewind(w *rewinding, step bool) {
	c := t.c
	defer c.done.Done()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err := w.back(ctx, step)
	if errors.Is(err, errInterrupted) { // nothing of ours may stop the machine later
		_, _ = w.monitor(ctx, "replay_delete_break")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.general = unknownThread
	w.run.legs = nil
	if c.run != w.run || c.err != nil {
		return
	}
	switch {
	case errors.Is(err, errHistoryEnd):
		c.stopCame(w.run, []byte(fmt.Sprintf("T05replaylog:begin;thread:%s;", t.thread)))
	case err != nil && !errors.Is(err, errInterrupted):
		c.endRun()
		c.told(t, w.run, targets.Stop{Thread: t.id(t.thread), Reason: targets.Unknown, Text: err.Error()})
	case w.stop == "":
		c.stopCame(w.run, []byte(fmt.Sprintf("T02thread:%s;", t.thread)))
	default:
		c.stopCame(w.run, []byte(w.stop))
	}
}

func (w *rewinding) back(ctx context.Context, step bool) error {
	if err := w.look(ctx); err != nil {
		return err
	}
	if step {
		return w.undo(ctx, "bs")
	}
	now, err := w.position(ctx)
	switch {
	case err != nil:
		return err
	case now == 0:
		return errHistoryEnd
	case *w.t.hangs, w.watches():
		return w.search(ctx, now)
	}
	if err := w.undo(ctx, "bc"); err != nil {
		return err
	}
	if now, err = w.position(ctx); err == nil && now == 0 {
		return errHistoryEnd
	}
	return err
}

// look finds out, once, whether loading a snapshot may hang.
func (w *rewinding) look(ctx context.Context) error {
	if w.t.hangs != nil {
		return nil
	}
	tree, err := w.monitor(ctx, "info qtree")
	if err != nil {
		return err
	}
	hangs := strings.Contains(tree, hanging)
	if w.t.hangs = &hangs; hangs {
		w.t.events.Put(targets.Output{Console: true, Text: "QEMU hangs when it goes back in a recording too soon after a stop, so each step back waits a moment. " +
			"A machine started with -global apic.vapic=off does not.\n"})
	}
	return nil
}

// undo sends bs or bc.
func (w *rewinding) undo(ctx context.Context, verb string) error {
	if err := w.rest(); err != nil {
		return err
	}
	if err := w.leg(ctx, verb); err != nil {
		return err
	}
	if isError([]byte(w.stop)) {
		return errHistoryEnd
	}
	return nil
}

// The windows that are searched for the last trap that was passed, in instructions:
// each is so many times longer than the one before, so that a trap that is near is
// found soon and one that is far in few replays.
const (
	firstWindow = 4096
	nextWindow  = 8
)

// search goes back to the last trap before instruction now: windows of the recording,
// the latest first, are replayed to the end, and the last stop in one is gone back to.
func (w *rewinding) search(ctx context.Context, now uint64) error {
	for hi, size := now, uint64(firstWindow); hi > 0; size *= nextWindow {
		lo := hi - min(hi, size)
		if err := w.seek(ctx, lo); err != nil {
			return err
		}
		last, stop, err := w.replay(ctx, lo, hi)
		if err != nil {
			return err
		}
		if stop != "" {
			err := w.seek(ctx, last)
			w.stop = stop
			return err
		}
		hi = lo
	}
	if err := w.seek(ctx, 0); err != nil {
		return err
	}
	return errHistoryEnd
}

// replay runs from instruction lo to hi and returns the last stop at a trap, and where.
func (w *rewinding) replay(ctx context.Context, lo, hi uint64) (last uint64, stop string, err error) {
	if _, err := w.monitor(ctx, fmt.Sprintf("replay_break %d", hi)); err != nil {
		return 0, "", err
	}
	for at := lo; at < hi; {
		if err := w.leg(ctx, "vCont;c"); err != nil {
			return 0, "", err
		}
		if at, err = w.position(ctx); err != nil || at >= hi {
			return last, stop, err
		}
		last, stop = at, w.stop
		if err := w.leg(ctx, "vCont;s"); err != nil { // off the trap
			return 0, "", err
		}
		if at, err = w.position(ctx); err != nil {
			return 0, "", err
		}
	}
	return last, stop, nil
}

// seek goes to an instruction. Traps would stop it on its way.
func (w *rewinding) seek(ctx context.Context, to uint64) error {
	if err := w.rest(); err != nil {
		return err
	}
	c := w.t.c
	lift, plant := w.traps('z'), w.traps('Z')
	if err := c.exchangeAs(ctx, true, lift); err != nil {
		return err
	}
	err := w.load(ctx, to)
	if lost := c.exchangeAs(ctx, true, plant); err == nil {
		err = lost
	}
	if err != nil {
		return err
	}
	at, err := w.position(ctx)
	if err == nil && at != to {
		err = fmt.Errorf("going back in the recording: the far end is at instruction %d, not %d", at, to)
	}
	return err
}

// snapshotText is a row of "info snapshots": its name, and its instruction at the end.
var snapshotText = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^\S+ +(\S+) .* (\d+)\s*$`) })

// load loads the latest snapshot up to an instruction and runs on to it. The command
// replay_seek does that, too, but QEMU since 8.1 does not tell of the stop.
func (w *rewinding) load(ctx context.Context, to uint64) error {
	list, err := w.monitor(ctx, "info snapshots")
	if err != nil {
		return err
	}
	name, from := "", uint64(0)
	for _, row := range snapshotText().FindAllStringSubmatch(list, -1) {
		if at, err := strconv.ParseUint(row[2], 10, 64); err == nil && at <= to && (name == "" || at > from) {
			name, from = row[1], at
		}
	}
	if name == "" {
		return &targets.RefusedError{Op: "going back in the recording", Text: "there is no snapshot to begin from", Fix: "Record with rrsnapshot=NAME."}
	}
	if said, err := w.monitor(ctx, "loadvm "+name); err != nil || said != "" {
		return cmp.Or[error](err, &targets.RefusedError{Op: "going back in the recording", Text: strings.TrimSpace(said)})
	}
	if from == to {
		return nil
	}
	if _, err := w.monitor(ctx, fmt.Sprintf("replay_break %d", to)); err != nil {
		return err
	}
	return w.leg(ctx, "vCont;c")
}

// traps are requests that plant or lift every trap.
func (w *rewinding) traps(verb byte) (out []*request) {
	c := w.t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, trap := range w.t.allTraps() {
		out = append(out, w.t.trapPacket(verb, trap))
	}
	return out
}

// watches reports whether a data trap is planted: of these bc does not say that they sprang.
func (w *rewinding) watches() bool {
	w.t.c.mu.Lock()
	defer w.t.c.mu.Unlock()
	return slices.ContainsFunc(w.t.allTraps(), func(trap targets.Trap) bool { return trap.Kind >= targets.OnWrite })
}

// rest waits until the last stop has calmed down.
func (w *rewinding) rest() error {
	if !*w.t.hangs {
		return nil
	}
	timer := time.NewTimer(calm - time.Since(w.at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-w.t.c.lost:
		return targets.ErrGone
	}
}

// leg lets the machine run and waits for its stop.
func (w *rewinding) leg(ctx context.Context, verb string) error {
	c := w.t.c
	c.mu.Lock()
	r := ask("%s", verb)
	r.resume = true
	c.enqueue([]*request{r})
	c.mu.Unlock()
	return w.wait(ctx)
}

// wait waits for a stop, however long it takes: an interrupt ends it.
func (w *rewinding) wait(ctx context.Context) error {
	c := w.t.c
	select {
	case w.stop = <-w.run.legs:
	case <-c.lost:
		return targets.ErrGone
	case <-ctx.Done():
		return ctx.Err()
	}
	w.at = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.run.interrupts > 0 {
		return errInterrupted
	}
	return nil
}

var positionText = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`instruction count = (\d+)`) })

// position is how many instructions of the recording have been carried out.
func (w *rewinding) position(ctx context.Context) (uint64, error) {
	text, err := w.monitor(ctx, "info replay")
	if err != nil {
		return 0, err
	}
	found := positionText().FindStringSubmatch(text)
	if found == nil {
		return 0, &targets.ProtocolError{Op: "asking where the recording is", Sent: "info replay", Got: text}
	}
	return strconv.ParseUint(found[1], 10, 64)
}

// monitor runs a command that moves nothing.
func (w *rewinding) monitor(ctx context.Context, line string) (string, error) {
	r := &request{payload: "qRcmd," + toHex(line), console: true}
	if err := w.t.c.exchangeAs(ctx, true, []*request{r}); err != nil {
		return "", err
	}
	if string(r.reply) != "OK" {
		return "", wrote("running "+line, r)
	}
	return r.output.String(), nil
}
