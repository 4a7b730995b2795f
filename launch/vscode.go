package launch

import (
	"encoding/json"
	"fmt"

	"github.com/tailscale/hujson"
)

// way is a way to start that the editor offers as a snippet.
type way struct {
	label, description string
	request            string
	fields             [][2]string // name and JSON value, in the order they are written
}

// quoted makes a snippet's string that holds a variable of the editor: `^"..."` keeps
// ${...} from being read as a place to type.
func quoted(s string) string { return `"^\"` + s + `\""` }

// ways is every way to start. $1, ${1:text} are places to type.
var ways = []way{
	{"Launch", "Start a program of this machine", "launch",
		[][2]string{{"program", quoted(`\\${workspaceFolder}/${1:a.out}`)}, {"args", "[]"}, {"cwd", quoted(`\\${workspaceFolder}`)}}},
	{"Launch in a terminal", "Start a program of this machine; it reads and writes a terminal", "launch",
		[][2]string{{"program", quoted(`\\${workspaceFolder}/${1:a.out}`)}, {"args", "[]"}, {"console", `"integratedTerminal"`}}},
	{"Launch on another machine", "Start a program on a machine that runs gdbserver --multi", "launch",
		[][2]string{{"processServer", `"gdb:server=${1:HOST},port=${2:1234}"`}, {"program", `"${3:/path/there/a.out}"`}, {"args", "[]"}}},
	{"Attach", "Attach to a process of this machine, chosen from a list", "attach",
		[][2]string{{"processId", quoted(`\\${command:PickProcess}`)}}},
	{"Attach by name", "Attach to a process of this machine, also to one still to come", "attach",
		[][2]string{{"processName", `"${1:orders}"`}, {"waitFor", "true"}}},
	{"Attach on another machine", "Attach to a process on a machine that runs gdbserver --multi", "attach",
		[][2]string{{"processServer", `"gdb:server=${1:HOST},port=${2:1234}"`}, {"processId", quoted(`\\${command:PickProcess}`)}}},
	{"Attach to gdbserver", "Attach to a program that runs under gdbserver", "attach",
		[][2]string{{"connection", `"gdb:server=${1:HOST},port=${2:1234}"`}, {"sourceMap", `{"${3:/build}": "^\"\\${workspaceFolder}\""}`}}},
	{"Core file", "Look at a program that crashed", "attach",
		[][2]string{{"coreFile", quoted(`\\${workspaceFolder}/${1:core}`)}}},
	{"Windows kernel, serial line", "Debug a Windows kernel over a serial line", "attach",
		[][2]string{{"connection", `"com:port=${1:/dev/ttyUSB0},baud=${2:115200}"`}, {"os", `"windowskernel"`}}},
	{"Windows kernel, pipe", "Debug a Windows kernel over a virtual machine's pipe or socket", "attach",
		[][2]string{{"connection", `"com:pipe,port=${1:/tmp/windows-com1},resets=0,reconnect"`}, {"os", `"windowskernel"`}}},
	{"Windows kernel, KDNET", "Debug a Windows kernel over the network", "attach",
		[][2]string{{"connection", `"net:port=${1:50000},key=${2:1.2.3.4}"`}, {"os", `"windowskernel"`}}},
	{"Windows kernel, kdsrv", "Debug a Windows kernel through a KD connection server", "attach",
		[][2]string{{"connection", `"kdsrv:server=@{tcp:server=${1:HOST},port=${2:5005}},trans=@{com:port=${3:com1},baud=${4:115200}}"`}, {"os", `"windowskernel"`}}},
	{"Linux kernel, QEMU", "Debug a Linux kernel through QEMU's gdb stub", "attach",
		[][2]string{{"connection", `"qemu:server=${1:localhost},port=${2:1234}"`}, {"program", quoted(`\\${workspaceFolder}/${3:vmlinux}`)}, {"os", `"linuxkernel"`}}},
	{"Linux kernel, kgdb", "Debug a Linux kernel over its kgdb serial line", "attach",
		[][2]string{{"connection", `"kgdb:port=${1:/dev/ttyUSB0},baud=${2:115200}"`}, {"program", quoted(`\\${workspaceFolder}/${3:vmlinux}`)}, {"os", `"linuxkernel"`}}},
	{"Linux kernel, kdb", "Debug a Linux kernel through the text console of kdb", "attach",
		[][2]string{{"connection", `"kdb:port=${1:/dev/ttyUSB0},baud=${2:115200}"`}, {"program", quoted(`\\${workspaceFolder}/${3:vmlinux}`)}, {"os", `"linuxkernel"`}}},
	{"Join a shared session", "Join a debug session that a colleague shares with .server", "attach",
		[][2]string{{"remote", `"tcp:server=${1:HOST},port=${2:5005}"`}}},
}

