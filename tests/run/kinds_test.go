package run

import (
	"dap-windbg/tests/built"
	"strings"
	"testing"
)

// TestHeadlines: each kind of crash is called what it is, with the expression that was
// at fault, and the program ends as it would by itself.
func TestHeadlines(t *testing.T) {
	kinds := built.Program(t, "testdata/kinds.cpp", "-fstack-protector-all")
	for _, row := range []struct {
		how      string
		status   int
		headline string // of the report, "" none
	}{
		{"null", 1, "null dereference of `o->who` (customer *), reading 8 bytes behind it in kinds!length"},
		{"this", 1, "null dereference of `this` (const shelf * const), reading in kinds!shelf::total"},
		{"reference", 1, "null dereference of `c` (customer &), reading 32 bytes behind it in kinds!age"},
		{"strlen", 1, "null pointer passed to strlen: `name` (const char *), reading in kinds!main"},
		{"nullcall", 1, "call through a null pointer `f`"},
		{"data", 1, "execution of data through the pointer `f` in [heap]"},
		{"deep", 1, "stack overflow: kinds!deep calls itself without an end (more than 4096 frames)"},
		{"ping", 1, "stack overflow: kinds!ping, kinds!pong call each other without an end (more than 4096 frames)"},
		{"huge", 1, "stack overflow: the variables of kinds!huge do not fit ("},
		{"thread", 1, "stack overflow: kinds!deep calls itself without an end"},
		{"pattern", 1, "use of memory that was freed (0xdd of a debug heap): the pointer `o->next` (order *) is 0xdddddddddddddddd in kinds!main"},
		{"beef", 1, "use of memory that was freed (0xdeadbeef): the pointer `first.next` (order *) is 0xdeadbeef in kinds!main"},
		{"wild", 1, "reading 0x123456789000, where nothing is mapped, through `first.next` (order *) in kinds!main"},
		{"impossible", 1, "reading through `first.next` (order *), which is 0x1234567890abcdef: no address, so it was overwritten or never set"},
		{"readonly", 1, "write to read-only memory at 0x"},
		{"divide", 1, "division by zero: `count` is 0"},
		{"minus", 1, "the quotient of a division by `count`, which is -1, is too large for its type"},
		{"assert", 1, `assertion failed: zero > 0 && "there are orders"`},
		{"abort", 1, "abort called by kinds!main"},
		{"doublefree", 1, "memory was freed twice: free(): double free detected in tcache 2"},
		{"badfree", 1, "the heap is damaged: free(): invalid pointer"},
		{"smash", 1, "a buffer on the stack was overrun: *** stack smashing detected ***: terminated"},
		{"throw", 1, "uncaught C++ exception std::out_of_range: order 17 is not there"},
		{"throwint", 1, "uncaught C++ exception int: 42"},
		{"noexcept", 1, "uncaught C++ exception std::runtime_error: through noexcept"},
		{"terminate", 1, "std::terminate was called: "},
		{"rethrow", 1, "uncaught C++ exception std::logic_error: first"},
		{"trap", 1, "the program trapped on purpose: "},
		{"int3", 1, "a breakpoint instruction of the program's own, with no debugger to take it"},
		{"illegal", 1, "illegal instruction: "},
		{"bus", 1, "reading what lies behind the end of the mapped file "},
		{"kill", 1, "segmentation fault (SIGSEGV), sent by the program itself"},
		{"reraise", 1, "null dereference of `o->who` (customer *), reading 8 bytes behind it in kinds!length (a handler of the program took the signal first)"},
		{"handled", 1, ""}, // its handler exits with 7: no crash
		{"ignored", 0, ""},
		{"term", 1, ""},
		{"none", 0, ""},
	} {
		t.Run(row.how, func(t *testing.T) {
			r := bare.run(t, "--", kinds, row.how)
			got, crashed := "", false
			for line := range strings.Lines(r.Err) {
				if h, ok := strings.CutPrefix(line, "CRASH: "); ok && !crashed {
					got, crashed = strings.TrimSuffix(h, "\n"), true
				}
			}
			if r.Status != row.status || crashed != (row.headline != "") || !strings.HasPrefix(got, row.headline) {
				t.Errorf("status %d, headline %q; want %d, %q\n%s", r.Status, got, row.status, row.headline, r.Err)
			}
		})
	}
}

// TestPerturbed: with glibc's filling, freed memory is known by the byte it has here.
func TestPerturbed(t *testing.T) {
	s := surroundings{env: []string{"MALLOC_PERTURB_=119"}}
	s.run(t, "--", built.Program(t, "testdata/freed.cpp")).Must(t, 1,
		"^CRASH: use of memory that was freed \\(filled with 0x77 by MALLOC_PERTURB_\\): the pointer `o->next` \\(order \\*\\) is 0x7777777777777777")
}
