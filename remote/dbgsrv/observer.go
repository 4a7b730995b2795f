package dbgsrv

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// observer reads along on both directions of the GDB remote protocol and knows what is
// needed to part from the debuggees in the client's place. It never changes what
// passes, but takes out the byte that asks for a stop when interrupt has done that.
type observer struct {
	interrupt func(held) bool // makes a process stop whose group the stub could not signal
	changed   func(news)      // is told each time there is something else to part from

	mu      sync.Mutex
	state   parting // without its traps
	traps   map[string]bool
	full    bool // there are more traps than are kept
	news    bool // what is not told yet
	plant   []string
	lift    []string
	created bool // what the last vRun or vAttach was
	client  framer
	server  framer
}

// parting is what somebody must know who parts from debuggees without the client.
type parting struct {
	Processes []held   `json:"processes"`
	Traps     []string `json:"-"` // "0,401136,1"
	Running   bool     `json:"-"` // a stop is needed first; somebody else has to find out by himself
	NonStop   bool     `json:"nonstop"`
}

// news is what has changed of a parting.
type news struct {
	parting              // without its traps
	plant, lift []string // of its traps
	traps       func() []string
}

// Bounds of what is remembered of traps: a client that has more is let go, for they
// could not be lifted in its place.
const (
	maxTraps = 1 << 16
	maxTrap  = 64 // bytes of one's description; a longer one is none
)

// held is a process that the stub holds.
type held struct {
	PID     int64  `json:"pid"`
	Began   uint64 `json:"began"`   // when it was started: the number may be another's one day
	Created bool   `json:"created"` // it was started for the client, and ends with it
}

// framer finds packets in one direction of the stream.
type framer struct {
	in     bool // between '$' or '%' and '#'
	sum    int  // digits of a checksum that are still to come
	packet []byte
}

// maxSeen is how much of a packet is looked at: the beginnings of all that matter.
const maxSeen = 1024

// take passes one byte; ended reports that packet is whole.
func (f *framer) take(c byte) (ended bool) {
	switch {
	case f.sum > 0:
		f.sum--
	case !f.in:
		if f.in = c == '$' || c == '%'; f.in {
			f.packet = f.packet[:0]
		}
	case c == '#':
		f.in, f.sum = false, 2
		return true
	case c == '$': // the one before was cut off
		f.packet = f.packet[:0]
	default:
		if len(f.packet) < maxSeen {
			f.packet = append(f.packet, c)
		}
	}
	return false
}

// fromClient looks at bytes on their way to the stub and returns those to pass on; nil
// when the client is to be let go.
func (o *observer) fromClient(p []byte) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := p
	for i, c := range p {
		if c == 0x03 && !o.client.in && o.client.sum == 0 && o.interrupted() {
			if len(out) == len(p) {
				out = append([]byte(nil), p...)
			}
			out[i] = '+' // an acknowledgement too many means nothing
			continue
		}
		if o.client.take(c) {
			o.request(o.client.packet)
		}
	}
	o.tell()
	if o.full {
		return nil
	}
	return out
}

// interrupted stops a process in a way that the stub does not know; o.mu is held.
func (o *observer) interrupted() bool {
	return o.interrupt != nil && len(o.state.Processes) > 0 && o.interrupt(o.state.Processes[0])
}

// fromStub looks at bytes on their way to the client.
func (o *observer) fromStub(p []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(p) > 0 {
		if o.server.in { // long answers are passed over quickly
			n := bytes.IndexByte(p, '#')
			if n < 0 {
				n = len(p)
			}
			if room := maxSeen - len(o.server.packet); room > 0 {
				o.server.packet = append(o.server.packet, p[:min(n, room)]...)
			}
			if p = p[n:]; len(p) > 0 {
				o.server.take('#')
				o.reply(o.server.packet)
				p = p[1:]
			}
			continue
		}
		o.server.take(p[0])
		p = p[1:]
	}
	o.tell()
}

