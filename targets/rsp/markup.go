package rsp

import "strings"

// markup reads the elements of an XML document one by one, with their attributes and
// the text behind them. It does not ask whether the document is sound: descriptions of
// registers come once a session, in the midst of what the user waits for, and have
// thousands of elements. What is not closed ends the document.
type markup struct{ rest string }

// element is a start tag.
type element struct {
	name  string // without the part before a colon
	attrs string // as they are written
	text  string // up to the next tag
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
		text := m.rest
		if i := strings.IndexByte(text, '<'); i >= 0 {
			text = text[:i]
		}
		return element{name: local(name), attrs: attrs, text: plain(text)}, true
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
var asides = []struct{ open, shut string }{{"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<?", "?>"}}

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

// plain has what text stands for.
func plain(text string) string {
	if strings.IndexByte(text, '&') < 0 {
		return text
	}
	return entities.Replace(text)
}

// entities are those that every document has (XML 1.0, 4.6).
var entities = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&quot;", `"`, "&apos;", "'", "&amp;", "&")
