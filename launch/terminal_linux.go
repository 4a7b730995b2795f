package launch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Times of a gdbserver in a terminal: for the terminal to open and its shell to
// run the command; and how often we look whether it listens, in which it has
// serverStart.
const (
	terminalStart = 60 * time.Second
	listenPoll    = 5 * time.Millisecond
)

// startInTerminal runs gdbserver with argv through open, which starts a command in
// a terminal of the client's. The command is a script that writes its process id to
// a pipe of ours and becomes gdbserver; the port, which gdbserver chooses, is that
// of the socket on which this very process listens.
func startInTerminal(ctx context.Context, p *Plan, argv []string,
	open func(ctx context.Context, argv []string, dir string, env []string) (int, error)) (*localServer, error) {
	dir, err := os.MkdirTemp("", "dap-windbg-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	pipe, script := filepath.Join(dir, "pid"), filepath.Join(dir, "start")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		return nil, fmt.Errorf("making a pipe in %s: %w", dir, err)
	}
	input := ""
	if p.Stdin != "" {
		file, err := filepath.Abs(p.Stdin)
		if err == nil {
			_, err = os.Stat(file)
		}
		if err != nil {
			return nil, &ConfigError{Field: "stdin", Value: p.Stdin, Want: reason(err)}
		}
		input = " <" + shellQuote(file)
	}
	text := fmt.Sprintf("echo $$ >%s || exit 1\nexec \"$@\"%s\n", shellQuote(pipe), input)
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		return nil, err
	}
	in, err := os.OpenFile(pipe, os.O_RDWR, 0) // for writing too, so that it never ends
	if err != nil {
		return nil, err
	}
	defer in.Close()
	where := p.Program.Dir
	if where == "" {
		where, _ = os.Getwd()
	}
	if _, err := open(ctx, append([]string{"/bin/sh", script}, argv...), where, p.Program.Env); err != nil {
		return nil, &ReachError{What: "the program was not started in a terminal", Err: err, Fix: "set \"console\" to internalConsole"}
	}
	pid, err := announced(ctx, in)
	if err != nil {
		return nil, err
	}
	return adoptServer(ctx, pid)
}

// shellQuote makes s one word of a POSIX shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// announced waits for the process id that the script writes.
func announced(ctx context.Context, in *os.File) (int, error) {
	in.SetReadDeadline(time.Now().Add(terminalStart))
	defer context.AfterFunc(ctx, func() { in.SetReadDeadline(time.Now()) })()
	line, err := bufio.NewReader(in).ReadString('\n')
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err != nil {
		return 0, &ReachError{What: fmt.Sprintf("the terminal did not start the program within %v", terminalStart), Fix: "set \"console\" to internalConsole"}
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || pid <= 0 {
		return 0, fmt.Errorf("the terminal's shell says that its process is %q", line)
	}
	return pid, nil
}

// adoptServer waits until process pid listens.
func adoptServer(ctx context.Context, pid int) (*localServer, error) {
	gone := &ReachError{What: "gdbserver ended at once; its terminal shows why"}
	process, _ := os.FindProcess(pid)
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil, gone
	}
	if err != nil {
		return nil, fmt.Errorf("following process %d: %w", pid, err)
	}
	s := &localServer{terminal: true, exited: make(chan struct{}), kill: func() { process.Kill() }}
	go func() {
		defer close(s.exited)
		defer unix.Close(fd)
		for {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
			if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
				return
			}
		}
	}()
	limit := time.NewTimer(serverStart)
	defer limit.Stop()
	tick := time.NewTicker(listenPoll)
	defer tick.Stop()
	for {
		if s.port = listeningPort(pid); s.port != "" {
			return s, nil
		}
		select {
		case <-tick.C:
		case <-s.exited:
			return nil, gone
		case <-limit.C:
			s.stop()
			return nil, &ReachError{What: fmt.Sprintf("gdbserver did not listen within %v; its terminal may show why", serverStart)}
		case <-ctx.Done():
			s.stop()
			return nil, ctx.Err()
		}
	}
}

// listeningPort is the TCP port, of IPv4, on which process pid listens, "" while it does not.
// The kernel's documentation of /proc/net/tcp: local address and port in hexadecimal,
// state 0A, and in the tenth column the inode that the descriptor's link names.
func listeningPort(pid int) string {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	table, err := os.ReadFile(filepath.Join(dir, "net", "tcp"))
	if err != nil {
		return ""
	}
	ports := map[string]string{} // by the link's text
	for row := range strings.Lines(string(table)) {
		f := strings.Fields(row)
		if len(f) < 10 || f[3] != "0A" {
			continue
		}
		_, hex, _ := strings.Cut(f[1], ":")
		if port, err := strconv.ParseUint(hex, 16, 16); err == nil {
			ports["socket:["+f[9]+"]"] = strconv.FormatUint(port, 10)
		}
	}
	if len(ports) == 0 {
		return ""
	}
	open, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return ""
	}
	for _, d := range open {
		link, err := os.Readlink(filepath.Join(dir, "fd", d.Name()))
		if port := ports[link]; err == nil && port != "" {
			return port
		}
	}
	return ""
}
