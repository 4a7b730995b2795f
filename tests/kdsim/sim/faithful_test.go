package sim

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"
)

// host is a debugger that speaks one packet at a time, in virtual time.
type host struct {
	t    *testing.T
	tg   *Target
	now  time.Time
	next uint32
	rest []byte
}

func newHost(t *testing.T, o Options) *host {
	t.Helper()
	tg, err := New(guest(t), o)
	if err != nil {
		t.Fatal(err)
	}
	return &host{t: t, tg: tg, now: time.Unix(1, 0), next: baseID}
}

// run lets time pass and returns the packets that came, prints left out.
func (h *host) run(d time.Duration) [][]byte {
	h.t.Helper()
	var out [][]byte
	for end := h.now.Add(d); ; {
		got, next, err := h.tg.Run(h.now)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, b := range got {
			h.rest = append(h.rest, b...)
		}
		for n := packetLen(h.rest); n > 0; n = packetLen(h.rest) {
			out = append(out, h.rest[:n:n])
			h.rest = h.rest[n:]
		}
		if next.After(end) {
			h.now = end
			return out
		}
		if !next.After(h.now) {
			next = h.now.Add(time.Millisecond)
		}
		h.now = next
	}
}

func (h *host) write(b []byte) { h.tg.Put(b) }

func kindOf(p []byte) uint16 { return binary.LittleEndian.Uint16(p[4:]) }
func idOf(p []byte) uint32   { return binary.LittleEndian.Uint32(p[8:]) }

func (h *host) ack(p []byte) { h.write(header(0x69, kindAck, idOf(p)&^syncBit, nil)) }

// until acknowledges what comes until a packet of a kind, which it acknowledges too.
func (h *host) until(kind uint16) []byte {
	h.t.Helper()
	for range 2000 {
		for _, p := range h.run(5 * time.Millisecond) {
			if p[0] != 0x30 {
				continue
			}
			h.ack(p)
			if kindOf(p) == kind {
				return p
			}
		}
	}
	h.t.Fatalf("no packet of type %d", kind)
	return nil
}

// request sends a manipulate packet.
func (h *host) request(api uint32, fill func(b []byte), data ...byte) {
	b := make([]byte, 56)
	binary.LittleEndian.PutUint32(b, api)
	if fill != nil {
		fill(b)
	}
	h.write(append(header(0x30, kindManipulate, h.next, append(b, data...)), 0xaa))
	h.next ^= 1
}

// ask is request with its reply.
func (h *host) ask(api uint32, fill func(b []byte), data ...byte) []byte {
	h.t.Helper()
	h.request(api, fill, data...)
	p := h.until(kindManipulate)
	return p[16 : len(p)-1]
}

func status(reply []byte) uint32 { return binary.LittleEndian.Uint32(reply[8:]) }

func at(addr uint64, n uint32) func([]byte) {
	return func(b []byte) {
		binary.LittleEndian.PutUint64(b[16:], addr)
		binary.LittleEndian.PutUint32(b[24:], n)
	}
}

// goOn continues behind the break instruction that it stopped at; the target runs then.
func (h *host) goOn() {
	h.t.Helper()
	context := h.ask(0x3132, nil)[56:]
	binary.LittleEndian.PutUint64(context[atIP:], binary.LittleEndian.Uint64(context[atIP:])+1)
	h.ask(0x3133, nil, context...)
	h.resume()
}

// resume continues where it stopped.
func (h *host) resume() {
	h.request(0x313c, func(b []byte) {
		binary.LittleEndian.PutUint32(b[16:], goOn)
		binary.LittleEndian.PutUint64(b[24:], 0x400)
	})
}

// TestAbsent: the first state change carries SYNC and is sent five times while booting; then the
// machine runs on by itself, and comes back with SYNC at a break-in.
func TestAbsent(t *testing.T) {
	h := newHost(t, Options{})
	first := h.run(10 * time.Second)
	if len(first) != 5 {
		t.Fatalf("%d packets", len(first))
	}
	for _, p := range first {
		if kindOf(p) != kindState || idOf(p) != baseID|syncBit || !bytes.Equal(p, first[0]) {
			t.Errorf("%x", p)
		}
	}
	h.write(header(0x69, kindReset, 0, nil))
	if got := h.run(time.Second); len(got) != 0 || !h.tg.c.booted {
		t.Errorf("a running target answers a reset: %x", got)
	}
	h.write([]byte{0x62})
	if p := h.until(kindState); idOf(p) != baseID|syncBit || binary.LittleEndian.Uint32(p[16+32:]) != codeBreakpoint {
		t.Errorf("%x", p)
	}
}

