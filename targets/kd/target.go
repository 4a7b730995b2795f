package kd

import (
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

// Options say how to speak to a target. The zero value is usable.
type Options struct {
	Peer     string        // what to call the far end in errors, such as "com1"
	Break    bool          // break into a running target while connecting
	Baud     int           // bits per second of a slow line; 0: waits are those of 115,200
	Gap      time.Duration // longest pause within a packet; 0: 1 s
	Quiet    time.Duration // silence after a damaged packet before it is asked for again; 0: 20 ms
	Ack      time.Duration // wait for an acknowledgement, beside four times that on the wire; 0: 0.5 s
	Reply    time.Duration // wait for a reply after its acknowledgement; 0: 2 s
	Resets   int           // resets sent at most while connecting; 0: no limit
	Newlines Newlines      // whether the line writes CR LF for LF
	Limit    time.Duration // for a packet to arrive at all; 0: 25 s
	Retries  int           // times an unacknowledged packet is sent at most; 0: 64
	Poke     time.Duration // between break-ins and resets that were not heard; 0: 2 s
	Told     func(string)  // trouble of the line, in the user's words; it must not block. Nil: nobody listens
	Clock    Clock         // nil: the real one
	Trace    *wire.Trace   // nil: none
}

func (o *Options) defaults() {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&o.Gap, time.Second)
	set(&o.Quiet, 20*time.Millisecond)
	set(&o.Ack, 500*time.Millisecond)
	set(&o.Reply, 2*time.Second)
	set(&o.Limit, 25*time.Second)
	set(&o.Poke, 2*time.Second)
	if o.Retries <= 0 {
		o.Retries = 64
	}
	if o.Clock == nil {
		o.Clock = realClock{}
	}
	if o.Told == nil {
		o.Told = func(string) {}
	}
	if o.Peer == "" {
		o.Peer = "the target"
	}
}

// Target is a kernel that speaks KD.
type Target struct {
	o      Options
	l      *link
	events *wire.Mailbox
	first  chan struct{} // closed when the first stop has been told, or the line is lost

	mu       sync.Mutex
	known    bool // v is of this run of the target
	v        version
	block    []byte          // DBGKD_GET_VERSION64
	running  bool            // no stop has been told since the last continue
	arrived  bool            // a state change came since then: it is being settled, or was told
	told     bool            // first is closed
	begun    bool            // the next stop to tell is the first of all
	breaks   int             // break-ins sent while connecting
	restart  bool            // the next stop is the first after a reboot
	stop     *stateChange    // the last one
	prompt   *uint32         // room for the answer the target waits for
	contexts [maxCPUs][]byte // of this stop
	traps    map[arch.Addr]*trap
	data     [4]*targets.Trap // by debug register
	dr7      uint64
	asked    bool // an interrupt has not been answered
	pokes    int  // break-ins sent since it runs
	owed     bool // a break-in the target may still remember
	parting  bool
	files    fileServer
	switched func(*stateChange) // takes the next stop, which a switch of processors makes; nil: none
	err      error              // why the line is gone
}

// defaultBaud is what a serial line is taken for.
const defaultBaud = 115200

// maxCPUs bounds what a state change may claim.
const maxCPUs = 256

// Connect speaks to the far end of conn, which it owns from now on, and returns
// at its first stop: that of a target which waits already, or which starts, or
// with Options.Break of a running one. The stop is the first event.
func Connect(ctx context.Context, conn io.ReadWriteCloser, o Options) (*Target, error) {
	o.defaults()
	t := &Target{o: o, events: wire.NewMailbox(), first: make(chan struct{}), running: true, traps: map[arch.Addr]*trap{}, dr7: dr7Reserved}
	net, datagrams := conn.(*Net)
	baud := o.Baud
	if baud == 0 && !datagrams {
		baud = defaultBaud
	}
	t.l = newLink(o.Trace.Wrap(conn), o.Clock, timing{gap: o.Gap, quiet: o.Quiet, ack: o.Ack, reply: o.Reply, limit: o.Limit, retries: o.Retries, baud: baud}, datagrams)
	t.l.frames.lines.mode = o.Newlines
	t.l.receive, t.l.anew, t.l.ended, t.l.told = t.received, t.began, t.lost, o.Told
	t.l.woke = func() {
		t.mu.Lock()
		t.owed = true
		t.mu.Unlock()
	}
	if datagrams {
		net.onRestart(func() { t.l.post(t.l.restart) })
	}
	greet := greeting{t: t}
	t.l.pokeTime = greet.next
	t.l.post(func() { t.l.poke.set(o.Poke) })
	t.l.start()
	select {
	case <-t.first:
	case <-ctx.Done():
		t.l.close()
		return nil, fmt.Errorf("connecting to %s: %w", o.Peer, &WaitError{Peer: o.Peer, Break: o.Break, Damaged: t.l.damage.row >= sameDamage, Err: ctx.Err()})
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", o.Peer, t.err)
	}
	return t, nil
}

