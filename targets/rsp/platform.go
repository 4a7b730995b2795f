package rsp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"dap-windbg/targets"
)

// An lldb-server in platform mode holds no process: it lists what runs at the far end
// and starts a gdbserver of LLDB's for each debuggee, which is connected to by itself
// ("LLDB Platform Packets" of LLDB's documentation). Numbers are decimal there.

// Platform reports whether the far end is an lldb-server in platform mode: Processes
// and StartServer work, Attach and Launch are for the servers that it starts.
func (c *Conn) Platform() bool { return c.platform }

// StubServer is a server that a platform started for one debuggee.
type StubServer struct {
	PID  int64  // of the server
	Port string // it listens at, on the platform's host
}

// StartServer has the platform start a server for one client.
func (c *Conn) StartServer(ctx context.Context) (StubServer, error) {
	const op = "starting a server for the debuggee"
	done, err := c.turn(ctx, nil)
	if err != nil {
		return StubServer{}, err
	}
	defer done()
	r := ask("qLaunchGDBServer;")
	if err := c.exchange(ctx, r); err != nil {
		return StubServer{}, err
	}
	if isError(r.reply) {
		e := refusal(op, r.reply)
		e.Fix = "The platform may have no port left: see its --min-gdbserver-port and --max-gdbserver-port."
		return StubServer{}, e
	}
	var s StubServer
	port := 0
	pairs(string(r.reply), func(key, value string) {
		switch key {
		case "pid":
			s.PID, _ = strconv.ParseInt(value, 10, 64)
		case "port":
			port, _ = strconv.Atoi(value)
		}
	})
	if port <= 0 || port > 0xffff {
		return StubServer{}, &targets.ProtocolError{Op: op, Sent: r.payload, Got: string(r.reply)}
	}
	s.Port = strconv.Itoa(port)
	return s, nil
}

// EndServer ends a server that nobody has connected to: it would wait for ever.
func (c *Conn) EndServer(ctx context.Context, s StubServer) error {
	done, err := c.turn(ctx, nil)
	if err != nil {
		return err
	}
	defer done()
	return c.exchange(ctx, ask("qKillSpawnedProcess:%d", s.PID))
}

// serverPoll is how often it is asked whether a server has ended.
const serverPoll = 5 * time.Millisecond

// AwaitEnd waits until a server is gone to which the connection was closed. A platform
// whose child ends while it starts the next one fails of that (LLVM 19: the signal
// interrupts its wait for the port), and leaves the new one waiting for ever.
func (c *Conn) AwaitEnd(ctx context.Context, s StubServer) error {
	for {
		if _, err := c.Lookup(ctx, s.PID); err != nil {
			if refused := (*targets.RefusedError)(nil); errors.As(err, &refused) {
				return nil
			}
			return err
		}
		select {
		case <-time.After(serverPoll):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Lookup tells of one process of the platform's machine.
func (c *Conn) Lookup(ctx context.Context, pid int64) (targets.Process, error) {
	done, err := c.turn(ctx, nil)
	if err != nil {
		return targets.Process{}, err
	}
	defer done()
	r := ask("qProcessInfoPID:%d", pid)
	if err := c.exchange(ctx, r); err != nil {
		return targets.Process{}, err
	}
	p, _ := parsePlatformProcess(r.reply)
	if p.PID != pid {
		return p, noSuchProcess(pid)
	}
	return p, nil
}

// firstList is how many processes are asked for in the first flight; each further one
// asks for as many as are known.
const firstList = 128

// platformProcesses lists processes, one an answer, with their users' names.
func (c *Conn) platformProcesses(ctx context.Context) ([]targets.Process, error) {
	var out []targets.Process
	var users []string
	question := "qfProcessInfo:all_users:1;"
	for more := true; more && len(out) < maxProcesses; {
		reqs := make([]*request, max(firstList, len(out)))
		for i := range reqs {
			reqs[i], question = ask("%s", question), "qsProcessInfo"
		}
		if err := c.exchange(ctx, reqs...); err != nil {
			return nil, fmt.Errorf("listing processes: %w", err)
		}
		for _, r := range reqs {
			if more = len(r.reply) > 0 && !isError(r.reply); !more {
				break
			}
			p, user := parsePlatformProcess(r.reply)
			if p.PID <= 0 {
				return nil, &targets.ProtocolError{Op: "listing processes", Sent: r.payload, Got: string(r.reply[:min(len(r.reply), 80)])}
			}
			out, users = append(out, p), append(users, user)
		}
	}
	return out, c.nameUsers(ctx, out, users)
}

// nameUsers fills in the names of users, who come as numbers.
func (c *Conn) nameUsers(ctx context.Context, list []targets.Process, users []string) error {
	names := map[string]*request{}
	var reqs []*request
	for _, u := range users {
		if _, err := strconv.ParseUint(u, 10, 32); err == nil && names[u] == nil {
			names[u] = ask("qUserName:%s", u)
			reqs = append(reqs, names[u])
		}
	}
	if err := c.exchange(ctx, reqs...); err != nil {
		return fmt.Errorf("listing processes: %w", err)
	}
	for i, u := range users {
		list[i].User = u
		if r := names[u]; r != nil {
			if name, ok := unhex(r.reply); ok && len(name) > 0 {
				list[i].User = string(name)
			}
		}
	}
	return nil
}

// parsePlatformProcess reads what is told of a process; PID is 0 where that is nothing.
// The words of the command line are hexadecimal, joined by '-'; a process whose command
// line cannot be read has the name of its image, one of the kernel neither.
func parsePlatformProcess(reply []byte) (p targets.Process, user string) {
	pairs(string(reply), func(key, value string) {
		switch key {
		case "pid":
			p.PID, _ = strconv.ParseInt(value, 10, 64)
		case "euid":
			user = value
		case "name":
			if name, ok := unhex([]byte(value)); ok && p.Command == "" {
				p.Command = string(name)
			}
		case "args":
			var words []string
			for word := range strings.SplitSeq(value, "-") {
				if text, ok := unhex([]byte(word)); ok {
					words = append(words, string(text))
				}
			}
			if value != "" {
				p.Command = strings.Join(words, " ")
			}
		}
	})
	return p, user
}

// maxEnvironment bounds what is read of the platform's environment, bytes.
const maxEnvironment = 32 << 10

// Environment is what the platform itself was started with: its servers start programs
// with an empty one. Nil where the platform does not let it be read.
func (c *Conn) Environment(ctx context.Context) ([]string, error) {
	done, err := c.turn(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer done()
	open := ask("vFile:open:%s,0,0", toHex("/proc/self/environ"))
	if err := c.exchange(ctx, open); err != nil {
		return nil, err
	}
	fd, _, err := fileReply(open)
	if err != nil {
		return nil, nil
	}
	read, shut := ask("vFile:pread:%x,%x,0", fd, min(maxEnvironment, c.packetSize/2)), ask("vFile:close:%x", fd)
	if err := c.exchange(ctx, read, shut); err != nil {
		return nil, err
	}
	_, data, err := fileReply(read)
	if err != nil || len(data) == 0 {
		return nil, nil
	}
	whole := data[:bytes.LastIndexByte(data, 0)+1]
	return strings.FieldsFunc(string(whole), func(r rune) bool { return r == 0 }), nil
}
