package e2e

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"dap-windbg/targets/targettest"
)

// serveText listens, answers each connection with text and keeps it open.
func serveText(t *testing.T, text string) (port string) {
	t.Helper()
	at := targettest.Listen(t, "tcp", "127.0.0.1:0", func(c net.Conn) { c.Write([]byte(text)) })
	return strconv.Itoa(at.(*net.TCPAddr).Port)
}

// freePort is a port that nobody listens on now.
func freePort(t *testing.T) string {
	t.Helper()
	return strconv.Itoa(targettest.FreePort(t))
}

// waitPort waits until somebody listens on port, without connecting: a server
// for one client would take us for it.
func waitPort(t *testing.T, port string) {
	t.Helper()
	n, _ := strconv.Atoi(port)
	want := fmt.Sprintf(":%04X 00000000:0000 0A", n)
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) { // nothing tells
		table, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(table), want) {
			return
		}
	}
	t.Fatalf("nobody listens on %s", port)
}
