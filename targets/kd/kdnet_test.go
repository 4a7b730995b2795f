package kd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dap-windbg/targets"
)

func counting(from, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(from + i)
	}
	return out
}

// address is an IPv4 address and port as pokes hold them.
func address(ip [4]byte, port uint16) []byte {
	out := append(make([]byte, 10), 0xff, 0xff)
	return binary.BigEndian.AppendUint16(append(out, ip[:]...), port)
}

func pokeBody(nonce []byte, target, host, bound []byte) []byte {
	out := append([]byte{1, 1}, nonce...)
	out = append(append(append(out, target...), host...), bound...)
	return append(out, make([]byte, pokeLen-len(out))...)
}

func macOf(key [32]byte) (mac [32]byte) {
	for i := range key {
		mac[i] = ^key[i]
	}
	return mac
}

// TestNetGolden checks datagrams that another program made and that agree with a
// capture of a genuine debugger.
func TestNetGolden(t *testing.T) {
	key, err := parseKey("1.2.3.zz")
	must(t, err)
	if got := hex.EncodeToString(key[:]); got != "0100000000000000020000000000000003000000000000000f05000000000000" {
		t.Errorf("key %s", got)
	}
	mac := macOf(key)
	sum := func(p []byte) string { return fmt.Sprintf("%x", sha256.Sum256(p)) }
	poke := seal(4, channelCtl, key, mac, 3<<8, pokeBody(counting(0, 32), address([4]byte{192, 168, 2, 2}, 50000), address([4]byte{192, 168, 2, 1}, 50000), address([4]byte{}, 0)))
	if len(poke) != 374 || hex.EncodeToString(poke[len(poke)-16:]) != "caf1681b9ca88aaf89469af035de6eb3" || sum(poke) != "af367496ba7e10e13df921fa747d1ce025855e87883d9bb69610794e793b59d0" {
		t.Errorf("poke of %d bytes % x", len(poke), poke[:16])
	}
	response := append(append([]byte{1, 2}, counting(0, 32)...), counting(0x80, 32)...)
	response = append(response, make([]byte, responseLen-len(response))...)
	sealed := seal(4, channelCtl, key, mac, 3<<8|fromHost, response)
	if len(sealed) != 358 || sum(sealed) != "e18af397ff08f0456b2babec87adaff8209b08c0b2459a909bf0f7a5680109e2" {
		t.Errorf("response of %d bytes", len(sealed))
	}
	data := dataKey(key, response)
	if got := hex.EncodeToString(data[:]); got != "93e38fd113128b00e3ae562fef0b1b32bc1550a892cfa58543de5f8a6071b94f" {
		t.Errorf("data key %s", got)
	}
	print := packet{kind: typeDebugIO, data: append([]byte("\x30\x32\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00"), "Hi\r\n"...)}
	for name, tt := range map[string]struct {
		word uint64
		body []byte
		want string
	}{
		"print": {2 << 8, print.body(), "4d4442470400b129b83b0df451009fe4a9a31d751d81aaf322a04b54659872aae82386bb37f6f9cbcadc8e70c8abd3232e65c7c2272a394105d9cab525a4cafd3e228ddad4a7"},
		"break": {1<<8 | fromHost, []byte{breakIn}, "4d4442470400297445a6d9933c427cce7442700af15d30294ff578f6309bde61e9bb6f7a41a0"},
	} {
		got := seal(4, channelData, data, mac, tt.word, tt.body)
		if hex.EncodeToString(got) != tt.want {
			t.Errorf("%s:\n%x\n%s", name, got, tt.want)
		}
		word, body, ok := unseal(got, data, mac)
		if !ok || !bytes.Equal(body, tt.body) || word>>8 != tt.word>>8 {
			t.Errorf("%s is opened as %x %v", name, body, ok)
		}
		for i := range got { // any byte
			bad := bytes.Clone(got)
			bad[i] ^= 1
			if _, _, ok := unseal(bad, data, mac); ok && i != 4 {
				t.Errorf("%s with byte %d changed is taken", name, i)
			}
		}
	}
}

