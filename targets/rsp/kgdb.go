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
	if kernelBegins().MatchString(text) {
		c.begins(c.whole)
	}
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
	return c.findCPU(ctx, s, false)
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
	task   threadID // as the stop named it
	g      []byte   // nil: they may have changed
	behind bool     // the program counter in g is not the kernel's, which is behind a trap
	pc     uint64   // at the stop
	last   []byte   // what g told or G wrote last: what a step begins with
}

// changesRegisters reports whether a request may: it writes them, lets the kernel run,
// or is a command of kdb's.
func changesRegisters(payload string) bool {
	return strings.IndexByte("GPcCsSDR3", payload[0]) >= 0 || strings.HasPrefix(payload, "qRcmd")
}

// leaves drops what is known of the registers where request r may change them. A program
// counter that is still to be put back to a trap travels with c and s, which may be held
// up yet: see gone. Before anything else it is written, by the requests that are returned.
// c.mu is held.
func (c *Conn) leaves(r *request) (before []*request) {
	own := &c.own
	if written, ok := strings.CutPrefix(r.payload, "G"); ok && c.general == own.thread {
		own.wrote([]byte(written))
	}
	if own.g == nil || r.resume && r.payload[0] != 'C' || !changesRegisters(r.payload) {
		return nil
	}
	if own.behind && !strings.HasPrefix(r.payload, setPC) {
		before = c.putBack()
	}
	own.g, own.behind = nil, false
	return before
}

// wrote takes in the registers that are written by G.
func (own *ownRegisters) wrote(g []byte) {
	if pc, ok := word(g, 16*ripNumber, 16); ok {
		own.pc, own.last = pc, g
	}
}

// gone drops what is known of the registers as the kernel goes on; c.mu is held.
func (c *Conn) gone() { c.own.g, c.own.behind = nil, false }

// setPC begins the packet that writes the program counter.
var setPC = fmt.Sprintf("P%x=", ripNumber)

// putBack are the requests that write a program counter which is still to be put back to
// a trap; c.mu is held.
func (c *Conn) putBack() []*request {
	at := hex.EncodeToString(binary.LittleEndian.AppendUint64(nil, c.own.pc))
	c.general = c.own.thread
	return []*request{ask("Hg%s", c.own.thread), ask("%s%s", setPC, at)} // P is refused of any other
}

