package dbgsrv

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Times of a parting: for the stop it asks for, and for the answers.
const (
	stopLimit = 800 * time.Millisecond
	partLimit = 800 * time.Millisecond
)

// part leaves what the stub behind conn holds, in the place of a client that is gone:
// what was started for it ends, what was attached to runs on without traps. The
// replies that are under way are read from conn, which nobody else may read. wake is
// to be called once the stub has ended.
func part(conn *net.UnixConn, p parting) (wake func()) {
	var keep []held
	for _, h := range p.Processes {
		if h.Created {
			h.signal(syscall.SIGKILL)
		} else {
			keep = append(keep, h)
		}
	}
	defer conn.CloseWrite() // others may have the socket open too; a healthy stub ends by itself
	if len(keep) == 0 {
		return func() {}
	}
	conn.SetDeadline(time.Now().Add(stopLimit + 2*partLimit))
	packets := make(chan string, 64)
	go readPackets(conn, packets)
	stopped := false
	stop := func() {
		// Not SIGINT: when a trap is met before it, it would be left pending, and end the
		// process once that is let go. What is pending of SIGSTOP, SIGCONT takes back.
		keep[0].signal(syscall.SIGSTOP)
		stopped = true
	}
	if p.Running && !p.NonStop {
		stop()
		await(packets, stopLimit, func(p string) bool { return strings.IndexByte("TSWX", p[0]) >= 0 })
	}
	var out strings.Builder
	for _, t := range p.Traps {
		out.WriteString(packet("z" + t))
	}
	for _, h := range keep {
		out.WriteString(packet("D;" + strconv.FormatInt(h.PID, 16)))
	}
	io.WriteString(conn, out.String())
	left := len(p.Traps) + len(keep)
	answered := func(p string) bool {
		if p == "OK" || p[0] == 'E' {
			left--
		}
		return left == 0
	}
	if !await(packets, partLimit, answered) && !stopped && !p.NonStop { // it runs after all, and hears nothing
		stop()
		await(packets, partLimit, answered)
	}
	return func() {
		if stopped {
			keep[0].signal(syscall.SIGCONT)
		}
	}
}

// packet frames plain text.
func packet(text string) string {
	var sum byte
	for _, c := range []byte(text) {
		sum += c
	}
	return fmt.Sprintf("$%s#%02x", text, sum)
}

// readPackets sends the payload of each packet that arrives and acknowledges it, since
// the client may not have got as far as to do without.
func readPackets(conn net.Conn, out chan<- string) {
	defer close(out)
	br := bufio.NewReader(conn)
	for {
		if _, err := br.ReadSlice('$'); err != nil && err != bufio.ErrBufferFull {
			return
		} else if err != nil {
			continue
		}
		begin, err := br.ReadSlice('#')
		text := strings.TrimSuffix(string(begin), "#") // of a packet without an end, what the reader holds
		for err == bufio.ErrBufferFull {
			_, err = br.ReadSlice('#')
		}
		if err != nil {
			return
		}
		io.WriteString(conn, "+")
		if text != "" {
			select {
			case out <- text:
			case <-time.After(partLimit): // nobody waits any more
				return
			}
		}
	}
}

// await takes packets until enough says so; false when they end, or the time is over.
func await(packets <-chan string, limit time.Duration, enough func(string) bool) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case p, ok := <-packets:
			if !ok || enough(p) {
				return ok
			}
		case <-timer.C:
			return false
		}
	}
}
