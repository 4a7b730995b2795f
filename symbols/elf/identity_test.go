package elf

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestIdentity: what is kept for a file is not taken for a file that was written
// since, though its build-id is the same, nor with another common file.
func TestIdentity(t *testing.T) {
	data, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "prog")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := openPart(path)
	if err != nil {
		t.Fatal(err)
	}
	first := p.identity(nil)
	if len(first) == 0 || !bytes.Equal(first, p.identity(nil)) {
		t.Fatalf("identities %x and %x", first, p.identity(nil))
	}
	if bytes.Equal(first, p.identity(p)) {
		t.Error("a common file changes nothing")
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(first, p.identity(nil)) {
		t.Error("the file's time changes nothing")
	}
}
