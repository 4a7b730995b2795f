package dbgsrv

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// A guard is a small process of ours that knows all debuggees and holds the wires to
// their stubs open beside us. When we are killed it parts from the debuggees in our
// place: a stub does not notice a lost client while its debuggee runs, and never lifts
// its traps. Its book comes over a socket, a message for each change; the end of the
// socket is our end.

// guard is our end of it; a nil guard does nothing.
type guard struct {
	sock *net.UnixConn
	cmd  *exec.Cmd
	mu   sync.Mutex
	next int
}

// message is a line in the guard's book: a debuggee's state, or its end.
type message struct {
	ID   int     `json:"id"`
	Stub int     `json:"stub"` // process id
	Part parting `json:"part"`
	Gone bool    `json:"gone,omitempty"`
}

const noteLimit = 100 * time.Millisecond

// maxNote bounds a message: some thousand traps.
const maxNote = 128 << 10

func startGuard(argv []string) (*guard, error) {
	if len(argv) == 0 {
		return nil, nil
	}
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "guard"), os.NewFile(uintptr(fds[1]), "guard")
	defer ours.Close()
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, err
	}
	syscall.SetsockoptInt(fds[0], syscall.SOL_SOCKET, syscall.SO_SNDBUF, 4*maxNote)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("starting the guard: %w", err)
	}
	return &guard{sock: conn.(*net.UnixConn), cmd: cmd}, nil
}

// dismiss ends the guard; nothing is held any more.
func (g *guard) dismiss() {
	if g != nil {
		g.sock.Close()
		g.cmd.Wait()
	}
}

// entry is a debuggee in the guard's book.
type entry struct {
	g  *guard
	mu sync.Mutex
	m  message
}

// enter puts a debuggee into the book, with its wire, and with the pipe that its stub
// writes to: the stub would die of it when nobody had the other end.
func (g *guard) enter(wire *net.UnixConn, text *os.File, stub int) *entry {
	e := &entry{g: g, m: message{Stub: stub}}
	if g == nil {
		return e
	}
	g.mu.Lock()
	g.next++
	e.m.ID = g.next
	g.mu.Unlock()
	if f, err := wire.File(); err == nil {
		defer f.Close()
		if raw, err := text.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { e.send(syscall.UnixRights(int(f.Fd()), int(fd))) })
		}
	}
	return e
}

// update tells what has changed, and returns whether there is a new process.
func (e *entry) update(p parting) (born bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	born = len(p.Processes) > len(e.m.Part.Processes)
	e.m.Part = p
	e.send(nil)
	return born
}

func (e *entry) dismiss() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.m.Gone, e.m.Part = true, parting{}
	e.send(nil)
}

func (e *entry) send(rights []byte) {
	if e.g == nil {
		return
	}
	text, err := json.Marshal(e.m)
	if err == nil && len(text) <= maxNote {
		e.g.sock.SetWriteDeadline(time.Now().Add(noteLimit)) // a guard that was stopped must not stop us
		e.g.sock.WriteMsgUnix(text, rights, nil)
	}
}

// Guard is the guard's whole life: descriptor 3 is the socket.
func Guard() error {
	f := os.NewFile(3, "guard")
	conn, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return err
	}
	defer conn.Close()
	b := book{}
	b.read(conn.(*net.UnixConn))
	b.part()
	return nil
}

// book is what a guard knows of the debuggees.
type book map[int]*kept

type kept struct {
	wire *net.UnixConn
	text *os.File
	m    message
}

// guardPause is how long the book is left to fill, so that a guard does not wake at each
// note while the debuggees want the CPUs.
const guardPause = 10 * time.Millisecond

// read takes messages until the server is gone.
func (b book) read(conn *net.UnixConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	buf, oob := make([]byte, maxNote), make([]byte, 64)
	for over := false; !over; time.Sleep(guardPause) {
		err := raw.Read(func(fd uintptr) bool {
			for took := false; ; took = true {
				n, nOOB, _, _, err := syscall.Recvmsg(int(fd), buf, oob, syscall.MSG_DONTWAIT|syscall.MSG_CMSG_CLOEXEC)
				if err == syscall.EAGAIN {
					return took
				}
				if err == syscall.EINTR {
					continue
				}
				if over = err != nil || n == 0; over {
					return true
				}
				b.take(buf[:n], oob[:nOOB])
			}
		})
		over = over || err != nil
	}
}

func (b book) take(text, oob []byte) {
	var m message
	if json.Unmarshal(text, &m) != nil {
		return
	}
	k := b[m.ID]
	if k == nil {
		k = &kept{}
		b[m.ID] = k
	}
	if wire, text := received(oob); wire != nil {
		k.wire, k.text = wire, text
	}
	if k.m = m; m.Gone {
		if k.wire != nil {
			k.wire.Close()
			k.text.Close()
		}
		delete(b, m.ID)
	}
}

// part leaves all debuggees and ends their stubs.
func (b book) part() {
	var all sync.WaitGroup
	for _, k := range b {
		all.Go(func() {
			if k.wire == nil {
				syscall.Kill(k.m.Stub, syscall.SIGKILL)
				return
			}
			for _, h := range k.m.Part.Processes {
				k.m.Part.Running = k.m.Part.Running || running(h.PID)
			}
			wake := part(k.wire, k.m.Part)
			for end := time.Now().Add(partLimit); lives(k.m.Stub); time.Sleep(guardPause) {
				if time.Now().After(end) {
					syscall.Kill(k.m.Stub, syscall.SIGKILL)
					break
				}
			}
			k.wire.Close()
			wake()
		})
	}
	all.Wait()
}

// lives reports whether a stub, which is not our child, has not ended yet.
func lives(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := bytes.Cut(text, []byte(") "))
	return err == nil && len(state) > 0 && state[0] != 'Z'
}

// received is what came with a message: a wire and the pipe, nil nothing.
func received(oob []byte) (*net.UnixConn, *os.File) {
	list, err := syscall.ParseSocketControlMessage(oob)
	if err != nil || len(list) == 0 {
		return nil, nil
	}
	fds, err := syscall.ParseUnixRights(&list[0])
	if err != nil || len(fds) != 2 {
		return nil, nil
	}
	f, text := os.NewFile(uintptr(fds[0]), "stub"), os.NewFile(uintptr(fds[1]), "text")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		text.Close()
		return nil, nil
	}
	return conn.(*net.UnixConn), text
}
