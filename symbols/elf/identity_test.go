package elf

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"dap-windbg/symbols/index"
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

// TestKeptSections: what one run decompresses the next one finds, and reads the same.
func TestKeptSections(t *testing.T) {
	path := build(t, "g++ -O0 -gdwarf-5 -gz=zlib", "shapes.cc")
	cache := &index.Cache{Dir: t.TempDir()}
	var want []string
	for _, again := range []bool{false, true} {
		img, err := Open(path, Options{Index: cache})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for s := range img.Lookup("*") {
			if l, ok := img.Line(s.Offset); ok {
				got = append(got, s.Name+" "+line(l))
			}
		}
		if want == nil {
			want = got
		}
		if len(got) < 5 || !slices.Equal(got, want) {
			t.Errorf("again %v: %q, want %q", again, got, want)
		}
		k := img.main.Keeper
		s, ok := img.main.named(".debug_info")
		if !ok {
			t.Fatal("no .debug_info")
		}
		b, err := img.main.Data(s)
		if err != nil {
			t.Fatal(err)
		}
		cache.Flush()
		kept := k.Section(s.Name, uint64(len(b)))
		if kept == nil || !kept.UpTo(len(b)) || !bytes.Equal(kept.Data(), b) {
			t.Fatalf("again %v: .debug_info was not kept", again)
		}
	}
}
