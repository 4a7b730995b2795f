package kd

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// KDNET: packets in UDP datagrams, encrypted and authenticated. There is no public
// specification; these are the findings of people who read captures of genuine
// debuggers (dmaivel/ntoseye, Lekensteyn/kdnet, libKDNET) and of our decryption of one.
//
//	datagram  = "MDBG" version channel ciphertext tag
//	plaintext = 8-byte big-endian word, body, zeros to a multiple of 16
//	word      = sequence << 8 | from host << 7 | number of zeros
//
// The tag is the first half of HMAC-SHA-256 over header and plaintext and serves as
// the IV of AES-256-CBC. The target pokes on the control channel for ever; the answer
// to a poke makes the key of the data channel.

const (
	netHeader    = 6
	netTag       = 16
	channelData  = 0
	channelCtl   = 1
	pokeLen      = 344
	responseLen  = 322
	nonceLen     = 32
	fromHost     = 0x80
	maxDatagram  = 65536
	netChunk     = 1024 // memory asked for at once, so that datagrams stay below an Ethernet's limit
	candidates   = 4
	answersKept  = 16
	nudgePause   = 500 * time.Millisecond
	rivalSilence = 10 * time.Second
)

// KeyError: text is no KDNET key.
type KeyError struct{ Reason string }

func (e *KeyError) Error() string { return "the key " + e.Reason }

// Hint says what the user can do.
func (e *KeyError) Hint() string {
	return "Take the key that `bcdedit /dbgsettings net hostip:H port:N` printed: four parts of letters and digits, with dots between."
}

// parseKey reads four numbers in base 36 with dots between them.
func parseKey(text string) (key [32]byte, err error) {
	parts := strings.Split(strings.TrimSpace(text), ".")
	if len(parts) != 4 {
		return key, &KeyError{fmt.Sprintf("has %d parts instead of four", len(parts))}
	}
	for i, p := range parts {
		var v uint64
		if p == "" || len(p) > 13 {
			return key, &KeyError{"has a part of no length that is possible"}
		}
		for _, c := range strings.ToLower(p) {
			d := strings.IndexRune("0123456789abcdefghijklmnopqrstuvwxyz", c)
			if d < 0 {
				return key, &KeyError{fmt.Sprintf("has the character %q", c)}
			}
			if v > (1<<64-1-uint64(d))/36 {
				return key, &KeyError{"has a part that is too large"}
			}
			v = v*36 + uint64(d)
		}
		binary.LittleEndian.PutUint64(key[8*i:], v)
	}
	return key, nil
}

// seal makes a datagram of body.
func seal(version, channel byte, key, mac [32]byte, word uint64, body []byte) []byte {
	pad := -(8 + len(body)) & 15
	plain := binary.BigEndian.AppendUint64(nil, word|uint64(pad))
	plain = append(append(plain, body...), make([]byte, pad)...)
	out := append([]byte("MDBG"), version, channel)
	tag := authenticate(mac, out, plain)
	block, _ := aes.NewCipher(key[:]) // 32 bytes are a key
	cipher.NewCBCEncrypter(block, tag).CryptBlocks(plain, plain)
	return append(append(out, plain...), tag...)
}

func authenticate(mac [32]byte, header, plain []byte) []byte {
	h := hmac.New(sha256.New, mac[:])
	h.Write(header)
	h.Write(plain)
	return h.Sum(nil)[:netTag]
}

// unseal opens a datagram; false when it is none of this key.
func unseal(d []byte, key, mac [32]byte) (word uint64, body []byte, ok bool) {
	n := len(d) - netHeader - netTag
	if n < 16 || n%16 != 0 || string(d[:4]) != "MDBG" {
		return 0, nil, false
	}
	tag := d[netHeader+n:]
	plain := make([]byte, n)
	block, _ := aes.NewCipher(key[:])
	cipher.NewCBCDecrypter(block, tag).CryptBlocks(plain, d[netHeader:netHeader+n])
	if subtle.ConstantTimeCompare(authenticate(mac, d[:netHeader], plain), tag) != 1 {
		return 0, nil, false
	}
	word = binary.BigEndian.Uint64(plain)
	pad := int(word & 15)
	if n < 8+pad {
		return 0, nil, false
	}
	return word, plain[8 : n-pad], true
}

