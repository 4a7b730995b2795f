package kdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/wire"
)

// Options say how to speak to a console. The zero value is usable.
type Options struct {
	Peer    string        // what to call the line in errors, such as "ttyS0"
	Break   func() error  // sends a break on the line; nil: the connection's own SendBreak, if it has one
	Enter   bool          // break into a running kernel while connecting
	Escape  bool          // break in by ESC KDB, as the kdb patch before Linux 2.6.35 wants it
	Advice  string        // how the user enters kdb when nothing of ours can; "": Connect does not wait for that
	Tell    func(string)  // shows people what Connect waits for; nil: nobody
	Silence time.Duration // longest pause within an answer; 0: 5 s
	Clock   Clock         // nil: the real one
	Trace   *wire.Trace   // nil: none
}

// breaker is a connection that can send a break.
type breaker interface{ SendBreak() error }

// Target is a Linux kernel at the other end of a kdb console.
type Target struct {
	o      Options
	c      *console
	events *wire.Mailbox
	set    *arch.Set
	ready  chan struct{} // closed at the first prompt

	mu      sync.Mutex
	running bool
	begun   bool // the first stop has been told
	stop    entry
	cpu     int       // the console's current one
	cpus    int       // how many there are, 0: not asked yet
	sent    int       // times that a go was refused in a row
	astray  bool      // its registers are those of a task that the user has chosen
	asked   bool      // to stop
	broke   time.Time // when that was last
	parting bool
	escaped bool // what broke in is yet to be erased at the console
	slow    bool // kgdb does not help
	passed  bool // a command of the user's let it run
	// rebooted: the machine was started anew. booted: the line has shown what a kernel
	// begins with, which a program may have printed.
	rebooted, booted bool
	planted          map[arch.Addr]bool
	hard             map[arch.Addr]bool // of those, which are the processor's
	cleared          map[arch.Addr]bool // that were planted
	words            map[string]bool    // the kernel's commands, nil: not asked yet
	err              error
}

// kernelSet is what rd tells.
var kernelSet = func() *arch.Set {
	told := map[string]bool{}
	for _, n := range registerNames {
		told[n] = true
	}
	var regs []arch.Register
	for _, r := range arch.AMD64.Core {
		if told[r.Name] {
			regs = append(regs, r)
		}
	}
	return arch.NewSet(arch.AMD64, regs)
}()

// Connect speaks to the console at the far end of conn, which it owns from now
// on. The kernel must be in kdb, or Options.Enter breaks into it.
func Connect(ctx context.Context, conn io.ReadWriteCloser, o Options) (*Target, error) {
	if o.Silence <= 0 {
		o.Silence = 5 * time.Second
	}
	if o.Clock == nil {
		o.Clock = realClock{}
	}
	if o.Peer == "" {
		o.Peer = "the console"
	}
	if o.Tell == nil {
		o.Tell = func(string) {}
	}
	if b, ok := conn.(breaker); ok && o.Break == nil {
		o.Break = b.SendBreak
	}
	t := &Target{o: o, events: wire.NewMailbox(), set: kernelSet, ready: make(chan struct{}), running: true, planted: map[arch.Addr]bool{}, hard: map[arch.Addr]bool{}, cleared: map[arch.Addr]bool{}}
	t.c = newConsole(o.Trace.Wrap(conn), o.Clock, o.Silence)
	t.c.entered, t.c.printed, t.c.booted, t.c.ended = t.entered, t.printed, t.boots, t.lost
	t.c.start()
	if err := t.greet(ctx); err != nil {
		t.c.close()
		return nil, fmt.Errorf("connecting to %s: %w", o.Peer, err)
	}
	return t, nil
}

// toKDB is what makes a waiting kgdb hand the kernel to kdb.
const toKDB = "$3#33"

// find brings the console to a prompt: Enter shows one that is there, a kgdb that
// waits is asked for kdb, a running kernel is broken into, and in the end the user is
// told to.
func (t *Target) find(ctx context.Context) error {
	_, err := t.c.run(ctx, &typed{quiet: true})
	var silent *SilentError
	if !errors.As(err, &silent) || !t.o.Enter {
		return err
	}
	t.keys(toKDB)
	if t.prompted(ctx, t.o.Silence/4) {
		return nil
	}
	t.keys(killLine)
	t.o.Tell("Breaking in...\n")
	return t.breaksIn(ctx, silent)
}

