package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// peer is a debugger that is driven over a protocol of its own. Each method
// returns when the answer is there; run when the debuggee has stopped. Lines are
// of the benchmark's program.
type peer interface {
	attach(port string) // to a server that holds the program at its start; ends stopped in main
	breakpoints(lines []int, condition string)
	run(how string) // continue, next, stepIn, stepOut
	resume()
	pause()
	breakNow(lines []int) // breakpoints while it runs, and the stop at one
	refresh()             // what an editor asks at each stop
	threads() []int
	frames(thread, from, count int)
	locals()
	registers()
	evaluate(expr string)
	elements(expr string, from, count int)
	tree(expr string)              // opened to its leaves
	memory(expr string, count int) // 0: no more than what reading it takes to know
	disassemble(count int)
	disconnect() // ends with the answer
	leave()      // ends with the process
	process() *os.Process
}

// contender is a peer that can be started.
type contender struct {
	name    string
	start   func() peer
	server  func(b *bench, args ...string) *server
	without []string // how the names of scenarios and rows begin that it has no answer to
}

func (c contender) lacks(name string) bool {
	return slices.ContainsFunc(c.without, func(w string) bool { return strings.HasPrefix(name, w) })
}

// server is a debug server that holds the program.
type server struct {
	cmd  *exec.Cmd
	port string
	pid  int // of the program, which outlives a server that is killed
}

var (
	listening = regexp.MustCompile(`Listening on port (\d+)`)
	created   = regexp.MustCompile(`created; pid = (\d+)`)
)

func gdbserver(b *bench, args ...string) *server {
	cmd := exec.Command("gdbserver", append([]string{"--once", "127.0.0.1:0", b.program}, args...)...)
	r, err := cmd.StderrPipe()
	check(err)
	check(cmd.Start())
	pid := 0
	for sc := bufio.NewScanner(r); sc.Scan(); {
		if m := created.FindStringSubmatch(sc.Text()); m != nil {
			pid, _ = strconv.Atoi(m[1])
		}
		if m := listening.FindStringSubmatch(sc.Text()); m != nil {
			go io.Copy(io.Discard, r)
			return &server{cmd, m[1], pid}
		}
	}
	check(fmt.Errorf("gdbserver does not listen"))
	return nil
}

// lldbServer is for lldb-dap 19, which does not work with gdbserver on amd64.
func lldbServer(b *bench, args ...string) *server {
	pipe := filepath.Join(b.dir, "port")
	os.Remove(pipe)
	cmd := exec.Command("lldb-server-19", append([]string{"gdbserver", "--named-pipe", pipe, "127.0.0.1:0", "--", b.program}, args...)...)
	command("mkfifo", pipe)
	check(cmd.Start())
	port, err := os.ReadFile(pipe)
	check(err)
	return &server{cmd, strings.Trim(string(port), "\x00\n"), 0}
}

func (s *server) close() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
	if p, err := os.FindProcess(s.pid); err == nil && s.pid > 0 {
		p.Kill()
	}
}

// usage is what a process took at its highest and in all.
func usage(p *os.Process) (peakKB int, cpu time.Duration) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid))
	if _, rest, ok := strings.Cut(string(text), "VmHWM:"); ok {
		fmt.Sscanf(rest, "%d", &peakKB)
	}
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid))
	if _, rest, ok := strings.Cut(string(stat), ") "); ok {
		f := strings.Fields(rest)
		user, _ := strconv.Atoi(f[11])
		system, _ := strconv.Atoi(f[12])
		cpu = time.Duration(user+system) * 10 * time.Millisecond
	}
	return peakKB, cpu
}
