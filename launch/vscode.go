package launch

import "encoding/json"

// VSCodeManifest is the extension's package.json, printed from the field table.
// program is the debugger's path within the extension.
func VSCodeManifest(version string) string {
	properties := map[where]map[string]any{inLaunch: {}, inAttach: {}}
	for _, f := range Fields {
		for _, in := range []where{inLaunch, inAttach} {
			if f.In&in != 0 {
				properties[in][f.Name] = f.schema()
			}
		}
	}
	languages := []string{"c", "cpp", "rust", "go", "zig", "asm"}
	var breakpoints []map[string]string
	for _, l := range languages {
		breakpoints = append(breakpoints, map[string]string{"language": l})
	}
	manifest := map[string]any{
		"name": "dap-windbg", "displayName": "dap-windbg", "publisher": "dap-windbg", "version": version, "license": "MIT",
		"description": "Debug Linux programs here and on other machines, with WinDbg's commands in the Debug Console",
		"engines":     map[string]string{"vscode": "^1.80.0"}, "categories": []string{"Debuggers"},
		"capabilities": map[string]any{"untrustedWorkspaces": map[string]any{"supported": false}},
		"contributes": map[string]any{
			"breakpoints": breakpoints,
			"debuggers": []any{map[string]any{
				"type": "dap-windbg", "label": "dap-windbg", "program": "./dap-windbg", "windows": map[string]string{"program": "./dap-windbg.exe"},
				"languages": languages,
				"configurationAttributes": map[string]any{
					"launch": map[string]any{"required": []string{"program"}, "properties": properties[inLaunch]},
					"attach": map[string]any{"properties": properties[inAttach]},
				},
				"initialConfigurations": []any{map[string]any{
					"type": "dap-windbg", "request": "launch", "name": "Launch", "program": "${workspaceFolder}/a.out"}},
			}},
		},
	}
	out, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil { // a table that cannot be written is a fault of this file
		return "{}\n"
	}
	return string(out) + "\n"
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
	s["description"] = f.Help
	return s
}