// notHeeded is told when a break changed nothing.
const notHeeded = "The kernel did not heed the break. It may still boot, and a break is sent again every few seconds.\n"

// breaksIn breaks in until the prompt comes: a kernel that boots does not listen yet. What
// that has typed at somebody's console is erased.
func (t *Target) breaksIn(ctx context.Context, silent error) error {
	for told := false; ; told = true {
		if t.prompted(ctx, t.o.Silence/20) { // a break beside other characters is taken for theirs (QEMU's UART)
			return nil
		}
		err := t.breakIn()
		if err == nil {
			if t.prompted(ctx, t.o.Silence) {
				return nil
			}
			t.keys(toKDB) // a kgdb that was left has no words
			if t.prompted(ctx, t.o.Silence/4) {
				return nil
			}
			t.keys(killLine)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case t.c.over():
			return targets.ErrGone
		case t.o.Advice == "":
			return cmp.Or(err, silent)
		case !told && err == nil:
			t.o.Tell(notHeeded + t.o.Advice + "\n")
		case !told:
			t.o.Tell(t.o.Advice + "\n")
		}
		if err != nil && t.prompted(ctx, t.o.Silence) { // the user does it
			return nil
		}
	}
}

// keys types what is no line, and returns when it has been.
func (t *Target) keys(s string) {
	done := make(chan struct{})
	if t.c.post(func() { t.c.write(s); close(done) }) {
		select {
		case <-done:
		case <-t.c.closed:
		}
	}
}

// killLine erases what is typed at a terminal; kdb ignores it.
const killLine = "\x15"

// prompted waits for the first prompt.
func (t *Target) prompted(ctx context.Context, limit time.Duration) bool {
	over, stop := t.o.Clock.Timer(limit)
	defer stop()
	select {
	case <-t.ready:
		return true
	case <-over:
	case <-ctx.Done():
	case <-t.c.closed:
	}
	return false
}

// greet finds the prompt and makes the console fit for a program.
func (t *Target) greet(ctx context.Context) error {
	if err := t.find(ctx); err != nil {
		return err
	}
	for _, line := range []string{"set LINES=2000", "set BTAPROMPT=0"} {
		if _, err := t.c.run(ctx, &typed{line: line}); err != nil {
			return err
		}
	}
	r, err := t.Registers(ctx, targets.ThreadID{})
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.begun = true
	t.stop.cpu, t.stop.pc = t.cpu, r.PC()
	t.mu.Unlock()
	t.events.Put(targets.Stop{Thread: threadOf(t.stop.cpu), Reason: targets.Initial, Addr: r.PC(), Text: t.stop.reason, Registers: r})
	return nil
}

// boots: a kernel begins to talk, in the loop. Where the console was at its prompt, the
// machine was reset; a running kernel's programs may print such a line too.
func (t *Target) boots() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.booted = true
	if t.begun && !t.running {
		t.running, t.rebooted = true, true
		t.put(targets.Running{Text: "the machine was reset"})
	}
}

// Rebooted implements targets.Rebooter.
func (t *Target) Rebooted() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget()
}

// forget drops what was known of a kernel that is no more. mu is held.
func (t *Target) forget() {
	clear(t.planted)
	clear(t.hard)
	clear(t.cleared)
	t.words, t.slow, t.escaped, t.astray, t.rebooted, t.booted = nil, false, false, false, false, false
}

func (t *Target) printed(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(targets.Output{Text: text})
}

func (t *Target) lost(err error) {
	t.mu.Lock()
	parting := t.parting
	if t.err = targets.ErrGone; err != nil && !parting {
		t.err = errors.Join(targets.ErrGone, err)
	}
	t.mu.Unlock()
	if parting {
		err = nil
	}
	t.events.Put(targets.Gone{Err: err})
}

// Info says what is at the far end.
func (t *Target) Info() targets.Info {
	return targets.Info{
		Set: t.set, OS: "linux", Machine: true, Attached: true, Stub: "kdb",
		Limits: targets.Limits{MemoryBytes: burstMax * burstChunk, BytesPerSec: 11520, Bits: targets.TrapsAdvance | targets.NoStepOver | targets.HotTraps | targets.StepsStopped | targets.HardwareUnproven},
	}
}

