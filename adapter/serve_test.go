package adapter_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"dap-windbg/adapter"
	"dap-windbg/launch"
	"dap-windbg/targets"
	"dap-windbg/tests/dapclient"

	"github.com/google/go-dap"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a session and returns its client and the end of Serve.
func serve(t *testing.T, ctx context.Context, o adapter.Options) (*dapclient.Client, <-chan error) {
	t.Helper()
	here, there := net.Pipe()
	done := make(chan error, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		done <- adapter.Serve(ctx, there, o)
	}()
	t.Cleanup(func() { <-ended })
	return dapclient.New(t, here), done
}

// hinted is an error that tells what to do.
type hinted struct{}

func (hinted) Error() string { return "no such thing" }
func (hinted) Hint() string  { return "take another" }

// plan accepts every configuration; open is called for it.
func opening(open func(ctx context.Context, h launch.Hooks) error) adapter.Options {
	return adapter.Options{
		Plan: func(request string, args json.RawMessage, trusted bool) (launch.Plan, error) {
			var a struct{ Program string }
			if err := json.Unmarshal(args, &a); err != nil {
				return launch.Plan{}, err
			}
			if a.Program == "" {
				return launch.Plan{}, &launch.ConfigError{Field: "program", Want: "is missing", Fix: "name a program"}
			}
			return launch.Plan{Trusted: trusted}, nil
		},
		Open: func(ctx context.Context, _ launch.Plan, h launch.Hooks, _ func(targets.Parting)) (adapter.Debugger, adapter.Console, error) {
			return nil, nil, open(ctx, h)
		},
	}
}

var launchAny = map[string]any{"program": "x"}

func TestWithoutDebuggee(t *testing.T) {
	c, done := serve(t, t.Context(), opening(func(context.Context, launch.Hooks) error { return hinted{} }))
	if text := c.Fail("threads", nil); !strings.Contains(text, "before initialize") {
		t.Error(text)
	}
	caps := c.Initialize()
	if !caps.SupportsConfigurationDoneRequest || !caps.SupportsCancelRequest {
		t.Errorf("capabilities %+v", caps)
	}
	for _, x := range []struct {
		command string
		args    any
		want    string
	}{
		{"initialize", map[string]any{"adapterID": "x"}, "already"},
		{"noSuchRequest", nil, "not supported"},
		{"launch", map[string]any{}, "name a program"},
		{"launch", launchAny, "take another"},
		{"attach", launchAny, "no such thing"},
		{"next", map[string]any{"threadId": 1}, "there is no thread 1"},
		{"pause", map[string]any{"threadId": 1}, "no debuggee"},
		{"stackTrace", map[string]any{"threadId": 1}, "no thread 1"},
		{"scopes", map[string]any{"frameId": 7}, "no debuggee"},
		{"variables", map[string]any{"variablesReference": 7}, "no debuggee"},
		{"variables", map[string]any{"variablesReference": 7, "count": -1}, "negative"},
		{"evaluate", map[string]any{"expression": "1"}, "no debuggee"},
		{"readMemory", map[string]any{"memoryReference": "0x0", "count": 1 << 40}, "between"},
		{"readMemory", map[string]any{"memoryReference": "rubbish", "count": 1}, "no memory reference"},
		{"disassemble", map[string]any{"memoryReference": "0x0", "instructionCount": 1 << 40}, "within"},
		{"disassemble", map[string]any{"memoryReference": "0x0", "instructionCount": 1, "instructionOffset": -1 << 40}, "within"},
		{"writeMemory", map[string]any{"memoryReference": "0x0", "data": "*"}, "data"},
		{"source", map[string]any{"sourceReference": 3}, "no source 3"},
		{"locations", map[string]any{"locationReference": 3}, "no location 3"},
		{"goto", map[string]any{"threadId": 1, "targetId": 3}, "no goto target 3"},
		{"restart", nil, "no debuggee"},
	} {
		if text := c.Fail(x.command, x.args); !strings.Contains(text, x.want) {
			t.Errorf("%s: %q does not say %q", x.command, text, x.want)
		}
	}
	var set dap.SetBreakpointsResponseBody
	c.Do("setBreakpoints", map[string]any{"source": map[string]any{"path": "/x.c"}, "breakpoints": []any{map[string]any{"line": 3}}}, &set)
	if len(set.Breakpoints) != 1 || set.Breakpoints[0].Verified || set.Breakpoints[0].Message == "" {
		t.Errorf("%+v", set)
	}
	c.Disconnect(nil)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestMalformedInput(t *testing.T) {
	c, _ := serve(t, t.Context(), opening(func(context.Context, launch.Hooks) error { return nil }))
	for _, raw := range []string{
		"no header at all\r\n\r\n",
		"Content-Length: -5\r\n\r\n",
		"Content-Length: 99999999999999\r\n\r\n{\"seq\":1}",
		"Content-Length: x\r\n\r\n",
		"Content-Length: 3\r\n\r\n{{{",
		"Content-Length: 4\r\n\r\nnull",
		"Content-Length: 2\r\n\r\n[]",
		"Content-Length: 0\r\n\r\n",
		"Content-Length: 16\r\n\r\n{\"type\":\"bogus\"}",
		"X-Other: 1\r\ncontent-length: 2\r\n\r\n{}",
		strings.Repeat("garbage", 10000) + "\n",
	} {
		if err := c.Raw([]byte(raw)); err != nil {
			t.Fatal(err)
		}
	}
	c.WaitOutput("important", "malformed")
	c.Initialize()
	c.Fail("launch", []int{1})
	c.Do("setBreakpoints", map[string]any{"source": map[string]any{"path": "/x.c"}, "nonsense": 1, "breakpoints": []any{}}, nil)
	c.Disconnect(nil)
}

// A request whose parts have wrong types is answered, under its own number.
func TestMalformedRequest(t *testing.T) {
	here, there := net.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- adapter.Serve(t.Context(), there, opening(nil)) }()
	content := `{"seq":7,"type":"request","command":"initialize","message":5}`
	go io.WriteString(here, "Content-Length: "+"61"+"\r\n\r\n"+content)
	if len(content) != 61 {
		t.Fatal(len(content))
	}
	b, err := dap.ReadBaseMessage(bufio.NewReader(here))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte(`"request_seq":7`)) || !bytes.Contains(b, []byte(`"success":false`)) {
		t.Errorf("%s", b)
	}
	here.Close()
	<-ended
}

