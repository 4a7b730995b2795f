package transport

import (
	"io"
	"os"
	"path/filepath"
)

func rosterFolder() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "dap-windbg", "servers")
	return dir, os.MkdirAll(dir, 0o700)
}

// hold shows f under its name in the roster, and keeps it open: no open file can be
// removed here.
func hold(name string, f *os.File) (io.Closer, error) {
	f.Close() // nor renamed
	if err := os.Rename(name, name+".server"); err != nil {
		return nil, err
	}
	return os.Open(name + ".server")
}

// held reports whether the server of a file lives. The file of one that was killed is
// removed.
func held(name string) bool { return os.Remove(name) != nil }
