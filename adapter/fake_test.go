package adapter_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"dap-windbg/adapter"
	"dap-windbg/engine"
	"dap-windbg/launch"
	"dap-windbg/targets"
	"dap-windbg/targets/fake"
	"dap-windbg/tests/dapclient"

	"github.com/google/go-dap"
)

// debugger is a Debugger over debuggees in memory.
type debugger struct {
	make   func() *fake.Target
	emit   func(engine.Event)
	life   context.Context
	mu     sync.Mutex
	target *fake.Target
	now    *engine.Session
	done   chan struct{}
	rows   []engine.FilterSetting
}

func (d *debugger) begin(ctx context.Context) error {
	t := d.make()
	es := engine.New(t, engine.Options{Emit: d.emit})
	done := make(chan struct{})
	d.mu.Lock()
	d.target, d.now, d.done = t, es, done
	d.mu.Unlock()
	go func() {
		defer close(done)
		es.Run(d.life)
	}()
	_, err := es.Wait(ctx)
	return err
}

func (d *debugger) Session() *engine.Session {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *debugger) Close(ctx context.Context, how targets.Parting) error {
	err := d.Session().Close(ctx, how)
	select {
	case <-d.done:
	case <-ctx.Done(): // it was given up
	}
	return err
}

func (d *debugger) Parting() targets.Parting         { return targets.Kill }
func (d *debugger) Kill(ctx context.Context) error   { return d.Close(ctx, targets.Kill) }
func (d *debugger) Detach(ctx context.Context) error { return d.Close(ctx, targets.Detach) }
func (d *debugger) Path(string) string               { return "" }
func (d *debugger) Filters() []engine.FilterSetting  { return d.rows }
func (d *debugger) SetFilter(engine.FilterSetting)   {}
func (d *debugger) Filter(string, string) engine.FilterSetting {
	return engine.FilterSetting{}
}

func (d *debugger) Restart(ctx context.Context) error {
	if err := d.Kill(ctx); err != nil {
		return err
	}
	return d.begin(ctx)
}

// words is a Console with a few commands.
type words struct {
	d    *debugger
	quit func(targets.Parting)
}

func (w words) IsCommand(line string) bool {
	switch word, _, _ := strings.Cut(line, " "); word {
	case "echo", "g", "go-and-wait", "long", "q", "flood":
		return true
	}
	return false
}

func (w words) Start(ctx context.Context, line string, out io.Writer) error {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "echo":
		fmt.Fprintln(out, rest)
	case "g":
		return w.d.Session().Resume(ctx, engine.How{Kind: engine.Go})
	case "go-and-wait":
		if err := w.d.Session().Resume(ctx, engine.How{Kind: engine.Go}); err != nil {
			fmt.Fprintln(out, err)
			return err
		}
		_, err := w.d.Session().Wait(ctx)
		fmt.Fprintln(out, "waited:", err)
	case "long":
		fmt.Fprintln(out, "at it")
		<-ctx.Done()
		fmt.Fprintln(out, "broken off")
	case "flood":
		for i := range 3000 {
			fmt.Fprintf(out, "line %04d of a long text ä\n", i)
		}
	case "q":
		w.quit(targets.Kill)
	default:
		fmt.Fprintf(out, "^ syntax error in %q\n", line)
		return errors.New("syntax error")
	}
	return nil
}

func (words) Complete(_ context.Context, line string) []adapter.Completion {
	return []adapter.Completion{{Text: "echo", From: 0}, {Text: "beyond", From: len(line) + 7}, {Text: "x", From: len(line)}}
}

func (words) FormatEvent(e engine.Event) string {
	if _, ok := e.(engine.ModuleEvent); ok {
		return "a module\n"
	}
	return ""
}

func (words) Arrive(_ context.Context, s engine.Stop, out io.Writer) (bool, error) {
	_, err := fmt.Fprintln(out, "stopped at", s.Addr)
	return false, err
}

