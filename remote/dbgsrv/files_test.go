//go:build linux

package dbgsrv

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestFiles: images are served, and nothing that only looks like one, however it is
// reached.
func TestFiles(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	name := func(s string) string { return filepath.Join(dir, s) }
	for _, err := range []error{
		os.Symlink(self, name("link")), os.Symlink("/etc/passwd", name("secret")), os.WriteFile(name("text"), []byte("hello"), 0o600),
		os.WriteFile(name("empty"), nil, 0o600), syscall.Mkfifo(name("fifo"), 0o600), os.Mkdir(name("folder"), 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, good := range map[string]bool{
		self: true, name("link"): true, name("../" + filepath.Base(dir) + "/link"): true, "/proc/self/exe": false,
		name("secret"): false, name("text"): false, name("empty"): false, name("fifo"): false, name("folder"): false,
		"/dev/zero": false, "/etc/shadow": false, "relative": false, "": false, "/proc/self/mem": false, name("nothing"): false,
	} {
		f, size, err := openImage(path, 0)
		if (err == nil) != good {
			t.Errorf("%q: %v", path, err)
		}
		if err != nil {
			continue
		}
		if n, err := io.Copy(io.Discard, f); err != nil || n != size {
			t.Errorf("%q: %d of %d bytes, %v", path, n, size, err)
		}
		f.Close()
	}
	f, _, err := openImage(self, int64(os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, _, err := openImage(self, 1<<30); err == nil {
		t.Error("as a process sees it that is not there")
	}
}
