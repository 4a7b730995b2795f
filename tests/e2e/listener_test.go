package e2e

import (
	"net"
	"strconv"
	"testing"
)

// serveText listens, answers each connection with text and keeps it open.
func serveText(t *testing.T, text string) (port string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			c.Write([]byte(text))
		}
	}()
	return strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
}