func TestDisconnectWhileStarting(t *testing.T) {
	began, undone := make(chan struct{}), make(chan struct{})
	c, done := serve(t, t.Context(), opening(func(ctx context.Context, _ launch.Hooks) error {
		close(began)
		<-ctx.Done()
		close(undone)
		return ctx.Err()
	}))
	c.Initialize()
	seq := c.Send("launch", launchAny)
	<-began // one that comes earlier starts nothing
	c.Do("disconnect", map[string]any{}, nil)
	if m := c.Response(seq); m.Success || m.Message != "cancelled" {
		t.Errorf("launch: %+v", m)
	}
	<-undone
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// What ignores its context cannot hold the session.
func TestStartThatNeverReturns(t *testing.T) {
	release := make(chan struct{})
	began, over := make(chan struct{}), make(chan struct{})
	c, done := serve(t, t.Context(), opening(func(context.Context, launch.Hooks) error {
		close(began)
		defer close(over)
		<-release
		return errors.New("late")
	}))
	c.Initialize()
	c.Send("launch", launchAny)
	<-began
	c.Send("disconnect", map[string]any{})
	<-done
	close(release)
	<-over
}

func TestCancelLaunch(t *testing.T) {
	c, _ := serve(t, t.Context(), opening(func(ctx context.Context, _ launch.Hooks) error {
		<-ctx.Done()
		return ctx.Err()
	}))
	c.Initialize()
	seq := c.Send("launch", launchAny)
	c.Do("cancel", map[string]any{"requestId": seq}, nil)
	if m := c.Response(seq); m.Success || m.Message != "cancelled" {
		t.Errorf("launch: %+v", m)
	}
	c.Disconnect(nil)
}

func TestHangUp(t *testing.T) {
	c, done := serve(t, t.Context(), opening(func(ctx context.Context, _ launch.Hooks) error {
		<-ctx.Done()
		return ctx.Err()
	}))
	c.Initialize()
	c.Send("launch", launchAny)
	c.Close()
	<-done
}

func TestContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, done := serve(t, ctx, opening(func(ctx context.Context, _ launch.Hooks) error {
		<-ctx.Done()
		return ctx.Err()
	}))
	c.Initialize()
	c.Send("launch", launchAny)
	cancel()
	<-done
	c.Ended()
}

