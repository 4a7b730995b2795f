package share

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/tests/kernel/window"

	"github.com/google/go-dap"
)

// elsewhere runs a program on what seems another machine: its host has another name.
var elsewhere = []string{"unshare", "--uts", "--user", "--map-root-user", "sh", "-c", `hostname elsewhere && exec "$0"`}

// TestAway: paths of the session's machine mean nothing on the guest's. A rule tells where
// sources are there; what no rule tells of is read through the session.
func TestAway(t *testing.T) {
	a, join := begin(t, anyPort, "")
	for _, rules := range []map[string]string{nil, {filepath.Dir(source()): "/home/bob/src"}} {
		b, _ := editor(t, elsewhere...)
		config := map[string]any{"remote": join}
		if rules != nil {
			config["sourceMap"] = rules
		}
		b.Start("attach", config, "")
		src := top(t, b, b.Stopped("").ThreadId).Source
		switch {
		case src == nil:
			t.Fatal("no source")
		case rules != nil && src.Path != "/home/bob/src/loop.c":
			t.Errorf("with a rule the source is %+v", src)
		case rules == nil && (src.Path != "" || src.SourceReference == 0):
			t.Errorf("without a rule the source is %+v", src)
		case rules == nil:
			var body dap.SourceResponseBody
			b.Do("source", map[string]any{"source": src, "sourceReference": src.SourceReference}, &body)
			if text, err := os.ReadFile(source()); err != nil || body.Content != string(text) {
				t.Errorf("the session sends %d bytes, %v", len(body.Content), err)
			}
		}
		if rules != nil { // a breakpoint in the guest's own copy
			if set := b.Break("/home/bob/src/loop.c", 9); !set[0].Verified {
				t.Errorf("a breakpoint there: %+v", set[0])
			}
		}
		b.Disconnect(nil)
	}
	if got := a.Command(".clients"); strings.Contains(got, "elsewhere") {
		t.Errorf("who has left is among %q", got)
	}
	a.Disconnect(nil)
}

// TestOthersFiles: of the session's machine a guest reads the sources that debug
// information names, whatever it calls itself and whatever its rules say.
func TestOthersFiles(t *testing.T) {
	a, join := begin(t, anyPort, "")
	secret := filepath.Join(t.TempDir(), filepath.Base(source()))
	if err := os.WriteFile(secret, []byte("hush"), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(source())
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range [][]string{nil, elsewhere} {
		b, _ := editor(t, from...)
		b.Start("attach", map[string]any{"remote": join, "sourceMap": map[string]string{filepath.Dir(source()): filepath.Dir(secret)}}, "")
		src := top(t, b, b.Stopped("").ThreadId).Source
		if src == nil || src.Path != secret {
			t.Fatalf("by the rule the source is %+v", src)
		}
		if why := b.Fail("source", map[string]any{"source": map[string]any{"path": "/etc/passwd"}}); !strings.Contains(why, "/etc/passwd") {
			t.Errorf("any file: %q", why)
		}
		answer, err := b.Answer(b.Send("source", map[string]any{"source": map[string]any{"path": secret}}))
		if err != nil {
			t.Fatal(err)
		}
		var body dap.SourceResponseBody
		json.Unmarshal(answer.Body, &body)
		if answer.Success && body.Content != string(text) {
			t.Errorf("by a rule the guest has read %q", body.Content)
		}
		b.Disconnect(nil)
	}
	a.Disconnect(nil)
}

// TestRestart: who takes part stays when the program is ended and begun again.
func TestRestart(t *testing.T) {
	a, join := begin(t, anyPort, "")
	b := attach(t, join)
	b.Stopped("breakpoint")
	b.Break(source(), 9)
	w := window.Open(t, "-remote", join)
	w.Do("?? total = 7")
	a.Do("restart", nil, nil)
	a.Stopped("breakpoint")
	b.Event("continued", nil)
	for {
		if s := b.Stopped(""); s.Reason == "breakpoint" {
			if f := top(t, b, s.ThreadId); f.Line != 17 {
				t.Errorf("after the restart the second editor sees line %d", f.Line)
			}
			break
		}
	}
	if got := w.Do("?? total"); !strings.Contains(got, "volatile int 0n0\n") {
		t.Errorf("after the restart the window shows %q", got)
	}
	if got := w.Do("bl"); !strings.Contains(got, "@ 9]") || !strings.Contains(got, "@ 17]") {
		t.Errorf("after the restart bl is %q", got)
	}
	w.Do(".kill")
	a.Event("terminated", nil)
	w.End(".remote_exit")
	b.Disconnect(nil)
	a.Disconnect(nil)
}

// TestFilters: what one editor made break stays so, whatever another one's boxes say.
func TestFilters(t *testing.T) {
	a, join := begin(t, anyPort, "")
	a.Do("setExceptionBreakpoints", map[string]any{"filters": []string{"av", "eh"}}, nil)
	before := a.Command("sx")
	b := attach(t, join) // with no boxes ticked
	b.Stopped("breakpoint")
	if after := a.Command("sx"); after != before {
		t.Errorf("an editor has joined, and sx is\n%s\nwas\n%s", after, before)
	}
	b.Do("setExceptionBreakpoints", map[string]any{"filters": []string{"ld"}}, nil)
	if got := a.Command("sx"); !strings.Contains(got, "ld - Load module - break") {
		t.Errorf("after a guest's box sx is\n%s", got)
	}
	b.Do("setExceptionBreakpoints", map[string]any{"filters": []string{}}, nil)
	if after := a.Command("sx"); after != before {
		t.Errorf("a guest has unticked its box, and sx is\n%s\nwas\n%s", after, before)
	}
	b.Disconnect(nil)
	a.Disconnect(nil)
}
