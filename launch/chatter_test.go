package launch

import (
	"strings"
	"testing"
)

// TestSieve: the program's text comes through as it is written, gdbserver's does not.
func TestSieve(t *testing.T) {
	var said lineLog
	port := make(chan string, 1)
	var got []string
	f := sieve{port: port, said: &said, output: func(s string) { got = append(got, s) }}
	for _, piece := range []string{"Process ./a created; pid = 7\nwarning: x\nListening on port 41", "23\n", "Remote debugging from host 127.0.0.1, port 5\n",
		"Name: ", "Ann\nProc", "ess ./b created; pid = 8\n", "Process", "ing\n", "\n\nChild exited with status 0\n", strings.Repeat("x", 10), "\n\nlast", "\n\n"} {
		f.take(piece)
	}
	f.end()
	if p := <-port; p != "4123" || said.text() != "warning: x" {
		t.Errorf("port %s, said %q", p, said.text())
	}
	if want := "Name: |Ann\n|Processing\n|\n|xxxxxxxxxx|\n|\nlast|\n|\n"; strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", strings.Join(got, "|"), want)
	}
	for _, head := range chatterHeads {
		if !mayBeChatter(head[:3]) || !mayBeChatter(head+"1") {
			t.Errorf("%q would be taken for the program's", head)
		}
	}
}

// TestSieveLongLine: a line without an end does not grow for ever.
func TestSieveLongLine(t *testing.T) {
	n := 0
	f := sieve{port: make(chan string, 1), said: &lineLog{}, connected: true, output: func(s string) { n += len(s) }}
	for range 100 {
		f.take("Process " + strings.Repeat("x", 1000))
	}
	if len(f.rest) > maxChatter || n < 90_000 {
		t.Errorf("%d bytes kept, %d passed on", len(f.rest), n)
	}
}