func TestRunInTerminal(t *testing.T) {
	pid := make(chan int, 1)
	c, _ := serve(t, t.Context(), opening(func(ctx context.Context, h launch.Hooks) error {
		n, err := h.Terminal(ctx, []string{"prog", "arg"}, "/tmp", []string{"A=b"})
		pid <- n
		if err != nil {
			return err
		}
		return errors.New("that was all")
	}))
	c.Reverse = func(command string, args json.RawMessage) (any, error) {
		var a dap.RunInTerminalRequestArguments
		if err := json.Unmarshal(args, &a); err != nil || command != "runInTerminal" || len(a.Args) != 2 || a.Env["A"] != "b" || a.Cwd != "/tmp" {
			t.Errorf("%s %s", command, args)
		}
		return map[string]any{"processId": 4711}, nil
	}
	c.Initialize()
	if text := c.Fail("launch", launchAny); !strings.Contains(text, "that was all") {
		t.Error(text)
	}
	if n := <-pid; n != 4711 {
		t.Errorf("pid %d", n)
	}
	c.Reverse = nil
	if text := c.Fail("launch", launchAny); !strings.Contains(text, "not here") {
		t.Error(text)
	}
	c.Disconnect(nil)
}

func TestUntrusted(t *testing.T) {
	trusted := make(chan bool, 1)
	o := opening(nil)
	o.Open = func(_ context.Context, p launch.Plan, _ launch.Hooks, _ func(targets.Parting)) (adapter.Debugger, adapter.Console, error) {
		trusted <- p.Trusted
		return nil, nil, errors.New("enough")
	}
	c, _ := serve(t, t.Context(), o)
	c.Initialize()
	for _, x := range []struct {
		args map[string]any
		want bool
	}{
		{map[string]any{"program": "x"}, true},
		{map[string]any{"program": "x", "__trusted": true}, true},
		{map[string]any{"program": "x", "__trusted": false}, false},
		{map[string]any{"program": "x", "__workspaceTrusted": false}, false},
	} {
		c.Fail("launch", x.args)
		if got := <-trusted; got != x.want {
			t.Errorf("%v: trusted %v", x.args, got)
		}
	}
	c.Disconnect(nil)
}

func TestListen(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	o := opening(func(ctx context.Context, _ launch.Hooks) error { <-ctx.Done(); return ctx.Err() })
	o.Sessions = 2
	go func() { done <- adapter.Listen(ctx, ln, o) }()
	dial := func() *dapclient.Client {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return dapclient.New(t, conn)
	}
	a, b := dial(), dial()
	a.Initialize()
	b.Initialize()
	b.Send("launch", launchAny)
	dial().Ended() // one too many
	a.Disconnect(nil)
	cancel()
	b.Ended()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// stream is a client that has said everything already.
type stream struct {
	io.Reader
	out *bytes.Buffer
}

func (s stream) Write(p []byte) (int, error) { return s.out.Write(p) }
func (s stream) Close() error                { return nil }

func frame(contents ...string) []byte {
	var b bytes.Buffer
	for _, c := range contents {
		_ = dap.WriteBaseMessage(&b, []byte(c))
	}
	return b.Bytes()
}

// FuzzServe: whatever a client sends, the session ends when it hangs up and all
// that was answered is valid.
func FuzzServe(f *testing.F) {
	f.Add([]byte("Content-Length: 2\r\n\r\n{}"))
	f.Add(frame(`{"seq":1,"type":"request","command":"initialize","arguments":{"adapterID":"x"}}`,
		`{"seq":2,"type":"request","command":"launch","arguments":{"program":"x"}}`,
		`{"seq":3,"type":"request","command":"setBreakpoints","arguments":{"source":{"path":"/a"},"lines":[1]}}`,
		`{"seq":4,"type":"request","command":"evaluate","arguments":{"expression":"k","context":"repl"}}`,
		`{"seq":5,"type":"request","command":"completions","arguments":{"text":"\u00e4\ud83d\ude00x","column":3}}`,
		`{"seq":6,"type":"request","command":"disconnect"}`))
	f.Add(frame(`{"seq":1,"type":"request","command":"initialize"}`, `{"seq":1,"type":"response","request_seq":9}`,
		`{"seq":1,"type":"request","command":"setDataBreakpoints","arguments":{"breakpoints":[{"dataId":"0x1:4","accessType":"read"}]}}`))
	schema, err := dapclient.LoadSchema()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		o := opening(func(context.Context, launch.Hooks) error { return hinted{} })
		if err := adapter.Serve(t.Context(), stream{bytes.NewReader(in), &out}, o); err != nil {
			t.Fatal(err)
		}
		for r := bufio.NewReader(&out); ; {
			content, err := dap.ReadBaseMessage(r)
			if err == io.EOF {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(content); err != nil && !bytes.Contains(content, []byte(`"type":"response"`)) {
				t.Errorf("%v: %s", err, content)
			}
			if bytes.Contains(content, []byte("internal error")) {
				t.Errorf("%s", content)
			}
		}
	})
}
