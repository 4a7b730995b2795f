package rsp

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// markup reads the elements of an XML document one by one, with their attributes and
// the text behind them. It does not ask whether the document is sound: descriptions of
// registers come once a session, in the midst of what the user waits for, and have
// thousands of elements. What is not closed ends the document.
type markup struct{ rest string }

// element is a start tag.
type element struct {
	name  string // without the part before a colon
	attrs string // as they are written
	text  string // up to the next tag, with what is in CDATA sections
}

// next returns the next start tag, false at the end.
func (m *markup) next() (element, bool) {
	for {
		at := strings.IndexByte(m.rest, '<')
		if at < 0 {
			return element{}, false
		}
		m.rest = m.rest[at:]
		end, start := m.tag()
		if end < 0 {
			return element{}, false
		}
		tag := m.rest[1:max(end-1, 1)]
		if m.rest = m.rest[end:]; !start {
			continue
		}
		tag = strings.TrimSuffix(tag, "/")
		name, attrs := tag, ""
		if i := strings.IndexAny(tag, " \t\r\n"); i >= 0 {
			name, attrs = tag[:i], tag[i:]
		}
		return element{name: local(name), attrs: attrs, text: m.text()}, true
	}
}

const cdataOpen, cdataShut = "<![CDATA[", "]]>"

// text is what stands before the next tag. What CDATA sections hold is taken as it is
// (XML 1.0, 2.7).
func (m *markup) text() string {
	before, section, ok := strings.Cut(m.rest, "<")
	if !ok || !strings.HasPrefix(section, cdataOpen[1:]) {
		return plain(before)
	}
	var out strings.Builder
	out.WriteString(plain(before))
	for rest := m.rest[len(before):]; ; {
		section, ok := strings.CutPrefix(rest, cdataOpen)
		inside, behind, whole := strings.Cut(section, cdataShut)
		if !ok || !whole {
			return out.String()
		}
		out.WriteString(inside)
		next := strings.IndexByte(behind, '<')
		if next < 0 {
			next = len(behind)
		}
		out.WriteString(plain(behind[:next]))
		rest = behind[next:]
	}
}

// tag is how long what begins with < is, and whether it is a start tag; < 0 when it
// has no end.
func (m *markup) tag() (end int, start bool) {
	for _, x := range asides {
		if strings.HasPrefix(m.rest, x.open) {
			if end = strings.Index(m.rest[len(x.open):], x.shut); end < 0 {
				return -1, false
			}
			return len(x.open) + end + len(x.shut), false
		}
	}
	quote, depth := byte(0), 0 // the declarations in a document type are in brackets
	for i := 1; i < len(m.rest); i++ {
		switch c := m.rest[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == '>' && depth <= 0:
			return i + 1, m.rest[1] != '/' && m.rest[1] != '!'
		}
	}
	return -1, false
}

// asides are what is no tag.
var asides = []struct{ open, shut string }{{"<!--", "-->"}, {cdataOpen, cdataShut}, {"<?", "?>"}}

// attribute is the value of one of e's, "" when it has none of that name.
func (e *element) attribute(name string) string {
	for s := e.attrs; ; {
		key, value, ok := strings.Cut(s, "=")
		value = strings.TrimLeft(value, " \t\r\n")
		if !ok || value == "" || value[0] != '"' && value[0] != '\'' {
			return ""
		}
		quote := strings.IndexByte(value[1:], value[0])
		if quote < 0 {
			return ""
		}
		if local(strings.TrimSpace(key)) == name {
			return plain(value[1 : 1+quote])
		}
		s = value[quote+2:]
	}
}

// local is a name without the part before its colon.
func local(name string) string {
	if i := strings.IndexByte(name, ':'); i >= 0 && i < len(name)-1 {
		return name[i+1:]
	}
	return name
}

// maxReference is how long a reference to a character may be, with leading zeros.
const maxReference = 32

// plain has what text stands for.
func plain(text string) string {
	at := strings.IndexByte(text, '&')
	if at < 0 {
		return text
	}
	var b strings.Builder
	for ; at >= 0; at = strings.IndexByte(text, '&') {
		b.WriteString(text[:at])
		text = text[at:]
		end := strings.IndexByte(text[:min(len(text), maxReference)], ';')
		r, known := character(text[1:max(end, 1)])
		if !known { // a stub that forgot to escape it
			b.WriteByte('&')
			text = text[1:]
			continue
		}
		b.WriteRune(r)
		text = text[end+1:]
	}
	return b.String() + text
}

// entities are those that every document has (XML 1.0, 4.6).
var entities = map[string]rune{"lt": '<', "gt": '>', "quot": '"', "apos": '\'', "amp": '&'}

// character is what a reference stands for: an entity, or "#65" and "#x41" (XML 1.0, 4.1).
func character(name string) (rune, bool) {
	digits, numeric := strings.CutPrefix(name, "#")
	if !numeric {
		r, ok := entities[name]
		return r, ok
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 31)
	return rune(n), err == nil && n > 0 && utf8.ValidRune(rune(n))
}
