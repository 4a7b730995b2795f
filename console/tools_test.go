package console

import (
	"cmp"
	"slices"
	"testing"

	"dap-windbg/targets"
)

// TestProcesses: in the order of their ids, as numbers.
func TestProcesses(t *testing.T) {
	list, err := Processes(t.Context(), "")
	if err != nil || len(list) == 0 {
		t.Fatal(list, err)
	}
	if !slices.IsSortedFunc(list, func(a, b targets.Process) int { return cmp.Compare(a.PID, b.PID) }) {
		t.Error("not sorted by id")
	}
}
