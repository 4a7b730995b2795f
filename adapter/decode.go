package adapter

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// decodeMessage reads a message, whose arguments and body stay as they are. What
// editors send is sorted by looking for the ends of its members; anything unusual, and
// all that is no JSON, is left to encoding/json.
func decodeMessage(content []byte) (m incoming, err error) {
	if m.sorted(content) {
		return m, nil
	}
	m = incoming{}
	err = json.Unmarshal(content, &m)
	return m, err
}

// sorted fills m; false when it is not sure to have understood all.
func (m *incoming) sorted(p []byte) bool {
	p = bytes.Trim(p, blanks)
	if len(p) < 2 || p[0] != '{' || p[len(p)-1] != '}' {
		return false
	}
	for p = p[1:]; ; {
		name, rest, ok := plainText(p)
		if !ok || len(rest) == 0 || rest[0] != ':' {
			return false
		}
		n := valueEnd(rest[1:])
		if n <= 0 || !m.member(name, bytes.Trim(rest[1:1+n], blanks)) {
			return false
		}
		switch p = rest[1+n:]; {
		case len(p) == 1 && p[0] == '}':
			return true
		case p[0] != ',':
			return false
		}
		p = p[1:]
	}
}

const blanks = " \t\r\n" // of JSON

// member takes in one member of the message.
func (m *incoming) member(name string, value []byte) (ok bool) {
	switch name {
	case "seq":
		m.Seq, ok = plainNumber(value)
	case "type":
		m.Type, ok = wholeText(value)
	case "command":
		m.Command, ok = wholeText(value)
	case "arguments":
		m.Arguments, ok = value, json.Valid(value)
	}
	return ok // a response has other members
}

// plainText is the string without escapes that p begins with, and what follows.
func plainText(p []byte) (text string, rest []byte, ok bool) {
	if len(p) < 2 || p[0] != '"' {
		return "", nil, false
	}
	for i, c := range p[1:] {
		switch {
		case c == '"':
			return string(p[1 : 1+i]), p[2+i:], true
		case c == '\\' || c < ' ' || c >= 0x80:
			return "", nil, false
		}
	}
	return "", nil, false
}

func wholeText(p []byte) (string, bool) {
	text, rest, ok := plainText(p)
	return text, ok && len(rest) == 0
}

func plainNumber(p []byte) (int, bool) {
	n, err := strconv.Atoi(string(p))
	return n, err == nil && (p[0] >= '1' && p[0] <= '9' || len(p) == 1)
}

// valueEnd is the length of the value that p begins with, 0 when it has no end. That
// it is one is for others to see.
func valueEnd(p []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case quoted:
			if c == '\\' {
				i++
			} else if c == '"' {
				quoted = false
			}
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			depth++
		case depth > 0 && (c == '}' || c == ']'):
			depth--
		case depth == 0 && (c == ',' || c == '}'):
			return i
		}
	}
	return 0
}
