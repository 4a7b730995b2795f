package windbg

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestRowsOfTheLanguage: every command that testdata/rows.txt lists for the first two tiers is in
// a table, one of the third is there or among those that are refused with a reason.
func TestRowsOfTheLanguage(t *testing.T) {
	text, err := os.ReadFile("testdata/rows.txt")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	newRegistry(families()).each(func(c *command) { known[c.Name] = true })
	var missing []string
	rows := 0
	for l := range strings.Lines(string(text)) {
		words := strings.Fields(l)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		for _, name := range words[1:] {
			rows++
			if !known[name] {
				missing = append(missing, words[0]+" "+name)
			}
		}
	}
	if rows < 250 || len(missing) > 0 {
		slices.Sort(missing)
		t.Errorf("of %d rows %d are not in the tables: %s", rows, len(missing), strings.Join(missing, ", "))
	}
}
