package windbg

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAssertions: what holds passes in silence, what does not says where, what was
// expected and what there was.
func TestAssertions(t *testing.T) {
	for _, row := range []struct {
		commands, expected, actual string // "" passes
	}{
		{".assert 1", "", ""},
		{".assert 1+1 == 2", "", ""},
		{".assert 0", "not zero", "0"},
		{".assert 1+1 == 3", "== 0x3 (3)", "1+1 is 0x2 (2)"},
		{".assert (1+1) > 0n10; .echo not reached", "> 0xa (10)", "(1+1) is 0x2 (2)"},
		{".assert 1 == 1 & 0", "== 0x0 (0)", "1 is 0x1 (1)"},
		{".echo one two; .expect \"two\"", "", ""},
		{".echo one; .expect \"two\"", `"two"`, "one"},
		{".expect \"two\"", `"two"`, "nothing was printed"},
		{".echo a b; .expect \"a\"; .expect \"b\"", "", ""},
		{".echo a b; .expect \"b\"; .expect \"a\"", `"a"`, "nothing was printed"}, // behind the last one found
		{".echo x42y; .expect /r \"x\\d+y\"", "", ""},
		{".echo xy; .expect /r \"x\\d+y\"", `"x\\d+y"`, "xy"},
		{".echo fine; .expect /n \"bad\"", "", ""},
		{".echo too bad; .expect /n \"bad\"", `nothing like "bad"`, "too bad"},
	} {
		i, _ := play(t)
		var out bytes.Buffer
		err := i.Exec(context.Background(), row.commands, &out)
		var a *AssertionError
		switch {
		case row.expected == "" && err != nil:
			t.Errorf("%s: %v", row.commands, err)
		case row.expected == "":
		case !errors.As(err, &a):
			t.Errorf("%s: %v", row.commands, err)
		case a.Expected != row.expected || a.Actual != row.actual:
			t.Errorf("%s: expected %q, actual %q", row.commands, a.Expected, a.Actual)
		}
		if strings.Contains(out.String(), "not reached") && row.expected != "" && !strings.Contains(out.String(), "assertion failed") {
			t.Errorf("%s went on:\n%s", row.commands, &out)
		}
	}
}

// TestAssertionsInScripts: the message names the script's line, and the echo of a
// line is nothing that was printed.
func TestAssertionsInScripts(t *testing.T) {
	for how, line := range map[string]string{"$$<": ":3: ", "$$><": ":3: "} {
		file := filepath.Join(t.TempDir(), "check.txt")
		if err := os.WriteFile(file, []byte(".echo one\n.expect \"one\"\n.expect \"no such text\"\n.echo after\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		i, _ := play(t)
		var out bytes.Buffer
		err := i.Exec(context.Background(), how+file, &out)
		var a *AssertionError
		if !errors.As(err, &a) || a.Line != 3 || a.Script != file {
			t.Errorf("%s: %v", how, err)
		}
		if !strings.Contains(out.String(), file+line+`assertion failed: .expect "no such text"`) || strings.Contains(out.String(), "after") {
			t.Errorf("%s:\n%s", how, &out)
		}
	}
}
