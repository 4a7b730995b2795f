package windbg_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"

	"dap-windbg/launch"
)

// dump has gdb write the core of testdata/fault.c, run with an argument.
func dump(t *testing.T, how string) *window {
	t.Helper()
	program, core := compile(t, "fault.c"), filepath.Join(t.TempDir(), "core")
	out, err := exec.Command("gdb", "-batch", "-nx", "-iex", "set debuginfod enabled off", "-ex", "run "+how, "-ex", "generate-core-file "+core, program).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	p := launch.NewPlan()
	p.CoreFile = core
	return start(ctx, t, p)
}

// TestCoreEvents: what ended a process is told in one way, with the address that was
// accessed where its siginfo has one.
func TestCoreEvents(t *testing.T) {
	for how, want := range map[string]struct{ event, code, address string }{
		"mapped": {`Signal SIGSEGV \(SEGV_MAPERR\) - code b`, "   ExceptionCode: 0000000b (Signal SIGSEGV)", "Attempt to access address 0000000012345678"},
		"no address": {`Signal SIGSEGV \(SI_KERNEL\) - code b`, "   ExceptionCode: 0000000b (Signal SIGSEGV)",
			"The address accessed is unavailable: the processor tells none (a general protection fault, as of an address that is none)"},
		"sent":  {`Signal SIGSEGV \(SI_TKILL\) - code b`, "   ExceptionCode: 0000000b (Signal SIGSEGV)", "The address accessed is unavailable: the signal was sent, by kill or the like"},
		"abort": {`Signal SIGABRT \(SI_TKILL\) - code 6`, "   ExceptionCode: 00000006 (Signal SIGABRT)", ""},
	} {
		t.Run(how, func(t *testing.T) {
			w := dump(t, how[:1])
			w.expect(".lastevent", `/Last event: [0-9a-f]+\.[0-9a-f]+: `+want.event+` \(first\/second chance not available\)/`, "/  debugger time: .*/")
			rows := []string{"/ExceptionAddress: [0-9a-f]{16}.*/", want.code, "  ExceptionFlags: 00000000", "/NumberParameters: [01]/"}
			switch {
			case how == "mapped":
				rows = append(rows, "   Parameter[0]: 0000000012345678", want.address)
			case want.address != "":
				rows = append(rows, want.address)
			}
			w.expect(".exr -1", rows...)
			w.expect("lm m libc_so", "start             end                 module name", "/"+address+" "+address+"   libc_so .*/")
		})
	}
}
