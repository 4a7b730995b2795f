package transport

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"
)

// Version of the protocol; two ends with different ones part after the first message.
const Version = 1

// Bounds of the handshake. maxMessage bounds each of its four messages, bytes.
const (
	preamble       = "DWR\n"
	maxMessage     = 2048
	nonceSize      = 32
	keySize        = 32
	rounds         = 100_000 // of PBKDF2: 25 ms of a CPU for each guess at a recorded handshake
	minRounds      = 50_000
	maxRounds      = 1_000_000 // what a client lets a server ask of it
	handshakeLimit = 10 * time.Second
)

// hello is the client's first message.
type hello struct {
	Version int    `json:"version"`
	Service string `json:"service"`
	Client  string `json:"client"` // who it is, for the server's log
	Nonce   []byte `json:"nonce"`
}

// challenge is the server's answer.
type challenge struct {
	Version int    `json:"version"`
	Service string `json:"service"`
	Title   string `json:"title"`
	Nonce   []byte `json:"nonce"`
	Salt    []byte `json:"salt,omitempty"` // none: no password is needed
	Rounds  int    `json:"rounds,omitempty"`
	Refused string `json:"refused,omitempty"` // a refusal
}

// proof is the client's third message.
type proof struct {
	Proof []byte `json:"proof"`
}

// verdict is the server's last message.
type verdict struct {
	Proof   []byte `json:"proof,omitempty"`
	Refused string `json:"refused,omitempty"`
}

// Reasons of a refusal on the wire.
const (
	refusedVersion  = "version"
	refusedService  = "service"
	refusedPassword = "password"
	refusedLocked   = "locked"
	refusedFull     = "full"
)

// secret is what a password becomes, with the salt that made it so.
type secret struct {
	salt []byte
	key  []byte
}

func newSecret(password string) (*secret, error) {
	if password == "" {
		return nil, nil
	}
	s := &secret{salt: random(16)}
	var err error
	s.key, err = pbkdf2.Key(sha256.New, password, s.salt, rounds, keySize)
	return s, err
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

// talk is the byte stream of a handshake: length-limited messages, and the digest of
// all that was said, which the proofs are about. A recorded proof proves nothing in
// another conversation.
type talk struct {
	rw   io.ReadWriter
	said hash.Hash
}

// newTalk begins a handshake; binding is of the TLS session below, nil without.
func newTalk(rw io.ReadWriter, binding []byte) *talk {
	t := &talk{rw, sha256.New()}
	t.said.Write(binding)
	return t
}

var errForeign = errors.New("what it says is not this protocol")

// send writes a message, the first one of each end after the preamble.
func (t *talk) send(first bool, m any) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(text) > maxMessage {
		return fmt.Errorf("a message of %d bytes is too long", len(text))
	}
	var b []byte
	if first {
		b = append(b, preamble...)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(text)))
	b = append(b, text...)
	t.said.Write(b)
	_, err = t.rw.Write(b)
	return err
}

// receive reads a message into m.
func (t *talk) receive(first bool, m any) error {
	if first {
		var p [len(preamble)]byte
		if _, err := io.ReadFull(t.rw, p[:]); err != nil {
			return err
		}
		if string(p[:]) != preamble {
			return errForeign
		}
		t.said.Write(p[:])
	}
	var size [2]byte
	if _, err := io.ReadFull(t.rw, size[:]); err != nil {
		return err
	}
	n := int(binary.BigEndian.Uint16(size[:]))
	if n > maxMessage {
		return errForeign
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(t.rw, text); err != nil {
		return err
	}
	t.said.Write(size[:])
	t.said.Write(text)
	if json.Unmarshal(text, m) != nil {
		return errForeign
	}
	return nil
}

// sign is an end's proof that it knows the key, in this conversation.
func sign(key []byte, end string, said []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("dap-windbg " + end))
	h.Write([]byte{0})
	h.Write(said)
	return h.Sum(nil)
}

// asked is what the client wants and the server found out about it.
type asked struct{ client, service string }

// policy is what a server's side of the handshake is judged by.
type policy struct {
	service, title string
	secret         *secret                 // nil: no password
	known          func() bool             // whose program the client is, is known well enough to answer it
	try            func(func() bool) trial // runs a check of a password, or does not
	admit          func() bool             // there is room for one more
}

