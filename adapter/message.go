package adapter

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxMessage bounds the content of one message from a client, bytes. The
// largest honest one is a writeMemory of some megabytes.
const maxMessage = 64 << 20

// maxHeader bounds what is kept of a header line, so that garbage without line
// ends cannot grow.
const maxHeader = 4096

// framingError tells that what came is not a header block with a usable
// Content-Length; the reader goes on with the next one that is.
type framingError struct{ reason string }

func (e *framingError) Error() string { return "malformed message: " + e.reason }

// errForeign ends a session: a browser (or another client of HTTP or TLS) was made
// to send to our port. Finding the way back after garbage would find, in what a web
// page may put into such a request, messages that start programs.
var errForeign = errors.New("the client speaks HTTP or TLS, not the Debug Adapter Protocol")

// foreign tells the request line of HTTP and the handshake of TLS.
func foreign(line string) bool {
	at := strings.LastIndex(line, " HTTP/")
	return at >= 0 && len(line)-at <= len(" HTTP/1.1 ") || strings.HasPrefix(line, "\x16\x03")
}

// readMessage reads one message's content. After a framingError it may be
// called again: it skips to the next Content-Length header.
func readMessage(r *bufio.Reader) ([]byte, error) {
	length, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	return readContent(r, length)
}

// readHeader reads header lines up to the empty one and returns the length.
// Other headers, any case of the names and a bare LF are accepted. Looking for
// the name anywhere in a line finds the way back after a broken message, whose
// content need not end with a line end.
func readHeader(r *bufio.Reader) (int, error) {
	const name = "content-length:"
	if n, ok := usualHeader(r); ok {
		return n, nil
	}
	length, seen := 0, false
	for {
		line, err := readLine(r)
		if err != nil {
			return 0, err
		}
		if foreign(line) {
			return 0, errForeign
		}
		if line == "" {
			if seen {
				return length, nil
			}
			continue
		}
		i := strings.LastIndex(strings.ToLower(line), name)
		if i < 0 {
			if !strings.Contains(line, ":") {
				return 0, &framingError{fmt.Sprintf("%.40q is no header", line)}
			}
			continue
		}
		value := strings.TrimSpace(line[min(i+len(name), len(line)):])
		length, err = strconv.Atoi(value)
		if err != nil || length < 0 || length > maxMessage {
			return 0, &framingError{fmt.Sprintf("Content-Length %.40q is not between 0 and %d", value, maxMessage)}
		}
		seen = true
	}
}

// usualHeader reads a header as clients write it, and nothing when it is another.
func usualHeader(r *bufio.Reader) (length int, ok bool) {
	const name, end, most = "Content-Length: ", "\r\n\r\n", 7 // digits
	r.Peek(1)
	p, _ := r.Peek(min(r.Buffered(), len(name)+most+len(end)))
	digits, ok := bytes.CutPrefix(p, []byte(name))
	if !ok {
		return 0, false
	}
	n := 0
	for ; n < len(digits) && digits[n] >= '0' && digits[n] <= '9'; n++ {
		length = 10*length + int(digits[n]-'0')
	}
	if n == 0 || n > most || !bytes.HasPrefix(digits[n:], []byte(end)) {
		return 0, false
	}
	r.Discard(len(name) + n + len(end))
	return length, true
}

// readLine reads a line without its end; of an overlong one the tail.
func readLine(r *bufio.Reader) (string, error) {
	var b []byte
	for {
		part, err := r.ReadSlice('\n')
		if b = append(b, part...); len(b) > maxHeader {
			b = append(b[:0], b[len(b)-maxHeader:]...)
		}
		switch {
		case err == nil:
			return strings.TrimRight(string(b), "\r\n"), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		}
	}
}

// readContent reads n bytes, allocating as they come and not as announced.
func readContent(r *bufio.Reader, n int) ([]byte, error) {
	const step = 1 << 20
	b := make([]byte, 0, min(n, step))
	for len(b) < n {
		k := min(n-len(b), step)
		b = append(b, make([]byte, k)...)
		if _, err := io.ReadFull(r, b[len(b)-k:]); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// incoming is any message of a client, before its arguments are decoded.
type incoming struct {
	Seq       int             `json:"seq"`
	Type      string          `json:"type"`
	Command   string          `json:"command"`
	Arguments json.RawMessage `json:"arguments"`

	RequestSeq int             `json:"request_seq"`
	Success    bool            `json:"success"`
	Message    string          `json:"message"`
	Body       json.RawMessage `json:"body"`

	Event string `json:"event"`
}

// outgoing is any message to a client. The writer numbers it.
type outgoing interface{ number(seq int) }

type response struct {
	Seq        int    `json:"seq"`
	Type       string `json:"type"`
	RequestSeq int    `json:"request_seq"`
	Command    string `json:"command"`
	Success    bool   `json:"success"`
	Message    string `json:"message,omitempty"`
	Body       any    `json:"body,omitempty"`
}

type event struct {
	Seq   int    `json:"seq"`
	Type  string `json:"type"`
	Event string `json:"event"`
	Body  any    `json:"body,omitempty"`
}

// reverseRequest asks the client for something.
type reverseRequest struct {
	Seq       int    `json:"seq"`
	Type      string `json:"type"`
	Command   string `json:"command"`
	Arguments any    `json:"arguments,omitempty"`

	answer chan<- *incoming // receives the client's response; buffered
}

func (m *response) number(seq int)       { m.Seq, m.Type = seq, "response" }
func (m *event) number(seq int)          { m.Seq, m.Type = seq, "event" }
func (m *reverseRequest) number(seq int) { m.Seq, m.Type = seq, "request" }
