package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dap-windbg/targets"
)

// serverStart bounds the time a gdbserver has to listen.
const serverStart = 15 * time.Second

// localServer is a gdbserver that we run for one debuggee, and the debuggee's
// standard streams.
type localServer struct {
	cmd      *exec.Cmd // nil in a terminal
	port     string
	input    io.WriteCloser // of the debuggee, nil when it is a file or a terminal
	terminal bool           // the client's: the streams are not ours
	exited   chan struct{}  // gdbserver is gone and all output was delivered
	kill     func()
	shared   atomic.Int32 // processes it serves besides the first
	left     atomic.Bool  // it was detached from what it started, and stays until that ends
	met      atomic.Bool  // somebody has connected: it ends by itself when he leaves
	wake     int64        // a running process that it attaches to
	hung     sync.WaitGroup
	taps     []*tap // of its streams, while it runs here

	// Of a process server's debuggee: the wire to its stub, which ends with it; why it
	// has no input; and how its images are opened. All nil for one of this machine.
	wire   io.Closer
	mute   string
	images func(ctx context.Context, path string) (io.ReadCloser, error)
}

// startServer runs gdbserver for a new program (attach 0) or a running process.
// output is called with the debuggee's text, after room while it runs; err tells its
// standard error stream.
func startServer(ctx context.Context, p *Plan, attach int64, room func(context.Context), output func(text string, err bool)) (*localServer, error) {
	argv, err := serverCommand(p, attach)
	if err != nil {
		return nil, err
	}
	s := &localServer{cmd: exec.Command(argv[0], argv[1:]...), exited: make(chan struct{})}
	s.kill = func() { s.cmd.Process.Kill() }
	if attach == 0 {
		s.cmd.Dir = p.Program.Dir
		s.cmd.Env = append(os.Environ(), p.Program.Env...)
	}
	if attach != 0 && !halted(attach) {
		s.wake = attach
	}
	isolate(s.cmd)
	open := openStreams
	if p.Unattended {
		open = openPipes
	}
	return s, s.start(ctx, open, p.Stdin, attach, room, output)
}

// serverCommand is gdbserver's command line. It chooses the port itself.
func serverCommand(p *Plan, attach int64) ([]string, error) {
	program := p.Gdbserver
	if program == "" {
		program = "gdbserver"
	}
	path, err := lookPath(program)
	if err != nil {
		return nil, &ReachError{What: fmt.Sprintf("%s is not installed here", program),
			Fix: "install it (Debian, Ubuntu: apt-get install gdbserver; Fedora: dnf install gdb-gdbserver), or name one with \"gdbserver\", or attach to a far end with \"connection\""}
	}
	if attach != 0 {
		return []string{path, "--once", "--attach", "127.0.0.1:0", strconv.FormatInt(attach, 10)}, nil
	}
	image, err := findProgram(&p.Program)
	if err != nil {
		return nil, err
	}
	argv := []string{path}
	if p.Program.ASLR {
		argv = append(argv, "--no-disable-randomization")
	}
	if !needsShell(p.Program.Args) {
		argv = append(argv, "--no-startup-with-shell")
	}
	return append(append(argv, "--once", "127.0.0.1:0", image), p.Program.Args...), nil
}

// standardPath is where shells look for programs when there is no PATH.
const standardPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// lookPath finds a program, in an empty environment too.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil || os.Getenv("PATH") != "" || strings.ContainsRune(name, filepath.Separator) {
		return path, err
	}
	for _, dir := range filepath.SplitList(standardPath) {
		if found, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return found, nil
		}
	}
	return "", err
}

// needsShell: gdbserver joins the arguments into one string. Only a shell takes that
// apart again as it was: without one, gdbserver refuses blanks and drops what is empty.
func needsShell(args []string) bool {
	return slices.ContainsFunc(args, func(a string) bool { return a == "" || strings.ContainsAny(a, " \t\n\v\f\r") })
}

