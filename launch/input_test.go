//go:build unix

package launch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// TestInputPipe: a pipe that nobody writes to is waited for no longer than asked.
func TestInputPipe(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := t.TempDir()
	pipe := func(name string) string {
		name = filepath.Join(dir, name)
		if err := syscall.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if f, err := openInput(ctx, pipe("silent")); f != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", f, err)
	}
	name := pipe("written")
	go func() {
		if w, err := os.OpenFile(name, os.O_WRONLY, 0); err == nil {
			w.WriteString("text")
			w.Close()
		}
	}()
	f, err := openInput(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := make([]byte, 8)
	if n, err := f.Read(p); string(p[:n]) != "text" {
		t.Errorf("%q, %v", p[:n], err)
	}
}
