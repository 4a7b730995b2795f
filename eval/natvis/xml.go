package natvis

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	maxFile  = 8 << 20
	maxDepth = 32
	maxNodes = 200_000
)

// FileError: an element of a NatVis file, or all of it, cannot be used.
type FileError struct {
	File    string
	Line    int
	Element string // "" the file as a whole
	Msg     string
}

func (e *FileError) Error() string {
	switch {
	case e.Line == 0:
		return fmt.Sprintf("%s: %s", e.File, e.Msg)
	case e.Element == "":
		return fmt.Sprintf("%s(%d): %s", e.File, e.Line, e.Msg)
	}
	return fmt.Sprintf("%s(%d): %s: %s", e.File, e.Line, e.Element, e.Msg)
}

// Hint says what the user can do.
func (e *FileError) Hint() string {
	return "correct the file and load it again with .nvload; the visualisers loaded before stay in use"
}

// LoadError: some elements of a file cannot be used; the others are loaded.
type LoadError struct {
	File  string
	Errs  []*FileError
	Types int // loaded all the same
}

func (e *LoadError) Error() string {
	var b strings.Builder
	for i, x := range e.Errs {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(x.Error())
	}
	return b.String()
}

// Hint says what the user can do.
func (e *LoadError) Hint() string {
	return fmt.Sprintf("the other %d types of the file are loaded; correct these and load it again with .nvload", e.Types)
}

// element is a node of the XML tree.
type element struct {
	name string
	attr map[string]string
	text string
	kids []*element
	line int
	raw  []byte // of text, while it is read
}

func (e *element) child(name string) *element {
	for _, k := range e.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}

// value is the text of the child called name.
func (e *element) value(name string) string {
	if k := e.child(name); k != nil {
		return k.text
	}
	return ""
}

// readTree parses a whole file.
func readTree(file string, data []byte) (*element, error) {
	bad := func(line int, msg string) error { return &FileError{File: file, Line: line, Msg: msg} }
	if len(data) > maxFile {
		return nil, bad(0, "the file is too large")
	}
	dec := xml.NewDecoder(bytes.NewReader(data))
	dec.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	root := &element{}
	stack := []*element{root}
	for nodes := 0; ; nodes++ {
		tok, err := dec.Token()
		line, _ := dec.InputPos()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, bad(line, strings.TrimPrefix(err.Error(), "XML syntax error on "))
		}
		top := stack[len(stack)-1]
		switch tok := tok.(type) {
		case xml.StartElement:
			if len(stack) > maxDepth || nodes > maxNodes {
				return nil, bad(line, "the file is nested too deeply or has too many elements")
			}
			e := &element{name: tok.Name.Local, attr: map[string]string{}, line: line}
			for _, a := range tok.Attr {
				e.attr[a.Name.Local] = a.Value
			}
			top.kids = append(top.kids, e)
			stack = append(stack, e)
		case xml.EndElement:
			top.text, top.raw = string(bytes.TrimSpace(top.raw)), nil
			stack = stack[:len(stack)-1]
		case xml.CharData:
			top.raw = append(top.raw, tok...)
		}
	}
	top := root.child("AutoVisualizer")
	if top == nil || len(stack) != 1 {
		return nil, bad(0, "no AutoVisualizer element: this is not a NatVis file")
	}
	return top, nil
}
