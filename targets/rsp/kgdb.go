package rsp

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// kgdbStub is the stub in Linux (kernel/debug/gdbstub.c). Its buffer has BUFMAX, 1024
// bytes on x86, of which it checks nothing when it answers.
var kgdbStub = stubKind{name: "kgdb", single: true, packet: 1022, os: "linux"}

// shadow is the thread of processor 0, which counts down: a thread that runs has the
// number of its task, but for tasks without one the stub names the processor.
const (
	shadow     = 0xfffffffe
	shadowLast = shadow - 8192 // processors a kernel may have
)

// ConnectKGDB speaks to a kernel's kgdb over a line that packets share with the
// kernel's console. When the kernel runs it is broken into, or the user is told to do
// so and waited for as long as ctx.
func ConnectKGDB(ctx context.Context, rw io.ReadWriteCloser, o Options, k KGDB) (*Conn, error) {
	line := newKGDBLine(rw, k, o)
	select {
	case <-line.synced:
	case <-line.closing:
		line.Close()
		return nil, &targets.ProtocolError{Op: "connecting to kgdb at " + o.Peer, Sent: kgdbHello, Got: "a closed line"}
	case <-ctx.Done():
		line.Close()
		return nil, &KGDBSilentError{Peer: o.Peer, Advice: k.Advice, Err: ctx.Err()}
	}
	o.OS = "linuxkernel"
	o.Hello = max(o.Hello, 20*time.Second)
	return begin(ctx, line, o, line)
}

// KGDBSilentError: no kgdb listens on the line.
type KGDBSilentError struct {
	Peer   string
	Advice string // how the user makes the kernel listen
	Err    error
}

func (e *KGDBSilentError) Error() string {
	return fmt.Sprintf("no kgdb answers at %s: %v", e.Peer, e.Err)
}

// Unwrap returns why the wait ended.
func (e *KGDBSilentError) Unwrap() error { return e.Err }

// Hint says what the user can do.
func (e *KGDBSilentError) Hint() string { return e.Advice }

// spoke takes text of the kernel's console.
func (c *Conn) spoke(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.say(text)
}

// kgdbID shows a thread of kgdb: processors count from 1, tasks have their number as
// process and thread.
func kgdbID(w threadID) targets.ThreadID {
	if w.thread <= shadow && w.thread > shadowLast {
		return targets.ThreadID{Thread: shadow - w.thread + 1}
	}
	return targets.ThreadID{Process: w.thread, Thread: w.thread}
}

// kgdbWire is the reverse of kgdbID.
func kgdbWire(id targets.ThreadID) threadID {
	switch {
	case id == targets.ThreadID{}:
		return threadID{}
	case id.Process != 0:
		return threadID{0, id.Process}
	}
	return threadID{0, shadow + 1 - id.Thread}
}

// findCPUs lists the processors, which come before the tasks, and finds the one that
// stopped.
func (c *Conn) findCPUs(ctx context.Context, s *stopReply) error {
	list := &threadList{}
	for question := "qfThreadInfo"; ; question = "qsThreadInfo" {
		r := ask("%s", question)
		if err := c.exchange(ctx, r); err != nil {
			return err
		}
		if more, err := list.take(r); err != nil || !more {
			break
		}
		if slices.ContainsFunc(list.ids, isTask) {
			break
		}
	}
	c.cpus = slices.DeleteFunc(list.ids, isTask)
	if len(c.cpus) == 0 {
		c.cpus = []threadID{{0, shadow}}
	}
	return c.findCPU(ctx, s, threadID{})
}

func isTask(w threadID) bool { return w.thread > shadow || w.thread <= shadowLast }

// processors lists what can run.
func (c *Conn) processors() []targets.Thread {
	var out []targets.Thread
	for _, w := range c.cpus {
		n := int(shadow - w.thread)
		out = append(out, targets.Thread{ID: kgdbID(w), Name: fmt.Sprintf("CPU %d", n), CPU: n})
	}
	return out
}

// ownRegisters are those of the processor that stopped, as g has told them since.
type ownRegisters struct {
	thread threadID
	g      []byte // nil: they may have changed
}

// changesRegisters reports whether a request may: it writes them, lets the kernel run,
// or is a command of kdb's.
func changesRegisters(payload string) bool {
	return strings.IndexByte("GPcCsSDR3", payload[0]) >= 0 || strings.HasPrefix(payload, "qRcmd")
}

