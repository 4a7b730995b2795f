package launch

import (
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

func TestErrorText(t *testing.T) {
	var d Debugger
	for n, want := range map[uint64]string{2: "ENOENT: No such file or directory", 111: "ECONNREFUSED: Connection refused", 0: "", 41: "", 99999: "", 1 << 63: ""} {
		if got := d.ErrorText(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