// stopped is a host with a machine that has booted and was broken into.
func stopped(t *testing.T, o Options) *host {
	o.Alone = true
	h := newHost(t, o)
	h.run(300 * time.Millisecond)
	h.write([]byte{0x62})
	h.until(kindState)
	return h
}

// TestStopped: a stopped target answers a reset with one of its own and the state change anew,
// and a break-in with the state change; it remembers the break-in.
func TestStopped(t *testing.T) {
	h := stopped(t, Options{})
	h.write(header(0x69, kindReset, 0x1234567, nil))
	got := h.run(20 * time.Millisecond)
	if len(got) != 2 || got[0][0] != 0x69 || kindOf(got[0]) != kindReset || kindOf(got[1]) != kindState || idOf(got[1]) != baseID {
		t.Fatalf("%x", got)
	}
	h.ack(got[1])
	h.write([]byte{0x62})
	h.until(kindState)
	h.resume()
	if p := h.until(kindState); binary.LittleEndian.Uint64(p[16+24:]) != h.tg.pc || h.tg.Stops != 2 {
		t.Errorf("%d stops: a break instruction traps again when it is not passed", h.tg.Stops)
	}
	h.goOn()
	if h.until(kindState); h.tg.Stops != 3 {
		t.Errorf("%d stops: the break-in is not remembered", h.tg.Stops)
	}
}

// TestTable: the table of breakpoints has 32 places and no address twice; those near a stop go.
func TestTable(t *testing.T) {
	h := stopped(t, Options{})
	base := h.tg.c.symbol("DbgPrint")
	for i := range uint64(33) {
		r := h.ask(0x3134, at(base+4*i, 0))
		if ok := status(r) == 0; ok != (i < 32) || ok && binary.LittleEndian.Uint32(r[24:]) != uint32(i+1) {
			t.Errorf("breakpoint %d: %x", i, r)
		}
	}
	handle := func(n uint32) func([]byte) {
		return func(b []byte) { binary.LittleEndian.PutUint32(b[16:], n) }
	}
	if r := h.ask(0x3135, handle(5)); status(r) != 0 {
		t.Errorf("%x", r)
	}
	if r := h.ask(0x3135, handle(5)); status(r) != unsuccessful {
		t.Errorf("an empty place: %x", r)
	}
	if r := h.ask(0x3134, at(base, 0)); status(r) != unsuccessful {
		t.Errorf("an address twice: %x", r)
	}
	if r := h.ask(0x3135, handle(33)); status(r) != unsuccessful {
		t.Errorf("a handle beyond the table: %x", r)
	}
	for i := range uint32(32) {
		h.ask(0x3135, handle(i+1))
	}
	gate := h.ask(0x3130, at(h.tg.c.cpus[0].idt+16*0xd1, 16))[56:] // each tick's
	le := binary.LittleEndian
	tick := uint64(le.Uint16(gate)) | uint64(le.Uint16(gate[6:]))<<16 | uint64(le.Uint32(gate[8:]))<<32
	h.ask(0x3134, at(tick, 0))
	h.goOn()
	p := h.until(kindState)
	if pc := binary.LittleEndian.Uint64(p[16+24:]); pc != tick {
		t.Fatalf("stopped at %x", pc)
	}
	if r := h.ask(0x3135, handle(1)); status(r) != unsuccessful {
		t.Errorf("the breakpoint that was hit is still in the table: %x", r)
	}
	if p[16+216] == 0xcc {
		t.Error("the instruction bytes hold the breakpoint")
	}
}

