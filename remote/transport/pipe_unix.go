//go:build unix

package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// A pipe is a unix socket: of the given path, or of that name in a folder that is its
// user's alone.

// pipePath is where the socket of a pipe lies.
func pipePath(name string) (string, error) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	if name == "" || strings.ContainsAny(name, "/\x00") || name == "." || name == ".." {
		return "", fmt.Errorf("'%s' is neither a name nor an absolute path", name)
	}
	dir, err := pipeFolder()
	return filepath.Join(dir, name), err
}

// pipeFolder is made when needed. In a folder that everybody may write to, somebody
// else's could be waiting for us.
func pipeFolder() (string, error) {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = filepath.Join(os.TempDir(), fmt.Sprintf("dap-windbg-%d", os.Getuid()))
	} else {
		dir = filepath.Join(dir, "dap-windbg")
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	st, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); !ok || !st.IsDir() || int(sys.Uid) != os.Getuid() || st.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s is not a folder of this user alone", dir)
	}
	return dir, nil
}

func listenPipe(ctx context.Context, s *Spec, _ bool) ([]net.Listener, error) {
	name := strings.Replace(strings.Replace(s.Pipe, "%x", fmt.Sprintf("%x", os.Getpid()), 1), "%d", fmt.Sprint(os.Getpid()), 1)
	fail := func(err error, fix string) error {
		return &Error{Layer: Port, What: "Unable to start server, pipe " + name, Err: err, Fix: fix}
	}
	path, err := pipePath(name)
	if err != nil {
		return nil, fail(err, "")
	}
	var c net.ListenConfig
	ln, err := c.Listen(ctx, "unix", path)
	if errors.Is(err, syscall.EADDRINUSE) {
		if st, err := os.Lstat(path); err == nil && st.Mode().Type() != os.ModeSocket { // a file refuses connections, too
			return nil, fail(errors.New("there is a file of this name, and it is no pipe"), "choose another name")
		}
		if probe, dialled := net.Dial("unix", path); dialled == nil {
			probe.Close()
			return nil, fail(err, "another server has this name")
		} else if !errors.Is(dialled, syscall.ECONNREFUSED) { // no socket, or not ours to remove
			return nil, fail(dialled, "choose another name")
		}
		os.Remove(path) // left by a server that was killed
		ln, err = c.Listen(ctx, "unix", path)
	}
	if err != nil {
		return nil, fail(err, "")
	}
	if err := os.Chmod(path, 0o600); err != nil { // who may write to it may connect
		ln.Close()
		return nil, fail(err, "")
	}
	s.Pipe = name
	return []net.Listener{ln}, nil
}

func dialPipe(ctx context.Context, s Spec) (net.Conn, error) {
	if !local(s.Server) {
		return nil, &Error{Layer: Name, What: "npipe: " + s.Server + " is another machine, and pipes reach only this one here", Fix: "use tcp: or ssl:"}
	}
	path, err := pipePath(s.Pipe)
	if err != nil {
		return nil, &Error{Layer: Settings, What: "npipe", Err: err}
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, reachFault(s, err)
	}
	return conn, nil
}