// Net is a KDNET connection: each Read is the body of one datagram of the target, each
// Write becomes one. There is a session only once a target has poked; until then what
// is written is lost.
type Net struct {
	pc    net.PacketConn
	key   [32]byte // of the control channel
	mac   [32]byte
	told  func(string)
	nudge net.Addr // where the target may be, nil: it finds us

	closed    chan struct{}
	closeOnce sync.Once

	mu       sync.Mutex
	restart  func()
	now      *netSession
	maybe    []*netSession // answered pokes that no data came of, latest last
	answered []answer
	nudges   uint64
	foreign  bool // the user was told of another key
	rival    bool // ... of a second target
}

// netSession is what an answered poke makes.
type netSession struct {
	key     [32]byte
	peer    net.Addr
	host    string // address the target says it has
	version byte
	sent    uint64    // sequence of our last datagram
	seen    uint64    // highest sequence accepted
	at      time.Time // when it last spoke
}

// answer is a poke's nonce and what was answered.
type answer struct {
	nonce  [nonceLen]byte
	packet []byte
}

// NewNet speaks KDNET on pc, which it owns from now on, with targets that have key.
// With nudge, an address, the target there is asked to begin. told takes what the
// user must know and may be nil.
func NewNet(pc net.PacketConn, key string, nudge net.Addr, told func(string)) (*Net, error) {
	k, err := parseKey(key)
	if err != nil {
		return nil, err
	}
	if told == nil {
		told = func(string) {}
	}
	n := &Net{pc: pc, key: k, nudge: nudge, told: told, restart: func() {}, closed: make(chan struct{})}
	for i := range k {
		n.mac[i] = ^k[i]
	}
	return n, nil
}

// onRestart has f called when a target began a session anew.
func (n *Net) onRestart(f func()) {
	n.mu.Lock()
	n.restart = f
	n.mu.Unlock()
}

// Read waits for a datagram of the target's data channel and answers its pokes
// meanwhile. Datagrams that are not authentic, or old, are dropped.
func (n *Net) Read(p []byte) (int, error) {
	buf := make([]byte, maxDatagram)
	for {
		n.ask()
		k, from, err := n.pc.ReadFrom(buf)
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			continue
		case n.ended():
			return 0, io.EOF
		case passing(err):
			continue
		default:
			return 0, err
		}
		if body := n.datagram(buf[:k], from); len(body) > 0 {
			return copy(p, body), nil
		}
	}
}

// passing reports errors of a socket that say only that nobody listens at the far
// end at the moment.
func passing(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !op.Timeout() && !errors.Is(err, net.ErrClosed) && op.Op == "read"
}

func (n *Net) ended() bool {
	select {
	case <-n.closed:
		return true
	default:
		return false
	}
}

// ask nudges a target that we are to find, while there is no session: an empty
// datagram of the control channel makes it poke.
func (n *Net) ask() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.nudge == nil || n.now != nil {
		n.pc.SetReadDeadline(time.Time{})
		return
	}
	n.pc.SetReadDeadline(time.Now().Add(nudgePause))
	n.nudges++
	version := [...]byte{5, 4, 2}[n.nudges%3]
	n.pc.WriteTo(seal(version, channelCtl, n.key, n.mac, n.nudges<<8|fromHost, nil), n.nudge)
}