// request is a packet of the client; o.mu is held.
func (o *observer) request(packet []byte) {
	if len(packet) == 0 {
		return
	}
	s := &o.state
	text := string(packet)
	word, rest, _ := strings.Cut(text, ";")
	switch {
	case packet[0] == 'Z' || packet[0] == 'z':
		o.trap(packet[0] == 'Z', word[1:]) // a condition may follow
	case word == "vCont" || text == "c" || text == "s" || packet[0] == 'C' || packet[0] == 'S':
		s.Running = true
		return
	case word == "vAttach":
		o.created = false
		return
	case word == "vRun" || packet[0] == 'A':
		o.created = true
		return
	case word == "D":
		o.drop(rest)
	case word == "vKill":
		o.drop(rest)
	case text == "k":
		s.Processes = nil
	case text == "QNonStop:1":
		s.NonStop = true
	default:
		return
	}
	o.news = true
}

// trap notes that one is planted or lifted; o.mu is held.
func (o *observer) trap(planted bool, which string) {
	switch {
	case planted == o.traps[which] || len(which) > maxTrap:
	case !planted:
		delete(o.traps, which)
		o.plant, o.lift = instead(o.plant, o.lift, which)
	case len(o.traps) == maxTraps:
		o.full = true
	default:
		if o.traps == nil {
			o.traps = map[string]bool{}
		}
		o.traps[which] = true
		o.lift, o.plant = instead(o.lift, o.plant, which)
	}
}

// instead takes which back from a list, or puts it into the other one.
func instead(from, to []string, which string) (_, _ []string) {
	if i := slices.Index(from, which); i >= 0 {
		return slices.Delete(from, i, i+1), to
	}
	return from, append(to, which)
}

// reply is a packet of the stub; o.mu is held. Only stops are of interest, and what
// they tell of processes.
func (o *observer) reply(packet []byte) {
	text := strings.TrimPrefix(string(packet), "Stop:")
	if text == "" || strings.IndexByte("TWX", text[0]) < 0 || len(text) < 3 {
		return
	}
	before := len(o.state.Processes)
	if text[0] != 'T' { // W00;process:4db4
		if _, pid, ok := strings.Cut(text, "process:"); ok {
			o.drop(pid)
		} else {
			o.state.Processes = nil
		}
	} else {
		for _, field := range strings.Split(text[3:], ";") {
			key, value, _ := strings.Cut(field, ":")
			switch key {
			case "thread", "fork", "vfork", "process":
				o.add(value)
			}
		}
	}
	o.state.Running = o.state.Running && o.state.NonStop
	o.news = o.news || len(o.state.Processes) != before
}

// add notes the process of a thread id such as p46d8.46d8; o.mu is held. lldb-server
// tells threads alone: the first one has the process's number.
func (o *observer) add(id string) {
	id, ok := strings.CutPrefix(id, "p")
	if !ok && len(o.state.Processes) > 0 {
		return
	}
	id, _, _ = strings.Cut(id, ".")
	pid, err := strconv.ParseInt(id, 16, 64)
	if err != nil || pid <= 0 || slices.ContainsFunc(o.state.Processes, func(h held) bool { return h.PID == pid }) {
		return
	}
	o.state.Processes = append(o.state.Processes, held{pid, began(pid), o.created})
}

// drop forgets a process, all of them when id is ""; o.mu is held.
func (o *observer) drop(id string) {
	pid, err := strconv.ParseInt(id, 16, 64)
	o.state.Processes = slices.DeleteFunc(o.state.Processes, func(h held) bool { return err != nil || h.PID == pid })
	if len(o.state.Processes) == 0 {
		for t := range o.traps {
			o.plant, o.lift = instead(o.plant, o.lift, t)
		}
		clear(o.traps)
	}
}

// tell passes news on; o.mu is held.
func (o *observer) tell() {
	if o.news && o.changed != nil {
		o.changed(news{o.state.clone(), o.plant, o.lift, o.planted})
	}
	o.news, o.plant, o.lift = false, nil, nil
}

// overflown reports whether there were too many traps.
func (o *observer) overflown() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.full
}

// planted lists the traps; o.mu is held.
func (o *observer) planted() []string { return slices.Sorted(maps.Keys(o.traps)) }

// know is what is known now.
func (o *observer) know() parting {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.state.clone()
	p.Traps = o.planted()
	return p
}

func (p parting) clone() parting {
	p.Processes = slices.Clone(p.Processes)
	return p
}
