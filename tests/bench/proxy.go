package main

import (
	"net"
	"sync"
)

// proxy stands between a peer and its server and counts round trips: what is sent
// after something was heard begins another.
type proxy struct {
	port string
	l    net.Listener
	mu   sync.Mutex
	n    int
	sent bool // since something was heard
}

func newProxy(port string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	_, own, err := net.SplitHostPort(l.Addr().String())
	check(err)
	p := &proxy{port: own, l: l}
	go func() {
		client, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", "127.0.0.1:"+port)
		check(err)
		go p.pass(server, client, true)
		p.pass(client, server, false)
	}()
	return p
}

// pass copies one way until the line is cut.
func (p *proxy) pass(to, from net.Conn, out bool) {
	defer to.Close()
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			p.saw(out, buf[:n])
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// saw counts; an acknowledgement alone is no message.
func (p *proxy) saw(out bool, b []byte) {
	if len(b) == 1 && b[0] == '+' {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if out && !p.sent {
		p.n++
	}
	p.sent = out
}

func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

func (p *proxy) close() { p.l.Close() }
