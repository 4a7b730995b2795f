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

// TestStarts has what programs begin in looked for where it is, by modules' names.
func TestStarts(t *testing.T) {
	for module, want := range map[string]string{
		"prog": "main", "quick_sort": "main", "libc_so": "__libc_start_call_main", "libc_2_31": "__libc_start_call_main",
		"libstdc___so": "", "libssl_so_1_1": "", "ld_linux_x86_64_so": "", "ld_2_31": "",
	} {
		got := append((*System)(nil).Starts(module), "")[0]
		if got != want {
			t.Errorf("%s: %q, want %q", module, got, want)
		}
	}
}
