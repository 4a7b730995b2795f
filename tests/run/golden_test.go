package run

import (
	"dap-windbg/tests/built"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the example's reports anew")

// masks are what may differ from run to run, machine to machine and compiler to
// compiler; everything else of a report is compared.
var masks = []struct {
	what string
	re   *regexp.Regexp
	as   string
}{
	{"addresses as people read them", regexp.MustCompile("\\b[0-9a-f]{8}`[0-9a-f]{8}\\b"), "ADDRESS"},
	{"addresses as machines do", regexp.MustCompile(`0x[0-9a-f]{5,}\b`), "0xADDRESS"},
	{"bytes of memory", regexp.MustCompile(`(?m)^(  ADDRESS ) (?:(?: ?[0-9a-f?]{2}){16})  .{16}$`), "$1 BYTES"},
	{"bytes in JSON", regexp.MustCompile(`"bytes": "[0-9a-f?]*"`), `"bytes": "BYTES"`},
	{"registers", regexp.MustCompile(`(?m)\b([a-z0-9]{2,6})=[0-9a-f]{8,16}\b`), "$1=VALUE"},
	{"registers in JSON", regexp.MustCompile(`"value": "[0-9a-f]{8,16}"`), `"value": "VALUE"`},
	{"code", regexp.MustCompile(`(instruction ADDRESS) [0-9a-f]+ `), "$1 CODE "},
	{"code in JSON", regexp.MustCompile(`("instruction": "ADDRESS) [0-9a-f]+ `), "$1 CODE "},
	{"build-ids", regexp.MustCompile(`\b[0-9a-f]{40}\b`), "BUILDID"},
	{"offsets in code", regexp.MustCompile(`\+0x[0-9a-f]+`), "+0xN"},
	{"offsets in JSON", regexp.MustCompile(`"offset": \d+`), `"offset": 0`},
	{"processes", regexp.MustCompile(`process \d+ \(`), "process ID ("},
	{"threads", regexp.MustCompile(`Thread 0 \(\d+\)`), "Thread 0 (ID)"},
	{"ids in JSON", regexp.MustCompile(`"id": \d+`), `"id": 0`},
	{"times", regexp.MustCompile(`(time|timestamp|"started"|"seconds")(=|: )"?[-0-9.:TZ]+"?`), "$1${2}TIME"},
	{"the debugger's version", regexp.MustCompile(`dap-windbg 0\.1[^"]*`), "dap-windbg VERSION"},
	{"the system's frames", regexp.MustCompile(`(?m)^  \d\d ADDRESS (libc_so|ld_linux_x86_64_so)\b.*\n`), ""},
}

// masked is a report without what may differ; dir is where the example was built.
func masked(text, dir string) string {
	text = strings.ReplaceAll(text, dir, "DIR")
	for _, m := range masks {
		text = m.re.ReplaceAllString(text, m.as)
	}
	return text
}

// example builds the example project in a folder of its own.
func example(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../examples/orders")); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(dir, "tests"))
	cmd := exec.Command("make", "-s", "tests")
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return dir
}

// TestExample: the example's reports are those in its folder, in an environment as
// containers have it: no terminal, no HOME, TERM or PATH, the first process of its
// own.
func TestExample(t *testing.T) {
	dir := example(t)
	s := surroundings{dir: dir}
	report := filepath.Join(dir, "crash")
	s.start(t, append(alone(t), built.Binary(t), "run", "--report", report, "--", "./tests")).Must(t, 1,
		`^discounts passed\nguests crashed\nlabels passed$`, "^CRASH: null dereference of `order.customer`", "^Core file: core.2$")
	for _, name := range []string{"report.txt", "junit.xml", "annotations.txt"} {
		got := masked(built.Read(t, filepath.Join(report, name)), dir)
		golden := filepath.Join("../../examples/orders/expected", name)
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if want := built.Read(t, golden); got != want {
			t.Errorf("%s differs from %s at line %s", name, golden, differs(want, got))
		}
	}
}

// alone runs what follows as the first process of a container, where that is allowed.
func alone(t *testing.T) []string {
	argv := []string{"/usr/bin/unshare", "--pid", "--fork", "--mount-proc", "--"}
	if err := exec.Command(argv[0], append(argv[1:], "/bin/true")...).Run(); err != nil {
		t.Logf("no namespaces here (%v): in a session of its own instead", err)
		return nil
	}
	return argv
}

// differs shows the first line that is not the same.
func differs(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for k := range min(len(w), len(g)) {
		if w[k] != g[k] {
			return strings.Join([]string{"", "want " + w[k], "got  " + g[k]}, "\n")
		}
	}
	return "the end"
}

// TestExampleDiffers: what is compared would tell another line, another variable and
// another kind of crash.
func TestExampleDiffers(t *testing.T) {
	text := built.Read(t, "../../examples/orders/expected/report.txt")
	for _, change := range [][2]string{{"orders.cpp @ 14", "orders.cpp @ 15"}, {"number = 2", "number = 3"}, {"null dereference", "stack overflow"}, {"child 2", "child 1"}} {
		other := strings.Replace(text, change[0], change[1], 1)
		if other == text || masked(other, "/nowhere") == masked(text, "/nowhere") {
			t.Errorf("%q for %q would not be seen", change[1], change[0])
		}
	}
}

// TestExampleSession: the example's session is a test that passes, and fails on
// another program.
func TestExampleSession(t *testing.T) {
	dir := example(t)
	s := surroundings{dir: dir}
	s.run(t, "-cf", "discounts.dbg", "--", "./tests", "discounts").Must(t, 0, `^discounts passed$`)
	source := filepath.Join(dir, "orders.cpp")
	if err := os.WriteFile(source, []byte(strings.Replace(built.Read(t, source), "/ 100", "/ 50", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("make", "-s", "-B", "tests")
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	s.run(t, "-cf", "discounts.dbg", "--", "./tests", "discounts").Must(t, 4, `^FAILED discounts\.dbg:\d+: assertion failed: .assert @rax == 0n2340`, `expected: == 0x924 \(2340\)`, `actual:   @rax is 0x820 \(2080\)`)
}
