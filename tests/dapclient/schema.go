package dapclient

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The official schema of the protocol (microsoft/debug-adapter-protocol, commit
// b584b597; its licence lies beside it).
//
//go:embed testdata/debugAdapterProtocol.json
var schemaText []byte

const schemaURL = "dap.json"

// Schema validates messages of the protocol. It is safe for many goroutines.
type Schema struct {
	mu       sync.Mutex
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
	names    map[string]bool

	capabilities []string
}

// Requests are the names of the protocol's requests, reverse ones included.
func (s *Schema) Requests() []string { return s.named("Request") }

// Events are the names of the protocol's events.
func (s *Schema) Events() []string { return s.named("Event") }

// Capabilities are the names of what an adapter may advertise.
func (s *Schema) Capabilities() []string { return slices.Sorted(slices.Values(s.capabilities)) }

// named are the messages of a kind: definitions called NameKind.
func (s *Schema) named(kind string) []string {
	var out []string
	for name := range s.names {
		if short, ok := strings.CutSuffix(name, kind); ok && short != "" {
			out = append(out, strings.ToLower(short[:1])+short[1:])
		}
	}
	slices.Sort(out)
	return out
}

// LoadSchema reads the schema once.
var LoadSchema = sync.OnceValues(func() (*Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaText))
	if err != nil {
		return nil, err
	}
	s := &Schema{compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}, names: map[string]bool{}}
	s.compiler.DefaultDraft(jsonschema.Draft4)
	if err := s.compiler.AddResource(schemaURL, doc); err != nil {
		return nil, err
	}
	var defs struct {
		Definitions map[string]struct {
			Properties map[string]json.RawMessage `json:"properties"`
		} `json:"definitions"`
	}
	if err := json.Unmarshal(schemaText, &defs); err != nil {
		return nil, err
	}
	for name := range defs.Definitions {
		s.names[name] = true
	}
	for name := range defs.Definitions["Capabilities"].Properties {
		s.capabilities = append(s.capabilities, name)
	}
	return s, nil
})

// Validate checks a whole message by its kind and name.
func (s *Schema) Validate(content []byte) error {
	var m Message
	if err := json.Unmarshal(content, &m); err != nil {
		return err
	}
	name := definition(&m)
	if !s.names[name] {
		if m.Type == "event" {
			return fmt.Errorf("the schema has no %s", name)
		}
		name = map[string]string{"request": "Request", "response": "Response"}[m.Type] // a request of our own making
	}
	sch, err := s.schema(name)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	if err != nil {
		return err
	}
	if err := sch.Validate(value); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// definition names the schema of m.
func definition(m *Message) string {
	title := func(s string) string {
		if s == "" {
			return s
		}
		return strings.ToUpper(s[:1]) + s[1:]
	}
	switch {
	case m.Type == "request":
		return title(m.Command) + "Request"
	case m.Type == "event":
		return title(m.Event) + "Event"
	case !m.Success:
		return "ErrorResponse"
	}
	return title(m.Command) + "Response"
}

func (s *Schema) schema(name string) (*jsonschema.Schema, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.compiled[name]; c != nil {
		return c, nil
	}
	c, err := s.compiler.Compile(schemaURL + "#/definitions/" + name)
	if err == nil {
		s.compiled[name] = c
	}
	return c, err
}
