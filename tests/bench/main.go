// Command bench times the debugger beside gdb on the same work, as whole
// programs spoken to over their own protocols (DAP and GDB/MI), against the same
// gdbserver, in one run. It prints medians, ratios and our round trips.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"dap-windbg/targets/wire"
)

var (
	runs       = flag.Int("n", 20, "how often each row of a session is measured")
	symbolRuns = flag.Int("symbols", 5, "how often each row about large images is measured, 0 not")
	sessions   = flag.Bool("sessions", true, "measure sessions")
)

func main() {
	flag.Parse()
	dir, err := os.MkdirTemp("", "dap-windbg-bench")
	check(err)
	defer os.RemoveAll(dir)
	b := &bench{dir: dir, program: filepath.Join(dir, "loop")}
	b.source, err = filepath.Abs("tests/programs/loop.c")
	check(err)
	b.debugger, err = filepath.Abs("dap-windbg")
	check(err)
	command("gcc", "-g", "-O0", b.source, "-o", b.program)
	if *sessions {
		b.startUp()
		b.session()
		b.print()
	}
	if *symbolRuns > 0 {
		b.symbols()
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func command(name string, args ...string) {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		check(fmt.Errorf("%s: %v\n%s", name, err, out))
	}
}

type bench struct {
	dir, program, source, debugger string
	rows                           []*row
}

// row is one operation's figures.
type row struct {
	name      string
	limit     int // round trips allowed, 0 not counted
	ours, gdb []time.Duration
	trips     []int
}

func (b *bench) row(name string, limit int) *row {
	for _, r := range b.rows {
		if r.name == name {
			return r
		}
	}
	r := &row{name: name, limit: limit}
	b.rows = append(b.rows, r)
	return r
}

func median[T time.Duration | int](v []T) T {
	if len(v) == 0 {
		return 0
	}
	s := slices.Clone(v)
	slices.Sort(s)
	return s[len(s)/2]
}

func (b *bench) print() {
	fmt.Printf("medians of %d runs, in one run, interleaved turn by turn\n\n", *runs)
	fmt.Printf("%-34s %10s %10s %8s %12s\n", "operation", "ours ms", "gdb ms", "gdb/ours", "round trips")
	for _, r := range b.rows {
		ours, gdb := median(r.ours).Seconds()*1e3, median(r.gdb).Seconds()*1e3
		ratio, trips := "", ""
		if gdb > 0 && ours > 0 {
			ratio = fmt.Sprintf("%.1f", gdb/ours)
		}
		if r.limit > 0 {
			trips = fmt.Sprintf("%d (<= %d)", median(r.trips), r.limit)
		}
		gdbText := "-"
		if len(r.gdb) > 0 {
			gdbText = fmt.Sprintf("%.2f", gdb)
		}
		fmt.Printf("%-34s %10.2f %10s %8s %12s\n", r.name, ours, gdbText, ratio, trips)
	}
}

// startUp measures what begins with a process.
func (b *bench) startUp() {
	first := b.row("process start to initialize", 0)
	attach := b.row("attach to stopped in main, refresh", 14)
	for range *runs {
		t := time.Now()
		d := b.dap()
		first.ours = append(first.ours, time.Since(t))
		d.close()
		t = time.Now()
		g := b.mi()
		first.gdb = append(first.gdb, time.Since(t))
		g.close()
	}
	for range max(*runs/2, 3) {
		s := b.server()
		trace := filepath.Join(b.dir, "attach")
		t := time.Now()
		d := b.dap()
		d.attach(s.port, trace)
		d.stopped()
		d.refresh()
		attach.ours = append(attach.ours, time.Since(t))
		attach.trips = append(attach.trips, trips(trace))
		d.close()
		s.close()
		s = b.server()
		t = time.Now()
		g := b.mi(b.program)
		g.do("-target-select remote 127.0.0.1:" + s.port)
		g.do("-break-insert main")
		g.stop("-exec-continue")
		g.refresh()
		attach.gdb = append(attach.gdb, time.Since(t))
		g.close()
		s.close()
	}
}

// line numbers of tests/programs/loop.c.
const (
	lineA    = 15 // int a = n;
	lineCall = 17 // int c = leaf(b);
	lineLeaf = 10
)

// session measures operations within one session each, turn by turn; round trips
// are counted in a session of their own, for writing a trace takes time.
func (b *bench) session() {
	s, t := b.server(), b.server()
	defer s.close()
	defer t.close()
	d := b.begin(s.port, "")
	g := b.mi(b.program)
	g.do("-gdb-set sysroot /")
	g.do("-target-select remote 127.0.0.1:" + t.port)
	g.do(b.at(lineA))
	for range *runs {
		b.ours(d, "")
		b.theirs(g)
	}
	b.pauses(d, "", *runs)
	d.close()
	g.close()
	u := b.server()
	defer u.close()
	trace := filepath.Join(b.dir, "trace")
	d = b.begin(u.port, trace)
	for range 3 {
		b.ours(d, trace)
	}
	b.pauses(d, trace, 3)
	d.close()
}

// begin starts a session of ours that is stopped in main, with a breakpoint at
// the top of work.
func (b *bench) begin(port, trace string) *dapClient {
	d := b.dap()
	d.attach(port, trace)
	d.main()
	d.breakAt(b.source, lineA)
	return d
}

func (b *bench) pauses(d *dapClient, trace string, n int) {
	d.breakAt(b.source)
	for range n {
		b.measure("pause, refresh", 3, trace, func() {
			d.do("continue", map[string]any{"threadId": d.thread})
			d.stop("pause")
			d.refresh()
		})
	}
}

// measure times one operation of ours, or counts its round trips when there is a trace.
func (b *bench) measure(name string, limit int, trace string, f func()) {
	r := b.row(name, limit)
	if trace != "" {
		before := trips(trace)
		f()
		r.trips = append(r.trips, trips(trace)-before)
		return
	}
	t := time.Now()
	f()
	r.ours = append(r.ours, time.Since(t))
}

// ours is one turn of ours, from the top of work to the next.
func (b *bench) ours(d *dapClient, trace string) {
	m := func(name string, limit int, f func()) { b.measure(name, limit, trace, f) }
	m("continue to a breakpoint, refresh", 4, func() { d.stop("continue"); d.refresh() })
	m("step over, no call, refresh", 3, func() { d.stop("next"); d.refresh() })
	d.stop("next")
	m("step over a call, refresh", 3, func() { d.stop("next"); d.refresh() })
	d.breakAt(b.source, lineCall)
	d.stop("continue")
	m("step in, refresh", 4, func() { d.stop("stepIn"); d.refresh() })
	m("step out, refresh", 3, func() { d.stop("stepOut"); d.refresh() })
	d.breakAt(b.source, lineA)
	m("evaluate a local", 0, func() {
		d.do("evaluate", map[string]any{"expression": "it->key + n", "context": "watch", "frameId": d.frame})
	})
	m("expand a struct behind a pointer", 1, func() { d.expand("it") })
	m("set a breakpoint, stopped", 1, func() { d.breakAt(b.source, lineA, lineLeaf) })
	d.breakAt(b.source, lineA)
	m("read 64 KiB", 1, func() { d.do("readMemory", map[string]any{"memoryReference": d.big, "count": 65536}) })
}

// at is gdb's command for a breakpoint on a line.
func (b *bench) at(line int) string { return fmt.Sprintf("-break-insert %s:%d", b.source, line) }

// theirs is the same turn of gdb's.
func (b *bench) theirs(g *miClient) {
	m := func(name string, f func()) {
		r := b.row(name, 0)
		t := time.Now()
		f()
		r.gdb = append(r.gdb, time.Since(t))
	}
	m("continue to a breakpoint, refresh", func() { g.stop("-exec-continue"); g.refresh() })
	m("step over, no call, refresh", func() { g.stop("-exec-next"); g.refresh() })
	g.stop("-exec-next")
	m("step over a call, refresh", func() { g.stop("-exec-next"); g.refresh() })
	g.do("-break-delete")
	g.do(b.at(lineCall))
	g.stop("-exec-continue")
	m("step in, refresh", func() { g.stop("-exec-step"); g.refresh() })
	m("step out, refresh", func() { g.stop("-exec-finish"); g.refresh() })
	g.do("-break-delete")
	g.do(b.at(lineA))
	m("evaluate a local", func() { g.do(`-data-evaluate-expression "it->key + n"`) })
	m("expand a struct behind a pointer", func() { g.do("-data-evaluate-expression *it") })
	m("set a breakpoint, stopped", func() { g.do(b.at(lineLeaf)) })
	g.do("-break-delete")
	g.do(b.at(lineA))
	m("read 64 KiB", func() { g.do("-data-read-memory-bytes &big 65536") })
}

// trips counts the round trips of the trace so far.
func trips(trace string) int {
	f, err := os.Open(trace)
	check(err)
	defer f.Close()
	messages, err := wire.Parse(f)
	check(err)
	return wire.RoundTrips(messages)
}

// gdbserver is one on the program.
type gdbserver struct {
	cmd  *exec.Cmd
	port string
	pid  int // of the program, which outlives a server that is killed
}

var (
	listening = regexp.MustCompile(`Listening on port (\d+)`)
	created   = regexp.MustCompile(`created; pid = (\d+)`)
)

func (b *bench) server() *gdbserver {
	cmd := exec.Command("gdbserver", "--once", "127.0.0.1:0", b.program)
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
			return &gdbserver{cmd, m[1], pid}
		}
	}
	check(fmt.Errorf("gdbserver does not listen"))
	return nil
}

func (s *gdbserver) close() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
	if p, err := os.FindProcess(s.pid); err == nil && s.pid > 0 {
		p.Kill()
	}
}
