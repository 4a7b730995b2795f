package launch

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

const manifestFile = "../vscode-extension/package.json"

// TestManifest: the extension's package.json has what the field table says.
func TestManifest(t *testing.T) {
	have, err := os.ReadFile(manifestFile)
	if err != nil {
		t.Fatal(err)
	}
	want, err := VSCodeManifest(have)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != string(want) {
		t.Errorf("%s is stale: run `make generate`", manifestFile)
	}
}

// TestManifestKeepsTheRest: what is not the table's stays byte for byte, and what lacks
// the places of the table is refused.
func TestManifestKeepsTheRest(t *testing.T) {
	const before, after = "{\n  \"b\": 1, // why\n  \"a\": [ ],\n  \"contributes\": {\"configuration\": [ {}, {\"properties\":{}}], \"debuggers\": [{\"configurationAttributes\": ",
		", \"configurationSnippets\": [], \"z\":  true}]} }\n"
	out, err := VSCodeManifest([]byte(before + "null" + after))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(out), before[:strings.Index(before, "{}}]")]) || !strings.HasSuffix(string(out), "\"z\":  true}]} }\n") {
		t.Errorf("the rest has changed:\n%s", out)
	}
	for _, bad := range []string{"", "{", "[]", `{"contributes": {"debuggers": []}}`} {
		if out, err := VSCodeManifest([]byte(bad)); err == nil {
			t.Errorf("%q gave %q", bad, out)
		}
	}
}

// place is something that the user types into a snippet.
var place = regexp.MustCompile(`\$\{\d+:([^}]*)\}`)

// typed is what the editor writes into a launch file for a snippet's body, when nothing
// is changed: a string that begins with ^ is inserted as it is, without quotes.
func typed(t *testing.T, body json.RawMessage) string {
	t.Helper()
	var tree any
	if err := json.Unmarshal(body, &tree); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	var write func(v any) string
	write = func(v any) string {
		switch v := v.(type) {
		case map[string]any:
			var parts []string
			for k, e := range v {
				parts = append(parts, write(k)+": "+write(e))
			}
			return "{" + strings.Join(parts, ", ") + "}"
		case string:
			if raw, ok := strings.CutPrefix(v, "^"); ok {
				return raw
			}
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	return strings.ReplaceAll(place.ReplaceAllString(write(tree), "$1"), `\$`, "$")
}

// TestSnippets: each snippet, left as it is, is a configuration that is accepted.
func TestSnippets(t *testing.T) {
	for _, s := range snippets() {
		text := typed(t, s.Body)
		text = strings.NewReplacer("${workspaceFolder}", "/w", "${command:PickProcess}", "725").Replace(text)
		var head struct{ Type, Request, Name string }
		if err := json.Unmarshal([]byte(text), &head); err != nil {
			t.Errorf("%s: %v\n%s", s.Label, err, text)
			continue
		}
		if head.Type != "dap-windbg" || head.Name == "" {
			t.Errorf("%s: %s", s.Label, text)
		}
		if _, err := FromDAP(head.Request, json.RawMessage(text), false); err != nil {
			t.Errorf("%s: %v\n%s", s.Label, err, text)
		}
	}
}

// TestReadme: the configurations that the extension's README shows are accepted.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../vscode-extension/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```json\n")
	block, _, _ := strings.Cut(rest, "```")
	var file struct{ Configurations []json.RawMessage }
	if err := json.Unmarshal([]byte(strings.ReplaceAll(block, "${command:PickProcess}", "725")), &file); err != nil || len(file.Configurations) < 5 {
		t.Fatalf("%v: %d configurations in %q", err, len(file.Configurations), block)
	}
	for _, c := range file.Configurations {
		var head struct{ Type, Request string }
		if err := json.Unmarshal(c, &head); err != nil || head.Type != "dap-windbg" {
			t.Errorf("%s: %v", c, err)
		}
		if _, err := FromDAP(head.Request, c, false); err != nil {
			t.Errorf("%s: %v", c, err)
		}
	}
}

// TestSchema: the schema takes the example of each field, and its default where it has one.
func TestSchema(t *testing.T) {
	kinds := func(v any) []string {
		switch v := v.(type) {
		case string:
			return []string{v}
		case []string:
			return v
		}
		return nil
	}
	for _, f := range Fields {
		s := f.schema()
		types := kinds(s["type"])
		if either, ok := s["anyOf"].([]any); ok {
			for _, one := range either {
				switch one := one.(type) {
				case map[string]string:
					types = append(types, one["type"])
				case map[string]any:
					types = append(types, kinds(one["type"])...)
				}
			}
		}
		for what, text := range map[string]string{"example": f.Example, "default": f.Default} {
			var v any
			if json.Unmarshal([]byte(text), &v) != nil {
				continue // words, not a value
			}
			is := map[bool]string{}
			switch v.(type) {
			case bool:
				is[true] = "boolean"
			case float64:
				is[true] = "integer"
			case string:
				is[true] = "string"
			case []any:
				is[true] = "array"
			case map[string]any:
				is[true] = "object"
			}
			found := false
			for _, k := range types {
				found = found || k == is[true]
			}
			if !found {
				t.Errorf("%s: the %s %s is no %v", f.Name, what, text, types)
			}
		}
		if text, _ := s["markdownDescription"].(string); !strings.HasPrefix(text, f.Help) {
			t.Errorf("%s has no description", f.Name)
		}
	}
}
