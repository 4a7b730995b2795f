package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dap-windbg/console"
)

// TestServerOptions: what is no number is told with the option's name; a transport comes
// from a file where command lines would show it.
func TestServerOptions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "transport")
	if err := os.WriteFile(file, []byte("tcp:port=5005,password=abc123\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]string{{"--max-clients", "0"}, {"--max-clients", "-1"}, {"--max-debuggees", "x"}, {"--idle", "-5m"}, {"--idle", "soon"}} {
		_, err := parseServer(append([]string{"-t", "@" + file}, bad...))
		var usage *console.UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), bad[0]) || !strings.Contains(err.Error(), bad[1]) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	a, err := parseServer([]string{"-t", "@" + file, "--idle", "30m", "--max-clients", "2", "-c", "sleep", "1"})
	if err != nil || a.idle != 30*time.Minute || a.clients != 2 || a.transport.Get("password") != "abc123" || len(a.start) != 2 {
		t.Errorf("%+v %v", a, err)
	}
	b, allow, err := parseLineServer([]string{"--allow", "/dev/ttyUSB*", "-t", "@" + file})
	if err != nil || b.transport.Get("password") != "abc123" || len(allow) != 1 {
		t.Errorf("%+v %v %v", b, allow, err)
	}
}
