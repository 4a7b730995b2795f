package launch

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tailscale/hujson"
)

// maxConfig bounds a launch file, bytes.
const maxConfig = 4 << 20

// FromDAP makes a Plan of a launch or attach request's arguments. Variables have
// been resolved by the editor. In an untrusted configuration, fields that would
// run commands or programs of its choosing are errors.
func FromDAP(request string, arguments json.RawMessage, trusted bool) (Plan, error) {
	var raw map[string]json.RawMessage
	if len(arguments) == 0 {
		arguments = json.RawMessage("{}")
	}
	if err := json.Unmarshal(arguments, &raw); err != nil {
		return Plan{}, &ConfigError{Field: request, Want: "the arguments must be a JSON object"}
	}
	p := NewPlan()
	p.Trusted = trusted
	in := inLaunch
	switch request {
	case "launch":
	case "attach":
		p.Request, in = Attach, inAttach
	default:
		return p, &ConfigError{Field: "request", Value: request, Want: "must be launch or attach"}
	}
	names := make([]string, 0, len(raw))
	for n := range raw {
		names = append(names, n)
	}
	slices.Sort(names) // the first error is the same each time
	for _, name := range names {
		if name == tokenField && in == inAttach {
			if err := json.Unmarshal(raw[name], &p.Child); err != nil {
				return p, &ConfigError{Field: name, Want: "must be a string"}
			}
		}
		if slices.Contains(clientFields, name) || strings.HasPrefix(name, "__") || string(raw[name]) == "null" {
			continue
		}
		if name == "cwd" && in == inAttach {
			continue // Helix adds it to every configuration
		}
		if err := p.field(name, raw[name], in, request); err != nil {
			return p, err
		}
	}
	return p, p.check()
}

func (p *Plan) field(name string, raw json.RawMessage, in where, request string) error {
	f, ok := findField(name)
	if !ok {
		return &ConfigError{Field: name, Want: "unknown attribute" + suggestion(name, fieldNames())}
	}
	if f.In&in == 0 {
		return &ConfigError{Field: name, Want: "has no meaning in the configuration of " + map[where]string{inLaunch: "a launch", inAttach: "an attach"}[in]}
	}
	v, err := f.decode(raw)
	if err != nil {
		return err
	}
	if f.Unsafe && !p.Trusted && (v.s != "" || len(v.list) > 0) {
		return &ConfigError{Field: name, Want: "refused: this configuration comes from a folder that is not trusted", Fix: "trust the folder, or remove the attribute"}
	}
	return f.set(p, v)
}

// check looks at what concerns several fields.
func (p *Plan) check() error {
	for _, c := range []*Connection{p.Connection, p.ProcessServer} {
		if c != nil && c.Has("cmd") && !p.Trusted {
			return &ConfigError{Field: "connection", Want: "cmd= runs a program and is refused: this configuration comes from a folder that is not trusted"}
		}
	}
	if p.Request == Launch {
		if p.Program.Path == "" {
			return &ConfigError{Field: "program", Want: "is missing: the program to start"}
		}
		return nil
	}
	ways := 0
	for _, have := range []bool{p.ProcessID != 0, p.ProcessName != "", p.Connection != nil, p.CoreFile != "", p.Remote != nil, p.Child != ""} {
		if have {
			ways++
		}
	}
	switch {
	case ways == 0 && p.ProcessServer == nil:
		return &ConfigError{Field: "attach", Want: "needs one of processId, processName, connection, coreFile or remote"}
	case ways > 1:
		return &ConfigError{Field: "attach", Want: "processId, processName, connection, coreFile and remote exclude each other"}
	case p.ProcessID < 0:
		return &ConfigError{Field: "processId", Value: fmt.Sprint(p.ProcessID), Want: "must be a process id"}
	}
	return nil
}

// FromFile reads the configuration called name (the first one when name is "")
// from a launch file: VS Code's launch.json, or one configuration alone. Comments
// and trailing commas are legal. Variables are resolved with the file's folder
// (the parent of .vscode) as ${workspaceFolder}.
func FromFile(file, name string) (Plan, error) {
	st, err := os.Stat(file)
	if err != nil {
		return Plan{}, &ConfigError{Field: "launch file", Value: file, Want: "cannot be read: " + reason(err)}
	}
	if st.Size() > maxConfig {
		return Plan{}, &ConfigError{Field: "launch file", Value: file, Want: "is too large"}
	}
	src, err := os.ReadFile(file)
	if err != nil {
		return Plan{}, &ConfigError{Field: "launch file", Value: file, Want: "cannot be read: " + reason(err)}
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return Plan{}, err
	}
	folder := filepath.Dir(abs)
	if filepath.Base(folder) == ".vscode" {
		folder = filepath.Dir(folder)
	}
	config, err := pick(src, file, name)
	if err != nil {
		return Plan{}, err
	}
	request, arguments, err := resolve(config, folder)
	if err != nil {
		return Plan{}, err
	}
	return FromDAP(request, arguments, true)
}

