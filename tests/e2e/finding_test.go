package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
)

// buildID is a program's, as readelf tells it.
func buildID(t *testing.T, program string) string {
	t.Helper()
	text, err := exec.Command("readelf", "-n", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("Build ID: ([0-9a-f]+)").FindSubmatch(text)
	if m == nil {
		t.Fatalf("%s has no build-id", program)
	}
	return string(m[1])
}

// library serves files under names, slowly when told, and counts.
func library(t *testing.T, files map[string]string) (url string, asked *atomic.Int32) {
	t.Helper()
	asked = &atomic.Int32{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		file, ok := files[r.URL.Path]
		if !ok {
			w.WriteHeader(404)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeFile(w, r, file)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

// TestUnbidden: servers of the environment are asked when the path says so, and not before.
func TestUnbidden(t *testing.T) {
	stripped, debug := separate(t)
	url, asked := library(t, map[string]string{"/buildid/" + buildID(t, stripped) + "/debuginfo": debug})
	env := []string{"DEBUGINFOD_URLS=" + url + " ima:permissive"}
	withEnv(t, env, ".reload /f crash\nlm m crash\nq\n", "cdb", stripped).Must(t, 0, `crash .*\(service symbols: ELF Export Symbols|no symbols\)`)
	if n := asked.Load(); n != 0 {
		t.Errorf("the server was asked %d times unbidden", n)
	}
	withEnv(t, env, ".symfix\n.reload /f crash\nlm m crash\nq\n", "cdb", stripped).Must(t, 0,
		`Symbol search path is: srv\*;DebugInfoD\*`, "Symbols loaded for crash", `crash .*\(service symbols: DWARF Private Symbols\)`)
	withEnv(t, append(env, "_NT_SYMBOL_PATH=DebugInfoD*"), ".reload /f crash\nlm m crash\nq\n", "cdb", stripped).Must(t, 0,
		`crash .*\(service symbols: DWARF Private Symbols\)`)
}

// TestStates: lm, .reload and ld with their options say what became of symbols.
func TestStates(t *testing.T) {
	stripped, debug := separate(t)
	other := filepath.Join(t.TempDir(), "crash.debug")
	must(t, "objcopy", "--only-keep-debug", program(t, "crash.c", "-O1"), other)
	wrong, right := filepath.Dir(other), filepath.Dir(debug)
	debugger(t, strings.Join([]string{
		".sympath " + wrong, ".reload /f crash", "lm m crash", "lm e m crash", "lm l m crash",
		".reload /i crash", "lm m crash",
		".sympath " + right, ".reload /f crash", "lm m crash", "lm e m crash", ".echo none",
		".reload crash", "lm m crash", "ld * /f cra*", "lm m crash",
		".reload /u crash", "lm m crash", "ld nothere",
		".reload plugin=10000000,2000", "lm m plugin", "lm a 10001fff", ".reload", "lm m plugin", ".reload /u plugin", "lm m plug*", ".echo end",
		".reload /f nothere", "lm 1m", "lm t m crash", "lm k", "lm sm o", "q", ""}, "\n"), "cdb", stripped).Must(t, 4, // two commands name a module that is not there
		"ERROR: symbols of crash do not match: .*build-id [0-9a-f]{40}, the debuggee runs [0-9a-f]{40}",
		`crash    # \((service symbols: ELF Export Symbols|no symbols)\)`, `crash    # \(`, `crash    # \(`,
		"WARNING: symbols of crash are of another build", `crash    M \(service symbols: DWARF Private Symbols\) +`+wrong,
		`Symbol search path is: `+right, `crash    T \(service symbols: DWARF Private Symbols\) +`+right, "0:000> lm e m crash\nstart .*\n0:000> .echo none",
		`crash .*\(deferred\)`, "Symbols loaded for crash", `crash    T \(service`,
		"Unloaded crash", `crash .*\(no symbols\)`, "'nothere' was not found in the image list",
		"10000000 .*10002000   plugin .*deferred", "10000000 .*10002000   plugin", "Reloading current modules", "10000000 .*10002000   plugin", "Unloaded plugin", "end",
		"'nothere' was not found", "\ncrash\n", "crash    crash   unavailable \\(00000000\\)")
}

// TestChatter: !sym noisy tells how a transfer goes and hides passwords; .symopt has the same switch.
func TestChatter(t *testing.T) {
	stripped, debug := separate(t)
	url, _ := library(t, map[string]string{"/buildid/" + buildID(t, stripped) + "/debuginfo": debug})
	secret := strings.Replace(url, "http://", "http://someone:word@", 1)
	r := debugger(t, "!sym noisy\n.symopt\n.sympath DebugInfoD*"+secret+"\n.sympath+ /nowhere\n.reload /f crash\nlm m crash\n!sym quiet\n.symopt+40\n.symopt-10\n.srcpath srv*;DebugInfoD*http://sources.example\nq\n", "cdb", stripped)
	r.Must(t, 0, "noisy mode - symbol prompts off", "Symbol options are 0x80030237:", "0x80000000 - SYMOPT_DEBUG",
		`Symbol search path is: DebugInfoD\*http://xxxxx@127`, `Symbol search path is: DebugInfoD\*http://xxxxx@127.*;/nowhere`,
		`SYMSRV: .*/run/crash - found`, `SYMSRV: http://xxxxx@127.*/debuginfo - fetched`, `SYMSRV: .*/debuginfo - found`, `crash .*DWARF Private Symbols`,
		"quiet mode", "Symbol options are 0x30277:", "Symbol options are 0x30267:",
		"WARNING: http://sources.example is not encrypted", `Source search path is: srv\*;DebugInfoD\*http://sources.example`)
	if n := strings.Count(r.Out+r.Err, "someone:word"); n != 1 { // where it was typed
		t.Errorf("the password is shown:\n%s", r.Out)
	}
}

// TestGiveUp: Ctrl+C ends a transfer, and the session goes on with what it has.
func TestGiveUp(t *testing.T) {
	stripped, _ := separate(t)
	begun := make(chan struct{}, 9)
	gone := make(chan struct{}, 9)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(100<<20))
		w.Write(make([]byte, 1<<20))
		w.(http.Flusher).Flush()
		begun <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	}))
	defer s.Close()
	k := start(t, "cdb", stripped)
	k.expect("Break instruction")
	k.say(".sympath DebugInfoD*" + s.URL)
	k.say(".reload /f crash")
	<-begun
	k.cmd.Process.Signal(os.Interrupt)
	<-gone
	k.say("lm m crash")
	k.expect(`crash .*\((service symbols: ELF Export Symbols|no symbols)\)`)
	k.say("r rip")
	k.expect(`rip=[0-9a-f]+`)
	k.say("q")
	k.end()
}

