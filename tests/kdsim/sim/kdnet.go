package sim

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// network is the transport of KDNET: one KD packet a datagram, encrypted, ids that
// count by two (kdnet 2 to 4).
type network struct {
	t       *Target
	control []byte // key
	mac     []byte
	data0   []byte // data key, nil without a session
	version byte

	target, host *net.UDPAddr
	bound        bool
	nonce        [32]byte
	poked        time.Time
	sequence     [2]uint64 // of what was sent last, by channel
	seen         [2]uint64
	next         uint32 // id of the packet that is due
	accepted     uint32 // highest id of the host's that was taken
	any          bool   // one was
	got          []byte // the host's packets, as they came
	in           [][]byte
	out          [][]byte
	breaks       int
	dropped      int // datagrams that were not believed
}

const (
	pokeEvery   = 3017 * time.Millisecond
	responseLen = 322
	firstHostID = 0x80000000
	hostBit     = 0x80
)

// NewNet makes a machine that is debugged over KDNET. What Run returns are datagrams
// to host; PutFrom takes what came.
func NewNet(g *Guest, o Options, key string, target, host *net.UDPAddr) (*Target, error) {
	t, err := New(g, o)
	if err != nil {
		return nil, err
	}
	k, err := parseKey(key)
	if err != nil {
		return nil, err
	}
	n := &network{t: t, control: k, target: target, host: host, version: 4}
	n.mac = make([]byte, len(k))
	for i, b := range k {
		n.mac[i] = ^b
	}
	copy(n.nonce[:], t.poison(32))
	t.line = n
	n.anew()
	return t, nil
}

// parseKey reads four numbers in base 36.
func parseKey(s string) ([]byte, error) {
	parts := strings.Split(s, ".")
	if len(parts) != 4 {
		return nil, fmt.Errorf("the key %q has not four parts", s)
	}
	var k []byte
	for _, p := range parts {
		v, err := strconv.ParseUint(p, 36, 64)
		if err != nil {
			return nil, fmt.Errorf("the key's part %q is no number in base 36", p)
		}
		k = binary.LittleEndian.AppendUint64(k, v)
	}
	return k, nil
}

func (n *network) begin() { n.poke() }

func (n *network) anew() {
	n.next, n.any, n.accepted = 0, false, 0
	n.bound, n.data0 = false, nil
	n.seen = [2]uint64{}
	n.sequence[0] = 0
}

// seal makes a datagram of a body.
func (n *network) seal(channel int, body []byte) []byte {
	n.sequence[channel]++
	key := n.control
	if channel == 0 {
		key = n.data0
	}
	return seal(n.version, channel, n.sequence[channel], 0, key, n.mac, body)
}

func seal(version byte, channel int, sequence uint64, flags byte, key, mac, body []byte) []byte {
	pad := (16 - (len(body)+8)%16) % 16
	head := []byte{'M', 'D', 'B', 'G', version, byte(channel)}
	plain := binary.BigEndian.AppendUint64(nil, sequence<<8|uint64(flags)|uint64(pad))
	plain = append(append(plain, body...), make([]byte, pad)...)
	h := hmac.New(sha256.New, mac)
	h.Write(head)
	h.Write(plain)
	tag := h.Sum(nil)[:16]
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil
	}
	cipher.NewCBCEncrypter(block, tag).CryptBlocks(plain, plain)
	return append(append(head, plain...), tag...)
}

// open believes a datagram, or not.
func (n *network) open(p []byte) (channel int, sequence uint64, body []byte, ok bool) {
	if len(p) < 6+16+16 || (len(p)-22)%16 != 0 || string(p[:4]) != "MDBG" || p[5] > 1 {
		return
	}
	channel = int(p[5])
	key := n.control
	if channel == 0 {
		if key = n.data0; key == nil {
			return
		}
	}
	tag := p[len(p)-16:]
	plain := append([]byte{}, p[6:len(p)-16]...)
	block, err := aes.NewCipher(key)
	if err != nil {
		return
	}
	cipher.NewCBCDecrypter(block, tag).CryptBlocks(plain, plain)
	h := hmac.New(sha256.New, n.mac)
	h.Write(p[:6])
	h.Write(plain)
	if !hmac.Equal(h.Sum(nil)[:16], tag) {
		return
	}
	word := binary.BigEndian.Uint64(plain)
	pad := int(word & 15)
	if word&hostBit == 0 || word&0x70 != 0 || pad > len(plain)-8 {
		return
	}
	return channel, word >> 8, plain[8 : len(plain)-pad], true
}

