package dbgsrv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"dap-windbg/remote/transport"
)

// debuggee is a stub that we run, and what it holds. The stub speaks over a socket pair,
// not over a port: nobody else on this machine can reach it.
type debuggee struct {
	cmd      *exec.Cmd
	wire     *net.UnixConn // to the stub
	observer *observer
	log      zerolog.Logger
	entry    *entry // in the guard's book

	mu   sync.Mutex
	text *os.File // what the debuggee writes, until somebody takes it

	gone chan struct{} // the stub has ended
}

// A missing stub is the user's to install.
type missingStub struct{ name string }

func (e *missingStub) Error() string { return e.name + " is not installed on the process server" }
func (e *missingStub) Hint() string {
	return "install it there (Debian, Ubuntu: apt-get install gdbserver; Fedora: dnf install gdb-gdbserver)"
}

func usable(stub string) error {
	if _, err := exec.LookPath(stub); err != nil {
		return &missingStub{stub}
	}
	return nil
}

// stubCommand is how a stub is run that speaks on descriptor 0 (gdbserver) or 3.
func stubCommand(stub string) []string {
	if strings.HasPrefix(filepath.Base(stub), "lldb-server") {
		return []string{stub, "gdbserver", "--fd=3"}
	}
	return []string{stub, "--once", "--multi", "-"}
}

