package launch

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"dap-windbg/engine"
)

// console is a line on which telnet is spoken and a kernel runs that never stops. It
// keeps what is sent, until wanted is among it.
func console(t *testing.T, wanted string) (address string, sent <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		defer l.Close()
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		c.Write([]byte{255, 251, 1, 255, 251, 3})
		var all []byte
		for p := make([]byte, 100); err == nil && !bytes.Contains(all, []byte(wanted)); {
			var n int
			n, err = c.Read(p)
			all = append(all, p[:n]...)
		}
		got <- string(all)
	}()
	t.Cleanup(func() { l.Close() })
	return strings.Replace(l.Addr().String(), ":", ",port=", 1), got
}

// TestEnter: a running kernel is broken into by what the connection names, and by
// nothing else.
func TestEnter(t *testing.T) {
	const brk, escape, never = "\xff\xf3g", "\x1bKDB", "\x00never"
	for _, protocol := range []string{"kgdb", "kdb"} {
		for arg, want := range map[string]string{"": brk, ",enter=break": brk, ",enter=esc": escape, ",sysrq=none": never, ",enter=none": never} {
			t.Run(protocol+arg, func(t *testing.T) {
				t.Parallel()
				address, sent := console(t, want)
				c, err := ParseConnection(protocol+":server="+address+arg, Kernel)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				said := make(chan string, 100)
				hooks := Hooks{Emit: func(e engine.Event) {
					if o, ok := e.(engine.Output); ok {
						said <- o.Text
					}
				}}
				done := make(chan error, 1)
				go func() {
					_, err := Start(ctx, Plan{Request: Attach, Connection: c, WaitFor: true}, hooks)
					done <- err
				}()
				if want == never {
					for !strings.Contains(<-said, "sysrq-trigger") {
					}
					cancel()
				}
				got := <-sent
				cancel()
				if err := <-done; err == nil {
					t.Error("connected")
				}
				for _, other := range []string{"\xff\xf3", "\x1b"} {
					if !strings.Contains(want, other) && strings.Contains(got, other) {
						t.Errorf("sent %q", got)
					}
				}
				if want != never && !strings.Contains(got, want) {
					t.Errorf("sent %q without %q", got, want)
				}
			})
		}
	}
}

// TestPlain: control sequences of a guest's terminal are not shown in banners.
func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		"/ # \x1b[6n":                         "/ # ",
		"\x1b[1;32mok\x1b[0m\tdone\r\n":       "ok\tdone\n",
		"\x1b]0;title\x07a\x1b]0;t\x1b\\b":    "ab",
		"\x1b[2J\x1b(Bx\x1b7y\x07\x1b[?2004h": "xy",
		"[0]kdb> é+-\x1b":                     "[0]kdb> é+-",
	} {
		if got := plain(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