// findProgram checks that the program can be started, so that the user hears of
// it from us and not from a server's log.
func findProgram(p *targets.Program) (string, error) {
	path := p.Path
	if !strings.ContainsRune(path, filepath.Separator) {
		if found, err := lookPath(path); err == nil {
			path = found
		}
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	st, err := os.Stat(abs)
	switch {
	case err != nil:
		return "", &ConfigError{Field: "program", Value: p.Path, Want: reason(err), Fix: "build the program first, or correct the path"}
	case st.IsDir():
		return "", &ConfigError{Field: "program", Value: p.Path, Want: "is a folder, not a program"}
	case st.Mode()&0o111 == 0:
		return "", &ConfigError{Field: "program", Value: p.Path, Want: "is not executable", Fix: "chmod +x it, or name the program and not its source"}
	}
	if p.Dir != "" {
		if st, err := os.Stat(p.Dir); err != nil || !st.IsDir() {
			return "", &ConfigError{Field: "cwd", Value: p.Dir, Want: "is not a folder"}
		}
	}
	return abs, nil
}

func (s *localServer) start(ctx context.Context, open func(context.Context, string) (*streams, error), stdin string, attach int64, room func(context.Context), output func(string, bool)) error {
	streams, err := open(ctx, stdin)
	if err != nil {
		return err
	}
	errRead, errWrite, err := os.Pipe()
	if err != nil {
		streams.close()
		return err
	}
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = streams.childIn, streams.childOut, errWrite
	err = s.cmd.Start()
	streams.closeChild()
	errWrite.Close()
	if err != nil {
		errRead.Close()
		streams.close()
		return &ReachError{What: "Unable to start " + s.cmd.Path, Err: err}
	}
	s.input = streams.input
	port := make(chan string, 1)
	alive, ended := context.WithCancel(context.Background())
	paced := func(text string, err bool) {
		if room != nil {
			room(alive)
		}
		output(text, err)
	}
	s.hung.Add(2)
	var said lineLog
	out, errs := &tap{file: streams.output}, &tap{file: errRead}
	s.taps = []*tap{out, errs}
	go func() { defer s.hung.Done(); out.copyTo(func(text string) { paced(text, false) }) }()
	go func() { defer s.hung.Done(); readErrors(errs, port, &said, paced) }()
	go func() {
		s.cmd.Wait()
		ended()
		// A program that outlives its debugger may hold the streams open.
		done := make(chan struct{})
		go func() { s.hung.Wait(); close(done) }()
		drained(s.taps, lastOutput, done)
		errRead.Close()
		streams.close()
		<-done
		close(s.exited)
	}()
	timer := time.NewTimer(serverStart)
	defer timer.Stop()
	select {
	case s.port = <-port:
		return nil
	case <-s.exited:
		return serverFault(attach, said.text())
	case <-timer.C:
		s.stop()
		return &ReachError{What: fmt.Sprintf("gdbserver did not listen within %v", serverStart), Err: errors.New(said.text())}
	case <-ctx.Done():
		// Killed before it listens, it would let go what it starts and leave behind
		// the children that it tries ptrace on.
		select {
		case s.port = <-port:
		case <-s.exited:
		case <-time.After(serverStart / 3):
		}
		s.stop()
		return ctx.Err()
	}
}

// serverFault explains why gdbserver ended at once.
func serverFault(attach int64, said string) error {
	e := &ReachError{What: "gdbserver did not start: " + said}
	switch {
	case attach != 0 && (strings.Contains(said, "Operation not permitted") || strings.Contains(said, "Permission denied")):
		e.What = fmt.Sprintf("Unable to attach to process %d: tracing it is not permitted", attach)
		e.Fix = fmt.Sprintf("the process may belong to another user or have a debugger already. Only gdbserver has to be root: `sudo gdbserver --once --attach localhost:2345 %d`, and then `-remote gdb:server=localhost,port=2345`. On a single-user machine `sysctl kernel.yama.ptrace_scope=0` allows attaching, in a container the capability SYS_PTRACE does", attach)
	case attach != 0 && strings.Contains(said, "No such process"):
		e.What = fmt.Sprintf("Unable to attach: there is no process %d", attach)
		e.Fix = "`dap-windbg ps` lists the processes"
	case strings.Contains(said, "Operation not permitted"):
		e.Fix = "tracing is not permitted here; in a container add the capability SYS_PTRACE"
	}
	return e
}

// readErrors passes the shared error stream on without gdbserver's own lines.
func readErrors(t *tap, port chan<- string, said *lineLog, output func(string, bool)) {
	f := sieve{port: port, said: said, output: func(text string) { output(text, true) }}
	t.copyTo(f.take)
	f.end()
}

// dial connects to the server.
func (s *localServer) dial(ctx context.Context) (net.Conn, error) {
	conn, err := dialTCP(ctx, "gdbserver", "127.0.0.1", s.port)
	s.met.Store(err == nil)
	return conn, err
}

// stop ends the use of a gdbserver, and with the last one the server when it does not end by itself; the connection is closed already.
func (s *localServer) stop() {
	if s.shared.Add(-1) >= 0 {
		return // others are served still
	}
	if s.wire != nil {
		s.wire.Close()
	}
	if !s.met.Load() && s.cmd != nil { // it would wait for somebody for ever
		s.kill()
		<-s.exited
		if s.wake != 0 {
			proceed(s.wake) // what was being attached to may have been stopped for it
		}
		return
	}
	if s.left.Load() {
		s.kill()
	}
	select {
	case <-s.exited:
		return
	case <-time.After(serverStart / 3):
	}
	s.kill()
	<-s.exited
}