// TestCommonFile: what dwz took out of a program comes from a real debuginfod.
func TestCommonFile(t *testing.T) {
	dir, served := t.TempDir(), t.TempDir()
	var text strings.Builder
	for i := range 60 { // enough for dwz to find something in common
		fmt.Fprintf(&text, "struct record_%d { int first_member_%d; struct record_%d *next_%d; double weight_%d[%d]; } r%d;\n", i, i, i, i, i, i+1, i)
	}
	for _, name := range []string{"one", "two"} {
		src := filepath.Join(dir, name+".c")
		if err := os.WriteFile(src, []byte(text.String()+"int main(void) { return 0; }\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		must(t, "gcc", "-g", "-gdwarf-4", "-Wl,--build-id", "-o", filepath.Join(dir, name), src)
	}
	common := filepath.Join(served, "common.debug")
	must(t, "dwz", "-m", common, "-M", "../no/such/common.debug", filepath.Join(dir, "one"), filepath.Join(dir, "two"))
	url := debuginfod(t, served)
	debugger(t, "!sym noisy\n.sympath DebugInfoD*"+url+"\n.reload /f one\ndt one!record_7\nq\n", "cdb", filepath.Join(dir, "one")).Must(t, 0,
		"SYMSRV: .*/no/such/common.debug - not there", "SYMSRV: .*/debuginfo - fetched",
		`\+0x000 first_member_7 +: Int4B`, `\+0x010 weight_7 +: \[8\] Double`)
}
