package rsp

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"

	"dap-windbg/targets"
)

// group is a far end that holds some processes of one process group. It answers
// questions; what resumes and interrupts goes to the test, which says what comes of it.
type group struct {
	t     *testing.T
	conn  net.Conn
	asked chan string // resumes; "^C" for 0x03; "pid N" for a signal to process N alone
}

// holds starts a far end with process 1 and connects to it. alone: processes can be
// signalled one by one.
func holds(t *testing.T, alone bool) (*group, *Conn) {
	near, far := net.Pipe()
	g := &group{t: t, conn: far, asked: make(chan string, 16)}
	go g.serve()
	o := Options{Forks: true, OS: "linux"}
	if alone {
		o.Break = func(pid int64) error {
			g.asked <- fmt.Sprint("pid ", pid)
			return nil
		}
	}
	c, err := Connect(soon(t), near, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	expect[targets.Stop](t, c.Target())
	return g, c
}

func (g *group) serve() {
	answers := map[string]string{"?": "T05thread:p1.1;", "QStartNoAckMode": "OK", "vCont?": "vCont;c;C;s;S", "qsThreadInfo": "l"}
	for r := bufio.NewReader(g.conn); ; {
		switch b, err := r.ReadByte(); {
		case err != nil:
			return
		case b == interrupt:
			g.asked <- "^C"
			continue
		case b != '$':
			continue
		}
		text, err := r.ReadString('#')
		if err != nil {
			return
		}
		text = strings.TrimSuffix(text, "#")
		switch answer, known := answers[text]; {
		case known:
			g.says(answer)
		case strings.HasPrefix(text, "qSupported"):
			g.says("PacketSize=1000;multiprocess+;fork-events+;exec-events+;swbreak+;vContSupported+;QStartNoAckMode+")
		case strings.HasPrefix(text, "vCont;"):
			g.asked <- text
		case strings.HasPrefix(text, "D;"), strings.HasPrefix(text, "Hg"):
			g.says("OK")
		case text == "qfThreadInfo":
			g.says("mp1.1")
		default:
			g.says("")
		}
	}
}

func (g *group) says(text string) { g.conn.Write(frame(nil, text)) }

// hears expects these of us, in this order.
func (g *group) hears(want ...string) {
	g.t.Helper()
	for _, w := range want {
		select {
		case got := <-g.asked:
			if got != w {
				g.t.Fatalf("asked for %q, not for %q", got, w)
			}
		case <-soon(g.t).Done():
			g.t.Fatalf("nobody asks for %q", w)
		}
	}
}

// moves resumes a target, and the process that runs already, stopped for that by how.
func (g *group) moves(t, running *Target, how string) {
	g.t.Helper()
	done := make(chan error, 1)
	go func() { done <- t.Resume(soon(g.t), goOn()) }()
	if running != nil {
		g.hears(how)
		g.says(fmt.Sprintf("T02thread:%v;", running.thread))
	}
	if err := <-done; err != nil {
		g.t.Fatal(err)
	}
}

// silent: nothing but what was heard has been asked for.
func (g *group) silent(c *Conn) {
	g.t.Helper()
	if _, err := c.Held(soon(g.t)); err != nil { // all that was sent before has arrived
		g.t.Fatal(err)
	}
	select {
	case got := <-g.asked:
		g.t.Errorf("asked for %q", got)
	default:
	}
}

// forks has process 1, which runs alone, fork process pid, which is adopted.
func (g *group) forks(c *Conn, pid int64) (child *Target) {
	g.t.Helper()
	g.says(fmt.Sprintf("T05fork:p%x.%x;thread:p1.1;", pid, pid))
	if stop := expect[targets.Stop](g.t, c.Target()); stop.Reason != targets.Forked {
		g.t.Fatalf("stop %+v", stop)
	}
	got, err := c.Adopt(soon(g.t), pid)
	if err != nil {
		g.t.Fatal(err)
	}
	child = got.(*Target)
	expect[targets.Stop](g.t, child)
	return child
}

// family is process 1 and its child 2, both of which run; first is what stops the one so
// that the other can be let go too.
func (g *group) family(c *Conn, first string) (parent, child *Target) {
	g.t.Helper()
	parent = c.Target()
	g.moves(parent, nil, "")
	g.hears("vCont;c")
	child = g.forks(c, 2)
	g.moves(parent, nil, "")
	g.hears("vCont;c:p1.-1")
	g.moves(child, parent, first)
	g.hears("vCont;c:p2.-1;c:p1.-1")
	return parent, child
}

// TestOneIsMeant: an interrupt is for one process and no signal reaches another, not
// when a third one ends before it either.
func TestOneIsMeant(t *testing.T) {
	g, c := holds(t, true)
	parent, _ := g.family(c, "pid 1")
	if err := parent.Interrupt(soon(t)); err != nil {
		t.Fatal(err)
	}
	g.hears("pid 1")
	g.says("W0;process:2")
	g.hears("vCont;c")
	g.says("T02thread:p1.1;")
	if stop := expect[targets.Stop](t, parent); stop.Reason != targets.Interrupted {
		t.Errorf("stop %+v", stop)
	}
	g.silent(c)
}

// TestTheNextIsMeant: the process that an interrupt was sent to ends; then it is sent to
// another one that has to stop.
func TestTheNextIsMeant(t *testing.T) {
	g, c := holds(t, true)
	parent, child := g.family(c, "pid 1")
	for _, tg := range []*Target{parent, child} {
		if err := tg.Interrupt(soon(t)); err != nil {
			t.Fatal(err)
		}
	}
	g.hears("pid 1")
	g.says("W0;process:1")
	g.hears("pid 2", "vCont;c")
	g.says("T02thread:p2.2;")
	if stop := expect[targets.Stop](t, child); stop.Reason != targets.Interrupted {
		t.Errorf("stop %+v", stop)
	}
	g.silent(c)
}

// TestOwnSignal: a process that gets an interrupt of its own while another one is
// stopped by ours tells of it.
func TestOwnSignal(t *testing.T) {
	g, c := holds(t, true)
	parent, child := g.family(c, "pid 1")
	if err := parent.Interrupt(soon(t)); err != nil {
		t.Fatal(err)
	}
	g.hears("pid 1")
	g.says("T02thread:p2.2;")
	if stop := expect[targets.Stop](t, child); stop.Reason != targets.Exception || stop.Exception.Name != "SIGINT" {
		t.Errorf("stop %+v", stop)
	}
}

// TestUnborn: an interrupt that goes to all of a group reaches a child of which nobody
// has heard yet. It is not the child's own.
func TestUnborn(t *testing.T) {
	g, c := holds(t, false)
	_, child := g.family(c, "^C")
	if err := child.Interrupt(soon(t)); err != nil {
		t.Fatal(err)
	}
	g.hears("^C") // process 1 has forked just before
	g.says("T02thread:p2.2;")
	if stop := expect[targets.Stop](t, child); stop.Reason != targets.Interrupted {
		t.Fatalf("stop %+v", stop)
	}
	g.moves(child, nil, "")
	g.hears("vCont;c:p2.-1;c:p1.-1")
	late := g.forks(c, 3)
	g.moves(late, nil, "")
	g.hears("vCont;c:p3.-1;c:p2.-1")
	g.says("T02thread:p3.3;")
	g.hears("vCont;c:p3.-1;c:p2.-1") // and nothing is told
}

// TestStrayStop: the signal by which the far end itself stops a process for another's
// sake, reported behind an exec, is not handed to the program; one that is sent later is
// the program's, and so is any of a process that is alone.
func TestStrayStop(t *testing.T) {
	for _, alone := range []bool{true, false} {
		g, c := holds(t, true)
		tg, onward := c.Target(), "vCont;c"
		g.moves(tg, nil, "")
		g.hears("vCont;c")
		if !alone {
			g.forks(c, 2)
			g.moves(tg, nil, "")
			onward = "vCont;c:p1.-1"
			g.hears(onward)
		}
		g.says("T05exec:2f62696e2f6c73;thread:p1.1;")
		if stop := expect[targets.Stop](t, tg); stop.Reason != targets.Exec {
			t.Fatalf("stop %+v", stop)
		}
		g.moves(tg, nil, "")
		g.hears(onward)
		if !alone {
			g.says("T11thread:p1.1;")
			g.hears(onward)
		}
		g.says("T11thread:p1.1;")
		if stop := expect[targets.Stop](t, tg); stop.Reason != targets.Exception || stop.Exception.Name != "SIGSTOP" {
			t.Errorf("alone %t: stop %+v", alone, stop)
		}
	}
}

// TestInterruptBehindExec: an interrupt that a process meets behind an exec, and behind
// what the far end reports before it, is still ours.
func TestInterruptBehindExec(t *testing.T) {
	g, c := holds(t, true)
	tg := c.Target()
	g.moves(tg, nil, "")
	g.hears("vCont;c")
	if err := tg.Interrupt(soon(t)); err != nil {
		t.Fatal(err)
	}
	g.hears("pid 1")
	g.says("T05swbreak:;thread:p1.1;")
	for _, next := range []string{"T05exec:2f62696e2f6c73;thread:p1.1;", "T05swbreak:;thread:p1.1;"} {
		expect[targets.Stop](t, tg)
		g.moves(tg, nil, "")
		g.hears("vCont;c")
		g.says(next)
	}
	if stop := expect[targets.Stop](t, tg); stop.Reason != targets.Breakpoint {
		t.Fatalf("stop %+v", stop)
	}
	for _, next := range []string{"T05swbreak:;thread:p1.1;", "T02thread:p1.1;"} {
		g.moves(tg, nil, "")
		g.hears("vCont;c")
		g.says(next)
		if next[:3] == "T05" {
			expect[targets.Stop](t, tg)
		}
	}
	g.hears("vCont;c") // and nothing is told
}
