package launch

import (
	"fmt"
	"strings"
)

var fieldTypes = map[fieldType]string{
	stringField: "string", boolField: "true or false", intField: "number", listField: "list of strings",
	pathField: "string or list of strings", mapField: "object of strings", durationField: "duration", enumField: "one of", serverField: "string",
}

// Reference is the page of launch attributes, printed from the field table.
func Reference() string {
	var b strings.Builder
	b.WriteString("# Launch attributes\n\nDebugger type `dap-windbg`. Comments and trailing commas are legal in launch files.\n\n" +
		"| Attribute | Request | Type | Default | Meaning | Example |\n|---|---|---|---|---|---|\n")
	for _, f := range Fields {
		in := map[where]string{inLaunch: "launch", inAttach: "attach", inBoth: "both"}[f.In]
		t := fieldTypes[f.Type]
		if len(f.OneOf) > 0 {
			t += " `" + strings.Join(f.OneOf, "`, `") + "`"
		}
		help := f.Help
		if f.Unsafe {
			help += " (refused in untrusted folders)"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | `%s` |\n", f.Name, in, t, f.Default, help, f.Example)
	}
	return b.String()
}

var kindNames = map[kind]string{
	text: "text", tcpPort: "port number", portRange: "port or range N:M", boolean: "true or false", number: "number", baudRate: "baud rate",
	flag: "flag, no value", password: "password", pipeName: "pipe name", channel: "0 to 254", transportForm: "@{connection}", kdLine: "@{connection}",
	commandLine: "@{command line}", choice: "one of", duration: "duration",
}

// ConnectionReference is the page of connection strings, printed from the
// protocol table.
func ConnectionReference() string {
	var b strings.Builder
	b.WriteString("# Connection strings\n\n`protocol:argument=value,...`; names are case-insensitive, the order is free.\n")
	for _, p := range protocols {
		fmt.Fprintf(&b, "\n## %s: %s\n\n| Argument | Needed | Value |\n|---|---|---|\n", p.name, p.title)
		for _, a := range p.args {
			need := ""
			if a.need {
				need = "yes"
			}
			v := kindNames[a.kind]
			if len(a.oneOf) > 0 {
				v += " " + strings.Join(a.oneOf, ", ")
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", a.name, need, v)
		}
	}
	return b.String()
}
