package dbgsrv

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
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

// message is a line in the guard's book: a debuggee's state, or its end. Of traps it
// has what has changed since the last one.
type message struct {
	ID    int      `json:"id"`
	Stub  held     `json:"stub"`
	Part  parting  `json:"part"`
	Fresh bool     `json:"fresh,omitempty"` // no trap of earlier messages is planted
	Plant []string `json:"plant,omitempty"`
	Lift  []string `json:"lift,omitempty"`
	Gone  bool     `json:"gone,omitempty"`
}

const noteLimit = 100 * time.Millisecond

// maxNote bounds a message, and noteTraps the traps in one, so that it does.
const (
	maxNote   = 128 << 10
	noteTraps = 512
)

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
	// behind: a message was lost, so the guard does not know which traps there are
	behind bool
}

// enter puts a debuggee into the book, with its wire, with the pipe that its stub
// writes to (the stub would die of it when nobody had the other end), and with a
// descriptor of the stub's process where there are such: numbers are used again.
func (g *guard) enter(wire *net.UnixConn, text *os.File, stub int) *entry {
	e := &entry{g: g, m: message{Stub: held{PID: int64(stub), Began: began(int64(stub))}}}
	if g == nil {
		return e
	}
	g.mu.Lock()
	g.next++
	e.m.ID = g.next
	g.mu.Unlock()
	raw, err := wire.SyscallConn() // and not File: the descriptor of that has both wait in the kernel, without deadlines
	if err != nil {
		return e
	}
	out, err := text.SyscallConn()
	if err != nil {
		return e
	}
	raw.Control(func(wire uintptr) {
		out.Control(func(text uintptr) {
			fds := []int{int(wire), int(text)}
			if process, err := unix.PidfdOpen(stub, 0); err == nil {
				defer unix.Close(process)
				fds = append(fds, process)
			}
			e.send(e.m, syscall.UnixRights(fds...))
		})
	})
	return e
}

// update tells what has changed, and returns whether there is a new process.
func (e *entry) update(n news) (born bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	born = len(n.Processes) > len(e.m.Part.Processes)
	e.m.Part = n.parting
	m := e.m
	plant, lift := n.plant, n.lift
	if e.behind {
		m.Fresh, plant, lift = true, n.traps(), nil
	}
	e.behind = false
	for first := true; first || len(plant)+len(lift) > 0; first = false {
		m.Lift, lift = beginning(lift)
		m.Plant, plant = beginning(plant)
		e.behind = !e.send(m, nil) || e.behind
		m.Fresh = false
	}
	return born
}

// beginning parts a list where a message ends.
func beginning(list []string) (now, later []string) {
	n := min(len(list), noteTraps)
	return list[:n], list[n:]
}

func (e *entry) dismiss() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.send(message{ID: e.m.ID, Stub: e.m.Stub, Gone: true}, nil)
}

// send reports whether the guard has got the message.
func (e *entry) send(m message, rights []byte) bool {
	if e.g == nil {
		return true
	}
	text, err := json.Marshal(m)
	if err != nil || len(text) > maxNote {
		return false
	}
	e.g.sock.SetWriteDeadline(time.Now().Add(noteLimit)) // a guard that was stopped must not stop us
	_, _, err = e.g.sock.WriteMsgUnix(text, rights, nil)
	return err == nil
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
	wire  *net.UnixConn
	text  *os.File
	stub  *os.File // a descriptor of the process, nil: there are none
	m     message
	traps map[string]bool
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
		k = &kept{traps: map[string]bool{}}
		b[m.ID] = k
	}
	k.receive(oob)
	if m.Fresh {
		clear(k.traps)
	}
	for _, t := range m.Lift { // first: what was lifted may have been planted again
		delete(k.traps, t)
	}
	for _, t := range m.Plant {
		k.traps[t] = true
	}
	if k.m = m; m.Gone {
		k.close()
		delete(b, m.ID)
	}
}

func (k *kept) close() {
	for _, c := range []io.Closer{k.wire, k.text, k.stub} {
		c.Close() // of what is not there, an error
	}
}

// part leaves all debuggees and ends their stubs.
func (b book) part() {
	var all sync.WaitGroup
	for _, k := range b {
		all.Go(k.part)
	}
	all.Wait()
}

func (k *kept) part() {
	defer k.close()
	if k.wire == nil {
		k.m.Stub.signal(syscall.SIGKILL)
		return
	}
	p := k.m.Part
	p.Traps = slices.Sorted(maps.Keys(k.traps))
	for _, h := range p.Processes {
		p.Running = p.Running || running(h.PID)
	}
	wake := part(k.wire, p)
	if !k.ended(partLimit) {
		k.m.Stub.signal(syscall.SIGKILL)
		k.ended(partLimit)
	}
	k.wire.Close()
	wake()
}

// ended waits for the stub's end: its descriptor becomes readable (pidfd_open(2)).
func (k *kept) ended(limit time.Duration) bool {
	if k.stub == nil { // Linux before 5.3 tells nobody but the parent
		time.Sleep(limit)
		return began(k.m.Stub.PID) != k.m.Stub.Began
	}
	for end := time.Now().Add(limit); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(k.stub.Fd()), Events: unix.POLLIN}}, max(int(time.Until(end).Milliseconds()), 0))
		if err != unix.EINTR {
			return n > 0
		}
	}
}

// receive takes what came with a message: a wire, the pipe, and perhaps the process.
func (k *kept) receive(oob []byte) {
	list, err := syscall.ParseSocketControlMessage(oob)
	if err != nil || len(list) == 0 {
		return
	}
	fds, err := syscall.ParseUnixRights(&list[0])
	if err != nil {
		return
	}
	var files []*os.File
	for i, fd := range fds {
		files = append(files, os.NewFile(uintptr(fd), [...]string{"stub", "text", "process"}[min(i, 2)]))
	}
	if len(files) < 2 {
		return
	}
	defer files[0].Close()
	k.text = files[1]
	if len(files) > 2 {
		k.stub = files[2]
	}
	if conn, err := net.FileConn(files[0]); err == nil {
		k.wire = conn.(*net.UnixConn)
	}
}