// faking serves sessions over fakes; ready receives each debugger.
func faking(start string, threads int, ready chan<- *debugger) adapter.Options {
	return adapter.Options{
		Processes: func(context.Context, string) ([]targets.Process, error) {
			return []targets.Process{{PID: 7, User: "me", Command: "/bin/cat x"}}, nil
		},
		Plan: func(request string, args json.RawMessage, trusted bool) (launch.Plan, error) {
			p := launch.Plan{StopAtEntry: true, StopOnConnect: true}
			if request == "attach" {
				p.Request = launch.Attach
			}
			return p, nil
		},
		Open: func(ctx context.Context, _ launch.Plan, h launch.Hooks, quit func(targets.Parting)) (adapter.Debugger, adapter.Console, error) {
			d := &debugger{
				make: func() *fake.Target { return fake.New(fake.Demo(start, threads)) }, emit: h.Emit, life: ctx,
				rows: []engine.FilterSetting{{Code: "av", Title: "Access violation", Break: 'e', Exception: true}, {Code: "ld", Title: "Load module", Break: 'n'},
					{Code: "sigalrm", Title: "SIGALRM - Alarm clock", Break: 'i', Exception: true}},
			}
			if err := d.begin(ctx); err != nil {
				return nil, nil, err
			}
			if ready != nil {
				ready <- d
			}
			return d, words{d, quit}, nil
		},
	}
}

// over starts a session over a fake and stops at its entry.
func over(t *testing.T, start string, threads int) (*dapclient.Client, *debugger, int) {
	t.Helper()
	ready := make(chan *debugger, 1)
	c, _ := serve(t, t.Context(), faking(start, threads, ready))
	c.Start("launch", map[string]any{}, "")
	return c, <-ready, c.Stopped("entry").ThreadId
}

func evaluate(c *dapclient.Client, line string) int {
	return c.Send("evaluate", map[string]any{"expression": line, "context": "repl"})
}

func TestResponsesPrecedeEvents(t *testing.T) {
	c, _, thread := over(t, "main", 2)
	for range 20 {
		seq := c.Send("next", map[string]any{"threadId": thread, "granularity": "instruction"})
		answer := c.Good(seq, nil)
		if m := c.Event("stopped", nil); m.Seq < answer.Seq {
			t.Fatal("stopped precedes the response of next")
		}
	}
	if n := len(c.Seen("continued")); n != 0 {
		t.Errorf("%d continued events for requests that say so themselves", n)
	}
	for _, line := range []string{"g", "go-and-wait"} {
		seq := evaluate(c, line)
		answer := c.Good(seq, nil)
		if m := c.Event("continued", nil); m.Seq < answer.Seq {
			t.Errorf("%s: continued precedes the response", line)
		}
		c.Do("pause", map[string]any{"threadId": thread}, nil)
		c.Stopped("pause")
	}
	c.WaitOutput("console", "waited: <nil>")
	c.WaitOutput("console", "stopped at")
	c.Disconnect(nil)
}

func TestPauseBreaksOffCommand(t *testing.T) {
	c, _, thread := over(t, "main", 1)
	seq := evaluate(c, "long")
	next := evaluate(c, "echo next")
	c.WaitOutput("console", "") // nothing is streamed yet; the line is at work or waits
	c.Do("pause", map[string]any{"threadId": thread}, nil)
	var body dap.EvaluateResponseBody
	c.Good(seq, &body)
	c.Response(next)
	if n := len(c.Seen("stopped")); n != 1 {
		t.Errorf("%d stops", n)
	}
	seq = evaluate(c, "long")
	c.Do("cancel", map[string]any{"requestId": seq}, nil)
	if m := c.Response(seq); m.Success || m.Message != "cancelled" {
		t.Errorf("a cancelled line: %+v", m)
	}
	c.Disconnect(nil)
}

func TestFlood(t *testing.T) {
	c, _, _ := over(t, "main", 1)
	var body dap.EvaluateResponseBody
	c.Good(evaluate(c, "flood"), &body)
	if body.Result != "" {
		t.Errorf("%d bytes in the response", len(body.Result))
	}
	out := c.Output("console")
	for i := range 3000 {
		line := fmt.Sprintf("line %04d of a long text ä\n", i)
		if strings.Count(out, line) != 1 {
			t.Fatalf("%q is there %d times", line, strings.Count(out, line))
		}
	}
	c.Disconnect(nil)
}

func TestSlowFarEnd(t *testing.T) {
	c, d, _ := over(t, "main", 1)
	never := make(chan struct{})
	d.target.Delay(fake.ReadMemory, never)
	read := map[string]any{"memoryReference": fmt.Sprintf("%#x", uint64(fake.DemoData)), "count": 16}
	seq := c.Send("readMemory", read)
	c.Do("cancel", map[string]any{"requestId": seq}, nil)
	if m := c.Response(seq); m.Success || m.Message != "cancelled" {
		t.Errorf("cancelled: %+v", m)
	}
	stuck := []int{c.Send("readMemory", read), c.Send("readMemory", read), c.Send("threads", nil)}
	c.Do("disconnect", map[string]any{}, nil)
	for _, seq := range stuck {
		if m := c.Response(seq); m.Command == "readMemory" && (m.Success || m.Message != "cancelled") {
			t.Errorf("%+v", m)
		}
	}
	c.Ended()
}