// object writes the configuration that w stands for.
func (w way) object() json.RawMessage {
	text := fmt.Sprintf(`{"type": "dap-windbg", "request": %q, "name": %q`, w.request, w.label)
	for _, f := range w.fields {
		text += fmt.Sprintf(", %q: %s", f[0], f[1])
	}
	return json.RawMessage(text + "}")
}

type snippet struct {
	Label       string          `json:"label"`
	Description string          `json:"description"`
	Body        json.RawMessage `json:"body"`
}

func snippets() []snippet {
	var out []snippet
	for _, w := range ways {
		out = append(out, snippet{"dap-windbg: " + w.label, w.description, w.object()})
	}
	return out
}

// attributes is the schema of the fields that may stand in a request.
func attributes(in where) map[string]any {
	properties := map[string]any{}
	for _, f := range Fields {
		if f.In&in != 0 {
			properties[f.Name] = f.schema()
		}
	}
	return properties
}

// settings are the fields that the user's settings fill where a configuration lacks them.
var settings = []string{"symbolPath", "sourcePath", "imagePath", "sourceMap", "natvis", "debugInfoD", "stepFilter", "gdbserver"}

// defaults is the schema of these settings. What names a program is the machine's: no
// folder can set it.
func defaults() map[string]any {
	properties := map[string]any{}
	for _, name := range settings {
		f, ok := findField(name)
		if !ok {
			continue
		}
		s := f.schema()
		if f.Type == pathField { // one box in the settings editor
			delete(s, "anyOf")
			s["type"] = "string"
		}
		s["scope"] = "resource"
		if f.Type == serverField {
			s["scope"] = "machine"
		}
		s["default"] = map[fieldType]any{stringField: "", serverField: "", pathField: "", listField: []string{}, mapField: map[string]any{}}[f.Type]
		s["markdownDescription"] = fmt.Sprintf("Default of `%s` in launch configurations: %s", name, s["markdownDescription"])
		properties["dap-windbg."+name] = s
	}
	return properties
}

// VSCodeManifest returns the extension's package.json with the parts that are the
// field table's: what a launch configuration may contain, the settings that are its
// defaults, and the snippets. All else is kept as it is written.
func VSCodeManifest(manifest []byte) ([]byte, error) {
	doc, err := hujson.Parse(manifest)
	if err != nil {
		return nil, &ConfigError{Field: "package.json", Want: "is not JSON: " + err.Error()}
	}
	const debugger, settings = "/contributes/debuggers/0/", "/contributes/configuration/1/"
	for _, part := range []struct {
		place string
		value any
	}{
		{settings + "properties", defaults()},
		{debugger + "configurationAttributes", map[string]any{
			"launch": map[string]any{"required": []string{"program"}, "properties": attributes(inLaunch)},
			"attach": map[string]any{"properties": attributes(inAttach)},
		}},
		{debugger + "configurationSnippets", snippets()},
	} {
		place := doc.Find(part.place)
		if place == nil {
			return nil, &ConfigError{Field: "package.json", Want: "has no " + part.place}
		}
		text, err := json.MarshalIndent(part.value, "\t\t\t\t", "\t")
		if err != nil {
			return nil, err
		}
		value, err := hujson.Parse(text)
		if err != nil {
			return nil, err
		}
		place.Value = value.Value
	}
	return doc.Pack(), nil
}

// schema is the field's JSON schema.
func (f *Field) schema() map[string]any {
	strings := map[string]any{"type": "array", "items": map[string]string{"type": "string"}}
	s := map[string]any{"type": "string"}
	switch f.Type {
	case boolField:
		s["type"] = "boolean"
	case intField:
		s["type"] = []string{"integer", "string"}
	case listField:
		s = strings
	case mapField:
		s = map[string]any{"type": "object", "additionalProperties": map[string]any{"type": []string{"string", "null"}}}
	case pathField:
		s = map[string]any{"anyOf": []any{map[string]string{"type": "string"}, strings}}
	case durationField:
		s["type"] = []string{"string", "number"}
	case enumField:
		s["enum"] = f.OneOf
	}
	s["markdownDescription"] = f.Help
	if f.Example != "" {
		s["markdownDescription"] = fmt.Sprintf("%s.\n\nExample: `%s`", f.Help, f.Example)
	}
	var standard any
	if json.Unmarshal([]byte(f.Default), &standard) == nil || f.Type == enumField && f.Default != "" && f.Default != "found out" {
		if f.Type == enumField {
			standard = f.Default
		}
		s["default"] = standard
	}
	return s
}