// findCPU finds the processor that stopped: the stub names its task. A step leaves that
// where it was.
func (c *Conn) findCPU(ctx context.Context, s *stopReply, stepped bool) error {
	own := ask("g")
	if err := c.exchangeAs(ctx, true, []*request{own}); err != nil {
		return err
	}
	s.adopt(own.reply)
	task, spoken := s.thread, threadID{}
	switch {
	case task.thread != 0 && !isTask(task):
	case stepped && task == c.own.task:
		s.thread = c.own.thread
	default:
		var err error
		if spoken, err = c.whichCPU(ctx, s, own.reply); err != nil {
			return err
		}
	}
	if spoken.thread == 0 {
		spoken = s.thread
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.general, c.own = spoken, ownRegisters{thread: s.thread, task: task}
	if !isError(own.reply) {
		c.own.g, c.own.last, c.own.pc = own.reply, own.reply, littleUint(s.regs[ripNumber])
	}
	return nil
}

// whichCPU finds the processor by the kernel's own word for it, where it is known where
// that lies, else by its registers. It returns which the stub speaks of then, if it was told.
func (c *Conn) whichCPU(ctx context.Context, s *stopReply, own []byte) (spoken threadID, err error) {
	c.mu.Lock()
	at := c.active
	c.mu.Unlock()
	if at == 0 || len(c.cpus) == 1 {
		return c.compareCPUs(ctx, s, own)
	}
	r := ask("m%x,4", at)
	if err := c.exchangeAs(ctx, true, []*request{r}); err != nil {
		return spoken, err
	}
	if word, ok := unhex(r.reply); ok && len(word) == 4 && !isError(r.reply) {
		if w := (threadID{0, shadow - int64(littleUint(word))}); slices.Contains(c.cpus, w) {
			s.thread = w
			return spoken, nil
		}
	}
	return c.compareCPUs(ctx, s, own)
}

// activeAt takes in where the kernel keeps the number of the processor that is in kgdb.
func (t *Target) activeAt(value []byte) error {
	if t.c.line == nil || len(value) != 8 {
		return errors.ErrUnsupported
	}
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	t.c.active = littleUint(value)
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
	return spoken, nil
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

// Numbers on the wire of the program counter and the stack pointer.
const (
	ripNumber = 16
	rspNumber = 7
)

// digitsBeforePC is how many digits of g are registers that int3 leaves alone: those
// before the program counter. x86's flags follow that.
const digitsBeforePC = 16 * ripNumber

// traceFlag is x86's TF, which is set in what is saved at the end of a step.
const traceFlag = 1 << 8

// word is a number of n digits in g, least significant byte first.
func word(g []byte, from, n int) (uint64, bool) {
	if len(g) < from+n {
		return 0, false
	}
	v, ok := unhex(g[from : from+n])
	return littleUint(v), ok
}

// traced reports whether the processor with these registers has stepped: it was not in
// the handler of an interrupt, which is entered without the flag.
func traced(g []byte) bool {
	flags, ok := word(g, digitsBeforePC+16, 8)
	return ok && flags&traceFlag != 0
}

// ranInto reports whether a processor that is one byte behind a software trap, with the
// registers now, has sprung that; was is how a step of it began that was not told yet, nil
// if there is none. The step's own end may be there as well: the trap may have been set
// since, behind an instruction of one byte. That changes a register, which int3 does not;
// or nothing is lost when it is executed again. popf clears the flag and takes its word
// from the stack; who is in a handler has not stepped yet.
func ranInto(was *ownRegisters, now []byte) bool {
	pc, ok := word(now, digitsBeforePC, 16)
	if was == nil || !ok || len(was.last) < digitsBeforePC {
		return true
	}
	if was.pc != pc-1 {
		return !traced(now)
	}
	before, _ := word(was.last, 16*rspNumber, 16)
	sp, _ := word(now, 16*rspNumber, 16)
	stepped := traced(now) || sp > before
	return !stepped || string(was.last[:digitsBeforePC]) == string(now[:digitsBeforePC])
}

// atTrap puts the program counter of who ran into a software trap back to it, as those
// above see it: the stub leaves it behind the trap's instruction until the kernel goes on.
// was is how a step began that the stop may end, nil: it ends none.
func (t *Target) atTrap(s *stopReply, was *ownRegisters) (trapped bool) {
	pc := littleUint(s.regs[ripNumber])
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	own := &t.c.own
	_, trapped = t.traps[key(targets.Trap{Addr: arch.Addr(pc - 1)})]
	if !trapped || s.signal != gdbSIGTRAP || !ranInto(was, own.g) {
		return false
	}
	at := binary.LittleEndian.AppendUint64(nil, pc-1)
	s.regs[ripNumber] = at
	if from := digitsBeforePC; len(own.g) >= from+16 {
		own.g = slices.Concat(own.g[:from], []byte(hex.EncodeToString(at)), own.g[from+16:])
		own.pc, own.behind = pc-1, true
	}
	return true
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

// settleKGDB tells a stop of kgdb, whose processor must be found first. While one steps
// the others run, and any of them may stop before it has stepped: it stops then later.
func (c *Conn) settleKGDB(t *Target, rn *run, s *stopReply) {
	defer c.done.Done()
	ctx, cancel := context.WithTimeout(context.Background(), c.o.Timeout)
	defer cancel()
	c.mu.Lock()
	was := c.own
	m := t.motion
	stepped := m != nil && m.resume.Action(t.id(t.thread)).Kind == targets.Step
	c.mu.Unlock()
	again, err := c.restarted(ctx, t)
	if err == nil {
		err = c.findCPU(ctx, s, stepped && !again)
	}
	if err != nil && !errors.Is(err, errReset) {
		c.fail(fmt.Errorf("after a stop: %w", err))
		return
	}
	stepped = stepped && !again
	from := c.stepFrom(was, s.thread, stepped)
	trapped := t.atTrap(s, from)
	c.steppedOff(s.thread, trapped)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.rebooted: // meanwhile: the next kernel's stop is told
		rn.stopped = false
		c.expectStop()
		return
	case again:
		s.reason, s.named = targets.Reset, true
	case s.signal != gdbSIGTRAP || s.named:
	case trapped:
		s.reason, s.named = targets.Breakpoint, true
	case from != nil && rn.interrupts == 0:
		s.reason, s.named = targets.Stepped, true
	case from == nil && stepped && rn.interrupts == 0:
		s.reason, s.named = targets.Exception, true // another has entered the debugger by itself
	}
	c.tell(t, rn, s)
}

// stepFrom is where the processor that stopped began to step, nil if it did not. One that
// was told to step is remembered until it stops.
func (c *Conn) stepFrom(was ownRegisters, stopped threadID, stepped bool) *ownRegisters {
	c.mu.Lock()
	defer c.mu.Unlock()
	if stepped {
		c.stepping[was.thread] = was
	}
	if began, ok := c.stepping[stopped]; ok {
		return &began
	}
	return nil
}

// steppedOff forgets the step of the processor that stopped, unless it has come to a trap
// in the handler of an interrupt: it steps when it is back.
func (c *Conn) steppedOff(stopped threadID, trapped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !trapped || traced(c.own.g) {
		delete(c.stepping, stopped)
	}
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
	at := ""
	if t.c.own.behind {
		at = fmt.Sprintf("%x", t.c.own.pc)
	}
	if r.Action(own).Kind == targets.Step {
		return []string{"s" + at}, nil
	}
	if deliver && t.delivered(own, r.Action(own).Deliver) != 0 {
		return []string{"C09"}, nil // the kernel deals with the exception; after c it would fault again
	}
	return []string{"c" + at}, nil
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
