// Command bench times the debugger beside its peers on the same work, as whole
// programs spoken to over their own protocols (DAP, GDB/MI), in one run, and
// beside the least that the wire itself needs. It prints medians, ratios and
// round trips.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dap-windbg/targets/wire"
)

var (
	rounds     = flag.Int("rounds", 5, "how often each session is held, 0 not")
	only       = flag.String("only", "", "hold the sessions of this name alone")
	peers      = flag.String("peers", "", "measure these alone, by name, with commas between")
	ourselves  = flag.String("ours", "dap-windbg", "the debugger to measure")
	verbose    = flag.Bool("v", false, "tell of each session")
	counted    = flag.Bool("trips", true, "count round trips too")
	kernelRuns = flag.Int("kernel", 5, "how often each row about a kernel is measured, 0 not")
	symbolRuns = flag.Int("symbols", 5, "how often each row about large images is measured, 0 not")
)

func main() {
	database := flag.String("database", "", "write the large program database below this folder, and end")
	answers := flag.String("replay", "", "be the adapter that answers with this recording")
	flag.Parse()
	if *answers != "" {
		replay(*answers)
		return
	}
	if *database != "" {
		writeDatabase(*database)
		return
	}
	dir, err := os.MkdirTemp("", "dap-windbg-bench")
	check(err)
	defer os.RemoveAll(dir)
	b := &bench{dir: dir, program: filepath.Join(dir, "rows"), rows: table()}
	b.source, err = filepath.Abs("tests/programs/rows.cpp")
	check(err)
	b.debugger, err = filepath.Abs(*ourselves)
	check(err)
	b.marks = readMarks(b.source)
	if *rounds > 0 {
		command("g++", "-g", "-O0", "-no-pie", "-pthread", b.source, "-o", b.program)
		b.sessions()
		b.print()
	}
	if *symbolRuns > 0 {
		b.symbols()
		b.databases()
	}
	if *kernelRuns > 0 {
		b.kernel()
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
	marks                          map[string]int
	rows                           []*row
	playing                        string // the contender whose turn it is
	counting                       bool   // round trips, not time
}

// turns is how often something is repeated within a session; once is enough to
// count.
func (b *bench) turns(n int) int {
	if b.counting {
		return min(n, 2)
	}
	return n
}

func (b *bench) row(name string) *row {
	i := slices.IndexFunc(b.rows, func(r *row) bool { return r.name == name })
	if i < 0 {
		check(fmt.Errorf("no row %q", name))
	}
	return b.rows[i]
}

func (b *bench) note(_ peer, name string, v float64) {
	if !b.counting {
		b.row(name).took[b.playing] = append(b.row(name).took[b.playing], v)
	}
}

func (b *bench) took(name string, since time.Time) {
	b.note(nil, name, time.Since(since).Seconds()*1e3)
}

// contenders are the peers that this machine has; the floor is the last. A gdb whose
// adapter is to be measured too is named by BENCH_GDB_DAP, another lldb-dap by
// BENCH_LLDB_DAP.
func (b *bench) contenders(trace string) []contender {
	all := []contender{
		{name: "ours", start: func() peer { return newDAP(b.source, b.attaching(trace), b.debugger) }, server: gdbserver},
		{name: "gdb", start: func() peer { return newMI(b.program, b.source) }, server: gdbserver},
	}
	// gdb's own adapter, of 14 and later, has no answer to a breakpoint while the
	// program runs.
	if gdb := os.Getenv("BENCH_GDB_DAP"); gdb != "" {
		ask := func(port string) map[string]any {
			return map[string]any{"program": b.program, "target": "127.0.0.1:" + port}
		}
		all = append(all, contender{name: "gdbdap", server: gdbserver, without: []string{"breakpoint while"},
			start: func() peer {
				return newDAP(b.source, ask, gdb, "-nx", "-q", "-i=dap", "-iex", "set sysroot /", "-iex", "set debuginfod enabled off")
			}})
	}
	lldb := cmp.Or(os.Getenv("BENCH_LLDB_DAP"), "lldb-dap-19")
	if _, err := exec.LookPath(lldb); err == nil {
		ask := func(port string) map[string]any {
			return map[string]any{"program": b.program, "stopOnEntry": false,
				"attachCommands": []string{"target create " + b.program, "gdb-remote 127.0.0.1:" + port}}
		}
		all = append(all, contender{name: "lldb", start: func() peer { return newDAP(b.source, ask, lldb) }, server: lldbServer,
			without: []string{"read ", "65 threads"}}) // no memory references; a storm of SIGTRAP
	}
	all = append(all, contender{name: "floor", start: b.newFloor, server: gdbserver})
	return slices.DeleteFunc(all, func(c contender) bool {
		return *peers != "" && !slices.Contains(strings.Split(*peers, ","), c.name)
	})
}

// attaching makes the arguments of our attach request.
func (b *bench) attaching(trace string) func(port string) map[string]any {
	return func(port string) map[string]any {
		args := map[string]any{"connection": "gdb:server=127.0.0.1,port=" + port}
		if trace != "" {
			args["trace"] = trace
		}
		return args
	}
}

// recording is where our last session is kept.
func (b *bench) recording() string { return filepath.Join(b.dir, "recording") }

// sessions holds every scenario with every contender, turn by turn, and then once
// more to count.
func (b *bench) sessions() {
	for range *rounds {
		for _, s := range scenarios {
			for _, c := range b.contenders("") {
				b.hold(s, c, "")
			}
		}
	}
	if b.counting = *counted; !b.counting {
		return
	}
	trace := filepath.Join(b.dir, "trace")
	for _, s := range scenarios {
		for _, c := range b.contenders(trace) {
			if c.name != "floor" {
				os.Remove(trace)
				b.hold(s, c, trace)
			}
		}
	}
}

// hold is one session. With a trace it counts: ours by the trace, the others by
// what passes a proxy.
func (b *bench) hold(s scenario, c contender, trace string) {
	if c.lacks(s.name) || *only != "" && s.name != *only {
		return
	}
	b.playing = c.name
	limit := time.AfterFunc(5*time.Minute, func() { check(fmt.Errorf("%s, %s: no answer for five minutes", s.name, c.name)) })
	defer limit.Stop()
	srv := c.server(b, s.args...)
	defer srv.close()
	port := srv.port
	count := func() int { return trips(trace) }
	if trace != "" && c.name != "ours" {
		x := newProxy(srv.port)
		defer x.close()
		port, count = x.port, x.count
	}
	begin := time.Now()
	p := c.start()
	b.took("process start to initialize", begin)
	attach := time.Now()
	p.attach(port)
	b.took("attach to stopped in main", attach)
	b.took("the same from process start", begin)
	if b.counting {
		r := b.row("attach to stopped in main")
		r.counted[c.name] = append(r.counted[c.name], count())
	}
	s.play(b, p, func(name string, f func()) {
		if c.lacks(name) {
			return
		}
		before, start := 0, time.Now()
		if b.counting {
			before = count()
		}
		f()
		if b.counting {
			b.row(name).counted[c.name] = append(b.row(name).counted[c.name], count()-before)
			return
		}
		b.took(name, start)
		if *verbose {
			fmt.Fprintf(os.Stderr, "%s, %s: %s: %v\n", s.name, c.name, name, time.Since(start))
		}
	})
	if *verbose {
		fmt.Fprintf(os.Stderr, "%s, %s: %.1f s\n", s.name, c.name, time.Since(begin).Seconds())
	}
	start := time.Now()
	p.disconnect()
	b.took("disconnect", start)
	start = time.Now()
	p.leave()
	b.took("disconnect to the process's end", start)
	if c.name == "ours" {
		p.(*dapPeer).save(b.recording())
	}
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
