//go:build linux

package remote

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"
)

// line is a long way between two ends: each byte takes its time, and the line can be
// cut: nothing gets through, and nobody is told.
type line struct {
	ln    net.Listener
	to    string
	delay time.Duration

	mu    sync.Mutex
	cut   chan struct{} // non-nil while cut; closed when whole again
	conns []net.Conn
	chain chain
	all   sync.WaitGroup
}

// chain is what has followed from what on a line: a piece that an end sends may be its
// answer to all that has arrived there. heard are the links behind what has arrived at
// either end; it grows by one with each flight that the near end may have waited for.
type chain struct{ near, far int }

// flights counts the flights so far, of whatever travels, that followed each other.
func (l *line) flights() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.chain.near
}

// sent is the place in the chain of a piece that an end sends now; arrived notes it
// at the other one.
func (l *line) sent(near bool) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if near {
		return l.chain.near + 1
	}
	return l.chain.far
}

func (l *line) arrived(near bool, link int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if near {
		l.chain.near = max(l.chain.near, link)
	} else {
		l.chain.far = max(l.chain.far, link)
	}
}

// keepAlive reports whether a piece is the multiplexer asking whether the other end is
// there, or the answer: nobody waits for those. They are frames without a body.
func keepAlive(piece []byte) bool {
	const frame, ping = 12, 2
	for ; len(piece) >= frame && piece[0] == 0 && piece[1] == ping; piece = piece[frame:] {
	}
	return len(piece) == 0
}

// stretch puts a line in front of a port of this machine.
func stretch(t testing.TB, port int, delay time.Duration) *line {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{ln: ln, to: fmt.Sprintf("127.0.0.1:%d", port), delay: delay}
	l.all.Go(l.serve)
	t.Cleanup(l.close)
	return l
}

func (l *line) port() int { return l.ln.Addr().(*net.TCPAddr).Port }

func (l *line) close() {
	l.ln.Close()
	l.mend()
	l.drop()
	l.all.Wait()
}

// drop closes both ends of all connections.
func (l *line) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		c.Close()
	}
}

func (l *line) sever() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut == nil {
		l.cut = make(chan struct{})
	}
}

func (l *line) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut != nil {
		close(l.cut)
		l.cut = nil
	}
}

func (l *line) serve() {
	for {
		near, err := l.ln.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", l.to)
		if err != nil {
			near.Close()
			continue
		}
		l.mu.Lock()
		l.conns = append(l.conns, near, far)
		l.mu.Unlock()
		l.all.Go(func() { l.carry(near, far, true) })
		l.all.Go(func() { l.carry(far, near, false) })
	}
}

// carry moves bytes one way; each piece arrives delay after it was sent.
func (l *line) carry(from, to net.Conn, near bool) {
	type piece struct {
		due  time.Time
		data []byte
		link int // in the chain
	}
	way := make(chan piece, 1<<12)
	l.all.Go(func() {
		defer to.Close()
		for p := range way {
			time.Sleep(time.Until(p.due))
			l.mu.Lock()
			cut := l.cut
			l.mu.Unlock()
			if cut != nil {
				<-cut
			}
			l.arrived(!near, p.link)
			if _, err := to.Write(p.data); err != nil {
				break
			}
		}
		for range way {
		}
	})
	defer close(way)
	for {
		buf := make([]byte, 16<<10)
		n, err := from.Read(buf)
		if n > 0 {
			link := 0
			if !keepAlive(buf[:n]) {
				link = l.sent(near)
			}
			way <- piece{time.Now().Add(l.delay), buf[:n], link}
		}
		if err != nil {
			return
		}
	}
}