// WaitError: no target answered.
type WaitError struct {
	Peer    string
	Break   bool
	Damaged bool // something came, and was damaged
	Err     error
}

func (e *WaitError) Error() string { return "waiting to reconnect..." }

func (e *WaitError) Unwrap() error { return e.Err }

// Hint says what the user can do.
func (e *WaitError) Hint() string {
	if e.Damaged {
		return (&SilentError{Damaged: true}).Hint()
	}
	if e.Break {
		return "Check that the target was started with kernel debugging on this line and at this speed."
	}
	return "A running target answers only when it is broken into: connect with an initial break, or restart it."
}

// greeting rouses a target of unknown state. What is booting speaks by itself;
// one that waits hears a reset, one that runs a break-in, and each is deaf to the
// other, so they alternate.
type greeting struct {
	t      *Target
	times  int
	resets int
}

func (g *greeting) next() {
	g.times++
	if g.t.o.Break && g.times%2 == 1 {
		g.t.mu.Lock()
		g.t.breaks++
		g.t.mu.Unlock()
		g.t.l.breakIn()
	} else if g.resets++; g.t.o.Resets == 0 || g.resets <= g.t.o.Resets {
		g.t.l.reset()
	}
	g.t.l.poke.set(g.t.o.Poke)
}

// began: the target began its streams anew, in the loop: it restarted, or it comes
// back to a debugger that it had given up. What it tells next shows which.
func (t *Target) began() {
	t.mu.Lock()
	waited := t.known && !t.running && !t.parting
	t.known, t.running, t.arrived, t.prompt, t.owed = false, true, false, nil, false
	t.contexts = [maxCPUs][]byte{}
	t.files.closeAll()
	t.mu.Unlock()
	if waited {
		t.put(targets.Running{Text: "The target began anew."})
	}
}

// lost: the line is gone, in the loop.
func (t *Target) lost(err error) {
	t.mu.Lock()
	if t.err = targets.ErrGone; err != nil && !t.parting {
		t.err = &lostError{err}
	}
	told, parting := t.told, t.parting
	t.told = true
	t.mu.Unlock()
	if !told {
		close(t.first)
	}
	if parting {
		err = nil
	}
	t.events.Put(targets.Gone{Err: err})
}

// lostError: the line is gone. It is an ErrGone.
type lostError struct{ err error }

func (e *lostError) Error() string   { return "the connection to the target is lost: " + e.err.Error() }
func (e *lostError) Unwrap() []error { return []error{targets.ErrGone, e.err} }

// Hint says what the user can do.
func (e *lostError) Hint() string { return "Check the line or the virtual machine, and connect again." }

// Info says what is at the far end.
func (t *Target) Info() targets.Info {
	t.mu.Lock()
	defer t.mu.Unlock()
	kind := "free"
	if t.v.major&0xff == 0xc {
		kind = "checked"
	}
	return targets.Info{
		Set: t.v.machine.set, OS: "windows", Machine: true, Attached: true, DataTraps: len(t.data),
		Stub:   fmt.Sprintf("KD, Windows %d %s", t.v.build, kind),
		Limits: targets.Limits{MemoryBytes: t.chunk(), BytesPerSec: t.l.t.baud / 10, Bits: targets.TrapsAdvance},
	}
}