// pick returns the configuration called name out of a launch file.
func pick(src []byte, file, name string) (json.RawMessage, error) {
	plain, err := hujson.Standardize(src)
	if err != nil {
		return nil, &ConfigError{Field: "launch file", Value: file, Want: "is not JSON: " + err.Error()}
	}
	var whole struct {
		Configurations []json.RawMessage `json:"configurations"`
	}
	if err := json.Unmarshal(plain, &whole); err != nil {
		return nil, &ConfigError{Field: "launch file", Value: file, Want: "is no launch file: " + err.Error()}
	}
	if whole.Configurations == nil {
		if name != "" {
			var one struct{ Name string }
			if json.Unmarshal(plain, &one) != nil || one.Name != name {
				return nil, &ConfigError{Field: "launch file", Value: file, Want: fmt.Sprintf("has no configuration called %q", name)}
			}
		}
		return plain, nil
	}
	var have []string
	for _, c := range whole.Configurations {
		var head struct{ Name, Type string }
		if json.Unmarshal(c, &head) != nil || head.Type != "dap-windbg" && head.Type != "" {
			continue
		}
		if name == "" || head.Name == name {
			return c, nil
		}
		have = append(have, head.Name)
	}
	if name == "" {
		return nil, &ConfigError{Field: "launch file", Value: file, Want: "has no configuration of type dap-windbg"}
	}
	return nil, &ConfigError{Field: "launch file", Value: file, Want: fmt.Sprintf("has no configuration called %q%s", name, suggestion(name, have))}
}

// resolve replaces editor variables in every string of config.
func resolve(config json.RawMessage, folder string) (request string, arguments json.RawMessage, err error) {
	var tree map[string]any
	if err := json.Unmarshal(config, &tree); err != nil {
		return "", nil, &ConfigError{Field: "configuration", Want: "must be a JSON object"}
	}
	for k, v := range tree {
		if slices.Contains(clientFields, k) {
			continue
		}
		if tree[k], err = substitute(k, v, folder); err != nil {
			return "", nil, err
		}
	}
	request, _ = tree["request"].(string)
	if request == "" {
		request = "launch"
	}
	arguments, err = json.Marshal(tree)
	return request, arguments, err
}

func substitute(field string, v any, folder string) (any, error) {
	var err error
	switch x := v.(type) {
	case string:
		return expand(field, x, folder)
	case []any:
		for i := range x {
			if x[i], err = substitute(field, x[i], folder); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range x {
			if x[k], err = substitute(field, x[k], folder); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// expand replaces the variables of one string.
func expand(field, s, folder string) (string, error) {
	var b strings.Builder
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			b.WriteString(s)
			return b.String(), nil
		}
		end := strings.IndexByte(s[i:], '}')
		if end < 0 {
			return "", &ConfigError{Field: field, Value: s, Want: "'${' without '}'"}
		}
		name := s[i+2 : i+end]
		v, err := variable(field, name, folder)
		if err != nil {
			return "", err
		}
		b.WriteString(s[:i])
		b.WriteString(v)
		s = s[i+end+1:]
	}
}

// variable is the value of ${name} outside an editor.
func variable(field, name, folder string) (string, error) {
	switch {
	case name == "workspaceFolder" || name == "workspaceRoot" || name == "fileWorkspaceFolder":
		return folder, nil
	case name == "workspaceFolderBasename":
		return filepath.Base(folder), nil
	case name == "userHome":
		return os.UserHomeDir()
	case name == "cwd":
		return os.Getwd()
	case name == "pathSeparator" || name == "/":
		return string(filepath.Separator), nil
	case strings.HasPrefix(name, "env:"):
		return os.Getenv(name[len("env:"):]), nil
	}
	return "", &ConfigError{Field: field, Value: "${" + name + "}", Want: "can only be resolved by an editor", Fix: "write the value itself, or use ${env:NAME}"}
}

// reason is the operating system's word without the path.
func reason(err error) string {
	if pe, ok := err.(*os.PathError); ok {
		return pe.Err.Error()
	}
	return err.Error()
}
