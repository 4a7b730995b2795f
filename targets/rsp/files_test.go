package rsp

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/targets"
)

// TestFiles: a server's file has the size it has, and is read in pieces of the
// packet's size, not of a byte; one whose size nobody knows is read to its end.
func TestFiles(t *testing.T) {
	tg, trace := serve(t, "threads")
	want, err := os.ReadFile(probe(t))
	if err != nil {
		t.Fatal(err)
	}
	f, err := tg.Open(soon(t), probe(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n := f.(*File).Size(); n != int64(len(want)) {
		t.Errorf("size %d, want %d", n, len(want))
	}
	got, err := io.ReadAll(f)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes of %d, %v", len(got), len(want), err)
	}
	maps, err := tg.Open(soon(t), "/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	defer maps.Close()
	if text, err := io.ReadAll(maps); err != nil || !strings.Contains(string(text), "[stack]") {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if n := strings.Count(trace.String(), "vFile:pread"); n > 4+len(want)/1024 {
		t.Errorf("%d reads for %d bytes", n, len(want))
	}
}

// TestFileErrors: who brings files over knows by the error that one is not there.
func TestFileErrors(t *testing.T) {
	tg, _ := serve(t, "loop")
	if _, err := tg.Open(soon(t), "/no/such/file"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// TestOddOpenFiles: the name of an open file may be of any bytes.
func TestOddOpenFiles(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "odd\x1b\xff"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tg, _ := serve(t, "loop")
	list, err := tg.Query(soon(t), targets.OSData, "files")
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(list, new(struct{})); err != nil || !bytes.Contains(list, []byte("odd\ufffd\ufffd")) {
		t.Errorf("%d bytes: %v", len(list), err)
	}
}
