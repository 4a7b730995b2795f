//go:build linux

package kdsrv

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
)

// TestAttended: a pseudo terminal that somebody works at is given to nobody who was not
// meant to have it; a free one has one client, whatever it is called.
func TestAttended(t *testing.T) {
	master, slave, err := pty.Open()
	must(t, err)
	defer master.Close()
	defer slave.Close()
	spec := start(t, Options{}, "")
	_, err = open(t, spec, Request{Port: slave.Name()}, nil)
	must(t, err)
	other := filepath.Join(t.TempDir(), "line")
	must(t, os.Symlink(slave.Name(), other))
	if _, err := open(t, spec, Request{Port: other}, nil); err == nil || !strings.Contains(err.Error(), "is in use by") {
		t.Errorf("by another name: %v", err)
	}

	master2, terminal, err := pty.Open()
	must(t, err)
	defer master2.Close()
	defer terminal.Close()
	cmd := exec.Command("sh", "-c", "echo there; read line")
	cmd.Stdin, cmd.Stdout = terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	must(t, cmd.Start())
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	_, err = bufio.NewReader(master2).ReadString('\n')
	must(t, err)
	_, err = open(t, spec, Request{Port: terminal.Name()}, nil)
	if err == nil || !strings.Contains(err.Error(), "somebody works at this terminal") {
		t.Errorf("%v", err)
	}
	var hint interface{ Hint() string }
	if !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "--allow") {
		t.Errorf("no hint: %v", err)
	}
	allowed := start(t, Options{Allow: []string{terminal.Name()}}, "")
	_, err = open(t, allowed, Request{Port: terminal.Name()}, nil)
	must(t, err)
}
