package share

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"dap-windbg/tests/dapclient"
	"dap-windbg/tests/kernel/window"

	"github.com/google/go-dap"
)

// ends are two editors and a command window in one session.
type ends struct {
	t      *testing.T
	a, b   *dapclient.Client
	w      *window.Window
	thread int
	rnd    *rand.Rand
	places []int  // lines where breakpoints may be, the first is set by a throughout
	unit   string // of steps
	ops    int
}

// stop waits for one stop at both editors and for what they tell before it.
func (e *ends) stop(actor *dapclient.Client) {
	e.t.Helper()
	var reasons []string
	for _, c := range []*dapclient.Client{e.a, e.b} {
		if c != actor {
			c.Event("continued", nil)
		}
		s := c.Stopped("")
		reasons = append(reasons, fmt.Sprint(s.Reason, " ", s.Text, " ", s.ThreadId))
		e.thread = s.ThreadId
	}
	if reasons[0] != reasons[1] {
		e.t.Fatalf("operation %d: one editor was told of %q, the other of %q", e.ops, reasons[0], reasons[1])
	}
}

// editors picks who acts and who looks on.
func (e *ends) editors() (actor, other *dapclient.Client) {
	if e.rnd.IntN(2) == 0 {
		return e.a, e.b
	}
	return e.b, e.a
}

func (e *ends) move(request string) func() {
	return func() {
		actor, _ := e.editors()
		actor.Do(request, map[string]any{"threadId": e.thread, "granularity": e.unit}, nil)
		e.stop(actor)
	}
}

// typed is a line that moves the debuggee, typed by anybody.
func (e *ends) typed(lines ...string) func() {
	return func() {
		line := lines[e.rnd.IntN(len(lines))]
		if e.rnd.IntN(2) == 0 {
			e.w.Do(line)
		} else {
			actor, _ := e.editors()
			actor.Command(line)
		}
		e.stop(nil)
	}
}

// toggle changes an editor's breakpoints. The other one is told.
func (e *ends) toggle() {
	actor, _ := e.editors()
	lines := e.places[:1]
	if actor == e.b {
		lines = nil
	}
	for _, l := range e.places[1:] {
		if e.rnd.IntN(2) == 0 {
			lines = append(slices.Clone(lines), l)
		}
	}
	actor.Break(source(), lines...)
}

// pause lets the program run without breakpoints, until the other editor stops it.
func (e *ends) pause() {
	e.a.Break(source())
	e.b.Break(source())
	e.w.Do("bc *")
	actor, other := e.editors()
	actor.Do("continue", map[string]any{"threadId": e.thread}, nil)
	if actor == e.a {
		e.b.Event("continued", nil)
	} else {
		e.a.Event("continued", nil)
	}
	other.Do("pause", map[string]any{"threadId": e.thread}, nil)
	for _, c := range []*dapclient.Client{e.a, e.b} {
		c.Stopped("pause")
	}
	e.a.Break(source(), e.places[0])
	e.move("continue")() // to where everything is seen
}

// assign changes a variable at one end.
func (e *ends) assign() {
	n := e.rnd.IntN(1000)
	switch e.rnd.IntN(3) {
	case 0:
		e.w.Do(fmt.Sprintf("?? total = %d", n))
	default:
		actor, _ := e.editors()
		actor.Evaluate("watch", fmt.Sprintf("total = %d", n), 0)
	}
	want := fmt.Sprint(n)
	for _, c := range []*dapclient.Client{e.a, e.b} {
		if got := c.Evaluate("watch", "total", 0).Result; got != want {
			e.t.Fatalf("operation %d: an editor shows total as %s, not %s", e.ops, got, want)
		}
	}
}

var pointer = regexp.MustCompile(`ip=([0-9a-f]{16})\n`)

// same compares what the three show.
func (e *ends) same() {
	e.t.Helper()
	type view struct {
		frames []string
		locals string
		table  string
	}
	var views []view
	for _, c := range []*dapclient.Client{e.a, e.b} {
		var v view
		frames := c.Stack(e.thread, 3)
		for _, f := range frames {
			v.frames = append(v.frames, fmt.Sprint(f.Name, ":", f.Line, " ", f.InstructionPointerReference))
		}
		if ref := c.Scopes(frames[0].Id)["Locals"].VariablesReference; ref != 0 {
			for name, x := range c.Variables(ref) {
				v.locals += name + "=" + x.Value + " "
			}
		}
		v.locals = sorted(v.locals)
		v.table = numbers(c.Command("bl"))
		views = append(views, v)
	}
	if fmt.Sprint(views[0]) != fmt.Sprint(views[1]) {
		e.t.Fatalf("operation %d: the editors show different things:\n%+v\n%+v", e.ops, views[0], views[1])
	}
	text := e.w.Do(`.printf "ip=%016I64x\n", @$ip; bl`)
	m := pointer.FindStringSubmatch(text)
	if m == nil || !strings.HasSuffix(views[0].frames[0], "0x"+strings.TrimLeft(m[1], "0")) {
		e.t.Fatalf("operation %d: the window is at %v, the editors at %v", e.ops, m, views[0].frames)
	}
	if got := numbers(text[strings.LastIndex(text, "ip="):]); got != views[0].table {
		e.t.Fatalf("operation %d: the window's breakpoints are %s, the editors' %s", e.ops, got, views[0].table)
	}
}