func TestFarEndDies(t *testing.T) {
	c, d, thread := over(t, "main", 1)
	c.Do("continue", map[string]any{"threadId": thread}, nil)
	d.target.Cut(errors.New("the cable is out"))
	c.Event("terminated", nil)
	if out := c.Output("important"); !strings.Contains(out, "the cable is out") {
		t.Errorf("the user is told %q", out)
	}
	for _, command := range []string{"continue", "pause", "stackTrace"} {
		c.Fail(command, map[string]any{"threadId": thread})
	}
	c.Disconnect(nil)
}

func TestFailuresOfTheFarEnd(t *testing.T) {
	c, d, thread := over(t, "main", 1)
	refusal := &targets.RefusedError{Op: "reading memory", Code: 14, Fix: "look elsewhere"}
	d.target.Fail(fake.ReadMemory, refusal, refusal)
	ref := map[string]any{"memoryReference": fmt.Sprintf("%#x", uint64(fake.DemoStack)), "count": 4}
	if text := c.Fail("readMemory", ref); !strings.Contains(text, "look elsewhere") {
		t.Error(text)
	}
	d.target.Fail(fake.ReadMemory)
	c.Do("readMemory", ref, nil)
	d.target.Fail(fake.Resume, refusal)
	c.Fail("continue", map[string]any{"threadId": thread})
	c.Stack(thread, 3)
	c.Disconnect(nil)
}

func TestTerminateAndExit(t *testing.T) {
	c, _, thread := over(t, "hello", 1)
	c.Do("continue", map[string]any{"threadId": thread}, nil)
	c.WaitOutput("stdout", "hello\n")
	var exit dap.ExitedEventBody
	if err := json.Unmarshal(c.Event("exited", nil).Body, &exit); err != nil || exit.ExitCode != 7 {
		t.Errorf("%+v %v", exit, err)
	}
	c.Event("terminated", nil)
	c.Disconnect(nil)

	c, _, _ = over(t, "main", 1)
	c.Do("terminate", map[string]any{}, nil)
	c.Event("terminated", nil)
	c.Disconnect(nil)

	c, _, thread = over(t, "main", 1)
	c.Do("restart", map[string]any{}, nil)
	if stop := c.Stopped("entry"); stop.ThreadId != thread {
		t.Errorf("thread %d, before %d", stop.ThreadId, thread)
	}
	c.Good(evaluate(c, "q"), nil)
	c.Event("terminated", nil)
	c.Disconnect(nil)
}

// TestZeroBased: a client that counts from 0 and spells paths as URIs.
func TestZeroBased(t *testing.T) {
	c, _ := serve(t, t.Context(), faking("main", 1, nil))
	c.Do("initialize", map[string]any{"adapterID": "x", "linesStartAt1": false, "columnsStartAt1": false, "pathFormat": "uri"}, nil)
	seq := c.Send("launch", map[string]any{})
	c.Event("initialized", nil)
	var set dap.SetBreakpointsResponseBody
	c.Do("setBreakpoints", map[string]any{"source": map[string]any{"path": "file:///a/b%20c.c"}, "breakpoints": []any{map[string]any{"line": 0}}}, &set)
	if b := set.Breakpoints[0]; b.Line != 0 || b.Source == nil || b.Source.Path != "file:///a/b%20c.c" {
		t.Errorf("%+v", b)
	}
	c.Do("configurationDone", nil, nil)
	c.Good(seq, nil)
	stop := c.Stopped("entry")
	if f := c.Stack(stop.ThreadId, 1)[0]; f.Line != 0 || f.Column != 0 {
		t.Errorf("%+v", f)
	}
	var done dap.CompletionsResponseBody
	c.Do("completions", map[string]any{"text": "ec", "column": 2}, &done)
	if len(done.Targets) != 2 || done.Targets[0].Start != 0 || done.Targets[0].Length != 2 || done.Targets[1].Start != 2 {
		t.Errorf("%+v", done.Targets)
	}
	c.Disconnect(nil)
}
