package dapclient

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The official schema of the protocol is the JSON file go-dap's types are
// generated from; DAP_SCHEMA names a newer one.
const schemaInModule = "cmd/gentypes/debugProtocol.json"

const schemaURL = "dap.json"

// Schema validates messages of the protocol. It is safe for many goroutines.
type Schema struct {
	mu       sync.Mutex
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
	names    map[string]bool
}

// LoadSchema finds and reads the schema once.
var LoadSchema = sync.OnceValues(func() (*Schema, error) {
	file := os.Getenv("DAP_SCHEMA")
	if file == "" {
		out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/google/go-dap").Output()
		if err != nil {
			return nil, fmt.Errorf("finding go-dap: %w", err)
		}
		file = filepath.Join(strings.TrimSpace(string(out)), filepath.FromSlash(schemaInModule))
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	s := &Schema{compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}, names: map[string]bool{}}
	s.compiler.DefaultDraft(jsonschema.Draft4)
	if err := s.compiler.AddResource(schemaURL, doc); err != nil {
		return nil, err
	}
	var defs struct {
		Definitions map[string]json.RawMessage `json:"definitions"`
	}
	if err := json.Unmarshal(text, &defs); err != nil {
		return nil, err
	}
	for name := range defs.Definitions {
		s.names[name] = true
	}
	if len(s.names) < 100 {
		return nil, fmt.Errorf("%s has only %d definitions", file, len(s.names))
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
