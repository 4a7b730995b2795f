package adapter

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Clients that start the debugger themselves start another one for the session of a
// child, which waits in the first one. That other one relays: what the client sends
// goes to the first one's door, and what comes from there to the client. Both have
// then sent the same number of messages, one, which answers initialize; so the
// numbers of messages hold on both sides.

// relay is a connection to the door of another debugger.
type relay struct {
	conn    io.ReadWriteCloser
	parting atomic.Bool // the client has disconnected
	mu      sync.Mutex  // one message at a time
}

func (r *relay) send(content []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := fmt.Appendf(make([]byte, 0, len(content)+32), "Content-Length: %d\r\n\r\n", len(content))
	_, err := r.conn.Write(append(b, content...))
	return err
}

// relayed is a message for the client as it came.
type relayed json.RawMessage

func (relayed) number(int)                     {}
func (m relayed) MarshalJSON() ([]byte, error) { return m, nil }

// childArguments tell where a child waits.
type childArguments struct {
	Token string `json:"__child"`
	Door  int    `json:"debugServer"`
}

// relayTime bounds the first exchange with the other debugger.
const relayTime = 5 * time.Second

// elsewhere begins to relay when r is about a child that waits in another debugger.
func (s *session) elsewhere(r *request) (begun bool, err error) {
	var a childArguments
	if json.Unmarshal(r.args, &a) != nil || a.Token == "" || a.Door <= 0 || a.Door > 0xffff || s.o.Children == nil || s.o.Children.Nursery.Has(a.Token) {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(s.ctx, relayTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", a.Door))
	if err != nil {
		return false, fmt.Errorf("reaching the debugger of the child's parent: %w", err)
	}
	up := &relay{conn: conn}
	from, err := up.greet(s.hello)
	if err != nil {
		conn.Close()
		return false, fmt.Errorf("greeting the debugger of the child's parent: %w", err)
	}
	return true, s.handOver(r, up, from)
}

// handOver lets the debugger behind up serve the client from r on.
func (s *session) handOver(r *request, up *relay, from *bufio.Reader) error {
	context.AfterFunc(s.ctx, func() { up.conn.Close() })
	s.relay.Store(up)
	s.pending.take(r)
	s.workers.start(func() { s.relayFrom(from) })
	return up.send(rawRequest(r))
}

func rawRequest(r *request) []byte {
	b, _ := json.Marshal(map[string]any{"seq": r.seq, "type": "request", "command": r.command, "arguments": r.args})
	return b
}

// greet sends the client's initialize and takes the answer, which the client has.
func (r *relay) greet(hello *request) (*bufio.Reader, error) {
	if hello == nil {
		return nil, errors.New("no initialize")
	}
	late := time.AfterFunc(relayTime, func() { r.conn.Close() })
	defer late.Stop()
	if err := r.send(rawRequest(hello)); err != nil {
		return nil, err
	}
	from := bufio.NewReaderSize(r.conn, 1<<16)
	content, err := readMessage(from)
	if err != nil {
		return nil, err
	}
	var m incoming
	if err := json.Unmarshal(content, &m); err != nil || m.Command != "initialize" || !m.Success {
		return nil, errors.New("it is no debugger")
	}
	return from, nil
}

// relayFrom passes on what the other debugger says, until it hangs up.
func (s *session) relayFrom(from *bufio.Reader) {
	over := false // terminated was told
	for {
		content, err := readMessage(from)
		if err != nil {
			if !errors.Is(err, io.EOF) && s.ctx.Err() == nil {
				s.log.Warn().Err(err).Msg("relaying")
			}
			break
		}
		over = over || is(content, "event", "terminated")
		s.out.send(relayed(content))
	}
	up := s.relay.Swap(nil) // the client's last requests are answered here
	if up.parting.Load() || s.ctx.Err() != nil {
		s.close()
		return
	}
	s.post(func() {
		if over {
			s.phase = ended
			return
		}
		s.output("important", "The connection to the debug session is lost.\n")
		s.phase = live
		s.tellTerminated()
	})
}

// is recognises a short message by its type and its command or event.
func is(content []byte, kind, name string) bool {
	if len(content) > 512 || !bytes.Contains(content, []byte(name)) {
		return false
	}
	var m incoming
	return json.Unmarshal(content, &m) == nil && m.Type == kind && (m.Event == name || m.Command == name)
}