// TestNetKey reads keys and refuses what is none.
func TestNetKey(t *testing.T) {
	highest, err := parseKey("3W5E11264SGSF.0.a.Z")
	must(t, err)
	if binary.LittleEndian.Uint64(highest[:]) != 1<<64-1 || highest[16] != 10 || highest[24] != 35 {
		t.Errorf("% x", highest)
	}
	for _, bad := range []string{"", "1.2.3", "1.2.3.4.5", "1.2..4", "1.2.3.3w5e11264sgsg", "1.2.3.3w5e11264sgsff", "1.2.3.-"} {
		var e *KeyError
		if _, err := parseKey(bad); !errors.As(err, &e) || e.Hint() == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// place is an address on the simulated network.
type netPlace string

func (p netPlace) Network() string { return "sim" }
func (p netPlace) String() string  { return string(p) }

type mail struct {
	from netPlace
	data []byte
}

// wires is a network that loses, repeats and reorders.
type wires struct {
	mu    sync.Mutex
	cond  *sync.Cond
	boxes map[netPlace][]mail
	old   []func() // deliveries that may be repeated later
	rand  *rand.Rand
	bad   int // faults in a hundred datagrams
}

func newWires(seed uint64, bad int) *wires {
	w := &wires{boxes: map[netPlace][]mail{}, rand: rand.New(rand.NewPCG(seed, 7)), bad: bad}
	w.cond = sync.NewCond(&w.mu)
	return w
}

func (w *wires) send(from, to netPlace, p []byte) {
	p = bytes.Clone(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	deliver := func() { w.boxes[to] = append(w.boxes[to], mail{from, p}); w.cond.Broadcast() }
	w.old = append(w.old, deliver)
	if w.rand.IntN(100) < w.bad {
		switch w.rand.IntN(5) {
		case 0:
			return
		case 1:
			deliver()
		case 2: // an old one again
			w.old[w.rand.IntN(len(w.old))]()
		case 3: // late
			time.AfterFunc(time.Duration(w.rand.IntN(4000))*time.Millisecond, func() { w.mu.Lock(); defer w.mu.Unlock(); deliver() })
			return
		case 4:
			q := bytes.Clone(p)
			q[w.rand.IntN(len(q))] ^= 1 << w.rand.IntN(8)
			p = q
		}
	}
	deliver()
}

// plug is a PacketConn on wires.
type plug struct {
	w        *wires
	at       netPlace
	deadline time.Time
	closed   bool
}

func (c *plug) ReadFrom(p []byte) (int, net.Addr, error) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	for len(c.w.boxes[c.at]) == 0 && !c.closed {
		if !c.deadline.IsZero() && !time.Now().Before(c.deadline) {
			return 0, nil, os.ErrDeadlineExceeded
		}
		c.w.cond.Wait()
	}
	if c.closed {
		return 0, nil, net.ErrClosed
	}
	m := c.w.boxes[c.at][0]
	c.w.boxes[c.at] = c.w.boxes[c.at][1:]
	return copy(p, m.data), m.from, nil
}

func (c *plug) WriteTo(p []byte, to net.Addr) (int, error) {
	c.w.send(c.at, to.(netPlace), p)
	return len(p), nil
}

func (c *plug) SetReadDeadline(t time.Time) error {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.deadline = t
	if !t.IsZero() {
		time.AfterFunc(time.Until(t), func() { c.w.mu.Lock(); c.w.cond.Broadcast(); c.w.mu.Unlock() })
	}
	return nil
}

func (c *plug) Close() error {
	c.w.mu.Lock()
	c.closed = true
	c.w.mu.Unlock()
	c.w.cond.Broadcast()
	return nil
}

func (c *plug) LocalAddr() net.Addr              { return c.at }
func (c *plug) SetDeadline(time.Time) error      { return nil }
func (c *plug) SetWriteDeadline(time.Time) error { return nil }

// netTarget is a target's end: it pokes for ever, and sends numbered prints.
type netTarget struct {
	c       *plug
	host    netPlace
	key     [32]byte
	data    *[32]byte
	nonce   [32]byte
	bound   bool
	control uint64
	sent    uint64
	seen    uint64
	next    uint32
	said    int
	acked   int
	run     int
	wrong   int // datagrams that were authentic and are none of ours
}

func (n *netTarget) poke() {
	n.control += 3
	n.nonce[0]++
	bound := address([4]byte{}, 0)
	if n.bound {
		bound = address([4]byte{10, 0, 0, 1}, 50000)
	}
	n.c.WriteTo(seal(5, channelCtl, n.key, macOf(n.key), n.control<<8, pokeBody(n.nonce[:], address([4]byte{10, 0, 0, 2}, 50000), address([4]byte{10, 0, 0, 1}, 50000), bound)), n.host)
}

func (n *netTarget) send(body []byte) {
	if n.data != nil {
		n.sent++
		n.c.WriteTo(seal(5, channelData, *n.data, macOf(n.key), n.sent<<8, body), n.host)
	}
}

func (n *netTarget) print() {
	text := fmt.Sprintf("run %d line %d\n", n.run, n.said)
	d := binary.LittleEndian.AppendUint32(nil, ioPrint)
	d = binary.LittleEndian.AppendUint32(d, 0)
	d = binary.LittleEndian.AppendUint32(d, uint32(len(text)))
	d = binary.LittleEndian.AppendUint32(d, 0x99999999)
	n.send(packet{kind: typeDebugIO, id: n.next, data: append(d, text...)}.body())
}

func (n *netTarget) reboot() {
	n.data, n.bound, n.run, n.next, n.said, n.sent, n.seen, n.control = nil, false, n.run+1, 0, 0, 0, 0, 0
}

func (n *netTarget) receive(d []byte) {
	if d[5] == channelCtl {
		_, body, ok := unseal(d, n.key, macOf(n.key))
		if ok && len(body) == responseLen && bytes.Equal(body[2:34], n.nonce[:]) && !n.bound {
			k := dataKey(n.key, body)
			n.data, n.bound = &k, true
			n.send(make([]byte, 12))
			n.print()
		}
		return
	}
	if n.data == nil {
		return
	}
	word, body, ok := unseal(d, *n.data, macOf(n.key))
	if !ok || word>>8 <= n.seen {
		return
	}
	if word&fromHost == 0 {
		n.wrong++
		return
	}
	n.seen = word >> 8
	p, _, v := decode(body, 0)
	switch {
	case v != whole:
	case p.control && p.kind == typeAcknowledge && p.id == n.next:
		n.acked++
		n.said++
		n.next += 2
		n.print()
	case p.control && p.kind == typeResend:
		n.print()
	}
}

// TestNet: over a network that loses, repeats, delays, reorders and changes datagrams,
// with replays and a restart of the target, what arrives is what was sent, in order.
func TestNet(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			w := newWires(seed, 30)
			key, _ := parseKey("1.2.3.zz")
			n, err := NewNet(&plug{w: w, at: "host"}, "1.2.3.ZZ", nil, nil)
			must(t, err)
			far := &netTarget{c: &plug{w: w, at: "target"}, host: "host", key: key}
			foreign := &netTarget{c: &plug{w: w, at: "other"}, host: "host", key: [32]byte{9}}
			var got bytes.Buffer
			l := newLink(n, realClock{}, timing{gap: time.Second, quiet: time.Millisecond, ack: 500 * time.Millisecond, reply: time.Second, limit: 25 * time.Second, retries: 64}, true)
			restarts := 0
			l.receive = func(kind uint16, data []byte) { got.Write(data[16:]) }
			l.anew, l.ended, l.told, l.woke = func() { restarts++ }, func(error) {}, func(string) {}, func() {}
			n.onRestart(func() { l.post(l.restart) })
			l.start()
			over := make(chan bool)
			var play sync.WaitGroup
			play.Go(func() {
				tick := time.NewTicker(100 * time.Millisecond)
				defer tick.Stop()
				for i := 0; ; i++ {
					select {
					case <-over:
						return
					case <-tick.C:
					}
					if i%30 == 0 {
						far.poke()
						foreign.poke()
					}
					if i == 300 {
						far.reboot()
						far.poke()
					}
					for {
						w.mu.Lock()
						box := w.boxes["target"]
						w.boxes["target"] = nil
						w.mu.Unlock()
						if len(box) == 0 {
							break
						}
						for _, m := range box {
							if len(m.data) > netHeader+netTag {
								far.receive(m.data)
							}
						}
					}
					if i%3 == 0 && far.data != nil {
						far.print()
					}
				}
			})
			time.Sleep(time.Minute) // of the bubble's time, which passes when all wait
			close(over)
			play.Wait()
			l.close()
			want := ""
			lines := bytes.SplitAfter(got.Bytes(), []byte("\n"))
			run, line := 0, 0
			for _, have := range lines[:len(lines)-1] {
				if want = fmt.Sprintf("run %d line %d\n", run, line); string(have) != want && line > 0 {
					run, line = run+1, 0
					want = fmt.Sprintf("run %d line %d\n", run, line)
				}
				if string(have) != want {
					t.Fatalf("seed %d: %q instead of %q", seed, have, want)
				}
				line++
			}
			if run != 1 || line < 20 || far.wrong > 0 || restarts == 0 {
				t.Errorf("seed %d: %d lines of run %d, %d restarts, %d wrong", seed, line, run, restarts, far.wrong)
			}
		})
	}
}

