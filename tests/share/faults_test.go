package share

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"dap-windbg/tests/built"
	"dap-windbg/tests/dapclient"
	"dap-windbg/tests/kernel/window"

	"github.com/google/go-dap"
)

// port is where a shared session's clients connect.
func port(t *testing.T, join string) string {
	t.Helper()
	m := regexp.MustCompile(`Port=(\d+)`).FindStringSubmatch(join)
	if m == nil {
		t.Fatal(join)
	}
	return m[1]
}

// threadOf is the thread of a stop.
func threadOf(t *testing.T, m *dapclient.Message) int {
	t.Helper()
	var body dap.StoppedEventBody
	if err := json.Unmarshal(m.Body, &body); err != nil {
		t.Fatal(err)
	}
	return body.ThreadId
}

// works lets an editor step: nobody holds it up.
func works(t *testing.T, c *dapclient.Client, thread int) {
	t.Helper()
	c.Do("next", map[string]any{"threadId": thread}, nil)
	c.Stopped("")
}

// remote runs a window's command line that is to fail.
func remote(t *testing.T, join string) (status int, text string) {
	t.Helper()
	binary, err := built.Debugger()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "cdb", "-remote", join)
	out, _ := cmd.CombinedOutput()
	return cmd.ProcessState.ExitCode(), string(out)
}

// TestRefused: who is not let in is told why, and the session notices nothing.
func TestRefused(t *testing.T) {
	a, join := begin(t, anyPort+",password=Together1", "Together1")
	thread := 0
	for _, m := range a.Seen("stopped") {
		thread = threadOf(t, m)
	}
	for _, c := range []struct{ join, text string }{
		{strings.Replace(join, "Together1", "together1", 1), "Error 0x80004005"},
		{strings.Replace(join, ",Password=Together1", "", 1), "Error 0x80004005"},
		{strings.Replace(join, "tcp:", "ssl:proto=tls1,", 1), "TLS"},
	} {
		if status, text := remote(t, c.join); status != 3 || !strings.Contains(text, c.text) {
			t.Errorf("-remote %s: status %d, %s", c.join, status, text)
		}
	}
	b, _ := editor(t)
	b.Initialize()
	if text := b.Fail("attach", map[string]any{"remote": strings.Replace(join, "Together1", "x", 1)}); !strings.Contains(text, "Error 0x80004005") {
		t.Errorf("an editor with a wrong password is told %q", text)
	}
	for _, junk := range []string{"", "GET / HTTP/1.1\r\n\r\n", strings.Repeat("\xff", 4096), "DWR\n\xff\xff"} {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port(t, join))
		if err != nil {
			t.Fatal(err)
		}
		conn.Write([]byte(junk))
		conn.Close()
	}
	works(t, a, thread)
	if got := a.Command(".clients"); strings.Count(got, "last active") != 1 {
		t.Errorf(".clients has %q", got)
	}
	if got := a.Command(".servers"); !strings.Contains(got, "Password=*") || strings.Contains(got, "Together1") {
		t.Errorf(".servers shows %q", got)
	}
	if got := a.Command(".endsrv 0"); !strings.Contains(got, "Server told to exit.") {
		t.Errorf(".endsrv says %q", got)
	}
	if status, text := remote(t, join); status != 3 || !strings.Contains(text, "refused") {
		t.Errorf("after .endsrv a client gets status %d, %s", status, text)
	}
	a.Disconnect(nil)
}

// TestCut: an editor that is killed, a window that is stopped and reads nothing for a
// while: the others work on, and the window is told what it has lost.
func TestCut(t *testing.T) {
	a, join := begin(t, anyPort, "")
	b, editorProcess := editor(t)
	b.Start("attach", map[string]any{"remote": join}, "")
	thread := b.Stopped("breakpoint").ThreadId
	b.Break(source(), 18)
	w := window.Open(t, "-remote", join)
	w.Do("?? total")

	editorProcess.Process.Kill()
	a.WaitOutput("console", "disconnected at")
	works(t, a, thread)
	if got := a.Command("bl"); !strings.Contains(got, "loop.c @ 18") {
		t.Errorf("the breakpoint of an editor that was killed is gone: %q", got)
	}

	w.Signal(syscall.SIGSTOP) // it reads no more
	fill := ".echo " + strings.Repeat("x", 8000)
	a.Command(".for (r $t0 = 0; @$t0 < 0n1300; r $t0 = @$t0 + 1) { " + fill + " }") // 10 MB
	works(t, a, thread)
	w.Signal(syscall.SIGCONT)
	w.Await("Lost here, ")
	if got := w.Do("?? total"); !strings.Contains(got, "volatile int") {
		t.Errorf("the window that has read nothing for a while shows %q", got)
	}
	w.End(".remote_exit")

	c := attach(t, join)
	if got := c.Stopped("").ThreadId; got != thread {
		t.Errorf("who joins then sees thread %d", got)
	}
	c.Disconnect(nil)
	a.Disconnect(nil)
}

