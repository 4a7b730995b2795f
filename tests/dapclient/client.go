// Package dapclient is a client of the Debug Adapter Protocol for tests. It
// checks what it sees: every message in either direction against the official
// schema, numbers in order, one response for a request, no event after
// `terminated`. A violation fails the test.
package dapclient

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-dap"
)

// Patience bounds every wait of a Client, on a machine that has other things to do.
const Patience = 2 * time.Minute

// Message is any message of the protocol.
type Message struct {
	Seq        int             `json:"seq"`
	Type       string          `json:"type"`
	Command    string          `json:"command"`
	Event      string          `json:"event"`
	RequestSeq int             `json:"request_seq"`
	Success    bool            `json:"success"`
	Message    string          `json:"message"`
	Body       json.RawMessage `json:"body"`
	Arguments  json.RawMessage `json:"arguments"`
}

// Client is one connection. Its methods may be called from any goroutine, but
// those that wait for events consume them: one goroutine should.
type Client struct {
	t      testing.TB
	rw     io.ReadWriteCloser
	schema *Schema

	// Reverse answers requests of the adapter; nil refuses them.
	Reverse func(command string, args json.RawMessage) (any, error)
	// Starts: Reverse begins sessions (startDebugging).
	Starts bool

	sending sync.Mutex
	seq     int

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced when something came
	sent     map[int]string
	answered map[int]*Message
	log      []*Message // as received
	next     int        // first event not consumed, an index in log
	ended    error      // reading ended
	over     bool       // terminated was seen
}

// New makes a client over rw; the test's end closes it.
func New(t testing.TB, rw io.ReadWriteCloser) *Client {
	t.Helper()
	schema, err := LoadSchema()
	if err != nil {
		t.Fatal("the protocol's schema: ", err)
	}
	c := &Client{t: t, rw: rw, schema: schema, changed: make(chan struct{}), sent: map[int]string{}, answered: map[int]*Message{}}
	done := make(chan struct{})
	go func() { defer close(done); c.read() }()
	t.Cleanup(func() {
		rw.Close()
		<-done
	})
	return c
}