// chunk is how much memory one request asks for.
func (t *Target) chunk() int {
	if t.l.ids.datagrams {
		return netChunk
	}
	return maxSent - manipulateLen
}

// Version is what a target says of itself (DBGKD_GET_VERSION64).
type Version struct {
	Major    uint16 // low byte 0xF free, 0xC checked; high byte what kind of program
	Build    uint16
	Protocol uint8
	Flags    uint16 // 1 several processors, 4 64-bit
	Machine  uint16 // IMAGE_FILE_MACHINE_x
	Pointer  int    // bytes of an address
	Kernel   arch.Addr
	Modules  arch.Addr // PsLoadedModuleList
}

// Version is that of the target's present run.
func (t *Target) Version() Version {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := t.v
	return Version{Major: v.major, Build: v.build, Protocol: v.protocol, Flags: v.flags, Machine: v.number, Pointer: v.machine.arch.PtrSize,
		Kernel: v.machine.address(v.kernel), Modules: v.machine.address(v.modules)}
}

// Threads lists the processors.
func (t *Target) Threads(ctx context.Context) ([]targets.Thread, error) {
	s, _, err := t.stopped()
	if err != nil {
		return nil, err
	}
	var out []targets.Thread
	for cpu := range max(s.processors, s.processor+1) {
		out = append(out, targets.Thread{ID: threadOf(cpu), Name: fmt.Sprintf("CPU %d", cpu), CPU: cpu})
	}
	return out, nil
}

// threadOf is the id of a processor; ids count from 1.
func threadOf(cpu int) targets.ThreadID { return targets.ThreadID{Thread: int64(cpu) + 1} }

// processorOf is the processor a thread id names.
func (t *Target) processorOf(id targets.ThreadID, s *stateChange) (int, error) {
	cpu := int(id.Thread) - 1
	if id.Process != 0 || cpu < 0 || cpu >= max(s.processors, s.processor+1) {
		return 0, fmt.Errorf("the target has no processor %v", id)
	}
	return cpu, nil
}

// stopped returns the current stop, or why there is none.
func (t *Target) stopped() (*stateChange, *machine, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.err != nil:
		return nil, nil, t.err
	case t.prompt != nil:
		return nil, nil, &targets.RefusedError{Op: "asking the target", Text: "it waits for an answer to its question", Fix: "Answer it first, or let it run on."}
	case t.running || !t.known:
		return nil, nil, targets.ErrRunning
	}
	return t.stop, t.v.machine, nil
}

// Anchors are the addresses that the version block volunteers.
func (t *Target) Anchors(ctx context.Context) (map[string]arch.Addr, error) {
	_, m, err := t.stopped()
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	v := t.v
	t.mu.Unlock()
	out := map[string]arch.Addr{"kernbase": m.address(v.kernel), "modules": m.address(v.modules)}
	if v.data == 0 {
		return out, nil
	}
	p := make([]byte, m.arch.PtrSize)
	if n, err := t.ReadMemory(ctx, targets.Space{}, m.address(v.data), p); n == len(p) {
		out["kdbg"] = arch.Addr(field(p).at(0, len(p)))
	} else if errors.Is(err, targets.ErrGone) || ctx.Err() != nil {
		return nil, err
	}
	return out, nil
}

// Close parts from the target: Detach lifts our traps and lets it run, Leave
// leaves it waiting, Kill reboots it.
func (t *Target) Close(ctx context.Context, how targets.Parting) error {
	_, _, stopped := t.stopped()
	t.mu.Lock()
	again := t.parting
	t.parting = true // nothing but Gone is told from now on
	t.mu.Unlock()
	var err error
	if stopped == nil && !again {
		switch how {
		case targets.Detach:
			for _, tr := range t.planted() {
				err = errors.Join(err, t.ClearTrap(ctx, tr))
			}
			err = errors.Join(err, t.Resume(ctx, targets.Resume{Default: targets.Action{Kind: targets.Go}}))
		case targets.Kill:
			err = t.leave(ctx, "rebooting", manipulate(apiReboot, 0))
		}
	}
	t.l.close()
	t.events.Drop()
	return err
}
