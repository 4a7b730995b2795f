package sim

import (
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// Options say what a target is like. The zero value is usable.
type Options struct {
	Processors  int           // 0: 2
	Seed        uint64        // of the garbage in unused fields
	Retries     int           // times a packet is sent before the debugger counts as absent; 0: 20
	BootRetries int           // the same while booting; 0: 5
	ByteWait    time.Duration // longest gap within a packet; 0: 15 ms
	AckWait     time.Duration // for an acknowledgement; 0: 150 ms
	Tick        time.Duration // of the clock; 0: 10 ms
	Strict      bool          // data in place of an acknowledgement is treated as Singularity does; else as ReactOS
	NoContextEx bool          // GetContextEx and SetContextEx are unknown
	ShortReport bool          // the machine speaks as a boot debugger: no data list, no 64-bit flag
	Script      []Command     // what happens by itself
	Alone       bool          // nobody debugs it when it starts; a break-in finds it running
	Modules     int           // at least as many are in the kernel's list once it has booted; 0: those that are there
	Files       bool          // asks the debugger for drivers it may replace
	Log         func(string)  // told what happens; nil: nobody
}

// Command makes the guest do something at a clock tick; numbers are those of
// DemoObey in the guest.
type Command struct {
	Tick uint64
	Do   uint32
}

// Commands names what a script can order.
var Commands = map[string]uint32{"load": 1, "unload": 2, "bugcheck": 3, "fault": 4, "prompt": 5, "burst": 6, "break": 7,
	"assert": 8, "string": 9, "symbols": 10, "reboot": 11, "divide": 12, "shutdown": 13}

func (o *Options) defaults() {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&o.ByteWait, 15*time.Millisecond)
	set(&o.AckWait, 150*time.Millisecond)
	set(&o.Tick, 10*time.Millisecond)
	for p, v := range map[*int]int{&o.Processors: 2, &o.Retries: 20, &o.BootRetries: 5} {
		if *p <= 0 {
			*p = v
		}
	}
}

type phase int

const (
	running   phase = iota // the guest works
	sending                // a packet waits for its acknowledgement
	commanded              // stopped: requests are served
	asking                 // a question waits for its answer
	filing                 // a file request waits for its answer
)

// Target is a simulated machine with a KD target in it. It does nothing by
// itself: bytes are put in, time is told, bytes come out.
type Target struct {
	o    Options
	rand *rand.Rand
	c    *computer
	g    *Guest
	line line

	phase   phase
	now     time.Time
	tick    time.Time // when the next is due
	start   time.Time
	present bool // a debugger is thought to be there
	owed    bool // a break-in came while stopped

	// of a packet under way
	kind    uint16
	payload []byte
	tries   int
	due     time.Time
	sent    func(ok bool) // what follows

	// of a stop
	state    []byte // the state change, as it was told
	current  *processor
	code     uint32 // exception code, 0: another kind of stop
	pc       uint64 // where it stopped
	gotten   bool   // a context was read in this stop
	slots    [32]slotState
	body     func(data []byte)                   // serves requests in place of serve, where the machine is another
	answered func(kind uint16, data []byte) bool // while asking or filing
	staged   []byte                              // of SetContextEx
	Stops    int                                 // state changes so far that were new
}

// slotState is a breakpoint of the target's table.
type slotState struct {
	used  bool
	owed  bool // its page was not resident
	addr  uint64
	saved byte
}

// New makes a machine that is switched off until Run is first called.
func New(g *Guest, o Options) (*Target, error) {
	o.defaults()
	t := &Target{o: o, g: g, rand: newRand(o.Seed)}
	t.line = &serial{t: t}
	return t, t.power()
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x6b64)) }

// power starts the machine, for the first time or again.
func (t *Target) power() error {
	c, err := newComputer(t.g, t.o.Processors)
	if err != nil {
		return err
	}
	c.crowded = t.o.Modules
	t.adopt(c)
	return nil
}

func (t *Target) adopt(c *computer) {
	c.pollBreak = t.poll
	c.command = t.scripted
	t.c, t.phase, t.present, t.owed, t.slots, t.state = c, running, !t.o.Alone, false, [32]slotState{}, nil
	t.o.Alone = false // but the first time
	t.tick = t.now.Add(t.o.Tick)
	t.line.anew()
}

func (t *Target) log(s string) {
	if t.o.Log != nil {
		t.o.Log(s)
	}
}

