package store

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// Kind sorts the elements of a path.
type Kind uint8

const (
	Folder     Kind = iota
	CacheDir        // cache*dir: what later elements bring is kept there
	Server          // srv*: a symbol server or a folder laid out like one
	DebugInfoD      // servers of the debuginfod protocol
)

// Element is one entry of a symbol, image or source path.
type Element struct {
	Kind Kind
	// Path is the folder of a Folder or CacheDir; "" of a CacheDir is the default.
	Path string
	// Stores of a Server, nearest first: folders that keep copies, then the
	// server's URL or folder. Empty stores stand for the default cache.
	Stores []string
	// URLs of a DebugInfoD, in the order they are asked; its Stores are the folder
	// that keeps what they send, in the layout of libdebuginfod's cache. Without
	// URLs those of Options.DebugInfoD are asked.
	URLs []string
	// Library is the DLL of a symsrv* entry, which is understood and not needed.
	Library string
}

// PathError: an entry of a path that cannot be understood.
type PathError struct{ Element, Reason string }

func (e *PathError) Error() string {
	return fmt.Sprintf("path entry %q: %s", Redact(e.Element), e.Reason)
}

// Hint says what the user can do.
func (e *PathError) Hint() string {
	return "entries are separated by semicolons: a folder, cache*DIR, srv*[CACHE*]URL or DebugInfoD*[CACHE*]URL"
}

// Parse reads a path: entries separated by semicolons, empty ones left out. Tags
// are known in any case.
func Parse(path string) ([]Element, error) {
	var out []Element
	for text := range strings.SplitSeq(path, ";") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		e, err := parseElement(text)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func parseElement(text string) (Element, error) {
	tag, rest, tagged := strings.Cut(text, "*")
	if !tagged {
		return Element{Path: text}, nil
	}
	parts := strings.Split(rest, "*")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	bad := func(why string) (Element, error) { return Element{}, &PathError{text, why} }
	switch strings.ToLower(strings.TrimSpace(tag)) {
	case "cache":
		if len(parts) != 1 {
			return bad("cache* takes one folder")
		}
		return Element{Kind: CacheDir, Path: parts[0]}, nil
	case "symsrv":
		if len(parts) < 2 || parts[0] == "" {
			return bad("symsrv* takes a library and at least one store")
		}
		return Element{Kind: Server, Library: parts[0], Stores: parts[1:]}, nil
	case "srv":
		if len(parts) == 1 && parts[0] == "" {
			return Element{Kind: Server}, nil
		}
		return Element{Kind: Server, Stores: parts}, nil
	case "debuginfod":
		if len(parts) == 1 && parts[0] == "" {
			return Element{Kind: DebugInfoD}, nil
		}
		e := Element{Kind: DebugInfoD}
		if !isURL(parts[0]) && !isFileURL(parts[0]) && parts[0] != "" {
			e.Stores, parts = parts[:1:1], parts[1:]
		}
		if len(parts) == 0 || slices.ContainsFunc(parts, func(u string) bool { return !isURL(u) && !isFileURL(u) }) {
			return bad("DebugInfoD* takes at most one folder, then URLs of http, https or file")
		}
		e.URLs = parts
		return e, nil
	}
	return bad("unknown kind of entry")
}

func isURL(s string) bool {
	s = strings.ToLower(s)
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}

func isFileURL(s string) bool { return len(s) > 7 && strings.EqualFold(s[:7], "file://") }

// localStore is the folder that a store is, its file URL written as a path; false
// when it lies on a server.
func localStore(store string) (string, bool) {
	if isURL(store) {
		return "", false
	}
	if isFileURL(store) {
		if u, err := url.Parse(store); err == nil {
			return filepath.FromSlash(u.Path), true
		}
	}
	return store, true
}

func (e Element) String() string {
	switch e.Kind {
	case CacheDir:
		return "cache*" + e.Path
	case Server:
		if e.Library != "" {
			return "symsrv*" + e.Library + "*" + strings.Join(e.Stores, "*")
		}
		return "srv*" + strings.Join(e.Stores, "*")
	case DebugInfoD:
		return "DebugInfoD*" + strings.Join(slices.Concat(e.Stores, e.URLs), "*")
	}
	return e.Path
}

// Join writes elements as a path that Parse reads back.
func Join(elements []Element) string {
	text := make([]string, len(elements))
	for i, e := range elements {
		text[i] = e.String()
	}
	return strings.Join(text, ";")
}

// Expand writes elements as `.sympath` shows them expanded: tags in lower case.
func Expand(elements []Element) string {
	text := make([]string, len(elements))
	for i, e := range elements {
		text[i] = e.String()
		if e.Kind == DebugInfoD {
			text[i] = strings.ToLower(text[i][:10]) + text[i][10:]
		}
	}
	return strings.Join(text, ";")
}

// Redact hides what a URL, or a path with URLs, says of passwords and tokens:
// the user's part of addresses, and everything after a question mark.
func Redact(text string) string {
	var out strings.Builder
	for {
		at := strings.Index(text, "://")
		if at < 0 {
			out.WriteString(text)
			return out.String()
		}
		out.WriteString(text[:at+3])
		text = text[at+3:]
		end := strings.IndexAny(text, "*; \"")
		if end < 0 {
			end = len(text)
		}
		address, rest := text[:end], text[end:]
		host := address
		if slash := strings.IndexAny(address, "/?#"); slash >= 0 {
			host = address[:slash]
		}
		if user := strings.LastIndexByte(host, '@'); user >= 0 {
			out.WriteString("xxxxx@")
			address = address[user+1:]
		}
		if query := strings.IndexByte(address, '?'); query >= 0 {
			address = address[:query] + "?xxxxx"
		}
		out.WriteString(address)
		text = rest
	}
}

// Clear lists the servers of a path that are spoken to without encryption and
// are not on this machine.
func Clear(elements []Element) (out []string) {
	for _, e := range elements {
		for _, store := range slices.Concat(e.Stores, e.URLs) {
			u, err := url.Parse(store)
			if err != nil || !strings.EqualFold(u.Scheme, "http") {
				continue
			}
			host := u.Hostname()
			if ip := net.ParseIP(host); strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback() {
				continue
			}
			out = append(out, Redact(store))
		}
	}
	return out
}