func (s *Server) start(log zerolog.Logger) (*debuggee, error) {
	argv := stubCommand(s.o.Stub)
	if err := usable(argv[0]); err != nil {
		return nil, err
	}
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("making a wire to the stub: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "stub"), os.NewFile(uintptr(fds[1]), "stub")
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		return nil, err
	}
	wire := conn.(*net.UnixConn)
	read, write, err := os.Pipe()
	if err != nil {
		wire.Close()
		return nil, err
	}
	defer write.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, write
	if argv[len(argv)-1] == "--fd=3" {
		cmd.Stdin, cmd.Stdout, cmd.ExtraFiles = nil, write, []*os.File{theirs}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // signals to us are not for it
	if err := cmd.Start(); err != nil {
		wire.Close()
		read.Close()
		return nil, fmt.Errorf("starting %s: %w", argv[0], err)
	}
	d := &debuggee{cmd: cmd, wire: wire, text: read, gone: make(chan struct{}), log: log.With().Int("stub", cmd.Process.Pid).Logger()}
	d.entry = s.guard.enter(wire, read, cmd.Process.Pid)
	d.observer = &observer{interrupt: interruptSingle, changed: d.note}
	go func() { cmd.Wait(); close(d.gone) }()
	return d, nil
}

// note keeps the guard's book, and the log, up to date.
func (d *debuggee) note(n news) {
	if d.entry.update(n) {
		for _, h := range n.Processes {
			how := "attached"
			if h.Created {
				how = "started"
			}
			d.log.Info().Int64("process", h.PID).Str("image", image(h.PID)).Str("how", how).Msg("debugging")
		}
	}
}

// image is the path of a process's program, "" unknown.
func image(pid int64) string {
	path, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return path
}

// interruptSingle signals a process that does not lead its group: gdbserver signals
// the group of that number, which does not exist.
func interruptSingle(h held) bool {
	group, err := syscall.Getpgid(int(h.PID))
	return err == nil && group != int(h.PID) && h.signal(syscall.SIGINT)
}

// relay passes the protocol until either side ends, then parts from what is held.
func (d *debuggee) relay(ctx context.Context, client *transport.Stream) {
	defer d.end()
	defer client.Close()
	defer context.AfterFunc(ctx, func() {
		client.Close()
		d.wire.SetWriteDeadline(time.Now().Add(partLimit)) // a stub that takes nothing must not hide that
	})()
	lost := make(chan struct{}) // the client
	go func() {
		defer close(lost)
		pass(client, d.wire, d.observer.fromClient)
	}()
	back := make(chan struct{}) // the stub
	go func() {
		defer close(back)
		pass(d.wire, client, func(p []byte) []byte { d.observer.fromStub(p); return p })
	}()
	select {
	case <-lost:
		if d.observer.overflown() {
			d.log.Warn().Int("limit", maxTraps).Msg("let go: it set more traps than can be lifted in its place")
		}
		client.Close()
		d.wire.SetReadDeadline(time.Unix(1, 0)) // the answers are the parting's from now on
		<-back
		d.wire.SetReadDeadline(time.Time{})
	case <-back:
		d.log.Warn().Str("said", d.lastWords()).Msg("the stub has ended")
		client.Close()
		d.wire.SetWriteDeadline(time.Now().Add(partLimit))
		<-lost
	}
}

// lastWords is what the stub wrote before it ended, when no client reads that.
func (d *debuggee) lastWords() string {
	text := d.takeOutput()
	if text == nil {
		return ""
	}
	defer text.Close()
	text.SetReadDeadline(time.Now().Add(lingering))
	said := make([]byte, 400)
	n, _ := text.Read(said)
	return strings.TrimSpace(string(said[:n]))
}

// pass copies what look returns, until that is nil.
func pass(from io.Reader, to io.Writer, look func([]byte) []byte) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			out := look(buf[:n])
			if out == nil {
				return
			}
			if _, err := to.Write(out); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// end parts from what is held and ends the stub.
func (d *debuggee) end() {
	p := d.observer.know()
	wake := func() {}
	select {
	case <-d.gone: // traps cannot be lifted any more; what was started has ended with its tracer or does so now
		for _, h := range p.Processes {
			if h.Created {
				h.signal(syscall.SIGKILL)
			}
		}
	default:
		wake = part(d.wire, p)
	}
	for _, h := range p.Processes {
		d.log.Info().Int64("process", h.PID).Bool("ended", h.Created).Msg("parted in the client's place")
	}
	select {
	case <-d.gone:
	case <-time.After(partLimit):
		d.cmd.Process.Kill()
		<-d.gone
	}
	d.wire.Close()
	wake()
	d.entry.dismiss()
	if text := d.takeOutput(); text != nil {
		text.Close()
	}
}

// running reports whether a process that is traced runs: some thread is not in a stop.
func running(pid int64) bool {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, t := range tasks {
		text, err := os.ReadFile(t)
		if i := bytes.LastIndex(text, []byte(") ")); err == nil && i >= 0 && i+2 < len(text) && bytes.IndexByte([]byte("tZX"), text[i+2]) < 0 {
			return true
		}
	}
	return false
}

// signal signals the process, if that is still the same one.
func (h held) signal(s syscall.Signal) bool {
	if h.Began == 0 {
		return false
	}
	fd, err := unix.PidfdOpen(int(h.PID), 0) // stays that process's, whoever gets the number
	if err == nil {
		defer unix.Close(fd)
	}
	switch {
	case began(h.PID) != h.Began:
		return false
	case err != nil: // Linux before 5.3
		return syscall.Kill(int(h.PID), s) == nil
	}
	return unix.PidfdSendSignal(fd, s, nil, 0) == nil
}

// began is when a process was started, in ticks since the machine was; 0 when there is
// none. It is field 22 of proc(5)'s stat; fields are counted from behind the name,
// which may hold anything.
func began(pid int64) uint64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	i := bytes.LastIndex(text, []byte(") "))
	if err != nil || i < 0 {
		return 0
	}
	fields := strings.Fields(string(text[i+2:]))
	if len(fields) < 20 {
		return 0
	}
	n, _ := strconv.ParseUint(fields[19], 10, 64)
	return n
}

// takeOutput returns the debuggee's output, nil when somebody has it.
func (d *debuggee) takeOutput() *os.File {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.text
	d.text = nil
	return f
}

// lingering is how long output is waited for once the stub has ended: a process that
// outlives it may hold the stream open.
const lingering = 300 * time.Millisecond

// passOutput copies text to the client until it ends. When the client does not take
// it, it is read all the same: a debuggee must not hang because of that.
func (d *debuggee) passOutput(ctx context.Context, text *os.File, client *transport.Stream) {
	defer client.Close()
	defer text.Close()
	defer context.AfterFunc(ctx, func() { client.Close() })()
	go func() {
		<-d.gone
		text.SetReadDeadline(time.Now().Add(lingering))
	}()
	buf := make([]byte, 32<<10)
	deaf := false
	for {
		n, err := text.Read(buf)
		if n > 0 && !deaf {
			_, werr := client.Write(buf[:n])
			deaf = werr != nil
		}
		if errors.Is(err, os.ErrDeadlineExceeded) || err != nil {
			return
		}
	}
}