func endpoint(a *net.UDPAddr) []byte {
	if a == nil {
		a = &net.UDPAddr{IP: net.IPv4zero}
	}
	return binary.BigEndian.AppendUint16(append([]byte{}, a.IP.To16()...), uint16(a.Port))
}

// poke says that the machine is there.
func (n *network) poke() {
	n.poked = n.t.now
	n.nonce[0]++
	body := append([]byte{1, 1}, n.nonce[:]...)
	body = append(append(body, endpoint(n.target)...), endpoint(n.host)...)
	if n.bound {
		body = append(body, endpoint(n.host)...)
	} else {
		body = append(body, endpoint(nil)...)
	}
	n.sequence[1] += 2
	n.out = append(n.out, n.seal(1, append(body, make([]byte, 256)...)))
}

func (n *network) put(p []byte, _ string) error {
	n.in = append(n.in, append([]byte{}, p...))
	n.sort()
	return nil
}

// sort believes what came, and takes the answers to pokes and the break-ins out.
func (n *network) sort() {
	for _, p := range n.in {
		channel, sequence, body, ok := n.open(p)
		switch {
		case !ok:
			n.dropped++
		case channel == 1:
			n.response(body)
		case sequence <= n.seen[0]:
			n.dropped++
		default:
			n.seen[0] = sequence
			if len(body) == 1 && body[0] == 0x62 {
				n.breaks++
			} else if len(body) >= 16 {
				n.got = append(binary.LittleEndian.AppendUint16(n.got, uint16(len(body))), body...)
			}
		}
	}
	n.in = nil
}

// response makes a session of the host's answer to the latest poke; a datagram
// without a body asks for a poke.
func (n *network) response(body []byte) {
	if len(body) == 0 {
		n.poke()
		return
	}
	if len(body) != responseLen || !bytes.Equal(body[:2], []byte{1, 2}) || !bytes.Equal(body[2:34], n.nonce[:]) || n.bound {
		n.dropped++
		return
	}
	n.anew()
	n.data0 = hash(n.control, body)
	n.bound = true
	check := append(make([]byte, 8), n.host.IP.To4()...)
	n.out = append(n.out, n.seal(0, check))
	n.t.repeat()
}

func hash(parts ...[]byte) []byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func (n *network) poll() bool {
	if !n.t.now.Before(n.poked.Add(pokeEvery)) {
		n.poke()
	}
	n.got = nil // a running machine looks for break-ins alone
	if n.breaks > 0 {
		n.breaks--
		return true
	}
	return false
}

func (n *network) data(kind uint16, b []byte) { n.send(header(0x30, kind, n.next, b)) }

func (n *network) send(packet []byte) {
	if n.bound {
		n.out = append(n.out, n.seal(0, packet))
	}
}

func (n *network) deadline() time.Time { return n.poked.Add(pokeEvery) }

func (n *network) flush() [][]byte {
	out := n.out
	n.out = nil
	return out
}

// receive handles one packet of the host.
func (n *network) receive() bool {
	if !n.t.now.Before(n.poked.Add(pokeEvery)) {
		n.poke()
		return true
	}
	if n.breaks > 0 {
		n.breaks--
		n.t.broke()
		return true
	}
	if len(n.got) == 0 {
		return false
	}
	size := int(binary.LittleEndian.Uint16(n.got))
	p := n.got[2 : 2+size]
	n.got = n.got[2+size:]
	n.packet(p)
	return true
}

func (n *network) packet(p []byte) {
	le := binary.LittleEndian
	kind, id := le.Uint16(p[4:]), le.Uint32(p[8:])
	size := int(le.Uint16(p[6:]))
	if p[0] == 0x69 {
		n.controlled(kind, id)
		return
	}
	sum := uint32(0)
	for _, b := range p[16:] {
		sum += uint32(b)
	}
	switch {
	case size != len(p)-16 || sum != le.Uint32(p[12:]):
		n.send(header(0x69, kindResend, 0, nil))
	case n.any && id <= n.accepted || id < firstHostID:
		n.send(header(0x69, kindAck, id, nil))
	case n.t.phase == sending: // the acknowledgement was lost
		n.send(header(0x69, kindResend, 0, nil))
		n.next += 2
		n.t.acknowledged()
	default:
		n.any, n.accepted = true, id
		n.send(header(0x69, kindAck, id, nil))
		n.t.arrived(kind, append([]byte{}, p[16:]...))
	}
}

func (n *network) controlled(kind uint16, id uint32) {
	switch kind {
	case kindAck:
		if n.t.phase == sending && id == n.next {
			n.next += 2
			n.t.acknowledged()
		}
	case kindResend:
		n.t.repeat()
	case kindReset:
		n.send(header(0x69, kindReset, n.next, nil))
		n.t.repeat()
	}
}
