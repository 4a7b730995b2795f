package targettest

import (
	"net"
	"sync"
	"testing"
)

// FreePort is a TCP port of this machine at which nobody listens now.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Listen hands each connection that comes to take, in a goroutine of its own, and ends
// them with the test. network and address are net.Listen's.
func Listen(t testing.TB, network, address string, take func(net.Conn)) net.Addr {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			all.Go(func() { take(c) })
		}
	})
	return l.Addr()
}
