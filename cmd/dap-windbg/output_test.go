//go:build unix

package main

import (
	"os"
	"testing"
	"time"
)

// TestOutput: who reads our output and goes away ends the command, not the process.
func TestOutput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	was := os.Stdout
	defer func() { os.Stdout = was }()
	os.Stdout = w
	out, ctx := output(t.Context())
	if _, err := out.Write([]byte("read\n")); err != nil || ctx.Err() != nil {
		t.Fatal(err, ctx.Err())
	}
	r.Close()
	if _, err := out.Write([]byte("not read\n")); err == nil {
		t.Error("a write that nobody reads succeeds")
	}
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Error("the command goes on")
	}
}
