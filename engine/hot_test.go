package engine

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dap-windbg/targets"
)

// heavy reports whether the long versions of tests are asked for.
func heavy() bool { return os.Getenv("HEAVY") != "" }

// TestHotFunction: many threads hit a breakpoint in the same function at the same
// time; no hit is lost and none is told twice, also where the debuggee is stepped
// from the breakpoint. The program counts for itself.
func TestHotFunction(t *testing.T) {
	threads, hits, steps := 16, 400, 40
	if heavy() {
		threads, hits, steps = 64, 10_000, 500
	}
	s := launch(t, Options{}, build(t, "hot.c"), strconv.Itoa(threads), strconv.Itoa(hits))
	s.stop()
	st := s.set("t", Breakpoint{Function: "hot"}, Breakpoint{Function: "done"})
	told := map[targets.ThreadID]int{}
	total, stepped := 0, 0
	start := time.Now()
	for stop := s.run(How{}); len(stop.Breakpoints) != 1 || stop.Breakpoints[0] != st[1].ID; {
		if len(stop.Breakpoints) == 1 {
			total++
			told[stop.Thread]++
		} else if !stop.Step {
			t.Fatalf("stop: %q", stop.Text)
		}
		if stepped < steps && total%(hits/steps) == 0 && !stop.Step {
			stepped++
			stop = s.run(How{Kind: StepOver})
			continue
		}
		stop = s.run(How{})
	}
	t.Logf("%d hits and %d steps among %d threads in %v", total, stepped, threads, time.Since(start))
	if n := int(s.eval("total")); total != hits || n != hits {
		t.Errorf("%d hits told, the program counts %d, want %d", total, n, hits)
	}
	if stepped != steps {
		t.Errorf("%d steps", stepped)
	}
	if len(told) != threads {
		t.Logf("%d threads took part", len(told))
	}
}

