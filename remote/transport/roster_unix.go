//go:build unix

package transport

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

func rosterFolder() (string, error) {
	dir, err := pipeFolder()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, ".servers") // no pipe's name: strings of clients cannot name it by mistake
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return dir, nil
}

// hold locks f and shows it under its name in the roster.
func hold(name string, f *os.File) (io.Closer, error) {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, err
	}
	return f, os.Rename(name, name+".server")
}

// held reports whether the server of a file lives. The file of one that was killed is
// removed.
func held(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	if syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil {
		return true
	}
	os.Remove(name)
	return false
}
