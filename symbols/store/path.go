package store

import (
	"fmt"
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
	// URLs of a DebugInfoD, in the order they are asked.
	URLs []string
	// Library is the DLL of a symsrv* entry, which is understood and not needed.
	Library string
}

// PathError: an entry of a path that cannot be understood.
type PathError struct{ Element, Reason string }

func (e *PathError) Error() string { return fmt.Sprintf("path entry %q: %s", e.Element, e.Reason) }

// Hint says what the user can do.
func (e *PathError) Hint() string {
	return "entries are separated by semicolons: a folder, cache*DIR, srv*[CACHE*]URL or DebugInfoD*URL"
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
		for _, u := range parts {
			if !isURL(u) {
				return bad("DebugInfoD* takes URLs of http or https")
			}
		}
		return Element{Kind: DebugInfoD, URLs: parts}, nil
	}
	return bad("unknown kind of entry")
}

func isURL(s string) bool {
	s = strings.ToLower(s)
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
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
		return "DebugInfoD*" + strings.Join(e.URLs, "*")
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
			text[i] = "debuginfod*" + strings.Join(e.URLs, "*")
		}
	}
	return strings.Join(text, ";")
}