// datagram takes one; what of it is the link's is returned.
func (n *Net) datagram(d []byte, from net.Addr) []byte {
	if len(d) < netHeader+16+netTag || string(d[:4]) != "MDBG" {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if d[5] == channelCtl {
		if word, body, ok := unseal(d, n.key, n.mac); ok && word&fromHost == 0 {
			n.poked(d[4], word>>8, body, from)
		} else if !ok && n.now == nil && !n.foreign {
			n.foreign = true
			n.told(fmt.Sprintf("A target at %v pokes with another key than ours: it is left alone. Check the key.", from))
		}
		return nil
	}
	if d[5] != channelData {
		return nil
	}
	for _, s := range append([]*netSession{n.now}, n.maybe...) {
		if s == nil {
			continue
		}
		if word, body, ok := unseal(d, s.key, n.mac); ok {
			return n.accept(s, d[4], word, body, from)
		}
	}
	return nil
}

// accept takes an authentic datagram of the data channel of s.
func (n *Net) accept(s *netSession, version byte, word uint64, body []byte, from net.Addr) []byte {
	if word&0xf0 != 0 || word>>8 <= s.seen {
		return nil // our own, or replayed
	}
	s.seen, s.peer, s.version, s.at = word>>8, from, version, time.Now()
	if n.now != s {
		again := n.now != nil
		n.now, n.maybe = s, nil
		if again {
			n.restart()
		}
	}
	if len(body) < headerLen { // the target asks whether the channel is there
		n.send(packet{control: true, kind: typeResend}.body())
		return nil
	}
	return body
}

// poked answers a poke when the target wants a session: it has none, or we have none.
func (n *Net) poked(version byte, seq uint64, body []byte, from net.Addr) {
	if len(body) < pokeLen || body[0] != 1 || body[1] != 1 {
		return
	}
	var nonce [nonceLen]byte
	copy(nonce[:], body[2:])
	for _, a := range n.answered {
		if a.nonce == nonce {
			n.pc.WriteTo(a.packet, from)
			return
		}
	}
	bound, host := body[70:88], net.IP(body[34:50]).String()
	free := true
	for _, b := range bound[12:] {
		free = free && b == 0
	}
	if s := n.now; s != nil {
		if host == s.host {
			s.at = time.Now()
		}
		switch {
		case !free:
			return // it has its session
		case host != s.host && time.Since(s.at) < rivalSilence:
			if !n.rival {
				n.rival = true
				n.told(fmt.Sprintf("A second target, at %v, has the same key and port: it is left alone. Give each target a port or a key of its own.", from))
			}
			return
		}
	}
	reply := make([]byte, responseLen)
	reply[0], reply[1] = 1, 2
	copy(reply[2:], nonce[:])
	rand.Read(reply[34:66])
	s := &netSession{key: dataKey(n.key, reply), peer: from, host: host, version: version, at: time.Now()}
	n.maybe = append(n.maybe, s)
	n.maybe = n.maybe[max(0, len(n.maybe)-candidates):]
	out := seal(version, channelCtl, n.key, n.mac, seq<<8|fromHost, reply)
	n.answered = append(n.answered, answer{nonce, out})
	n.answered = n.answered[max(0, len(n.answered)-answersKept):]
	n.pc.WriteTo(out, from)
}

// dataKey is the key of the data channel that a response makes.
func dataKey(control [32]byte, response []byte) [32]byte {
	return sha256.Sum256(append(append([]byte(nil), control[:]...), response...))
}

// send is a datagram on the data channel. mu is held.
func (n *Net) send(body []byte) error {
	s := n.now
	if s == nil {
		return nil
	}
	s.sent++
	_, err := n.pc.WriteTo(seal(s.version, channelData, s.key, n.mac, s.sent<<8|fromHost, body), s.peer)
	return err
}

// Write sends body in a datagram of its own. What the network does not take is lost,
// as a datagram may be.
func (n *Net) Write(body []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ended() {
		return 0, io.ErrClosedPipe
	}
	n.send(body)
	return len(body), nil
}

// Close ends it.
func (n *Net) Close() error {
	n.closeOnce.Do(func() { close(n.closed) })
	return n.pc.Close()
}