// TestTurnOfTheDead: who is cut off in the middle of a line gives the turn back.
func TestTurnOfTheDead(t *testing.T) {
	a, join := begin(t, anyPort, "")
	b, killed := editor(t)
	b.Start("attach", map[string]any{"remote": join}, "")
	b.Stopped("breakpoint")
	b.Send("evaluate", map[string]any{"expression": ".sleep 0n3000000", "context": "repl"})
	a.WaitOutput("console", "> .sleep 0n3000000\n")
	killed.Process.Kill()
	if got := a.Command(".echo mine"); got != "mine" {
		t.Errorf("the next line prints %q", got)
	}
	w := window.Open(t, "-remote", join)
	w.Say(".sleep 0n3000001")
	a.WaitOutput("console", "> .sleep 0n3000001\n")
	w.Signal(syscall.SIGKILL)
	if got := a.Command(".echo mine"); got != "mine" {
		t.Errorf("the next line prints %q", got)
	}
	a.Disconnect(nil)
}

// TestBreak: a line that does not end is told to who waits for it, and ended by who typed
// it or whose session it is, from a window as from an editor.
func TestBreak(t *testing.T) {
	const endless = ".while (1) { .sleep 0n1000 }"
	a, join := begin(t, anyPort, "")
	b := attach(t, join)
	thread := map[string]any{"threadId": b.Stopped("breakpoint").ThreadId}
	w := window.Open(t, "-remote", join)

	line := w.Say(endless)
	a.WaitOutput("console", "> "+endless+"\n")
	waits := b.Send("evaluate", map[string]any{"expression": ".echo mine", "context": "repl"})
	b.WaitOutput("console", endless+"\nA break (Ctrl+C, pause) takes your line back.\n")
	b.Do("pause", thread, nil)
	if m, err := b.Answer(waits); err != nil || !strings.Contains(string(m.Body)+b.Output("console"), "The line was not run") {
		t.Errorf("the line that was taken back: %s, %v", m.Body, err)
	}
	b.WaitOutput("console", "At work: [")
	if line.Done() {
		t.Error("a guest has ended another one's line")
	}
	a.Do("pause", thread, nil)
	if got := line.Wait(); !strings.Contains(got, "Interrupted") || !strings.Contains(got, "] break\n") {
		t.Errorf("the line that the owner has ended prints %q", got)
	}

	line = w.Say(".sleep 0n3000000")
	a.WaitOutput("console", "> .sleep 0n3000000\n")
	w.Interrupt()
	if got := line.Wait(); !strings.Contains(got, "Interrupted") {
		t.Errorf("the line that its window has ended prints %q", got)
	}
	w.End(".remote_exit")
	b.Disconnect(nil)
	a.Disconnect(nil)
}

// TestLateBreak: Ctrl+C that comes when what it was meant for is over ends nobody.
func TestLateBreak(t *testing.T) {
	owner := window.Open(t, "-server", anyPort, program(t))
	owner.Do(".echo it waits for a line")
	for range 3 {
		owner.Interrupt()
		if got := owner.Do("? 0n6*0n7"); !strings.Contains(got, "= 00000000`0000002a") {
			t.Fatalf("behind Ctrl+C at the prompt: %q", got)
		}
	}
	owner.End("q")
}

// TestHalfOpen: a guest that is silent for good is noticed.
func TestHalfOpen(t *testing.T) {
	if os.Getenv("HEAVY") == "" {
		t.Skip("takes half a minute; HEAVY=1 runs it")
	}
	a, join := begin(t, anyPort, "")
	w := window.Open(t, "-remote", join)
	w.Do("?? total")
	w.Signal(syscall.SIGSTOP)
	a.WaitOutput("console", "disconnected at")
	a.Disconnect(nil)
}

// TestEnds: when the owner leaves, its guests are told and end.
func TestEnds(t *testing.T) {
	a, join := begin(t, anyPort, "")
	b := attach(t, join)
	b.Stopped("breakpoint")
	w := window.Open(t, "-remote", join)
	w.Do("?? total")
	a.Disconnect(nil)
	b.Event("terminated", nil)
	b.Disconnect(nil)
	w.Await("The debug session has ended.")
	w.End("")
}