// findCPU finds the processor that stopped: the stub names its task. Of a step it is the
// one that has stepped.
func (c *Conn) findCPU(ctx context.Context, s *stopReply, stepped threadID) error {
	own := ask("g")
	if err := c.exchangeAs(ctx, true, []*request{own}); err != nil {
		return err
	}
	s.adopt(own.reply)
	var spoken threadID
	switch {
	case s.thread.thread != 0 && !isTask(s.thread):
	case stepped.thread != 0:
		s.thread = stepped
	default:
		var err error
		if spoken, err = c.compareCPUs(ctx, s, own.reply); err != nil {
			return err
		}
	}
	if spoken.thread == 0 {
		spoken = s.thread
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.general = spoken; !isError(own.reply) {
		c.own = ownRegisters{s.thread, own.reply}
	}
	return nil
}

// compareCPUs finds the processor whose registers are those that g tells unasked after a
// stop. It returns which the stub speaks of then.
func (c *Conn) compareCPUs(ctx context.Context, s *stopReply, own []byte) (spoken threadID, err error) {
	last := len(c.cpus) - 1
	for _, w := range c.cpus[:last] {
		choose, g := ask("Hg%s", w), ask("g")
		if err := c.exchangeAs(ctx, true, []*request{choose, g}); err != nil {
			return spoken, err
		}
		if spoken = w; string(g.reply) == string(own) {
			s.thread = w
			return spoken, nil
		}
	}
	s.thread = c.cpus[last]
	if spoken.thread == 0 {
		return spoken, nil
	}
	return s.thread, c.exchangeAs(ctx, true, []*request{ask("Hg%s", s.thread)}) // P is refused of any other
}

// adopt makes the registers of g part of the stop.
func (s *stopReply) adopt(g []byte) {
	if isError(g) {
		return
	}
	s.regs = map[int][]byte{}
	for i := range ripNumber + 1 { // rax to rip, 8 bytes each
		if from := 16 * i; from+16 <= len(g) {
			if v, ok := unhex(g[from : from+16]); ok {
				s.regs[i] = v
			}
		}
	}
}

// ripNumber is the program counter's number on the wire.
const ripNumber = 16

// atTrap puts the program counter of who ran into a software trap back to it: the
// stub leaves it behind the trap's instruction.
func (t *Target) atTrap(ctx context.Context, s *stopReply) error {
	pc := littleUint(s.regs[ripNumber])
	t.c.mu.Lock()
	_, trapped := t.traps[key(targets.Trap{Addr: arch.Addr(pc - 1)})]
	t.c.mu.Unlock()
	if !trapped || s.signal != gdbSIGTRAP {
		return nil
	}
	at := binary.LittleEndian.AppendUint64(nil, pc-1)
	t.c.mu.Lock()
	own := t.c.own
	t.c.mu.Unlock()
	r := ask("P%x=%s", ripNumber, hex.EncodeToString(at))
	if err := t.c.exchangeAs(ctx, true, []*request{r}); err != nil {
		return err
	}
	if string(r.reply) != "OK" {
		return wrote("putting the program counter back to a trap", r)
	}
	s.regs[ripNumber] = at
	if from := 16 * ripNumber; len(own.g) >= from+16 {
		own.g = slices.Concat(own.g[:from], []byte(hex.EncodeToString(at)), own.g[from+16:])
		t.c.mu.Lock()
		t.c.own = own
		t.c.mu.Unlock()
	}
	return nil
}

// ownG is what g tells of thread id where that is known, else nil.
func (t *Target) ownG(id threadID) []byte {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	if t.c.own.thread != id {
		return nil
	}
	return t.c.own.g
}

// settleKGDB tells a stop of kgdb, whose processor must be found first.
func (c *Conn) settleKGDB(t *Target, rn *run, s *stopReply) {
	defer c.done.Done()
	ctx, cancel := context.WithTimeout(context.Background(), c.o.Timeout)
	defer cancel()
	var stepped threadID
	c.mu.Lock()
	if m := t.motion; m != nil && m.resume.Action(t.id(t.thread)).Kind == targets.Step {
		stepped = t.thread
	}
	c.mu.Unlock()
	err := c.findCPU(ctx, s, stepped)
	if err == nil {
		err = t.atTrap(ctx, s)
	}
	if err != nil {
		c.fail(fmt.Errorf("after a stop: %w", err))
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tell(t, rn, s)
}

// kgdbPackets spells a resume: the stub steps or continues the processor that
// stopped, and lets the others run when that continues; c.mu is held.
func (t *Target) kgdbPackets(r targets.Resume, deliver bool) ([]string, error) {
	own := t.id(t.thread)
	for id, a := range r.Threads {
		if id != own && a.Kind == targets.Step {
			return nil, fmt.Errorf("stepping a processor that did not stop: %w", errors.ErrUnsupported)
		}
	}
	if r.Action(own).Kind == targets.Step {
		return []string{"s"}, nil
	}
	if deliver && t.delivered(own, r.Action(own).Deliver) != 0 {
		return []string{"C09"}, nil // the kernel deals with the exception; after c it would fault again
	}
	return []string{"c"}, nil
}

// kgdbRefusal says in words what the stub refused a trap for; its errors are Linux's
// numbers in decimal.
func kgdbRefusal(e *targets.RefusedError, reply string) {
	e.Code, _ = strconv.Atoi(reply[1:])
	switch e.Code {
	case 22:
		e.Text = "the kernel allows none there: kgdb runs through that code itself, or it cannot be written"
		e.Fix = "Set it at the next function that is called, or in its caller."
	case 7:
		e.Text = "kgdb has no room for another"
		e.Fix = "It holds 1000; remove some."
	}
}
