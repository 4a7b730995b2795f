package launch

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestConfigErrors: what a configuration may get wrong, and what the user is told.
func TestConfigErrors(t *testing.T) {
	for _, c := range []struct{ request, args, want string }{
		{"launch", `{}`, "launch configuration: program: is missing: the program to start"},
		{"launch", `[]`, "launch configuration: launch: the arguments must be a JSON object"},
		{"start", `{}`, `launch configuration: request is "start": must be launch or attach`},
		{"launch", `{"programm":"x"}`, "launch configuration: programm: unknown attribute (did you mean 'program'?)"},
		{"launch", `{"program":"x","zzzzzzzzzz":1}`, "launch configuration: zzzzzzzzzz: unknown attribute"},
		{"launch", `{"program":7}`, `launch configuration: program is "7": must be a string`},
		{"launch", `{"program":"x","args":"a b"}`, `launch configuration: args is "a b": must be a list of strings`},
		{"launch", `{"program":"x","timeout":"soon"}`, `launch configuration: timeout is "soon": must be a duration such as "30s"`},
		{"launch", `{"program":"x","console":"tty"}`, `launch configuration: console is "tty": must be one of internalConsole, integratedTerminal, externalTerminal`},
		{"launch", `{"program":"x","processId":7}`, "launch configuration: processId: has no meaning in the configuration of a launch"},
		{"attach", `{}`, "launch configuration: attach: needs one of processId, processName, connection, coreFile or remote"},
		{"attach", `{"processId":7,"coreFile":"core"}`, "launch configuration: attach: processId, processName, connection, coreFile and remote exclude each other"},
		{"attach", `{"processId":-7}`, `launch configuration: processId is "-7": must be a process id`},
		{"attach", `{"processId":"seven"}`, `launch configuration: processId is "seven": must be a number`},
		{"attach", `{"args":[],"processId":1}`, "launch configuration: args: has no meaning in the configuration of an attach"},
		{"attach", `{"connection":"gdb:server=a"}`, "gdb: argument 'port' is missing, column 13 in 'gdb:server=a'"},
		{"attach", `{"connection":"tcp:server=a,port=1"}`, `'tcp:' leads to a shared debug session or a server, not to a debuggee; use "remote" or "processServer", column 1 in 'tcp:server=a,port=1'`},
	} {
		_, err := FromDAP(c.request, json.RawMessage(c.args), true)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s %s:\n got %v\nwant %s", c.request, c.args, err, c.want)
		}
	}
}

// TestUntrusted: a folder that is not trusted runs nothing of its choosing.
func TestUntrusted(t *testing.T) {
	for _, c := range []struct{ request, args string }{
		{"launch", `{"program":"x","gdbserver":"./evil"}`},
		{"launch", `{"program":"x","initCommands":[".shell rm"]}`},
		{"launch", `{"program":"x","postConnectCommands":["x"]}`},
		{"launch", `{"program":"x","exitCommands":["x"]}`},
		{"launch", `{"program":"x","trace":"../../victim"}`},
		{"attach", `{"connection":"gdb:cmd=@{./evil}"}`},
		{"attach", `{"processId":1,"processServer":"gdb:cmd=@{./evil}"}`},
	} {
		var ce *ConfigError
		if _, err := FromDAP(c.request, json.RawMessage(c.args), false); !errors.As(err, &ce) || !strings.Contains(ce.Want, "not trusted") {
			t.Errorf("%s: got %v, want a refusal", c.args, err)
		}
		if _, err := FromDAP(c.request, json.RawMessage(c.args), true); err != nil {
			t.Errorf("%s, trusted: %v", c.args, err)
		}
	}
}

func TestPlan(t *testing.T) {
	p, err := FromDAP("launch", json.RawMessage(`{"type":"dap-windbg","__sessionId":"x","noDebug":false,
		"program":"/bin/p","args":["a","b c"],"cwd":"/tmp","env":{"B":"2","A":"1","C":null},"stopAtEntry":true,
		"symbolPath":["/sym","cache*"],"sourceMap":{"/b":"/x","/b/long":"/y"},"timeout":5,"stepFilter":null}`), true)
	if err != nil {
		t.Fatal(err)
	}
	if p.Program.Path != "/bin/p" || len(p.Program.Args) != 2 || strings.Join(p.Program.Env, " ") != "A=1 B=2" || !p.StopAtEntry ||
		p.SymbolPath != "/sym;cache*" || p.SourceMap[0].From != "/b/long" || p.Timeout != 5*time.Second || p.Console != "internalConsole" {
		t.Errorf("got %+v", p)
	}
	p, err = FromDAP("attach", json.RawMessage(`{"processId":"725","cwd":"/src"}`), true)
	if err != nil || p.ProcessID != 725 || p.Request != Attach {
		t.Errorf("a picker's answer: %+v, %v", p, err)
	}
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".vscode"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, ".vscode", "launch.json")
	t.Setenv("WHICH", "one")
	text := `{
  // comments and trailing commas are legal
  "version": "0.2.0",
  "configurations": [
    {"type": "cppdbg", "name": "other", "request": "launch", "MIMode": "gdb"},
    {"type": "dap-windbg", "name": "first", "request": "launch", "program": "${workspaceFolder}/bin/${env:WHICH}", "args": ["${workspaceFolderBasename}",],},
    {"type": "dap-windbg", "name": "second", "request": "attach", "processId": 7},
  ],
}`
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := FromFile(file, "")
	if err != nil || p.Program.Path != filepath.Join(dir, "bin", "one") || p.Program.Args[0] != filepath.Base(dir) {
		t.Errorf("got %+v, %v", p.Program, err)
	}
	if p, err = FromFile(file, "second"); err != nil || p.ProcessID != 7 {
		t.Errorf("got %+v, %v", p, err)
	}
	for _, c := range []struct{ file, name, text, want string }{
		{file, "secund", text, "has no configuration called \"secund\" (did you mean 'second'?)"},
		{file, "", `{"configurations": []}`, "has no configuration of type dap-windbg"},
		{file, "", `{"request": "launch", "program": "${input:x}"}`, `program is "${input:x}": can only be resolved by an editor`},
		{file, "", `{"request": "launch", "program": "${x"}`, "'${' without '}'"},
		{file, "", `{"request"`, "is not JSON"},
		{filepath.Join(dir, "none.json"), "", "", "cannot be read: no such file or directory"},
	} {
		if err := os.WriteFile(file, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := FromFile(c.file, c.name); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: got %v, want %q", c.text, c.name, err, c.want)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"program":"x","env":{"A":null}}`))
	f.Add([]byte(`{"configurations":[{"type":"dap-windbg","request":"attach","connection":"gdb:server=a,port=1"}]}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		if config, err := pick(src, "f", ""); err == nil {
			if request, args, err := resolve(config, "/w"); err == nil {
				FromDAP(request, args, false)
			}
		}
		FromDAP("launch", src, true)
	})
}

// TestGenerated: the pages and the manifest in the repository are the tables'.
func TestGenerated(t *testing.T) {
	for file, want := range map[string]string{
		"../docs/launch.md":      Reference(),
		"../docs/connections.md": ConnectionReference(),
	} {
		got, err := os.ReadFile(file)
		if err != nil || string(got) != want {
			t.Errorf("%s is stale (%v): run `make generate`", file, err)
		}
	}
}