// TestNetRival: a second target with the same key is told and left alone; one with
// another key is left alone too.
func TestNetRival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(1, 0)
		key, _ := parseKey("1.2.3.4")
		var told []string
		n, err := NewNet(&plug{w: w, at: "host"}, "1.2.3.4", nil, func(s string) { told = append(told, s) })
		must(t, err)
		first := &netTarget{c: &plug{w: w, at: "first"}, host: "host", key: key}
		go func() {
			p := make([]byte, 4096)
			for {
				if _, err := n.Read(p); err != nil {
					if err != io.EOF {
						t.Error(err)
					}
					return
				}
			}
		}()
		exchange := func() {
			synctest.Wait()
			w.mu.Lock()
			box := w.boxes["first"]
			w.boxes["first"] = nil
			w.mu.Unlock()
			for _, m := range box {
				first.receive(m.data)
			}
			synctest.Wait()
		}
		first.poke()
		exchange()
		if first.data == nil || n.now == nil {
			t.Fatal("no session")
		}
		body := pokeBody(counting(50, 32), address([4]byte{10, 0, 0, 77}, 50000), address([4]byte{10, 0, 0, 1}, 50000), address([4]byte{}, 0))
		second := &plug{w: w, at: "second"}
		second.WriteTo(seal(5, channelCtl, key, macOf(key), 3<<8, body), netPlace("host"))
		exchange()
		w.mu.Lock()
		if len(told) != 1 || len(w.boxes["second"]) != 0 {
			t.Errorf("told %q, answered %d", told, len(w.boxes["second"]))
		}
		w.mu.Unlock()
		n.Close()
		synctest.Wait()
	})
}