// TestQuietHits counts hits that never stop, which the far end is let step off by
// itself while one thread alone hits; none is lost and none counted twice when others
// come to it.
func TestQuietHits(t *testing.T) {
	rounds, hits := 1, 400
	if heavy() {
		rounds, hits = 10, 3_000
	}
	for _, threads := range []int{1, 2, 16} {
		for range rounds {
			s := launch(t, Options{}, build(t, "hot.c"), strconv.Itoa(threads), strconv.Itoa(hits), "now")
			s.stop()
			st := s.set("t", Breakpoint{Function: "hot", HitCondition: "< 0"}, Breakpoint{Function: "done"})
			s.run(How{})
			n := int(s.eval("total"))
			if err := s.Look(s.ctx, func(l *Live) error {
				for _, b := range l.Breakpoints() {
					if b.ID == st[0].ID && (b.Hits != hits || n != hits) {
						t.Errorf("%d threads: %d hits counted, the program counts %d, want %d", threads, b.Hits, n, hits)
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if threads == 1 && s.l.skip.count == 0 {
				t.Error("the far end does not step off by itself")
			}
			if err := s.Close(s.ctx, targets.Kill); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestWhileRunning pauses 64 threads, and sets breakpoints while they run, over and
// over: no stop is told but the pauses. The figures are printed.
func TestWhileRunning(t *testing.T) {
	rounds := 5
	if heavy() {
		rounds = 200
	}
	s := launch(t, Options{}, build(t, "threads.c"), "63")
	toMain(t, s)
	s.set("main")
	s.resume(How{})
	var pauses, sets []time.Duration
	for i := range rounds {
		start := time.Now()
		s.set("t", Breakpoint{File: "threads.c", Line: 68 + i%2})
		if err := s.Look(s.ctx, func(l *Live) error { // it waits until the debuggee runs again
			if l.State() != StateRunning {
				t.Errorf("state %v", l.State())
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		sets = append(sets, time.Since(start))
		start = time.Now()
		if err := s.Interrupt(s.ctx); err != nil {
			t.Fatal(err)
		}
		if stop := s.stop(); stop.Reason != targets.Interrupted {
			t.Fatalf("stop: %v %q", stop.Reason, stop.Text)
		}
		pauses = append(pauses, time.Since(start))
		s.resume(How{})
	}
	slices.Sort(pauses)
	slices.Sort(sets)
	t.Logf("64 threads: pause %v, a breakpoint set while running %v (medians of %d)", pauses[rounds/2], sets[rounds/2], rounds)
}

// TestConditions: one that the far end evaluates costs no round trips however often
// it is false; of one that it cannot evaluate the user is told. The figures of gdb
// and of the bare protocol on the same work are printed beside ours.
func TestConditions(t *testing.T) {
	times, here := 3_000, 200
	if heavy() {
		times, here = 100_000, 5_000
	}
	path := build(t, "hot.c")
	defer func() { untraced = false }()
	run := func(cond string, n int) (Status, time.Duration) {
		untraced = n == here && heavy() // a trace takes time
		s := launch(t, Options{}, path, "1", strconv.Itoa(n+1))
		toMain(t, s)
		st := s.set("t", Breakpoint{Function: "hot", Condition: cond})[0]
		s.trace.trips(t)
		start := time.Now()
		s.run(How{})
		took := time.Since(start)
		if left := s.eval("n"); left != 1 {
			t.Errorf("%s: stopped with n %d", cond, left)
		}
		if trips, text := s.trace.trips(t); st.FarSide && trips > 4 {
			t.Errorf("%s: %d round trips\n%.2000s", cond, trips, text)
		}
		return st, took
	}
	st, ours := run("n == 1", times)
	if !st.FarSide || st.Message != "" {
		t.Errorf("%+v is not evaluated at the far end", st)
	}
	st, slow := run("x < 1.5", here)
	if st.FarSide || !strings.Contains(st.Message, "evaluated here") {
		t.Errorf("nothing is said of a condition the far end cannot evaluate: %+v", st)
	}
	if !heavy() {
		return
	}
	theirs, bare := gdbCondition(t, path, "n == 1", times), bareCycles(t, path, here)
	for range 2 { // on a machine that does other things too, the best of each
		_, again := run("n == 1", times)
		ours = min(ours, again)
		theirs = min(theirs, gdbCondition(t, path, "n == 1", times))
		_, again = run("x < 1.5", here)
		slow = min(slow, again)
		bare = min(bare, bareCycles(t, path, here))
	}
	t.Logf("false %d times at the far end: %v, gdb %v (%.2f times gdb's)", times, ours, theirs, float64(ours)/float64(theirs))
	t.Logf("false %d times here: %v, the bare protocol's step off, go on and read %v (%.0f %% of its rate)", here, slow, bare, 100*float64(bare)/float64(slow))
}

// gdbCondition has gdb do the same.
func gdbCondition(t *testing.T, path, cond string, times int) time.Duration {
	t.Helper()
	addr, _ := gdbserver(t, path, "1", strconv.Itoa(times+1))
	out, err := exec.Command("gdb", "-nx", "-batch", "-ex", "set sysroot /", "-ex", "set debuginfod enabled off", "-ex", "target remote "+addr, "-ex", "break main", "-ex", "continue",
		"-ex", "break hot if "+cond, "-ex", "python import time; t = time.time()", "-ex", "continue", "-ex", `python print("took", time.time() - t)`, "-ex", "print n", "-ex", "kill", path).CombinedOutput()
	if err != nil {
		t.Fatalf("gdb: %v\n%s", err, out)
	}
	var took float64
	_, rest, _ := strings.Cut(string(out), "took ")
	if _, err := fmt.Sscan(rest, &took); err != nil || !strings.Contains(rest, "= 1") {
		t.Fatalf("gdb says\n%s", out)
	}
	return time.Duration(took * float64(time.Second))
}

// bareCycles does with plain packets what a hit takes whose condition is evaluated
// here: read, step off the trap, plant it again and go on.
func bareCycles(t *testing.T, path string, times int) time.Duration {
	t.Helper()
	hot := uint64(0)
	s := launch(t, Options{}, path, "1", "1")
	s.stop()
	st := s.set("t", Breakpoint{Function: "hot"})
	s.run(How{}) // the image lies at the same place each time
	hot = uint64(st[0].Addrs[0])
	addr, _ := gdbserver(t, path, "1", strconv.Itoa(times+1))
	w := rawWireTo(t, addr)
	w.ask("qSupported:swbreak+;hwbreak+;vContSupported+")
	w.ask("QStartNoAckMode")
	w.noAck = true
	w.ask("?")
	w.ask(fmt.Sprintf("Z0,%x,1", hot))
	stop := w.ask("vCont;c")
	start := time.Now()
	for i := 0; i < times; i++ {
		if !strings.Contains(stop, "swbreak") {
			t.Fatalf("cycle %d: %s", i, stop)
		}
		sp, _ := hex.DecodeString(stop[strings.Index(stop, ";07:")+4:][:16])
		w.ask(fmt.Sprintf("m%x,80", binary.LittleEndian.Uint64(sp)-0x80))
		w.send(fmt.Sprintf("z0,%x,1", hot), "vCont;s")
		w.reply()
		w.reply()
		w.send(fmt.Sprintf("Z0,%x,1", hot), "vCont;c")
		w.reply()
		stop = w.reply()
	}
	took := time.Since(start)
	w.send("k")
	return took
}

// rawWire speaks packets without any library.
type rawWire struct {
	t     *testing.T
	conn  net.Conn
	in    *bufio.Reader
	noAck bool
}

func rawWireTo(t *testing.T, addr string) *rawWire {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &rawWire{t: t, conn: conn, in: bufio.NewReader(conn)}
}

func (b *rawWire) send(packets ...string) {
	var out strings.Builder
	for _, p := range packets {
		sum := byte(0)
		for i := range len(p) {
			sum += p[i]
		}
		fmt.Fprintf(&out, "$%s#%02x", p, sum)
	}
	if _, err := b.conn.Write([]byte(out.String())); err != nil {
		b.t.Fatal(err)
	}
}

func (b *rawWire) reply() string {
	if _, err := b.in.ReadString('$'); err != nil {
		b.t.Fatal(err)
	}
	text, err := b.in.ReadString('#')
	if err != nil {
		b.t.Fatal(err)
	}
	b.in.Discard(2)
	if !b.noAck {
		b.conn.Write([]byte("+"))
	}
	var out []byte // runs written out
	for i := 0; i < len(text)-1; i++ {
		if text[i] == '*' && i > 0 && i+1 < len(text)-1 {
			out = append(out, bytes.Repeat(out[len(out)-1:], int(text[i+1])-29)...)
			i++
			continue
		}
		out = append(out, text[i])
	}
	return string(out)
}

func (b *rawWire) ask(p string) string { b.send(p); return b.reply() }

// TestConditionOfOneThread: of many threads at a trap whose condition holds for one,
// that one is told, as often as it comes.
func TestConditionOfOneThread(t *testing.T) {
	const threads, one = 16, 5
	hits := 1_000
	if heavy() {
		hits = 20_000
	}
	s := launch(t, Options{}, build(t, "hot.c"), strconv.Itoa(threads), strconv.Itoa(hits))
	s.stop()
	done := s.set("done", Breakpoint{Function: "done"})[0].ID
	s.set("t", Breakpoint{Function: "hot", Condition: fmt.Sprintf("thread == %d", one)})
	told := 0
	for stop := s.run(How{}); stop.Breakpoints[0] != done; stop = s.run(How{}) {
		told++
		if n := s.eval("thread"); n != one {
			t.Fatalf("thread %d is told", n)
		}
	}
	if n := int(s.eval(fmt.Sprintf("calls[%d]", one))); n != told {
		t.Errorf("%d hits told, the program counts %d", told, n)
	}
	t.Logf("%d of %d hits", told, hits)
}