func (c *Client) read() {
	r := bufio.NewReader(c.rw)
	for {
		content, err := dap.ReadBaseMessage(r)
		c.mu.Lock()
		if err != nil {
			c.ended = err
		} else {
			c.take(content)
		}
		close(c.changed)
		c.changed = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// take checks and files one message. The lock is held.
func (c *Client) take(content []byte) {
	if err := c.schema.Validate(content); err != nil {
		c.t.Errorf("invalid message from the adapter: %v\n%s", err, clip(content))
	}
	m := &Message{}
	if json.Unmarshal(content, m) != nil {
		return
	}
	if want := len(c.log) + 1; m.Seq != want {
		c.t.Errorf("message number %d where %d was due: %s", m.Seq, want, clip(content))
	}
	c.log = append(c.log, m)
	switch m.Type {
	case "response":
		if c.sent[m.RequestSeq] != m.Command {
			c.t.Errorf("a response to %s %d, which is %q", m.Command, m.RequestSeq, c.sent[m.RequestSeq])
		}
		if c.answered[m.RequestSeq] != nil {
			c.t.Errorf("a second response to %s %d", m.Command, m.RequestSeq)
		}
		if strings.Contains(string(m.Body), "internal error") {
			c.t.Errorf("internal error: %s", clip(content))
		}
		c.answered[m.RequestSeq] = m
	case "event":
		if c.over {
			c.t.Errorf("event %s after terminated", m.Event)
		}
		c.over = c.over || m.Event == "terminated"
	case "request":
		go c.reverse(m)
	}
}

func clip(b []byte) string {
	if len(b) > 2000 {
		return string(b[:2000]) + "..."
	}
	return string(b)
}

func (c *Client) reverse(m *Message) {
	answer := map[string]any{"type": "response", "request_seq": m.Seq, "command": m.Command, "success": false, "message": "not here"}
	if c.Reverse != nil {
		body, err := c.Reverse(m.Command, m.Arguments)
		answer["success"] = err == nil
		if err != nil {
			answer["message"] = err.Error()
		} else {
			delete(answer, "message")
			answer["body"] = body
		}
	}
	c.write(answer)
}

// write numbers and sends a message.
func (c *Client) write(m map[string]any) (int, error) {
	c.sending.Lock()
	defer c.sending.Unlock()
	c.seq++
	m["seq"] = c.seq
	content, err := json.Marshal(m)
	if err != nil {
		return 0, err
	}
	if m["type"] == "request" {
		c.mu.Lock()
		c.sent[c.seq] = m["command"].(string)
		c.mu.Unlock()
	}
	return c.seq, dap.WriteBaseMessage(c.rw, content)
}

// Raw writes bytes as they are.
func (c *Client) Raw(b []byte) error {
	c.sending.Lock()
	defer c.sending.Unlock()
	_, err := c.rw.Write(b)
	return err
}

// Send sends a request and returns its number.
func (c *Client) Send(command string, args any) int {
	c.t.Helper()
	m := map[string]any{"type": "request", "command": command}
	if args != nil {
		m["arguments"] = args
	}
	seq, err := c.write(m)
	if err != nil {
		c.t.Fatalf("%s: %v", command, err)
	}
	return seq
}

// wait waits until f, called with the lock held, is satisfied.
func (c *Client) wait(what string, f func() bool) {
	c.t.Helper()
	if err := c.try(what, f); err != nil {
		c.t.Fatal(err)
	}
}

func (c *Client) try(what string, f func() bool) error {
	limit := time.NewTimer(Patience)
	defer limit.Stop()
	for {
		c.mu.Lock()
		ok, ended, changed := f(), c.ended, c.changed
		c.mu.Unlock()
		if ok {
			return nil
		}
		if ended != nil {
			return fmt.Errorf("waiting for %s: the adapter hung up: %v%s", what, ended, c.tail())
		}
		select {
		case <-changed:
		case <-limit.C:
			return fmt.Errorf("waiting for %s: nothing within %v%s", what, Patience, c.tail())
		}
	}
}

// tail is the last of the log, for messages about failures.
func (c *Client) tail() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for _, m := range c.log[max(0, len(c.log)-12):] {
		fmt.Fprintf(&b, "\n  %d %s %s%s %.300s", m.Seq, m.Type, m.Event, m.Command, m.Body)
	}
	return b.String()
}

// Response waits for the response to request seq.
func (c *Client) Response(seq int) *Message {
	c.t.Helper()
	var m *Message
	c.wait(fmt.Sprintf("the response to %s", c.Name(seq)), func() bool {
		m = c.answered[seq]
		return m != nil
	})
	return m
}

// Answer is Response, but a hang-up is an error of the caller's.
func (c *Client) Answer(seq int) (m *Message, err error) {
	err = c.try("a response", func() bool {
		m = c.answered[seq]
		return m != nil
	})
	return m, err
}

// Name is the command of request seq.
func (c *Client) Name(seq int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent[seq]
}

// Do sends a request, expects success and decodes the body into body (nil: none).
func (c *Client) Do(command string, args, body any) *Message {
	c.t.Helper()
	return c.Good(c.Send(command, args), body)
}

// Good waits for the response to seq and expects success.
func (c *Client) Good(seq int, body any) *Message {
	c.t.Helper()
	m := c.Response(seq)
	if !m.Success {
		c.t.Fatalf("%s failed: %s %s", m.Command, m.Message, m.Body)
	}
	if body != nil {
		if err := json.Unmarshal(m.Body, body); err != nil {
			c.t.Fatalf("%s: %v", m.Command, err)
		}
	}
	return m
}

// Fail sends a request, expects failure and returns the text for people.
func (c *Client) Fail(command string, args any) string {
	c.t.Helper()
	m := c.Response(c.Send(command, args))
	if m.Success {
		c.t.Fatalf("%s succeeded: %s", command, m.Body)
	}
	return ErrorText(m)
}

// ErrorText is the text for people of a failed response.
func ErrorText(m *Message) string {
	var body struct {
		Error struct {
			Format string `json:"format"`
		} `json:"error"`
	}
	_ = json.Unmarshal(m.Body, &body)
	if body.Error.Format == "" {
		return m.Message
	}
	return body.Error.Format
}

// Event waits for the next event called name for which match (nil: any) holds,
// and passes over the events before it.
func (c *Client) Event(name string, match func(*Message) bool) *Message {
	c.t.Helper()
	var found *Message
	c.wait("event "+name, func() bool {
		for ; c.next < len(c.log); c.next++ {
			m := c.log[c.next]
			if m.Type == "event" && m.Event == name && (match == nil || match(m)) {
				found = m
				c.next++
				return true
			}
		}
		return false
	})
	return found
}

// Seen returns the events called name received so far, consumed or not.
func (c *Client) Seen(name string) []*Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*Message
	for _, m := range c.log {
		if m.Type == "event" && m.Event == name {
			out = append(out, m)
		}
	}
	return out
}

// Until waits until f holds of what was received.
func (c *Client) Until(what string, f func(log []*Message) bool) {
	c.t.Helper()
	c.wait(what, func() bool { return f(c.log) })
}

// Stopped waits for the next stop; reason "" is any.
func (c *Client) Stopped(reason string) dap.StoppedEventBody {
	c.t.Helper()
	m := c.Event("stopped", nil)
	var b dap.StoppedEventBody
	if err := json.Unmarshal(m.Body, &b); err != nil {
		c.t.Fatal(err)
	}
	if reason != "" && b.Reason != reason {
		c.t.Fatalf("stopped for %q, not %q: %s%s", b.Reason, reason, m.Body, c.tail())
	}
	return b
}

// Output returns all text of a category received so far.
func (c *Client) Output(category string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return outputOf(c.log, category)
}

func outputOf(log []*Message, category string) string {
	var b strings.Builder
	for _, m := range log {
		if m.Type != "event" || m.Event != "output" {
			continue
		}
		var o dap.OutputEventBody
		if json.Unmarshal(m.Body, &o) == nil && o.Category == category {
			b.WriteString(o.Output)
		}
	}
	return b.String()
}

// WaitOutput waits until text of a category contains want.
func (c *Client) WaitOutput(category, want string) {
	c.t.Helper()
	c.wait(fmt.Sprintf("output %q", want), func() bool { return strings.Contains(outputOf(c.log, category), want) })
}

// Close hangs up.
func (c *Client) Close() { c.rw.Close() }

// Ended waits until the adapter has hung up.
func (c *Client) Ended() {
	c.t.Helper()
	_ = c.try("the end", func() bool { return c.ended != nil })
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil {
		c.t.Fatal("the adapter did not hang up")
	}
}

// Seq is the number of the last message received.
func (c *Client) Seq() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.log)
}