// serveHandshake is the server's side.
func serveHandshake(t *talk, p policy) (asked, error) {
	var h hello
	if err := t.receive(true, &h); err != nil {
		return asked{}, err
	}
	if !p.known() { // asked only now: a socket that its program has yet to accept has no owner
		return asked{}, errStranger
	}
	a := asked{printable(h.Client, 64), printable(h.Service, 16)}
	c := challenge{Version: Version, Service: p.service, Title: p.title, Nonce: random(nonceSize)}
	switch {
	case h.Version != Version:
		c.Refused = refusedVersion
	case len(h.Nonce) != nonceSize:
		return a, errForeign
	case h.Service != p.service && h.Service != AnyService:
		c.Refused = refusedService
	case p.secret != nil:
		c.Salt, c.Rounds = p.secret.salt, rounds
	case !p.admit():
		c.Refused = refusedFull
	}
	if err := t.send(true, c); err != nil || c.Refused != "" {
		return a, errors.Join(err, refusal(c.Refused))
	}
	if p.secret == nil {
		return a, nil
	}
	said := t.said.Sum(nil)
	var got proof
	if err := t.receive(false, &got); errors.Is(err, io.EOF) {
		return a, fmt.Errorf("it gave no password: %w", err)
	} else if err != nil {
		return a, err
	}
	v := verdict{}
	switch p.try(func() bool { return hmac.Equal(got.Proof, sign(p.secret.key, "client", said)) }) {
	case wrong:
		v.Refused = refusedPassword
	case locked:
		v.Refused = refusedLocked
	default:
		if p.admit() {
			v.Proof = sign(p.secret.key, "server", said)
		} else {
			v.Refused = refusedFull
		}
	}
	return a, errors.Join(t.send(false, v), refusal(v.Refused))
}

// refusal is the server's own error for a reason, nil for "".
func refusal(reason string) error {
	if reason == "" {
		return nil
	}
	return &refusedError{reason}
}

// refusedError: the server said no.
type refusedError struct{ reason string }

func (e *refusedError) Error() string { return "refused: " + e.reason }

// AnyService is what a client asks for that only wants to know what is there.
const AnyService = "any"

// dialHandshake is the client's side. step is told of the layers passed.
func dialHandshake(t *talk, h hello, password string, step func(Layer, string)) (challenge, error) {
	h.Version, h.Nonce = Version, random(nonceSize)
	if err := t.send(true, h); err != nil {
		return challenge{}, err
	}
	var c challenge
	if err := t.receive(true, &c); err != nil {
		return c, err
	}
	if c.Version != Version && c.Refused == "" || len(c.Nonce) != nonceSize && c.Refused == "" {
		c.Refused = refusedVersion
	}
	if c.Refused != "" {
		return c, refusal(c.Refused)
	}
	c.Title = printable(c.Title, 200)
	step(Protocol, fmt.Sprintf("version %d", c.Version))
	switch {
	case len(c.Salt) == 0 && password != "":
		return c, errUnproven
	case len(c.Salt) == 0:
		return c, nil
	case password == "":
		return c, errNoPassword
	case len(c.Salt) < 8 || c.Rounds < minRounds || c.Rounds > maxRounds:
		return c, errForeign
	}
	key, err := pbkdf2.Key(sha256.New, password, c.Salt, c.Rounds, keySize)
	if err != nil {
		return c, err
	}
	said := t.said.Sum(nil)
	if err := t.send(false, proof{sign(key, "client", said)}); err != nil {
		return c, err
	}
	var v verdict
	if err := t.receive(false, &v); err != nil {
		return c, err
	}
	switch {
	case v.Refused != "":
		return c, refusal(v.Refused)
	case !hmac.Equal(v.Proof, sign(key, "server", said)):
		return c, errUnproven
	}
	step(Password, "both ends know it")
	return c, nil
}

var (
	errUnproven   = errors.New("the server did not show that it knows the password")
	errNoPassword = errors.New("the server asks for a password")
)

// printable is text from outside for a log or a title: short, without control characters.
func printable(s string, limit int) string {
	out := make([]rune, 0, min(len(s), limit))
	for _, r := range s {
		if len(out) == limit {
			break
		}
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			r = '?'
		}
		out = append(out, r)
	}
	return string(out)
}
