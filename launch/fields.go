package launch

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fieldType is how a field is written in JSON.
type fieldType uint8

const (
	stringField fieldType = iota
	boolField
	intField
	listField // of strings
	pathField // WinDbg path syntax: a string, or a list joined with ';'
	mapField  // of strings; null removes
	durationField
	enumField
	serverField // a program name
)

// where a field may stand.
type where uint8

const (
	inLaunch where = 1 << iota
	inAttach
	inBoth = inLaunch | inAttach
)

// Field is a row of the field table: one launch attribute. The extension's
// schema and the reference page are generated from it.
type Field struct {
	Name    string
	Type    fieldType
	In      where
	Default string
	Example string
	Help    string
	OneOf   []string
	Unsafe  bool // ignored unless the configuration is trusted
	set     func(p *Plan, v value) error
}

// value is a decoded field.
type value struct {
	s    string
	b    bool
	n    int64
	list []string
	m    map[string]*string
	d    time.Duration
}

// Fields is the table, in the order of the reference page.
var Fields = []Field{
	{"program", stringField, inBoth, "", `"${workspaceFolder}/a.out"`, "program to start; when attaching, the image of the process or core", nil, false,
		func(p *Plan, v value) error { p.Program.Path = v.s; return nil }},
	{"args", listField, inLaunch, "[]", `["--fast", "in.txt"]`, "arguments of the program", nil, false,
		func(p *Plan, v value) error { p.Program.Args = v.list; return nil }},
	{"cwd", stringField, inLaunch, "the folder of the program", `"${workspaceFolder}"`, "working directory of the program", nil, false,
		func(p *Plan, v value) error { p.Program.Dir = v.s; return nil }},
	{"env", mapField, inLaunch, "{}", `{"LANG": "C"}`, "environment variables added to the server's own", nil, false,
		func(p *Plan, v value) error { p.Program.Env = environment(v.m); return nil }},
	{"stopAtEntry", boolField, inLaunch, "false", "true", "stop before the first instruction of the program", nil, false,
		func(p *Plan, v value) error { p.StopAtEntry = v.b; return nil }},
	{"console", enumField, inLaunch, "internalConsole", `"integratedTerminal"`, "where the program's output goes", []string{"internalConsole", "integratedTerminal", "externalTerminal"}, false,
		func(p *Plan, v value) error { p.Console = v.s; return nil }},
	{"stdin", stringField, inLaunch, "", `"input.txt"`, "file fed to the program's standard input", nil, false,
		func(p *Plan, v value) error { p.Stdin = v.s; return nil }},
	{"gdbserver", serverField, inBoth, "gdbserver", `"/opt/cross/bin/gdbserver"`, "gdbserver program that is run here", nil, true,
		func(p *Plan, v value) error { p.Gdbserver = v.s; return nil }},
	{"processServer", stringField, inBoth, "", `"gdb:server=build7,port=1234"`, "connection string of a process server: start or attach there", nil, false,
		func(p *Plan, v value) (err error) { p.ProcessServer, err = ParseConnection(v.s, ProcessServer); return }},
	{"processId", intField, inAttach, "", "725", "process to attach to", nil, false,
		func(p *Plan, v value) error { p.ProcessID = v.n; return nil }},
	{"processName", stringField, inAttach, "", `"orders"`, "name of the process to attach to; must match exactly one", nil, false,
		func(p *Plan, v value) error { p.ProcessName = v.s; return nil }},
	{"waitFor", boolField, inAttach, "false", "true", "wait for a process of this name to come", nil, false,
		func(p *Plan, v value) error { p.WaitFor = v.b; return nil }},
	{"connection", stringField, inAttach, "", `"gdb:server=localhost,port=1234"`, "connection string of the debuggee", nil, false,
		func(p *Plan, v value) (err error) { p.Connection, err = ParseConnection(v.s, TargetLink); return }},
	{"coreFile", stringField, inAttach, "", `"core.725"`, "ELF core file, or image file (ELF, PE), to look at without a process", nil, false,
		func(p *Plan, v value) error { p.CoreFile = v.s; return nil }},
	{"remote", stringField, inAttach, "", `"tcp:server=build7,port=5005"`, "shared debug session to join", nil, false,
		func(p *Plan, v value) (err error) { p.Remote, err = ParseConnection(v.s, Session); return }},
	{"symbolPath", pathField, inBoth, "$_NT_SYMBOL_PATH", `"/sym;DebugInfoD*https://debuginfod.example.org"`, "symbol path in WinDbg's syntax", nil, false,
		func(p *Plan, v value) error { p.SymbolPath = v.s; return nil }},
	{"sourcePath", pathField, inBoth, "$_NT_SOURCE_PATH", `["/src", "DebugInfoD*https://debuginfod.example.org"]`, "source path in WinDbg's syntax", nil, false,
		func(p *Plan, v value) error { p.SourcePath = v.s; return nil }},
	{"imagePath", pathField, inBoth, "", `"/images"`, "where image files are looked for", nil, false,
		func(p *Plan, v value) error { p.ImagePath = v.s; return nil }},
	{"sysroot", stringField, inBoth, "", `"/opt/board/rootfs"`, "local copy of the far end's file system", nil, false,
		func(p *Plan, v value) error { p.Sysroot = v.s; return nil }},
	{"sourceMap", mapField, inBoth, "{}", `{"/build": "${workspaceFolder}"}`, "prefixes of recorded source paths and what stands for them here", nil, false,
		func(p *Plan, v value) error { p.SourceMap = pathMaps(v.m); return nil }},
	{"natvis", listField, inBoth, "[]", `["types.natvis"]`, "visualiser files", nil, false,
		func(p *Plan, v value) error { p.Natvis = v.list; return nil }},
	{"debugInfoD", listField, inBoth, "[]", `["https://debuginfod.example.org"]`, "debuginfod servers; a `DebugInfoD*` entry of symbolPath stands for those of DEBUGINFOD_URLS", nil, false,
		func(p *Plan, v value) error { p.DebugInfoD = v.list; return nil }},
	{"indexCache", boolField, inBoth, "true", "false", "keep the indexes of large images in the user's cache folder", nil, false,
		func(p *Plan, v value) error { p.NoIndexCache = !v.b; return nil }},
	{"initCommands", listField, inBoth, "[]", `[".sympath+ /sym"]`, "WinDbg commands run before connecting", nil, true,
		func(p *Plan, v value) error { p.InitCommands = v.list; return nil }},
	{"postConnectCommands", listField, inBoth, "[]", `["sxe ld"]`, "WinDbg commands run at the first stop", nil, true,
		func(p *Plan, v value) error { p.PostConnectCommands = v.list; return nil }},
	{"exitCommands", listField, inBoth, "[]", `[".logclose"]`, "WinDbg commands run before leaving", nil, true,
		func(p *Plan, v value) error { p.ExitCommands = v.list; return nil }},
	{"exceptions", listField, inBoth, "signals that end a program", `["av", "sigusr1"]`, "exception filters that stop", nil, false,
		func(p *Plan, v value) error { p.Exceptions = v.list; return nil }},
	{"stepFilter", listField, inBoth, "[]", `["std::*", "libc_so!*"]`, "functions that stepping in passes over", nil, false,
		func(p *Plan, v value) error { p.StepFilter = v.list; return nil }},
	{"allowCalls", boolField, inBoth, "false", "true", "let expressions in watches, the console and `dx` call functions of the program; hovers never do", nil, false,
		func(p *Plan, v value) error { p.AllowCalls = v.b; return nil }},
	{"stopOnConnect", boolField, inAttach, "false", "true", "stay stopped after attaching", nil, false,
		func(p *Plan, v value) error { p.StopOnConnect = v.b; return nil }},
	{"followForks", enumField, inBoth, "parent", `"child"`, "which side of a fork stays with the debugger; the other runs on by itself. `both`: the child gets a session of its own, or its place in the command line (`|`); `none`: neither", []string{"parent", "child", "both", "none"}, false,
		func(p *Plan, v value) error { p.FollowForks = v.s; return nil }},
	{"os", enumField, inAttach, "found out", `"linuxkernel"`, "what runs at the far end", osNames, false,
		func(p *Plan, v value) error { p.OS = v.s; return nil }},
	{"trace", stringField, inBoth, "", `"session.wire"`, "file that records the wire", nil, true,
		func(p *Plan, v value) error { p.Trace = v.s; return nil }},
	{"timeout", durationField, inBoth, "30s", `"10s"`, "limit of one wait for the far end", nil, false,
		func(p *Plan, v value) error { p.Timeout = v.d; return nil }},
}