func threadOf(cpu int) targets.ThreadID { return targets.ThreadID{Thread: int64(cpu) + 1} }

// stopped says why the console cannot be asked, nil when it can.
func (t *Target) stopped() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return t.err
	}
	if t.running {
		return targets.ErrRunning
	}
	return nil
}

// command types a line and returns its answer; a refusal is an error.
func (t *Target) command(ctx context.Context, op, line string) (string, error) {
	if err := t.stopped(); err != nil {
		return "", err
	}
	c := &typed{line: line}
	out, err := t.c.run(ctx, c)
	if err != nil {
		return "", err
	}
	t.mu.Lock()
	t.cpu = c.cpu
	t.mu.Unlock()
	return out, refusal(op, out)
}

// Threads lists the processors.
func (t *Target) Threads(ctx context.Context) ([]targets.Thread, error) {
	out, err := t.command(ctx, "listing processors", "cpu")
	if err != nil {
		return nil, err
	}
	var list []targets.Thread
	for _, n := range parseCPUs(out) {
		list = append(list, targets.Thread{ID: threadOf(n), Name: fmt.Sprintf("CPU %d", n), CPU: n})
	}
	if len(list) == 0 {
		return nil, &targets.ProtocolError{Op: "listing processors", Sent: "cpu", Got: out}
	}
	t.mu.Lock()
	t.cpus = len(list)
	t.mu.Unlock()
	return list, nil
}

// home makes the processor that stopped the console's current one.
func (t *Target) home(ctx context.Context) error {
	t.mu.Lock()
	cpu := t.stop.cpu
	t.mu.Unlock()
	return t.onCPU(ctx, cpu)
}

// onCPU makes a processor the console's current one.
func (t *Target) onCPU(ctx context.Context, cpu int) error {
	t.mu.Lock()
	there := t.cpu == cpu && !t.astray
	t.mu.Unlock()
	if there {
		return nil
	}
	_, err := t.command(ctx, fmt.Sprintf("selecting processor %d", cpu), fmt.Sprintf("cpu %d", cpu))
	if err == nil {
		t.mu.Lock()
		t.astray = false
		t.mu.Unlock()
	}
	return err
}

// Modules lists loaded modules; the kernel itself is not among them.
func (t *Target) Modules(ctx context.Context) ([]targets.Module, error) {
	out, err := t.command(ctx, "listing modules", "lsmod")
	if err != nil {
		return nil, err
	}
	return parseModules(out), nil
}

// anchors are symbols every kernel has; kdb evaluates them.
var anchors = []string{"_text", "_stext", "init_task", "jiffies"}

// Anchors evaluates a few symbols. One the kernel does not know is left out.
func (t *Target) Anchors(ctx context.Context) (map[string]arch.Addr, error) {
	found := map[string]arch.Addr{}
	for _, name := range anchors {
		out, err := t.command(ctx, "evaluating "+name, name)
		var refused *targets.RefusedError
		if errors.As(err, &refused) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if a, ok := parseExpression(out); ok {
			found[name] = a
		}
	}
	return found, nil
}

// Close parts from the kernel: Detach clears our breakpoints and lets it go,
// Leave leaves it at the prompt, Kill reboots it.
func (t *Target) Close(ctx context.Context, how targets.Parting) error {
	stopped := t.stopped() == nil
	t.mu.Lock()
	again := t.parting
	t.parting = true // nothing but Gone is told from now on
	t.mu.Unlock()
	var err error
	if stopped && !again {
		switch how {
		case targets.Detach:
			if _, err = t.command(ctx, "clearing breakpoints", "bc *"); isRefused(err) { // there were none
				err = nil
			}
			err = errors.Join(err, t.Resume(ctx, targets.Resume{Default: targets.Action{Kind: targets.Go}}))
		case targets.Kill:
			err = t.letGo(ctx, "reboot")
		}
	}
	t.c.close()
	t.events.Drop()
	return err
}

// put tells an event, unless we are parting. mu is held.
func (t *Target) put(e targets.Event) {
	if !t.parting {
		t.events.Put(e)
	}
}

func isRefused(err error) bool {
	var refused *targets.RefusedError
	return errors.As(err, &refused)
}
