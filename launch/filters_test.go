package launch

import (
	"slices"
	"testing"

	"dap-windbg/engine"
	"dap-windbg/targets"
)

func TestFilters(t *testing.T) {
	f := newFilters()
	for _, c := range []struct {
		code, arg   string
		stops, told bool
		kind        targets.DeliverKind
	}{
		{"sig11", "SIGSEGV", true, true, targets.NotHandled},
		{"av", "", true, true, targets.NotHandled},
		{"SIGSEGV", "", true, true, targets.NotHandled},
		{"sig14", "", false, false, targets.NotHandled},
		{"sig2", "", true, true, targets.Handled},
		{"ld", "libc_so", false, true, targets.Handled},
		{"ct", "", false, false, targets.Handled},
		{"ibp", "", true, true, targets.Handled},
		{"sig200", "", true, true, targets.NotHandled},
	} {
		d := f.decide(engine.FilterEvent{Code: c.code, Arg: c.arg})
		if d.Break != c.stops || d.Print != c.told || d.Deliver.Kind != c.kind {
			t.Errorf("%s: got %+v", c.code, d)
		}
	}
	f.set(engine.FilterSetting{Code: "ld", Arg: "libm*", Break: 'e'})
	if !f.decide(engine.FilterEvent{Code: "ld", Arg: "libm_so"}).Break || f.decide(engine.FilterEvent{Code: "ld", Arg: "libc_so"}).Break {
		t.Error("sxe ld:libm* must break at libm alone")
	}
	f.set(engine.FilterSetting{Code: "ld", Arg: "libc*", Break: 'e'})
	if f.decide(engine.FilterEvent{Code: "ld", Arg: "libm_so"}).Break {
		t.Error("only the latest argument of ld is kept")
	}
	f.set(engine.FilterSetting{Code: "ld", Break: 'e'})
	if !f.decide(engine.FilterEvent{Code: "ld", Arg: "libm_so"}).Break {
		t.Error("sxe ld must break at every module")
	}
	f.set(engine.FilterSetting{Code: "SIGUSR1", Break: 'i', Exception: true})
	if f.decide(engine.FilterEvent{Code: "sig10"}).Break {
		t.Error("sxi SIGUSR1 must not break")
	}
}

func TestCatching(t *testing.T) {
	f := newFilters()
	c := f.catching()
	if c.Throw || c.Catch || c.Rethrow || c.Syscalls != nil || !slices.Equal(c.Pass, []int{14, 17, 19, 23, 26, 27, 28, 29, 32, 33}) {
		t.Errorf("nothing is asked for: %+v", c)
	}
	for _, row := range []engine.FilterSetting{
		{Code: "eh", Arg: "std::*", Break: 'n', Exception: true}, {Code: "ehc", Break: 'd', Exception: true}, {Code: "ehr", Break: 'i', Command: "k"},
		{Code: "sys", Arg: "open*,3", Break: 'e'}, {Code: "SIGUSR1", Break: 'i', Exception: true}, {Code: "SIGCHLD", Break: 'n', Exception: true},
		{Code: "SIGALRM", Break: 'i', Command: "k", Exception: true},
	} {
		f.set(row)
	}
	c = f.catching()
	if !c.Throw || c.Catch || !c.Rethrow || !slices.Equal(c.Syscalls, []string{"open*", "3"}) || !slices.Equal(c.Pass, []int{10, 19, 23, 26, 27, 28, 29, 32, 33}) {
		t.Errorf("what is asked for: %+v", c)
	}
	for arg, want := range map[string]bool{"openat": true, "3": true, "close": false} {
		if got := f.decide(engine.FilterEvent{Code: "sys", Arg: arg}).Break; got != want {
			t.Errorf("system call %s: break %v", arg, got)
		}
	}
	f.set(engine.FilterSetting{Code: "sys", Break: 'e'})
	if c = f.catching(); !slices.Equal(c.Syscalls, []string{"*"}) {
		t.Errorf("all system calls: %v", c.Syscalls)
	}
}

func TestErrorText(t *testing.T) {
	var d Debugger
	for n, want := range map[uint64]string{2: "ENOENT: No such file or directory", 111: "ECONNREFUSED: Connection refused", 0: "", 41: "", 99999: "", 1 << 63: ""} {
		if got := d.ErrorText(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