// TestNetNudge asks a target that does not come by itself.
func TestNetNudge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(1, 0)
		k, _ := parseKey("1.2.3.4")
		n, err := NewNet(&plug{w: w, at: "host"}, "1.2.3.4", netPlace("target"), nil)
		must(t, err)
		ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
		defer stop()
		_, err = Connect(ctx, n, Options{})
		var wait *WaitError
		if !errors.As(err, &wait) {
			t.Fatal(err)
		}
		got := w.boxes["target"]
		if len(got) < 8 {
			t.Fatalf("%d nudges", len(got))
		}
		for _, m := range got {
			if word, body, ok := unseal(m.data, k, macOf(k)); !ok || len(body) != 0 || word&fromHost == 0 {
				t.Errorf("% x", m.data)
			}
		}
	})
}

// FuzzNet: no datagram that is not the target's becomes a byte of ours, and none is
// too strange.
func FuzzNet(f *testing.F) {
	key, _ := parseKey("1.2.3.4")
	f.Add(seal(4, channelCtl, key, macOf(key), 3<<8, pokeBody(counting(0, 32), address([4]byte{1}, 1), address([4]byte{2}, 2), address([4]byte{}, 0))), true)
	f.Add(seal(4, channelCtl, key, macOf(key), 3<<8, []byte{1}), true)
	f.Add([]byte("MDBG\x04\x00"), false)
	f.Fuzz(func(t *testing.T, body []byte, sealed bool) {
		w := newWires(1, 0)
		n, err := NewNet(&plug{w: w, at: "host"}, "1.2.3.4", nil, nil)
		must(t, err)
		if sealed { // what only somebody with the key can make
			body = seal(4, channelCtl, key, n.mac, 3<<8, body[:min(len(body), 2000)])
		}
		if got := n.datagram(body, netPlace("x")); got != nil {
			t.Fatalf("% x", got)
		}
		s := &netSession{key: key, peer: netPlace("x")}
		n.maybe = []*netSession{s}
		if got := n.datagram(body, netPlace("x")); got != nil && !sealed {
			t.Fatalf("% x", got)
		}
	})
}

var _ targets.Target = (*Target)(nil)