// clientFields are added by clients and mean nothing to us; as are names that begin with "__".
var clientFields = []string{"name", "type", "request", "preLaunchTask", "postDebugTask", "presentation", "serverReadyAction",
	"internalConsoleOptions", "noDebug", "debugServer", "restart", "suppressMultipleSessionWarning", "command"}

func environment(m map[string]*string) []string {
	var out []string
	for k, v := range m {
		if v != nil {
			out = append(out, k+"="+*v)
		}
	}
	slices.Sort(out)
	return out
}

// pathMaps orders longest prefix first, so that the most specific one wins.
func pathMaps(m map[string]*string) []PathMap {
	var out []PathMap
	for k, v := range m {
		if v != nil {
			out = append(out, PathMap{k, *v})
		}
	}
	slices.SortFunc(out, func(a, b PathMap) int { return len(b.From) - len(a.From) })
	return out
}

func findField(name string) (*Field, bool) {
	for i := range Fields {
		if Fields[i].Name == name {
			return &Fields[i], true
		}
	}
	return nil, false
}

func fieldNames() []string {
	var out []string
	for _, f := range Fields {
		out = append(out, f.Name)
	}
	return out
}

// decode reads raw as f's type.
func (f *Field) decode(raw json.RawMessage) (value, error) {
	var v value
	var err error
	want := ""
	switch f.Type {
	case boolField:
		want, err = "must be true or false", json.Unmarshal(raw, &v.b)
	case intField:
		want = "must be a number"
		if err = json.Unmarshal(raw, &v.n); err != nil {
			var s string // editors' pickers give the number as a string
			if json.Unmarshal(raw, &s) == nil {
				v.n, err = strconv.ParseInt(s, 0, 63)
			}
		}
	case listField:
		want, err = "must be a list of strings", json.Unmarshal(raw, &v.list)
	case mapField:
		want, err = "must be an object of strings", json.Unmarshal(raw, &v.m)
	case pathField:
		want = "must be a string or a list of strings"
		if err = json.Unmarshal(raw, &v.s); err != nil {
			err = json.Unmarshal(raw, &v.list)
			v.s = strings.Join(v.list, ";")
		}
	case durationField:
		want = "must be a duration such as \"30s\""
		if err = json.Unmarshal(raw, &v.s); err == nil {
			v.d, err = parseDuration(v.s)
		} else if err = json.Unmarshal(raw, &v.n); err == nil {
			v.d = time.Duration(v.n) * time.Second
		}
	case enumField:
		want, err = "must be one of "+strings.Join(f.OneOf, ", "), json.Unmarshal(raw, &v.s)
		if err == nil && !slices.Contains(f.OneOf, v.s) {
			err = fmt.Errorf("not listed")
		}
	default:
		want, err = "must be a string", json.Unmarshal(raw, &v.s)
	}
	if err != nil {
		return v, &ConfigError{Field: f.Name, Value: strings.Trim(string(raw), `"`), Want: want}
	}
	return v, nil
}
