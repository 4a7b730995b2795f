//go:build unix

package launch

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// guard is our end of a guard process. A nil guard does nothing.
type guard struct {
	w     *os.File
	over  atomic.Bool // it is not needed any more
	once  sync.Once
	start func()
}

// newGuard makes argv the guard of conn, which begin starts: what it is told until then
// waits in the pipe. Without argv, or where it cannot be started, there is none: the
// session works all the same.
func newGuard(argv []string, conn net.Conn) *guard {
	tcp, ok := conn.(*net.TCPConn)
	if len(argv) == 0 || !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil
	}
	g := &guard{w: w}
	g.start = func() { g.run(argv, raw, r) }
	time.AfterFunc(guardDelay, g.begin)
	return g
}

// guardDelay is how long a guard waits for the first stop of a far end nearby.
const guardDelay = 20 * time.Millisecond

// begin starts the process, which nobody waits for: behind the first stop, as before it
// would take a CPU from a far end on this machine, but no later than guardDelay, for a
// process that is held waits for it should we be killed.
func (g *guard) begin() {
	if g != nil {
		g.once.Do(func() { go g.start() })
	}
}

// run starts the process; r is its end of the journal.
func (g *guard) run(argv []string, conn syscall.RawConn, r *os.File) {
	defer r.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer null.Close()
	var pid int
	err = conn.Control(func(fd uintptr) {
		if g.over.Load() {
			return
		}
		// Not os/exec: it would make the shared connection block.
		pid, err = syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
			Env: os.Environ(), Files: []uintptr{r.Fd(), null.Fd(), null.Fd(), fd}, Sys: &syscall.SysProcAttr{Setsid: true},
		})
	})
	if err != nil || pid == 0 {
		return
	}
	if p, err := os.FindProcess(pid); err == nil {
		go p.Wait()
	}
}

// journal is what the protocol tells its doings to, nil without a guard.
func (g *guard) journal() func(string) {
	if g == nil {
		return nil
	}
	return g.note
}

// note writes entries, which are shorter than what a pipe takes whole. A guard that
// was stopped must not stop us: only a full pipe is waited for, and not for long.
func (g *guard) note(entries string) {
	text := []byte(entries + "\n")
	if raw, err := g.w.SyscallConn(); err == nil {
		raw.Write(func(fd uintptr) bool {
			// It cannot block, and the scheduler need not know (see transport.Polled).
			n, _, no := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(text))), uintptr(len(text)))
			if no == 0 {
				text = text[n:]
			}
			return true
		})
	}
	if len(text) > 0 {
		g.w.SetWriteDeadline(time.Now().Add(noteLimit))
		g.w.Write(text)
	}
}

const noteLimit = 100 * time.Millisecond

// entrust names the process and what is to become of it; signal: it is
// interrupted by a signal and not through the server.
func (g *guard) entrust(pid int64, kill, signal bool) {
	if g != nil {
		g.note(journalProcess(pid, kill, signal))
	}
}

// dismiss ends the guard, which then does nothing.
func (g *guard) dismiss() {
	if g != nil {
		g.over.Store(true)
		g.begin() // which closes its end of the journal
		g.note("end")
		g.w.Close()
	}
}

// GuardMain is the guard's process: standard input is the journal, descriptor 3
// the connection.
func GuardMain() error {
	return RunGuard(leisurely{os.Stdin}, func() (net.Conn, error) {
		f := os.NewFile(3, "connection")
		defer f.Close()
		return net.FileConn(f)
	}, theSignals())
}

func theSignals() guardSignals {
	send := func(s syscall.Signal) func(int64) error {
		return func(pid int64) error { return syscall.Kill(int(pid), s) }
	}
	return guardSignals{stop: send(syscall.SIGSTOP), resume: send(syscall.SIGCONT), kill: send(syscall.SIGKILL)}
}
