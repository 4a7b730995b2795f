package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// masks replace what differs from run to run.
var masks = []struct {
	pattern *regexp.Regexp
	text    string
}{
	{regexp.MustCompile("[0-9a-f]{8}`[0-9a-f]{8}"), "ADDRESS"},
	{regexp.MustCompile(`/[^ ]*/(script|log)[a-z]*\.txt`), "$1.txt"},
	{regexp.MustCompile(`\[[^ ]*/([a-z]+\.c) @ (\d+)\]`), "[$1 @ $2]"},
}

// TestCommandLanguage is a session of a script's own making: aliases, files of commands
// with arguments, control tokens, errors with their carets, the log and the shell.
func TestCommandLanguage(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	withArgs := file("script.txt", ".echo ${$arg1} of ${$argc}\n.if (${$arg2} > 4) { .echo many } .else { .echo few }\n.echo ${$arg3}\n")
	lines := file("scriptlines.txt", "r $t1 = 5\n? @$t1 * 2\n")
	log := filepath.Join(dir, "log.txt")
	session := strings.Join([]string{
		"bp crash!sum; g",
		"hello",
		"? nope",
		"~9s",
		"r foo",
		"as who bolt",
		".echo who and ${who} ${/d:who}${/d:nobody}",
		"ad who; al",
		"r $t0 = 0; .for (r $t0 = 0; @$t0 < 3; r $t0 = @$t0 + 1) { .if (@$t0 == 1) { .continue }; .printf \"%d \", @$t0 }; .echo",
		"r $t0 = 3; .while (@$t0) { r $t0 = @$t0 - 1; .if (@$t0 == 1) { .break } }; ? @$t0",
		".do { r $t0 = @$t0 + 1 } (@$t0 < 4); ? @$t0",
		".catch { ? nope; .echo not here }; .echo after",
		".catch { .leave; .echo not here }; .echo left",
		".foreach /pS 1 /ps 1 (w { .echo a b c d e }) { .echo ${w} }",
		".foreach (w { .echo one two }) { .echo w.${w} }",
		"j @$t0 == 4 '.echo four' ; '.echo other'",
		"$$>a<" + withArgs + " nuts 5",
		"$$<" + lines,
		"$$><" + lines,
		".logopen " + log,
		".echo in the log",
		".logclose",
		".shell -ci \".echo in; .echo put\" sort",
		".prompt_allow -dis -src",
		"p",
		"q",
	}, "\n") + "\n"
	r := debugger(t, session, "cdb", "-Q", "-shell", program(t, "crash.c"))
	got := r.Out[strings.Index(r.Out, "bp crash!sum"):]
	for _, m := range masks {
		got = m.pattern.ReplaceAllString(got, m.text)
	}
	golden := filepath.Join("testdata", "commands.txt")
	want, err := os.ReadFile(golden)
	if os.Getenv("UPDATE") != "" {
		err = os.WriteFile(golden, []byte(got), 0o644)
		want = []byte(got)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		a, b := strings.Split(string(want), "\n"), strings.Split(got, "\n")
		for k := range min(len(a), len(b)) {
			if a[k] != b[k] {
				t.Fatalf("line %d\nwant %q\n got %q\n%s", k+1, a[k], b[k], got)
			}
		}
		t.Fatalf("%d lines, want %d\n%s", len(b), len(a), got)
	}
	text, err := os.ReadFile(log)
	if err != nil || !strings.Contains(string(text), "in the log\n") {
		t.Errorf("the log: %q, %v", text, err)
	}
}