// scripted is what the demonstration thread is told to do now.
func (t *Target) scripted() uint32 {
	if len(t.o.Script) > 0 && t.c.ticks >= t.o.Script[0].Tick {
		do := t.o.Script[0].Do
		t.o.Script = t.o.Script[1:]
		return do
	}
	return 0
}

// Run lets the machine work until now and returns what it sent meanwhile, and
// when it wants to be called again at the latest.
func (t *Target) Run(now time.Time) (out [][]byte, next time.Time, err error) {
	t.now = now
	if t.start.IsZero() {
		t.start, t.tick = now, now.Add(t.o.Tick)
		t.line.begin()
	}
	for t.c.bad == nil {
		if t.c.restart {
			t.log("restart")
			if err := t.power(); err != nil {
				return nil, now, err
			}
			t.line.begin()
		}
		if t.phase == running {
			if !t.work() {
				return t.line.flush(), t.tick, nil
			}
			continue
		}
		if !t.line.receive() && !t.late() {
			next := t.line.deadline()
			if t.phase == sending && (next.IsZero() || t.due.Before(next)) {
				next = t.due
			}
			if next.IsZero() {
				next = now.Add(time.Second)
			}
			return t.line.flush(), next, nil
		}
	}
	return t.line.flush(), now, t.c.bad
}

// work lets the guest run; false when it has nothing to do before the next tick.
func (t *Target) work() bool {
	if !t.now.Before(t.tick) {
		t.tick = t.tick.Add(t.o.Tick)
		if t.tick.Before(t.now) {
			t.tick = t.now.Add(t.o.Tick)
		}
		t.c.tick()
	}
	if e, ok := t.c.run(20); ok {
		t.happened(e)
		return true
	}
	return t.c.restart || !t.now.Before(t.tick)
}

// poll is a clock tick's look at the line.
func (t *Target) poll() bool {
	if t.owed {
		t.owed = false
		return true
	}
	return t.line.poll()
}

// late: no acknowledgement came in time.
func (t *Target) late() bool {
	if t.phase != sending || t.now.Before(t.due) {
		return false
	}
	t.again()
	return true
}

// send begins to send a packet; then goes on when it was acknowledged, or given up.
func (t *Target) send(kind uint16, payload []byte, then func(ok bool)) {
	t.kind, t.payload, t.sent = kind, payload, then
	t.phase, t.tries = sending, 0
	t.again()
}

// again sends the packet under way once more, or gives up where the target may.
func (t *Target) again() {
	limit := t.o.Retries
	if !t.c.booted {
		limit = t.o.BootRetries
	}
	if t.tries++; t.tries > limit && t.mayGiveUp() {
		t.log("the debugger is absent")
		t.present = false
		t.line.anew()
		t.done(false)
		return
	}
	t.transmit()
}

func (t *Target) transmit() {
	t.line.data(t.kind, t.payload)
	t.due = t.now.Add(t.o.AckWait)
}

// mayGiveUp: prints, load symbols and file creation are not worth waiting for.
func (t *Target) mayGiveUp() bool {
	api := binary.LittleEndian.Uint32(t.payload)
	return t.kind == kindIO && api == 0x3230 || t.kind == kindState && api&0xffff == 0x3031 || t.kind == kindFile && api == 0x3430
}

// done: the packet under way was acknowledged, or given up.
func (t *Target) done(ok bool) {
	then := t.sent
	t.sent, t.phase = nil, commanded
	then(ok)
}

// poison fills unused bytes.
func (t *Target) poison(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(t.rand.Uint32())
	}
	return b
}

// control handles what the line received while a packet is under way or a request
// is awaited.
func (t *Target) acknowledged() {
	if t.phase == sending {
		t.done(true)
	}
}

// repeat: the far end asks for the packet under way, or for the state change.
func (t *Target) repeat() {
	switch {
	case t.phase == sending:
		t.transmit()
	case t.phase == commanded && t.state != nil:
		t.tell()
	}
}

// broke: a break-in came while the target listens.
func (t *Target) broke() {
	t.owed = true
	t.repeat()
}

// tell sends the state change of this stop.
func (t *Target) tell() { t.send(kindState, t.state, func(bool) {}) }

// arrived is a data packet that was acknowledged.
func (t *Target) arrived(kind uint16, data []byte) {
	switch t.phase {
	case commanded:
		if kind == kindManipulate {
			if t.body != nil {
				t.body(data)
				return
			}
			t.serve(data)
		}
	case asking, filing:
		if t.answered(kind, data) {
			t.answered = nil
		}
	}
}