var row = regexp.MustCompile(`(?m)^ *(\d+) e .*@ (\d+)\]`)

// numbers are the breakpoints of bl.
func numbers(text string) string {
	var out []string
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1]+"@"+m[2])
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func sorted(words string) string {
	list := strings.Fields(words)
	slices.Sort(list)
	return strings.Join(list, " ")
}

// TestThousand: 1,000 mixed operations by two editors and a window, of which they see the
// same, in the same order.
func TestThousand(t *testing.T) {
	a, join := begin(t, anyPort+",password=Together1", "Together1")
	b := attach(t, join)
	thread := b.Stopped("breakpoint").ThreadId
	w := window.Open(t, "-remote", join)
	w.Do("l+t")
	e := &ends{t: t, a: a, b: b, w: w, thread: thread, unit: "line", rnd: rand.New(rand.NewPCG(1, 2)), places: []int{17, 9, 18, 19}}
	steps := []func(){
		e.move("next"), e.move("next"), e.move("stepIn"), e.move("continue"), e.move("continue"),
		e.typed("p", "t", "g", "p"), e.typed("p; k 2; p"), e.toggle, e.assign,
	}
	for e.ops = 0; e.ops < 700; e.ops++ {
		if e.ops%50 == 49 {
			e.pause()
		} else if f := e.rnd.IntN(len(steps)); f != 6 {
			steps[f]()
		} else { // two stops
			w.Do("p; p")
			e.stop(nil)
			e.stop(nil)
		}
		if e.ops%5 == 4 {
			e.same()
		}
	}
	e.chorus(100)
	e.same()
	w.End(".remote_exit")
	b.Disconnect(nil)
	a.Disconnect(nil)
}

var mark = regexp.MustCompile(`(?m)^mark ([abw]\d+)$`)

// chorus has the three type at the same time, n lines each: everybody hears all of it in
// the same order.
func (e *ends) chorus(n int) {
	from := len(e.w.Text())
	fromA, fromB := e.a.Seq(), e.b.Seq()
	var all sync.WaitGroup
	speak := func(name string, say func(line string)) {
		all.Go(func() {
			for i := range n {
				say(fmt.Sprintf(".echo mark %s%d", name, i))
			}
		})
	}
	speak("a", func(line string) { e.a.Command(line) })
	speak("b", func(line string) { e.b.Command(line) })
	speak("w", func(line string) { e.w.Do(line) })
	all.Wait()
	e.w.Do(".echo mark w9999") // behind all of it, at every end
	last := func(c *dapclient.Client) { c.WaitOutput("console", "mark w9999\n") }
	last(e.a)
	last(e.b)
	var heard []string
	for _, text := range []string{e.w.Text()[from:], transcript(e.a, fromA), transcript(e.b, fromB)} {
		var marks []string
		for _, m := range mark.FindAllStringSubmatch(text, -1) {
			marks = append(marks, m[1])
		}
		heard = append(heard, strings.Join(marks, " "))
		if len(marks) != 3*n+1 {
			e.t.Errorf("an end has heard %d of %d lines", len(marks), 3*n+1)
		}
	}
	if heard[0] != heard[1] || heard[0] != heard[2] {
		e.t.Errorf("the ends have heard different orders:\n%s\n%s\n%s", heard[0], heard[1], heard[2])
	}
	e.ops += 3 * n
}

// transcript is what an editor's console has shown since message from: output, and the
// results of its own lines.
func transcript(c *dapclient.Client, from int) (text string) {
	c.Until("", func(log []*dapclient.Message) bool {
		text = shown(log[from:])
		return true
	})
	return text
}

// shown is what an editor's console shows of messages.
func shown(log []*dapclient.Message) string {
	var b strings.Builder
	for _, m := range log {
		var o dap.OutputEventBody
		var r dap.EvaluateResponseBody
		switch {
		case m.Event == "output" && json.Unmarshal(m.Body, &o) == nil && o.Category == "console":
			b.WriteString(o.Output)
		case m.Type == "response" && m.Command == "evaluate" && json.Unmarshal(m.Body, &r) == nil && r.Result != "":
			b.WriteString(r.Result + "\n")
		}
	}
	return b.String()
}
