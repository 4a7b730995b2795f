package mmap

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"some": "some text", "none": ""} {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := Open(p)
		if err != nil {
			t.Fatal(err)
		}
		if string(m.Data) != text || m.Path != p {
			t.Errorf("%s: got %q of %s", name, m.Data, m.Path)
		}
	}
	if _, err := Open(filepath.Join(dir, "missing")); !os.IsNotExist(err) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := Open(dir); err == nil {
		t.Error("a directory was mapped")
	}
	if runtime.GOOS != "windows" {
		pipe := filepath.Join(dir, "pipe") // nobody writes to it
		if out, err := exec.Command("mkfifo", pipe).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if _, err := Open(pipe); err == nil {
			t.Error("a pipe was mapped")
		}
	}
}

func TestGuard(t *testing.T) {
	p := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(p, make([]byte, 1<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := Open(p)
	if err != nil {
		t.Fatal(err)
	}
	var g Guard
	sum := 0
	read := func() { sum += int(m.Data[1<<15]) }
	if !g.Do(read) {
		t.Error("refused to read a whole file")
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a panic of another kind was held back")
			}
		}()
		g.Do(func() { panic("other") })
	}()
	if runtime.GOOS == "windows" { // a mapped file cannot be cut there
		return
	}
	if err := os.Truncate(p, 0); err != nil {
		t.Fatal(err)
	}
	if g.Do(read) || g.Do(func() {}) {
		t.Error("read a page that is gone")
	}
}

func TestRelease(t *testing.T) {
	text := make([]byte, 1<<18)
	for i := range text {
		text[i] = byte(i >> 8)
	}
	p := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(p, text, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := Open(p)
	if err != nil {
		t.Fatal(err)
	}
	own := bytes.Clone(text)
	for _, b := range [][]byte{nil, m.Data[5:6], m.Data[100:70000], m.Data, own} { // memory that is not mapped must stay
		m.Release(b)
	}
	if !bytes.Equal(m.Data, text) || !bytes.Equal(own, text) {
		t.Error("bytes changed")
	}
}
