package store

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBound: what was fetched longest ago goes when the cache folder is full; what
// others keep, and what is on its way, stays.
func TestBound(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	s := newStore(t, Options{Cache: dir, CacheLimit: 100})
	long := time.Now().Add(-100 * time.Hour)
	put := func(dir, name string, size int, age time.Duration) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Repeat("x", size)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, long.Add(-age), long.Add(-age)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	oldest, old, young := put(dir, "target/a/lib", 40, 3*time.Hour), put(dir, "target/b/lib", 30, 2*time.Hour), put(dir, "target/c/lib", 20, time.Hour)
	part, theirs := put(dir, "target/d/lib.part", 10, 9*time.Hour), put(elsewhere, "lib", 500, 9*time.Hour)
	fetch := func(local string, size int) {
		t.Helper()
		err := s.fetch(context.Background(), local, local, func(context.Context, int64, string) (*body, error) {
			return &body{ReadCloser: io.NopCloser(strings.NewReader(strings.Repeat("y", size))), size: int64(size)}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	there := func(want bool, paths ...string) {
		t.Helper()
		for _, p := range paths {
			if _, err := os.Stat(p); (err == nil) != want {
				t.Errorf("%s is there: %v", p, err == nil)
			}
		}
	}
	one := filepath.Join(dir, "target/e/lib")
	fetch(one, 30) // 130 with what lies there
	there(false, oldest, filepath.Dir(oldest))
	there(true, old, young, part, one)
	two := filepath.Join(dir, "target/f/lib")
	fetch(two, 10)
	there(true, old, young, part, one, two)
	three := filepath.Join(dir, "target/g/lib")
	fetch(three, 25)
	there(false, old)
	there(true, young, part, one, two, three)
	fetch(filepath.Join(elsewhere, "other"), 900)
	there(true, young, part, one, two, three, theirs)
	huge := filepath.Join(dir, "target/h/lib")
	fetch(huge, 1000) // larger than all there may be: it stays while it is the last
	there(false, young, one, two, three)
	there(true, huge, part)
}
