package adapter

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dap-windbg/tests/dapclient"
)

var tableRow = regexp.MustCompile("^\\| `(\\w+)` \\| (\\w+) \\|")

// documented reads the tables of docs/dap.md: name to what its second column says.
func documented(t *testing.T) map[string]map[string]string {
	t.Helper()
	text, err := os.ReadFile("../docs/dap.md")
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]map[string]string{}
	section := ""
	for _, line := range strings.Split(string(text), "\n") {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			section = title
			tables[section] = map[string]string{}
		} else if m := tableRow.FindStringSubmatch(line); m != nil {
			if _, twice := tables[section][m[1]]; twice {
				t.Errorf("%s has two rows for %s", section, m[1])
			}
			tables[section][m[1]] = m[2]
		}
	}
	return tables
}

// TestTables: docs/dap.md has a row for everything in the protocol and nothing else,
// and says of each what the adapter does.
func TestTables(t *testing.T) {
	schema, err := dapclient.LoadSchema()
	if err != nil {
		t.Fatal(err)
	}
	tables := documented(t)
	complete := func(section string, names []string) map[string]string {
		t.Helper()
		if got := slices.Sorted(maps.Keys(tables[section])); !slices.Equal(got, slices.Sorted(slices.Values(names))) {
			t.Errorf("%s: rows %v\nwhere the protocol has %v", section, got, names)
		}
		return tables[section]
	}

	for name, says := range complete("Requests", schema.Requests()) {
		_, served := requests[name]
		if want := says == "yes"; served != want {
			t.Errorf("request %s: the table says %q, served is %v", name, says, served)
		}
	}
	complete("Events", schema.Events())
	own := tables["Requests of our own"]
	for name := range requests {
		if _, ok := own[name]; !ok && !slices.Contains(schema.Requests(), name) {
			t.Errorf("%s is in no table", name)
		}
	}
	for name := range own {
		if _, served := requests[name]; !served {
			t.Errorf("request %s is not served", name)
		}
	}

	content, err := json.Marshal(widest())
	if err != nil {
		t.Fatal(err)
	}
	var advertised map[string]any
	if err := json.Unmarshal(content, &advertised); err != nil {
		t.Fatal(err)
	}
	for name, says := range complete("Capabilities", schema.Capabilities()) {
		_, on := advertised[name]
		if want := says == "yes"; on != want {
			t.Errorf("capability %s: the table says %q, initialize %v", name, says, advertised[name])
		}
	}
}
