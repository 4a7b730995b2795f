package launch

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// A guard is a small process of ours that holds the connection open beside us.
// When we are killed it parts from the debuggee in our place: GNU gdbserver does
// not notice a lost client while the debuggee runs, and never lifts its traps.
// It is told of traps, resumes and stops through a pipe (the journal); the end
// of the pipe without "end" means that we are gone.

// Times of a guard: for the stop it asks for, and for the answers to its parting.
const (
	guardStop = 800 * time.Millisecond
	guardPart = 800 * time.Millisecond
)

// journalState is what a guard knows at the end of the journal.
type journalState struct {
	traps   map[string]bool // "0,401136,1"
	running bool
	ended   bool
	process int64
	kill    bool
	signal  bool // 0x03 does not reach it
}

// guardSignals are what a guard sends to a process. stop is none that ends it: when a
// trap is met before it, it stays pending, and is handed over once the process is let
// go. resume takes that back.
type guardSignals struct{ stop, resume, kill func(pid int64) error }

// readJournal reads a journal to its end.
func readJournal(r io.Reader) journalState {
	s := journalState{traps: map[string]bool{}}
	for sc := bufio.NewScanner(bufio.NewReaderSize(r, 64<<10)); sc.Scan(); {
		entry := sc.Text()
		switch {
		case entry == "run" || entry == "stop":
			s.running = entry == "run"
		case entry == "end":
			s.ended = true
		case strings.HasPrefix(entry, "Z"):
			s.traps[entry[1:]] = true
		case strings.HasPrefix(entry, "z"):
			delete(s.traps, entry[1:])
		case strings.HasPrefix(entry, "process "):
			var how, by string
			fmt.Sscanf(entry, "process %d %s %s", &s.process, &how, &by)
			s.kill, s.signal = how == "kill", by == "signal"
		}
	}
	return s
}

// leisurely reads what has come at longer intervals, so that a guard does not wake at
// each of the notes, of which there are some at every stop, while the debuggee and we
// want the CPUs. What is read at once is what a pipe holds.
type leisurely struct{ io.Reader }

const guardPause = 40 * time.Millisecond

func (r leisurely) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == nil {
		time.Sleep(guardPause)
	}
	return n, err
}

// RunGuard is the guard's whole life: journal is its standard input, hold takes the
// connection up once it is the guard's to speak on: who waits at a connection that
// another process reads wakes at each packet. The signals are for processes of this
// machine.
func RunGuard(journal io.Reader, hold func() (net.Conn, error), signals guardSignals) error {
	s := readJournal(journal)
	if s.ended || s.process == 0 {
		return nil
	}
	if s.kill {
		return signals.kill(s.process)
	}
	conn, err := hold()
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(guardStop + guardPart)) // a far end that takes nothing holds no guard
	packets := make(chan string, 64)
	go readPackets(conn, packets)
	pending := false
	if s.running {
		if s.signal && signals.stop(s.process) == nil {
			defer signals.resume(s.process)
			stopOf(packets)
		} else {
			conn.Write([]byte{0x03})
			pending = strings.HasPrefix(stopOf(packets), "T05")
		}
	}
	var lift []string
	for t := range s.traps {
		lift = append(lift, "z"+t)
	}
	if pending {
		ask(conn, packets, lift)
		lift = nil
		drain(conn, packets)
	}
	ask(conn, packets, append(lift, "D;"+strconv.FormatInt(s.process, 16)))
	return nil
}

// drain is for a stop by a trap that came before the one that 0x03 asks for: that is
// still to come, as a signal that ends the process once it is let go. With the traps
// lifted, it is what the process meets next.
func drain(conn net.Conn, packets <-chan string) {
	conn.SetDeadline(time.Now().Add(2*guardStop + guardPart))
	io.WriteString(conn, rspPacket("vCont;c"))
	if stopOf(packets) == "" { // 0x03 was lost, as it may be while the far end is about to stop
		conn.Write([]byte{0x03})
		stopOf(packets)
	}
}

// stopOf waits for a stop, "" for none in time.
func stopOf(packets <-chan string) (stop string) {
	await(packets, guardStop, func(p string) bool {
		if strings.IndexByte("TSWX", p[0]) >= 0 {
			stop = p
		}
		return stop != ""
	})
	return stop
}

// ask sends packets together and waits for as many answers.
func ask(conn net.Conn, packets <-chan string, list []string) {
	var out strings.Builder
	for _, p := range list {
		out.WriteString(rspPacket(p))
	}
	io.WriteString(conn, out.String())
	left := len(list)
	await(packets, guardPart, func(string) bool { left--; return left <= 0 })
}

// rspPacket frames a packet of plain text.
func rspPacket(text string) string {
	var sum byte
	for _, c := range []byte(text) {
		sum += c
	}
	return fmt.Sprintf("$%s#%02x", text, sum)
}

// readPackets sends the payload of each packet that arrives.
func readPackets(r io.Reader, out chan<- string) {
	defer close(out)
	br := bufio.NewReader(r)
	for {
		if _, err := br.ReadString('$'); err != nil {
			return
		}
		text, err := br.ReadString('#')
		if err != nil {
			return
		}
		if len(text) > 1 {
			out <- text[:len(text)-1]
		}
	}
}

// await takes packets until enough says so, they end, or the time is over.
func await(packets <-chan string, limit time.Duration, enough func(string) bool) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case p, ok := <-packets:
			if !ok || enough(p) {
				return
			}
		case <-timer.C:
			return
		}
	}
}

// journalProcess is the entry that names the process.
func journalProcess(pid int64, kill, signal bool) string {
	how, by := "detach", "stub"
	if kill {
		how = "kill"
	}
	if signal {
		by = "signal"
	}
	return fmt.Sprintf("process %d %s %s", pid, how, by)
}
