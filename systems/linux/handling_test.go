package linux

import (
	"strings"
	"testing"
)

func TestTakesCare(t *testing.T) {
	const status = "Name:\tx\nSigQ:\t0/1\nSigBlk:\t0000000000000400\nSigIgn:\t0000000000001000\nSigCgt:\t8000000000000400\n"
	for signal, want := range map[int]bool{11: true, 13: true, 64: true, 12: false, 1: false, 0: false, 65: false} {
		if got := takesCare(strings.NewReader(status), signal); got != want {
			t.Errorf("signal %d: %v", signal, got)
		}
	}
	for _, s := range []string{"", "SigCgt:", "SigCgt:\tzz\nSigIgn: 400 400", "SigCgt:\t" + strings.Repeat("f", 100)} {
		if takesCare(strings.NewReader(s), 11) {
			t.Errorf("%q says that signal 11 is handled", s)
		}
	}
}
