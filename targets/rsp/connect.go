package rsp

import (
	"context"
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

// offered is what we tell the far end we understand. swbreak, hwbreak and the
// fork family change what stops look like; xmlRegisters makes gdbserver describe
// its x86 registers; single-inf-arg has arguments travel as the line a shell reads.
const offered = offeredBriefly + ";xmlRegisters=i386"

// offeredBriefly leaves xmlRegisters out, see described.
const offeredBriefly = "qSupported:multiprocess+;swbreak+;hwbreak+;qRelocInsn-;fork-events+;vfork-events+;exec-events+;" +
	"vContSupported+;QThreadEvents+;no-resumed+;error-message+;single-inf-arg+"

// defaultPacket is assumed where the far end names no PacketSize: 400 bytes is
// what GDB assumes of any stub.
const defaultPacket = 400

// Connect speaks to the far end of conn, which it owns from now on. The far end
// may hold a process or a machine (see Target) or serve processes (see Link).
func Connect(ctx context.Context, conn io.ReadWriteCloser, o Options) (*Conn, error) {
	return begin(ctx, conn, o, nil)
}

// begin is Connect; line is conn where that is one to a kernel's kgdb.
func begin(ctx context.Context, conn io.ReadWriteCloser, o Options, line *kgdbLine) (*Conn, error) {
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Hello <= 0 {
		o.Hello = 5 * time.Second
	}
	if o.Peer == "" {
		o.Peer = "the far end"
	}
	c := &Conn{
		o: o, rw: conn, line: line, direct: buffered(conn), dec: newDecoder(conn), packetSize: defaultPacket, serial: line == nil,
		lost: make(chan struct{}), leave: make(chan struct{}), written: make(chan struct{}),
		toSend: make(chan struct{}, 1), token: make(chan struct{}, 1), targets: map[int64]*Target{}, children: map[int64]*child{},
	}
	c.dec.traced = o.Trace != nil
	c.watch = time.AfterFunc(o.Timeout, c.overdue)
	c.watch.Stop()
	c.done.Add(2)
	go c.reader()
	go c.writer()
	if line != nil {
		c.stepping = map[threadID]ownRegisters{}
		line.saying(c.spoke)
	}
	if err := c.start(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Conn) start(ctx context.Context) error {
	if err := c.hello(ctx); err != nil {
		return err
	}
	if c.feature("QStartNoAckMode") {
		r := ask("QStartNoAckMode")
		if err := c.exchange(ctx, r); err != nil {
			return err
		}
		c.mu.Lock()
		c.serial = string(r.reply) != "OK"
		c.mu.Unlock()
	}
	if err := c.goNonStop(ctx); err != nil {
		return err
	}
	return c.look(ctx)
}

// hello asks the first question and finds out whether a stub answers at all.
func (c *Conn) hello(ctx context.Context) error {
	first, cancel := context.WithTimeout(ctx, c.o.Hello)
	defer cancel()
	r := ask(offered)
	if err := c.exchange(first, r); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return c.noStub(err)
	}
	if isError(r.reply) {
		r.reply = nil
	}
	c.learn(string(r.reply))
	return nil
}

// noStub says what answered when it was not a stub. The noise is read under the
// reader's nose: the connection is closed first.
func (c *Conn) noStub(err error) error {
	c.fail(err)
	c.done.Wait()
	e := &targets.ProtocolError{
		Op:   c.o.Peer + " answered but does not speak the GDB remote protocol",
		Sent: "qSupported", Got: string(c.dec.noise),
		Fix: "Check host and port: a gdbserver, QEMU's -gdb port or a kgdb line must listen there, and serve no other debugger.",
	}
	if len(c.dec.noise) == 0 {
		e.Op = c.o.Peer + " accepted the connection but does not speak the GDB remote protocol"
		if errors.Is(err, context.DeadlineExceeded) {
			e.Got = fmt.Sprintf("silence for %v", c.o.Hello)
		} else {
			e.Got = "a closed connection"
		}
	}
	return e
}

func (c *Conn) learn(reply string) {
	c.features = map[string]string{}
	for _, f := range strings.Split(reply, ";") {
		if name, value, ok := strings.Cut(f, "="); ok {
			c.features[name] = value
		} else if f != "" {
			c.features[f[:len(f)-1]] = f[len(f)-1:]
		}
	}
	if c.kind = kindOf(c.features); c.line != nil {
		c.kind = kgdbStub
	}
	if c.feature("binary-upload") {
		c.reads = markedReads
	}
	if c.kind.packet > 0 {
		c.packetSize = c.kind.packet
	}
	base := 16
	if c.kind.decimal {
		base = 10
	}
	if n, err := strconv.ParseUint(c.features["PacketSize"], base, 32); err == nil && n >= 64 {
		c.packetSize = int(min(n, maxPacket/4))
	}
}

// feature reports whether the far end offered name.
func (c *Conn) feature(name string) bool { return c.features[name] == "+" }

// has reports whether the far end answers qXfer:object:read.
func (c *Conn) has(object string) bool { return c.feature("qXfer:" + object + ":read") }

// look finds out in one flight what the far end holds.
func (c *Conn) look(ctx context.Context) error {
	d := c.description(0)
	stop, actions, phys := ask("?"), ask("vCont?"), ask("qqemu.Supported")
	// ? comes first: gdbserver has no current process before, and dies of some
	// questions about it.
	reqs := []*request{stop}
	if c.nonstop { // where ? leaves it without one
		reqs = append(reqs, ask("Hgp0.0"))
	}
	reqs = append(reqs, d.requests()...)
	reqs = append(reqs, actions)
	if c.kind == unknownStub {
		reqs = append(reqs, phys)
	}
	dialect, more := c.dialect()
	reqs = append(append(reqs, c.settings()...), more...)
	if err := c.exchange(ctx, reqs...); err != nil {
		return err
	}
	c.physical = strings.Contains(string(phys.reply), "PhyMemMode")
	switch {
	case c.physical:
		c.kind = qemuStub
	case strings.Contains(string(phys.reply), "sstep"):
		c.kind = qemuUserStub
	}
	c.readActions(string(actions.reply))
	if len(stop.reply) == 0 && c.kind.name == lldbName { // what it holds is behind other ports
		c.platform = true
		return nil
	}
	if isError(stop.reply) && c.kind.name == lldbName { // an lldb-server that was given no process yet
		return nil
	}
	s, err := c.parseStop(stop.reply, nil)
	if err != nil {
		return &targets.ProtocolError{Op: "asking " + c.o.Peer + " why the debuggee waits", Sent: "?", Got: string(stop.reply)}
	}
	c.first = s
	if s.gone {
		if err := c.leaveNonStop(ctx); err != nil {
			return err
		}
		// A process server that was not told this ends with our connection.
		return c.exchange(ctx, c.extend()...)
	}
	return c.hold(ctx, s, d, dialect)
}

// hold makes the Target of what the far end held already.
func (c *Conn) hold(ctx context.Context, s *stopReply, d *description, spoken dialect) error {
	info, err := c.finish(ctx, d, false)
	if err != nil {
		return err
	}
	spoken.learn(c, info)
	if err := c.startCollecting(ctx); err != nil {
		return err
	}
	if s.thread.process > 0 {
		info.pid = s.thread.process
	}
	if c.line != nil {
		if err := c.findCPUs(ctx, s); err != nil {
			return err
		}
	}
	if s.thread.thread == 0 {
		if err := c.someThread(ctx, s); err != nil {
			return err
		}
	}
	c.whole = c.newTarget(info, s)
	return nil
}

// someThread fills in the thread of a first stop that named none.
func (c *Conn) someThread(ctx context.Context, s *stopReply) error {
	qc, list := ask("qC"), ask("qfThreadInfo")
	if err := c.exchange(ctx, qc, list); err != nil {
		return err
	}
	if id, ok := strings.CutPrefix(string(qc.reply), "QC"); ok {
		s.thread, _ = parseThread(id)
	}
	if s.thread.thread == 0 && len(list.reply) > 1 && list.reply[0] == 'm' {
		first, _, _ := strings.Cut(string(list.reply[1:]), ",")
		s.thread, _ = parseThread(first)
	}
	if s.thread.thread == 0 {
		s.thread.thread = 1 // a stub without threads: any id will do
	}
	return nil
}

// settings are requests that make the far end behave; their answers do not matter.
func (c *Conn) settings() []*request {
	var out []*request
	if c.feature("QPassSignals") {
		out = append(out, c.passSignals(quiet))
	}
	if c.o.ThreadEvents && c.feature("QThreadEvents") {
		out = append(out, ask("QThreadEvents:1"))
	}
	return out
}

// passSignals names the signals in the order of their numbers on the wire: GNU
// gdbserver walks the list once and drops what comes after a larger one.
func (c *Conn) passSignals(linux []int) *request {
	numbers := make([]int, len(linux))
	for i, s := range linux {
		numbers[i] = int(c.signalOut(s))
	}
	slices.Sort(numbers)
	text := make([]string, len(numbers))
	for i, n := range numbers {
		text[i] = hexUint(uint64(n))
	}
	return ask("QPassSignals:%s", strings.Join(text, ";"))
}

// readActions understands the answer to vCont?.
func (c *Conn) readActions(reply string) {
	rest, ok := strings.CutPrefix(reply, "vCont")
	if !ok {
		return
	}
	c.vCont = map[string]bool{}
	for _, a := range strings.Split(rest, ";") {
		c.vCont[a] = true
	}
	if !c.vCont["c"] || !c.vCont["s"] {
		c.vCont = nil
	}
}

// Target is what the far end held when we came: a process or a machine. It is
// nil for a process server that holds nothing.
func (c *Conn) Target() *Target { return c.whole }

// Server reports whether the far end serves processes: Attach and Launch may work.
func (c *Conn) Server() bool { return c.feature("multiprocess") && c.feature("QStartupWithShell") }

func (c *Conn) arch() *arch.Arch {
	if c.o.Arch != nil {
		return c.o.Arch
	}
	return arch.AMD64
}