// TestMemory: what is read virtually and physically is the same by a walk of the tables;
// reads end at holes with what there is.
func TestMemory(t *testing.T) {
	h := stopped(t, Options{})
	where := layouts[8]
	for _, va := range []uint64{where.kernel, where.kernel + 0x1000, where.pool + 0x123, where.pcr + 0x180} {
		pa, _, _, ok := h.tg.c.mem.walk(h.tg.c.root, va)
		a, b := h.ask(0x3130, at(va, 64)), h.ask(0x313d, at(pa, 64))
		if !ok || status(a) != 0 || status(b) != 0 || !bytes.Equal(a[56:], b[56:]) || len(a) != 120 {
			t.Errorf("%x: %x and %x", va, a, b)
		}
	}
	end := where.loader + 0x4000
	r := h.ask(0x3130, at(end-16, 64))
	if status(r) != unsuccessful || binary.LittleEndian.Uint32(r[28:]) != 16 || len(r) != 72 {
		t.Errorf("over a hole: %x", r)
	}
	if r := h.ask(0x3130, at(0x10, 64)); status(r) != unsuccessful || len(r) != 56 {
		t.Errorf("nothing there: %x", r)
	}
	if r := h.ask(0x31ff, nil); status(r) != unsuccessful {
		t.Errorf("an unknown request: %x", r)
	}
}

// TestContext: a context is written only after one was read; GetContextEx is known or not.
func TestContext(t *testing.T) {
	h := stopped(t, Options{NoContextEx: true})
	if r := h.ask(0x3133, nil, make([]byte, contextSize)...); status(r) != unsuccessful {
		t.Errorf("a context before one was read: %x", r[:16])
	}
	if r := h.ask(0x315f, func(b []byte) { binary.LittleEndian.PutUint32(b[20:], contextSize) }); status(r) != unsuccessful {
		t.Errorf("%x", r[:16])
	}
	r := h.ask(0x3132, nil)
	if status(r) != 0 || len(r) != 56+contextSize {
		t.Fatalf("%x", r[:16])
	}
	context := append([]byte{}, r[56:]...)
	binary.LittleEndian.PutUint64(context[atGeneral+8*12:], 0x1122334455667788)
	if r := h.ask(0x3133, nil, context...); status(r) != 0 {
		t.Errorf("%x", r)
	}
	if r := h.ask(0x3132, nil); binary.LittleEndian.Uint64(r[56+atGeneral+8*12:]) != 0x1122334455667788 {
		t.Error("the context was not written")
	}
}

// TestProcessors: switching tells a state change of the other processor; each has debug registers
// of its own, DR7 is everybody's.
func TestProcessors(t *testing.T) {
	h := stopped(t, Options{Processors: 3})
	h.request(0x3150, func(b []byte) { binary.LittleEndian.PutUint16(b[6:], 2) })
	p := h.until(kindState)
	if cpu := binary.LittleEndian.Uint16(p[16+6:]); cpu != 2 || binary.LittleEndian.Uint32(p[16+32:]) != codeWake || binary.LittleEndian.Uint32(p[16+8:]) != 3 {
		t.Errorf("%x", p[:64])
	}
	h.goOn()
	h.run(50 * time.Millisecond)
	for _, c := range h.tg.c.cpus {
		if c.dr[7] != 0x400 {
			t.Errorf("DR7 of processor %d is %x", c.number, c.dr[7])
		}
	}
}

// TestSilent: requests that are acknowledged and not answered.
func TestSilent(t *testing.T) {
	h := stopped(t, Options{})
	h.request(0x315a, nil)
	if got := h.run(50 * time.Millisecond); len(got) != 1 || got[0][0] != 0x69 || kindOf(got[0]) != kindAck {
		t.Errorf("%x", got)
	}
	h.request(0x3149, func(b []byte) { binary.LittleEndian.PutUint32(b[16:], 0xe2) })
	p := h.until(kindState)
	if pc := binary.LittleEndian.Uint64(p[16+24:]); pc < layouts[8].kernel {
		t.Errorf("a crash that was asked for stops at %x", pc)
	}
	h.request(0x313b, nil)
	if p := h.until(kindState); idOf(p) != baseID|syncBit && idOf(p) != baseID || binary.LittleEndian.Uint32(p[16:]) != 0x3031 {
		t.Errorf("after a restart: %x", p[:64])
	}
}
