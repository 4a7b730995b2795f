package line

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Commands of telnet (RFC 854).
const (
	telnetSE   = 240
	telnetBRK  = 243
	telnetSB   = 250
	telnetWILL = 251
	telnetDONT = 254
	telnetIAC  = 255
)

// greeting is how long a far end is given to show that it speaks telnet.
const greeting = time.Second

// Telnet makes a line of one whose far end may speak telnet, as terminal servers and
// the character devices of QEMU do: it is known by its first bytes, which offer
// options. Offers are not answered; a break is a command then.
func Telnet(l Line) Line {
	return &telnet{Line: l, greeted: make(chan struct{})}
}

// telnet is at a byte of its input that is text, or in a command.
type telnet struct {
	Line
	greeted chan struct{} // closed when the first byte has come
	once    sync.Once

	mu    sync.Mutex
	known bool // the first byte has come
	spoke bool // it was telnet's
	state func(*telnet, byte) (text bool)
}

func (t *telnet) Read(p []byte) (int, error) {
	for {
		n, err := t.Line.Read(p)
		k := t.strip(p[:n])
		if k > 0 || err != nil || n == 0 {
			return k, err
		}
	}
}

// strip takes the commands out of p.
func (t *telnet) strip(p []byte) int {
	if len(p) == 0 {
		return 0
	}
	t.mu.Lock()
	if !t.known {
		t.known, t.spoke, t.state = true, p[0] == telnetIAC, (*telnet).text
	}
	defer t.once.Do(func() { close(t.greeted) })
	defer t.mu.Unlock()
	if !t.spoke {
		return len(p)
	}
	n := 0
	for _, b := range p {
		if t.state(t, b) {
			p[n] = b
			n++
		}
	}
	return n
}

func (t *telnet) text(b byte) bool {
	if b == telnetIAC {
		t.state = (*telnet).command
	}
	return b != telnetIAC
}

func (t *telnet) command(b byte) bool {
	t.state = (*telnet).text
	switch {
	case b >= telnetWILL && b <= telnetDONT:
		t.state = (*telnet).option
	case b == telnetSB:
		t.state = (*telnet).negotiation
	}
	return b == telnetIAC
}

func (t *telnet) option(byte) bool { t.state = (*telnet).text; return false }

func (t *telnet) negotiation(b byte) bool {
	if b == telnetIAC {
		t.state = (*telnet).negotiationEnd
	}
	return false
}

func (t *telnet) negotiationEnd(b byte) bool {
	if t.state = (*telnet).negotiation; b == telnetSE {
		t.state = (*telnet).text
	}
	return false
}

func (t *telnet) speaks() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.spoke
}

func (t *telnet) Write(p []byte) (int, error) {
	if !t.speaks() {
		return t.Line.Write(p)
	}
	doubled := make([]byte, 0, len(p)+2)
	for _, b := range p {
		if doubled = append(doubled, b); b == telnetIAC {
			doubled = append(doubled, b)
		}
	}
	if _, err := t.Line.Write(doubled); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SendBreak needs somebody who reads: that is how telnet is recognised.
func (t *telnet) SendBreak() error {
	limit := time.NewTimer(greeting)
	defer limit.Stop()
	select {
	case <-t.greeted:
	case <-limit.C:
	}
	if t.speaks() {
		_, err := t.Line.Write([]byte{telnetIAC, telnetBRK})
		return err
	}
	if err := t.Line.SendBreak(); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return fmt.Errorf("a socket has no break unless telnet is spoken on it: %w", errors.ErrUnsupported)
}
